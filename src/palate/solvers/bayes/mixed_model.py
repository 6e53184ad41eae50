r"""A linear mixed model of the errors of predictions: each row has slopes of its own over known columns.

The error of row u's rating of partner i is :math:`t_u \cdot z_i` and noise: z are known columns, and the slopes have
the prior :math:`t_u \sim N(m, S)`. Its parameters and the variance of the noise are found by EM.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from palate.kernels.pairs import pair_products
from palate.parallel import Run
from palate.ratings import Grouped
from palate.solvers.half_step import balanced_ranges, padded_width, row_cost, solve_side

__all__ = ["MixedModel", "RatedPairs"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# EM ends when the noise moves by less than this share, or after the largest number of rounds.
_STILL, _LEAST_ROUNDS, _MOST_ROUNDS = 0.002, 4, 30
# The rows over which the uncertainty of slopes is averaged, and the variance of slopes at the start.
_SAMPLED_ROWS, _FIRST_VARIANCE = 400, 0.02
# Variances below this, in units of that of the ratings, are rounding errors.
_LEAST_VARIANCE = 1e-6
# Pairs that one task works on.
_CHUNK = 1 << 16


class RatedPairs(NamedTuple):
    """A table of ratings, pair by pair.

    Attributes
    ----------
    table
        The ratings, grouped by row.
    row, partner
        int32 (ratings,): the pairs.
    run
        A pool.
    """

    table: Grouped
    row: NDArray[np.int32]
    partner: NDArray[np.int32]
    run: Run

    @classmethod
    def of(cls, table: Grouped, run: Run) -> Self:
        """List the pairs of a table."""
        rows = np.arange(len(table.indptr) - 1, dtype=np.int32)
        return cls(table, np.repeat(rows, np.diff(table.indptr)), table.indices, run)

    @property
    def row_counts(self) -> Doubles:
        """The number of ratings of each row: float64."""
        return np.diff(self.table.indptr).astype(np.float64)

    def partner_counts(self, partners: int) -> Doubles:
        """Return the number of ratings of each partner: float64."""
        return np.bincount(self.partner, minlength=partners).astype(np.float64)

    def products(self, rows: Floats, partners: Floats, chosen: NDArray[np.bool_] | slice = slice(None)) -> Floats:
        """Return the products of the pairs' rows and partners, whose columns are padded: float32 (chosen pairs,)."""
        row, partner = self.row[chosen], self.partner[chosen]
        products = np.empty(len(row), np.float32)

        def multiply(start: int) -> None:
            stop = min(start + _CHUNK, len(row))
            pair_products(rows, partners, row, partner, start, stop, products)

        self.run(multiply, range(0, len(row), _CHUNK))
        return products

    def errors(self, rows: Doubles, partners: Doubles) -> Floats:
        """Return the ratings minus what factors and biases, (rows, k + 1) and (partners, k + 1), predict."""
        ones = [np.ones((len(side), 1)) for side in (rows, partners)]
        left = padded(np.hstack([rows, ones[0]]))
        right = padded(np.hstack([partners[:, :-1], ones[1], partners[:, -1:]]))
        return self.table.values - self.products(left, right)


class MixedModel:
    """The model of some pairs.

    Parameters
    ----------
    pairs
        The pairs.
    errors
        float32 (ratings,): of their predictions.
    columns
        float64 (partners, c): z.
    weight
        float32 (partners,): 1 for partners that tell about slopes, else 0.
    """

    def __init__(self, pairs: RatedPairs, errors: Floats, columns: Doubles, weight: Floats) -> None:
        self.pairs, self.columns, self.weight = pairs, columns, weight
        self.table, self.design = pairs.table._replace(values=errors), padded(columns)
        size, is_told = columns.shape[1], weight[pairs.partner] > 0
        self.ratings = max(1, int(is_told.sum()))
        counts = np.bincount(pairs.row, is_told, len(pairs.row_counts))
        self.told_rows = np.flatnonzero(counts)
        places = np.linspace(0, len(self.told_rows) - 1, min(len(self.told_rows), _SAMPLED_ROWS))
        self.sampled = self.told_rows[np.unique(places.astype(np.int64))]
        self.ranges = balanced_ranges(self.table.indptr, row_cost(self.design.shape[1]))
        self.mean, self.covariance = np.zeros(size), _FIRST_VARIANCE * np.eye(size)
        self.noise = max(_LEAST_VARIANCE, float(np.square(errors[is_told], dtype=np.float64).sum()) / self.ratings)

    def fit(self) -> Floats:
        """Find the parameters; return the slopes: float32 (rows, c) and padding."""
        for number in range(_MOST_ROUNDS if len(self.sampled) else 0):
            before = self.noise
            self._improve()
            if number + 1 >= _LEAST_ROUNDS and abs(self.noise - before) < _STILL * before:
                break
        return self.solve(self.weight)

    def solve(self, weight: Floats) -> Floats:
        """Return the slopes that are expected given the pairs with partners of these weights, (partners,)."""
        return self._solve(weight)[0]

    def _solve(self, weight: Floats) -> tuple[Floats, float]:
        """Return the slopes, and the sum of the squared errors that they leave."""
        rows, (size, width) = len(self.pairs.row_counts), (self.columns.shape[1], self.design.shape[1])
        precision = np.eye(width, dtype=np.float32)
        precision[:size, :size] = np.linalg.inv(self.covariance)
        linear = np.tile(precision[:, :size] @ self.mean, (rows, 1)).astype(np.float32)
        slopes, errors = np.zeros((rows, width), np.float32), np.empty(rows)
        row_weight = np.full(rows, 1 / self.noise, np.float32)
        equations = self.design, np.zeros(len(self.design), np.float32), row_weight, weight, precision, linear
        solve_side(self.pairs.run, self.ranges, self.table, equations, 0, 0, 0.0, slopes, errors)
        return slopes, float(errors.sum()) * self.noise

    def _improve(self) -> None:
        """Make one step of EM. What is uncertain about slopes is averaged over some rows."""
        slopes, squares = self._solve(self.weight)
        size, inverse = self.columns.shape[1], np.linalg.inv(self.covariance)
        uncertainty, forms = np.zeros((size, size)), 0.0
        for row in self.sampled:
            partners, _ = self.table[int(row)]
            known = self.columns[partners[self.weight[partners] > 0]]
            gram = known.T @ known
            covariance = np.linalg.inv(gram / self.noise + inverse)
            uncertainty += covariance
            forms += float(np.vdot(covariance, gram))
        told = slopes[self.told_rows, :size].astype(np.float64)
        self.mean = told.mean(axis=0)
        deviations = told - self.mean
        self.covariance = deviations.T @ deviations / len(told) + uncertainty / len(self.sampled)
        self.covariance += _LEAST_VARIANCE * np.eye(size)
        self.noise = squares / self.ratings + forms / len(self.sampled) * len(told) / self.ratings
        self.noise = max(_LEAST_VARIANCE, self.noise)


def padded(columns: Doubles) -> Floats:
    """Return columns as float32, with zeros up to a whole number of vectors of the kernels."""
    wide = np.zeros((len(columns), padded_width(columns.shape[1])), np.float32)
    wide[:, : columns.shape[1]] = columns
    return wide
