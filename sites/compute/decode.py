"""A language model on one group of GPUs without a power limit: time of a token, of a prompt, and the natural
draw.

Time between tokens of a batch of ``B`` requests (inter-token latency, ITL):

    ITL = c_layer L + W(B) / (n BW e_w) + B ctx kv / (n BW e_kv) + 2 A B / (n F e_f) + c_link L log2 n + c_moe
    L [MoE]    (1)

``L`` layers, ``W`` weight bytes touched (all of a dense model; of a mixture, the shared part and the experts
that ``B`` tokens hit, ``1 - (1 - k/E)^B``), ``kv`` cache bytes a token, ``A`` active parameters, ``n`` GPUs
in tensor parallel, ``BW`` and ``F`` of one GPU. Where a (GPU, model, precision, n) was measured, ``ITL = a +
b B`` from the catalogue replaces (1).

Prompt time: ``2 A tokens / (n F e_p)`` + one pass over the weights (2). Natural draw of one GPU in decode:
logistic in log2 B where measured, else ``idle + (saturated - idle) (p_0 + p_bw u_bw + p_f u_f)`` with the
shares of bandwidth and arithmetic in use (3).

Constants: least squares on the H100 rows of ML.ENERGY v3; ``python -m benchmarks.compute`` repeats the fit
and prints its error, leaving one model out at a time too."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from sites.catalog.load import load_catalog
from sites.catalog.records import MeasuredDecode, Precision
from sites.compute.hardware import GpuSpec, LlmSpec, bytes_per_param, matrix_flops


class Roofline(NamedTuple):
    """Constants of (1), (2) and (3)."""

    layer_s: float = 39e-6
    """``c_layer``: launch and small kernels of one layer."""
    weight_frac: float = 0.87
    """``e_w``: share of the memory bandwidth that weights reach."""
    cache_frac: float = 0.64
    """``e_kv``: share of the memory bandwidth that the key-value cache reaches."""
    flop_frac: float = 0.25
    """``e_f``: share of the dense FLOPs that decode reaches."""
    link_s: float = 24e-6
    """``c_link``: all-reduce of one layer per doubling of the GPUs, over NVLink."""
    moe_s: float = 120e-6
    """``c_moe``: routing of one mixture layer."""
    prefill_frac: float = 0.45
    """``e_p``: share of the dense FLOPs that prefill reaches (estimated)."""
    power_base: float = 0.52
    power_bandwidth: float = 0.15
    power_flop: float = 0.8


ROOFLINE = Roofline()
PCIE_REDUCE_S = 30e-6
"""Latency of one all-reduce over PCIe, no peer access through a switch (estimated)."""
LINK_EFFICIENCY = 0.6
"""Share of a link's one-way bandwidth that an all-reduce reaches (estimated)."""


class GroupLink(NamedTuple):
    """How the GPUs of one tensor-parallel group talk."""

    gpus: int
    bandwidth_b_s: float
    """One direction."""
    over_pcie: bool


@lru_cache(maxsize=512)
def measured(gpu_key: str, model_key: str, precision: Precision, gpus: int) -> MeasuredDecode | None:
    """Return the measured decoding of this combination, if the catalogue has one."""
    for fit in load_catalog().decode_fits.get(model_key, ()):
        if fit.gpu == gpu_key and fit.precision == precision and fit.gpus == gpus:
            return fit
    return None


def itl_s(
    gpu: GpuSpec, model: LlmSpec, precision: Precision, batch: float, context_tokens: float, link: GroupLink
) -> float:
    """Return the time between tokens [s] of ``batch`` requests with ``context_tokens`` in cache each (1)."""
    fit = measured(gpu.key, model.key, precision, link.gpus)
    if fit is not None and batch <= fit.batch_max:
        return (fit.itl_base_ms + fit.itl_per_request_ms * batch) * 1e-3
    estimate = roofline_itl_s(gpu, model, precision, batch, context_tokens, link)
    if fit is None:
        return estimate
    edge = (fit.itl_base_ms + fit.itl_per_request_ms * fit.batch_max) * 1e-3
    return edge * max(estimate / roofline_itl_s(gpu, model, precision, fit.batch_max, context_tokens, link), 1.0)


