"""``mdc fuel``: the tank, how long it lasts, and deliveries."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from controller.cli.completing import complete_deliveries
from controller.cli.ordering import YesOption
from controller.cli.output import Format, FormatOption, table, write
from controller.cli.run import StoreOption
from controller.cli.seat import SiteOption, looking, seat, write_page

app = typer.Typer(help="Diesel: the tank, days left, deliveries.", no_args_is_help=True)


@app.command()
def show(site: SiteOption = "container", store: StoreOption = None, format: FormatOption = Format.TABLE) -> None:
    """Show the tank, days left at P10, P50 and P90, what was burnt, what comes.

    Example: [bold]mdc fuel show[/bold]
    """
    from controller.reports.fuel_outlook import fuel_outlook
    from controller.web.fuel_page import fuel_page

    with looking(site, store) as (reader, desk):
        if format is Format.TABLE:
            write_page(fuel_page(reader, desk))
            standing = [(each.id, f"{each.at_utc:%Y-%m-%d %H:%M}Z", f"{each.litres:g}") for each in reader.deliveries()]
            if standing:
                table(("id", "at", "litres"), standing, title="To withdraw one", numeric=(2,))
            return
        tank = desk.site.tank
        outlook = fuel_outlook(reader, desk.site, tank, desk.plan) if tank is not None else None
        write(outlook.model_dump_json() if outlook is not None else "null")


@app.command()
def announce(
    at: Annotated[str, typer.Argument(help="When it comes, or came; ISO time, local without offset.")],
    litres: Annotated[float, typer.Argument(min=0, help="How much.")],
    usd_per_l: Annotated[float | None, typer.Option(min=0, help="What a litre costs, if not the usual.")] = None,
    yes: YesOption = False,
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Announce diesel that comes, or note what came; the planner counts on it. On a terminal its effect is shown first.

    Example: [bold]mdc fuel announce 2025-01-17T09:00 800[/bold]
    """
    from controller.operator_desk import check_delivery
    from sites.times import parse_time

    desk = seat(site, store)
    moment = parse_time(at, desk.site.location.time_zone, source="AT", field="")
    check_delivery(desk.site, desk.now, moment, litres)
    _effect(site, store, at, litres)
    if sys.stdin.isatty() and sys.stdout.isatty() and not yes and not typer.confirm("Announce it?"):
        write("nothing was announced")
        return
    identity = desk.deliver(moment, litres, usd_per_l=usd_per_l)
    write(f"delivery {identity} of {litres:g} L at {moment:%Y-%m-%d %H:%M}Z")


def _effect(site: str, store: str | None, at: str, litres: float) -> None:
    """Write what a delivery changes, as the console shows it."""
    from zoneinfo import ZoneInfo

    from controller.reports.fuel_outlook import delivery_effect, fuel_outlook
    from controller.web.fuel_page import delivery_page
    from sites.times import parse_time

    with looking(site, store) as (reader, desk):
        tank, zone = desk.site.tank, ZoneInfo(desk.site.location.time_zone)
        outlook = fuel_outlook(reader, desk.site, tank, desk.plan) if tank is not None else None
    if outlook is not None:
        moment = parse_time(at, zone.key, source="AT", field="")
        write_page(delivery_page(delivery_effect(outlook, moment, litres), outlook, zone))


@app.command()
def withdraw(
    delivery: Annotated[
        str, typer.Argument(metavar="ID", help="Id of the delivery.", autocompletion=complete_deliveries)
    ],
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Withdraw a delivery: nothing counts on it any more.

    Example: [bold]mdc fuel show && mdc fuel withdraw ID[/bold]
    """
    seat(site, store).withdraw_delivery(delivery)
    write(f"withdrawn: {delivery}")
