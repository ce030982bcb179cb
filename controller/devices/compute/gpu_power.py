"""The port to one GPU's power limit: what the driver enforces, what the GPU draws, and a request for another limit.

A limit is a request: a driver clips it, refuses it for want of rights, or another program changes it. Callers read the
enforced limit back. What becomes of a request is a value (:data:`LimitOutcome`); a GPU that cannot be asked at all raises
one of few errors, whatever the vendor calls them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class GpuPowerError(RuntimeError):
    """A GPU that can't be reached or asked; the message says what would mend it."""


class GpuLostError(GpuPowerError):
    """It has fallen off its bus or needs a reset: gone until somebody sees to it."""


class DriverGoneError(GpuPowerError):
    """The vendor's driver is being reloaded or is not loaded: it may come back, and everything set in it is lost then."""


class NoPermissionError(GpuPowerError):
    """The GPU is fine; this user may not."""


class NotSupportedError(GpuPowerError):
    """This GPU does not have what was asked for."""


@dataclass(frozen=True, kw_only=True)
class LimitRange:
    """Limits a driver takes."""

    min_w: float
    default_w: float
    """What it wakes with; often below ``max_w``."""
    max_w: float


@dataclass(frozen=True, kw_only=True)
class GpuReading:
    """One GPU now; what it does not tell is ``None``."""

    enforced_w: float
    """The limit in force, the lowest of all that somebody set."""
    power_w: float | None
    temperature_c: float | None = None
    throttle_reasons: tuple[str, ...] = ()
    """Why its clocks are held down, e.g. ``power-cap``, ``thermal``."""
    ecc_uncorrected: int | None = None
    """Memory errors since the driver was loaded."""
    persistent: bool | None = None
    """Whether limits outlive the last client of the driver."""
    slices: bool | None = None
    """Whether it is cut into MIG slices, which share one limit."""
    mig_devices: tuple[str, ...] = ()
    """UUIDs of the parts that it is cut into, as ``CUDA_VISIBLE_DEVICES`` takes them."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The driver enforces a limit near the one asked for."""

    enforced_w: float


@dataclass(frozen=True, kw_only=True)
class PartlyApplied:
    """The driver took the request and enforces another limit."""

    asked_w: float
    enforced_w: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The driver did not take the limit; the GPU is as it was."""

    reason: str
    """Why, with what would mend it."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """Nobody knows what is in force: the GPU could not be asked."""

    reason: str


LimitOutcome = Applied | PartlyApplied | Refused | Failed
NEAR_W = 1.0
"""Read back within this of what was asked counts as applied."""


class GpuPower(Protocol):
    """One GPU. Every call may raise :class:`GpuPowerError` but :meth:`set_limit_w`, which answers with an outcome."""

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

    def reading(self) -> GpuReading:
        """Return all it tells."""
        ...

    def set_limit_w(self, limit_w: float) -> LimitOutcome:
        """Ask for a limit [W] and read it back."""
        ...

    def keep_settings(self) -> None:
        """Ask that limits outlive the last client of the driver (persistence mode); nothing where there is no such thing."""
        ...

    def reopen(self) -> None:
        """Find the same GPU again after its driver was away."""
        ...


def outside(limit_w: float, limits: LimitRange) -> Refused | None:
    """Return a refusal when ``limit_w`` is outside the range, naming the nearest that is not."""
    if limits.min_w <= limit_w <= limits.max_w:
        return None
    nearest = min(max(limit_w, limits.min_w), limits.max_w)
    return Refused(
        reason=f"{limit_w:g} W is outside {limits.min_w:g}..{limits.max_w:g} W; the nearest is {nearest:g} W"
    )


def judged(asked_w: float, enforced_w: float) -> Applied | PartlyApplied:
    """Return what a limit came to when it was read back."""
    if abs(enforced_w - asked_w) <= NEAR_W:
        return Applied(enforced_w=enforced_w)
    why = "something else sets it" if enforced_w > asked_w else "a lower limit holds beside it"
    return PartlyApplied(
        asked_w=asked_w,
        enforced_w=enforced_w,
        reason=f"asked for {asked_w:g} W, {enforced_w:g} W is enforced; {why}",
    )
