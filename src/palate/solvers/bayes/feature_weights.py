"""Draws the weights of attributes: see `palate.solvers.feature_rows` for the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.solvers.bayes.set_weights import draw_from_grid
from palate.solvers.bayes.state import SideState
from palate.solvers.feature_rows import SCALES, FeatureRows

__all__ = ["add_feature_scatter", "draw_feature_weights"]

Doubles = NDArray[np.float64]


def draw_feature_weights(side: SideState, features: FeatureRows, precision: Doubles, rng: np.random.Generator) -> None:
    """Draw the weights of a side's attributes, in place: those of one attribute after another, each with its scale.

    Parameters
    ----------
    side
        Its `feature_weights`, `feature_scales` and `feature_prior` are replaced.
    features
        The attributes of its rows.
    precision
        float64 (k + 1, k + 1): of the rows given their prior means.
    rng
        Of the draws.
    """
    d = side.columns
    root = np.linalg.cholesky(precision)
    rows = side.factors[:, :d].astype(np.float64) - side.prior[:, :d]
    rows -= side.mean
    residual, weights = rows @ root, side.feature_weights @ root
    prior = features.means(weights)
    residual -= prior
    scales = side.feature_scales.copy()
    for place, group in enumerate(features.groups):
        part = features.product(group, weights[group.columns])
        projected = group.project(residual + part)
        scales[place] = scale = draw_from_grid(SCALES, group.log_density(np.square(projected).sum(1), d), rng)
        spread = group.values + scale
        noise = rng.normal(size=projected.shape) / np.sqrt(spread)[:, None]
        weights[group.columns] = group.vectors @ (projected / spread[:, None] + noise)
        change = features.product(group, weights[group.columns]) - part
        residual -= change
        prior += change
    back = np.linalg.inv(root)
    side.feature_scales, side.feature_weights = scales, weights @ back
    side.feature_prior = np.zeros_like(side.factors)
    side.feature_prior[:, :d] = prior @ back


def add_feature_scatter(side: SideState, features: FeatureRows, scatter: Doubles) -> int:
    """Add what the weights of attributes say of the precision of rows to the scatter, in place.

    Returns the degrees of freedom that they add.
    """
    for group, scale in zip(features.groups, side.feature_scales, strict=True):
        weights = side.feature_weights[group.columns]
        scatter += scale * weights.T @ weights
    return len(side.feature_weights)
