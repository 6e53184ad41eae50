"""The anonymous visitor with a cookie, who sees only their own ratings. Changes need the header X-Palate."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.errors import UnknownIdError
from palate.service import serializers
from palate.service.app_state import AppState, app_state
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
    RecommendationOptions,
    RecommendationsResponse,
    VisitorResponse,
)
from palate.service.subjects import visitor
from palate.service.web import (
    AtQuery,
    Count,
    ExcludeQuery,
    ItemId,
    LevelQuery,
    StrictRoute,
    json_response,
    query_parameters,
    recommendation_options,
)

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute, prefix="/v1/me", tags=["me"])
_REASONS, _LEVEL = 3, 0.8


def _stored(request: Request, state: AppState) -> Rows:
    owner = state.cookies.owner(request)
    return state.store.ratings(owner) if owner else {}


@router.get("", response_model=VisitorResponse)
def visitor_state(request: Request) -> Response:
    """Return whether the visitor has a cookie, and how many ratings are stored."""
    state = app_state(request)
    is_known = state.cookies.owner(request) is not None
    return json_response({"known": is_known, "ratings": len(_stored(request, state))})


@router.get("/ratings", response_model=RatingsResponse)
def my_ratings(request: Request) -> Response:
    """Return the ratings of the visitor."""
    state = app_state(request)
    rows = serializers.ratings(state.loaded, _stored(request, state))
    return json_response({"user": None, "ratings": rows})


@router.delete("/ratings", status_code=204, response_class=Response)
def delete_my_ratings(request: Request) -> Response:
    """Delete all ratings of the visitor, and the cookie."""
    state, response = app_state(request), Response(status_code=204)
    owner = state.cookies.owner(request)
    if owner:
        state.store.delete(owner)
        EVENTS.labels("withdrawn").inc()
    state.cookies.delete(request, response)
    return response


@router.get("/ratings/{item:id}", response_model=RatingResponse)
def my_rating(request: Request, item: ItemId) -> Response:
    """Return one rating of the visitor."""
    state = app_state(request)
    for row in serializers.ratings(state.loaded, _stored(request, state)):
        if str(row["item"]) == item:
            return json_response(row)
    raise UnknownIdError(f"you have not rated item {item!r}")


@router.put("/ratings/{item:id}", status_code=204, response_class=Response)
def rate_mine(request: Request, item: ItemId, body: RatingRequest) -> Response:
    """Rate an item. The response to the first rating sets the cookie."""
    state, response = app_state(request), Response(status_code=204)
    checked = check_ratings(state.loaded, {item: body.rating})
    state.store.put(state.cookies.owner_or_new(request, response), checked)
    EVENTS.labels("given").inc()
    return response


@router.delete("/ratings/{item:id}", status_code=204, response_class=Response)
def delete_mine(request: Request, item: ItemId) -> Response:
    """Delete a rating. It is no error if there is none."""
    state = app_state(request)
    owner = state.cookies.owner(request)
    if owner:
        state.store.delete(owner, item)
        EVENTS.labels("withdrawn").inc()
    return Response(status_code=204)


@router.get(
    "/recommendations", response_model=RecommendationsResponse, openapi_extra=query_parameters(RecommendationOptions)
)
def my_recommendations(request: Request) -> Response:
    """Recommend items to the visitor, by default with texts and reasons, and with intervals if the model has them."""
    state, options = app_state(request), recommendation_options(request, RecommendationOptions)
    loaded = state.loaded.at(options.at)
    defaults: dict[str, object] = {"texts": True, "reasons": _REASONS}
    if loaded.model.posterior is not None:
        defaults["level"] = _LEVEL
    unset = {name: value for name, value in defaults.items() if name not in options.model_fields_set}
    options = options.model_copy(update=unset)
    subject = visitor(state, loaded, request)
    rows = serializers.recommend(loaded, subject.user, options)
    marks = {**loaded.marks, **subject.marks}
    return json_response({"user": None, "level": options.level, "recommendations": rows, **marks})


@router.get("/questions", response_model=QuestionsResponse)
def my_questions(request: Request, n: Count = 10, exclude: ExcludeQuery = None) -> Response:
    """List the items whose rating would tell most about the visitor; `exclude` has the items that they do not know."""
    state = app_state(request)
    loaded = state.loaded
    subject = visitor(state, loaded, request)
    rows = serializers.questions(loaded, subject.user, n, exclude or [])
    return json_response({"user": None, "questions": rows, **subject.marks})


@router.get("/predictions/{item:id}", response_model=PredictionResponse)
def my_prediction(request: Request, item: ItemId, level: LevelQuery = None, at: AtQuery = None) -> Response:
    """Predict one rating of the visitor."""
    state = app_state(request)
    loaded = state.loaded.at(at)
    subject = visitor(state, loaded, request)
    predicted = serializers.predict(loaded.model, subject.user, item, level)
    return json_response({"user": None, **predicted, **loaded.marks, **subject.marks})


@router.get("/explanations/{item:id}", response_model=ExplanationResponse)
def my_explanation(request: Request, item: ItemId, n: Count = 10, at: AtQuery = None) -> Response:
    """List which of the visitor's ratings raise and lower a prediction, and by how much."""
    state = app_state(request)
    loaded = state.loaded.at(at)
    subject = visitor(state, loaded, request)
    explained = serializers.explain(loaded.model, subject.user, item, n)
    return json_response({"user": None, **explained, **loaded.marks, **subject.marks})
