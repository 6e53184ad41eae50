"""Chooses the best items: exact scores, summed in a fixed order, and heaps with the n best items of each user."""

from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from palate.kernels.jit import jit
from palate.kernels.simd import LANES, add, load, mul, splat, store, total

__all__ = [
    "best_of_rows",
    "choose",
    "choose_listed",
    "list_reaching",
    "score_items",
    "score_listed",
    "score_pairs",
    "sift_block",
    "sort_heaps",
]

# sha256 of simd.py, 12 digits: see `palate.kernels`.
SIMD = "6b458483b47b"

# Numbers that are compared together: most stretches hold no item that could be among the best.
_STRETCH = 4 * LANES


@intrinsic
def _exceeding(typing_context, a, b):
    """Return a bit for each lane: whether a > b."""

    def generate(context, builder, signature, args):
        lanes = builder.bitcast(builder.fcmp_ordered(">", *args), ir.IntType(LANES))
        return builder.zext(lanes, ir.IntType(64))

    return types.uint64(a, b), generate


@intrinsic
def _lowest_bit(typing_context, bits):
    """Return the position of the lowest bit that is set; at least one must be."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def _larger(typing_context, a, b):
    """Return the larger of a and b in each lane."""

    def generate(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, b), generate


if numba.config.DISABLE_JIT:

    def _larger(a, b):
        return np.where(a > b, a, b)

    def _exceeding(a, b):
        return np.uint64((a > b) @ (1 << np.arange(LANES)))

    def _lowest_bit(bits):
        return (int(bits) & -int(bits)).bit_length() - 1

    def total(lanes):  # in the order in which the compiled sum adds
        halves = lanes[:4] + lanes[4:]
        halves = halves[:2] + halves[2:]
        return halves[0] + halves[1]


@jit(fused=False)
def _above(numbers, row, column, bias, item, least):
    """Return a bit for each i below _STRETCH: whether numbers[row, column + i] + bias[0, item + i] > least."""
    bits = np.uint64(0)
    for step in range(0, _STRETCH, LANES):
        sums = add(load(numbers, row, column + step), load(bias, 0, item + step))
        bits |= _exceeding(sums, least) << np.uint64(step)
    return bits


@jit(fused=False)
def _score(factors, bias, item, vectors, row, offset):
    """Return the score of one item for one user. Each product and sum is rounded, whatever the CPU can fuse.

    The last eight factors may overlap those before them: vectors has zeros there (see `palate.ranking`).
    """
    sums, last = splat(np.float32(0)), factors.shape[1] - LANES
    for column in range(0, vectors.shape[1], LANES):
        sums = add(sums, mul(load(factors, item, min(column, last)), load(vectors, row, column)))
    return total(sums) + bias[0, item] + offset


@jit(fused=False)
def score_items(factors, bias, vectors, offset, start, stop, out):
    """Put the scores of the items start..stop for the user of vectors[0] into out."""
    for item in range(start, stop):
        out[item] = _score(factors, bias, item, vectors, 0, offset)


@jit(fused=False)
def score_pairs(factors, bias, vectors, offsets, items, out):
    """Put the scores of some items for each user into out: items[u] are those for the user of vectors[u]."""
    for row in range(items.shape[0]):
        for place in range(items.shape[1]):
            out[row, place] = _score(factors, bias, items[row, place], vectors, row, offsets[row])


@jit(fused=False)
def _worse(score, item, other_score, other_item):
    """Return whether an item ranks below another one. Of equal scores, the higher index does."""
    return score < other_score or (score == other_score and item > other_item)


@jit(fused=False)
def _sink(scores, items, row, size):
    """Move the root of a heap down to its place. The root of an ordered heap is its worst item."""
    place, score, item = 0, scores[row, 0], items[row, 0]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and _worse(
            scores[row, child + 1], items[row, child + 1], scores[row, child], items[row, child]
        ):
            child += 1
        if not _worse(scores[row, child], items[row, child], score, item):
            break
        scores[row, place], items[row, place] = scores[row, child], items[row, child]
        place = child
    scores[row, place], items[row, place] = score, item


@jit(fused=False)
def _push(scores, items, held, row, score, item):
    """Offer an item to a heap. Items are offered in ascending order, so that an equal score never ranks higher."""
    size = held[row]
    if size == scores.shape[1]:
        if score > scores[row, 0]:
            scores[row, 0], items[row, 0] = score, item
            _sink(scores, items, row, size)
        return
    held[row] = size + 1
    place = size
    while place:
        parent = (place - 1) >> 1
        if not _worse(score, item, scores[row, parent], items[row, parent]):
            break
        scores[row, place], items[row, place] = scores[row, parent], items[row, parent]
        place = parent
    scores[row, place], items[row, place] = score, item


@jit(fused=False)
def _bound(products, row, bias, first, best_scores, best_items, held, largest):
    """Return a score that the n best of a row of products (with the bias) reach; -inf where there is no such bound.

    The row is read in stretches, and lane i holds the largest of all numbers at place i of a stretch. These are numbers
    of different items, so the n-th best of them is a bound. Leaves the heap empty.
    """
    for column in range(0, products.shape[1] - largest.size + 1, largest.size):
        for lane in range(0, largest.size, LANES):
            scores = add(load(products, row, column + lane), load(bias, 0, first + column + lane))
            store(largest, 0, lane, _larger(scores, load(largest, 0, lane)) if column else scores)
    for lane in range(largest.size):
        if largest[0, lane] > -np.inf:
            _push(best_scores, best_items, held, row, largest[0, lane], lane)
    reached = best_scores[row, 0] if held[row] == best_scores.shape[1] else np.float32(-np.inf)
    held[row] = 0
    return reached


@jit(fused=False)
def sort_heaps(scores, items, held):
    """Sort heaps into lists, the best first."""
    for row in range(held.size):
        for size in range(held[row] - 1, 0, -1):
            scores[row, 0], scores[row, size] = scores[row, size], scores[row, 0]
            items[row, 0], items[row, size] = items[row, size], items[row, 0]
            _sink(scores, items, row, size)


@jit(fused=False)
def choose(scores, sign, allowed, hidden, n):
    """Return the indices of the n best of sign * scores, best first, without those that are hidden or not allowed.

    If `allowed` is empty, every item is allowed.
    """
    keys = sign * scores
    for item in range(allowed.size):
        if not allowed[item]:
            keys[item] = -np.inf
    for item in hidden:
        keys[item] = -np.inf
    best_scores, best_items = np.empty((1, n), np.float32), np.empty((1, n), np.int32)
    held = np.zeros(1, np.int64)
    if n:
        _select(keys, best_scores, best_items, held)
        sort_heaps(best_scores, best_items, held)
    return best_items[0, : held[0]]


@jit(fused=False)
def _select(keys, best_scores, best_items, held):
    """Offer all keys to the heap of row 0. An item that may not be chosen has the key -inf."""
    full, least = best_scores.shape[1], np.float32(-np.inf)
    for start in range(0, keys.size, _STRETCH):
        stop, hits = min(start + _STRETCH, keys.size), 0
        for item in range(start, stop):
            hits |= keys[item] > least
        if not hits:
            continue
        for item in range(start, stop):
            if keys[item] > least:
                _push(best_scores, best_items, held, 0, keys[item], item)
                if held[0] == full:
                    least = best_scores[0, 0]


@jit(fused=False)
def best_of_rows(scores, items, held):
    """Put the best items of each row of scores into a row of items, in no order; held says how many there are.

    A score of -inf is of an item that takes no part.
    """
    best_scores, best_items = np.empty((1, items.shape[1]), np.float32), np.empty((1, items.shape[1]), np.int32)
    count = np.zeros(1, np.int64)
    for row in range(scores.shape[0]):
        count[0] = 0
        _select(scores[row], best_scores, best_items, count)
        held[row] = count[0]
        items[row, : count[0]] = best_items[0, : count[0]]


@jit(fused=False)
def list_reaching(scores, least, indptr, items):
    """List the items of each row of scores that reach the row's least score, ascending, and are above -inf.

    Those of row u are put into items[indptr[u]:indptr[u + 1]].
    """
    size, width = 0, scores.shape[1]
    indptr[0] = 0
    for row in range(scores.shape[0]):
        for start in range(0, width, _STRETCH):
            stop, hits = min(start + _STRETCH, width), 0
            for item in range(start, stop):
                hits |= scores[row, item] >= least[row]
            if hits:
                for item in range(start, stop):
                    if scores[row, item] >= least[row] and scores[row, item] > -np.inf:
                        items[size] = item
                        size += 1
        indptr[row + 1] = size


@jit(fused=False)
def score_listed(factors, bias, vectors, offsets, indptr, items, out):
    """Put the scores of listed items into out: items[indptr[u]:indptr[u + 1]] are those for the user of vectors[u]."""
    for row in range(vectors.shape[0]):
        for place in range(indptr[row], indptr[row + 1]):
            out[place] = _score(factors, bias, items[place], vectors, row, offsets[row])


@jit(fused=False)
def choose_listed(values, indptr, items, best_scores, best_items, held):
    """Put the best of the listed items of each row, which ascend, into a row of best_items, best first."""
    for row in range(held.size):
        for place in range(indptr[row], indptr[row + 1]):
            _push(best_scores, best_items, held, row, values[place], items[place])
    sort_heaps(best_scores, best_items, held)


@jit(fused=False)
def sift_block(
    products, first, factors, bias, vectors, offsets, slack, seen, ends, place, next_seen, best_scores, best_items, held
):  # fmt: skip
    """Offer the items first..first + products.shape[1] (at least 32) to the heaps of the users of a block.

    products[u, i], as BLAS rounded it, decides whether item first + i can be among the best of user u; if so, its score
    is computed exactly. The two differ by at most slack[u], all rounding in this function included.

    User u has seen the items seen[next_seen[u]:ends[u]], ascending; next_seen is moved on. place[i] is the position of
    the seen item i among the factors, -1 if it has none; an empty place means that positions and items are the same.
    """
    width, full = products.shape[1], best_scores.shape[1]
    largest = np.empty((1, (2 * full + _STRETCH - 1) // _STRETCH * _STRETCH), np.float32)
    for row in range(products.shape[0]):
        _hide(products, row, first, seen, ends[row], place, next_seen)
        least = np.float32(-np.inf)
        if held[row] == full:
            least = best_scores[row, 0] - offsets[row] - slack[row]
        elif not held[row] and 2 * largest.size <= width:
            least = _bound(products, row, bias, first, best_scores, best_items, held, largest) - 2 * slack[row]
        for start in range(0, width, _STRETCH):
            stretch = min(start, width - _STRETCH)
            bits = _above(products, row, stretch, bias, first + stretch, splat(least)) >> np.uint64(start - stretch)
            while bits:
                i = start + _lowest_bit(bits)
                bits &= bits - np.uint64(1)
                if products[row, i] + bias[0, first + i] > least:
                    score = _score(factors, bias, first + i, vectors, row, offsets[row])
                    _push(best_scores, best_items, held, row, score, first + i)
                    if held[row] == full:
                        least = max(least, best_scores[row, 0] - offsets[row] - slack[row])


@jit(fused=False)
def _hide(products, row, first, seen, end, place, next_seen):
    """Replace the products of the items that the user has seen by -inf."""
    stop = first + products.shape[1]
    while next_seen[row] < end:
        item = place[seen[next_seen[row]]] if place.size else seen[next_seen[row]]
        if item >= stop:
            break
        if item >= first:
            products[row, item - first] = -np.inf
        next_seen[row] += 1
