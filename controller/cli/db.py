"""``mdc db``: housekeeping of the store."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.output import say, write
from controller.cli.run import StoreOption
from controller.cli.seat import SiteOption, opened, site_time

app = typer.Typer(help="Upgrade, export and prune the store.", no_args_is_help=True)


@app.command()
def upgrade(site: SiteOption = "container", store: StoreOption = None) -> None:
    """Bring the store to the newest migration and check that it is whole.

    Example: [bold]mdc db upgrade[/bold]
    """
    from controller.records.store import check_sqlite
    from controller.records.store import upgrade as run_upgrade
    from sites.errors import InputError
    from sites.load import load_site

    url = store or load_site(site).store.url
    before, after = run_upgrade(url)
    found = check_sqlite(url)
    if found:
        raise InputError.single(source="store", field="", found=found[0], mend="restore it from a backup or an export")
    write(f"store is at {after}" + ("" if before == after else f", was at {before or 'nothing'}"))


@app.command()
def export(
    site: SiteOption = "container",
    store: StoreOption = None,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output if absent.")] = None,
    table: Annotated[list[str] | None, typer.Option(help="Only these tables; give it again for more.")] = None,
) -> None:
    """Write every row as one JSON line.

    Example: [bold]mdc db export --table plans --out plans.ndjson[/bold]
    """
    from controller.records.exporting import export_lines

    url, _ = opened(site, store)
    lines = export_lines(url, tuple(table or ()))
    if out is None:
        for line in lines:
            write(line)
        return
    part = out.with_name(out.name + ".part")
    count = 0
    with part.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(line + "\n")
            count += 1
    os.replace(part, out)
    say(f"{count} rows in {out}")


@app.command()
def prune(
    site: SiteOption = "container",
    store: StoreOption = None,
    keep_days: Annotated[float, typer.Option(min=1, help="Days of detail to keep; means are kept for ever.")] = 60.0,
) -> None:
    """Drop old detail: telemetry (its means stay), read-backs, plans that nothing was decided by.

    Example: [bold]mdc db prune --keep-days 60[/bold]
    """
    from controller.records.housekeeping import prune_store

    url, site_name = opened(site, store)
    gone = prune_store(url, site_name, site_time(url, site_name) - timedelta(days=keep_days))
    write(", ".join(f"{count} {name}" for name, count in gone.items()) + " dropped")


@app.command()
def backfill(
    to: Annotated[
        str, typer.Option("--to", metavar="URL", help="The fleet's store, e.g. postgresql://USER@HOST/FLEET.")
    ],
    site: SiteOption = "container",
    store: StoreOption = None,
    attempts: Annotated[int, typer.Option(min=1, help="Failures of the link in a row that are borne.")] = 10,
) -> None:
    """Send what the fleet's store does not have yet: in order, each row once, going on where a cut link ended.

    Example: [bold]mdc db backfill --to postgresql://mdc@fleet.example/fleet[/bold]
    """
    from controller.records.backfill import backfill as send
    from sites.ports import SystemClock

    url, site_name = opened(site, store)
    sent = send(url, to, site_name, wait=SystemClock().sleep, attempts=attempts)
    rows = ", ".join(f"{count} {name}" for name, count in sent.rows.items()) or "nothing new"
    write(f"sent {rows}; the link failed {sent.cuts} times")
