"""Searching for better settings of a solver, and saying honestly whether they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from hashlib import sha256
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, SettingsError
from palate.evaluation.bootstrap import paired_bootstrap
from palate.evaluation.cross_validate import Estimator
from palate.evaluation.lists import evaluate_lists, guess_liked, parse_metrics, require_liked
from palate.evaluation.tune.search import (
    Search,
    Trial,
    best_trial,
    is_pruned,
    open_study,
    optuna_at_hand,
    space_of,
    start_trial,
)
from palate.model import Model
from palate.ratings import Ratings
from palate.solvers import Solver, settings
from palate.solvers.progress import quietly
from palate.splits import Split, holdout, k_fold

__all__ = ["Tuning", "tune"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tuning:
    """What a search found.

    Attributes
    ----------
    solver, start
        With the best settings on the folds, and with the settings that the search began with.
    metric
        "rmse", or a measure of lists.
    score, start_score
        The mean of both over the folds. The best of many trials looks better here than it is.
    test, start_test
        The figures of both on the test part, which nothing was chosen on.
    difference, low, high, p_value
        The test figure's mean difference, of squared errors or of the measure, its 95% interval, and the p value of a
        paired bootstrap over rows or users.
    model
        Of `solver`, fitted on all ratings but the test part.
    trials, pruned, failed
        How many were tried in all, given up early, and could not be fitted.
    seconds
        Of this search.
    """

    solver: Solver
    start: Solver
    metric: str
    score: float
    start_score: float
    test: float
    start_test: float
    difference: float
    low: float
    high: float
    p_value: float
    model: Model
    trials: int
    pruned: int
    failed: int
    seconds: float

    @property
    def has_improved(self) -> bool:
        """Whether the test part confirms that the settings are better than those that the search began with."""
        return self.high < 0 if self.metric == "rmse" else self.low > 0

    @property
    def changes(self) -> dict[str, Any]:
        """The settings in which the best solver differs from the one that the search began with."""
        values = {setting.name: setting.default for setting in settings(self.solver)}
        return {one.name: values[one.name] for one in settings(self.start) if values[one.name] != one.default}

    def __str__(self) -> str:
        figures = f"{self.metric} {self.test:.4f} on the test part, {self.start_test:.4f} with the settings before"
        if not self.changes:
            return f"{self.trials} trials, and none was better than the settings before: {figures}"
        verdict = "better than the settings before" if self.has_improved else "NOT shown to be better than before"
        chosen = ", ".join(f"{name} {_short(value)}" for name, value in self.changes.items())
        return f"{chosen}: {verdict} (p {self.p_value:.2g}); {figures}; {self.trials} trials, {self.pruned} cut short"

    def as_dict(self) -> dict[str, Any]:
        """Return the tuning as plain values."""
        return {
            "solver": self.solver.record(),
            "changes": self.changes,
            "metric": self.metric,
            "folds_score": self.score,
            "folds_score_before": self.start_score,
            "test": self.test,
            "test_before": self.start_test,
            "difference": self.difference,
            "interval": [self.low, self.high],
            "p_value": self.p_value,
            "improved": self.has_improved,
            "trials": self.trials,
            "pruned": self.pruned,
            "failed": self.failed,
            "seconds": self.seconds,
        }


def tune(
    ratings: Ratings,
    solver: Solver,
    *,
    metric: str = "rmse",
    budget: float = 300.0,
    trials: int | None = None,
    fixed: Collection[str] = (),
    folds: int = 5,
    share: float = 0.1,
    liked: float | None = None,
    study: str | Path | None = None,
    seed: int = 0,
    heads: Callable[[Solver], Estimator] | None = None,
    threads: int | None = None,
    done: Callable[[Trial], None] | None = None,
) -> Tuning:
    """Search for better settings of a solver.

    A random share of the ratings is kept for the very end. The others are cut into folds, and Optuna's
    tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for hyper-parameter optimization") proposes
    settings, which are judged on the folds one after the other. A trial is given up as soon as a paired test (Wilcoxon)
    over the parts of the folds says that it is worse than the best so far. The best settings and those that the search
    began with are then fitted on all folds together and compared on the part that was kept.

    Parameters
    ----------
    ratings
        The table.
    solver
        With the settings that the search begins with.
    metric
        "rmse", or a measure of lists with a value for each user, such as "ndcg@10".
    budget
        Seconds. No fit begins that would end later, as far as earlier fits tell; the first settings are always judged.
    trials
        How many at most, with those that the study holds already.
    fixed
        Names of settings that stay as they are.
    folds, share
        How many folds, and the share of the ratings that is kept for the end.
    liked
        From which rating on an item counts in lists; guessed from the ratings of the folds if not given.
    study
        An SQLite file. It is written after each fold, and a search goes on from it if it exists; one process at a time.
    seed
        Of the parts and the proposals.
    heads
        Returns what is fitted in the place of a solver whose lists are judged, such as `palate.workflow.BothHeads`: the
        lists of `palate.workflow.fit` are ranked by interest, those of a solver of ratings alone by prediction.
    threads
        As in the solver's `fit`.
    done
        Called after each trial.

    Raises
    ------
    SettingsError
        If the solver declares nothing to search for, the metric does not suit the solver, or the study is of another
        search.
    MissingExtraError
        If Optuna is not installed.
    StorageError
        If the study cannot be read or written.
    DataError
        If there are too few ratings to cut folds from, or the settings to begin with cannot be fitted.

    Examples
    --------
    >>> from palate import SGD, datasets
    >>> ratings = datasets.make_ratings(users=100, items=40, ratings=2000, seed=1)
    >>> result = tune(ratings, SGD(epochs=5), trials=3, folds=2)
    >>> result.trials, sorted(result.changes) in ([], ["factors", "learning_rate", "regularization"])
    (3, True)
    """
    space = space_of(solver, fixed)
    started = time.monotonic()
    train, test = holdout(ratings, share, seed=seed)
    threshold = guess_liked(train) if liked is None else require_liked(liked)
    judge = _judge_of(metric, solver, threshold)
    if len(train) < folds:
        raise DataError(
            f"{len(ratings):,} ratings are too few to search settings on: a test part and {folds} folds are cut off"
        )
    splits = list(k_fold(train, folds, seed=seed))
    description = {
        "solver": solver.record(),
        "metric": metric,
        "fixed": sorted(fixed),
        "folds": folds,
        "share": share,
        "liked": threshold,
        "seed": seed,
        "table": _digest(ratings),
    }

    def fit(tried: Solver, table: Ratings) -> Model:
        return _fit(tried if heads is None or metric == "rmse" else heads(tried), table, threads)

    def judge_fold(tried: Solver, fold: int) -> Doubles:
        return judge(fit(tried, splits[fold].train), splits[fold])

    search = Search(solver, space, folds, judge_fold, started + budget)
    with optuna_at_hand():
        opened = open_study(study, description, "minimize" if metric == "rmse" else "maximize", seed)
        search.run(opened, trials, done)
        best, all_trials = best_trial(opened, search.failure), opened.trials
        start = start_trial(opened)
    chosen = solver if best.number == start.number else replace(solver, **best.params)
    model = fit(chosen, train)
    values = judge(model, Split(train, test))
    before = values if chosen == solver else judge(fit(solver, train), Split(train, test))
    _, low, high, p_value = paired_bootstrap(values - before, seed=seed)
    return Tuning(
        solver=chosen,
        start=solver,
        metric=metric,
        score=_figure(metric, best.value),
        start_score=_figure(metric, start.value),
        test=_figure(metric, float(values.mean())),
        start_test=_figure(metric, float(before.mean())),
        difference=float((values - before).mean()),
        low=low,
        high=high,
        p_value=p_value,
        model=model,
        trials=len(all_trials),
        pruned=sum(map(is_pruned, all_trials)),
        failed=sum(one.value is None for one in all_trials),
        seconds=time.monotonic() - started,
    )


# Returns a value for each row (squared errors) or user of the test part; the same rows or users for every model.
_Judge = Callable[[Model, Split], Doubles]


def _judge_of(metric: str, solver: Solver, liked: float) -> _Judge:
    if metric == "rmse":
        if solver.predicts != "rating":
            raise SettingsError(f"the solver {solver.name!r} does not predict ratings: tune it by ndcg@10, not by rmse")
        return lambda model, split: np.square(
            split.test.rating.astype(np.float64) - model.predict_table(split.test), dtype=np.float64
        )
    parsed = parse_metrics([metric])[0].metric
    if parsed.higher_is_better is None or parsed.needs != "lists":
        raise SettingsError(f"{metric} cannot be tuned by: take rmse, ndcg@10, recall@20 or the like")

    def judge(model: Model, split: Split) -> Doubles:
        judged = evaluate_lists(model, *split, liked=liked, metrics=[metric], baselines=False)
        values = judged.values[metric]
        return values[~np.isnan(values)]

    return judge


def _fit(estimator: Estimator, train: Ratings, threads: int | None) -> Model:
    with quietly():
        model = estimator.fit(train, threads=threads)
    if model.training.get("interrupted"):
        raise KeyboardInterrupt  # a fit that was cut short must not be judged
    return model


def _figure(metric: str, value: float) -> float:
    return sqrt(value) if metric == "rmse" else value


def _digest(ratings: Ratings) -> str:
    digest = sha256(f"{len(ratings.users)} {len(ratings.items)}".encode())
    for column in (ratings.user, ratings.item, ratings.rating):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
