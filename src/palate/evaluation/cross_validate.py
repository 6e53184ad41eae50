"""Judging a solver on several folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, stdev
from typing import Any, Protocol

from palate.errors import DataError
from palate.evaluation.evaluate import Evaluation, Scores, judge, known_values
from palate.model import Model
from palate.ratings import Ratings
from palate.reading import ratings_of
from palate.solvers.progress import quietly
from palate.splits import Split, UserSplit
from palate.tabular import Tabular

__all__ = ["CrossValidation", "Estimator", "cross_validate"]


class Estimator(Protocol):
    """What can be fitted and then judged: a solver, or one of `palate.solvers.BASELINES`."""

    def fit(self, ratings: Ratings, *, threads: int | None = None) -> Model: ...  # noqa: D102


@dataclass(frozen=True, repr=False)
class CrossValidation(Tabular):
    """Evaluations of one solver on several folds, or on several splits of another kind."""

    folds: tuple[Evaluation, ...]

    @property
    def mean(self) -> Scores:
        """The mean of each score over the folds."""
        return _over(fmean, [fold.scores for fold in self.folds])

    @property
    def spread(self) -> Scores:
        """The standard deviation of each score over the folds (NaN for one fold, and of what is not a number)."""
        return _over(_deviation, [fold.scores for fold in self.folds])

    @property
    def baselines(self) -> dict[str, Scores]:
        """The mean scores of the baselines."""
        names = dict.fromkeys(name for fold in self.folds for name in fold.baselines)
        return {name: _over(fmean, [fold.baselines.get(name, {}) for fold in self.folds]) for name in names}

    def columns(self) -> dict[str, list[Any]]:
        """Return a row for each fold, and below them the mean of the folds and of the baselines, with their scores."""
        rows = {f"fold {number}": fold.scores for number, fold in enumerate(self.folds, 1)}
        rows |= {"mean": self.mean, **self.baselines}
        return {"name": list(rows), **{name: [one.get(name) for one in rows.values()] for name in self.mean}}

    def heading(self) -> str:
        """Say how many folds there were."""
        return f"Errors over {len(self.folds)} fold{'s' * (len(self.folds) != 1)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the cross-validation as plain values, None for what cannot be known."""
        values: dict[str, Any] = known_values(
            {
                **self.mean,
                "spread": self.spread,
                "seen": sum(fold.seen for fold in self.folds),
                "liked": [fold.lists.task.liked for fold in self.folds if fold.lists],
                "baselines": self.baselines,
                "folds": [fold.as_dict() for fold in self.folds],
            }
        )
        return values


def _over(summary: Callable[[list[float]], float], scores: list[Scores]) -> Scores:
    """Summarize each score over the folds that have it."""
    names = dict.fromkeys(name for one in scores for name in one)
    return {name: summary([one[name] for one in scores if name in one]) for name in names}


def _deviation(values: list[float]) -> float:
    # Without a width of the scale, as where all ratings are equal, the NMAE is not a number.
    return stdev(values) if len(values) > 1 and all(map(isfinite, values)) else float("nan")


def cross_validate(
    solver: Estimator,
    splits: Iterable[Split | UserSplit],
    *,
    liked: float | None = None,
    threads: int | None = None,
    done: Callable[[Evaluation, Model], None] | None = None,
) -> CrossValidation:
    """Fit a solver on the training part of each split and judge it on the test part.

    Parameters
    ----------
    solver
        Its settings are the same on all splits; what it chooses by itself, it chooses inside each training part.
    splits
        From `palate.splits`, or made from files. New users' given ratings are folded in.
    liked
        As in `evaluate`.
    threads
        As in the solver's `fit`.
    done
        Called after each fold with its evaluation and its model.

    Raises
    ------
    DataError
        If there are no splits.

    Examples
    --------
    >>> from palate import SGD, datasets, k_fold
    >>> ratings = datasets.make_ratings(users=100, items=40, ratings=2000, seed=1)
    >>> result = cross_validate(SGD(factors=4), k_fold(ratings, 2))
    >>> result.mean["rmse"] < result.baselines["global mean"]["rmse"]
    True
    """
    folds = []
    for split in splits:
        train, given, test = split[:3] if len(split) == 4 else (split[0], None, split[1])
        test = ratings_of(test)
        with quietly():
            model = solver.fit(train, threads=threads)
        if model.training.get("interrupted"):
            raise KeyboardInterrupt  # a fold that was cut short must not enter the means
        folds.append(judge(model, test, given=given, liked=liked, threads=threads))
        if done:
            done(folds[-1], model)
    if not folds:
        raise DataError("there are no folds to validate on")
    return CrossValidation(tuple(folds))
