"""Recommenders without settings, which every report of lists shows beside the one in question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.evaluation.item_knn import ItemKNN
from palate.evaluation.lists.ranked import BlockScores
from palate.evaluation.lists.task import Indices, guess_liked
from palate.ratings import Ratings

__all__ = ["LIST_BASELINES", "ListBaseline", "list_baselines", "popularity", "random_scores"]


def popularity(train: Ratings, liked: float | None = None) -> BlockScores:
    """Score each item by how many users rated it, or rated it with `liked` or more: the same for all users."""
    items = train.item if liked is None else train.item[train.rating >= liked]
    counts = np.bincount(items, minlength=len(train.items)).astype(np.float32)
    return lambda users: np.broadcast_to(counts, (len(users), len(counts)))


def random_scores(train: Ratings, seed: int = 0) -> BlockScores:
    """Score each item of each user by a random number that depends on the seed, the user and the item."""

    def score(users: Indices) -> NDArray[np.float32]:
        draws = [np.random.default_rng([seed, user]).random(len(train.items), np.float32) for user in users.tolist()]
        return np.array(draws)

    return score


@dataclass(frozen=True)
class ListBaseline:
    """A baseline of lists, to be fitted as a solver is.

    Parameters
    ----------
    make
        A function of the training part, the rating from which an item was liked, and the number of threads.
    """

    make: Callable[[Ratings, float, int | None], BlockScores]

    def fit(self, ratings: Ratings, *, liked: float | None = None, threads: int | None = None) -> BlockScores:
        """Return the scores of items by user index.

        Parameters
        ----------
        ratings
            The training part.
        liked
            From which rating on an item was liked; guessed if not given (`guess_liked`).
        threads
            As in a solver's `fit`.
        """
        return self.make(ratings, guess_liked(ratings) if liked is None else liked, threads)


#: The baselines of lists by name.
LIST_BASELINES = {
    "popularity (liked)": ListBaseline(lambda train, liked, threads: popularity(train, liked)),
    "popularity (rated)": ListBaseline(lambda train, liked, threads: popularity(train)),
    "item-kNN": ListBaseline(lambda train, liked, threads: ItemKNN().fit(train, liked=liked, threads=threads)),
}


def list_baselines(
    train: Ratings, liked: float, *, seed: int = 0, threads: int | None = None
) -> dict[str, BlockScores]:
    """Return the baselines by name, each fitted on the training part, and a random one.

    Parameters
    ----------
    train
        The training part.
    liked
        From which rating on an item was liked.
    seed
        Of the random one.
    threads
        As in a solver's `fit`.
    """
    fitted = {name: one.fit(train, liked=liked, threads=threads) for name, one in LIST_BASELINES.items()}
    return {**fitted, "random": random_scores(train, seed)}
