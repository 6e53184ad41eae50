"""Judging a model on ratings that it has not seen: errors, the order among what was rated, and lists."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, PalateWarning
from palate.evaluation.chances import judge_chances
from palate.evaluation.lists import (
    LIST_BASELINES,
    BatchRecommender,
    BlockScores,
    FoldedIn,
    ListEvaluation,
    ListTask,
    default_metrics,
    judge_lists,
    parse_metrics,
)
from palate.evaluation.lists.ranked import offers
from palate.evaluation.lists.task import aligned, are_rated
from palate.evaluation.metrics import METRICS, Judged
from palate.evaluation.metrics.calibration import Reliability
from palate.model import Model
from palate.ratings import Ratings
from palate.reading import ratings_of
from palate.solvers import BASELINES
from palate.solvers.progress import quietly
from palate.tabular import Tabular

__all__ = ["Evaluation", "Scores", "evaluate", "evaluate_scores", "judge", "known_values", "seen_note"]

Scores = dict[str, float]
Indices = NDArray[np.int32]

# Lists are judged for at most this number of users, drawn at random: more take time and change no digit that is shown.
_MOST_USERS = 10_000


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Tabular):
    """Scores on a test part, beside those of the baselines fitted on the same training part.

    Attributes
    ----------
    ratings
        Rows of the test part; all of them count in the errors.
    unknown
        Rows whose user or item has no training rating; they are predicted by the mean plus the known side's bias.
    off_scale
        Rows whose rating lies off the model's scale: they cannot be predicted well.
    seen
        Rows whose user and item are a training pair: the model may have been fitted on these very ratings. They never
        count in lists.
    scores
        By name, those that the model can have. Errors are those of `palate.evaluation.metrics.METRICS`: "rmse", "mae",
        "nmae"; where the model has intervals also "log_likelihood" and "coverage_50" and so on. "rated_ndcg@10" is the
        order among what users did rate. All others are of whole-catalogue lists: "ndcg@10", "recall@20" and so on, see
        `palate.evaluation.lists.LIST_METRICS`.
    unseen_scores
        The errors on the rows that were not seen; empty if none or all were seen.
    baselines
        The same as `scores` for each of `palate.solvers.BASELINES`, which have errors, and of
        `palate.evaluation.lists.LIST_BASELINES`, which have lists. Empty where the model keeps no training ratings.
    lists
        The lists, user by user; None if they could not be judged.
    notes
        What was guessed, left out or is suspicious: a sentence each.
    chances
        Whether chances were right, see `palate.evaluation.chances.judge_chances`: "choice" and "liking". Empty where
        the model has no choice head, or users were folded in.
    """

    ratings: int
    unknown: int
    off_scale: int
    seen: int
    scores: Scores
    unseen_scores: Scores
    baselines: dict[str, Scores]
    lists: ListEvaluation | None
    notes: tuple[str, ...] = ()
    chances: dict[str, Reliability] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain values, None for what cannot be known."""
        lists = self.lists
        values = {
            **self.scores,
            "ratings": self.ratings,
            "unknown": self.unknown,
            "off_scale": self.off_scale,
            "seen": self.seen,
            "unseen": self.unseen_scores,
            "liked": lists.task.liked if lists else None,
            "users": len(lists.task.users) if lists else 0,
            "standard_errors": lists.errors if lists else {},
            "by_activity": [band._asdict() for band in lists.by_activity] if lists else [],
            "by_popularity": [band._asdict() for band in lists.by_popularity] if lists else [],
            "baselines": self.baselines,
            "chances": {name: one.as_dict() for name, one in self.chances.items()},
            "notes": list(self.notes),
        }
        known: dict[str, Any] = known_values(values)
        return known

    def columns(self) -> dict[str, list[Any]]:
        """Return a row for the model and one for each baseline, with their scores."""
        rows = {"model": self.scores, **self.baselines}
        scores = {name: [one.get(name) for one in rows.values()] for name in self.scores}
        return {"name": list(rows), **scores}

    def heading(self) -> str:
        """Say what was judged on."""
        unknown = f", {self.unknown:,} with an unknown user or item" if self.unknown else ""
        return f"Errors on {self.ratings:,} ratings{unknown}"


