"""Which work runs in an interval by rule: the leanest serving mode that holds, jobs by value density or by arrival.

Value density is $ for each kWh that the rest of a job draws at full power, cooling included. A job is *urgent* when the
time left before its deadline is less than 1.25 times what it still needs. A job runs

    when it is urgent and its density is above the price of a genset's kWh,                                (1)
    or on power that costs nothing: surplus sun, or the battery above its comfortable level,               (2)
    or, for a policy that does not wait, whenever its density is above the price of a genset's kWh;        (3)
    first come first served asks for no price at all.                                                      (4)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from optimizer.chains import Rooms
from optimizer.problem import JobProblem, PoolProblem, Problem, ServiceProblem
from optimizer.rules.styles import Order, Style
from optimizer.workload import Rung, extra_mode_w, menu, pools_of, spreads, windows_h
from sites.compute.records import ServingMode

HELD_SPREADS = 2.0
"""A mode holds a rate when it serves this many spreads above it: 98 of 100 windows."""
URGENCY = 1.25
"""Time needed is multiplied by this before it is compared with the time left."""


@dataclass(kw_only=True)
class JobState:
    """A job while the rules roll forward."""

    job: JobProblem
    places: tuple[tuple[PoolProblem, float, tuple[Rung, ...]], ...]
    windows_h: tuple[tuple[float, float], ...]
    density_usd_per_kwh: float
    left_gpu_h: float
    pool: str = ""
    started: bool = False
    gpus: list[float] = field(default_factory=list)
    limits_w: list[float] = field(default_factory=list)

    def needed_h(self) -> float:
        """Return the hours it still needs at its largest size on its fastest pool."""
        return self.left_gpu_h / max(self.job.gpus_max * speed for _, speed, _ in self.places)

    def urgent(self, at_h: float, problem: Problem) -> bool:
        """Return whether waiting would risk its deadline."""
        deadline_h = (self.job.deadline_utc - problem.start_utc).total_seconds() / 3600.0
        return deadline_h - at_h <= URGENCY * self.needed_h() + 1e-9


def job_states(problem: Problem) -> list[JobState]:
    """Return the jobs that can run at all, none started but those that run now."""
    states = []
    cooling = sum(problem.cooling_kw_per_it_kw) / len(problem.hours) if problem.cooling_kw_per_it_kw else 0.0
    for job in problem.jobs:
        places = pools_of(problem, job)
        if not places:
            continue
        pool, speed, rungs = places[0]
        kwh = job.work_gpu_h / speed * pool.wall_factor * rungs[-1].power_w / 1000.0 * (1.0 + cooling)
        states.append(
            JobState(
                job=job,
                places=places,
                windows_h=windows_h(problem, job),
                density_usd_per_kwh=job.value_usd / max(kwh, 1e-9),
                left_gpu_h=job.work_gpu_h,
                pool=places[0][0].name if job.running else "",
                started=job.running,
            )
        )
    return states


def ordered(states: list[JobState], style: Style, urgent: Callable[[JobState], bool]) -> list[JobState]:
    """Return jobs in the order in which they get GPUs; what may not be interrupted keeps its place."""

    def key(state: JobState) -> tuple[object, ...]:
        held = 0 if state.started and not state.job.preemptible else 1
        if style.order is Order.ARRIVAL:
            return (held, 0 if state.started else 1, state.job.release_utc, state.job.name)
        soon = 0 if urgent(state) else 1
        return (held, -state.job.priority, soon, -state.density_usd_per_kwh, state.job.name)

    return sorted(states, key=key)


def choose_mode(service: ServiceProblem, step: int, free: dict[str, float], style: Style, rooms: Rooms) -> ServingMode:
    """Return the mode of a service: the leanest that serves the rate within the free GPUs, else the largest there is.

    ``rooms`` says which modes its chains have time for.

    With ``full_modes`` it is provisioned once for the horizon's peak, at the highest power limit.
    """
    held = [
        rate * math.exp(HELD_SPREADS * spread) for rate, spread in zip(service.rate_rps, spreads(service), strict=True)
    ]
    rate = max(held) if style.full_modes else held[step]
    able = [mode for mode in menu(service) if mode.gpus == 0 or mode.gpus <= free.get(mode.pool, 0.0) + 1e-9]
    most_s = rooms.most_s(service.name)
    fits = [mode for mode in able if mode.gpus == 0 or mode.p99_s <= most_s]
    enough = [mode for mode in fits if mode.rate_rps >= rate]
    if not enough:
        return max(fits, key=lambda mode: (mode.rate_rps, mode.limit_w, mode.gpus))
    if style.full_modes:
        return min(enough, key=lambda mode: (-mode.limit_w, mode.gpus, mode.rate_rps, mode.name))
    return min(enough, key=lambda mode: (mode.power_w(rate), mode.gpus, mode.name != service.current_mode))


def mode_extra_kw(problem: Problem, mode: ServingMode, rate: float) -> float:
    """Return the wall power of a mode beyond its idle GPUs, kW."""
    pool = next((pool for pool in problem.pools if pool.name == mode.pool), None)
    factor = pool.wall_factor if pool is not None else 1.0
    return factor * extra_mode_w(mode, rate, pool) / 1000.0


def job_extra_kw(pool: PoolProblem, rungs: tuple[Rung, ...], gpus: float) -> float:
    """Return the wall power of batch work at full power beyond its idle GPUs, kW."""
    return pool.wall_factor * (rungs[-1].power_w - pool.idle_w) * gpus / 1000.0


def whole_gpus(job: JobProblem, free: float, fits: float) -> float:
    """Return the whole GPUs a job gets out of ``free``, when power allows ``fits`` of them; 0 below its minimum."""
    least = max(job.gpus_min, min(1.0, job.gpus_max))
    count = min(job.gpus_max, free, fits)
    count = float(int(count + 1e-9)) if job.gpus_max >= 1.0 else count
    return count if count >= least - 1e-9 else 0.0
