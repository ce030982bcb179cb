"""Sun and temperature of a place over its weather years, for one orientation of the arrays.

PV comes from the one chain of ``forecasting`` (row self-shading included), scaled to a kWp of the site's arrays
with their inverters. A record's own years come first; made-up years drawn from their days follow. A place
without weather of its own takes the base site's *cloudiness*: its ratio of measured to clear-sky irradiance
hour by hour of local solar time, under the sun and the clear sky of the new place, and the base site's
temperature, shifted. That keeps the latitude, the season and the persistence of clouds, not the climate: a
study over places says so in its report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from controller.design.study import Place, WeatherYears
from forecasting.prepare import site_weather
from forecasting.pv.chain import ac_kw
from forecasting.pv.plane import Sky
from forecasting.pv.site import pv_model, usual_states
from forecasting.pv.states import record_states
from forecasting.sun import clear_sky, quick_sun_path, sun_path
from forecasting.weather.calendar import weather_for_period
from forecasting.weather.record import Weather, typical_order
from optimizer.sizing.inputs import Floats
from optimizer.sizing.resample import DAYS, drawn_days, resampled
from sites.errors import InputError
from sites.schema.energy import PvArray
from sites.schema.site import Site

YEAR = 2025
"""Calendar year on which typical years are put; its 1 January is a Wednesday."""
CHAIN_STEP_S = 1800
"""Step of the PV chain; longer steps of a study average it."""
HALF_YEAR_H = 182 * 24
"""Hours by which the seasons of the hemispheres differ."""
BRIGHTEST = 1.3
"""Most that broken clouds add to the clear sky."""


@dataclass(frozen=True, kw_only=True)
class PlaceYears:
    """Weather years of a place, all of 365 days."""

    source: str
    own_years: int
    """Years of the record; the rest are made up from their days."""
    sun_kw_per_kwp: Floats
    """Shape (years, steps)."""
    outdoor_c: Floats
    """Shape (years, steps)."""
    step_h: float

    @property
    def count(self) -> int:
        """Number of years."""
        return int(self.sun_kw_per_kwp.shape[0])


def site_at(site: Site, place: Place | None, tilt_deg: float | None) -> Site:
    """Return the site moved to a place and with its arrays tilted."""
    changes: dict[str, object] = {}
    if place is not None:
        changes["location"] = site.location.model_copy(
            update={"latitude": place.latitude, "longitude": place.longitude, "altitude_m": place.altitude_m}
        )
        if place.weather is not None:
            changes["weather"] = place.weather
    mirrored = place is not None and place.latitude * site.location.latitude < 0.0
    if site.pv is not None and (tilt_deg is not None or mirrored):
        arrays = tuple(_turned(array, tilt_deg, mirrored) for array in site.pv.arrays)
        changes["pv"] = site.pv.model_copy(update={"arrays": arrays})
    return site.model_copy(update=changes) if changes else site


def _turned(array: PvArray, tilt_deg: float | None, mirrored: bool) -> PvArray:
    """Return the array at another tilt; beyond the equator what faced south faces north."""
    azimuth = (180.0 - array.azimuth_deg) % 360.0 if mirrored else array.azimuth_deg
    return array.model_copy(
        update={"tilt_deg": array.tilt_deg if tilt_deg is None else tilt_deg, "azimuth_deg": azimuth}
    )


def place_years(
    sites: Mapping[str, Site],
    *,
    folder: Path | None,
    place: Place | None,
    weather: WeatherYears,
    step_h: float,
) -> dict[str, PlaceYears]:
    """Return the years of each of some sites that differ in their arrays only, keyed as they are given.

    Raises:
        InputError: the weather cannot be used or holds no whole year.
    """
    first = next(iter(sites.values()))
    source = site_weather(first, folder=folder)
    if place is not None and place.weather is None:
        source = carried(source, first, shift_c=place.temperature_shift_c)
    chain_s = min(CHAIN_STEP_S, round(step_h * 3600))
    parts = round(step_h * 3600 / chain_s)
    suns: dict[str, list[Floats]] = {key: [] for key in sites}
    outdoor: list[Floats] = []
    for begin in _year_starts(source):
        frame = weather_for_period(source, start_utc=begin, end_utc=begin + timedelta(days=DAYS), step_s=chain_s)
        for key, power_kw in powers_kw(sites, frame, chain_s).items():
            suns[key].append(power_kw.reshape(-1, parts).mean(axis=1) / _kwp(sites[key]))
        outdoor.append(frame["temp_air_c"].to_numpy(dtype=float).reshape(-1, parts).mean(axis=1))
    steps_a_day, own = round(24.0 / step_h), len(outdoor)
    drawn = [
        drawn_days(own, seed=weather.seed, year=year, mean_run_days=weather.mean_run_days)
        for year in range(weather.resampled)
    ]

    def all_years(years: list[Floats]) -> Floats:
        whole = np.concatenate(years)
        return np.array([*years, *(resampled(whole, days, steps_a_day) for days in drawn)])

    warm = all_years(outdoor)
    return {
        key: PlaceYears(
            source=source.source, own_years=own, sun_kw_per_kwp=all_years(years), outdoor_c=warm, step_h=step_h
        )
        for key, years in suns.items()
    }


def _kwp(site: Site) -> float:
    return sum(array.kwp for array in site.pv.arrays) if site.pv else 1.0


def powers_kw(sites: Mapping[str, Site], frame: pd.DataFrame, step_s: int) -> dict[str, Floats]:
    """Return the AC power of each site's arrays; the sun's path is worked out once for all."""
    models = {key: pv_model(site) for key, site in sites.items()}
    middle = pd.DatetimeIndex(frame.index) + pd.Timedelta(seconds=step_s / 2)
    location = next(iter(sites.values())).location
    path = quick_sun_path(middle, latitude_deg=location.latitude, longitude_deg=location.longitude)
    columns = {name: frame[name].to_numpy(dtype=float) for name in frame.columns}
    sky = Sky(
        ghi_w_m2=columns["ghi_w_m2"],
        dni_w_m2=columns["dni_w_m2"],
        dhi_w_m2=columns["dhi_w_m2"],
        albedo_frac=columns.get("albedo_frac"),
    )
    return {
        key: np.zeros(len(frame))
        if model is None
        else ac_kw(
            model,
            sky,
            path,
            temp_air_c=columns["temp_air_c"],
            wind_m_s=columns["wind_m_s"],
            states=record_states(
                model,
                sky,
                path,
                usual_states(sites[key]),
                index=pd.DatetimeIndex(frame.index),
                temp_air_c=columns["temp_air_c"],
                snow_cm=columns.get("snow_cm"),
            ),
            limited=True,
        )
        for key, model in models.items()
    }


def _year_starts(source: Weather) -> list[datetime]:
    """Return the local midnights of 1 January from which a record covers 365 days."""
    offset = timedelta(hours=source.utc_offset_h)
    if source.typical:
        return [datetime(YEAR, 1, 1, tzinfo=UTC) - offset]
    index = pd.DatetimeIndex(source.frame.index)
    first, last = index[0].to_pydatetime(), index[-1].to_pydatetime() + timedelta(seconds=source.step_s)
    starts = [datetime(year, 1, 1, tzinfo=UTC) - offset for year in range(first.year, last.year + 1)]
    whole = [start for start in starts if start >= first and start + timedelta(days=DAYS) <= last]
    if not whole:
        raise InputError.single(
            source=source.source,
            field="time",
            found=f"{first.isoformat()} .. {last.isoformat()}",
            mend="give weather that covers a whole calendar year of local standard time",
        )
    return whole


def carried(source: Weather, site: Site, *, shift_c: float) -> Weather:
    """Return the cloudiness of a typical year under the sun of ``site``'s location.

    Raises:
        InputError: the record is no typical year.
    """
    if not source.typical:
        raise InputError.single(
            source=source.source, field="weather", found="a dated record", mend="carry a typical year, or give weather"
        )
    year = typical_order(source.frame, source)
    local = pd.DatetimeIndex(year.index) + pd.Timedelta(hours=source.utc_offset_h)
    here = {
        "latitude_deg": source.latitude_deg,
        "longitude_deg": source.longitude_deg,
        "altitude_m": source.altitude_m,
    }
    location = site.location
    there = {
        "latitude_deg": location.latitude,
        "longitude_deg": location.longitude,
        "altitude_m": location.altitude_m,
    }
    offset_h = float(round(location.longitude / 15.0))
    moved = local - pd.Timedelta(hours=offset_h)
    middle_here = pd.DatetimeIndex(year.index) + pd.Timedelta(minutes=30)
    middle_there = moved + pd.Timedelta(minutes=30)
    sun_there = sun_path(middle_there, **there)
    clear_here = clear_sky(middle_here, sun_path(middle_here, **here), **here)
    clear_there = clear_sky(middle_there, sun_there, **there)
    shift = HALF_YEAR_H if source.latitude_deg * location.latitude < 0.0 else 0
    ghi_index = np.roll(_index(year["ghi_w_m2"].to_numpy(dtype=float), clear_here.ghi_w_m2), shift)
    dni_index = np.roll(_index(year["dni_w_m2"].to_numpy(dtype=float), clear_here.dni_w_m2), shift)
    ghi, dni = clear_there.ghi_w_m2 * ghi_index, clear_there.dni_w_m2 * dni_index
    up = np.maximum(np.cos(np.radians(sun_there.zenith_deg)), 0.0)
    frame = pd.DataFrame(
        {
            "ghi_w_m2": ghi,
            "dni_w_m2": np.minimum(dni, np.divide(ghi, up, out=np.zeros_like(ghi), where=up > 0.02)),
            "dhi_w_m2": np.maximum(ghi - dni * up, 0.0),
            "temp_air_c": np.roll(year["temp_air_c"].to_numpy(dtype=float), shift) + shift_c,
            "wind_m_s": np.roll(year["wind_m_s"].to_numpy(dtype=float), shift),
        },
        index=moved,
    )
    return Weather(
        source=f"cloudiness of {source.source}",
        latitude_deg=location.latitude,
        longitude_deg=location.longitude,
        altitude_m=location.altitude_m,
        utc_offset_h=offset_h,
        typical=True,
        step_s=source.step_s,
        frame=frame,
    )


def _index(measured: Floats, clear: Floats) -> Floats:
    """Return measured over clear-sky irradiance; through the night it is drawn straight from dusk to dawn."""
    bright = clear > 50.0
    at = np.arange(measured.size, dtype=np.float64)
    ratio = np.clip(measured[bright] / clear[bright], 0.0, BRIGHTEST)
    return np.asarray(np.interp(at, at[bright], ratio), dtype=np.float64)
