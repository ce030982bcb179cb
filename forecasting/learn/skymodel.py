"""The learned sky model: one quantile forest a lead group, with and without weather predictions.

Training pairs are (issue, target) steps of the past, drawn so that each daylight target appears with one lead
of the group; the target is the power index, weighted by the square root of clear-sky power (an error at noon
costs more energy, but twilight still has to be calibrated). One model over all leads is worse at an hour than
persistence, so leads are grouped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecasting.learn.features import (
    NWP_NAMES,
    NwpSeries,
    SkySeries,
    filled,
    nwp_features,
    state_features,
    target_features,
)
from forecasting.learn.forest import ForestSettings, QuantileForest, grow_forest
from forecasting.sun import Floats


@dataclass(frozen=True, kw_only=True)
class LeadGroup:
    """Leads that share a model."""

    from_h: float
    """Shortest lead (from issue to the start of the target), inclusive."""
    to_h: float
    """Longest lead, exclusive."""


GROUPS = tuple(
    LeadGroup(from_h=a, to_h=b)
    for a, b in ((0, 0.5), (0.5, 1), (1, 2), (2, 4), (4, 8), (8, 14), (14, 26), (26, 50), (50, 98))
)
LONG_FROM_H = 8.0
LONG_LEAF = 3
"""Leaves are this much larger for the past alone beyond ``LONG_FROM_H``: little can be told apart there."""
SETTINGS = ForestSettings(trees=60, leaf_samples=15, feature_frac=0.5, edges=60)


@dataclass(frozen=True, kw_only=True)
class SkyModel:
    """Forests by lead group."""

    groups: tuple[LeadGroup, ...]
    """Lead groups, ascending."""
    plain: tuple[QuantileForest | None, ...]
    """Forest of each group from the site's past alone; None where samples were too few."""
    informed: tuple[QuantileForest | None, ...]
    """Forest of each group from past and weather prediction; None without."""
    samples: int
    """Daylight samples learned from."""


def training_pairs(
    series: SkySeries, group: LeadGroup, *, last: int, thin: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (issue, target) steps with known targets before ``last``, one lead drawn for each target.

    Args:
        series: the past.
        group: leads.
        last: steps at or after it are not looked at.
        thin: take every so many-th daylight target.
        seed: seed of the drawn leads.
    """
    known = np.flatnonzero(np.isfinite(series.likely[:last]))[::thin]
    low = round(group.from_h / series.step_h)
    high = max(low + 1, round(group.to_h / series.step_h))
    leads = np.random.default_rng(seed).integers(low, high, size=len(known))
    issue = known - leads
    usable = issue > series.steps_a_day
    return issue[usable], known[usable]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What may be learned from one place."""

    series: SkySeries
    """Past of the place."""
    last: int
    """Steps at or after it are not looked at."""
    nwp: NwpSeries | None = None
    """Predictions as issued, where archived."""


def fit_sky_model(
    lessons: Sequence[Lesson],
    *,
    groups: tuple[LeadGroup, ...] = GROUPS,
    settings: ForestSettings = SETTINGS,
    most_samples: int = 6000,
    only_informed: bool = False,
) -> SkyModel:
    """Learn from one or several places; nothing at or after a lesson's ``last`` step is looked at.

    Args:
        lessons: pasts to learn from, pooled.
        groups: lead groups.
        settings: how forests are grown.
        most_samples: about how many daylight targets to learn from.
        only_informed: leave out the forests that know no prediction.
    """
    cut = [_cut(lesson) for lesson in lessons]
    states = [state_features(lesson.series) for lesson in cut]
    count = sum(int(np.isfinite(lesson.series.likely).sum()) for lesson in cut)
    thin = max(1, round(count / most_samples))
    plain: list[QuantileForest | None] = []
    informed: list[QuantileForest | None] = []
    for number, group in enumerate(groups):
        samples = [
            _samples(lesson, state, group, thin=thin, seed=1000 * number + place)
            for place, (lesson, state) in enumerate(zip(cut, states, strict=True))
        ]
        own, extra, target, weight = (np.concatenate(parts) for parts in zip(*samples, strict=True))
        given = np.isfinite(extra[:, 0])
        long = (
            replace(settings, leaf_samples=LONG_LEAF * settings.leaf_samples)
            if group.from_h >= LONG_FROM_H
            else settings
        )
        plain.append(None if only_informed else _grown(own, target, weight, long))
        informed.append(_grown(np.column_stack([own, extra])[given], target[given], weight[given], settings))
    return SkyModel(groups=groups, plain=tuple(plain), informed=tuple(informed), samples=count)


def _cut(lesson: Lesson) -> Lesson:
    series = lesson.series
    past = replace(series.until(lesson.last), clear=series.clear[: lesson.last])
    nwp = None
    if lesson.nwp is not None:
        nwp = NwpSeries(index=lesson.nwp.index[: lesson.last], extras=lesson.nwp.extras[: lesson.last])
    return Lesson(series=past, last=lesson.last, nwp=nwp)


def _samples(
    lesson: Lesson, state: Floats, group: LeadGroup, *, thin: int, seed: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return features, prediction features (NaN without), targets and weights of a place's training pairs."""
    series = lesson.series
    issue, target = training_pairs(series, group, last=lesson.last, thin=thin, seed=seed)
    own = np.column_stack([state[issue], target_features(series, issue, target)])
    if lesson.nwp is None:
        extra = np.full((len(issue), len(NWP_NAMES)), np.nan)
    else:
        extra = nwp_features(series, lesson.nwp, issue, target)
    return own, extra, series.likely[target], np.sqrt(series.clear[target])


def _grown(features: Floats, target: Floats, weight: Floats, settings: ForestSettings) -> QuantileForest | None:
    if len(target) < 4 * settings.leaf_samples:
        return None
    return grow_forest(filled(features), target, weight, settings)


def predict_index(
    model: SkyModel,
    series: SkySeries,
    issue: np.ndarray,
    target: np.ndarray,
    *,
    levels: Floats,
    nwp: NwpSeries | None = None,
) -> tuple[Floats, Floats]:
    """Return quantiles (one row a pair, one column a level) and means of the power index.

    NaN where the group has no forest or, with ``nwp``, where the prediction is absent at the target.
    """
    lead_h = (target - issue) * series.step_h
    quantiles = np.full((len(target), len(levels)), np.nan)
    means = np.full(len(target), np.nan)
    own = np.column_stack([state_features(series)[issue], target_features(series, issue, target)])
    extra = None if nwp is None else nwp_features(series, nwp, issue, target)
    forests = model.plain if nwp is None else model.informed
    for group, forest in zip(model.groups, forests, strict=True):
        inside = (lead_h >= group.from_h - 1e-9) & (lead_h < group.to_h - 1e-9)
        if extra is not None:
            inside &= np.isfinite(extra[:, 0])
        if forest is None or not inside.any():
            continue
        rows = own[inside] if extra is None else np.column_stack([own, extra])[inside]
        quantiles[inside] = forest.quantiles(filled(rows), levels)
        means[inside] = forest.mean(filled(rows))
    return quantiles, means
