"""Features of the sky's past and of the hour to forecast, the same for training and for a forecast.

All series lie on one step. ``index`` is measured over clear-sky power (or irradiance), NaN where nothing can be
learned: night, gaps, curtailment. A forecast *issued before step i* knows steps < i only; that is the one rule
of this module, and ``state_features`` shifts everything by one step to keep it.

State (at issue): the last three indices; energy-weighted means over 1, 3 and 6 h of daylight and over 1, 3 and
14 days; spread of the last 8 samples; hours since the last sample. Target: index at the same time on the last
two days that are known, mean index at that time of day over 15 days; clear-sky level, local solar hour and
season; lead. NWP, when given: index of the forecast irradiance at the target and up to 2 h around it, its daily
mean, direct share, temperature, humidity, wind and pressure, and how far the forecast's index was off over the
last 3 h and 3 days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecasting.sun import Bools, Floats

STATE_NAMES = ("k0", "k1", "k2", "m1", "m3", "m6", "m24", "m72", "m336", "sd", "age_h")
TARGET_NAMES = ("same_1d", "same_2d", "usual", "level", "solar_hour", "season", "lead_h")
NWP_EXTRAS = ("direct_share", "temp_air_c", "humidity", "wind_m_s", "pressure")
NWP_NAMES = ("n0", "n-2", "n-1", "n+1", "n+2", "n_day", "off_3h", "off_3d", *NWP_EXTRAS)
HIGHEST_INDEX = 1.5
MISSING = -1.0
"""Stands for an unknown feature: trees split it off, and no index is negative."""


@dataclass(frozen=True, kw_only=True)
class SkySeries:
    """A site's past (and its clear-sky future) on one step."""

    start: pd.Timestamp
    """Start of the first step (aware UTC)."""
    step_h: float
    """Length of a step in hours."""
    clear: Floats
    """Clear-sky power [kW] or irradiance [W/m2] of each step, also of future ones."""
    index: Floats
    """Measured over clear-sky; NaN where unknown or unusable. Shorter than ``clear`` when that reaches into the
    future.
    """
    longitude_deg: float
    """East is positive: local solar time."""

    @property
    def steps_a_day(self) -> int:
        """Steps in 24 hours."""
        return round(24.0 / self.step_h)


@dataclass(frozen=True, kw_only=True)
class NwpSeries:
    """Weather predictions valid at each step of a ``SkySeries`` (NaN where absent), as known when they were
    issued.
    """

    index: Floats
    """Predicted over clear-sky irradiance or power."""
    extras: Floats
    """One column a name of ``NWP_EXTRAS``."""


def clipped_index(measured: Floats, clear: Floats, usable: Bools, *, floor: float) -> Floats:
    """Return measured / clear cut to 0 .. 1.5; NaN where not usable or clear-sky is below ``floor``."""
    known = usable & np.isfinite(measured) & (clear > floor)
    index = np.divide(measured, clear, out=np.full_like(clear, np.nan), where=known)
    return np.asarray(np.clip(index, 0.0, HIGHEST_INDEX), dtype=float)


def state_features(series: SkySeries) -> Floats:
    """Return the state known before each step, one row a step of ``series.clear``, columns as ``STATE_NAMES``."""
    steps = len(series.clear)
    index = pd.Series(_padded(series.index, steps))
    clear = pd.Series(series.clear).where(index.notna(), 0.0)
    energy = index.fillna(0.0) * clear
    per_hour = max(1, round(1 / series.step_h))
    recent = index.dropna()
    columns = {
        "k0": index.ffill(),
        "k1": recent.shift(1).reindex(index.index).ffill(),
        "k2": recent.shift(2).reindex(index.index).ffill(),
    }
    top = float(np.max(series.clear)) if steps else 0.0
    for name, hours in (("m1", 1), ("m3", 3), ("m6", 6)):
        columns[name] = _ratio(energy, clear, hours * per_hour, least=0.02 * top).ffill()
    for name, days in (("m24", 1), ("m72", 3), ("m336", 14)):
        columns[name] = _ratio(energy, clear, days * series.steps_a_day, least=0.1 * top).ffill()
    columns["sd"] = recent.rolling(8, min_periods=2).std().reindex(index.index).ffill()
    known = index.notna().to_numpy()
    last = np.maximum.accumulate(np.where(known, np.arange(steps), -1))
    age = pd.Series((np.arange(steps) - last) * series.step_h).where(last >= 0)
    columns["age_h"] = age
    frame = pd.DataFrame(columns)[list(STATE_NAMES)].shift(1)
    return np.asarray(frame.to_numpy(dtype=float))


