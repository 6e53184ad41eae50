"""The best items for a block of users: what would be computed for each user alone, with the same bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from palate.model.arrays import Floats, ModelArrays
from palate.model.recommend import RankBy, candidate_count, rank_items, require_interest
from palate.model.score_batch import choice_chance_block, choice_score_block, interest_block
from palate.ranking import best, scores

__all__ = ["rank_many"]

Indices = NDArray[np.int32]
# With more items, interest is computed for the likeliest choices alone.
_FEW_ITEMS = 10_000

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
    if by == "interest" and len(model.items) <= _FEW_ITEMS:
        return _ranked(interest_block(model, user), n, allowed, hidden, False)
    if by == "interest":
        return _rank_by_interest(model, user, n, allowed, hidden, level)
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
    model: ModelArrays,
    user: Indices,
    n: int,
    allowed: NDArray[np.bool_] | None,
    hidden: Sequence[Indices],
    level: float,
) -> Ranked:
    """Rank the likeliest choices of all users at once; users for whom they do not suffice are ranked alone."""
    chances, count = choice_chance_block(model, user), min(candidate_count(n), len(model.items))
    candidates = [best(row, count, allowed, items) for row, items in zip(chances, hidden, strict=True)]
    sizes = np.array([len(items) for items in candidates])
    is_there = np.arange(count) < sizes[:, np.newaxis]
    table = np.zeros((len(user), count), np.int32)
    table[is_there] = np.concatenate(candidates) if len(user) else 0
    interest = _interest(model, user, table, np.take_along_axis(chances, table, axis=1))
    interest[~is_there] = -np.inf
    order = np.lexsort((table, -interest))[:, :n]
    ranked = []
    for row, (places, size) in enumerate(zip(order, sizes.tolist(), strict=True)):
        places = places[:size]
        listed = interest[row, places]
        # See `palate.model.recommend`: other items have an interest of at most the last candidate's chance.
        if size < count or count == len(model.items) or listed[-1] > chances[row, table[row, size - 1]]:
            ranked.append((table[row, places], listed))
        else:
            index = int(user[row])
            ranked.append(
                rank_items(model, model.users[index], n, "interest", False, allowed, hidden[row], level, None)
            )
    return ranked


def _interest(model: ModelArrays, user: Indices, items: Indices, chances: Floats) -> Floats:
    """Return the interest in rows of items with these chances of being chosen: float32, (users, n)."""
    interest, predictions = require_interest(model), np.zeros(items.shape, np.float32)
    for row, index in enumerate(user.tolist()):
        some, offset = items[row], model.intercept + float(model.user_bias[index])
        predictions[row] = scores(model.item_factors[some], model.item_bias[some], model.user_factors[index], offset)
    variance: float | NDArray[np.float64] = interest.deviation**2
    if model.posterior is not None:
        variance = model.posterior.variance(user[:, np.newaxis], items)
    return interest.scores(chances, predictions, variance)
