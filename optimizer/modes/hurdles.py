"""What stops a GPU from serving a workload before rate and power count: climate, memory, latency and interconnect."""

from __future__ import annotations

import math
from typing import NamedTuple

from optimizer.modes.advice import Conditions, Verdict, Workload
from optimizer.modes.options import GROUPS, TAIL, TIGHTEST_TAIL, Demanded, service_quantile_s
from sites.catalog.records import GpuEntry, Precision
from sites.compute.chain import OTHERS_SHARE
from sites.compute.decode import GroupLink, weights_b
from sites.compute.hardware import (
    USABLE_MEMORY_FRAC,
    GpuSpec,
    ItemSpec,
    LlmSpec,
    bytes_per_param,
    gpu_spec,
    model_spec,
)
from sites.compute.items import item_point, item_slots_max
from sites.compute.point import group_link, llm_point, llm_slots_max
from sites.schema.workload import Pool


class Hurdle(NamedTuple):
    """What stops a candidate."""

    verdict: Verdict
    text: str


def asked_of(workload: Workload) -> Demanded:
    """Return how sure the budget has to be kept, how the work varies, and whether the device is shared.

    Of the 1 % that may be late a chained service leaves half to its other stages.
    """
    tail = TIGHTEST_TAIL if workload.latency_class == "under-100ms" else TAIL
    return Demanded(
        tail=tail * (1.0 - OTHERS_SHARE) if workload.elsewhere_s > 0.0 else tail,
        tokens_scv=workload.output_scv,
        batch_max=1 if workload.pinned else Demanded().batch_max,
        group_sizes=len(GROUPS),
    )


def climate_hurdle(entry: GpuEntry, conditions: Conditions) -> Hurdle | None:
    """Return whether the air is outside the inlet range."""
    low, high = entry.inlet_min_c.value, entry.inlet_max_c.value
    if conditions.ambient_c > high:
        return Hurdle(Verdict.TOO_HOT, f"inlet air of {conditions.ambient_c:g} C, it takes up to {high:g} C")
    if conditions.ambient_c < low:
        return Hurdle(Verdict.TOO_COLD, f"inlet air of {conditions.ambient_c:g} C, it takes down to {low:g} C")
    return None


def fit_hurdle(gpu: GpuSpec, pool: Pool, workload: Workload) -> Hurdle | None:
    """Return whether the model fits on no group of GPUs inside one host."""
    model = model_spec(workload.model)
    if any(_groups(gpu, pool, workload, model, precision) for precision in workload.precisions):
        return None
    least = min(_need_b(model, precision, workload) for precision in workload.precisions)
    most = max(group for group in GROUPS if group <= pool.group_most) if isinstance(model, LlmSpec) else 1
    room = most * gpu.memory_b * USABLE_MEMORY_FRAC
    one = "the most one host has" if most > 1 else "all it has"
    return Hurdle(
        Verdict.DOES_NOT_FIT,
        f"needs {least / 1e9:.0f} GB at {_lightest(workload)}, "
        f"{most} GPU{'s hold' if most > 1 else ' holds'} {room / 1e9:.0f} GB, {one}",
    )


def latency_hurdle(gpu: GpuSpec, pool: Pool, workload: Workload, conditions: Conditions) -> Hurdle:
    """Return why no option keeps the budget even alone: too slow, or too slow for want of NVLink."""
    alone = best_alone_s(gpu, pool, workload, conditions) + workload.elsewhere_s
    model = model_spec(workload.model)
    if isinstance(model, LlmSpec) and pool.interconnect in ("pcie", "nvlink-bridge"):
        linked = best_alone_s(gpu, pool, workload, conditions, nvlink=True) + workload.elsewhere_s
        if linked <= workload.p99_s:
            text = f"{alone:.3g} s over PCIe even alone, {linked:.3g} s with NVLink; the budget is {workload.p99_s:g} s"
            return Hurdle(Verdict.NEEDS_NVLINK, text)
    return Hurdle(
        Verdict.MISSES_P99, f"{alone:.3g} s at P99 even alone and uncapped; the budget is {workload.p99_s:g} s"
    )


def best_alone_s(
    gpu: GpuSpec, pool: Pool, workload: Workload, conditions: Conditions, *, nvlink: bool = False
) -> float:
    """Return the shortest P99 [s] of a single request on this GPU, infinite if the model does not fit.

    ``nvlink`` supposes NVLink as wide as that of an H100 SXM between its GPUs.
    """
    model = model_spec(workload.model)
    limit_w = gpu.limits.max_limit_w if conditions.limit_w is None else conditions.limit_w
    asked = asked_of(workload)
    best = math.inf
    for precision in workload.precisions:
        if isinstance(model, ItemSpec):
            if item_slots_max(gpu, model, precision):
                point = item_point(gpu, model, precision, 1, limit_w, workload.units)
                best = min(best, service_quantile_s(point, asked))
            continue
        for group in _groups(gpu, pool, workload, model, precision):
            link = group_link(gpu, pool.interconnect, group)
            if nvlink:
                link = GroupLink(gpus=group, bandwidth_b_s=gpu_spec("h100-sxm5").link_b_s, over_pcie=False)
            point = llm_point(
                gpu,
                model,
                precision,
                1,
                limit_w,
                workload.input_tokens,
                workload.output_tokens,
                link,
                workload.speculative,
            )
            best = min(best, service_quantile_s(point, asked))
    return best


def _groups(gpu: GpuSpec, pool: Pool, workload: Workload, model: LlmSpec | ItemSpec, precision: Precision) -> list[int]:
    if isinstance(model, ItemSpec):
        return [1] if item_slots_max(gpu, model, precision) else []
    context = workload.input_tokens + workload.output_tokens
    return [
        group
        for group in GROUPS
        if group <= pool.group_most and llm_slots_max(gpu, model, precision, context, group, workload.speculative)
    ]


def _need_b(model: LlmSpec | ItemSpec, precision: Precision, workload: Workload) -> float:
    if isinstance(model, ItemSpec):
        return model.params * bytes_per_param(precision) + model.activation_b
    context = workload.input_tokens + workload.output_tokens
    return weights_b(model, precision) + context * model.kv_b_per_token


def _lightest(workload: Workload) -> Precision:
    return min(workload.precisions, key=bytes_per_param)
