r"""What each row of one side makes of the attributes of the other: random slopes, for pairs whose partner is unrated.

A user's factors are learnt from the items that the user rated, and these are known by more than their attributes. Of an
item without ratings nothing else is known. So its predictions get a correction of their own: a linear mixed model
(Henderson 1975) of the errors that are made where items are predicted from their attributes alone,

.. math:: r_{ui} - b_u - p_u \cdot x_i - y_i = t_u \cdot z_i + \epsilon, \quad t_u \sim N(m, S).

x and y are the factors and the bias that a regression on attributes expects of an item whose ratings it has not seen.
z holds the principal components of the attributes, y and 1. With 1 the user's bias is corrected for how good the items
are that the user selects. On items that are held out, and tell nothing about the slopes, it is then measured how much
of the correction is real, and how large the errors are.

The correction is a product of a few more columns of factors: t for users, z for items without ratings, and 0 for other
items. Users without ratings are corrected in the same way, with users and items exchanged.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from palate.parallel import Run
from palate.ratings import Grouped
from palate.solvers.bayes.low_rank_mean import root_and_back
from palate.solvers.bayes.mixed_model import MixedModel, RatedPairs
from palate.solvers.feature_rows import FeatureRows

__all__ = ["AttributeSlopes"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# The principal components of the attributes. With y and 1 they are whole vectors of the kernels.
_COMPONENTS = 30
# The error that leaving out directions of the correction may make: root mean square over all ratings, in standard
# deviations of the ratings. It is larger than that of the mean of the chain, as most small directions are noise.
_TOLERANCE = 0.03


class AttributeSlopes(NamedTuple):
    """The columns that one side's attributes add to the factors of both sides.

    Attributes
    ----------
    weights, base
        float64 (columns, c) and (c,): a row without ratings has ``base`` plus its centred attributes times the weights.
    slopes
        float64 (others + 1, c): what the rows of the other side have in these columns.
    variance
        The mean squared error of standardized ratings whose row was held out.
    """

    weights: Doubles
    base: Doubles
    slopes: Doubles
    variance: float

    @classmethod
    def of(cls, features: FeatureRows, rows: Doubles, partners: Doubles, table: Grouped, run: Run) -> Self:
        """Learn the slopes.

        Parameters
        ----------
        features
            The attributes of this side; rows count as much as they have ratings.
        rows, partners
            float64 (rows + 1, k + 1) and (others + 1, k + 1): the mean factors and biases of this side and the other.
        table
            The standardized ratings, grouped by the other side.
        run
            A pool.
        """
        expected, folds = features.held_out(rows)
        weights, base, columns = _columns(features, rows, expected[:, -1])
        pairs = RatedPairs.of(table, run)
        model = MixedModel(pairs, pairs.errors(partners, expected), columns, features.there.astype(np.float32))
        slopes = model.fit()[:, : columns.shape[1]].astype(np.float64)
        share, variance = _judged(model, folds)
        slopes *= share
        turn, back = _reduced(slopes, pairs.row_counts, columns, pairs.partner_counts(len(rows)))
        return cls(weights @ back, base @ back, slopes @ turn, variance)


def _columns(features: FeatureRows, rows: Doubles, expected: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Return weights and base of z, and z with the biases that are expected of rows that are held out.

    z is float64 (rows + 1, c), 0 for rows without attributes.
    """
    fitted, level = features.expectation(rows)
    weight = features.weight * features.there
    weight /= weight.sum()
    mean = weight @ expected
    components = features.components(_COMPONENTS)
    weights = np.column_stack([components, fitted[:, -1], np.zeros(features.width)])
    base = np.append(np.zeros(components.shape[1]), [(level[-1] - mean), 1])
    columns = features.means(weights) + np.outer(features.there, base)
    columns[:, -2] = features.there * (expected - mean)
    return weights, base, columns


def _judged(model: MixedModel, folds: NDArray[np.int64]) -> tuple[float, float]:
    """Return which share of the correction is real, and the mean squared error with it, by rows that are held out.

    Where there is nothing to hold out, there is no correction, and ratings vary as they do.
    """
    pairs, errors = model.pairs, model.table.values
    fold_of_pair, told = folds[pairs.partner], np.zeros(len(errors), np.float32)
    if folds.max() < 1:
        return 0.0, 1.0
    for fold in range(int(folds.max()) + 1):
        chosen = fold_of_pair == fold
        told[chosen] = pairs.products(model.solve(model.weight * (folds != fold)), model.design, chosen)
    judged = fold_of_pair >= 0
    left, right = errors[judged].astype(np.float64), told[judged].astype(np.float64)
    share = min(1.0, max(0.0, float(left @ right) / max(float(right @ right), 1e-30)))
    return share, float(np.square(left - share * right).mean())


def _reduced(left: Doubles, left_weight: Doubles, right: Doubles, right_weight: Doubles) -> tuple[Doubles, Doubles]:
    """Return what to multiply both sides of a product with, for the least rank whose error is within the tolerance."""
    left_root, left_back = root_and_back((left.T * left_weight) @ left / left_weight.sum())
    right_root, right_back = root_and_back((right.T * right_weight) @ right / right_weight.sum())
    turn, singular, back = np.linalg.svd(left_root.T @ right_root, full_matrices=False)
    errors = np.sqrt(np.cumsum(singular[::-1] ** 2)[::-1])
    rank = int((errors > _TOLERANCE).sum())
    scale = np.sqrt(singular[:rank])
    return left_back @ (turn[:, :rank] * scale), right_back @ (back[:rank].T * scale)