def roofline_itl_s(
    gpu: GpuSpec, model: LlmSpec, precision: Precision, batch: float, context_tokens: float, link: GroupLink
) -> float:
    """Return (1) from the constants alone."""
    k, n = ROOFLINE, link.gpus
    weights_b = touched_params(model, batch) * bytes_per_param(precision)
    cache_b = batch * context_tokens * model.kv_b_per_token
    flops = 2.0 * model.active * batch
    seconds = k.layer_s * model.layers
    seconds += weights_b / (n * gpu.bandwidth_b_s * k.weight_frac)
    seconds += cache_b / (n * gpu.bandwidth_b_s * k.cache_frac)
    seconds += flops / (n * matrix_flops(gpu, precision) * k.flop_frac)
    if model.expert_share < 1.0:
        seconds += k.moe_s * model.layers
    return seconds + reduce_s(model, batch, link)


def reduce_s(model: LlmSpec, tokens: float, link: GroupLink) -> float:
    """Return the time [s] of the all-reduces of one pass over ``tokens`` tokens: two a layer, ring volume."""
    if link.gpus < 2:
        return 0.0
    volume_b = 2.0 * model.layers * tokens * model.hidden * 2.0 * 2.0 * (link.gpus - 1) / link.gpus
    start_s = PCIE_REDUCE_S * 2.0 if link.over_pcie else ROOFLINE.link_s
    return start_s * model.layers * math.log2(link.gpus) + volume_b / (link.bandwidth_b_s * LINK_EFFICIENCY)


def prefill_s(gpu: GpuSpec, model: LlmSpec, precision: Precision, tokens: float, link: GroupLink) -> float:
    """Return the time [s] of a prompt of ``tokens`` alone on the group (2)."""
    if tokens <= 0.0:
        return 0.0
    k, n = ROOFLINE, link.gpus
    flops_s = 2.0 * model.active * tokens / (n * matrix_flops(gpu, precision) * k.prefill_frac)
    weights_b = touched_params(model, tokens) * bytes_per_param(precision)
    pass_s = k.layer_s * model.layers + weights_b / (n * gpu.bandwidth_b_s * k.weight_frac)
    return max(flops_s, pass_s) + reduce_s(model, tokens, link)


def decode_power_w(
    gpu: GpuSpec, model: LlmSpec, precision: Precision, batch: float, context_tokens: float, link: GroupLink
) -> float:
    """Return the natural draw [W] of one GPU of the group while it decodes (3)."""
    fit = measured(gpu.key, model.key, precision, link.gpus)
    if fit is not None:
        turn = (math.log2(max(batch, 1.0)) - fit.power_mid_log2) / fit.power_width_log2
        return fit.power_low_w + fit.power_span_w / (1.0 + math.exp(-turn))
    k, n = ROOFLINE, link.gpus
    seconds = roofline_itl_s(gpu, model, precision, batch, context_tokens, link)
    moved_b = touched_params(model, batch) * bytes_per_param(precision) + batch * context_tokens * model.kv_b_per_token
    u_bw = moved_b / (seconds * n * gpu.bandwidth_b_s)
    u_f = 2.0 * model.active * batch / (seconds * n * matrix_flops(gpu, precision))
    share = min(k.power_base + k.power_bandwidth * u_bw + k.power_flop * u_f, 1.0)
    return gpu.limits.idle_w + (gpu.saturated_w - gpu.limits.idle_w) * share


def touched_params(model: LlmSpec, tokens: float) -> float:
    """Return the parameters read by one pass over ``tokens`` tokens."""
    if model.expert_share >= 1.0:
        return model.params
    hit = 1.0 - float((1.0 - model.expert_share) ** tokens)
    return model.shared + (model.params - model.shared) * hit


def weights_b(model: LlmSpec, precision: Precision) -> float:
    """Return the memory of the weights, bytes."""
    return model.params * bytes_per_param(precision)
