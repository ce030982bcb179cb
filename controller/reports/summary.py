"""A plan in a few figures: diesel, sun, charge, jobs, what stays unserved.

Litres follow from each genset's fuel curve in the problem, straight between its points; energy is power times hours.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from optimizer.plan import Plan
from optimizer.problem import GensetProblem, Problem
from sites.record import Record
from sites.times import HOUR, Utc


class PlanSummary(Record):
    """A plan in figures over its whole horizon."""

    hours: float
    load_kwh: float
    pv_available_kwh: float
    pv_used_kwh: float
    genset_kwh: float
    genset_starts: int
    fuel_l: float
    fuel_usd: float
    soc_low_frac: float
    soc_low_utc: Utc
    soc_end_frac: float
    shed_kwh: float
    asked_requests: float
    unserved_requests: float
    jobs_running: int
    jobs_late: int
    jobs_waiting: int
    """Jobs that do not run within the horizon."""
    price_high_usd_per_kwh: float
    price_high_utc: Utc

    @property
    def unserved_frac(self) -> float:
        """Share of the requests that is left unserved."""
        return self.unserved_requests / self.asked_requests if self.asked_requests > 0 else 0.0

    @property
    def pv_used_frac(self) -> float | None:
        """Share of the available PV that is used; none without sun."""
        return self.pv_used_kwh / self.pv_available_kwh if self.pv_available_kwh > 0.002 else None


def litres_per_h(points: tuple[tuple[float, float], ...], kw: float) -> float:
    """Return litres per hour at ``kw`` on a curve of (kW, L/h) points, straight between and beyond them."""
    if len(points) == 1:
        return points[0][1]
    pairs = list(pairwise(points))
    (x1, y1), (x2, y2) = next((pair for pair in pairs if kw <= pair[1][0]), pairs[-1])
    return max(y1 + (kw - x1) * (y2 - y1) / (x2 - x1), 0.0)


def planned_fuel_l(plan: Plan, gensets: tuple[GensetProblem, ...], *, until: datetime | None = None) -> float:
    """Return the litres that the plan burns, up to ``until`` if given."""
    curves = {genset.name: genset.fuel_points for genset in gensets}
    litres = 0.0
    for interval in plan.intervals:
        hours = interval.hours
        if until is not None:
            hours = min(max((until - interval.start_utc) / HOUR, 0.0), hours)
        litres += sum(
            litres_per_h(curves[genset.name], genset.kw) * hours
            for genset in interval.gensets
            if genset.on and genset.name in curves
        )
    return litres


def summarise(plan: Plan, problem: Problem) -> PlanSummary:
    """Return the plan's figures."""
    intervals = plan.intervals
    lowest = min(range(len(intervals)), key=lambda index: intervals[index].soc_end_frac)
    dearest = max(intervals, key=lambda interval: interval.price_usd_per_kwh)
    fuel_l = planned_fuel_l(plan, problem.gensets)
    before = {genset.name: genset.on for genset in problem.gensets}
    starts = 0
    for interval in intervals:
        starts += sum(genset.on and not before.get(genset.name, False) for genset in interval.gensets)
        before = {genset.name: genset.on for genset in interval.gensets}
    return PlanSummary(
        hours=sum(each.hours for each in intervals),
        load_kwh=sum(each.load_kw * each.hours for each in intervals),
        pv_available_kwh=sum(each.pv_available_kw * each.hours for each in intervals),
        pv_used_kwh=sum(each.pv_used_kw * each.hours for each in intervals),
        genset_kwh=sum(genset.kw * each.hours for each in intervals for genset in each.gensets),
        genset_starts=starts,
        fuel_l=fuel_l,
        fuel_usd=fuel_l * (problem.tank.usd_per_l if problem.tank else 0.0),
        soc_low_frac=intervals[lowest].soc_end_frac,
        soc_low_utc=intervals[lowest].start_utc + intervals[lowest].hours * HOUR,
        soc_end_frac=intervals[-1].soc_end_frac,
        shed_kwh=sum(each.shed_kw * each.hours for each in intervals),
        asked_requests=sum(
            rate * hours * 3600.0
            for service in problem.services
            for rate, hours in zip(service.rate_rps, problem.hours, strict=True)
        ),
        unserved_requests=sum(service.unserved_requests for service in plan.services),
        jobs_running=sum(job.start_utc is not None for job in plan.jobs),
        jobs_late=sum(job.late for job in plan.jobs),
        jobs_waiting=sum(job.start_utc is None for job in plan.jobs),
        price_high_usd_per_kwh=dearest.price_usd_per_kwh,
        price_high_utc=dearest.start_utc,
    )


def days_left(tank_l: float | None, reserve_l: float, litres: float, hours: float) -> float | None:
    """Return days until the reserve is reached if fuel goes on being burnt as in the plan; none if it burns none."""
    if tank_l is None or litres < 0.05 or hours <= 0:
        return None
    return max(tank_l - reserve_l, 0.0) / (litres * 24.0 / hours)
