"""Keeps the limit of each GPU where the controller wants it, turn by turn.

Each turn, for each GPU:

    read            lost or driver away: say so, try to find it again after a pause that doubles to half a minute   (1)
    enforced /= wanted though it was ours before: somebody else set it; count, set it again                         (2)
    draw > enforced + margin for LEAK_TURNS turns: the cap leaks; count, ask for less by what leaks                 (3)
    settings not persistent: ask for it, since a driver without clients forgets limits                              (4)

Until somebody orders a limit every GPU is held at its safe cap: GPUs wake at their default, which is often the highest.
The safe cap is what :meth:`GpuKeeper.leave` leaves behind; :func:`release` alone gives a GPU its default back. Blocking,
for one thread; nothing here raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from controller.devices.compute.gpu_power import (
    NEAR_W,
    Applied,
    DriverGoneError,
    Failed,
    GpuLostError,
    GpuPower,
    GpuPowerError,
    GpuReading,
    LimitOutcome,
    LimitRange,
    PartlyApplied,
    Refused,
)

LEAK_W, LEAK_FRAC, LEAK_TURNS = 5.0, 0.03, 3
"""A GPU leaks that draws this much, and this share, above its limit in so many turns one after the other."""
PAUSE_S = (1.0, 30.0)


@dataclass(frozen=True, kw_only=True)
class GpuStanding:
    """One GPU after a turn."""

    index: int
    name: str
    wanted_w: float
    reading: GpuReading | None
    """None while it cannot be asked."""
    outcome: LimitOutcome | None
    """What became of the last write; none before the first."""
    asked_w: float
    """Limit really asked for: ``wanted_w`` less what leaks, inside the settable range."""
    external: int = 0
    """Times that somebody else had changed the limit."""
    leaks: int = 0
    """Turns in which it drew more than its limit, beyond the first few."""
    trouble: str = ""

    @property
    def lost(self) -> bool:
        """Whether it does no work that could be counted on."""
        return self.reading is None


@dataclass(frozen=True)
class _Held:
    """What the keeper knows of one GPU."""

    gpu: GpuPower
    standing: GpuStanding
    limits: LimitRange | None = None
    granted: tuple[float, float] | None = None
    """Limit last asked for and what it came to, once the driver has taken it; a module of few modes grants less."""
    over: int = 0
    """Turns in which it drew too much, one after the other."""
    leak_w: float = 0.0
    not_before_s: float = -1.0
    pause_s: float = PAUSE_S[0]


class GpuKeeper:
    """The GPUs of one pool on this host."""

    def __init__(
        self, gpus: Sequence[GpuPower], *, safe_limit_w: float | None, monotonic_s: Callable[[], float]
    ) -> None:
        """Take GPUs over; ``safe_limit_w`` none = the lowest each takes."""
        self._safe_w, self._now_s = safe_limit_w, monotonic_s
        self._held = [
            _Held(gpu, GpuStanding(index=index, name="", wanted_w=0.0, reading=None, outcome=None, asked_w=0.0))
            for index, gpu in enumerate(gpus)
        ]
        self._wanted: dict[int, float] = {}

    @property
    def standings(self) -> tuple[GpuStanding, ...]:
        """The GPUs after the last turn."""
        return tuple(held.standing for held in self._held)

    def want(self, limits_w: Mapping[int, float]) -> None:
        """Take orders by index; GPUs that are not named are held at their safe cap. Safe from another thread."""
        self._wanted = dict(limits_w)

    def turn(self) -> tuple[GpuStanding, ...]:
        """Read every GPU once and set what is not as it should be."""
        wanted = self._wanted
        self._held = [self._turned(held, wanted.get(index)) for index, held in enumerate(self._held)]
        return self.standings

    def leave(self) -> None:
        """Leave every GPU at its safe cap."""
        self._wanted = {}
        self._held = [replace(held, leak_w=0.0, over=0, not_before_s=-1.0) for held in self._held]
        self.turn()

    def _turned(self, held: _Held, wanted_w: float | None) -> _Held:
        if self._now_s() < held.not_before_s:
            return held
        try:
            if held.standing.trouble:
                held.gpu.reopen()
            limits = held.limits or held.gpu.limit_range()
            reading = held.gpu.reading()
            if reading.persistent is False and held.standing.reading is None:
                self._persist(held.gpu)
        except GpuPowerError as error:
            return self._lost(held, str(error))
        safe_w = limits.min_w if self._safe_w is None else self._safe_w
        wanted_w = safe_w if wanted_w is None else wanted_w
        held = replace(held, limits=limits, pause_s=PAUSE_S[0], not_before_s=-1.0)
        held = self._leaking(held, reading)
        return self._asserted(held, reading, limits, wanted_w)

    def _asserted(self, held: _Held, reading: GpuReading, limits: LimitRange, wanted_w: float) -> _Held:
        """Write the limit where another is enforced, and read back."""
        before = held.standing
        asked_w = min(max(wanted_w - held.leak_w, limits.min_w), limits.max_w)
        standing = replace(
            before,
            name=before.name or held.gpu.name(),
            wanted_w=wanted_w,
            asked_w=asked_w,
            reading=reading,
            trouble="",
            leaks=before.leaks + (held.over >= LEAK_TURNS),
        )
        granted = held.granted if held.granted and abs(held.granted[0] - asked_w) <= NEAR_W else None
        if abs(reading.enforced_w - (granted[1] if granted else asked_w)) <= NEAR_W:
            standing = replace(standing, outcome=Applied(enforced_w=reading.enforced_w))
            return replace(held, standing=standing, granted=granted or (asked_w, reading.enforced_w))
        external = before.external + (granted is not None)
        outcome = held.gpu.set_limit_w(asked_w)
        match outcome:
            case Applied(enforced_w=enforced_w) | PartlyApplied(enforced_w=enforced_w):
                reading = replace(reading, enforced_w=enforced_w)
            case Refused():
                pass
            case Failed(reason=reason):
                return self._lost(replace(held, standing=replace(standing, outcome=outcome)), reason)
            case _:
                assert_never(outcome)
        standing = replace(standing, outcome=outcome, reading=reading, external=external)
        own = (asked_w, reading.enforced_w) if isinstance(outcome, Applied) else None
        return replace(held, standing=standing, granted=own)

    def _leaking(self, held: _Held, reading: GpuReading) -> _Held:
        """Follow a draw above the limit; what leaks is taken off the limit that is asked for."""
        if reading.power_w is None:
            return held
        above_w = reading.power_w - reading.enforced_w
        if above_w <= max(LEAK_W, LEAK_FRAC * reading.enforced_w):
            return replace(held, over=0)
        over = held.over + 1
        leak_w = max(held.leak_w, above_w) if over >= LEAK_TURNS else held.leak_w
        return replace(held, over=over, leak_w=leak_w)

    def _persist(self, gpu: GpuPower) -> None:
        try:
            gpu.keep_settings()
        except (GpuLostError, DriverGoneError):
            raise
        except GpuPowerError:
            return  # without the right: readings go on saying that settings are not persistent

    def _lost(self, held: _Held, why: str) -> _Held:
        standing = replace(held.standing, reading=None, trouble=why[:200], outcome=Failed(reason=why[:200]))
        return replace(
            held,
            standing=standing,
            limits=None,
            granted=None,
            not_before_s=self._now_s() + held.pause_s,
            pause_s=min(2.0 * held.pause_s, PAUSE_S[1]),
        )


def release(gpus: Sequence[GpuPower]) -> tuple[LimitOutcome, ...]:
    """Give GPUs their default limits back; only a person asks for that (``mdc devices release``)."""
    outcomes: list[LimitOutcome] = []
    for gpu in gpus:
        try:
            outcomes.append(gpu.set_limit_w(gpu.limit_range().default_w))
        except GpuPowerError as error:
            outcomes.append(Failed(reason=str(error)))
    return tuple(outcomes)
