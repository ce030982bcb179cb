"""What if: answered by solving again.

Each question changes the problem, not the plan, and the difference of the two net values is the cost, exact within the gaps
that both plans state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from optimizer.plan import Plan
from optimizer.problem import FuelDelivery, GensetProblem, JobProblem, Problem

Planner = Callable[[Problem], Plan]
Named = TypeVar("Named", JobProblem, GensetProblem)


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """The answer to a question."""

    question: str
    extra_cost_usd: float
    """What the net value loses; negative where it gains."""
    plan: Plan


def force_job_now(problem: Problem, name: str) -> Problem:
    """Return the problem in which a job runs from now on at full size without a break.

    Raises:
        KeyError: no such job.
    """
    job = _named(problem.jobs, name)
    forced = job.model_copy(
        update={
            "running": True,
            "preemptible": False,
            "gpus_min": job.gpus_max,
            "release_utc": min(job.release_utc, problem.start_utc),
        }
    )
    return _with_jobs(problem, forced)


def genset_off(problem: Problem, name: str, *, start_utc: datetime | None = None, hours: float = 1e9) -> Problem:
    """Return the problem in which a genset stays off from ``start_utc`` (now if absent) for some hours.

    Raises:
        KeyError: no such genset.
    """
    genset = _named(problem.gensets, name)
    begin = start_utc or problem.start_utc
    end = begin + timedelta(hours=min(hours, 1e5))
    grid = problem.grid
    ends = (*grid.starts_utc[1:], grid.end_utc)
    before = genset.forbidden or (False,) * len(problem.hours)
    forbidden = tuple(
        old or (start < end and stop > begin) for old, start, stop in zip(before, grid.starts_utc, ends, strict=True)
    )
    changed = genset.model_copy(update={"forbidden": forbidden})
    rows = tuple(changed if each.name == name else each for each in problem.gensets)
    return problem.model_copy(update={"gensets": rows})


def deliver(problem: Problem, litres: float, at_utc: datetime) -> Problem:
    """Return the problem in which diesel arrives.

    Raises:
        KeyError: the site has no tank.
    """
    if problem.tank is None:
        raise KeyError("the problem has no tank")
    deliveries = (*problem.tank.deliveries, FuelDelivery(at_utc=at_utc, litres=litres))
    return problem.model_copy(update={"tank": problem.tank.model_copy(update={"deliveries": deliveries})})


def answer_what_if(question: str, base: Plan, changed: Problem, planner: Planner) -> WhatIf:
    """Return the cost of a change against the plan in force, and the plan that follows from it."""
    plan = planner(changed)
    return WhatIf(question=question, extra_cost_usd=base.net_value_usd - plan.net_value_usd, plan=plan)


def _with_jobs(problem: Problem, changed: JobProblem) -> Problem:
    jobs = tuple(changed if job.name == changed.name else job for job in problem.jobs)
    return problem.model_copy(update={"jobs": jobs})


def _named(rows: tuple[Named, ...], name: str) -> Named:
    for row in rows:
        if row.name == name:
            return row
    raise KeyError(f"no {name!r}; there are {', '.join(row.name for row in rows)}")
