"""Why a job runs when it does, waits, or is left out; priced at the plan's marginal prices of energy."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.explain.intervals import gpus_taken
from optimizer.plan import Decision, JobPlan, Plan
from optimizer.problem import JobProblem, Problem
from optimizer.workload import (
    cooling_factor,
    holds,
    open_h,
    pools_of,
    rung_at,
    step_kw,
    useful_rungs,
    window_h,
    windows_h,
)
from sites.reasons import reason_text

SURPLUS_USD_PER_KWH = 0.02
"""Energy under this price is sun that would be curtailed, or next to it."""


def job_decisions(problem: Problem, plan: Plan) -> Iterator[Decision]:
    """Return one decision a job, and one about doing it elsewhere where it is late or left out."""
    jobs = {job.name: job for job in problem.jobs}
    taken = gpus_taken(problem, plan.services, plan.jobs)
    for planned in plan.jobs:
        job = jobs[planned.name]
        yield _runs(problem, plan, job, planned, taken) if planned.pool else _left_out(problem, plan, job, taken)
        yield from _elsewhere(problem, job, planned)


def energy_kwh(problem: Problem, job: JobProblem, planned: JobPlan) -> list[float]:
    """Return the energy on the bus that a job's plan takes in each interval, idle draw of its GPUs apart."""
    pool, _, rungs = next(place for place in pools_of(problem, job) if place[0].name == planned.pool)
    taken = []
    for step, (gpus, limit_w) in enumerate(zip(planned.gpus_by_interval, planned.limit_w_by_interval, strict=True)):
        if gpus <= 0.0:
            taken.append(0.0)
            continue
        watts = rung_at(rungs, limit_w).power_w - pool.idle_w
        kw = gpus * watts * pool.wall_factor / 1000.0 * cooling_factor(problem, step)
        taken.append(kw * problem.hours[step])
    return taken


def _runs(problem: Problem, plan: Plan, job: JobProblem, planned: JobPlan, taken: dict[str, list[float]]) -> Decision:
    kwh = energy_kwh(problem, job, planned)
    total = sum(kwh)
    prices = [row.price_usd_per_kwh for row in plan.intervals]
    paid = sum(energy * price for energy, price in zip(kwh, prices, strict=True))
    mean = paid / total if total > 0.0 else 0.0
    first = next(step for step, gpus in enumerate(planned.gpus_by_interval) if gpus > 0.0)
    low_h, _ = window_h(problem, job)
    offsets = problem.grid.offsets_h
    could = next((step for step in range(len(prices)) if offsets[step] >= low_h - 1e-9), first)
    when = f"{plan.intervals[first].start_utc:%d %H:%MZ}"
    energy_text = f"{total:.1f} kWh at ${mean:.3f}/kWh"
    if first <= could:
        profit = job.value_usd * planned.done_frac - paid
        code = "SUN_SURPLUS" if mean <= SURPLUS_USD_PER_KWH else "PLAN"
        worth = job.value_usd * planned.done_frac
        text = f"starts as soon as it may: worth ${worth:.2f}, its energy costs ${paid:.2f} ({energy_text})"
        return Decision(
            what=f"job {job.name} starts {when}", reason_code=code, text=text, cost_of_alternative_usd=profit
        )
    now_usd = total * prices[could] - paid
    code = _wait_code(problem, plan, job, planned, taken, first, could, mean)
    text = (
        f"waits for {when}: {reason_text(code)}; a kWh is worth ${prices[could]:.3f} when it could start "
        f"and ${mean:.3f} while it runs ({energy_text})"
    )
    return Decision(what=f"job {job.name} starts {when}", reason_code=code, text=text, cost_of_alternative_usd=now_usd)


def _wait_code(
    problem: Problem,
    plan: Plan,
    job: JobProblem,
    planned: JobPlan,
    taken: dict[str, list[float]],
    first: int,
    could: int,
    mean: float,
) -> str:
    pool = next(pool for pool in problem.pools if pool.name == planned.pool)
    if could == 0 and job.release_utc > plan.intervals[0].start_utc:
        return "NOT_RELEASED"
    offsets = problem.grid.offsets_h
    if not open_h(windows_h(problem, job), offsets[could], offsets[first]):
        return "WINDOW"
    free = [pool.gpus - taken[pool.name][step] for step in range(could, first)]
    if free and max(free) < max(1.0, job.gpus_min):
        return "GPUS_FULL"
    if mean <= SURPLUS_USD_PER_KWH:
        return "SUN_SURPLUS"
    if any(plan.intervals[step].bound_by in ("RESERVE", "GENSET_MAX_LOAD") for step in range(could, first)):
        return "RESERVE"
    return "PLAN"


