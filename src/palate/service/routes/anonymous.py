"""Somebody of whom nothing is kept: the ratings come with the request."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.service import serializers
from palate.service.schemas import Asked, Explained, Folded, FoldedWanted, Recommendations
from palate.service.web import ItemId, answer, parts, problems

__all__ = ["router"]

router = APIRouter(prefix="/v1/anonymous", tags=["anonymous"], responses=problems())


@router.post("/recommendations", response_model=Recommendations)
def recommendations(request: Request, body: FoldedWanted) -> Response:
    """Recommend to whoever rated this."""
    edition = parts(request).running.edition
    found = serializers.recommend(edition, edition.model.fold_in(dict(body.ratings.items())), body)
    return answer({"user": None, "level": body.level, "recommendations": found})


@router.post("/questions", response_model=Asked)
def questions(request: Request, body: Folded) -> Response:
    """Name the items whose rating would tell most about whoever rated this."""
    edition = parts(request).running.edition
    told = serializers.ask(edition, edition.model.fold_in(dict(body.ratings.items())), body.n, [])
    return answer({"user": None, "questions": told})


@router.post("/explanations/{item:id}", response_model=Explained)
def explanation(request: Request, item: ItemId, body: Folded) -> Response:
    """Say which of these ratings speak for and against a prediction."""
    model = parts(request).running.edition.model
    return answer({"user": None, **serializers.explain(model, model.fold_in(dict(body.ratings.items())), item, body.n)})
