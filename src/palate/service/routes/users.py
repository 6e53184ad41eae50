"""Recommendations, predictions, explanations and questions for a named user."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
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
    RecommendationOptions,
    RecommendationsResponse,
    SimilarResponse,
)
from palate.service.store import user_owner
from palate.service.web import (
    RECOMMENDATION_PARAMETERS,
    Count,
    ItemId,
    LevelQuery,
    UserId,
    json_response,
    problem_responses,
    recommendation_options,
)

__all__ = ["router"]

_LONGEST_CACHED_QUERY = 200
router = APIRouter(prefix="/v1/users/{user:id}", tags=["users"], responses=problem_responses())


def _stored(state: AppState, user: str) -> Rows:
    return state.store.ratings(user_owner(user))


@router.get("/recommendations", response_model=RecommendationsResponse, openapi_extra=RECOMMENDATION_PARAMETERS)
async def recommendations(request: Request, user: UserId) -> Response:
    """Recommend items that the user has not rated; ratings stored a moment ago count, too."""
    state, query = app_state(request), request.scope["query_string"]
    loaded = state.loaded
    stored = _stored(state, user) if state.store.is_local else await run_in_threadpool(_stored, state, user)
    body = loaded.answers.get((user, query), stored)
    if body is not None:
        return json_response(body)
    options = recommendation_options(request)
    if loaded.is_quick and not options.reasons:
        return _recommend(state, loaded, user, stored, options, query)  # handing this to a thread would take longer
    return await run_in_threadpool(_recommend, state, loaded, user, stored, options, query)


def _recommend(
    state: AppState, loaded: LoadedModel, user: str, stored: Rows, options: RecommendationOptions, query: bytes
) -> Response:
    rows = serializers.recommend(loaded, state.profiles.user(loaded, user, stored), options)
    body = {"user": loaded.spell_user(user), "recommendations": rows}
    response = json_response(body if options.level is None else {**body, "level": options.level})
    if options.by != "chance" and len(query) < _LONGEST_CACHED_QUERY:
        loaded.answers.put((user, query), stored, bytes(response.body))
    return response


@router.get("/predictions/{item:id}", response_model=PredictionResponse)
def prediction(request: Request, user: UserId, item: ItemId, level: LevelQuery = None) -> Response:
    """Predict one rating."""
    state = app_state(request)
    loaded = state.loaded
    predicted = serializers.predict(loaded.model, state.profiles.user(loaded, user), item, level)
    return json_response({"user": loaded.spell_user(user), **predicted})


@router.get("/explanations/{item:id}", response_model=ExplanationResponse)
def explanation(request: Request, user: UserId, item: ItemId, n: Count = 10) -> Response:
    """List which ratings raise and lower a prediction, and by how much."""
    state = app_state(request)
    loaded = state.loaded
    explained = serializers.explain(loaded.model, state.profiles.user(loaded, user), item, n)
    return json_response({"user": loaded.spell_user(user), **explained})


@router.get("/questions", response_model=QuestionsResponse)
def questions(
    request: Request, user: UserId, n: Count = 10, exclude: Annotated[list[str] | None, Query(max_length=1000)] = None
) -> Response:
    """List the items whose rating would tell most about the user."""
    state = app_state(request)
    loaded = state.loaded
    rows = serializers.questions(loaded, state.profiles.user(loaded, user), n, exclude or [])
    return json_response({"user": loaded.spell_user(user), "questions": rows})


@router.get("/similar", response_model=SimilarResponse)
def similar(
    request: Request,
    user: UserId,
    n: Count = 10,
    by: Annotated[serializers.SimilarityMeasure, Query()] = "cosine",
) -> Response:
    """List the users with the most similar taste."""
    state = app_state(request)
    loaded = state.loaded
    neighbours = loaded.model.similar_users(state.profiles.user(loaded, user), n, by=by)
    return json_response({"id": loaded.spell_user(user), "by": by, "similar": serializers.similar(neighbours)})
