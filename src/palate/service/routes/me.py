"""The anonymous visitor with a cookie, who sees only their own ratings. Changes need the header X-Palate."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from palate.errors import UnknownIdError
from palate.model import Profile
from palate.service import serializers
from palate.service.app_state import AppState, app_state
from palate.service.loaded_model import LoadedModel
from palate.service.metrics import EVENTS
from palate.service.profiles import check_ratings
from palate.service.read_cache import Rows
from palate.service.schemas import (
    ExplanationResponse,
    PredictionResponse,
    QuestionsResponse,
    RatingRequest,
    RatingResponse,
    RatingsResponse,
    RecommendationsResponse,
    VisitorResponse,
)
from palate.service.web import (
    RECOMMENDATION_PARAMETERS,
    Count,
    ItemId,
    LevelQuery,
    json_response,
    problem_responses,
    recommendation_options,
)

__all__ = ["router"]

router = APIRouter(prefix="/v1/me", tags=["me"], responses=problem_responses())
_REASONS, _LEVEL = 3, 0.8


def _stored(request: Request, state: AppState) -> Rows:
    owner = state.cookies.owner(request)
    return state.store.ratings(owner) if owner else {}


def _profile(request: Request, state: AppState, loaded: LoadedModel) -> Profile:
    owner = state.cookies.owner(request) or ""
    return state.profiles.fold_in(loaded, owner, _stored(request, state), {})


@router.get("", response_model=VisitorResponse)
def me(request: Request) -> Response:
    """Return whether the visitor has a cookie, and how many ratings are stored."""
    state = app_state(request)
    is_known = state.cookies.owner(request) is not None
    return json_response({"known": is_known, "ratings": len(_stored(request, state))})


@router.get("/ratings", response_model=RatingsResponse)
def all_ratings(request: Request) -> Response:
    """Return the ratings of the visitor."""
    state = app_state(request)
    rows = serializers.ratings(state.loaded, _stored(request, state))
    return json_response({"user": None, "ratings": rows})


@router.delete("/ratings", status_code=204, response_class=Response)
def delete_all(request: Request) -> Response:
    """Delete all ratings of the visitor, and the cookie."""
    state, response = app_state(request), Response(status_code=204)
    owner = state.cookies.owner(request)
    if owner:
        state.store.delete(owner)
        EVENTS.labels("withdrawn").inc()
    state.cookies.delete(request, response)
    return response


@router.get("/ratings/{item:id}", response_model=RatingResponse)
def one_rating(request: Request, item: ItemId) -> Response:
    """Return one rating of the visitor."""
    state = app_state(request)
    for row in serializers.ratings(state.loaded, _stored(request, state)):
        if str(row["item"]) == item:
            return json_response(row)
    raise UnknownIdError(f"you have not rated item {item!r}")


@router.put("/ratings/{item:id}", status_code=204, response_class=Response)
def put(request: Request, item: ItemId, body: RatingRequest) -> Response:
    """Rate an item. The response to the first rating sets the cookie."""
    state, response = app_state(request), Response(status_code=204)
    checked = check_ratings(state.loaded, {item: body.rating})
    state.store.put(state.cookies.owner_or_new(request, response), checked)
    EVENTS.labels("given").inc()
    return response


@router.delete("/ratings/{item:id}", status_code=204, response_class=Response)
def delete(request: Request, item: ItemId) -> Response:
    """Delete a rating. It is no error if there is none."""
    state = app_state(request)
    owner = state.cookies.owner(request)
    if owner:
        state.store.delete(owner, item)
        EVENTS.labels("withdrawn").inc()
    return Response(status_code=204)


@router.get("/recommendations", response_model=RecommendationsResponse, openapi_extra=RECOMMENDATION_PARAMETERS)
def recommendations(request: Request) -> Response:
    """Recommend items to the visitor, by default with texts and reasons, and with intervals if the model has them."""
    state, options = app_state(request), recommendation_options(request)
    loaded = state.loaded
    defaults: dict[str, object] = {"texts": True, "reasons": _REASONS}
    if loaded.model.posterior is not None:
        defaults["level"] = _LEVEL
    unset = {name: value for name, value in defaults.items() if name not in options.model_fields_set}
    options = options.model_copy(update=unset)
    rows = serializers.recommend(loaded, _profile(request, state, loaded), options)
    return json_response({"user": None, "level": options.level, "recommendations": rows})


@router.get("/questions", response_model=QuestionsResponse)
def questions(
    request: Request, n: Count = 10, exclude: Annotated[list[str] | None, Query(max_length=1000)] = None
) -> Response:
    """List the items whose rating would tell most about the visitor; `exclude` has the items that they do not know."""
    state = app_state(request)
    loaded = state.loaded
    rows = serializers.questions(loaded, _profile(request, state, loaded), n, exclude or [])
    return json_response({"user": None, "questions": rows})


@router.get("/predictions/{item:id}", response_model=PredictionResponse)
def prediction(request: Request, item: ItemId, level: LevelQuery = None) -> Response:
    """Predict one rating of the visitor."""
    state = app_state(request)
    loaded = state.loaded
    predicted = serializers.predict(loaded.model, _profile(request, state, loaded), item, level)
    return json_response({"user": None, **predicted})


@router.get("/explanations/{item:id}", response_model=ExplanationResponse)
def explanation(request: Request, item: ItemId, n: Count = 10) -> Response:
    """List which of the visitor's ratings raise and lower a prediction, and by how much."""
    state = app_state(request)
    loaded = state.loaded
    explained = serializers.explain(loaded.model, _profile(request, state, loaded), item, n)
    return json_response({"user": None, **explained})
