"""The ratings of a named user: those of the model, overruled by those of the store."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.errors import UnknownIdError
from palate.service import serializers
from palate.service.metrics import EVENTS
from palate.service.profiles import checked
from palate.service.schemas import Given, Rated, RatedMany, UserRatings
from palate.service.store import user_owner
from palate.service.web import ItemId, Parts, UserId, answer, checked_user, parts, problems

__all__ = ["router"]

router = APIRouter(prefix="/v1/users/{user:id}/ratings", tags=["ratings"], responses=problems())


def _canonical(service: Parts, user: str) -> tuple[str, dict[str, float]]:
    """Return under which name a user's ratings are stored, and the ratings that the model has."""
    edition = service.running.edition
    return user_owner(edition.spelled(checked_user(user))), edition.own_ratings(user)


def _writable(service: Parts, user: str) -> str:
    """Return under which name a user's ratings are stored, if the model can ever take such a user in."""
    owner, _ = _canonical(service, user)
    edition = service.running.edition
    edition.check_kind(edition.model.users, str(edition.spelled(user)))
    return owner


@router.get("", response_model=UserRatings)
def all_ratings(request: Request, user: UserId) -> Response:
    """Return all ratings of a user; nobody's are an empty list."""
    service = parts(request)
    edition = service.running.edition
    owner, own = _canonical(service, user)
    told = {**own, **service.store.ratings(owner)}
    return answer({"user": edition.spelled(user), "ratings": serializers.rated(edition, told)})


@router.patch("", status_code=204, response_class=Response)
def put_many(request: Request, user: UserId, body: RatedMany) -> Response:
    """Rate several items, or withdraw ratings with null, all or none of it."""
    service = parts(request)
    owner = _writable(service, user)
    rated = checked(
        service.running.edition, {item: rating for item, rating in body.ratings.items() if rating is not None}
    )
    withdrawn = {
        str(service.running.edition.item(item)): None for item, rating in body.ratings.items() if rating is None
    }
    service.store.put(owner, {**rated, **withdrawn})
    EVENTS.labels("given").inc(len(rated))
    return Response(status_code=204)


@router.delete("", status_code=204, response_class=Response)
def delete_all(request: Request, user: UserId) -> Response:
    """Delete all ratings of a user; those of the model are withdrawn, and gone from it when it is fitted anew."""
    service = parts(request)
    owner, own = _canonical(service, user)
    service.store.withdraw(owner, own)
    EVENTS.labels("withdrawn").inc()
    return Response(status_code=204)


@router.get("/{item:id}", response_model=Rated)
def one_rating(request: Request, user: UserId, item: ItemId) -> Response:
    """Return one rating."""
    service = parts(request)
    owner, own = _canonical(service, user)
    told = serializers.rated(service.running.edition, {**own, **service.store.ratings(owner)})
    for row in told:
        if str(row["item"]) == item:
            return answer(row)
    raise UnknownIdError(f"user {user!r} has not rated item {item!r}")


@router.put("/{item:id}", status_code=204, response_class=Response)
def put(request: Request, user: UserId, item: ItemId, body: Given) -> Response:
    """Rate an item. When this is answered the rating is on the disk, and the next recommendation knows it."""
    service = parts(request)
    owner = _writable(service, user)
    service.store.put(owner, checked(service.running.edition, {item: body.rating}))
    EVENTS.labels("given").inc()
    return Response(status_code=204)


@router.delete("/{item:id}", status_code=204, response_class=Response)
def delete(request: Request, user: UserId, item: ItemId) -> Response:
    """Delete a rating; deleting what is not there is no error."""
    service = parts(request)
    owner, own = _canonical(service, user)
    service.store.withdraw(owner, own, item)
    EVENTS.labels("withdrawn").inc()
    return Response(status_code=204)
