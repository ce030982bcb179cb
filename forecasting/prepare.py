"""Weather and PV of a period as plain numbers: what the planning worker prepares, so that the control loop only
reads.

The series are the *actual* weather of the simulated plant (a typical year put on the calendar, or a record of that
period), never something a forecaster may look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from forecasting.clearpower import ClearPower
from forecasting.pv.chain import available_ac_kw
from forecasting.pv.site import pv_model, usual_states
from forecasting.sun import clear_sky, sun_path
from forecasting.weather.calendar import weather_for_period
from forecasting.weather.files import PACKAGED, FileKind, Place, WeatherFile
from forecasting.weather.record import Weather
from sites.errors import InputError
from sites.schema.site import Site
from sites.series import TimeSeries

CLEAR_SKY_C = 15.0


@dataclass(frozen=True, kw_only=True)
class PreparedPeriod:
    """A period of actual weather at a site, all series on the same intervals."""

    source: str
    """File or source of the weather."""
    pv_available_kw: TimeSeries
    """AC power that the arrays could give, inverter limits applied."""
    pv_clear_kw: TimeSeries
    """AC power under a cloudless sky, without inverter limits."""
    outdoor_c: TimeSeries
    """Outdoor temperature."""
    ghi_w_m2: TimeSeries
    """Irradiance on the horizontal."""


def prepare_period(
    site: Site,
    *,
    start_utc: datetime,
    end_utc: datetime,
    step_s: int = 300,
    folder: Path | None = None,
    weather: Weather | None = None,
) -> PreparedPeriod:
    """Return weather and PV of ``start_utc .. end_utc``.

    Args:
        site: the site.
        start_utc: start of the first interval, a whole multiple of ``step_s``.
        end_utc: end of the last interval.
        step_s: interval length, a divisor of the weather's.
        folder: folder of the site file, from which a relative weather path counts.
        weather: a record instead of the site's own weather source.

    Raises:
        InputError: the weather cannot be used or does not cover the period.
    """
    record = weather or (None if site.weather.source == "clear-sky" else site_weather(site, folder=folder))
    if record is None:
        frame = clear_sky_weather(site, start_utc=start_utc, end_utc=end_utc, step_s=step_s)
    else:
        frame = weather_for_period(record, start_utc=start_utc, end_utc=end_utc, step_s=step_s)
    model = pv_model(site)
    if model is None:
        available = clear = np.zeros(len(frame))
    else:
        available = available_ac_kw(model, frame, step_s=step_s, states=usual_states(site))
        clear = ClearPower(model, usual_states(site)).series_kw(start_utc, step_s, len(frame))

    def series(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> TimeSeries:
        return TimeSeries(start_utc=start_utc, step_s=step_s, values=tuple(values.tolist()))

    return PreparedPeriod(
        source=record.source if record is not None else "clear sky",
        pv_available_kw=series(available),
        pv_clear_kw=series(clear),
        outdoor_c=series(frame["temp_air_c"].to_numpy(dtype=float)),
        ghi_w_m2=series(frame["ghi_w_m2"].to_numpy(dtype=float)),
    )


def site_weather(site: Site, *, folder: Path | None = None) -> Weather:
    """Return the weather record that the site file names.

    Raises:
        InputError: it names none, or the file cannot be used.
    """
    if not site.weather.file:
        raise InputError.single(
            source=site.name, field="weather.file", found=site.weather.file, mend="name a weather file"
        )
    kind: FileKind = site.weather.source  # type: ignore[assignment]  # clear-sky never comes here
    name = site.weather.file
    path = name if name.startswith(PACKAGED) or folder is None else str(folder / name)
    return read_weather(path, kind=kind, site=site)


def read_weather(path: str, *, kind: FileKind, site: Site) -> Weather:
    """Return the record of a weather file; a csv file is taken to be measured at the site.

    Raises:
        InputError: the file cannot be used.
    """
    place = Place(
        latitude_deg=site.location.latitude,
        longitude_deg=site.location.longitude,
        altitude_m=site.location.altitude_m,
        utc_offset_h=round(site.location.longitude / 15.0),
    )
    return WeatherFile(path=path, kind=kind, place=place).read()


def clear_sky_weather(site: Site, *, start_utc: datetime, end_utc: datetime, step_s: int) -> pd.DataFrame:
    """Return cloudless weather at 15 C and 2 m/s, columns and index as a weather record's frame."""
    index = pd.date_range(start_utc, end_utc, freq=pd.Timedelta(seconds=step_s), inclusive="left")
    middle = index + timedelta(seconds=step_s / 2)
    place = {
        "latitude_deg": site.location.latitude,
        "longitude_deg": site.location.longitude,
        "altitude_m": site.location.altitude_m,
    }
    sky = clear_sky(middle, sun_path(middle, **place), **place)
    return pd.DataFrame(
        {
            "ghi_w_m2": sky.ghi_w_m2,
            "dni_w_m2": sky.dni_w_m2,
            "dhi_w_m2": sky.dhi_w_m2,
            "temp_air_c": CLEAR_SKY_C,
            "wind_m_s": 2.0,
        },
        index=index,
    )
