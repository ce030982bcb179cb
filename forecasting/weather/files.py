"""Readers of weather files: TMY3, EPW, PVGIS, NSRDB, SURFRAD, BSRN through pvlib, and a plain CSV.

What the label of each format means, undone here so that a record is always labelled by interval start:

=========  ==============================  =========================================================
format     label                           source
=========  ==============================  =========================================================
TMY3       end of the hour, local standard  Wilcox & Marion, NREL/TP-581-43156 (2008), table 1-2
EPW        end of the hour, local standard  EnergyPlus Auxiliary Programs, "EPW data dictionary"
PVGIS TMY  an instant, UTC + header offset  PVGIS user manual, "Irradiance Time Offset"
NSRDB      middle of the interval           Sengupta et al. (2018), doi:10.1016/j.rser.2018.03.003
SURFRAD    start of the minute, UTC         NOAA GML SURFRAD README (one-minute means since 2009)
BSRN       start of the minute, UTC         BSRN technical plan, station-to-archive format
CSV        stated by the caller             -
=========  ==============================  =========================================================

PVGIS' instant is rounded to five minutes, and read as the middle of its hour. An NSRDB leap year without 29
February has the 28th repeated; BSRN files hold no wind and get 1 m/s.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pvlib

from forecasting.weather.record import COLUMNS, Weather, checked_weather
from sites.errors import InputError

FileKind = Literal["tmy3", "epw", "pvgis", "nsrdb", "surfrad", "bsrn", "csv"]
Label = Literal["start", "middle", "end"]

NAMES = {
    "ghi": "ghi_w_m2",
    "dni": "dni_w_m2",
    "dhi": "dhi_w_m2",
    "temp_air": "temp_air_c",
    "wind_speed": "wind_m_s",
    "albedo": "albedo_frac",
    "snow_depth": "snow_cm",
}
PACKAGED = "pvlib:"
"""Prefix of a file that lies inside the pvlib package, e.g. ``pvlib:723170TYA.CSV`` (Greensboro NC)."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a file's weather was measured, for formats that don't say it themselves."""

    latitude_deg: float
    """North is positive."""
    longitude_deg: float
    """East is positive."""
    altitude_m: float
    """Height above the sea."""
    utc_offset_h: float = 0.0
    """Local standard time minus UTC."""


@dataclass(frozen=True, kw_only=True)
class WeatherFile:
    """A weather file as a source.

    ``kind`` states the format, ``place`` is needed for csv, nsrdb and bsrn files without a header, ``label`` and
    ``typical`` count for csv only.
    """

    path: str
    """File, or ``pvlib:NAME`` for one of the years inside the pvlib package."""
    kind: FileKind
    """Format."""
    place: Place | None = None
    """Where it was measured, when the format doesn't say."""
    label: Label = "start"
    """What a csv file's time stands for."""
    typical: bool = False
    """Whether a csv file is a typical year."""

    def read(self) -> Weather:
        """Return the checked record.

        Raises:
            InputError: no such file, another format, or cells that cannot be used.
        """
        path = resolve_path(self.path)
        if not path.is_file():
            raise InputError.single(
                source=self.path, field="", found="no such file", mend="give the path of a weather file"
            )
        try:
            return READERS[self.kind](self, path)
        except InputError:
            raise
        except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
            raise InputError.single(
                source=self.path,
                field="",
                found=f"{type(error).__name__}: {error}",
                mend=f"this cannot be read as {self.kind}; state the right kind or fetch the file again",
            ) from error


def resolve_path(path: str) -> Path:
    """Return the file that ``path`` stands for; ``pvlib:NAME`` lies in the pvlib package."""
    if path.startswith(PACKAGED):
        return Path(pvlib.__file__).parent / "data" / path.removeprefix(PACKAGED)
    return Path(path)


def _record(
    file: WeatherFile,
    frame: pd.DataFrame,
    place: Place,
    *,
    typical: bool,
    step_s: int,
    shift_s: float,
    first_row: int,
) -> Weather:
    """Rename pvlib's columns, move labels by ``shift_s`` to interval starts in UTC, check."""
    tidy = frame.rename(columns=NAMES)
    tidy.index = pd.DatetimeIndex(tidy.index).tz_convert("UTC") + pd.Timedelta(seconds=shift_s)
    return checked_weather(
        Weather(
            source=file.path,
            latitude_deg=place.latitude_deg,
            longitude_deg=place.longitude_deg,
            altitude_m=place.altitude_m,
            utc_offset_h=place.utc_offset_h,
            typical=typical,
            step_s=step_s,
            frame=tidy,
        ),
        first_row=first_row,
    )


def _place_of(meta: dict[str, Any], *, zone_key: str) -> Place:
    return Place(
        latitude_deg=float(meta["latitude"]),
        longitude_deg=float(meta["longitude"]),
        altitude_m=float(meta["altitude"]),
        utc_offset_h=float(meta[zone_key]),
    )


def _read_tmy3(file: WeatherFile, path: Path) -> Weather:
    frame, meta = pvlib.iotools.read_tmy3(path, map_variables=True)
    if not (frame["albedo"] > 0).any():
        frame = frame.drop(columns="albedo")
    place = _place_of(meta, zone_key="TZ")
    return _record(file, frame, place, typical=True, step_s=3600, shift_s=-3600, first_row=3)


def _read_epw(file: WeatherFile, path: Path) -> Weather:
    frame, meta = pvlib.iotools.read_epw(path)
    frame = frame.drop(columns=["albedo", "snow_depth"], errors="ignore")
    typical = pd.DatetimeIndex(frame.index).year.nunique() > 1 or len(frame) == 8760
    place = _place_of(meta, zone_key="TZ")
    # pvlib's reader has already moved EPW's hour-ending label to the start of the hour
    return _record(file, frame, place, typical=typical, step_s=3600, shift_s=0, first_row=9)


