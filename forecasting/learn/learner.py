"""The learner of a site: what it knows, and how its sources become one forecast. ``forecasting.learn.night`` teaches it.

Sources are the forest of the past (``history``), the past's own distribution at that time of day (``usual``,
CH-PeEn) and one forest a weather prediction, which also knows the past. Weights, by lead group:
``w ~ prior exp(-(loss / least loss - 1) / 0.05) exp(-max(0, age - 24 h) / 16 h)``. Prior weights: history 1;
usual 1/2 from 3 h on, before that nothing; a prediction 3 from 3 h on and 1 before. A source without scores has
its prior alone; one that is silent at a step has no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from forecasting.calibration import DayState
from forecasting.learn.features import NwpSeries, SkySeries
from forecasting.learn.skymodel import LeadGroup, SkyModel, predict_index
from forecasting.scenarios import SLOW_FRAC
from forecasting.sun import Floats

HISTORY = "history"
USUAL = "usual"
USUAL_DAYS = 90
SCORE_LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
SHARPNESS = 0.05
FRESH_H = 24.0
STALE_FADE_H = 16.0
NWP_PRIOR = 3.0
PRIOR_WEIGHT = {HISTORY: 1.0, USUAL: 0.5}
NWP_PRIOR_FROM_H = 3.0


@dataclass(frozen=True, kw_only=True)
class SourceScore:
    """How a source has done in one lead group."""

    loss: float
    """Forgetting mean of its pinball loss (power index, weighted with clear-sky power)."""
    days: float
    """Days of evidence."""


@dataclass(frozen=True, kw_only=True)
class SkyLearner:
    """Everything learned about a site's sky; ``nightly`` returns the next state."""

    model: SkyModel | None = None
    """Forests from the past alone; None before the first night."""
    informed: Mapping[str, SkyModel] = field(default_factory=dict)
    """Forests from the past and one prediction each, by source."""
    days: float = 0.0
    """Days with daylight samples behind the forests."""
    scores: Mapping[tuple[str, int], SourceScore] = field(default_factory=dict)
    """By source and number of the lead group."""
    shifts: Mapping[tuple[int, bool], tuple[float, ...]] = field(default_factory=dict)
    """By lead group and whether a prediction speaks: what is added to each of ``SCORE_LEVELS``. Kept apart, so that a
    site whose prediction is lost has levels that hold for its past alone.
    """
    slow_frac: float = SLOW_FRAC
    """Share of the sky's long memory in scenarios."""
    calibration: tuple[DayState, ...] = ()
    """What the arrays give against the site file, day by day: the scale of the index."""
    late_min: Mapping[str, float] = field(default_factory=dict)
    """By prediction: by how many minutes its labels are late, estimated from its own past."""


def learned_quantiles(
    learner: SkyLearner,
    series: SkySeries,
    issue: np.ndarray,
    target: np.ndarray,
    *,
    levels: Floats,
    predictions: Mapping[str, NwpSeries] | None = None,
    ages_h: Mapping[str, float] | None = None,
) -> tuple[Floats, frozenset[str]]:
    """Return index quantiles (one row a level, one column a pair) and the predictions that had a part in them."""
    assert learner.model is not None
    parts = source_quantiles(learner, series, issue, target, levels=levels, predictions=predictions or {})
    groups = group_numbers(learner.model.groups, (target - issue) * series.step_h)
    blended = np.full((len(levels), len(target)), np.nan)
    used: set[str] = set()
    for number in np.unique(groups[groups >= 0]):
        here = groups == number
        weights = source_weights(learner, int(number), tuple(parts), ages_h or {})
        total, mass = np.zeros((len(levels), int(here.sum()))), np.zeros(int(here.sum()))
        for name, quantiles in parts.items():
            rows = quantiles[here].T
            given = np.isfinite(rows[0])
            total += np.where(given, np.nan_to_num(rows), 0.0) * weights[name]
            mass += given * weights[name]
            if name not in PRIOR_WEIGHT and (given * weights[name]).sum() > 0.05 * max(mass.sum(), 1e-9):
                used.add(name)
        blended[:, here] = np.divide(total, mass, out=np.full_like(total, np.nan), where=mass > 0)
    return blended, frozenset(used)


