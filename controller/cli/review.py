"""``mdc review``: what people decide about plans, and their own orders above them."""

from __future__ import annotations

import getpass
import json
from datetime import datetime, timedelta
from typing import Annotated

import typer

from controller.cli.jobs import SiteOption, opened, site_time
from controller.cli.output import Format, FormatOption, write
from controller.cli.run import StoreOption

app = typer.Typer(help="Approve or reject plans that wait, and override them.", no_args_is_help=True)
WhyOption = Annotated[str, typer.Option("--why", help="The reason, kept with your name.")]


@app.command("list")
def list_reviews(
    site: SiteOption = "container", store: StoreOption = None, format: FormatOption = Format.TABLE
) -> None:
    """List the plans that wait for a review, the last verdicts and the overrides in force.

    Example: [bold]mdc review list[/bold]
    """
    from controller.records.reading import Reader

    url, site_name = opened(site, store)
    with Reader(url, site_name) as reader:
        pending, reviews = reader.pending_plans(), reader.reviews(limit=10)
        overrides = reader.overrides(site_time(url, site_name))
    if format is Format.JSON:
        found = {"pending": pending, "reviews": reviews, "overrides": overrides}
        write(json.dumps({name: [each.model_dump(mode="json") for each in rows] for name, rows in found.items()}))
        return
    for head in pending:
        write(
            f"waits     {head.id}  made {clock(head.made_utc)}  {head.level.value}  expires {clock(head.expires_utc)}"
        )
    for review in reviews:
        write(f"{review.verdict:<9} {review.plan_id}  {clock(review.at_utc)}  by {review.who}  {review.why}")
    for order in overrides:
        write(
            f"override  {order.id}  {order.subject} {order.order_text} until {clock(order.expires_utc)}"
            f"  by {order.who}  {order.why}"
        )
    if not (pending or reviews or overrides):
        write("nothing waits, nothing is overridden")


@app.command()
def approve(
    plan: Annotated[str, typer.Argument(help="Id of the plan.")],
    site: SiteOption = "container",
    store: StoreOption = None,
    why: WhyOption = "",
) -> None:
    """Let a waiting plan be followed.

    Example: [bold]mdc review approve PLAN --why "storm is through"[/bold]
    """
    _review(plan, site, store, why, approved=True)


@app.command()
def reject(
    plan: Annotated[str, typer.Argument(help="Id of the plan.")],
    why: WhyOption,
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Reject a waiting plan; the plan before it, then the rules, go on.

    Example: [bold]mdc review reject PLAN --why "crew sleeps beside the genset"[/bold]
    """
    _review(plan, site, store, why, approved=False)


@app.command()
def override(
    subject: Annotated[str, typer.Argument(help="E.g. 'genset diesel-1', 'job tune-7', 'pool h100', 'battery', 'pv'.")],
    order: Annotated[
        str,
        typer.Argument(
            help="run, stop or disable; 'hold 60' for the battery; 'cap 300' for a pool; hold or"
            " 'start 2026-01-15T14:00' for a job; shed for a tier."
        ),
    ],
    why: WhyOption,
    hours: Annotated[float, typer.Option(help="How long it stands.")] = 1.0,
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Order something above the plan, below the guards; the planner solves around it.

    Example: [bold]mdc review override "genset diesel-1" run --hours 2 --why "storm ahead"[/bold]
    """
    from controller.overrides.giving import give_order
    from controller.overrides.orders import Standing
    from controller.overrides.reading import read_order
    from sites.load import load_site

    url, site_name = opened(site, store)
    described, now = load_site(site), site_time(url, site_name)
    standing = Standing(
        order=read_order(subject, order, zone=described.location.time_zone, now=now),
        expires_utc=now + timedelta(hours=hours),
    )
    identity = give_order(url, described, standing, who=getpass.getuser(), why=why, now=now)
    write(f"override {identity} until {clock(standing.expires_utc)}")


@app.command()
def withdraw(
    override_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the override.")],
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """End an override before its time.

    Example: [bold]mdc review list && mdc review withdraw ID[/bold]
    """
    from controller.records.override_commands import OverrideCommands

    url, site_name = opened(site, store)
    with OverrideCommands(url, site_name) as commands:
        commands.withdraw(override_id, who=getpass.getuser(), at_utc=site_time(url, site_name))
    write(f"withdrawn: {override_id}")


def _review(plan: str, site: str, store: str | None, why: str, *, approved: bool) -> None:
    from controller.records.commands import Commands

    url, site_name = opened(site, store)
    with Commands(url, site_name) as commands:
        commands.review_plan(plan, approve=approved, who=getpass.getuser(), why=why, at_utc=site_time(url, site_name))
    write(f"{'approved' if approved else 'rejected'}: {plan}")


def clock(moment: datetime) -> str:
    """Return a short UTC time."""
    return f"{moment:%Y-%m-%d %H:%M}Z"
