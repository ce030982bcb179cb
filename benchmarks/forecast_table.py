"""The benchmark table: one row a figure with its target and a verdict."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One figure."""

    what: str
    """What was measured."""
    value: float
    """The figure."""
    target: str
    """What it should be, or what others reached."""
    met: bool | None
    """Whether the target is met; None for a reference."""


def shared_file(name: str) -> Path:
    """Return the path of a measured series; the folder is ``MDC_SHARED`` or ``../shared`` beside the repository."""
    folder = Path(os.environ.get("MDC_SHARED", Path(__file__).parent.parent.parent / "shared"))
    return folder / "data" / name


def table_text(rows: Iterable[Row]) -> str:
    """Return rows as aligned text."""
    verdict = {True: "met", False: "MISSED", None: ""}
    lines = [f"{row.what:<72} {row.value:>9.5f}  {row.target:<24} {verdict[row.met]}" for row in rows]
    return "\n".join(lines)
