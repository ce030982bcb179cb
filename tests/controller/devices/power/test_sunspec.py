"""SunSpec: discovery, scale factors, what is not implemented, ceilings with reversion; pysunspec2 reads the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from controller.devices.power.bench.inverter_settings import CURVES, TRIPS
from controller.devices.power.bench.sunspec_image import SunSpecImage
from controller.devices.power.curtailment import Droop, frequency_for_limit, limit_at_frequency
from controller.devices.power.driver import DeviceLostError, DeviceRefusedError
from controller.devices.power.sunspec import HEART_S, REVERT_S, SunSpecDevice
from controller.devices.power.sunspec_line import SunSpecLine
from controller.devices.power.sunspec_settings import (
    EnterService,
    curves,
    droop_of_curve,
    enter_service,
    setting_warnings,
)
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
    assert list(found) == [1, 701, 702, 703, 704, 705, 706, 707, 708, 709, 710, 712, 713, 714, 715, 802, 803]
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


class Wire:
    """A SunSpec map without a network between."""

    def __init__(self, image: SunSpecImage) -> None:
        self.image = image

    def read(self, function: int, address: int, count: int, unit: int) -> list[int]:
        registers = self.image.registers()
        if not 40000 <= address <= 40000 + len(registers) - count:
            raise DeviceRefusedError("no such address")
        return registers[address - 40000 : address - 40000 + count]

    def write(self, function: int, address: int, values: list[int], unit: int) -> None:
        try:
            self.image.written(address, list(values))
        except ValueError as error:
            raise DeviceRefusedError(str(error)) from None

    def close(self) -> None:
        """Nothing."""


def on_image(image: SunSpecImage, kind: Kind = Kind.PV, clock: Callable[[], float] = lambda: 0.0) -> SunSpecDevice:
    return SunSpecDevice("pv", kind, SunSpecLine(Wire(image), 1), monotonic_s=clock)  # type: ignore[arg-type]


@pytest.mark.parametrize("models", [(1, 701, 702, 704), (1, 103, 120, 123)])
def test_an_inverter_that_nobody_renews_lets_go_of_its_ceiling(bench: Bench, models: tuple[int, ...]) -> None:
    now_s = [0.0]
    face = bench.faces["pv-a"]
    image = SunSpecImage(face, rating_kw=330.0, models=models, monotonic_s=lambda: now_s[0])

    device = on_image(image)
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


def pv_image(bench: Bench, models: tuple[int, ...], clock: Callable[[], float] = lambda: 0.0) -> SunSpecImage:
    return SunSpecImage(bench.faces["pv-a"], rating_kw=330.0, models=models, monotonic_s=clock)


def placed(image: SunSpecImage, number: int) -> Any:
    """Return a model of an image, to be spoilt."""
    return next(each.model for each in image._placed if each.model.model_id == number)


def spoil(image: SunSpecImage, number: int) -> None:
    """Have what was done to a model of settings seen: settings are filled in once."""
    for each in image._placed:
        if each.model.model_id == number:
            image._fixed[each.address] = each.model.get_mb()
    image._filled = (None, [])


def test_curves_and_trips_are_read_with_their_scales_and_spare_points_left_out(bench: Bench) -> None:
    device = sunspec(bench, "pv-a")
    device.read(whole=True)
    found = {each.model: each for each in curves(device.line)}
    assert list(found) == [705, 706, 707, 708, 709, 710, 712]
    assert found[705].points == ((92.0, 44.0), (98.0, 0.0), (102.0, 0.0), (108.0, -44.0))
    assert found[710].points == ((53.0, 5.0), (54.0, 0.16))
    assert {number: each.points for number, each in found.items()} == {
        number: points for number, (_, points) in {**CURVES, **TRIPS}.items()
    }
    assert {number for number, each in found.items() if each.enabled} == {707, 708, 709, 710}


def test_when_an_inverter_may_come_on_is_read(bench: Bench) -> None:
    device = sunspec(bench, "pv-a")
    device.read(whole=True)
    assert enter_service(device.line) == EnterService(True, (88.0, 110.0), (48.0, 50.2), 60.0)
    image = pv_image(bench, (1, 701, 702, 703, 704))
    placed(image, 703).ES.value, placed(image, 703).ESHzHi.value = 0, None
    spoil(image, 703)
    device = on_image(image)
    device.read(whole=True)
    found = enter_service(device.line)
    assert found is not None
    assert (found.allowed, found.hertz) == (False, (48.0, None))
    assert "may not enter service" in setting_warnings(device.line, Kind.PV, by_frequency=False)[0]


def test_pysunspec2_alone_reads_the_same_trips(bench: Bench) -> None:
    port = bench.server.ports[0]
    client = SunSpecModbusClientDeviceTCP(slave_id=UNITS["pv-a"], ipaddr="127.0.0.1", ipport=port, timeout=2.0)
    client.connect()
    client.scan(connect=False)
    trip = client.DERTripHF[0].Crv[0].MustTrip
    assert [trip.Pt[index].Hz.cvalue for index in range(trip.ActPt.value)] == [53.0, 54.0]
    client.disconnect()


def test_a_trip_that_is_off_or_a_point_that_is_none_tells_nothing(bench: Bench) -> None:
    image = pv_image(bench, (1, 701, 702, 704, 709, 710))
    placed(image, 710).Ena.value = 0
    group = placed(image, 709).groups["Crv"][0].groups["MustTrip"].groups["Pt"]
    group[0].points["Hz"].value = None
    spoil(image, 710)
    spoil(image, 709)
    told = on_image(image).read(whole=True)
    assert "trip_over_hz" not in told
    assert told["trip_under_hz"] == pytest.approx(46.0)


def test_settings_without_a_scale_factor_have_no_value(bench: Bench) -> None:
    image = pv_image(bench, (1, 701, 702, 704, 710, 711, 714))
    placed(image, 710).Hz_SF.value = None
    placed(image, 711).K_SF.value = None
    placed(image, 714).DCW_SF.value = 200
    spoil(image, 710)
    spoil(image, 711)
    told = on_image(image).read(whole=True)
    assert {"trip_over_hz", "droop_frac", "dc_power_kw"} & set(told) == set()


def test_droop_that_is_switched_off_cannot_be_used(bench: Bench) -> None:
    image = pv_image(bench, (1, 701, 702, 704, 711))
    assert Droop.told(on_image(image).read(whole=True)) == Droop(0.2, 0.04)
    placed(image, 711).Ena.value = 0
    spoil(image, 711)
    assert Droop.told(on_image(image).read(whole=True)) is None


def test_a_frequency_watt_curve_is_throttled_by_at_least_what_is_asked() -> None:
    curve = ((50.2, 1.0), (51.0, 0.7), (52.0, 0.1), (53.0, 0.1))
    told = droop_of_curve(curve, 50.0)
    droop = Droop.told(told)
    assert droop is not None
    assert (droop.deadband_hz, droop.least_frac) == (pytest.approx(0.2), pytest.approx(0.1))
    for limit_kw in (90.0, 70.0, 40.0, 10.0, 0.0):
        shifted_hz = frequency_for_limit(limit_kw, 100.0, droop)
        assert np.interp(shifted_hz, *zip(*curve, strict=True)) * 100.0 <= max(limit_kw, 10.0) + 1e-6
    assert droop_of_curve(((49.0, 1.0), (50.0, 1.0)), 50.0) == {}


@pytest.mark.parametrize("number", [127, 134])
def test_frequency_watt_models_of_old_inverters_are_read(bench: Bench, number: int) -> None:
    image = pv_image(bench, (1, 103, 120, 123, number))
    model = placed(image, number)
    if number == 127:
        model.ModEna.value, model.WGra_SF.value, model.HzStrStop_SF.value = 1, 0, -2
        model.WGra.cvalue, model.HzStr.cvalue = 50.0, 0.2
    else:
        model.ModEna.value, model.ActCrv.value, model.Hz_SF.value, model.W_SF.value = 1, 1, -2, 0
        curve = model.groups["curve"][0].points
        curve["ActPt"].value = 2
        curve["Hz1"].cvalue, curve["W1"].cvalue = 50.2, 100.0
        curve["Hz2"].cvalue, curve["W2"].cvalue = 52.2, 0.0
    assert Droop.told(on_image(image).read(whole=True)) == Droop(pytest.approx(0.2), pytest.approx(0.04))


def test_a_ceiling_in_watts_where_percent_is_not_implemented(bench: Bench) -> None:
    image = SunSpecImage(bench.faces["pv-a"], rating_kw=330.0, models=(1, 701, 702, 704), in_watts=True)
    device, model = on_image(image), placed(image, 704)
    assert device.write("limit_kw", 66.0049).same
    assert (model.WSetEna.value, model.WSetMod.value, model.WMaxLimPct.value) == (1, 1, None)
    assert device.read()["limit_kw"] == pytest.approx(66.004)
    assert bench.faces["pv-a"].tell()["limit_kw"] == pytest.approx(66.004)
    device.release()
    assert model.WSetEna.value == 0
    assert bench.faces["pv-a"].tell()["limit_kw"] == pytest.approx(330.0)


def test_a_heartbeat_that_stands_still_is_a_lost_device_whoever_answers(bench: Bench) -> None:
    now_s, beat_s = [0.0], [0.0]
    image = pv_image(bench, (1, 701, 702, 704, 715), lambda: beat_s[0])
    device = on_image(image, clock=lambda: now_s[0])
    for _ in range(3):
        now_s[0] += 5.0
        beat_s[0] += 5.0
        assert "power_kw" in device.read()
    now_s[0] += HEART_S + 1.0
    with pytest.raises(DeviceLostError, match="heartbeat stands still"):
        device.read()
    beat_s[0] += 1.0
    assert "power_kw" in device.read()


def test_a_heart_that_never_beat_is_none(bench: Bench) -> None:
    now_s = [0.0]
    device = on_image(pv_image(bench, (1, 701, 702, 704, 715)), clock=lambda: now_s[0])
    for _ in range(4):
        assert "power_kw" in device.read()
        now_s[0] += 2.0 * HEART_S


def test_settings_that_do_not_go_with_an_island_are_named(bench: Bench) -> None:
    device = sunspec(bench, "pv-a")
    device.read(whole=True)
    assert setting_warnings(device.line, Kind.PV, by_frequency=True) == ()
    image = pv_image(bench, (1, 701, 702, 704, 710, 711, 715))
    group = placed(image, 710).groups["Crv"][0].groups["MustTrip"].groups["Pt"]
    group[0].points["Hz"].cvalue = 51.5
    placed(image, 704).AntiIslEna.value = 1
    spoil(image, 710)
    bench.plant.on_local.add("pv-a")
    try:
        device = on_image(image)
        device.read(whole=True)
        assert [text.split(":")[0] for text in setting_warnings(device.line, Kind.BATTERY, by_frequency=True)] == [
            "its anti-islanding is on",
            "it is on LOCAL",
        ]
        trips, local = setting_warnings(device.line, Kind.PV, by_frequency=True)
        assert "trips at 51.5 Hz, before it is throttled as far as it goes at 52.2 Hz" in trips
        assert local.startswith("it is on LOCAL")
        placed(image, 711).Ena.value = 0
        spoil(image, 711)
        device.read(whole=True)
        assert "does not throttle by frequency" in setting_warnings(device.line, Kind.PV, by_frequency=True)[0]
    finally:
        bench.plant.on_local.clear()
