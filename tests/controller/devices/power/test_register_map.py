"""Register maps: every fault at once, numbers in every byte and word order, requests that spare the line."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.devices.power.codec import RANGES, raw_number, scaled, words_of
from controller.devices.power.mapped import blocks
from controller.devices.power.points import decoded, encoded, order_words, same_value
from controller.devices.power.register_map import Point, load_map, parse_map
from sites.errors import InputError

MAPS = sorted(each.stem for each in (Path(str(resources.files("controller.devices.power"))) / "maps").glob("*.yaml"))
BAD = """
name: bad
kind: genset
source: made up for this test
groups: {fast: 1, never: 0}
points:
  power_kw: {function: 3, address: 100, type: int32, unit: W}
  frequency_hz: {function: 3, address: 101, type: uint16, unit: Hz}
  voltage_v: {function: 3, address: 110, type: uint24, unit: V}
  coolant_c: {function: 3, address: 120, scale: 0, unit: C}
  set_kw: {function: 3, address: 130, unit: kW, write: {function: 16}}
  run: {function: 1, address: 5, type: uint16, write: {function: 5}}
  setpoint_c: {function: 3, address: 140, unit: C, write: {function: 6, limits: [30, 10]}}
  oil_kpa: {function: 3, address: 150, unit: kPa, group: sometimes}
  starts: {function: 3, address: 160, tpye: uint16}
  alarm: {function: 3, address: 170, states: {0: false, 1: true}, write: {function: 6, limits: [0, 1]}}
"""


def test_all_faults_of_a_map_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_map(BAD, source="bad.yaml")
    told = {fault.field: fault.mend for fault in caught.value.faults}
    assert set(told) == {
        "points.power_kw.unit",
        "points.frequency_hz.address",
        "points.voltage_v.type",
        "points.coolant_c.scale",
        "points.set_kw",
        "points.run",
        "points.setpoint_c.write.limits",
        "points.oil_kpa.group",
        "points.starts.tpye",
        "points.alarm.write",
        "groups.never",
    }
    assert "power_kw takes 100..101" in told["points.frequency_hz.address"]
    assert "limits" in told["points.set_kw"]
    assert "scale of 0" in told["points.coolant_c.scale"]
    assert all(fault.source == "bad.yaml" for fault in caught.value.faults)


@pytest.mark.parametrize("text", ["", "[]", "name: x", "points: 3", "kind: genset\npoints: {a: 3}", "a: [b"])
def test_what_is_no_map_is_bad_input(text: str) -> None:
    with pytest.raises(InputError):
        parse_map(text, source="x.yaml")


def test_a_fault_of_a_point_hides_none_between_points() -> None:
    text = """
name: bad
kind: meter
source: a list
points:
  energy_kwh: {function: 3, address: 101, type: int32, scale: 0, unit: kWh}
  voltage_v: {function: 3, address: 102, type: int32, unit: A, group: gone, write: {function: 16}}
"""
    with pytest.raises(InputError) as caught:
        parse_map(text, source="bad.yaml")
    fields = {fault.field for fault in caught.value.faults}
    assert fields == {
        "points.energy_kwh.scale",
        "points.voltage_v",
        "points.voltage_v.address",
        "points.voltage_v.group",
        "points.voltage_v.unit",
    }


def test_a_map_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(InputError, match="dse-gencomm"):
        load_map("no-such-map")


@pytest.mark.parametrize("name", MAPS)
def test_packaged_maps_are_right_and_name_their_source(name: str) -> None:
    described = load_map(name)
    assert described.name == name
    assert described.source


@given(
    st.sampled_from(sorted(RANGES)), st.sampled_from(["big", "little"]), st.sampled_from(["big", "little"]), st.data()
)
def test_integers_survive_every_order(kind: str, byte_order: str, word_order: str, data: st.DataObject) -> None:
    raw = data.draw(st.integers(*RANGES[kind]))
    orders = {"byte_order": byte_order, "word_order": word_order}
    words = words_of(raw, kind, **orders)  # type: ignore[arg-type]
    assert all(0 <= word <= 0xFFFF for word in words)
    if kind in ("int16", "uint16", "int32", "uint32"):
        assert raw_number(words, kind, **orders) == raw  # type: ignore[arg-type]


def test_orders_of_bytes_and_words_are_what_they_are_called() -> None:
    assert words_of(0x11223344, "uint32") == [0x1122, 0x3344]
    assert words_of(0x11223344, "uint32", word_order="little") == [0x3344, 0x1122]
    assert words_of(0x11223344, "uint32", byte_order="little") == [0x2211, 0x4433]
    assert words_of(0x11223344, "uint32", byte_order="little", word_order="little") == [0x4433, 0x2211]
    assert words_of(1.0, "float32") == [0x3F80, 0]
    assert words_of(-2, "int16") == [0xFFFE]
    for value, kind in ((65536, "uint16"), (-1, "uint16"), (40000, "int16")):
        with pytest.raises(ValueError, match="does not fit"):
            words_of(value, kind)


def test_sentinels_and_what_is_no_number_have_no_value() -> None:
    assert scaled(32767, sentinels=(32767,)) is None
    assert scaled(float("nan")) is None
    assert scaled(32766, scale=0.1, offset=-100.0, sentinels=(32767,)) == pytest.approx(3176.6)
    point = Point(address=0, type="uint16", states={0: False, 2: True})
    assert [decoded(point, [raw]) for raw in (0, 1, 2)] == [False, None, True]


@given(st.floats(-100, 500), st.sampled_from([0.001, 0.1, 1.0, -0.1]), st.sampled_from([0.0, -100.0]))
def test_a_value_comes_back_within_half_a_count(value: float, scale: float, offset: float) -> None:
    point = Point(address=0, type="int32", scale=scale, offset=offset)
    found = decoded(point, encoded(point, value))
    assert found is not None
    assert same_value(point, value, found)
    assert abs(float(found) - value) <= 0.5 * abs(scale) + 1e-9


def test_bits_share_a_register_and_control_keys_are_words() -> None:
    point = Point(address=0, type="bit", bit=3)
    assert decoded(point, [0b1000]) is True
    assert decoded(point, [0b0111]) is False
    assert encoded(point, True) == [0b1000]
    keys = load_map("dse-gencomm").points["run"]
    assert order_words(keys, True) == [35732, 0xFFFF - 35732]
    assert order_words(keys, False) == [35733, 0xFFFF - 35733]


def test_neighbours_are_read_in_one_request_and_holes_are_left_out() -> None:
    described = load_map("comap-il4")
    fast = [(block.function, block.address, block.count) for block in blocks(described, "fast")]
    assert fast == [(1, 4700, 1), (3, 1020, 1), (3, 1298, 1), (3, 1382, 1)]
    slow = [(block.address, block.count) for block in blocks(described, "slow")]
    assert (1021, 3) in slow
    wide = load_map("bench-genset")
    assert [(block.address, block.count) for block in blocks(wide, "fast") if block.function == 3] == [(0, 12)]
