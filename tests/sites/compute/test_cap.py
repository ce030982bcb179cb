"""A GPU under a power limit: bounds, monotony, inverse, and measured points."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.compute.hardware import curve, gpu_spec
from sites.compute.levels import cap_levels, limit_steps_w
from sites.compute.point import decode_speed_frac
from sites.plant.gpu import (
    CapCurve,
    GpuLimits,
    busy_power_w,
    enforced_limit_w,
    limit_for_speed_w,
    mean_power_w,
    speed_at_frac,
    speed_frac,
)

CURVES = st.builds(CapCurve, knee_frac=st.floats(0.3, 5.0), exponent=st.floats(0.2, 2.0))
H100 = GpuLimits(idle_w=70.0, min_limit_w=200.0, max_limit_w=700.0)


@given(CURVES, st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_less_power_is_never_faster(shape: CapCurve, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0.0 < speed_at_frac(low, shape) <= speed_at_frac(high, shape) <= 1.0


@given(CURVES)
def test_no_limit_no_loss(shape: CapCurve) -> None:
    assert speed_at_frac(1.0, shape) == 1.0
    assert speed_at_frac(3.0, shape) == 1.0
    assert speed_at_frac(0.9999, shape) == pytest.approx(1.0, abs=0.01)


@given(CURVES, st.floats(0.35, 0.999))
def test_inverse_gives_the_speed_back(shape: CapCurve, wanted: float) -> None:
    wide = GpuLimits(idle_w=0.0, min_limit_w=0.001, max_limit_w=1e6)
    limit_w = limit_for_speed_w(wanted, 600.0, shape, wide)
    assert speed_frac(limit_w, 600.0, shape, wide) == pytest.approx(wanted, rel=1e-6)


@given(st.floats(1.0, 2000.0), st.floats(71.0, 900.0))
def test_draw_stays_between_idle_and_limit(limit_w: float, natural_w: float) -> None:
    drawn = busy_power_w(limit_w, natural_w, H100)
    assert H100.idle_w <= drawn <= min(natural_w, enforced_limit_w(limit_w, H100))
    assert mean_power_w(0.0, limit_w, natural_w, H100) == H100.idle_w
    assert mean_power_w(2.0, limit_w, natural_w, H100) == drawn


@pytest.mark.parametrize(("asked", "enforced"), [(50.0, 200.0), (450.0, 450.0), (900.0, 700.0)])
def test_limit_is_clipped_to_the_settable_range(asked: float, enforced: float) -> None:
    assert enforced_limit_w(asked, H100) == enforced


@pytest.mark.parametrize(("limit_w", "speed"), [(400.0, 0.97), (350.0, 0.88), (300.0, 0.76)])
def test_dense_27b_on_rtx_pro_6000_as_measured(limit_w: float, speed: float) -> None:
    """MMBT power sweeps: batch 32, natural draw 588 W of 600 W."""
    assert decode_speed_frac(limit_w, 588.0, 32, gpu_spec("rtx-pro-6000")) == pytest.approx(speed, abs=0.03)


@pytest.mark.parametrize(
    ("profile", "limit_w", "low", "high"), [("vision", 200.0, 0.70, 0.83), ("prefill", 290.0, 0.84, 0.91)]
)
def test_h100_pcie_as_audited(profile: str, limit_w: float, low: float, high: float) -> None:
    """MLPerf Inference v3.0, H100 PCIe at 200 and 290 of 350 W."""
    shape = curve("vision") if profile == "vision" else curve("prefill")
    assert low <= speed_at_frac(limit_w / 350.0, shape) <= high


def test_prefill_suffers_before_decode() -> None:
    for share in (0.6, 0.7, 0.8, 0.9):
        assert speed_at_frac(share, curve("prefill")) < speed_at_frac(share, curve("decode"))


@pytest.mark.parametrize("profile", ["decode", "prefill", "vision", "training"])
@pytest.mark.parametrize("gpu", ["h100-pcie", "l40s", "jetson-agx-orin", "rtx-6000-ada"])
def test_levels_rise_in_power_and_speed_and_end_at_full_speed(gpu: str, profile: str) -> None:
    levels = cap_levels(gpu, profile, 5)
    assert len(levels) >= 3
    assert levels[-1].speed_frac == 1.0
    for low, high in pairwise(levels):
        assert low.limit_w < high.limit_w
        assert low.power_w < high.power_w
        assert low.speed_frac < high.speed_frac
        assert low.idle_w <= low.power_w <= low.limit_w


def test_a_jetson_takes_its_modes_only() -> None:
    assert limit_steps_w(gpu_spec("jetson-agx-orin"), 9) == (15.0, 30.0, 50.0, 60.0)
    assert limit_steps_w(gpu_spec("jetson-agx-orin"), 9, 40.0) == (15.0, 30.0)


def test_levels_end_at_a_lowered_ceiling() -> None:
    assert cap_levels("h100-pcie", "training", 4, 300.0)[-1].limit_w == 300.0
    assert limit_steps_w(gpu_spec("h100-pcie"), 1) == (350.0,)


def test_the_compiled_source_gives_the_same_numbers() -> None:
    """The site-design kernel compiles these very functions."""
    from optimizer.sizing.compiled import compiled

    fast_speed, fast_power = compiled(speed_frac), compiled(busy_power_w)
    shape = CapCurve(knee_frac=0.616, exponent=1.3)
    for limit_w in (100.0, 250.0, 400.0, 900.0):
        assert fast_speed(limit_w, 600.0, shape, H100) == pytest.approx(
            speed_frac(limit_w, 600.0, shape, H100), rel=1e-12
        )
        assert fast_power(limit_w, 600.0, H100) == busy_power_w(limit_w, 600.0, H100)
