"""The site's clock as the loop sees it: the host's, or one that runs faster and waits for each plan.

A fast clock moves only when the loop moves it, step by step, so that a slow host makes site time slower and
never makes the loop skip: what is shown is what a real site would have done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sites.ports import Clock

STEP_MAX_S = 60.0
"""Longest step of a simulated plant."""


class SiteClock(Protocol):
    """What the loop asks of the site's clock."""

    speed: float

    def now_utc(self) -> datetime:
        """Return site time."""
        ...

    def next_step_s(self) -> float:
        """Return how far site time is moved by the next cycle."""
        ...

    def moved(self, seconds: float) -> None:
        """Take note that the plant was moved by ``seconds``."""
        ...

    def pause_s(self) -> float:
        """Return seconds of the host's time to wait before the next cycle."""
        ...


@dataclass
class LiveClock:
    """The host's clock, one cycle a second, on the second; late cycles are not made up for."""

    host: Clock
    period_s: float = 1.0
    speed: float = 1.0
    _next_s: float = -1.0
    _last_s: float = -1.0

    def now_utc(self) -> datetime:
        return self.host.now_utc()

    def next_step_s(self) -> float:
        """Return the seconds since the last cycle."""
        now_s = self.host.monotonic_s()
        step_s = self.period_s if self._last_s < 0 else now_s - self._last_s
        self._last_s = now_s
        return step_s

    def moved(self, seconds: float) -> None:
        """Nothing to note: the host's clock moves by itself."""

    def pause_s(self) -> float:
        now_s = self.host.monotonic_s()
        if self._next_s < 0 or now_s - self._next_s > self.period_s:
            self._next_s = now_s
        self._next_s += self.period_s
        return max(self._next_s - now_s, 0.0)


@dataclass
class FastClock:
    """A clock ``speed`` times as fast as the host's, in steps of at most :data:`STEP_MAX_S`."""

    host: Clock
    at_utc: datetime
    speed: float
    _next_s: float = -1.0

    def now_utc(self) -> datetime:
        return self.at_utc

    def next_step_s(self) -> float:
        return min(self.speed, STEP_MAX_S)

    def moved(self, seconds: float) -> None:
        self.at_utc += timedelta(seconds=seconds)

    def pause_s(self) -> float:
        period_s = self.next_step_s() / self.speed
        now_s = self.host.monotonic_s()
        if self._next_s < 0 or now_s - self._next_s > 5 * period_s:
            self._next_s = now_s
        self._next_s += period_s
        return max(self._next_s - now_s, 0.0)
