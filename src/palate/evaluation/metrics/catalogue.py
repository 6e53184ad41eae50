"""Measures of what the lists of all users hold: how much of the catalogue, how popular, how alike.

Lists are int32 (users, n), the best item first, -1 where fewer items are left. None of these measures knows which items
are relevant: they say what a good NDCG was bought with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["coverage", "diversity", "gini", "novelty", "popularity_share"]

Doubles = NDArray[np.float64]
Lists = NDArray[np.int32]
Counts = NDArray[np.int64]


# Sets of raters are kept as bits in 64 MiB at most.
_MOST_WORDS = 1 << 23


def coverage(lists: Lists, counts: Counts) -> float:
    """Catalogue coverage: the share of the candidates that are in at least one user's list.

    The denominator is the number of items that have a training rating, or are listed without one (Ge,
    Delgado-Battenfeld, Jannach 2010, "Beyond accuracy"). NaN without candidates.

    Parameters
    ----------
    lists
        int32, (users, n).
    counts
        int64, (items,): the training ratings of each item.

    Examples
    --------
    >>> coverage(np.array([[0, 1], [0, -1]], dtype=np.int32), np.array([9, 5, 1, 1, 0]))
    0.5
    """
    times = _times_listed(lists, counts)
    return float((times > 0).mean()) if len(times) else float("nan")


def gini(lists: Lists, counts: Counts) -> float:
    r"""Gini index of how often each candidate is listed: 0 if all are listed alike, near 1 if all lists are the same.

    .. math:: \frac{\sum_{j=1}^{m} (2j - m - 1)\, x_j}{m \sum_j x_j}

    with the m candidates in ascending order of the number x of lists that hold them (Shani, Gunawardana 2011,
    "Evaluating recommendation systems"). NaN where nothing is listed.

    Examples
    --------
    >>> gini(np.array([[0, 1], [0, 2]], dtype=np.int32), np.array([9, 5, 1, 1]))
    0.375
    """
    times = np.sort(_times_listed(lists, counts))
    m, total = len(times), int(times.sum())
    return float(((2 * np.arange(1, m + 1) - m - 1) * times).sum() / (m * total)) if total else float("nan")


def novelty(lists: Lists, counts: Counts, users: int) -> Doubles:
    r"""Mean self-information of the listed items, :math:`-\log_2(c_i / U)` bits, for each user.

    :math:`c_i` of all U users of the training part rated item i; an item that nobody rated counts as rated once. An
    item that everybody knows has 0 bits. Averaged over the items that the list has; NaN for an empty list (Zhou et al.
    2010, "Solving the apparent diversity-accuracy dilemma of recommender systems").

    Examples
    --------
    >>> novelty(np.array([[0, 1], [1, -1]], dtype=np.int32), np.array([8, 2]), 8)
    array([1., 2.])
    """
    return _list_means(lists, -np.log2(np.maximum(counts, 1) / users))


def popularity_share(lists: Lists, counts: Counts, share: float = 0.1) -> Doubles:
    """Share of each list that is among the most popular tenth of the candidates.

    Popular are the items with the most training ratings, a tenth of all candidates rounded up; equal counts are taken
    in order of index. Averaged over the items that the list has; NaN for an empty list. These items are the short head
    of Abdollahpouri, Burke, Mobasher 2017, "Controlling popularity bias in learning-to-rank recommendation", with its
    border at a share of the items.

    Examples
    --------
    >>> popularity_share(np.array([[0, 1], [1, 2]], dtype=np.int32), np.array([9, 5, 1]))
    array([0.5, 0. ])
    """
    is_popular = np.zeros(len(counts))
    is_popular[np.argsort(-counts, kind="stable")[: int(np.ceil(share * (counts > 0).sum()))]] = 1
    return _list_means(lists, is_popular)


def diversity(lists: Lists, indptr: Counts, indices: NDArray[np.int32], users: int) -> Doubles:
    """Diversity within each list: 1 minus the mean cosine of all pairs of its items.

    An item is the set of its raters in the training part, so two items are alike if the same users rated them. NaN for
    a list of fewer than two items (Ziegler et al. 2005, "Improving recommendation lists through topic diversification",
    1 minus the similarity within a list).

    Parameters
    ----------
    lists
        int32, (users, n).
    indptr, indices
        The table by item: the raters of item i are indices[indptr[i]:indptr[i + 1]].
    users
        How many users the training part has.

    Examples
    --------
    >>> indptr, raters = np.array([0, 2, 4]), np.array([0, 1, 1, 2], dtype=np.int32)
    >>> diversity(np.array([[0, 1]], dtype=np.int32), indptr, raters, 3).round(4)
    array([0.5])
    """
    from palate.kernels.lists import list_similarity, list_similarity_of_bits, set_bits

    similarity, words = np.empty(len(lists)), -(-users // 64)
    is_listed = np.zeros(len(indptr), bool)
    is_listed[lists[lists >= 0]] = True
    items = np.flatnonzero(is_listed)
    # A pair of items costs a step for each word of bits; without bits, each item costs two for each of its raters.
    raters = float(np.diff(indptr)[lists[lists >= 0]].sum())
    if lists.size * lists.shape[1] / 2 * words < 2 * raters and len(items) * words <= _MOST_WORDS:
        row = np.full(len(indptr), -1, np.int32)
        row[items] = np.arange(len(items), dtype=np.int32)
        bits = np.zeros((len(items), words), np.uint64)
        set_bits(items, indptr, indices, bits)
        list_similarity_of_bits(np.where(lists >= 0, row[lists], np.int32(-1)), bits, similarity)
    else:
        list_similarity(lists, indptr, indices, users, similarity)
    return 1 - similarity


def _times_listed(lists: Lists, counts: Counts) -> Counts:
    """How many lists hold each candidate."""
    times = np.bincount(lists[lists >= 0], minlength=len(counts))
    return np.asarray(times[(counts > 0) | (times > 0)], np.int64)


def _list_means(lists: Lists, values: Doubles) -> Doubles:
    there = lists >= 0
    sums, sizes = np.where(there, values[lists], 0.0).sum(axis=1), there.sum(axis=1)
    means: Doubles = np.divide(sums, sizes, out=np.full(len(lists), np.nan), where=sizes > 0)
    return means
