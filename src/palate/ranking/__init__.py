"""Choosing the best of many scores, for one user or for many at once, and the rating that would tell most.

A score is a sum of products in float32, added in a fixed order (`scores`), so that one user, a batch and all users get
the same bits on any machine and any number of threads. For many users BLAS computes the products, faster and in an
order of its own: they only tell which items can be among the best at all, and the scores of these are summed up anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.parallel import Run, available, pool, single_blas

__all__ = ["BatchRanker", "Scored", "best", "check_count", "information_gain", "scores"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_LANES = 8
# A smaller table is scored by NumPy, with the same bits, before the kernels are loaded: that alone takes 0.3 seconds.
_LARGE = 1 << 21
# Users and items of a block of products: they stay in the caches between BLAS and the kernel.
_USERS, _ITEMS, _FEWEST = 512, 384, 32
# float32 rounds by this share at most.
_ROUNDING = 2.0**-24
_NOTHING, _NO_MASK = np.empty(0, np.int32), np.empty(0, np.bool_)

Seen = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]


class Rank(Protocol):
    """Ranks items for users: see `BatchRanker.opened`."""

    def __call__(
        self, vectors: Floats, offsets: Floats, n: int, seen: Seen | None = None, /
    ) -> tuple[NDArray[np.int32], Floats]: ...


class Scored(NamedTuple):
    """An item or user with its score: a predicted rating, or a similarity."""

    id: int | str
    score: float
    title: str


def check_count(n: Any) -> None:
    """Refuse a number of items that is none."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise SettingsError(f"n must be an integer and at least 1, not {n!r}")
    if n >= 1 << 31:
        raise SettingsError("n must be below 2,147,483,648: no model has more items")


def _compiled(cells: int) -> bool:
    return cells >= _LARGE or "palate.kernels.ranking" in sys.modules


def scores(factors: Floats, bias: Floats, vector: Floats, offset: float) -> Floats:
    """Return the score of every item for one user: factors @ vector + bias + offset.

    Eight sums run side by side over every eighth product and are added in halves; every operation rounds to float32.

    Parameters
    ----------
    factors
        float32, (items, k).
    bias
        float32, (items,).
    vector
        float32, (k,): the user's factors.
    offset
        What the user adds to all.

    Returns
    -------
    ndarray
        float32, (items,).

    Examples
    --------
    >>> scores(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), np.array([1, 2], np.float32), 3)
    array([4., 5.], dtype=float32)
    """
    factors, vectors, own = _wide(factors), _spread(vector[None]), np.float32(offset)
    if _compiled(factors.size):
        from palate.kernels.ranking import score_items

        found = np.empty(len(factors), np.float32)
        score_items(factors, bias[None], vectors, own, 0, len(factors), found)
        return found
    sums, last = np.zeros((len(factors), _LANES), np.float32), factors.shape[1] - _LANES
    for column in range(0, vectors.shape[1], _LANES):
        start = min(column, last)
        sums += factors[:, start : start + _LANES] * vectors[0, column : column + _LANES]
    while sums.shape[1] > 1:
        half = sums.shape[1] // 2
        sums = sums[:, :half] + sums[:, half:]
    return np.asarray(sums[:, 0] + bias + own, np.float32)


def _wide(factors: Floats) -> Floats:
    """Return at least eight columns: kernels read eight at a time."""
    missing = _LANES - factors.shape[1]
    return np.ascontiguousarray(np.pad(factors, ((0, 0), (0, missing))) if missing > 0 else factors, np.float32)


def _spread(vectors: Floats) -> Floats:
    """Return rows in steps of eight factors; the last step ends with the last factor, and is zero where it overlaps."""
    k = vectors.shape[1]
    whole = k // _LANES * _LANES
    if whole == k:
        return np.ascontiguousarray(vectors, np.float32)
    found = np.zeros((len(vectors), whole + _LANES), np.float32)
    found[:, :whole] = vectors[:, :whole]
    end = found.shape[1] if k > _LANES else k
    found[:, end - (k - whole) : end] = vectors[:, whole:]
    return found


