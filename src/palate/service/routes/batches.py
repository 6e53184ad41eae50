"""Many users or pairs in one request."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.service import serializers
from palate.service.app_state import app_state
from palate.service.deadline import until_deadline
from palate.service.schemas import BatchRequest, BatchResponse, PredictionsRequest, PredictionsResponse
from palate.service.subjects import Subject, named_user
from palate.service.web import StrictRoute, json_response

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute, prefix="/v1", tags=["batches"])


@router.post("/recommendations", response_model=BatchResponse)
def recommend_batch(request: Request, body: BatchRequest) -> Response:
    """Recommend items to several users."""
    state = app_state(request)
    loaded = state.loaded.at(body.at)
    answers = []
    for user in until_deadline(map(str, body.users)):
        subject = named_user(state, loaded, user, fallback=body.fallback)
        rows = serializers.recommend(loaded, subject.user, body)
        answers.append({"user": loaded.spell_user(user), "recommendations": rows, **subject.marks})
    return json_response({"answers": answers, **loaded.marks})


@router.post("/predictions", response_model=PredictionsResponse)
def predict_batch(request: Request, body: PredictionsRequest) -> Response:
    """Predict the ratings of pairs of users and items."""
    state = app_state(request)
    loaded = state.loaded.at(body.at)
    subjects: dict[str, Subject] = {}
    rows: list[dict[str, Any]] = []
    for pair in until_deadline(body.pairs):
        user = str(pair.user)
        if user not in subjects:
            subjects[user] = named_user(state, loaded, user, fallback=body.fallback)
        prediction = serializers.predict(loaded.model, subjects[user].user, str(pair.item), body.level)
        rows.append({"user": loaded.spell_user(user), **prediction, **subjects[user].marks})
    return json_response({"predictions": rows, **loaded.marks})
