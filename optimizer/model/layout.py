"""A problem as arrays, and the slots in which batch work is counted.

Slots are single intervals for the first ``near_h`` hours, then stretches of half an hour, or of an hour where there are so
many jobs that no single one counts. A slot model never says less than the interval model, so bounds stay true. The
relaxation takes slots of two hours from the start, of four where there are so many jobs: half of the variables for 0.05 % of
the bound.

Scenarios count in every cost by their weight, with a risk weight r

    (1b)  weight_w = (1 - r) p_w + r q_w,   q the darkest scenarios, RISK_TAIL of all probability together, scaled to 1

which is (1 - r) mean + r CVaR of the cost where less sun never costs less. Known before the solve, it leaves the model and its
bound as they are; worth and gap of a plan are then by these weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.matrix import Floats, Index
from optimizer.problem import JobProblem, Problem
from optimizer.workload import Rung, all_or_nothing, cooling_base_kw, cooling_factor, idle_kw, menu, pools_of, windows_h
from sites.compute.records import PowerProfile, ServingMode

NEAR_H = 2.0
"""Hours whose intervals are planned one by one, with whole GPUs."""
SPLIT_JOBS = 400
"""Jobs up to which work is split by speed: with more jobs each counts for less (0.03 % of the bound) and time for more."""
PLAN_SLOT_H = (0.5, 1.0)
"""Slots of a plan after the near hours, with up to ``SPLIT_JOBS`` jobs and with more."""
RELAXED_SLOT_H = (2.0, 4.0)
"""Slots of the relaxation, with up to ``SPLIT_JOBS`` jobs and with more."""
RISK_TAIL = 0.2
"""Probability of the darkest scenarios that a risk weight looks at."""
HARD_USD_PER_KWH = 1000.0
"""Price of giving up what may not be given up; a plan that pays it is infeasible as posed."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Batch work that loads one pool in the same way."""

    pool: int
    profile: PowerProfile
    surplus: bool
    rungs: tuple[Rung, ...]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A job in one of its groups."""

    job: int
    group: int
    speed: float
    first_slot: int
    overlap_h: Floats
    """Hours of each slot from ``first_slot`` on that lie in the job's window."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Sizes, series and index maps of a problem."""

    problem: Problem
    hours: Floats
    start_h: Floats
    """Offsets of interval starts, and of the end; one more than intervals."""
    weights: Floats
    """Weight of each scenario (1b), its probability without a risk weight."""
    pv_kw: Floats
    """Available sun, scenario x interval."""
    cooling: Floats
    """kW on the bus for each kW of IT."""
    base_kw: Floats
    """Tiers, cooling base and idle IT with its cooling, before any work."""
    idle_it_kw: float
    slot: Index
    """Slot of each interval."""
    slot_start_h: Floats
    slot_hours: Floats
    groups: tuple[Group, ...]
    places: tuple[Place, ...]
    menus: tuple[tuple[ServingMode, ...], ...]
    full_step: int | None
    """Interval at whose end a full charge of the battery is asked for."""
    split: bool
    """Whether work is counted apart at the lowest level's speed and beyond it."""
    relaxed: bool
    """Whether batch GPUs may differ within a slot: a bound lets them, a plan does not."""

    @property
    def steps(self) -> int:
        """Number of intervals."""
        return len(self.hours)

    @property
    def scenarios(self) -> int:
        """Number of scenarios, at least 1."""
        return len(self.weights)


def layout_of(problem: Problem, *, near_h: float = NEAR_H, relaxed: bool = False) -> Layout:
    """Return the arrays of a problem; ``relaxed`` for a bound, which counts work in long slots from the start."""
    hours = np.array(problem.hours)
    start_h = np.concatenate([[0.0], np.cumsum(hours)])
    cooling = np.array([cooling_factor(problem, step) for step in range(len(hours))])
    idle_it_kw = sum(idle_kw(pool) for pool in problem.pools)
    base = np.array([cooling_base_kw(problem, step) for step in range(len(hours))]) + cooling * idle_it_kw
    for tier in problem.tiers:
        base = base + np.array(tier.kw)
    split = len(problem.jobs) <= SPLIT_JOBS
    relaxed_h = RELAXED_SLOT_H[0 if split else 1]
    slot = slots_of(start_h, 0.0, relaxed_h) if relaxed else slots_of(start_h, near_h, PLAN_SLOT_H[0 if split else 1])
    slot_hours: Floats = np.bincount(slot, weights=hours).astype(np.float64)
    slot_start_h = np.concatenate([[0.0], np.cumsum(slot_hours)])[:-1]
    groups, places = _groups(problem, slot_start_h, slot_hours)
    weights, pv_kw = _scenarios(problem)
    return Layout(
        problem=problem,
        hours=hours,
        start_h=start_h,
        weights=weights,
        pv_kw=pv_kw,
        cooling=cooling,
        base_kw=base,
        idle_it_kw=idle_it_kw,
        slot=slot,
        slot_start_h=slot_start_h,
        slot_hours=slot_hours,
        groups=groups,
        places=places,
        menus=tuple(menu(service) for service in problem.services),
        full_step=full_step(problem, hours, start_h, pv_kw, base),
        split=split,
        relaxed=relaxed,
    )


