"""Kernels that judge lists: which items of a list are relevant, and where relevant items stand among all scores."""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from palate.kernels.jit import jit

__all__ = [
    "count_below",
    "hide",
    "list_similarity",
    "list_similarity_of_bits",
    "match",
    "rank_among_drawn",
    "set_bits",
    "tied_dcg",
]


@intrinsic
def _ones(typing_context, bits):
    """Return how many bits of a uint64 are set."""

    def generate(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


if numba.config.DISABLE_JIT:

    def _ones(bits):
        return int(bits).bit_count()


@jit
def match(lists, starts, ends, indices, out):
    """Put into out, int64 like lists, the place in indices of each listed item; -1 where the item is not there.

    Row u of the lists is looked up in indices[starts[u]:ends[u]], which ascends.
    """
    for row in range(lists.shape[0]):
        for rank in range(lists.shape[1]):
            low, high = starts[row], ends[row]
            while low < high:
                middle = (low + high) // 2
                if indices[middle] < lists[row, rank]:
                    low = middle + 1
                else:
                    high = middle
            is_there = low < ends[row] and indices[low] == lists[row, rank]
            out[row, rank] = low if is_there else -1


@jit
def hide(scores, users, indptr, indices, is_candidate):
    """Replace the scores of what a user has seen, and of items that are no candidates, by NaN."""
    for row in range(scores.shape[0]):
        for item in range(scores.shape[1]):
            if not is_candidate[item]:
                scores[row, item] = np.nan
        for place in range(indptr[users[row]], indptr[users[row] + 1]):
            scores[row, indices[place]] = np.nan


@jit
def count_below(scores, indptr, items, out):
    """Count for each row how often a relevant item has a higher score than another candidate: 2 a pair, 1 for a tie.

    The relevant items of row u are items[indptr[u]:indptr[u + 1]]. A score of NaN takes no part. out is int64.
    """
    for row in range(scores.shape[0]):
        total, relevant = 0, 0
        for place in range(indptr[row], indptr[row + 1]):
            score = scores[row, items[place]]
            if not np.isnan(score):
                below, equal = np.int32(0), np.int32(0)  # 32 bits, so that eight comparisons run at once
                for item in range(scores.shape[1]):
                    below += np.int32(scores[row, item] < score)
                    equal += np.int32(scores[row, item] == score)
                total += 2 * np.int64(below) + np.int64(equal)
                relevant += 1
        # Pairs of two relevant items, and each with itself: together they count relevant * relevant.
        out[row] = total - relevant * relevant


@jit
def _bits(key, counter):
    """Return 64 random bits (splitmix64)."""
    bits = np.uint64(key) + np.uint64(counter + 1) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@jit
def rank_among_drawn(scores, users, indptr, items, draws, seed, out):
    """Rank each relevant item among candidates that are drawn with replacement from those that are not relevant.

    An equal score counts as a higher one. The draws depend on the seed and the user only. out, int32 like items from
    indptr[0] on, gets the rank from 1; 0 where the item has no score or nothing can be drawn.
    """
    others = np.empty(scores.shape[1], np.int32)
    is_relevant = np.zeros(scores.shape[1], np.bool_)
    for row in range(scores.shape[0]):
        start, stop = indptr[row], indptr[row + 1]
        for place in range(start, stop):
            is_relevant[items[place]] = True
        size = 0
        for item in range(scores.shape[1]):
            if not is_relevant[item] and not np.isnan(scores[row, item]):
                others[size] = item
                size += 1
        key = _bits(seed, users[row])
        for place in range(start, stop):
            is_relevant[items[place]] = False
            score, rank = scores[row, items[place]], 1
            for draw in range(draws if size else 0):
                bits = _bits(key, (place - start) * draws + draw) >> np.uint64(32)
                other = others[(bits * np.uint64(size)) >> np.uint64(32)]
                rank += scores[row, other] >= score
            out[place - indptr[0]] = 0 if np.isnan(score) or not size else rank


@jit
def tied_dcg(scores, gains, indptr, n, out):
    """Put the DCG at n of each group of rows into out[:, 0], and that of the best order into out[:, 1].

    Rows of equal scores share their ranks: each counts the mean gain of them all. NaN is the lowest score.
    """
    for group in range(indptr.size - 1):
        start, stop = indptr[group], indptr[group + 1]
        keys = np.empty(stop - start, np.float64)
        for place in range(start, stop):
            keys[place - start] = np.inf if np.isnan(scores[place]) else -scores[place]
        order, best = np.argsort(keys), np.sort(gains[start:stop])
        reached, ideal, place = 0.0, 0.0, 0
        while place < min(n, keys.size):
            end, gain, discount = place, 0.0, 0.0
            while end < keys.size and keys[order[end]] == keys[order[place]]:
                gain += gains[start + order[end]]
                discount += 1 / np.log2(end + 2.0) if end < n else 0.0
                end += 1
            reached += gain / (end - place) * discount
            place = end
        for rank in range(min(n, keys.size)):
            ideal += best[keys.size - 1 - rank] / np.log2(rank + 2.0)
        out[group, 0], out[group, 1] = reached, ideal


@jit
def list_similarity(lists, indptr, indices, users, out):
    """Put into out the mean cosine of all pairs of items in each list, each item the set of its raters.

    Item i was rated by indices[indptr[i]:indptr[i + 1]], below users. NaN for a list of fewer than two items.
    """
    weight = np.zeros(users, np.float64)
    for row in range(lists.shape[0]):
        total, size = 0.0, 0
        for rank in range(lists.shape[1]):
            item = lists[row, rank]
            if item < 0:
                continue
            size += 1
            raters = indptr[item + 1] - indptr[item]
            if raters:
                norm, common = 1 / np.sqrt(raters), 0.0
                for place in range(indptr[item], indptr[item + 1]):
                    common += weight[indices[place]]
                    weight[indices[place]] += norm
                total += norm * common
        for rank in range(lists.shape[1]):
            item = lists[row, rank]
            if item >= 0:
                for place in range(indptr[item], indptr[item + 1]):
                    weight[indices[place]] = 0.0
        out[row] = total / (size * (size - 1) / 2) if size > 1 else np.nan


@jit
def set_bits(items, indptr, indices, bits):
    """Set the bit of each rater of the items: row i of bits, uint64, is the set of raters of items[i]."""
    for row in range(items.size):
        for place in range(indptr[items[row]], indptr[items[row] + 1]):
            user = indices[place]
            bits[row, user >> 6] |= np.uint64(1) << np.uint64(user & 63)


@jit
def list_similarity_of_bits(lists, bits, out):
    """Do what `list_similarity` does, with sets of raters as rows of bits: lists hold rows, -1 where they end."""
    raters = np.zeros(bits.shape[0], np.int64)
    for row in range(bits.shape[0]):
        for word in range(bits.shape[1]):
            raters[row] += _ones(bits[row, word])
    for row in range(lists.shape[0]):
        total, size = 0.0, 0
        for rank in range(lists.shape[1]):
            item = lists[row, rank]
            if item < 0:
                continue
            size += 1
            for before in range(rank):
                other = lists[row, before]
                if other >= 0 and raters[item] and raters[other]:
                    common = 0
                    for word in range(bits.shape[1]):
                        common += _ones(bits[item, word] & bits[other, word])
                    total += common / np.sqrt(np.float64(raters[item]) * np.float64(raters[other]))
        out[row] = total / (size * (size - 1) / 2) if size > 1 else np.nan
