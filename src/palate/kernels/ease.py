"""Kernels of EASE: how often two items were chosen by the same user, and sums of weights."""

from __future__ import annotations

import numpy as np

from palate.kernels.jit import jit
from palate.kernels.simd import LANES, add, load, mul, splat, store

__all__ = ["add_rows", "count_pairs", "score_users"]

# sha256 of simd.py, 12 digits: see `palate.kernels`.
SIMD = "6b458483b47b"

# Users whose scores are summed side by side.
_USERS = 2 * LANES


@jit
def count_pairs(item_indptr, item_users, user_indptr, user_items, user_weight, start, stop, gram):
    """Fill the lower triangle of rows start..stop of gram: X' diag(user_weight) X of the 0/1 table X.

    A user's items must be ascending. Every sum goes over users in ascending order, whatever the range of rows.
    """
    for item in range(start, stop):
        row = gram[item]
        row[: item + 1] = 0
        for place in range(item_indptr[item], item_indptr[item + 1]):
            user = item_users[place]
            weight = user_weight[user]
            for other in range(user_indptr[user], user_indptr[user + 1]):
                partner = user_items[other]
                if partner > item:
                    break
                row[partner] += weight


@jit
def add_rows(indptr, indices, values, rows, total):
    """Add sparse rows to total, one after the other."""
    for row in rows:
        for place in range(indptr[row], indptr[row + 1]):
            total[indices[place]] += values[place]


@jit(fused=False)
def score_users(indptr, indices, values, user_indptr, user_items, ratings, least, users, out):
    """Put sums of sparse rows into out: for each user those of the items with a rating of at least `least`.

    The items of a user must be ascending; returns whether they are. The rows are then added in this order, as by
    `add_rows`: sixteen users are lanes, and a lane whose user did not choose the item adds zeros.
    """
    items = out.shape[1]
    total, marks = np.empty((items, _USERS), np.float32), np.zeros((items, _USERS), np.float32)
    is_marked = np.zeros(items, np.bool_)
    for first in range(0, users.size, _USERS):
        lanes = min(_USERS, users.size - first)
        total[:] = 0
        for lane in range(lanes):
            user, last = users[first + lane], -1
            for place in range(user_indptr[user], user_indptr[user + 1]):
                item = user_items[place]
                if item <= last:
                    return False
                last = item
                if ratings[place] >= least:
                    marks[item, lane], is_marked[item] = 1, True
        for item in range(items):
            if not is_marked[item]:
                continue
            low, high = load(marks, item, 0), load(marks, item, LANES)
            for place in range(indptr[item], indptr[item + 1]):
                target, weight = indices[place], splat(values[place])
                store(total, target, 0, add(load(total, target, 0), mul(weight, low)))
                store(total, target, LANES, add(load(total, target, LANES), mul(weight, high)))
            marks[item], is_marked[item] = 0, False
        for start in range(0, items, _USERS):
            for lane in range(lanes):
                for item in range(start, min(start + _USERS, items)):
                    out[first + lane, item] = total[item, lane]
    return True
