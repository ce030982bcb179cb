"""Typed entries of the catalogue: every figure is ``[value, kind, source]``, a key of ``sources.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from sites.record import Record

FigureKind = Literal["measured", "datasheet", "estimated"]
Precision = Literal["fp16", "fp8", "int8", "int4"]
CurveName = Literal["decode", "decode-saturated", "prefill", "vision", "diffusion", "recommendation", "training"]
Interconnect = Literal["nvlink", "nvlink-bridge", "pcie", "none"]


class Figure(NamedTuple):
    """A number, how it was come by, and where it is from."""

    value: float
    kind: FigureKind
    source: str


class Source(Record):
    """Where figures come from."""

    title: str
    publisher: str
    year: int
    licence: str = ""


class CapCurveEntry(Record):
    """Shape of the speed under a power limit, equation (1) of ``sites.plant.gpu``."""

    knee_frac: Figure
    exponent: Figure
    fit_rmse: float = Field(ge=0)
    """Root mean square error of the speed ratio over the points it was fitted on."""
    note: str = ""


class PrecisionEntry(Record):
    """A weight precision."""

    bytes_per_param: Figure
    """Memory of one parameter with scales and zero points."""
    quality: Figure
    """Answer quality relative to FP16, 0..1."""


class GpuEntry(Record):
    """A GPU product."""

    name: str
    aliases: tuple[str, ...] = ()
    memory_gb: Figure
    bandwidth_gb_s: Figure
    fp16_tflops: Figure
    """Dense tensor throughput at FP16."""
    fp32_tflops: Figure
    """Dense throughput of the ordinary cores at FP32."""
    fp8_tflops: Figure | None = None
    int8_tops: Figure | None = None
    int4_tops: Figure | None = None
    min_limit_w: Figure
    """Lowest settable power limit, W."""
    default_limit_w: Figure
    """Limit after a restart, W; not always the maximum."""
    max_limit_w: Figure
    modes_w: tuple[float, ...] = ()
    """Nominal watts of its modes where a limit is a named set of clocks, not a power budget (Jetson); else empty."""
    idle_w: Figure
    """Draw without work, W."""
    saturated_w: Figure
    """Natural draw of a job that keeps the whole GPU busy, W."""
    interconnect: Interconnect
    link_gb_s: Figure | None = None
    """GPU-to-GPU link, both directions."""
    pcie_gb_s: Figure
    mig_slices: int = Field(ge=0)
    """Slices one GPU can be cut into; 0 where it cannot. Slices share one power limit."""
    cooling: Literal["passive", "active", "module"]
    """Passive cards need the server's fans; active ones carry their own."""
    inlet_min_c: Figure
    inlet_max_c: Figure
    host_w: Figure
    """Draw of an idle host without its GPUs, W."""
    gpus_per_host: int = Field(ge=1)
    board_gpus: int = Field(ge=1)
    """GPUs that come together at least: a baseboard, or the smallest sensible host of cards."""
    host_usd: Figure
    """Price of a full host without its GPUs."""
    launch_factor: Figure = Figure(1.0, "estimated", "practice")
    """Time to start work on it against a card in an x86 host."""
    price_usd: Figure
    note: str = ""


class MeasuredDecode(Record):
    """Decoding of one model measured on one GPU type: ITL = a + b B + c hit(B) + cache; draw logistic in log2
    B.

    ``hit(B)`` is the share of a mixture's experts that a batch touches; ``cache`` the time to read the
    key-value cache."""

    gpu: str
    precision: Precision
    gpus: int = Field(ge=1)
    """GPUs in the tensor- or expert-parallel group."""
    context_tokens: float = Field(gt=0)
    """Mean text in cache during the measurement."""
    itl_base_ms: float = Field(ge=0)
    """``a``: time between tokens extrapolated to an empty batch, ms."""
    itl_per_request_ms: float = Field(ge=0)
    """``b``: added by each concurrent request, ms, without its cache."""
    itl_experts_ms: float = Field(default=0.0, ge=0)
    """``c``: added when every expert is touched, ms."""
    power_low_w: float = Field(gt=0)
    """Draw of one GPU at small batch, W."""
    power_span_w: float = Field(ge=0)
    """Rise of the draw from small to large batch, W."""
    power_mid_log2: float
    """log2 of the batch at half the rise."""
    power_width_log2: float = Field(gt=0)
    """Width of the rise in log2 of the batch."""
    prefill_frac: float | None = Field(default=None, gt=0, le=1)
    """Share of the dense FLOPs that a prompt reaches, where the time to the first token was measured."""
    batch_max: float = Field(ge=1)
    """Largest batch measured."""
    itl_rmse_ms: float = Field(ge=0)
    power_rmse_w: float = Field(ge=0)
    source: str


