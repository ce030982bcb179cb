"""GPUs and models of the catalogue as plain numbers in SI units, read once.

``fp8`` runs at FP16 speed on a GPU without FP8 cores (weights are still half as large); ``int4`` weights are
widened to FP16 for the arithmetic, so they save memory traffic and no FLOPs."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from sites.catalog.load import gpu, gpu_id, load_catalog, model, model_id
from sites.catalog.records import CurveName, Interconnect, ItemEntry, LlmEntry, MeasuredItems, Precision
from sites.errors import InputError
from sites.plant.gpu import CapCurve, GpuLimits

USABLE_MEMORY_FRAC = 0.92
"""Share of GPU memory left after driver, context and fragmentation."""


class GpuSpec(NamedTuple):
    """A GPU in SI units."""

    key: str
    memory_b: float
    bandwidth_b_s: float
    fp16_flops: float
    fp8_flops: float
    int8_flops: float
    fp32_flops: float
    limits: GpuLimits
    default_limit_w: float
    modes_w: tuple[float, ...]
    """Nominal watts of clock modes, ascending; empty where any limit in the range may be set."""
    saturated_w: float
    interconnect: Interconnect
    link_b_s: float
    """One direction of the GPU-to-GPU link."""
    pcie_b_s: float
    """One direction of PCIe."""
    mig_slices: int
    inlet_min_c: float
    inlet_max_c: float
    price_usd: float
    host_w_per_gpu: float
    gpus_per_host: int
    board_gpus: int
    """GPUs that come together at least."""
    host_usd_per_gpu: float
    launch_factor: float
    """Time to start work against a card in an x86 host."""


class LlmSpec(NamedTuple):
    """A language model in SI units."""

    key: str
    params: float
    active: float
    layers: float
    kv_b_per_token: float
    """Bytes of key-value cache a token needs at 16 bit."""
    expert_share: float
    """Experts used per token over experts; 1 for a dense model."""
    shared: float
    """Parameters read for every token whatever the expert."""
    hidden: float
    native: Precision
    draft: str


class ItemsMeasured(NamedTuple):
    """A per-item model measured on one GPU; 0 where a figure is not known."""

    gpu: str
    per_s: float
    fixed_s: float
    full_w: float
    single_w: float


class ItemSpec(NamedTuple):
    """A per-item model in SI units."""

    key: str
    profile: CurveName
    on_tensor_cores: bool
    params: float
    flop: float
    activation_b: float
    serial_steps: float
    launch_s: float
    """Fixed time of one pass."""
    measured: tuple[ItemsMeasured, ...]


@lru_cache(maxsize=256)
def gpu_spec(name: str) -> GpuSpec:
    """Return a GPU by key, alias or product name; raises ``InputError`` naming the nearest."""
    entry = gpu(name)
    fp16 = entry.fp16_tflops.value * 1e12
    return GpuSpec(
        key=gpu_id(name),
        memory_b=entry.memory_gb.value * 1e9,
        bandwidth_b_s=entry.bandwidth_gb_s.value * 1e9,
        fp16_flops=fp16,
        fp8_flops=entry.fp8_tflops.value * 1e12 if entry.fp8_tflops else fp16,
        int8_flops=entry.int8_tops.value * 1e12 if entry.int8_tops else fp16,
        fp32_flops=entry.fp32_tflops.value * 1e12,
        launch_factor=entry.launch_factor.value,
        limits=GpuLimits(
            idle_w=entry.idle_w.value,
            min_limit_w=entry.min_limit_w.value,
            max_limit_w=entry.max_limit_w.value,
        ),
        default_limit_w=entry.default_limit_w.value,
        modes_w=tuple(sorted(entry.modes_w)),
        saturated_w=entry.saturated_w.value,
        interconnect=entry.interconnect,
        link_b_s=(entry.link_gb_s.value if entry.link_gb_s else entry.pcie_gb_s.value) * 0.5e9,
        pcie_b_s=entry.pcie_gb_s.value * 0.5e9,
        mig_slices=entry.mig_slices,
        inlet_min_c=entry.inlet_min_c.value,
        inlet_max_c=entry.inlet_max_c.value,
        price_usd=entry.price_usd.value,
        host_w_per_gpu=entry.host_w.value / entry.gpus_per_host,
        gpus_per_host=entry.gpus_per_host,
        board_gpus=entry.board_gpus,
        host_usd_per_gpu=entry.host_usd.value / entry.gpus_per_host,
    )


@lru_cache(maxsize=256)
def model_spec(name: str) -> LlmSpec | ItemSpec:
    """Return a model by key, alias or full name; raises ``InputError`` naming the nearest."""
    entry = model(name)
    return _llm(model_id(name), entry) if isinstance(entry, LlmEntry) else _item(model_id(name), entry)


def llm_spec(name: str) -> LlmSpec:
    """Return a language model; raises ``InputError`` when the model is of another kind."""
    spec = model_spec(name)
    if isinstance(spec, ItemSpec):
        raise InputError.single(
            source="catalog", field="model", found=name, mend="name a language model; this one counts items"
        )
    return spec


@lru_cache(maxsize=256)
def curve(name: CurveName, gpu_key: str = "") -> CapCurve:
    """Return the cap curve of a power profile, that of the GPU itself, whole or cut, where the catalogue has one."""
    known = load_catalog()
    entry = known.gpu_curves.get(gpu_key.partition("/")[0], {}).get(name) or known.curves[name]
    return CapCurve(knee_frac=entry.knee_frac.value, exponent=entry.exponent.value)


@lru_cache(maxsize=8)
def bytes_per_param(precision: Precision) -> float:
    """Return the memory of one parameter, bytes, with scales and zero points."""
    return load_catalog().precisions[precision].bytes_per_param.value


@lru_cache(maxsize=32)
def quality(precision: Precision, native: Precision = "fp16") -> float:
    """Return answer quality, 0..1, relative to the weights as published (``native``)."""
    kinds = load_catalog().precisions
    return min(kinds[precision].quality.value / kinds[native].quality.value, 1.0)


def matrix_flops(spec: GpuSpec, precision: Precision) -> float:
    """Return the dense tensor throughput used at a weight precision, FLOP/s."""
    if precision == "fp8":
        return spec.fp8_flops
    if precision == "int8":
        return spec.int8_flops
    return spec.fp16_flops


def _llm(key: str, entry: LlmEntry) -> LlmSpec:
    params, active = entry.params_b.value * 1e9, entry.active_b.value * 1e9
    share = entry.experts_per_token.value / entry.experts.value
    shared = params
    if share < 1.0:
        shared = max((active - params * share) / (1.0 - share), 0.1 * active)
    return LlmSpec(
        key=key,
        params=params,
        active=active,
        layers=entry.layers.value,
        kv_b_per_token=2.0 * 2.0 * entry.attention_layers.value * entry.kv_width.value,
        expert_share=share,
        shared=shared,
        hidden=(active / (12.0 * entry.layers.value)) ** 0.5,
        native=entry.native_precision,
        draft=entry.draft_model or "",
    )


def _item(key: str, entry: ItemEntry) -> ItemSpec:
    return ItemSpec(
        key=key,
        profile=entry.profile,
        on_tensor_cores=entry.arithmetic == "tensor",
        params=entry.params_b.value * 1e9,
        flop=entry.gflop_per_item.value * 1e9,
        activation_b=entry.activation_gb.value * 1e9,
        serial_steps=entry.serial_steps.value,
        launch_s=entry.launch_ms.value * 1e-3,
        measured=tuple(_measured(fit) for fit in load_catalog().item_fits.get(key, ())),
    )


def _measured(fit: MeasuredItems) -> ItemsMeasured:
    return ItemsMeasured(
        gpu=fit.gpu,
        per_s=fit.per_s.value,
        fixed_s=fit.fixed_s.value if fit.fixed_s else 0.0,
        full_w=fit.full_w.value if fit.full_w else 0.0,
        single_w=fit.single_w.value if fit.single_w else 0.0,
    )
