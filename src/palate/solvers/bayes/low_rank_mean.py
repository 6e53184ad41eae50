"""The average of many products of factors, kept as one product of few columns."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from palate.parallel import Run

__all__ = ["Average"]

Floats = NDArray[np.float32]
# Columns that are kept, and that may gather before they are reduced to those, in units of the factors.
_KEPT, _GATHERED = 4, 12
# What may be lost at last: the root mean square over all cells, in units of the ratings' standard deviation.
_LOST = 0.01
# Rows that one task works on.
_ROWS = 4096


class Average:
    """The weighted sum of products P Q' of samples, of rank 4k at most, and of their biases.

    A sum of products is a product of stacked columns; when too many have gathered, a truncated singular value
    decomposition leaves the best ones: with A = Q R on both sides only the small core R R' is decomposed, and R comes
    from A'A in double precision. The matrix itself is never formed.
    """

    #: What a checkpoint must hold, beside `total` and `filled`.
    ARRAYS = ("left", "right", "user_bias", "item_bias")

    def __init__(self, users: int, items: int, k: int, run: Run) -> None:
        self.run, self.k = run, k
        self.total, self.filled = 0.0, 0
        self.left, self.right = (np.zeros((rows, _GATHERED * k), np.float32) for rows in (users, items))
        self.user_bias, self.item_bias = np.zeros(users), np.zeros(items)

    def add(self, users: Floats, items: Floats, weight: float) -> None:
        """Add a sample; its sides have k columns of factors, then the bias."""
        if self.filled == self.left.shape[1]:
            self._reduce(_KEPT * self.k)
        columns = slice(self.filled, self.filled + self.k)
        root = np.float32(sqrt(weight))
        self.left[:, columns], self.right[:, columns] = users[:, : self.k] * root, items[:, : self.k] * root
        self.user_bias += weight * users[:, self.k]
        self.item_bias += weight * items[:, self.k]
        self.total += weight
        self.filled += self.k

    def _reduce(self, columns: int) -> NDArray[np.float32]:
        sides = self.left[:, : self.filled], self.right[:, : self.filled]
        (left, left_back), (right, right_back) = (_root(self._gram(side)) for side in sides)
        u, singular, vt = np.linalg.svd(left.T @ right)
        columns = min(columns, len(singular))
        root = np.sqrt(singular[:columns])
        self._turn(self.left, left_back @ (u[:, :columns] * root))
        self._turn(self.right, right_back @ (vt[:columns].T * root))
        self.filled = _KEPT * self.k  # what a small table leaves free stays zero
        self.left[:, columns : self.filled], self.right[:, columns : self.filled] = 0, 0
        return np.asarray(singular)

    def _gram(self, side: Floats) -> NDArray[np.float64]:
        def part(start: int) -> NDArray[np.float64]:
            rows = side[start : start + _ROWS].astype(np.float64)
            return rows.T @ rows

        return np.asarray(sum(self.run(part, range(0, len(side), _ROWS))))

    def _turn(self, side: Floats, turn: NDArray[np.float64]) -> None:
        turn = turn.astype(np.float32)

        def part(start: int) -> None:
            rows = side[start : start + _ROWS]
            rows[:, : turn.shape[1]] = rows[:, : len(turn)] @ turn

        self.run(part, range(0, len(side), _ROWS))

    def mean(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Return user factors, item factors, user biases and item biases, of the least rank that loses nothing."""
        singular = self._reduce(_KEPT * self.k) / self.total
        lost = np.sqrt(np.cumsum((singular**2)[::-1])[::-1] / (len(self.left) * len(self.right)))
        rank = min(_KEPT * self.k, int((lost > _LOST).sum()))
        share = np.float32(1 / np.sqrt(self.total))
        factors = self.left[:, :rank] * share, self.right[:, :rank] * share
        return (
            *factors,
            (self.user_bias / self.total).astype(np.float32),
            (self.item_bias / self.total).astype(np.float32),
        )


def _root(gram: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return r with r r' = gram, and the inverse of r'; directions that hardly occur are left out."""
    values, vectors = np.linalg.eigh(gram)
    used = values > values[-1] * 1e-12
    root = np.sqrt(values[used])
    return vectors[:, used] * root, vectors[:, used] / root
