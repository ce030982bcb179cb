"""What the sky may have been while the plant was held back: a draw for each held sample, for what learns from the past.

Off-grid the battery is full on most sunny days, so what is not held back is the cloudy part of the past: a learner that
leaves the held samples out takes the site for a cloudier one. A held sample still says that the index is *at least* what
was metered, and what it was can be told from the last free hour before it (``forecasting.skyprior``, stations that were
never held back) and from the weather prediction (``forecasting.nwp_prior``), with the weights of ``nwp_prior``. Each held
sample is drawn from that distribution above its bound, with the sky's two memories within a day, always the same draw
for the same day. It stands for the sample as a target and in distributions and long means, never as the last index
known, in the calibrator or in scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from forecasting.learn.features import HIGHEST_INDEX, NwpSeries, SkySeries, last_hour_index
from forecasting.nwp_prior import prediction_quantiles
from forecasting.scenarios import draw_levels, values_at
from forecasting.skyprior import LEVELS, climate_weights, prior_quantiles
from forecasting.sun import Floats

FULL_LEVELS = np.array([0.0, *LEVELS, 1.0])
AT_LEVELS = np.array(LEVELS)


def with_held_filled(series: SkySeries, predictions: Mapping[str, NwpSeries]) -> SkySeries:
    """Return the series with a draw of the index for each held sample; the same series where none was held.

    Args:
        series: the past; ``least`` says what was metered while held back.
        predictions: what had been predicted for its steps, by source.
    """
    held = np.flatnonzero(np.isfinite(series.least)) if series.least is not None else np.zeros(0, dtype=int)
    if series.least is None or not len(held):
        return series
    known = np.isfinite(series.index)
    state, age_h = last_hour_index(series)
    bound = series.least[held]
    guess = np.where(known, series.index, np.nan)
    guess[held] = np.fmax(bound, state[held])
    weight = np.where(np.isfinite(guess), series.clear[: len(guess)], 0.0)
    days = len(np.unique(np.flatnonzero(np.isfinite(guess)) // series.steps_a_day))
    mean = float((np.nan_to_num(guess) * weight).sum() / max(weight.sum(), 1e-9))
    total = prior_quantiles(state[held], age_h[held], AT_LEVELS, climate_weights(mean, float(days)))
    mass = np.ones(len(held))
    for nwp in predictions.values():
        told, share = prediction_quantiles(nwp.index[held], age_h[held], AT_LEVELS)
        total, mass = total + told * share, mass + share
    quantiles = total / mass
    low = np.maximum(2 * quantiles[0] - quantiles[1], 0.0)
    high = np.minimum(2 * quantiles[-1] - quantiles[-2], HIGHEST_INDEX)
    full = np.vstack([low, quantiles, high])
    below = levels_at(full, bound)
    drawn = below + (1.0 - below) * _drawn_levels(series, held)
    filled = series.index.copy()
    filled[held] = np.maximum(values_at(FULL_LEVELS, full, drawn[None, :])[0], bound)
    return replace(series, filled=filled)


def levels_at(quantiles: Floats, values: Floats) -> Floats:
    """Return the level of one value a column in distributions given at ``FULL_LEVELS`` (rows)."""
    upper = np.clip((quantiles <= values).sum(axis=0), 1, len(FULL_LEVELS) - 1)
    column = np.arange(quantiles.shape[1])
    low, high = quantiles[upper - 1, column], quantiles[upper, column]
    share = np.clip((values - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)
    return np.asarray(FULL_LEVELS[upper - 1] * (1 - share) + FULL_LEVELS[upper] * share, dtype=float)


def _drawn_levels(series: SkySeries, steps: np.ndarray) -> Floats:
    """Return a level in (0, 1) for each step, correlated within its local day, the same whatever the window."""
    noon_h = (series.start - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(hours=1) + series.longitude_deg / 15.0
    hours = noon_h + (steps + 0.5) * series.step_h
    day = (hours // 24.0).astype(int)
    levels = np.empty(len(steps))
    for number in np.unique(day):
        here = day == number
        levels[here] = draw_levels(hours[here], draws=1, seed=int(number))[0]
    return levels
