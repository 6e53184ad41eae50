"""What attributes say of the mean rows of a chain, and so of rows that have no ratings."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from palate.model import AttributeWeights
from palate.solvers.feature_rows import FeatureRows, attribute_weights

__all__ = ["AttributeEffects"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class AttributeEffects(NamedTuple):
    """The regression of the mean rows of one side on their attributes.

    The chain draws the weights beside those of rated sets. Of a row without ratings it is not known who would rate it:
    what is expected of it are the attributes' effects alone, which this regression leaves nothing out of. Rows count as
    much as they have ratings: predictions are wanted of rows that will be rated, and these are not the average row.

    Attributes
    ----------
    features
        The attributes.
    weights, base
        float64 (columns, k + 1) and (k + 1,): a row with attributes is expected to be the row that the chain expects
        without ratings, plus `base`, plus its attributes times the weights.
    rows
        float64 (rows + 1, k + 1): base and attributes times weights; 0 for rows without attributes.
    residual
        float64 (k + 1, k + 1): the covariance of mean rows with ratings around what is expected of them.
    """

    features: FeatureRows
    weights: Doubles
    base: Doubles
    rows: Doubles
    residual: Doubles

    @classmethod
    def of(cls, features: FeatureRows, means: tuple[Floats, Floats]) -> Self:
        """Regress mean factors and biases, the last row of which has no ratings."""
        rows, features = np.column_stack(means).astype(np.float64), features.by_count()
        weights = features.regress(rows)
        told, weight = features.means(weights), features.weight * features.there
        base = weight @ (rows - told) / weight.sum() - rows[-1]
        told += np.outer(features.there, base)
        left = rows - rows[-1] - told
        return cls(features, weights, base, told, (left.T * weight) @ left / weight.sum())

    @property
    def unrated(self) -> NDArray[np.bool_]:
        """Which rows have attributes and no ratings: bool (rows + 1,)."""
        return np.asarray(~self.features.is_rated & (self.features.there > 0))

    def fill_unrated(self, means: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
        """Return mean factors and biases with what attributes say of rows without ratings."""
        rows, unrated = np.column_stack(means), self.unrated
        rows[unrated] = rows[-1] + self.rows[unrated]
        return np.ascontiguousarray(rows[:, :-1]), np.ascontiguousarray(rows[:, -1])

    def unrated_spread(self, spread: Doubles, partners: Floats) -> Doubles:
        """Return the variances of predictions by row, with those of rows without ratings, whose residual is unknown.

        Parameters
        ----------
        spread
            float64 (rows + 1,): the variances that the chain observed.
        partners
            float32 (others, k): the factors of the other side.
        """
        design = np.column_stack([partners, np.ones(len(partners))]).astype(np.float64)
        moments = design.T @ design / len(design)
        filled = spread.copy()
        # The residuals of mean rows are shrunk; what they lack is the uncertainty of these rows.
        filled[self.unrated] = np.vdot(self.residual, moments) + self.features.mean(spread)
        return filled

    def kept(self, spread: float) -> AttributeWeights | None:
        """Return what the model keeps, for ratings that were divided by `spread` before the fit."""
        return attribute_weights(self.features, self.weights, spread, self.base)
