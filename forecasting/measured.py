"""The measured past on even steps: power as it was, what was held back, and the power index where it says something."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from forecasting.clearpower import ClearPower, midnight
from forecasting.history import History
from forecasting.learn.features import SkySeries, clipped_index
from forecasting.outdoor import known_values
from forecasting.sun import Bools, Floats
from sites.times import HOUR

STEP_S = 900
SILENT_INDEX = 0.003
SILENT_H = 1.0
SMALLEST_CLEAR_FRAC = 0.03
"""Samples with less clear-sky power than this share of the AC limit say nothing about the sky."""


def sky_series(
    clear: ClearPower, history: History, *, issued_utc: datetime, days: float, ahead_h: float = 0.0
) -> SkySeries:
    """Return the site's index on 15-min steps up to ``issued_utc`` and clear-sky power ``ahead_h`` beyond.

    Steps that are not wholly measured, or in part curtailed, are unknown; of the latter the metered index is kept as a
    bound. The last step ends at or before the
    issue time.
    """
    step_h = STEP_S / 3600
    end = midnight(issued_utc) + int((issued_utc - midnight(issued_utc)).total_seconds() // STEP_S) * step_h * HOUR
    start = end - days * 24 * HOUR
    steps = round(days * 24 / step_h)
    ahead = int(np.ceil(ahead_h / step_h)) + 1 if ahead_h > 0 else 0
    clear_kw = clear.series_kw(start, STEP_S, steps + ahead)
    power, held = measured_steps(history, start=start, end=end, steps=steps, issued_utc=issued_utc)
    ac_kw = clear.model.ac_kw
    index = clipped_index(power, clear_kw[:steps], ~held, floor=SMALLEST_CLEAR_FRAC * ac_kw)
    index = np.where(silent_steps(index), np.nan, index)
    least = clipped_index(power, clear_kw[:steps], held, floor=SMALLEST_CLEAR_FRAC * ac_kw)
    return SkySeries(
        start=pd.Timestamp(start),
        step_h=step_h,
        clear=clear_kw,
        index=index,
        longitude_deg=clear.model.longitude_deg,
        rating=ac_kw,
        least=least if held.any() else None,
    )


def measured_steps(
    history: History, *, start: datetime, end: datetime, steps: int, issued_utc: datetime
) -> tuple[Floats, Bools]:
    """Return measured power [kW] on 15-min steps from ``start`` to ``end`` (NaN where not whole) and whether it
    was held back.
    """
    power, held = np.full(steps, np.nan), np.zeros(steps, dtype=bool)
    series = history.pv_kw
    if series is None:
        return power, held
    values = known_values(series, issued_utc)
    flags = np.array(history.pv_curtailed[: len(values)], dtype=bool)
    flags = np.concatenate([flags, np.zeros(len(values) - len(flags), dtype=bool)])
    if series.step_s > STEP_S:
        return _repeated(values, flags, (start - series.start_utc).total_seconds(), series.step_s, steps)
    per_step = max(1, round(STEP_S / series.step_s))
    offset = round((start - series.start_utc).total_seconds() / series.step_s)
    position = offset + np.arange(steps * per_step)
    inside = (position >= 0) & (position < len(values))
    if not len(values):
        return power, held
    taken = np.clip(position, 0, len(values) - 1)
    fine = np.where(inside, values[taken], np.nan).reshape(steps, per_step)
    return fine.mean(axis=1), (inside & flags[taken]).reshape(steps, per_step).any(axis=1)


def _repeated(values: Floats, flags: Bools, offset_s: float, step_s: float, steps: int) -> tuple[Floats, Bools]:
    position = ((offset_s + (np.arange(steps) + 0.5) * STEP_S) // step_s).astype(int)
    inside = (position >= 0) & (position < len(values))
    if not len(values):
        return np.full(steps, np.nan), np.zeros(steps, dtype=bool)
    taken = np.clip(position, 0, len(values) - 1)
    return np.where(inside, values[taken], np.nan), inside & flags[taken]


def silent_steps(index: Floats) -> Bools:
    """Return steps in stretches of an hour or more with next to no power in daylight: no cloud does that."""
    dark = np.isfinite(index) & (index < SILENT_INDEX)
    edge = np.diff(np.concatenate([[0], dark.astype(int), [0]]))
    silent = np.zeros(len(index), dtype=bool)
    for first, last in zip(np.flatnonzero(edge == 1), np.flatnonzero(edge == -1), strict=True):
        if (last - first) * STEP_S / 3600 >= SILENT_H:
            silent[first:last] = True
    return silent