def best(
    scores: Floats,
    n: int,
    allowed: NDArray[np.bool_] | None = None,
    hidden: NDArray[np.int32] = _NOTHING,
    lowest: bool = False,
) -> NDArray[np.integer]:
    """Return the indices of the n best scores, best first; equal scores in order of index.

    Parameters
    ----------
    scores
        float32, (items,).
    n
        How many; fewer come back where fewer are left.
    allowed
        Which of the items take part; None for all.
    hidden
        The indices of those that do not, in any order: what a user has seen.
    lowest
        Whether the lowest scores are the best.
    """
    check_count(n)
    if _compiled(len(scores)):
        from palate.kernels.ranking import choose

        sign = np.float32(-1 if lowest else 1)
        chosen: NDArray[np.int32] = choose(
            scores, sign, _NO_MASK if allowed is None else allowed, hidden, min(n, len(scores))
        )
        return chosen
    keys = scores.copy() if lowest else -scores
    if allowed is not None:
        keys[~allowed] = np.inf
    keys[hidden] = np.inf
    n = min(n, int(np.count_nonzero(keys < np.inf)))
    if n < len(keys):
        # Every key as good as the n-th takes part, so that ties do not depend on the partition.
        candidates = np.flatnonzero(keys <= np.partition(keys, n)[:n].max(initial=-np.inf))
    else:
        candidates = np.arange(n)
    return candidates[np.argsort(keys[candidates], kind="stable")][:n]


class BatchRanker:
    """The items that many users are ranked on.

    Parameters
    ----------
    factors, bias
        float32, (items, k) and (items,).
    allowed
        Which of the items take part; None for all.
    lowest
        Whether the lowest scores are the best.
    """

    def __init__(
        self, factors: Floats, bias: Floats, allowed: NDArray[np.bool_] | None = None, lowest: bool = False
    ) -> None:
        self._sign = np.float32(-1 if lowest else 1)
        self._own = self._place = np.empty(0, np.int32)
        if allowed is not None and not allowed.all():
            self._own = np.flatnonzero(allowed).astype(np.int32)
            self._place = np.full(len(factors), -1, np.int32)
            self._place[self._own] = np.arange(len(self._own), dtype=np.int32)
            factors, bias = factors[self._own], bias[self._own]
        self.size = len(factors)
        missing = max(0, _FEWEST - self.size)
        self._factors = _wide(np.pad(factors, ((0, missing), (0, 0))) if missing else factors)
        self._bias = np.pad(self._sign * bias, (0, missing), constant_values=-np.inf)[None].astype(np.float32)
        self._length = float(np.sqrt(np.einsum("nk,nk->n", factors, factors, dtype=np.float64).max(initial=0)))
        self._largest_bias = float(np.abs(bias).max(initial=0))

    @contextmanager
    def opened(self, threads: int | None = None) -> Iterator[Rank]:
        """Open a pool of threads, each with a BLAS of one thread, and yield what ranks the items for users.

        It takes the users' factors, float32 (users, k), what each of them adds to all scores, float32 (users,), and how
        many items each is to get; and what to leave out: where each user's items start and end (int64), and the items
        (int32, ascending for each user). It returns items, int32 (users, n), and scores, float32 (users, n), best
        first, equal scores in order of index; -1 and NaN where fewer are left.
        """
        with single_blas(), pool(threads) as run:
            yield lambda *given: self._share(run, threads or available(), *given)

    def _share(
        self, run: Run, threads: int, vectors: Floats, offsets: Floats, n: int, seen: Seen | None = None
    ) -> tuple[NDArray[np.int32], Floats]:
        check_count(n)
        items = np.full((len(vectors), n), -1, np.int32)
        found = np.full((len(vectors), n), np.nan, np.float32)
        if self.size and len(vectors):
            parts = _cut(len(vectors), threads)

            def rank(rows: slice) -> None:
                self._rank(vectors[rows], offsets[rows], seen, rows, items, found)

            # Nobody is ranked first, so that the kernels are loaded before the threads start: Ctrl-C while Numba
            # compiles leaves its lock closed, and another thread that wants it would wait forever.
            rank(slice(0, 0))
            run(rank, parts)
        return items, found

    def _rank(
        self,
        vectors: Floats,
        offsets: Floats,
        seen: Seen | None,
        rows: slice,
        items: NDArray[np.int32],
        found: Floats,
    ) -> None:
        from palate.kernels.ranking import sift_block, sort_heaps

        count = min(items.shape[1], self.size)
        vectors, own = self._sign * vectors, (self._sign * offsets).astype(np.float32)
        wide, spread, slack = _wide(vectors), _spread(vectors), self._slack(vectors, offsets)
        best_scores, best_items = np.zeros((len(own), count), np.float32), np.zeros((len(own), count), np.int32)
        held, following, ends, others = np.zeros(len(own), np.int64), *self._seen(seen, rows, len(own))
        room = np.empty(len(own) * (_ITEMS + _FEWEST), np.float32)
        for first, stop in _blocks(len(self._factors)):
            products = room[: len(own) * (stop - first)].reshape(len(own), stop - first)
            np.matmul(wide, self._factors[first:stop].T, out=products)
            sift_block(
                products, first, self._factors, self._bias, spread, own, slack, others, ends, self._place, following,
                best_scores, best_items, held,
            )  # fmt: skip
        sort_heaps(best_scores, best_items, held)
        chosen = np.arange(count) < held[:, None]
        named = self._own[best_items] if len(self._own) else best_items
        items[rows, :count] = np.where(chosen, named, -1)
        found[rows, :count] = np.where(chosen, self._sign * best_scores + np.float32(0), np.nan)  # no -0

    def _seen(self, seen: Seen | None, rows: slice, users: int) -> tuple[Any, Any, Any]:
        if seen is None:
            return np.zeros(users, np.int64), np.zeros(users, np.int64), np.empty(0, np.int32)
        starts, ends, items = seen
        return starts[rows].copy(), ends[rows].copy(), items

    def _slack(self, vectors: Floats, offsets: Floats) -> Floats:
        """Return how far a product of BLAS with what is added to it may be from a score.

        A sum of k products is off by at most k roundings of the sum of their sizes, in any order (Higham 2002,
        "Accuracy and stability of numerical algorithms", section 3.1), and that sum is at most the product of the
        lengths.
        """
        lengths = np.sqrt(np.einsum("nk,nk->n", vectors, vectors, dtype=np.float64))
        sizes = lengths * self._length + self._largest_bias + np.abs(offsets.astype(np.float64))
        return np.asarray((2 * vectors.shape[1] + 32) * _ROUNDING * sizes, np.float32)


