"""Outdoor temperature from the site's own thermometer.

The same time of day over the last days (weights 1, 1/2, 1/4, ...), moved by how much warmer it is now than that
rule would have had it, a difference that fades with a time constant of 18 h. Without a day of history: the
latest reading plus a daily wave of +-4 K with its peak three hours after solar noon; without any reading: 15 C
and the same wave.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from forecasting.sun import Floats
from sites.series import TimeSeries
from sites.times import HOUR, TimeGrid

FADE_H = 18.0
DAYS_BACK = 5
WAVE_K = 4.0
UNKNOWN_C = 15.0


def forecast_outdoor_c(
    series: TimeSeries | None, *, issued_utc: datetime, grid: TimeGrid, longitude_deg: float
) -> Floats:
    """Return the expected outdoor temperature [C] in each interval of ``grid``; uses nothing after
    ``issued_utc``.
    """
    hours = np.array(grid.hours)
    lead_h = np.array(grid.offsets_h[:-1]) + hours / 2 + (grid.start_utc - issued_utc) / HOUR
    issue_hour = issued_utc.hour + issued_utc.minute / 60 + longitude_deg / 15.0
    known = known_values(series, issued_utc) if series is not None else np.array([])
    finite = np.flatnonzero(np.isfinite(known))
    wave = _wave(issue_hour + lead_h)
    if series is None or not len(finite):
        return np.asarray(UNKNOWN_C + wave, dtype=float)
    age_h = (issued_utc - series.start_utc) / HOUR - (finite[-1] + 0.5) * series.step_s / 3600
    now_c = float(known[finite[-12:]].mean()) if series.step_s <= 300 else float(known[finite[-1]])
    if len(finite) * series.step_s < 86400:
        return np.asarray(now_c + wave - _wave(np.array([issue_hour - age_h]))[0], dtype=float)
    offset_h = (issued_utc - series.start_utc) / HOUR
    usual = _usual(known, series.step_s, offset_h + lead_h)
    usual_now = _usual(known, series.step_s, np.array([offset_h - age_h]))[0]
    gap = now_c - usual_now if np.isfinite(usual_now) else 0.0
    filled = np.where(np.isfinite(usual), usual, now_c + wave)
    moved: Floats = filled + gap * np.exp(-(lead_h + age_h) / FADE_H)
    return moved


def coldest_c(series: TimeSeries | None, issued_utc: datetime) -> float | None:
    """Return the coldest reading [C] of the day before ``issued_utc``; none where there is none."""
    if series is None:
        return None
    day = known_values(series, issued_utc)[-round(86400 / series.step_s) :]
    return float(np.nanmin(day)) if np.isfinite(day).any() else None


def known_values(series: TimeSeries, issued_utc: datetime) -> Floats:
    """Return the values of intervals that ended by ``issued_utc``."""
    count = int((issued_utc - series.start_utc).total_seconds() / series.step_s + 1e-6)
    return np.array(series.values[: max(count, 0)], dtype=float)


def _wave(solar_hour: Floats) -> Floats:
    wave: Floats = WAVE_K * np.cos((solar_hour - 15.0) / 24.0 * 2 * np.pi)
    return wave


def _usual(known: Floats, step_s: float, at_h: Floats) -> Floats:
    """Return the weighted mean of the same time on the days before the last known value; NaN where none is
    known.
    """
    total = np.zeros_like(at_h)
    weights = np.zeros_like(at_h)
    end_h = len(known) * step_s / 3600
    newest = np.ceil(np.maximum(at_h - end_h, 0.0) / 24.0 + 1e-9)
    for back in range(DAYS_BACK):
        index = ((at_h - 24.0 * (np.maximum(newest, 1) + back)) * 3600 / step_s).astype(int)
        usable = (index >= 0) & (index < len(known))
        values = np.where(usable, known[np.clip(index, 0, len(known) - 1)], np.nan)
        weight = np.where(np.isfinite(values), 0.5**back, 0.0)
        total += np.nan_to_num(values) * weight
        weights += weight
    return np.divide(total, weights, out=np.full_like(total, np.nan), where=weights > 0)
