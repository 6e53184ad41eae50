"""What a comparison found: a line for each solver, with standard errors and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.evaluation.evaluate import Evaluation, Scores

__all__ = ["Comparison", "Standing", "Trial", "standard_error", "summarize"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """One solver on one split.

    Attributes
    ----------
    name, split
        Which solver, and which split, counted from 1.
    seconds
        Of the fit alone.
    memory
        By how many bytes the process grew at most during the fit, the model included and the ratings not; None where
        the system does not tell.
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
        """Return the trial as plain values."""
        judged = self.evaluation.as_dict() if self.evaluation else {}
        judged.pop("baselines", None)
        return {"split": self.split, "seconds": self.seconds, "memory": self.memory, **judged}


@dataclass(frozen=True)
class Standing:
    """A line of the table.

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
    trials
        One for each split.
    """

    name: str
    scores: Scores = field(default_factory=dict)
    error: float = float("nan")
    difference: float = float("nan")
    difference_error: float = float("nan")
    seconds: float = float("nan")
    memory: int | None = None
    failure: str | None = None
    trials: tuple[Trial, ...] = ()

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
            "splits": [trial.as_dict() for trial in self.trials],
        }


@dataclass(frozen=True)
class Comparison:
    """Solvers on the same splits.

    Attributes
    ----------
    standings
        The lowest RMSE first, then those that failed.
    reference
        The solver that the differences are taken from; None if all failed.
    splits
        How many were finished for all solvers (or 1, if the first was cut short).
    interrupted
        Whether Ctrl-C ended it early.
    """

    standings: tuple[Standing, ...]
    reference: str | None
    splits: int
    interrupted: bool = False

    def __getitem__(self, name: str) -> Standing:
        return next(standing for standing in self.standings if standing.name == name)

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values."""
        return {
            "reference": self.reference,
            "splits": self.splits,
            "interrupted": self.interrupted,
            "solvers": [standing.as_dict() for standing in self.standings],
        }


def summarize(
    names: Sequence[str],
    trials: Sequence[Trial],
    rows: Mapping[str, Floats],
    reference: str | None = None,
    interrupted: bool = False,
) -> Comparison:
    """Make the table of what was tried.

    Parameters
    ----------
    names
        All solvers, also those that have no trial.
    trials
        Of the same splits for all solvers that did not fail.
    rows
        For each solver what each row of the first split adds to its RMSE; used where that is the only split.
    reference
        As in `compare`.
    interrupted
        Whether there were to be more.
    """
    standings = [_standing(name, tuple(trial for trial in trials if trial.name == name)) for name in names]
    ranked = sorted((one for one in standings if one.scores), key=lambda one: one.scores["rmse"])
    count = max((len(one.trials) for one in ranked), default=0)
    if not ranked:
        return Comparison(tuple(standings), None, count, interrupted)
    base = next((one for one in ranked if one.name == reference), ranked[0])

    def samples(standing: Standing) -> Floats:
        # Their mean varies as the RMSE does.
        return rows[standing.name] if count == 1 else np.array([_rmse(trial) for trial in standing.trials])

    told = [
        replace(
            one,
            error=standard_error(samples(one)),
            difference=one.scores["rmse"] - base.scores["rmse"],
            difference_error=standard_error(samples(one) - samples(base)),
        )
        for one in ranked
    ]
    return Comparison((*told, *(one for one in standings if one.failure)), base.name, count, interrupted)


def _standing(name: str, trials: tuple[Trial, ...]) -> Standing:
    failed = next((trial for trial in trials if trial.failure), None)
    if failed:
        return Standing(name, failure=f"on split {failed.split}: {failed.failure}", trials=trials)
    if not trials:
        return Standing(name, failure="interrupted before it was done")
    judged = [trial.evaluation.scores for trial in trials if trial.evaluation]
    used = [trial.memory for trial in trials if trial.memory is not None]
    return Standing(
        name,
        scores={score: fmean(one[score] for one in judged) for score in judged[0]},
        seconds=fmean(trial.seconds for trial in trials),
        memory=max(used, default=None),
        trials=trials,
    )


def _rmse(trial: Trial) -> float:
    return trial.evaluation.scores["rmse"] if trial.evaluation else float("nan")


def standard_error(values: Floats) -> float:
    """Standard error of a mean; NaN for one value."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
