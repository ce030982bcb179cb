"""Operating reserve: what the site can take up at once if the sun or a genset fails.

battery     r <= D - dis + ch          what its inverter can still add                                    (1)
            r <= eta (E_end - E_min) / hold    and hold for ``hold_h`` hours
gensets     sum over running ones of what they carry at most, less what they carry                       (2)
batch work  draw above the lowest limit's; where all jobs of a group can be interrupted, above idle      (3)
"""

from __future__ import annotations

from optimizer.equipment import warm_share
from optimizer.plan import Interval
from optimizer.problem import PoolProblem, Problem
from optimizer.workload import Rung, cooling_factor, useful_rungs
from sites.compute.records import PowerProfile


def sheddable_w(problem: Problem, pool: PoolProblem, profile: PowerProfile, rung: Rung) -> float:
    """Return the watts that one batch GPU gives up at once, before the wall factor (3)."""
    return rung.power_w - kept_w(problem, pool, profile)


def kept_w(problem: Problem, pool: PoolProblem, profile: PowerProfile) -> float:
    """Return the watts that one batch GPU of a group keeps when it gives up what it can at once (3)."""
    held = (job for job in problem.jobs if job.profile == profile and not job.preemptible)
    if any(entry.pool == pool.name for job in held for entry in job.pools):
        return useful_rungs(pool, profile)[0].power_w
    return pool.idle_w


def battery_reserve_kw(problem: Problem, battery_kw: float, soc_end_frac: float) -> float:
    """Return what the battery adds at once (1); ``battery_kw`` is positive when it discharges."""
    battery = problem.battery
    if battery is None:
        return 0.0
    limit_kw = battery.discharge_kw if problem.inverter_kw is None else min(battery.discharge_kw, problem.inverter_kw)
    stored_kwh = (soc_end_frac - battery.soc_min_frac) * battery.capacity_kwh
    held_kw = battery.discharge_efficiency_frac * stored_kwh / problem.reserve.hold_h
    return max(0.0, min(limit_kw - battery_kw, held_kw))


def genset_headroom_kw(problem: Problem, row: Interval, hours_on: tuple[float, ...]) -> float:
    """Return what running gensets add (2); ``hours_on`` is how long each has been on at the interval's start."""
    total = 0.0
    for genset, now, since_h in zip(problem.gensets, row.gensets, hours_on, strict=True):
        if now.on:
            total += max(0.0, genset.max_kw * (1.0 - warm_share(genset, since_h, row.hours)) - now.kw)
    return total


def spare_start(problem: Problem, place: int) -> bool:
    """Return whether a genset can take load within the UPS time from standstill."""
    genset = problem.gensets[place]
    return genset.available and not genset.forbidden and genset.warmup_h <= problem.reserve.ups_h


def spare_reserve_kw(problem: Problem, row: Interval) -> float:
    """Return what spare genset starts add (2b)."""
    if problem.reserve.ups_kw <= 0.0:
        return 0.0
    ready = sum(
        genset.max_kw
        for place, genset in enumerate(problem.gensets)
        if spare_start(problem, place) and not row.gensets[place].on
    )
    return min(problem.reserve.ups_kw, ready)


def batch_reserve_kw(problem: Problem, step: int, watts: float) -> float:
    """Return the bus power that giving up ``watts`` of batch draw at the wall frees, kW, cooling included."""
    return watts / 1000.0 * cooling_factor(problem, step)
