"""What each interval is bound by, read from the plan against the limits of the equipment.

The first limit that holds, in this order: load goes unserved, the reserve is missing, gensets at their minimum load while sun
is curtailed or nothing else can give way, gensets at their rating, battery at its lower limit, battery full with sun left over,
battery at its power limit, all GPUs taken.
"""

from __future__ import annotations

from optimizer.equipment import battery_params, battery_state, floor_frac
from optimizer.objective import reserve_required_kw
from optimizer.plan import Interval, JobPlan, ServicePlan
from optimizer.problem import Problem
from optimizer.workload import menu
from sites.plant import battery as plant

SMALL_KW = 1e-3
SMALL_SOC = 1e-4


def with_limits(
    problem: Problem, rows: tuple[Interval, ...], services: tuple[ServicePlan, ...], jobs: tuple[JobPlan, ...]
) -> tuple[Interval, ...]:
    """Return the intervals with ``bound_by`` filled in."""
    taken = gpus_taken(problem, services, jobs)
    soc = problem.battery.soc_frac if problem.battery is not None else 0.0
    done = []
    for step, row in enumerate(rows):
        full = any(
            pool.gpus > 0 and taken[pool.name][step] >= pool.gpus - 1e-3 and pool.gpus - taken[pool.name][step] < 1e-3
            for pool in problem.pools
        )
        done.append(row.model_copy(update={"bound_by": bound_by(problem, step, row, soc, full)}))
        soc = row.soc_end_frac
    return tuple(done)


def gpus_taken(
    problem: Problem, services: tuple[ServicePlan, ...], jobs: tuple[JobPlan, ...]
) -> dict[str, list[float]]:
    """Return the GPUs taken in each pool and interval."""
    taken = {pool.name: [0.0] * len(problem.hours) for pool in problem.pools}
    for service, chosen in zip(problem.services, services, strict=True):
        modes = {mode.name: mode for mode in menu(service)}
        for step, name in enumerate(chosen.modes):
            if modes[name].pool in taken:
                taken[modes[name].pool][step] += modes[name].gpus
    for job in jobs:
        if job.pool in taken:
            for step, gpus in enumerate(job.gpus_by_interval):
                taken[job.pool][step] += gpus
    return taken


def bound_by(problem: Problem, step: int, row: Interval, soc_frac: float, gpus_full: bool) -> str:
    """Return the reason code of what limits an interval; empty when nothing does."""
    if row.shed_kw > SMALL_KW:
        return "SHORTAGE"
    if reserve_required_kw(problem, row) - row.reserve_kw > SMALL_KW:
        return "RESERVE"
    curtailed = row.pv_available_kw - row.pv_used_kw > SMALL_KW
    on = [genset for genset, now in zip(problem.gensets, row.gensets, strict=True) if now.on]
    genset_kw = sum(now.kw for now in row.gensets if now.on)
    if on and curtailed and genset_kw <= sum(genset.min_kw for genset in on) + SMALL_KW:
        return "GENSET_MIN_LOAD"
    if on and genset_kw >= sum(genset.max_kw for genset in on) - SMALL_KW:
        return "GENSET_MAX_LOAD"
    battery = problem.battery
    if battery is not None and battery.capacity_kwh > 0.0:
        if row.soc_end_frac <= battery.soc_min_frac + SMALL_SOC:
            return "BATTERY_EMPTY"
        if curtailed and row.soc_end_frac >= battery.soc_max_frac - SMALL_SOC:
            return "BATTERY_FULL"
        limits = plant.limits(battery_params(battery, step), battery_state(soc_frac), row.hours)
        near = 0.999
        if row.battery_kw > SMALL_KW and row.battery_kw >= near * limits.discharge_kw:
            return "BATTERY_RATE"
        if row.battery_kw < -SMALL_KW and -row.battery_kw >= near * limits.charge_kw:
            return "BATTERY_RATE"
        floor = floor_frac(battery, step)
        if floor > 0.0 and abs(row.soc_end_frac - floor) <= SMALL_SOC:
            return "SOC_RESERVE"
    if curtailed:
        return "SUN_SURPLUS"
    return "GPUS_FULL" if gpus_full else ""
