"""Battery steps against restated cases of Vessim's test suite, and properties of the limits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.plant.battery import (
    BatteryParams,
    BatteryState,
    charge_derating_frac,
    charge_limit_kw,
    discharge_limit_kw,
    hours_to_soc,
    limits,
    power_to_reach_kw,
    soc_after_frac,
    step,
    stored_kwh,
)
from tests.shared_data import shared_path

LFP = BatteryParams(usable_kwh=1200.0, charge_max_kw=300.0, discharge_max_kw=300.0, self_use_kw=0.5)


def ideal(capacity_wh: float, min_soc: float, c_rate: float) -> BatteryParams:
    """A battery without losses, tapers or cold, in the units of the reference (Wh, W)."""
    return BatteryParams(
        usable_kwh=capacity_wh,
        charge_max_kw=capacity_wh * c_rate,
        discharge_max_kw=capacity_wh * c_rate,
        charge_eff_frac=1.0,
        discharge_eff_frac=1.0,
        soc_min_frac=min_soc,
        charge_offset_a=1.0,
        charge_slope_a=0.0,
        discharge_offset_a=1.0,
        discharge_slope_a=0.0,
    )


def reference() -> dict[str, list[dict[str, float]]]:
    cases: dict[str, list[dict[str, float]]] = json.loads(
        shared_path("reference/battery/step_cases.json").read_text(encoding="utf-8")
    )
    return cases


def test_steps_end_at_the_reference_charge() -> None:
    for case in reference()["simple_battery"]:
        params = ideal(case["capacity_wh"], case["min_soc"], case.get("c_rate", 1e6))
        state = BatteryState(case["soc0"] if "soc0" in case else case["soc"])
        if "soc0" not in case:
            state = BatteryState(0.5)
        after, _, loss = step(params, state, -case["power_w"], 20.0, case["hours"])
        assert after.soc_frac == pytest.approx(case["soc"], abs=1e-12)
        assert stored_kwh(params, after) == pytest.approx(case["charge_wh"], abs=1e-9)
        assert loss == pytest.approx(0.0, abs=1e-9)


def test_feasible_ranges_are_the_reference_ones() -> None:
    for case in reference()["feasible_range_w"]:
        params = ideal(case["capacity_wh"], case.get("min_soc", 0.0), case.get("c_rate", 1e6))
        found = limits(params, BatteryState(case["soc"]), case["seconds"] / 3600.0)
        if "lo" in case:
            assert -found.discharge_kw == pytest.approx(case["lo"], abs=1e-9)
        if "hi" in case:
            assert found.charge_kw == pytest.approx(case["hi"], abs=1e-9)


@pytest.mark.parametrize(
    ("cell_c", "share"),
    [(-10.0, 0.0), (0.0, 0.0), (5.0, 0.25), (10.0, 0.5), (15.0, 0.75), (20.0, 1.0), (55.0, 0.5), (60.0, 0.0)],
)
def test_lfp_takes_no_charge_below_freezing(cell_c: float, share: float) -> None:
    assert charge_derating_frac(LFP, cell_c) == pytest.approx(share)
    assert charge_limit_kw(LFP, BatteryState(0.5, 1.0, cell_c), 1 / 3600) == pytest.approx(300.0 * share)


@pytest.mark.parametrize(("soc", "share"), [(0.5, 1.0), (0.9, 1.0), (0.95, 0.55), (0.999, 0.109), (1.0, 0.0)])
def test_charge_tapers_near_full(soc: float, share: float) -> None:
    state = BatteryState(soc)
    assert charge_limit_kw(LFP._replace(self_use_kw=0.0), state, 1 / 3600) == pytest.approx(300.0 * share, rel=2e-3)


socs = st.floats(0.1, 1.0)
powers = st.floats(-500.0, 500.0)
hours = st.floats(1 / 3600, 4.0)
temperatures = st.floats(-30.0, 65.0)
healths = st.floats(0.6, 1.0)


@given(socs, healths, temperatures, powers, hours)
def test_energy_closes_and_soc_stays_inside(soc: float, health: float, cell: float, power: float, dt: float) -> None:
    before = BatteryState(soc, health, cell)
    after, actual, loss = step(LFP, before, power, 20.0, dt)
    closing = stored_kwh(LFP, before) - stored_kwh(LFP, after) - actual * dt - loss
    assert abs(closing) < 1e-9
    assert loss >= -1e-9
    assert after.soc_frac <= LFP.soc_max_frac + 1e-12
    low = LFP.soc_min_frac * LFP.usable_kwh * health - LFP.self_use_kw * dt
    assert stored_kwh(LFP, after) >= low - 1e-9
    assert abs(actual) <= abs(power) + 1e-12


@given(socs, hours)
def test_a_long_step_promises_no_more_than_two_short_ones(soc: float, dt: float) -> None:
    """Holding the limit of a step for its first half leaves a limit at least as high for the second."""
    state = BatteryState(soc)
    charge = charge_limit_kw(LFP, state, dt)
    half, _, _ = step(LFP, state, -charge, 20.0, dt / 2)
    assert charge_limit_kw(LFP, half._replace(cell_c=20.0), dt / 2) >= charge - 1e-7
    discharge = discharge_limit_kw(LFP, state, dt)
    half, _, _ = step(LFP, state, discharge, 20.0, dt / 2)
    assert discharge_limit_kw(LFP, half._replace(cell_c=20.0), dt / 2) >= discharge - 1e-7


@given(socs, socs, hours)
def test_power_to_reach_inverts_the_step(soc: float, target: float, dt: float) -> None:
    state = BatteryState(soc)
    assert soc_after_frac(LFP, state, power_to_reach_kw(LFP, state, target, dt), dt) == pytest.approx(target)


@given(socs, st.floats(5.0, 300.0), st.floats(0.0, 1.0))
def test_hours_to_soc_agree_with_the_step(soc: float, power: float, share: float) -> None:
    state = BatteryState(soc)
    target = 0.1 + (soc - 0.1) * share
    after_h = hours_to_soc(LFP, state, power, target)
    assert soc_after_frac(LFP, state, power, after_h) == pytest.approx(target, abs=1e-9)


def test_cells_warm_up_by_losses_and_heater() -> None:
    cold = BatteryState(0.5, 1.0, -5.0)
    with_heat, _, _ = step(LFP, cold, 0.0, -5.0, 1.0, heater_kw=5.0)
    without, _, _ = step(LFP, cold, 0.0, -5.0, 1.0)
    assert with_heat.cell_c > without.cell_c + 5.0
