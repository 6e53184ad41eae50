"""What attributes say of the mean rows of a chain, and so of rows that have no ratings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from palate.model import AttributeWeights
from palate.parallel import Run
from palate.ratings import Grouped
from palate.solvers.bayes.attribute_slopes import AttributeSlopes
from palate.solvers.feature_rows import FeatureRows, attribute_weights

__all__ = ["AttributeEffects", "filled", "with_attributes"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rows = tuple[Floats, Floats]


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
    columns
        Those columns in which rows with ratings are 0: see `palate.solvers.bayes.attribute_slopes`.
    variance
        The mean squared error of standardized ratings whose row was held out.
    """

    features: FeatureRows
    weights: Doubles
    base: Doubles
    rows: Doubles
    columns: slice
    variance: float

    @classmethod
    def of(cls, features: FeatureRows, rows: Doubles, slopes: AttributeSlopes, columns: slice) -> Self:
        """Regress mean factors and biases, the last row of which has no ratings.

        Parameters
        ----------
        features
            The attributes; rows count as much as they have ratings.
        rows
            float64 (rows + 1, k + 1); zeros in the columns of the slopes.
        slopes, columns
            What is made of the attributes by the other side, and its columns.
        """
        weights, base = features.expectation(rows)
        base -= rows[-1]
        weights[:, columns] += slopes.weights
        base[columns] += slopes.base
        expected = features.means(weights) + np.outer(features.there, base)
        return cls(features, weights, base, expected, columns, slopes.variance)

    @property
    def unrated(self) -> NDArray[np.bool_]:
        """Which rows have attributes and no ratings: bool (rows + 1,)."""
        return np.asarray(~self.features.is_rated & (self.features.there > 0))

    @property
    def rated_rows(self) -> Doubles:
        """What attributes say of rows that have ratings: float64 (rows + 1, k + 1)."""
        rows = self.rows.copy()
        rows[:, self.columns] = 0
        return rows

    def fill_unrated(self, means: Rows) -> Rows:
        """Return mean factors and biases with what attributes say of rows without ratings."""
        rows, unrated = np.column_stack(means), self.unrated
        rows[unrated] = rows[-1] + self.rows[unrated]
        return _split(rows)

    def unrated_spread(self, spread: Doubles, others: float) -> Doubles:
        """Return the variances of predictions by row, with those of rows without ratings: what their errors exceed.

        Parameters
        ----------
        spread
            float64 (rows + 1,): the variances that the chain observed.
        others
            The mean variance of a rating that noise and the other side account for.
        """
        filled = spread.copy()
        filled[self.unrated] = max(self.variance - others, float(self.features.mean(spread)))
        return filled

    def kept(self, spread: float) -> AttributeWeights | None:
        """Return what the model keeps, for ratings that were divided by `spread` before the fit."""
        return attribute_weights(self.features, self.weights, spread, self.base)


def with_attributes(
    means: tuple[Rows, Rows],
    features: tuple[FeatureRows | None, FeatureRows | None],
    tables: tuple[Grouped, Grouped],
    run: Run,
) -> tuple[tuple[Rows, Rows], tuple[AttributeEffects | None, AttributeEffects | None]]:
    """Return mean factors and biases with the columns that attributes add, and what attributes say of both sides.

    Rows without ratings are not filled in yet.

    Parameters
    ----------
    means
        Mean factors (rows + 1, k) and biases (rows + 1,) of users and of items.
    features
        Their attributes; None without any.
    tables
        The standardized ratings, grouped by user and by item, both with one more row without ratings.
    run
        A pool.
    """
    by_count = [None if one is None else one.by_count() for one in features]
    rows = [np.column_stack(side).astype(np.float64) for side in means]
    slopes = [
        None if one is None else AttributeSlopes.of(one, rows[side], rows[1 - side], tables[1 - side], run)
        for side, one in enumerate(by_count)
    ]
    wide, effects = list(means), list[AttributeEffects | None]([None, None])
    places, k = _places(rows[0].shape[1] - 1, slopes)
    for side in range(2):
        extended = np.zeros((len(rows[side]), k + 1))
        extended[:, : rows[side].shape[1] - 1], extended[:, -1] = rows[side][:, :-1], rows[side][:, -1]
        across, own, described = slopes[1 - side], slopes[side], by_count[side]
        if across is not None:
            extended[:, places[1 - side]] = across.slopes
        if own is not None and described is not None:
            effects[side] = AttributeEffects.of(described, extended, own, places[side])
        wide[side] = _split(extended.astype(np.float32))
    return (wide[0], wide[1]), (effects[0], effects[1])


def filled(means: tuple[Rows, Rows], effects: Sequence[AttributeEffects | None]) -> tuple[Rows, Rows]:
    """Return mean factors and biases of both sides with what attributes say of rows without ratings."""
    users, items = (
        rows if effect is None else effect.fill_unrated(rows) for rows, effect in zip(means, effects, strict=True)
    )
    return users, items


def _places(k: int, slopes: Sequence[AttributeSlopes | None]) -> tuple[list[slice], int]:
    """Return the columns of the slopes behind k factors, and the number of all factors."""
    places = []
    for one in slopes:
        places.append(slice(k, k + (0 if one is None else one.slopes.shape[1])))
        k = places[-1].stop
    return places, k


def _split(rows: Floats) -> Rows:
    return np.ascontiguousarray(rows[:, :-1]), np.ascontiguousarray(rows[:, -1])
