"""Scenarios: margins kept, neighbours alike, few stand for many."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from forecasting.scenarios import FAST_H, SLOW_H, draw_levels, mean_of, quantile_function, reduce_draws, values_at

LEVELS = np.array([0.1, 0.5, 0.9])
QUANTILES = np.array([[10.0, 0.0, 20.0], [20.0, 0.0, 50.0], [25.0, 0.0, 60.0]])


def test_margins_are_kept() -> None:
    levels, table = quantile_function(QUANTILES, LEVELS, low=np.zeros(3), high=np.array([30.0, 0.0, 100.0]))
    drawn = draw_levels(np.array([0.5, 1.5, 2.5]), draws=4000, seed=1)
    values = values_at(levels, table, drawn)
    for column in (0, 2):
        np.testing.assert_allclose(np.quantile(values[:, column], LEVELS), QUANTILES[:, column], rtol=0.06)
    assert values[:, 1].max() == 0.0
    assert values.min() >= 0.0
    assert values.max() <= 100.0
    np.testing.assert_allclose(values.mean(axis=0), mean_of(levels, table), rtol=0.02)


@pytest.mark.parametrize("slow_frac", [0.0, 0.5, 1.0])
def test_neighbours_correlate_as_asked(slow_frac: float) -> None:
    normal = ndtri(draw_levels(np.array([0.0, 1.0, 9.0]), draws=6000, seed=2, slow_frac=slow_frac))
    for column, apart_h in ((1, 1.0), (2, 9.0)):
        wanted = (1 - slow_frac) * np.exp(-apart_h / FAST_H) + slow_frac * np.exp(-apart_h / SLOW_H)
        assert np.corrcoef(normal[:, 0], normal[:, column])[0, 1] == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize("count", [5, 10, 20])
def test_few_stand_for_many(count: int) -> None:
    levels, table = quantile_function(
        np.repeat(QUANTILES[:, :1], 48, axis=1), LEVELS, low=np.zeros(48), high=np.full(48, 30.0)
    )
    draws = values_at(levels, table, draw_levels(np.arange(48.0), draws=200, seed=3))
    reduced = reduce_draws(draws, np.ones(48), count=count)
    assert len(reduced.values) == len(reduced.weights)
    assert abs(len(reduced.values) - count) <= 1
    assert reduced.weights.sum() == pytest.approx(1.0)
    energy, whole = reduced.values.sum(axis=1), draws.sum(axis=1)
    assert (reduced.weights * energy).sum() == pytest.approx(whole.mean(), rel=0.03)
    assert energy.std() > 0.6 * whole.std()


def test_fewer_draws_than_asked_are_all_kept() -> None:
    reduced = reduce_draws(np.eye(3), np.ones(3), count=10)
    assert len(reduced.values) == 3
    assert reduced.weights.tolist() == pytest.approx([1 / 3] * 3)
