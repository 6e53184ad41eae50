"""The best items for a block of users: what would be computed for each user alone, with the same bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from palate.model.arrays import Floats, ModelArrays
from palate.model.recommend import RankBy, rank_items, require_interest
from palate.model.score_batch import choice_chance_block, choice_score_block
from palate.ranking import best
from palate.ranking.single import pad_factors, spread_factors

__all__ = ["rank_many"]

Indices = NDArray[np.int32]

Ranked = list[tuple[NDArray[np.integer], Floats]]


def rank_many(
    model: ModelArrays,
    user: Indices,
    n: int,
    by: RankBy,
    lowest: bool,
    allowed: NDArray[np.bool_] | None,
    hidden: Sequence[Indices],
    level: float,
) -> Ranked:
    """Return the n best items of each user and their scores: see `palate.model.recommend.rank_items`."""
    if by == "interest":
        return _rank_by_interest(model, user, n, allowed, hidden)
    if by == "choice":
        return _ranked(choice_score_block(model, user), n, allowed, hidden, lowest)
    return [
        rank_items(model, model.users[index], n, by, lowest, allowed, items, level, None)
        for index, items in zip(user.tolist(), hidden, strict=True)
    ]


def _ranked(
    block: Floats, n: int, allowed: NDArray[np.bool_] | None, hidden: Sequence[Indices], lowest: bool
) -> Ranked:
    """Return the n best of each row of scores."""
    chosen = [best(row, n, allowed, items, lowest) for row, items in zip(block, hidden, strict=True)]
    return [(items, row[items]) for row, items in zip(block, chosen, strict=True)]


def _rank_by_interest(
    model: ModelArrays, user: Indices, n: int, allowed: NDArray[np.bool_] | None, hidden: Sequence[Indices]
) -> Ranked:
    """Compute the interest only where it can be among the n best.

    Liking is at most 1, so the interest in an item is at most the chance of its choice. The n likeliest choices have
    some interest; no item with a chance below the least of these is among the n best.
    """
    from palate.kernels.ranking import best_of_rows, choose_listed, list_reaching

    chances, n = choice_chance_block(model, user), min(n, len(model.items))
    for row, items in zip(chances, hidden, strict=True):
        row[items] = -np.inf
    if allowed is not None:
        chances[:, ~allowed] = -np.inf
    likeliest, held = np.empty((len(user), n), np.int32), np.empty(len(user), np.int64)
    best_of_rows(chances, likeliest, held)
    is_full, least = held == n, np.full(len(user), -np.inf, np.float32)
    full, starts = np.flatnonzero(is_full), np.arange(is_full.sum() + 1) * n
    interest = _interest(model, user[full], chances[full], starts, likeliest[full].ravel())
    least[full] = interest.reshape(-1, n).min(axis=1)
    indptr, items = np.empty(len(user) + 1, np.int64), np.empty(chances.size, np.int32)
    list_reaching(chances, least, indptr, items)
    items = items[: indptr[-1]]
    interest = _interest(model, user, chances, indptr, items)
    best_scores, best_items = np.empty((len(user), n), np.float32), np.empty((len(user), n), np.int32)
    held[:] = 0
    choose_listed(interest, indptr, items, best_scores, best_items, held)
    return [(best_items[row, :size], best_scores[row, :size]) for row, size in enumerate(held.tolist())]


def _interest(model: ModelArrays, user: Indices, chances: Floats, indptr: NDArray[np.int64], items: Indices) -> Floats:
    """Return the interest in items: those from indptr[u] to indptr[u + 1] are for user u, whose chances are row u."""
    from palate.kernels.ranking import score_listed

    interest, row = require_interest(model), np.repeat(np.arange(len(user)), np.diff(indptr))
    predictions, vectors = np.empty(len(items), np.float32), spread_factors(model.user_factors[user])
    offsets = np.array([model.intercept + float(bias) for bias in model.user_bias[user]], np.float32)
    factors, bias = pad_factors(model.item_factors), model.item_bias[None]
    score_listed(factors, bias, vectors, offsets, indptr, items, predictions)
    variance: float | NDArray[np.float64] = interest.deviation**2
    if model.posterior is not None:
        variance = model.posterior.variance(user[row], items)
    return interest.scores(chances[row, items], predictions, variance)
