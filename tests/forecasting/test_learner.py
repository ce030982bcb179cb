"""Features, sky model and learner: nothing after the issue is used; sources and levels adapt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecasting.learn.features import (
    NWP_EXTRAS,
    NwpSeries,
    SkySeries,
    clipped_index,
    nwp_features,
    state_features,
    target_features,
)
from forecasting.learn.forest import ForestSettings
from forecasting.learn.learner import (
    HISTORY,
    SkyLearner,
    SourceScore,
    corrected_levels,
    learned_quantiles,
    source_weights,
    usual_quantiles,
)
from forecasting.learn.night import nightly
from forecasting.learn.skymodel import LeadGroup, Lesson, fit_sky_model, predict_index

GROUPS = (LeadGroup(from_h=0, to_h=1), LeadGroup(from_h=1, to_h=6), LeadGroup(from_h=6, to_h=30))
SMALL = ForestSettings(trees=12, leaf_samples=10, edges=30)
LEVELS = np.array([0.1, 0.5, 0.9])


def sky(days: int = 50, seed: int = 0) -> tuple[SkySeries, NwpSeries]:
    """Hourly clear and cloudy spells with a daily cycle of clear-sky power, and a prediction that knows them."""
    generator = np.random.default_rng(seed)
    steps = days * 24
    hour = np.arange(steps) % 24
    clear = np.clip(np.sin((hour - 5.5) / 12 * np.pi), 0, None) * 100
    state = np.empty(steps)
    state[0] = 0.0
    for i in range(1, steps):
        state[i] = 0.9 * state[i - 1] + generator.normal() * 0.4359
    index = np.clip(0.75 + 0.25 * state, 0.05, 1.05)
    guess = np.clip(index + generator.normal(size=steps) * 0.08, 0.0, 1.2)
    known = clipped_index(index * clear, clear, np.ones(steps, dtype=bool), floor=3.0)
    start = pd.Timestamp("2025-03-01", tz="UTC")
    series = SkySeries(start=start, step_h=1.0, clear=clear, index=known, longitude_deg=0.0, rating=100.0)
    return series, NwpSeries(index=np.where(clear > 3, guess, np.nan), extras=np.zeros((steps, len(NWP_EXTRAS))))


def test_index_is_unknown_where_nothing_can_be_learned() -> None:
    clear = np.array([0.0, 10.0, 10.0, 10.0, 10.0])
    measured = np.array([0.0, 5.0, np.nan, 99.0, 4.0])
    usable = np.array([True, True, True, True, False])
    np.testing.assert_array_equal(clipped_index(measured, clear, usable, floor=1.0), [np.nan, 0.5, np.nan, 1.5, np.nan])


@pytest.mark.parametrize("now", [300, 305, 312, 400])
def test_a_changed_future_changes_no_feature(now: int) -> None:
    series, nwp = sky()
    other = replace(
        series, index=np.where(np.arange(len(series.index)) >= now, 0.0 * series.index + 0.42, series.index)
    )
    np.testing.assert_array_equal(state_features(series)[: now + 1], state_features(other)[: now + 1])
    issue, target = np.full(30, now), now + np.arange(30)
    np.testing.assert_array_equal(target_features(series, issue, target), target_features(other, issue, target))
    np.testing.assert_array_equal(nwp_features(series, nwp, issue, target), nwp_features(other, nwp, issue, target))


def test_state_features_by_hand() -> None:
    index = np.array([0.5, 0.7, np.nan, 0.9, 1.0])
    series = SkySeries(
        start=pd.Timestamp("2025-01-01", tz="UTC"),
        step_h=1.0,
        clear=np.full(5, 10.0),
        index=index,
        longitude_deg=0.0,
        rating=10.0,
    )
    state = state_features(series)
    assert np.isnan(state[0, 0])
    assert state[4, :3].tolist() == [0.9, 0.7, 0.5]
    # before step 3 the last sample is step 1, one whole step earlier than usual
    assert state[3, 0] == 0.7
    assert state[3, -1] == 1.0
    # three hours before step 4: 0.7 and 0.9, the gap does not count
    assert state[4, 4] == pytest.approx(0.8)


def test_a_changed_future_changes_no_forecast() -> None:
    series, nwp = sky()
    last = 40 * 24
    spoiled = replace(series, index=np.where(np.arange(len(series.index)) >= last, 0.0, series.index))
    learned = []
    for each in (series, spoiled):
        learner = nightly(SkyLearner(), each, last=last, predictions={"nwp": nwp}, groups=GROUPS, settings=SMALL)
        issue, target = np.full(24, last), last + np.arange(24)
        learned.append(learned_quantiles(learner, each, issue, target, levels=LEVELS, predictions={"nwp": nwp})[0])
    np.testing.assert_array_equal(learned[0], learned[1])


def test_forecasts_beat_climatology_and_predictions_help() -> None:
    series, nwp = sky(days=90)
    last = 60 * 24
    model = fit_sky_model([Lesson(series=series, last=last, nwp=nwp)], groups=GROUPS, settings=SMALL)
    target = np.flatnonzero(np.isfinite(series.index))
    target = target[target >= last + 24]
    truth, mean = series.index[target], np.nanmean(series.index[:last])
    for ahead, plain_gain, nwp_gain in ((0, 0.5, 0.6), (4, 0.1, 0.4)):
        issue = target - ahead
        plain = predict_index(model, series, issue, target, levels=LEVELS)[1]
        both = predict_index(model, series, issue, target, levels=LEVELS, nwp=nwp)[1]
        base = np.mean((truth - mean) ** 2)
        assert np.mean((truth - plain) ** 2) < (1 - plain_gain) * base
        assert np.mean((truth - both) ** 2) < (1 - nwp_gain) * base


def test_missing_prediction_leaves_history_to_speak() -> None:
    series, nwp = sky()
    last = 40 * 24
    learner = nightly(SkyLearner(), series, last=last, predictions={"nwp": nwp}, groups=GROUPS, settings=SMALL)
    gone = NwpSeries(index=np.full_like(nwp.index, np.nan), extras=nwp.extras)
    issue, target = np.full(12, last), last + np.arange(12)
    with_gap, used = learned_quantiles(learner, series, issue, target, levels=LEVELS, predictions={"nwp": gone})
    alone, _ = learned_quantiles(learner, series, issue, target, levels=LEVELS)
    np.testing.assert_allclose(with_gap, alone)
    assert not used


def test_weights_follow_record_and_age() -> None:
    series, nwp = sky()
    learner = nightly(SkyLearner(), series, last=960, predictions={"nwp": nwp}, groups=GROUPS, settings=SMALL)
    names = (HISTORY, "nwp")
    prior = source_weights(learner, 2, names, {"nwp": 3.0})
    assert prior["nwp"] == pytest.approx(0.75)
    stale = source_weights(learner, 2, names, {"nwp": 72.0})
    assert stale["nwp"] < 0.15
    record = {(HISTORY, 2): SourceScore(loss=0.05, days=6.0), ("nwp", 2): SourceScore(loss=0.08, days=6.0)}
    assert source_weights(replace(learner, scores=record), 2, names, {"nwp": 3.0})["nwp"] < 0.05
    assert sum(stale.values()) == pytest.approx(1.0)


def test_levels_move_against_their_errors() -> None:
    """A sky that has turned wilder than what was learned: outer levels are asked for further out."""
    series, _ = sky(days=60)
    last = 40 * 24
    learner = nightly(SkyLearner(), series, last=last, groups=GROUPS, settings=SMALL)
    wild = np.where(np.arange(len(series.index)) // 7 % 2 == 0, 0.02, 1.4)
    known = np.isfinite(series.index) & (np.arange(len(series.index)) >= last)
    wilder = replace(series, index=np.where(known, wild, series.index))
    for day in range(1, 8):
        learner = nightly(learner, wilder, last=last + 24 * day, groups=GROUPS, settings=SMALL, regrow=False)
    asked = corrected_levels(learner, 2, LEVELS)
    assert asked[0] < 0.06
    assert asked[2] > 0.94
    assert (np.diff(asked) >= 0).all()


def test_usual_day_by_hand() -> None:
    index = np.full(15 * 24, np.nan)
    index[12::24] = np.arange(15) / 10
    series = SkySeries(
        start=pd.Timestamp("2025-01-01", tz="UTC"),
        step_h=1.0,
        clear=np.ones(16 * 24),
        index=index,
        longitude_deg=0.0,
        rating=1.0,
    )
    issue, target = np.array([15 * 24, 15 * 24]), np.array([15 * 24 + 12, 15 * 24 + 13])
    quantiles = usual_quantiles(series, issue, target, np.array([0.5]))
    assert quantiles[0, 0] == pytest.approx(0.7)
    assert np.isnan(quantiles[1, 0])


@pytest.mark.parametrize(("spell_h", "up"), [(24 * 5, True), (1, False)])
def test_the_share_of_the_long_memory_follows_the_daily_energies(spell_h: int, up: bool) -> None:
    """Days that are wholly dull or wholly bright want a longer memory than hours that have nothing to do with each other."""
    series, _ = sky(days=90)
    generator = np.random.default_rng(3)
    spells = np.repeat(generator.uniform(0.2, 1.0, size=len(series.index) // spell_h + 1), spell_h)
    known = np.isfinite(series.index)
    other = replace(series, index=np.where(known, spells[: len(series.index)], np.nan))
    day = 40 * 24
    learner = nightly(SkyLearner(), other, last=day, groups=GROUPS, settings=SMALL)
    for number in range(1, 45):
        learner = nightly(learner, other, last=day + 24 * number, groups=GROUPS, settings=SMALL, regrow=False)
    assert (learner.slow_frac > 0.5) is up
    changed = replace(other, index=np.where(np.arange(len(other.index)) >= day, 0.3, other.index))
    assert nightly(SkyLearner(), changed, last=day, groups=GROUPS, settings=SMALL).slow_frac == 0.5
