"""The best of many scores for many users at once.

BLAS computes the products, faster than `palate.ranking.single` and in an order of its own. The products only show which
items can be among the best; the scores of these items are computed again in the fixed order, and only they decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from palate.parallel import Run, available, pool, single_blas
from palate.ranking.single import Floats, check_count, pad_factors, spread_factors

__all__ = ["BatchRanker", "RankFunction", "SeenRanges", "item_blocks", "user_blocks"]

# Users and items of a block of products: the block stays in the caches between BLAS and the kernel.
_USERS, _ITEMS = 512, 384
# The kernel reads this number of items at a time, so no block is smaller.
_FEWEST = 32
# The largest relative error of one float32 operation.
_ROUNDING = 2.0**-24


class SeenRanges(NamedTuple):
    """The items that each user has seen.

    Attributes
    ----------
    starts, ends
        int64, (users,): user u has seen ``items[starts[u]:ends[u]]``.
    items
        int32: item indices, ascending for each user.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    items: NDArray[np.int32]

    @classmethod
    def nothing(cls, users: int) -> Self:
        """Return the ranges of users who have seen nothing."""
        return cls(np.zeros(users, np.int64), np.zeros(users, np.int64), np.empty(0, np.int32))

    def of(self, users: slice) -> SeenRanges:
        """Return the ranges of some users; a copy, because the kernel moves the starts."""
        return SeenRanges(self.starts[users].copy(), self.ends[users].copy(), self.items)


class RankFunction(Protocol):
    """Ranks items for users: see `BatchRanker.opened`."""

    def __call__(
        self, vectors: Floats, offsets: Floats, n: int, seen: SeenRanges | None = None, /
    ) -> tuple[NDArray[np.int32], Floats]:
        """Return the items and their scores."""


class BatchRanker:
    """The items that are ranked for many users.

    Parameters
    ----------
    factors, bias
        float32, (items, k) and (items,).
    allowed
        bool, (items,): which items take part; None for all.
    lowest
        Whether the lowest scores are the best.
    """

    def __init__(
        self, factors: Floats, bias: Floats, allowed: NDArray[np.bool_] | None = None, lowest: bool = False
    ) -> None:
        self._sign = np.float32(-1 if lowest else 1)
        # If a filter leaves out items: the index of each item that is left, and the position of each item among them.
        self._index = self._position = np.empty(0, np.int32)
        if allowed is not None and not allowed.all():
            self._index = np.flatnonzero(allowed).astype(np.int32)
            self._position = np.full(len(factors), -1, np.int32)
            self._position[self._index] = np.arange(len(self._index), dtype=np.int32)
            factors, bias = factors[self._index], bias[self._index]
        self.size = len(factors)
        missing = max(0, _FEWEST - self.size)
        self._factors = pad_factors(np.pad(factors, ((0, missing), (0, 0))) if missing else factors)
        self._bias = np.pad(self._sign * bias, (0, missing), constant_values=-np.inf)[None].astype(np.float32)
        self._largest_norm = float(np.sqrt(np.einsum("nk,nk->n", factors, factors, dtype=np.float64).max(initial=0)))
        self._largest_bias = float(np.abs(bias).max(initial=0))

    @contextmanager
    def opened(self, threads: int | None = None) -> Iterator[RankFunction]:
        """Open a pool of threads, each with a BLAS of one thread, and yield a function that ranks the items for users.

        The function takes the users' factors, float32 (users, k), what each user adds to all scores, float32 (users,),
        the number of items for each user, n, and what the users have seen, if that is to be left out. It returns item
        indices, int32 (users, n), and scores, float32 (users, n), best first, equal scores in order of index; -1 and
        NaN where fewer items are left.
        """
        with single_blas(), pool(threads) as run:

            def rank(
                vectors: Floats, offsets: Floats, n: int, seen: SeenRanges | None = None, /
            ) -> tuple[NDArray[np.int32], Floats]:
                return self._rank(run, threads or available(), vectors, offsets, n, seen)

            yield rank

    def _rank(
        self, run: Run, threads: int, vectors: Floats, offsets: Floats, n: int, seen: SeenRanges | None
    ) -> tuple[NDArray[np.int32], Floats]:
        check_count(n)
        items = np.full((len(vectors), n), -1, np.int32)
        values = np.full((len(vectors), n), np.nan, np.float32)
        if self.size and len(vectors):

            def rank_block(rows: slice) -> None:
                self._rank_block(vectors[rows], offsets[rows], seen, rows, items, values)

            # The first call is for no user: it loads the kernels before the threads start. Ctrl-C while Numba compiles
            # leaves Numba's lock closed, and a thread that needs the lock would wait forever.
            rank_block(slice(0, 0))
            run(rank_block, user_blocks(len(vectors), threads))
        return items, values

    def _rank_block(
        self,
        vectors: Floats,
        offsets: Floats,
        seen: SeenRanges | None,
        rows: slice,
        items: NDArray[np.int32],
        values: Floats,
    ) -> None:
        """Rank for the users of one block, and fill their rows of `items` and `values`."""
        from palate.kernels.ranking import sift_block, sort_heaps

        users, count = len(vectors), min(items.shape[1], self.size)
        vectors, signed_offsets = self._sign * vectors, (self._sign * offsets).astype(np.float32)
        padded, spread, slack = pad_factors(vectors), spread_factors(vectors), self._slack(vectors, offsets)
        best_scores, best_items = np.zeros((users, count), np.float32), np.zeros((users, count), np.int32)
        held = np.zeros(users, np.int64)
        block_seen = SeenRanges.nothing(users) if seen is None else seen.of(rows)
        room = np.empty(users * (_ITEMS + _FEWEST), np.float32)
        for first, stop in item_blocks(len(self._factors)):
            products = room[: users * (stop - first)].reshape(users, stop - first)
            np.matmul(padded, self._factors[first:stop].T, out=products)
            sift_block(
                products, first, self._factors, self._bias, spread, signed_offsets, slack, block_seen.items,
                block_seen.ends, self._position, block_seen.starts, best_scores, best_items, held,
            )  # fmt: skip
        sort_heaps(best_scores, best_items, held)
        filled = np.arange(count) < held[:, None]
        index = self._index[best_items] if len(self._index) else best_items
        items[rows, :count] = np.where(filled, index, -1)
        values[rows, :count] = np.where(filled, self._sign * best_scores + np.float32(0), np.nan)  # no -0

    def _slack(self, vectors: Floats, offsets: Floats) -> Floats:
        """Return how far a product of BLAS, with bias and offset, may be from the score: float32, (users,).

        A sum of k products is off by at most k roundings of the sum of their absolute values, in any order (Higham
        2002, "Accuracy and stability of numerical algorithms", section 3.1), and that sum is at most the product of the
        norms.
        """
        norms = np.sqrt(np.einsum("nk,nk->n", vectors, vectors, dtype=np.float64))
        sizes = norms * self._largest_norm + self._largest_bias + np.abs(offsets.astype(np.float64))
        return np.asarray((2 * vectors.shape[1] + 32) * _ROUNDING * sizes, np.float32)


def user_blocks(users: int, threads: int) -> list[slice]:
    """Return blocks of users: small enough for the caches, and one for each thread if there are enough users."""
    step = min(_USERS, -(-users // threads))
    return [slice(start, min(start + step, users)) for start in range(0, users, step)]


def item_blocks(items: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the end of blocks of items; the last is never smaller than what the kernel reads at once."""
    first = 0
    while first < items:
        stop = items if items - first < _ITEMS + _FEWEST else first + _ITEMS
        yield first, stop
        first = stop
