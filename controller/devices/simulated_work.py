"""The simulated computers of a site: jobs that make progress, services that answer, and what all of it draws.

Draw of a pool at the wall: ``host_kw + wall_factor * (GPUs in services + GPUs in jobs + idle GPUs)``. A job's speed and draw at a
power limit lie on the pool's levels, linear between them. All pure but for the job book that moves on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from controller.setpoints import JobCommand, ServiceCommand
from optimizer.problem import JobProblem, PoolProblem
from sites.compute.records import CapLevel, PowerProfile


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class SimulatedJob:
    """One job on the simulated runner."""

    job: JobProblem
    state: JobState = JobState.QUEUED
    done_gpu_h: float = 0.0
    """Work done, in GPU-hours at speed 1."""
    resume_left_h: float = 0.0
    """Time until it makes progress again after a pause."""
    command: JobCommand | None = None
    started_utc: datetime | None = None
    finished_utc: datetime | None = None

    @property
    def done_frac(self) -> float:
        """Share of its work that is done."""
        return min(self.done_gpu_h / self.job.work_gpu_h, 1.0)


class LevelPoint(NamedTuple):
    """Draw and speed of one fully loaded GPU at a power limit."""

    power_w: float
    speed_frac: float


def level_at(levels: tuple[CapLevel, ...], limit_w: float) -> LevelPoint:
    """Return draw [W] and speed at a limit [W]: linear between the pool's levels, held flat outside them."""
    rising = sorted(levels, key=lambda level: level.limit_w)
    if limit_w <= rising[0].limit_w:
        return LevelPoint(rising[0].power_w, rising[0].speed_frac)
    for low, high in pairwise(rising):
        if limit_w <= high.limit_w:
            share = (limit_w - low.limit_w) / (high.limit_w - low.limit_w)
            return LevelPoint(
                low.power_w + share * (high.power_w - low.power_w),
                low.speed_frac + share * (high.speed_frac - low.speed_frac),
            )
    return LevelPoint(rising[-1].power_w, rising[-1].speed_frac)


def pool_levels(pool: PoolProblem, profile: PowerProfile) -> tuple[CapLevel, ...]:
    """Return the levels of a pool for one power profile.

    Raises:
        LookupError: the pool offers none.
    """
    for offered in pool.levels:
        if offered.profile == profile and offered.levels:
            return offered.levels
    raise LookupError(f"pool {pool.name} offers no power-limit levels for {profile} work")


class JobRate(NamedTuple):
    """What a commanded job draws and does."""

    gpu_kw: float
    """Draw of its GPUs, at the GPU."""
    work_per_h: float
    """GPU-hours at speed 1 done in an hour."""


def job_rate(job: JobProblem, command: JobCommand, pool: PoolProblem) -> JobRate:
    """Return draw and progress of a job under a command; nothing below its smallest gang."""
    speeds = {share.pool: share.speed for share in job.pools}
    if command.gpus < job.gpus_min - 1e-9 or command.gpus <= 0 or command.pool not in speeds:
        return JobRate(0.0, 0.0)
    point = level_at(pool_levels(pool, job.profile), command.limit_w)
    gpus = min(command.gpus, job.gpus_max)
    return JobRate(gpus * point.power_w / 1000.0, gpus * point.speed_frac * speeds[command.pool])


def accepted_commands(
    jobs: Mapping[str, SimulatedJob],
    services: Iterable[ServiceCommand],
    commands: Iterable[JobCommand],
    pools: Mapping[str, PoolProblem],
    now: datetime,
) -> tuple[dict[str, JobCommand], dict[str, str]]:
    """Return the job commands that fit beside the services, and why the others were refused, by job name."""
    free = {name: pool.gpus for name, pool in pools.items()}
    for service in services:
        if service.mode.pool in free:
            free[service.mode.pool] -= service.mode.gpus
    accepted: dict[str, JobCommand] = {}
    refused: dict[str, str] = {}
    for command in commands:
        known = jobs.get(command.name)
        if known is None or known.state is JobState.DONE:
            refused[command.name] = "no such job waits or runs"
        elif known.job.release_utc > now:
            refused[command.name] = "not released yet"
        elif command.pool not in free or command.gpus > free[command.pool] + 1e-6:
            refused[command.name] = f"pool {command.pool or '-'} has not {command.gpus:g} GPUs free"
        else:
            free[command.pool] -= command.gpus
            accepted[command.name] = command
    return accepted, refused


def ordered(job: SimulatedJob, command: JobCommand | None, now: datetime) -> SimulatedJob:
    """Return the job after it was ordered to run, or to pause when there is no command."""
    if job.state is JobState.DONE:
        return job
    if command is None:
        state = JobState.PAUSED if job.state is JobState.RUNNING else job.state
        return replace(job, state=state, command=None)
    resumes = job.state is JobState.PAUSED
    return replace(
        job,
        state=JobState.RUNNING,
        command=command,
        started_utc=job.started_utc or now,
        resume_left_h=job.job.checkpoint_h if resumes else job.resume_left_h,
    )


def progressed(job: SimulatedJob, work_per_h: float, dt_h: float, end_utc: datetime) -> SimulatedJob:
    """Return a running job after ``dt_h`` hours at ``work_per_h``; it is done when no work is left."""
    if job.state is not JobState.RUNNING:
        return job
    resuming_h = min(job.resume_left_h, dt_h)
    done_gpu_h = job.done_gpu_h + work_per_h * (dt_h - resuming_h)
    if done_gpu_h >= job.job.work_gpu_h * (1 - 1e-9):
        return replace(
            job,
            state=JobState.DONE,
            done_gpu_h=job.job.work_gpu_h,
            resume_left_h=0.0,
            command=None,
            finished_utc=end_utc,
        )
    return replace(job, done_gpu_h=done_gpu_h, resume_left_h=job.resume_left_h - resuming_h)
