"""One suite for twins and drivers: both stand in front of the same simulated device and have to agree."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.devices.power.driver import DeviceRefusedError, PowerDevice
from controller.devices.power.signals import SIGNALS, Value, takes
from sites.schema.equipment import Kind
from tests.controller.devices.power.bench_site import EQUIPMENT, Bench

NAMES = [each.name for each in EQUIPMENT]
RESOLUTION = {"power_kw": 0.51, "charge_limit_kw": 0.1, "discharge_limit_kw": 0.1, "temperature_c": 0.06}
"""Coarsest step of any driver here: a ComAp counts whole kilowatts."""
TWINS_WITH_HEARTS = ("shifting-inverter", "pv-b")
"""Inverters whose twin takes a heartbeat and whose register map or old SunSpec models have no place for one."""
ORDERS: list[tuple[str, str, Value, Value]] = [
    ("inverter", "charge_max_kw", 120.0, 400.0),
    ("inverter", "discharge_max_kw", 250.0, 400.0),
    ("shifting-inverter", "frequency_hz", 51.4, 50.0),
    ("shifting-inverter", "charge_max_kw", 100.0, 400.0),
    ("pv-a", "limit_kw", 100.0, 330.0),
    ("pv-b", "limit_kw", 50.0, 165.0),
    ("genset-1", "run", True, False),
    ("genset-1", "set_kw", 33.3, 0.0),
    ("genset-2", "run", True, False),
    ("genset-3", "run", True, False),
    ("cooling", "setpoint_c", 22.5, 25.0),
    ("pdu", "outlet_3", False, True),
]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    opened = Bench.open()
    yield opened
    opened.close()


@pytest.fixture(params=["twin", "driver"])
def which(request: pytest.FixtureRequest) -> int:
    return ["twin", "driver"].index(request.param)


@pytest.mark.parametrize("name", NAMES)
def test_it_tells_what_its_kind_tells_in_units_and_types(bench: Bench, which: int, name: str) -> None:
    device: PowerDevice = bench.pair(name)[which]
    told = device.read(whole=True)
    known = {signal: value for signal, value in told.items() if signal in SIGNALS[device.kind].tells}
    assert known
    for signal, value in known.items():
        if signal == "phase":
            assert isinstance(value, str)
        elif signal in ("contactor_closed", "remote_allowed", "emergency_stop", "fire", "alarm", "dc_alarm"):
            assert isinstance(value, bool)
        else:
            assert isinstance(value, int | float)
    assert all(takes(device.kind, order) for order in device.orders)


@pytest.mark.parametrize("name", NAMES)
def test_driver_and_twin_tell_the_same(bench: Bench, name: str) -> None:
    twin, driven = (device.read(whole=True) for device in bench.pair(name))
    for signal, value in driven.items():
        if signal not in twin:
            continue
        if isinstance(value, bool | str):
            assert value == twin[signal], signal
        else:
            assert value == pytest.approx(twin[signal], abs=RESOLUTION.get(signal, 0.05)), signal


@pytest.mark.parametrize(("name", "order", "value", "back"), ORDERS)
def test_an_order_is_taken_read_back_and_acted_on(
    bench: Bench, which: int, name: str, order: str, value: Value, back: Value
) -> None:
    device = bench.pair(name)[which]
    for asked in (value, back):
        found = device.write(order, asked)
        assert found.same
        assert found.value is None or device.same(order, asked, found.value)
        shown = bench.faces[name].tell()[order]
        if isinstance(asked, bool):
            assert shown is asked
        else:
            assert shown == pytest.approx(asked, rel=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_orders_that_are_none_are_refused(bench: Bench, which: int, name: str) -> None:
    device = bench.pair(name)[which]
    before = dict(bench.faces[name].tell())
    with pytest.raises(DeviceRefusedError):
        device.write("teleport_kw", 1.0)
    assert bench.faces[name].tell() == before


@pytest.mark.parametrize("name", ["pv-a", "pv-b"])
def test_a_ceiling_never_lets_more_through_than_asked(bench: Bench, which: int, name: str) -> None:
    device = bench.pair(name)[which]
    for asked_kw in (0.0, 0.017, 33.33, 99.999):
        device.write("limit_kw", asked_kw)
        shown = bench.faces[name].tell()["limit_kw"]
        assert isinstance(shown, float)
        assert shown <= asked_kw + 1e-9
    device.release()
    assert bench.faces[name].tell()["limit_kw"] == pytest.approx(bench.faces[name].rating_kw())


def test_a_genset_is_not_started_past_its_panel(bench: Bench, which: int) -> None:
    bench.plant.remote["diesel-1"] = False
    try:
        device = bench.pair("genset-1")[which]
        assert device.read(whole=True)["remote_allowed"] is False
        with pytest.raises(DeviceRefusedError):
            device.write("run", True)
        assert bench.plant.gensets["diesel-1"].run is False
    finally:
        bench.plant.remote["diesel-1"] = True


@pytest.mark.parametrize(("name", "order"), [("pv-a", "limit_kw"), ("inverter", "charge_max_kw")])
def test_an_inverter_at_its_panel_takes_no_order(bench: Bench, which: int, name: str, order: str) -> None:
    bench.plant.on_local.add(name)
    try:
        device = bench.pair(name)[which]
        assert device.read(whole=True)["remote_allowed"] is False
        with pytest.raises(DeviceRefusedError, match="panel"):
            device.write(order, 10.0)
    finally:
        bench.plant.on_local.clear()


@pytest.mark.parametrize("name", NAMES)
def test_the_controllers_heartbeat_arrives_where_it_is_asked_for(bench: Bench, which: int, name: str) -> None:
    bench.plant.heartbeats.clear()
    device = bench.pair(name)[which]
    for _ in range(2):
        device.beat()
    heard = bench.plant.heartbeats.get(name)
    assert heard == (2 if name in ("inverter", "pv-a") or (which == 0 and name in TWINS_WITH_HEARTS) else None)


def test_kinds_are_all_on_the_bench() -> None:
    assert {each.kind for each in EQUIPMENT} == set(Kind)
