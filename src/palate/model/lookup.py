"""From the caller's ids to indices, profiles and filters of a model, and back to ids with titles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.errors import SettingsError, UnknownIdError
from palate.model.arrays import Floats, Id, ModelArrays
from palate.model.choice import WeightsHead
from palate.model.profile import Profile
from palate.model.scored import ScoredList
from palate.ranking import Scored
from palate.ratings import Vocabulary

__all__ = [
    "allowed_items",
    "check_profile",
    "filter_index",
    "find_ids",
    "profile_of",
    "require_id",
    "scored_list",
    "user_index",
]

_NO_ITEMS, _NO_RATINGS = np.empty(0, np.int32), np.empty(0, np.float32)


def require_id(model: ModelArrays, vocabulary: Vocabulary, id: Id) -> int:
    """Return the index of an id; raise an `UnknownIdError` if it has no factors."""
    index = vocabulary.find(id)
    if index < 0:
        raise _unknown_id(model, vocabulary, id)
    return index


def find_ids(
    model: ModelArrays, vocabulary: Vocabulary, ids: Any, unknown: Literal["error", "mean"] = "error"
) -> NDArray[np.int32]:
    """Return the indices of an id or of an array of ids, in its shape; -1 for an unknown id unless that is an error."""
    if isinstance(ids, (str, int, np.integer)):
        id = ids if isinstance(ids, (str, bool)) else int(ids)
        return np.array(require_id(model, vocabulary, id) if unknown == "error" else vocabulary.find(id), np.int32)
    shape = np.shape(ids)
    index = vocabulary.index(ids if shape else [ids]).reshape(shape)
    if unknown == "error" and (index < 0).any():
        raise _unknown_id(model, vocabulary, np.asarray(ids, dtype=object).reshape(shape)[index < 0].ravel()[0])
    return index


def user_index(model: ModelArrays, users: ArrayLike | None) -> NDArray[np.int32]:
    """Return the indices of users, int32 (n,); None for all users of the model."""
    if users is None:
        return np.arange(len(model.users), dtype=np.int32)
    return find_ids(model, model.users, users).ravel()


def _unknown_id(model: ModelArrays, vocabulary: Vocabulary, id: Id) -> UnknownIdError:
    if vocabulary is model.items and model.catalogue.get(id):
        return UnknownIdError(f"item {id!r} is in the catalogue but was never rated: it has no factors and no score")
    return UnknownIdError(f"{vocabulary.kind} {id!r} is unknown: {vocabulary.describe()}")


def profile_of(model: ModelArrays, user: Id | Profile) -> Profile:
    """Return the profile of a user of the model; a profile is checked and returned."""
    if isinstance(user, Profile):
        check_profile(model, user, "user")
        return user
    index = require_id(model, model.users, user)
    items, ratings = model.seen[index] if model.seen else (_NO_ITEMS, _NO_RATINGS)
    return Profile(float(model.user_bias[index]), model.user_factors[index], items, ratings)


def check_profile(model: ModelArrays, profile: Profile, kind: Literal["user", "item"]) -> None:
    """Raise a `SettingsError` if a profile is not of this kind, or has another number of factors than the model."""
    has_weights = isinstance(model.choice, WeightsHead) and model.predicts == "choice"
    columns = len(model.items) if has_weights and kind == "item" else model.factors
    if profile.kind != kind or profile.factors.shape != (columns,):
        origin = "" if profile.kind == kind else f"of {'an item' if kind == 'user' else 'a user'} "
        raise SettingsError(f"a {kind} is expected, not a profile {origin}made by another model or method")


def filter_index(model: ModelArrays, ids: Iterable[Id] | None) -> NDArray[np.int32]:
    """Return the indices of items that a filter names; an item that is only in the catalogue has none."""
    if ids is None:
        return _NO_ITEMS
    wanted = [ids] if isinstance(ids, (str, int, np.integer)) else list(ids)
    if not wanted:
        return _NO_ITEMS
    index = model.items.index(wanted)
    for id, position in zip(wanted, index, strict=True):
        if position < 0 and not model.catalogue.get(id):
            raise _unknown_id(model, model.items, id)
    return index[index >= 0]


def allowed_items(
    model: ModelArrays, only: Iterable[Id] | None, exclude: Iterable[Id], least: int
) -> NDArray[np.bool_] | None:
    """Return which items the filters of `palate.Model.recommend` leave: bool, (items,); None for all.

    Raises
    ------
    SettingsError
        If `least` is no integer.
    """
    if isinstance(least, bool) or not isinstance(least, (int, np.integer)):
        raise SettingsError(f"the least number of ratings is an integer, not {least!r}")
    excluded = filter_index(model, exclude)
    if only is None and not len(excluded) and least <= 0:
        return None
    allowed = np.full(len(model.items), only is None)
    if only is not None:
        allowed[filter_index(model, only)] = True
    allowed[excluded] = False
    if least > 0:
        allowed &= model.item_counts >= least
    return allowed


def scored_list(model: ModelArrays, vocabulary: Vocabulary, index: NDArray[np.integer], scores: Floats) -> ScoredList:
    """Return users or items by index with their scores; items with their titles, users without."""
    title = model.catalogue.title if vocabulary is model.items else lambda id: ""
    rows = zip(vocabulary.ids[index].tolist(), scores.tolist(), strict=True)
    return ScoredList(Scored(id, score, title(id)) for id, score in rows)
