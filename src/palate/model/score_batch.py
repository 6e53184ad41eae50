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
    like_chances_at,
    require_interest,
)
from palate.parallel import pool
from palate.ranking import scores

__all__ = ["choice_chance_block", "choice_score_block", "score_batch"]

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
    from palate.kernels import ranking  # noqa: F401  `scores` uses them once they are loaded

    fill(slice(0, 1))
    with pool(threads) as run:
        run(fill, [slice(start, start + step) for start in range(1, len(user), step)])
    return block


def _of_profile(model: ModelArrays, profile: Profile, order: RankBy) -> Floats:
    if order == "choice":
        return choice_scores(model, profile)
    if order == "interest":
        liking = like_chances_at(model, profile, np.arange(len(model.items))) ** require_interest(model).power
        return np.asarray(choice_chances(model, profile) * liking, np.float32)
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
    has_chosen = counts > 0
    shift: float | Floats = 0.0
    if model.trends is not None:
        activity = model.trends.users[user[has_chosen], np.newaxis]
        shift = np.float32(interest.trend) * activity * model.trends.items
    chances[has_chosen] = interest.calibration.chances(
        chances[has_chosen], model.item_counts, counts[has_chosen, np.newaxis], shift
    )
    return chances


def _interest(model: ModelArrays, user: NDArray[np.int32]) -> Floats:
    interest, chances = require_interest(model), choice_chance_block(model, user)
    deviation: float | NDArray[np.float64] = interest.deviation
    if model.posterior is not None:
        deviation = np.sqrt(model.posterior.variance(user[:, np.newaxis], np.arange(len(model.items))))
    return interest.scores(chances, _predictions(model, user), deviation)


_SCORES = {"interest": _interest, "choice": choice_score_block, "prediction": _predictions}
