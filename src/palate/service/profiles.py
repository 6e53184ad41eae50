"""Whom a request is about: a user of the model, or ratings of the model and the store folded in."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from cachetools import LRUCache

from palate.errors import DataError, UnknownIdError
from palate.model import Model, Profile
from palate.ratings import is_single
from palate.service.loaded_model import LoadedModel
from palate.service.store import Store, user_owner

__all__ = ["ProfileFinder", "check_ratings", "usable_ratings"]

Id = int | str
_PROFILES = 1000


class _CachedProfile(NamedTuple):
    tag: str
    stored: Mapping[str, float | None]
    profile: Profile


class ProfileFinder:
    """Finds users, and folds in ratings that the model does not have.

    Profiles are cached. A cached one is used only with the same model and exactly the same ratings.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._profiles: LRUCache[str, _CachedProfile] = LRUCache(_PROFILES)
        self._lock = threading.Lock()

    def user(self, loaded: LoadedModel, user: str, stored: Mapping[str, float | None] | None = None) -> Id | Profile:
        """Return a named user as `Model` takes it: an id, or a profile where the stored ratings add something.

        Parameters
        ----------
        loaded
            The model.
        user
            The user's id.
        stored
            The user's stored ratings, if they were read already.

        Raises
        ------
        UnknownIdError
            If neither the model nor the store has a rating of the user.
        """
        if stored is None:
            stored = self.store.ratings(user_owner(user))
        index = loaded.model.users.find(user)
        if stored:
            training = loaded.training_ratings(user)
            # To withdraw a rating that this model does not have changes nothing.
            effective = {item: rating for item, rating in stored.items() if rating is not None or item in training}
            if effective and (index < 0 or not _is_fitted(loaded.model, effective, training)):
                return self.fold_in(loaded, user_owner(user), effective, training)
        if index < 0:
            raise UnknownIdError(f"user {user!r} is unknown: neither the model nor the store has a rating of it")
        return loaded.model.users[index]

    def fold_in(
        self, loaded: LoadedModel, owner: str, stored: Mapping[str, float | None], training: Mapping[str, float]
    ) -> Profile:
        """Fold in an owner's ratings; a stored rating replaces the model's rating of the same item."""
        with self._lock:
            cached = self._profiles.get(owner)
        if cached is not None and cached.tag == loaded.tag and cached.stored == stored:
            return cached.profile
        profile = loaded.model.fold_in(usable_ratings(loaded.model, {**training, **stored}))
        with self._lock:
            self._profiles[owner] = _CachedProfile(loaded.tag, dict(stored), profile)
        return profile


def _is_fitted(model: Model, stored: Mapping[str, float | None], training: Mapping[str, float]) -> bool:
    """Whether the model was fitted on all of a user's stored ratings: the user's own factors are then the best."""
    if any(rating is None and item in training for item, rating in stored.items()):
        return False
    usable = usable_ratings(model, stored)
    return all(
        str(item) in training and np.float32(training[str(item)]) == np.float32(rating)
        for item, rating in usable.items()
    )


def usable_ratings(model: Model, ratings: Mapping[str, float | None]) -> dict[Id, float]:
    """Return the ratings that a model can fold in: a model fitted later may have other items, or another scale."""
    finite = {item: rating for item, rating in ratings.items() if rating is not None and is_single(rating)}
    indices: list[int] = model.items.index(list(finite)).tolist() if finite else []
    known = [(item, rating) for (item, rating), index in zip(finite.items(), indices, strict=True) if index >= 0]
    if model.predicts == "rating":
        return {item: float(model.scale.clip(rating)) for item, rating in known}
    return {item: rating for item, rating in known if rating > 0 or not model.penalty.confidence}


def check_ratings(loaded: LoadedModel, ratings: Mapping[str, float]) -> dict[str, float]:
    """Return ratings under the ids as the model spells them, so that 7 and "7" are one item.

    Items that are only in the catalogue may be rated: they count from the next fit on.

    Raises
    ------
    UnknownIdError, DataError
        If an item is unknown or its id is of the wrong kind, or a rating is off the scale.
    """
    model, checked = loaded.model, {}
    for item, rating in ratings.items():
        id = loaded.item_id(item)
        if not is_single(rating):
            raise DataError(f"rating {rating:g} of item {item!r} is too large a number")
        loaded.check_kind(model.items, str(id))
        if model.predicts == "rating":
            if not model.scale.low <= rating <= model.scale.high:
                raise DataError(f"rating {rating:g} of item {item!r} is off the model's scale, {model.scale}")
        elif model.penalty.confidence and rating <= 0:
            raise DataError(f"rating {rating:g} of item {item!r} must be above zero, as it is a confidence")
        checked[str(id)] = rating
    return checked
