r"""Measures of lists: how many of the relevant items are in a user's list, and how high.

Each function takes arrays and returns a value for each user, float64 (users,). A user counts once, whatever the number
of relevant items: reports show the mean over users. A user without relevant items has no value (NaN) and takes no part
in the mean. `hits` says which ranks of a list hold a relevant item, bool (users, N), the best rank first. A measure at
n looks at the first n ranks. A list that is shorter than n counts as one whose remaining ranks hold no hit. Ties are
broken before: a list has one item at each rank. `relevant` is the number of relevant items of each user. It includes
items that cannot be listed because they have no training rating.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["auc", "average_precision", "hit_rate", "ndcg", "precision", "rated_ndcg", "recall", "reciprocal_rank"]

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]


def ndcg(hits: Bools, relevant: Counts, n: int) -> Doubles:
    r"""Normalized discounted cumulative gain at n, with a gain of 1 for each relevant item.

    .. math:: \frac{\sum_{r=1}^{n} h_r / \log_2(r + 1)}{\sum_{r=1}^{\min(n, R)} 1 / \log_2(r + 1)}

    for :math:`h_r` = 1 where rank r holds one of the R relevant items. The denominator is the value of a perfect list,
    so that 1 can be reached (Järvelin, Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques").

    Examples
    --------
    >>> ndcg(np.array([[False, True, False]]), np.array([1]), 3).round(4)
    array([0.6309])
    """
    discount = 1 / np.log2(np.arange(2, n + 2))
    ideal = np.concatenate([[np.nan], np.cumsum(discount)])
    return np.asarray(hits[:, :n] @ discount[: hits.shape[1]] / ideal[np.minimum(relevant, n)])


def recall(hits: Bools, relevant: Counts, n: int) -> Doubles:
    r"""Recall at n: the hits among the first n ranks divided by R, the number of all relevant items of the user.

    The denominator is R also where R > n, so that such a user cannot reach 1.

    Examples
    --------
    >>> recall(np.array([[False, True, False]]), np.array([2]), 3)
    array([0.5])
    """
    return _divided(hits[:, :n].sum(axis=1), relevant)


def precision(hits: Bools, relevant: Counts, n: int) -> Doubles:
    r"""Precision at n: the hits among the first n ranks divided by n, also where the list is shorter or R < n.

    Examples
    --------
    >>> precision(np.array([[False, True, False, False]]), np.array([2]), 4)
    array([0.25])
    """
    return np.where(relevant > 0, hits[:, :n].sum(axis=1) / n, np.nan)


def average_precision(hits: Bools, relevant: Counts, n: int) -> Doubles:
    r"""Average precision at n; the mean over users is MAP@n.

    .. math:: \frac1R \sum_{r=1}^{n} h_r \, \frac{h_1 + \dots + h_r}{r}

    The denominator is the number R of all relevant items, as in trec_eval's ``map_cut``. Some packages divide by
    :math:`\min(n, R)`, which gives higher values (Buckley, Voorhees 2000, "Evaluating evaluation measure stability").

    Examples
    --------
    >>> average_precision(np.array([[True, False, True]]), np.array([2]), 3).round(4)
    array([0.8333])
    """
    part = hits[:, :n]
    return _divided((part * np.cumsum(part, axis=1) / np.arange(1, part.shape[1] + 1)).sum(axis=1), relevant)


def reciprocal_rank(hits: Bools, relevant: Counts, n: int) -> Doubles:
    r"""Return 1 / rank of the first hit, 0 where the first n ranks have none; the mean over users is MRR@n.

    Voorhees 1999, "The TREC-8 question answering track report".

    Examples
    --------
    >>> reciprocal_rank(np.array([[False, True, True]]), np.array([2]), 3)
    array([0.5])
    """
    part = hits[:, :n]
    first = part.argmax(axis=1) + 1 if part.shape[1] else np.ones(len(part))
    return np.where(relevant > 0, part.any(axis=1) / first, np.nan)


def hit_rate(hits: Bools, relevant: Counts, n: int) -> Doubles:
    r"""Return 1 where the first n ranks hold a relevant item at all, else 0; the mean is the share of such users.

    With one relevant item a user it equals recall (Deshpande, Karypis 2004, "Item-based top-n recommendation
    algorithms").

    Examples
    --------
    >>> hit_rate(np.array([[False, True], [False, False]]), np.array([2, 1]), 2)
    array([1., 0.])
    """
    return np.where(relevant > 0, hits[:, :n].any(axis=1).astype(np.float64), np.nan)


def auc(scores: NDArray[np.float32], indptr: Counts, items: NDArray[np.int32], relevant: Counts) -> Doubles:
    r"""Area under the ROC curve: the chance that a relevant item has a higher score than another candidate.

    .. math:: \frac{1}{R\,|N|} \sum_{i \in \text{relevant}} \sum_{j \in N}
              \left([s_i > s_j] + \tfrac12 [s_i = s_j]\right)

    over the R relevant items and all candidates N that are not relevant: equal scores count one half. A relevant item
    without a score counts as below all candidates. No cut at n: the last ranks matter as much as the first (Rendle et
    al. 2009, "BPR: Bayesian personalized ranking from implicit feedback"). NaN also where every candidate is relevant.

    Parameters
    ----------
    scores
        float32, (users, items): of all items, NaN for those that are no candidates.
    indptr, items
        The relevant items of each user: items[indptr[u]:indptr[u + 1]], int64 and int32.
    relevant
        int64, (users,): R.

    Examples
    --------
    >>> scores = np.array([[4, 3, 2, 2, np.nan]], dtype=np.float32)
    >>> auc(scores, np.array([0, 2]), np.array([0, 2], dtype=np.int32), np.array([2]))
    array([0.625])
    """
    from palate.kernels.lists import count_below

    wins = np.empty(len(scores), np.int64)
    count_below(scores, indptr, items, wins)
    is_candidate = ~np.isnan(scores)
    rows = np.repeat(np.arange(len(scores)), np.diff(indptr))
    listed = np.bincount(rows, is_candidate[rows, items[indptr[0] : indptr[-1]]], len(scores))
    return _divided(wins / 2, relevant * (is_candidate.sum(axis=1) - listed))


def rated_ndcg(scores: NDArray[np.floating], gains: NDArray[np.floating], indptr: Counts, n: int) -> Doubles:
    r"""Order among what a user did rate: NDCG at n of the user's held-out ratings, ranked by their scores.

    The gain of a rating is its distance from the lower end of the scale, so that all ratings count by degree; NDCG does
    not change when all gains are multiplied by a number. Rows of equal scores count the mean gain of these rows
    (McSherry, Najork 2008, "Computing information retrieval performance measures efficiently in the presence of tied
    scores"), so that a constant score gets the value of a random order. The denominator is the value of the best order.

    NaN for users with fewer than two rows, or with no gain at all.

    Parameters
    ----------
    scores, gains
        (n,): of the held-out ratings, those of user u in rows indptr[u] to indptr[u + 1]. NaN is the lowest score.
    indptr
        int64, (users + 1,).
    n
        How many of the first ranks count.

    Examples
    --------
    >>> rated_ndcg(np.array([3.0, 2, 1]), np.array([0.0, 4, 2]), np.array([0, 3]), 3).round(4)
    array([0.6697])
    """
    from palate.kernels.lists import tied_dcg

    reached = np.empty((len(indptr) - 1, 2))
    tied_dcg(np.asarray(scores, np.float64), np.asarray(gains, np.float64), indptr, n, reached)
    return np.where(np.diff(indptr) > 1, _divided(reached[:, 0], reached[:, 1]), np.nan)


def _divided(sums: NDArray[np.generic], by: NDArray[np.generic]) -> Doubles:
    shares: Doubles = np.divide(sums, by, out=np.full(len(sums), np.nan), where=np.asarray(by) > 0)
    return shares
