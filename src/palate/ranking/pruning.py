"""Upper bounds of many scores from a few columns, where the factors' spectrum falls.

Factors are turned so that the first columns hold most of the items' squares. What the others add to a product is at
most the product of their lengths (Cauchy and Schwarz; as in Teflioudi, Gemulla, Mykytiuk 2015, "LEMP: fast retrieval of
large entries in a matrix product"). The lengths are one more column, so that one product of narrower matrices yields
the bounds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Head", "choose_head"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# How many users and items tell how many columns are best.
_USERS, _ITEMS = 48, 8192
# What it costs to look at one score, and to write and read one bound, in columns of a product (measured).
_LOOK, _BOUND = 8000, 10
# A head must promise to save so large a share.
_GAIN = 0.15
# Items that are turned at once, in float64.
_PART = 1 << 15


class Head(NamedTuple):
    """The turn, how many columns are kept, and the items' columns with the length of the rest: float32."""

    turn: Doubles
    columns: int
    items: Floats

    def of(self, vectors: Floats) -> Floats:
        """Return the columns of users."""
        return _columns(vectors @ self.turn, self.columns)


def _columns(turned: Doubles, columns: int) -> Floats:
    rest = turned[:, columns:]
    return np.column_stack([turned[:, :columns], np.sqrt(np.einsum("nk,nk->n", rest, rest))]).astype(np.float32)


def choose_head(factors: Floats, bias: Floats, vectors: Floats, n: int) -> Head | None:
    """Choose how many columns are to be multiplied, by a sample of users and items; None where all of them are best.

    Parameters
    ----------
    factors, bias
        float32, (items, k) and (items,).
    vectors
        float32, (users, k).
    n
        How many items each user gets.
    """
    k = factors.shape[1]
    gram = np.zeros((k, k))
    for start in range(0, len(factors), _PART):
        part = factors[start : start + _PART].astype(np.float64)
        gram += part.T @ part
    turn = np.linalg.eigh(gram)[1][:, ::-1].copy()
    columns = _best_width(factors, bias, vectors, n, turn)
    if columns == k:
        return None
    items = np.empty((len(factors), columns + 1), np.float32)
    for start in range(0, len(factors), _PART):
        items[start : start + _PART] = _columns(factors[start : start + _PART] @ turn, columns)
    return Head(turn, columns, items)


def _best_width(factors: Floats, bias: Floats, vectors: Floats, n: int, turn: Doubles) -> int:
    some = factors[:: -(-len(factors) // _ITEMS)] @ turn
    own = bias[:: -(-len(factors) // _ITEMS)].astype(np.float64)
    users = vectors[:: -(-len(vectors) // _USERS)] @ turn
    reached = min(len(some), -(-n * len(some) // len(factors)))
    least = np.partition(users @ some.T + own, -reached, axis=1)[:, [-reached]]
    k = factors.shape[1]
    costs: dict[int, float] = {k: k * (1 - _GAIN) + _BOUND + _LOOK * reached / len(some)}
    for columns in range(8, k - 7, 8):
        bounds = (_columns(users, columns) @ _columns(some, columns).T) + own
        costs[columns] = columns + 1 + _BOUND + _LOOK * float((bounds >= least).mean())
    return min(costs, key=costs.__getitem__)
