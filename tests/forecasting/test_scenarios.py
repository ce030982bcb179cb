"""Scenarios: margins kept, neighbours alike, few stand for many."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.scenarios import draw_levels, mean_of, quantile_function, reduce_draws, values_at

LEVELS = np.array([0.1, 0.5, 0.9])
QUANTILES = np.array([[10.0, 0.0, 20.0], [20.0, 0.0, 50.0], [25.0, 0.0, 60.0]])


def test_margins_are_kept() -> None:
    levels, table = quantile_function(QUANTILES, LEVELS, low=np.zeros(3), high=np.array([30.0, 0.0, 100.0]))
    drawn = draw_levels(np.array([0.5, 1.5, 2.5]), tau_h=5.0, draws=4000, seed=1)
    values = values_at(levels, table, drawn)
    for column in (0, 2):
        np.testing.assert_allclose(np.quantile(values[:, column], LEVELS), QUANTILES[:, column], rtol=0.06)
    assert values[:, 1].max() == 0.0
    assert values.min() >= 0.0
    assert values.max() <= 100.0
    np.testing.assert_allclose(values.mean(axis=0), mean_of(levels, table), rtol=0.02)


@pytest.mark.parametrize("tau_h", [2.0, 8.0])
def test_neighbours_correlate_as_asked(tau_h: float) -> None:
    from scipy.special import ndtri

    normal = ndtri(draw_levels(np.array([0.0, 1.0, 4.0]), tau_h=tau_h, draws=6000, seed=2))
    assert np.corrcoef(normal[:, 0], normal[:, 1])[0, 1] == pytest.approx(np.exp(-1 / tau_h), abs=0.03)
    assert np.corrcoef(normal[:, 0], normal[:, 2])[0, 1] == pytest.approx(np.exp(-4 / tau_h), abs=0.03)


@pytest.mark.parametrize("count", [5, 10, 20])
def test_few_stand_for_many(count: int) -> None:
    levels, table = quantile_function(
        np.repeat(QUANTILES[:, :1], 48, axis=1), LEVELS, low=np.zeros(48), high=np.full(48, 30.0)
    )
    draws = values_at(levels, table, draw_levels(np.arange(48.0), tau_h=5.0, draws=200, seed=3))
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
