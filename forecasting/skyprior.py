"""What a site may expect before it has a past of its own: the sky's index by lead and by the last hour's state.

Figures: ``forecasting/data/sky_prior.csv``, a year at four SURFRAD stations, one a climate. A site that has
measured nothing gets the mean of the four. As days come in, climates whose mean index is like the site's weigh
more: ``w ~ exp(-(m_site - m_climate)^2 / (2 s^2))`` with ``s = 0.08 + 0.5 / sqrt(days)``, since a mean of few
days says little.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from forecasting.learn.skymodel import GROUPS
from forecasting.sun import Floats

LEVELS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
STATE_EDGES = (0.15, 0.3, 0.5, 0.7, 0.85, 0.95, 1.02)
"""Limits of the classes of the last hour's index."""
STATE_CENTRES = (0.08, 0.22, 0.4, 0.6, 0.78, 0.9, 0.985, 1.06)
"""State that each class stands for."""
PRIOR_FILE = Path(__file__).parent / "data" / "sky_prior.csv"


@dataclass(frozen=True, kw_only=True)
class ClimatePrior:
    """Quantiles of one climate."""

    climate: str
    """Its name."""
    mean_index: float
    """Mean index over the year."""
    quantiles: Floats
    """Index by (lead group, state class, level)."""
    marginal: Floats
    """Index of the whole year at ``LEVELS``."""


@lru_cache(maxsize=1)
def climate_priors() -> tuple[ClimatePrior, ...]:
    """Return the committed priors."""
    with PRIOR_FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    priors = []
    for climate in dict.fromkeys(row["climate"] for row in rows):
        own = [row for row in rows if row["climate"] == climate]
        shape = (len(GROUPS), len(STATE_EDGES) + 1, len(LEVELS))
        table = np.array([[float(row[f"q{level:g}"]) for level in LEVELS] for row in own]).reshape(shape)
        far = [row for row in own if float(row["from_h"]) == GROUPS[-1].from_h]
        pairs = np.array([float(row["pairs"]) for row in far])
        means = np.array([np.mean([float(row[f"q{level:g}"]) for level in LEVELS]) for row in far])
        priors.append(
            ClimatePrior(
                climate=climate,
                mean_index=float((pairs * means).sum() / pairs.sum()),
                quantiles=table,
                marginal=_mixed(table[-1], pairs),
            )
        )
    return tuple(priors)


def _mixed(quantiles: Floats, weights: Floats) -> Floats:
    """Return quantiles at ``LEVELS`` of a mixture of distributions given by theirs (one row a part)."""
    values = np.linspace(0.0, 1.5, 301)
    cdf = np.array(
        [np.interp(values, row + np.arange(len(row)) * 1e-9, LEVELS, left=0.0, right=1.0) for row in quantiles]
    )
    mixed = (weights[:, None] * cdf).sum(axis=0) / weights.sum()
    return np.asarray(np.interp(LEVELS, mixed + np.arange(len(mixed)) * 1e-12, values), dtype=float)


def marginal_quantiles(weights: Floats) -> Floats:
    """Return the quantiles at ``LEVELS`` of the index over a whole year, climates weighed by ``weights``."""
    return np.asarray(
        np.tensordot(weights, np.stack([prior.marginal for prior in climate_priors()]), axes=1), dtype=float
    )


def climate_weights(mean_index: float, days: float) -> Floats:
    """Return the weight of each climate for a site whose mean index over ``days`` days is ``mean_index``."""
    priors = climate_priors()
    if days <= 0:
        return np.full(len(priors), 1.0 / len(priors))
    spread = 0.08 + 0.5 / np.sqrt(days)
    gaps = np.array([prior.mean_index for prior in priors]) - mean_index
    weight = np.exp(-(gaps**2) / (2 * spread**2)) + 1e-6
    return np.asarray(weight / weight.sum(), dtype=float)


def prior_quantiles(state: Floats | float, lead_h: Floats, levels: Floats, weights: Floats) -> Floats:
    """Return quantiles of the index, one row a level, one column a lead.

    Args:
        state: energy-weighted index of the last hour of daylight, one or one a lead; NaN = unknown, then the whole
            year's.
        lead_h: leads from the issue to the middle of each interval.
        levels: ascending levels in (0, 1).
        weights: weight of each climate.
    """
    table = np.tensordot(weights, np.stack([prior.quantiles for prior in climate_priors()]), axes=1)
    states = np.broadcast_to(np.asarray(state, dtype=float), lead_h.shape)
    place = np.interp(states, STATE_CENTRES, np.arange(len(STATE_CENTRES)))
    place = np.minimum(np.nan_to_num(place), len(STATE_CENTRES) - 1.000001)
    middles = np.array([(group.from_h + group.to_h) / 2 for group in GROUPS])
    position = np.minimum(np.interp(lead_h, middles, np.arange(len(middles))), len(middles) - 1.000001)
    state_low, group_low = place.astype(int), position.astype(int)
    state_share, group_share = (place - state_low)[:, None], (position - group_low)[:, None]
    near, far = (
        table[group, state_low] * (1 - state_share) + table[group, state_low + 1] * state_share
        for group in (group_low, group_low + 1)
    )
    by_lead = near * (1 - group_share) + far * group_share
    by_lead = np.where(np.isfinite(states)[:, None], by_lead, marginal_quantiles(weights))
    if len(levels) == len(LEVELS) and np.allclose(levels, LEVELS):
        return np.asarray(by_lead.T, dtype=float)
    return np.array([np.interp(levels, LEVELS, row) for row in by_lead]).T
