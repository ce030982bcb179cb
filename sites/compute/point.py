"""An operating point of a language model: one replica on a group of GPUs at a batch and a power limit.

A replica that serves ``B`` requests at once gives each of them one token every ITL and stops for each of the
``B`` prompts, so a request of ``i`` prompt and ``o`` answer tokens stays

    S = o ITL(B) / s_decode + B t_prefill(i) / s_prefill                                                   (1)

with the speeds ``s`` under the limit, each from its own cap curve at its own natural draw. Its draw is the
mean of both phases, weighted by their time. This takes every slot as full, so at lower load requests are
faster than promised and never slower.

Speculative decoding divides the number of steps by the accepted tokens a step and adds the draft's weights
and passes; the gain fades as the batch fills the GPU's arithmetic: verifying costs ``(d + 1)`` times the
FLOPs of a plain step."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from sites.catalog.records import Precision
from sites.compute import decode
from sites.compute.decode import GroupLink
from sites.compute.hardware import (
    USABLE_MEMORY_FRAC,
    GpuSpec,
    LlmSpec,
    curve,
    llm_spec,
    matrix_flops,
)
from sites.compute.records import PowerProfile
from sites.errors import InputError
from sites.plant.gpu import GpuLimits, busy_power_w, speed_frac

DRAFT_TOKENS = 4
"""Tokens the draft model proposes a step."""
ACCEPTED_FRAC = 0.7
"""Probability that a proposed token is accepted (Leviathan et al. 2023 see 0.6-0.8)."""
SATURATED_FROM_LOG2, SATURATED_TO_LOG2 = 5.0, 8.0
"""log2 of the batch over which the decode curve turns into the saturated one."""


_MIG_MEMORY = {1: 1 / 8, 2: 2 / 8, 3: 4 / 8, 4: 4 / 8, 7: 1.0}


class Point(NamedTuple):
    """What one replica does, all slots full."""

    slots: int
    """Requests at once."""
    service_s: float
    """Mean time of a request in service."""
    first_token_s: float
    """Time from the start of service to the first token or the finished item, at full batch."""
    itl_s: float
    """Time between tokens under the limit; 0 for per-item models."""
    power_w: float
    """Mean draw of one GPU."""
    natural_w: float
    """Mean draw of one GPU without a limit."""
    speed: float
    """Throughput relative to no limit."""
    variable_frac: float
    """Share of the service time that grows with the answer's length."""
    profile: PowerProfile
    measured: bool
    """Whether time and draw stem from a measurement of this very combination."""


def group_link(gpu: GpuSpec, pool_interconnect: str, gpus: int, pipeline: bool = False) -> GroupLink:
    """Return how ``gpus`` GPUs talk in a pool with this interconnect: nvlink, nvlink-bridge (pairs) or pcie."""
    if pipeline and gpus > 1:
        return GroupLink(gpus=gpus, bandwidth_b_s=gpu.pcie_b_s, over_pcie=True, pipeline=True)
    bridged = pool_interconnect == "nvlink-bridge" and gpus <= 2
    if gpus < 2 or pool_interconnect == "nvlink" or bridged:
        return GroupLink(gpus=gpus, bandwidth_b_s=gpu.link_b_s, over_pcie=False)
    return GroupLink(gpus=gpus, bandwidth_b_s=gpu.pcie_b_s, over_pcie=True)


def mig_sizes(gpu: GpuSpec) -> tuple[int, ...]:
    """Return the sizes, in slices, of the parts a GPU can be cut into; empty without MIG."""
    return (1, 2, 3, 4, 7) if gpu.mig_slices == 7 else tuple(n for n in (1, 2, 4) if n <= gpu.mig_slices)


