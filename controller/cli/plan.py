"""``mdc plan``: one plan of a site, shown or as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.output import Format, FormatOption, SiteArgument, write
from controller.cli.run import StoreOption
from controller.cli.seat import looking

if TYPE_CHECKING:
    from controller.planning import MadePlan
    from optimizer.plan import Plan
    from sites.schema.site import Site

EXIT_NO_PLAN = 3


def plan(
    site: SiteArgument = "container",
    at: Annotated[
        str | None,
        typer.Option(help="Moment to plan from, ISO time; without offset local time of the site; now if absent."),
    ] = None,
    jobs: Annotated[
        Path | None, typer.Option(help="Job file (JSON or YAML list) instead of the site's streams.")
    ] = None,
    policy: Annotated[str, typer.Option(help="Policy that plans.")] = "planner",
    seed: Annotated[int, typer.Option(help="Seed of the jobs that the site's streams would have released.")] = 0,
    explain: Annotated[str | None, typer.Option(help="Explain one job: when it runs and why not now.")] = None,
    in_force: Annotated[
        bool, typer.Option("--in-force", help="Show the plan that the running site follows instead of making one.")
    ] = False,
    store: StoreOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Make one plan from the site file's initial state, the weather of its source up to that moment, and its jobs.

    With --in-force it shows the plan that mdc run follows on the store, else its newest one.

    Example: [bold]mdc plan container --at 2025-06-16T06:00[/bold]
    """
    from controller.planning import plan_site
    from sites.load import find_site, load_site
    from sites.times import parse_time

    described = load_site(site)
    if in_force:
        _show(_stored(site, store), described, explain, format)
        return
    moment = parse_time(at, described.location.time_zone, source="--at", field="") if at else datetime.now(UTC)
    made = plan_site(
        described,
        at_utc=moment.replace(second=0, microsecond=0),
        folder=find_site(site).parent,
        jobs_file=jobs,
        policy_name=policy,
        seed=seed,
    )
    _show(made, described, explain, format)
    _leave(made.plan)


def _show(made: MadePlan, site: Site, explain: str | None, format: Format) -> None:
    from controller.reports.plan_text import explain_job, plan_text

    if format is Format.JSON:
        write(made.plan.model_dump_json())
    elif explain is not None:
        write(explain_job(made, explain, site))
    else:
        write(plan_text(made, site))


def _stored(site: str, store: str | None) -> MadePlan:
    """Return the plan that a running site follows, else its newest.

    Raises:
        InputError: there is none yet.
    """
    from controller.planning import MadePlan
    from sites.errors import InputError

    with looking(site, store) as (_, desk):
        shown = desk.plan
    if shown is None:
        raise InputError.single(source="--in-force", field="", found="no plan", mend="start the site: mdc run")
    return MadePlan(plan=shown.plan, problem=shown.problem, forecast=shown.forecast)


def _leave(plan: Plan) -> None:
    """Leave with exit code 3 when no plan is better than the safe state or the demand cannot be met as posed."""
    if plan.status.value == "infeasible_as_posed" or plan.level.value == "safe_state":
        raise typer.Exit(EXIT_NO_PLAN)
