"""A figure stands beside the command that prints it, and that command is there: README and docs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from tests.docs.shown import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
COMMAND = re.compile(r"python -m (benchmarks\.\w+[^`\n|;&#]*)")
COMMANDS = sorted({" ".join(found.split()) for page in PAGES for found in COMMAND.findall(page.read_text())})
TARGET = re.compile(r"`make ([a-z-]+)`")


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the README's table of figures."""
    table = re.search(
        r"^\| figure \| measured \| command \|\n\|[-| ]+\|\n((?:\|.*\n)+)", (ROOT / "README.md").read_text(), re.M
    )
    assert table is not None
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]
    return [(name, value, command) for name, value, command in cells]


def test_every_figure_of_the_readme_has_its_number_and_its_command() -> None:
    rows = figures()
    assert len(rows) >= 5
    for name, value, command in rows:
        assert re.search(r"\d", value), name
        assert COMMAND.search(command), name


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_prints_figures_is_there_and_takes_its_options(command: str) -> None:
    words = shlex.split(command.split("[")[0])
    done = subprocess.run(
        [sys.executable, "-m", words[0], "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    options = re.findall(r"--[a-z][a-z-]*", command)
    assert [each for each in options if each not in done.stdout] == []


def test_targets_that_pages_name_are_in_the_makefile() -> None:
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {target for page in PAGES for target in TARGET.findall(page.read_text())}
    assert named
    assert named <= made
