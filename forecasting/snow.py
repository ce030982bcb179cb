"""Snow on the modules: what a forecast makes of predicted snow, and of a plant that gives nothing in the cold.

Covered is what the prediction's depth of snow has risen on since the plant last gave something by day, or a plant that
gave nothing for an hour of daylight after frost (no cloud does that). From there on snow lies, falls and slides as in
``forecasting.pv.states``, under the sun of each quantile: the sunnier the sky, the sooner it is off. A prediction's snow
and a cold plant's silence are believed to ``TRUST``, an estimate: no plant with measured snow was at hand. The rest
stands for what else it may be: no snow, or an outage of unknown length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecasting.learn.features import SkySeries
from forecasting.pv.model import PvModel
from forecasting.pv.states import fallen_cm, slide_tilt_deg, snow_frac
from forecasting.records import DarkCause
from forecasting.sun import Floats

TRUST = 0.8
FROST_C = 1.0
"""Coldest hour of the day before, up to which silence by day is taken for snow."""
COVERS_CM_PER_H = 1.0
"""Snowfall that covers an array (Marion et al. 2013)."""
POINT = 1e-7
"""Width given to a value that has a probability of its own."""
LIES_CM = 1.0
"""Depth on the ground from which snow is said to lie."""


@dataclass(frozen=True, kw_only=True)
class SnowTold:
    """What is known of snow and frost at the issue, on the steps of a ``SkySeries`` and its future."""

    depth_cm: Floats | None
    """Predicted depth, NaN where unknown; none without a prediction that knows it."""
    temp_air_c: Floats
    """Air temperature: the prediction's, else the site's own outlook; NaN in a past that is not known."""
    coldest_c: float | None
    """Coldest of the last day by the site's thermometer or the prediction; none where neither knows."""


def silence_cause(told: SnowTold, now: int) -> DarkCause:
    """Return what a plant that gives nothing by day may suffer from: ``snow``, ``outage``, or either."""
    if told.depth_cm is not None and np.isfinite(told.depth_cm[now]):
        return "snow" if told.depth_cm[now] >= LIES_CM else "outage"
    if told.coldest_c is None:
        return "outage or snow"
    return "snow" if told.coldest_c <= FROST_C else "outage"


def snow_rows(
    model: PvModel,
    series: SkySeries,
    told: SnowTold,
    index_rows: Floats,
    target: np.ndarray,
    *,
    covered: bool,
) -> Floats | None:
    """Return the share of the plant under snow, one row a level, one column an interval; none where none will be.

    Args:
        model: arrays: their tilts, weighed by power.
        series: past and clear-sky future.
        told: snow and air.
        index_rows: quantiles of the index, one row a level, one column an interval.
        target: step of ``series`` that stands for each interval.
        covered: whether the plant is known to be under snow now.
    """
    now = len(series.index)
    ahead = len(series.clear) - now
    depth = np.full(len(series.clear), np.nan) if told.depth_cm is None else told.depth_cm
    fall = np.nan_to_num(fallen_cm(depth))
    heavy = fall > COVERS_CM_PER_H * series.step_h
    seen = np.flatnonzero(np.isfinite(series.index))
    start = covered or bool(heavy[seen[-1] + 1 if len(seen) else now : now].any())
    if not start and not heavy[now:].any():
        return None
    times = pd.date_range(
        series.start + pd.Timedelta(hours=now * series.step_h), periods=ahead, freq=pd.Timedelta(hours=series.step_h)
    )
    dc_kw = sum(array.dc_kw for array in model.arrays)
    air = pd.Series(told.temp_air_c[now:], index=times)
    fallen = pd.Series(fall[now:], index=times)
    interval = np.clip(np.searchsorted(target, np.arange(now, now + ahead), side="right") - 1, 0, len(target) - 1)
    rows = np.zeros_like(index_rows)
    for number, index in enumerate(index_rows):
        plane_w_m2 = pd.Series(1000.0 * index[interval] * series.clear[now:] / dc_kw, index=times)
        for array in model.arrays:
            lying = snow_frac(fallen, plane_w_m2, air, tilt_deg=slide_tilt_deg(array), start_frac=float(start))
            rows[number] += lying[target - now] * array.dc_kw / dc_kw
    return rows


def mixture(first: Floats, second: Floats, levels: Floats, *, weight: float) -> Floats:
    """Return the quantiles of a distribution that is ``first`` with probability ``weight``, else ``second``; one row a
    level, one column an interval.
    """
    result = np.empty_like(first)
    full = np.concatenate([[0.0], levels, [1.0]])
    for column in range(first.shape[1]):
        parts = [np.concatenate([rows[:1, column], rows[:, column], rows[-1:, column]]) for rows in (first, second)]
        ends = np.concatenate(parts)
        values = np.sort(np.concatenate([ends, ends + POINT]))
        both = [np.interp(values, part + np.arange(len(full)) * 1e-10, full, left=0.0, right=1.0) for part in parts]
        share = weight * both[0] + (1.0 - weight) * both[1]
        result[:, column] = np.interp(levels, share + np.arange(len(share)) * 1e-12, values)
    return np.where(result <= len(full) * POINT, 0.0, result)
