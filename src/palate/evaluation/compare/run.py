"""Fitting solvers on the same training parts, and judging them on the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from math import isfinite
from typing import Any, Protocol

import numpy as np

from palate.errors import DataError, PalateError, SettingsError
from palate.evaluation.compare.results import Comparison, Floats, SplitResult, summarize
from palate.evaluation.evaluate import Evaluation, evaluate_scores, judge
from palate.evaluation.lists import LIST_BASELINES, BlockScores, FoldedIn, ListBaseline
from palate.memory import watch
from palate.model import Model
from palate.ratings import Ratings
from palate.reading import ratings_of
from palate.solvers import BASELINES, SOLVERS, Solver
from palate.solvers.progress import quietly
from palate.splits import Split, UserSplit

__all__ = ["compare", "solvers_to_compare"]


class Contender(Protocol):
    """What can be fitted and then judged: a solver, or a baseline."""

    def fit(self, ratings: Ratings, *, threads: int | None = None) -> Model | BlockScores: ...


# How many rows are fitted before the clock starts, to load the kernels.
_WARM_UP_ROWS = 200
# Solvers of choices that are compared by their lists, beside those that predict ratings.
_LISTED = ("implicit", "ease")


def solvers_to_compare(names: Sequence[str] = (), *, seed: int = 0) -> dict[str, Contender]:
    """Return the solvers to compare by name, then the baselines.

    Parameters
    ----------
    names
        Of `SOLVERS`; by default `SOLVERS.compared()`, and the solvers of choices "implicit" and "ease", which have
        lists and no errors.
    seed
        Of every solver that has one.

    Raises
    ------
    SettingsError
        If a name is unknown.

    Examples
    --------
    >>> list(solvers_to_compare(["sgd"]))[:5]
    ['sgd', 'global mean', 'item mean', 'user mean', 'bias only']
    """
    for name in names:
        if name not in SOLVERS:
            raise SettingsError(f"there is no solver {name!r} to compare: choose from {', '.join(SOLVERS)}")
    chosen = names or [*SOLVERS.compared(), *(name for name in _LISTED if name not in SOLVERS.compared())]
    return {**{name: _seeded(SOLVERS[name], seed) for name in chosen}, **BASELINES, **LIST_BASELINES}


def _seeded(solver: Solver, seed: int) -> Solver:
    changes: dict[str, Any] = {"seed": seed}
    return replace(solver, **changes) if any(field.name == "seed" for field in fields(solver)) else solver


def compare(
    solvers: Mapping[str, Contender],
    splits: Iterable[Split | UserSplit],
    *,
    liked: float | None = None,
    threads: int | None = None,
    reference: str | None = None,
    begun: Callable[[str, int], None] | None = None,
    done: Callable[[SplitResult], None] | None = None,
) -> Comparison:
    r"""Fit all solvers on the training part of each split, and judge them on the same test parts.

    The standard error of a mean RMSE over several splits is that of the mean of their RMSEs; it is somewhat too small,
    as the training parts overlap. With one split it comes from its n rows: the RMSE is the root of a mean, so by the
    delta method it has the standard error of the mean of :math:`e^2 / (2\,\mathrm{RMSE})`. Differences are paired: the
    same is done with the difference, split by split or row by row, so that what is hard for all cancels. Lists are
    compared by NDCG@10, by a bootstrap over users with Holm's correction: see `palate.evaluation.compare_lists`.

    Parameters
    ----------
    solvers
        By name; `palate.SOLVERS`, `palate.BASELINES` and `palate.evaluation.lists.LIST_BASELINES` hold some.
    splits
        From `palate.splits`, or made from files. New users' given ratings are folded in.
    liked
        The rating from which an item is relevant for lists; guessed in each training part if not given.
    threads
        As in the solvers' `fit`.
    reference
        The name that the differences are taken from, by default the one with the lowest RMSE, and for lists the one
        with the highest NDCG@10.
    begun, done
        Called before each fit with the name and the number of the split, and after it with the result.

    Returns
    -------
    Comparison
        A solver that fails is shown with its reason and is not tried again; the others go on. Ctrl-C ends the
        comparison and returns what was finished.

    Raises
    ------
    SettingsError
        If the reference is none of the solvers.
    DataError
        If there are no solvers or no splits, or a test part is empty.

    Examples
    --------
    >>> from palate import BASELINES, SGD, datasets, k_fold
    >>> ratings = datasets.make_ratings(users=100, items=40, ratings=2000, seed=1)
    >>> result = compare({"sgd": SGD(factors=4), **BASELINES}, k_fold(ratings, 3))
    >>> result.reference, result["global mean"].difference > 3 * result["global mean"].difference_error
    ('sgd', True)
    """
    if reference is not None and reference not in solvers:
        raise SettingsError(f"the reference {reference!r} is not compared: choose from {', '.join(solvers)}")
    results: list[SplitResult] = []
    first_rows: dict[str, Floats] = {}
    interrupted = False
    try:
        for number, split in enumerate(map(_named, splits), 1):
            if not len(split.test):
                raise DataError(f"split {number} has no ratings to judge on")
            failed = {result.name for result in results if result.failure}
            for name, solver in solvers.items():
                if name in failed:
                    continue
                if begun:
                    begun(name, number)
                result, rows = _fit_and_judge(name, solver, number, split, liked, threads)
                results.append(result)
                if rows is not None:
                    first_rows[name] = rows
                if done:
                    done(result)
    except KeyboardInterrupt:
        if not results:
            raise
        interrupted = True
    if not results:
        raise DataError("there are no solvers, or no splits, to compare")
    return summarize(list(solvers), _finished(results, len(solvers)), first_rows, reference, interrupted)


def _fit_and_judge(
    name: str, solver: Contender, number: int, split: Split | UserSplit, liked: float | None, threads: int | None
) -> tuple[SplitResult, Floats | None]:
    """Fit and judge once; of the first split return also what each row adds to the RMSE."""
    started, memory = time.perf_counter(), None
    try:
        if number == 1:
            _warm_up(solver, split.train, liked, threads)
        # A copy lacks the groupings that an earlier fit has left in the table, so that no solver gains by another.
        train = replace(_training_part(solver, split))
        growth, started = watch(), time.perf_counter()
        model = _fit(solver, train, liked, threads)
        seconds, memory = time.perf_counter() - started, growth()
        evaluation = _judge(model, train, split, liked, threads)
        if not isfinite(evaluation.scores.get("rmse", 0.0)):
            raise DataError("it predicts what is no number")
        rows = _contributions(model, split) if number == 1 and "rmse" in evaluation.scores else None
        return SplitResult(name, number, seconds, memory, evaluation), rows
    except Exception as error:  # whatever it is, it must not cost the others, and the table shows it
        message = str(error) if isinstance(error, PalateError) else f"{type(error).__name__}: {error}"
        failure = " ".join(message.split())
        return SplitResult(name, number, time.perf_counter() - started, memory, None, failure), None


def _named(split: Any) -> Split | UserSplit:
    parts = map(ratings_of, split)
    return UserSplit._make(parts) if isinstance(split, UserSplit) else Split._make(parts)


def _training_part(solver: Contender, split: Split | UserSplit) -> Ratings:
    """Return what a solver is fitted on: baselines of lists cannot fold users in, so they know their given ratings."""
    return split.known if isinstance(split, UserSplit) and isinstance(solver, ListBaseline) else split.train


def _judge(
    model: Model | BlockScores, train: Ratings, split: Split | UserSplit, liked: float | None, threads: int | None
) -> Evaluation:
    if not isinstance(model, Model):
        return evaluate_scores(model, train, split.test, liked=liked, threads=threads)
    given = split.given if isinstance(split, UserSplit) else None
    return judge(model, split.test, given=given, liked=liked, baselines=False, threads=threads)


def _fit(solver: Contender, train: Ratings, liked: float | None, threads: int | None) -> Model | BlockScores:
    if isinstance(solver, ListBaseline):
        return solver.fit(train, liked=liked, threads=threads)
    with quietly():
        model = solver.fit(train, threads=threads)
    if isinstance(model, Model) and model.training.get("interrupted"):
        raise KeyboardInterrupt  # a fit that was cut short must not be judged
    return model


def _warm_up(solver: Contender, train: Ratings, liked: float | None, threads: int | None) -> None:
    # Loading kernels, or compiling them, takes longer than fitting a small table, and would count as the solver's time.
    some = train.take(np.arange(0, len(train), max(1, len(train) // _WARM_UP_ROWS)))
    with suppress(Exception):  # the fit itself will show the fault
        _fit(solver, some, liked, threads)


def _contributions(model: Any, split: Split | UserSplit) -> Floats:
    """Return what each row adds to the RMSE: its squared error over twice the RMSE."""
    predictor = FoldedIn(model, split.given) if isinstance(split, UserSplit) else model
    squares = np.square(split.test.rating.astype(np.float64) - predictor.predict_table(split.test))
    root = float(np.sqrt(squares.mean()))
    return squares / (2 * root) if root else squares


def _finished(results: list[SplitResult], solvers: int) -> list[SplitResult]:
    """Leave out a last split that was not finished, so that all means are over the same; the first is kept."""
    last = results[-1].split
    seen = sum(result.split == last or result.failure is not None for result in results)
    if last == 1 or seen == solvers:
        return results
    return [result for result in results if result.split < last or result.failure]
