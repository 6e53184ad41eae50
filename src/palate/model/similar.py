"""Items and users whose factors are alike."""

from __future__ import annotations

import numpy as np

from palate.errors import SettingsError
from palate.model.arrays import Floats, Id, ModelArrays
from palate.model.lookup import profile_of, require_id, scored_list
from palate.model.profile import Profile
from palate.model.scored import ScoredList
from palate.ranking import best
from palate.ratings import Vocabulary

__all__ = ["similar_items", "similar_users"]


def similar_items(model: ModelArrays, item: Id, n: int, by: str) -> ScoredList:
    """Return the n items most similar to an item: see `palate.Model.similar_items`."""
    index = require_id(model, model.items, item)
    if by == "choice" or (model.choice is not None and model.predicts == "choice"):
        return _chosen_together(model, index, n)
    return _most_similar(model, model.items, model.item_factors, model.item_factors[index], index, n, by)


def _chosen_together(model: ModelArrays, index: int, n: int) -> ScoredList:
    if model.choice_head is None:
        raise SettingsError("this model has no choice head: similarity is by 'cosine' or 'dot'")
    similarity = model.choice_head.similarities(index)
    allowed = similarity > 0
    allowed[index] = False
    chosen = best(similarity, n, allowed)
    return scored_list(model, model.items, chosen, similarity[chosen])


def similar_users(model: ModelArrays, user: Id | Profile, n: int, by: str) -> ScoredList:
    """Return the n users most similar to a user: see `palate.Model.similar_users`."""
    index = None if isinstance(user, Profile) else require_id(model, model.users, user)
    return _most_similar(model, model.users, model.user_factors, profile_of(model, user).factors, index, n, by)


def _most_similar(
    model: ModelArrays, vocabulary: Vocabulary, factors: Floats, vector: Floats, index: int | None, n: int, by: str
) -> ScoredList:
    """Return the rows of `factors` most similar to a vector, without row `index`."""
    if by not in ("cosine", "dot"):
        raise SettingsError(f"similarity is by 'cosine' or 'dot', not {by!r}")
    similarity = factors @ vector
    allowed = np.ones(len(factors), dtype=bool)
    if by == "cosine":
        lengths = np.linalg.norm(factors, axis=1) * np.linalg.norm(vector)
        allowed = lengths > 0
        similarity = np.divide(similarity, lengths, out=np.zeros_like(similarity), where=allowed)
    if index is not None:
        allowed[index] = False
    chosen = best(similarity, n, allowed)
    return scored_list(model, vocabulary, chosen, similarity[chosen])