def _cut(users: int, threads: int) -> list[slice]:
    step = min(_USERS, -(-users // threads))
    return [slice(start, min(start + step, users)) for start in range(0, users, step)]


def _blocks(items: int) -> Iterator[tuple[int, int]]:
    first = 0
    while first < items:
        # What is left over is never less than the kernel reads at once.
        stop = items if items - first < _ITEMS + _FEWEST else first + _ITEMS
        yield first, stop
        first = stop


def information_gain(toward: Doubles, covariance: Doubles, noise: Doubles, weights: NDArray[np.int64]) -> Floats:
    r"""Return the share of the variance of all predictions for a user that a rating of each item would take away.

    With :math:`\Sigma` the covariance of the user's factors and bias, a rating of item j with the variance :math:`v_j`
    takes :math:`(z_i \Sigma z_j)^2 / (v_j + z_j \Sigma z_j)` off the variance of the prediction of item i, whatever the
    rating will be.

    Parameters
    ----------
    toward
        (items, k + 1): z, the items' factors and a one.
    covariance
        (k + 1, k + 1).
    noise
        (items,): v.
    weights
        (items,): how much each prediction matters.
    """
    spread = toward @ covariance
    before = np.einsum("nk,nk->n", spread, toward)
    gone = np.einsum("nk,kl,nl->n", spread, (toward.T * weights) @ toward, spread, optimize=True)
    return np.asarray(gone / (noise + before) / float(weights @ before), np.float32)
