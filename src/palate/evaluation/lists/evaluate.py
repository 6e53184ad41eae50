"""Judging lists: the whole catalogue ranked for each user, what the user has rated in the training part left out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.cached import cached_property
from palate.errors import PalateWarning, SettingsError
from palate.evaluation.lists.baselines import list_baselines
from palate.evaluation.lists.measures import CutMetric, default_metrics, parse_metrics
from palate.evaluation.lists.ranked import DRAWN, RankedLists, Recommender, offers, rank
from palate.evaluation.lists.task import ListTask
from palate.ranking import check_count
from palate.ratings import Ratings

__all__ = ["Band", "ListEvaluation", "evaluate_lists", "judge_lists"]

Doubles = NDArray[np.float64]
Scores = dict[str, float]


class Band(NamedTuple):
    """About a tenth of the users, or of the items.

    Attributes
    ----------
    low, high
        The fewest and the most training ratings that one of them has.
    size
        How many users, or items.
    scores
        Of users, the mean of each measure over them; of items, "relevant": how often they were liked in the test part,
        and "recall": the share of these that was listed.
    """

    low: int
    high: int
    size: int
    scores: Scores


@dataclass(frozen=True, eq=False)
class ListEvaluation:
    """How good the lists of one recommender are, beside those of the baselines.

    Attributes
    ----------
    task
        Who was judged, and what was relevant.
    ranked
        The lists.
    n
        The length of list that `by_popularity` looks at.
    values
        For each measure that has a value for each user: float64, (m,), in the order of ``task.users``; NaN where it has
        none, such as recall for a user who likes nothing in the test part.
    scores
        All measures by name: the mean over the users who have a value, or the one number for all lists.
    errors
        The standard error of each mean, over users: how far another draw of users would move it.
    baselines
        The same for each of the baselines; empty if they were not asked for.
    notes
        What was guessed or left out: a sentence each.
    """

    task: ListTask
    ranked: RankedLists
    n: int
    values: dict[str, Doubles]
    scores: Scores
    errors: Scores
    baselines: dict[str, ListEvaluation] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"ListEvaluation({len(self.task.users):,} users, {_listed(self.scores)})"

    def __str__(self) -> str:
        columns = {"recommender": self, **self.baselines}
        width = max(map(len, self.scores), default=0)
        lines = [" ".join([" " * width, *(f"{name:>18}" for name in columns)])]
        for name in self.scores:
            cells = (_plus_minus(one.scores[name], one.errors.get(name)) for one in columns.values())
            lines.append(" ".join([f"{name:<{width}}", *(f"{cell:>18}" for cell in cells)]))
        return "\n".join([*lines, f"{len(self.task.users):,} users, ± one standard error over users", *self.notes])

    def as_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain values."""
        return {
            **self.scores,
            "errors": self.errors,
            "users": len(self.task.users),
            "users_with_relevant_items": int((self.task.relevant > 0).sum()),
            "liked": self.task.liked,
            "by_activity": [band._asdict() for band in self.by_activity],
            "by_popularity": [band._asdict() for band in self.by_popularity],
            "baselines": {name: {**one.scores, "errors": one.errors} for name, one in self.baselines.items()},
            "notes": list(self.notes),
        }

    @cached_property
    def by_activity(self) -> tuple[Band, ...]:
        """The measures by tenths of the users, those with the fewest training ratings first."""
        counts = self.task.train.user_counts[self.task.users]
        return tuple(
            Band(low, high, int(rows.sum()), {name: _mean(values[rows]) for name, values in self.values.items()})
            for low, high, rows in _tenths(counts)
        )

    @cached_property
    def by_popularity(self) -> tuple[Band, ...]:
        """Recall@n by tenths of the candidates, those with the fewest training ratings first.

        The relevant items of all users together are the denominator: here each of them counts once, and not each user.
        """
        candidates = np.flatnonzero(self.task.train.item_counts)
        is_listed = np.zeros(len(self.task.relevant_items))
        places = self.ranked.places[:, : self.n]
        is_listed[places[places >= 0]] = 1
        total = np.bincount(self.task.relevant_items, minlength=len(self.task.train.items))[candidates]
        listed = np.bincount(self.task.relevant_items, is_listed, len(self.task.train.items))[candidates]
        bands = []
        for low, high, rows in _tenths(self.task.train.item_counts[candidates]):
            relevant = float(total[rows].sum())
            recall = float(listed[rows].sum()) / relevant if relevant else float("nan")
            bands.append(Band(low, high, int(rows.sum()), {"relevant": relevant, "recall": recall}))
        return tuple(bands)


