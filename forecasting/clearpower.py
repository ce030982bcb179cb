"""Clear-sky AC power of a plant, day by day from a cache: the scale on which sky states are measured and forecast.

The *power index* is ``k = P / P_clear``, with ``P_clear`` the unlimited AC power under a cloudless sky
(Ineichen, site-file soiling, 15 C, wind 2 m/s): near 1 under a clear sky, near 0.1 under thick cloud, free of
the sun's daily and yearly course. Power above the inverters' limit is cut last, so an index measured at the
limit is a lower bound and is marked so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd

from forecasting.pv.chain import clear_sky_ac_kw
from forecasting.pv.model import ArrayState, PvModel
from forecasting.sun import Floats

STEP_S = 300
STEPS_A_DAY = 288
REFERENCE_C = 15.0


class ClearPower:
    """Clear-sky power of one plant."""

    def __init__(self, model: PvModel, states: Mapping[str, ArrayState]) -> None:
        self.model = model
        self.states = dict(states)
        self._key = tuple(states.items())

    def day_kw(self, day: datetime) -> Floats:
        """Return the 288 five-minute means [kW] of the UTC day that starts at ``day``."""
        return _day_kw(self.model, self._key, day)

    def soiled_day_kw(self, day: datetime, dirt_frac: float) -> Floats:
        """Return the same as ``day_kw`` by the site file with ``dirt_frac`` of the light lost on top of its own soiling."""
        if dirt_frac <= 0.0:
            return _day_kw(self.model, self._key, day)
        soiled = tuple(
            (name, replace(state, soiling_frac=1.0 - (1.0 - state.soiling_frac) * (1.0 - dirt_frac)))
            for name, state in self.states.items()
        )
        return _day_kw(self.model, soiled, day)

    def span_kw(self, first_day: datetime, days: int) -> Floats:
        """Return five-minute means [kW] of ``days`` UTC days from ``first_day``."""
        return np.concatenate([self.day_kw(first_day + timedelta(days=i)) for i in range(days)])

    def mean_kw(self, edges_utc: tuple[datetime, ...]) -> Floats:
        """Return the mean clear-sky power [kW] between neighbouring edges, one less than edges."""
        first = midnight(edges_utc[0])
        days = int((edges_utc[-1] - first) / timedelta(days=1)) + 1
        energy = np.concatenate([[0.0], np.cumsum(self.span_kw(first, days)) * STEP_S])
        at_s = np.array([(edge - first).total_seconds() for edge in edges_utc])
        cumulative = np.interp(at_s, np.arange(len(energy)) * float(STEP_S), energy)
        mean: Floats = np.diff(cumulative) / np.diff(at_s)
        return mean

    def series_kw(self, start_utc: datetime, step_s: float, count: int) -> Floats:
        """Return the mean clear-sky power [kW] of ``count`` equal intervals from ``start_utc``."""
        first = midnight(start_utc)
        offset_s = (start_utc - first).total_seconds()
        days = int((offset_s + step_s * count) // 86400) + 1
        energy = np.concatenate([[0.0], np.cumsum(self.span_kw(first, days)) * STEP_S])
        at_s = offset_s + np.arange(count + 1) * step_s
        cumulative = np.interp(at_s, np.arange(len(energy)) * float(STEP_S), energy)
        mean: Floats = np.diff(cumulative) / step_s
        return mean


def midnight(moment: datetime) -> datetime:
    """Return the start of the UTC day that holds ``moment``."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@lru_cache(maxsize=1024)
def _day_kw(model: PvModel, states: tuple[tuple[str, ArrayState], ...], day: datetime) -> Floats:
    middle = pd.date_range(day + timedelta(seconds=STEP_S / 2), periods=STEPS_A_DAY, freq=pd.Timedelta(seconds=STEP_S))
    power = clear_sky_ac_kw(model, middle, temp_air_c=REFERENCE_C, states=dict(states), limited=False)
    power.setflags(write=False)
    return power
