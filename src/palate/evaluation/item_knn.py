"""Item-based nearest neighbours: people who liked this also liked that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.parallel import available, pool
from palate.ratings import Ratings

__all__ = ["ItemKNN", "ItemNeighbours"]


@dataclass(frozen=True, eq=False)
class ItemNeighbours:
    """A fitted `ItemKNN`: a function of user indices that returns a score for each item.

    Attributes
    ----------
    indptr, liked
        int64 (users + 1,) and int32: the items that each user liked.
    target_indptr, targets, weights
        int64 (items + 1,), int32 and float32: the items that have an item among their neighbours, and the cosines.
    """

    indptr: NDArray[np.int64]
    liked: NDArray[np.int32]
    target_indptr: NDArray[np.int64]
    targets: NDArray[np.int32]
    weights: NDArray[np.float32]

    def __call__(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the scores of all items for these users, float32 (len(users), items)."""
        from palate.kernels.neighbours import add_neighbours

        scores = np.zeros((len(users), len(self.target_indptr) - 1), np.float32)
        add_neighbours(users, self.indptr, self.liked, self.target_indptr, self.targets, self.weights, scores)
        return scores


@dataclass(frozen=True)
class ItemKNN:
    r"""Score an item by how alike it is to what the user liked.

    .. math:: s_{ui} = \sum_{j \in L_u \cap N_k(i)} \frac{c_{ij}}{\sqrt{c_i c_j}}

    for the items :math:`L_u` that the user liked, as far as they are among the k nearest of item i; :math:`c_i` users
    liked item i, and :math:`c_{ij}` liked both (Sarwar, Karypis, Konstan, Riedl 2001, "Item-based collaborative
    filtering recommendation algorithms").

    Parameters
    ----------
    neighbours
        k.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=20, items=10, ratings=100, seed=1)
    >>> ItemKNN(neighbours=5).fit(ratings, liked=3)(np.array([0, 1], dtype=np.int32)).shape
    (2, 10)
    """

    neighbours: int = 100

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise SettingsError(f"neighbours must be at least 1, not {self.neighbours}")

    def fit(self, ratings: Ratings, *, liked: float = -np.inf, threads: int | None = None) -> ItemNeighbours:
        """Find the nearest items of each item.

        Parameters
        ----------
        ratings
            The training part.
        liked
            From which rating on an item was liked; by default every rated item was.
        threads
            As in a solver's `fit`. The number does not change the result.
        """
        from palate.kernels.neighbours import nearest_items

        table = ratings.take(ratings.rating >= liked)
        by_user, by_item = table.by_user, table.by_item
        items = len(ratings.items)
        size = min(self.neighbours, max(1, items - 1))
        neighbours, weights = np.empty((items, size), np.int32), np.empty((items, size), np.float32)
        step = max(1, -(-items // (8 * (threads or available()))))

        def find(first: int) -> None:
            rows = slice(first, first + step)
            nearest_items(
                first, by_item.indptr, by_item.indices, by_user.indptr, by_user.indices, neighbours[rows], weights[rows]
            )

        find(items)  # loads the kernel before the threads start
        with pool(threads) as run:
            run(find, range(0, items, step))
        target, rank = np.nonzero(neighbours >= 0)
        neighbour = neighbours[target, rank]
        order = np.argsort(neighbour, kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(neighbour, minlength=items))])
        return ItemNeighbours(
            by_user.indptr, by_user.indices, indptr, target[order].astype(np.int32), weights[target, rank][order]
        )
