"""Kernels of EASE: how often two items were chosen by the same user."""

from __future__ import annotations

import numpy as np

from palate.kernels.jit import jit

__all__ = ["add_weighted_rows", "count_pairs"]


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
def add_weighted_rows(indptr, indices, values, rows, shares, scores):
    """Add shares[i] times the sparse row rows[i] to scores, row by row."""
    for place in range(rows.size):
        share = shares[place]
        for entry in range(indptr[rows[place]], indptr[rows[place] + 1]):
            scores[indices[entry]] += share * values[entry]
