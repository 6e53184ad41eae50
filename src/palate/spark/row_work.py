"""Half-steps and errors of the rows of one part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels.pairs import row_errors
from palate.kernels.rows import solve_confident_rows, solve_nonnegative_rows, solve_rows
from palate.spark.arrays import SharedArray
from palate.spark.table_files import TablePart
from palate.spark.tasks import Partners, Work, other_rows, own_rows, values_of, virtual

__all__ = ["MeasureErrors", "SolveChoices", "SolveRatings"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class SolveRatings(Work):
    """A half-step on ratings, as a minimum or a draw: the parameters of `palate.kernels.rows.solve_rows`.

    Attributes
    ----------
    size
        The number of rows of the side.
    center, spread
        Ratings are standardized by them.
    other
        The other side.
    weight, row_weight
        The weight of a row's ratings is ``weight * row_weight[row]``; with `row_weight` None it is `weight`.
    by_count
        Divide the weight of a row's ratings by their number.
    precision
        float64 (d, d), with ones on the diagonal of the padding.
    mean, prior
        The expectation of a row before its ratings are seen: float64 (columns,), and what is added to it, float32
        (rows, d). None for zeros.
    draws, key, correlation
        See the kernel.
    bounded
        The number of columns that must not be negative; None if all may be.
    before
        The present rows, with which draws correlate and the search for rows that are not negative begins.
    out
        Where rows are written; None to return them.
    """

    size: int
    center: float
    spread: float
    other: Partners
    precision: Doubles
    weight: float = 1.0
    row_weight: SharedArray | None = None
    by_count: bool = False
    mean: Doubles | None = None
    prior: SharedArray | None = None
    draws: int = 0
    key: int = 0
    correlation: float = 0.0
    bounded: int | None = None
    before: SharedArray | None = None
    out: SharedArray | None = None

    @property
    def step(self) -> int | None:
        """How many rows of the other side a task may hold; None for all."""
        return self.other.factors.step

    def __call__(self, part: TablePart) -> dict[str, Any]:
        """Solve for the rows of a part.

        Returns the first row without a solution (or -1) and the sum of squared errors; of draws that of each row, and
        the sums by which the next hyperpriors are drawn.
        """
        rows, width, size = part.stop - part.start, len(self.precision), self.size
        indices, partners, biases, other_weight = self.other.of(part)
        weights = self._weights(part)
        linear, by_sets = self._linear(part, width)
        factors = np.zeros((rows, width), np.float32)
        if self.before is not None:
            factors[:] = own_rows(part, self.before)
        out, errors = virtual(size, part, factors), np.empty(size)
        equations = (
            virtual(size + 1, part, part.table.indptr), indices, values_of(part, self.center, self.spread), partners,
            biases, virtual(size, part, weights), other_weight, self.precision.astype(np.float32),
            virtual(size, part, linear),
        )  # fmt: skip
        draws = self.draws, self.key, self.correlation
        if self.bounded is None:
            failed = solve_rows(*equations, part.start, part.stop, *draws, out, errors)
        else:
            failed = solve_nonnegative_rows(*equations, part.start, part.stop, self.bounded, out, errors)
        solved = out[part.start : part.stop]
        row_errors = errors[part.start : part.stop] / weights
        result: dict[str, Any] = {
            "failed": int(failed),
            "errors": row_errors if self.draws else float(row_errors.sum()),
        }
        if self.draws:
            deviations = solved[:, : self.draws].astype(np.float64) - by_sets
            result |= {"sum": deviations.sum(axis=0), "scatter": deviations.T @ deviations}
        if self.out is None:
            return result | {"rows": np.array(solved)}
        self.out.write_rows(part.start, solved)
        return result

    def _weights(self, part: TablePart) -> Floats:
        if self.row_weight is not None:
            return (self.weight * own_rows(part, self.row_weight)).astype(np.float32)
        counts = np.diff(part.table.indptr)
        return (self.weight / np.maximum(1, counts) if self.by_count else np.full(len(counts), self.weight)).astype(
            np.float32
        )

    def _linear(self, part: TablePart, width: int) -> tuple[Floats, Any]:
        linear = np.zeros((part.stop - part.start, width), np.float32)
        if self.mean is None:
            return linear, 0.0
        columns = len(self.mean)
        by_sets = np.zeros((len(linear), columns)) if self.prior is None else (
            own_rows(part, self.prior)[:, :columns]
        )  # fmt: skip
        linear[:, :columns] = (self.mean + by_sets) @ self.precision[:columns, :columns]
        return linear, by_sets


@dataclass(frozen=True)
class SolveChoices(Work):
    """A half-step on choices: the parameters of `palate.kernels.rows.solve_confident_rows`.

    Attributes
    ----------
    size, others
        The numbers of rows of both sides.
    other
        The other side's factors.
    all_pairs
        float32 (d, d).
    regularization, unobserved, exponent, confidence, liked
        See `palate.solvers.implicit.ImplicitALS`; `confidence` is what ratings are multiplied by, 0 for none.
    out
        Where rows are written; None to return them.
    """

    size: int
    others: int
    other: SharedArray
    all_pairs: Floats
    regularization: float
    unobserved: float
    exponent: float
    confidence: float
    liked: float | None = None
    out: SharedArray | None = None

    @property
    def step(self) -> int | None:
        """How many rows of the other side a task may hold; None for all."""
        return self.other.step

    def __call__(self, part: TablePart) -> dict[str, Any]:
        """Solve for the rows of a part.

        Returns the first row without a solution (or -1), the sums of errors and of confidences, and the gram matrix of
        the rows, which the half-step of the other side needs.
        """
        indptr, _, values = part.table
        indices, (other,) = other_rows(part, self.other)
        confidence = values * np.float32(self.confidence) if self.confidence else np.ones_like(values)
        counts = np.diff(indptr)
        if self.liked is not None:  # a pair that is no choice has no weight
            confidence = (values >= np.float32(self.liked)).astype(np.float32)
            counts = np.diff(np.append(0, np.cumsum(confidence, dtype=np.int64))[indptr])
        weights = counts + self.unobserved * self.others
        ridge = (self.regularization * weights**self.exponent).astype(np.float32)
        out = np.zeros((part.stop - part.start, len(self.all_pairs)), np.float32)
        errors, linear = np.empty(len(out)), np.zeros_like(out)
        failed = solve_confident_rows(
            indptr, indices, confidence, other, self.all_pairs, ridge, linear, 0, len(out), out, errors
        )
        result = {
            "failed": int(failed) + (part.start if failed >= 0 else 0),
            "squares": float(errors.sum()),
            "weight": float(confidence.sum(dtype=np.float64)),
            "gram": _gram(out),
        }
        if self.out is None:
            return result | {"rows": out}
        self.out.write_rows(part.start, out)
        return result


def _gram(rows: Floats) -> Doubles:
    doubles = rows.astype(np.float64)
    return doubles.T @ doubles


@dataclass(frozen=True)
class MeasureErrors(Work):
    """The sums of squared errors of rows, plain and weighted: the parameters of `palate.kernels.pairs.row_errors`."""

    center: float
    spread: float
    factors: SharedArray
    other: Partners

    @property
    def step(self) -> int | None:
        """How many rows of the other side a task may hold; None for all."""
        return self.other.factors.step

    def __call__(self, part: TablePart) -> dict[str, Any]:
        """Return both sums of the rows of a part: float64 (rows,)."""
        rows, (indices, *other) = part.stop - part.start, self.other.of(part)
        plain, weighted = np.empty(rows), np.empty(rows)
        row_errors(
            part.table.indptr, indices, values_of(part, self.center, self.spread), own_rows(part, self.factors),
            *other, 0, rows, plain, weighted,
        )  # fmt: skip
        return {"plain": plain, "weighted": weighted}
