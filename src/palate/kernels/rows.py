"""The row solver: one user's (or item's) factors given those of the other side, as a solution or as a draw.

Variants share the gram matrix of a row's ratings: `solve_rows` for the minimum or a draw, `solve_nonnegative_rows` for
the minimum among non-negative factors, `solve_confident_rows` where every pair counts and rated ones count more.
"""

from __future__ import annotations

import numpy as np

from palate.kernels.jit import jit
from palate.kernels.simd import LANES, add, fma, load, mul, splat, store, total

__all__ = [
    "pair_products",
    "row_errors",
    "solve_confident_rows",
    "solve_nonnegative_rows",
    "solve_rows",
    "weigh_sets",
]

# sha256 of simd.py, 12 digits: see `palate.kernels`.
SIMD = "1de28a60c256"

# Ratings that are gathered at once: their factors stay in the first-level cache.
_TILE = 128
# A non-negative row is done when no coordinate moves by more than this share of the largest, or after so many passes.
_STILL = 1e-5
_PASSES = 200


@jit
def _add_products(tile, size, row, column, gram):
    """Add tile[:size, row:row + 8]' tile[:size, column:column + 8] to gram, its eight rows in registers."""
    zero = splat(np.float32(0))
    r0, r1, r2, r3, r4, r5, r6, r7 = zero, zero, zero, zero, zero, zero, zero, zero
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    five, six, seven = np.uint64(5), np.uint64(6), np.uint64(7)
    for member in range(size):
        t = np.uint64(member)
        x = load(tile, t, column)
        r0 = fma(splat(tile[t, row]), x, r0)
        r1 = fma(splat(tile[t, row + one]), x, r1)
        r2 = fma(splat(tile[t, row + two]), x, r2)
        r3 = fma(splat(tile[t, row + three]), x, r3)
        r4 = fma(splat(tile[t, row + four]), x, r4)
        r5 = fma(splat(tile[t, row + five]), x, r5)
        r6 = fma(splat(tile[t, row + six]), x, r6)
        r7 = fma(splat(tile[t, row + seven]), x, r7)
    store(gram, row, column, add(load(gram, row, column), r0))
    store(gram, row + one, column, add(load(gram, row + one, column), r1))
    store(gram, row + two, column, add(load(gram, row + two, column), r2))
    store(gram, row + three, column, add(load(gram, row + three, column), r3))
    store(gram, row + four, column, add(load(gram, row + four, column), r4))
    store(gram, row + five, column, add(load(gram, row + five, column), r5))
    store(gram, row + six, column, add(load(gram, row + six, column), r6))
    store(gram, row + seven, column, add(load(gram, row + seven, column), r7))


@jit
def _add_tile(tile, members, gram):
    """Add tile[:members]' tile[:members] to gram (upper blocks only)."""
    for line in range(0, gram.shape[0], LANES):
        for column in range(line, gram.shape[0], LANES):
            _add_products(tile, members, np.uint64(line), np.uint64(column), gram)


@jit
def _add_ratings(indptr, indices, values, other, offset, row_weight, other_weight, row, tile, gram, right):
    """Add the normal equations of one row's ratings to gram (upper blocks only) and right."""
    size = other.shape[1]
    for first in range(indptr[row], indptr[row + 1], _TILE):
        members = min(_TILE, indptr[row + 1] - first)
        for member in range(members):
            i = np.uint64(indices[first + member])
            root = np.sqrt(row_weight[row] * other_weight[i])
            target = splat(root * (values[first + member] - offset[i]))
            for column in range(0, size, LANES):
                x = mul(splat(root), load(other, i, column))
                store(tile, member, column, x)
                store(right, 0, column, fma(target, x, load(right, 0, column)))
        _add_tile(tile, members, gram)


@jit
def _uniform(key, number):
    # splitmix64(key, number), strictly between 0 and 1.
    bits = key + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    return (np.float64(bits >> np.uint64(11)) + 0.5) * 2.0**-53


@jit
def _draw_normals(key, row, count, out):
    """Fill out[:count] with standard normals that depend on key and row alone (Box-Muller)."""
    mixed = np.uint64(key) ^ (np.uint64(row) * np.uint64(0xD1342543DE82EF95))
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xBF58476D1CE4E5B9)
    for place in range(0, count, 2):
        radius = np.sqrt(-2.0 * np.log(_uniform(mixed, place + 1)))
        angle = 2.0 * np.pi * _uniform(mixed, place + 2)
        out[place] = radius * np.cos(angle)
        if place + 1 < count:
            out[place + 1] = radius * np.sin(angle)


