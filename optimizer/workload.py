"""What planned work draws and does: the compute side of a problem, on plain floats.

IT power of pool *p* with *wall* factor *w*, *N* GPUs that idle at *i* watts, batch work on *n* GPUs at *P* watts each and
serving modes that hold *m* GPUs and draw *M* watts together:

    it_kw = host_kw + w / 1000 * (i N + sum (P - i) n + sum (M - i m))                                    (1)

A batch GPU under a limit between two levels draws and does what lies linearly between them: part of the GPUs, or part of
the time, at each. Levels below the upper concave hull of (power, speed), idle included, are never used: a mix of their
neighbours does more work for the same watts (2).

Light on purpose: the control loop imports it. No solver, no arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from optimizer.problem import JobProblem, PoolProblem, Problem, ServiceProblem
from sites.compute.records import CapLevel, PowerProfile, ServingMode
from sites.times import HOUR

OFF_MODE = ServingMode(
    name="off",
    pool="",
    profile="decode",
    precision="fp16",
    replicas=0,
    gpus=0,
    limit_w=0.0,
    slots=0,
    service_s=0.0,
    service_scv=0.0,
    rate_rps=0.0,
    idle_w=0.0,
    busy_w=0.0,
    p99_s=0.0,
    quality=0.0,
)
"""Serves nothing and draws nothing; stands in every menu that has no mode without GPUs, so that a plan always exists."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One useful power-limit level of a pool for a profile, as seen from the wall."""

    limit_w: float
    power_w: float
    """Draw of the GPU itself."""
    speed: float
    """Work per GPU-hour, 1 at the highest level."""


def useful_rungs(pool: PoolProblem, profile: PowerProfile) -> tuple[Rung, ...]:
    """Return the levels on the concave hull (2), ascending in limit; empty when the pool has none for the profile."""
    levels = next((entry.levels for entry in pool.levels if entry.profile == profile), ())
    return _hull(pool.idle_w, levels)


@lru_cache(maxsize=256)
def _hull(idle_w: float, levels: tuple[CapLevel, ...]) -> tuple[Rung, ...]:
    ordered = sorted(levels, key=lambda level: (level.power_w, -level.speed_frac))
    kept: list[Rung] = [Rung(limit_w=0.0, power_w=idle_w, speed=0.0)]
    for level in ordered:
        rung = Rung(limit_w=level.limit_w, power_w=max(level.power_w, idle_w), speed=level.speed_frac)
        if rung.speed <= kept[-1].speed:
            continue
        while len(kept) > 1 and _below(kept[-2], kept[-1], rung):
            kept.pop()
        kept.append(rung)
    return tuple(kept[1:])


def _below(low: Rung, middle: Rung, high: Rung) -> bool:
    """Return whether ``middle`` lies on or under the line from ``low`` to ``high``."""
    rise_middle = (middle.speed - low.speed) * (high.power_w - low.power_w)
    rise_high = (high.speed - low.speed) * (middle.power_w - low.power_w)
    return rise_middle <= rise_high


def rung_at(rungs: tuple[Rung, ...], limit_w: float) -> Rung:
    """Return what a GPU does under a limit [W], linear between levels and clipped to the lowest and the highest."""
    if limit_w <= rungs[0].limit_w:
        return rungs[0]
    for low, high in pairwise(rungs):
        if limit_w <= high.limit_w:
            share = (limit_w - low.limit_w) / (high.limit_w - low.limit_w)
            return Rung(
                limit_w=limit_w,
                power_w=low.power_w + share * (high.power_w - low.power_w),
                speed=low.speed + share * (high.speed - low.speed),
            )
    return rungs[-1]


def menu(service: ServiceProblem) -> tuple[ServingMode, ...]:
    """Return the modes of a service, with :data:`OFF_MODE` appended where the menu cannot be switched off."""
    if any(mode.gpus == 0 for mode in service.modes):
        return service.modes
    return (*service.modes, OFF_MODE)


def extra_mode_w(mode: ServingMode, rate_rps: float, pool: PoolProblem | None) -> float:
    """Return the watts a mode draws at a rate beyond what its GPUs would draw idle, before the wall factor."""
    if pool is None or mode.gpus == 0:
        return 0.0
    return mode.power_w(rate_rps) - pool.idle_w * mode.gpus


def idle_kw(pool: PoolProblem) -> float:
    """Return the wall power of a pool without work: hosts and idle GPUs."""
    return pool.host_kw + pool.wall_factor * pool.idle_w * pool.gpus / 1000.0


def may_power_off(pool: PoolProblem) -> bool:
    """Return whether a plan may power nodes of a pool off."""
    return pool.can_power_off and pool.nodes > 0 and pool.gpus > 0.0


def gpus_per_node(pool: PoolProblem) -> float:
    """Return the GPUs of one node."""
    return pool.gpus / pool.nodes


def island_size(pool: PoolProblem) -> int:
    """Return the GPUs of an island: parts of one GPU where they are cut; a node where GPUs have no NVLink."""
    if pool.mig_parts > 1:
        return pool.mig_parts
    return pool.island_gpus if pool.island_gpus > 1 else pool.node_gpus


def node_kw(pool: PoolProblem) -> float:
    """Return what powering off one node without work saves at the wall: its host and its idle GPUs."""
    return max(0.0, idle_kw(pool) / pool.nodes - pool.node_off_kw)


