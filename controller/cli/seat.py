"""The operator's seat at a terminal: the site, its store, its time, and who sits there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.completing import complete_sites

if TYPE_CHECKING:
    from controller.operator_desk import OperatorDesk
    from controller.records.reading import Reader
    from controller.reports.page import Page
    from controller.web.desk import Desk

SiteOption = Annotated[
    str,
    typer.Option(
        "--site", metavar="SITE", help="Site file, or the name of an example site.", autocompletion=complete_sites
    ),
]
WhyOption = Annotated[str, typer.Option("--why", help="The reason, kept with your name.")]


def opened(site: str, store: str | None) -> tuple[str, str]:
    """Return store address and site name; the store is brought to the newest migration.

    Raises:
        InputError: the site file or the store cannot be used.
    """
    from controller.records.store import upgrade
    from sites.load import load_site

    described = load_site(site)
    url = store or described.store.url
    upgrade(url)
    return url, described.name


def site_time(url: str, site_name: str) -> datetime:
    """Return the site's time: that of its last cycle when its clock runs ahead of the host's, else the host's."""
    from controller import operator_desk
    from controller.records.reading import Reader
    from controller.records.store import exists
    from sites.ports import SystemClock

    host = SystemClock().now_utc()
    if not exists(url):
        return host
    with Reader(url, site_name) as reader:
        return operator_desk.site_time(reader.now(), host)


def seat(site: str, store: str | None) -> OperatorDesk:
    """Return what whoever sits at the terminal may do to a site now."""
    import getpass

    from controller.operator_desk import OperatorDesk
    from sites.load import load_site

    url, site_name = opened(site, store)
    return OperatorDesk(url=url, site=load_site(site), who=getpass.getuser(), now=site_time(url, site_name))


@contextmanager
def looking(site: str, store: str | None) -> Iterator[tuple[Reader, Desk]]:
    """Give the store and the desk as the console shows them."""
    from controller.records.reading import Reader
    from controller.web.desk import DeskReader
    from sites.load import load_site
    from sites.ports import SystemClock

    url, site_name = opened(site, store)
    desks = DeskReader(url, load_site(site), SystemClock())
    try:
        with Reader(url, site_name) as reader:
            yield reader, desks.current()
    finally:
        desks.close()


def write_page(page: Page) -> None:
    """Write a page of the console: title, figures, tables, words; its charts stay there."""
    from controller.cli.output import facts_table, table, write

    write(page.title)
    if page.subtitle:
        write(page.subtitle)
    if page.facts:
        facts_table(page.facts)
    for section in page.sections:
        for grid in section.tables:
            styles = ["red" if row.css_class == "bad" else "" for row in grid.rows]
            rows = [row.cells for row in grid.rows]
            table(grid.heads, rows, title=section.title, numeric=grid.numeric, styles=styles)
            if grid.note:
                write(grid.note)
        if section.words:
            write(section.words if section.tables else f"\n{section.title}\n{section.words}")
