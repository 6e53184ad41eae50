"""The results of a comparison: a line for each solver, with standard errors and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.evaluation.bootstrap import PairedDifference, compare_users
from palate.evaluation.evaluate import Evaluation, Scores, known_values
from palate.tabular import Tabular

__all__ = ["LIST_METRIC", "Comparison", "SolverResult", "SplitResult", "summarize"]

Floats = NDArray[np.float64]

# Columns of a comparison beside its scores, and the attributes of a `SolverResult` that they show.
_FURTHER_COLUMNS = {
    "rmse_error": "error",
    "difference": "difference",
    "difference_error": "difference_error",
    "seconds": "seconds",
    "failure": "failure",
}
#: By which measure lists are compared.
LIST_METRIC = "ndcg@10"


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
        for name in ("baselines", "by_activity", "by_popularity"):
            evaluation.pop(name, None)
        return {"split": self.split, "seconds": self.seconds, "memory": self.memory, **evaluation}


@dataclass(frozen=True)
class SolverResult:
    """One solver on all splits: a line of the table.

    Attributes
    ----------
    scores
        Means over the splits, as in `Evaluation`; empty if the solver failed.
    error
        Standard error of the RMSE; NaN where it cannot be known, as for a solver that predicts no ratings.
    difference, difference_error
        RMSE minus that of the reference, both on the same rows, and its standard error.
    lists
        How far its lists are from those of the reference, by `LIST_METRIC`; None for the reference itself.
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
    lists: PairedDifference | None = None
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
            **known_values(self.scores),
            **{name: None if isnan(value) else value for name, value in numbers.items()},
            "lists": self.lists.as_dict() if self.lists else None,
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
        The lowest RMSE first, then those that predict no ratings, the best lists first, then those that failed.
    reference
        The solver that differences of the RMSE are taken from; None if there is none.
    list_reference
        The solver that differences of lists are taken from; None if there is none.
    splits
        How many were finished for all solvers (or 1, if the first was cut short).
    interrupted
        Whether Ctrl-C ended it early.
    """

    solvers: tuple[SolverResult, ...]
    reference: str | None
    list_reference: str | None
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
            "list_reference": self.list_reference,
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
    count = max((len(solver.splits) for solver in solvers if not solver.failure), default=0)
    with_errors, base = _with_errors(solvers, rows, reference, count)
    of_choices = [solver for solver in solvers if solver.scores and "rmse" not in solver.scores]
    of_choices.sort(key=lambda solver: -solver.scores.get(LIST_METRIC, 0.0))
    failed = [solver for solver in solvers if solver.failure]
    ranked, list_base = _with_lists([*with_errors, *of_choices], reference)
    return Comparison((*ranked, *failed), base, list_base, count, interrupted)


def _with_errors(
    solvers: Sequence[SolverResult], rows: Mapping[str, Floats], reference: str | None, count: int
) -> tuple[list[SolverResult], str | None]:
    """Return the solvers that have an RMSE, the lowest first, with standard errors, and the name of the reference."""
    ranked = sorted((one for one in solvers if "rmse" in one.scores), key=lambda solver: solver.scores["rmse"])
    if not ranked:
        return [], None
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
    return with_errors, base.name


def _with_lists(solvers: Sequence[SolverResult], reference: str | None) -> tuple[list[SolverResult], str | None]:
    """Return the solvers with what a bootstrap over users says of their lists, and the name of the reference."""
    values = _values_of_users(solvers)
    if not values or len(next(iter(values.values()))) < 2:  # nobody, or one user: there is nothing to draw from
        return list(solvers), None
    differences = compare_users(values, reference=reference if reference in values else None)
    by_name = {one.name: one for one in differences}
    base = differences[0].reference if differences else next(iter(values))
    return [replace(solver, lists=by_name.get(solver.name)) for solver in solvers], base


def _values_of_users(solvers: Sequence[SolverResult]) -> dict[str, Floats]:
    """Return for each solver that has lists the value of each user: the mean over the splits that judge the user."""
    of_solvers = {}
    for solver in solvers:
        lists = [split.evaluation.lists for split in solver.splits if split.evaluation and split.evaluation.lists]
        if lists:
            ids = np.concatenate([one.task.train.users.ids[one.task.users].astype(str) for one in lists])
            of_solvers[solver.name] = _means_by_id(ids, np.concatenate([one.values[LIST_METRIC] for one in lists]))
    common = sorted(set.intersection(*map(set, of_solvers.values()))) if of_solvers else []
    return {name: np.array([values[id] for id in common]) for name, values in of_solvers.items() if common}


def _means_by_id(ids: NDArray[np.str_], values: Floats) -> dict[str, float]:
    is_known = ~np.isnan(values)
    users, row = np.unique(ids[is_known], return_inverse=True)
    means = np.bincount(row, values[is_known]) / np.bincount(row)
    return dict(zip(users.tolist(), means.tolist(), strict=True))


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
        scores={name: fmean(one[name] for one in scores if name in one) for name in scores[0]},
        seconds=fmean(split.seconds for split in splits),
        memory=max(memory, default=None),
        splits=splits,
    )


def _rmse(split: SplitResult) -> float:
    return split.evaluation.scores["rmse"] if split.evaluation else float("nan")


def _standard_error(values: Floats) -> float:
    """Return the standard error of a mean; NaN for one value."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