def _elsewhere(problem: Problem, job: JobProblem, planned: JobPlan) -> Iterator[Decision]:
    """Yield what doing the rest of a job elsewhere would cost, where this plan loses some of its worth; or that it may not be."""
    usd_per_gpu_h = problem.offsite_usd_per_gpu_h
    if usd_per_gpu_h is None or not (planned.late or (planned.done_frac < 1.0 and job.due_utc <= problem.grid.end_utc)):
        return
    what = f"job {job.name} elsewhere"
    if job.sovereign:
        yield Decision(
            what=what, reason_code="SOVEREIGN", text="its data may not leave the site, so it waits or goes without"
        )
        return
    left = job.work_gpu_h if planned.late and planned.done_frac >= 1.0 else job.work_gpu_h * (1.0 - planned.done_frac)
    usd = left * usd_per_gpu_h
    pays = "which its value pays for" if usd < job.value_usd else "more than it is worth"
    text = f"{left:.1f} GPU-hours elsewhere would cost ${usd:.2f}, {pays}; nothing is sent unless a person does it"
    yield Decision(what=what, reason_code="OFFSITE", text=text, cost_of_alternative_usd=usd)


def _left_out(problem: Problem, plan: Plan, job: JobProblem, taken: dict[str, list[float]]) -> Decision:
    what = f"job {job.name} does not run"
    low_h, high_h = window_h(problem, job)
    horizon_h = sum(problem.hours)
    if low_h >= horizon_h:
        return Decision(what=what, reason_code="NOT_RELEASED", text="it is released after the horizon")
    if not windows_h(problem, job):
        return Decision(what=what, reason_code="WINDOW", text="none of its windows lies within the plan")
    places = pools_of(problem, job)
    if not places and (text := _cannot_hold(problem, job)):
        return Decision(what=what, reason_code="PLACEMENT", text=text)
    if not places and any(
        pool.gpus >= max(job.gpus_min, 1e-9) and pool.name in _named(job) and useful_rungs(pool, job.profile)
        for pool in problem.pools
    ):
        text = f"its smallest start is more load than what forms the grid takes at once ({step_kw(problem):.1f} kW)"
        return Decision(what=what, reason_code="LOAD_STEP", text=text)
    if not places or all(pool.gpus < max(job.gpus_min, 1e-9) for pool, _, _ in places):
        return Decision(what=what, reason_code="GPUS_FULL", text="no pool has the GPUs that it needs")
    fastest = max(speed for _, speed, _ in places)
    needed_h = job.work_gpu_h / (job.gpus_max * fastest)
    if job.hard and needed_h > high_h - low_h + 1e-9:
        text = f"it needs {needed_h:.1f} h and its deadline leaves {max(0.0, high_h - low_h):.1f} h"
        return Decision(what=what, reason_code="DEADLINE", text=text)
    pool, speed, rungs = places[0]
    kwh = job.work_gpu_h / (speed * rungs[0].speed) * (rungs[0].power_w - pool.idle_w) * pool.wall_factor / 1000.0
    offsets = problem.grid.offsets_h
    open_steps = [s for s in range(len(problem.hours)) if low_h <= offsets[s] + 1e-9 and offsets[s] < high_h]
    price = _cheapest_usd_per_kwh(plan, open_steps, job.work_gpu_h / (job.gpus_max * speed * rungs[0].speed))
    kwh *= cooling_factor(problem, open_steps[0]) if open_steps else 1.0
    extra = kwh * price - job.value_usd
    if extra > 0.0:
        cost = f"its energy would cost ${kwh * price:.2f} at ${price:.3f}/kWh in the cheapest hours"
        text = f"{cost}; it is worth ${job.value_usd:.2f}"
        return Decision(what=what, reason_code="NOT_WORTH", text=text, cost_of_alternative_usd=extra)
    full = all(problem_pool_full(problem, taken, pool.name, step) for step in open_steps)
    code = "GPUS_FULL" if full else "PLAN"
    text = "all GPUs that fit are taken by work that is worth more" if full else "other work and loads are worth more"
    return Decision(what=what, reason_code=code, text=text)


def _named(job: JobProblem) -> set[str]:
    return {share.pool for share in job.pools}


def _cannot_hold(problem: Problem, job: JobProblem) -> str:
    """Return what the GPUs of every pool of a job lack; nothing where it is not that."""
    pools = [pool for pool in problem.pools if pool.name in _named(job) and pool.gpus > 0.0 and not holds(pool, job)]
    if not pools:
        return ""
    most_gb = max(pool.memory_gb for pool in pools)
    if most_gb and job.memory_gb > most_gb:
        return f"it needs {job.memory_gb:g} GB on each GPU and the largest has {most_gb:g} GB"
    most = max(pool.island_gpus for pool in pools)
    return f"it needs groups of {job.group_gpus} GPUs on NVLink; the pools' islands have {most}, or too few of them"


def _cheapest_usd_per_kwh(plan: Plan, steps: list[int], needed_h: float) -> float:
    """Return the mean price of energy over the cheapest intervals that together last ``needed_h`` hours."""
    left_h, paid, taken_h = needed_h, 0.0, 0.0
    for step in sorted(steps, key=lambda step: plan.intervals[step].price_usd_per_kwh):
        row = plan.intervals[step]
        hours = min(row.hours, left_h)
        paid, taken_h, left_h = paid + hours * row.price_usd_per_kwh, taken_h + hours, left_h - hours
        if left_h <= 0.0:
            break
    return paid / taken_h if taken_h > 0.0 else 0.0


def problem_pool_full(problem: Problem, taken: dict[str, list[float]], name: str, step: int) -> bool:
    """Return whether a pool has no whole GPU free in an interval."""
    pool = next(pool for pool in problem.pools if pool.name == name)
    return pool.gpus - taken[name][step] < 1.0
