"""What a seeded day is made of: its weather and demand, its jobs, and the faults that are drawn for it."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from controller.faults.kinds import Fault, Injection
from optimizer.problem import JobProblem, PoolSpeed
from sites.schema.site import Site
from sites.series import TimeSeries
from sites.world import World

START = datetime(2026, 1, 15, tzinfo=UTC)
WORLD_STEP_S = 300.0
LONG = frozenset({Fault.SOC_FROZEN, Fault.GENSET_NO_START, Fault.GENSET_TRIP})
"""Faults that take an hour or two to show."""


@lru_cache
def summer_time_changes(zone: str, year: int = START.year) -> tuple[datetime, ...]:
    """Return the moments at which a zone's offset changes within a year."""
    hours = (datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=h) for h in range(365 * 24))
    offsets = [(at, at.astimezone(ZoneInfo(zone)).utcoffset()) for at in hours]
    return tuple(at for (_, before), (at, after) in itertools.pairwise(offsets) if before != after)


def day_start(site: Site, seed: int, injections: Sequence[Injection]) -> datetime:
    """Return when the day begins: in winter, or where the clocks change if that is one of its faults."""
    if not any(each.fault is Fault.SUMMER_TIME for each in injections):
        return START
    return _change(site, seed).replace(hour=0)


def _change(site: Site, seed: int) -> datetime:
    changes = summer_time_changes(site.location.time_zone)
    if not changes:
        raise ValueError(f"{site.location.time_zone} has no summer time")
    return changes[seed % len(changes)]


def day_world(site: Site, seed: int, hours: float, start: datetime = START) -> World:
    """Return a made-up winter day: a sun of seeded cloudiness, a cool air, services at their mean rate with a swing."""
    draws = random.Random(f"world {seed}")
    count = int((hours + 2) * 3600 / WORLD_STEP_S)
    peak_kw = draws.uniform(0.05, 0.8) * sum(array.kwp for array in site.pv.arrays) if site.pv else 0.0
    clouds = [draws.uniform(0.4, 1.0) for _ in range(count)]

    def series(values: Sequence[float]) -> TimeSeries:
        return TimeSeries(start_utc=start, step_s=WORLD_STEP_S, values=tuple(values))

    clock_h = [i * WORLD_STEP_S / 3600.0 % 24 for i in range(count)]
    sun = [
        peak_kw * max(math.sin(math.pi * (h - 8) / 10), 0.0) * c if 8 < h < 18 else 0.0
        for h, c in zip(clock_h, clouds, strict=True)
    ]
    return World(
        pv_available_kw=series(sun),
        outdoor_c=series([5.0 + 6.0 * math.sin(math.pi * (h - 9) / 12) for h in clock_h]),
        rate_rps={
            service.name: series(
                [service.demand.mean_rps * (1 + 0.4 * math.sin(math.pi * (h - 6) / 12)) for h in clock_h]
            )
            for service in site.services
        },
    )


def day_jobs(site: Site, seed: int, hours: float, start: datetime = START) -> tuple[JobProblem, ...]:
    """Return a job about every hour for the site's first batch stream; none where it has no batch work."""
    draws = random.Random(f"jobs {seed}")
    stream = site.batch[0] if site.batch else None
    if stream is None:
        return ()
    return tuple(
        JobProblem(
            name=f"job-{i}",
            profile=stream.profile,
            pools=tuple(PoolSpeed(pool=share.pool, speed=share.speed) for share in stream.pools),
            work_gpu_h=draws.uniform(4, 30),
            gpus_max=8,
            release_utc=start + timedelta(hours=i),
            deadline_utc=start + timedelta(hours=i + draws.uniform(3, 12)),
            value_usd=draws.uniform(5, 80),
            late_usd_per_h=2.0,
            priority=draws.choice([0, 0, 1]),
        )
        for i in range(1, int(hours))
    )


def draw_injections(
    site: Site, seed: int, hours: float, faults: Sequence[Fault] = tuple(Fault), pairs: bool = True
) -> tuple[Injection, ...]:
    """Return one fault, or a pair that overlaps, at a seeded time of the day."""
    draws = random.Random(f"faults {seed}")
    chosen = [list(faults)[seed % len(faults)]]
    if pairs and draws.random() < 0.5:
        chosen.append(draws.choice([each for each in faults if each is not chosen[0]]))
    start = START + timedelta(hours=draws.uniform(0.5, max(hours - 3.0, 0.6)))
    if Fault.SUMMER_TIME in chosen:
        start = _change(site, seed)
    begins = [start] + [start + timedelta(minutes=draws.uniform(0, 10)) for _ in chosen[1:]]
    if chosen[-1] is Fault.SUMMER_TIME:
        begins = [start] * len(chosen)
    return tuple(Injection(fault, at, at + _length(fault, draws)) for fault, at in zip(chosen, begins, strict=True))


def _length(fault: Fault, draws: random.Random) -> timedelta:
    if fault in LONG:
        return timedelta(minutes=draws.uniform(60, 120))
    return timedelta(minutes=draws.uniform(5, 15))
