"""Flow diagram, gauges and GPU squares."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.reports.charts.flows import LAYOUTS, WIDEST_PX, FlowLayout, flow_diagram
from controller.reports.charts.gauges import WIDTH, Mark, PoolUse, level_gauge, pool_squares
from controller.reports.charts.icons import icon
from controller.reports.charts.svg import document
from controller.snapshot import BatteryReading, GensetPhase, GensetReading, Snapshot
from tests.controller.reports.drawing_checks import assert_inside, by_class
from tests.controller.web.container_day import START, container_day, without_readings

readings = st.one_of(st.none(), st.just(0.0), st.floats(-2e4, 2e4))


@settings(max_examples=60, deadline=None)
@given(
    layout=st.sampled_from(LAYOUTS), pv=readings, spare=st.floats(0, 900), battery=readings, engine=readings,
    load=readings, phase=st.sampled_from((None, *GensetPhase)), has_battery=st.booleans(), unserved=st.floats(0, 50),
)  # fmt: skip
def test_any_snapshot_can_be_drawn_without_clipping(
    layout: FlowLayout, pv: float | None, spare: float, battery: float | None, engine: float | None,
    load: float | None, phase: GensetPhase | None, has_battery: bool, unserved: float,
) -> None:  # fmt: skip
    snapshot = Snapshot(
        at_utc=START,
        battery=BatteryReading(soc_frac=0.5, power_kw=battery, temperature_c=None) if has_battery else None,
        gensets=(GensetReading(name="g1", phase=phase, power_kw=engine),),
        pv_kw=pv,
        pv_available_kw=None if pv is None else pv + spare,
        load_kw=load,
        it_kw=load,
        cooling_kw=0.0,
        unserved_kw=unserved,
    )
    assert_inside(flow_diagram(layout, snapshot))


def _widths(snapshot: Snapshot) -> dict[str, float]:
    root = assert_inside(flow_diagram(LAYOUTS[1], snapshot))
    return {
        name: float(wire.attrib["stroke-width"])
        for name in ("pv", "battery", "it", "cooling", "genset")
        for wire in by_class(root, "wire", name)
    }


def test_wires_are_as_wide_as_their_power() -> None:
    widths = _widths(container_day().snapshot)
    snapshot = container_day().snapshot
    assert widths["pv"] == pytest.approx(WIDEST_PX)
    assert snapshot.it_kw is not None
    assert snapshot.pv_kw is not None
    assert widths["it"] == pytest.approx(WIDEST_PX * snapshot.it_kw / snapshot.pv_kw, abs=0.01)
    assert "genset" not in widths


def test_a_missing_reading_is_a_dash_and_no_wire() -> None:
    bare = without_readings(container_day()).snapshot
    root = assert_inside(flow_diagram(LAYOUTS[1], bare))
    assert {each.text for each in by_class(root, "card-value")} == {"–"}
    assert not by_class(root, "wire", "battery")
    assert "Battery no reading –" in root.attrib["aria-label"]


@pytest.mark.parametrize(
    ("power_kw", "words", "upwards"), [(40.0, "Battery gives", True), (-40.0, "Battery takes", False)]
)
def test_the_battery_says_which_way_it_goes(power_kw: float, words: str, upwards: bool) -> None:
    day = container_day()
    reading = BatteryReading(soc_frac=0.5, power_kw=power_kw, temperature_c=20)
    root = assert_inside(flow_diagram(LAYOUTS[1], day.snapshot.model_copy(update={"battery": reading})))
    assert words in [each.text for each in by_class(root, "card-name")]
    (wire,) = by_class(root, "wire", "battery")
    assert (float(wire.attrib["y1"]) > float(wire.attrib["y2"])) == upwards


@pytest.mark.parametrize(
    ("phase", "note"),
    [
        (GensetPhase.RUNNING, "1 of 1 run"),
        (GensetPhase.WARMUP, "0 of 1 run, 1 starting"),
        (GensetPhase.OFF, "standing by"),
        (GensetPhase.LOCKED_OUT, "locked out"),
    ],
)
def test_gensets_say_what_they_do(phase: GensetPhase, note: str) -> None:
    reading = GensetReading(name="g1", phase=phase, power_kw=0.0)
    snapshot = container_day().snapshot.model_copy(update={"gensets": (reading,)})
    root = assert_inside(flow_diagram(LAYOUTS[1], snapshot))
    assert note in [each.text for each in by_class(root, "card-note")]


@settings(max_examples=50, deadline=None)
@given(frac=st.one_of(st.none(), st.floats(-0.1, 1.2)), marks=st.lists(st.floats(0, 1), max_size=4))
def test_gauges_never_overflow_and_labels_never_overlap(frac: float | None, marks: list[float]) -> None:
    named = [Mark(frac=each, label=f"mark {each * 100:.0f} %") for each in marks]
    root = assert_inside(level_gauge(frac, named, label="level", css_class="fuel"))
    starts = [float(each.attrib["x"]) for each in by_class(root, "tick")]
    assert starts == sorted(starts)
    assert bool(by_class(root, "gauge-fill")) == (frac is not None)


def test_a_gauge_is_filled_in_proportion() -> None:
    root = assert_inside(level_gauge(0.25, (), label="level", css_class="fuel"))
    (fill,) = by_class(root, "gauge-fill")
    assert float(fill.attrib["width"]) == pytest.approx((WIDTH - 2) * 0.25)


@settings(max_examples=50, deadline=None)
@given(gpus=st.integers(1, 256), out=st.integers(0, 20), serving=st.floats(0, 300), batch=st.floats(0, 300))
def test_there_is_one_square_a_gpu(gpus: int, out: int, serving: float, batch: float) -> None:
    use = PoolUse(
        name="h100", gpu="h100-pcie", gpus=gpus, gpus_ok=max(gpus - out, 0), serving=serving, batch=batch,
        draw_kw=1.0, limit_w=None, nodes=1, nodes_on=1,
    )  # fmt: skip
    assert len(by_class(assert_inside(pool_squares(use)), "gpu")) == gpus


@pytest.mark.parametrize("name", ["sun", "snowflake", "battery", "engine", "chip", "plug", "drop"])
def test_icons_are_well_formed(name: str) -> None:
    assert_inside(document([icon(name, 0, 0)], width=24, height=24, label=name, css_class="flows"))
