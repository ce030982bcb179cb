"""Every scalar function of the plant compiles under numba as it stands, and gives the same number."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

import numba
import pytest

from sites.plant import battery, bus, genset, heat, inverter, node, thermal, ups

BATTERY = battery.BatteryParams(1200.0, 300.0, 280.0, self_use_kw=0.4, heater_max_kw=4.0)
CELL = battery.BatteryState(0.93, 0.97, 12.0)
GENSET = genset.GensetParams(60.0, 3.2, 6.81, 10.98, 14.38, 18.17, block_heater_kw=1.0)
ENGINE = genset.GensetState(state=genset.RUNNING, phase_s=100.0, power_kw=20.0)
UPS, CHARGE = ups.UpsParams(25.0, 100.0, 5.0, standby_kw=0.1), ups.UpsState(0.8)
INVERTER, BUDGET = inverter.InverterParams(250.0), inverter.InverterState(0.2)
CLIMATE = thermal.ClimateParams(110.0)
HOST = node.NodeParams(500.0, 600.0, 10.0, 300.0)

CASES: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (battery.limits, (BATTERY, CELL, 0.25)),
    (battery.step, (BATTERY, CELL, -100.0, 15.0, 0.25, 1.0)),
    (battery.power_to_reach_kw, (BATTERY, CELL, 0.5, 1.0)),
    (battery.hours_to_soc, (BATTERY, CELL, 50.0, 0.2)),
    (battery.heater_demand_kw, (BATTERY, CELL, -10.0, 0.25)),
    (battery.discharge_derating_frac, (BATTERY, -20.0)),
    (genset.advance, (GENSET, ENGINE, False, False, 15.0, 300.0, 3600.0)),
    (genset.power_max_kw, (GENSET, ENGINE, 3000.0, 120.0, 42.0, 300.0, 3600.0)),
    (genset.power_min_kw, (GENSET, 3000.0, 3600.0)),
    (genset.fuel_burnt_l, (GENSET, 33.0, 3000.0, 120.0, 300.0, 3600.0)),
    (genset.settle, (GENSET, ENGINE, 33.0, 0.0, 5.0, 1.0)),
    (genset.block_heater_demand_kw, (GENSET, genset.GensetState(block_c=0.0), -10.0, 1.0)),
    (genset.trip, (ENGINE,)),
    (genset.reset, (genset.GensetState(state=genset.LOCKED_OUT, phase_s=0.0),)),
    (ups.step, (UPS, CHARGE, 40.0, 0.1)),
    (ups.charge_demand_kw, (UPS, CHARGE, 0.1)),
    (ups.bridge_limit_kw, (UPS, CHARGE, 0.1)),
    (ups.bridge_minutes, (UPS, CHARGE, 50.0)),
    (inverter.ceiling_kw, (INVERTER, BUDGET, 5.0)),
    (inverter.overload_seconds, (INVERTER, 1.3)),
    (inverter.step, (INVERTER, BUDGET, 300.0, 2.0)),
    (bus.battery_forms, (50.0, 80.0, 20.0, 18.0, 60.0, 30.0, 100.0)),
    (bus.genset_forms, (50.0, 10.0, -20.0, 18.0, 60.0, 30.0, 100.0)),
    (bus.nothing_forms, (50.0,)),
    (bus.share_kw, (50.0, 18.0, 60.0, 36.0, 120.0)),
    (thermal.demand, (CLIMATE, 26.0, 80.0, 30.0, 0.25)),
    (thermal.room_after_c, (CLIMATE, 26.0, 80.0, 70.0, 30.0, 0.25)),
    (thermal.throttle_frac, (CLIMATE, 38.0)),
    (thermal.cooling_kw_for_heat, (CLIMATE, 80.0, 30.0)),
    (thermal.dx_cop, (3.5, 20.0)),
    (node.step, (HOST, node.NodeState(True, 30.0), True, 60.0)),
    (heat.heat_to_reach_kw, (10.0, 0.0, 15.0, 2.0, 0.1, 0.5)),
]


def compiled(function: Callable[..., Any], done: dict[Any, Any]) -> Any:
    """Return ``function`` compiled from its own source, with the plant functions it calls compiled too."""
    if function in done:
        return done[function]
    names = dict(function.__globals__)
    for name in function.__code__.co_names:
        called = names.get(name)
        if inspect.isfunction(called) and called.__module__.startswith("sites.plant"):
            names[name] = compiled(called, done)
    copy = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    done[function] = numba.njit(copy)
    return done[function]


DONE: dict[Any, Any] = {}


@pytest.mark.parametrize(("function", "arguments"), CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_compiles_to_the_same_numbers(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    expected = function(*arguments)
    found = compiled(function, DONE)(*arguments)
    if isinstance(expected, tuple):
        for left, right in zip(found, expected, strict=True):
            assert left == pytest.approx(right, rel=1e-14)
    else:
        assert found == pytest.approx(expected, rel=1e-14)
