"""The model itself: what it is made of, and how good it is."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.service import model_report
from palate.service.schemas import Facts, Quality
from palate.service.web import parts, problems, steady

__all__ = ["router"]

router = APIRouter(prefix="/v1/model", tags=["model"], responses={304: {"description": "As before."}, **problems()})


@router.get("", response_model=Facts)
def facts(request: Request) -> Response:
    """Return what the model is made of."""
    running = parts(request).running
    told = {**model_report.facts(running.edition), "refused": running.refused}
    return steady(request, f"{running.edition.tag}{'-refused' if running.refused else ''}", told, age=5)


@router.get("/quality", response_model=Quality)
def qualities(request: Request) -> Response:
    """Return how the fit went: errors by epoch or sweep, calibration of intervals, and how ratings spread."""
    edition = parts(request).running.edition
    return steady(request, edition.tag, lambda: model_report.quality(edition))
