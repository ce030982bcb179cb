"""What an order changes: the plan as it stands beside the plan under the order, both made at the same moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from controller.overrides.orders import Standing
from controller.reports.summary import PlanSummary, summarise
from optimizer.plan import JobPlan, Plan, Status
from optimizer.problem import Problem
from sites.record import Record
from sites.times import HOUR, Utc

MOVED_S = 60.0
"""A job that starts or ends by more than this at another time is told."""


class PlanFigures(Record):
    """A plan in the figures that an operator weighs."""

    net_cost_usd: float
    """All costs over the horizon less the value of the work done."""
    gap_usd: float
    """How far from the best possible the plan may be; differences below it say nothing."""
    fuel_l: float
    genset_starts: int
    soc_low_frac: float
    not_served_kwh: float
    unserved_requests: float
    late_h: float
    """Hours that jobs end after their deadlines, added up."""
    jobs_late: int
    feasible: bool


class JobShift(Record):
    """A job that runs at another time; no start = it does not run within the horizon."""

    name: str
    start_before_utc: Utc | None
    start_after_utc: Utc | None
    late_before_h: float
    late_after_h: float


class Difference(Record):
    """The plan as it stands, the plan under the order, and what differs."""

    before: PlanFigures
    after: PlanFigures
    jobs: tuple[JobShift, ...] = ()
    gives_up: tuple[str, ...] = ()
    """What the plan under the order gives up and the one as it stands does not."""


def compare(before: tuple[Problem, Plan], after: tuple[Problem, Plan], deadlines: Mapping[str, datetime]) -> Difference:
    """Return what differs; ``deadlines`` are the jobs' own, without the margin that planning takes."""
    known = {each.what for each in before[1].breaches}
    return Difference(
        before=_figures(*before, deadlines),
        after=_figures(*after, deadlines),
        jobs=_shifts(before[1], after[1], deadlines),
        gives_up=tuple(each.text for each in after[1].breaches if each.what not in known),
    )


def _figures(problem: Problem, plan: Plan, deadlines: Mapping[str, datetime]) -> PlanFigures:
    found: PlanSummary = summarise(plan, problem)
    late = [late_h(job, plan, deadlines) for job in plan.jobs]
    gap_usd = max(plan.bound_usd - plan.net_value_usd, 0.0) if plan.bound_usd is not None else 0.0
    return PlanFigures(
        net_cost_usd=-plan.net_value_usd,
        gap_usd=gap_usd,
        fuel_l=found.fuel_l,
        genset_starts=found.genset_starts,
        soc_low_frac=found.soc_low_frac,
        not_served_kwh=found.shed_kwh,
        unserved_requests=found.unserved_requests,
        late_h=sum(late),
        jobs_late=sum(hours > 0.0 for hours in late),
        feasible=plan.status is Status.FEASIBLE,
    )


def late_h(job: JobPlan, plan: Plan, deadlines: Mapping[str, datetime]) -> float:
    """Return the hours that a job ends after its deadline; one that is not done counts to the end of the horizon."""
    deadline = deadlines.get(job.name)
    if deadline is None:
        return 0.0
    done = job.end_utc is not None and job.done_frac >= 1.0 - 1e-6
    end = job.end_utc if done and job.end_utc is not None else plan.grid.end_utc
    return max((end - deadline) / HOUR, 0.0)


def _shifts(before: Plan, after: Plan, deadlines: Mapping[str, datetime]) -> tuple[JobShift, ...]:
    old = {job.name: job for job in before.jobs}
    found = []
    for job in after.jobs:
        was = old.get(job.name)
        if was is None:
            continue
        late = (late_h(was, before, deadlines), late_h(job, after, deadlines))
        if _moved(was.start_utc, job.start_utc) or abs(late[0] - late[1]) * 3600.0 > MOVED_S:
            found.append(
                JobShift(
                    name=job.name,
                    start_before_utc=was.start_utc,
                    start_after_utc=job.start_utc,
                    late_before_h=late[0],
                    late_after_h=late[1],
                )
            )
    left = {job.name for job in after.jobs}
    found += [
        JobShift(
            name=job.name,
            start_before_utc=job.start_utc,
            start_after_utc=None,
            late_before_h=late_h(job, before, deadlines),
            late_after_h=max((after.grid.end_utc - deadlines[job.name]) / HOUR, 0.0) if job.name in deadlines else 0.0,
        )
        for job in before.jobs
        if job.name not in left
    ]
    return tuple(found)


def _moved(before: datetime | None, after: datetime | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs((after - before).total_seconds()) > MOVED_S


class PreviewAnswer(Record):
    """What the planner says to an order that somebody thinks of giving."""

    difference: Difference | None = None
    """None where the order cannot be carried out."""
    faults: tuple[str, ...] = ()
    """Why it cannot be carried out; empty when it can."""
    nearest: Standing | None = None
    """The nearest order that works; none when it can be carried out, or when none was found."""
