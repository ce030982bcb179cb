"""The docs do what they say: commands run, links lead somewhere, every page is in the site, the reference is the code's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from controller.devices.compute.bench.slurm_cluster import missing_tools
from controller.reference.__main__ import PAGES
from tests.docs.shown import ROOT, run_page, says, shown_in, with_free_ports

DOCS = ROOT / "docs"
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
WITH_COMMANDS = sorted(page for page in [DOCS / "tutorial.md", *DOCS.glob("how-to/*.md")] if shown_in(page))
EVERY_PAGE = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_commands_of_a_page_run_and_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    slurm = "slurm_cluster" in page.read_text(encoding="utf-8")
    if slurm and os.environ.get("CI") != "true" and (missing_tools() or os.getuid() != 0):
        pytest.skip("Slurm is not here (apt-get install slurm-wlm munge), or this user is not root")
    for shown, printed in run_page(page, tmp_path, seconds=800):
        assert says(shown.lines, printed), f"$ {shown.command}\nshown:\n{shown.lines}\nprinted:\n{printed}"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in _anchors(file)):
            dead.append(target)
    assert dead == []


def _anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def test_every_page_is_in_the_site_and_the_site_builds(tmp_path: Path) -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "built")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "built" / "tutorial.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="https?://(?!127\.0\.0\.1)[^"]+\.(?:js|css|woff2?)"', page) == []


def test_ports_of_a_page_become_free_ones_each_the_same_throughout() -> None:
    script = with_free_ports("a 127.0.0.1:15502 b 127.0.0.1:15503 c 127.0.0.1:15502 d 127.0.0.1:8080")
    first, second, again, other = re.findall(r":(\d+)", script)
    assert first == again
    assert len({first, second, "15502", "15503"}) == 4
    assert other == "8080"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_reference_is_the_codes(name: str) -> None:
    assert (DOCS / "reference" / name).read_text(encoding="utf-8") == PAGES[name](), "run: make docs"


@pytest.mark.parametrize(
    ("lines", "printed", "same"),
    [
        ((), "anything\n", True),
        (("a  b",), "a b\n", True),
        (("a",), "b\n", False),
        (("…", "last"), "one\ntwo\nlast\n", True),
        (("first", "…"), "first\n", True),
        (("day.html: …",), "day.html: 12 kB\n", True),
        (("a",), "a\nb\n", False),
    ],
)
def test_shown_output_is_compared_line_by_line(lines: tuple[str, ...], printed: str, same: bool) -> None:
    assert says(lines, printed) is same
