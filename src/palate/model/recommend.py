"""The items to recommend to one user."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from palate.errors import SettingsError
from palate.model.arrays import Floats, Id, ModelArrays
from palate.model.item_index import check_index, recommend_from_index
from palate.model.lookup import allowed_items, filter_index, profile_of, require_id, scored_list
from palate.model.profile import Profile
from palate.ranking import Scored, best, scores
from palate.ranking.approximate import ItemIndex

__all__ = ["recommend"]


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
    by: str,
    level: float,
    seed: int | None,
    index: ItemIndex | None,
) -> list[Scored]:
    """Return the n best items of one user: see `palate.Model.recommend`."""
    profile = profile_of(model, user)
    hidden = profile.items[:0] if seen else profile.items
    if index is not None:
        check_index(model, index, by)
        if only is None:
            excluded = np.union1d(hidden, filter_index(model, exclude))
            recommended = recommend_from_index(model, index, profile, n, lowest, excluded, least)
            if recommended is not None:
                return recommended
    values = scores(model.item_factors, model.item_bias, profile.factors, model.intercept + profile.bias)
    if by != "prediction":
        values = _uncertain_scores(model, user, values, by, level, seed, lowest)
    chosen = best(values, n, allowed_items(model, only, exclude, least), hidden, lowest)
    return scored_list(model, model.items, chosen, model.scale.clip(values[chosen]))


def _uncertain_scores(
    model: ModelArrays, user: Id | Profile, values: Floats, by: str, level: float, seed: int | None, lowest: bool
) -> Floats:
    """Return an end of each prediction's interval, or a draw from what each prediction may be."""
    if by not in ("lower bound", "chance"):
        raise SettingsError(f"items are ranked by 'prediction', 'lower bound' or 'chance', not {by!r}")
    if seed is not None and (not isinstance(seed, int) or seed < 0):
        raise SettingsError(f"a seed is an integer from 0 on, not {seed!r}")
    posterior, items = model.require_posterior(), np.arange(len(model.items), dtype=np.int32)
    if isinstance(user, Profile):
        variance = posterior.folded_user_variance(user, model.item_factors, items)
        noise = posterior.noise_variance(None, items)
    else:
        u = require_id(model, model.users, user)
        variance, noise = posterior.variance(u, items), posterior.noise_variance(u, items)
    if by == "lower bound":
        reach = posterior.width(level) * np.sqrt(variance)
        return np.asarray(values + reach if lowest else values - reach, np.float32)
    draws = np.random.default_rng(seed).normal(size=len(items))
    return np.asarray(values + draws * np.sqrt(np.maximum(variance - noise, 0)), np.float32)
