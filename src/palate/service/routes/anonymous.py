"""Anonymous users whose ratings come with the request and are not stored."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.service import serializers
from palate.service.app_state import app_state
from palate.service.schemas import (
    AnonymousExplanationRequest,
    AnonymousRecommendationsRequest,
    AnonymousRequest,
    ExplanationResponse,
    QuestionsResponse,
    RecommendationsResponse,
)
from palate.service.subjects import anonymous_user
from palate.service.web import ItemId, StrictRoute, json_response

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute, prefix="/v1/anonymous", tags=["anonymous"])


@router.post("/recommendations", response_model=RecommendationsResponse)
def recommend_anonymous(request: Request, body: AnonymousRecommendationsRequest) -> Response:
    """Recommend items to an anonymous user with these ratings."""
    loaded = app_state(request).loaded.at(body.at)
    subject = anonymous_user(loaded, body.ratings)
    rows = serializers.recommend(loaded, subject.user, body)
    marks = {**loaded.marks, **subject.marks}
    return json_response({"user": None, "level": body.level, "recommendations": rows, **marks})


@router.post("/questions", response_model=QuestionsResponse)
def ask_anonymous(request: Request, body: AnonymousRequest) -> Response:
    """List the items whose rating would tell most about an anonymous user with these ratings."""
    loaded = app_state(request).loaded
    subject = anonymous_user(loaded, body.ratings)
    rows = serializers.questions(loaded, subject.user, body.n, [])
    return json_response({"user": None, "questions": rows, **subject.marks})


@router.post("/explanations/{item:id}", response_model=ExplanationResponse)
def explain_anonymous(request: Request, item: ItemId, body: AnonymousExplanationRequest) -> Response:
    """List which of these ratings raise and lower a prediction, and by how much."""
    loaded = app_state(request).loaded.at(body.at)
    subject = anonymous_user(loaded, body.ratings)
    explained = serializers.explain(loaded.model, subject.user, item, body.n)
    return json_response({"user": None, **explained, **loaded.marks, **subject.marks})
