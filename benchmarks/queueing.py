"""Does the promised P99 hold? The conversation trace through a discrete-event queue, at the model's largest rate.

``python -m benchmarks.queueing [--quick]``. For queues of 1 to 256 slots the model is asked for the largest
rate that keeps a budget. The trace is scaled to that rate (thinned, or copied with a jitter of 5 s: the rate's
own swings stay), its bursts scaled 0.5x, 1x and 2x about the mean, and run through a first-come queue with the
trace's own answer lengths. The model is told the trace's rate variability, measured on counts in windows of
twice the service time. Shown: the share of 10-minute windows whose P99 keeps the budget (target >= 95 %), and
the model's rate over the largest rate that would still have kept it (target >= 2/3). Beside it what assuming
Poisson arrivals would promise. Windows with fewer than 100 requests have no P99 and are not judged. The hour has six
windows; small queues are judged on more draws of the scaling, as one late answer decides there."""

from __future__ import annotations

import argparse
import csv
import heapq
import math
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.compute_data import shared
from sites.compute.queueing import SWING_SHARE, SWING_WINDOW_S, rate_cv2_of, sustained_rate_rps

Floats = npt.NDArray[np.float64]
WINDOW_S = 600.0
JITTER_S = 5.0
SHARE_TARGET = 0.95
REQUESTS_DRAWN = 60_000.0
"""Requests replayed for one share, by as many draws of the scaling as it takes."""
REQUESTS_MIN = 100
"""Requests a window needs to have a P99."""
VARIABLE_FRAC = 0.8
"""Share of the service time that grows with the answer."""


class Trace(NamedTuple):
    """Arrival times and the work of each request relative to the mean."""

    arrival_s: Floats
    work: Floats

    @property
    def rate_rps(self) -> float:
        return float(self.arrival_s.size / self.arrival_s[-1])


class Outcome(NamedTuple):
    """What became of one queue."""

    judged: int
    """Windows with enough requests for a P99."""
    kept: int
    """Those of them whose P99 keeps the budget."""


def conversation() -> Trace:
    """Return the conversation trace of the Azure public data set, 2023."""
    with shared("demand/azure_llm_2023_conv.csv").open(newline="", encoding="utf-8") as stream:
        rows = [(row["TIMESTAMP"][:26], float(row["GeneratedTokens"])) for row in csv.DictReader(stream)]
    times = [datetime.fromisoformat(stamp) for stamp, _ in rows]
    start = times[0]
    seconds = np.array([(each - start).total_seconds() for each in times])
    tokens = np.array([each for _, each in rows])
    return Trace(seconds, 1.0 - VARIABLE_FRAC + VARIABLE_FRAC * tokens / tokens.mean())


