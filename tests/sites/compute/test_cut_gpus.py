"""GPUs that MIG cuts: sizes, and power that closes over the parts of a GPU."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.catalog.load import load_catalog
from sites.compute.hardware import curve, gpu_spec
from sites.compute.levels import cap_levels
from sites.compute.point import mig_cuts, mig_part
from sites.errors import InputError
from sites.plant.gpu import busy_power_w, mean_power_w, speed_frac

CUT = [(key, parts) for key in sorted(load_catalog().gpus) for parts in mig_cuts(gpu_spec(key))]


@pytest.mark.parametrize(
    ("gpu", "cuts"),
    [
        ("h100-pcie", {2: 3, 3: 2, 7: 1}),
        ("a100-pcie-80gb", {2: 3, 3: 2, 7: 1}),
        ("rtx-pro-6000", {2: 2, 4: 1}),
        ("jetson-agx-thor", {2: 1}),
        ("l40s", {}),
    ],
)
def test_equal_parts_that_fill_a_gpu(gpu: str, cuts: dict[int, int]) -> None:
    assert mig_cuts(gpu_spec(gpu)) == cuts


@given(st.sampled_from(CUT), st.floats(0.0, 1500.0), st.floats(0.05, 1.0), st.floats(0.0, 1.0))
def test_the_parts_of_a_gpu_idle_and_draw_as_the_gpu_does(
    cut: tuple[str, int], limit_w: float, share: float, busy: float
) -> None:
    whole, parts = gpu_spec(cut[0]), cut[1]
    part = mig_part(whole, parts)
    natural_w = whole.limits.idle_w + share * (whole.saturated_w - whole.limits.idle_w)
    together_w = parts * busy_power_w(limit_w / parts, natural_w / parts, part.limits)
    assert together_w == pytest.approx(busy_power_w(limit_w, natural_w, whole.limits))
    mean_w = parts * mean_power_w(busy, limit_w / parts, natural_w / parts, part.limits)
    assert mean_w == pytest.approx(mean_power_w(busy, limit_w, natural_w, whole.limits))
    assert parts * part.saturated_w == pytest.approx(whole.saturated_w)
    speed = speed_frac(limit_w, natural_w, curve("prefill", whole.key), whole.limits)
    assert speed_frac(limit_w / parts, natural_w / parts, curve("prefill", part.key), part.limits) == pytest.approx(
        speed
    )


@pytest.mark.parametrize(("gpu", "parts"), CUT)
def test_parts_have_no_more_than_the_gpu(gpu: str, parts: int) -> None:
    whole, part = gpu_spec(gpu), mig_part(gpu_spec(gpu), parts)
    for field in ("memory_b", "bandwidth_b_s", "fp16_flops", "fp8_flops", "int8_flops", "fp32_flops"):
        assert 0.0 < parts * getattr(part, field) <= getattr(whole, field) * (1.0 + 1e-9)
    levels, wholes = cap_levels(gpu, "training", mig_parts=parts), cap_levels(gpu, "training")
    assert parts * levels[-1].limit_w == pytest.approx(wholes[-1].limit_w)
    assert parts * levels[-1].power_w == pytest.approx(wholes[-1].power_w)
    assert parts * levels[0].idle_w == pytest.approx(wholes[0].idle_w)


def test_a_gpu_that_is_not_cut_is_itself() -> None:
    assert mig_part(gpu_spec("l40s"), 1) == gpu_spec("l40s")


@pytest.mark.parametrize(("gpu", "parts", "mend"), [("l40s", 2, "has no MIG"), ("h100-pcie", 4, "2 .of h100-pcie/3g.")])
def test_what_a_gpu_cannot_be_cut_into_is_refused(gpu: str, parts: int, mend: str) -> None:
    with pytest.raises(InputError, match=mend):
        mig_part(gpu_spec(gpu), parts)