def known_values(value: Any) -> Any:
    """Replace each number of nested plain values that is not finite by None.

    Examples
    --------
    >>> known_values({"rmse": float("nan"), "folds": [1.0]})
    {'rmse': None, 'folds': [1.0]}
    """
    if isinstance(value, dict):
        return {name: known_values(part) for name, part in value.items()}
    if isinstance(value, list):
        return [known_values(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def evaluate(
    model: Model,
    test: Ratings | Any,
    *,
    given: Ratings | None = None,
    liked: float | None = None,
    baselines: bool = True,
    threads: int | None = None,
) -> Evaluation:
    """Judge a model on ratings that it was not fitted on.

    Parameters
    ----------
    model
        Lists, baselines and the number of seen rows need the training ratings, if the model keeps them.
    test
        Ratings with ids of the model, or whatever `palate.read_ratings` reads. Every row counts, whether its ids are
        known or not.
    given
        Ratings of users whom the model does not know. They are folded in before the other ratings of these users are
        judged, and the baselines know them too.
    liked
        The rating from which an item is relevant for lists; by default `palate.evaluation.lists.guess_liked`.
    baselines
        Whether to fit and judge the baselines too.
    threads
        How many. The number does not change the result.

    Warns
    -----
    PalateWarning
        If training pairs are among the rows.

    Raises
    ------
    DataError
        If the test part is empty, or the model predicts choices and there is nobody whose lists can be judged.

    Examples
    --------
    >>> from palate import SGD, datasets, holdout
    >>> train, test = holdout(datasets.make_ratings(users=100, items=40, ratings=2000, seed=1))
    >>> result = evaluate(SGD(factors=4).fit(train), test)
    >>> result.scores["rmse"] < result.baselines["bias only"]["rmse"], result.seen
    (True, 0)
    >>> "ndcg@10" in result.scores, "ndcg@10" in result.baselines["popularity (liked)"]
    (True, True)
    """
    evaluation = judge(model, ratings_of(test), given=given, liked=liked, baselines=baselines, threads=threads)
    if evaluation.seen:
        warnings.warn(evaluation.notes[0], PalateWarning, stacklevel=2)
    return evaluation


def judge(
    model: Model,
    test: Ratings,
    *,
    given: Ratings | None = None,
    liked: float | None = None,
    baselines: bool = True,
    threads: int | None = None,
) -> Evaluation:
    """Judge a model as `evaluate` does, without a warning: if there are seen rows, the first of the notes says so."""
    if not len(test):
        raise DataError("there are no ratings to judge on")
    recommender: Model | FoldedIn = model if given is None else FoldedIn(model, given)
    known = _known_ratings(recommender)
    is_seen = np.zeros(len(test), bool) if known is None else are_rated(known, *_aligned_rows(known, test))
    task, notes = _task(known, test, liked)
    if task is None and model.predicts != "rating":
        raise DataError(f"this model predicts choices, so it is judged by lists alone: {notes[0]}")
    judged = Judged(recommender, test)
    lists = _lists(recommender, task, threads) if task else None
    seen = int(is_seen.sum())
    if seen:
        notes.insert(0, seen_note(seen, len(test)))
    unseen = Judged(recommender, test.take(~is_seen)) if 0 < seen < len(test) else None
    return Evaluation(
        ratings=len(test),
        unknown=int(((judged.user < 0) | (judged.item < 0)).sum()),
        off_scale=int((test.rating != model.scale.clip(test.rating)).sum()) if model.predicts == "rating" else 0,
        seen=seen,
        scores={**_errors(judged), **(lists.scores if lists else {})},
        unseen_scores=_errors(unseen) if unseen else {},
        baselines=_baselines(known, test, task, threads) if baselines and known else {},
        lists=lists,
        notes=tuple(notes),
        chances=judge_chances(model, task) if task and given is None else {},
    )


def evaluate_scores(
    scores: BlockScores, train: Ratings, test: Ratings, *, liked: float | None = None, threads: int | None = None
) -> Evaluation:
    """Judge scores of items by user index of the training part: they have lists and no errors.

    Raises
    ------
    DataError
        If there is nobody whose lists can be judged.
    """
    task = ListTask.of(train, test, liked, most=_MOST_USERS)
    lists = _lists(scores, task, threads)
    user, item = _aligned_rows(train, test)
    unknown = (user < 0) | (item < 0) | (train.user_counts[user] == 0) | (train.item_counts[item] == 0)
    seen = int(are_rated(train, user, item).sum())
    return Evaluation(len(test), int(unknown.sum()), 0, seen, lists.scores, {}, {}, lists, task.notes)


def _known_ratings(recommender: Model | FoldedIn) -> Ratings | None:
    """Return the ratings that are known when lists are made; None if the model keeps none and none are given."""
    known = recommender.known if isinstance(recommender, FoldedIn) else recommender.ratings()
    if known is None or recommender.predicts == "rating":
        return known
    return replace(known, declared_scale=None)  # the scale of a model of choices says nothing about ratings


def _aligned_rows(known: Ratings, test: Ratings) -> tuple[Indices, Indices]:
    """Return the indices of the test rows' users and items among those that are known, -1 for others."""
    return aligned(known.users, test.users, test.user), aligned(known.items, test.items, test.item)


def seen_note(seen: int, rows: int) -> str:
    """Say what test ratings of fitted pairs do to the errors."""
    return (
        f"{seen:,} of the {rows:,} test ratings are of pairs that the model was fitted on: errors on all ratings look "
        "better than they are on new ones"
    )


def _task(known: Ratings | None, test: Ratings, liked: float | None) -> tuple[ListTask | None, list[str]]:
    """Return what lists are judged on, and notes; None where that is impossible."""
    if known is None:
        return None, ["the model keeps no ratings: neither its lists nor baselines can be judged"]
    try:
        task = ListTask.of(known, test, liked, most=_MOST_USERS)
    except DataError as error:
        return None, [f"lists are not judged: {error}"]
    return task, list(task.notes)


def _lists(recommender: BatchRecommender | BlockScores, task: ListTask, threads: int | None) -> ListEvaluation:
    possible = offers(recommender)
    metrics = [metric for metric in parse_metrics(default_metrics(10)) if metric.metric.needs in possible]
    return judge_lists(recommender, task, metrics, threads=threads)


def _errors(judged: Judged) -> Scores:
    return {name: metric.function(judged) for name, metric in METRICS.items() if metric.applies_to(judged)}


def _baselines(train: Ratings, test: Ratings, task: ListTask | None, threads: int | None) -> dict[str, Scores]:
    """Judge the means by errors and the order of what was rated, and the baselines of lists by lists."""
    scores: dict[str, Scores] = {}
    if not _is_constant(train):
        for name, solver in BASELINES.items():
            with quietly():
                model = solver.fit(train)
            scores[name] = _errors(Judged(model, test))
            if task:
                scores[name] |= judge_lists(model, task, parse_metrics(["rated_ndcg@10"])).scores
    if task:
        for name, baseline in LIST_BASELINES.items():
            fitted = baseline.fit(train, liked=task.liked, threads=threads)
            scores[name] = _lists(fitted, task, threads).scores
    return scores


def _is_constant(train: Ratings) -> bool:
    return bool(train.rating.min() == train.rating.max())
