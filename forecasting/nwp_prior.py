"""What a weather prediction says before the site has a record of it: the measured index by the predicted one.

Figures: ``forecasting/data/nwp_prior.csv``, six real plants with their archived predictions. They count only for sources
for which no forest has been grown yet, with the prior weights of ``forecasting.learn.learner``; from the first nights on
the forests take over.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from forecasting.learn.learner import FRESH_H, NWP_PRIOR, NWP_PRIOR_FROM_H, STALE_FADE_H
from forecasting.skyprior import LEVELS
from forecasting.sun import Floats

CENTRES = (0.1, 0.3, 0.5, 0.675, 0.825, 0.95, 1.05)
"""Predicted index that each class stands for."""
EDGES = (0.2, 0.4, 0.6, 0.75, 0.9, 1.0)
"""Limits of the classes."""
PRIOR_FILE = Path(__file__).parent / "data" / "nwp_prior.csv"


@lru_cache(maxsize=1)
def nwp_prior() -> Floats:
    """Return the committed table: one row a class, one column a level of ``LEVELS``."""
    with PRIOR_FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return np.array([[float(row[f"q{level:g}"]) for level in LEVELS] for row in rows])


def between(table: Floats, predicted: Floats) -> Floats:
    """Return quantiles for predicted indices, one row each, linear between the classes' centres."""
    return np.column_stack([np.interp(predicted, CENTRES, column) for column in table.T])


def prediction_quantiles(index: Floats, lead_h: Floats, levels: Floats) -> tuple[Floats, Floats]:
    """Return quantiles for predicted indices, one row a level, and the prior weight of each; 0 where one is NaN."""
    weight = np.where(lead_h >= NWP_PRIOR_FROM_H, NWP_PRIOR, 1.0) * np.isfinite(index)
    table = between(nwp_prior(), np.nan_to_num(index))
    if len(levels) == len(LEVELS) and np.allclose(levels, LEVELS):
        return table.T, weight
    return np.array([np.interp(levels, LEVELS, row) for row in table]).T, weight


def with_unlearned(
    quantiles: Floats, levels: Floats, lead_h: Floats, indices: Mapping[str, Floats], ages_h: Mapping[str, float]
) -> tuple[Floats, frozenset[str]]:
    """Return quantiles with predictions taken in that nothing has been learned about, and those that had a part.

    Args:
        quantiles: one row a level, one column an interval, without those predictions; weight 1.
        levels: levels of the rows.
        lead_h: lead of each interval.
        indices: predicted index of each interval by source, NaN where silent.
        ages_h: age of each.
    """
    total, mass = quantiles.copy(), np.ones(quantiles.shape[1])
    used = set()
    for name, index in indices.items():
        told, prior = prediction_quantiles(index, lead_h, levels)
        weight = prior * np.exp(-max(0.0, ages_h[name] - FRESH_H) / STALE_FADE_H)
        total, mass = total + told * weight, mass + weight
        if weight.max(initial=0.0) > 0.1:
            used.add(name)
    return total / mass, frozenset(used)
