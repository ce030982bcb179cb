"""Dirt and snow on modules as states: what the PV chain takes as ``ArrayState``.

Dirt gathers at a daily rate and goes with rain (Kimber et al. 2006, doi:10.1109/WCPEC.2006.279690). Snow covers an array
when it falls and slides off while sun and air are warm enough (Marion et al. 2013, doi:10.1016/j.solener.2013.07.023),
both as in pvlib; strings under snow give nothing. Where a weather record knows the depth of snow, its rises are the
snowfall (``record_states``); what a forecast makes of snow is in ``forecasting.snow``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pvlib

from forecasting.pv.model import ArrayModel, ArrayState, PvModel
from forecasting.pv.plane import Sky, plane_irradiance
from forecasting.sun import Floats, SunPath

RATE_PER_DAY = 0.0015
CLEANING_MM = 6.0
MOST_DIRT_FRAC = 0.30
STRINGS = 8
"""Strings one above the other in an array, where nothing is known of it."""
TRACKER_TILT_DEG = 30.0
"""Tilt at which a tracker's snow slides: between flat and its limit, both of which it passes every day."""


def soiling_frac(
    rain_mm: pd.Series[float],
    *,
    rate_per_day: float = RATE_PER_DAY,
    cleaning_mm: float = CLEANING_MM,
    start_frac: float = 0.0,
    grace_days: int = 0,
) -> Floats:
    """Return the share of light lost to dirt at each time.

    Args:
        rain_mm: rain of each interval, index = interval start.
        rate_per_day: loss that a dry day adds; 0.15 % is usual in dry farmland.
        cleaning_mm: rain within 24 h that cleans.
        start_frac: loss at the start.
        grace_days: days after a cleaning rain in which no dirt settles.
    """
    loss = pvlib.soiling.kimber(
        rain_mm,
        cleaning_threshold=cleaning_mm,
        soiling_loss_rate=rate_per_day,
        grace_period=grace_days,
        max_soiling=MOST_DIRT_FRAC,
        initial_soiling=start_frac,
    )
    return np.asarray(loss, dtype=float)


def snow_frac(
    snowfall_cm: pd.Series[float],
    plane_w_m2: pd.Series[float],
    temp_air_c: pd.Series[float],
    *,
    tilt_deg: float,
    start_frac: float = 0.0,
    strings: int = STRINGS,
) -> Floats:
    """Return the share of an array's strings that snow keeps from working at each time.

    Args:
        snowfall_cm: new snow of each interval, index = interval start.
        plane_w_m2: irradiance on the module plane.
        temp_air_c: air temperature.
        tilt_deg: tilt of the modules; flat ones keep their snow.
        start_frac: share of the slant height under snow at the start.
        strings: strings one above the other; a string is lost when its lower edge is covered.
    """
    covered = pvlib.snow.coverage_nrel(
        snowfall_cm, plane_w_m2, temp_air_c, tilt_deg, initial_coverage=start_frac, threshold_snowfall=1.0
    )
    return np.asarray(pvlib.snow.dc_loss_nrel(covered, strings), dtype=float)


def record_states(
    model: PvModel,
    sky: Sky,
    sun: SunPath,
    usual: Mapping[str, ArrayState],
    *,
    index: pd.DatetimeIndex,
    temp_air_c: Floats,
    snow_cm: Floats | None,
) -> Mapping[str, ArrayState]:
    """Return each array's state under the snow of a weather record; ``usual`` where it knows of none.

    Args:
        model: arrays.
        sky: irradiance at each interval's middle.
        sun: the sun's path at the same.
        usual: states without snow.
        index: interval starts, equally spaced.
        temp_air_c: air temperature.
        snow_cm: depth of snow on the ground; none = unknown.
    """
    if snow_cm is None or not np.any(snow_cm > 0.0):
        return usual
    fall = pd.Series(fallen_cm(snow_cm), index=index)
    air = pd.Series(temp_air_c, index=index)

    def snowed(array: ArrayModel) -> ArrayState:
        plane = pd.Series(plane_irradiance(array, sky, sun, transposition=model.transposition), index=index)
        covered = snow_frac(fall, plane, air, tilt_deg=slide_tilt_deg(array))
        return ArrayState(soiling_frac=usual.get(array.name, ArrayState()).soiling_frac, snow_frac=covered)

    return {array.name: snowed(array) for array in model.arrays}


def slide_tilt_deg(array: ArrayModel) -> float:
    """Return the tilt at which an array's snow slides."""
    return TRACKER_TILT_DEG if array.tracker else array.tilt_deg


def fallen_cm(snow_cm: Floats) -> Floats:
    """Return the snow that fell in each interval: the rises of the depth on the ground."""
    return np.asarray(np.maximum(np.diff(snow_cm, prepend=snow_cm[:1]), 0.0), dtype=float)
