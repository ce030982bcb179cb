"""Stages in series with one budget: an upper bound of the time of all, whatever they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

OTHERS_SHARE = 0.5
"""Share of the late requests left to the other stages of a chained service; the model has the rest."""


def chain_bound_s(stages: Sequence[tuple[float, float]], tail: float = 0.01, splits: int = 16) -> float:
    """Return an upper bound of the time [s] of stages in series exceeded with probability ``tail``.

    ``stages`` are (median s, P99 s) of each, taken as lognormal. No independence is assumed: whatever the stages
    have in common, ``P(sum > sum q_i) <= sum of the tails``, so quantiles at levels that share out ``tail`` add up
    to a bound. The share of each stage is searched on a grid of ``splits`` parts for the smallest sum.
    """
    if not stages:
        return 0.0
    normal = NormalDist()
    z99 = normal.inv_cdf(0.99)
    total = max(splits, len(stages))

    def quantile(index: int, parts: int) -> float:
        median_s, p99_s = stages[index]
        z = normal.inv_cdf(1.0 - tail * parts / total)
        return float(median_s * (p99_s / median_s) ** (z / z99)) if median_s > 0.0 else p99_s

    shares = [1] * len(stages)
    for _ in range(total - len(stages)):
        gains = [quantile(i, n) - quantile(i, n + 1) for i, n in enumerate(shares)]
        shares[max(range(len(stages)), key=gains.__getitem__)] += 1
    return sum(quantile(i, n) for i, n in enumerate(shares))
