"""What posing takes from site file and snapshot: hosts that may rest, the UPS that bridges a start, margins of deadlines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.capability import capability
from controller.following import follow
from controller.posing import Previous, pose, with_margin
from controller.snapshot import BatteryReading, GensetPhase, GensetReading, PoolReading, Snapshot
from forecasting.records import DemandForecast, Forecast, Scenario
from optimizer.policies import policy
from optimizer.problem import JobProblem, PoolSpeed, Problem
from sites.load import load_site

START = datetime(2025, 1, 14, 12, tzinfo=UTC)
CABINET = load_site("cabinet")


def forecast(steps: int = 12, sun_kw: float = 0.0) -> Forecast:
    return Forecast(
        issued_utc=START,
        rung="climatology",
        source="test",
        start_utc=START,
        hours=(1.0,) * steps,
        quantile_levels=(),
        pv_available_kw=(sun_kw,) * steps,
        pv_quantiles_kw=(),
        outdoor_c=(0.0,) * steps,
        demand=tuple(DemandForecast(service=each.name, rate_rps=(0.1,) * steps) for each in CABINET.services),
    )


def snapshot(*, nodes_on: int = 2, gpus_ok: int = 8, ups_soc: float | None = 1.0) -> Snapshot:
    return Snapshot(
        at_utc=START,
        battery=BatteryReading(soc_frac=0.8, power_kw=0.0, temperature_c=20.0),
        gensets=(GensetReading(name="diesel-1", phase=GensetPhase.OFF, power_kw=0.0, phase_s=1e6),),
        tank_l=1000.0,
        ups_soc_frac=ups_soc,
        pools=(PoolReading(name="l40s", gpus_ok=gpus_ok, draw_kw=1.0, nodes_on=nodes_on),),
    )


def posed(seen: Snapshot) -> Problem:
    work = capability(CABINET)
    return pose(CABINET, seen, forecast(), (), pools=work.pools, menus=work.menus)


@pytest.mark.parametrize(
    ("uncertainty", "sun_kw", "scenarios"), [("scenarios", 10.0, 2), ("expected", 10.0, 0), ("cautious", 6.0, 0)]
)
def test_the_sun_that_a_plan_counts_on_is_the_site_files_choice(
    uncertainty: str, sun_kw: float, scenarios: int
) -> None:
    known = forecast(steps=2).model_copy(
        update={
            "quantile_levels": (0.1, 0.5, 0.9),
            "pv_available_kw": (10.0, 10.0),
            "pv_quantiles_kw": ((2.0, 2.0), (10.0, 10.0), (20.0, 20.0)),
            "scenarios": tuple(
                Scenario(weight=0.5, pv_available_kw=(kw, kw), outdoor_c=(0.0, 0.0)) for kw in (5.0, 15.0)
            ),
        }
    )
    planning = CABINET.planning.model_copy(update={"uncertainty": uncertainty})
    work = capability(CABINET)
    site = CABINET.model_copy(update={"planning": planning})
    problem = pose(site, snapshot(), known, (), pools=work.pools, menus=work.menus)
    assert problem.pv_available_kw == pytest.approx((sun_kw, sun_kw))
    assert len(problem.scenarios) == scenarios


@pytest.mark.parametrize(
    ("due_h", "quiet", "expected"),
    [
        (None, None, []),
        (3.5, None, [4]),
        (-2.0, None, [0]),
        (30.0, None, []),
        (3.5, ("07:00", "10:00"), [7]),
    ],
)
def test_a_test_run_that_is_due_is_foreseen_out_of_quiet_hours(
    due_h: float | None, quiet: tuple[str, str] | None, expected: list[int]
) -> None:
    """03:00 local at the start; the run of 30 minutes begins with the first interval in which the guards would ask for it."""
    due_utc = START + timedelta(hours=due_h) if due_h is not None else None
    gensets = (CABINET.gensets[0].model_copy(update={"quiet_hours": quiet}),)
    site = CABINET.model_copy(update={"gensets": gensets})
    seen = snapshot()
    readings = (seen.gensets[0].model_copy(update={"test_due_utc": due_utc}),)
    work = capability(site)
    problem = pose(
        site,
        seen.model_copy(update={"gensets": readings}),
        forecast(),
        (),
        pools=work.pools,
        menus=work.menus,
    )
    assert [step for step, must in enumerate(problem.gensets[0].must_run) if must] == expected


@pytest.mark.parametrize(("due_h", "by_h"), [(None, None), (100.0, 100.0), (5.0, 5.0), (-3.0, 24.0)])
def test_a_full_charge_that_is_due_is_foreseen(due_h: float | None, by_h: float | None) -> None:
    due_utc = START + timedelta(hours=due_h) if due_h is not None else None
    seen = snapshot()
    assert seen.battery is not None
    problem = posed(seen.model_copy(update={"battery": seen.battery.model_copy(update={"full_due_utc": due_utc})}))
    assert problem.battery is not None
    assert problem.battery.full_by_h == (pytest.approx(by_h) if by_h is not None else None)


def test_a_pool_of_the_site_file_brings_its_hosts() -> None:
    pool = posed(snapshot()).pools[0]
    assert (pool.nodes, pool.nodes_on, pool.can_power_off) == (2, None, True)
    assert pool.boot_h == pytest.approx(0.1)
    assert pool.boot_kwh == pytest.approx(0.4 * 0.1)
    assert pool.node_off_kw == pytest.approx(0.02 * 0.4)


def test_a_boot_time_that_was_learned_is_planned_with() -> None:
    seen = snapshot()
    learned = seen.model_copy(update={"pools": (seen.pools[0].model_copy(update={"boot_s": 900.0}),)})
    pool = posed(learned).pools[0]
    assert pool.boot_h == pytest.approx(0.25)
    assert pool.boot_kwh == pytest.approx(0.4 * 0.25)


@pytest.mark.parametrize(
    ("nodes_on", "gpus_ok", "gpus", "known_on"),
    [(2, 8, 8.0, None), (2, 5, 5.0, None), (1, 4, 8.0, 1), (0, 0, 8.0, 0), (1, 0, 8.0, 1)],
)
def test_gpus_of_hosts_that_are_off_are_there_all_the_same(
    nodes_on: int, gpus_ok: int, gpus: float, known_on: int | None
) -> None:
    pool = posed(snapshot(nodes_on=nodes_on, gpus_ok=gpus_ok)).pools[0]
    assert (pool.gpus, pool.nodes_on) == (gpus, known_on)


@pytest.mark.parametrize(("charge", "hours"), [(1.0, 0.25), (0.5, 0.125), (None, 0.25)])
def test_the_ups_counts_for_as_long_as_its_charge_lasts(charge: float | None, hours: float) -> None:
    reserve = posed(snapshot(ups_soc=charge)).reserve
    assert reserve.ups_kw == 10.0
    assert reserve.ups_h == pytest.approx(hours)


def test_hosts_that_rest_in_the_plan_are_ordered_off() -> None:
    problem = posed(snapshot())
    plan = policy("planner").plan(problem)
    orders = follow(plan, problem, snapshot(), now=START + timedelta(hours=3.5))
    assert plan.pools[0].nodes_on[3] < 2
    assert orders.nodes_on == {"l40s": plan.pools[0].nodes_on[3]}


def job(due_h: float) -> JobProblem:
    return JobProblem(
        name="j",
        profile="vision",
        pools=(PoolSpeed(pool="l40s", speed=1.0),),
        work_gpu_h=1.0,
        gpus_max=1.0,
        release_utc=START,
        deadline_utc=START + timedelta(hours=due_h),
        value_usd=1.0,
    )


@pytest.mark.parametrize(("due_h", "margin_h"), [(24.0, 1.0), (6.0, 0.5), (1.0, 0.25), (0.5, 0.0), (0.1, 0.0)])
def test_deadlines_have_a_margin_that_never_eats_the_job(due_h: float, margin_h: float) -> None:
    posed = with_margin(job(due_h), START)
    assert posed.due_utc == job(due_h).deadline_utc
    assert with_margin(posed, START).due_utc == job(due_h).deadline_utc
    moved = job(due_h).deadline_utc - posed.deadline_utc
    assert moved == timedelta(hours=margin_h)


def test_the_next_problem_knows_where_the_last_plan_has_its_tasks() -> None:
    work = capability(CABINET)
    first = posed(snapshot())
    plan = policy("planner").plan(first)
    assert plan.placement[0].tasks
    again = pose(
        CABINET,
        snapshot(),
        forecast(),
        (),
        pools=work.pools,
        menus=work.menus,
        previous=Previous(problem=first, plan=plan),
    )
    assert again.last_plan is not None
    assert again.last_plan.placed == plan.placement[0].tasks
    assert policy("planner").plan(again).placement[0].moved_gpus == 0


def test_a_pool_knows_its_nodes_islands_and_memory() -> None:
    pool = posed(snapshot()).pools[0]
    assert (pool.node_gpus, pool.island_gpus, pool.memory_gb) == (4, 1, 48.0)
