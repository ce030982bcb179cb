"""A site's calibration from its history: day by day through the calibrator, curtailed and limited samples left out."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from forecasting.calibration import Calibration, DaySamples
from forecasting.clearpower import ClearPower, midnight
from forecasting.history import History
from forecasting.sky import STEP_S, measured_steps
from forecasting.sun import sun_path

LIMIT_FRAC = 0.98
"""Power above this share of the AC limit is the limit's, not the sky's."""


def site_calibration(
    clear: ClearPower, history: History, *, now_utc: datetime, days: int = 120, start: Calibration | None = None
) -> Calibration:
    """Return the calibration after the ``days`` local days that ended by ``now_utc``.

    Args:
        clear: the plant's clear-sky power by the site file.
        history: its measurements; nothing after ``now_utc`` is looked at.
        now_utc: the moment.
        days: whole days to look back.
        start: what was learned before those days.
    """
    state = start or Calibration()
    if history.pv_kw is None:
        return state
    model = clear.model
    shift = timedelta(hours=round(model.longitude_deg / 15.0))
    last = midnight(now_utc + shift) - shift
    first = max(last - timedelta(days=days), midnight(history.pv_kw.start_utc + shift) - shift)
    count = round((last - first) / timedelta(days=1))
    if count <= 0:
        return state
    steps = round(86400 / STEP_S)
    power, held = measured_steps(history, start=first, end=last, steps=count * steps, issued_utc=now_utc)
    clear_kw = clear.series_kw(first, STEP_S, count * steps)
    middle = pd.date_range(first, periods=count * steps, freq=pd.Timedelta(seconds=STEP_S))
    sun = sun_path(
        middle + pd.Timedelta(seconds=STEP_S / 2),
        latitude_deg=model.latitude_deg,
        longitude_deg=model.longitude_deg,
        altitude_m=model.altitude_m,
    )
    limited = held | (power > LIMIT_FRAC * model.ac_kw)
    noon = sun.elevation_deg.reshape(count, steps).argmax(axis=1)
    for number in range(count):
        here = slice(number * steps, (number + 1) * steps)
        samples = DaySamples(
            day=(first + shift + timedelta(days=number)).date().isoformat(),
            power_kw=power[here],
            clear_kw=clear_kw[here],
            held=limited[here],
            elevation_deg=sun.elevation_deg[here],
            morning=np.arange(steps) < noon[number],
            step_h=STEP_S / 3600,
        )
        state = state.updated(samples)
    return state
