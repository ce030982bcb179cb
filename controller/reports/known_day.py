"""A day that has passed as a planning problem with all known, and that problem with less freedom.

Sun, temperature and request rates are the measured ones, hour by hour; jobs are the work that was done that day. The problem is
posed by the same function as every other plan's, from the day's first snapshot as the records give it. Reserves are left out:
who knows what comes needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from controller.capability import Capability, capability
from controller.posing import pose, stored_usd_per_kwh
from controller.records.views import ServicePoint, StoredJob, StoredPlan, TelemetryPoint
from controller.reports.energy import held
from controller.reports.gather import PeriodReport
from controller.snapshot import BatteryReading, GensetPhase, GensetReading, Snapshot
from forecasting.records import DemandForecast, Forecast
from optimizer.problem import FuelDelivery, GensetProblem, JobProblem, Problem, SolveLimits
from sites.schema.site import Site
from sites.times import HOUR, TimeGrid

SECONDS = 6.0
GAP_FRAC = 0.002
ON_SHARE = 0.25
"""Share of an hour in which a genset gave power that makes it an hour in which it ran."""
WORTH_DOING = 20.0
"""The work was done, so hindsight has to do it too: its value is multiplied by this."""

Masks = Mapping[str, tuple[bool, ...]]
"""For each genset the intervals in which something holds."""


def done_today(
    jobs: Sequence[StoredJob], opening: StoredPlan, plans: Sequence[StoredPlan], start: datetime, end: datetime
) -> tuple[JobProblem, ...]:
    """Return the work that was done in [start, end), each job with that work and the time it had for it.

    What was left at the start and at the end stands in the problems posed then; a job that came in between began whole.
    """
    left_before = {job.name: job.work_gpu_h for job in opening.problem.jobs}
    closing = next((each for each in plans if each.head.made_utc >= end), None)
    left_after = {job.name: job.work_gpu_h for job in closing.problem.jobs} if closing is not None else {}
    found = []
    for job in jobs:
        before = left_before.get(job.name, job.job.work_gpu_h if start <= job.submitted_utc < end else 0.0)
        ended = job.state == "done" and job.updated_utc < end + HOUR
        after = 0.0 if ended else left_after.get(job.name, before)
        if before - after > 1e-3 and job.state != "cancelled":
            found.append(_share_of(job, before - after, start, end))
    return tuple(found)


def _share_of(job: StoredJob, work_gpu_h: float, start: datetime, end: datetime) -> JobProblem:
    whole = job.job
    deadline = whole.deadline_utc if start < whole.deadline_utc < end else end
    release = min(max(whole.release_utc, start), deadline - timedelta(minutes=15))
    value = max(whole.value_usd * work_gpu_h / whole.work_gpu_h, 1.0) * WORTH_DOING
    return whole.model_copy(
        update={
            "work_gpu_h": work_gpu_h,
            "release_utc": release,
            "deadline_utc": deadline,
            "value_usd": value,
            "hard": False,
            "late_usd_per_h": whole.late_usd_per_h if deadline < end else value,
            "running": False,
            "surplus_only": False,
        }
    )


def known_problem(
    site: Site,
    report: PeriodReport,
    grid: TimeGrid,
    points: Sequence[TelemetryPoint],
    rates: Sequence[ServicePoint],
    opening: StoredPlan,
    jobs: Sequence[JobProblem],
) -> Problem:
    """Return the day as a problem with all known: what was measured, from where ``opening`` stood, with the work done."""
    work = Capability(pools=opening.problem.pools, menus={each.name: each.modes for each in opening.problem.services})
    if not work.menus:
        work = capability(site)
    problem = pose(
        site,
        _first_snapshot(points, opening.problem),
        _known_before(report, grid, points, rates),
        jobs,
        pools=work.pools,
        menus=work.menus,
        limits=SolveLimits(seconds=SECONDS, gap_frac=GAP_FRAC),
        deliveries=_deliveries(report),
    )
    battery = problem.battery
    if battery is not None:
        battery = battery.model_copy(
            update={"soc_reserve_frac": 0.0, "end_value_usd_per_kwh": stored_usd_per_kwh(site), "full_by_h": None}
        )
    return problem.model_copy(
        update={
            "battery": battery,
            "jobs": tuple(jobs),
            "gensets": tuple(each.model_copy(update={"available": True}) for each in problem.gensets),
            "reserve": problem.reserve.model_copy(update={"load_frac": 0.0, "pv_frac": 0.0}),
            "room": None,
            "scenarios": (),
            "last_plan": None,
        }
    )


def _deliveries(report: PeriodReport) -> tuple[FuelDelivery, ...]:
    middle = report.span.start_utc + timedelta(hours=report.span.hours / 2)
    return (FuelDelivery(at_utc=middle, litres=report.delivered_l),) if report.delivered_l > 0 else ()


def _first_snapshot(points: Sequence[TelemetryPoint], problem: Problem) -> Snapshot:
    first = next((point for point in points if point.soc_frac is not None), points[0])
    return Snapshot(
        at_utc=points[0].at_utc,
        battery=BatteryReading(soc_frac=first.soc_frac, power_kw=first.battery_kw, temperature_c=first.battery_c),
        gensets=tuple(
            GensetReading(
                name=each.name,
                phase=GensetPhase.RUNNING if each.on else GensetPhase.OFF,
                power_kw=None,
                phase_s=each.hours_in_state * 3600.0,
            )
            for each in problem.gensets
        ),
        tank_l=next((point.tank_l for point in points if point.tank_l is not None), None),
    )


def _known_before(
    report: PeriodReport, grid: TimeGrid, points: Sequence[TelemetryPoint], rates: Sequence[ServicePoint]
) -> Forecast:
    """Return what was measured, in the form of a forecast."""
    pv = [(p.at_utc, p.pv_available_kw if p.pv_available_kw is not None else p.pv_kw) for p in points]
    names = sorted({point.service for point in rates})
    return Forecast(
        issued_utc=grid.start_utc,
        rung="perfect",
        source="measured",
        start_utc=grid.start_utc,
        hours=grid.hours,
        quantile_levels=(),
        pv_available_kw=_means(pv, grid),
        pv_quantiles_kw=(),
        outdoor_c=_means([(p.at_utc, p.outdoor_c) for p in points], grid, otherwise=20.0),
        demand=tuple(
            DemandForecast(
                service=name, rate_rps=_means([(r.at_utc, r.rate_rps) for r in rates if r.service == name], grid)
            )
            for name in names
        ),
    )


def _means(
    rows: Sequence[tuple[datetime, float | None]], grid: TimeGrid, *, otherwise: float = 0.0
) -> tuple[float, ...]:
    """Return the mean of each hour; an hour without readings repeats the one before."""
    sums, counts = [0.0] * len(grid), [0] * len(grid)
    for at, value in rows:
        if value is not None and grid.start_utc <= at < grid.end_utc:
            index = grid.index_at(at)
            sums[index], counts[index] = sums[index] + value, counts[index] + 1
    found: list[float] = []
    for total, count in zip(sums, counts, strict=True):
        found.append(total / count if count else found[-1] if found else otherwise)
    return tuple(found)


def held_by(plans: Sequence[StoredPlan], grid: TimeGrid, test: Callable[[GensetProblem], bool]) -> Masks:
    """Return the hours in which the problems posed that day say so of a genset, each until the next problem."""
    names = {genset.name for each in plans for genset in each.problem.gensets}
    masks = {name: [False] * len(grid) for name in names}
    for place, each in enumerate(plans):
        begin = each.head.made_utc
        until = plans[place + 1].head.made_utc if place + 1 < len(plans) else grid.end_utc
        for genset in each.problem.gensets:
            if test(genset):
                for index, start in enumerate(grid.starts_utc):
                    if begin <= start + 0.5 * HOUR < until:
                        masks[genset.name][index] = True
    return {name: tuple(mask) for name, mask in masks.items()}


def ran(points: Sequence[TelemetryPoint], grid: TimeGrid) -> tuple[float, ...]:
    """Return how much of each hour any genset gave power."""
    hours = [0.0] * len(grid)
    for point, start, until in held(points, grid.end_utc):
        if point.genset_kw is not None and point.genset_kw > 0.1:
            hours[grid.index_at(start)] += (until - start) / HOUR
    return tuple(on / length for on, length in zip(hours, grid.hours, strict=True))


def without(problem: Problem, off: Masks) -> Problem:
    """Return the problem with gensets kept off as the masks say; the same one if they say nothing."""
    if not any(map(any, off.values())):
        return problem
    return problem.model_copy(update={"gensets": tuple(_kept_off(each, off) for each in problem.gensets)})


def _kept_off(genset: GensetProblem, off: Masks) -> GensetProblem:
    mask = off.get(genset.name, ())
    if not any(mask):
        return genset
    before = genset.forbidden or (False,) * len(mask)
    return genset.model_copy(update={"forbidden": tuple(x or y for x, y in zip(before, mask, strict=True))})


def committed(problem: Problem, ran: Sequence[float]) -> Problem:
    """Return the problem with gensets running in the hours in which any ran, and none in the others.

    Telemetry does not say which of several gensets ran: the first one stands for them, the others stay free in its hours.
    """
    if not problem.gensets:
        return problem
    on = tuple(share >= ON_SHARE for share in ran)
    off = tuple(not each for each in on)
    loose = [
        each.model_copy(update={"min_run_h": 0.0, "min_down_h": 0.0, "forbidden": off, "must_run": ()})
        for each in problem.gensets
    ]
    first = loose[0].model_copy(update={"must_run": on})
    return problem.model_copy(update={"gensets": (first, *loose[1:])})
