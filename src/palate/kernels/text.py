"""Kernels that read plain numeric text, and that renumber ids.

Plain text has integer ids, decimal ratings, one separator and no quotes. The kernels stop at the first other line; the
caller then reads the text with a slower reader that accepts more.
"""

from __future__ import annotations

import numpy as np

from palate.kernels.jit import jit

__all__ = ["count_lines", "mark", "parse_lines", "renumber"]

# A decimal of up to 15 digits is m / 10**places with both exact in float64, so the quotient is correctly rounded.
_POWERS = 10.0 ** np.arange(16)


@jit
def count_lines(text):
    """Count the newlines."""
    lines = 0
    for byte in text:
        lines += byte == np.uint8(10)
    return lines


@jit
def parse_lines(text, separator, repeat, roles, ids, rating, time):
    """Read whole lines of text, which must end in a newline, into columns.

    These are ids (int32 or int64, 2 x n), rating (float32, n) and time (int64, n, or empty if no field holds it). A
    line holds a field for each of `roles`: 0 user, 1 item, 2 rating, 3 skipped, 4 time. Between fields stands
    `separator`, a byte, `repeat` times.

    Returns 0 if all lines were read, 1 if one is not plain, 2 if an id is too long for int32. Integers with leading
    zeros are not plain (they are text), nor numbers with an exponent, a plus sign or more than 15 digits (18 in times).
    """
    # With unsigned positions Numba needs no test for negative ones. No digit loop runs past a newline.
    one, zero, nine, ten = np.uint64(1), np.uint64(48), np.uint64(9), np.uint64(10)
    longest = np.uint64(9 if ids.itemsize == 4 else 15)
    position, stop = np.uint64(0), np.uint64(text.size)
    row = 0
    while position < stop:
        for field in range(roles.size):
            role = roles[field]
            if field > 0:
                for _ in range(repeat):
                    if text[position] != separator:
                        return 1
                    position += one
            if role == 3:
                while text[position] != separator and text[position] != 10:
                    if text[position] == 34:  # a quoted field may hold separators and newlines
                        return 1
                    position += one
                continue
            negative = text[position] == 45
            position += np.uint64(negative)
            first = position
            value = np.uint64(0)
            digit = np.uint64(text[position]) - zero
            while digit <= nine:
                value = value * ten + digit
                position += one
                digit = np.uint64(text[position]) - zero
            digits = position - first
            if digits == 0:
                return 1
            if role == 2:
                places = np.uint64(0)
                if text[position] == 46:
                    position += one
                    point = position
                    digit = np.uint64(text[position]) - zero
                    while digit <= nine:
                        value = value * ten + digit
                        position += one
                        digit = np.uint64(text[position]) - zero
                    places = position - point
                if digits + places > 15:
                    return 1
                decimal = np.float64(np.int64(value)) / _POWERS[places]
                rating[row] = -decimal if negative else decimal
            elif role == 4:
                if digits > np.uint64(18):
                    return 1
                time[row] = -np.int64(value) if negative else np.int64(value)
            else:
                if text[first] == 48 and (digits > 1 or negative):
                    return 1
                if digits > longest:
                    return 2 if digits <= 15 else 1
                ids[role, row] = -np.int64(value) if negative else np.int64(value)
        if text[position] == 13:
            position += one
        if text[position] != 10:
            return 1
        position += one
        row += 1
    return 0


@jit
def mark(values, low, marked):
    """Set marked[value - low] for each value, none of which is below low."""
    for value in values:
        marked[np.uint64(value - low)] = 1


@jit
def renumber(user, item, user_low, item_low, user_table, item_table, index, start, stop):
    """Fill index[:, start:stop] (int32) with user_table[user - user_low] and item_table[item - item_low].

    Returns whether these rows, and the one before them, ascend by user and then by item.
    """
    ascending = True
    previous = max(start - 1, 0)
    last_user, last_item = user[previous], item[previous]
    if start == 0:
        last_item = last_item - 1
    for row in range(np.uint64(start), np.uint64(stop)):
        u, i = user[row], item[row]
        ascending &= (u > last_user) | ((u == last_user) & (i > last_item))
        last_user, last_item = u, i
        index[0, row] = user_table[np.uint64(u - user_low)]
        index[1, row] = item_table[np.uint64(i - item_low)]
    return ascending
