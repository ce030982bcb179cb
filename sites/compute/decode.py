"""A language model on one group of GPUs without a power limit: time of a token, of a prompt, and natural draw.

Time between tokens of a batch of ``B`` requests (inter-token latency, ITL):

    ITL = c_layer L + c_req B + W(B) / (n BW e_w) + cache(B) + 2 A B / (n F e_f) + c_link L log2 n + c_moe L  (1)
    cache(B) = B ctx kv / (n BW e_kv)                                                                         (2)

``L`` layers, ``W`` weight bytes touched (all of a dense model; of a mixture, the shared part and the experts
that ``B`` tokens hit, ``1 - (1 - k/E)^B``), ``kv`` cache bytes a token, ``A`` active parameters, ``n`` GPUs
in tensor parallel, ``BW`` and ``F`` of one GPU; ``c_moe`` only for mixtures. Over PCIe the all-reduce has its
own start time and volume. Where a (GPU, model, precision, n) was measured, ``a + b B + c hit(B) + cache(B)``
from the catalogue replaces (1).

In a pipeline of ``n`` GPUs a token passes all layers one GPU after the other while the other micro-batches follow, so
``ITL = ITL(B / n, one GPU) + n hop`` (5): it adds memory and throughput, never speed.

Prompt time: ``2 A tokens / (n F e_p)``, at least one pass over the weights (3). Natural draw of one GPU in
decode: logistic in log2 B where measured, else ``idle + (saturated - idle) (p0 + p_b log2 B + p_n log2 n +
p_m [MoE] + p_a ln(A / 1e9 / n))`` (4).

Constants: least squares on the H100 rows of ML.ENERGY v3, see ``sources.yaml``; ``python -m
benchmarks.compute_fit`` repeats the fit and ``python -m benchmarks.compute`` prints its error, leaving one
model out at a time too.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from sites.catalog.load import load_catalog
from sites.catalog.records import MeasuredDecode, Precision
from sites.compute.hardware import GpuSpec, LlmSpec, bytes_per_param, matrix_flops


class Roofline(NamedTuple):
    """Constants of (1), (2) and (3)."""

    layer_s: float = 67e-6
    """``c_layer``: launch and small kernels of one layer."""
    weight_frac: float = 0.95
    """``e_w``: share of the memory bandwidth that weights reach."""
    cache_frac: float = 0.95
    """``e_kv``: share of the memory bandwidth that the key-value cache reaches."""
    flop_frac: float = 0.887
    """``e_f``: share of the dense FLOPs that decode reaches."""
    link_s: float = 23e-6
    """``c_link``: all-reduce of one layer per doubling of the GPUs, over NVLink."""
    moe_s: float = 57e-6
    """``c_moe``: routing of one mixture layer."""
    request_s: float = 55e-6
    """``c_req``: scheduling and sampling of one request in the batch."""
    prefill_frac: float = 0.45
    """``e_p``: share of the dense FLOPs that prefill reaches (estimated)."""


class PowerForm(NamedTuple):
    """Weights of (4), as shares of the span from idle to saturated."""

    base: float
    log2_batch: float
    log2_gpus: float
    mixture: float
    ln_active: float


ROOFLINE = Roofline()
POWER_FORM = PowerForm(base=0.323, log2_batch=0.0423, log2_gpus=-0.0647, mixture=0.0916, ln_active=0.0942)
PCIE_REDUCE_S = 30e-6
"""Latency of one all-reduce over PCIe, no peer access through a switch (estimated)."""
PIPELINE_HOP_S = 60e-6
"""Hand-over of activations from one pipeline stage to the next (estimated)."""
POWER_SHARE_MIN = 0.15
"""A GPU that decodes draws at least this share of its span (single-stream decode draws 20-45 % of TDP)."""
LINK_EFFICIENCY = 0.6
"""Share of a link's one-way bandwidth that an all-reduce reaches (estimated)."""


class GroupLink(NamedTuple):
    """How the GPUs of one group share a model and talk."""

    gpus: int
    bandwidth_b_s: float
    """One direction."""
    over_pcie: bool
    pipeline: bool = False
    """Layers split over the GPUs one after the other, instead of each layer over all."""


@lru_cache(maxsize=2048)
def measured(
    gpu_key: str, model_key: str, precision: Precision, gpus: int, context_tokens: float
) -> MeasuredDecode | None:
    """Return the measured decoding of this combination nearest in text length, if the catalogue has one."""
    fits = [
        fit
        for fit in load_catalog().decode_fits.get(model_key, ())
        if fit.gpu == gpu_key and fit.precision == precision and fit.gpus == gpus
    ]
    near = math.log(max(context_tokens, 1.0))
    return min(fits, key=lambda fit: abs(math.log(fit.context_tokens) - near)) if fits else None


def itl_s(
    gpu: GpuSpec, model: LlmSpec, precision: Precision, batch: float, context_tokens: float, link: GroupLink
) -> float:
    """Return the time between tokens [s] of ``batch`` requests with ``context_tokens`` in cache each (1), (5)."""
    if link.pipeline:
        alone = GroupLink(gpus=1, bandwidth_b_s=link.bandwidth_b_s, over_pcie=False)
        step_s = roofline_itl_s(gpu, model, precision, max(batch / link.gpus, 1.0), context_tokens, alone)
        return step_s + PIPELINE_HOP_S * link.gpus
    fit = None if link.over_pcie else measured(gpu.key, model.key, precision, link.gpus, context_tokens)
    if fit is None:
        return roofline_itl_s(gpu, model, precision, batch, context_tokens, link)
    step_ms = fit.itl_base_ms + fit.itl_per_request_ms * batch + fit.itl_experts_ms * experts_hit(model, batch)
    return step_ms * 1e-3 + cache_s(gpu, model, batch, context_tokens, link.gpus)


