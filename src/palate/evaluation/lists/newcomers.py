"""A model and users whom it has not been fitted on: their given ratings are folded in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.model import Model, Predicts, Profile
from palate.ratings import Ratings, RatingScale, Vocabulary

__all__ = ["FoldedIn"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]


class FoldedIn:
    """A model that folds new users in before it answers, to be judged as a model is.

    Parameters
    ----------
    model
        Fitted without the new users.
    given
        What is known of them. Items without factors are left out, and so are users whom the model knows already.

    Attributes
    ----------
    known
        The ratings of the model and those that are given: what nobody may be recommended again. Those of the model are
        missing if it keeps none.

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
        self._model = model
        is_new = model.users.index(given.users.ids)[given.user] < 0
        self._given = given.take(is_new)
        table = model.ratings()
        self.known = self._given.compact() if table is None else _joined(table, self._given)
        self.users, self.items = self.known.users, model.items
        self._profiles: dict[int, Profile] = {}

    @property
    def scale(self) -> RatingScale:
        """The rating scale of the model."""
        return self._model.scale

    @property
    def predicts(self) -> Predicts:
        """What the scores of the model are."""
        return self._model.predicts

    def predict_table(self, ratings: Ratings) -> Floats:
        """Predict every row of a table: see `palate.Model.predict_table`."""
        predictions = self._model.predict_table(ratings)
        for rows, profile in self._new_rows(ratings):
            predictions[rows] = self._model.predict(profile, _item_ids(ratings, rows), unknown="mean")
        return predictions

    def deviation_table(self, ratings: Ratings) -> Floats | None:
        """Return the standard deviation of every row: see `palate.Model.deviation_table`."""
        deviations, posterior = self._model.deviation_table(ratings), self._model.posterior
        if deviations is None or posterior is None:
            return None
        for rows, profile in self._new_rows(ratings):
            items = self.items.index(_item_ids(ratings, rows))
            deviations[rows] = np.sqrt(posterior.folded_user_variance(profile, self._model.item_factors, items))
        return deviations

    def interval_table(self, ratings: Ratings, level: float) -> tuple[Floats, Floats] | None:
        """Return the interval of every row: see `palate.Model.interval_table`."""
        ends = self._model.interval_table(ratings, level)
        if ends is None:
            return None
        for rows, profile in self._new_rows(ratings):
            items = _item_ids(ratings, rows)
            _, ends[0][rows], ends[1][rows] = self._model.predict(profile, items, unknown="mean", interval=level)
        return ends

    def recommend_batch(self, users: ArrayLike, n: int = 10) -> tuple[Indices, Floats]:
        """Return the n best items of each user: int32 (users, n), -1 where fewer are left, and their scores."""
        ids = np.atleast_1d(np.asarray(users))
        lists, scores = np.full((len(ids), n), -1, np.int32), np.full((len(ids), n), np.nan, np.float32)
        is_known = self._model.users.index(ids) >= 0
        if is_known.any():
            lists[is_known], scores[is_known] = self._model.recommend_batch(ids[is_known], n)
        for row in np.flatnonzero(~is_known).tolist():
            listed = self._model.recommend(self._profile(ids[row]), n)
            lists[row, : len(listed)] = self.items.index([item.id for item in listed])
            scores[row, : len(listed)] = [item.score for item in listed]
        return lists, scores

    def score_batch(self, users: ArrayLike) -> Floats:
        """Return the scores of all items: see `palate.Model.score_batch`."""
        ids = np.atleast_1d(np.asarray(users))
        scores = np.empty((len(ids), len(self.items)), np.float32)
        is_known = self._model.users.index(ids) >= 0
        if is_known.any():
            scores[is_known] = self._model.score_batch(ids[is_known])
        for row in np.flatnonzero(~is_known).tolist():
            scores[row] = self._model.score_batch(self._profile(ids[row]))[0]
        return scores

    def _new_rows(self, ratings: Ratings) -> Iterator[tuple[NDArray[np.int64], Profile]]:
        """Yield the rows of each new user of a table, with the profile."""
        user = self._given.users.index(ratings.users.ids)[ratings.user]
        is_new = (user >= 0) & (self._given.user_counts[user] > 0)
        rows = np.flatnonzero(is_new)
        rows = rows[np.argsort(user[rows], kind="stable")]
        for some in np.split(rows, np.flatnonzero(np.diff(user[rows])) + 1):
            if len(some):
                yield some, self._profile(ratings.users[int(ratings.user[some[0]])])

    def _profile(self, id: int | str) -> Profile:
        user = self._given.users.find(id)
        if user not in self._profiles:
            items, ratings = self._given.by_user[user] if user >= 0 else (np.empty(0, np.int32), np.empty(0))
            ids = self._given.items.ids[items]
            has_factors = self.items.index(ids) >= 0
            pairs = zip(ids[has_factors].tolist(), ratings[has_factors].tolist(), strict=True)
            self._profiles[user] = self._model.fold_in(dict(pairs))
        return self._profiles[user]


def _item_ids(ratings: Ratings, rows: NDArray[np.int64]) -> NDArray[np.generic]:
    ids: NDArray[np.generic] = ratings.items.ids[ratings.item[rows]]
    return ids


def _joined(one: Ratings, other: Ratings) -> Ratings:
    """Return the rows of two tables as one table, with the scale of the first."""
    users, user = _joined_side(one.users, other.users, one.user, other.user)
    items, item = _joined_side(one.items, other.items, one.item, other.item)
    return Ratings(users, items, user, item, np.concatenate([one.rating, other.rating]), one.declared_scale)


def _joined_side(
    one: Vocabulary, other: Vocabulary, index: Indices, other_index: Indices
) -> tuple[Vocabulary, Indices]:
    ids, other_ids = one.ids, other.ids[np.unique(other_index)]
    if one.is_text != other.is_text:
        ids, other_ids = ids.astype(str).astype(object), other_ids.astype(str).astype(object)
    vocabulary = Vocabulary(np.unique(np.concatenate([ids, other_ids])), one.kind)
    moved = [vocabulary.index(side.ids)[rows] for side, rows in ((one, index), (other, other_index))]
    return vocabulary, np.concatenate(moved)
