"""``python -m controller.reference FOLDER`` writes the reference pages; a test holds those in ``docs/reference`` in step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from controller.reference.codes import codes_page
from controller.reference.commands import commands_page
from controller.reference.documents import problem_and_plan_page, site_page
from controller.reference.interface import interface_page
from controller.reference.metrics import metrics_page

PAGES: dict[str, Callable[[], str]] = {
    "site-file.md": site_page,
    "command-line.md": commands_page,
    "problem-and-plan.md": problem_and_plan_page,
    "api.md": interface_page,
    "metrics.md": metrics_page,
    "reason-codes.md": codes_page,
}


def write_reference(folder: Path) -> None:
    """Write every page into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write_reference(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference"))
