"""Outlook of the sky state from the site's own past: quantiles of the power index k = P / P_clear.

Blend of the last measured state and the distribution of states: ``k_q(h) = rho k0 + (1 - rho) c_q`` with ``rho
= exp(-h / 3.5 h)``; k0 is the sun-weighted index of the last hour of daylight, c_q the quantiles of the site's
uncurtailed hourly indices of the last 30 days, mixed with a prior worth 60 hours of daylight."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from forecasting.clearpower import ClearPower
from forecasting.history import History
from forecasting.outdoor import known_values
from forecasting.records import ForecastRung
from forecasting.sun import Floats
from sites.times import HOUR, TimeGrid

FADE_H = 3.5
PRIOR_HOURS = 60.0
PRIOR_LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
PRIOR_INDEX = np.array([0.10, 0.17, 0.40, 0.82, 0.99, 1.03, 1.06])
HIGHEST_INDEX = 1.3
SMALLEST_CLEAR_FRAC = 0.03
"""Samples with less clear-sky power than this share of the AC limit say nothing about the sky."""


@dataclass(frozen=True, kw_only=True)
class SkyOutlook:
    """Quantiles of the power index over a grid."""

    quantiles: Floats
    """One row a level, one column an interval."""
    high: Floats
    """Largest index thought possible in each interval."""
    rung: ForecastRung
    """Rung of the forecast ladder."""
    source: str
    """Where it comes from, in words."""


def sky_outlook(
    clear: ClearPower, history: History, *, issued_utc: datetime, grid: TimeGrid, levels: Floats
) -> SkyOutlook:
    """Return the outlook as known at ``issued_utc``."""
    steps = len(grid)
    prior = np.interp(levels, PRIOR_LEVELS, PRIOR_INDEX)
    high = np.full(steps, HIGHEST_INDEX)
    index, weight, age_h = measured_index(clear, history, issued_utc=issued_utc)
    sunny = weight > 0
    if not sunny.any():
        return SkyOutlook(
            quantiles=np.repeat(prior[:, None], steps, axis=1),
            high=high,
            rung="climatology",
            source="clear sky and prior",
        )
    hours = float(sunny.sum()) * (history.pv_kw.step_s if history.pv_kw else 0.0) / 3600
    own = np.quantile(index[sunny], levels)
    climate = (own * hours + prior * PRIOR_HOURS) / (hours + PRIOR_HOURS)
    newest = age_h[sunny].min()
    recent = sunny & (age_h < newest + 1.0)
    state = float((index[recent] * weight[recent]).sum() / weight[recent].sum())
    lengths = np.array(grid.hours)
    lead_h = np.array(grid.offsets_h[:-1]) + lengths / 2 + (grid.start_utc - issued_utc) / HOUR + newest
    rho = np.exp(-np.maximum(lead_h, 0.0) / FADE_H)
    quantiles = rho[None, :] * state + (1 - rho[None, :]) * climate[:, None]
    return SkyOutlook(
        quantiles=np.clip(quantiles, 0.0, high),
        high=high,
        rung="history",
        source=f"clear sky and {hours:.0f} h of measured daylight",
    )


def measured_index(
    clear: ClearPower, history: History, *, issued_utc: datetime, days: float = 30.0
) -> tuple[Floats, Floats, Floats]:
    """Return the measured power index, its weight (clear-sky kW, 0 where unusable) and its age in hours."""
    series = history.pv_kw
    empty = np.array([])
    if series is None:
        return empty, empty, empty
    power = known_values(series, issued_utc)
    if not len(power):
        return empty, empty, empty
    skip = max(0, len(power) - int(days * 86400 / series.step_s))
    start = series.start_utc + skip * (series.step_s / 3600) * HOUR
    power = power[skip:]
    clear_kw = clear.series_kw(start, series.step_s, len(power))
    held = np.array(history.pv_curtailed[skip : skip + len(power)], dtype=bool)
    usable = np.isfinite(power) & (clear_kw > SMALLEST_CLEAR_FRAC * clear.model.ac_kw)
    if len(held):
        usable[: len(held)] &= ~held
    index = np.divide(power, clear_kw, out=np.zeros_like(power), where=usable)
    age_h = (issued_utc - start) / HOUR - (np.arange(len(power)) + 1) * series.step_s / 3600
    return np.clip(index, 0.0, HIGHEST_INDEX), np.where(usable, clear_kw, 0.0), age_h
