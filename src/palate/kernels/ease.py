"""Kernels of EASE: how often two items were chosen by the same user, and sums of weights."""

from __future__ import annotations

from palate.kernels.jit import jit

__all__ = ["add_rows", "count_pairs"]


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
