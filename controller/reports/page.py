"""A report as a page: title, main figures, sections of charts and tables; and its making into one HTML file or text.

The file carries its style sheet and drawings inside, needs no script and no network, and prints on A4.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from controller.reports.charts.patterns import pattern_drawing
from controller.reports.figures import Figure

LONG_TABLE = 8
"""Of a longer table the text form keeps only the rows that are marked."""
WIDE_TABLE = 6
"""A table of so many columns is not understood without its heads."""
TEXT_LIMIT_BYTES = 1990
"""Most bytes of the text form, small enough for a satellite message."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A figure with its name and what it is measured against."""

    name: str
    value: str
    note: str
    css_class: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table."""

    cells: tuple[str, ...]
    css_class: str = ""
    href: str = ""
    """Where the first cell leads, in the console."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table."""

    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    numeric: tuple[int, ...] = ()
    """Columns set flush right."""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page."""

    title: str
    figures: tuple[Figure, ...] = ()
    tables: tuple[Grid, ...] = ()
    words: str = ""
    record: bool = False
    """Whether it looks back: the console shows it below what can be done."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A report."""

    title: str
    subtitle: str
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]


def to_html(page: Page) -> str:
    """Return the page as one self-contained HTML file."""
    environment = Environment(
        loader=PackageLoader("controller.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        page=page, css=Markup(style_sheet()), patterns=pattern_drawing()
    )


def style_sheet() -> str:
    """Return the style sheet of reports, that of the charts included."""
    return _read("controller.reports.charts", "charts.css") + _read("controller.reports", "templates/report.css")


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def to_text(page: Page) -> str:
    """Return title, figures and tables as plain text of at most :data:`TEXT_LIMIT_BYTES` bytes, cut by whole lines."""
    lines = [page.title, page.subtitle]
    lines += [
        f"{fact.name}: {fact.value} ({fact.note})" if fact.note else f"{fact.name}: {fact.value}" for fact in page.facts
    ]
    for section in page.sections:
        if section.tables:
            lines.append(f"-- {section.title}")
        for heads, rows in ((grid.heads, grid.rows) for grid in section.tables):
            if len(heads) >= WIDE_TABLE:
                lines.append(" | ".join(heads))
            shown = rows if len(rows) <= LONG_TABLE else [row for row in rows if row.css_class]
            lines += [" | ".join(cell for cell in row.cells if cell) for row in shown]
            if len(shown) < len(rows):
                lines.append(f"({len(rows) - len(shown)} more)")
    kept: list[str] = []
    size = 0
    for line in (_plain(each) for each in lines):
        size += len(line.encode()) + 1
        if size > TEXT_LIMIT_BYTES - 4:
            kept.append("...")
            break
        kept.append(line)
    return "\n".join(kept) + "\n"


def _plain(line: str) -> str:
    """Return ``line`` with typographic characters in ASCII, one byte each."""
    for fancy, plain in (("\u202f", " "), ("\u2212", "-"), ("–", "-"), ("×", "x"), ("…", "..."), ("°", "")):
        line = line.replace(fancy, plain)
    return line
