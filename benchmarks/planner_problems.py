"""Random planning problems of a container that runs on sun and diesel, for the planner's benchmarks.

Three pools, four power profiles, five limits, six services with eight modes, two gensets, reserve, tank and tiers. Sizes and
prices are those of the container example; clouds, demand and jobs are drawn from a seed. GPU figures are round numbers near
data-sheet values: what is measured here is the solver, not the hardware.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from optimizer.problem import (
    BatteryProblem,
    GensetProblem,
    JobProblem,
    LoadTier,
    PoolProblem,
    PoolSpeed,
    Problem,
    ProfileLevels,
    PvScenario,
    ReserveProblem,
    ServiceProblem,
    SolveLimits,
    TankProblem,
)
from sites.compute.records import CapLevel, PowerProfile, ServingMode
from sites.ports import random_stream
from sites.times import TimeGrid, planning_grid, uniform_grid

START = datetime(2025, 4, 14, 0, tzinfo=UTC)
PROFILES: tuple[PowerProfile, ...] = ("decode", "prefill", "vision", "training")
POOLS = (
    ("h100", 40, 350.0, 200.0, 60.0, 4.4),
    ("l40s", 40, 350.0, 150.0, 35.0, 4.0),
    ("a100", 16, 300.0, 150.0, 50.0, 2.2),
)
"""Name, GPUs, highest and lowest limit [W], idle draw [W], hosts [kW]."""


def production_grid() -> TimeGrid:
    """Return 48 h in 80 lengthening intervals."""
    return planning_grid(START)


def equal_grid() -> TimeGrid:
    """Return 48 h in 192 intervals of 15 minutes."""
    return uniform_grid(START, hours=0.25, steps=192)


def container_problem(
    seed: int,
    *,
    jobs: int,
    grid: TimeGrid | None = None,
    scenarios: int = 0,
    gensets: int = 2,
    limits: SolveLimits | None = None,
) -> Problem:
    """Return a random problem; equal arguments give equal problems."""
    rng = random_stream(seed, "planner benchmark", str(jobs))
    grid = grid or production_grid()
    middles = [offset + hours / 2 for offset, hours in zip(grid.offsets_h, grid.hours, strict=False)]
    clear = [600.0 * 0.82 * max(0.0, math.sin(math.pi * ((at % 24) - 6.0) / 12.0)) for at in middles]
    days = [_clouds(random_stream(seed, "clouds", str(number)), middles) for number in range(max(scenarios, 1))]
    sun = [[min(495.0, c * f) for c, f in zip(clear, factors, strict=True)] for factors in days]
    mean = [sum(column) / len(sun) for column in zip(*sun, strict=True)]
    count = len(grid)
    return Problem(
        site="container",
        start_utc=grid.start_utc,
        hours=grid.hours,
        pv_available_kw=tuple(mean),
        scenarios=tuple(PvScenario(weight=1.0 / scenarios, pv_available_kw=tuple(row)) for row in sun)
        if scenarios > 1
        else (),
        tiers=(
            LoadTier(name="control", kw=(1.5,) * count, shed_usd_per_kwh=20.0, critical=True),
            LoadTier(name="storage", kw=(2.0,) * count, shed_usd_per_kwh=5.0),
            LoadTier(name="cabin", kw=(1.0,) * count, shed_usd_per_kwh=1.0),
        ),
        inverter_kw=400.0,
        battery=_battery(rng),
        gensets=tuple(_genset(number, rng) for number in range(gensets)),
        tank=TankProblem(level_l=rng.uniform(1200, 3200), capacity_l=4000, reserve_l=400, usd_per_l=1.6),
        reserve=ReserveProblem(load_frac=0.1, pv_frac=0.25),
        cooling_kw_per_it_kw=tuple(
            0.16 + 0.08 * max(0.0, math.sin(math.pi * ((at % 24) - 8.0) / 12.0)) for at in middles
        ),
        cooling_base_kw=(1.2,) * count,
        pools=tuple(_pool(*pool) for pool in POOLS),
        services=tuple(_service(number, rng, middles) for number in range(6)),
        jobs=tuple(_job(number, jobs, rng, grid) for number in range(jobs)),
        limits=limits or SolveLimits(seconds=20.0),
    )


def _clouds(rng: random.Random, middles: Sequence[float]) -> list[float]:
    day = [rng.choice((0.08, 0.2, 0.45, 0.9)) for _ in range(4)]
    value, factors = 1.0, []
    for at in middles:
        value = 0.8 * value + 0.2 * rng.uniform(0.5, 1.2)
        factors.append(max(0.05, min(1.0, day[int(at // 24)] * value)))
    return factors


def _battery(rng: random.Random) -> BatteryProblem:
    return BatteryProblem(
        capacity_kwh=1200,
        soc_frac=rng.uniform(0.25, 0.7),
        soc_min_frac=0.1,
        soc_reserve_frac=0.2,
        charge_kw=400,
        discharge_kw=400,
        charge_efficiency_frac=0.96,
        discharge_efficiency_frac=0.96,
        charge_taper=((0.0, 1.0), (0.9, 1.0), (1.0, 0.1)),
        discharge_taper=((0.0, 0.2), (0.1, 1.0), (1.0, 1.0)),
        standby_kw=0.3,
        wear_usd_per_kwh=0.04,
        end_value_usd_per_kwh=0.25,
    )


def _genset(number: int, rng: random.Random) -> GensetProblem:
    rating = 60.0
    points = tuple(
        (rating * load, rating * litres)
        for load, litres in ((0, 0.03), (0.25, 0.098), (0.5, 0.16), (0.75, 0.225), (1, 0.295))
    )
    return GensetProblem(
        name=f"diesel-{number + 1}",
        max_kw=rating,
        min_kw=0.3 * rating,
        fuel_points=points,
        run_usd_per_h=0.5,
        start_usd=2.0,
        min_run_h=0.5,
        min_down_h=0.25,
        warmup_h=0.05,
        on=number == 0 and rng.random() < 0.3,
        hours_in_state=rng.uniform(0.1, 5.0),
    )


def _pool(name: str, gpus: int, high_w: float, low_w: float, idle_w: float, host_kw: float) -> PoolProblem:
    exponents: dict[PowerProfile, float] = {"decode": 0.35, "prefill": 0.8, "vision": 0.7, "training": 0.65}
    entries = []
    for profile in PROFILES:
        levels = []
        for step in range(5):
            limit = low_w + (high_w - low_w) * step / 4
            levels.append(
                CapLevel(
                    limit_w=limit,
                    power_w=limit * 0.98,
                    idle_w=idle_w,
                    speed_frac=(limit / high_w) ** exponents[profile],
                )
            )
        entries.append(ProfileLevels(profile=profile, levels=tuple(levels)))
    return PoolProblem(name=name, gpus=gpus, idle_w=idle_w, host_kw=host_kw, wall_factor=1.06, levels=tuple(entries))


def _service(number: int, rng: random.Random, middles: Sequence[float]) -> ServiceProblem:
    pools = rng.sample(POOLS, 2)
    peak = rng.uniform(5.0, 40.0)
    phase = rng.uniform(0.0, 24.0)
    rates = tuple(
        peak * (0.45 + 0.4 * math.sin(2 * math.pi * (at - phase) / 24) + rng.uniform(-0.1, 0.1)) for at in middles
    )
    modes = []
    for place, (name, _, high_w, low_w, idle_w, _) in enumerate(pools):
        for size in (1, 2, 3, 4):
            limit = rng.choice((high_w, (high_w + low_w) / 2))
            rate = peak * size / 3.6 * (1.0 if place == 0 else 0.8) * (limit / high_w) ** 0.4
            modes.append(
                ServingMode(
                    name=f"{name} x{size}",
                    pool=name,
                    profile="decode",
                    precision="fp8",
                    replicas=size,
                    gpus=size,
                    limit_w=limit,
                    slots=16 * size,
                    service_s=1.0,
                    service_scv=1.0,
                    rate_rps=rate,
                    idle_w=idle_w * 1.4 * size,
                    busy_w=limit * 0.9 * size,
                    p99_s=1.0,
                )
            )
    per_request = rng.uniform(0.5, 2.0) / (peak * 0.5 * 3600.0)
    return ServiceProblem(
        name=f"service-{number}",
        modes=tuple(modes),
        rate_rps=rates,
        value_usd_per_request=per_request,
        unserved_usd_per_request=5.0 * per_request,
        switch_usd=0.05,
        critical=number == 0,
    )


def _job(number: int, count: int, rng: random.Random, grid: TimeGrid) -> JobProblem:
    release = rng.uniform(-6.0, 36.0)
    window = rng.uniform(4.0, 30.0)
    gpus = rng.choice((1, 2, 4, 8))
    work = min(2400.0 / count * rng.lognormvariate(-0.2, 0.6), 0.7 * gpus * window)
    profile = rng.choice(PROFILES)
    places = rng.sample([pool[0] for pool in POOLS], 1 if rng.random() < 0.7 else 2)
    hard = rng.random() < 0.3
    return JobProblem(
        name=f"job-{number:04d}",
        profile=profile,
        pools=tuple(PoolSpeed(pool=name, speed=1.5 if name == "h100" else 1.0) for name in places),
        work_gpu_h=work,
        gpus_max=gpus,
        gpus_min=gpus if rng.random() < 0.1 else 0,
        release_utc=grid.start_utc + timedelta(minutes=15 * round(4 * release)),
        deadline_utc=grid.start_utc + timedelta(minutes=15 * round(4 * (release + window))),
        hard=hard,
        value_usd=work * rng.uniform(0.15, 0.8),
        late_usd_per_h=0.0 if hard else work * rng.uniform(0.005, 0.03),
        priority=0,
    )
