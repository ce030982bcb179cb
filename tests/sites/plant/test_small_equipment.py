"""UPS, inverter overload, climate, hosts, and the thermal mass."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.plant import heat, inverter, node, thermal, ups
from tests.shared_data import shared_path

UPS = ups.UpsParams(usable_kwh=25.0, power_max_kw=100.0, charge_kw=5.0, standby_kw=0.1)
INVERTER = inverter.InverterParams(rated_kw=100.0)
CLIMATE = thermal.ClimateParams(cooling_max_kw=110.0)


def test_ups_bridges_a_quarter_hour_of_95_kw() -> None:
    assert ups.bridge_minutes(UPS, ups.UpsState(1.0), 94.0) == pytest.approx(15.0, abs=0.3)
    assert ups.bridge_minutes(UPS, ups.UpsState(1.0), 101.0) == 0.0


@given(st.floats(0.0, 1.0), st.floats(1 / 3600, 1.0), st.floats(0.0, 1.0))
def test_ups_energy_closes(soc: float, dt: float, share: float) -> None:
    state = ups.UpsState(soc)
    for power in (
        share * ups.bridge_limit_kw(UPS, state, dt),
        -share * ups.charge_demand_kw(UPS, state, dt),
    ):
        after, loss = ups.step(UPS, state, power, dt)
        assert (soc - after.soc_frac) * 25.0 == pytest.approx(power * dt + loss, abs=1e-9)
        assert -1e-9 <= after.soc_frac <= 1.0 + 1e-9
        assert loss >= -1e-9


@pytest.mark.parametrize(
    ("seconds", "ratio"), [(0.1, 2.0), (0.5, 2.0), (10.0, 1.5), (60.0, 1.25), (3600.0, 1.0), (7200.0, 1.0)]
)
def test_overload_curve_passes_its_points(seconds: float, ratio: float) -> None:
    assert inverter.overload_ratio(INVERTER, seconds) == pytest.approx(ratio)


@given(st.floats(0.5, 3600.0))
def test_overload_seconds_invert_the_ratio(seconds: float) -> None:
    ratio = inverter.overload_ratio(INVERTER, seconds)
    if ratio > 1.0 + 1e-6:
        assert inverter.overload_seconds(INVERTER, ratio) == pytest.approx(seconds, rel=1e-6)


def test_overload_budget_is_spent_and_comes_back() -> None:
    state = inverter.InverterState()
    for _ in range(5):
        state = inverter.step(INVERTER, state, 150.0, 1.0)
    assert state.used_frac == pytest.approx(0.5)
    assert inverter.ceiling_kw(INVERTER, state, 5.0) == pytest.approx(150.0)
    assert inverter.ceiling_kw(INVERTER, state, 10.0) < 150.0
    for _ in range(10):
        state = inverter.step(INVERTER, state, 50.0, 60.0)
    assert state.used_frac == 0.0


def test_cooling_curve_is_the_published_one() -> None:
    with shared_path("reference/design/dx_cop_curve.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            outdoor = float(row["T_out_C"])
            assert thermal.capacity_factor(outdoor) == pytest.approx(float(row["cap_factor"]), abs=2e-4)
            assert thermal.eir_factor(outdoor) == pytest.approx(float(row["EIR_factor"]), abs=1e-4)
            assert thermal.dx_cop(3.5, outdoor) == pytest.approx(float(row["COP_if_rated_3.5"]), abs=1e-3)


@pytest.mark.parametrize(("outdoor", "cop"), [(0.0, 5.2), (20.0, 4.6), (35.0, 3.0), (40.0, 2.6), (60.0, 2.2)])
def test_compressor_follows_its_points(outdoor: float, cop: float) -> None:
    assert thermal.compressor_cop(CLIMATE, outdoor) == pytest.approx(cop)


def test_cold_air_cools_with_fans_alone() -> None:
    assert thermal.cooling_kw_for_heat(CLIMATE, 90.0, 5.0) == pytest.approx(90.0 * 0.04)
    assert thermal.cooling_kw_for_heat(CLIMATE, 90.0, 35.0) == pytest.approx(90.0 * (0.04 + 1 / 3))


@given(st.floats(-30.0, 45.0), st.floats(0.0, 90.0), st.floats(1 / 3600, 1.0))
def test_room_ends_at_its_setpoint_or_the_machine_is_at_its_limit(outdoor: float, heat_kw: float, dt: float) -> None:
    room = 25.0
    air = thermal.demand(CLIMATE, room, heat_kw, outdoor, dt)
    after = thermal.room_after_c(CLIMATE, room, heat_kw, air.removed_kw, outdoor, dt)
    limit = CLIMATE.cooling_max_kw * thermal.capacity_factor(outdoor)
    assert after <= 25.0 + 1e-6 or air.removed_kw == pytest.approx(limit)
    assert 0.0 <= air.removed_kw <= limit


@pytest.mark.parametrize(("inlet", "share"), [(20.0, 1.0), (35.0, 1.0), (40.0, 0.5), (45.0, 0.0), (80.0, 0.0)])
def test_hardware_throttles_above_its_inlet_limit(inlet: float, share: float) -> None:
    assert thermal.throttle_frac(CLIMATE, inlet) == pytest.approx(share)


@given(st.floats(-20.0, 40.0), st.floats(-20.0, 40.0), st.floats(0.001, 1.0))
def test_heat_to_reach_inverts_the_thermal_mass(start: float, target: float, dt: float) -> None:
    needed = heat.heat_to_reach_kw(start, 0.0, target, 2.0, 0.15, dt)
    assert heat.temperature_after(start, 0.0, needed, 2.0, 0.15, dt) == pytest.approx(target, abs=1e-9)


def test_host_boots_for_five_minutes_in_any_steps() -> None:
    params = node.NodeParams(idle_w=500.0, boot_w=600.0, off_w=10.0, boot_s=300.0)
    for dt in (1.0, 60.0, 100.0, 3600.0):
        state, ready_s, energy_j = node.NodeState(), 0.0, 0.0
        for _ in range(int(3600 / dt)):
            state, power, ready = node.step(params, state, True, dt)
            ready_s += ready * dt
            energy_j += power * dt
        assert ready_s == pytest.approx(3300.0)
        assert energy_j == pytest.approx(300 * 600 + 3300 * 500)
    assert node.step(params, state, False, 60.0) == (node.NodeState(), 10.0, 0.0)
    assert node.boot_energy_kwh(params) == pytest.approx(0.05)
