"""The scores of all items for many users: what their lists are ranked by."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.errors import SettingsError
from palate.model.arrays import Floats, ModelArrays
from palate.model.lookup import user_index
from palate.model.profile import Profile
from palate.model.recommend import (
    RankBy,
    check_rank_by,
    choice_chances,
    choice_scores,
    interest_at,
    require_interest,
)
from palate.parallel import pool
from palate.ranking import scores

__all__ = ["choice_chance_block", "choice_score_block", "interest_block", "score_batch"]

# Numbers in the blocks of a task: small enough for the caches.
_CELLS = 1 << 16


def score_batch(
    model: ModelArrays, users: ArrayLike | Profile | None, by: RankBy | None, threads: int | None
) -> Floats:
    """Return the scores of all items for many users: see `palate.Model.score_batch`."""
    order = check_rank_by(model, by, False, 0.5, None)
    if order not in _SCORES:
        raise SettingsError(f"scores are those of {', '.join(map(repr, _SCORES))}, not of {by!r}")
    if isinstance(users, Profile):
        return _of_profile(model, users, order)[np.newaxis]
    user, score = user_index(model, users), _SCORES[order]
    block = np.empty((len(user), len(model.items)), np.float32)
    step = max(1, _CELLS // max(1, len(model.items)))

    def fill(rows: slice) -> None:
        block[rows] = score(model, user[rows])

    # Kernels are loaded before the threads start: Numba's lock would outlive an interrupted thread.
    from palate.kernels import interest, ranking  # noqa: F401  NumPy's work is theirs once they are loaded

    fill(slice(0, 1))
    with pool(threads) as run:
        run(fill, [slice(start, start + step) for start in range(1, len(user), step)])
    return block


def _of_profile(model: ModelArrays, profile: Profile, order: RankBy) -> Floats:
    if order == "choice":
        return choice_scores(model, profile)
    if order == "interest":
        return interest_at(model, profile, choice_chances(model, profile), np.arange(len(model.items)))
    return scores(model.item_factors, model.item_bias, profile.factors, model.intercept + profile.bias)


def _predictions(model: ModelArrays, user: NDArray[np.int32]) -> Floats:
    block = np.empty((len(user), len(model.items)), np.float32)
    for row, index in enumerate(user.tolist()):
        offset = model.intercept + float(model.user_bias[index])
        block[row] = scores(model.item_factors, model.item_bias, model.user_factors[index], offset)
    return block


def choice_score_block(model: ModelArrays, user: NDArray[np.int32]) -> Floats:
    """Return how likely users choose items: float32, (users, items), see `palate.Model.choice_scores`."""
    if model.choice_head is None or model.seen is None:
        rows = [choice_scores(model, model.users[index]) for index in user.tolist()]
        return np.array(rows, np.float32).reshape(len(user), len(model.items))
    block = model.choice_head.user_scores(user, model.seen)
    block[np.diff(model.seen.indptr)[user] == 0] = model.item_counts / max(1, len(model.users))
    return block


def choice_chance_block(model: ModelArrays, user: NDArray[np.int32]) -> Floats:
    """Return the chances of users' choices: float32, (users, items), see `palate.Model.choice_chances`."""
    interest, chances = require_interest(model), choice_score_block(model, user)
    counts = np.diff(model.seen.indptr)[user] if model.seen else np.zeros(len(user), np.int64)
    rows = np.flatnonzero(counts > 0)
    some = chances if len(rows) == len(user) else chances[rows]
    activity: float | Floats = 0.0
    trends: Floats | None = None
    if model.trends is not None:
        activity, trends = interest.trend * model.trends.users[user[rows]], model.trends.items
    chances[rows] = interest.calibration.chances(some, model.item_counts, counts[rows], activity, trends)
    return chances


def interest_block(model: ModelArrays, user: NDArray[np.int32]) -> Floats:
    """Return the interest of users in items: float32, (users, items)."""
    interest, chances = require_interest(model), choice_chance_block(model, user)
    variance: float | Floats = interest.deviation**2
    if model.posterior is not None:
        items = np.arange(len(model.items))
        rows = [model.posterior.variance(index, items).astype(np.float32) for index in user.tolist()]
        variance = np.array(rows).reshape(chances.shape)
    return interest.scores(chances, _predictions(model, user), variance)


_SCORES = {"interest": interest_block, "choice": choice_score_block, "prediction": _predictions}
