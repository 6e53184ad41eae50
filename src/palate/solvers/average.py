"""The average of many products of factors, kept as one product of few columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Average"]

Floats = NDArray[np.float32]
# Columns that are kept, and that may gather before they are reduced to those, in units of the factors.
_KEPT, _GATHERED = 4, 12
# What may be lost at last: the root mean square over all cells, in units of the ratings' standard deviation.
_LOST = 0.002


class Average:
    """The sum of products P Q' of samples, of rank 4k at most, and of their biases.

    A sum of products is a product of stacked columns; when too many have gathered, a truncated singular value
    decomposition (QR of both sides, SVD of the small core) leaves the best ones. The matrix itself is never formed.
    """

    #: What a checkpoint must hold, beside `count`.
    ARRAYS = ("left", "right", "user_bias", "item_bias")

    def __init__(self, users: int, items: int, k: int) -> None:
        self.k, self.count = k, 0
        self.left, self.right = np.zeros((users, 0), np.float32), np.zeros((items, 0), np.float32)
        self.user_bias, self.item_bias = np.zeros(users), np.zeros(items)

    def add(self, users: Floats, items: Floats) -> None:
        """Add a sample; its sides have k columns of factors, then the bias."""
        self.left = np.hstack([self.left, users[:, : self.k]])
        self.right = np.hstack([self.right, items[:, : self.k]])
        self.user_bias += users[:, self.k]
        self.item_bias += items[:, self.k]
        self.count += 1
        if self.left.shape[1] > _GATHERED * self.k:
            self._reduce(_KEPT * self.k)

    def _reduce(self, columns: int) -> NDArray[np.float32]:
        left, left_core = np.linalg.qr(self.left)
        right, right_core = np.linalg.qr(self.right)
        u, singular, vt = np.linalg.svd(left_core @ right_core.T)
        columns = min(columns, len(singular))
        root = np.sqrt(singular[:columns])
        self.left = (left @ (u[:, :columns] * root)).astype(np.float32)
        self.right = (right @ (vt[:columns].T * root)).astype(np.float32)
        return np.asarray(singular)

    def mean(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Return user factors, item factors, user biases and item biases, of the least rank that loses nothing."""
        singular = self._reduce(self.left.shape[1]) / self.count
        lost = np.sqrt(np.cumsum((singular**2)[::-1])[::-1] / (len(self.left) * len(self.right)))
        rank = min(_KEPT * self.k, int((lost > _LOST).sum()))
        share = np.float32(1 / np.sqrt(self.count))
        factors = self.left[:, :rank] * share, self.right[:, :rank] * share
        return (
            *factors,
            (self.user_bias / self.count).astype(np.float32),
            (self.item_bias / self.count).astype(np.float32),
        )
