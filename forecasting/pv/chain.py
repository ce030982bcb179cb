"""Available AC power from weather.

For each array and instant: usable plane irradiance E (``forecasting.pv.plane``), cell temperature ``Tc = Ta + E
/ (u0 + u1 v)`` (Faiman 2008, doi:10.1002/pip.813), DC power ``P = Pdc0 E/1000 (1 + gamma (Tc - 25)) (1 -
losses)`` (PVWatts, Dobos 2014, NREL/TP-6A20-62641), less what dirt and snow hold back. Arrays of one inverter
add up; the inverter follows PVWatts' part-load curve and stops at its AC limit.

The sun is taken at the *middle* of each interval. Intervals of 5 to 15 minutes are meant; with whole hours the
hour of sunrise and sunset is off by the part in which the sun is down.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pvlib

from forecasting.pv.model import ArrayModel, ArrayState, InverterModel, PvModel
from forecasting.pv.plane import Sky, plane_irradiance
from forecasting.pv.states import record_states
from forecasting.sun import Floats, SunPath, clear_sky, sun_path

CLEAN = ArrayState()


def available_ac_kw(
    model: PvModel,
    weather: pd.DataFrame,
    *,
    step_s: float,
    states: Mapping[str, ArrayState] | None = None,
    limited: bool = True,
) -> Floats:
    """Return the AC power [kW] that the site's arrays could give in each interval.

    Args:
        model: arrays and inverters.
        weather: columns as in ``forecasting.weather.record.COLUMNS``, index = interval start (aware UTC).
        step_s: interval length.
        states: dirt and snow by array name; clean where absent. Where the weather knows the depth of snow, that decides.
        limited: whether the inverters' AC limits apply (forecasts work above them and clip last).
    """
    middle = pd.DatetimeIndex(weather.index) + pd.Timedelta(seconds=step_s / 2)
    sun = sun_path(
        middle,
        latitude_deg=model.latitude_deg,
        longitude_deg=model.longitude_deg,
        altitude_m=model.altitude_m,
    )
    albedo = weather["albedo_frac"].to_numpy(dtype=float) if "albedo_frac" in weather else None
    sky = Sky(
        ghi_w_m2=weather["ghi_w_m2"].to_numpy(dtype=float),
        dni_w_m2=weather["dni_w_m2"].to_numpy(dtype=float),
        dhi_w_m2=weather["dhi_w_m2"].to_numpy(dtype=float),
        albedo_frac=albedo,
    )
    temp_air_c = weather["temp_air_c"].to_numpy(dtype=float)
    snow_cm = weather["snow_cm"].to_numpy(dtype=float) if "snow_cm" in weather else None
    return ac_kw(
        model,
        sky,
        sun,
        temp_air_c=temp_air_c,
        wind_m_s=weather["wind_m_s"].to_numpy(dtype=float),
        states=record_states(
            model,
            sky,
            sun,
            states or {},
            index=pd.DatetimeIndex(weather.index),
            temp_air_c=temp_air_c,
            snow_cm=snow_cm,
        ),
        limited=limited,
    )


def clear_sky_ac_kw(
    model: PvModel,
    middle: pd.DatetimeIndex,
    *,
    temp_air_c: float,
    states: Mapping[str, ArrayState] | None = None,
    limited: bool = False,
) -> Floats:
    """Return the AC power [kW] under a cloudless sky at each instant, wind 2 m/s."""
    place = {
        "latitude_deg": model.latitude_deg,
        "longitude_deg": model.longitude_deg,
        "altitude_m": model.altitude_m,
    }
    sun = sun_path(middle, **place)
    clear = clear_sky(middle, sun, **place)
    ones = np.ones(len(middle))
    sky = Sky(ghi_w_m2=clear.ghi_w_m2, dni_w_m2=clear.dni_w_m2, dhi_w_m2=clear.dhi_w_m2)
    return ac_kw(
        model, sky, sun, temp_air_c=temp_air_c * ones, wind_m_s=2.0 * ones, states=states or {}, limited=limited
    )


def ac_kw(
    model: PvModel,
    sky: Sky,
    sun: SunPath,
    *,
    temp_air_c: Floats,
    wind_m_s: Floats,
    states: Mapping[str, ArrayState],
    limited: bool,
) -> Floats:
    """Return the site's AC power [kW] from irradiance, sun and air, all arrays of one length."""
    dc_kw = {
        array.name: array_dc_kw(
            array,
            plane_irradiance(array, sky, sun, transposition=model.transposition),
            temp_air_c=temp_air_c,
            wind_m_s=wind_m_s,
            state=states.get(array.name, CLEAN),
        )
        for array in model.arrays
    }
    total = np.zeros_like(temp_air_c)
    for inverter in model.inverters:
        total += inverter_ac_kw(inverter, sum_kw(dc_kw, inverter.arrays, like=total), limited=limited)
    return total


def array_dc_kw(
    array: ArrayModel, plane_w_m2: Floats, *, temp_air_c: Floats, wind_m_s: Floats, state: ArrayState
) -> Floats:
    """Return DC power [kW] of one array from usable plane irradiance [W/m2], air [C] and wind [m/s]."""
    lit = plane_w_m2 * (1.0 - state.soiling_frac)
    cell_c = pvlib.temperature.faiman(lit, temp_air_c, wind_m_s, array.u0_w_m2_k, array.u1_w_m2_k_per_m_s)
    dc = pvlib.pvsystem.pvwatts_dc(lit, cell_c, array.dc_kw, array.gamma_per_c)
    usable: Floats = np.maximum(np.asarray(dc, dtype=float), 0.0)
    return np.asarray(usable * (1.0 - array.losses_frac) * (1.0 - state.snow_frac), dtype=float)


def inverter_ac_kw(inverter: InverterModel, dc_kw: Floats, *, limited: bool) -> Floats:
    """Return AC power [kW] for DC power [kW]; above the rated input the efficiency stays nominal when unlimited."""
    rated_dc_kw = inverter.ac_kw / inverter.efficiency_frac
    below = np.asarray(
        pvlib.inverter.pvwatts(np.minimum(dc_kw, rated_dc_kw), rated_dc_kw, inverter.efficiency_frac), dtype=float
    )
    ac = np.maximum(np.nan_to_num(below), 0.0)
    above = np.maximum(dc_kw - rated_dc_kw, 0.0) * inverter.efficiency_frac
    power: Floats = np.minimum(ac, inverter.ac_kw) if limited else ac + above
    return power


def sum_kw(by_name: Mapping[str, Floats], names: tuple[str, ...], *, like: Floats) -> Floats:
    """Return the sum of the named series, zero when there are none."""
    total = np.zeros_like(like)
    for name in names:
        total = total + by_name[name]
    return total
