"""Genset: state machine as tables of ticks, fuel against published points, cold, tank."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.plant import genset as gen
from tests.shared_data import shared_path

SET = gen.GensetParams(60.0, 3.2, 6.81, 10.98, 14.38, 18.17)


def run_ticks(
    params: gen.GensetParams, state: gen.GensetState, orders: list[tuple[bool, float]], fails: bool = False
) -> list[gen.GensetStep]:
    """Move the state machine through (run order, seconds) ticks."""
    steps = []
    for run, seconds in orders:
        moved = gen.advance(params, state, run, fails, 15.0, 500.0, seconds)
        state = moved.state
        steps.append(moved)
    return steps


def test_start_warm_up_run_cool_down() -> None:
    orders = [(True, 5.0), (True, 10.0), (True, 115.0), (True, 60.0), (False, 60.0), (False, 1740.0)]
    orders += [(False, 100.0), (False, 100.0)]
    names = [gen.STATE_NAMES[moved.state.state] for moved in run_ticks(SET, gen.GensetState(), orders)]
    assert names == ["cranking", "warm_up", "running", "running", "running", "cool_down", "cool_down", "off"]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 7200)), min_size=1, max_size=20))
def test_one_long_step_carries_as_long_as_many_seconds(orders: list[tuple[bool, int]]) -> None:
    """A long step turns and carries as long as its minutes do, and ends in the same state."""
    state = gen.GensetState()
    for run, seconds in orders:
        long = gen.advance(SET, state, run, False, 15.0, 500.0, float(seconds))
        fine, carry, idle = state, 0.0, 0.0
        for begin in range(0, seconds, 60):
            moved = gen.advance(SET, fine, run, False, 15.0, 500.0, min(60.0, seconds - begin))
            fine, carry, idle = moved.state, carry + moved.carry_s, idle + moved.no_load_s
        assert long.carry_s == pytest.approx(carry)
        assert long.no_load_s == pytest.approx(idle)
        if long.state.phase_s > 0.0 and fine.phase_s > 0.0:  # else a change falls on the very last second
            assert long.state.state == fine.state
        state = long.state


def test_minimum_run_time_outlasts_the_order() -> None:
    running = gen.GensetState(state=gen.RUNNING, phase_s=0.0)
    moved = gen.advance(SET, running, False, False, 15.0, 500.0, 3600.0)
    assert moved.carry_s == SET.min_run_s
    assert moved.no_load_s == SET.cool_down_s
    assert moved.state.state == gen.OFF


def test_three_failed_starts_lock_out_and_only_a_reset_mends() -> None:
    orders = [(True, 10.0)] * 3
    steps = run_ticks(SET, gen.GensetState(), orders, fails=True)
    assert [gen.STATE_NAMES[moved.state.state] for moved in steps] == ["off", "off", "locked_out"]
    locked = gen.advance(SET, steps[-1].state, True, False, 15.0, 500.0, 3600.0).state
    assert locked.state == gen.LOCKED_OUT
    assert gen.advance(SET, gen.reset(locked), True, False, 15.0, 500.0, 600.0).state.state == gen.RUNNING


@pytest.mark.parametrize(
    ("outdoor_c", "block_c", "tank_l", "starter", "rest_s", "blocked"),
    [
        (15.0, 15.0, 10.0, 1.0, 400.0, False),
        (-18.0, -18.0, 10.0, 1.0, 400.0, True),
        (-18.0, 5.0, 10.0, 1.0, 400.0, False),
        (-25.0, 5.0, 10.0, 1.0, 400.0, True),
        (15.0, 15.0, 0.0, 1.0, 400.0, True),
        (15.0, 15.0, 10.0, 0.2, 400.0, True),
        (15.0, 15.0, 10.0, 1.0, 100.0, True),
    ],
)
def test_what_blocks_a_start(
    outdoor_c: float, block_c: float, tank_l: float, starter: float, rest_s: float, blocked: bool
) -> None:
    state = gen.GensetState(phase_s=rest_s, block_c=block_c, starter_frac=starter)
    assert gen.start_blocked(SET, state, outdoor_c, tank_l) is blocked


def test_fuel_meets_published_points_at_every_rating() -> None:
    with shared_path("reference/genset/fuel_points.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        rating = float(row["kw_rated"])
        points = [float(row[f"L_h_{load}"]) for load in (25, 50, 75, 100)]
        params = gen.GensetParams(rating, 2 * points[0] - points[1], *points)
        for load, litres in zip((0.25, 0.5, 0.75, 1.0), points, strict=True):
            assert gen.fuel_l_per_h(params, load * rating) == pytest.approx(litres, rel=1e-12)
        affine = float(row["F0_L_h_per_kWrated"]) * rating + float(row["F1_L_per_kWh"]) * 0.6 * rating
        worst = float(row["max_affine_error_pct"]) / 100
        assert gen.fuel_l_per_h(params, 0.6 * rating) == pytest.approx(affine, rel=2.0 * worst + 0.01)


@given(st.floats(0.0, 60.0))
def test_power_for_fuel_inverts_the_fuel_curve(power_kw: float) -> None:
    assert gen.power_for_fuel_kw(SET, gen.fuel_l_per_h(SET, power_kw)) == pytest.approx(power_kw, abs=1e-9)


@pytest.mark.parametrize(
    ("altitude_m", "outdoor_c", "share"), [(0, 20, 1.0), (1000, 40, 1.0), (2500, 20, 0.85), (0, 50, 0.98)]
)
def test_derating(altitude_m: float, outdoor_c: float, share: float) -> None:
    high = SET._replace(altitude_m=float(altitude_m))
    assert gen.rated_now_kw(high, float(outdoor_c)) == pytest.approx(60.0 * share)


@given(st.floats(0.01, 30.0), st.floats(60.0, 3600.0))
def test_never_burns_more_than_the_tank_holds(tank_l: float, dt_s: float) -> None:
    before = gen.GensetState(state=gen.RUNNING, phase_s=1e4, power_kw=60.0)
    moved = gen.advance(SET, before, True, False, 15.0, tank_l, dt_s)
    power = gen.power_max_kw(SET, before, moved.carry_s, moved.no_load_s, 15.0, tank_l, dt_s)
    wanted_l = gen.fuel_l_per_h(SET, power) * dt_s / 3600.0
    if power > 0.0:
        assert wanted_l <= tank_l + 1e-9
    assert gen.fuel_burnt_l(SET, power, moved.carry_s, moved.no_load_s, tank_l, dt_s) <= tank_l


def test_load_step_limits_the_first_second() -> None:
    running = gen.GensetState(state=gen.RUNNING, phase_s=1e4, power_kw=10.0)
    careful = SET._replace(load_step_frac=0.5)
    assert gen.power_max_kw(careful, running, 1.0, 0.0, 15.0, 500.0, 1.0) == pytest.approx(40.0)
    assert gen.power_max_kw(careful, running, 3600.0, 0.0, 15.0, 500.0, 3600.0) == pytest.approx(60.0)


def test_block_heater_keeps_the_block_warm_in_an_arctic_night() -> None:
    params = SET._replace(block_heater_kw=1.5)
    state = gen.GensetState(block_c=10.0)
    for _ in range(72):
        heat = gen.block_heater_demand_kw(params, state, -25.0, 1.0)
        state = gen.settle(params, state, 0.0, heat, -25.0, 1.0)
    assert state.block_c == pytest.approx(10.0)
    bare = gen.settle(params, gen.GensetState(block_c=10.0), 0.0, 0.0, -25.0, 72.0)
    assert bare.block_c < -20.0
