"""Recommendations, predictions, explanations and questions for a named user."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from palate.service import serializers
from palate.service.app_state import AppState, app_state
from palate.service.loaded_model import LoadedModel
from palate.service.read_cache import Rows
from palate.service.schemas import (
    ExplanationResponse,
    PredictionResponse,
    QuestionsResponse,
    RecommendationsResponse,
    SimilarResponse,
    UserOptions,
)
from palate.service.store import user_owner
from palate.service.subjects import named_user, stored_ratings
from palate.service.web import (
    AtQuery,
    Count,
    ExcludeQuery,
    FallbackQuery,
    ItemId,
    LevelQuery,
    SimilarityQuery,
    StrictRoute,
    UserId,
    json_response,
    query_parameters,
    recommendation_options,
)

__all__ = ["router"]

_LONGEST_CACHED_QUERY = 200
router = APIRouter(route_class=StrictRoute, prefix="/v1/users/{user:id}", tags=["users"])


def _stored(state: AppState, user: str) -> Rows | None:
    return stored_ratings(state, user_owner(user))


@router.get("/recommendations", response_model=RecommendationsResponse, openapi_extra=query_parameters(UserOptions))
async def recommend(request: Request, user: UserId) -> Response:
    """Recommend items that the user has not rated; ratings stored a moment ago count, too."""
    state, query = app_state(request), request.scope["query_string"]
    loaded = state.loaded
    stored = _stored(state, user) if state.store.is_local else await run_in_threadpool(_stored, state, user)
    body = None if stored is None else loaded.answers.get((user, query), stored)
    if body is not None:
        return json_response(body)
    options = recommendation_options(request, UserOptions)
    if loaded.is_quick and not options.reasons and options.at is None:
        return _recommend(state, loaded, user, stored, options, query)  # handing this to a thread would take longer
    return await run_in_threadpool(_recommend, state, loaded, user, stored, options, query)


def _recommend(
    state: AppState, loaded: LoadedModel, user: str, stored: Rows | None, options: UserOptions, query: bytes
) -> Response:
    loaded = loaded.at(options.at)
    subject = named_user(state, loaded, user, fallback=options.fallback, stored=stored)
    rows = serializers.recommend(loaded, subject.user, options)
    body = {"user": loaded.spell_user(user), "recommendations": rows, **loaded.marks, **subject.marks}
    response = json_response(body if options.level is None else {**body, "level": options.level})
    is_drawn = options.by == "chance" or options.explore > 0
    if stored is not None and not is_drawn and len(query) < _LONGEST_CACHED_QUERY:
        loaded.answers.put((user, query), stored, bytes(response.body))
    return response


@router.get("/predictions/{item:id}", response_model=PredictionResponse)
def predict(
    request: Request,
    user: UserId,
    item: ItemId,
    level: LevelQuery = None,
    fallback: FallbackQuery = False,
    at: AtQuery = None,
) -> Response:
    """Predict one rating."""
    state = app_state(request)
    loaded = state.loaded.at(at)
    subject = named_user(state, loaded, user, fallback=fallback)
    predicted = serializers.predict(loaded.model, subject.user, item, level)
    return json_response({"user": loaded.spell_user(user), **predicted, **loaded.marks, **subject.marks})


@router.get("/explanations/{item:id}", response_model=ExplanationResponse)
def explain(request: Request, user: UserId, item: ItemId, n: Count = 10, at: AtQuery = None) -> Response:
    """List which ratings raise and lower a prediction, and by how much."""
    state = app_state(request)
    loaded = state.loaded.at(at)
    subject = named_user(state, loaded, user)
    explained = serializers.explain(loaded.model, subject.user, item, n)
    return json_response({"user": loaded.spell_user(user), **explained, **loaded.marks, **subject.marks})


@router.get("/questions", response_model=QuestionsResponse)
def ask(
    request: Request, user: UserId, n: Count = 10, exclude: ExcludeQuery = None, fallback: FallbackQuery = False
) -> Response:
    """List the items whose rating would tell most about the user."""
    state = app_state(request)
    loaded = state.loaded
    subject = named_user(state, loaded, user, fallback=fallback)
    rows = serializers.questions(loaded, subject.user, n, exclude or [])
    return json_response({"user": loaded.spell_user(user), "questions": rows, **subject.marks})


@router.get("/similar", response_model=SimilarResponse)
def similar_users(
    request: Request,
    user: UserId,
    n: Count = 10,
    by: SimilarityQuery = "cosine",
) -> Response:
    """List the users with the most similar taste."""
    state = app_state(request)
    loaded = state.loaded
    subject = named_user(state, loaded, user)
    rows = serializers.similar(loaded.model.similar_users(subject.user, n, by=by))
    return json_response({"id": loaded.spell_user(user), "by": by, "similar": rows, **subject.marks})