def roofline_itl_s(
    gpu: GpuSpec,
    model: LlmSpec,
    precision: Precision,
    batch: float,
    context_tokens: float,
    link: GroupLink,
    constants: Roofline = ROOFLINE,
) -> float:
    """Return (1) from the constants alone."""
    k, n = constants, link.gpus
    seconds = k.layer_s * model.layers + k.request_s * batch
    seconds += touched_params(model, batch) * bytes_per_param(precision) / (n * gpu.bandwidth_b_s * k.weight_frac)
    seconds += cache_s(gpu, model, batch, context_tokens, n, k)
    seconds += 2.0 * model.active * batch / (n * matrix_flops(gpu, precision) * k.flop_frac)
    if model.expert_share < 1.0:
        seconds += k.moe_s * model.layers
    return seconds + reduce_s(model, batch, link, k)


def cache_s(
    gpu: GpuSpec, model: LlmSpec, batch: float, context_tokens: float, gpus: int, constants: Roofline = ROOFLINE
) -> float:
    """Return the time [s] to read the key-value cache of a batch once (2)."""
    return batch * context_tokens * model.kv_b_per_token / (gpus * gpu.bandwidth_b_s * constants.cache_frac)


def experts_hit(model: LlmSpec, tokens: float) -> float:
    """Return the share of a mixture's experts that ``tokens`` tokens touch; 1 for a dense model."""
    return 1.0 if model.expert_share >= 1.0 else 1.0 - float((1.0 - model.expert_share) ** tokens)


def reduce_s(model: LlmSpec, tokens: float, link: GroupLink, constants: Roofline = ROOFLINE) -> float:
    """Return the time [s] of the all-reduces of one pass over ``tokens`` tokens: two a layer, ring volume."""
    if link.gpus < 2:
        return 0.0
    volume_b = 2.0 * model.layers * tokens * model.hidden * 2.0 * 2.0 * (link.gpus - 1) / link.gpus
    start_s = PCIE_REDUCE_S * 2.0 if link.over_pcie else constants.link_s
    return start_s * model.layers * math.log2(link.gpus) + volume_b / (link.bandwidth_b_s * LINK_EFFICIENCY)


@lru_cache(maxsize=8192)
def prefill_s(gpu: GpuSpec, model: LlmSpec, precision: Precision, tokens: float, link: GroupLink) -> float:
    """Return the time [s] that a prompt of ``tokens`` keeps the group from decoding (3).

    In a pipeline the stages work on different prompts, so the group is held for one stage's share.
    """
    if tokens <= 0.0:
        return 0.0
    if link.pipeline:
        alone = GroupLink(gpus=1, bandwidth_b_s=link.bandwidth_b_s, over_pcie=False)
        return prefill_s(gpu, model, precision, tokens, alone) / link.gpus
    k, n = ROOFLINE, link.gpus
    fit = measured(gpu.key, model.key, precision, n, tokens)
    reached = fit.prefill_frac if fit is not None and fit.prefill_frac is not None else k.prefill_frac
    flops_s = 2.0 * model.active * tokens / (n * matrix_flops(gpu, precision) * reached)
    weights_b = touched_params(model, tokens) * bytes_per_param(precision)
    pass_s = k.layer_s * model.layers + weights_b / (n * gpu.bandwidth_b_s * k.weight_frac)
    return max(flops_s, pass_s) + reduce_s(model, tokens, link)


def decode_power_w(
    gpu: GpuSpec, model: LlmSpec, precision: Precision, batch: float, context_tokens: float, link: GroupLink
) -> float:
    """Return the natural draw [W] of one GPU of the group while it decodes (4)."""
    fit = None if link.pipeline else measured(gpu.key, model.key, precision, link.gpus, context_tokens)
    if fit is not None:
        turn = (math.log2(max(batch, 1.0)) - fit.power_mid_log2) / fit.power_width_log2
        return fit.power_low_w + fit.power_span_w / (1.0 + math.exp(-turn))
    return estimated_power_w(gpu, model, batch, link.gpus)


def estimated_power_w(gpu: GpuSpec, model: LlmSpec, batch: float, gpus: int, form: PowerForm = POWER_FORM) -> float:
    """Return (4) from its weights alone, W."""
    share = sum(w * x for w, x in zip(form, power_features(model, batch, gpus), strict=True))
    share = min(max(share, POWER_SHARE_MIN), 1.0)
    return gpu.limits.idle_w + (gpu.saturated_w - gpu.limits.idle_w) * share


def power_features(model: LlmSpec, batch: float, gpus: int) -> tuple[float, float, float, float, float]:
    """Return what the weights of (4) multiply."""
    return (
        1.0,
        math.log2(max(batch, 1.0)),
        math.log2(gpus),
        1.0 if model.expert_share < 1.0 else 0.0,
        math.log(model.active / 1e9 / gpus),
    )


def touched_params(model: LlmSpec, tokens: float) -> float:
    """Return the parameters read by one pass over ``tokens`` tokens."""
    if model.expert_share >= 1.0:
        return model.params
    return model.shared + (model.params - model.shared) * experts_hit(model, tokens)


def weights_b(model: LlmSpec, precision: Precision) -> float:
    """Return the memory of the weights, bytes."""
    return model.params * bytes_per_param(precision)