def scaled(trace: Trace, rate_rps: float, burst: float, random: np.random.Generator) -> Trace:
    """Return the trace at another mean rate with its swings of 10 s and more scaled by ``burst`` about the mean."""
    edges = np.arange(0.0, trace.arrival_s[-1] + 10.0, 10.0)
    counts, _ = np.histogram(trace.arrival_s, edges)
    smooth = np.convolve(np.pad(counts, 1, mode="edge"), np.full(3, 1.0 / 3.0), mode="valid")
    wanted = np.maximum(1.0 + burst * (smooth / smooth.mean() - 1.0), 0.0)
    weight = (wanted / np.maximum(smooth / smooth.mean(), 1e-9))[
        np.minimum((trace.arrival_s // 10.0).astype(int), len(counts) - 1)
    ]
    weight *= rate_rps * trace.arrival_s[-1] / weight.sum()
    copies = np.floor(weight + random.random(weight.size)).astype(int)
    which = np.repeat(np.arange(weight.size), copies)
    jitter = np.where(
        np.arange(which.size) == np.searchsorted(which, which), 0.0, random.uniform(-JITTER_S, JITTER_S, which.size)
    )
    arrival = np.maximum(trace.arrival_s[which] + jitter, 0.0)
    work = trace.work[random.permutation(which)]
    order = np.argsort(arrival, kind="stable")
    return Trace(arrival[order], work)


def replay(trace: Trace, slots: int, service_s: float, budget_s: float) -> Outcome:
    """Return what a first-come queue of ``slots`` servers with mean service ``service_s`` does with the trace."""
    free = [0.0] * slots
    response = np.empty(trace.arrival_s.size)
    for index, (arrival, work) in enumerate(
        zip(trace.arrival_s.tolist(), (trace.work * service_s).tolist(), strict=True)
    ):
        begin = max(arrival, free[0])
        heapq.heapreplace(free, begin + work)
        response[index] = begin + work - arrival
    window = (trace.arrival_s // WINDOW_S).astype(int)
    p99 = [
        float(np.quantile(response[window == w], 0.99))
        for w in np.unique(window)
        if np.sum(window == w) >= REQUESTS_MIN
    ]
    return Outcome(len(p99), sum(each <= budget_s for each in p99))


def kept(
    trace: Trace, rate_rps: float, burst: float, slots: int, service_s: float, budget_s: float, seeds: int
) -> float:
    """Return the share of windows that keep the budget over several draws of the scaling."""
    seen = [
        replay(scaled(trace, rate_rps, burst, np.random.default_rng(seed)), slots, service_s, budget_s)
        for seed in range(seeds)
    ]
    judged = sum(each.judged for each in seen)
    return sum(each.kept for each in seen) / judged if judged else math.nan


def largest_rate(trace: Trace, burst: float, slots: int, service_s: float, budget_s: float, seeds: int) -> float:
    """Return the largest rate that keeps the budget in the target share of windows, by bisection."""
    low, high = 0.0, 1.1 * slots / service_s
    for _ in range(8):
        middle = 0.5 * (low + high)
        ok = kept(trace, middle, burst, slots, service_s, budget_s, seeds) >= SHARE_TARGET
        low, high = (middle, high) if ok else (low, middle)
    return low


def measured_cv2(trace: Trace, service_s: float) -> float:
    """Return the rate variability of a trace from counts in windows of twice the service time, at least 10 s."""
    window = max(2.0 * service_s, 10.0)
    edges = np.arange(0.0, trace.arrival_s[-1], window)
    counts, _ = np.histogram(trace.arrival_s, edges)
    return rate_cv2_of(counts.astype(np.float64)) / float(
        np.interp(np.log(window), np.log(SWING_WINDOW_S), SWING_SHARE)
    )


class Judged(NamedTuple):
    """One line of the table."""

    kept_frac: float
    of_best: float
    poisson_frac: float
    """Windows kept at the rate that Poisson arrivals would allow."""


def draws(rate_rps: float, quick: bool) -> int:
    """Return how often the scaling is drawn for a queue of ``rate_rps`` [1/s]: 2 to 40 times, once if quick."""
    return 1 if quick else min(max(int(REQUESTS_DRAWN / (3600.0 * max(rate_rps, 1e-9))), 2), 40)


def judge(trace: Trace, slots: int, service_s: float, budget_s: float, burst: float, quick: bool) -> Judged:
    """Print one line and return its figures."""
    told = measured_cv2(scaled(trace, trace.rate_rps, burst, np.random.default_rng(99)), service_s)
    scv = float(np.var(trace.work))
    rate = float(sustained_rate_rps(slots, service_s, scv, budget_s, rate_cv2=told))
    poisson = float(sustained_rate_rps(slots, service_s, scv, budget_s, rate_cv2=0.0))
    seeds = draws(rate, quick)
    share = kept(trace, rate, burst, slots, service_s, budget_s, seeds)
    best = largest_rate(trace, burst, slots, service_s, budget_s, seeds)
    plain = kept(trace, poisson, burst, slots, service_s, budget_s, seeds)
    of_best = rate / best if best else math.nan
    load, plain_load = rate * service_s / slots, poisson * service_s / slots
    print(
        f"{slots:5d} {service_s:5.1f} {budget_s:6.1f} {burst:5.1f} {told:6.3f} {rate:8.2f} {load:5.2f} {share:6.1%} "
        f"{of_best:10.0%}   {plain_load:13.2f} {plain:6.0%}"
    )
    return Judged(share, of_best, plain)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer queues and one draw")
    quick = parser.parse_args().quick
    trace = conversation()
    slot_counts: Sequence[int] = (4, 32) if quick else (1, 2, 4, 8, 16, 32, 64, 128, 256)
    print(f"trace: {trace.arrival_s.size} requests, {trace.rate_rps:.2f}/s, scv of service {np.var(trace.work):.2f}")
    print("slots   S s budget burst      v   rate/s  load   kept of largest   Poisson: load   kept")
    lines = {
        budget: [
            judge(trace, slots, 2.0, 2.0 * budget, burst, quick) for slots in slot_counts for burst in (0.5, 1.0, 2.0)
        ]
        for budget in (3.5, 4.0, 8.0, 20.0)
    }
    for budget, mine in lines.items():
        conclude(f"budgets of {budget:g} times the service time", mine)
    conclude("all budgets from 4 times the service time", [each for b in (4.0, 8.0, 20.0) for each in lines[b]])


def conclude(what: str, lines: Sequence[Judged]) -> None:
    """Print the summary of some lines."""
    shares = [line.kept_frac for line in lines if not math.isnan(line.kept_frac)]
    tight = [line.of_best for line in lines if not math.isnan(line.kept_frac) and not math.isnan(line.of_best)]
    plain = [line.poisson_frac for line in lines if not math.isnan(line.poisson_frac)]
    print(
        f"{what}, {len(shares)} queues: windows kept {min(shares):.1%} at worst, {sum(shares) / len(shares):.1%} in the mean "
        f"(target >= 95 %); {min(tight):.0%} of the largest rate at worst, {sum(tight) / len(tight):.0%} in the mean "
        f"(target >= 67 %); at the rate of Poisson arrivals {sum(plain) / len(plain):.0%} in the mean; "
        f"{len(lines) - len(shares)} queues too small for a P99 in ten minutes"
    )


if __name__ == "__main__":
    main()
