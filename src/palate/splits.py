"""Cutting a table into a part to train on and a part to judge on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from palate.errors import SettingsError
from palate.ratings import Ratings
from palate.reading import ratings_of

__all__ = ["Split", "holdout", "k_fold"]


class Split(NamedTuple):
    """Two parts of one table: together they are the table, and they share no row."""

    train: Ratings
    test: Ratings


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
    if not 2 <= folds <= len(ratings):
        raise SettingsError(f"folds must be between 2 and the number of ratings ({len(ratings):,}), not {folds}")
    order = np.random.default_rng(seed).permutation(len(ratings))
    return (_split(ratings, rows) for rows in np.array_split(order, folds))


def _split(ratings: Ratings, test_rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Split:
    test = np.zeros(len(ratings), dtype=bool)
    test[test_rows] = True
    return Split(ratings.take(~test), ratings.take(test))
