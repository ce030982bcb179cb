"""The learner of a site: forests grown nightly, sources weighed by their record, levels corrected by coverage.

Once a night, on the day that has just passed and that the current forests have never seen:

1. each source is scored by pinball loss in each lead group; losses forget with 6 days of scores;
2. each level of each lead group moves by ``gamma (level - share below)``: adaptive conformal correction
   (Gibbs & Candes 2021, arXiv:2106.00170), kept within +-0.12, so that coverage holds when the weather or the
   plant leaves what was learned;
3. new forests are grown from all of the past.

Sources are the forest of the past (``history``), the past's own distribution at that time of day (``usual``,
CH-PeEn) and one forest a weather prediction, which also knows the past. Weights, by lead group:
``w ~ prior exp(-(loss / least loss - 1) / 0.05) exp(-max(0, age - 24 h) / 16 h)``. Prior weights: history 1;
usual 1/2 from 3 h on, before that nothing; a prediction 3 from 3 h on and 1 before. A source without scores has
its prior alone; one that is silent at a step has no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from forecasting.learn.features import NwpSeries, SkySeries
from forecasting.learn.forest import ForestSettings
from forecasting.learn.skymodel import GROUPS, SETTINGS, LeadGroup, Lesson, SkyModel, fit_sky_model, predict_index
from forecasting.sun import Bools, Floats
from forecasting.verification import pinball

HISTORY = "history"
USUAL = "usual"
USUAL_DAYS = 90
SCORE_LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
FORGET_DAYS = 6.0
SHARPNESS = 0.05
FRESH_H = 24.0
STALE_FADE_H = 16.0
NWP_PRIOR = 3.0
PRIOR_WEIGHT = {HISTORY: 1.0, USUAL: 0.5}
NWP_PRIOR_FROM_H = 3.0
GAMMA = 0.08
LARGEST_SHIFT = 0.12


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
    shifts: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    """By lead group: what is added to each of ``SCORE_LEVELS``."""
    late_min: Mapping[str, float] = field(default_factory=dict)
    """By prediction: by how many minutes its labels are late, estimated from its own past."""


def nightly(
    learner: SkyLearner,
    series: SkySeries,
    *,
    last: int,
    predictions: Mapping[str, NwpSeries] | None = None,
    groups: tuple[LeadGroup, ...] = GROUPS,
    settings: ForestSettings = SETTINGS,
    regrow: bool = True,
    most_samples: int = 6000,
) -> SkyLearner:
    """Score the day before step ``last``, correct levels, and grow new forests from the steps before it.

    Args:
        learner: state of the night before.
        series: the site's past; nothing at or after ``last`` is looked at.
        last: first step of the new day.
        predictions: what each source had predicted for the steps of ``series``, as it was known then.
        groups: lead groups.
        settings: how forests are grown.
        regrow: whether to grow new forests; scoring alone takes a tenth of the time.
        most_samples: most daylight samples that a forest learns from.
    """
    given = predictions or {}
    scored = learner if learner.model is None else _scored(learner, series, last=last, predictions=given)
    if not regrow:
        return scored
    if int(np.isfinite(series.index[:last]).sum()) < 8 * settings.leaf_samples:
        return scored
    model = fit_sky_model(
        [Lesson(series=series, last=last)], groups=groups, settings=settings, most_samples=most_samples
    )
    informed = {
        name: fit_sky_model(
            [Lesson(series=series, last=last, nwp=nwp)],
            groups=groups,
            settings=settings,
            most_samples=most_samples,
            only_informed=True,
        )
        for name, nwp in given.items()
    }
    known = np.flatnonzero(np.isfinite(series.index[:last]))
    return replace(scored, model=model, informed=informed, days=float(len(np.unique(known // series.steps_a_day))))


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
    for name, (model, nwp) in models.items():
        whole, _ = predict_index(model, series, issue, target, levels=fine, nwp=nwp)
        out = np.empty((len(target), len(levels)))
        for number in np.unique(groups):
            here = groups == number
            asked = corrected_levels(learner, int(number), levels) if corrected else levels
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
    past = series.index[max(0, first - USUAL_DAYS * day) : first]
    offset = first - len(past)
    slots = target % day
    result = np.full((len(target), len(levels)), np.nan)
    for slot in np.unique(slots):
        same = past[(slot - offset) % day :: day]
        same = same[np.isfinite(same)]
        if len(same) >= 10:
            result[slots == slot] = np.quantile(same, levels)
    return result


def corrected_levels(learner: SkyLearner, group: int, levels: Floats) -> Floats:
    """Return the levels to ask the forests for, so that ``levels`` hold."""
    shifts = learner.shifts.get(group)
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


def _scored(learner: SkyLearner, series: SkySeries, *, last: int, predictions: Mapping[str, NwpSeries]) -> SkyLearner:
    """Return the learner with losses and level shifts after the day before ``last``."""
    assert learner.model is not None
    past = replace(series, index=series.index[:last])
    known = np.flatnonzero(np.isfinite(past.index))
    target = known[known >= last - series.steps_a_day]
    scores, shifts = dict(learner.scores), dict(learner.shifts)
    if not len(target):
        return learner
    for number, group in enumerate(learner.model.groups):
        middle = max(0, round((group.from_h + group.to_h) / 2 / series.step_h))
        issue = target - min(middle, round(group.to_h / series.step_h) - 1)
        if issue.min() < series.steps_a_day:
            continue
        weight = past.clear[target] / past.clear[target].sum()
        parts = source_quantiles(
            learner, past, issue, target, levels=SCORE_LEVELS, predictions=predictions, corrected=True
        )
        for name, quantiles in parts.items():
            given = np.isfinite(quantiles[:, 0])
            if given.mean() < 0.2:
                continue
            loss = pinball(past.index[target][given], quantiles[given], SCORE_LEVELS).mean(axis=1)
            mean = float((loss * weight[given]).sum() / weight[given].sum())
            old = scores.get((name, number), SourceScore(loss=mean, days=0.0))
            kept = min(old.days, FORGET_DAYS)
            scores[name, number] = SourceScore(loss=(old.loss * kept + mean) / (kept + 1), days=kept + 1)
        weights = source_weights(replace(learner, scores=scores), number, tuple(parts), {})
        blend = _blend(parts, weights)
        shifts[number] = _shifted(shifts.get(number), past.index[target], blend, np.isfinite(blend[:, 0]))
    return replace(learner, scores=scores, shifts=shifts)


def _blend(parts: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    stacked = np.stack(list(parts.values()))
    weight = np.array([weights[name] for name in parts])[:, None, None] * np.isfinite(stacked)
    mass, total = weight.sum(axis=0), (np.nan_to_num(stacked) * weight).sum(axis=0)
    return np.asarray(np.divide(total, mass, out=np.full_like(total, np.nan), where=mass > 0), dtype=float)


def _shifted(old: tuple[float, ...] | None, measured: Floats, quantiles: Floats, given: Bools) -> tuple[float, ...]:
    before = np.array(old if old is not None else (0.0,) * len(SCORE_LEVELS))
    if not given.any():
        return tuple(before.tolist())
    below = (measured[given][:, None] <= quantiles[given]).mean(axis=0)
    after = np.clip(before + GAMMA * (SCORE_LEVELS - below), -LARGEST_SHIFT, LARGEST_SHIFT)
    return tuple(after.tolist())