def full_step(problem: Problem, hours: Floats, start_h: Floats, pv_kw: Floats, base_kw: Floats) -> int | None:
    """Return the interval at whose end the battery is to be full: the end of the sunniest stretch before it is due."""
    battery = problem.battery
    if battery is None or battery.full_by_h is None or battery.full_by_h > start_h[-1]:
        return None
    surplus = (pv_kw.mean(axis=0) - base_kw) * hours
    due = max(1, int(np.searchsorted(start_h[1:], battery.full_by_h + 1e-9, side="right")))
    best, best_kwh, run_kwh = due - 1, 0.0, 0.0
    for step in range(due):
        run_kwh = max(0.0, run_kwh + float(surplus[step]))
        if run_kwh > best_kwh:
            best, best_kwh = step, run_kwh
    return best


def slots_of(start_h: Floats, near_h: float, slot_h: float) -> Index:
    """Return the slot of each interval: one each before ``near_h``, then one for each ``slot_h`` hours begun."""
    slot = np.zeros(len(start_h) - 1, dtype=np.int32)
    current, opened_h = -1, -np.inf
    for step, start in enumerate(start_h[:-1]):
        if start < near_h - 1e-9 or start >= opened_h + slot_h - 1e-9 or opened_h < near_h - 1e-9:
            current += 1
            opened_h = start
        slot[step] = current
    return slot


def hours_open(problem: Problem, job: JobProblem, start_h: Floats, end_h: Floats) -> Floats:
    """Return the hours of stretches, given by their bounds in hours from the start, in which a job may run."""
    hours = np.zeros(len(start_h))
    for since, until in windows_h(problem, job):
        hours += np.maximum(0.0, np.minimum(end_h, until) - np.maximum(start_h, since))
    return hours


def _scenarios(problem: Problem) -> tuple[Floats, Floats]:
    if not problem.scenarios:
        return np.ones(1), np.maximum(0.0, np.array([problem.pv_available_kw]))
    weights = np.array([scenario.weight for scenario in problem.scenarios])
    pv_kw = np.maximum(0.0, np.array([scenario.pv_available_kw for scenario in problem.scenarios]))
    return risk_weights(weights / weights.sum(), pv_kw @ np.array(problem.hours), problem.risk_weight), pv_kw


def risk_weights(probability: Floats, sun_kwh: Floats, risk_weight: float) -> Floats:
    """Return the weights of scenarios (1b), from their probabilities and the energy of their sun."""
    worst = np.zeros(len(probability))
    left = RISK_TAIL
    for scenario in np.argsort(sun_kwh, kind="stable"):
        worst[scenario] = min(float(probability[scenario]), left) / RISK_TAIL
        left = max(0.0, left - float(probability[scenario]))
    return np.asarray((1.0 - risk_weight) * probability + risk_weight * worst)


def _groups(problem: Problem, slot_start_h: Floats, slot_hours: Floats) -> tuple[tuple[Group, ...], tuple[Place, ...]]:
    """Return groups and places; an all-or-nothing job has no place where even all its GPUs at full speed come too late."""
    number: dict[tuple[int, str, bool], int] = {}
    groups: list[Group] = []
    places: list[Place] = []
    pool_index = {pool.name: place for place, pool in enumerate(problem.pools)}
    ends_h = slot_start_h + slot_hours
    for index, job in enumerate(problem.jobs):
        overlap = hours_open(problem, job, slot_start_h, ends_h)
        used = np.flatnonzero(overlap > 1e-9)
        if not len(used):
            continue
        for pool, speed, rungs in pools_of(problem, job):
            if pool.gpus < job.gpus_min - 1e-9:
                continue
            most = min(job.gpus_max, pool.gpus) * float(overlap.sum()) * speed * rungs[-1].speed
            if most < job.work_gpu_h * (1.0 - 1e-9) and all_or_nothing(job, problem):
                continue
            key = (pool_index[pool.name], job.profile, job.surplus_only)
            if key not in number:
                number[key] = len(groups)
                groups.append(Group(pool=key[0], profile=job.profile, surplus=job.surplus_only, rungs=rungs))
            places.append(
                Place(
                    job=index,
                    group=number[key],
                    speed=speed,
                    first_slot=int(used[0]),
                    overlap_h=overlap[used[0] : used[-1] + 1],
                )
            )
    return tuple(groups), tuple(places)
