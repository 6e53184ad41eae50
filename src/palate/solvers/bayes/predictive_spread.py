"""How far predictions spread over the samples of a chain, seen on a few pairs of each user and item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.kernels.layout import are_rated
from palate.kernels.rows import pair_products
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.bayes.chain import Chain

__all__ = ["BLOCK", "Probes"]

Doubles = NDArray[np.float64]

#: So many sweeps make a stretch, whose averages are compared.
BLOCK = 25
# Pairs of each user and of each item.
_PAIRS = 4
_STEP = 1 << 14
_ROUNDS = 20
# How often a pair is drawn again that was rated.
_TRIES = 12
# Stretches are joined in pairs when there are so many.
_MOST = 64


class Probes:
    """Running moments of the predictions of some pairs: those of each user with popular items, and the reverse.

    Parameters
    ----------
    ratings
        Partners are drawn as they occur in it. One more user and item, without ratings, have pairs too.
    rng
        Chooses them.
    """

    #: What a checkpoint must hold, beside `total`.
    ARRAYS = ("mean", "squares", "blocks")

    def __init__(self, ratings: Ratings, rng: np.random.Generator) -> None:
        users, items = len(ratings.users) + 1, len(ratings.items) + 1

        own_user, own_item = (np.repeat(np.arange(rows, dtype=np.int32), _PAIRS) for rows in (users, items))
        # Those of whom nothing is known, the last on each side, have rated nothing.
        indptr = np.append(ratings.by_user.indptr, len(ratings))

        def partners(column: NDArray[np.int32], own: NDArray[np.int32], of_users: bool) -> NDArray[np.int32]:
            found = column[rng.integers(len(column), size=len(own))]
            for number in range(_TRIES):  # a pair that was rated is known better than those that will be asked for
                rated = np.empty(len(own), np.bool_)
                are_rated(indptr, ratings.by_user.indices, *((own, found) if of_users else (found, own)), rated)
                again = np.flatnonzero(rated)
                popular = column[rng.integers(len(column), size=len(again))]
                found[again] = popular if 2 * number < _TRIES else rng.integers(column.max() + 1, size=len(again))
            return found

        self.user = np.concatenate([own_user, partners(ratings.user, own_item, False)])
        self.item = np.concatenate([partners(ratings.item, own_user, True), own_item])
        self.shape = users, items
        self.total, self.mean, self.squares = 0.0, np.zeros(len(self.user)), np.zeros(len(self.user))
        # Sums over stretches of the chain, the last one not yet complete.
        self.stretch, self.blocks = BLOCK, np.zeros((1, len(self.user)))

    def add(self, chain: Chain, weight: float, run: Run) -> None:
        """Look at a sample."""
        partners, biases = chain.items.partners()
        found, size = np.empty(len(self.user), np.float32), len(self.user)

        def work(start: int) -> None:
            stop = min(start + _STEP, size)
            pair_products(chain.users.factors, partners, self.user, self.item, start, stop, found)

        run(work, range(0, size, _STEP))
        found += biases[self.item]
        self.total += weight
        away = found - self.mean  # Welford's running moments
        self.mean += away * (weight / self.total)
        self.squares += weight * away * (found - self.mean)
        self.blocks[-1] += found
        if chain.sweeps % self.stretch == 0:
            if len(self.blocks) == _MOST:
                self.stretch, self.blocks = 2 * self.stretch, self.blocks[::2] + self.blocks[1::2]
            self.blocks = np.vstack([self.blocks, np.zeros(len(found))])

    def error(self) -> float:
        """Return the variance that the averages of predictions have because the chain is finite (batch means)."""
        blocks = self.blocks[(len(self.blocks) - 1) // 4 : -1] / self.stretch
        return float(blocks.var(axis=0, ddof=1).mean()) / len(blocks) if len(blocks) > 1 else float("inf")

    def spread(self) -> tuple[Doubles, Doubles]:
        """Return the variances of users and items whose sums come closest to those of the pairs; none is negative."""
        variance = self.squares / self.total
        user, item = (np.full(rows, float(variance.mean()) / 2) for rows in self.shape)
        for _ in range(_ROUNDS):
            user = _shares(self.user, variance - item[self.item], self.shape[0])
            item = _shares(self.item, variance - user[self.user], self.shape[1])
        return user, item


def _shares(index: NDArray[np.int32], values: Doubles, rows: int) -> Doubles:
    sums, counts = np.bincount(index, values, minlength=rows), np.bincount(index, minlength=rows)
    return np.maximum(0, sums / counts)
