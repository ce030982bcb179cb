"""Records of what compute can do: a power-limit level of a pool, and one way to serve a service."""

from __future__ import annotations

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
    """One way to serve a service: pool, precision, replicas and power limit, with what it then does and draws."""

    name: str
    """Unique within the service's menu, e.g. ``h100-pcie fp8 x2 @ 250 W``."""
    pool: str
    """GPU pool it runs on; empty for the mode that serves nothing."""
    profile: PowerProfile
    precision: str
    """Weight precision: fp16, fp8, int8 or int4."""
    speculative: bool = False
    """Whether a draft model speeds up decoding."""
    replicas: int = Field(ge=0)
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
    p99_s: float = Field(ge=0)
    """Promised upper bound of the response time's P99 at ``rate_rps``."""
    quality: float = Field(default=1.0, ge=0, le=1)
    """Answer quality relative to the model's best precision."""

    def power_w(self, rate_rps: float) -> float:
        """Return the draw of all its GPUs at a request rate, W; linear between idle and busy."""
        share = min(rate_rps / self.rate_rps, 1.0) if self.rate_rps > 0 else 0.0
        return self.idle_w + (self.busy_w - self.idle_w) * share
