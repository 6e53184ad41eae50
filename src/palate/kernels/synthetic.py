"""Kernels that draw a synthetic table of ratings, user by user.

Random bits are a function of a key and a counter (splitmix64), so a user's ratings do not depend on the other users.
"""

from __future__ import annotations

import math

import numpy as np

from palate.kernels.jit import jit

__all__ = ["alias_table", "draw_items", "draw_ratings"]


@jit
def _bits(key, counter):  # type: ignore[no-untyped-def]
    """Return 64 random bits."""
    bits = np.uint64(key) + np.uint64(counter + 1) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@jit
def _uniform(key, counter):  # type: ignore[no-untyped-def]
    """Return a float64 in (0, 1)."""
    return (np.float64(_bits(key, counter) >> np.uint64(12)) + 0.5) * 2.0**-52


@jit
def alias_table(weight):  # type: ignore[no-untyped-def]
    """Return Walker's alias table of positive weights: a draw takes a random column, and keeps it or takes its alias.

    Returns keep (uint32, n; in units of 2^-32) and alias (int32, n).
    """
    n = weight.size
    share = weight * (n / weight.sum())
    alias = np.arange(n).astype(np.int32)
    keep = np.full(n, np.uint32(0xFFFFFFFF))
    # Columns below 1 are at the left end of `stack`, the others at its right end.
    stack = np.empty(n, np.int32)
    small, large = 0, n
    for column in range(n):
        if share[column] < 1.0:
            stack[small] = column
            small += 1
        else:
            large -= 1
            stack[large] = column
    while small > 0 and large < n:
        small -= 1
        poor, rich = stack[small], stack[large]
        keep[poor] = np.uint32(min(share[poor] * 2.0**32, 2.0**32 - 1))
        alias[poor] = rich
        share[rich] -= 1.0 - share[poor]
        if share[rich] < 1.0:
            large += 1
            stack[small] = rich
            small += 1
    return keep, alias


@jit
def _draw_and_reject(key, keep, alias, mark, stamp, drawn):  # type: ignore[no-untyped-def]
    """Fill `drawn` with distinct items: an item that was drawn before is drawn again."""
    counter, count = 0, 0
    columns = np.uint64(keep.size)
    while count < drawn.size:
        bits = _bits(key, counter)
        counter += 1
        column = np.int64(((bits >> np.uint64(32)) * columns) >> np.uint64(32))
        item = column if np.uint32(bits & np.uint64(0xFFFFFFFF)) < keep[column] else np.int64(alias[column])
        if mark[item] != stamp:
            mark[item] = stamp
            drawn[count] = item
            count += 1


@jit
def _draw_by_race(key, weight, arrival, drawn):  # type: ignore[no-untyped-def]
    """Fill `drawn` with the items that arrive first, at exponential times with rates `weight`, in ascending order.

    The distribution is that of drawing one after the other without replacement, and the cost does not depend on the
    number of items drawn.
    """
    for item in range(weight.size):
        arrival[item] = -math.log(_uniform(key, item)) / weight[item]
    last = _smallest(arrival.copy(), drawn.size - 1)
    count = 0
    for item in range(weight.size):
        if arrival[item] <= last and count < drawn.size:
            drawn[count] = item
            count += 1


@jit
def _smallest(values, rank):  # type: ignore[no-untyped-def]
    """Return the value of that rank, from 0, by quickselect. Reorders values."""
    # np.partition would take seconds to compile.
    first, last = 0, values.size - 1
    while first < last:
        pivot = values[(first + last) // 2]
        left, right = first, last
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if rank <= right:
            last = right
        elif rank >= left:
            first = left
        else:
            break
    return values[rank]


@jit
def draw_items(first, stop, key, start, weight, keep, alias, easy, item):  # type: ignore[no-untyped-def]
    """Draw distinct items in proportion to weight, without replacement, for users first..stop.

    The items of user u are put into item[start[u]:start[u + 1]], in ascending order. Up to `easy` items are drawn by
    rejection, more by a race.
    """
    mark = np.full(weight.size, -1, np.int64)
    arrival = np.empty(weight.size)
    for user in range(first, stop):
        drawn = item[start[user] : start[user + 1]]
        user_key = _bits(key, user)
        if drawn.size <= easy:
            _draw_and_reject(user_key, keep, alias, mark, user, drawn)
            drawn.sort()
        else:
            _draw_by_race(user_key, weight, arrival, drawn)


@jit
def draw_ratings(first, stop, key, user, item, user_bias, item_bias, p, q, mean, noise, rating):  # type: ignore[no-untyped-def]
    """Fill rating[first:stop] with mean + biases + p·q + Gaussian noise, before scale and steps.

    p (users, k) and q (items, k) hold the factors.
    """
    for position in range(first, stop):
        u, i = user[position], item[position]
        value = mean + user_bias[u] + item_bias[i]
        for column in range(p.shape[1]):
            value += p[u, column] * q[i, column]
        radius = math.sqrt(-2.0 * math.log(_uniform(key, 2 * position)))
        rating[position] = value + noise * radius * math.cos(2.0 * math.pi * _uniform(key, 2 * position + 1))
