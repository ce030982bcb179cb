"""``mdc review``: what people decide about plans, and their own orders above them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated

import typer

from controller.cli.completing import complete_overrides, complete_pending_plans, complete_subjects
from controller.cli.ordering import HoursOption, PreviewOption, UncheckedOption, YesOption, order
from controller.cli.output import Format, FormatOption, table, write
from controller.cli.run import StoreOption
from controller.cli.seat import SiteOption, WhyOption, looking, seat

app = typer.Typer(help="Approve or reject plans that wait, and override them.", no_args_is_help=True)
PlanArgument = Annotated[str, typer.Argument(help="Id of the plan.", autocompletion=complete_pending_plans)]


@app.command("list")
def list_reviews(
    site: SiteOption = "container", store: StoreOption = None, format: FormatOption = Format.TABLE
) -> None:
    """List the plans that wait for a review, the last verdicts and the overrides in force.

    Example: [bold]mdc review list[/bold]
    """
    with looking(site, store) as (reader, desk):
        pending, reviews = reader.pending_plans(), reader.reviews(limit=10)
        overrides = desk.overrides if desk.now is not None else reader.overrides()
        version = reader.order_version()
    if format is Format.JSON:
        found = {"pending": pending, "reviews": reviews, "overrides": overrides}
        listed = {name: [each.model_dump(mode="json") for each in rows] for name, rows in found.items()}
        write(json.dumps({**listed, "version": version}))
        return
    rows = [
        ("waits", head.id, f"{head.level.value} plan", f"answer by {clock(head.answer_by_utc)}", "", head.review_why)
        for head in pending
    ]
    rows += [(each.verdict, each.plan_id, "plan", f"at {clock(each.at_utc)}", each.who, each.why) for each in reviews]
    rows += [
        (
            "override",
            each.id,
            f"{each.subject} {each.order_text}",
            (f"from {clock(each.from_utc)} " if each.from_utc else "") + f"until {clock(each.expires_utc)}",
            each.who,
            each.why,
        )
        for each in overrides
    ]
    if not rows:
        write("nothing waits, nothing is overridden")
        return
    styles = {"waits": "yellow", "override": "cyan"}
    table(("", "id", "what", "when", "by", "why"), rows, styles=[styles.get(row[0], "") for row in rows])


@app.command()
def approve(
    plan: PlanArgument,
    site: SiteOption = "container",
    store: StoreOption = None,
    why: WhyOption = "",
) -> None:
    """Let a waiting plan be followed.

    Example: [bold]mdc review approve PLAN --why "storm is through"[/bold]
    """
    seat(site, store).judge(plan, approve=True, why=why)
    write(f"approved: {plan}")


@app.command()
def reject(
    plan: PlanArgument,
    why: WhyOption,
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Reject a waiting plan; the plan before it, then the rules, go on.

    Example: [bold]mdc review reject PLAN --why "crew sleeps beside the genset"[/bold]
    """
    seat(site, store).judge(plan, approve=False, why=why)
    write(f"rejected: {plan}")


@app.command()
def override(
    subject: Annotated[
        str,
        typer.Argument(
            help="E.g. 'genset diesel-1', 'job tune-7', 'pool h100', 'battery', 'pv'.", autocompletion=complete_subjects
        ),
    ],
    words: Annotated[
        str,
        typer.Argument(
            metavar="ORDER",
            help="run, stop or disable; 'hold 60' for the battery; 'cap 300' for a pool; hold or"
            " 'start 2026-01-15T14:00' for a job; shed for a tier.",
        ),
    ],
    why: WhyOption,
    hours: HoursOption = 1.0,
    begin: Annotated[
        str | None,
        typer.Option("--from", help="When it begins; ISO time, local without offset; now if absent."),
    ] = None,
    preview: PreviewOption = None,
    yes: YesOption = False,
    unchecked: UncheckedOption = False,
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Order something above the plan, below the guards; the planner solves around it.

    On a terminal the difference in cost, fuel and lateness is shown before it acts.

    Example: [bold]mdc review override "genset diesel-1" run --hours 2 --why "storm ahead"[/bold]
    """
    from controller.overrides.orders import Standing
    from controller.overrides.reading import read_order
    from sites.times import parse_time

    desk = seat(site, store)
    zone = desk.site.location.time_zone
    start = parse_time(begin, zone, source="--from", field="") if begin else None
    standing = Standing(
        order=read_order(subject, words, zone=zone, now=desk.now),
        from_utc=start,
        expires_utc=(start or desk.now) + timedelta(hours=hours),
    )
    order(desk, standing, why=why, preview=preview, yes=yes, unchecked=unchecked)


@app.command()
def withdraw(
    override_id: Annotated[
        str, typer.Argument(metavar="ID", help="Id of the override.", autocompletion=complete_overrides)
    ],
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """End an override before its time.

    Example: [bold]mdc review list && mdc review withdraw ID[/bold]
    """
    seat(site, store).withdraw(override_id)
    write(f"withdrawn: {override_id}")


def clock(moment: datetime | None) -> str:
    """Return a short UTC time."""
    return f"{moment:%Y-%m-%d %H:%M}Z" if moment is not None else "-"
