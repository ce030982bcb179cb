"""Records of the right-sizing advisor: what is asked, under which conditions, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sites.catalog.records import Precision

LatencyClass = Literal["under-100ms", "100-1000ms", "1-10s", "over-10s"]
RankBy = Literal["cost", "energy", "gpus"]


class Verdict(StrEnum):
    """What became of a candidate."""

    RECOMMENDED = "recommended"
    COSTS_MORE = "costs-more"
    DOES_NOT_FIT = "does-not-fit"
    MISSES_P99 = "misses-p99"
    NEEDS_NVLINK = "needs-nvlink"
    OVER_ENVELOPE = "over-the-envelope"
    TOO_HOT = "too-hot"
    TOO_COLD = "too-cold"
    RATE_TOO_HIGH = "rate-too-high"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What has to be served."""

    name: str
    model: str
    """Key or alias of a catalogue model."""
    precisions: tuple[Precision, ...]
    """Precisions the owner accepts."""
    rate_rps: float
    """Mean request rate."""
    p99_s: float
    """Budget of the whole response."""
    latency_class: LatencyClass
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    output_scv: float = 0.6
    """Squared coefficient of variation of the answer's length."""
    units: float = 1.0
    """Items a request asks for, of models that count items."""
    speculative: bool = False
    """Whether a draft model may be used."""
    steady: bool = False
    """Whether requests come on a clock or from a queue."""
    sovereign: bool = False
    """Whether its data may never leave the site."""
    pinned: bool = False
    """Whether it needs a device of its own that is never capped."""
    elsewhere_s: float = 0.0
    """Bound of what the other stages of a chained service take of the budget."""
    elsewhere_waiting_s: float = 0.0
    """The same if stages waited for each other instead of streaming."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Where and at which prices."""

    ambient_c: float = 25.0
    """Air at the inlet of the machines."""
    envelope_w: float | None = None
    """Power that may be drawn at the wall; no limit if absent."""
    gpus_max: int = 64
    energy_usd_per_kwh: float = 0.40
    """Price of energy off the grid; order of sun, battery and diesel together (estimated)."""
    wall_factor: float = 1.06
    """Watts at the wall for a watt at the GPU."""
    life_years: float = 4.0
    """Time over which the hardware is paid for."""
    limit_w: float | None = None
    """A power limit to use on every candidate; the best one is searched if absent."""
    rank_by: RankBy = "cost"
    modes: int = 1
    """Ways shown of each candidate."""
    shared: bool = False
    """Whether boards and hosts carry other work too, so that only shares of them count."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a candidate would serve the workload."""

    precision: Precision
    speculative: bool
    group: int
    """GPUs of one replica."""
    pipeline: bool
    """Whether a replica splits its layers over its GPUs one after the other."""
    batch: int
    """Requests at once a replica."""
    limit_w: float
    replicas: int
    gpus: int
    power_w: float
    """Mean draw at the wall at the rate asked for, hosts included."""
    energy_wh_per_request: float
    usd_per_million: float
    """Energy and hardware for a million tokens, or items of models that count items."""
    usd_per_hour: float
    p99_s: float
    """Bound of the whole response, other stages included."""
    rate_max_rps: float
    mig_slices: int
    """Slices of one GPU that would do, 0 where slicing doesn't apply."""
    measured: bool
    """Whether time and draw were measured on this GPU, model and precision; else estimated."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One candidate GPU."""

    gpu: str
    name: str
    """Product, or pool of the site."""
    verdict: Verdict
    reason: str
    """Why it won or lost, with figures."""
    way: Way | None = None
    """Its best way to serve; absent where there is none."""
    others: tuple[Way, ...] = ()
    """Its next best ways, of another precision, group or power limit."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All candidates, the best first, and what to do when none will do."""

    workload: Workload
    unit: Literal["tokens", "items"]
    advice: tuple[Advice, ...]
    off_site: str
    """Whether an off-site or shared service could do it."""
    nearest: tuple[str, ...]
    """Nearest feasible alternatives; empty when a candidate is recommended."""

    @property
    def best(self) -> Advice | None:
        """The recommended candidate, if any."""
        first = self.advice[0] if self.advice else None
        return first if first and first.verdict is Verdict.RECOMMENDED else None
