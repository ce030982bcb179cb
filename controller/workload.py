"""Batch work on its way from a stream of the site file, or from a person, to the planner."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from optimizer.problem import JobProblem, PoolSpeed
from sites.schema.workload import BatchStream

LATEST = timedelta(days=14)
"""How long after its deadline a job still has windows."""


def job_of_stream(
    stream: BatchStream,
    *,
    name: str,
    release_utc: datetime,
    deadline_utc: datetime,
    work_gpu_h: float,
    value_usd: float,
    zone: str,
) -> JobProblem:
    """Return a job of a stream as the planner and the runner take it; ``zone`` is that of the stream's local times."""
    return JobProblem(
        name=name,
        profile=stream.profile,
        pools=tuple(PoolSpeed(pool=share.pool, speed=share.speed) for share in stream.pools),
        work_gpu_h=work_gpu_h,
        gpus_max=stream.gpus_max,
        gpus_min=stream.gpus_min,
        release_utc=release_utc,
        deadline_utc=deadline_utc,
        hard=stream.hard,
        value_usd=value_usd,
        late_usd_per_h=stream.late_usd_per_h,
        preemptible=stream.preemptible,
        checkpoint_h=stream.checkpoint_minutes / 60.0,
        surplus_only=stream.surplus_only,
        priority=stream.priority,
        group_gpus=stream.group_gpus,
        memory_gb=stream.memory_gb,
        windows_utc=windows_utc(stream.window_local, zone, release_utc, deadline_utc) if stream.window_local else (),
        sovereign=stream.sovereign,
    )


def windows_utc(
    window_local: tuple[str, str], zone: str, release_utc: datetime, deadline_utc: datetime
) -> tuple[tuple[datetime, datetime], ...]:
    """Return the nights, or days, of a local window from release until a fortnight after the deadline.

    A window that ends no later than it begins ends the next day. An hour that a clock change leaves out or repeats makes
    one window that much shorter or longer.
    """
    place = ZoneInfo(zone)
    begin, end = (time(int(text[:-3]), int(text[-2:])) for text in window_local)
    nights = timedelta(days=int(end <= begin))
    day = release_utc.astimezone(place).date() - timedelta(days=1)
    last = (deadline_utc + LATEST).astimezone(place).date()
    found = []
    while day <= last:
        since = datetime.combine(day, begin, place).astimezone(UTC)
        until = datetime.combine(day + nights, end, place).astimezone(UTC)
        day += timedelta(days=1)
        if release_utc < until and since < until:
            found.append((since, until))
    return tuple(found)


def left_of(job: JobProblem, done_frac: float, *, running: bool) -> JobProblem | None:
    """Return what is left of a job, or None when it is done. Its value stays whole: it is paid on completion.

    A job that was begun and waits has to do its last checkpoint's stretch again: that work is added.
    """
    left_gpu_h = job.work_gpu_h * (1.0 - done_frac)
    if left_gpu_h <= 1e-9:
        return None
    if done_frac > 0.0 and not running:
        fastest = max(share.speed for share in job.pools)
        left_gpu_h += job.checkpoint_h * job.gpus_max * fastest
    return job.model_copy(update={"work_gpu_h": left_gpu_h, "running": running})