def mig_slice(gpu: GpuSpec, slices: int) -> GpuSpec:
    """Return ``slices`` slices of a GPU as a device of its own.

    Of seven compute slices 1, 2, 3, 4 or 7 go together, with 1, 2, 4, 4 or 8 eighths of memory and bandwidth. Slices
    share the power limit of the whole GPU: draw and limits are scaled to their part, but cannot be set for it alone.

    Raises:
        InputError: a GPU that cannot be cut, or a size it is not cut into.
    """
    sizes = mig_sizes(gpu)
    if slices not in sizes:
        can = f"ask for one of {', '.join(map(str, sizes))}" if sizes else "take the whole GPU: it has no MIG"
        raise InputError.single(source="catalog", field=f"{gpu.key} MIG slices", found=slices, mend=can)
    part = slices / gpu.mig_slices
    memory = _MIG_MEMORY[slices] if gpu.mig_slices == 7 else part
    return gpu._replace(
        memory_b=gpu.memory_b * memory,
        bandwidth_b_s=gpu.bandwidth_b_s * memory,
        fp16_flops=gpu.fp16_flops * part,
        fp8_flops=gpu.fp8_flops * part,
        int8_flops=gpu.int8_flops * part,
        fp32_flops=gpu.fp32_flops * part,
        limits=GpuLimits(
            idle_w=gpu.limits.idle_w * part,
            min_limit_w=gpu.limits.min_limit_w * part,
            max_limit_w=gpu.limits.max_limit_w * part,
        ),
        saturated_w=gpu.saturated_w * part,
        price_usd=gpu.price_usd * part,
        key=f"{gpu.key}/{slices}g",
    )


