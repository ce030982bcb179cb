"""Memory of a language model: weights at a precision, key-value cache, adapters, and what fine-tuning needs.

An adapter of rank ``r`` adds ``r (in + out)`` parameters to each matrix of a layer: four of ``h x h`` in attention,
three of ``h x 3.5 h`` in the feed-forward part (grouped-query models a little less), 16 bit each (1). Fine-tuning one
needs the weights (FP16, or INT4 for QLoRA), the adapter with gradients and two optimiser states (16 bytes a parameter),
and activations of ``34 h`` bytes a token and layer, of which checkpointing keeps one layer and one vector of 16 bit per
layer (2) (Korthikanti et al. 2022, arXiv:2205.05198).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from sites.catalog.records import Precision
from sites.compute.decode import weights_b
from sites.compute.hardware import LlmSpec

Tuning = Literal["lora", "qlora"]
ADAPTER_RANK = 16
ACTIVATION_B = 34.0
"""Bytes a token, layer and hidden unit without checkpointing."""


class MemoryNeed(NamedTuple):
    """Memory of a model, GB."""

    weights_gb: dict[Precision, float]
    cache_mb_per_1000_tokens: float
    adapter_gb: float
    lora_gb: float
    """Fine-tuning an adapter on FP16 weights, 1024 tokens at once."""
    qlora_gb: float
    """The same on INT4 weights."""


def memory_need(model: LlmSpec) -> MemoryNeed:
    """Return what ``model`` needs to be served and fine-tuned."""
    grades: tuple[Precision, ...] = ("fp16", "fp8", "int8", "int4")
    return MemoryNeed(
        weights_gb={grade: weights_b(model, grade) / 1e9 for grade in grades},
        cache_mb_per_1000_tokens=model.kv_b_per_token * 1000.0 / 1e6,
        adapter_gb=adapter_b(model) / 1e9,
        lora_gb=tuning_b(model, "lora") / 1e9,
        qlora_gb=tuning_b(model, "qlora") / 1e9,
    )


def adapter_b(model: LlmSpec, rank: int = ADAPTER_RANK) -> float:
    """Return the bytes of one adapter beside the weights (1)."""
    return 2.0 * _adapter_params(model, rank)


def tuning_b(model: LlmSpec, how: Tuning, tokens: float = 1024.0, rank: int = ADAPTER_RANK) -> float:
    """Return the bytes that fine-tuning with ``tokens`` at once needs (2)."""
    base = weights_b(model, "fp16" if how == "lora" else "int4")
    kept = tokens * model.hidden * (2.0 * model.layers + ACTIVATION_B)
    return base + 16.0 * _adapter_params(model, rank) + kept


def _adapter_params(model: LlmSpec, rank: int) -> float:
    hidden = model.hidden
    return rank * model.layers * (4.0 * 2.0 * hidden + 3.0 * (hidden + 3.5 * hidden))
