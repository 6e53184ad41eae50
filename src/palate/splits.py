"""Cutting a table into a part to train on and a part to judge on.

Each split is leak-free by construction: parts share no row, and a split by time, users or items holds nothing in the
training part that a deployed model would not have known. The scale of a training part, where it is not declared, is
guessed from that part alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.moments import seconds_of
from palate.ratings import Ratings
from palate.reading import ratings_of

__all__ = [
    "Split",
    "SplitKind",
    "UserSplit",
    "check_kind",
    "check_share",
    "holdout",
    "k_fold",
    "last_of_each_user",
    "leave_one_out",
    "new_items",
    "new_users",
    "repeated",
    "split_by",
    "split_by_time",
]

#: How `split_by` cuts a table.
SplitKind = Literal["random", "time", "last", "users", "items"]

Rows = NDArray[np.int64]
Parts = TypeVar("Parts", bound=tuple[Any, ...])


class Split(NamedTuple):
    """Two parts of one table: together they are the table, and they share no row."""

    train: Ratings
    test: Ratings


class UserSplit(NamedTuple):
    """Three parts of one table, to judge on users whom the model has not been fitted on.

    Attributes
    ----------
    train
        All ratings of the other users: what the model is fitted on.
    given
        What is known of the new users when lists are made for them: to be folded in.
    test
        Their other ratings.
    known
        train and given together: what nobody may be recommended again.
    """

    train: Ratings
    given: Ratings
    test: Ratings
    known: Ratings


def holdout(ratings: Ratings | Any, share: float = 0.1, *, seed: int = 0) -> Split:
    """Hold a random share of the ratings out.

    Parameters
    ----------
    ratings
        The table, or whatever `palate.read_ratings` reads.
    share
        Of the rows, between 0 and 1; at least one row goes to each part.
    seed
        Of the choice.

    Raises
    ------
    SettingsError
        If the share is not between 0 and 1, or the table has fewer than two rows.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> train, test = holdout(make_ratings(users=20, items=10, ratings=100, seed=1), 0.2)
    >>> len(train), len(test)
    (80, 20)
    """
    ratings = ratings_of(ratings)
    if not 0 < share < 1:
        raise SettingsError(f"the holdout must be between 0 and 1 (a share of the ratings), not {share}")
    if len(ratings) < 2:
        raise SettingsError(f"a table of {len(ratings)} ratings cannot be split in two")
    order = np.random.default_rng(seed).permutation(len(ratings))
    size = min(max(1, round(share * len(ratings))), len(ratings) - 1)
    return _split(ratings, order[:size])


def k_fold(ratings: Ratings | Any, folds: int = 5, *, seed: int = 0) -> Iterator[Split]:
    """Cut the table into random folds of equal size; yield each once as the test part.

    Raises
    ------
    SettingsError
        If there are fewer than two folds, or more folds than rows.
    """
    ratings = ratings_of(ratings)
    if isinstance(folds, bool) or not hasattr(folds, "__index__") or not 2 <= folds <= len(ratings):
        raise SettingsError(f"folds must be between 2 and the number of ratings ({len(ratings):,}), not {folds!r}")
    order = np.random.default_rng(seed).permutation(len(ratings))
    return (_split(ratings, rows) for rows in np.array_split(order, folds))


def split_by_time(ratings: Ratings, share: float = 0.2, *, since: int | str | date | None = None) -> Split:
    """Judge on the latest ratings: every training rating was given before every test rating.

    Ratings of the same second stay together.

    Parameters
    ----------
    ratings
        A table with times.
    share
        Of the rows, between 0 and 1, that are judged on: as nearly as one moment can cut.
    since
        The moment from which on ratings are judged on, instead of a share: a date, a text such as "2001-03-31" or
        "2001-03-31T12:00", or seconds since 1970. A time without a zone is UTC.

    Raises
    ------
    SettingsError
        If the table has no times, the share is not between 0 and 1, the moment is no time, or a part would be empty.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=20, items=10, ratings=100, seed=1)
    >>> train, test = split_by_time(replace(ratings, time=np.arange(100)), 0.2)
    >>> len(train), int(test.time.min())
    (80, 80)
    """
    time = _times(ratings, "a split by time")
    if since is not None:
        moment = seconds_of(since)
    else:
        check_share(share)
        moments, counts = np.unique(time, return_counts=True)
        if len(moments) < 2:
            raise SettingsError("all ratings have the same time: they cannot be split by it")
        after = np.cumsum(counts[::-1])[::-1][1:]  # how many rows there are from each moment on, but the first
        moment = int(moments[1:][np.abs(after - share * len(time)).argmin()])
    test = time >= moment
    if test.all() or not test.any():
        first, last = (datetime.fromtimestamp(int(end), UTC).date() for end in (time.min(), time.max()))
        side = "since" if test.all() else "before"
        raise SettingsError(f"all ratings are {side} {since}: they go from {first} to {last}")
    return _split(ratings, np.flatnonzero(test))


def last_of_each_user(ratings: Ratings, n: float = 1) -> Split:
    """Judge on the last ratings of each user: none of them is earlier than a training rating of this user.

    Other users' training ratings can be later, so this split says less about deployment than `split_by_time`. Of the
    same second, later rows of the table count as later. Users who would have no training rating left stay in the
    training part.

    Parameters
    ----------
    ratings
        A table with times.
    n
        How many of each user; below 1 the share of each user's ratings, rounded, at least one.

    Raises
    ------
    SettingsError
        If the table has no times, n is neither a share nor a count, or no user has enough ratings.
    """
    time = _times(ratings, "the last ratings of each user")
    if not (0 < n < 1 or (n >= 1 and n == int(n))):
        raise SettingsError(f"the last ratings of each user are a count, or a share between 0 and 1, not {n}")
    order = np.lexsort((time, ratings.user))
    return _split(ratings, _last_rows(ratings, order, n))


def leave_one_out(ratings: Ratings, *, seed: int = 0) -> Split:
    """Judge on one random rating of each user who has at least two (with times, `last_of_each_user` takes the last).

    Raises
    ------
    SettingsError
        If no user has two ratings.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> train, test = leave_one_out(make_ratings(users=20, items=10, ratings=100, seed=1))
    >>> len(test), int(test.user_counts.max())
    (20, 1)
    """
    return _split(ratings, _last_rows(ratings, _shuffled_by_user(ratings, np.random.default_rng(seed)), 1))


def new_users(ratings: Ratings, share: float = 0.1, *, given: float = 0.5, seed: int = 0) -> UserSplit:
    """Judge on users whom the model has not been fitted on, with some of their ratings given.

    Parameters
    ----------
    ratings
        The table.
    share
        Of the users who have enough ratings, between 0 and 1; at least one user.
    given
        How many random ratings of each new user are given; below 1 the share of each user's ratings, rounded. At least
        one is given and one is judged on.
    seed
        Of the choice.

    Raises
    ------
    SettingsError
        If the share is not between 0 and 1, `given` is neither a share nor a count, or fewer than two users have
        enough ratings.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> parts = new_users(make_ratings(users=20, items=10, ratings=100, seed=1), 0.2, given=2)
    >>> int((parts.given.user_counts > 0).sum()), int(parts.given.user_counts.max())
    (4, 2)
    """
    check_share(share)
    if not (0 < given < 1 or (given >= 1 and given == int(given))):
        raise SettingsError(f"given must be a count of ratings, or a share between 0 and 1, not {given}")
    rng = np.random.default_rng(seed)
    counts = ratings.user_counts
    possible = np.flatnonzero(counts >= (2 if given < 1 else given + 1))
    if len(possible) < 2:
        raise SettingsError(f"fewer than two users have enough ratings to be given {given:g} and judged on the others")
    is_new = np.zeros(len(ratings.users), bool)
    is_new[rng.permutation(possible)[: min(max(1, round(share * len(possible))), len(possible) - 1)]] = True
    given_count = np.clip(np.round(given * counts), 1, counts - 1) if given < 1 else np.full(len(counts), given)
    order = _shuffled_by_user(ratings, rng)
    rows = order[(_ranks(ratings, order) >= given_count[ratings.user[order]]) & is_new[ratings.user[order]]]
    known, test = _split(ratings, rows)
    belongs = is_new[known.user]
    return UserSplit(known.take(~belongs), known.take(belongs), test, known)


def new_items(ratings: Ratings, share: float = 0.1, *, seed: int = 0) -> Split:
    """Judge on all ratings of a random share of the items: the training part has none of them.

    Only solvers that know more of an item than its ratings can tell such items apart.

    Raises
    ------
    SettingsError
        If the share is not between 0 and 1, or fewer than two items are rated.
    """
    check_share(share)
    rated = np.flatnonzero(ratings.item_counts)
    if len(rated) < 2:
        raise SettingsError(f"a table with {len(rated)} rated items cannot be split by items")
    size = min(max(1, round(share * len(rated))), len(rated) - 1)
    chosen = np.random.default_rng(seed).permutation(rated)[:size]
    return _split(ratings, np.flatnonzero(np.isin(ratings.item, chosen)))


def repeated(
    split: Callable[..., Parts], ratings: Ratings, times: int = 3, *, seed: int = 0, **settings: Any
) -> Iterator[Parts]:
    """Yield a random split several times, each with the next seed.

    Parameters
    ----------
    split
        `holdout`, `leave_one_out`, `new_users` or `new_items`.
    settings
        Of the split.

    Raises
    ------
    SettingsError
        If `times` is below 1.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=20, items=10, ratings=100, seed=1)
    >>> [len(test) for train, test in repeated(holdout, ratings, 2, share=0.3)]
    [30, 30]
    """
    if times < 1:
        raise SettingsError(f"a split must be made at least once, not {times} times")
    return (split(ratings, seed=seed + number, **settings) for number in range(times))


def check_kind(kind: str) -> None:
    """Refuse a kind of split that does not exist.

    Raises
    ------
    SettingsError
        Naming those that do.
    """
    if kind not in get_args(SplitKind):
        raise SettingsError(f"there is no split by {kind!r}: choose from {', '.join(get_args(SplitKind))}")


def split_by(ratings: Ratings, kind: SplitKind, share: float = 0.2, *, seed: int = 0) -> Split | UserSplit:
    """Cut a table in the way that is named: what ``--split`` does.

    Parameters
    ----------
    ratings
        The table; with times for "time" and "last".
    kind
        "random" rows, the latest ratings ("time"), the "last" ratings of each user, new "users" with half of their
        ratings given, or new "items".
    share
        Of the rows, of each user's rows, of the users or of the items.
    seed
        Of the random ones.

    Raises
    ------
    SettingsError
        If there is no such kind, or the table cannot be cut like this.
    """
    if kind == "time":
        return split_by_time(ratings, share)
    if kind == "last":
        check_share(share)
        return last_of_each_user(ratings, share)
    random: dict[str, Callable[..., Split | UserSplit]] = {"random": holdout, "users": new_users, "items": new_items}
    check_kind(kind)
    return random[kind](ratings, share, seed=seed)


def check_share(share: float) -> None:
    """Refuse a share to judge on that is not between 0 and 1.

    Raises
    ------
    SettingsError
        With the share.
    """
    if not 0 < share < 1:
        raise SettingsError(f"the share to judge on must be between 0 and 1, not {share}")


def _times(ratings: Ratings, what: str) -> NDArray[np.int64]:
    if ratings.time is None:
        raise SettingsError(f"{what} needs times, and this table has none: read it with a column of times")
    if not len(ratings):
        raise SettingsError("a table without ratings cannot be split")
    return ratings.time


def _shuffled_by_user(ratings: Ratings, rng: np.random.Generator) -> Rows:
    """All rows, user by user, each user's in a random order."""
    order = rng.permutation(len(ratings))
    return np.asarray(order[np.argsort(ratings.user[order], kind="stable")], np.int64)


def _ranks(ratings: Ratings, order: Rows) -> Rows:
    """The place of each row among those of its user, from 0, for rows in an order that is user by user."""
    starts = np.concatenate([[0], np.cumsum(ratings.user_counts)])
    return np.asarray(np.arange(len(order)) - starts[ratings.user[order]], np.int64)


def _last_rows(ratings: Ratings, order: Rows, n: float) -> Rows:
    """The last n rows, or the last share, of each user who has a row left before them."""
    counts = ratings.user_counts
    sizes = np.maximum(np.round(n * counts), 1) if n < 1 else np.full(len(counts), n)
    sizes = np.where(sizes < counts, sizes, 0)
    user = ratings.user[order]
    rows = order[_ranks(ratings, order) >= (counts - sizes)[user]]
    if not len(rows):
        raise SettingsError(f"no user has enough ratings to keep one back of more than {max(1, int(n))}")
    return rows


def _split(ratings: Ratings, test_rows: Rows) -> Split:
    test = np.zeros(len(ratings), dtype=bool)
    test[test_rows] = True
    return Split(ratings.take(~test), ratings.take(test))