def mig_cuts(gpu: GpuSpec) -> dict[int, int]:
    """Return the slices of a part by the number of equal parts that a GPU can be cut into, fewest parts first."""
    cuts = {gpu.mig_slices // slices: slices for slices in mig_sizes(gpu)}
    return {parts: cuts[parts] for parts in sorted(cuts) if parts > 1}


@lru_cache(maxsize=256)
def mig_part(gpu: GpuSpec, parts: int) -> GpuSpec:
    """Return one of the ``parts`` equal parts that fill a GPU, as a device of its own; the GPU itself for 1.

    Memory, bandwidth and FLOPs are those of its slices. Draw and limits are the GPU's by ``1 / parts``, so that all parts
    together idle, draw and are limited as the GPU is:

        parts x draw(limit / parts) = draw of the GPU at the limit

    which takes slices that belong to no part (the seventh of 2 x 3g and of 3 x 2g) for as busy as the others: never less than
    what is drawn.

    Raises:
        InputError: a GPU that cannot be cut, or not into so many parts.
    """
    if parts == 1:
        return gpu
    cuts = mig_cuts(gpu)
    if parts not in cuts:
        known = ", ".join(f"{each} (of {gpu.key}/{slices}g)" for each, slices in cuts.items())
        mend = f"give 1 for whole GPUs, or one of: {known}" if cuts else f"give 1: {gpu.key} has no MIG"
        raise InputError.single(source="catalog", field="mig_parts", found=parts, mend=mend)
    share = 1.0 / parts
    return mig_slice(gpu, cuts[parts])._replace(
        limits=GpuLimits(*(watts * share for watts in gpu.limits)),
        default_limit_w=gpu.default_limit_w * share,
        modes_w=tuple(watts * share for watts in gpu.modes_w),
        saturated_w=gpu.saturated_w * share,
        mig_slices=0,
        price_usd=gpu.price_usd * share,
        host_w_per_gpu=gpu.host_w_per_gpu * share,
        host_usd_per_gpu=gpu.host_usd_per_gpu * share,
    )


def llm_slots_max(
    gpu: GpuSpec, model: LlmSpec, precision: Precision, context_tokens: float, gpus: int, speculative: bool = False
) -> int:
    """Return how many requests with ``context_tokens`` [1] of cache fit beside the weights on ``gpus`` GPUs;
    0 if none."""
    free_b = gpus * gpu.memory_b * USABLE_MEMORY_FRAC - decode.weights_b(model, precision)
    if speculative and model.draft:
        free_b -= decode.weights_b(llm_spec(model.draft), precision)
    return max(int(free_b // max(context_tokens * model.kv_b_per_token, 1.0)), 0)


@lru_cache(maxsize=65536)
def llm_point(
    gpu: GpuSpec,
    model: LlmSpec,
    precision: Precision,
    batch: int,
    limit_w: float,
    input_tokens: float,
    output_tokens: float,
    link: GroupLink,
    speculative: bool = False,
) -> Point:
    """Return the operating point (1) of a language model; limits are clipped to the settable range."""
    free = unlimited(gpu, model, precision, batch, input_tokens, output_tokens, link, speculative)
    step_s, tokens_a_step, prompt_s, decode_w = free.step_s, free.tokens_a_step, free.prompt_s, free.decode_w
    decode_speed = decode_speed_frac(limit_w, decode_w, batch, gpu)
    prompt_speed = speed_frac(limit_w, gpu.saturated_w, curve("prefill", gpu.key), gpu.limits)
    itl = step_s / tokens_a_step / decode_speed
    decode_s, fill_s = output_tokens * itl, batch * prompt_s / prompt_speed
    service_s = max(decode_s + fill_s, 1e-6)
    natural_s = output_tokens * step_s / tokens_a_step + batch * prompt_s
    fill_share = fill_s / service_s
    capped_w = (1.0 - fill_share) * busy_power_w(limit_w, decode_w, gpu.limits)
    capped_w += fill_share * busy_power_w(limit_w, gpu.saturated_w, gpu.limits)
    natural_fill = batch * prompt_s / max(natural_s, 1e-9)
    return Point(
        slots=batch,
        service_s=service_s,
        first_token_s=prompt_s * (link.gpus if link.pipeline else 1) / prompt_speed + itl,
        itl_s=itl,
        power_w=capped_w,
        natural_w=(1.0 - natural_fill) * decode_w + natural_fill * gpu.saturated_w,
        speed=min(natural_s / service_s, 1.0),
        variable_frac=decode_s / service_s,
        profile="decode" if fill_share < 0.5 else "prefill",
        measured=free.measured,
    )


def decode_speed_frac(limit_w: float, natural_w: float, batch: float, gpu: GpuSpec) -> float:
    """Return the decode speed under a limit, 0..1: knee curve at small batch, saturated one at large batch."""
    turn = (math.log2(max(batch, 1.0)) - SATURATED_FROM_LOG2) / (SATURATED_TO_LOG2 - SATURATED_FROM_LOG2)
    weight = min(max(turn, 0.0), 1.0)
    small = speed_frac(limit_w, natural_w, curve("decode", gpu.key), gpu.limits)
    if weight == 0.0:
        return small
    large = speed_frac(limit_w, natural_w, curve("decode-saturated", gpu.key), gpu.limits)
    return float(small ** (1.0 - weight) * large**weight)


class Unlimited(NamedTuple):
    """A replica without a power limit."""

    step_s: float
    tokens_a_step: float
    prompt_s: float
    decode_w: float
    measured: bool


@lru_cache(maxsize=16384)
def unlimited(
    gpu: GpuSpec,
    model: LlmSpec,
    precision: Precision,
    batch: int,
    input_tokens: float,
    output_tokens: float,
    link: GroupLink,
    speculative: bool,
) -> Unlimited:
    """Return a replica without a power limit; it does not depend on one, so it is worked out once."""
    context = input_tokens + output_tokens / 2.0
    step_s, tokens_a_step = _step(gpu, model, precision, batch, context, link, speculative)
    known = decode.measured(gpu.key, model.key, precision, link.gpus, context) is not None
    return Unlimited(
        step_s=step_s,
        tokens_a_step=tokens_a_step,
        prompt_s=decode.prefill_s(gpu, model, precision, input_tokens, link),
        decode_w=decode.decode_power_w(gpu, model, precision, batch, context, link),
        measured=known and not speculative and not link.over_pcie,
    )


def _step(
    gpu: GpuSpec, model: LlmSpec, precision: Precision, batch: int, context: float, link: GroupLink, speculative: bool
) -> tuple[float, float]:
    """Return the time [s] of one step and the tokens it yields each request."""
    plain_s = decode.itl_s(gpu, model, precision, batch, context, link)
    if not speculative or not model.draft:
        return plain_s, 1.0
    draft = llm_spec(model.draft)
    alone = GroupLink(gpus=1, bandwidth_b_s=gpu.pcie_b_s, over_pcie=False)
    verify_flops = 2.0 * model.active * batch * DRAFT_TOKENS
    verify_s = verify_flops / (link.gpus * matrix_flops(gpu, precision) * decode.ROOFLINE.flop_frac)
    draft_s = DRAFT_TOKENS * decode.roofline_itl_s(gpu, draft, precision, batch, context, alone)
    tokens = (1.0 - ACCEPTED_FRAC ** (DRAFT_TOKENS + 1)) / (1.0 - ACCEPTED_FRAC)
    return plain_s + verify_s + draft_s, tokens
