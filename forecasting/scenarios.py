"""Joint courses of the sun from quantiles: a Gaussian copula in time, reduced to the few that a planner wants.

Each draw is a stationary Gaussian process, mapped through the interval's quantile function (linear between levels,
tails as far beyond the outer levels as the outer levels lie apart from their neighbours, cut at the bounds).
Intervals' own quantiles are thereby kept and neighbouring hours are as alike as measured ones are (Pinson et al.
2009, doi:10.1002/we.284). The sky has two memories, clouds and the day's weather: the correlation is
``(1 - slow) exp(-|dt| / 2.2 h) + slow exp(-|dt| / 25 h)``, fitted to the ranks of day-ahead forecasts at four SURFRAD
stations in 2018 (lags 1, 3, 6, 9 and 24 h: .76 .53 .39 .33 .23). How much is slow differs by climate; a learner finds
it from the site's own daily energies. All arrays of a site share one sky state, which holds for sites smaller than a
cloud.

Reduction: draws are sorted by the energy of their first day and their whole energy in turn, cut into groups of
equal probability, and each group is stood for by the member whose energies are nearest to the group's. What is
chosen is then moved, interval by interval and within what was drawn, so that the weighted mean is that of all
draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from forecasting.sun import Floats

DRAWS = 120
FAST_H, SLOW_H = 2.2, 25.0
"""Time constants of the two memories; fits to halves of the stations and of the year: 1.7 .. 2.8 h and 20 .. 49 h."""
SLOW_FRAC = 0.5
"""Share of the slow memory where nothing has been learned; the same fits: 0.31 .. 0.56."""


@dataclass(frozen=True, kw_only=True)
class ReducedScenarios:
    """Scenarios of equal shape and their weights."""

    values: Floats
    """One row a scenario, one column an interval."""
    weights: Floats
    """Probability of each scenario, sums to 1."""


def quantile_function(quantiles: Floats, levels: Floats, *, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return levels 0..1 and values with the two tails added.

    Args:
        quantiles: one row a level, one column an interval, ascending down the rows.
        levels: ascending levels in (0, 1).
        low: least possible value of each interval.
        high: largest possible value of each interval.
    """
    below = np.clip(2 * quantiles[0] - quantiles[1], low, quantiles[0])
    above = np.clip(2 * quantiles[-1] - quantiles[-2], quantiles[-1], np.maximum(high, quantiles[-1]))
    full = np.concatenate([[0.0], levels, [1.0]])
    return full, np.vstack([below, quantiles, above])


def mean_of(levels: Floats, quantiles: Floats) -> Floats:
    """Return the mean of each interval's distribution, given its whole quantile function (levels 0 to 1)."""
    width = np.diff(levels)[:, None]
    mean: Floats = ((quantiles[1:] + quantiles[:-1]) / 2 * width).sum(axis=0)
    return mean


def draw_levels(
    middles_h: Floats,
    *,
    draws: int,
    seed: int,
    slow_frac: float = SLOW_FRAC,
    memories_h: tuple[float, float] = (FAST_H, SLOW_H),
) -> Floats:
    """Return correlated levels in (0, 1): one row a draw, one column an interval with its middle at
    ``middles_h``; ``slow_frac`` of the variance has the longer of the two memories.
    """
    generator = np.random.default_rng(seed)
    fast, slow = (_gaussian(middles_h, tau_h, draws, generator) for tau_h in memories_h)
    return np.asarray(ndtr(np.sqrt(1.0 - slow_frac) * fast + np.sqrt(slow_frac) * slow), dtype=float)


def _gaussian(middles_h: Floats, tau_h: float, draws: int, generator: np.random.Generator) -> Floats:
    """Return a stationary process with correlation ``exp(-|dt| / tau_h)``; the second half of the draws mirrors the
    first.
    """
    noise = generator.normal(size=(draws, len(middles_h)))
    noise[draws // 2 :] = -noise[: draws - draws // 2]
    rho = np.exp(-np.diff(middles_h) / tau_h)
    step = np.sqrt(1 - rho**2)
    z = np.empty_like(noise)
    z[:, 0] = noise[:, 0]
    for i in range(1, len(middles_h)):
        z[:, i] = rho[i - 1] * z[:, i - 1] + step[i - 1] * noise[:, i]
    return z


def values_at(levels: Floats, quantiles: Floats, drawn: Floats) -> Floats:
    """Return the value at each drawn level: rows of ``drawn`` are draws, columns intervals."""
    at = np.clip(np.searchsorted(levels, drawn, side="right"), 1, len(levels) - 1)
    low, high = levels[at - 1], levels[at]
    share = (drawn - low) / (high - low)
    column = np.arange(drawn.shape[1])[None, :]
    values: Floats = quantiles[at - 1, column] * (1 - share) + quantiles[at, column] * share
    return values


def reduce_draws(draws: Floats, hours: Floats, *, count: int) -> ReducedScenarios:
    """Return at most ``count`` of the draws, standing for all of them."""
    if len(draws) <= count:
        return ReducedScenarios(values=draws, weights=np.full(len(draws), 1.0 / len(draws)))
    first_day = (np.cumsum(hours) <= 24.0 + 1e-9) | (np.arange(len(hours)) == 0)
    early = (draws * hours * first_day).sum(axis=1)
    whole = (draws * hours).sum(axis=1)
    splits = 2 if count >= 6 else 1
    outer = np.array_split(np.argsort(early, kind="stable"), count // splits)
    groups = [
        part for group in outer for part in np.array_split(group[np.argsort(whole[group], kind="stable")], splits)
    ]
    chosen = []
    for group in groups:
        apart = (early[group] - early[group].mean()) ** 2 + (whole[group] - whole[group].mean()) ** 2
        chosen.append(group[int(np.argmin(apart))])
    weights = np.array([len(group) for group in groups], dtype=float) / len(draws)
    picked = draws[np.array(chosen)]
    for _ in range(3):
        gap = draws.mean(axis=0) - (weights[:, None] * picked).sum(axis=0)
        picked = np.clip(picked + gap, draws.min(axis=0), draws.max(axis=0))
    return ReducedScenarios(values=picked, weights=weights)
