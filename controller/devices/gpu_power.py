"""The port to one GPU's power limit: what the driver enforces, what the GPU draws, and a request for another limit.

A limit is a request: a driver clips it, refuses it for want of rights, or another program changes it. Callers read the
enforced limit back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class LimitRange:
    """Limits a driver takes."""

    min_w: float
    default_w: float
    max_w: float


@dataclass(frozen=True, kw_only=True)
class LimitApplied:
    """The driver enforces a limit near the one asked for."""

    enforced_w: float


@dataclass(frozen=True, kw_only=True)
class LimitRefused:
    """The driver did not take the limit."""

    reason: str
    """Why, with what would mend it."""


LimitOutcome = LimitApplied | LimitRefused
NEAR_W = 1.0
"""Read back within this of what was asked counts as applied."""


class GpuPowerError(RuntimeError):
    """A GPU that can't be reached or asked; the message says what would mend it."""


class GpuPower(Protocol):
    """One GPU."""

    def name(self) -> str:
        """Return the product name."""
        ...

    def limit_range(self) -> LimitRange:
        """Return the limits the driver takes."""
        ...

    def enforced_limit_w(self) -> float:
        """Return the limit in force, W."""
        ...

    def power_w(self) -> float:
        """Return the present draw, W."""
        ...

    def set_limit_w(self, limit_w: float) -> LimitOutcome:
        """Ask for a limit [W] and read it back."""
        ...


def outside(limit_w: float, limits: LimitRange) -> LimitRefused | None:
    """Return a refusal when ``limit_w`` is outside the range, naming the nearest that is not."""
    if limits.min_w <= limit_w <= limits.max_w:
        return None
    nearest = min(max(limit_w, limits.min_w), limits.max_w)
    return LimitRefused(
        reason=f"{limit_w:g} W is outside {limits.min_w:g}..{limits.max_w:g} W; the nearest is {nearest:g} W"
    )
