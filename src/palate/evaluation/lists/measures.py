"""The table of measures of lists. A measure is a function and its entry here; nothing else lists measures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.evaluation.lists.ranked import DRAWN, Need, RankedLists
from palate.evaluation.metrics import catalogue, ranking

__all__ = ["LIST_METRICS", "CutMetric", "ListMetric", "default_metrics", "parse_metrics"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class ListMetric:
    """A number that says how good lists are, or what they hold.

    Parameters
    ----------
    name
        Without the cut: "ndcg" of "ndcg@10".
    title
        The heading of its column, without the cut.
    function
        Of the lists and the cut n; returns float64 (m,), a value for each user, or one number for all lists.
    higher_is_better
        None where neither is better by itself.
    meaning
        What it measures, for people who read the table.
    is_cut
        Whether it looks at the first n ranks, and its name ends with @n.
    needs
        What it looks at.
    """

    name: str
    title: str
    function: Callable[[RankedLists, int], Doubles | float]
    higher_is_better: bool | None
    meaning: str
    is_cut: bool = True
    needs: Need = "lists"


@dataclass(frozen=True)
class CutMetric:
    """A measure and its cut, such as ndcg@10.

    Attributes
    ----------
    n
        0 where the measure has no cut.
    """

    metric: ListMetric
    n: int

    def __str__(self) -> str:
        return f"{self.metric.name}@{self.n}" if self.n else self.metric.name

    @property
    def name(self) -> str:
        """The key of the score, in Python and in JSON."""
        return str(self)

    @property
    def title(self) -> str:
        """The heading of its column."""
        return f"{self.metric.title}@{self.n}" if self.n else self.metric.title

    @property
    def higher_is_better(self) -> bool | None:
        """None where neither is better by itself."""
        return self.metric.higher_is_better

    @property
    def meaning(self) -> str:
        """What it measures, for people who read the table."""
        return self.metric.meaning

    @property
    def form(self) -> str:
        """How the score is printed, as in `format`."""
        return ".4f"

    def __call__(self, ranked: RankedLists) -> Doubles | float:
        """Return the values of all users, float64 (m,), or one number for all lists."""
        return self.metric.function(ranked, self.n)


def _of_hits(function: Callable[..., Doubles]) -> Callable[[RankedLists, int], Doubles]:
    return lambda ranked, n: function(ranked.hits, ranked.task.relevant, n)


def _auc(ranked: RankedLists, n: int) -> Doubles:
    return np.empty(0) if ranked.auc is None else ranked.auc


def _rated_ndcg(ranked: RankedLists, n: int) -> Doubles:
    task = ranked.task
    scores = np.empty(0) if ranked.rated_scores is None else ranked.rated_scores
    gains = np.maximum(task.ratings - np.float32(task.train.scale.low), 0)
    return ranking.rated_ndcg(scores, gains, task.rated_indptr, n)


def _diversity(ranked: RankedLists, n: int) -> Doubles:
    raters = ranked.task.train.by_item
    return catalogue.diversity(ranked.lists[:, :n], raters.indptr, raters.indices, len(ranked.task.train.users))


def _drawn(value: Callable[[NDArray[np.int32], int], Doubles]) -> Callable[[RankedLists, int], Doubles]:
    """Average over the relevant items of each user a value of their ranks among drawn items."""

    def average(ranked: RankedLists, n: int) -> Doubles:
        task = ranked.task
        ranks = np.empty(0, np.int32) if ranked.drawn_ranks is None else ranked.drawn_ranks
        with np.errstate(divide="ignore"):
            values = np.where((ranks > 0) & (ranks <= n), value(ranks, n), 0.0)
        rows = np.repeat(np.arange(len(task.users)), np.diff(task.relevant_indptr))
        sums = np.bincount(rows, values, len(task.users))
        means: Doubles = np.divide(sums, task.relevant, out=np.full(len(sums), np.nan), where=task.relevant > 0)
        return means

    return average


_AMONG = f"each relevant item among {DRAWN} drawn ones; flatters, only for comparison with old papers"

_ALL = (
    ListMetric("ndcg", "NDCG", _of_hits(ranking.ndcg), True, "relevant items in the list, the top counts most"),
    ListMetric("recall", "recall", _of_hits(ranking.recall), True, "share of the relevant items that is in the list"),
    ListMetric("precision", "precision", _of_hits(ranking.precision), True, "share of the list that is relevant"),
    ListMetric("map", "MAP", _of_hits(ranking.average_precision), True, "mean average precision"),
    ListMetric("mrr", "MRR", _of_hits(ranking.reciprocal_rank), True, "mean of 1 / rank of the first hit"),
    ListMetric("hit_rate", "hit rate", _of_hits(ranking.hit_rate), True, "share of users with a hit"),
    ListMetric(
        "auc",
        "AUC",
        _auc,
        True,
        "chance that a relevant item outranks another",
        is_cut=False,
        needs="scores",
    ),
    ListMetric("rated_ndcg", "rated NDCG", _rated_ndcg, True, "order among the user's held-out ratings", needs="rated"),
    ListMetric(
        "coverage",
        "coverage",
        lambda ranked, n: catalogue.coverage(ranked.lists[:, :n], ranked.task.train.item_counts),
        None,
        "share of the catalogue that is in a list at all",
    ),
    ListMetric(
        "gini",
        "Gini",
        lambda ranked, n: catalogue.gini(ranked.lists[:, :n], ranked.task.train.item_counts),
        None,
        "0 if all items are listed alike, near 1 if lists are all the same",
    ),
    ListMetric(
        "novelty",
        "novelty",
        lambda ranked, n: catalogue.novelty(
            ranked.lists[:, :n], ranked.task.train.item_counts, int((ranked.task.train.user_counts > 0).sum())
        ),
        None,
        "mean self-information of what is listed, in bits",
    ),
    ListMetric(
        "popularity_share",
        "popular",
        lambda ranked, n: catalogue.popularity_share(ranked.lists[:, :n], ranked.task.train.item_counts),
        None,
        "share of the list that is among the most popular tenth of the items",
    ),
    ListMetric("diversity", "diversity", _diversity, None, "1 - mean cosine of the pairs in a list"),
    ListMetric(
        "ndcg_sampled", "NDCG, drawn", _drawn(lambda ranks, n: 1 / np.log2(ranks + 1.0)), True, _AMONG, needs="drawn"
    ),
    ListMetric(
        "hit_rate_sampled",
        "sampled hit rate",
        _drawn(lambda ranks, n: np.ones(len(ranks))),
        True,
        _AMONG,
        needs="drawn",
    ),
    ListMetric("mrr_sampled", "MRR, drawn", _drawn(lambda ranks, n: 1 / ranks), True, _AMONG, needs="drawn"),
)

#: Every measure of lists by name, in the order of the columns of a report.
LIST_METRICS: dict[str, ListMetric] = {metric.name: metric for metric in _ALL}


def default_metrics(n: int) -> tuple[str, ...]:
    """Return the names of all measures but the sampled ones, at n; recall at twice n.

    Examples
    --------
    >>> default_metrics(10)[:3]
    ('ndcg@10', 'recall@20', 'precision@10')
    """
    cuts = {"recall": 2 * n}
    return tuple(
        f"{metric.name}@{cuts.get(metric.name, n)}" if metric.is_cut else metric.name
        for metric in _ALL
        if metric.needs != "drawn"
    )


def parse_metrics(names: Iterable[str]) -> list[CutMetric]:
    """Read names such as "ndcg@10" and "auc".

    Raises
    ------
    SettingsError
        If there is no such measure, or its cut is missing or no count.

    Examples
    --------
    >>> [metric.n for metric in parse_metrics(["ndcg@10", "auc"])]
    [10, 0]
    """
    return [_parse(name) for name in names]


def _parse(text: str) -> CutMetric:
    name, mark, cut = text.partition("@")
    metric = LIST_METRICS.get(name)
    if metric is None:
        raise SettingsError(f"there is no measure of lists {name!r}: choose from {', '.join(LIST_METRICS)}")
    if not metric.is_cut:
        if mark:
            raise SettingsError(f"{name} looks at all ranks: write {name}, not {text}")
        return CutMetric(metric, 0)
    if not cut.isdecimal() or not 0 < int(cut) < 1 << 20:
        raise SettingsError(f"{name} looks at the first ranks of a list: write for example {name}@10, not {text}")
    return CutMetric(metric, int(cut))