class MeasuredItems(Record):
    """A per-item model measured on one GPU without a limit: time of a batch = fixed + B / per_s; draw = full
    - (full - single) / B."""

    gpu: str
    per_s: Figure
    """Items a second of one GPU at large batch."""
    fixed_s: Figure | None = None
    """Time of a batch besides its items."""
    full_w: Figure | None = None
    """Draw of the GPU at large batch."""
    single_w: Figure | None = None
    """Draw of the GPU with one item at a time."""


class LlmEntry(Record):
    """A language model."""

    kind: Literal["llm"]
    name: str
    aliases: tuple[str, ...] = ()
    native_precision: Precision = "fp16"
    """Precision its weights are published in; a higher one brings nothing."""
    params_b: Figure
    """Parameters, 1e9."""
    active_b: Figure
    """Parameters used for one token, 1e9."""
    layers: Figure
    attention_layers: Figure
    """Layers whose key-value cache grows with the text."""
    kv_width: Figure
    """Key-value heads times head width."""
    experts: Figure = Figure(1, "datasheet", "model-card")
    experts_per_token: Figure = Figure(1, "datasheet", "model-card")
    draft_model: str | None = None
    """Smaller model that can draft for speculative decoding."""


class ItemEntry(Record):
    """A model whose unit of work is one item: an image, a frame, a volume, an utterance."""

    kind: Literal["item"]
    name: str
    aliases: tuple[str, ...] = ()
    profile: Literal["vision", "diffusion", "prefill", "recommendation", "training"]
    unit: str
    arithmetic: Literal["tensor", "fp32"] = "tensor"
    """Which cores do the work."""
    params_b: Figure
    gflop_per_item: Figure
    activation_gb: Figure
    """Working memory of one item, GB."""
    serial_steps: Figure = Figure(1, "datasheet", "model-card")
    """Passes that must follow each other for one item."""
    launch_ms: Figure = Figure(0.2, "estimated", "practice")
    """Fixed time of one pass: copying in, starting kernels, copying out."""


ModelEntry = Annotated[LlmEntry | ItemEntry, Field(discriminator="kind")]


class Stage(Record):
    """One stage of a chained service. Stages stream: the next starts on the first part of this one."""

    name: str
    model: str = ""
    """Model of the catalogue; empty for a stage that is not computed here, such as the network."""
    median_s: Figure
    """Time to its first usable output, median."""
    p99_s: Figure
    """Time to its first usable output, 99 of 100."""
    whole_p99_s: Figure
    """Time to its whole output, 99 of 100: what it takes when stages wait for each other."""


class Archetype(Record):
    """A kind of workload with what it needs."""

    title: str
    latency_class: Literal["under-100ms", "100-1000ms", "1-10s", "over-10s"]
    p99_s: Figure
    """Budget of the whole response; of batch work the window in which it has to be done."""
    model: str
    precisions: tuple[Precision, ...]
    input_tokens: float = Field(default=0.0, ge=0)
    output_tokens: float = Field(default=0.0, ge=0)
    output_scv: float = Field(default=0.6, ge=0)
    """Squared coefficient of variation of the answer's length; 0.595 on the Azure 2023 conversation trace."""
    units: float = Field(default=1.0, gt=0)
    rate_rps: float = Field(gt=0)
    """Requests a second of the example; of batch work the volume over the window."""
    steady: bool = False
    """Whether requests come on a clock or from a queue: no swings of the rate."""
    sovereign: bool = False
    pinned: bool = False
    """Whether it needs a device of its own, on the spot and never capped: no off-site or shared service can meet it."""
    stages: tuple[Stage, ...] = ()
    """Stages of a chained service around the model; the budget is one for all."""
    note: str = ""


class Catalog(Record):
    """The whole catalogue."""

    sources: dict[str, Source]
    precisions: dict[Precision, PrecisionEntry]
    curves: dict[CurveName, CapCurveEntry]
    gpu_curves: dict[str, dict[CurveName, CapCurveEntry]] = Field(default_factory=dict)
    """Curves of single GPUs, where they are known; they go before ``curves``."""
    gpus: dict[str, GpuEntry]
    models: dict[str, ModelEntry]
    archetypes: dict[str, Archetype] = Field(default_factory=dict)
    decode_fits: dict[str, tuple[MeasuredDecode, ...]] = Field(default_factory=dict)
    """Measured decoding, by model."""
    item_fits: dict[str, tuple[MeasuredItems, ...]] = Field(default_factory=dict)
    """Measured per-item models, by model."""
