"""Solving a day again with all known: the plans that :mod:`controller.reports.regret` holds it against.

It solves, so it runs by night in a process of its own, never in the control loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from controller.overrides.applying import with_orders
from controller.overrides.orders import Standing
from controller.posing import stored_usd_per_kwh
from controller.records.reading import Reader
from controller.records.views import Override, StoredJob, TelemetryPoint
from controller.reports.energy import measured_intervals
from controller.reports.gather import PeriodReport
from controller.reports.known_day import committed, done_today, held_by, known_problem, ran, without
from controller.reports.regret import Fed, Hindsight, priced, steps_usd
from controller.reports.unlike import as_it_was, plant_unlike
from optimizer.plan import Interval, Plan
from optimizer.problem import Problem
from sites.schema.site import Site
from sites.times import HOUR, TimeGrid

LEAST_MEASURED = 0.95
"""Share of a day that has to be measured for its hindsight to mean anything."""


def hindsight(reader: Reader, site: Site, report: PeriodReport, planner: Callable[[Problem], Plan]) -> Hindsight | None:
    """Return the day of ``report`` held against hindsight; none if too little of it was measured or planned.

    Args:
        reader: the store.
        site: the site.
        report: one whole day that has passed.
        planner: a policy; its plans are solved in this process.
    """
    span = report.span
    if report.energy.measured_h < LEAST_MEASURED * span.hours:
        return None
    grid = span.grid(1.0)
    points = reader.telemetry(span.start_utc, span.end_utc, max_points=400_000)
    heads = reader.plans(span.start_utc - 12 * HOUR, span.end_utc + 2 * HOUR, limit=2000)
    stored = [found for head in reversed(heads) if (found := reader.plan(head.id)) is not None]
    opening = [each for each in stored if each.head.made_utc <= span.start_utc + HOUR]
    if not opening:
        return None
    known = reader.jobs(limit=5000)
    jobs = done_today(known, opening[-1], stored, span.start_utc, span.end_utc)
    posed = known_problem(
        site, report, grid, points, reader.service_rates(span.start_utc, span.end_utc), opening[-1], jobs
    )
    inside = [each for each in stored if span.start_utc - HOUR <= each.head.made_utc < span.end_utc]
    orders = [_as_it_stood(each) for each in report.overrides]
    out = held_by(inside, grid, lambda genset: not genset.available)
    faults = without(posed, out)
    overrides = with_orders(faults, orders)
    forecast = committed(overrides, ran(points, grid))
    unlike = plant_unlike(report, points, opening[-1].problem.gensets)
    problems = {
        "hindsight": posed,
        "faults": faults,
        "overrides": overrides,
        "forecast": forecast,
        "plant": as_it_was(forecast, unlike, _hourly(report, points, grid)),
    }
    happened = _happened(site, report, points, lateness_usd(known, span.start_utc, span.end_utc))
    held_against = _held_against(site, happened, problems, planner)
    return held_against.model_copy(update={"load_factor": unlike.load_factor, "fuel_factor": unlike.fuel_factor})


def _hourly(report: PeriodReport, points: Sequence[TelemetryPoint], grid: TimeGrid) -> Sequence[Interval | None]:
    """Return what happened in the hours of the problems."""
    return report.happened if report.grid == grid else measured_intervals(points, grid)


def _as_it_stood(override: Override) -> Standing:
    """Return an override with the time in which it really acted."""
    end = min(override.expires_utc, override.withdrawn_utc or override.expires_utc)
    return override.standing.model_copy(update={"from_utc": override.from_utc or override.at_utc, "expires_utc": end})


def _held_against(
    site: Site, fed: Fed, problems: Mapping[str, Problem], planner: Callable[[Problem], Plan]
) -> Hindsight:
    usd_per_kwh = stored_usd_per_kwh(site)
    solved: list[tuple[Problem, Plan]] = []
    terms: dict[str, dict[str, float]] = {}
    for name, problem in problems.items():
        known = next((plan for same, plan in solved if same == problem), None)
        plan = known or planner(problem)
        solved.append((problem, plan))
        terms[name] = priced(site, _fed(problem, plan), stored_usd_per_kwh=usd_per_kwh)
    happened = priced(site, fed, stored_usd_per_kwh=usd_per_kwh)
    faults, overrides, forecast, plant, control = steps_usd(
        {name: sum(each.values()) for name, each in terms.items()}, sum(happened.values())
    )
    first = solved[0][1]
    gap_usd = max(first.bound_usd - first.net_value_usd, 0.0) if first.bound_usd is not None else 0.0
    undone = [job.name for job in first.jobs if job.done_frac < 0.999]
    notes = (f"the hindsight plan does not finish {', '.join(undone)}",) if undone else ()
    return Hindsight(
        happened_terms_usd=happened,
        hindsight_terms_usd=terms["hindsight"],
        faults_usd=faults,
        overrides_usd=overrides,
        forecast_usd=forecast,
        plant_usd=plant,
        control_usd=control,
        gap_usd=gap_usd,
        notes=notes,
    )


def _fed(problem: Problem, plan: Plan) -> Fed:
    terms, tank, battery = plan.cost_terms_usd, problem.tank, problem.battery
    spans = list(zip(plan.intervals, problem.hours, strict=True))
    on = [[genset.on for genset in row.gensets] for row in plan.intervals]
    before = [genset.on for genset in problem.gensets]
    starts = 0
    for row in on:
        starts += sum(now and not was for now, was in zip(row, before, strict=True))
        before = row
    return Fed(
        fuel_l=terms.get("fuel", 0.0) / tank.usd_per_l if tank is not None and tank.usd_per_l > 0 else 0.0,
        genset_starts=starts,
        genset_h=sum(hours * sum(row) for row, hours in zip(on, problem.hours, strict=True)),
        battery_out_kwh=sum(max(row.battery_kw, 0.0) * hours for row, hours in spans),
        unserved_kwh=sum(row.shed_kw * hours for row, hours in spans),
        unserved_requests={each.name: each.unserved_requests for each in plan.services},
        lateness_usd=terms.get("late", 0.0),
        stored_kwh=(plan.intervals[-1].soc_end_frac - battery.soc_frac) * battery.capacity_kwh if battery else 0.0,
    )


def lateness_usd(jobs: Sequence[StoredJob], start: datetime, end: datetime) -> float:
    """Return what jobs due in [start, end) and done late that day cost by it."""
    return sum(
        min((min(job.updated_utc, end) - job.job.deadline_utc) / HOUR * job.job.late_usd_per_h, job.job.value_usd)
        for job in jobs
        if job.state == "done" and start < job.job.deadline_utc < end and job.updated_utc > job.job.deadline_utc
    )


def _happened(site: Site, report: PeriodReport, points: Sequence[TelemetryPoint], late_usd: float) -> Fed:
    charges = [point.soc_frac for point in points if point.soc_frac is not None]
    return Fed(
        fuel_l=report.fuel_l or 0.0,
        genset_starts=report.genset_starts,
        genset_h=report.genset_h,
        battery_out_kwh=report.energy.battery_out_kwh,
        unserved_kwh=report.energy.unserved_kwh,
        unserved_requests={each.name: max(each.asked - each.served, 0.0) for each in report.services},
        lateness_usd=late_usd,
        stored_kwh=(charges[-1] - charges[0]) * site.battery.capacity_kwh if site.battery and charges else 0.0,
    )
