"""The row solver: one user's (or item's) factors given those of the other side, as a minimum or as a draw.

Three variants share the gram matrix of a row's ratings: `solve_rows` for the minimum or a draw,
`solve_nonnegative_rows` for the minimum among non-negative factors, and `solve_confident_rows` where every pair counts
and rated pairs count more.
"""

from __future__ import annotations

import numpy as np

from palate.kernels.jit import jit
from palate.kernels.simd import (
    HAS_AVX512,
    LANES,
    add_products_1x1,
    add_products_1x2,
    add_products_1x3,
    add_products_4x2,
    add_products_8x1,
    add_products_8x2,
    add_products_8x4,
    fma,
    load,
    mul,
    prefetch,
    splat,
    store,
    total,
)

__all__ = [
    "SET_COLUMNS",
    "measure_sets",
    "solve_confident_rows",
    "solve_nonnegative_rows",
    "solve_rows",
    "weigh_sets",
]

# sha256 of simd.py, 12 digits: see `palate.kernels`.
SIMD = "6b458483b47b"

# The largest numbers of ratings, and of their factors, in a tile: it stays in the first-level cache.
_TILE, _TILE_FLOATS = 128, 4096
# With at least this many columns, long registers are faster.
_LONG = 64
# Factors are prefetched this many ratings before they are needed.
_AHEAD = 8
# The columns of set weights that are drawn together: a whole cache line (16 take 1.3 times as long as 8, measured).
SET_COLUMNS = 2 * LANES
# A non-negative row is done when no coordinate moves by more than this share of the largest, or after _PASSES passes.
_STILL = 1e-5
_PASSES = 200


