"""P99 breaches, found by replaying arrivals through a queue: never by the planner's own formula.

Each service is a first-come queue with as many servers as its mode has slots and log-normal service times. Arrivals are
a Poisson process whose rate moves: within a tick it is multiplied, every :data:`BIN_S` seconds, by a gamma variate with
the squared coefficient of variation that the Azure 2023 conversation trace shows at that rate (``rate_cv2_at``). What
comes above the mode's sustained rate is turned away (HTTP 429) and counted as unserved elsewhere; the rest has to be
answered within the budget. A window of ten minutes breaches when more than one in a hundred of its responses is late and
chance does not explain it (one-sided 95 %, so that one late answer among sixty is no breach), or when requests came and
no mode was up. Busy services are replayed in every ``stride``-th window only, each after a run-in of one tick; counts are
scaled up.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from sites.compute.bursts import rate_cv2_at

BIN_S = 10.0
WINDOW_TICKS_S = 600.0
ARRIVALS_MAX = 2_000_000
"""Arrivals replayed a service; above it windows are skipped evenly."""

Floats = npt.NDArray[np.float64]


class Tick(NamedTuple):
    """A service in one tick of the simulation."""

    rate_rps: float
    """Requests that came."""
    served_rps: float
    """Requests that were let in."""
    slots: int
    service_s: float
    service_scv: float


class Replay(NamedTuple):
    """What the replay of one service found."""

    windows: int
    """Windows with requests."""
    breaches: float
    """Windows that broke the P99 budget, scaled up from those replayed."""
    late_frac: float
    """Share of all responses that came after the budget."""


def replay(ticks: Sequence[Tick], *, tick_s: float, budget_s: float, seed: int) -> Replay:
    """Replay one service.

    Args:
        ticks: the course of the service, equally long ticks.
        tick_s: length of a tick in seconds; a window of ten minutes holds a whole number of them.
        budget_s: P99 budget of the response in seconds.
        seed: of arrivals and service times.
    """
    per_window = max(round(WINDOW_TICKS_S / tick_s), 1)
    rows = np.array(
        [
            (t.rate_rps, t.served_rps, t.slots, t.service_s, t.service_scv, float(rate_cv2_at(t.served_rps)))
            for t in ticks
        ],
        dtype=np.float64,
    )
    if len(rows) == 0:
        return Replay(0, 0.0, 0.0)
    expected = float(rows[:, 1].sum() * tick_s)
    stride = max(int(np.ceil(expected / ARRIVALS_MAX)), 1)
    counts = _replay(rows, float(tick_s), per_window, stride, float(budget_s), seed)
    windows, replayed, breaches, answered, late = (float(value) for value in counts)
    scale = windows / replayed if replayed else 0.0
    return Replay(int(windows), breaches * scale, late / answered if answered else 0.0)


@numba.njit(cache=True)
def _replay(
    rows: Floats, tick_s: float, per_window: int, stride: int, budget_s: float, seed: int
) -> tuple[float, float, float, float, float]:
    np.random.seed(seed)
    windows, replayed, breaches, all_answered, all_late = 0.0, 0.0, 0.0, 0.0, 0.0
    free_at = [0.0]
    slots_now = 0
    for window in range((len(rows) + per_window - 1) // per_window):
        first, last = window * per_window, min((window + 1) * per_window, len(rows))
        if rows[first:last, 0].sum() <= 0.0:
            continue
        windows += 1
        if window % stride != 0:
            slots_now = 0
            continue
        replayed += 1
        answered, late, refused = 0.0, 0.0, False
        for tick in range(first if slots_now or first == 0 else first - 1, last):
            served_rps, slots = rows[tick, 1], int(rows[tick, 2])
            if served_rps <= 0.0 or slots <= 0:
                refused = refused or (tick >= first and rows[tick, 0] > 0.0)
                slots_now = 0
                continue
            if slots != slots_now:
                free_at = [tick * tick_s] * slots
                slots_now = slots
            cv2 = rows[tick, 5]
            sigma2 = np.log(1.0 + rows[tick, 4])
            mu, sigma = np.log(rows[tick, 3]) - 0.5 * sigma2, np.sqrt(sigma2)
            bins = max(round(tick_s / BIN_S), 1)
            bin_s = tick_s / bins
            for k in range(bins):
                start = tick * tick_s + k * bin_s
                mean = served_rps * bin_s * np.random.gamma(1.0 / cv2, cv2)
                count = np.random.poisson(mean)
                arrivals = np.sort(np.random.random(count))
                for a in range(count):
                    at = start + arrivals[a] * bin_s
                    service = np.exp(mu + sigma * np.random.normal())
                    finish = max(at, free_at[0]) + service
                    heapq.heapreplace(free_at, finish)
                    if tick >= first:
                        answered += 1.0
                        if finish - at > budget_s:
                            late += 1.0
        all_answered += answered
        all_late += late
        if refused or late > 0.01 * answered + 1.645 * np.sqrt(0.0099 * answered):
            breaches += 1
    return windows, replayed, breaches, all_answered, all_late