def _read_pvgis(file: WeatherFile, path: Path) -> Weather:
    text = _text(path)
    header = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in text.splitlines()[:4])}
    offset_s = round(float(header.get("Irradiance Time Offset (h)", "0")) * 12) * 300
    rows = [line for line in text.splitlines() if line[:8].isdigit()]
    start = next(i for i, line in enumerate(text.splitlines(), start=1) if line[:8].isdigit())
    values = np.array([row.split(",")[1:9] for row in rows], dtype=float)
    index = pd.to_datetime([row[:13] for row in rows], format="%Y%m%d:%H%M", utc=True)
    frame = pd.DataFrame(
        values[:, [0, 2, 3, 4, 6]], index=index, columns=["temp_air", "ghi", "dni", "dhi", "wind_speed"]
    )
    frame[["ghi", "dni", "dhi"]] = frame[["ghi", "dni", "dhi"]].clip(lower=0.0)
    place = Place(
        latitude_deg=float(header["Latitude (decimal degrees)"]),
        longitude_deg=float(header["Longitude (decimal degrees)"]),
        altitude_m=float(header["Elevation (m)"]),
    )
    return _record(file, frame, place, typical=True, step_s=3600, shift_s=offset_s - 1800, first_row=start)


def _read_nsrdb(file: WeatherFile, path: Path) -> Weather:
    with _opened(path) as buffer:
        frame, meta = pvlib.iotools.read_nsrdb_psm4(buffer, map_variables=True)
    place = Place(
        latitude_deg=float(meta["latitude"]),
        longitude_deg=float(meta["longitude"]),
        altitude_m=float(meta["altitude"]),
        utc_offset_h=float(meta["Time Zone"]),
    )
    step_s = _usual_step_s(frame.index)
    typical = pd.DatetimeIndex(frame.index).year.nunique() > 1
    frame = frame if typical else _with_leap_day(frame)
    return _record(file, frame, place, typical=typical, step_s=step_s, shift_s=-step_s / 2, first_row=4)


def _read_surfrad(file: WeatherFile, path: Path) -> Weather:
    frame, meta = pvlib.iotools.read_surfrad(str(path), map_variables=True)
    place = Place(
        latitude_deg=float(meta["latitude"]),
        longitude_deg=float(meta["longitude"]),
        altitude_m=float(meta["elevation"]),
    )
    step_s = _usual_step_s(frame.index)
    return _record(file, frame, place, typical=False, step_s=step_s, shift_s=0, first_row=3)


def _read_bsrn(file: WeatherFile, path: Path) -> Weather:
    frame, meta = pvlib.iotools.read_bsrn(str(path))
    frame = frame.assign(wind_speed=frame.get("wind_speed", 1.0))
    place = file.place or Place(
        latitude_deg=float(meta["latitude"]),
        longitude_deg=float(meta["longitude"]),
        altitude_m=float(meta["altitude"]),
    )
    step_s = _usual_step_s(frame.index)
    return _record(file, frame, place, typical=False, step_s=step_s, shift_s=0, first_row=1)


def _read_csv(file: WeatherFile, path: Path) -> Weather:
    """Read a table whose first column is an ISO time with offset; columns in our names or pvlib's."""
    if file.place is None:
        raise InputError.single(
            source=file.path, field="", found="no place", mend="state latitude, longitude and altitude for a csv file"
        )
    frame = pd.read_csv(path, index_col=0)
    try:
        frame.index = pd.to_datetime(frame.index, utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise InputError.single(
            source=file.path,
            field=f"column {frame.index.name!r}",
            found=frame.index[0],
            mend="write times as 2025-06-01T12:00:00Z",
        ) from error
    step_s = _usual_step_s(frame.index)
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}[file.label]
    tidy = frame.rename(columns=NAMES)
    numeric = {column: pd.to_numeric(tidy[column], errors="coerce") for column in COLUMNS if column in tidy}
    extra = {c: pd.to_numeric(tidy[c], errors="coerce") for c in ("albedo_frac", "snow_cm") if c in tidy}
    return _record(
        file,
        pd.DataFrame(numeric | extra, index=tidy.index),
        file.place,
        typical=file.typical,
        step_s=step_s,
        shift_s=-share * step_s,
        first_row=2,
    )


def _with_leap_day(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a leap year of 365 days with 28 February repeated on the 29th: NSRDB leaves it out unless asked."""
    index = pd.DatetimeIndex(frame.index)
    if not index.is_leap_year.all() or ((index.month == 2) & (index.day == 29)).any():
        return frame
    day = frame[(index.month == 2) & (index.day == 28)].copy()
    day.index = pd.DatetimeIndex(day.index) + pd.Timedelta(days=1)
    return pd.concat([frame, day]).sort_index()


def _usual_step_s(index: pd.Index) -> int:
    steps = pd.Series(pd.DatetimeIndex(index)).diff().dropna().dt.total_seconds()
    return int(steps.median())


def _opened(path: Path) -> Any:
    return gzip.open(path, "rt") if path.suffix == ".gz" else path.open("rt")


def _text(path: Path) -> str:
    with _opened(path) as buffer:
        return str(buffer.read())


READERS: dict[str, Callable[[WeatherFile, Path], Weather]] = {
    "tmy3": _read_tmy3,
    "epw": _read_epw,
    "pvgis": _read_pvgis,
    "nsrdb": _read_nsrdb,
    "surfrad": _read_surfrad,
    "bsrn": _read_bsrn,
    "csv": _read_csv,
}