@jit
def _workspace(size):
    """Return arrays for the factors of a tile, for a number of each rating in it, and for the gram matrix of a row."""
    rows = max(LANES, min(_TILE, _TILE_FLOATS // size))
    # Without the additional columns, lines might be a power of two apart and share a few places in the cache.
    gram = np.empty((size, size + LANES), np.float32)
    return np.empty((rows, size), np.float32), np.empty((rows, 1), np.float32), gram


@jit
def _add_line(tile, members, line, sign, gram):
    """Add sign * tile[:members]' tile[:members] to the eight rows of gram from `line` on (upper blocks only)."""
    column, size = line, gram.shape[0]
    if (size - line) % (2 * LANES):
        add_products_8x1(tile, tile, members, line, column, sign, gram)
        column += LANES
    while HAS_AVX512 and size >= _LONG and size - column >= 4 * LANES:
        add_products_8x4(tile, tile, members, line, column, sign, gram)
        column += 4 * LANES
    while column < size:
        if HAS_AVX512 and size >= _LONG:
            add_products_8x2(tile, tile, members, line, column, sign, gram)
        else:
            add_products_4x2(tile, tile, members, line, column, sign, gram)
            add_products_4x2(tile, tile, members, line + 4, column, sign, gram)
        column += 2 * LANES


@jit
def _add_tile(tile, members, gram):
    """Add tile[:members]' tile[:members] to gram (upper blocks only)."""
    for line in range(0, gram.shape[0], LANES):
        _add_line(tile, members, line, np.float32(1), gram)


@jit
def _add_targets(targets, tile, members, right):
    """Add targets[:members]' tile[:members] to right."""
    size, column = right.shape[1], 0
    while size - column >= 3 * LANES:
        add_products_1x3(targets, tile, members, 0, column, np.float32(1), right)
        column += 3 * LANES
    if size - column == 2 * LANES:  # two sums side by side: a single sum would wait for each of its own additions
        add_products_1x2(targets, tile, members, 0, column, np.float32(1), right)
    elif column < size:
        add_products_1x1(targets, tile, members, 0, column, np.float32(1), right)


@jit
def _add_ratings(indptr, indices, values, other, offset, row_weight, other_weight, row, tile, targets, gram, right):
    """Add the normal equations of one row's ratings to gram (upper blocks only) and right.

    Returns the weighted sum of their squared targets.
    """
    size, squares = other.shape[1], 0.0
    for first in range(indptr[row], indptr[row + 1], len(tile)):
        members = min(len(tile), indptr[row + 1] - first)
        for member in range(members):
            i = np.uint64(indices[first + member])
            later = np.uint64(indices[min(first + member + _AHEAD, indptr[row + 1] - 1)])
            for column in range(0, size, 2 * LANES):
                prefetch(other, later, column)
            root = np.sqrt(row_weight[row] * other_weight[i])
            target = root * (values[first + member] - offset[i])
            squares += target * target
            targets[member, 0] = target
            for column in range(0, size, LANES):
                store(tile, member, column, mul(splat(root), load(other, i, column)))
        _add_targets(targets, tile, members, right)
        _add_tile(tile, members, gram)
    return squares


@jit
def _dot(a, line, b, row):
    """Return a[line] . b[row]."""
    product = splat(np.float32(0))
    for column in range(0, a.shape[1], LANES):
        product = fma(load(a, line, column), load(b, row, column), product)
    return total(product)


@jit
def _form(precision, out, row):
    """Return x' precision x for the row's solution x."""
    form = 0.0
    for line in range(out.shape[1]):
        form += out[row, line] * _dot(precision, line, out, row)
    return form


@jit
def _uniform(key, number):
    """Return splitmix64(key, number) as a float64 strictly between 0 and 1."""
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
    """Replace gram = U'U by U with an inverted diagonal (upper blocks only); return False if not positive definite."""
    for line in range(0, size, LANES):
        # Subtract the part of the rows above from these eight, by the same products as for the gram matrix itself.
        _add_line(gram, line, line, np.float32(-1), gram)
        for pivot in range(line, line + LANES):
            if not gram[pivot, pivot] > 0:
                return False
            inverse = np.float32(1) / np.sqrt(gram[pivot, pivot])
            for column in range(line, size, LANES):
                store(gram, pivot, column, mul(splat(inverse), load(gram, pivot, column)))
            for row in range(pivot + 1, line + LANES):
                factor = splat(-gram[pivot, row])
                for column in range(line, size, LANES):
                    store(gram, row, column, fma(factor, load(gram, pivot, column), load(gram, row, column)))
            gram[pivot, pivot] = inverse
    return True


@jit
def _substitute(gram, right, out):
    """Solve U'y = right and put y into out; U is what `_factorize` leaves in gram. Overwrites right."""
    for pivot in range(out.size):
        out[pivot] = right[0, pivot] * gram[pivot, pivot]
        factor = splat(-out[pivot])
        for column in range(pivot // LANES * LANES, out.size, LANES):
            store(right, 0, column, fma(factor, load(gram, pivot, column), load(right, 0, column)))


@jit
def _substitute_back(gram, right, work, row, out):
    """Solve Ux = right and put x into out[row]; work is overwritten."""
    size, one = right.size, np.uint64(1)
    for line in range(size - LANES, -1, -LANES):
        # Subtract the solved part from eight rows at once: a single row would wait for each of its own additions.
        zero, top = splat(np.float32(0)), np.uint64(line)
        d0, d1, d2, d3, d4, d5, d6, d7 = zero, zero, zero, zero, zero, zero, zero, zero
        for column in range(line + LANES, size, LANES):
            x = load(work, 0, column)
            d0 = fma(load(gram, top, column), x, d0)
            d1 = fma(load(gram, top + one, column), x, d1)
            d2 = fma(load(gram, top + np.uint64(2), column), x, d2)
            d3 = fma(load(gram, top + np.uint64(3), column), x, d3)
            d4 = fma(load(gram, top + np.uint64(4), column), x, d4)
            d5 = fma(load(gram, top + np.uint64(5), column), x, d5)
            d6 = fma(load(gram, top + np.uint64(6), column), x, d6)
            d7 = fma(load(gram, top + np.uint64(7), column), x, d7)
        done = total(d0), total(d1), total(d2), total(d3), total(d4), total(d5), total(d6), total(d7)
        for place in range(LANES - 1, -1, -1):
            pivot = line + place
            left = right[pivot] - done[place]
            for column in range(pivot + 1, line + LANES):
                left -= gram[pivot, column] * work[0, column]
            work[0, pivot] = left * gram[pivot, pivot]
        store(out, row, line, load(work, 0, line))


@jit
def _correlate(gram, whitened, out, row, count, correlation, normals):
    """Make the normals correlate with the deviation of out[row] from its mean, U out[row] - y, in place."""
    rest = np.sqrt(np.float32(1) - correlation * correlation)
    for pivot in range(count):
        block, form = pivot // LANES * LANES + LANES, splat(np.float32(0))
        for column in range(block, out.shape[1], LANES):
            form = fma(load(gram, pivot, column), load(out, row, column), form)
        deviation = total(form) + out[row, pivot] / gram[pivot, pivot] - whitened[pivot]
        for column in range(pivot + 1, block):
            deviation += gram[pivot, column] * out[row, column]
        normals[pivot] = correlation * deviation + rest * normals[pivot]


@jit
def solve_rows(
    indptr, indices, values, other, offset, row_weight, other_weight, precision, linear, start, stop, draws, key,
    correlation, out, errors,
):  # fmt: skip
    """Solve for the rows start..stop, each given its ratings.

    Row r minimizes, with w = row_weight[r] * other_weight[i] over its ratings (i, value),

        sum w (value - offset[i] - x . other[i])^2 + x' precision x - 2 x . linear[r]

    or, where draws > 0, is a draw from the normal distribution with that minimum and the inverse of the matrix in x as
    covariance; only the first `draws` columns are random. A draw correlates by `correlation` with what is in out[row]
    (overrelaxation where that is negative; Adler 1981). Shapes: other (others, d), precision (d, d), linear and out
    (rows, d), where d is a multiple of LANES; padding columns need a one on the diagonal of the precision. The first
    sum is put into errors, float64 (rows,): it follows from the equations, without a second pass over the ratings.

    Returns -1, or the first row whose matrix was not positive definite.
    """
    size = other.shape[1]
    (tile, targets, gram), right = _workspace(size), np.empty((1, size), np.float32)
    whitened, normals = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for row in range(start, stop):
        for column in range(0, size, LANES):
            store(right, 0, column, load(linear, row, column))
            for line in range(size):
                store(gram, line, column, load(precision, line, column))
        squares = _add_ratings(
            indptr, indices, values, other, offset, row_weight, other_weight, row, tile, targets, gram, right
        )
        if not _factorize(gram, size):
            return row
        _substitute(gram, right, whitened)
        if draws > 0:
            _draw_normals(key, row, draws, normals)
            if correlation != 0:
                _correlate(gram, whitened, out, row, draws, np.float32(correlation), normals)
        # With U'y = right and Ux = y + z, the two terms in x of the whole sum are |z|^2 - |y|^2.
        for column in range(size):
            squares += normals[column] * normals[column] - whitened[column] * whitened[column]
            whitened[column] += normals[column]
        _substitute_back(gram, whitened, right, row, out)
        errors[row] = 0.0
        if indptr[row] < indptr[row + 1]:
            errors[row] = max(0.0, squares + 2 * _dot(out, row, linear, row) - _form(precision, out, row))
    return -1


@jit
def solve_nonnegative_rows(
    indptr, indices, values, other, offset, row_weight, other_weight, precision, linear, start, stop, bounded, out,
    errors,
):  # fmt: skip
    """Solve for the rows start..stop as `solve_rows` does, but with the first `bounded` columns of x not below zero.

    Coordinate descent on the row's normal equations, from the present values of out: each coordinate in turn is set to
    its minimum given the others, or to zero if that is negative, until no coordinate moves any more (Franc, Hlavac,
    Navara 2005, "Sequential coordinate-wise algorithm for the non-negative least squares problem"). No step increases
    the objective, so a row is improved even if it does not converge.

    The first sum is put into errors as by `solve_rows`.

    Returns -1, or the first row whose matrix has a diagonal that is not positive.
    """
    size = other.shape[1]
    tile, targets, gram = _workspace(size)
    slope, right = np.empty((1, size), np.float32), np.empty((1, size), np.float32)
    for row in range(start, stop):
        for column in range(0, size, LANES):
            store(slope, 0, column, load(linear, row, column))
            for line in range(size):
                store(gram, line, column, load(precision, line, column))
        squares = _add_ratings(
            indptr, indices, values, other, offset, row_weight, other_weight, row, tile, targets, gram, slope
        )
        for column in range(0, size, LANES):
            store(right, 0, column, load(slope, 0, column))
        for line in range(size):
            if not gram[line, line] > 0:
                return row
            for column in range(line):
                gram[line, column] = gram[column, line]
        for line in range(size):  # the residual: right - gram x
            factor = splat(-out[row, line])
            for column in range(0, size, LANES):
                store(slope, 0, column, fma(factor, load(gram, line, column), load(slope, 0, column)))
        for _ in range(_PASSES):
            largest_change, largest = np.float32(0), np.float32(0)
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
                largest_change, largest = max(largest_change, abs(change)), max(largest, abs(after))
            if largest_change <= np.float32(_STILL) * largest:
                break
        errors[row] = 0.0
        if indptr[row] < indptr[row + 1]:
            squares += 2 * _dot(out, row, linear, row) - _dot(out, row, right, 0) - _dot(out, row, slope, 0)
            errors[row] = max(0.0, squares - _form(precision, out, row))
    return -1


@jit
def solve_confident_rows(indptr, indices, confidence, other, all_pairs, ridge, linear, start, stop, out, errors):
    """Solve for the rows start..stop where every pair counts, and rated pairs count more (Hu, Koren, Volinsky 2008).

    Row r minimizes, with c the confidence of its ratings,

        sum c (1 - x . other[i])^2 + x' all_pairs x + ridge[r] |x|^2 - 2 linear[r] . x

    where all_pairs (d, d) is the weighted gram matrix of all rows of other, which is the same for all rows of out.
    Padding columns of other are zero, and those of out become zero. The first sum is put into errors, float64 (rows,).

    Returns -1, or the first row whose matrix was not positive definite.
    """
    size = other.shape[1]
    tile, roots, gram = _workspace(size)
    right, solved = np.empty((1, size), np.float32), np.empty(size, np.float32)
    for row in range(start, stop):
        for column in range(0, size, LANES):
            store(right, 0, column, load(linear, row, column))
            for line in range(size):
                store(gram, line, column, load(all_pairs, line, column))
        for line in range(size):
            gram[line, line] += ridge[row]
        squares = 0.0
        for first in range(indptr[row], indptr[row + 1], len(tile)):
            members = min(len(tile), indptr[row + 1] - first)
            for member in range(members):
                i = np.uint64(indices[first + member])
                later = np.uint64(indices[min(first + member + _AHEAD, indptr[row + 1] - 1)])
                for column in range(0, size, 2 * LANES):
                    prefetch(other, later, column)
                root = np.sqrt(confidence[first + member])
                roots[member, 0] = root
                squares += confidence[first + member]
                for column in range(0, size, LANES):
                    store(tile, member, column, mul(splat(root), load(other, i, column)))
            _add_targets(roots, tile, members, right)
            _add_tile(tile, members, gram)
        if not _factorize(gram, size):
            return row
        _substitute(gram, right, solved)
        for column in range(size):
            squares -= solved[column] * solved[column]
        _substitute_back(gram, solved, right, row, out)
        squares -= _form(all_pairs, out, row) + ridge[row] * _dot(out, row, out, row)
        squares += 2 * _dot(linear, row, out, row)
        errors[row] = max(0.0, squares)
    return -1


@jit
def measure_sets(indptr, members, share, start, stop, length):
    """Put the squared lengths of the predictors start..stop of `weigh_sets` into length: float32."""
    for j in range(start, stop):
        squares = 0.0
        for place in range(indptr[j], indptr[j + 1]):
            squares += np.float64(share[members[place]]) ** 2
        length[j] = squares


@jit
def weigh_sets(indptr, members, share, length, rest, weights, precision, key, draw, correlation):
    """Make one pass over the weights of a linear model with sparse predictors, SET_COLUMNS columns at once.

    With `draw` each weight is drawn given the others (Gibbs sampling), with a `correlation` to the one before; without,
    it is set to its minimum (coordinate descent), and `correlation` is 0. Predictor j has the entries share[m] for its
    members m = members[indptr[j]:indptr[j + 1]], and the squared length length[j]. The targets have unit noise, and the
    weights the given prior precision. weights (predictors, SET_COLUMNS) and rest (rows, SET_COLUMNS), the residuals of
    the targets, are updated in place.
    """
    normals = np.zeros((1, SET_COLUMNS), np.float32)
    minus = splat(np.float32(-1))
    for j in range(length.size):
        last = indptr[j + 1] - 1
        first, second = splat(np.float32(0)), splat(np.float32(0))
        for place in range(indptr[j], indptr[j + 1]):
            prefetch(rest, np.uint64(members[min(place + _AHEAD, last)]), 0)
            m = np.uint64(members[place])
            part = splat(share[m])
            first = fma(part, load(rest, m, 0), first)
            second = fma(part, load(rest, m, LANES), second)
        if draw:
            _draw_normals(key, j, SET_COLUMNS, normals[0])
        variance = np.float32(1) / (length[j] + precision)
        deviation = splat(np.sqrt(variance * (np.float32(1) - correlation * correlation)))
        before, beside = load(weights, j, 0), load(weights, j, LANES)
        first = mul(splat(variance), fma(splat(length[j]), before, first))
        second = mul(splat(variance), fma(splat(length[j]), beside, second))
        first = fma(splat(correlation), fma(minus, first, before), first)
        second = fma(splat(correlation), fma(minus, second, beside), second)
        first = fma(deviation, load(normals, 0, 0), first)
        second = fma(deviation, load(normals, 0, LANES), second)
        store(weights, j, 0, first)
        store(weights, j, LANES, second)
        first, second = fma(minus, first, before), fma(minus, second, beside)
        for place in range(indptr[j], indptr[j + 1]):
            prefetch(rest, np.uint64(members[min(place + _AHEAD, last)]), 0)
            m = np.uint64(members[place])
            part = splat(share[m])
            store(rest, m, 0, fma(part, first, load(rest, m, 0)))
            store(rest, m, LANES, fma(part, second, load(rest, m, LANES)))
