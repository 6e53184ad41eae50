"""The items to recommend to one user."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.errors import SettingsError
from palate.model.arrays import Floats, Id, ModelArrays
from palate.model.explore import check_explore, explored_seed, insert_explored, little_known
from palate.model.interest import Interest, chance_of_liking
from palate.model.item_index import check_index, recommend_from_index
from palate.model.lookup import allowed_items, filter_index, find_ids, profile_of, require_id, scored_list
from palate.model.profile import Profile
from palate.model.scored import ScoredList
from palate.ranking import best, check_count, scores
from palate.ranking.approximate import ItemIndex

__all__ = [
    "RankBy",
    "candidate_count",
    "check_rank_by",
    "choice_chances",
    "choice_scores",
    "interest_at",
    "like_chances",
    "rank_exploring",
    "rank_items",
    "recommend",
    "require_interest",
]

#: What lists are ordered by.
RankBy = Literal["interest", "choice", "prediction", "lower bound", "chance"]

# Interest is computed for the likeliest choices first: so many at least, and for each item that is wanted.
_CANDIDATES, _PER_ITEM = 64, 8


def recommend(
    model: ModelArrays,
    user: Id | Profile,
    n: int,
    *,
    lowest: bool,
    seen: bool,
    only: Iterable[Id] | None,
    exclude: Iterable[Id],
    least: int,
    by: RankBy | None,
    level: float,
    seed: int | None,
    index: ItemIndex | None,
    explore: float = 0.0,
) -> ScoredList:
    """Return the n best items of one user: see `palate.Model.recommend`."""
    check_explore(explore, lowest=lowest)
    if explore and index is not None:
        raise SettingsError("a share for exploration does not go with an index")
    profile = profile_of(model, user)
    hidden = profile.items[:0] if seen else profile.items
    if index is not None:
        check_index(model, index, by or "prediction")
        by = "prediction"
        if only is None:
            excluded = np.union1d(hidden, filter_index(model, exclude))
            recommended = recommend_from_index(model, index, profile, n, lowest, excluded, least)
            if recommended is not None:
                return recommended
    by = check_rank_by(model, by, lowest, level, seed)
    allowed = allowed_items(model, only, exclude, least)
    if explore:
        items, values = rank_exploring(model, user, n, explore, by, allowed, hidden, level, seed)
    else:
        items, values = rank_items(model, user, n, by, lowest, allowed, hidden, level, seed)
    return scored_list(model, model.items, items, values)


def check_rank_by(model: ModelArrays, by: str | None, lowest: bool, level: float, seed: int | None) -> RankBy:
    """Return what lists are ordered by: interest if nothing else is asked for and the model knows it.

    Raises
    ------
    SettingsError
        If there is no such order, or the model lacks what it needs.
    """
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
        raise SettingsError(f"a seed is an integer from 0 on, not {seed!r}")
    if by is None:
        if model.predicts == "choice":
            return "choice"
        return "interest" if model.interest is not None and not lowest else "prediction"
    if by not in get_args(RankBy):
        raise SettingsError(f"items are ranked by {', '.join(map(repr, get_args(RankBy)))}, not by {by!r}")
    if by == "interest" and (model.interest is None or model.choice is None):
        other = "choice" if model.predicts == "choice" else "prediction"
        raise SettingsError(f"this model does not know both choices and ratings, so no interest: rank by {other!r}")
    if by == "choice" and model.choice_head is None:
        raise SettingsError("this model has no choice head: rank by 'prediction', or fit one with palate fit")
    if by == "prediction" and model.predicts == "choice" and model.choice is not None:
        raise SettingsError("this model predicts choices and no ratings: rank by 'choice'")
    if by == "interest" and lowest:
        raise SettingsError("the lowest items are ranked by 'prediction', not by 'interest'")
    if by in ("lower bound", "chance"):
        model.require_posterior().width(level)
    return cast(RankBy, by)


def rank_items(
    model: ModelArrays,
    user: Id | Profile,
    n: int,
    by: RankBy,
    lowest: bool,
    allowed: NDArray[np.bool_] | None,
    hidden: NDArray[np.int32],
    level: float,
    seed: int | Sequence[int] | None,
) -> tuple[NDArray[np.integer], Floats]:
    """Return the indices of the n best items of one user and their scores: float32, (n,) or shorter."""
    if by == "interest":
        return _rank_by_interest(model, user, n, allowed, hidden)
    if by == "choice":
        values = choice_scores(model, user)
        chosen = best(values, n, allowed, hidden, lowest)
        return chosen, values[chosen]
    profile = profile_of(model, user)
    values = scores(model.item_factors, model.item_bias, profile.factors, model.intercept + profile.bias)
    if by != "prediction":
        values = _uncertain_scores(model, user, values, by, level, seed, lowest)
    chosen = best(values, n, allowed, hidden, lowest)
    # A draw says how the items are ordered: two of them beyond the scale are not alike.
    return chosen, values[chosen] if by == "chance" else np.asarray(model.scale.clip(values[chosen]), np.float32)


def rank_exploring(
    model: ModelArrays,
    user: Id | Profile,
    n: int,
    explore: float,
    by: RankBy,
    allowed: NDArray[np.bool_] | None,
    hidden: NDArray[np.int32],
    level: float,
    seed: int | None,
) -> tuple[NDArray[np.integer], Floats]:
    """Return a list of n as `rank_items` does, with a share of the places for items that hardly anybody has rated."""
    check_count(n)
    few = little_known(model, allowed)
    known = ~few if allowed is None else allowed & ~few
    draw_seed = explored_seed(seed, -1 if isinstance(user, Profile) else require_id(model, model.users, user))

    def rank(count: int, some: NDArray[np.bool_], *, draws: bool) -> tuple[NDArray[np.integer], Floats]:
        if not count:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        if draws and model.posterior is not None and model.predicts == "rating":
            drawn, _ = rank_items(model, user, count, "chance", False, some, hidden, level, draw_seed)
            some = np.isin(np.arange(len(some)), drawn)
        return rank_items(model, user, count, by, False, some, hidden, level, seed)

    return insert_explored(rank, n, explore, known, few)


def choice_scores(model: ModelArrays, user: Id | Profile) -> Floats:
    """Return how likely a user chooses each item: float32, (items,).

    Of a user who has chosen nothing yet only one thing is known: items that many choose are likely.
    """
    head = model.choice_head
    if head is None:
        raise SettingsError("this model has no choice head")
    profile = profile_of(model, user)
    if not len(profile.items):
        return np.asarray(model.item_counts / max(1, len(model.users)), np.float32)
    if isinstance(user, Profile) or model.seen is None:
        return head.new_user_scores(profile.items, profile.ratings)
    index = np.array([require_id(model, model.users, user)], np.int32)
    row: Floats = head.user_scores(index, model.seen)[0]
    return row


def choice_chances(model: ModelArrays, user: Id | Profile) -> Floats:
    """Return the probability that a user chooses each item next: float32, (items,)."""
    interest, scores = require_interest(model), choice_scores(model, user)
    count = len(profile_of(model, user).items)
    if not count:
        return scores  # the share of users who chose each item
    if model.trends is None or isinstance(user, Profile):  # nobody knows when a new user chose
        return interest.calibration.chances(scores, model.item_counts, count)
    activity = interest.trend * model.trends.users[require_id(model, model.users, user)]
    return interest.calibration.chances(scores, model.item_counts, count, activity, model.trends.items)


def require_interest(model: ModelArrays) -> Interest:
    """Return how choices and predictions are combined, or raise a `SettingsError` if the model has no choice head."""
    if model.interest is None:
        raise SettingsError("this model has no choice head, so it knows no interest and no chances of choices")
    return model.interest


def candidate_count(n: int) -> int:
    """Return how many of the likeliest choices are looked at first for a list of n items."""
    return _CANDIDATES + _PER_ITEM * n


def _rank_by_interest(
    model: ModelArrays, user: Id | Profile, n: int, allowed: NDArray[np.bool_] | None, hidden: NDArray[np.int32]
) -> tuple[NDArray[np.integer], Floats]:
    chances, count = choice_chances(model, user), candidate_count(n)
    while True:
        candidates = best(chances, count, allowed, hidden)
        interest = interest_at(model, user, chances[candidates], candidates)
        order = np.lexsort((candidates, -interest))[:n]
        # Liking is at most 1, so the interest in an item that is no candidate is at most the chance of its choice.
        if len(candidates) < count or interest[order[-1]] > chances[candidates[-1]]:
            return candidates[order], interest[order]
        count *= 4


def like_chances(model: ModelArrays, user: Id | Profile, items: ArrayLike) -> NDArray[np.float64]:
    """Return how likely a user likes items: see `palate.Model.like_chances`."""
    index = find_ids(model, model.items, items).ravel().astype(np.int32)
    chances = chance_of_liking(*_predicted(model, user, index), require_interest(model).boundary)
    return chances.astype(np.float64)


def interest_at(model: ModelArrays, user: Id | Profile, chances: Floats, items: NDArray[np.integer]) -> Floats:
    """Return the interest in items, by index, with these chances of being chosen: float32, (n,)."""
    return require_interest(model).scores(chances, *_predicted(model, user, items.astype(np.int32)))


def _predicted(
    model: ModelArrays, user: Id | Profile, index: NDArray[np.int32]
) -> tuple[Floats, NDArray[np.float64] | float]:
    """Return the predicted ratings of a user's items, not clipped, and the variance of ratings around them."""
    interest, profile = require_interest(model), profile_of(model, user)
    offset = model.intercept + profile.bias
    predictions = scores(model.item_factors[index], model.item_bias[index], profile.factors, offset)
    return predictions, interest.deviation**2 if model.posterior is None else _variance(model, user, index)[0]


def _variance(
    model: ModelArrays, user: Id | Profile, items: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the variance of a user's ratings around predictions, and the part of it that is noise."""
    posterior = model.require_posterior()
    if isinstance(user, Profile):
        variance = np.asarray(posterior.folded_user_variance(user, model.item_factors, items))
        return variance, posterior.noise_variance(None, items)
    index = require_id(model, model.users, user)
    return posterior.variance(index, items), posterior.noise_variance(index, items)


def _uncertain_scores(
    model: ModelArrays,
    user: Id | Profile,
    values: Floats,
    by: RankBy,
    level: float,
    seed: int | Sequence[int] | None,
    lowest: bool,
) -> Floats:
    """Return an end of each prediction's interval, or a draw from what each prediction may be."""
    variance, noise = _variance(model, user, np.arange(len(model.items), dtype=np.int32))
    if by == "lower bound":
        reach = model.require_posterior().width(level) * np.sqrt(variance)
        return np.asarray(values + reach if lowest else values - reach, np.float32)
    draws = np.random.default_rng(seed).normal(size=len(values))
    return np.asarray(values + draws * np.sqrt(np.maximum(variance - noise, 0)), np.float32)
