"""``mdc plan``: one plan of a site, shown or as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.output import Format, FormatOption, SiteArgument, write

if TYPE_CHECKING:
    from optimizer.plan import Plan

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
    format: FormatOption = Format.TABLE,
) -> None:
    """Make one plan from the site file's initial state, the weather of its source up to that moment, and its jobs.

    Example: [bold]mdc plan container --at 2025-06-16T06:00[/bold]
    """
    from controller.planning import plan_site
    from controller.reports.plan_text import explain_job, plan_text
    from sites.load import find_site, load_site
    from sites.times import parse_time

    described = load_site(site)
    moment = parse_time(at, described.location.time_zone, source="--at", field="") if at else datetime.now(UTC)
    made = plan_site(
        described,
        at_utc=moment.replace(second=0, microsecond=0),
        folder=find_site(site).parent,
        jobs_file=jobs,
        policy_name=policy,
        seed=seed,
    )
    if format is Format.JSON:
        write(made.plan.model_dump_json())
    elif explain is not None:
        write(explain_job(made, explain, described))
    else:
        write(plan_text(made, described))
    _leave(made.plan)


def _leave(plan: Plan) -> None:
    """Leave with exit code 3 when no plan is better than the safe state or the demand cannot be met as posed."""
    if plan.status.value == "infeasible_as_posed" or plan.level.value == "safe_state":
        raise typer.Exit(EXIT_NO_PLAN)
