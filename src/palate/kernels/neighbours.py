"""Kernels of the nearest neighbours of items: which items are chosen by the same users."""

from __future__ import annotations

import numpy as np

from palate.kernels.jit import jit

__all__ = ["add_neighbours", "nearest_items"]


@jit
def nearest_items(first, item_indptr, raters, user_indptr, chosen, neighbours, weights):
    """Find the items with the highest cosine to the items first.., each item the set of its users.

    neighbours (int32) and weights (float32) have a row for each of these items; -1 and 0 where fewer items have a user
    in common with it. Equal weights stand in order of index.
    """
    items = item_indptr.size - 1
    common = np.zeros(items, np.int32)
    touched = np.empty(items, np.int32)
    for row in range(neighbours.shape[0]):
        item, size = first + row, 0
        for place in range(item_indptr[item], item_indptr[item + 1]):
            for other_place in range(user_indptr[raters[place]], user_indptr[raters[place] + 1]):
                other = chosen[other_place]
                if not common[other]:
                    touched[size] = other
                    size += 1
                common[other] += 1
        cosine = np.zeros(size, np.float32)
        others = np.sort(touched[:size])
        raters_of_item = item_indptr[item + 1] - item_indptr[item]
        for place in range(size):
            other = others[place]
            count = item_indptr[other + 1] - item_indptr[other]
            cosine[place] = 0 if other == item else common[other] / np.sqrt(np.float64(raters_of_item) * count)
            common[other] = 0
        order = np.argsort(-cosine, kind="mergesort")
        for rank in range(neighbours.shape[1]):
            is_there = rank < size and cosine[order[rank]] > 0
            neighbours[row, rank] = others[order[rank]] if is_there else -1
            weights[row, rank] = cosine[order[rank]] if is_there else 0


@jit
def add_neighbours(users, user_indptr, chosen, target_indptr, targets, weights, scores):
    """Add to the scores, float32 (users, items), the weights of each user's chosen items as neighbours of other items.

    Item i is a neighbour of targets[target_indptr[i]:target_indptr[i + 1]].
    """
    for row in range(users.size):
        for place in range(user_indptr[users[row]], user_indptr[users[row] + 1]):
            for link in range(target_indptr[chosen[place]], target_indptr[chosen[place] + 1]):
                scores[row, targets[link]] += weights[link]
