"""Scores of forecasts, pure functions over arrays. The store keeps forecasts and measurements; this says how
good they were.

Definitions after Yang et al. 2020 (doi:10.1016/j.solener.2020.04.019) for deterministic and Lauret et al. 2019
(doi:10.1016/j.solener.2019.10.041) for probabilistic solar forecasts: skill ``1 - score / reference``; pinball
loss of level a: ``max(a e, (a - 1) e)`` with ``e = y - q``; CRPS as twice the mean pinball loss over
equidistant levels; coverage is the share of measurements inside an interval. Night does not count: the caller
passes the hours that do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from forecasting.sun import Bools, Floats


def rmse(measured: ArrayLike, predicted: ArrayLike) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((_plain(predicted) - _plain(measured)) ** 2)))


def mae(measured: ArrayLike, predicted: ArrayLike) -> float:
    """Return the mean absolute error."""
    return float(np.mean(np.abs(_plain(predicted) - _plain(measured))))


def bias(measured: ArrayLike, predicted: ArrayLike) -> float:
    """Return the mean of predicted minus measured."""
    return float(np.mean(_plain(predicted) - _plain(measured)))


def skill(score: float, reference: float) -> float:
    """Return ``1 - score / reference``: 0 is as good as the reference, 1 is perfect."""
    return 1.0 - score / reference if reference > 0 else float("nan")


def pinball(measured: ArrayLike, quantiles: Floats, levels: Floats) -> Floats:
    """Return the pinball loss, one row a measurement, one column a level."""
    error = _plain(measured)[:, None] - quantiles
    loss: Floats = np.maximum(levels * error, (levels - 1.0) * error)
    return loss


def crps(measured: ArrayLike, quantiles: Floats, levels: Floats) -> Floats:
    """Return the CRPS of each measurement from quantiles at equidistant levels."""
    score: Floats = 2.0 * pinball(measured, quantiles, levels).mean(axis=1)
    return score


def coverage_frac(measured: ArrayLike, low: ArrayLike, high: ArrayLike) -> Bools:
    """Return whether each measurement lies inside its interval; the mean is the coverage."""
    y = _plain(measured)
    inside: Bools = (y >= _plain(low) - 1e-9) & (y <= _plain(high) + 1e-9)
    return inside


def reliability(measured: ArrayLike, quantiles: Floats) -> Floats:
    """Return for each level the share of measurements at or below its quantile: equal to the level when
    reliable.
    """
    share: Floats = (_plain(measured)[:, None] <= quantiles + 1e-9).mean(axis=0)
    return share


def cliper(measured_index: Floats, lead_steps: int) -> Floats:
    """Return CLIPER's index forecast for the last known index: climatology and persistence, weighted by their
    correlation.

    Args:
        measured_index: past index on equal steps, NaN where unknown; nothing else is used.
        lead_steps: steps ahead.

    Returns:
        Forecast for each step from the index ``lead_steps`` before; NaN where that is unknown.
    """
    mean = float(np.nanmean(measured_index))
    early, late = measured_index[:-lead_steps], measured_index[lead_steps:]
    both = np.isfinite(early) & np.isfinite(late)
    rho = float(np.corrcoef(early[both], late[both])[0, 1]) if both.sum() > 10 else 0.0
    shifted = np.concatenate([np.full(lead_steps, np.nan), measured_index[:-lead_steps]])
    predicted: Floats = mean + rho * (shifted - mean)
    return predicted


def _plain(values: Any) -> Floats:
    return np.asarray(values, dtype=float)
