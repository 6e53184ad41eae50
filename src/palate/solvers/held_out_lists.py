"""Lists judged on choices that are held out of the training part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from palate.cached import cached_property
from palate.parallel import Run, single_blas
from palate.ratings import Grouped, Ratings
from palate.splits import holdout, split_by_time

__all__ = ["HeldOutLists"]

Doubles = NDArray[np.float64]
Indices = NDArray[np.int32]
#: Returns the scores of all items for some users, float32 (users, items), one array for each candidate.
Scores = Callable[[Indices], Sequence[NDArray[np.floating]]]

_LENGTH = 10
# Users whose lists are judged: more cost time and change no choice.
_USERS = 2000
# Users that a task judges.
_CHUNK = 128


@dataclass(frozen=True, eq=False)
class HeldOutLists:
    """A part of a table to train on, and the liked items of the other part.

    Parameters
    ----------
    train
        The ratings to train on.
    held_out
        Other ratings, with the same vocabularies.
    liked
        The rating from which a held-out item is relevant; None if every one is.
    seed
        Of the choice of users, if there are more than are judged.
    """

    train: Ratings
    held_out: Ratings
    liked: float | None
    seed: int = 0

    @classmethod
    def of(cls, ratings: Ratings, liked: float | None, share: float = 0.1, seed: int = 0) -> Self:
        """Hold a random share of the ratings out."""
        return cls(*holdout(ratings, share, seed=seed), liked, seed)

    @classmethod
    def latest(cls, ratings: Ratings, liked: float | None, share: float = 0.1, seed: int = 0) -> Self:
        """Hold the latest ratings out, as nearly a share of all as one moment can cut.

        Raises
        ------
        SettingsError
            If the table has no times, or all ratings have the same.
        """
        train, held_out = split_by_time(ratings, share)
        is_known = train.user_counts[held_out.user] > 0
        return cls(train, held_out.take(is_known), liked, seed)

    @cached_property
    def relevant(self) -> Grouped:
        """The held-out ratings of liked items that somebody rated in the training part, by user."""
        is_relevant = self.train.item_counts[self.held_out.item] > 0
        if self.liked is not None:
            is_relevant &= self.held_out.rating >= np.float32(self.liked)
        return self.held_out.take(is_relevant).by_user

    @cached_property
    def users(self) -> Indices:
        """The users who are judged, ascending, each with a relevant item: int32."""
        users = np.flatnonzero(np.diff(self.relevant.indptr))
        if len(users) > _USERS:
            users = np.sort(np.random.default_rng([self.seed, 4]).choice(users, _USERS, replace=False))
        return users.astype(np.int32)

    def among(self, items: Indices) -> HeldOutLists:
        """Return the lists of some items, in the order of their indices."""
        place = np.full(len(self.train.items), -1, np.int32)
        place[items] = np.arange(len(items), dtype=np.int32)
        vocabulary = replace(self.train.items, ids=self.train.items.ids[items])

        def restricted(table: Ratings) -> Ratings:
            part = table.take(place[table.item] >= 0)
            return replace(part, items=vocabulary, item=place[part.item])

        return HeldOutLists(restricted(self.train), restricted(self.held_out), self.liked, self.seed)

    def ndcg(self, scores: Scores, run: Run) -> Doubles:
        r"""Return NDCG@10 of each candidate for each user: float64, (candidates, users).

        Whole catalogue, without the items that the user rated in the training part and those that nobody rated there;
        gains are 0 or 1, and the ideal list starts with all relevant items. Of equal scores the lower index is first.
        """
        chunks = [self.users[start : start + _CHUNK] for start in range(0, len(self.users), _CHUNK)]
        with single_blas():
            return np.concatenate(run(lambda users: self._judge(users, scores(users)), chunks), axis=1)

    def _judge(self, users: Indices, blocks: Sequence[NDArray[np.floating]]) -> Doubles:
        is_unknown = self.train.item_counts == 0
        table, discounts = self.train.by_user, 1 / np.log2(np.arange(2, _LENGTH + 2))
        hidden = [table[user][0] for user in users.tolist()]
        relevant = [self.relevant[user][0] for user in users.tolist()]
        rows = np.repeat(np.arange(len(users)), [len(items) for items in hidden])
        columns = np.concatenate(hidden)
        ideal = np.array([discounts[: len(items)].sum() for items in relevant])
        is_relevant = np.zeros((len(users), len(is_unknown)), bool)
        is_relevant[np.repeat(np.arange(len(users)), [len(items) for items in relevant]), np.concatenate(relevant)] = (
            True
        )
        result = np.empty((len(blocks), len(users)))
        for place, block in enumerate(blocks):
            ranked = np.array(block, np.float32)
            ranked[rows, columns] = -np.inf
            ranked[:, is_unknown] = -np.inf
            hits = np.take_along_axis(is_relevant, _top(ranked), axis=1)
            result[place] = hits @ discounts[: hits.shape[1]] / ideal
        return result


def _top(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the indices of the ten highest scores of each row, highest first."""
    length = min(_LENGTH, scores.shape[1])
    best = np.sort(np.argpartition(-scores, length - 1, axis=1)[:, :length], axis=1)
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)
