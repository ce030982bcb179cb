"""The sky's two memories: fitted at some stations, held against the daily energies of others.

A day's energy needs the right correlation of the hours within it. ``forecasting.scenarios`` draws with the correlation
``(1 - slow) exp(-|dt| / fast_h) + slow exp(-|dt| / slow_h)``; its two time constants are the product's, the share of the
slow one is learned from the site's own days. Here both are also fitted anew on two SURFRAD stations (least squares to the
rank correlations of the midnight forecasts at lags of 1, 3, 6, 9 and 24 h) and used on the other two, the share again
learned day by day as in ``forecasting.learn.night``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from benchmarks.forecast_table import Row
from forecasting.learn.night import SLOW_GAMMA, SLOW_RANGE
from forecasting.scenarios import FAST_H, SLOW_FRAC, SLOW_H, draw_levels, values_at
from forecasting.sun import Floats

LAGS_H = (1, 3, 6, 9, 24)
FAST_TRIED = (1.0, 1.4, 1.8, 2.2, 2.6, 3.0, 3.5, 4.0)
SLOW_TRIED = (12.0, 16.0, 20.0, 25.0, 30.0, 40.0, 50.0)
SHARE_TRIED = tuple(np.arange(2, 16) / 20)
DRAWS = 300


class Midnight(NamedTuple):
    """A day's forecast issued at its local midnight, hours of daylight only, and what came."""

    step: int
    """First step of the day."""
    middles_h: Floats
    """Middles of the hours, from midnight."""
    levels: Floats
    """Levels 0 .. 1 of ``quantiles``."""
    quantiles: Floats
    """Index, one row a level."""
    measured: Floats
    """Index that came."""
    clear: Floats
    """Clear-sky level of each hour."""
    slow_frac: float
    """Share of the slow memory that the learner had."""


class Memories(NamedTuple):
    """Time constants and share."""

    fast_h: float
    slow_h: float
    slow_frac: float


def energy_rows(stations: Sequence[Sequence[Midnight]]) -> list[Row]:
    """Return cover of daily energies with the product's memories and with memories of other stations."""
    known = [inside(day, day.slow_frac, (FAST_H, SLOW_H)) for days in stations for day in days]
    rows = [_row("daily energy, 80 % interval covers", float(np.mean(known)))]
    half = len(stations) // 2
    for learn, ask in ((stations[:half], stations[half:]), (stations[half:], stations[:half])):
        found = fitted(learn)
        covered = [each for days in ask for each in _walked(days, found)]
        what = f"the same, memories of other stations ({found.fast_h:g} and {found.slow_h:g} h)"
        rows.append(_row(what, float(np.mean(covered))))
    return rows


def _row(what: str, share: float) -> Row:
    return Row(what, share, "0.76-0.86", bool(0.76 <= share <= 0.86))


def inside(day: Midnight, slow_frac: float, memories_h: tuple[float, float]) -> bool:
    """Return whether the day's energy lay in its 80 % interval."""
    drawn = draw_levels(day.middles_h, draws=DRAWS, seed=day.step, slow_frac=slow_frac, memories_h=memories_h)
    energy = (values_at(day.levels, day.quantiles, drawn) * day.clear).sum(axis=1)
    low, high = np.quantile(energy, [0.1, 0.9])
    return bool(low <= float((day.measured * day.clear).sum()) <= high)


def _walked(days: Sequence[Midnight], memories: Memories) -> list[bool]:
    share, found = SLOW_FRAC, []
    for day in days:
        found.append(inside(day, share, (memories.fast_h, memories.slow_h)))
        share = float(np.clip(share + SLOW_GAMMA * ((not found[-1]) - 0.2), *SLOW_RANGE))
    return found


def fitted(stations: Sequence[Sequence[Midnight]]) -> Memories:
    """Return the memories that fit the rank correlations of some stations best."""
    measured = np.nanmean([lag_correlations(days) for days in stations], axis=0)
    lags = np.array(LAGS_H, dtype=float)

    def misfit(tried: tuple[float, float, float]) -> float:
        fast, slow, share = tried
        model = (1 - share) * np.exp(-lags / fast) + share * np.exp(-lags / slow)
        return float(((model - measured) ** 2).sum())

    return Memories(*min(product(FAST_TRIED, SLOW_TRIED, SHARE_TRIED), key=misfit))


def lag_correlations(days: Sequence[Midnight]) -> Floats:
    """Return the correlation of the measurements' normal scores in their forecasts, one a lag of ``LAGS_H``."""
    scores: dict[int, float] = {}
    for day in days:
        ranks = [
            float(np.interp(y, q + np.arange(len(q)) * 1e-9, day.levels))
            for y, q in zip(day.measured, day.quantiles.T, strict=True)
        ]
        for middle, score in zip(day.middles_h, ndtri(np.clip(ranks, 0.01, 0.99)), strict=True):
            scores[day.step + round(middle - 0.5)] = float(score)
    found = []
    for lag in LAGS_H:
        pairs = np.array([(score, scores[hour + lag]) for hour, score in scores.items() if hour + lag in scores])
        found.append(float(np.corrcoef(pairs.T)[0, 1]) if len(pairs) > 30 else float("nan"))
    return np.array(found)
