"""Rates out of counters that only rise, over the last seconds; a counter that starts anew makes none negative."""

from __future__ import annotations

from collections import deque

SPAN_S = 10.0


class RateCounter:
    """Two counters of one gateway: requests that came, and that were served."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()

    def taken(self, arrived: int, served: int, now_s: float) -> tuple[float, float] | None:
        """Return both rates, 1/s; none until two moments are known."""
        if self._seen and arrived < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now_s, arrived, served))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= SPAN_S:
            self._seen.popleft()
        first_s, arrived_then, served_then = self._seen[0]
        if now_s - first_s < 0.5:
            return None
        return (arrived - arrived_then) / (now_s - first_s), (served - served_then) / (now_s - first_s)
