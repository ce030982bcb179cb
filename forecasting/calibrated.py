"""A site's calibration from its history, day by day, and the clear-sky power that it makes of the site file's figures.

Curtailed and limited samples are left out. Each day is scaled by what was known before it; the days before the fifth
clear one by what was known then, so that a learner sees one scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd

from forecasting.calibration import Calibration, DaySamples, DayState, available_while_held_kw
from forecasting.clearpower import STEP_S as FINE_S
from forecasting.clearpower import STEPS_A_DAY, ClearPower, midnight
from forecasting.history import History
from forecasting.measured import STEP_S, measured_steps
from forecasting.pv.model import PvModel
from forecasting.sun import Bools, Floats, sun_path

LIMIT_FRAC = 0.98
"""Power above this share of the AC limit is the limit's, not the sky's."""
SETTLED_DAYS = 5
"""Clear days after which the factor says more than the site file."""
DIRT_DIGITS = 2
"""Dirt enters the PV chain in whole percents, so that days can be kept; the factor takes up the rest."""


def calibration_course(
    clear: ClearPower, history: History, *, now_utc: datetime, days: int = 120, start: Calibration | None = None
) -> tuple[DayState, ...]:
    """Return what was known at the start of each of the ``days`` local days before ``now_utc``, and at their end.

    Args:
        clear: the plant's clear-sky power by the site file.
        history: its measurements; nothing after ``now_utc`` is looked at.
        now_utc: the moment.
        days: whole days to look back.
        start: what was learned before those days.
    """
    state = start or Calibration()
    if history.pv_kw is None:
        return ()
    shift = timedelta(hours=round(clear.model.longitude_deg / 15.0))
    last = midnight(now_utc + shift) - shift
    first = max(last - timedelta(days=days), midnight(history.pv_kw.start_utc + shift) - shift)
    count = round((last - first) / timedelta(days=1))
    course = [DayState(start_utc=first, state=state)]
    for number, samples in enumerate(_days(clear, history, first, count, now_utc)):
        state = state.updated(samples)
        course.append(DayState(start_utc=first + timedelta(days=number + 1), state=state))
    return tuple(course)


def _days(clear: ClearPower, history: History, first: datetime, count: int, now_utc: datetime) -> list[DaySamples]:
    """Return the samples of ``count`` local days from ``first``."""
    if count <= 0:
        return []
    model, steps = clear.model, round(86400 / STEP_S)
    last = first + timedelta(days=count)
    power, held = measured_steps(history, start=first, end=last, steps=count * steps, issued_utc=now_utc)
    clear_kw = clear.series_kw(first, STEP_S, count * steps)
    middle = pd.date_range(first, periods=count * steps, freq=pd.Timedelta(seconds=STEP_S))
    elevation, morning = sun_place(model, middle + pd.Timedelta(seconds=STEP_S / 2))
    limited = held | (power > LIMIT_FRAC * model.ac_kw)
    shift = timedelta(hours=round(model.longitude_deg / 15.0))
    return [
        DaySamples(
            day=(first + shift + timedelta(days=number)).date().isoformat(),
            power_kw=power[here],
            clear_kw=clear_kw[here],
            held=limited[here],
            elevation_deg=elevation[here],
            morning=morning[here],
            step_h=STEP_S / 3600,
        )
        for number in range(count)
        for here in [slice(number * steps, (number + 1) * steps)]
    ]


def sun_place(model: PvModel, moments: pd.DatetimeIndex) -> tuple[Floats, Bools]:
    """Return the sun's elevation [deg] and whether it is before noon at each moment."""
    sun = sun_path(
        moments,
        latitude_deg=model.latitude_deg,
        longitude_deg=model.longitude_deg,
        altitude_m=model.altitude_m,
    )
    return sun.elevation_deg, np.asarray(sun.azimuth_deg < 180.0)


def site_calibration(
    clear: ClearPower, history: History, *, now_utc: datetime, days: int = 120, start: Calibration | None = None
) -> Calibration:
    """Return the calibration after the ``days`` local days that ended by ``now_utc``; see ``calibration_course``."""
    course = calibration_course(clear, history, now_utc=now_utc, days=days, start=start)
    return course[-1].state if course else start or Calibration()


class CalibratedPower(ClearPower):
    """Clear-sky power by the site file and what the calibrator has found: dirt as a state of the arrays, what else they
    lack or give as a factor.
    """

    def __init__(self, clear: ClearPower, course: Sequence[DayState]) -> None:
        super().__init__(clear.model, clear.states)
        settled = next((each.state for each in course if each.state.clear_days >= SETTLED_DAYS), Calibration())
        self._states = [each.state if each.state.clear_days >= SETTLED_DAYS else settled for each in course]
        self._starts = [each.start_utc for each in course]
        self.soiling_frac = self._states[-1].soiling_frac() if self._states else 0.0

    def day_kw(self, day: datetime) -> Floats:
        """Return the 288 five-minute means [kW] of the UTC day that starts at ``day``."""
        if not self._starts:
            return super().day_kw(day)
        elevation, morning = _sun_of_day(self.model, day)
        begun = np.array([(start - day).total_seconds() / FINE_S for start in self._starts])
        place = np.maximum(np.searchsorted(begun, np.arange(STEPS_A_DAY), side="right") - 1, 0)
        power = np.empty(STEPS_A_DAY)
        for number in np.unique(place):
            here, state = place == number, self._states[number]
            dirt = round(state.soiling_frac(), DIRT_DIGITS)
            lit = self.soiled_day_kw(day, dirt)[here] / (1.0 - dirt)
            power[here] = lit * state.factor_at(elevation[here], morning[here])
        return power


@lru_cache(maxsize=1024)
def _sun_of_day(model: PvModel, day: datetime) -> tuple[Floats, Bools]:
    start = pd.Timestamp(day) + pd.Timedelta(seconds=FINE_S / 2)
    return sun_place(model, pd.date_range(start, periods=STEPS_A_DAY, freq=pd.Timedelta(seconds=FINE_S)))


def given_away_kwh(clear: ClearPower, history: History, *, now_utc: datetime, days: int) -> float:
    """Return the energy that the plant could have given while it was held back, by estimate, in the last days."""
    steps = round(days * 86400 / STEP_S)
    end = midnight(now_utc)
    start = end - timedelta(days=days)
    power, held = measured_steps(history, start=start, end=end, steps=steps, issued_utc=now_utc)
    clear_kw = clear.series_kw(start, STEP_S, steps)
    step_h = STEP_S / 3600
    available = available_while_held_kw(power, clear_kw, held, limit_kw=clear.model.ac_kw, step_h=step_h)
    missing = np.where(held & np.isfinite(power), available - power, 0.0)
    return float(missing.sum() * step_h)
