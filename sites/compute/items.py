"""An operating point of a per-item model: images, frames, volumes, utterances, samples on one GPU at a power limit.

A batch of ``B`` items takes ``S = t_fixed + B / rate`` (1), ``t_fixed`` the launch of its serial steps, and draws
``full - (full - single) / B`` (2). To a GPU where it was not measured the rate goes by ``sqrt(FLOPs x bandwidth)`` (3),
between compute- and memory-bound; ``python -m benchmarks.compute`` prints how far that is off.
"""

from __future__ import annotations

import math
from functools import lru_cache

from sites.catalog.records import CurveName, Precision
from sites.compute.hardware import (
    USABLE_MEMORY_FRAC,
    GpuSpec,
    ItemsMeasured,
    ItemSpec,
    bytes_per_param,
    curve,
    gpu_spec,
    matrix_flops,
)
from sites.compute.point import Point
from sites.compute.records import PowerProfile
from sites.plant.gpu import busy_power_w, speed_frac

ITEM_EFFICIENCY_FRAC = 0.25
"""Share of dense FLOPs per-item models reach where nothing was measured (MLPerf: 0.2-0.35)."""
PLAIN_EFFICIENCY_FRAC = 0.4
"""Share of FP32 FLOPs that ordinary numerical work reaches (estimated)."""
REFERENCE_GPU = "h100-pcie"
"""GPU that the efficiency of unmeasured per-item models refers to."""
SINGLE_ITEM_SHARE = 0.75
"""Draw of one item at a time over that of a large batch, above idle (image models on H100: 0.73-0.99)."""
_PROFILES: dict[CurveName, PowerProfile] = {
    "vision": "vision",
    "diffusion": "vision",
    "prefill": "prefill",
    "recommendation": "prefill",
    "training": "training",
}


def item_slots_max(gpu: GpuSpec, model: ItemSpec, precision: Precision) -> int:
    """Return how many items fit at once on one GPU; 0 if the weights do not."""
    free_b = gpu.memory_b * USABLE_MEMORY_FRAC - model.params * bytes_per_param(precision)
    return max(int(free_b // max(model.activation_b, 1.0)), 0)


@lru_cache(maxsize=65536)
def item_point(gpu: GpuSpec, model: ItemSpec, precision: Precision, batch: int, limit_w: float, units: float) -> Point:
    """Return the operating point of a per-item model for requests of ``units`` items (1), (2)."""
    work = items_on(gpu, model, precision)
    items = batch * units
    natural_w = work.full_w - (work.full_w - work.single_w) / max(items, 1.0)
    speed = speed_frac(limit_w, work.full_w, curve(model.profile, gpu.key), gpu.limits)
    service_s = work.fixed_s + items / work.per_s / speed
    return Point(
        slots=batch,
        service_s=service_s,
        first_token_s=service_s,
        itl_s=0.0,
        power_w=busy_power_w(limit_w, natural_w, gpu.limits),
        natural_w=natural_w,
        speed=speed,
        variable_frac=0.0,
        profile=_PROFILES[model.profile],
        measured=any(each.gpu == gpu.key for each in model.measured),
    )


@lru_cache(maxsize=2048)
def items_on(gpu: GpuSpec, model: ItemSpec, precision: Precision) -> ItemsMeasured:
    """Return rate, fixed time and draw of a per-item model on an unlimited GPU.

    As measured there; else carried over from the nearest measured GPU by (3), the draw by its share of the span from
    idle to saturated; else from a share of the dense FLOPs of an H100 PCIe, carried over in the same way. Work of the
    ordinary cores goes by their FLOPs alone.
    """
    fixed_s = model.launch_s * gpu.launch_factor * model.serial_steps
    if not model.on_tensor_cores:
        rate = gpu.fp32_flops * PLAIN_EFFICIENCY_FRAC / model.flop
        return ItemsMeasured(gpu.key, rate, fixed_s, gpu.saturated_w, _single_w(gpu, gpu.saturated_w))
    if not model.measured:
        there = gpu_spec(REFERENCE_GPU)
        rate = matrix_flops(there, precision) * ITEM_EFFICIENCY_FRAC / model.flop * _reach(gpu, there, precision)
        return ItemsMeasured(gpu.key, rate, fixed_s, gpu.saturated_w, _single_w(gpu, gpu.saturated_w))
    near = min(
        model.measured,
        key=lambda each: (each.gpu != gpu.key, abs(math.log(_reach(gpu_spec(each.gpu), gpu, precision)))),
    )
    there = gpu_spec(near.gpu)
    rate = near.per_s if near.gpu == gpu.key else near.per_s * _reach(gpu, there, precision)
    full_w = _carried_w(near.full_w or there.saturated_w, there, gpu)
    single_w = _carried_w(near.single_w, there, gpu) if near.single_w else _single_w(gpu, full_w)
    fixed_s = near.fixed_s * gpu.launch_factor if near.fixed_s else fixed_s
    return ItemsMeasured(gpu.key, rate, fixed_s, full_w, single_w)


def _reach(gpu: GpuSpec, there: GpuSpec, precision: Precision) -> float:
    """Return (3): how much faster per-item work runs on ``gpu`` than on ``there``."""
    flops = matrix_flops(gpu, precision) / matrix_flops(there, precision)
    return math.sqrt(flops * gpu.bandwidth_b_s / there.bandwidth_b_s)


def _carried_w(power_w: float, there: GpuSpec, here: GpuSpec) -> float:
    """Return a draw measured on one GPU carried to another at the same share of its span."""
    share = (power_w - there.limits.idle_w) / (there.saturated_w - there.limits.idle_w)
    return here.limits.idle_w + share * (here.saturated_w - here.limits.idle_w)


def _single_w(gpu: GpuSpec, full_w: float) -> float:
    """Return the draw with one item at a time where it was not measured (estimated: a share of the span)."""
    return gpu.limits.idle_w + SINGLE_ITEM_SHARE * (full_w - gpu.limits.idle_w)