def target_features(series: SkySeries, issue: np.ndarray, target: np.ndarray) -> Floats:
    """Return features of targets for issues, one row a pair, columns as ``TARGET_NAMES``.

    Args:
        series: past and clear-sky future.
        issue: step before which the forecast is issued: it knows steps < issue.
        target: step that is forecast, >= issue.
    """
    day = series.steps_a_day
    steps = len(series.clear)
    index = _padded(series.index, steps)
    back = np.maximum(np.ceil((target - issue + 1) / day), 1).astype(int)
    same_1d = _at(index, target - back * day)
    same_2d = _at(index, target - (back + 1) * day)
    usual = np.stack([_at(index, target - (back + i) * day) for i in range(15)])
    known = np.isfinite(usual)
    mean = np.divide(
        np.nansum(usual, axis=0), known.sum(axis=0), out=np.full(len(target), np.nan), where=known.any(axis=0)
    )
    start_h = series.start.hour + series.start.minute / 60
    solar_hour = (start_h + (target + 0.5) * series.step_h + series.longitude_deg / 15.0) % 24.0
    day_of_year = series.start.day_of_year + target * series.step_h / 24.0
    top = max(float(np.max(series.clear)), 1e-9)
    return np.column_stack(
        [
            same_1d,
            same_2d,
            mean,
            series.clear[target] / top,
            solar_hour,
            np.cos(2 * np.pi * day_of_year / 365.25),
            (target - issue + 0.5) * series.step_h,
        ]
    )


def nwp_features(series: SkySeries, nwp: NwpSeries, issue: np.ndarray, target: np.ndarray) -> Floats:
    """Return features of the prediction for each pair, columns as ``NWP_NAMES``."""
    steps = len(series.clear)
    per_hour = max(1, round(1 / series.step_h))
    lit = series.clear > 0.02 * float(np.max(series.clear))
    predicted = np.where(lit, nwp.index, np.nan)
    sums = pd.Series(np.where(np.isfinite(predicted), predicted * series.clear, 0.0))
    weights = pd.Series(np.where(np.isfinite(predicted), series.clear, 0.0))
    half = series.steps_a_day // 2
    daily = (sums.rolling(2 * half + 1, center=True, min_periods=1).sum()) / weights.rolling(
        2 * half + 1, center=True, min_periods=1
    ).sum().replace(0.0, np.nan)
    gap = pd.Series(_padded(series.index, steps) - predicted)
    gap_energy = gap.fillna(0.0) * series.clear
    gap_weight = pd.Series(series.clear).where(gap.notna(), 0.0)
    off_3h = _ratio(gap_energy, gap_weight, 3 * per_hour, least=1e-9).ffill().shift(1)
    off_3d = _ratio(gap_energy, gap_weight, 3 * series.steps_a_day, least=1e-9).ffill().shift(1)
    around = [_at(predicted, target + k * per_hour) for k in (0, -2, -1, 1, 2)]
    return np.column_stack(
        [
            *around,
            daily.to_numpy()[target],
            off_3h.to_numpy()[issue],
            off_3d.to_numpy()[issue],
            nwp.extras[target],
        ]
    )


def filled(features: Floats) -> Floats:
    """Return features with unknown ones set to ``MISSING``."""
    return np.where(np.isfinite(features), features, MISSING)


def _padded(values: Floats, steps: int) -> Floats:
    """Return ``values`` with NaN appended up to ``steps``."""
    return np.concatenate([values, np.full(steps - len(values), np.nan)]) if len(values) < steps else values[:steps]


def _ratio(energy: pd.Series, clear: pd.Series, window: int, *, least: float) -> pd.Series:
    weight = clear.rolling(window, min_periods=1).sum()
    return (energy.rolling(window, min_periods=1).sum() / weight.where(weight > least)).clip(
        -HIGHEST_INDEX, HIGHEST_INDEX
    )


def _at(values: Floats, position: np.ndarray) -> Floats:
    """Return values at positions, NaN outside."""
    inside = (position >= 0) & (position < len(values))
    return np.where(inside, values[np.clip(position, 0, len(values) - 1)], np.nan)
