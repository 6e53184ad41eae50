"""The best of many scores for one user.

A score is a sum of products in float32, added in a fixed order (see `scores`), so that one user, a batch and all users
get the same bits on any machine and with any number of threads.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError

__all__ = ["Floats", "Scored", "best", "check_count", "pad_factors", "scores", "spread_factors"]

Floats = NDArray[np.float32]

# Kernels read eight factors at a time.
_LANES = 8
# Below this number of factors NumPy computes the scores, with the same bits, unless the kernels are loaded already:
# loading them takes 0.3 seconds.
_LARGE = 1 << 21
_NOTHING, _NO_MASK = np.empty(0, np.int32), np.empty(0, np.bool_)


class Scored(NamedTuple):
    """An item or user with its score: a predicted rating, or a similarity. A user has no title."""

    id: int | str
    score: float
    title: str


def check_count(n: Any) -> None:
    """Raise a `SettingsError` if n is not a possible number of items."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise SettingsError(f"n must be an integer and at least 1, not {n!r}")
    if n >= 1 << 31:
        raise SettingsError("n must be below 2,147,483,648: no model has more items")


def _compiled(cells: int) -> bool:
    return cells >= _LARGE or "palate.kernels.ranking" in sys.modules


def scores(factors: Floats, bias: Floats, vector: Floats, offset: float) -> Floats:
    """Return the score of every item for one user: factors @ vector + bias + offset.

    Eight sums, each over every eighth product, are computed side by side and then added in halves; every operation
    rounds to float32.

    Parameters
    ----------
    factors
        float32, (items, k).
    bias
        float32, (items,).
    vector
        float32, (k,): the user's factors.
    offset
        What the user adds to all scores.

    Returns
    -------
    ndarray
        float32, (items,).

    Examples
    --------
    >>> scores(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), np.array([1, 2], np.float32), 3)
    array([4., 5.], dtype=float32)
    """
    factors, vectors, offset32 = pad_factors(factors), spread_factors(vector[None]), np.float32(offset)
    if _compiled(factors.size):
        from palate.kernels.ranking import score_items

        values = np.empty(len(factors), np.float32)
        score_items(factors, bias[None], vectors, offset32, 0, len(factors), values)
        return values
    sums, last = np.zeros((len(factors), _LANES), np.float32), factors.shape[1] - _LANES
    for column in range(0, vectors.shape[1], _LANES):
        start = min(column, last)
        sums += factors[:, start : start + _LANES] * vectors[0, column : column + _LANES]
    while sums.shape[1] > 1:
        half = sums.shape[1] // 2
        sums = sums[:, :half] + sums[:, half:]
    return np.asarray(sums[:, 0] + bias + offset32, np.float32)


def pad_factors(factors: Floats) -> Floats:
    """Return factors with columns of zeros added until there are eight."""
    missing = _LANES - factors.shape[1]
    return np.ascontiguousarray(np.pad(factors, ((0, 0), (0, missing))) if missing > 0 else factors, np.float32)


def spread_factors(vectors: Floats) -> Floats:
    """Return users' factors as the kernels step over items' factors, eight columns at a time.

    The last step ends with the last factor, so it may overlap the step before; it is zero there.
    """
    k = vectors.shape[1]
    whole = k // _LANES * _LANES
    if whole == k:
        return np.ascontiguousarray(vectors, np.float32)
    spread = np.zeros((len(vectors), whole + _LANES), np.float32)
    spread[:, :whole] = vectors[:, :whole]
    end = spread.shape[1] if k > _LANES else k
    spread[:, end - (k - whole) : end] = vectors[:, whole:]
    return spread


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
        How many; fewer are returned if fewer are left.
    allowed
        bool, (items,): which items take part; None for all.
    hidden
        int32: the indices of items that do not take part, in any order, such as those that a user has seen.
    lowest
        Whether the lowest scores are the best.

    Returns
    -------
    ndarray
        int32 or int64, (n,) or shorter.
    """
    check_count(n)
    if _compiled(len(scores)):
        from palate.kernels.ranking import choose

        sign = np.float32(-1 if lowest else 1)
        mask = _NO_MASK if allowed is None else allowed
        chosen: NDArray[np.int32] = choose(scores, sign, mask, hidden, min(n, len(scores)))
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
