"""Dirt and snow on modules as states: what the PV chain takes as ``ArrayState``.

Dirt gathers at a daily rate and goes with rain (Kimber et al. 2006, doi:10.1109/WCPEC.2006.279690). Snow covers an array
when it falls and slides off while sun and air are warm enough (Marion et al. 2013, doi:10.1016/j.solener.2013.07.023),
both as in pvlib; strings under snow give nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib

from forecasting.sun import Floats

RATE_PER_DAY = 0.0015
CLEANING_MM = 6.0
MOST_DIRT_FRAC = 0.30


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
    strings: int = 8,
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
