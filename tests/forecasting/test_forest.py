"""The quantile forest: against what can be worked out, and what must hold for any data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.learn.forest import ForestSettings, grow_forest, invert_cdf

LEVELS = np.array([0.1, 0.25, 0.5, 0.75, 0.9])


def test_one_leaf_is_the_weighted_sample() -> None:
    """Without features to split on, quantiles are those of the weighted target."""
    target = np.repeat(np.arange(10.0), 20)
    weight = np.where(target < 5, 1.0, 3.0)
    forest = grow_forest(np.zeros((200, 1)), target, weight, ForestSettings(trees=5, edges=50))
    assert forest.mean(np.zeros((1, 1)))[0] == pytest.approx(np.average(target, weights=weight))
    median = forest.quantiles(np.zeros((1, 1)), np.array([0.5]))[0, 0]
    # half of the weight 400 lies at or below 6: 5 x 20 + 60 + 40 of 60
    assert 5.0 <= median <= 6.0


def test_learns_a_spread_that_depends_on_a_feature() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(0, 1, 6000)
    y = x + generator.normal(size=6000) * (0.02 + 0.3 * x)
    forest = grow_forest(x[:, None], y, np.ones(6000), ForestSettings(trees=60, leaf_samples=15, feature_frac=1.0))
    q = forest.quantiles(np.array([[0.1], [0.9]]), LEVELS)
    assert q[0, 2] == pytest.approx(0.1, abs=0.03)
    assert q[1, 2] == pytest.approx(0.9, abs=0.08)
    # the normal's 10..90 % range is 2.563 standard deviations
    assert q[0, 4] - q[0, 0] == pytest.approx(2.563 * 0.05, rel=0.3)
    assert q[1, 4] - q[1, 0] == pytest.approx(2.563 * 0.29, rel=0.3)


def test_same_seed_same_forest() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.uniform(size=(300, 3)), generator.uniform(size=300)
    one = grow_forest(x, y, np.ones(300)).quantiles(x[:5], LEVELS)
    two = grow_forest(x, y, np.ones(300)).quantiles(x[:5], LEVELS)
    np.testing.assert_array_equal(one, two)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        grow_forest(np.zeros((3, 1)), np.zeros(3), np.ones(3))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.lists(st.floats(0.01, 0.99), min_size=2, max_size=5))
def test_inverse_never_crosses_and_stays_inside(parts: list[float], levels: list[float]) -> None:
    cdf = np.cumsum(np.array(parts) + 1e-6)
    edges = np.array([0.0, 0.3, 0.5, 1.0])
    values = invert_cdf((cdf / cdf[-1])[None, :], edges, np.sort(np.array(levels)))[0]
    assert (np.diff(values) >= -1e-12).all()
    assert values.min() >= 0.0
    assert values.max() <= 1.0
