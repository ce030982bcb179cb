"""Records of what compute can do: a power-limit level of a pool, and one way to serve a service."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from sites.record import Record

PowerProfile = Literal["decode", "prefill", "vision", "training"]
"""How work loads a GPU; a power limit means something else to each."""


class CapLevel(Record):
    """What one GPU of a pool does at one power limit under full load of one power profile."""

    limit_w: float = Field(gt=0)
    """Power limit requested from the driver."""
    power_w: float = Field(gt=0)
    """Mean draw of the GPU at this limit, fully loaded (never above ``limit_w`` but for leaks)."""
    idle_w: float = Field(ge=0)
    """Draw of the GPU without work."""
    speed_frac: float = Field(gt=0, le=1)
    """Throughput relative to the same work at the highest limit."""


class ServingMode(Record):
    """One way to serve a service: pool, precision, replicas and limit, with what it then does and draws."""

    name: str
    """Unique within the service's menu, e.g. ``h100-pcie fp8 x2 @ 250 W``."""
    pool: str
    """GPU pool it runs on; empty for the mode that serves nothing."""
    profile: PowerProfile
    """How the work uses a GPU."""
    precision: str
    """Weight precision: fp16, fp8, int8 or int4."""
    speculative: bool = False
    """Whether a draft model speeds up decoding."""
    replicas: int = Field(ge=0)
    """Copies of the model."""
    gpus: int = Field(ge=0)
    """GPUs held by all replicas together."""
    limit_w: float = Field(ge=0)
    """Power limit of each GPU."""
    slots: int = Field(ge=0)
    """Requests in service at once over all replicas: the servers of the queue."""
    service_s: float = Field(ge=0)
    """Mean time of one request in service at this limit and operating batch."""
    service_scv: float = Field(ge=0)
    """Squared coefficient of variation of the service time."""
    rate_rps: float = Field(ge=0)
    """Largest request rate that keeps the P99 budget."""
    idle_w: float = Field(ge=0)
    """Draw of all its GPUs when no request is served."""
    busy_w: float = Field(ge=0)
    """Draw of all its GPUs at ``rate_rps``."""
    single_w: float = Field(default=0.0, ge=0)
    """Draw of all its GPUs while each replica serves one request; 0 = not known: draw linear in the rate."""
    p99_s: float = Field(ge=0)
    """Promised upper bound of the response time's P99 at ``rate_rps``."""
    quality: float = Field(default=1.0, ge=0, le=1)
    """Answer quality relative to the model's best precision."""

    def power_w(self, rate_rps: float) -> float:
        """Return the mean draw of all its GPUs at a request rate, W.

        A GPU draws most of its power as soon as one request is in service, so the draw rises steeply with the
        chance that a replica is busy (Poisson, offered load per replica) and then gently with the batch.
        Linear where ``single_w`` is not known."""
        share = min(rate_rps / self.rate_rps, 1.0) if self.rate_rps > 0 else 0.0
        if self.single_w <= self.idle_w or self.replicas == 0:
            return self.idle_w + (self.busy_w - self.idle_w) * share
        full_load = self.rate_rps * self.service_s / self.replicas
        busy_frac = math.expm1(-full_load * share) / math.expm1(-full_load) if full_load > 0 else 0.0
        single_w = min(self.single_w, self.busy_w)
        return self.idle_w + (single_w - self.idle_w) * busy_frac + (self.busy_w - single_w) * share
