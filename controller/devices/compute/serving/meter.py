"""What a gateway measures of the requests that pass: rates, time to first token, time between tokens, throughput.

A request counts with the number of requests in service at its first token as its batch. Rows in the form of
``mdc calibrate`` (``batch, itl_ms, power_w, prompt_tokens, ttft_ms``) are kept for the performance model; a short window of
the newest requests tells how the server does now.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from sites.record import Record

WINDOW = 200
"""Requests that make up the present."""


class Passed(NamedTuple):
    """One answered request."""

    at_s: float
    batch: int
    """Requests in service with it."""
    prompt_tokens: int
    answer_tokens: int
    ttft_s: float
    """Time to the first token; 0 for answers that are not streamed."""
    itl_s: float
    """Mean time between tokens; 0 for answers of one token and answers that are not streamed."""
    total_s: float


class ServingState(Record):
    """How a service does, since the gateway started and now."""

    arrived: int = 0
    """Requests since the start."""
    turned_away: int = 0
    """Of them told to come again: 429."""
    unserved: int = 0
    """Of them met by no server, or a failing one: 502, 503."""
    served: int = 0
    in_flight: int = 0
    healthy: int = 0
    """Servers that answer."""
    ttft_p50_s: float | None = None
    ttft_p99_s: float | None = None
    itl_mean_s: float | None = None
    total_p99_s: float | None = None
    tokens_per_s: float | None = None
    """Answer tokens a second over the newest requests."""


class Meter:
    """Counts and times; for one thread."""

    def __init__(self) -> None:
        self.arrived = self.turned_away = self.unserved = self.served = self.in_flight = 0
        self._newest: deque[Passed] = deque(maxlen=WINDOW)
        self._rows: deque[Passed] = deque(maxlen=10 * WINDOW)

    def passed(self, request: Passed) -> None:
        """Take a request that was answered."""
        self.served += 1
        self._newest.append(request)
        self._rows.append(request)

    def state(self, healthy: int) -> ServingState:
        """Return how it does."""
        seen = list(self._newest)
        itl = [each.itl_s for each in seen if each.itl_s > 0.0]
        span_s = seen[-1].at_s - (seen[0].at_s - seen[0].total_s) if seen else 0.0
        return ServingState(
            arrived=self.arrived,
            turned_away=self.turned_away,
            unserved=self.unserved,
            served=self.served,
            in_flight=self.in_flight,
            healthy=healthy,
            ttft_p50_s=quantile([each.ttft_s for each in seen if each.ttft_s > 0.0], 0.50),
            ttft_p99_s=quantile([each.ttft_s for each in seen if each.ttft_s > 0.0], 0.99),
            itl_mean_s=sum(itl) / len(itl) if itl else None,
            total_p99_s=quantile([each.total_s for each in seen], 0.99),
            tokens_per_s=sum(each.answer_tokens for each in seen) / span_s if span_s > 0.0 else None,
        )

    def rows(self) -> tuple[Passed, ...]:
        """Return requests not yet handed over, and forget them."""
        found = tuple(self._rows)
        self._rows.clear()
        return found


def quantile(values: list[float], level: float) -> float | None:
    """Return the smallest value that ``level`` of the values do not exceed; none of nothing."""
    rising = sorted(values)
    return rising[max(math.ceil(level * len(rising)) - 1, 0)] if rising else None


HEADER = "batch,itl_ms,power_w,prompt_tokens,ttft_ms"


def calibration_rows(passed: tuple[Passed, ...], power_w: float | None) -> list[str]:
    """Return requests as lines of a CSV for ``mdc calibrate``.

    Requests of one batch are one row of mean ITL, with the draw of one GPU if it was measured meanwhile; a request that had
    the server to itself tells the time of its prompt.
    """
    lines = []
    for batch in sorted({each.batch for each in passed}):
        itl = [each.itl_s for each in passed if each.batch == batch and each.itl_s > 0.0]
        if itl and power_w is not None:
            lines.append(f"{batch},{1e3 * sum(itl) / len(itl):.4f},{power_w:.2f},,")
    lines += [
        f",,,{each.prompt_tokens},{1e3 * each.ttft_s:.4f}"
        for each in passed
        if each.batch == 1 and each.prompt_tokens and each.ttft_s > 0.0
    ]
    return lines
