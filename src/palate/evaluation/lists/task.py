"""What lists are judged on: who gets a list, which items are relevant, which are left out."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, SettingsError
from palate.ratings import Ratings, Vocabulary

__all__ = ["ListTask", "aligned", "are_rated", "guess_liked", "require_liked"]

Indices = NDArray[np.int32]
Offsets = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ListTask:
    """The users, m of them, who have ratings both in the training part and in the test part, and what they liked.

    All indices are those of the training part. What a user has rated there is never listed for this user.

    Attributes
    ----------
    train
        The training part. Items that have a rating in it are the candidates.
    liked
        A test rating at or above this is relevant.
    users
        int32, (m,): ascending.
    relevant_indptr, relevant_items
        int64 (m + 1,) and int32, ascending for each user: the relevant items that are known to the training part.
    relevant
        int64, (m,): how many relevant items each user has, those included that are not known to the training part.
    rated_indptr, rated_items, ratings
        int64 (m + 1,), int32 and float32: all test ratings of each user; item -1 is not known to the training part.
    notes
        What was guessed, and what was left out: a sentence each.
    """

    train: Ratings
    liked: float
    users: Indices
    relevant_indptr: Offsets
    relevant_items: Indices
    relevant: Offsets
    rated_indptr: Offsets
    rated_items: Indices
    ratings: NDArray[np.float32]
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls, train: Ratings, test: Ratings, liked: float | None = None, *, most: int | None = None, seed: int = 0
    ) -> ListTask:
        """Bring the two parts together, by id.

        Parameters
        ----------
        train, test
            Their vocabularies may differ.
        liked
            See `ListTask.liked`; by default that of `guess_liked`.
        most
            Judge at most this number of users, drawn at random; None for all.
        seed
            Of the draw.

        Raises
        ------
        DataError
            If no user has ratings in both parts, or no test rating is relevant.
        SettingsError
            If `liked` is not a finite number.
        """
        threshold, notes = (require_liked(liked), []) if liked is not None else _guessed(train)
        user, item = aligned(train.users, test.users, test.user), aligned(train.items, test.items, test.item)
        is_known = (user >= 0) & (train.user_counts[user] > 0)
        is_seen = are_rated(train, user, item)
        is_judged = is_known & ~is_seen
        if most is not None:
            is_judged &= _is_drawn(user, is_judged, most, seed, notes)
        rows = np.flatnonzero(is_judged)
        order = rows[np.argsort(user[rows].astype(np.int64) * (len(train.items) + 1) + item[rows], kind="stable")]
        users, row_of = np.unique(user[order], return_inverse=True)
        if not len(users):
            if is_seen.any():
                raise DataError("all test ratings of known users are training ratings too: nothing is left to list")
            raise DataError("no user has ratings both in the training part and in the test part: nobody to list for")
        is_relevant = test.rating[order] >= threshold
        if not is_relevant.any():
            raise DataError(f"no test rating is at or above {threshold:g}: give a lower `liked`")
        is_listable = is_relevant & (item[order] >= 0)
        relevant = np.bincount(row_of[is_relevant], minlength=len(users))
        notes += _left_out(test, user, is_known, is_seen, int((relevant == 0).sum()))
        return cls(
            train=train,
            liked=threshold,
            users=users.astype(np.int32),
            relevant_indptr=_offsets(row_of[is_listable], len(users)),
            relevant_items=item[order][is_listable],
            relevant=relevant,
            rated_indptr=_offsets(row_of, len(users)),
            rated_items=item[order],
            ratings=test.rating[order],
            notes=tuple(notes),
        )


def _is_drawn(user: Indices, is_judged: NDArray[np.bool_], most: int, seed: int, notes: list[str]) -> NDArray[np.bool_]:
    """Say which rows are those of the users that are drawn."""
    users = np.unique(user[is_judged])
    if len(users) <= most:
        return is_judged
    notes.append(f"{most:,} of {len(users):,} users are judged, drawn at random")
    return np.isin(user, np.random.default_rng(seed).choice(users, most, replace=False))


def require_liked(liked: float) -> float:
    """Return the rating from which an item is liked.

    Raises
    ------
    SettingsError
        If it is not a finite number.
    """
    if isinstance(liked, bool) or not isinstance(liked, (int, float, np.number)) or not isfinite(liked):
        raise SettingsError(
            f"the rating from which an item is liked (liked, --liked) is a number such as 4, not {liked!r}"
        )
    return float(liked)


def guess_liked(ratings: Ratings) -> float:
    """Guess from which rating on an item was liked: the value that cuts off the upper half, as nearly as one can.

    Of all values v that occur, it is the one for which the share of ratings at or above v is nearest to one half: 4 on
    most scales from 1 to 5, the median on a continuous scale.

    Raises
    ------
    DataError
        If there are no ratings.

    Examples
    --------
    >>> from palate import read_ratings
    >>> guess_liked(read_ratings([("ann", item, rating) for item, rating in enumerate([1, 2, 3, 3, 4, 4, 4, 5])]))
    4.0
    """
    if not len(ratings):
        raise DataError("a table without ratings does not say what is liked")
    values = ratings.rating
    median = np.partition(values, len(values) // 2)[len(values) // 2]
    higher = values[values > median]
    is_nearer = len(higher) and abs(len(higher) / len(values) - 0.5) < abs((values >= median).mean() - 0.5)
    return float(str(higher.min() if is_nearer else median))  # the shortest text that means the same float32


def _guessed(train: Ratings) -> tuple[float, list[str]]:
    liked = guess_liked(train)
    share = float((train.rating >= np.float32(liked)).mean())
    guess = f"guessed, as {share:.0%} of the training ratings are (`liked` sets it)"
    return liked, [f"relevant, that is liked, is a test rating of {liked:g} or more: {guess}"]


def _left_out(
    test: Ratings, user: Indices, is_known: NDArray[np.bool_], is_seen: NDArray[np.bool_], indifferent: int
) -> list[str]:
    notes = []
    if not is_known.all():
        newcomers = len(np.unique(test.user[~is_known]))
        notes.append(f"not judged: {_count(newcomers, 'user')} without a training rating")
    if is_seen.any():
        notes.append(f"left out: {_count(int(is_seen.sum()), 'test rating')} of pairs in the training part")
    if indifferent:
        notes.append(
            f"left out of NDCG, recall and the like: {_count(indifferent, 'user')} who liked nothing in the test part"
        )
    return notes


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def aligned(known: Vocabulary, other: Vocabulary, index: Indices) -> Indices:
    """Return the indices of another table's ids in a vocabulary: -1 for an id that it lacks."""
    return index if known is other else known.index(other.ids)[index]


def are_rated(train: Ratings, user: Indices, item: Indices) -> NDArray[np.bool_]:
    """Say which pairs of indices are rated in a table; an index of -1 never is."""
    from palate.kernels import layout

    both, is_rated = (user >= 0) & (item >= 0), np.zeros(len(user), np.bool_)
    answers = np.empty(int(both.sum()), np.bool_)
    layout.are_rated(train.by_user.indptr, train.by_user.indices, user[both], item[both], answers)
    is_rated[both] = answers
    return is_rated


def _offsets(row_of: NDArray[np.integer], rows: int) -> Offsets:
    return np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=rows))])
