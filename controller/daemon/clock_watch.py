"""A host clock that jumps: noticed against the clock that never goes back."""

from __future__ import annotations

from datetime import datetime

from sites.ports import Clock

JUMP_S = 60.0
TOLD_S = 900.0
"""How long a jump is shown."""


class ClockWatch:
    """Compares the steps of site time, one second a second, with the host's monotonic clock."""

    def __init__(self, host: Clock) -> None:
        self._host = host
        self._last: tuple[datetime, float] | None = None
        self._jumped: tuple[float, float] | None = None

    def check(self, now: datetime) -> str:
        """Return words about a jump in the last quarter of an hour; empty without one."""
        monotonic_s = self._host.monotonic_s()
        if self._last is not None:
            jump_s = (now - self._last[0]).total_seconds() - (monotonic_s - self._last[1])
            if abs(jump_s) > JUMP_S:
                self._jumped = (monotonic_s, jump_s)
        self._last = (now, monotonic_s)
        if self._jumped is None or monotonic_s - self._jumped[0] > TOLD_S:
            return ""
        return f"the clock jumped by {self._jumped[1]:+.0f} s"
