"""Output of the command line: one JSON document, text or a table on stdout, everything else on stderr.

Colours and lines of tables adapt to where they go: a terminal gets colours, a file or a pipe plain text of a fixed width.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.completing import complete_sites

if TYPE_CHECKING:
    from controller.reports.page import Fact

PIPED_WIDTH = 200
"""Columns of a table that does not go to a terminal: nothing is cut there that a program may look for."""


class Format(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="table for people, json for programs.")]
SiteArgument = Annotated[
    str,
    typer.Argument(metavar="SITE", help="Site file, or the name of an example site.", autocompletion=complete_sites),
]


def write(text: str) -> None:
    """Write a result to stdout."""
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """Tell the person at the terminal something that is not the result."""
    sys.stderr.write(text + "\n")


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    numeric: Sequence[int] = (),
    styles: Sequence[str] = (),
) -> None:
    """Write a table; ``numeric`` columns stand flush right, ``styles`` colour rows on a terminal.

    Names and ids are copied from it: a column of single words gives way last.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else PIPED_WIDTH, highlight=False)
    made = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, head in enumerate(heads):
        names = all(" " not in row[place] for row in rows)
        made.add_column(head, justify="right" if place in numeric else "left", overflow="fold", no_wrap=names)
    for place, row in enumerate(rows):
        made.add_row(*(Text(cell) for cell in row), style=styles[place] if place < len(styles) else "")
    console.print(made)


def facts_table(facts: Sequence[Fact]) -> None:
    """Write figures with what they are measured against."""
    styles = ["red" if each.css_class == "bad" else "" for each in facts]
    table(("", "", ""), [(each.name, each.value, each.note) for each in facts], numeric=(1,), styles=styles)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that is told how many of how many are done: a bar with the time left, only on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that says what is being waited for: a spinner on a terminal, one line a change elsewhere."""
    from rich.console import Console

    if sys.stderr.isatty():
        with Console(stderr=True).status(what) as status:
            yield status.update
        return
    said = [""]

    def tell(text: str) -> None:
        if text != said[0]:
            said[0] = text
            say(text)

    yield tell