def unserved_rps(mode: ServingMode, rate_rps: float, spread_log: float = 0.0) -> float:
    """Return the request rate that a mode is expected to turn away, 1/s.

    For a log-normal rate of mean ``r`` and spread ``s`` above a capacity ``c``: ``r N(d) - c N(d - s)`` with
    ``d = ln(r / c) / s + s / 2``; without spread what exceeds the capacity.
    """
    capacity = mode.rate_rps
    if spread_log <= 0.0 or rate_rps <= 0.0 or capacity <= 0.0:
        return max(0.0, rate_rps - capacity)
    d = math.log(rate_rps / capacity) / spread_log + spread_log / 2.0
    return max(0.0, rate_rps * _normal_cdf(d) - capacity * _normal_cdf(d - spread_log))


def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def spreads(service: ServiceProblem) -> tuple[float, ...]:
    """Return the spread of a service's rate in each interval."""
    return service.spread_log or (0.0,) * len(service.rate_rps)


def cooling_factor(problem: Problem, step: int) -> float:
    """Return kW on the bus for each kW of IT in an interval: 1 + its cooling."""
    return 1.0 + (problem.cooling_kw_per_it_kw[step] if problem.cooling_kw_per_it_kw else 0.0)


def cooling_base_kw(problem: Problem, step: int) -> float:
    """Return the fans, pumps and heaters that run in any case in an interval, kW."""
    return problem.cooling_base_kw[step] if problem.cooling_base_kw else 0.0


def pools_of(problem: Problem, job: JobProblem) -> tuple[tuple[PoolProblem, float, tuple[Rung, ...]], ...]:
    """Return the pools a job can run on, each with the job's speed there and its useful levels."""
    by_name = {pool.name: pool for pool in problem.pools}
    most_kw = step_kw(problem)
    found = []
    for entry in job.pools:
        pool = by_name.get(entry.pool)
        rungs = useful_rungs(pool, job.profile) if pool is not None else ()
        if pool is None or not rungs or pool.gpus <= 0 or not holds(pool, job):
            continue
        if job.running or start_kw(pool, job, rungs) <= most_kw:
            found.append((pool, entry.speed, rungs))
    return tuple(found)


def step_kw(problem: Problem) -> float:
    """Return the most load that what forms the grid takes at once: the battery's inverter, else all gensets together."""
    if problem.battery is not None and problem.battery.capacity_kwh > 0.0:
        return problem.inverter_kw if problem.inverter_kw is not None else math.inf
    steps = [genset.step_kw for genset in problem.gensets if genset.available]
    return sum(math.inf if step is None else step for step in steps) if steps else math.inf


def start_kw(pool: PoolProblem, job: JobProblem, rungs: tuple[Rung, ...]) -> float:
    """Return the least load that a job adds when it starts: its fewest GPUs at the lowest limit, at the wall."""
    return pool.wall_factor * least_gpus(job) * max(rungs[0].power_w - pool.idle_w, 0.0) / 1000.0


def holds(pool: PoolProblem, job: JobProblem) -> bool:
    """Return whether a pool's GPUs have the memory, and its NVLink islands the size, that a job needs; unknown ones do."""
    if pool.memory_gb and job.memory_gb > pool.memory_gb:
        return False
    if job.group_gpus == 1 or pool.node_gpus == 0:
        return True
    groups = pool.island_gpus // job.group_gpus * (pool.node_gpus // pool.island_gpus)
    return groups * job.group_gpus * pool.nodes >= job.gpus_min > 0


def window_h(problem: Problem, job: JobProblem) -> tuple[float, float]:
    """Return hours from the problem's start in which a job may run: release, and deadline where that is hard."""
    start = (job.release_utc - problem.start_utc).total_seconds() / 3600.0
    end = (job.deadline_utc - problem.start_utc).total_seconds() / 3600.0
    horizon = sum(problem.hours)
    return max(0.0, start), min(end, horizon) if job.hard else horizon


def windows_h(problem: Problem, job: JobProblem) -> tuple[tuple[float, float], ...]:
    """Return the stretches in which a job may run, in hours from the problem's start: its window, and within it its windows."""
    low, high = window_h(problem, job)
    if not job.windows_utc or (job.running and not job.preemptible):
        return ((low, high),)
    hours = (((each - problem.start_utc) / HOUR for each in window) for window in job.windows_utc)
    inside = ((max(low, since), min(high, until)) for since, until in hours)
    return tuple((since, until) for since, until in inside if until > since)


def open_h(windows: Iterable[tuple[float, float]], start_h: float, end_h: float) -> float:
    """Return the hours of a stretch that lie in some windows."""
    return sum(max(0.0, min(end_h, until) - max(start_h, since)) for since, until in windows)


def worth_per_share(job: JobProblem, problem: Problem, end_h: float) -> float:
    """Return $ for doing the whole of a job's work at ``end_h`` hours from the start: value less lateness, never below 0.

    A plan is paid for each share of the work when that share is done; a hard job is paid when it is whole.
    """
    deadline_h = (job.deadline_utc - problem.start_utc).total_seconds() / 3600.0
    return max(0.0, job.value_usd - job.late_usd_per_h * max(0.0, end_h - deadline_h))


def least_gpus(job: JobProblem) -> float:
    """Return the fewest GPUs on which a job counts as running."""
    return max(job.gpus_min, min(1.0, job.gpus_max))


def pause_usd(job: JobProblem) -> float:
    """Return what pausing a running job costs: its GPUs make no progress for the time of a restart; 0 for other jobs."""
    if not (job.running and job.preemptible):
        return 0.0
    return job.value_usd * min(1.0, job.checkpoint_h * job.gpus_max / job.work_gpu_h)


def all_or_nothing(job: JobProblem, problem: Problem) -> bool:
    """Return whether a plan is paid only for the whole job: hard, with its deadline inside the horizon."""
    end_h = (job.deadline_utc - problem.start_utc).total_seconds() / 3600.0
    return job.hard and end_h <= sum(problem.hours) + 1e-9
