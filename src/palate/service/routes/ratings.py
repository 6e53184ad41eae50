"""The ratings of a named user: those of the store, and those of the model where the store has none."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.errors import UnknownIdError
from palate.service import serializers
from palate.service.app_state import app_state
from palate.service.loaded_model import LoadedModel
from palate.service.metrics import EVENTS
from palate.service.profiles import check_ratings
from palate.service.schemas import RatingRequest, RatingResponse, RatingsRequest, RatingsResponse
from palate.service.store import user_owner
from palate.service.web import ItemId, UserId, check_user_id, json_response, problem_responses

__all__ = ["router"]

router = APIRouter(prefix="/v1/users/{user:id}/ratings", tags=["ratings"], responses=problem_responses())


def _owner(loaded: LoadedModel, user: str) -> str:
    """Return the name under which a user's ratings are stored."""
    return user_owner(loaded.spell_user(check_user_id(user)))


def _writable_owner(loaded: LoadedModel, user: str) -> str:
    """Return the name under which a user's ratings are stored, if a later model can contain such a user."""
    owner = _owner(loaded, user)
    loaded.check_kind(loaded.model.users, str(loaded.spell_user(user)))
    return owner


@router.get("", response_model=RatingsResponse)
def all_ratings(request: Request, user: UserId) -> Response:
    """Return all ratings of a user; the list of an unknown user is empty."""
    state = app_state(request)
    loaded = state.loaded
    owner = _owner(loaded, user)
    rows = serializers.ratings(loaded, {**loaded.training_ratings(user), **state.store.ratings(owner)})
    return json_response({"user": loaded.spell_user(user), "ratings": rows})


@router.patch("", status_code=204, response_class=Response)
def put_many(request: Request, user: UserId, body: RatingsRequest) -> Response:
    """Rate several items, or withdraw ratings with null. Either all of this happens or nothing."""
    state = app_state(request)
    loaded = state.loaded
    owner = _writable_owner(loaded, user)
    rated = check_ratings(loaded, {item: rating for item, rating in body.ratings.items() if rating is not None})
    withdrawn = {str(loaded.item_id(item)): None for item, rating in body.ratings.items() if rating is None}
    state.store.put(owner, {**rated, **withdrawn})
    EVENTS.labels("given").inc(len(rated))
    return Response(status_code=204)


@router.delete("", status_code=204, response_class=Response)
def delete_all(request: Request, user: UserId) -> Response:
    """Delete all ratings of a user. Those of the model are withdrawn, and the next fit removes them from it."""
    state = app_state(request)
    loaded = state.loaded
    state.store.withdraw(_owner(loaded, user), loaded.training_ratings(user))
    EVENTS.labels("withdrawn").inc()
    return Response(status_code=204)


@router.get("/{item:id}", response_model=RatingResponse)
def one_rating(request: Request, user: UserId, item: ItemId) -> Response:
    """Return one rating."""
    state = app_state(request)
    loaded = state.loaded
    owner = _owner(loaded, user)
    for row in serializers.ratings(loaded, {**loaded.training_ratings(user), **state.store.ratings(owner)}):
        if str(row["item"]) == item:
            return json_response(row)
    raise UnknownIdError(f"user {user!r} has not rated item {item!r}")


@router.put("/{item:id}", status_code=204, response_class=Response)
def put(request: Request, user: UserId, item: ItemId, body: RatingRequest) -> Response:
    """Rate an item. When the response comes, the rating is on the disk, and the next recommendation uses it."""
    state = app_state(request)
    loaded = state.loaded
    owner = _writable_owner(loaded, user)
    state.store.put(owner, check_ratings(loaded, {item: body.rating}))
    EVENTS.labels("given").inc()
    return Response(status_code=204)


@router.delete("/{item:id}", status_code=204, response_class=Response)
def delete(request: Request, user: UserId, item: ItemId) -> Response:
    """Delete a rating. It is no error if there is none."""
    state = app_state(request)
    loaded = state.loaded
    state.store.withdraw(_owner(loaded, user), loaded.training_ratings(user), item)
    EVENTS.labels("withdrawn").inc()
    return Response(status_code=204)