def source_quantiles(
    learner: SkyLearner,
    series: SkySeries,
    issue: np.ndarray,
    target: np.ndarray,
    *,
    levels: Floats,
    predictions: Mapping[str, NwpSeries],
    corrected: bool = True,
) -> dict[str, Floats]:
    """Return each source's index quantiles, one row a pair, one column a level; NaN where a source is silent."""
    assert learner.model is not None
    models = {HISTORY: (learner.model, None)} | {
        name: (learner.informed[name], nwp) for name, nwp in predictions.items() if name in learner.informed
    }
    fine = np.arange(1, 100) / 100
    groups = group_numbers(learner.model.groups, (target - issue) * series.step_h)
    result = {USUAL: usual_quantiles(series, issue, target, levels)}
    wholes = {
        name: predict_index(model, series, issue, target, levels=fine, nwp=nwp)[0]
        for name, (model, nwp) in models.items()
    }
    told = np.zeros(len(target), dtype=bool)
    for name, whole in wholes.items():
        told |= np.isfinite(whole[:, 0]) & (name != HISTORY)
    for name, whole in wholes.items():
        out = np.empty((len(target), len(levels)))
        for number, speaks in {*zip(groups.tolist(), told.tolist(), strict=True)}:
            here = (groups == number) & (told == speaks)
            asked = corrected_levels(learner, number, levels, told=speaks) if corrected else levels
            position = np.clip(asked * 100 - 1, 0, 98)
            low = np.minimum(position.astype(int), 97)
            share = position - low
            out[here] = whole[here][:, low] * (1 - share) + whole[here][:, low + 1] * share
        result[name] = out
    return result


def usual_quantiles(series: SkySeries, issue: np.ndarray, target: np.ndarray, levels: Floats) -> Floats:
    """Return CH-PeEn: quantiles of the indices at the target's time of day in the ``USUAL_DAYS`` before the
    first issue.

    NaN where fewer than ten are known.
    """
    day = series.steps_a_day
    first = int(issue.min())
    past = series.likely[max(0, first - USUAL_DAYS * day) : first]
    offset = first - len(past)
    slots = target % day
    result = np.full((len(target), len(levels)), np.nan)
    for slot in np.unique(slots):
        same = past[(slot - offset) % day :: day]
        same = same[np.isfinite(same)]
        if len(same) >= 10:
            result[slots == slot] = np.quantile(same, levels)
    return result


def corrected_levels(learner: SkyLearner, group: int, levels: Floats, *, told: bool = False) -> Floats:
    """Return the levels to ask the forests for, so that ``levels`` hold where a prediction speaks (``told``) or none."""
    shifts = learner.shifts.get((group, told))
    if shifts is None:
        return levels
    moved = levels + np.interp(levels, SCORE_LEVELS, shifts)
    return np.asarray(np.clip(np.maximum.accumulate(moved), 0.01, 0.99), dtype=float)


def source_weights(
    learner: SkyLearner, group: int, sources: Sequence[str], ages_h: Mapping[str, float]
) -> dict[str, float]:
    """Return weights of the sources in a lead group, summing to 1."""
    assert learner.model is not None
    beyond = learner.model.groups[group].from_h >= NWP_PRIOR_FROM_H
    losses = [learner.scores[name, group].loss for name in sources if (name, group) in learner.scores]
    least = max(min(losses), 1e-9) if losses else 1.0
    weights = {}
    for name in sources:
        weight = PRIOR_WEIGHT.get(name, NWP_PRIOR if beyond else 1.0)
        if name == USUAL and not beyond:
            weight = 0.0
        score = learner.scores.get((name, group))
        if score is not None:
            trust = score.days / (score.days + 1.0)
            weight *= float(np.exp(-(score.loss / least - 1.0) / SHARPNESS * trust))
        weights[name] = weight * float(np.exp(-max(0.0, ages_h.get(name, 0.0) - FRESH_H) / STALE_FADE_H))
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def group_numbers(groups: tuple[LeadGroup, ...], lead_h: Floats) -> np.ndarray:
    """Return the number of each lead's group, -1 beyond the last."""
    number = np.full(len(lead_h), -1)
    for i, group in enumerate(groups):
        number[(lead_h >= group.from_h - 1e-9) & (lead_h < group.to_h - 1e-9)] = i
    return number
