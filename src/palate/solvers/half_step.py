"""One side of the table, users or items, as solvers that go by turns want it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import sqrt
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.kernels.rows import measure_sets
from palate.kernels.simd import LANES
from palate.parallel import Run
from palate.ratings import Grouped, Ratings, RatingScale

__all__ = [
    "Side",
    "center_and_spread",
    "cut",
    "padded",
    "partners",
    "row_work",
    "set_lengths",
    "set_shares",
    "standard",
    "standardized",
]

Floats = NDArray[np.float32]

# Work is cut into so many parts at most, whatever the number of threads.
_PARTS = 64
# So many ratings are worth handing over to another thread.
_WORTH = 2048
# What a row costs beside, in ratings.
_ROW_WORK = 8
# So many ratings are converted to doubles at once.
_CHUNK = 1 << 20


def padded(columns: int) -> int:
    """Return so many columns rounded up to whole vectors."""
    return -(-columns // LANES) * LANES


def cut(indptr: NDArray[np.int64], per_row: int = 0) -> list[tuple[int, int]]:
    """Return ranges of rows with about as much work, to be done side by side; the largest come first.

    A row's work are its ratings and, with `per_row`, as much as so many ratings more. A row of more than a range's
    share makes its range larger than others: begun first, it holds nobody up who has less than that to do.
    """
    work = indptr + np.arange(len(indptr)) * per_row
    parts = min(_PARTS, 1 + int(work[-1]) // _WORTH)
    cuts = np.searchsorted(work, np.linspace(0, work[-1], parts + 1))
    cuts[0], cuts[-1] = 0, len(indptr) - 1
    ranges = [(int(a), int(b)) for a, b in pairwise(cuts) if a < b]
    return sorted(ranges, key=lambda ends: int(work[ends[0]] - work[ends[1]]))


def row_work(width: int) -> int:
    """Return how many ratings the equations of one row are worth: d^3 / 6 products to solve, d^2 / 2 for a rating."""
    return _ROW_WORK + width // 3


def partners(factors: Floats, k: int) -> tuple[Floats, Floats]:
    """Return what the other side's rows are multiplied with, a one in place of the bias (column k), and the biases."""
    found = factors.copy()
    found[:, k] = 1
    return found, np.ascontiguousarray(factors[:, k])


def set_shares(counts: NDArray[np.int64]) -> Floats:
    """Return what each rated partner counts in the set of a row with so many ratings."""
    return (1 / np.sqrt(np.maximum(1, counts))).astype(np.float32)


def set_lengths(shares: Floats, turned: Grouped, run: Run) -> Floats:
    """Return the squared length of each predictor: for item j the sum of 1 / n_u over its raters u, and so on."""
    lengths = np.empty(len(turned.indptr) - 1, np.float32)
    run(lambda part: measure_sets(turned.indptr, turned.indices, shares, *part, lengths), cut(turned.indptr))
    return lengths


def center_and_spread(values: Floats) -> tuple[float, float]:
    """Return the mean and the standard deviation (1 if it is 0), without an array of doubles for all values."""
    center = float(values.mean(dtype=np.float64))
    chunks = (values[start : start + _CHUNK].astype(np.float64) - center for start in range(0, len(values), _CHUNK))
    return center, sqrt(sum(float(chunk @ chunk) for chunk in chunks) / len(values)) or 1.0


def standard(values: Floats, center: float, spread: float) -> Floats:
    """Return (values - center) / spread."""
    scaled = values - np.float32(center)
    scaled *= np.float32(1 / spread)
    return scaled


def standardized(ratings: Ratings, center: float, spread: float) -> Ratings:
    """Return the table with standard ratings; what is grouped by user shares its indices."""
    # The scale is not used, and would be found by a search over all ratings.
    rating = standard(ratings.rating, center, spread)
    table = replace(ratings, rating=rating, declared_scale=RatingScale(-1, 1))
    if ratings.by_user.values is not ratings.rating:
        values = standard(ratings.by_user.values, center, spread)
        table.__dict__["by_user"] = ratings.by_user._replace(values=values)
    return table


class Side(NamedTuple):
    """A grouped table, the number of ratings of each row, and ranges of rows with about as many ratings."""

    table: Grouped
    counts: NDArray[np.int64]
    tasks: list[tuple[int, int]]

    @classmethod
    def of(cls, table: Grouped, width: int) -> Self:
        """Cut a table into tasks, for equations of this width."""
        return cls(table, np.diff(table.indptr), cut(table.indptr, row_work(width)))

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
