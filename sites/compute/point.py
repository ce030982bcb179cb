"""An operating point: one replica of a model on a group of GPUs at a batch and a power limit.

A replica that serves ``B`` requests at once gives each of them one token every ITL and stops for each of the
``B`` prompts, so a request of ``i`` prompt and ``o`` answer tokens stays

    S = o ITL(B) / s_decode + B t_prefill(i) / s_prefill                                                   (1)

with the speeds ``s`` under the limit, each from its own cap curve at its own natural draw. Its draw is the
mean of both phases, weighted by their time. This takes every slot as full, so at lower load requests are
faster than promised and never slower.

A per-item model runs batches: ``S = t_fixed + B / rate`` (2), ``t_fixed`` the launch of its serial steps.

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
    ItemSpec,
    LlmSpec,
    bytes_per_param,
    curve,
    llm_spec,
    matrix_flops,
)
from sites.compute.records import PowerProfile
from sites.plant.gpu import busy_power_w, speed_frac

DRAFT_TOKENS = 4
"""Tokens the draft model proposes a step."""
ACCEPTED_FRAC = 0.7
"""Probability that a proposed token is accepted (Leviathan et al. 2023 see 0.6-0.8)."""
ITEM_LAUNCH_S = 1.5e-3
"""Fixed time of one pass of a per-item model."""
ITEM_EFFICIENCY_FRAC = 0.25
"""Share of dense FLOPs per-item models reach where nothing was measured (MLPerf: 0.2-0.35)."""
SATURATED_FROM_LOG2, SATURATED_TO_LOG2 = 5.0, 8.0
"""log2 of the batch over which the decode curve turns into the saturated one."""


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


def group_link(gpu: GpuSpec, pool_interconnect: str, gpus: int) -> GroupLink:
    """Return how a group of ``gpus`` GPUs talks in a pool with this interconnect (nvlink, nvlink-bridge,
    pcie)."""
    bridged = pool_interconnect == "nvlink-bridge" and gpus <= 2
    if gpus < 2 or pool_interconnect == "nvlink" or bridged:
        return GroupLink(gpus=gpus, bandwidth_b_s=gpu.link_b_s, over_pcie=False)
    return GroupLink(gpus=gpus, bandwidth_b_s=gpu.pcie_b_s, over_pcie=True)


def llm_slots_max(
    gpu: GpuSpec, model: LlmSpec, precision: Precision, context_tokens: float, gpus: int, speculative: bool = False
) -> int:
    """Return how many requests with ``context_tokens`` [1] of cache fit beside the weights on ``gpus`` GPUs;
    0 if none."""
    free_b = gpus * gpu.memory_b * USABLE_MEMORY_FRAC - decode.weights_b(model, precision)
    if speculative and model.draft:
        free_b -= decode.weights_b(llm_spec(model.draft), precision)
    return max(int(free_b // max(context_tokens * model.kv_b_per_token, 1.0)), 0)


def item_slots_max(gpu: GpuSpec, model: ItemSpec, precision: Precision) -> int:
    """Return how many items fit at once on one GPU; 0 if the weights do not."""
    free_b = gpu.memory_b * USABLE_MEMORY_FRAC - model.params * bytes_per_param(precision)
    return max(int(free_b // max(model.activation_b, 1.0)), 0)


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
    context = input_tokens + output_tokens / 2.0
    step_s, tokens_a_step = _step(gpu, model, precision, batch, context, link, speculative)
    prompt_s = decode.prefill_s(gpu, model, precision, input_tokens, link)
    decode_w = decode.decode_power_w(gpu, model, precision, batch, context, link)
    decode_speed = decode_speed_frac(limit_w, decode_w, batch, gpu)
    prompt_speed = speed_frac(limit_w, gpu.saturated_w, curve("prefill"), gpu.limits)
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
        first_token_s=prompt_s / prompt_speed + itl,
        itl_s=itl,
        power_w=capped_w,
        natural_w=(1.0 - natural_fill) * decode_w + natural_fill * gpu.saturated_w,
        speed=min(natural_s / service_s, 1.0),
        variable_frac=decode_s / service_s,
        profile="decode" if fill_share < 0.5 else "prefill",
        measured=decode.measured(gpu.key, model.key, precision, link.gpus) is not None and not speculative,
    )


@lru_cache(maxsize=65536)
def item_point(gpu: GpuSpec, model: ItemSpec, precision: Precision, batch: int, limit_w: float, units: float) -> Point:
    """Return the operating point (2) of a per-item model for requests of ``units`` items."""
    rate, known = item_rate_per_s(gpu, model, precision)
    speed = speed_frac(limit_w, gpu.saturated_w, curve(model.profile), gpu.limits)
    fixed_s = ITEM_LAUNCH_S * model.serial_steps
    busy_s = batch * units / rate
    service_s = fixed_s + busy_s / speed
    share = busy_s / speed / service_s
    natural_w = gpu.saturated_w
    capped_w = busy_power_w(limit_w, natural_w, gpu.limits)
    return Point(
        slots=batch,
        service_s=service_s,
        first_token_s=service_s,
        itl_s=0.0,
        power_w=gpu.limits.idle_w + (capped_w - gpu.limits.idle_w) * max(share, 0.3),
        natural_w=natural_w,
        speed=speed,
        variable_frac=0.0,
        profile="prefill" if model.profile == "prefill" else "vision",
        measured=known,
    )


def item_rate_per_s(gpu: GpuSpec, model: ItemSpec, precision: Precision) -> tuple[float, bool]:
    """Return items/s of one unlimited GPU and whether it was measured there; else scaled from the nearest by
    FLOPs."""
    rates = dict(model.measured_per_s)
    if gpu.key in rates:
        return rates[gpu.key], True
    here = matrix_flops(gpu, precision)
    if rates:
        from sites.compute.hardware import gpu_spec

        def distance(name: str) -> float:
            return abs(math.log(here / matrix_flops(gpu_spec(name), precision)))

        nearest = min(sorted(rates), key=distance)
        return rates[nearest] * here / matrix_flops(gpu_spec(nearest), precision), False
    return here * ITEM_EFFICIENCY_FRAC / model.flop, False


def decode_speed_frac(limit_w: float, natural_w: float, batch: float, gpu: GpuSpec) -> float:
    """Return the decode speed under a limit, 0..1: the knee curve at small batch, the saturated one at large
    batch."""
    turn = (math.log2(max(batch, 1.0)) - SATURATED_FROM_LOG2) / (SATURATED_TO_LOG2 - SATURATED_FROM_LOG2)
    weight = min(max(turn, 0.0), 1.0)
    small = speed_frac(limit_w, natural_w, curve("decode"), gpu.limits)
    if weight == 0.0:
        return small
    large = speed_frac(limit_w, natural_w, curve("decode-saturated"), gpu.limits)
    return float(small ** (1.0 - weight) * large**weight)


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
