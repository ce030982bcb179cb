"""The same drivers on a serial line: several units on one bus, wrong unit ids, a cable that is cut."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.devices.power.bench.modbus_server import SERIAL_BAUD, StandInServer
from controller.devices.power.bench.serial_pair import SerialPair
from controller.devices.power.driver import DeviceLostError
from controller.devices.power.link import LineAddress, ModbusLink, parse_address
from controller.devices.power.twin import TwinDevice
from tests.controller.devices.power.bench_site import EQUIPMENT, driver, loaded_bench, seat

ON_THE_BUS = ("inverter", "meter-it", "genset-1", "bms")
BY_NAME = {each.name: each for each in EQUIPMENT}


@pytest.fixture(scope="module")
def line() -> Iterator[tuple[ModbusLink, dict[str, TwinDevice], SerialPair]]:
    faces = loaded_bench().faces(EQUIPMENT)
    pair = SerialPair()
    server = StandInServer({}, serial={pair.ports[0]: tuple(seat(BY_NAME[name], faces[name]) for name in ON_THE_BUS)})
    link = ModbusLink(parse_address(f"rtu://{pair.ports[1]}?baud={SERIAL_BAUD}"), timeout_s=0.5)
    yield link, {name: TwinDevice(name, faces[name]) for name in ON_THE_BUS}, pair
    link.close()
    server.close()
    pair.close()


@pytest.mark.parametrize("name", ON_THE_BUS)
def test_devices_on_one_bus_tell_what_their_twins_tell(
    line: tuple[ModbusLink, dict[str, TwinDevice], SerialPair], name: str
) -> None:
    link, twins, _ = line
    told, twin = driver(BY_NAME[name], link).read(whole=True), twins[name].read()
    shared = {signal for signal in told if signal in twin}
    assert len(shared) >= 3
    for signal in shared:
        assert told[signal] == pytest.approx(twin[signal], abs=0.11), signal


def test_an_order_goes_over_the_bus(line: tuple[ModbusLink, dict[str, TwinDevice], SerialPair]) -> None:
    link, twins, _ = line
    assert driver(BY_NAME["genset-1"], link).write("run", True).same
    assert twins["genset-1"].read()["run"] is True
    assert driver(BY_NAME["inverter"], link).write("charge_max_kw", 111.0).same
    assert twins["inverter"].read()["charge_max_kw"] == 111.0


def test_a_port_that_is_not_there_is_a_lost_device() -> None:
    link = ModbusLink(parse_address("rtu:///dev/no-such-port?baud=9600&parity=E&stop=2"), timeout_s=0.2)
    with pytest.raises(DeviceLostError):
        link.read(3, 0, 1, 1)


def test_addresses_of_lines() -> None:
    assert parse_address("tcp://inverter.local") == LineAddress("tcp", "inverter.local", 502)
    assert parse_address("rtu:///dev/ttyUSB0?baud=19200&parity=E&stop=2") == LineAddress(
        "rtu", "/dev/ttyUSB0", 0, 19200, "E", 2
    )
    for bad in ("", "inverter", "http://x", "tcp://", "tcp://x/y", "rtu://", "rtu:///d?speed=1", "rtu:///d?parity=X"):
        with pytest.raises(ValueError, match=r"tcp://|serial line"):
            parse_address(bad)
