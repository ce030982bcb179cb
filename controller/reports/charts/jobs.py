"""The schedule: gensets and batch jobs as bars over time; a stronger shade is a higher power limit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from controller.reports.charts.frame import Horizon
from controller.reports.charts.panel import Panel
from controller.reports.charts.rows import Bar, Row, rows_chart
from controller.reports.charts.words import MISSING, day_clock, energy_text, figure, percent
from optimizer.plan import Interval, JobPlan
from optimizer.problem import JobProblem

LEGEND: tuple[tuple[str, str], ...] = (
    ("genset", "genset runs"),
    ("job", "job runs, darker at a higher power limit"),
    ("due", "due"),
)
SHOWN = 14
"""Most jobs drawn; the page lists the others."""
FEWEST_GPUS = 0.05
"""Fewer than this on average over an interval is rounding of the plan, not work."""


def runs(values: Sequence[object]) -> list[tuple[int, int]]:
    """Return (first, past last) of each run of equal truthy values."""
    if not values:
        return []
    edges = [0, *(i for i, (a, b) in enumerate(pairwise(values), start=1) if a != b), len(values)]
    return [(start, end) for start, end in pairwise(edges) if values[start]]


def shade(limit_w: float, highest_w: float) -> int:
    """Return 1 to 4 for a power limit between half of the highest and the highest."""
    if highest_w <= 0:
        return 4
    return min(max(1 + round((limit_w / highest_w - 0.5) * 6), 1), 4)


def genset_rows(horizon: Horizon, intervals: tuple[Interval, ...]) -> list[Row]:
    """Return a row for each genset that the plan runs."""
    grid, rows = horizon.grid, []
    for position, name in enumerate(genset.name for genset in intervals[0].gensets):
        series = [each.gensets[position] for each in intervals]
        spans = runs([each.on for each in series])
        if not spans:
            continue
        kwh = sum(each.kw * hours for each, hours in zip(series, grid.hours, strict=True))
        hours = sum(length for each, length in zip(series, grid.hours, strict=True) if each.on)
        note = f"{figure(hours, 'h')}, {energy_text(kwh)}"
        starts = ", ".join(day_clock(horizon.moments[first], horizon.zone) for first, _ in spans)
        bars = tuple(_bar(horizon, first, last, "genset", 4) for first, last in spans)
        rows.append(Row(name=name, note=note, told=f"{name} runs {note}; from {starts}", bars=bars))
    return rows


def job_rows(
    horizon: Horizon, jobs: Sequence[JobPlan], asked: Sequence[JobProblem], *, highest_w: float, shown: int = SHOWN
) -> list[Row]:
    """Return a row for each job that runs, in order of start; ``highest_w`` is the limit drawn darkest."""
    due = {job.name: job for job in asked}
    running = [job for job in jobs if job.start_utc is not None and job.end_utc is not None]
    running.sort(key=lambda job: (job.start_utc, job.name))
    return [_job_row(horizon, job, due.get(job.name), highest_w) for job in running[:shown]]


def _job_row(horizon: Horizon, job: JobPlan, asked: JobProblem | None, highest_w: float) -> Row:
    note = f"{figure(job.gpus)} × {figure(job.power_limit_w, 'W')} {job.pool}"
    note += f", late, {percent(job.done_frac)} done" if job.late else ""
    told = f"{job.name} ({job.profile}): {figure(job.gpus)} GPUs of {job.pool} at {figure(job.power_limit_w, 'W')}"
    told += f", {_when(horizon, job)}, {percent(job.done_frac)} of its remaining work within the plan"
    if asked is not None:
        told += f", due {day_clock(asked.due_utc, horizon.zone)}" + (", hard" if asked.hard else "")
    told += ", late" if job.late else ""
    return Row(
        name=job.name,
        note=note,
        told=told,
        bars=_job_bars(horizon, job, highest_w),
        due_utc=asked.due_utc if asked else None,
        late=job.late,
    )


def _when(horizon: Horizon, job: JobPlan) -> str:
    if job.start_utc is None or job.end_utc is None:
        return MISSING
    return f"{day_clock(job.start_utc, horizon.zone)} to {day_clock(job.end_utc, horizon.zone)}"


def _job_bars(horizon: Horizon, job: JobPlan, highest_w: float) -> tuple[Bar, ...]:
    css = "job late" if job.late else "job"
    steps = len(horizon.grid)
    if len(job.gpus_by_interval) != steps or job.start_utc is None or job.end_utc is None:
        if job.start_utc is None or job.end_utc is None:
            return ()
        strength = shade(job.power_limit_w, highest_w)
        return (Bar(start_utc=job.start_utc, end_utc=job.end_utc, css_class=css, strength=strength),)
    limits = job.limit_w_by_interval or (job.power_limit_w,) * steps
    shades = [
        shade(w, highest_w) if gpus >= FEWEST_GPUS else 0 for gpus, w in zip(job.gpus_by_interval, limits, strict=True)
    ]
    return tuple(_bar(horizon, first, last, css, shades[first]) for first, last in runs(shades))


def _bar(horizon: Horizon, first: int, last: int, css_class: str, strength: int) -> Bar:
    return Bar(start_utc=horizon.moments[first], end_utc=horizon.moments[last], css_class=css_class, strength=strength)


def schedule_chart(panel: Panel, horizon: Horizon, rows: Sequence[Row]) -> Markup:
    """Return the schedule of gensets and jobs."""
    return rows_chart(panel, horizon, rows, label="Schedule of gensets and batch jobs")
