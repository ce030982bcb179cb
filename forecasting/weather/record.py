"""The weather record: what every source gives, whatever its file looked like.

A record holds interval *means*, labelled by the interval's *start* in UTC. Sources differ in what their label
means (TMY3: end of the hour; EPW: end; NSRDB: middle; PVGIS: an instant some minutes past the hour); the
readers undo that, so that nothing further down has to know. A typical year is a record of 8,760 hours whose
years mean nothing; only ``forecasting.weather.typical`` may put it on a calendar.

Columns (all required, no gaps): ``ghi_w_m2 dni_w_m2 dhi_w_m2 temp_air_c wind_m_s``; optional: ``albedo_frac
snow_cm``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sites.errors import InputError, InputFault, shorten

COLUMNS = ("ghi_w_m2", "dni_w_m2", "dhi_w_m2", "temp_air_c", "wind_m_s")
OPTIONAL_COLUMNS = ("albedo_frac", "snow_cm")

LIMITS: Mapping[str, tuple[float, float]] = {
    "ghi_w_m2": (-20.0, 1700.0),
    "dni_w_m2": (-20.0, 1500.0),
    "dhi_w_m2": (-20.0, 1200.0),
    "temp_air_c": (-90.0, 60.0),
    "wind_m_s": (0.0, 90.0),
    "albedo_frac": (0.0, 1.0),
    "snow_cm": (0.0, 1500.0),
}
"""What is physically plausible: irradiance a little below zero is a pyranometer's thermal offset and is read as
0.
"""

MOST_FAULTS = 20


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Weather at one place as equally long intervals."""

    source: str
    """File or service the record came from."""
    latitude_deg: float
    """North is positive."""
    longitude_deg: float
    """East is positive."""
    altitude_m: float
    """Height above the sea."""
    utc_offset_h: float
    """Local standard time minus UTC, used to place a typical year on a calendar."""
    typical: bool
    """True when the record is a typical year: 8,760 hours without a calendar of their own."""
    step_s: int
    """Length of an interval in seconds."""
    frame: pd.DataFrame
    """Interval means, index = interval start (aware UTC), columns as in ``COLUMNS``."""


def value_faults(frame: pd.DataFrame, *, source: str, first_row: int = 1) -> list[InputFault]:
    """Return absent columns and empty or implausible cells.

    Args:
        frame: columns as in ``COLUMNS``, index = interval start (aware UTC).
        source: file name shown to the reader.
        first_row: line number of the first interval in the file.
    """
    faults = [
        InputFault(source=source, field=column, found="no such column", mend="give this column for every interval")
        for column in COLUMNS
        if column not in frame.columns
    ]
    for column in (c for c in (*COLUMNS, *OPTIONAL_COLUMNS) if c in frame.columns):
        values = frame[column].to_numpy(dtype=float)
        low, high = LIMITS[column]
        bad = ~np.isfinite(values) | (values < low) | (values > high)
        for row in np.flatnonzero(bad)[:MOST_FAULTS]:
            mend = (
                f"fill the gap or remove the day; {low:g} .. {high:g} is allowed"
                if not np.isfinite(values[row])
                else f"check unit and column order; {low:g} .. {high:g} is allowed"
            )
            faults.append(
                InputFault(
                    source=source,
                    field=f"{column}, row {row + first_row} ({frame.index[row].isoformat()})",
                    found=shorten(float(values[row])),
                    mend=mend,
                )
            )
        if bad.sum() > MOST_FAULTS:
            faults.append(
                InputFault(
                    source=source,
                    field=column,
                    found=f"{int(bad.sum())} unusable values in all",
                    mend="mend the column at its source",
                )
            )
    return faults


def gap_faults(index: pd.Index, *, source: str, step_s: int, first_row: int = 1) -> list[InputFault]:
    """Return missing, doubled or unordered intervals of an index that should advance by ``step_s``."""
    times = pd.DatetimeIndex(index)
    steps_s = np.diff(times.as_unit("ns").asi8) / 1e9
    faults = []
    for row in np.flatnonzero(steps_s != step_s)[:MOST_FAULTS]:
        what = "missing intervals" if steps_s[row] > step_s else "doubled or unordered intervals"
        faults.append(
            InputFault(
                source=source,
                field=f"time, row {row + 1 + first_row}",
                found=f"{what}: {times[row + 1].isoformat()} after {times[row].isoformat()}",
                mend=f"give one row every {step_s} s, in order",
            )
        )
    return faults


def checked_weather(weather: Weather, *, first_row: int = 1) -> Weather:
    """Return ``weather`` with small negative irradiance set to zero.

    Raises:
        InputError: every fault that ``value_faults`` and ``gap_faults`` find.
    """
    frame = weather.frame
    faults = value_faults(frame, source=weather.source, first_row=first_row)
    ordered = typical_order(frame, weather) if weather.typical else frame
    faults += gap_faults(ordered.index, source=weather.source, step_s=weather.step_s, first_row=first_row)
    if weather.typical and len(frame) != 8760:
        faults.append(
            InputFault(
                source=weather.source,
                field="time",
                found=f"{len(frame)} rows",
                mend="a typical year has 8,760 hours (29 February left out)",
            )
        )
    if faults:
        raise InputError(faults)
    kept = [c for c in (*COLUMNS, *OPTIONAL_COLUMNS) if c in frame.columns]
    clean = frame[kept].astype(float)
    for column in ("ghi_w_m2", "dni_w_m2", "dhi_w_m2"):
        clean[column] = clean[column].clip(lower=0.0)
    return Weather(
        source=weather.source,
        latitude_deg=weather.latitude_deg,
        longitude_deg=weather.longitude_deg,
        altitude_m=weather.altitude_m,
        utc_offset_h=weather.utc_offset_h,
        typical=weather.typical,
        step_s=weather.step_s,
        frame=clean,
    )


def typical_order(frame: pd.DataFrame, weather: Weather) -> pd.DataFrame:
    """Return the frame of a typical year in one common year (2001, local standard time), ordered by time."""
    local = pd.DatetimeIndex(frame.index) + pd.Timedelta(hours=weather.utc_offset_h)
    common = pd.to_datetime(
        {"year": 2001, "month": local.month, "day": np.minimum(local.day, 28 + 3 * (local.month != 2))}
    ) + pd.to_timedelta(local.hour * 3600 + local.minute * 60 + local.second, unit="s")
    moved = frame.copy()
    moved.index = pd.DatetimeIndex(common).tz_localize("UTC") - pd.Timedelta(hours=weather.utc_offset_h)
    return moved.sort_index()
