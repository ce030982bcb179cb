"""Numerical weather predictions as a site meets them: runs with an issue time, a label convention, and faults.

A run is used only after three questions. *Is it whole?* Values that cannot be (irradiance missing, below zero
or all zero through a day on which the sun shines on any cloud) are unknown, never zero. *Where does its label
stand?* The offset of each source is estimated from its own clearest days against the sun (one real archive was
45 min late) and taken out. *How old is it?* Its weight falls with age (``forecasting.learn.learner``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from forecasting.clearpower import ClearPower
from forecasting.learn.features import NWP_EXTRAS, NwpSeries, SkySeries
from forecasting.sun import Floats, clear_sky, sun_path
from sites.series import TimeSeries
from sites.times import HOUR

LEAST_DAY_INDEX = 0.02
"""Below this share of a day's clear-sky energy a prediction is a fault: the thickest overcast lets 4 % through."""
LARGEST_OFFSET_MIN = 120
SMALLEST_OFFSET_MIN = 10.0
LEAST_PAST_DAYS = 10


@dataclass(frozen=True, kw_only=True)
class NwpRun:
    """One run of a weather model for the site."""

    source: str
    """Name of the service or file, e.g. ``open-meteo``."""
    issued_utc: datetime
    """When it could first be read."""
    ghi_w_m2: TimeSeries
    """Irradiance on the horizontal, interval means labelled by start (after ``label`` was undone); NaN where
    missing.
    """
    dni_w_m2: TimeSeries | None = None
    """Beam irradiance on a plane facing the sun."""
    temp_air_c: TimeSeries | None = None
    """Air temperature."""
    humidity_pct: TimeSeries | None = None
    """Relative humidity."""
    wind_m_s: TimeSeries | None = None
    """Wind speed."""
    pressure_hpa: TimeSeries | None = None
    """Air pressure."""
    snow_cm: TimeSeries | None = None
    """Depth of snow on the ground."""
    offset_min: float = 0.0
    """By how much its labels are late, estimated by ``label_offset_min``; taken out when used."""


def late_labels_min(run: NwpRun, clear: ClearPower, *, now: datetime) -> float:
    """Return by how many minutes a run's labels are late, from its values up to ``now``; 0 within ten minutes.

    Needs ten days of past values; fewer say nothing.
    """
    ghi = run.ghi_w_m2
    count = min(int((now - ghi.start_utc).total_seconds() / ghi.step_s), len(ghi.values))
    if count * ghi.step_s < LEAST_PAST_DAYS * 86400:
        return 0.0
    middle = pd.date_range(ghi.start_utc, periods=count, freq=pd.Timedelta(seconds=ghi.step_s))
    middle = middle + pd.Timedelta(seconds=ghi.step_s / 2)
    place = {
        "latitude_deg": clear.model.latitude_deg,
        "longitude_deg": clear.model.longitude_deg,
        "altitude_m": clear.model.altitude_m,
    }
    ghi_clear = clear_sky(middle, sun_path(middle, **place), **place).ghi_w_m2
    late = label_offset_min(np.array(ghi.values[:count]), ghi_clear, step_min=ghi.step_s / 60)
    return late if abs(late) > SMALLEST_OFFSET_MIN else 0.0


def nwp_series(run: NwpRun, clear: ClearPower, series: SkySeries) -> NwpSeries:
    """Return a run on the steps of ``series``, faults as NaN."""
    steps = len(series.clear)
    middle = pd.date_range(
        series.start + pd.Timedelta(hours=series.step_h / 2), periods=steps, freq=pd.Timedelta(hours=series.step_h)
    )
    place = {
        "latitude_deg": clear.model.latitude_deg,
        "longitude_deg": clear.model.longitude_deg,
        "altitude_m": clear.model.altitude_m,
    }
    ghi_clear = clear_sky(middle, sun_path(middle, **place), **place).ghi_w_m2
    ghi = on_steps(run.ghi_w_m2, series, offset_min=run.offset_min)
    index = plausible_index(ghi, ghi_clear, steps_a_day=series.steps_a_day)
    dni = on_steps(run.dni_w_m2, series, offset_min=run.offset_min)
    share = np.where(np.isfinite(dni), dni / np.maximum(ghi, 5.0), np.nan)
    others = [
        on_steps(part, series, offset_min=0.0)
        for part in (run.temp_air_c, run.humidity_pct, run.wind_m_s, run.pressure_hpa)
    ]
    extras = np.column_stack([share, *others])
    assert extras.shape[1] == len(NWP_EXTRAS)
    return NwpSeries(index=index, extras=extras)


