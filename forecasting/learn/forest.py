"""Whole distributions from a forest of extremely randomised trees.

scikit-learn's ``ExtraTreesRegressor`` (Geurts et al. 2006, doi:10.1007/s10994-006-6226-1) grows the trees. Its
leaves are then read not for their mean but for the distribution of the training targets in them (Meinshausen
2006, JMLR 7:983): each leaf keeps the cumulative weight of its samples at fixed edges of the target, a
prediction averages these over the trees and inverts. All quantiles come from one distribution, so they never
cross, and one fit serves every level.

Edges are quantiles of the training target plus its extremes; between edges the distribution is linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from forecasting.sun import Floats

Counts = NDArray[np.uint16]
FULL = 65535
"""A cumulative share of 1 in the leaves' tables."""


@dataclass(frozen=True, kw_only=True)
class ForestSettings:
    """How a forest is grown."""

    trees: int = 100
    """Number of trees."""
    leaf_samples: int = 8
    """Fewest training samples in a leaf."""
    feature_frac: float = 0.5
    """Share of the features tried at each split."""
    edges: int = 100
    """Points at which the distribution is kept."""
    seed: int = 0
    """Seed of the trees' random splits."""


@dataclass(frozen=True, kw_only=True)
class QuantileForest:
    """A grown forest with the distribution of each leaf."""

    trees: tuple[object, ...]
    """scikit-learn's low-level trees, which find the leaf of a sample."""
    leaf_row: tuple[NDArray[np.int32], ...]
    """For each tree: row of a node in the tree's tables."""
    leaf_cdf: tuple[Counts, ...]
    """For each tree: cumulative share at the edges in 1/65535, one row a leaf."""
    leaf_mean: tuple[Floats, ...]
    """For each tree: weighted mean of the target, one value a leaf."""
    edges: Floats
    """Ascending target values."""

    def cdf(self, features: Floats) -> Floats:
        """Return the cumulative distribution at ``edges``, one row a sample of ``features``."""
        rows = np.ascontiguousarray(features, dtype=np.float32)
        total = np.zeros((len(rows), len(self.edges)), dtype=np.uint32)
        for tree, row, table in zip(self.trees, self.leaf_row, self.leaf_cdf, strict=True):
            total += table[row[tree.apply(rows)]]  # type: ignore[attr-defined]
        return np.asarray(total / (FULL * len(self.trees)), dtype=float)

    def mean(self, features: Floats) -> Floats:
        """Return the expected target of each sample."""
        rows = np.ascontiguousarray(features, dtype=np.float32)
        total = np.zeros(len(rows))
        for tree, row, means in zip(self.trees, self.leaf_row, self.leaf_mean, strict=True):
            total += means[row[tree.apply(rows)]]  # type: ignore[attr-defined]
        expected: Floats = total / len(self.trees)
        return expected

    def quantiles(self, features: Floats, levels: Floats) -> Floats:
        """Return one row a sample, one column a level in (0, 1)."""
        return invert_cdf(self.cdf(features), self.edges, levels)


def invert_cdf(cdf: Floats, edges: Floats, levels: Floats) -> Floats:
    """Return the values at ``levels`` of distributions given at ``edges``: one row a distribution, one column a
    level.
    """
    grown = np.maximum.accumulate(cdf, axis=1) + np.arange(len(edges)) * 1e-12
    at = np.stack([(grown < level).sum(axis=1) for level in levels], axis=1)
    upper = np.clip(at, 1, len(edges) - 1)
    rows = np.arange(len(cdf))[:, None]
    low, high = grown[rows, upper - 1], grown[rows, upper]
    share = np.clip((levels[None, :] - low) / np.maximum(high - low, 1e-15), 0.0, 1.0)
    values: Floats = edges[upper - 1] * (1 - share) + edges[upper] * share
    return values


def grow_forest(
    features: Floats, target: Floats, weight: Floats, settings: ForestSettings = ForestSettings()
) -> QuantileForest:
    """Grow a forest on samples (rows of ``features``), their targets and positive weights.

    Raises:
        ValueError: fewer than two leaves' worth of samples.
    """
    if len(target) < 2 * settings.leaf_samples:
        raise ValueError(f"{len(target)} samples are too few for leaves of {settings.leaf_samples}")
    rows = np.ascontiguousarray(features, dtype=np.float32)
    model = ExtraTreesRegressor(
        settings.trees,
        min_samples_leaf=settings.leaf_samples,
        max_features=settings.feature_frac,
        random_state=settings.seed,
    ).fit(rows, target, sample_weight=weight)
    inner = np.quantile(target, (np.arange(settings.edges - 2) + 0.5) / (settings.edges - 2))
    edges = np.unique(np.concatenate([[target.min() - 1e-9], inner, [target.max()]]))
    bins = np.searchsorted(edges, target, side="left")
    trees, leaf_rows, tables, means = [], [], [], []
    for estimator in model.estimators_:
        tree = estimator.tree_
        leaves, place = np.unique(tree.apply(rows), return_inverse=True)
        mass = np.bincount(place * len(edges) + bins, weights=weight, minlength=len(leaves) * len(edges))
        table = np.cumsum(mass.reshape(len(leaves), len(edges)), axis=1)
        row = np.zeros(tree.node_count, dtype=np.int32)
        row[leaves] = np.arange(len(leaves))
        trees.append(tree)
        leaf_rows.append(row)
        tables.append(np.round(table / np.maximum(table[:, -1:], 1e-300) * FULL).astype(np.uint16))
        means.append(np.asarray(tree.value[leaves, 0, 0], dtype=float))
    return QuantileForest(
        trees=tuple(trees),
        leaf_row=tuple(leaf_rows),
        leaf_cdf=tuple(tables),
        leaf_mean=tuple(means),
        edges=edges,
    )
