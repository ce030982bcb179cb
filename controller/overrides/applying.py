"""What standing orders do to a planning problem; the planner then solves around them.

Orders about a genset, the battery, the sun, a tier or a service act in the intervals that they overlap. Orders about a
pool act over the whole horizon while they stand: the plan made after they end takes them back. A pinned job is one that
runs and may not be interrupted, from its moment on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar, assert_never

from controller.overrides.orders import (
    CapPool,
    Disable,
    ForbidGenset,
    HoldJob,
    HoldSoc,
    PinJob,
    RunGenset,
    ShedTier,
    Standing,
    StopService,
)
from optimizer.problem import GensetProblem, JobProblem, LoadTier, PoolProblem, Problem, PvScenario, ServiceProblem
from optimizer.workload import rung_at, useful_rungs
from sites.compute.records import CapLevel

LAST = timedelta(minutes=1)
"""A job that starts after its deadline is due this soon after its start: late, and still a job."""
Named = TypeVar("Named", GensetProblem, PoolProblem, ServiceProblem, LoadTier, JobProblem)


def with_orders(problem: Problem, standing: Sequence[Standing]) -> Problem:
    """Return the problem under all orders that have not expired; what the site does not have is left out."""
    for each in standing:
        if each.expires_utc > problem.start_utc:
            problem = _with_order(problem, each)
    return problem


def _with_order(problem: Problem, standing: Standing) -> Problem:
    inside = window(problem, standing)
    order = standing.order
    match order:
        case RunGenset(genset=name):
            return _gensets(problem, name, lambda each: _run(each, inside))
        case ForbidGenset(genset=name):
            return _gensets(problem, name, lambda each: _forbid(each, inside))
        case Disable(device=device):
            return _disabled(problem, device, inside)
        case HoldSoc(soc_frac=soc):
            return _held(problem, soc, standing)
        case CapPool(pool=name, limit_w=limit_w):
            return _capped(problem, name, limit_w)
        case PinJob(job=name):
            return problem.model_copy(
                update={
                    "jobs": tuple(_pinned(job, order, problem) if job.name == name else job for job in problem.jobs)
                }
            )
        case HoldJob(job=name):
            jobs = (_kept_back(job, standing.expires_utc) if job.name == name else job for job in problem.jobs)
            return problem.model_copy(update={"jobs": tuple(job for job in jobs if job is not None)})
        case ShedTier(tier=name):
            tiers = _changed(problem.tiers, name, lambda each: _copy(each, kw=_zeroed(each.kw, inside)))
            return problem.model_copy(update={"tiers": tiers})
        case StopService(service=name):
            services = _changed(
                problem.services, name, lambda each: _copy(each, rate_rps=_zeroed(each.rate_rps, inside))
            )
            return problem.model_copy(update={"services": services})
        case _:
            assert_never(order)


def window(problem: Problem, standing: Standing) -> tuple[bool, ...]:
    """Return the intervals that an order overlaps."""
    begin = standing.from_utc or problem.start_utc
    grid = problem.grid
    ends = (*grid.starts_utc[1:], grid.end_utc)
    return tuple(start < standing.expires_utc and end > begin for start, end in zip(grid.starts_utc, ends, strict=True))


def _changed(rows: tuple[Named, ...], name: str, change: Callable[[Named], Named]) -> tuple[Named, ...]:
    return tuple(change(each) if each.name == name else each for each in rows)


def _copy(record: Named, **fields: object) -> Named:
    return record.model_copy(update=fields)


def _zeroed(values: tuple[float, ...], inside: Sequence[bool]) -> tuple[float, ...]:
    return tuple(0.0 if within else value for value, within in zip(values, inside, strict=True))


def _gensets(problem: Problem, name: str, change: Callable[[GensetProblem], GensetProblem]) -> Problem:
    return problem.model_copy(update={"gensets": _changed(problem.gensets, name, change)})


def _run(genset: GensetProblem, inside: Sequence[bool]) -> GensetProblem:
    """Return the genset that has to run, quiet hours or not: a person says so."""
    before = genset.must_run or (False,) * len(inside)
    forbidden = tuple(old and not new for old, new in zip(genset.forbidden, inside, strict=False))
    return _copy(genset, must_run=tuple(map(max, before, inside)), forbidden=forbidden)


def _forbid(genset: GensetProblem, inside: Sequence[bool]) -> GensetProblem:
    before = genset.forbidden or (False,) * len(inside)
    must_run = tuple(old and not new for old, new in zip(genset.must_run, inside, strict=False))
    return _copy(genset, forbidden=tuple(map(max, before, inside)), must_run=must_run)


def _disabled(problem: Problem, device: str, inside: Sequence[bool]) -> Problem:
    kind, _, name = device.partition(" ")
    if kind == "genset":
        return _gensets(problem, name, lambda each: _forbid(each, inside))
    if kind == "pool":
        pools = _changed(problem.pools, name, _without_gpus)
        return problem.model_copy(update={"pools": pools})
    scenarios = tuple(
        PvScenario(weight=each.weight, pv_available_kw=_zeroed(each.pv_available_kw, inside))
        for each in problem.scenarios
    )
    return problem.model_copy(
        update={"pv_available_kw": _zeroed(problem.pv_available_kw, inside), "scenarios": scenarios}
    )


def _without_gpus(pool: PoolProblem) -> PoolProblem:
    """Return the pool without GPUs to use; they go on drawing their idle power."""
    idle_kw = pool.wall_factor * pool.idle_w * pool.gpus / 1000.0
    return _copy(pool, gpus=0.0, host_kw=pool.host_kw + idle_kw, can_power_off=False)


def _held(problem: Problem, soc_frac: float, standing: Standing) -> Problem:
    battery = problem.battery
    if battery is None:
        return problem
    grid = problem.grid
    begin = standing.from_utc or problem.start_utc
    ends = (*grid.starts_utc[1:], grid.end_utc)
    before = battery.soc_floor_frac or (0.0,) * len(ends)
    floor = tuple(
        max(old, soc_frac) if begin < end <= standing.expires_utc else old
        for old, end in zip(before, ends, strict=True)
    )
    return problem.model_copy(update={"battery": battery.model_copy(update={"soc_floor_frac": floor})})


def _capped(problem: Problem, name: str, limit_w: float) -> Problem:
    pools = _changed(problem.pools, name, lambda each: _under(each, limit_w))
    services = tuple(
        _copy(each, modes=tuple(mode for mode in each.modes if mode.pool != name or mode.limit_w <= limit_w + 1e-6))
        for each in problem.services
    )
    return problem.model_copy(update={"pools": pools, "services": services})


def _under(pool: PoolProblem, limit_w: float) -> PoolProblem:
    """Return the pool with its levels up to a limit, the limit itself among them."""
    levels = []
    for entry in pool.levels:
        kept = tuple(level for level in entry.levels if level.limit_w <= limit_w + 1e-6)
        rungs = useful_rungs(pool, entry.profile)
        if len(kept) < len(entry.levels) and rungs and rungs[0].limit_w < limit_w:
            top = rung_at(rungs, limit_w)
            level = CapLevel(limit_w=limit_w, power_w=top.power_w, idle_w=pool.idle_w, speed_frac=top.speed)
            kept = (*(each for each in kept if each.limit_w < limit_w - 1e-6), level)
        levels.append(entry.model_copy(update={"levels": kept}))
    return _copy(pool, levels=tuple(levels))


def _pinned(job: JobProblem, order: PinJob, problem: Problem) -> JobProblem:
    release = max(order.start_utc, problem.start_utc)
    return _copy(
        job,
        release_utc=release,
        deadline_utc=job.deadline_utc if job.deadline_utc > release else release + LAST,
        gpus_min=min(max(job.gpus_min, order.gpus or 0.0), job.gpus_max),
        running=True,
        preemptible=False,
    )


def _kept_back(job: JobProblem, until: datetime) -> JobProblem | None:
    """Return a job that may not run before a moment; none where it then comes too late to be planned."""
    if until >= job.deadline_utc:
        return None
    return _copy(job, release_utc=max(job.release_utc, until), running=False)
