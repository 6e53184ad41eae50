"""Many users or pairs in one request."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.model import Profile
from palate.service import serializers
from palate.service.app_state import app_state
from palate.service.deadline import until_deadline
from palate.service.schemas import BatchRequest, BatchResponse, PredictionsRequest, PredictionsResponse
from palate.service.web import json_response, problem_responses

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["batches"], responses=problem_responses())


@router.post("/recommendations", response_model=BatchResponse)
def recommendations(request: Request, body: BatchRequest) -> Response:
    """Recommend items to several users."""
    state = app_state(request)
    loaded = state.loaded
    answers = []
    for user in until_deadline(map(str, body.users)):
        rows = serializers.recommend(loaded, state.profiles.user(loaded, user), body)
        answers.append({"user": loaded.spell_user(user), "recommendations": rows})
    return json_response({"answers": answers})


@router.post("/predictions", response_model=PredictionsResponse)
def predictions(request: Request, body: PredictionsRequest) -> Response:
    """Predict the ratings of pairs of users and items."""
    state = app_state(request)
    loaded = state.loaded
    profiles: dict[str, int | str | Profile] = {}
    rows: list[dict[str, Any]] = []
    for pair in until_deadline(body.pairs):
        user = str(pair.user)
        if user not in profiles:
            profiles[user] = state.profiles.user(loaded, user)
        prediction = serializers.predict(loaded.model, profiles[user], str(pair.item), body.level)
        rows.append({"user": loaded.spell_user(user), **prediction})
    return json_response({"predictions": rows})
