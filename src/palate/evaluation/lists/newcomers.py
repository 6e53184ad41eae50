"""Lists for users whom a model has not been fitted on: their given ratings are folded in."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.model import Model
from palate.ratings import Ratings

__all__ = ["FoldedIn"]


class FoldedIn:
    """A model that folds each user in before it recommends, to be judged by `evaluate_lists`.

    Parameters
    ----------
    model
        Fitted without these users.
    given
        What is known of them. Items without factors are left out.

    Examples
    --------
    >>> from palate import SGD, datasets
    >>> from palate.evaluation.lists import evaluate_lists
    >>> from palate.splits import new_users
    >>> parts = new_users(datasets.make_ratings(users=200, items=50, ratings=4000, seed=1), given=0.5)
    >>> model = FoldedIn(SGD(factors=4).fit(parts.train), parts.given)
    >>> len(evaluate_lists(model, parts.known, parts.test).task.users)
    20
    """

    def __init__(self, model: Model, given: Ratings) -> None:
        self.users, self.items = given.users, model.items
        self._model, self._given = model, given

    def recommend_batch(self, users: ArrayLike, n: int = 10) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the n best items of each user: int32 (users, n), -1 where fewer are left, and their scores."""
        index = self.users.index(users)
        lists = np.full((len(index), n), -1, np.int32)
        scores = np.full((len(index), n), np.nan, np.float32)
        for row, user in enumerate(index.tolist()):
            items, ratings = self._given.by_user[user]
            has_factors = self.items.index(self._given.items.ids[items]) >= 0
            pairs = zip(items[has_factors].tolist(), ratings[has_factors].tolist(), strict=True)
            profile = self._model.fold_in({self._given.items[item]: rating for item, rating in pairs})
            listed = self._model.recommend(profile, n)
            lists[row, : len(listed)] = self.items.index([item.id for item in listed])
            scores[row, : len(listed)] = [item.score for item in listed]
        return lists, scores
