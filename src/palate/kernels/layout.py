"""Kernels that count, and that group the table by user or by item."""

from __future__ import annotations

import numpy as np

from palate.kernels.jit import jit

__all__ = ["are_rated", "count", "group", "is_grouped", "sum_remainders"]


@jit
def count(index, groups):
    """Count how often each of 0..groups - 1 is in an index: int64 (groups,)."""
    counts = np.zeros(groups, np.int64)
    for position in range(index.size):
        counts[index[position]] += 1
    return counts


@jit
def is_grouped(by, other):
    """Whether a table is sorted by two indices, without repeated pairs."""
    for position in range(1, by.size):
        before, now = by[position - 1], by[position]
        if now < before or (now == before and other[position] <= other[position - 1]):
            return False
    return True


@jit
def group(by, other, values, counts, other_counts):
    """Group a table by one index, with the other index ascending within each group: a counting sort by each.

    `counts` and `other_counts` are the counts of both indices. Returns the other index (int32, n) and the values
    (float32, n) in the new order.
    """
    indices, sorted_values = np.empty(by.size, np.int32), np.empty(by.size, np.float32)
    next_place = np.zeros(counts.size, np.int64)
    next_place[1:] = np.cumsum(counts)[:-1]
    ascending = True
    for position in range(1, by.size):
        if other[position] < other[position - 1]:
            ascending = False
            break
    if ascending:  # the first sort is not needed, as for a table by user that is grouped by item
        for position in range(by.size):
            place = next_place[by[position]]
            indices[place], sorted_values[place] = other[position], values[position]
            next_place[by[position]] += 1
        return indices, sorted_values
    order = np.empty(by.size, np.uint32)
    starts = np.zeros(other_counts.size, np.int64)
    starts[1:] = np.cumsum(other_counts)[:-1]
    for position in range(by.size):
        g = other[position]
        order[starts[g]] = position
        starts[g] += 1
    for position in order:
        place = next_place[by[position]]
        indices[place], sorted_values[place] = other[position], values[position]
        next_place[by[position]] += 1
    return indices, sorted_values


@jit
def are_rated(indptr, indices, row, column, out):
    """Put into out, for each pair of row and column, whether it is in a grouped table."""
    for place in range(row.size):
        low, high = indptr[row[place]], indptr[row[place] + 1]
        while low < high:
            middle = (low + high) // 2
            if indices[middle] < column[place]:
                low = middle + 1
            else:
                high = middle
        out[place] = low < indptr[row[place] + 1] and indices[low] == column[place]


@jit
def sum_remainders(index, values, other, partner, out):
    """Add to `out[index]` of each pair what the part of its partner leaves of its value."""
    for place in range(index.size):
        out[index[place]] += values[place] - other[partner[place]]
