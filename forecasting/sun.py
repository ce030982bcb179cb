"""Sun position and clear-sky irradiance as plain arrays.

Position: NREL SPA as in pvlib (Reda & Andreas 2004, doi:10.1016/j.solener.2003.12.003). Clear sky: Ineichen &
Perez with the SoDa monthly Linke turbidity (Ineichen & Perez 2002, doi:10.1016/S0038-092X(02)00045-2), which
needs no weather input and so is what a site without internet has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import pvlib
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class SunPath:
    """The sun at given instants, arrays of one length."""

    zenith_deg: Floats
    """Apparent (refracted) zenith."""
    azimuth_deg: Floats
    """From north over east."""
    elevation_deg: Floats
    """True elevation, negative at night."""
    dni_extra_w_m2: Floats
    """Irradiance on a plane facing the sun outside the atmosphere."""


@dataclass(frozen=True, kw_only=True)
class ClearSky:
    """Cloudless irradiance [W/m2] at given instants, arrays of one length."""

    ghi_w_m2: Floats
    """On the horizontal."""
    dni_w_m2: Floats
    """On a plane facing the sun."""
    dhi_w_m2: Floats
    """Diffuse on the horizontal."""


def sun_path(times: pd.DatetimeIndex, *, latitude_deg: float, longitude_deg: float, altitude_m: float) -> SunPath:
    """Return the sun's position at each of ``times`` (aware UTC)."""
    position = pvlib.solarposition.spa_python(times, latitude_deg, longitude_deg, altitude=altitude_m)
    return SunPath(
        zenith_deg=position["apparent_zenith"].to_numpy(dtype=float),
        azimuth_deg=position["azimuth"].to_numpy(dtype=float),
        elevation_deg=position["elevation"].to_numpy(dtype=float),
        dni_extra_w_m2=np.asarray(pvlib.irradiance.get_extra_radiation(times.day_of_year), dtype=float),
    )


@lru_cache(maxsize=64)
def monthly_turbidity(latitude_deg: float, longitude_deg: float) -> tuple[float, ...]:
    """Return the Linke turbidity of each month at a place (SoDa climatology shipped with pvlib)."""
    middle = pd.DatetimeIndex([f"2001-{month:02d}-15" for month in range(1, 13)])
    values = pvlib.clearsky.lookup_linke_turbidity(middle, latitude_deg, longitude_deg, interp_turbidity=False)
    return tuple(float(value) for value in values)


def turbidity(times: pd.DatetimeIndex, *, latitude_deg: float, longitude_deg: float) -> Floats:
    """Return the Linke turbidity at each time, linear between the middles of months."""
    monthly = np.array(monthly_turbidity(latitude_deg, longitude_deg))
    middles = np.arange(12) * 30.4375 + 15.2
    day = times.day_of_year.to_numpy(dtype=float)
    return np.asarray(np.interp(day, middles, monthly, period=365.25), dtype=float)


def clear_sky(
    times: pd.DatetimeIndex, sun: SunPath, *, latitude_deg: float, longitude_deg: float, altitude_m: float
) -> ClearSky:
    """Return cloudless irradiance at each of ``times`` for the sun path of the same times."""
    pressure_pa = pvlib.atmosphere.alt2pres(altitude_m)
    airmass = pvlib.atmosphere.get_absolute_airmass(pvlib.atmosphere.get_relative_airmass(sun.zenith_deg), pressure_pa)
    linke = turbidity(times, latitude_deg=latitude_deg, longitude_deg=longitude_deg)
    with np.errstate(divide="ignore", invalid="ignore"):
        sky = pvlib.clearsky.ineichen(sun.zenith_deg, airmass, linke, altitude_m, sun.dni_extra_w_m2)
    return ClearSky(
        ghi_w_m2=np.nan_to_num(np.asarray(sky["ghi"], dtype=float)),
        dni_w_m2=np.nan_to_num(np.asarray(sky["dni"], dtype=float)),
        dhi_w_m2=np.nan_to_num(np.asarray(sky["dhi"], dtype=float)),
    )
