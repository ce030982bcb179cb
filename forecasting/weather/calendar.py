"""Weather on the intervals of a period: typical years put on a calendar, coarse intervals made finer.

**Typical year.** Each interval of the period takes the row with the same month, day and hour of local
*standard* time (no daylight saving: the sun doesn't have it). 29 February takes the row of 28 February. The
year wraps from 31 December to 1 January.

**Finer intervals** keep each coarse interval's energy. With clear-sky irradiance C(t) of the fine intervals,
the index of coarse interval i is k_i = G_i / mean(C over i); k is interpolated linearly between interval
middles, G(t) = k(t) C(t), and G is scaled inside each coarse interval so that its mean is G_i again. An
interval with irradiance but no clear-sky sun (twilight) is spread evenly over its part with the sun above -2
degrees. Temperature and wind are interpolated linearly between interval middles; their means move by less than
the sensors' error.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from forecasting.sun import Bools, Floats, clear_sky, sun_path
from forecasting.weather.record import Weather, typical_order
from sites.errors import InputError

PAD = 2
"""Coarse intervals taken on either side of a period, so that its ends are interpolated too."""


def weather_for_period(weather: Weather, *, start_utc: datetime, end_utc: datetime, step_s: int = 300) -> pd.DataFrame:
    """Return weather on ``step_s`` intervals covering ``start_utc .. end_utc``.

    Args:
        weather: record of any step that is a multiple of ``step_s``, or equal to it.
        start_utc: start of the first interval; a whole multiple of ``step_s``.
        end_utc: end of the last interval.
        step_s: length of the intervals wanted.

    Returns:
        Columns of ``weather.frame``, index = interval start (aware UTC).

    Raises:
        InputError: the period reaches outside a record that is no typical year, or steps don't divide.
    """
    if weather.step_s % step_s:
        raise InputError.single(
            source=weather.source,
            field="step",
            found=f"{weather.step_s} s intervals",
            mend=f"ask for intervals that divide them, not {step_s} s",
        )
    wanted = pd.date_range(start_utc, end_utc, freq=pd.Timedelta(seconds=step_s), inclusive="left")
    coarse = _coarse_rows(weather, start_utc=start_utc, end_utc=end_utc)
    if weather.step_s == step_s:
        return coarse.reindex(wanted)
    return _finer(coarse, weather, step_s=step_s).reindex(wanted)


def _coarse_rows(weather: Weather, *, start_utc: datetime, end_utc: datetime) -> pd.DataFrame:
    """Return the coarse rows that cover the period plus ``PAD`` intervals on either side."""
    step = pd.Timedelta(seconds=weather.step_s)
    index = pd.DatetimeIndex(weather.frame.index)
    phase = pd.Timedelta(seconds=float(index[0].timestamp() % weather.step_s))
    first = (pd.Timestamp(start_utc) - phase).floor(step) + phase - PAD * step
    last = (pd.Timestamp(end_utc) - phase).ceil(step) + phase + PAD * step
    wanted = pd.date_range(first, last, freq=step, inclusive="left")
    if weather.typical:
        return _typical_rows(weather, wanted)
    inside = wanted[(wanted + step > pd.Timestamp(start_utc)) & (wanted < pd.Timestamp(end_utc))]
    if not inside.isin(index).all():
        raise InputError.single(
            source=weather.source,
            field="time",
            found=f"{index[0].isoformat()} .. {(index[-1] + step).isoformat()}",
            mend=f"give weather that covers {start_utc.isoformat()} .. {end_utc.isoformat()}",
        )
    return weather.frame.reindex(wanted).ffill().bfill()


def _typical_rows(weather: Weather, wanted: pd.DatetimeIndex) -> pd.DataFrame:
    """Return the typical year's rows for the intervals ``wanted``."""
    year = typical_order(weather.frame, weather)
    offset = pd.Timedelta(hours=weather.utc_offset_h)
    local_year = pd.DatetimeIndex(year.index) + offset
    local = wanted + offset
    row_of = np.zeros((13, 32, 24), dtype=int)
    row_of[local_year.month, local_year.day, local_year.hour] = np.arange(len(year))
    day = np.where((local.month == 2) & (local.day == 29), 28, local.day)
    rows = row_of[local.month, day, local.hour]
    return pd.DataFrame(year.to_numpy()[rows], index=wanted, columns=year.columns)


def _finer(coarse: pd.DataFrame, weather: Weather, *, step_s: int) -> pd.DataFrame:
    parts = weather.step_s // step_s
    starts = pd.DatetimeIndex(coarse.index)
    fine = pd.date_range(starts[0], periods=len(starts) * parts, freq=pd.Timedelta(seconds=step_s))
    middle = fine + pd.Timedelta(seconds=step_s / 2)
    place = {
        "latitude_deg": weather.latitude_deg,
        "longitude_deg": weather.longitude_deg,
        "altitude_m": weather.altitude_m,
    }
    sun = sun_path(middle, **place)
    sky = clear_sky(middle, sun, **place)
    coarse_mid = np.arange(len(starts)) + 0.5
    fine_mid = (np.arange(len(fine)) + 0.5) / parts
    columns: dict[str, Floats] = {}
    for column in coarse.columns:
        values = coarse[column].to_numpy(dtype=float)
        shape = {"ghi_w_m2": sky.ghi_w_m2, "dni_w_m2": sky.dni_w_m2, "dhi_w_m2": sky.ghi_w_m2}.get(column)
        if shape is None:
            columns[column] = np.interp(fine_mid, coarse_mid, values)
        else:
            columns[column] = spread_energy(values, shape=shape, lit=sun.elevation_deg > -2.0)
    return pd.DataFrame(columns, index=fine)


def spread_energy(means: Floats, *, shape: Floats, lit: Bools) -> Floats:
    """Return fine values whose mean over each coarse interval is ``means``, following ``shape`` between them.

    Args:
        means: coarse interval means, length n.
        shape: clear-sky value of each fine interval, length n * parts.
        lit: whether a fine interval may carry energy when ``shape`` is zero there, same length as ``shape``.
    """
    parts = len(shape) // len(means)
    shape_mean = shape.reshape(-1, parts).mean(axis=1)
    sunny = shape_mean > 5.0
    if not sunny.any():
        fine = np.zeros_like(shape)
    else:
        coarse_mid = np.arange(len(means)) + 0.5
        index = means[sunny] / shape_mean[sunny]
        fine = np.interp((np.arange(len(shape)) + 0.5) / parts, coarse_mid[sunny], index) * shape
    blocks = fine.reshape(-1, parts)
    level = blocks.mean(axis=1)
    spread = np.where(lit.reshape(-1, parts), 1.0, 1e-9)
    even = spread / spread.mean(axis=1, keepdims=True)
    usable = (level > 1e-3 * np.maximum(means, 1e-9)) & sunny
    scale = np.divide(means, level, out=np.zeros_like(means), where=usable)
    values: Floats = np.where(usable[:, None], blocks * scale[:, None], even * means[:, None]).ravel()
    return values
