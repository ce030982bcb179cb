"""``mdc simulate``: policies in closed loop on the simulated plant, on equal terms."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.output import Format, FormatOption, SiteArgument, write

POLICIES = ("planner", "rules", "fifo", "oracle")


def simulate(
    site: SiteArgument = "container",
    start: Annotated[str, typer.Option(help="Start, ISO time; without offset it is local time of the site.")] = (
        "2025-01-13T00:00"
    ),
    days: Annotated[float, typer.Option(min=0.05, max=366, help="Days in which work arrives.")] = 7.0,
    drain_days: Annotated[float, typer.Option(min=0.0, max=30, help="Days after that without new jobs.")] = 3.0,
    policy: Annotated[list[str] | None, typer.Option(help="Policy to run; give it again for more.")] = None,
    weather: Annotated[Path | None, typer.Option(help="Weather file instead of the site's own.")] = None,
    jobs: Annotated[
        Path | None, typer.Option(help="Job file (JSON or YAML list) instead of the site's streams.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of demand, arrivals and sensor noise.")] = 0,
    replan_minutes: Annotated[float, typer.Option(min=5, max=1440, help="Minutes between plans.")] = 60.0,
    solve_seconds: Annotated[float | None, typer.Option(help="Longest solve; from the site file if absent.")] = None,
    tick_s: Annotated[float, typer.Option(min=1, max=900, help="Seconds between setpoints.")] = 60.0,
    out: Annotated[Path | None, typer.Option(help="Also write the JSON here.")] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Run policies in closed loop on the perturbed plant: same weather, jobs and start, a drain period at the end.

    Example: [bold]mdc simulate container --start 2025-06-16 --days 7 --policy rules --policy planner[/bold]
    """
    from controller.studies.compare import comparison_table, run_comparison
    from sites.load import find_site, load_site
    from sites.times import parse_time

    described = load_site(site)
    begin = parse_time(start, described.location.time_zone, source="--start", field="")
    results = run_comparison(
        described,
        policies=tuple(policy or POLICIES),
        start_utc=begin.astimezone(UTC) if isinstance(begin, datetime) else begin,
        days=days,
        drain_days=drain_days,
        seed=seed,
        folder=find_site(site).parent,
        weather=weather,
        jobs_file=jobs,
        replan_s=replan_minutes * 60.0,
        solve_seconds=solve_seconds,
        tick_s=tick_s,
    )
    document = "[" + ",".join(result.model_dump_json() for result in results) + "]"
    if out is not None:
        out.write_text(document + "\n", encoding="utf-8")
    if format is Format.JSON:
        write(document)
    else:
        comparison_table(results)
