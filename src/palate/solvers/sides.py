"""One side of the table, users or items, as solvers that go by turns want it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.kernels.simd import LANES
from palate.ratings import Grouped
from palate.threads import Run

__all__ = ["Side", "cut", "padded", "partners", "set_lengths", "set_shares"]

Floats = NDArray[np.float32]

# Work is cut into so many parts at most, whatever the number of threads.
_PARTS = 64
# So many ratings are worth handing over to another thread.
_WORTH = 2048


def padded(columns: int) -> int:
    """Return so many columns rounded up to whole vectors."""
    return -(-columns // LANES) * LANES


def cut(indptr: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return ranges of rows with about as many ratings, to be worked on side by side."""
    parts = min(_PARTS, 1 + int(indptr[-1]) // _WORTH)
    cuts = np.searchsorted(indptr, np.linspace(0, indptr[-1], parts + 1))
    cuts[0], cuts[-1] = 0, len(indptr) - 1
    return [(int(a), int(b)) for a, b in pairwise(cuts) if a < b]


def partners(factors: Floats, k: int) -> tuple[Floats, Floats]:
    """Return what the other side's rows are multiplied with, a one in place of the bias (column k), and the biases."""
    found = factors.copy()
    found[:, k] = 1
    return found, np.ascontiguousarray(factors[:, k])


def set_shares(counts: NDArray[np.int64]) -> Floats:
    """Return what each rated partner counts in the set of a row with so many ratings."""
    return (1 / np.sqrt(np.maximum(1, counts))).astype(np.float32)


def set_lengths(shares: Floats, turned: Grouped) -> Floats:
    """Return the squared length of each predictor: for item j the sum of 1 / n_u over its raters u, and so on."""
    sums = np.concatenate([[0], np.cumsum(shares[turned.indices].astype(np.float64) ** 2)])
    return np.diff(sums[turned.indptr]).astype(np.float32)


class Side(NamedTuple):
    """A grouped table, the number of ratings of each row, and ranges of rows with about as many ratings."""

    table: Grouped
    counts: NDArray[np.int64]
    tasks: list[tuple[int, int]]

    @classmethod
    def of(cls, table: Grouped) -> Self:
        """Cut a table into tasks."""
        return cls(table, np.diff(table.indptr), cut(table.indptr))

    def solve(self, run: Run, work: Callable[[tuple[int, int]], int]) -> None:
        """Solve for all rows; `work` solves for a range and returns -1, or a row that cannot be solved for.

        Raises
        ------
        SettingsError
            If there is such a row.
        """
        if max(run(work, self.tasks)) >= 0:
            raise SettingsError(
                "the regularization is too weak for these ratings: with it, float32 does not hold their equations; "
                "raise regularization (--regularization)"
            )
