"""SunSpec: discovery, scale factors, what is not implemented, ceilings with reversion; pysunspec2 reads the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from controller.devices.power.bench.sunspec_image import SunSpecImage
from controller.devices.power.curtailment import Droop, frequency_for_limit, limit_at_frequency
from controller.devices.power.driver import DeviceRefusedError
from controller.devices.power.sunspec import REVERT_S, SunSpecDevice
from controller.devices.power.sunspec_line import SunSpecLine
from sites.schema.equipment import Kind
from tests.controller.devices.power.bench_site import UNITS, Bench


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    opened = Bench.open()
    yield opened
    opened.close()


def sunspec(bench: Bench, name: str) -> SunSpecDevice:
    device = bench.pair(name)[1]
    assert isinstance(device, SunSpecDevice)
    return device


def test_models_are_discovered(bench: Bench) -> None:
    found = {each.id: each for each in sunspec(bench, "inverter").line.scan()}
    assert list(found) == [1, 701, 702, 704, 713, 802, 803]
    assert found[1].address == 40002
    assert all(each.understood for each in found.values())
    assert [each.id for each in sunspec(bench, "pv-b").line.scan()] == [1, 103, 120, 122, 123]


def test_pysunspec2_alone_reads_and_writes_the_server_as_our_driver_does(bench: Bench) -> None:
    client = SunSpecModbusClientDeviceTCP(
        slave_id=UNITS["pv-a"], ipaddr="127.0.0.1", ipport=bench.server.ports[0], timeout=2.0
    )
    client.connect()
    client.scan(connect=False)
    ours = sunspec(bench, "pv-a")
    told = ours.read()
    assert client.DERMeasureAC[0].W.cvalue / 1000.0 == pytest.approx(told["power_kw"])
    control = client.DERCtlAC[0]
    control.WMaxLimPct.cvalue, control.WMaxLimPctEna.value = 40.0, 1
    control.write()
    assert ours.read()["limit_kw"] == pytest.approx(0.4 * 330.0)
    ours.release()
    control.read()
    assert control.WMaxLimPctEna.value == 0
    client.disconnect()


def test_where_there_is_no_map_the_device_says_so(bench: Bench) -> None:
    with pytest.raises(DeviceRefusedError, match="no SunSpec map"):
        SunSpecLine(bench.link, UNITS["tank"]).scan()


def test_what_is_not_implemented_has_no_value(bench: Bench) -> None:
    seen = bench.plant.snapshot
    bench.plant.snapshot = seen.model_copy(update={"pv_kw": None, "battery": None})
    try:
        assert "power_kw" not in sunspec(bench, "pv-a").read()
        assert "soc_frac" not in sunspec(bench, "inverter").read()
    finally:
        bench.plant.snapshot = seen


def test_a_scale_factor_that_is_none_gives_no_value(bench: Bench) -> None:
    line = sunspec(bench, "inverter").line
    line.scan()
    scale = line._point(701, "W_SF")
    for bad in (None, 300):
        scale.value = bad
        assert line.value(701, "W") is None
    scale.value = 1
    assert line.value(701, "W") is not None


def test_a_device_without_rating_wants_one_from_the_site_file(bench: Bench) -> None:
    line = SunSpecLine(bench.link, UNITS["meter-load"])
    with pytest.raises(DeviceRefusedError, match="rating_kw"):
        SunSpecDevice("m", Kind.PV, line).rating_kw()
    assert SunSpecDevice("m", Kind.PV, line, rating_kw=50.0).rating_kw() == 50.0
    with pytest.raises(DeviceRefusedError, match="neither model 704 nor 123"):
        SunSpecDevice("m", Kind.PV, line, rating_kw=50.0).write("limit_kw", 10.0)
    for nonsense in (-1.0, float("nan")):
        with pytest.raises(DeviceRefusedError, match="no ceiling"):
            sunspec(bench, "pv-a").write("limit_kw", nonsense)


@pytest.mark.parametrize("models", [(1, 701, 702, 704), (1, 103, 120, 123)])
def test_an_inverter_that_nobody_renews_lets_go_of_its_ceiling(bench: Bench, models: tuple[int, ...]) -> None:
    now_s = [0.0]
    face = bench.faces["pv-a"]
    image = SunSpecImage(face, rating_kw=330.0, models=models, monotonic_s=lambda: now_s[0])

    class Wire:
        """The image without a network between."""

        def read(self, function: int, address: int, count: int, unit: int) -> list[int]:
            registers = image.registers()
            if not 40000 <= address <= 40000 + len(registers) - count:
                raise DeviceRefusedError("no such address")
            return registers[address - 40000 : address - 40000 + count]

        def write(self, function: int, address: int, values: list[int], unit: int) -> None:
            image.written(address, list(values))

        def close(self) -> None:
            """Nothing."""

    device = SunSpecDevice("pv", Kind.PV, SunSpecLine(Wire(), 1))  # type: ignore[arg-type]
    assert device.write("limit_kw", 66.0).same
    now_s[0] += REVERT_S - 1.0
    assert device.read()["limit_kw"] == pytest.approx(66.0)
    now_s[0] += 2.0
    assert device.read()["limit_kw"] == pytest.approx(330.0)
    assert face.tell()["limit_kw"] == pytest.approx(330.0)


def test_frequency_and_ceiling_are_each_others_inverse() -> None:
    droop = Droop(0.2, 0.04)
    for limit_kw in (0.0, 10.0, 250.0, 494.9):
        assert limit_at_frequency(frequency_for_limit(limit_kw, 495.0, droop), 495.0, droop) == pytest.approx(limit_kw)
    assert frequency_for_limit(None, 495.0, droop) == 50.0
    assert frequency_for_limit(500.0, 495.0, droop) == 50.0
    assert limit_at_frequency(49.0, 495.0, droop) == 495.0
    assert limit_at_frequency(60.0, 495.0, droop) == 0.0
    assert Droop.told({"droop_frac": 0.0, "droop_deadband_hz": 0.2}) is None


def test_a_shifted_frequency_throttles_the_sun_of_the_plant(bench: Bench) -> None:
    device = bench.pair("shifting-inverter")[1]
    pv = sunspec(bench, "pv-a").read()
    droop = Droop.told(pv)
    assert droop == Droop(0.2, 0.04)
    device.write("frequency_hz", round(frequency_for_limit(99.0, 495.0, droop), 3))
    assert bench.plant.pv_limit_kw() == pytest.approx(99.0, abs=0.2)
    device.release()
    assert bench.plant.pv_limit_kw() is None
