"""The results of a comparison: a line for each solver, with standard errors and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.evaluation.evaluate import Evaluation, Scores
from palate.tabular import Tabular

__all__ = ["Comparison", "SolverResult", "SplitResult", "summarize"]

Floats = NDArray[np.float64]

# Columns of a comparison beside its scores, and the attributes of a `SolverResult` that they show.
_FURTHER_COLUMNS = {
    "rmse_error": "error",
    "difference": "difference",
    "difference_error": "difference_error",
    "seconds": "seconds",
    "failure": "failure",
}


@dataclass(frozen=True)
class SplitResult:
    """One solver on one split.

    Attributes
    ----------
    name, split
        The solver, and the number of the split, counted from 1.
    seconds
        Of the fit alone.
    memory
        By how many bytes the process grew at most during the fit, the model included and the ratings not; None where
        the system does not say.
    evaluation
        On the test part, without baselines; None if the fit failed.
    failure
        Why it failed, in a line.
    """

    name: str
    split: int
    seconds: float
    memory: int | None
    evaluation: Evaluation | None
    failure: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        evaluation = self.evaluation.as_dict() if self.evaluation else {}
        evaluation.pop("baselines", None)
        return {"split": self.split, "seconds": self.seconds, "memory": self.memory, **evaluation}


@dataclass(frozen=True)
class SolverResult:
    """One solver on all splits: a line of the table.

    Attributes
    ----------
    scores
        Means over the splits, as in `Evaluation`; empty if the solver failed.
    error
        Standard error of the RMSE; NaN where it cannot be known.
    difference, difference_error
        RMSE minus that of the reference, both on the same rows, and its standard error.
    seconds, memory
        The mean over the fits, and the most that one took.
    failure
        Why there are no scores.
    splits
        The result on each split.
    """

    name: str
    scores: Scores = field(default_factory=dict)
    error: float = float("nan")
    difference: float = float("nan")
    difference_error: float = float("nan")
    seconds: float = float("nan")
    memory: int | None = None
    failure: str | None = None
    splits: tuple[SplitResult, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the line as plain values, None for what cannot be known."""
        numbers = {
            "rmse_error": self.error,
            "difference": self.difference,
            "difference_error": self.difference_error,
            "seconds": self.seconds,
        }
        return {
            "name": self.name,
            **self.scores,
            **{name: None if isnan(value) else value for name, value in numbers.items()},
            "memory": self.memory,
            "failure": self.failure,
            "splits": [split.as_dict() for split in self.splits],
        }


@dataclass(frozen=True, repr=False)
class Comparison(Tabular):
    """Solvers on the same splits.

    Attributes
    ----------
    solvers
        The lowest RMSE first, then those that failed.
    reference
        The solver that the differences are taken from; None if all failed.
    splits
        How many were finished for all solvers (or 1, if the first was cut short).
    interrupted
        Whether Ctrl-C ended it early.
    """

    solvers: tuple[SolverResult, ...]
    reference: str | None
    splits: int
    interrupted: bool = False

    def __getitem__(self, name: str) -> SolverResult:
        return next(solver for solver in self.solvers if solver.name == name)

    def columns(self) -> dict[str, list[Any]]:
        """Return a row for each solver: its scores, their error, the difference to the reference, the seconds."""
        names = list(dict.fromkeys(name for solver in self.solvers for name in solver.scores))
        columns: dict[str, list[Any]] = {"solver": [solver.name for solver in self.solvers]}
        columns |= {name: [solver.scores.get(name) for solver in self.solvers] for name in names}
        for name, attribute in _FURTHER_COLUMNS.items():
            columns[name] = [getattr(solver, attribute) for solver in self.solvers]
        return columns

    def shown_columns(self) -> dict[str, list[Any]]:
        """Return the columns that have values."""
        return {name: values for name, values in self.columns().items() if any(v is not None for v in values)}

    def heading(self) -> str:
        """Say on how many splits the solvers were judged."""
        return f"{len(self.solvers)} solvers on {self.splits} split{'s' * (self.splits != 1)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values."""
        return {
            "reference": self.reference,
            "splits": self.splits,
            "interrupted": self.interrupted,
            "solvers": [solver.as_dict() for solver in self.solvers],
        }


def summarize(
    names: Sequence[str],
    split_results: Sequence[SplitResult],
    rows: Mapping[str, Floats],
    reference: str | None = None,
    interrupted: bool = False,
) -> Comparison:
    """Make the table.

    Parameters
    ----------
    names
        All solvers, also those that have no result.
    split_results
        On the same splits for all solvers that did not fail.
    rows
        For each solver (n,): what each row of the first split adds to its RMSE; used where that is the only split.
    reference
        As in `compare`.
    interrupted
        Whether there were to be more.
    """
    solvers = [_over_splits(name, tuple(one for one in split_results if one.name == name)) for name in names]
    ranked = sorted((solver for solver in solvers if solver.scores), key=lambda solver: solver.scores["rmse"])
    count = max((len(solver.splits) for solver in ranked), default=0)
    if not ranked:
        return Comparison(tuple(solvers), None, count, interrupted)
    base = next((solver for solver in ranked if solver.name == reference), ranked[0])

    def samples(solver: SolverResult) -> Floats:
        # Their mean varies as the RMSE does.
        return rows[solver.name] if count == 1 else np.array([_rmse(split) for split in solver.splits])

    with_errors = [
        replace(
            solver,
            error=_standard_error(samples(solver)),
            difference=solver.scores["rmse"] - base.scores["rmse"],
            difference_error=_standard_error(samples(solver) - samples(base)),
        )
        for solver in ranked
    ]
    failed = [solver for solver in solvers if solver.failure]
    return Comparison((*with_errors, *failed), base.name, count, interrupted)


def _over_splits(name: str, splits: tuple[SplitResult, ...]) -> SolverResult:
    failed = next((split for split in splits if split.failure), None)
    if failed:
        return SolverResult(name, failure=f"on split {failed.split}: {failed.failure}", splits=splits)
    if not splits:
        return SolverResult(name, failure="interrupted before it was done")
    scores = [split.evaluation.scores for split in splits if split.evaluation]
    memory = [split.memory for split in splits if split.memory is not None]
    return SolverResult(
        name,
        scores={metric: fmean(one[metric] for one in scores) for metric in scores[0]},
        seconds=fmean(split.seconds for split in splits),
        memory=max(memory, default=None),
        splits=splits,
    )


def _rmse(split: SplitResult) -> float:
    return split.evaluation.scores["rmse"] if split.evaluation else float("nan")


def _standard_error(values: Floats) -> float:
    """Return the standard error of a mean; NaN for one value."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
