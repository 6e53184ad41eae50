"""Many questions in one request."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.service import serializers
from palate.service.schemas import Answers, BatchWanted, Predictions, PredictionsWanted
from palate.service.store import user_owner
from palate.service.web import answer, parts, problems

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["batches"], responses=problems())


@router.post("/recommendations", response_model=Answers)
def recommendations(request: Request, body: BatchWanted) -> Response:
    """Recommend to several users."""
    service = parts(request)
    edition, told = service.running.edition, []
    for user in map(str, body.users):
        who = service.people.user(edition, user, service.store.ratings(user_owner(user)))
        found = serializers.recommend(edition, who, body)
        told.append({"user": edition.spelled(user), "recommendations": found})
    return answer({"answers": told})


@router.post("/predictions", response_model=Predictions)
def predictions(request: Request, body: PredictionsWanted) -> Response:
    """Predict the ratings of pairs of users and items."""
    service = parts(request)
    edition, told = service.running.edition, list[dict[str, Any]]()
    known: dict[str, Any] = {}
    for pair in body.pairs:
        user = str(pair.user)
        if user not in known:
            known[user] = service.people.user(edition, user, service.store.ratings(user_owner(user)))
        found = serializers.predict(edition.model, known[user], str(pair.item), body.level)
        told.append({"user": edition.spelled(user), **found})
    return answer({"predictions": told})
