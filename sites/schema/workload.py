"""GPU pools, services and batch work."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from sites.compute.chain import OTHERS_SHARE, chain_bound_s
from sites.compute.records import PowerProfile
from sites.schema.base import Fraction, Name, NonNegative, Positive, Section, clock_times

LATE_FRAC = 0.01
"""Requests that may miss a P99 budget."""
LatencyClass = Literal["under-100ms", "100-1000ms", "1-10s", "over-10s"]


class Pool(Section):
    """GPUs of one kind in nodes of one kind."""

    name: Name
    """Name in services, jobs, plans and reports."""
    gpu: str
    """Key of the GPU in the catalogue, e.g. h100-pcie."""
    nodes: int = Field(ge=1)
    """Hosts in the pool."""
    gpus_per_node: int = Field(ge=1)
    """GPUs in each host."""
    mig_parts: int = Field(default=1, ge=1)
    """Equal parts that MIG cuts each GPU into, e.g. of seven slices 2 of 3g, 3 of 2g or 7 of 1g; 1 = not cut. A part counts as a
    GPU wherever GPUs are counted, in services, jobs, plans and reports, but for ``gpus_per_node``. Parts work
    alone: no model replica or job group is larger than one. Power limits of parts are their share of the GPU's."""
    interconnect: Literal["pcie", "nvlink-bridge", "nvlink"] = "pcie"
    """How the GPUs of a host talk to each other; parts of GPUs that are cut cannot."""
    host_w: NonNegative
    """Draw of one powered node without its GPUs, idle fans included."""
    wall_factor: float = Field(default=1.06, ge=1, le=2)
    """Watts at the wall for a watt at the GPU: power supplies and fans."""
    default_limit_w: Positive | None = None
    """Limit the GPUs wake with, each as a whole; from the catalogue if absent. Fewer than four GPUs that are cut run at it
    always, at the highest if absent: they are too few to keep parts at several limits apart."""
    safe_limit_w: Positive | None = None
    """Limit left behind when the daemon is gone, for a GPU as a whole; the lowest of the range if absent."""
    boot_minutes: NonNegative = 5.0
    """From power-on until a host takes work."""
    can_power_off: bool = False
    """Whether hosts without work may be powered off."""

    @property
    def node_gpus(self) -> int:
        """GPUs of a host; their parts where they are cut."""
        return self.gpus_per_node * self.mig_parts

    @property
    def gpus(self) -> int:
        """GPUs of the pool; their parts where they are cut."""
        return self.nodes * self.node_gpus

    @property
    def gpu_text(self) -> str:
        """Its GPU in words, e.g. h100-pcie in 2 parts."""
        return f"{self.gpu} in {self.mig_parts} parts" if self.mig_parts > 1 else self.gpu

    @property
    def group_most(self) -> int:
        """Most GPUs that can work as one: those of a host; parts of GPUs that are cut work alone."""
        return 1 if self.mig_parts > 1 else self.gpus_per_node

    @property
    def island_gpus(self) -> int:
        """GPUs of a host that talk over NVLink: all, pairs, or 1 = none do, as where they are cut."""
        if self.mig_parts > 1:
            return 1
        return {"nvlink": self.gpus_per_node, "nvlink-bridge": min(2, self.gpus_per_node), "pcie": 1}[self.interconnect]


class Request(Section):
    """What one request asks for."""

    input_tokens: NonNegative = 0.0
    """Mean prompt length; for images or audio the units that the catalogue's model counts."""
    output_tokens: NonNegative = 0.0
    """Mean answer length."""
    units: Positive = 1.0
    """Images, scans or seconds of audio in a request, for models that count those."""


class Demand(Section):
    """How many requests come."""

    shape: Literal["chat", "flat", "office", "clinic"] = "chat"
    """The week's shape."""
    mean_rps: NonNegative
    """Mean over the week."""
    growth_per_year_frac: float = 0.0
    """Growth of the mean rate in a year."""


class Stage(Section):
    """A stage of a chained service beside its model: speech to text, text to speech, the network.

    Stages stream into each other, so what counts is the time to the first output that the next one can use.
    """

    name: Name
    """Name of the stage."""
    median_s: Positive
    """Half of the calls take less."""
    p99_s: Positive
    """One call in a hundred takes longer."""

    @model_validator(mode="after")
    def _ascends(self) -> Stage:
        if self.p99_s < self.median_s:
            raise ValueError(f"p99_s {self.p99_s:g} is below median_s {self.median_s:g}")
        return self


