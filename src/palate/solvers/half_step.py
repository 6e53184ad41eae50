"""Half a sweep: solve for the rows of one side, users or items, while the other side stays fixed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import sqrt
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.gpu.pool import DevicePool
from palate.kernels.pairs import row_errors
from palate.kernels.rows import measure_sets, solve_confident_rows, solve_rows
from palate.kernels.simd import LANES
from palate.parallel import Run
from palate.ratings import Grouped, Ratings, RatingScale

__all__ = [
    "HalfStep",
    "balanced_ranges",
    "center_and_spread",
    "padded_width",
    "partners_and_biases",
    "row_cost",
    "set_lengths",
    "set_shares",
    "solve_confident_side",
    "solve_side",
    "standardize",
    "standardize_table",
    "sum_errors",
]

Floats = NDArray[np.float32]

# The largest number of ranges of rows. It is fixed, so that ranges do not depend on the number of threads.
_MOST_RANGES = 64
# A range holds at least this many ratings: a smaller one is done sooner than another thread can take it over.
_RANGE_RATINGS = 2048
# The cost of a row beside its ratings and its equations, in ratings.
_ROW_COST = 8
# This many ratings are converted to doubles at a time.
_CHUNK = 1 << 20


def padded_width(columns: int) -> int:
    """Return a number of columns rounded up to whole vectors of the kernels."""
    return -(-columns // LANES) * LANES


def balanced_ranges(indptr: NDArray[np.int64], row_cost: int = 0) -> list[tuple[int, int]]:
    """Cut the rows of a grouped table into ranges of about equal work, the largest first.

    A row that exceeds the share of a range makes its range larger than the others. That range is begun first, so that
    the other threads do the smaller ranges meanwhile.

    Parameters
    ----------
    indptr
        int64 (rows + 1,): row r has the ratings ``indptr[r]`` to ``indptr[r + 1]``.
    row_cost
        The work of a row beside its ratings, in ratings.

    Returns
    -------
    list of (start, stop)
        Each row is in one range. Empty if there are no rows.
    """
    work = indptr + np.arange(len(indptr)) * row_cost
    count = min(_MOST_RANGES, 1 + int(work[-1]) // _RANGE_RATINGS)
    bounds = np.searchsorted(work, np.linspace(0, work[-1], count + 1))
    bounds[0], bounds[-1] = 0, len(indptr) - 1
    ranges = [(int(start), int(stop)) for start, stop in pairwise(bounds) if start < stop]
    return sorted(ranges, key=lambda rows: int(work[rows[0]] - work[rows[1]]))


def row_cost(width: int) -> int:
    """Return the cost of solving the equations of one row, in ratings.

    For d columns the solution takes d^3 / 6 products, and adding a rating to the equations takes d^2 / 2.
    """
    return _ROW_COST + width // 3


def partners_and_biases(factors: Floats, k: int) -> tuple[Floats, Floats]:
    """Split the rows of the other side for a half-step.

    Parameters
    ----------
    factors
        float32 (rows, d): k factors, the bias in column k, padding.
    k
        The number of factors.

    Returns
    -------
    tuple of arrays
        float32 (rows, d): the factors with 1 in place of the bias, so that the row which is solved for gets a bias.
        float32 (rows,): the biases.
    """
    partners = factors.copy()
    partners[:, k] = 1
    return partners, np.ascontiguousarray(factors[:, k])


def set_shares(counts: NDArray[np.int64]) -> Floats:
    """Return the entry 1 / sqrt(n) of each member in the rated set of a row with n ratings: float32 (rows,)."""
    return (1 / np.sqrt(np.maximum(1, counts))).astype(np.float32)


def set_lengths(shares: Floats, transposed: Grouped, run: Run) -> Floats:
    """Return the squared length of each column of the matrix of rated sets: float32 (others,).

    For item j this is the sum of 1 / n_u over its raters u; `transposed` is then the table grouped by item.
    """
    lengths = np.empty(len(transposed.indptr) - 1, np.float32)
    indptr, members = transposed.indptr, transposed.indices
    run(lambda rows: measure_sets(indptr, members, shares, *rows, lengths), balanced_ranges(indptr))
    return lengths


def solve_side(
    run: Run,
    ranges: list[tuple[int, int]],
    table: Grouped,
    equations: tuple[Floats, Floats, Floats, Floats, Floats, Floats],
    draws: int,
    key: int,
    correlation: float,
    out: Floats,
    errors: NDArray[np.float64],
) -> int:
    """Solve for all rows of a side, on the threads of the pool or on its card, in place.

    Parameters
    ----------
    run
        A pool.
    ranges
        The rows, in ranges for the threads.
    table
        The ratings, grouped by this side.
    equations
        The arrays ``other, offset, row_weight, other_weight, precision, linear`` of `palate.kernels.rows.solve_rows`.
    draws, key, correlation, out, errors
        As there.

    Returns
    -------
    int
        -1, or a row whose equations have no solution.
    """
    if isinstance(run, DevicePool):
        return run.rows.solve_rows(table, *equations, draws, key, correlation, out, errors)
    return max(
        run(lambda rows: int(solve_rows(*table, *equations, *rows, draws, key, correlation, out, errors)), ranges)
    )


def solve_confident_side(
    run: Run,
    ranges: list[tuple[int, int]],
    table: Grouped,
    equations: tuple[Floats, Floats, Floats, Floats],
    out: Floats,
    errors: NDArray[np.float64],
) -> int:
    """Solve for all rows of a side as `solve_side` does, where every pair counts.

    The equations are the arrays ``other, all_pairs, ridge, linear`` of `palate.kernels.rows.solve_confident_rows`.
    """
    if isinstance(run, DevicePool):
        return run.rows.solve_confident_rows(table, *equations, out, errors)
    return max(run(lambda rows: int(solve_confident_rows(*table, *equations, *rows, out, errors)), ranges))


def sum_errors(
    run: Run,
    ranges: list[tuple[int, int]],
    table: Grouped,
    arrays: tuple[Floats, Floats, Floats, Floats],
    plain: NDArray[np.float64],
    weighted: NDArray[np.float64],
) -> None:
    """Sum up the squared errors of all rows of a side, on the threads of the pool or on its card.

    The arrays are ``factors, other, offset, other_weight`` of `palate.kernels.pairs.row_errors`.
    """
    if isinstance(run, DevicePool):
        run.rows.row_errors(table, *arrays, plain, weighted)
    else:
        run(lambda rows: row_errors(*table, *arrays, *rows, plain, weighted), ranges)


def center_and_spread(values: Floats) -> tuple[float, float]:
    """Return the mean and the standard deviation (1 if it is 0), without an array of doubles for all values."""
    center = float(values.mean(dtype=np.float64))
    chunks = (values[start : start + _CHUNK].astype(np.float64) - center for start in range(0, len(values), _CHUNK))
    return center, sqrt(sum(float(chunk @ chunk) for chunk in chunks) / len(values)) or 1.0


def standardize(values: Floats, center: float, spread: float) -> Floats:
    """Return (values - center) / spread."""
    standardized = values - np.float32(center)
    standardized *= np.float32(1 / spread)
    return standardized


def standardize_table(ratings: Ratings, center: float, spread: float) -> Ratings:
    """Return the table with standardized ratings. Its grouping by user shares the indices of the original."""
    # The scale is declared only to avoid the search for it over all ratings; nothing uses it.
    rating = standardize(ratings.rating, center, spread)
    table = replace(ratings, rating=rating, declared_scale=RatingScale(-1, 1))
    if ratings.by_user.values is not ratings.rating:
        values = standardize(ratings.by_user.values, center, spread)
        table.__dict__["by_user"] = ratings.by_user._replace(values=values)
    return table


class HalfStep(NamedTuple):
    """What a half-step for one side needs.

    Attributes
    ----------
    table
        The ratings, grouped by this side.
    counts
        int64 (rows,): the number of ratings of each row.
    ranges
        Ranges of rows that threads solve for side by side.
    """

    table: Grouped
    counts: NDArray[np.int64]
    ranges: list[tuple[int, int]]

    @classmethod
    def prepare(cls, table: Grouped, width: int) -> Self:
        """Cut a table into ranges, for equations of this width."""
        return cls(table, np.diff(table.indptr), balanced_ranges(table.indptr, row_cost(width)))

    @staticmethod
    def require_solved(failed: int) -> None:
        """Raise a `SettingsError` if there is a row whose equations have no solution; -1 says that there is none."""
        if failed >= 0:
            raise SettingsError(
                "the regularization is too weak for these ratings: float32 is not precise enough to solve their "
                "equations; raise regularization (--regularization)"
            )
