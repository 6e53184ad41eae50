"""From a recommender to the arrays that measures of lists look at."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.cached import cached_property
from palate.errors import DataError
from palate.evaluation.lists.task import Indices, ListTask
from palate.evaluation.metrics.ranking import auc
from palate.parallel import Run, pool
from palate.ratings import Ratings, Vocabulary

__all__ = [
    "DRAWN",
    "BatchRecommender",
    "BlockScores",
    "Need",
    "RankedLists",
    "Recommender",
    "ScoringRecommender",
    "offers",
    "rank",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: A function of user indices, int32 (b,), that returns a score for each item, (b, items); NaN is not to be listed.
BlockScores = Callable[[Indices], NDArray[np.floating]]

#: The number of drawn items among which sampled measures rank a relevant item.
DRAWN = 100
# Numbers in a block of scores: 16 MiB.
_CELLS = 1 << 22
_NO_MASK, _NO_ITEMS = np.empty(0, np.bool_), np.empty(0, np.int32)


@runtime_checkable
class BatchRecommender(Protocol):
    """What makes lists for many users at once, such as a model."""

    @property
    def users(self) -> Vocabulary: ...  # noqa: D102
    @property
    def items(self) -> Vocabulary: ...  # noqa: D102

    def recommend_batch(self, users: ArrayLike, n: int = 10) -> tuple[Indices, Floats]: ...  # noqa: D102


@runtime_checkable
class ScoringRecommender(BatchRecommender, Protocol):
    """A `BatchRecommender` that tells the scores behind its lists, too; measures such as `auc` need them."""

    def score_batch(self, users: ArrayLike) -> Floats:
        """Return the scores of all items for these ids, float32 (len(users), len(items))."""


Recommender = BatchRecommender | BlockScores

#: What a measure looks at: lists; scores of the test ratings; scores of all items; ranks among drawn items.
Need = Literal["lists", "rated", "scores", "drawn"]


@dataclass(frozen=True, eq=False)
class RankedLists:
    """The lists of all users of a task, and what is known of the scores behind them.

    Attributes
    ----------
    lists
        int32, (m, N): item indices of the training part, best first, -1 where fewer items are left.
    auc
        float64, (m,); None where the recommender tells no scores.
    rated_scores
        float32, like ``task.ratings``: predictions or scores of the test ratings; None if it tells neither.
    drawn_ranks
        int32, like ``task.relevant_items``: see `palate.kernels.lists.rank_among_drawn`; None if not asked for.
    """

    task: ListTask
    lists: Indices
    auc: Doubles | None = None
    rated_scores: Floats | None = None
    drawn_ranks: Indices | None = None

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """The place in ``task.relevant_items`` of each listed item, int64 like `lists`; -1 if it is not relevant."""
        indptr = self.task.relevant_indptr
        return _matched(self.lists, indptr[:-1], indptr[1:], self.task.relevant_items)

    @cached_property
    def hits(self) -> NDArray[np.bool_]:
        """Which ranks hold a relevant item, bool like `lists`."""
        return self.places >= 0


def offers(recommender: Recommender) -> frozenset[Need]:
    """Return what a recommender can be judged by."""
    if not isinstance(recommender, BatchRecommender) or isinstance(recommender, ScoringRecommender):
        return frozenset(get_args(Need))
    return frozenset({"lists", "rated"} if hasattr(recommender, "predict_table") else {"lists"})


def rank(
    recommender: Recommender,
    task: ListTask,
    n: int,
    *,
    needs: Collection[Need] = ("lists", "rated", "scores"),
    seed: int = 0,
    threads: int | None = None,
) -> RankedLists:
    """Make the lists of n items for all users of a task.

    Parameters
    ----------
    recommender
        A `BatchRecommender` or `BlockScores`.
    needs
        What to collect, of what the recommender offers. Test ratings get predicted ratings from a recommender that
        predicts them, and the scores that lists are ranked by from others.
    seed
        Of the draws.
    threads
        As in a solver's `fit`.

    Raises
    ------
    DataError
        If a list holds an item that the training part does not know, or scores have another shape.
    """
    if not isinstance(recommender, BatchRecommender):
        return _score_blocks(recommender, task, n, "drawn" in needs, seed, threads)
    predict = getattr(recommender, "predict_table", None) if _predicts_ratings(recommender) else None
    rated_scores = _predicted(predict, task) if predict and "rated" in needs else None
    needs_scores = set(needs) & {"scores", "drawn"} or ("rated" in needs and rated_scores is None)
    if needs_scores and isinstance(recommender, ScoringRecommender):
        # The lists follow from the scores: asking for both would compute all scores twice.
        ranked = _score_blocks(_batch_scores(recommender, task), task, n, "drawn" in needs, seed, threads)
        return ranked if rated_scores is None else replace(ranked, rated_scores=rated_scores)
    lists = _from_batch(recommender, task, n) if "lists" in needs else np.empty((len(task.users), 0), np.int32)
    return RankedLists(task, lists, rated_scores=rated_scores)


def _predicts_ratings(recommender: BatchRecommender) -> bool:
    # Somebody who has rated an item has chosen it: its rank among other rated items is a matter of liking alone.
    return getattr(recommender, "predicts", "rating") == "rating"


def _predicted(predict: Callable[[Ratings], Floats], task: ListTask) -> Floats:
    """The predicted ratings of the test ratings, NaN for items that the training part does not know."""
    is_known = task.rated_items >= 0
    user, item = np.repeat(task.users, np.diff(task.rated_indptr))[is_known], task.rated_items[is_known]
    scores = np.full(len(is_known), np.nan, np.float32)
    scores[is_known] = predict(replace(task.train, user=user, item=item, rating=task.ratings[is_known], time=None))
    return scores


def _from_batch(recommender: BatchRecommender, task: ListTask, n: int) -> Indices:
    """Ask for lists; where one holds what its user has rated in the training part, leave that out and ask for more."""
    ids, seen = task.train.users.ids[task.users], task.train.by_user
    position = task.train.items.index(recommender.items.ids)
    lists = np.full((len(ids), n), -1, np.int32)
    rows, width = np.flatnonzero(recommender.users.index(ids) >= 0), n
    while len(rows):
        indices = recommender.recommend_batch(ids[rows], width)[0]
        listed = np.where(indices >= 0, position[indices], -1).astype(np.int32)
        if ((indices >= 0) & (listed < 0)).any():
            raise DataError("lists hold items that the training part does not know: judge on the table of the fit")
        users = task.users[rows]
        is_seen = _matched(listed, seen.indptr[users], seen.indptr[users + 1], seen.indices) >= 0
        if is_seen.any():
            order = np.argsort(is_seen, axis=1, kind="stable")
            listed = np.take_along_axis(np.where(is_seen, -1, listed), order, axis=1)
        lists[rows, : listed.shape[1]] = listed[:, :n]
        is_short = (listed[:, :n] < 0).any(axis=1) & (indices[:, -1] >= 0)
        rows = rows[is_short] if width < len(position) else rows[:0]
        width = min(4 * width, len(position))
    return lists


def _batch_scores(recommender: ScoringRecommender, task: ListTask) -> BlockScores:
    """The scores of a `BatchRecommender`, with the indices of the training part on both sides."""
    ids, column = task.train.users.ids, recommender.items.index(task.train.items.ids)
    is_missing = column < 0

    def score(users: Indices) -> Floats:
        is_known = recommender.users.index(ids[users]) >= 0
        in_order = recommender.score_batch(ids[users[is_known]]).take(column, axis=1)
        in_order[:, is_missing] = np.nan
        if is_known.all():
            return in_order
        scores = np.full((len(users), len(column)), np.nan, np.float32)
        scores[is_known] = in_order
        return scores

    return score


def _score_blocks(
    scores_of: BlockScores,
    task: ListTask,
    n: int,
    drawn: bool,
    seed: int,
    threads: int | None,
) -> RankedLists:
    """Look at all scores, a block of users at a time."""
    pass_ = _ScorePass(task, n, drawn, seed)
    step = max(8, min(1024, _CELLS // max(1, len(task.train.items))))
    with pool(threads) as run:
        for start in range(0, len(task.users), step):
            users = task.users[start : start + step]
            scores = np.array(scores_of(users), np.float32, order="C")  # a copy, in which items are hidden
            expected = (len(users), len(task.train.items))
            if scores.shape != expected:
                raise DataError(f"scores of {expected[0]} users and {expected[1]} items are needed, not {scores.shape}")
            pass_.take(start, scores, run)
    return pass_.ranked()


class _ScorePass:
    """Collects what the measures need from blocks of scores."""

    def __init__(self, task: ListTask, n: int, drawn: bool, seed: int) -> None:
        self.task, self.seed = task, seed
        self.lists = np.full((len(task.users), n), -1, np.int32)
        self.auc = np.empty(len(task.users))
        self.rated_scores = np.empty(len(task.ratings), np.float32)
        self.drawn_ranks = np.empty(len(task.relevant_items), np.int32) if drawn else None
        self.is_candidate = task.train.item_counts > 0
        self.seen = task.train.by_user  # grouped here, before threads ask for it

    def take(self, start: int, scores: Floats, run: Run) -> None:
        """Share the rows of a block out."""
        size = -(-len(scores) // 8)
        run(
            lambda first: self._judge(start + first, scores[first : first + size]),
            range(0, len(scores), size),
        )

    def _judge(self, start: int, scores: Floats) -> None:
        from palate.kernels.lists import hide, rank_among_drawn
        from palate.kernels.ranking import choose

        task, stop = self.task, start + len(scores)
        users = task.users[start:stop]
        part = slice(task.rated_indptr[start], task.rated_indptr[stop])
        rows = np.repeat(np.arange(len(scores)), np.diff(task.rated_indptr[start : stop + 1]))
        items = task.rated_items[part]
        self.rated_scores[part] = np.where(items >= 0, scores[rows, items], np.nan)
        hide(scores, users, self.seen.indptr, self.seen.indices, self.is_candidate)
        indptr = task.relevant_indptr[start : stop + 1]
        self.auc[start:stop] = auc(scores, indptr, task.relevant_items, task.relevant[start:stop])
        if self.drawn_ranks is not None:
            ranks = self.drawn_ranks[indptr[0] : indptr[-1]]
            rank_among_drawn(scores, users, indptr, task.relevant_items, DRAWN, self.seed, ranks)
        for row, row_scores in enumerate(scores, start):
            listed = choose(row_scores, np.float32(1), _NO_MASK, _NO_ITEMS, min(self.lists.shape[1], len(row_scores)))
            self.lists[row, : len(listed)] = listed

    def ranked(self) -> RankedLists:
        return RankedLists(self.task, self.lists, self.auc, self.rated_scores, self.drawn_ranks)


def _matched(lists: Indices, starts: NDArray[np.int64], ends: NDArray[np.int64], items: Indices) -> NDArray[np.int64]:
    from palate.kernels.lists import match

    places = np.empty(lists.shape, np.int64)
    match(lists, starts, ends, items, places)
    return places