@jit
def _factorize(gram, size):
    """Turn gram = U'U into U in place (upper blocks only); False if it is not positive definite."""
    for pivot in range(size):
        if not gram[pivot, pivot] > 0:
            return False
        scale = splat(np.float32(1) / np.sqrt(gram[pivot, pivot]))
        for column in range(pivot // LANES * LANES, size, LANES):
            store(gram, pivot, column, mul(scale, load(gram, pivot, column)))
        for row in range(pivot + 1, size):
            factor = splat(-gram[pivot, row])
            for column in range(row // LANES * LANES, size, LANES):
                store(gram, row, column, fma(factor, load(gram, pivot, column), load(gram, row, column)))
    return True


@jit
def _substitute(gram, right, found):
    """Solve U'y = right for y, put into found; U are the upper blocks of gram. Uses right up."""
    for pivot in range(found.size):
        found[pivot] = right[0, pivot] / gram[pivot, pivot]
        factor = splat(-found[pivot])
        for column in range(pivot // LANES * LANES, found.size, LANES):
            store(right, 0, column, fma(factor, load(gram, pivot, column), load(right, 0, column)))


@jit
def _substitute_back(gram, right, work, row, out):
    """Solve Ux = right for x, put into out[row]."""
    for column in range(0, right.size, LANES):
        store(work, 0, column, splat(np.float32(0)))
    for pivot in range(right.size - 1, -1, -1):
        done = splat(np.float32(0))
        for column in range(pivot // LANES * LANES, right.size, LANES):
            done = fma(load(gram, pivot, column), load(work, 0, column), done)
        work[0, pivot] = (right[pivot] - total(done)) / gram[pivot, pivot]
    for column in range(0, right.size, LANES):
        store(out, row, column, load(work, 0, column))


@jit
def solve_rows(
    indptr, indices, values, other, offset, row_weight, other_weight, precision, linear, start, stop, draws, key, out
):  # fmt: skip
    """Solve for the rows start..stop, each given its ratings.

    Row r minimizes, with w = row_weight[r] * other_weight[i] over its ratings (i, value),

        sum w (value - offset[i] - x . other[i])^2 + x' precision x - 2 x . linear[r]

    or, where draws > 0, is a draw from the normal distribution with that minimum and the inverse of the matrix in x as
    covariance; only the first `draws` columns are random. Shapes: other (others, d), precision (d, d), linear and out
    (rows, d), with d a multiple of LANES; padding columns need a one on the diagonal of the precision.

    Returns -1, or the first row whose matrix was not positive definite.
    """
    size = other.shape[1]
    tile, gram = np.empty((_TILE, size), np.float32), np.empty((size, size), np.float32)
    right, noise = np.empty((1, size), np.float32), np.zeros(size, np.float32)
    for row in range(start, stop):
        for column in range(0, size, LANES):
            store(right, 0, column, load(linear, row, column))
            for line in range(size):
                store(gram, line, column, load(precision, line, column))
        # Written out: as a call of _add_ratings the whole took a fifth longer (measured at d = 24, 100 ratings a row).
        for first in range(indptr[row], indptr[row + 1], _TILE):
            members = min(_TILE, indptr[row + 1] - first)
            for member in range(members):
                i = np.uint64(indices[first + member])
                root = np.sqrt(row_weight[row] * other_weight[i])
                target = splat(root * (values[first + member] - offset[i]))
                for column in range(0, size, LANES):
                    x = mul(splat(root), load(other, i, column))
                    store(tile, member, column, x)
                    store(right, 0, column, fma(target, x, load(right, 0, column)))
            _add_tile(tile, members, gram)
        if not _factorize(gram, size):
            return row
        _substitute(gram, right, noise)
        if draws > 0:
            _draw_normals(key, row, draws, tile[0])
            for column in range(draws):
                noise[column] += tile[0, column]
        _substitute_back(gram, noise, right, row, out)
    return -1


@jit
def solve_nonnegative_rows(
    indptr, indices, values, other, offset, row_weight, other_weight, precision, linear, start, stop, bounded, out
):  # fmt: skip
    """Solve for the rows start..stop as `solve_rows` does, but with the first `bounded` columns of x not below zero.

    Coordinate descent on the row's normal equations, from where out stands: each coordinate in turn goes to its minimum
    given the others, or to zero if that is negative, until none moves any more (Franc, Hlavac, Navara 2005, "Sequential
    coordinate-wise algorithm for the non-negative least squares problem").
    No step lets the objective rise, so a row that has not come to rest is still better than before.

    Returns -1, or the first row whose matrix has a diagonal that is not positive.
    """
    size = other.shape[1]
    tile, gram = np.empty((_TILE, size), np.float32), np.empty((size, size), np.float32)
    slope = np.empty((1, size), np.float32)
    for row in range(start, stop):
        for column in range(0, size, LANES):
            store(slope, 0, column, load(linear, row, column))
            for line in range(size):
                store(gram, line, column, load(precision, line, column))
        _add_ratings(indptr, indices, values, other, offset, row_weight, other_weight, row, tile, gram, slope)
        for line in range(size):
            if not gram[line, line] > 0:
                return row
            for column in range(line):
                gram[line, column] = gram[column, line]
        for line in range(size):  # what is still lacking on the right: right - gram x
            factor = splat(-out[row, line])
            for column in range(0, size, LANES):
                store(slope, 0, column, fma(factor, load(gram, line, column), load(slope, 0, column)))
        for _ in range(_PASSES):
            farthest, largest = np.float32(0), np.float32(0)
            for line in range(size):
                after = out[row, line] + slope[0, line] / gram[line, line]
                if line < bounded:
                    after = max(after, np.float32(0))
                change = after - out[row, line]
                if change != 0:
                    out[row, line] = after
                    for column in range(0, size, LANES):
                        moved = fma(splat(-change), load(gram, line, column), load(slope, 0, column))
                        store(slope, 0, column, moved)
                farthest, largest = max(farthest, abs(change)), max(largest, abs(after))
            if farthest <= np.float32(_STILL) * largest:
                break
    return -1


@jit
def solve_confident_rows(indptr, indices, confidence, other, everything, ridge, start, stop, out):
    """Solve for the rows start..stop where every pair counts, and rated ones more (Hu, Koren, Volinsky 2008).

    Row r minimizes, with c the confidence of its ratings,

        sum c (1 - x . other[i])^2 + x' everything x + ridge[r] |x|^2

    where everything (d, d) is the weighted gram matrix of all of other: it is the same for all rows. Padding columns of
    other are zero, and so are those of out.

    Returns -1, or the first row whose matrix was not positive definite.
    """
    size = other.shape[1]
    tile, gram = np.empty((_TILE, size), np.float32), np.empty((size, size), np.float32)
    right, solved = np.empty((1, size), np.float32), np.empty(size, np.float32)
    for row in range(start, stop):
        for column in range(0, size, LANES):
            store(right, 0, column, splat(np.float32(0)))
            for line in range(size):
                store(gram, line, column, load(everything, line, column))
        for line in range(size):
            gram[line, line] += ridge[row]
        for first in range(indptr[row], indptr[row + 1], _TILE):
            members = min(_TILE, indptr[row + 1] - first)
            for member in range(members):
                i = np.uint64(indices[first + member])
                root = splat(np.sqrt(confidence[first + member]))
                for column in range(0, size, LANES):
                    x = mul(root, load(other, i, column))
                    store(tile, member, column, x)
                    store(right, 0, column, fma(root, x, load(right, 0, column)))
            _add_tile(tile, members, gram)
        if not _factorize(gram, size):
            return row
        _substitute(gram, right, solved)
        _substitute_back(gram, solved, right, row, out)
    return -1


@jit
def row_errors(indptr, indices, values, mine, other, offset, other_weight, start, stop, plain, weighted):
    """Put the sum of squared errors of each row into plain, and that weighted by other_weight into weighted."""
    for row in range(start, stop):
        squares, weighed = 0.0, 0.0
        for place in range(indptr[row], indptr[row + 1]):
            i = np.uint64(indices[place])
            product = splat(np.float32(0))
            for column in range(0, other.shape[1], LANES):
                product = fma(load(mine, row, column), load(other, i, column), product)
            error = values[place] - offset[i] - total(product)
            squares += error * error
            weighed += other_weight[i] * error * error
        plain[row], weighted[row] = squares, weighed


@jit
def pair_products(mine, other, rows, columns, start, stop, out):
    """Put mine[rows] . other[columns] of the pairs start..stop into out."""
    for place in range(start, stop):
        r, c = np.uint64(rows[place]), np.uint64(columns[place])
        product = splat(np.float32(0))
        for column in range(0, other.shape[1], LANES):
            product = fma(load(mine, r, column), load(other, c, column), product)
        out[place] = total(product)


@jit
def weigh_sets(indptr, members, share, length, rest, weights, precision, key, draw):
    """One pass over the weights of a linear model with sparse predictors, eight columns at once.

    With `draw` of Gibbs, else of coordinate descent.

    Predictor j is share[m] for its members m = members[indptr[j]:indptr[j + 1]], with squared length length[j]. rest
    (rows, 8) is what the weights (predictors, 8) leave of the targets, which have unit noise; weights have the given
    prior precision. Both are updated in place.
    """
    noise = np.empty(LANES, np.float32)
    lanes = np.zeros((1, LANES), np.float32)
    for j in range(length.size):
        product = splat(np.float32(0))
        for place in range(indptr[j], indptr[j + 1]):
            m = np.uint64(members[place])
            product = fma(splat(share[m]), load(rest, m, 0), product)
        if draw:
            _draw_normals(key, j, LANES, noise)
            for lane in range(LANES):
                lanes[0, lane] = noise[lane]
        variance = np.float32(1) / (length[j] + precision)
        before = load(weights, j, 0)
        mean = mul(splat(variance), fma(splat(length[j]), before, product))
        after = fma(splat(np.sqrt(variance)), load(lanes, 0, 0), mean)
        store(weights, j, 0, after)
        change = fma(splat(np.float32(-1)), after, before)
        for place in range(indptr[j], indptr[j + 1]):
            m = np.uint64(members[place])
            store(rest, m, 0, fma(splat(share[m]), change, load(rest, m, 0)))
