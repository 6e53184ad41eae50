"""Recommendations from an index of items, for very large catalogues."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.model.arrays import ModelArrays
from palate.model.lookup import scored_list
from palate.model.profile import Profile
from palate.model.scored import ScoredList
from palate.ranking import best, check_count, scores
from palate.ranking.approximate import ItemIndex

__all__ = ["check_index", "index_items", "recommend_from_index"]


def index_items(model: ModelArrays, threads: int | None, seed: int) -> ItemIndex:
    """Build an index of the model's items: see `palate.Model.index_items`."""
    return ItemIndex(model.item_factors, model.item_bias, model.user_factors, threads, seed)


def check_index(model: ModelArrays, index: ItemIndex, by: str) -> None:
    """Raise a `SettingsError` if an index is of another model, or cannot rank in this way."""
    if index.factors is not model.item_factors:
        raise SettingsError("this index was made from another model: make one with index_items()")
    if by != "prediction":
        raise SettingsError(f"an index ranks by 'prediction' and not by {by!r}: leave it out")


def recommend_from_index(
    model: ModelArrays,
    index: ItemIndex,
    profile: Profile,
    n: int,
    lowest: bool,
    excluded: NDArray[np.int32],
    least: int,
) -> ScoredList | None:
    """Return the n best of the items that the index proposes; None if the filters leave fewer than n of them."""
    check_count(n)
    # Few of the excluded items are among the best: more proposals are needed only where too few remain.
    count = 2 * n + 32
    while (items := index.propose(profile.factors, count, lowest)) is not None:
        allowed = ~np.isin(items, excluded)
        if least > 0:
            allowed &= model.item_counts[items] >= least
        if allowed.sum() >= n:
            items = items[allowed]
            offset = model.intercept + profile.bias
            values = scores(model.item_factors[items], model.item_bias[items], profile.factors, offset)
            chosen = best(values, n, lowest=lowest)
            return scored_list(model, model.items, items[chosen], model.scale.clip(values[chosen]))
        count *= 4
    return None
