"""A plan as text for a terminal: what happens when, why, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import StringIO
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from controller.planning import MadePlan
from controller.reports.why_not_now import about
from optimizer.places import IslandShare, TaskPlaces
from optimizer.plan import Interval, JobPlan, Plan
from sites.errors import InputError
from sites.schema.site import Site

WIDTH = 110


def plan_text(made: MadePlan, site: Site) -> str:
    """Return the plan: head, hours, jobs, decisions, what is given up. Times are local, the zone is named."""
    console = Console(file=StringIO(), width=WIDTH)
    zone = ZoneInfo(site.location.time_zone)
    plan = made.plan
    console.print(_head(made, zone), highlight=False)
    console.print(_hours(plan, zone))
    if plan.jobs:
        console.print(_jobs(plan, zone))
    if plan.placement:
        console.print(_placement(plan, zone))
    for title, lines in (
        ("Decisions", [f"{d.what}: {d.text}{_otherwise(d.cost_of_alternative_usd, d.exact)}" for d in plan.decisions]),
        ("Given up", [f"{b.what}: {b.text}" for b in plan.breaches]),
    ):
        if lines:
            console.print(f"\n[bold]{title}[/bold]", highlight=False)
        for line in lines:
            console.print(f"  {line}", highlight=False, markup=False)
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue().rstrip()


def explain_job(made: MadePlan, name: str, site: Site) -> str:
    """Return what the plan does with one job and why.

    Raises:
        InputError: the plan has no such job.
    """
    zone = ZoneInfo(site.location.time_zone)
    job = next((each for each in made.plan.jobs if each.name == name), None)
    if job is None:
        known = ", ".join(each.name for each in made.plan.jobs) or "none"
        raise InputError.single(source="--explain", field="", found=name, mend=f"the plan's jobs are: {known}")
    lines = [_job_line(job, zone)]
    lines += [
        f"{decision.text}{_otherwise(decision.cost_of_alternative_usd, decision.exact)}"
        for decision in made.plan.decisions
        if about(decision.what, name)
    ]
    lines += [breach.text for breach in made.plan.breaches if about(breach.what, name)]
    return "\n".join(lines)


def _head(made: MadePlan, zone: ZoneInfo) -> str:
    plan = made.plan
    gap = f", at most {plan.gap_frac:.2%} of net value from the best possible" if plan.gap_frac is not None else ""
    terms = ", ".join(
        f"{name.replace('_', ' ')} {usd:,.2f}" for name, usd in plan.cost_terms_usd.items() if abs(usd) >= 0.005
    )
    return (
        f"[bold]{plan.site}[/bold] from {_clock(plan.start_utc, zone)} ({zone.key}), "
        f"{plan.policy}: {plan.level.value}{gap}, {plan.solve_seconds:.1f} s\n"
        f"net value {plan.net_value_usd:,.2f} $ = work {plan.work_value_usd:,.2f} $ - costs ({terms or 'none'})\n"
        f"sun: {made.forecast.source if made.forecast is not None else 'not stored'}"
    )


def _hours(plan: Plan, zone: ZoneInfo) -> Table:
    table = Table(title="kW, means over each line's time")
    for column in ("from", "sun", "used", "battery", "SoC", "gensets", "load", "IT", "cooling", "shed", "$/kWh"):
        table.add_column(column, justify="left" if column == "from" else "right")
    for group in _grouped(plan.intervals):
        hours = sum(interval.hours for interval in group)

        def mean(value: str, group: list[Interval] = group, hours: float = hours) -> float:
            return sum(float(getattr(interval, value)) * interval.hours for interval in group) / hours

        gensets_kw = sum(genset.kw * interval.hours for interval in group for genset in interval.gensets) / hours
        table.add_row(
            _clock(group[0].start_utc, zone),
            f"{mean('pv_available_kw'):.0f}",
            f"{mean('pv_used_kw'):.0f}",
            f"{mean('battery_kw'):+.0f}",
            f"{group[-1].soc_end_frac:.0%}",
            f"{gensets_kw:.0f}" if any(genset.on for interval in group for genset in interval.gensets) else "off",
            f"{mean('load_kw'):.1f}",
            f"{mean('it_kw'):.1f}",
            f"{mean('cooling_kw'):.1f}",
            f"{mean('shed_kw'):.1f}",
            f"{mean('price_usd_per_kwh'):.3f}",
        )
    return table


def _grouped(intervals: tuple[Interval, ...], hours: float = 2.0) -> list[list[Interval]]:
    groups: list[list[Interval]] = []
    filled = hours
    for interval in intervals:
        if filled >= hours - 1e-9:
            groups.append([])
            filled = 0.0
        groups[-1].append(interval)
        filled += interval.hours
    return groups


def _jobs(plan: Plan, zone: ZoneInfo) -> Table:
    table = Table(title="Jobs")
    for column in ("job", "pool", "from", "until", "GPUs", "limit [W]", "done", ""):
        table.add_column(column, justify="right" if column in {"GPUs", "limit [W]", "done"} else "left")
    for job in plan.jobs:
        table.add_row(
            job.name,
            job.pool or "waits",
            _clock(job.start_utc, zone) if job.start_utc else "",
            _clock(job.end_utc, zone) if job.end_utc else "",
            f"{job.gpus:.0f}",
            f"{job.power_limit_w:.0f}" if job.pool else "",
            f"{job.done_frac:.0%}",
            "late" if job.late else "",
        )
    return table


def _placement(plan: Plan, zone: ZoneInfo) -> Table:
    table = Table(title="Where the GPUs are: node.island: GPUs")
    for column in ("from", "", "pool", "on"):
        table.add_column(column)
    before: tuple[TaskPlaces, ...] = ()
    for span in plan.placement:
        when = _clock(span.start_utc, zone)
        for each in span.tasks:
            if each not in before:
                table.add_row(when, f"{each.kind} {each.name}", each.pool, islands_text(each.islands))
        for left in span.left_out:
            table.add_row(when, f"{left.kind} {left.name}", left.pool, f"no room: {left.why}")
        before = span.tasks
    return table


def islands_text(islands: Sequence[IslandShare]) -> str:
    """Return where GPUs are, in the order of the nodes."""
    ordered = sorted(islands, key=lambda share: (share.node, share.island))
    return ", ".join(f"{share.node}.{share.island}: {share.gpus}" for share in ordered)


def _job_line(job: JobPlan, zone: ZoneInfo) -> str:
    if not job.pool or job.start_utc is None or job.end_utc is None:
        return f"{job.name} does not run within the plan's horizon"
    late = ", after its deadline" if job.late else ""
    return (
        f"{job.name} runs on {job.gpus:.0f} GPUs of {job.pool} at {job.power_limit_w:.0f} W from "
        f"{_clock(job.start_utc, zone)} to {_clock(job.end_utc, zone)} ({zone.key}), {job.done_frac:.0%} done{late}"
    )


def _otherwise(cost_usd: float | None, exact: bool) -> str:
    if cost_usd is None:
        return ""
    return f" (otherwise {cost_usd:,.2f} $ more, {'exact' if exact else 'estimate'})"


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %d %H:%M}"
