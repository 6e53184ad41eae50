"""Whom a request is about, and what its answer must say about that: a store that is away, a user who is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import Request

from palate.errors import StoreError, UnknownIdError
from palate.model import Profile
from palate.service.app_state import AppState
from palate.service.loaded_model import LoadedModel
from palate.service.read_cache import Rows
from palate.service.store import user_owner

__all__ = ["Subject", "anonymous_user", "named_user", "stored_ratings", "visitor"]

Id = int | str


class Subject(NamedTuple):
    """Whom an answer is about.

    Attributes
    ----------
    user
        An id of the model, or a profile.
    marks
        What the answer says about the subject: `degraded` if the store did not answer, so that only the model's ratings
        count; `fallback` if nothing is known of the user; `unknown` with the items that were left out.
    """

    user: Id | Profile
    marks: dict[str, Any]


def stored_ratings(state: AppState, owner: str) -> Rows | None:
    """Return the stored ratings of an owner; None while the store does not answer and the settings allow that.

    Raises
    ------
    StoreError
        If the store does not answer and the settings do not allow answers without it.
    """
    return state.store.try_ratings(owner) if state.settings.degrade else state.store.ratings(owner)


def named_user(
    state: AppState, loaded: LoadedModel, user: str, *, fallback: bool = False, stored: Rows | None = None
) -> Subject:
    """Return a named user of the model or of the store.

    Parameters
    ----------
    state, loaded
        The state of the application, and the model.
    user
        The id.
    fallback
        Whether an unknown user is one of whom nothing is known, and no error.
    stored
        The user's stored ratings, if they were read already.

    Raises
    ------
    UnknownIdError
        If neither the model nor the store has a rating of the user.
    StoreError
        If the model does not know the user and the store does not answer.
    """
    rows = stored_ratings(state, user_owner(user)) if stored is None else stored
    marks: dict[str, Any] = {"degraded": True} if rows is None else {}
    try:
        return Subject(state.profiles.user(loaded, user, rows or {}), marks)
    except UnknownIdError as error:
        if fallback:
            return Subject(loaded.model.fold_in({}), {**marks, "fallback": "prior"})
        if rows is None:
            raise StoreError(f"user {user!r} is not in the model, and the store does not answer") from error
        raise


def visitor(state: AppState, loaded: LoadedModel, request: Request) -> Subject:
    """Return the anonymous visitor with the cookie of a request, whose ratings are folded in."""
    try:
        owner = state.cookies.owner(request) or ""
        stored = stored_ratings(state, owner) if owner else {}
    except StoreError:  # the secret that signs cookies is in the store
        if not state.settings.degrade:
            raise
        owner, stored = "", None
    profile = state.profiles.fold_in(loaded, owner, stored or {}, {})
    return Subject(profile, {"degraded": True} if stored is None else {})


def anonymous_user(loaded: LoadedModel, ratings: Mapping[str, float]) -> Subject:
    """Return a user with ratings that came with a request. Items that the model does not know are left out and named.

    Raises
    ------
    DataError
        If a rating is off the scale.
    """
    indices = loaded.model.items.index(list(ratings)).tolist() if ratings else []
    known: dict[Id, float] = {
        item: rating for (item, rating), index in zip(ratings.items(), indices, strict=True) if index >= 0
    }
    unknown = [loaded.spell_item(item) for item in ratings if item not in known]
    return Subject(loaded.model.fold_in(known), {"unknown": unknown})
