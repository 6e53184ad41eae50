"""The anonymous visitor, who sees only what they rated themselves. Changes need the header X-Palate."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from palate.errors import UnknownIdError
from palate.model import Profile
from palate.service import serializers
from palate.service.loaded_model import LoadedModel
from palate.service.metrics import EVENTS
from palate.service.profiles import checked
from palate.service.schemas import Asked, Explained, Given, Me, Predicted, Rated, Recommendations, UserRatings
from palate.service.web import WANTED, Count, ItemId, LevelOf, Parts, answer, parts, problems, wanted_of

__all__ = ["router"]

router = APIRouter(prefix="/v1/me", tags=["me"], responses=problems())
_REASONS, _LEVEL = 3, 0.8


def _stored(request: Request, service: Parts) -> dict[str, float | None]:
    owner = service.visitors.owner(request)
    return service.store.ratings(owner) if owner else {}


def _who(request: Request, service: Parts, edition: LoadedModel) -> Profile:
    owner = service.visitors.owner(request) or ""
    return service.people.folded(edition, owner, _stored(request, service), {})


@router.get("", response_model=Me)
def me(request: Request) -> Response:
    """Tell what is kept of the visitor."""
    service = parts(request)
    known = service.visitors.owner(request) is not None
    return answer({"known": known, "ratings": len(_stored(request, service))})


@router.get("/ratings", response_model=UserRatings)
def all_ratings(request: Request) -> Response:
    """Return the visitor's ratings."""
    service = parts(request)
    told = serializers.rated(service.running.edition, _stored(request, service))
    return answer({"user": None, "ratings": told})


@router.delete("/ratings", status_code=204, response_class=Response)
def delete_all(request: Request) -> Response:
    """Delete all that is kept of the visitor, the cookie too."""
    service, response = parts(request), Response(status_code=204)
    owner = service.visitors.owner(request)
    if owner:
        service.store.delete(owner)
        EVENTS.labels("withdrawn").inc()
    service.visitors.farewell(request, response)
    return response


@router.get("/ratings/{item:id}", response_model=Rated)
def one_rating(request: Request, item: ItemId) -> Response:
    """Return one of the visitor's ratings."""
    service = parts(request)
    for row in serializers.rated(service.running.edition, _stored(request, service)):
        if str(row["item"]) == item:
            return answer(row)
    raise UnknownIdError(f"you have not rated item {item!r}")


@router.put("/ratings/{item:id}", status_code=204, response_class=Response)
def put(request: Request, item: ItemId, body: Given) -> Response:
    """Rate an item. The first rating brings the cookie."""
    service, response = parts(request), Response(status_code=204)
    given = checked(service.running.edition, {item: body.rating})
    service.store.put(service.visitors.welcome(request, response), given)
    EVENTS.labels("given").inc()
    return response


@router.delete("/ratings/{item:id}", status_code=204, response_class=Response)
def delete(request: Request, item: ItemId) -> Response:
    """Delete a rating; deleting what is not there is no error."""
    service = parts(request)
    owner = service.visitors.owner(request)
    if owner:
        service.store.delete(owner, item)
        EVENTS.labels("withdrawn").inc()
    return Response(status_code=204)


@router.get("/recommendations", response_model=Recommendations, openapi_extra=WANTED)
def recommendations(request: Request) -> Response:
    """Recommend to the visitor, with intervals (where the model is certain) and reasons unless told otherwise."""
    service, wanted = parts(request), wanted_of(request)
    edition = service.running.edition
    usual: dict[str, object] = {"texts": True, "reasons": _REASONS}
    if edition.model.posterior is not None:
        usual["level"] = _LEVEL
    wanted = wanted.model_copy(update={name: v for name, v in usual.items() if name not in wanted.model_fields_set})
    found = serializers.recommend(edition, _who(request, service, edition), wanted)
    return answer({"user": None, "level": wanted.level, "recommendations": found})


@router.get("/questions", response_model=Asked)
def questions(
    request: Request, n: Count = 10, exclude: Annotated[list[str] | None, Query(max_length=1000)] = None
) -> Response:
    """Name the items whose rating would tell most about the visitor; `exclude` those that they do not know."""
    service = parts(request)
    edition = service.running.edition
    told = serializers.ask(edition, _who(request, service, edition), n, exclude or [])
    return answer({"user": None, "questions": told})


@router.get("/predictions/{item:id}", response_model=Predicted)
def prediction(request: Request, item: ItemId, level: LevelOf = None) -> Response:
    """Predict one rating of the visitor."""
    service = parts(request)
    edition = service.running.edition
    told = serializers.predict(edition.model, _who(request, service, edition), item, level)
    return answer({"user": None, **told})


@router.get("/explanations/{item:id}", response_model=Explained)
def explanation(request: Request, item: ItemId, n: Count = 10) -> Response:
    """Say which of the visitor's ratings speak for and against a prediction."""
    service = parts(request)
    edition = service.running.edition
    told = serializers.explain(edition.model, _who(request, service, edition), item, n)
    return answer({"user": None, **told})
