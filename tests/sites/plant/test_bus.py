"""The bus in all its corners: balance, merit order, no reverse power."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.plant import bus
from sites.plant.battery import BatteryState, limits, step
from tests.shared_data import shared_path
from tests.sites.plant.test_battery import ideal

kw = st.floats(0.0, 500.0)


@given(kw, kw, kw, kw, kw, kw, kw)
def test_battery_forming_balances(
    load: float, pv: float, wanted: float, low: float, high: float, charge: float, discharge: float
) -> None:
    flows = bus.battery_forms(load, pv, wanted, low, high, charge, discharge)
    assert flows.pv_used_kw + flows.battery_kw + flows.genset_kw + flows.unserved_kw == pytest.approx(load, abs=1e-9)
    assert -1e-9 <= flows.pv_used_kw <= pv + 1e-9
    assert -1e-9 <= flows.genset_kw <= high + 1e-9
    assert -charge - 1e-9 <= flows.battery_kw <= discharge + 1e-9
    assert -1e-9 <= flows.unserved_kw <= load + 1e-9
    if flows.unserved_kw > 1e-6:
        assert flows.pv_used_kw == pytest.approx(pv)
        assert flows.genset_kw == pytest.approx(high)
        assert flows.battery_kw == pytest.approx(discharge)


@given(kw, kw, st.floats(-500.0, 500.0), kw, kw, kw, kw)
def test_genset_forming_balances(
    load: float, pv: float, wanted: float, low: float, high: float, charge: float, discharge: float
) -> None:
    flows = bus.genset_forms(load, pv, wanted, low, high, charge, discharge)
    assert flows.pv_used_kw + flows.battery_kw + flows.genset_kw + flows.unserved_kw == pytest.approx(load, abs=1e-9)
    assert -1e-9 <= flows.pv_used_kw <= pv + 1e-9
    assert -1e-9 <= flows.genset_kw <= high + 1e-9
    assert -charge - 1e-9 <= flows.battery_kw <= discharge + 1e-9


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # load, pv, set, min, max, charge, discharge -> pv used, battery, genset, unserved
        ((50, 80, 0, 0, 0, 100, 100), (80, -30, 0, 0)),
        ((50, 80, 0, 0, 0, 10, 100), (60, -10, 0, 0)),
        ((50, 0, 0, 0, 0, 10, 30), (0, 30, 0, 20)),
        ((50, 0, 20, 18, 60, 10, 10), (0, 10, 40, 0)),
        ((50, 0, 20, 18, 60, 100, 100), (0, 30, 20, 0)),
        # full battery, sunny, genset at minimum load: PV goes first, then the genset sinks, never below zero
        ((50, 80, 40, 18, 60, 0, 100), (32, 0, 18, 0)),
        ((10, 80, 40, 18, 60, 0, 100), (0, 0, 10, 0)),
    ],
)
def test_battery_forming_corners(arguments: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert bus.battery_forms(*map(float, arguments)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # load, pv, battery set, min, max, charge, discharge
        ((50, 0, 0, 18, 60, 100, 100), (0, 0, 50, 0)),
        ((50, 0, -40, 18, 60, 100, 100), (0, -10, 60, 0)),
        ((90, 0, 0, 18, 60, 100, 100), (0, 30, 60, 0)),
        ((10, 0, 0, 18, 60, 100, 100), (0, -8, 18, 0)),
        ((10, 30, 0, 18, 60, 0, 100), (0, 0, 10, 0)),
    ],
)
def test_genset_forming_corners(arguments: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert bus.genset_forms(*map(float, arguments)) == pytest.approx(expected)


def test_islanded_merit_order_of_the_reference() -> None:
    cases = json.loads(shared_path("reference/battery/step_cases.json").read_text(encoding="utf-8"))
    params = ideal(100.0, 0.1, 1e6)
    for case in cases["islanded_merit_order"]:
        state = BatteryState(0.8)
        own = limits(params, state, case["hours"])
        delta = case["p_delta"]
        flows = bus.battery_forms(max(-delta, 0.0), max(delta, 0.0), 0.0, 0.0, 0.0, own.charge_kw, own.discharge_kw)
        after, _, _ = step(params, state, flows.battery_kw, 20.0, case["hours"])
        assert after.soc_frac == pytest.approx(case["soc"], abs=1e-12)


@given(st.floats(0.0, 1.0), st.floats(1.0, 60.0), st.floats(1.0, 60.0))
def test_shares_add_up(share: float, low: float, width: float) -> None:
    lows, highs = (low, low / 2), (low + width, low / 2 + width * 2)
    total = sum(highs) * share
    parts = [bus.share_kw(total, a, b, sum(lows), sum(highs)) for a, b in zip(lows, highs, strict=True)]
    assert sum(parts) == pytest.approx(total)
    assert all(0.0 <= part <= high + 1e-9 for part, high in zip(parts, highs, strict=True))
