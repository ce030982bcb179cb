"""Power, charge, sun and price over time: they parse, nothing is clipped, and heights mean what they should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.reports.charts.frame import Horizon
from controller.reports.charts.panel import MEDIUM, NARROW, PANELS, WIDE, Panel
from controller.reports.charts.power import power_chart, supply_layers, use_layers
from controller.reports.charts.price import price_chart
from controller.reports.charts.pv_band import PvBand, pv_band, pv_chart, resample
from controller.reports.charts.soc import SocLimits, soc_chart
from forecasting.records import Forecast
from optimizer.plan import GensetInterval, Interval
from sites.times import TimeGrid, uniform_grid
from tests.controller.reports.drawing_checks import assert_inside, by_class, coordinates, told
from tests.controller.reports.random_plans import horizons, interval_rows

START = datetime(2025, 1, 15, 17, 0, tzinfo=UTC)
LIMITS = SocLimits(soc_min_frac=0.1, soc_reserve_frac=0.2, soc_max_frac=0.95, capacity_kwh=1200)


def _horizon(steps: int = 4) -> Horizon:
    return Horizon(grid=uniform_grid(START, hours=1.0, steps=steps), zone=ZoneInfo("America/New_York"), now_utc=START)


def _interval(
    index: int, *, pv: float = 0.0, spare: float = 0.0, battery: float = 0.0, engine: float = 0.0
) -> Interval:
    load = pv + battery + engine
    return Interval(
        start_utc=START + timedelta(hours=index),
        hours=1.0,
        pv_available_kw=pv + spare,
        pv_used_kw=pv,
        battery_kw=battery,
        soc_end_frac=0.5,
        gensets=(GensetInterval(name="diesel-1", on=engine > 0, kw=engine),),
        load_kw=load,
        it_kw=load * 0.8,
        cooling_kw=load * 0.1,
        shed_kw=0.0,
        reserve_kw=0.0,
        price_usd_per_kwh=0.2,
    )


@settings(max_examples=25, deadline=None)
@given(data=st.data(), panel=st.sampled_from(PANELS))
def test_any_plan_can_be_drawn_without_clipping(data: st.DataObject, panel: Panel) -> None:
    horizon = data.draw(horizons())
    intervals = data.draw(interval_rows(horizon))
    pv = tuple(each.pv_available_kw for each in intervals)
    band = PvBand(low_kw=tuple(kw / 2 for kw in pv), median_kw=pv, high_kw=pv, low_level=0.1, high_level=0.9)
    drawings = (
        power_chart(panel, horizon, intervals),
        soc_chart(panel, horizon, intervals, LIMITS, soc_now_frac=None),
        pv_chart(panel, horizon, band, intervals),
        price_chart(panel, horizon, intervals),
    )
    for drawing in drawings:
        root = assert_inside(drawing)
        assert len(told(root)) == len(intervals)
        assert root.attrib["aria-label"]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_drawn_above_the_axis_equals_what_is_drawn_below(data: st.DataObject) -> None:
    horizon = data.draw(horizons())
    for interval in data.draw(interval_rows(horizon)):
        above = sum(kw for name, kw in supply_layers(interval) if name != "curtailed")
        below = sum(kw for _, kw in use_layers(interval))
        assert above == pytest.approx(below, abs=1e-6)


def test_layers_are_stacked_in_proportion() -> None:
    root = assert_inside(power_chart(WIDE, _horizon(1), (_interval(0, pv=100, spare=50, battery=40, engine=60),)))
    edges = {}
    for name in ("pv", "battery", "genset", "curtailed"):
        (area,) = by_class(root, "area", name)
        heights = [y for _, y in coordinates(area.attrib["d"])]
        edges[name] = (max(heights), min(heights))
    kw_px = (edges["pv"][0] - edges["pv"][1]) / 100
    assert edges["battery"] == pytest.approx((edges["pv"][1], edges["pv"][1] - 40 * kw_px), abs=0.02)
    assert edges["genset"] == pytest.approx((edges["battery"][1], edges["battery"][1] - 60 * kw_px), abs=0.02)
    assert edges["curtailed"] == pytest.approx((edges["genset"][1], edges["genset"][1] - 50 * kw_px), abs=0.02)


def test_curtailed_sun_is_hatched_not_only_coloured() -> None:
    root = assert_inside(power_chart(WIDE, _horizon(1), (_interval(0, pv=10, spare=50),)))
    (area,) = by_class(root, "area", "curtailed")
    assert area.attrib["fill"] == "url(#hatch-curtailed)"


def test_layers_without_power_are_not_drawn() -> None:
    root = assert_inside(power_chart(WIDE, _horizon(2), (_interval(0, pv=10), _interval(1, pv=20))))
    assert not by_class(root, "genset")
    assert not by_class(root, "charge")


def test_each_column_says_what_happens_in_it() -> None:
    intervals = (_interval(0, pv=212, spare=88, battery=-100), _interval(1, battery=30, engine=45))
    first, second = told(assert_inside(power_chart(NARROW, _horizon(2), intervals)))
    assert first.startswith("Wed 15 Jan 12:00–13:00: sun 212\u202fkW, 88\u202fkW curtailed, battery takes 100\u202fkW")
    assert "diesel-1 45\u202fkW" in second
    assert "battery gives 30\u202fkW" in second


def test_only_the_first_column_is_in_the_tab_order() -> None:
    root = assert_inside(price_chart(WIDE, _horizon(4), tuple(_interval(i, pv=5) for i in range(4))))
    assert [each.attrib["tabindex"] for each in by_class(root, "hit")] == ["0", "-1", "-1", "-1"]


def test_axes_name_units_and_zone() -> None:
    intervals = (_interval(0, pv=10),)
    drawings = {
        "kW": power_chart(WIDE, _horizon(1), intervals),
        "% of usable capacity": soc_chart(WIDE, _horizon(1), intervals, LIMITS, soc_now_frac=0.5),
        "$ per kWh": price_chart(WIDE, _horizon(1), intervals),
    }
    for unit, drawing in drawings.items():
        root = assert_inside(drawing)
        assert [each.text for each in by_class(root, "unit")] == [unit]
        assert [each.text for each in by_class(root, "zone")] == ["EST"]


def test_days_come_before_hours_where_labels_have_no_room() -> None:
    root = assert_inside(power_chart(MEDIUM, _horizon(96), tuple(_interval(hour, pv=10) for hour in range(96))))
    days = [each.text for each in by_class(root, "tick", "strong")]
    assert days == ["Thu 16 Jan", "Fri 17 Jan", "Sat 18 Jan", "Sun 19 Jan"]


def test_over_many_days_only_those_with_a_label_have_a_line() -> None:
    hours = 24 * 31
    root = assert_inside(power_chart(WIDE, _horizon(hours), tuple(_interval(hour, pv=10) for hour in range(hours))))
    labels = by_class(root, "tick", "middle", "strong")
    assert 4 <= len(labels) < 31
    assert len(by_class(root, "grid", "day")) == len(labels)


def test_the_charge_curve_starts_at_the_charge_now() -> None:
    root = assert_inside(soc_chart(WIDE, _horizon(2), (_interval(0), _interval(1)), LIMITS, soc_now_frac=0.75))
    (curve,) = by_class(root, "curve", "battery")
    points = coordinates(curve.attrib["d"])
    (reserve,) = by_class(root, "reserve")
    px_per_frac = (points[1][1] - points[0][1]) / (0.75 - 0.5)
    assert float(reserve.attrib["y1"]) - points[1][1] == pytest.approx(px_per_frac * 0.3, abs=0.05)
    assert "75\u202f% to 50\u202f% (600\u202fkWh stored)" in told(root)[0]


def test_the_present_is_marked_only_inside() -> None:
    inside = assert_inside(price_chart(MEDIUM, _horizon(2), (_interval(0), _interval(1))))
    (line,) = by_class(inside, "present")
    assert float(line.attrib["data-from-s"]) == START.timestamp()
    late = Horizon(grid=_horizon(2).grid, zone=ZoneInfo("UTC"), now_utc=START + timedelta(days=3))
    assert not by_class(assert_inside(price_chart(MEDIUM, late, (_interval(0), _interval(1)))), "present")


def test_nights_next_to_each_other_are_one() -> None:
    horizon = Horizon(grid=_horizon(4).grid, zone=ZoneInfo("UTC"), dark=(True, True, False, True))
    root = assert_inside(price_chart(WIDE, horizon, tuple(_interval(i) for i in range(4))))
    assert len(by_class(root, "night")) == 2


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.floats(0, 100), min_size=4, max_size=4),
    hours=st.lists(st.sampled_from((0.25, 0.5, 1.0, 2.0)), min_size=1, max_size=8),
)
def test_resampling_keeps_energy_where_both_grids_overlap(values: list[float], hours: list[float]) -> None:
    source = uniform_grid(START, hours=4.0, steps=4)
    target = TimeGrid(start_utc=START, hours=tuple(hours))
    means = resample(source, values, target)
    energy = sum(mean * length for mean, length in zip(means, hours, strict=True))
    total = sum(hours)
    expected = sum(value * max(min(total, 4.0 * i + 4) - 4.0 * i, 0.0) for i, value in enumerate(values))
    assert energy == pytest.approx(expected, abs=1e-6)


def test_the_band_takes_the_levels_nearest_to_ten_fifty_and_ninety() -> None:
    forecast = Forecast(
        issued_utc=START,
        rung="history",
        source="test",
        start_utc=START,
        hours=(1.0,),
        quantile_levels=(0.05, 0.25, 0.5, 0.95),
        pv_available_kw=(10.0,),
        pv_quantiles_kw=((1.0,), (5.0,), (10.0,), (20.0,)),
        outdoor_c=(3.0,),
    )
    band = pv_band(forecast, uniform_grid(START, hours=0.5, steps=2))
    assert (band.low_kw, band.median_kw, band.high_kw) == ((1, 1), (10, 10), (20, 20))
    assert (band.low_level, band.high_level) == (0.05, 0.95)
