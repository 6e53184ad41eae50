"""Who is asked about: a user of the model, or ratings of the model and the store folded in."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from palate.errors import DataError, UnknownIdError
from palate.model import Model, Profile
from palate.ratings import is_single
from palate.service.loaded_model import LoadedModel
from palate.service.store import Store, user_owner

__all__ = ["People", "checked", "usable"]

Id = int | str
_KEPT = 1000


class _Kept(NamedTuple):
    tag: str
    stored: Mapping[str, float | None]
    profile: Profile


class People:
    """Finds users. Profiles are kept for those who come again; a kept one counts only with the very same ratings."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._turn = threading.Lock()

    def user(self, edition: LoadedModel, user: str, stored: Mapping[str, float | None]) -> Id | Profile:
        """Return a named user as the model takes it, given what the store has of them.

        Raises
        ------
        UnknownIdError
            If neither the model nor the store knows the user.
        """
        index = edition.model.users.find(user)
        if stored:
            own = edition.own_ratings(user)
            # The withdrawal of what this model never had changes nothing.
            telling = {item: rating for item, rating in stored.items() if rating is not None or item in own}
            if telling and (index < 0 or not _is_known(edition.model, telling, own)):
                return self.folded(edition, user_owner(user), telling, own)
        if index < 0:
            raise UnknownIdError(f"user {user!r} is unknown: neither the model nor the store has a rating of it")
        return edition.model.users[index]

    def folded(
        self, edition: LoadedModel, owner: str, stored: Mapping[str, float | None], own: Mapping[str, float]
    ) -> Profile:
        """Fold in an owner's ratings, the stored ones before the model's own."""
        with self._turn:
            kept = self._kept.get(owner)
            if kept is not None and kept.tag == edition.tag and kept.stored == stored:
                self._kept.move_to_end(owner)
                return kept.profile
        profile = edition.model.fold_in(usable(edition.model, {**own, **stored}))
        with self._turn:
            self._kept[owner] = _Kept(edition.tag, dict(stored), profile)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return profile


def _is_known(model: Model, stored: Mapping[str, float | None], own: Mapping[str, float]) -> bool:
    """Whether a user's stored ratings are those that the model was fitted on: its own factors then say most."""
    if any(rating is None and item in own for item, rating in stored.items()):
        return False
    given = usable(model, stored)
    return all(str(item) in own and np.float32(own[str(item)]) == np.float32(given[item]) for item in given)


def usable(model: Model, ratings: Mapping[str, float | None]) -> dict[Id, float]:
    """Return those ratings that a model can fold in: a model fitted later may have other items, or another scale."""
    given = {item: rating for item, rating in ratings.items() if rating is not None and is_single(rating)}
    index: list[int] = model.items.index(list(given)).tolist() if given else []
    known = [(item, rating) for (item, rating), at in zip(given.items(), index, strict=True) if at >= 0]
    if model.predicts == "rating":
        return {item: float(model.scale.clip(rating)) for item, rating in known}
    return {item: rating for item, rating in known if rating > 0 or not model.penalty.confidence}


def checked(edition: LoadedModel, given: Mapping[str, float]) -> dict[str, float]:
    """Return ratings under the ids as the model spells them, so that 7 and "7" are one item.

    Items that are only in the catalogue may be rated: they count from the next fit on.

    Raises
    ------
    UnknownIdError, DataError
        If an item is unknown or its id cannot be the model's, or a rating is off the scale.
    """
    model, found = edition.model, {}
    for item, rating in given.items():
        id = edition.item(item)
        if not is_single(rating):
            raise DataError(f"rating {rating:g} of item {item!r} is too large a number")
        edition.check_kind(model.items, str(id))
        if model.predicts == "rating":
            if not model.scale.low <= rating <= model.scale.high:
                raise DataError(f"rating {rating:g} of item {item!r} is off the model's scale, {model.scale}")
        elif model.penalty.confidence and rating <= 0:
            raise DataError(f"rating {rating:g} of item {item!r} must be above zero, as it is a confidence")
        found[str(id)] = rating
    return found
