"""Hypothesis strategies that the whole test suite shares: random planning problems, small but with every part of a site."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from optimizer.problem import (
    BatteryProblem,
    ChainProblem,
    ChainStage,
    FuelDelivery,
    GensetProblem,
    JobProblem,
    LoadTier,
    PoolProblem,
    PoolSpeed,
    Problem,
    ProfileLevels,
    ReserveProblem,
    ServiceProblem,
    SolveLimits,
    TankProblem,
)
from sites.compute.records import CapLevel, PowerProfile, ServingMode

START = datetime(2025, 3, 28, 22, tzinfo=UTC)
"""Two days before a clock change in Europe; nothing may notice."""
PROFILES: tuple[PowerProfile, ...] = ("training", "vision")


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    """Return numbers with at most three decimals: limits of what a person would write down."""
    return st.integers(round(low * 1000), round(high * 1000)).map(lambda number: number / 1000)


def series(low: float, high: float, count: int) -> st.SearchStrategy[tuple[float, ...]]:
    """Return ``count`` numbers."""
    return st.lists(floats(low, high), min_size=count, max_size=count).map(tuple)


@st.composite
def batteries(draw: st.DrawFn) -> BatteryProblem:
    """Return a battery; its SoC may be a hair outside its limits."""
    least = draw(floats(0.0, 0.2))
    most = draw(floats(0.8, 1.0))
    power = draw(floats(5, 80))
    return BatteryProblem(
        capacity_kwh=draw(floats(5, 200)),
        soc_frac=draw(st.one_of(floats(least, most), st.just(max(0.0, least - 0.001)), st.just(most + 0.001))),
        soc_min_frac=least,
        soc_max_frac=most,
        soc_reserve_frac=draw(floats(least, 0.4)),
        charge_kw=power,
        discharge_kw=power,
        charge_efficiency_frac=draw(floats(0.9, 1.0)),
        discharge_efficiency_frac=draw(floats(0.9, 1.0)),
        charge_taper=draw(st.sampled_from([((0.0, 1.0), (1.0, 1.0)), ((0.0, 1.0), (0.9, 1.0), (1.0, 0.1))])),
        discharge_taper=draw(st.sampled_from([((0.0, 1.0), (1.0, 1.0)), ((0.0, 0.2), (0.1, 1.0), (1.0, 1.0))])),
        standby_kw=draw(floats(0.0, 0.3)),
        wear_usd_per_kwh=draw(floats(0.0, 0.1)),
        end_value_usd_per_kwh=draw(floats(0.0, 0.4)),
    )


@st.composite
def gensets(draw: st.DrawFn, number: int, count: int) -> GensetProblem:
    """Return a genset with a past, perhaps out of service, forbidden or ordered to run at times."""
    most = draw(floats(5, 60))
    return GensetProblem(
        name=f"g{number}",
        max_kw=most,
        min_kw=most * draw(floats(0.0, 0.5)),
        fuel_points=draw(
            st.sampled_from(
                [((0.0, 1.0), (most, 0.3 * most)), ((0.0, 0.5), (0.5 * most, 0.16 * most), (most, 0.3 * most))]
            )
        ),
        start_usd=draw(floats(0, 3)),
        run_usd_per_h=draw(floats(0, 1)),
        min_run_h=draw(st.sampled_from([0.0, 0.5, 2.0])),
        min_down_h=draw(st.sampled_from([0.0, 0.25, 1.5])),
        warmup_h=draw(st.sampled_from([0.0, 0.05, 0.4])),
        step_kw=draw(st.sampled_from([None, None, 0.6 * most, 0.2])),
        on=draw(st.booleans()),
        hours_in_state=draw(floats(0, 3)),
        available=draw(st.integers(0, 9)) > 0,
        must_run=draw(st.one_of(st.just(()), st.lists(st.booleans(), min_size=count, max_size=count).map(tuple)))
        if draw(st.integers(0, 9)) == 0
        else (),
        forbidden=draw(st.lists(st.booleans(), min_size=count, max_size=count).map(tuple))
        if draw(st.integers(0, 9)) == 0
        else (),
    )


@st.composite
def pools(draw: st.DrawFn, number: int) -> PoolProblem:
    """Return a pool with two or three limits for each profile, or without GPUs."""
    idle = draw(floats(10, 60))
    levels = tuple(
        ProfileLevels(
            profile=profile,
            levels=tuple(
                CapLevel(limit_w=watts, power_w=watts, idle_w=idle, speed_frac=speed)
                for watts, speed in draw(
                    st.sampled_from([((150, 0.6), (250, 0.85), (350, 1.0)), ((200, 0.7), (350, 1.0)), ((300, 1.0),)])
                )
            ),
        )
        for profile in PROFILES
    )
    gpus, nodes = draw(st.sampled_from([0, 1, 4, 16])), draw(st.sampled_from([0, 1, 2]))
    node_gpus = draw(st.sampled_from([0, gpus // nodes])) if nodes and gpus % nodes == 0 else 0
    mig_parts = draw(st.sampled_from([1, 1, 2])) if node_gpus and node_gpus % 2 == 0 else 1
    islands = [1] if mig_parts > 1 else [1, max(1, min(2, node_gpus)), max(1, node_gpus)]
    return PoolProblem(
        name=f"p{number}",
        gpus=gpus,
        idle_w=idle,
        host_kw=draw(floats(0, 3)),
        wall_factor=draw(floats(1.0, 1.1)),
        levels=levels,
        nodes=nodes,
        node_gpus=node_gpus,
        island_gpus=draw(st.sampled_from(islands)),
        mig_parts=mig_parts,
        memory_gb=draw(st.sampled_from([0.0, 48.0, 80.0])),
        can_power_off=draw(st.booleans()),
        boot_h=draw(st.sampled_from([0.0, 0.1, 0.5])),
        boot_kwh=draw(floats(0, 0.3)),
    )


@st.composite
def services(draw: st.DrawFn, number: int, pool: str, count: int) -> ServiceProblem:
    """Return a service with a menu of modes, whose demand may exceed all of them."""
    each = draw(floats(0.5, 10))
    modes = tuple(
        ServingMode(
            name=f"x{size}",
            pool=pool,
            profile="decode",
            precision="fp8",
            replicas=size,
            gpus=size,
            limit_w=300,
            slots=8 * size,
            service_s=1,
            service_scv=1,
            rate_rps=each * size,
            idle_w=80 * size,
            busy_w=280 * size,
            p99_s=1 / size,
        )
        for size in (1, 2, 4)
    )
    return ServiceProblem(
        name=f"s{number}",
        modes=modes,
        rate_rps=draw(series(0, 5 * each, count)),
        value_usd_per_request=draw(floats(0, 0.002)),
        unserved_usd_per_request=draw(floats(0, 0.01)),
        switch_usd=draw(st.sampled_from([0.0, 0.05])),
        current_mode=draw(st.sampled_from(["", "x1", "gone"])),
        critical=draw(st.booleans()),
    )


@st.composite
def chains(draw: st.DrawFn, served: tuple[ServiceProblem, ...]) -> ChainProblem:
    """Return a chain of all services whose budget may be beyond their quickest modes."""
    return ChainProblem(
        name="chain",
        p99_s=draw(st.sampled_from([0.1, 0.5, 0.8, 1.3, 2.0])),
        stages=tuple(ChainStage(service=each.name, first_frac=draw(st.sampled_from([0.4, 1.0]))) for each in served),
    )


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[datetime, datetime], ...]:
    """Return up to three windows, past, within the horizon or beyond it."""
    bounds = sorted(draw(st.lists(st.integers(-20, 120), min_size=2, max_size=6, unique=True)))
    moments = [START + timedelta(minutes=20 * bound) for bound in bounds]
    return tuple(zip(moments[::2], moments[1::2], strict=False))


@st.composite
def jobs(draw: st.DrawFn, number: int, names: list[str]) -> JobProblem:
    """Return a job that may be late already, larger than the site, rigid, running, surplus-only or bound to windows."""
    release = draw(floats(-3, 20))
    most = draw(st.sampled_from([0.5, 1, 2, 8, 64]))
    least = draw(st.sampled_from([0.0, most]))
    group = draw(st.sampled_from([1, 2])) if least >= 2 else 1
    return JobProblem(
        name=f"j{number}",
        profile=draw(st.sampled_from(PROFILES)),
        pools=tuple(PoolSpeed(pool=name, speed=draw(st.sampled_from([1.0, 1.6]))) for name in names),
        work_gpu_h=draw(floats(0.1, 60)),
        gpus_max=most,
        gpus_min=least,
        release_utc=START + timedelta(hours=release),
        deadline_utc=START + timedelta(hours=release + draw(floats(0.1, 30))),
        hard=draw(st.booleans()),
        value_usd=draw(floats(0, 40)),
        late_usd_per_h=draw(floats(0, 2)),
        preemptible=draw(st.booleans()),
        running=draw(st.booleans()),
        surplus_only=draw(st.integers(0, 5)) == 0,
        priority=draw(st.integers(0, 2)),
        group_gpus=group,
        memory_gb=draw(st.sampled_from([0.0, 0.0, 60.0])),
        windows_utc=draw(windows()) if draw(st.integers(0, 3)) == 0 else (),
    )


@st.composite
def problems(draw: st.DrawFn, most_steps: int = 24) -> Problem:
    """Return a planning problem of up to ``most_steps`` unequal intervals."""
    count = draw(st.integers(1, most_steps))
    hours = tuple(draw(st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=count, max_size=count)))
    peak = draw(st.sampled_from([0.0, 5.0, 60.0]))
    pool_list = [draw(pools(number)) for number in range(draw(st.integers(0, 2)))]
    names = [pool.name for pool in pool_list]
    served = (
        tuple(draw(services(number, draw(st.sampled_from(names)), count)) for number in range(draw(st.integers(0, 2))))
        if names
        else ()
    )
    linked, has_tank = draw(st.booleans()), draw(st.booleans())
    return Problem(
        site="random",
        start_utc=START,
        hours=hours,
        pv_available_kw=draw(series(0.0, peak, count)) if peak else (0.0,) * count,
        tiers=tuple(
            LoadTier(
                name=f"t{number}",
                kw=draw(series(0.0, 8.0, count)),
                shed_usd_per_kwh=draw(floats(0, 20)),
                critical=number == 0,
            )
            for number in range(draw(st.integers(0, 2)))
        ),
        inverter_kw=draw(st.one_of(st.none(), floats(5, 100))),
        battery=draw(st.one_of(st.none(), batteries())),
        gensets=tuple(draw(gensets(number, count)) for number in range(draw(st.integers(0, 2)))),
        tank=TankProblem(
            level_l=draw(st.sampled_from([0.0, 3.0, 400.0])),
            capacity_l=500.0,
            reserve_l=draw(st.sampled_from([0.0, 20.0])),
            usd_per_l=1.6,
            deliveries=(FuelDelivery(at_utc=START + timedelta(hours=3), litres=60.0),) if draw(st.booleans()) else (),
        )
        if has_tank
        else None,
        reserve=ReserveProblem(
            load_frac=draw(st.sampled_from([0.0, 0.1])),
            pv_frac=draw(st.sampled_from([0.0, 0.25])),
            hard=draw(st.integers(0, 5)) == 0,
        ),
        cooling_kw_per_it_kw=draw(st.one_of(st.just(()), series(0.0, 0.4, count))),
        cooling_base_kw=draw(st.one_of(st.just(()), series(0.0, 1.0, count))),
        pools=tuple(pool_list),
        services=served,
        chains=(draw(chains(served)),) if served and linked else (),
        jobs=tuple(draw(jobs(number, names)) for number in range(draw(st.integers(0, 4)))) if names else (),
        limits=SolveLimits(seconds=5.0),
    )
