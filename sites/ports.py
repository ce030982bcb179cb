"""Ports for the two things no pure function may reach for: the clock and chance."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Protocol


class Clock(Protocol):
    """Where the program gets its time from."""

    def now_utc(self) -> datetime:
        """Return the present as an aware UTC time."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds of a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` of this clock's time."""
        ...


class SystemClock:
    """The host's clock."""

    def now_utc(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        threading.Event().wait(max(seconds, 0.0))


@dataclass
class ManualClock:
    """A clock that moves only when told: tests and closed-loop simulations."""

    at_utc: datetime
    elapsed_s: float = field(default=0.0, init=False)

    def now_utc(self) -> datetime:
        return self.at_utc

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``."""
        self.at_utc += timedelta(seconds=seconds)
        self.elapsed_s += seconds


def random_stream(seed: int, *names: str) -> random.Random:
    """Return a generator that depends only on ``seed`` and ``names``, so parts never disturb each other's draws."""
    digest = blake2b(repr((seed, names)).encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "big"))