class Service(Section):
    """Requests that come all the time and want an answer within a budget."""

    name: Name
    """Name in plans, telemetry and reports."""
    latency_class: LatencyClass
    """Its class of promise."""
    p99_s: Positive
    """Budget of the whole response, 99 of 100 requests."""
    model: str
    """Key of the model in the catalogue, e.g. llm-8b."""
    precisions: tuple[Literal["fp16", "fp8", "int8", "int4"], ...] = ("fp8",)
    """Precisions the owner accepts."""
    speculative: bool = False
    """Whether a draft model may be used."""
    pools: tuple[Name, ...] = Field(min_length=1)
    """Pools it may run on."""
    request: Request
    demand: Demand
    stages: tuple[Stage, ...] = ()
    """Other stages of a chained service; ``p99_s`` is one budget for all of them and the model."""
    replicas_max: int = Field(default=8, ge=1)
    """Most copies of the model at once."""
    value_usd_per_1000: NonNegative = 0.0
    """What a thousand answers in time are worth."""
    unserved_usd_per_1000: NonNegative = 0.0
    """Price of requests that are not served, besides the value lost."""
    switch_usd: NonNegative = 0.05
    """Price of loading another mode."""
    critical: bool = False
    """Goes last in a shortage."""
    sovereign: bool = False
    """Its data never leaves the site."""

    @property
    def model_p99_s(self) -> float:
        """Budget that the other stages leave to the model."""
        stages = [(stage.median_s, stage.p99_s) for stage in self.stages]
        return self.p99_s - chain_bound_s(stages, LATE_FRAC * OTHERS_SHARE)

    @model_validator(mode="after")
    def _leaves_time(self) -> Service:
        if self.model_p99_s <= 0.0:
            taken = self.p99_s - self.model_p99_s
            raise ValueError(f"its stages take {taken:.3g} s of the budget p99_s {self.p99_s:g} s; give more or fewer")
        return self


class ChainStage(Section):
    """A service as a stage of a chain."""

    service: Name
    """Name of the service; its own ``p99_s`` is the most that this stage may take."""
    first_frac: float = Field(default=1.0, gt=0, le=1)
    """Share of its response time until the first output that the next stage can use; 1 = the next one waits for all of it."""


class Chain(Section):
    """Services that answer one after the other under one budget, e.g. speech to text, a model, text to speech."""

    name: Name
    """Name in plans and reports."""
    p99_s: Positive
    """Budget until the last stage's first output, 99 of 100 requests."""
    stages: tuple[ChainStage, ...] = Field(min_length=2)
    """In their order. Plans choose modes that keep the budget together."""


class PoolShare(Section):
    """A pool that batch work may run on and how fast it is there."""

    pool: Name
    """Name of the pool."""
    speed: Positive = 1.0
    """Work done by one GPU-hour at the highest limit."""


class BatchStream(Section):
    """Batch jobs of one kind that keep coming."""

    name: Name
    """Name of the kind of job; each job gets a date and a number."""
    profile: PowerProfile
    """How the work uses a GPU, which says what a power limit costs it."""
    pools: tuple[PoolShare, ...] = Field(min_length=1)
    arrival: Literal["daily", "random"] = "random"
    """At fixed local hours, or at random."""
    per_day: Positive = 1.0
    """Jobs a day."""
    at_local: tuple[str, ...] = ()
    """Local times of daily arrivals, quoted, e.g. ["18:00"]."""
    work_gpu_h: Positive
    """Mean work of a job in GPU-hours at speed 1."""
    work_spread_frac: Fraction = 0.3
    """Spread of the work around its mean."""
    gpus_min: NonNegative = 0
    """GPUs below which a job makes no progress; equal to ``gpus_max`` for a rigid gang."""
    gpus_max: Positive = 1
    """Most GPUs that a job can use at once."""
    deadline_h: Positive
    """Hours from release to deadline."""
    hard: bool = False
    """Worth nothing after the deadline."""
    value_usd: NonNegative
    """Value of a mean job; a job's value grows with its work."""
    late_usd_per_h: NonNegative = 0.0
    """Price of finishing late, per hour; never more than the value."""
    preemptible: bool = True
    """Whether a running job may be paused."""
    checkpoint_minutes: NonNegative = 5.0
    """Time without progress each time a job starts again after a pause."""
    surplus_only: bool = False
    """Whether jobs run on surplus sun alone, never on diesel."""
    window_local: tuple[str, str] | None = None
    """Local clock times between which jobs may run, e.g. ["20:00", "06:00"]; absent = at any time."""
    priority: int = 0
    """Higher goes first where value alone does not decide."""
    sovereign: bool = False
    """Whether its data may never leave the site."""
    group_gpus: int = Field(default=1, ge=1)
    """GPUs that have to be in one NVLink island; more than one only for a rigid gang of whole groups."""
    memory_gb: NonNegative = 0.0
    """Memory that it needs on each GPU; 0 = any will do."""

    _clock_times = field_validator("window_local")(clock_times)

    @model_validator(mode="after")
    def _fits(self) -> BatchStream:
        if self.gpus_min > self.gpus_max:
            raise ValueError(f"gpus_min {self.gpus_min:g} exceeds gpus_max {self.gpus_max:g}")
        if self.group_gpus > 1 and (self.gpus_min != self.gpus_max or self.gpus_max % self.group_gpus):
            mend = f"give gpus_min and gpus_max one value, a multiple of {self.group_gpus}"
            raise ValueError(f"group_gpus {self.group_gpus} needs a rigid gang: {mend}")
        if self.arrival == "daily" and not self.at_local:
            raise ValueError("daily arrivals need at_local, e.g. ['18:00']")
        return self
