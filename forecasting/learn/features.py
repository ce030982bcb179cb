"""Features of the sky's past and of the hour to forecast, the same for training and for a forecast.

All series lie on one step. ``index`` is measured over clear-sky power (or irradiance), NaN where nothing was
measured of it: night, gaps, curtailment. ``likely`` has a draw where the plant was held back (``forecasting.held``);
targets and means over days are taken from it. A forecast *issued before step i* knows steps < i only; that is the one rule
of this module, and ``state_features`` shifts everything by one step to keep it.

State (at issue): the last three indices; energy-weighted means over 1, 3 and 6 h of daylight and over 1, 3 and
14 days; spread of the last 8 samples; hours since the last sample. Target: index at the same time on the last
two days that are known, mean index at that time of day over 15 days; clear-sky level, local solar hour and
season; lead. NWP, when given: index of the forecast irradiance at the target and up to 2 h around it, its daily
mean, direct share, temperature, humidity, wind and pressure, and how far the forecast's index was off over the
last 3 h and 3 days.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    rating: float
    """What counts as full clear-sky level, the same for training and forecasts: AC limit [kW] or 1000 W/m2."""
    least: Floats | None = None
    """Index at least reached where the plant was held back, NaN elsewhere; as long as ``index``."""
    filled: Floats | None = None
    """``index`` with what it may have been where the plant was held back; as long as ``index``."""

    @property
    def likely(self) -> Floats:
        """The index as far as it can be told, also of held samples."""
        return self.index if self.filled is None else self.filled

    def until(self, last: int) -> SkySeries:
        """Return the series with a past that ends before step ``last``; clear-sky power stays."""
        return replace(
            self,
            index=self.index[:last],
            least=None if self.least is None else self.least[:last],
            filled=None if self.filled is None else self.filled[:last],
        )

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
    index = _padded(series.index, steps)
    known = np.isfinite(index)
    clear = np.where(known, series.clear, 0.0)
    energy = np.where(known, index, 0.0) * clear
    per_hour = max(1, round(1 / series.step_h))
    top = series.rating
    order = np.cumsum(known) - 1
    recent = index[known]
    columns = [_taken(recent, order - back) for back in range(3)]
    columns += [_ffilled(_ratio(energy, clear, hours * per_hour, least=0.02 * top)) for hours in (1, 3, 6)]
    likely = _padded(series.likely, steps)
    told = np.isfinite(likely)
    all_clear = np.where(told, series.clear, 0.0)
    all_energy = np.where(told, likely, 0.0) * all_clear
    columns += [
        _ffilled(_ratio(all_energy, all_clear, days * series.steps_a_day, least=0.1 * top)) for days in (1, 3, 14)
    ]
    columns.append(_taken(_rolling_sd(recent, 8), order))
    last = np.maximum.accumulate(np.where(known, np.arange(steps), -1))
    columns.append(np.where(last >= 0, (np.arange(steps) - last) * series.step_h, np.nan))
    state = np.full((steps, len(STATE_NAMES)), np.nan)
    if steps > 1:
        state[1:] = np.column_stack(columns)[:-1]
    return state


def target_features(series: SkySeries, issue: np.ndarray, target: np.ndarray) -> Floats:
    """Return features of targets for issues, one row a pair, columns as ``TARGET_NAMES``.

    Args:
        series: past and clear-sky future.
        issue: step before which the forecast is issued: it knows steps < issue.
        target: step that is forecast, >= issue.
    """
    day = series.steps_a_day
    steps = len(series.clear)
    index = _padded(series.likely, steps)
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
    return np.column_stack(
        [
            same_1d,
            same_2d,
            mean,
            series.clear[target] / series.rating,
            solar_hour,
            np.cos(2 * np.pi * day_of_year / 365.25),
            (target - issue + 0.5) * series.step_h,
        ]
    )


def nwp_features(series: SkySeries, nwp: NwpSeries, issue: np.ndarray, target: np.ndarray) -> Floats:
    """Return features of the prediction for each pair, columns as ``NWP_NAMES``."""
    steps = len(series.clear)
    per_hour = max(1, round(1 / series.step_h))
    lit = series.clear > 0.02 * series.rating
    predicted = np.where(lit, nwp.index, np.nan)
    given = np.isfinite(predicted)
    weights = np.where(given, series.clear, 0.0)
    half = series.steps_a_day // 2
    sums = _window_sum(np.where(given, predicted, 0.0) * weights, half)
    daily = np.divide(
        sums, _window_sum(weights, half), out=np.full(steps, np.nan), where=_window_sum(weights, half) > 0
    )
    gap = _padded(series.likely, steps) - predicted
    gap_weight = np.where(np.isfinite(gap), series.clear, 0.0)
    gap_energy = np.nan_to_num(gap) * gap_weight
    off_3h = np.roll(_ffilled(_ratio(gap_energy, gap_weight, 3 * per_hour, least=1e-9)), 1)
    off_3d = np.roll(_ffilled(_ratio(gap_energy, gap_weight, 3 * series.steps_a_day, least=1e-9)), 1)
    off_3h[:1] = off_3d[:1] = np.nan
    around = [_at(predicted, target + k * per_hour) for k in (0, -2, -1, 1, 2)]
    return np.column_stack(
        [
            *around,
            daily[target],
            off_3h[issue],
            off_3d[issue],
            nwp.extras[target],
        ]
    )


def last_hour_index(series: SkySeries) -> tuple[Floats, Floats]:
    """Return the energy-weighted index of the last free hour before each step of the past and before now, and how long
    ago [h] that was; NaN and 1000 h where there was none.
    """
    known = np.isfinite(series.index)
    clear = np.where(known, series.clear[: len(known)], 0.0)
    energy = np.where(known, series.index, 0.0) * clear
    hourly = np.where(known, _ratio(energy, clear, max(1, round(1 / series.step_h)), least=0.0), np.nan)
    steps = np.arange(len(known) + 1)
    last = np.concatenate([[-1], np.maximum.accumulate(np.where(known, steps[:-1], -1))])
    return _taken(hourly, last), np.where(last >= 0, (steps - last) * series.step_h, 1000.0)


def filled(features: Floats) -> Floats:
    """Return features with unknown ones set to ``MISSING``."""
    return np.where(np.isfinite(features), features, MISSING)


def _padded(values: Floats, steps: int) -> Floats:
    """Return ``values`` with NaN appended up to ``steps``."""
    return np.concatenate([values, np.full(steps - len(values), np.nan)]) if len(values) < steps else values[:steps]


def _ratio(energy: Floats, clear: Floats, window: int, *, least: float) -> Floats:
    """Return energy over clear-sky energy of the ``window`` steps up to each step; NaN where that is below ``least``."""
    weight = _trailing_sum(clear, window)
    ratio = np.divide(_trailing_sum(energy, window), weight, out=np.full(len(clear), np.nan), where=weight > least)
    return np.asarray(np.clip(ratio, -HIGHEST_INDEX, HIGHEST_INDEX), dtype=float)


def _trailing_sum(values: Floats, window: int) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(np.arange(len(values)) + 1 - window, 0)
    return np.asarray(total[1:] - total[first], dtype=float)


def _window_sum(values: Floats, half: int) -> Floats:
    """Return sums over ``half`` steps on either side."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    return np.asarray(total[np.minimum(at + half + 1, len(values))] - total[np.maximum(at - half, 0)], dtype=float)


def _rolling_sd(values: Floats, window: int) -> Floats:
    """Return the standard deviation of up to ``window`` values up to each; NaN for the first."""
    count = np.minimum(np.arange(len(values)) + 1, window)
    mean = _trailing_sum(values, window) / count
    square = _trailing_sum(values**2, window) / count
    spread = np.sqrt(np.maximum(square - mean**2, 0.0) * count / np.maximum(count - 1, 1))
    return np.asarray(np.where(count >= 2, spread, np.nan), dtype=float)


def _ffilled(values: Floats) -> Floats:
    last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), -1))
    return np.asarray(np.where(last >= 0, values[np.maximum(last, 0)], np.nan), dtype=float)


def _taken(values: Floats, position: np.ndarray) -> Floats:
    """Return values at positions, NaN at negative ones."""
    if not len(values):
        return np.full(len(position), np.nan)
    return np.asarray(np.where(position >= 0, values[np.maximum(position, 0)], np.nan), dtype=float)


def _at(values: Floats, position: np.ndarray) -> Floats:
    """Return values at positions, NaN outside."""
    inside = (position >= 0) & (position < len(values))
    return np.where(inside, values[np.clip(position, 0, len(values) - 1)], np.nan)
