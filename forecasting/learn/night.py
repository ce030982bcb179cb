"""The learner's night: it is scored on the day that has just passed, corrected, and grown anew.

Once a night, on the day that the current forests have never seen:

1. each source is scored by pinball loss in each lead group; losses forget with 6 days of scores;
2. each level of each lead group, with and without predictions, moves by ``gamma (level - share below)``: adaptive
   conformal correction (Gibbs & Candes 2021, arXiv:2106.00170), kept within +-0.12, so that coverage holds when the
   weather or the plant leaves what was learned;
3. the share of the sky's long memory (``forecasting.scenarios``) moves by ``gamma (outside - 0.2)``, by whether the
   day's energy lay outside its 80 % interval;
4. new forests are grown from all of the past.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from forecasting.learn.features import HIGHEST_INDEX, NwpSeries, SkySeries
from forecasting.learn.forest import ForestSettings
from forecasting.learn.learner import (
    PRIOR_WEIGHT,
    SCORE_LEVELS,
    SkyLearner,
    SourceScore,
    learned_quantiles,
    source_quantiles,
    source_weights,
)
from forecasting.learn.skymodel import GROUPS, SETTINGS, LeadGroup, Lesson, fit_sky_model
from forecasting.scenarios import draw_levels, quantile_function, values_at
from forecasting.sun import Bools, Floats
from forecasting.verification import pinball

FORGET_DAYS = 6.0
GAMMA = 0.08
LARGEST_SHIFT = 0.12
SLOW_GAMMA = 0.05
SLOW_RANGE = (0.1, 1.0)
ENERGY_DRAWS = 200
LIT_FRAC = 0.03
LEAST_KNOWN_FRAC = 0.9
"""A day whose daylight is known to less than this share says nothing about its energy."""


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
    if int(np.isfinite(series.likely[:last]).sum()) < 8 * settings.leaf_samples:
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
    known = np.flatnonzero(np.isfinite(series.likely[:last]))
    return replace(scored, model=model, informed=informed, days=float(len(np.unique(known // series.steps_a_day))))


def _scored(learner: SkyLearner, series: SkySeries, *, last: int, predictions: Mapping[str, NwpSeries]) -> SkyLearner:
    """Return the learner with losses and level shifts after the day before ``last``."""
    assert learner.model is not None
    past = series.until(last)
    known = np.flatnonzero(np.isfinite(past.likely))
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
            loss = pinball(past.likely[target][given], quantiles[given], SCORE_LEVELS).mean(axis=1)
            mean = float((loss * weight[given]).sum() / weight[given].sum())
            old = scores.get((name, number), SourceScore(loss=mean, days=0.0))
            kept = min(old.days, FORGET_DAYS)
            scores[name, number] = SourceScore(loss=(old.loss * kept + mean) / (kept + 1), days=kept + 1)
        told = _told(parts)
        alone = parts
        if told.any():
            alone = source_quantiles(learner, past, issue, target, levels=SCORE_LEVELS, predictions={})
        for speaks, sources, counted in ((True, parts, told), (False, alone, np.ones(len(target), dtype=bool))):
            weights = source_weights(replace(learner, scores=scores), number, tuple(sources), {})
            blend = _blend(sources, weights)
            given = counted & np.isfinite(blend[:, 0])
            before = shifts.get((number, speaks))
            shifts[number, speaks] = _shifted(before, past.likely[target], blend, given)
    slow = _slow_share(learner, past, first=last - series.steps_a_day, predictions=predictions)
    return replace(learner, scores=scores, shifts=shifts, slow_frac=slow)


def _told(parts: Mapping[str, Floats]) -> Bools:
    """Return where a prediction has a part."""
    said = [np.isfinite(quantiles[:, 0]) for name, quantiles in parts.items() if name not in PRIOR_WEIGHT]
    return np.any(said, axis=0) if said else np.zeros(len(next(iter(parts.values()))), dtype=bool)


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


def _slow_share(learner: SkyLearner, past: SkySeries, *, first: int, predictions: Mapping[str, NwpSeries]) -> float:
    """Return the share of the long memory after the day of steps from ``first`` on, forecast before it."""
    last = first + past.steps_a_day
    lit = np.arange(first, last)[past.clear[first:last] > LIT_FRAC * past.rating]
    known = lit[np.isfinite(past.likely[lit])]
    if first < past.steps_a_day or len(known) < max(2.0, LEAST_KNOWN_FRAC * len(lit)):
        return learner.slow_frac
    before = past.until(first)
    quantiles, _ = learned_quantiles(
        learner, before, np.full(len(known), first), known, levels=SCORE_LEVELS, predictions=predictions
    )
    if not np.isfinite(quantiles).all():
        return learner.slow_frac
    high = np.full(len(known), HIGHEST_INDEX)
    full, table = quantile_function(quantiles, SCORE_LEVELS, low=np.zeros(len(known)), high=high)
    middles_h = np.asarray((known - first + 0.5) * past.step_h, dtype=float)
    drawn = draw_levels(middles_h, draws=ENERGY_DRAWS, seed=first, slow_frac=learner.slow_frac)
    energy = (values_at(full, table, drawn) * past.clear[known]).sum(axis=1)
    low_kwh, high_kwh = np.quantile(energy, [0.1, 0.9])
    measured = float((past.likely[known] * past.clear[known]).sum())
    outside = not low_kwh <= measured <= high_kwh
    return float(np.clip(learner.slow_frac + SLOW_GAMMA * (outside - 0.2), *SLOW_RANGE))
