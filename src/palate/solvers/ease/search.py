"""The regularization of EASE, chosen by lists of held-out choices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.ease.settings import EASE
from palate.solvers.ease.weights import count_choices, solve_weights
from palate.solvers.held_out_lists import HeldOutLists
from palate.solvers.liked_pairs import choices_of

__all__ = ["choose_regularization"]

# The first value tried, and the factors by which it is moved: first far, then near.
_FIRST, _STEPS, _MOST_STEPS = 300.0, (3.0, 1.7), 6
# The regularization hardly depends on items with few choices: it is chosen on the others, in a fraction of the time.
_ITEMS = 1500


def choose_regularization(lists: HeldOutLists, solver: EASE, run: Run) -> tuple[float, dict[float, float]]:
    """Choose the regularization by NDCG@10 among the most chosen items.

    The best value so far is multiplied and divided by a factor until neither is better, then by a smaller factor.

    Returns
    -------
    tuple
        The best regularization, and the NDCG@10 of each that was tried.
    """
    lists = _most_chosen(lists)
    if not len(lists.users):
        return _FIRST, {}
    choices = choices_of(lists.train, solver.liked)
    gram, tried = count_choices(choices, solver.exponent, run), {}

    def judge(regularization: float) -> float:
        if regularization not in tried:
            weights = gram.copy()
            solve_weights(weights, regularization, solver.dropout, run)
            ndcg = lists.ndcg(lambda users: [_rows(choices, users) @ weights], run)
            tried[regularization] = float(ndcg.mean())
        return tried[regularization]

    best = _FIRST
    judge(best)
    for factor in _STEPS:
        for direction in (factor, 1 / factor):
            for _ in range(_MOST_STEPS):
                if judge(_rounded(best * direction)) <= tried[best]:
                    break
                best = _rounded(best * direction)
    return best, tried


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")


def _rows(choices: Ratings, users: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the rows of users in the 0/1 table, dense."""
    rows = np.zeros((len(users), len(choices.items)), np.float32)
    for row, user in enumerate(users.tolist()):
        rows[row, choices.by_user[user][0]] = 1
    return rows


def _most_chosen(lists: HeldOutLists) -> HeldOutLists:
    """Return the lists of the most chosen items alone."""
    counts = lists.train.item_counts
    if len(counts) <= _ITEMS:
        return lists
    return lists.among(np.sort(np.argsort(-counts, kind="stable")[:_ITEMS]).astype(np.int32))
