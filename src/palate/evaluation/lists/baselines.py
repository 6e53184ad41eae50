"""Recommenders without settings, which every report of lists shows beside the one in question."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.evaluation.item_knn import ItemKNN
from palate.evaluation.lists.ranked import BlockScores
from palate.evaluation.lists.task import Indices
from palate.ratings import Ratings

__all__ = ["list_baselines", "popularity", "random_scores"]


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


def list_baselines(
    train: Ratings, liked: float, *, seed: int = 0, threads: int | None = None
) -> dict[str, BlockScores]:
    """Return the baselines by name, each fitted on the training part.

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
    return {
        "popularity (liked)": popularity(train, liked),
        "popularity (rated)": popularity(train),
        "item-kNN": ItemKNN().fit(train, liked=liked, threads=threads),
        "random": random_scores(train, seed),
    }
