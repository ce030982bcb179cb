"""A site with a prepared world and known computers, without a forecaster: plain sine suns and flat rates."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from controller.capability import capability
from controller.daemon.messages import Prepared, WorldDocument
from controller.devices.simulated import SimulatedSite
from optimizer.problem import JobProblem, PoolSpeed
from sites.load import load_site
from sites.series import TimeSeries
from sites.world import World

START = datetime(2026, 6, 1, 10, tzinfo=UTC)
SITE = load_site("container")
STEP_S, DAYS = 300.0, 4
COUNT = int(DAYS * 86400 / STEP_S)


def sun_kw(start: datetime = START) -> TimeSeries:
    """Return a sun that is up from 6 to 18 o'clock UTC, 400 kW at noon."""
    hours = [(start + timedelta(seconds=STEP_S * i)).hour for i in range(COUNT)]
    return TimeSeries(
        start_utc=start,
        step_s=STEP_S,
        values=tuple(max(400.0 * math.sin(math.pi * (hour - 6) / 12), 0.0) for hour in hours),
    )


def flat(value: float, start: datetime = START) -> TimeSeries:
    """Return a constant series."""
    return TimeSeries(start_utc=start, step_s=STEP_S, values=(value,) * COUNT)


def world(start: datetime = START) -> World:
    """Return four days of world."""
    return World(
        pv_available_kw=sun_kw(start),
        outdoor_c=flat(18.0, start),
        rate_rps={service.name: flat(service.demand.mean_rps, start) for service in SITE.services},
    )


def job(name: str, at: datetime = START, **fields: object) -> JobProblem:
    """Return a job for the H100 pool."""
    usual: dict[str, object] = {
        "name": name,
        "profile": "training",
        "pools": (PoolSpeed(pool="h100", speed=1.0),),
        "work_gpu_h": 8.0,
        "gpus_max": 8.0,
        "release_utc": at,
        "deadline_utc": at + timedelta(hours=9),
        "value_usd": 60.0,
        "late_usd_per_h": 5.0,
    }
    return JobProblem.model_validate({**usual, **fields})


def prepared(identity: int = 1, start: datetime = START) -> Prepared:
    """Return what a worker would prepare: the world, and a job every two hours."""
    work = capability(SITE)
    return Prepared(
        id=identity,
        source="test",
        world=WorldDocument.of(world(start)),
        pools=work.pools,
        menus=work.menus,
        jobs=tuple(job(f"stream-{i}", start + timedelta(minutes=20 * i)) for i in range(1, 40)),
    )


def twin(start: datetime = START) -> SimulatedSite:
    """Return the simulated container in the prepared world."""
    return SimulatedSite(SITE, capability(SITE).pools, world(start), start_utc=start)
