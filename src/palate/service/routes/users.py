"""What the model says to a named user."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from palate.model import Profile
from palate.service import serializers
from palate.service.loaded_model import LoadedModel
from palate.service.read_cache import Rows
from palate.service.schemas import Asked, Explained, Likes, Predicted, Recommendations, Wanted
from palate.service.store import user_owner
from palate.service.web import WANTED, Count, ItemId, LevelOf, Parts, UserId, answer, parts, problems, wanted_of

__all__ = ["router"]

_LONG = 200
router = APIRouter(prefix="/v1/users/{user:id}", tags=["users"], responses=problems())


def _stored(service: Parts, user: str) -> Rows:
    return service.store.ratings(user_owner(user))


def _who(service: Parts, edition: LoadedModel, user: str) -> int | str | Profile:
    return service.people.user(edition, user, _stored(service, user))


@router.get("/recommendations", response_model=Recommendations, openapi_extra=WANTED)
async def recommendations(request: Request, user: UserId) -> Response:
    """Recommend items that the user has not rated, the ratings stored a moment ago included."""
    service, query = parts(request), request.scope["query_string"]
    edition = service.running.edition
    is_local = service.store.is_local
    stored = _stored(service, user) if is_local else await run_in_threadpool(_stored, service, user)
    body = edition.answers.get((user, query), stored)
    if body is not None:
        return answer(body)
    wanted = wanted_of(request)
    if edition.is_quick and not wanted.reasons:
        return _recommended(service, edition, user, stored, wanted, query)  # handing it to a thread would take longer
    return await run_in_threadpool(_recommended, service, edition, user, stored, wanted, query)


def _recommended(
    service: Parts, edition: LoadedModel, user: str, stored: Rows, wanted: Wanted, query: bytes
) -> Response:
    found = serializers.recommend(edition, service.people.user(edition, user, stored), wanted)
    told = {"user": edition.spelled(user), "recommendations": found}
    response = answer(told if wanted.level is None else {**told, "level": wanted.level})
    if wanted.by != "chance" and len(query) < _LONG:
        edition.answers.put((user, query), stored, bytes(response.body))
    return response


@router.get("/predictions/{item:id}", response_model=Predicted)
def prediction(request: Request, user: UserId, item: ItemId, level: LevelOf = None) -> Response:
    """Predict one rating."""
    service = parts(request)
    edition = service.running.edition
    told = serializers.predict(edition.model, _who(service, edition, user), item, level)
    return answer({"user": edition.spelled(user), **told})


@router.get("/explanations/{item:id}", response_model=Explained)
def explanation(request: Request, user: UserId, item: ItemId, n: Count = 10) -> Response:
    """Say which ratings speak for and against a prediction."""
    service = parts(request)
    edition = service.running.edition
    told = serializers.explain(edition.model, _who(service, edition, user), item, n)
    return answer({"user": edition.spelled(user), **told})


@router.get("/questions", response_model=Asked)
def questions(
    request: Request, user: UserId, n: Count = 10, exclude: Annotated[list[str] | None, Query(max_length=1000)] = None
) -> Response:
    """Name the items whose rating would tell most about the user."""
    service = parts(request)
    edition = service.running.edition
    told = serializers.ask(edition, _who(service, edition, user), n, exclude or [])
    return answer({"user": edition.spelled(user), "questions": told})


@router.get("/similar", response_model=Likes)
def similar(
    request: Request, user: UserId, n: Count = 10, by: Annotated[serializers.Likeness, Query()] = "cosine"
) -> Response:
    """Find users with the same taste."""
    service = parts(request)
    edition = service.running.edition
    found = edition.model.similar_users(_who(service, edition, user), n, by=by)
    return answer({"id": edition.spelled(user), "by": by, "similar": serializers.similar(found)})
