"""Kernels that cut a table into blocks."""

from __future__ import annotations

import numpy as np

from palate.kernels.jit import jit

__all__ = ["count_blocks", "fill_blocks", "group_block", "shuffle_block", "shuffled_copy"]


@jit
def count_blocks(user, item, user_row, item_row, user_stripe, item_stripe, stripes, start, stop):
    """Count the ratings start..stop in each of the stripes * stripes blocks: int64."""
    counts = np.zeros(stripes * stripes, np.int64)
    for position in range(start, stop):
        u, i = user_row[user[position]], item_row[item[position]]
        counts[user_stripe[u] * stripes + item_stripe[i]] += 1
    return counts


@jit
def fill_blocks(
    user, item, user_row, item_row, user_stripe, item_stripe, stripes, rating, center, factor, start, stop, next_place,
    user_out, item_out, rating_out,
):  # fmt: skip
    """Copy the ratings start..stop to the next free place of their block, scaled, and with rows instead of indices.

    `next_place` has the next free place of each block, and is moved on.
    """
    for position in range(start, stop):
        u, i = user_row[user[position]], item_row[item[position]]
        block = user_stripe[u] * stripes + item_stripe[i]
        place = next_place[block]
        next_place[block] += 1
        user_out[place], item_out[place] = u, i
        rating_out[place] = (rating[position] - center) * factor


@jit
def _below(limit, key, counter):
    """Return a random integer from 0 up to a limit below 2^32, with random bits from splitmix64(key, counter)."""
    bits = np.uint64(key) + np.uint64(counter) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    # The upper 32 bits, scaled: a modulus costs ten times as much.
    return np.int64(((bits >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))


@jit
def shuffle_block(user, item, rating, start, stop, key):
    """Permute start..stop of three columns in place (Fisher-Yates), with random bits from splitmix64(key, position)."""
    for position in range(stop - start - 1, 0, -1):
        a, b = start + position, start + _below(position + 1, key, position)
        user[a], user[b] = user[b], user[a]
        item[a], item[b] = item[b], item[a]
        rating[a], rating[b] = rating[b], rating[a]


@jit
def group_block(user, item, rating, start, stop, first, group):
    """Sort start..stop of three columns by groups of user rows, stably; a group has `group` rows, from `first` on."""
    groups = 1
    for position in range(start, stop):
        groups = max(groups, (user[position] - first) // group + 1)
    next_place = np.zeros(groups + 1, np.int64)
    for position in range(start, stop):
        next_place[(user[position] - first) // group + 1] += 1
    for number in range(groups):
        next_place[number + 1] += next_place[number]
    users, items, ratings = user[start:stop].copy(), item[start:stop].copy(), rating[start:stop].copy()
    for position in range(users.size):
        number = (users[position] - first) // group
        place = start + next_place[number]
        next_place[number] += 1
        user[place], item[place], rating[place] = users[position], items[position], ratings[position]


@jit
def shuffled_copy(user, item, rating, start, stop, first, group, key):
    """Return start..stop of three columns in another order: groups of user rows in random order, shuffled inside.

    The part is sorted by groups, see `group_block`. The order depends on the part and the key alone.
    """
    size = stop - start
    ends = np.empty(size, np.int64)
    groups = 0
    limit = first + group
    for position in range(start, stop):
        if user[position] >= limit:
            if position > start:
                ends[groups] = position
                groups += 1
            limit = user[position] - (user[position] - first) % group + group  # divided once for each group
    if size:
        ends[groups] = stop
        groups += 1
    order = np.arange(groups)
    for place in range(groups - 1, 0, -1):
        other = _below(place + 1, key, size + place)
        order[place], order[other] = order[other], order[place]
    users, items, ratings = np.empty(size, user.dtype), np.empty(size, item.dtype), np.empty(size, rating.dtype)
    place = 0
    for number in order:
        begin = ends[number - 1] if number else start
        for offset in range(ends[number] - begin):
            # The inside-out shuffle: each rating goes to a random place among those before it.
            other = _below(offset + 1, key, place + offset)
            a, b = place + offset, place + other
            users[a], items[a], ratings[a] = users[b], items[b], ratings[b]
            position = begin + offset
            users[b], items[b], ratings[b] = user[position], item[position], rating[position]
        place += ends[number] - begin
    return users, items, ratings
