r"""Attributes beside the rows of a fit: products with their matrix, and the ridge regression of rows on them.

Row r of one side has the prior mean :math:`F_r B`: F holds the centred attributes, zero where a row has none, and B a
row of weights for each column. In coordinates in which the rows have unit precision, the weights of one attribute g
have independent elements of variance :math:`1 / \lambda_g`. With :math:`F_g^T F_g = V S V^T` the weights given the rows
R without the other attributes' part are

.. math:: B_g \sim N\left(V (S + \lambda_g)^{-1} V^T F_g^T R,\; V (S + \lambda_g)^{-1} V^T\right),

and the density of :math:`\lambda_g` without the weights is known in closed form, so that both are drawn together.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.attributes import Attributes
from palate.errors import DataError
from palate.model import AttributeWeights
from palate.ratings import Ratings, Vocabulary

__all__ = [
    "SCALES",
    "FeatureGroup",
    "FeatureRows",
    "RowTarget",
    "attribute_weights",
    "feature_rows",
    "row_target",
    "with_unrated",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: The precisions that the weights of an attribute may have.
SCALES = np.exp(np.linspace(np.log(0.03), np.log(3e5), 162))
# The standard deviation of a weight has a half-Cauchy prior of this scale (Gelman 2006).
_USUAL_DEVIATION = 0.3
# Passes over the attributes in `FeatureRows.regress`.
_PASSES = 3
# Parts of the rows in `FeatureRows.held_out`.
_FOLDS = 8
# Additional directions, and rounds, of the subspace iteration in `FeatureRows.components`.
_MORE_DIRECTIONS, _ROUNDS = 10, 8


class FeatureGroup(NamedTuple):
    """The columns of one attribute, whose weights share a scale.

    Attributes
    ----------
    columns
        Their places.
    matrix, weighted
        Sparse (rows, columns), and (columns, rows) with the rows times their weights; not centred.
    present
        float64 (rows,): the weights of rows that have attributes, else 0.
    center
        float64 (columns,).
    values, vectors
        The eigenvalues and eigenvectors of the centred and weighted Gram matrix.
    """

    columns: slice
    matrix: Any
    weighted: Any
    present: Doubles
    center: Doubles
    values: Doubles
    vectors: Doubles

    def project(self, rows: Doubles) -> Doubles:
        """Return :math:`V^T F^T R` with weighted rows: float64 (columns, d)."""
        return np.asarray(self.vectors.T @ (self.weighted @ rows - np.outer(self.center, self.present @ rows)))

    def log_density(self, squares: Doubles, columns: int) -> Doubles:
        """Return the logarithm of the density of each of `SCALES`, up to a constant.

        Parameters
        ----------
        squares
            float64 (columns of the group,): the projected rows, squared and summed over the columns of the rows.
        columns
            How many columns were summed.
        """
        scales = SCALES[:, None]
        fit = (columns * np.log(scales / (scales + self.values)) + squares / (scales + self.values)).sum(1)
        # The grid is even in the logarithm of the precision, hence the factor 1 / sqrt(precision).
        prior = -np.log(SCALES) / 2 - np.log1p(1 / (SCALES * _USUAL_DEVIATION**2))
        return np.asarray(fit / 2 + prior)


class FeatureRows:
    """The attributes of one side, row by row as a fit has them.

    Parameters
    ----------
    attributes
        The table.
    places
        int32 (rows,): the row of the table for each row of the fit, -1 for none.
    counts
        int64 (rows,): how many ratings each row has. Only rows with ratings tell what attributes mean.
    by_count
        Whether a row counts as much as it has ratings, compared with the mean row; else all rows with ratings count 1.
    """

    def __init__(
        self, attributes: Attributes, places: NDArray[np.int32], counts: NDArray[np.int64], by_count: bool = False
    ) -> None:
        from scipy.sparse import csr_matrix  # takes long to import

        there = places >= 0
        table = attributes.take(np.maximum(places, 0))
        whole = csr_matrix((table.values, table.indices, table.indptr), (len(places), attributes.width))
        self.attributes, self.there = attributes, there.astype(np.float64)
        self.is_rated = counts > 0
        self.table = attributes, places, counts
        self.is_by_count = by_count
        weight = counts.astype(np.float64) if by_count else self.is_rated.astype(np.float64)
        self.weight = weight * (self.is_rated.sum() / weight.sum())
        whole = csr_matrix(whole.multiply(self.there[:, None]))
        by_column = whole.tocsc()
        self.groups = [self._group(by_column[:, columns].tocsr(), columns) for columns in attributes.groups]

    def _group(self, matrix: Any, columns: slice) -> FeatureGroup:
        present, center = self.there * self.weight, self.attributes.center[columns]
        weighted = matrix.multiply(present[:, None]).T.tocsr()
        sums = np.asarray(weighted.sum(axis=1), np.float64).ravel()
        gram = np.asarray((weighted @ matrix).todense(), np.float64)
        gram += present.sum() * np.outer(center, center) - np.outer(center, sums) - np.outer(sums, center)
        values, vectors = np.linalg.eigh(gram)
        return FeatureGroup(columns, matrix, weighted, present, center, np.maximum(values, 0), vectors)

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.attributes.width

    def product(self, group: FeatureGroup, weights: Doubles) -> Doubles:
        """Return the centred columns of a group times their weights: float64 (rows, d)."""
        return np.asarray(group.matrix @ weights - np.outer(self.there, group.center @ weights))

    def means(self, weights: Doubles) -> Doubles:
        """Return :math:`F B` for weights of all columns: float64 (rows, d)."""
        parts = (self.product(group, weights[group.columns]) for group in self.groups)
        return np.asarray(sum(parts, np.zeros((len(self.there), weights.shape[1]))))

    def by_count(self) -> FeatureRows:
        """Return the same attributes, with rows that count as much as they have ratings."""
        return FeatureRows(*self.table, by_count=True)

    def mean(self, rows: Doubles) -> Doubles:
        """Return the weighted mean of rows: float64 (d,)."""
        return np.asarray(self.weight @ rows / self.weight.sum())

    def regress(self, rows: Doubles) -> Doubles:
        """Return the weights with which the attributes explain rows best: float64 (columns, d).

        This is a ridge regression, one attribute after another. Each principal direction of the rows has a penalty of
        its own, the one of greatest density: what attributes say best are the directions in which rows differ most.
        """
        residual = rows - self.mean(rows)
        covariance = (residual.T * self.weight) @ residual / self.weight.sum()
        lengths, directions = np.linalg.eigh(covariance)
        used = lengths > 1e-9 * max(lengths[-1], 1e-30)
        directions, units = directions[:, used], np.sqrt(lengths[used])
        residual, weights = residual @ directions / units, np.zeros((self.width, int(used.sum())))
        for _ in range(_PASSES if used.any() else 0):  # rows that are all the same have nothing to explain
            for group in self.groups:
                residual += self.product(group, weights[group.columns])
                projected = group.project(residual)
                densities = [group.log_density(np.square(column), 1) for column in projected.T]
                scales = SCALES[np.argmax(densities, axis=1)]
                fitted = projected / (group.values[:, None] + scales)
                weights[group.columns] = group.vectors @ fitted
                residual -= self.product(group, weights[group.columns])
        return np.asarray((weights * units) @ directions.T)

    def expectation(self, rows: Doubles) -> tuple[Doubles, Doubles]:
        """Return the weights of `regress`, and what a row is expected to be beyond its attributes times the weights.

        The latter, float64 (d,), is the mean over rows with attributes.
        """
        weights, weight = self.regress(rows), self.weight * self.there
        return weights, weight @ (rows - self.means(weights)) / weight.sum()

    def expected(self, rows: Doubles) -> Doubles:
        """Return what each row is expected to be, given its attributes: float64 (rows, d), 0 without attributes."""
        weights, base = self.expectation(rows)
        return self.means(weights) + np.outer(self.there, base)

    def held_out(self, rows: Doubles) -> tuple[Doubles, NDArray[np.int64]]:
        """Return what each row is expected to be, as `expected` does, where no row with ratings has told about itself.

        They are cut into folds, and each fold is predicted from the others. Returns the number of the fold of each row,
        too: int64 (rows,), -1 for rows without ratings or without attributes.
        """
        attributes, places, counts = self.table
        judged = np.flatnonzero(self.is_rated & (self.there > 0))
        count = min(_FOLDS, len(judged))
        folds, expected = np.full(len(places), -1), self.expected(rows)
        folds[judged] = np.random.default_rng(0).permutation(len(judged)) % max(1, count)
        for fold in range(count if count > 1 else 0):
            chosen = folds == fold
            others = FeatureRows(attributes, places, np.where(chosen, 0, counts), self.is_by_count)
            expected[chosen] = others.expected(rows)[chosen]
        return expected, folds

    def components(self, most: int) -> Doubles:
        """Return the weights of the principal components of the attributes: float64 (columns, at most `most`).

        They come from a subspace iteration, as there may be thousands of columns.
        """
        size = min(self.width, most + _MORE_DIRECTIONS)
        directions = np.linalg.qr(np.random.default_rng(0).normal(size=(self.width, size)))[0]
        for _ in range(_ROUNDS):
            directions = np.linalg.qr(self._gram_product(directions))[0]
        values, turn = np.linalg.eigh(directions.T @ self._gram_product(directions))
        values, turn = values[::-1][:most], turn[:, ::-1][:, :most]
        return np.asarray(directions @ turn[:, values > 1e-6 * max(values[0], 1e-30)])

    def _gram_product(self, weights: Doubles) -> Doubles:
        """Return the centred and weighted Gram matrix of all columns times weights."""
        rows = self.means(weights)
        parts = [group.weighted @ rows - np.outer(group.center, group.present @ rows) for group in self.groups]
        return np.vstack(parts)


def feature_rows(
    ratings: Ratings, more: int = 0, *, by_count: bool = False
) -> tuple[FeatureRows | None, FeatureRows | None]:
    """Return the attributes of users and of items in the order of a table, with `more` rows without any behind them."""

    def rows_of(attributes: Attributes | None, vocabulary: Vocabulary, counts: NDArray[np.int64]) -> FeatureRows | None:
        if attributes is None:
            return None
        places = Vocabulary(attributes.ids, vocabulary.kind).index(vocabulary.ids)
        none = np.full(more, -1, np.int32)
        return FeatureRows(
            attributes, np.append(places, none), np.append(counts, [0] * more).astype(np.int64), by_count
        )

    return (
        rows_of(ratings.user_features, ratings.users, ratings.user_counts),
        rows_of(ratings.item_features, ratings.items, ratings.item_counts),
    )


def attribute_weights(
    features: FeatureRows | None, weights: Doubles | None, spread: float = 1.0, base: Doubles | None = None
) -> AttributeWeights | None:
    """Return what a model keeps of attributes, for ratings that were divided by `spread` before the fit."""
    if features is None or weights is None:
        return None
    unit = np.full(weights.shape[1], sqrt(spread))
    unit[-1] = spread
    scaled_base = None if base is None else (base * unit).astype(np.float32)
    return AttributeWeights(features.attributes, (weights * unit).astype(np.float32), scaled_base)


class RowTarget(NamedTuple):
    """What attributes say of the rows of one side, toward which a penalty draws them.

    Attributes
    ----------
    rows
        float32 (rows, d), padded with zeros: the mean row and F B where a row has attributes, else 0.
    weights, base
        float64 (columns, k + 1) and (k + 1,): B and the mean row.
    """

    rows: Floats
    weights: Doubles
    base: Doubles


def row_target(features: FeatureRows, rows: Floats, columns: int) -> RowTarget:
    """Regress the first columns of rows on their attributes."""
    doubles = rows[:, :columns].astype(np.float64)
    weights, base = features.regress(doubles), features.mean(doubles)
    target = np.zeros_like(rows)
    target[:, :columns] = features.means(weights) + np.outer(features.there, base)
    return RowTarget(target, weights, base)


def with_unrated(ratings: Ratings) -> Ratings:
    """Add the ids that have attributes and no rating to the vocabularies; say in a note how many they are.

    Raises
    ------
    DataError
        If no id of a table of attributes has a rating.
    """
    users, user, user_notes = _extended(ratings.users, ratings.user, ratings.user_features)
    items, item, item_notes = _extended(ratings.items, ratings.item, ratings.item_features)
    if users is ratings.users and items is ratings.items and not (user_notes or item_notes):
        return ratings
    notes = (*ratings.notes, *user_notes, *item_notes)
    return replace(ratings, users=users, items=items, user=user, item=item, notes=notes)


def _extended(
    vocabulary: Vocabulary, column: NDArray[np.int32], attributes: Attributes | None
) -> tuple[Vocabulary, NDArray[np.int32], list[str]]:
    if attributes is None:
        return vocabulary, column, []
    kind, known = vocabulary.kind, vocabulary.index(attributes.ids) >= 0
    if not known.any():
        table = Vocabulary(attributes.ids, kind)
        raise DataError(
            f"no {kind} of the table of attributes has a rating: {table.describe()}, and {vocabulary.describe()}; "
            f"write the ids as the ratings do, or name the column that holds them with --{kind}-column"
        )
    fresh, odd = _spelled(attributes.ids[~known], vocabulary)
    notes = []
    unknown = len(vocabulary) - int(known.sum())
    if unknown:
        notes.append(f"{unknown:,} of {len(vocabulary):,} {kind}s with ratings have no attributes")
    if len(fresh):
        notes.append(f"{len(fresh):,} {kind}s have attributes and no rating: they are predicted from their attributes")
    if odd:
        notes.append(
            f"left out {odd:,} {kind}s of the table of attributes whose ids are no integers, as all others are"
        )
    ids = np.concatenate([vocabulary.ids, fresh])
    order = np.argsort(ids, kind="stable")
    moves = np.empty(len(ids), np.int32)
    moves[order] = np.arange(len(ids), dtype=np.int32)
    return replace(vocabulary, ids=ids[order]), moves[column], notes


def _spelled(ids: NDArray[Any], vocabulary: Vocabulary) -> tuple[NDArray[Any], int]:
    """Return ids as a vocabulary spells them, and how many cannot be spelled so."""
    if vocabulary.is_text:
        return np.array([str(id) for id in ids.tolist()], object), 0
    if ids.dtype != object:
        return ids.astype(np.int64), 0
    numbers = [int(id) for id in ids.tolist() if id.lstrip("-").isdecimal() and -(2**63) <= int(id) < 2**63]
    return np.unique(np.array(numbers, np.int64)), len(ids) - len(set(numbers))
