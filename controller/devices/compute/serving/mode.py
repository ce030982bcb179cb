"""What a gateway is told: how much it admits, and to which servers it forwards."""

from __future__ import annotations

from pydantic import Field

from sites.record import Record


class GatewayMode(Record):
    """The mode of one gateway; as it starts it serves nothing."""

    name: str = ""
    """Serving mode of the menu."""
    servers: tuple[str, ...] = ()
    """Addresses such as ``http://127.0.0.1:9001``."""
    rate_rps: float = Field(default=0.0, ge=0)
    """Sustained rate: what is above is told to come again."""
    burst: float = Field(default=1.0, ge=0)
    """Requests let in at once after a quiet time."""
    draining: bool = False
    """Whether nothing new is let in, so that what is in flight ends."""
    health_path: str = "/health"