def plausible_index(ghi: Floats, ghi_clear: Floats, *, steps_a_day: int) -> Floats:
    """Return the predicted index; NaN at night, where missing, below zero, and through days whose energy cannot
    be.
    """
    lit = ghi_clear > 20.0
    whole = np.isfinite(ghi) & (ghi > -5.0) & (ghi < 1600.0)
    index = np.divide(ghi, ghi_clear, out=np.full_like(ghi_clear, np.nan), where=lit & whole)
    padded = -len(index) % steps_a_day
    energy = np.pad(np.where(lit & whole, ghi, 0.0), (0, padded)).reshape(-1, steps_a_day).sum(axis=1)
    possible = np.pad(np.where(lit & whole, ghi_clear, 0.0), (0, padded)).reshape(-1, steps_a_day).sum(axis=1)
    dark = np.repeat(energy < LEAST_DAY_INDEX * possible, steps_a_day)[: len(index)]
    # the same fault inside a day: zero for three hours while the sun is well up
    zero = lit & whole & (ghi < 1.0) & (ghi_clear > 150.0)
    window = max(2, steps_a_day // 8)
    run = np.convolve(zero.astype(float), np.ones(window), "same") >= window - 0.5
    stuck = np.convolve(run.astype(float), np.ones(2 * window), "same") > 0.5
    return np.where(dark | (stuck & zero), np.nan, np.clip(index, 0.0, 1.5))


def label_offset_min(values: Floats, clear: Floats, *, step_min: float, days: int = 60) -> float:
    """Return by how many minutes a source's labels are late against the sun; negative = early.

    For each candidate shift of the clear-sky curve, the correlation with the values over the clearest quarter
    of the days; the best one, refined by a parabola through its neighbours. Clouds that prefer a half of the
    day shift single days, not the clearest ones.

    Args:
        values: predicted (or measured) irradiance or power on equal steps, NaN where missing.
        clear: clear-sky value of the same steps as labelled.
        step_min: length of a step.
        days: most days looked at, the newest.
    """
    a_day = round(1440 / step_min)
    count = min(len(values) // a_day, days)
    if count < 3:
        return 0.0
    v = values[-count * a_day :].reshape(count, a_day)
    c = clear[-count * a_day :].reshape(count, a_day)
    energy = np.nansum(v, axis=1) / np.maximum(c.sum(axis=1), 1e-9)
    energy[np.isnan(v).any(axis=1)] = -1.0
    best_days = np.argsort(energy)[-max(3, count // 4) :]
    best_days = best_days[energy[best_days] > 0.3]
    if len(best_days) < 2:
        return 0.0
    most = round(LARGEST_OFFSET_MIN / step_min)
    shifts = np.arange(-most, most + 1)
    chosen = np.concatenate([v[d] for d in best_days])
    agreement = np.array(
        [np.corrcoef(chosen, np.concatenate([np.roll(c[d], s) for d in best_days]))[0, 1] for s in shifts]
    )
    top = int(np.argmax(agreement))
    if top in (0, len(shifts) - 1):
        return float(shifts[top] * step_min)
    left, mid, right = agreement[top - 1 : top + 2]
    bend = left - 2 * mid + right
    fine = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float((shifts[top] + fine) * step_min)


def on_steps(part: TimeSeries | None, series: SkySeries, *, offset_min: float) -> Floats:
    """Return a series linearly between interval middles on the steps of ``series``; NaN outside and beside gaps."""
    steps = len(series.clear)
    if part is None:
        return np.full(steps, np.nan)
    start_h = (part.start_utc - series.start.to_pydatetime()) / HOUR - offset_min / 60.0
    known_at = start_h + (np.arange(len(part.values)) + 0.5) * part.step_s / 3600
    wanted = (np.arange(steps) + 0.5) * series.step_h
    values = np.array(part.values, dtype=float)
    out = np.asarray(np.interp(wanted, known_at, values, left=np.nan, right=np.nan), dtype=float)
    edge = part.step_s / 7200
    near_start = (wanted < known_at[0]) & (wanted >= known_at[0] - edge)
    near_end = (wanted > known_at[-1]) & (wanted <= known_at[-1] + edge)
    return np.asarray(np.where(near_start, values[0], np.where(near_end, values[-1], out)), dtype=float)
