"""The mean of many products of factors, as one product of few columns."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from palate.parallel import Run
from palate.solvers.bayes.row_blocks import for_row_blocks, sum_row_blocks

__all__ = ["LowRankMean", "root_and_back"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
# The columns after a reduction, and the columns that may gather before one, in units of k.
_KEPT, _GATHERED = 4, 8
# The error that the final truncation may make, in standard deviations of the ratings: root mean square over all cells,
# each weighted by the activity of its user times the popularity of its item.
_TOLERANCE = 0.005
# Singular values below this share of the largest one are rounding errors of their squares.
_ROUNDING = 1e-7


class LowRankMean:
    """The weighted mean of the products P Q' of samples, of rank 4k at most, and of their biases.

    A sum of products is one product of stacked columns. When too many columns have gathered, a truncated singular value
    decomposition reduces them to the 4k best. It comes from the small matrices P'DP and Q'EQ, in double precision. The
    matrix itself is never formed. D and E hold the numbers of ratings of the rows, plus one: the error is least where
    predictions are most likely to be asked for, and rows with many ratings have the largest factors.

    Parameters
    ----------
    user_counts, item_counts
        int64 (users,) and (items,): the numbers of ratings. Each side gets one more row, without ratings.
    k
        The number of factors of a sample.
    run
        A pool.
    """

    #: What a checkpoint must hold, beside `total_weight` and `filled`.
    ARRAYS = ("left", "right", "user_bias", "item_bias")

    def __init__(self, user_counts: NDArray[np.int64], item_counts: NDArray[np.int64], k: int, run: Run) -> None:
        self.run, self.k = run, k
        self.total_weight, self.filled = 0.0, 0
        weights = [np.append(counts, 0) + 1.0 for counts in (user_counts, item_counts)]
        self.row_weights = [(each / each.mean())[:, None] for each in weights]
        users, items = map(len, weights)
        self.left, self.right = (np.zeros((rows, _GATHERED * k), np.float32) for rows in (users, items))
        self.user_bias, self.item_bias = np.zeros(users), np.zeros(items)

    def add(self, users: Floats, items: Floats, weight: float) -> None:
        """Add a sample.

        Parameters
        ----------
        users, items
            float32 (rows, c + 1): c factors, any number of them, and the bias.
        weight
            Of the sample in the mean.
        """
        most = (_GATHERED - _KEPT) * self.k
        for start in range(0, users.shape[1] - 1, most):
            stop = min(start + most, users.shape[1] - 1)
            self._add_columns(users[:, start:stop], items[:, start:stop], np.float32(sqrt(weight)))
        for sample, biases in ((users, self.user_bias), (items, self.item_bias)):
            biases += weight * sample[:, -1]
        self.total_weight += weight

    def _add_columns(self, users: Floats, items: Floats, root: np.float32) -> None:
        size = users.shape[1]
        if self.filled + size > self.left.shape[1]:
            self._reduce(_KEPT * self.k)
        columns = slice(self.filled, self.filled + size)
        for sample, sums in ((users, self.left[:, columns]), (items, self.right[:, columns])):
            self._write(sample, root, sums)
        self.filled += size

    def _write(self, sample: Floats, root: np.float32, sums: Floats) -> None:
        def write_block(block: slice) -> None:
            np.multiply(sample[block], root, out=sums[block])

        for_row_blocks(write_block, len(sample), self.run)

    def _reduce(self, columns: int) -> NDArray[np.float32]:
        """Reduce the columns to this many, the largest singular value first; return all singular values.

        With orthonormal columns O and P = O r', the matrix P Q' (P Q')' is O (r' Q'Q r) O'. Here P and Q stand for the
        factors times the roots of the weights of their rows.
        """
        sides = zip((self.left, self.right), self.row_weights, strict=True)
        left, right = (self._gram(side[:, : self.filled], weights) for side, weights in sides)
        root, back = root_and_back(left)
        squares, vectors = np.linalg.eigh(root.T @ right @ root)
        singular, vectors = np.sqrt(np.maximum(squares[::-1], 0)), vectors[:, ::-1]
        columns = min(columns, int((singular > singular.max(initial=0) * _ROUNDING).sum()))
        kept, scale = vectors[:, :columns], np.sqrt(singular[:columns])
        self._multiply(self.left, back @ (kept * scale))
        self._multiply(self.right, root @ (kept / scale))
        self.filled = _KEPT * self.k  # columns beyond the rank of a small table are zero
        self.left[:, columns : self.filled], self.right[:, columns : self.filled] = 0, 0
        return np.asarray(singular)

    def _gram(self, side: Floats, weights: Doubles) -> Doubles:
        def gram_of_rows(block: slice) -> Doubles:
            rows = side[block] * np.sqrt(weights[block])
            return np.asarray(rows.T @ rows)

        return sum_row_blocks(gram_of_rows, len(side), self.run)

    def _multiply(self, side: Floats, matrix: Doubles) -> None:
        """Replace the first columns of a side by their product with a matrix."""
        matrix = matrix.astype(np.float32)

        def multiply_rows(block: slice) -> None:
            rows = side[block]
            rows[:, : matrix.shape[1]] = rows[:, : len(matrix)] @ matrix

        for_row_blocks(multiply_rows, len(side), self.run)

    def mean(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Return user factors, item factors, user biases and item biases.

        The factors have the least rank, 4k at most, whose error is within the tolerance.
        """
        singular = self._reduce(_KEPT * self.k) / self.total_weight
        # Entry r is the error of rank r: the singular values from r on are left out.
        errors = np.sqrt(np.cumsum((singular**2)[::-1])[::-1] / (len(self.left) * len(self.right)))
        rank = min(_KEPT * self.k, int((errors > _TOLERANCE).sum()))
        root = np.float32(1 / np.sqrt(self.total_weight))
        return (
            self.left[:, :rank] * root,
            self.right[:, :rank] * root,
            (self.user_bias / self.total_weight).astype(np.float32),
            (self.item_bias / self.total_weight).astype(np.float32),
        )


def root_and_back(gram: Doubles) -> tuple[Doubles, Doubles]:
    """Return r with r r' = gram, and the inverse of r'. Directions with almost no length are left out."""
    values, vectors = np.linalg.eigh(gram)
    used = values > values.max(initial=0) * 1e-12
    root = np.sqrt(values[used])
    return vectors[:, used] * root, vectors[:, used] / root
