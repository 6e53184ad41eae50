"""Anonymous users whose ratings come with the request and are not stored."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.service import serializers
from palate.service.app_state import app_state
from palate.service.schemas import (
    AnonymousRecommendationsRequest,
    AnonymousRequest,
    ExplanationResponse,
    QuestionsResponse,
    RecommendationsResponse,
)
from palate.service.web import ItemId, json_response, problem_responses

__all__ = ["router"]

router = APIRouter(prefix="/v1/anonymous", tags=["anonymous"], responses=problem_responses())


@router.post("/recommendations", response_model=RecommendationsResponse)
def recommendations(request: Request, body: AnonymousRecommendationsRequest) -> Response:
    """Recommend items to an anonymous user with these ratings."""
    loaded = app_state(request).loaded
    rows = serializers.recommend(loaded, loaded.model.fold_in(dict(body.ratings.items())), body)
    return json_response({"user": None, "level": body.level, "recommendations": rows})


@router.post("/questions", response_model=QuestionsResponse)
def questions(request: Request, body: AnonymousRequest) -> Response:
    """List the items whose rating would tell most about an anonymous user with these ratings."""
    loaded = app_state(request).loaded
    rows = serializers.questions(loaded, loaded.model.fold_in(dict(body.ratings.items())), body.n, [])
    return json_response({"user": None, "questions": rows})


@router.post("/explanations/{item:id}", response_model=ExplanationResponse)
def explanation(request: Request, item: ItemId, body: AnonymousRequest) -> Response:
    """List which of these ratings raise and lower a prediction, and by how much."""
    model = app_state(request).loaded.model
    profile = model.fold_in(dict(body.ratings.items()))
    return json_response({"user": None, **serializers.explain(model, profile, item, body.n)})
