"""A small site for planner tests: sun by day, a battery, one genset, eight GPUs, one service, a few jobs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from optimizer.problem import (
    BatteryProblem,
    GensetProblem,
    JobProblem,
    LoadTier,
    PoolProblem,
    PoolSpeed,
    Problem,
    ProfileLevels,
    ServiceProblem,
    SolveLimits,
    TankProblem,
)
from sites.compute.records import CapLevel, ServingMode

START = datetime(2025, 3, 29, 20, tzinfo=UTC)
"""The night of a clock change in Europe lies in the horizon."""


def job(name: str, **change: Any) -> JobProblem:
    """Return a job of 6 GPU-hours on up to four GPUs, released at the start, due in ten hours."""
    given: dict[str, Any] = {
        "name": name,
        "profile": "training",
        "pools": (PoolSpeed(pool="h100", speed=1.0),),
        "work_gpu_h": 6.0,
        "gpus_max": 4.0,
        "release_utc": START,
        "deadline_utc": START + timedelta(hours=10),
        "value_usd": 8.0,
        "late_usd_per_h": 0.5,
    }
    return JobProblem(**(given | change))


def small_site(*, steps: int = 14, hours: float = 1.0, **change: Any) -> Problem:
    """Return the site's problem; ``change`` replaces fields."""
    at = [(step + 0.5) * hours for step in range(steps)]
    levels = tuple(
        CapLevel(limit_w=watts, power_w=watts, idle_w=50, speed_frac=speed)
        for watts, speed in ((200, 0.7), (275, 0.88), (350, 1.0))
    )
    modes = tuple(
        ServingMode(
            name=f"x{gpus}",
            pool="h100",
            profile="decode",
            precision="fp8",
            replicas=gpus,
            gpus=gpus,
            limit_w=300,
            slots=8 * gpus,
            service_s=1,
            service_scv=1,
            rate_rps=5.0 * gpus,
            idle_w=60 * gpus,
            busy_w=280 * gpus,
            p99_s=1,
        )
        for gpus in (1, 2)
    )
    given: dict[str, Any] = {
        "site": "small",
        "start_utc": START,
        "hours": (hours,) * steps,
        "pv_available_kw": tuple(max(0.0, 12.0 * math.sin((hour - 8.0) / 8.0 * math.pi)) for hour in at),
        "tiers": (
            LoadTier(name="control", kw=(1.0,) * steps, shed_usd_per_kwh=20.0, critical=True),
            LoadTier(name="cabin", kw=(0.5,) * steps, shed_usd_per_kwh=1.0),
        ),
        "battery": BatteryProblem(
            capacity_kwh=20.0,
            soc_frac=0.6,
            soc_min_frac=0.1,
            charge_kw=10.0,
            discharge_kw=10.0,
            charge_efficiency_frac=0.96,
            discharge_efficiency_frac=0.96,
            wear_usd_per_kwh=0.04,
            end_value_usd_per_kwh=0.2,
        ),
        "gensets": (
            GensetProblem(
                name="g1", max_kw=8.0, min_kw=2.4, fuel_points=((0.0, 0.5), (8.0, 2.6)), start_usd=1.0, min_run_h=0.5
            ),
        ),
        "tank": TankProblem(level_l=100.0, capacity_l=200.0, usd_per_l=1.6),
        "pools": (
            PoolProblem(
                name="h100",
                gpus=8.0,
                idle_w=50.0,
                host_kw=0.4,
                wall_factor=1.06,
                levels=(ProfileLevels(profile="training", levels=levels),),
            ),
        ),
        "services": (
            ServiceProblem(
                name="chat",
                modes=modes,
                rate_rps=tuple(4.0 + 3.0 * math.sin(hour / 3.0) for hour in at),
                value_usd_per_request=0.0003,
                unserved_usd_per_request=0.003,
                switch_usd=0.02,
            ),
        ),
        "jobs": (job("a"), job("b", hard=True, value_usd=5.0), job("c", value_usd=0.1)),
        "limits": SolveLimits(seconds=20.0, gap_frac=0.0005),
    }
    return Problem(**(given | change))