def evaluate_lists(
    recommender: Recommender,
    train: Ratings,
    test: Ratings,
    *,
    n: int = 10,
    liked: float | None = None,
    metrics: Sequence[str] | None = None,
    baselines: bool = True,
    seed: int = 0,
    threads: int | None = None,
) -> ListEvaluation:
    """Judge lists on ratings that were held out.

    Every item that has a training rating is a candidate for every user; what the user has rated in the training part is
    left out. Everything counts in the test part that the user liked, also items without a training rating, which nobody
    can list. Judged are the users who have ratings in both parts.

    Parameters
    ----------
    recommender
        Anything with ``users``, ``items`` and ``recommend_batch(users, n)``, such as a model fitted on `train`; or a
        function of user indices, int32 (b,), that returns scores of all items, (b, items), both in the order of the
        vocabularies of `train`.
    train, test
        The ratings that the recommender was fitted on, and those that were held out.
    n
        The length of the lists.
    liked
        From which rating on an item is relevant; guessed from the training part if not given (`guess_liked`).
    metrics
        Names such as "ndcg@10" and "auc", see `palate.evaluation.lists.LIST_METRICS`. By default all but the sampled
        ones; those that need scores are left out where the recommender tells none.
    baselines
        Whether to judge the baselines too.
    seed
        Of the random baseline and of sampled measures.
    threads
        As in a solver's `fit`. The number does not change the result.

    Raises
    ------
    SettingsError
        If there is no such measure, or it needs scores and the recommender tells none.
    DataError
        If nobody can be judged, nothing is relevant, or a list holds items that the training part does not know.

    Examples
    --------
    >>> from palate import SGD, datasets, holdout
    >>> train, test = holdout(datasets.make_ratings(users=200, items=50, ratings=4000, seed=1), 0.2)
    >>> result = evaluate_lists(SGD(factors=4).fit(train), train, test, liked=4)
    >>> 0 < result.scores["ndcg@10"] < 1, list(result.baselines)
    (True, ['popularity (liked)', 'popularity (rated)', 'item-kNN', 'random'])
    """
    check_count(n)
    chosen = parse_metrics(default_metrics(n) if metrics is None else metrics)
    missing = [str(metric) for metric in chosen if metric.metric.needs not in offers(recommender)]
    if missing and metrics is not None:
        raise SettingsError(f"{missing[0]} needs the scores of all items, and this recommender has no `score_batch`")
    task = ListTask.of(train, test, liked)
    notes = list(task.notes)
    if missing:
        notes.append(f"{', '.join(missing)}: left out, as the recommender does not tell the scores of all items")
    if sampled := [str(metric) for metric in chosen if metric.metric.needs == "drawn"]:
        notes.append(_warn(sampled))
    offered = [metric for metric in chosen if str(metric) not in missing]
    rivals = list_baselines(train, task.liked, seed=seed, threads=threads) if baselines else {}
    others = {name: judge_lists(rival, task, chosen, n=n, seed=seed, threads=threads) for name, rival in rivals.items()}
    judged = judge_lists(recommender, task, offered, n=n, seed=seed, threads=threads)
    return replace(judged, baselines=others, notes=tuple(notes))


def judge_lists(
    recommender: Recommender,
    task: ListTask,
    metrics: Sequence[CutMetric],
    *,
    n: int = 10,
    seed: int = 0,
    threads: int | None = None,
) -> ListEvaluation:
    """Judge one recommender on a task.

    Parameters
    ----------
    recommender, n, seed, threads
        As in `evaluate_lists`.
    task
        Who is judged, and what is relevant.
    metrics
        Those that the recommender offers, see `parse_metrics`.
    """
    needs = {metric.metric.needs for metric in metrics}
    longest = max([n, *(metric.n for metric in metrics if metric.metric.needs == "lists")])
    ranked = rank(
        recommender,
        task,
        longest,
        needs=needs,
        seed=seed,
        threads=threads,
    )
    values: dict[str, Doubles] = {}
    scores: Scores = {}
    errors: Scores = {}
    for metric in metrics:
        value = metric(ranked)
        if isinstance(value, float):
            scores[str(metric)] = value
        else:
            values[str(metric)], scores[str(metric)] = value, _mean(value)
            errors[str(metric)] = _standard_error(value)
    return ListEvaluation(task, ranked, n, values, scores, errors)


def _warn(names: list[str]) -> str:
    text = (
        f"{', '.join(names)}: ranked among {DRAWN} drawn items instead of the whole catalogue. Such figures are "
        "flattering and can order recommenders differently (Krichene, Rendle 2020): compare them with old papers only"
    )
    warnings.warn(text, PalateWarning, stacklevel=3)
    return text


def _mean(values: Doubles) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _standard_error(values: Doubles) -> float:
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")


def _tenths(counts: NDArray[np.int64]) -> list[tuple[int, int, NDArray[np.bool_]]]:
    """Cut by count into ten parts or fewer, about equal: equal counts stay together."""
    edges = np.unique(np.quantile(counts, np.arange(1, 10) / 10, method="lower")) if len(counts) else np.empty(0)
    part = np.searchsorted(edges, counts)
    masks = [part == number for number in np.unique(part)]
    return [(int(counts[mask].min()), int(counts[mask].max()), mask) for mask in masks]


def _plus_minus(value: float, error: float | None) -> str:
    return f"{value:.4f}" + (f" ± {error:.4f}" if error is not None and np.isfinite(error) else "")


def _listed(scores: Scores) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in list(scores.items())[:3])
