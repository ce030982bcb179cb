"""Whether a plan can carry an order out, and the nearest order that works.

The planner solves under the order with slack at a high price, so its plan shows by itself how near one can come: when a
pinned job really starts, how far the battery gets. Where it does not, the order's end is moved in by halves.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.overrides.applying import window
from controller.overrides.orders import HoldSoc, PinJob, RunGenset, Standing
from controller.overrides.wording import moment_words
from optimizer.breaches import HARD_CODES
from optimizer.explain.intervals import gpus_taken
from optimizer.plan import JobPlan, Plan, Status
from optimizer.problem import Problem

SOC_TOLERANCE = 0.005
EARLY = timedelta(minutes=1)
TRIES = 3
"""Solves spent on finding the nearest that works."""
ROUND_SOC = 0.01

Planner = Callable[[Standing], tuple[Problem, Plan]]


def faults_of(standing: Standing, before: Plan, problem: Problem, plan: Plan, zone: ZoneInfo) -> tuple[str, ...]:
    """Return why an order cannot be carried out; empty when it can.

    What the plan as it stands gives up already is not held against the order.
    """
    known = {each.what for each in before.breaches if each.reason_code in HARD_CODES}
    hard = [each.text for each in plan.breaches if each.reason_code in HARD_CODES and each.what not in known]
    if plan.status is Status.INFEASIBLE_AS_POSED and before.status is Status.FEASIBLE and not hard:
        hard.append("the demand cannot be met as posed")
    return (*hard, *_interrupted(before, problem, plan), *_own(standing, problem, plan, zone))


def _interrupted(before: Plan, problem: Problem, plan: Plan) -> list[str]:
    """Return the jobs that run, may not be interrupted, and would be."""
    rigid = {
        job.name for job in problem.jobs if job.running and not job.preemptible and job.release_utc <= problem.start_utc
    }
    goes_on = {job.name for job in before.jobs if job.gpus_by_interval and job.gpus_by_interval[0] > 0.0}
    stopped = {job.name for job in plan.jobs if not job.gpus_by_interval or job.gpus_by_interval[0] <= 0.0}
    return [f"{name} would be interrupted, and it may not be" for name in sorted(rigid & goes_on & stopped)]


def _own(standing: Standing, problem: Problem, plan: Plan, zone: ZoneInfo) -> list[str]:
    """Return where the plan does not do what is ordered."""
    match standing.order:
        case PinJob(job=name):
            job = next((each for each in plan.jobs if each.name == name), None)
            wanted = next((each.release_utc for each in problem.jobs if each.name == name), None)
            if job is None or wanted is None or wanted >= plan.grid.end_utc:
                return []
            if job.start_utc is None:
                return [f"{name} finds no GPUs or no power within the plan's {sum(problem.hours):.0f} hours"]
            late = job.start_utc - wanted
            if late > _step(problem, plan, job):
                return [f"{name} can start at {moment_words(job.start_utc, zone)} at the earliest"]
        case HoldSoc(soc_frac=soc):
            lowest = lowest_soc(standing, problem, plan)
            if lowest is not None and lowest < soc - SOC_TOLERANCE:
                return [f"the battery can be held at {lowest:.0%} at most"]
        case RunGenset(genset=name):
            place = [each.name for each in problem.gensets].index(name)
            inside = window(problem, standing)
            if any(within and not row.gensets[place].on for within, row in zip(inside, plan.intervals, strict=True)):
                return [f"genset {name} cannot run the whole time"]
    return []


def _step(problem: Problem, plan: Plan, job: JobPlan) -> timedelta:
    """Return the length of the interval a job starts in: nearer than that a plan does not say when."""
    at = job.start_utc or problem.start_utc
    return timedelta(hours=plan.intervals[plan.interval_at(at)].hours) + EARLY


def lowest_soc(standing: Standing, problem: Problem, plan: Plan) -> float | None:
    """Return the lowest state of charge that a plan has while an order to hold it acts; none when that is later."""
    floor = problem.battery.soc_floor_frac if problem.battery is not None else ()
    levels = [row.soc_end_frac for row, asked in zip(plan.intervals, floor, strict=False) if asked > 0.0]
    return min(levels, default=None)


def nearest(
    standing: Standing, before: Plan, problem: Problem, plan: Plan, *, solve: Planner, zone: ZoneInfo
) -> Standing | None:
    """Return the nearest order that works, found by solving at most :data:`TRIES` times; none when there is none."""
    offered = _read(standing, before, plan, problem)
    for _ in range(TRIES):
        if offered is None:
            return None
        tried, found = solve(offered)
        if not faults_of(offered, before, tried, found, zone):
            return offered
        offered = _read(offered, before, found, tried)
    return None


def _read(standing: Standing, before: Plan, plan: Plan, problem: Problem) -> Standing | None:
    """Return the next order to try, read from a plan that could not carry this one out, or from the plan as it stands."""
    match standing.order:
        case PinJob() as order:
            starts = [_room(order, before, problem), *_starts(order, plan), *_starts(order, before)]
            later = [start for start in starts if start is not None and start > order.start_utc + EARLY]
            if not later:
                return None
            return standing.model_copy(update={"order": order.model_copy(update={"start_utc": min(later)})})
        case HoldSoc() as order:
            lowest = lowest_soc(standing, problem, plan)
            if lowest is None:
                return None
            soc = int((min(lowest, order.soc_frac - ROUND_SOC) + 1e-9) / ROUND_SOC) * ROUND_SOC
            return (
                standing.model_copy(update={"order": order.model_copy(update={"soc_frac": soc})}) if soc > 0 else None
            )
        case _:
            begin = standing.from_utc or problem.start_utc
            half = (standing.expires_utc - begin) / 2
            if half < timedelta(minutes=15):
                return None
            minutes = int(half.total_seconds() // 900) * 15
            return standing.model_copy(update={"expires_utc": begin + timedelta(minutes=minutes)})


def _starts(order: PinJob, plan: Plan) -> list[datetime | None]:
    return [job.start_utc for job in plan.jobs if job.name == order.job]


def _room(order: PinJob, before: Plan, problem: Problem) -> datetime | None:
    """Return when the plan as it stands first has the GPUs free that a pinned job wants, after the moment asked for."""
    job = next((each for each in problem.jobs if each.name == order.job), None)
    if job is None:
        return None
    others = tuple(each for each in before.jobs if each.name != order.job)
    taken = gpus_taken(problem, before.services, others)
    pools = {pool.name: pool.gpus for pool in problem.pools}
    names = [each.pool for each in job.pools if each.pool in pools]
    for step, row in enumerate(before.intervals):
        free = max((pools[name] - taken[name][step] for name in names), default=0.0)
        if row.start_utc > order.start_utc + EARLY and free >= max(job.gpus_min, 1.0) - 1e-6:
            return row.start_utc
    return None
