"""``mdc alarms`` and ``mdc audit``: what a person should know, and who commanded what."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from controller.cli.completing import complete_alarms
from controller.cli.output import Format, FormatOption, SiteArgument, table, write
from controller.cli.run import StoreOption
from controller.cli.seat import SiteOption, looking, seat, write_page

app = typer.Typer(help="List and acknowledge alarms.", no_args_is_help=True)


@app.command("list")
def list_alarms(site: SiteOption = "container", store: StoreOption = None, format: FormatOption = Format.TABLE) -> None:
    """List alarms, open ones first, with the ids that acknowledge takes.

    Example: [bold]mdc alarms list[/bold]
    """
    from controller.web.log_pages import alarms_page

    with looking(site, store) as (reader, desk):
        if format is Format.JSON:
            write(json.dumps([each.model_dump(mode="json") for each in reader.alarms(open_only=False)]))
            return
        write_page(alarms_page(reader, desk))
        waiting = [(each.id, each.severity, each.subject) for each in reader.alarms() if each.acknowledged_utc is None]
    if waiting:
        table(("id", "severity", "subject"), waiting, title="Nobody has acknowledged")


@app.command()
def acknowledge(
    alarm: Annotated[str, typer.Argument(metavar="ID", help="Id of the alarm.", autocompletion=complete_alarms)],
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Note that you have seen an alarm.

    Example: [bold]mdc alarms list && mdc alarms acknowledge ID[/bold]
    """
    seat(site, store).acknowledge(alarm)
    write(f"acknowledged: {alarm}")


def audit(site: SiteArgument = "container", store: StoreOption = None, format: FormatOption = Format.TABLE) -> None:
    """List who commanded what, when and why.

    Example: [bold]mdc audit container[/bold]
    """
    from controller.web.log_pages import audit_page

    with looking(site, store) as (reader, desk):
        if format is Format.JSON:
            write(json.dumps([each.model_dump(mode="json") for each in reader.audit()]))
        else:
            write_page(audit_page(reader, desk))
