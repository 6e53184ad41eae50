"""The model itself: what it is made of, and how good it is."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.service import model_report
from palate.service.app_state import app_state
from palate.service.schemas import ModelResponse, QualityResponse
from palate.service.web import cacheable_response, problem_responses

__all__ = ["router"]

router = APIRouter(
    prefix="/v1/model", tags=["model"], responses={304: {"description": "Unchanged."}, **problem_responses()}
)


@router.get("", response_model=ModelResponse)
def summary(request: Request) -> Response:
    """Return what the model is made of."""
    state = app_state(request)
    loaded, refused = state.loaded, state.holder.refused
    tag = f"{loaded.tag}-refused" if refused else loaded.tag
    return cacheable_response(request, tag, lambda: {**model_report.summary(loaded), "refused": refused}, age=5)


@router.get("/quality", response_model=QualityResponse)
def quality(request: Request) -> Response:
    """Return how the fit went: errors by epoch or sweep, calibration of intervals, and the distribution of ratings."""
    loaded = app_state(request).loaded
    return cacheable_response(request, loaded.tag, lambda: model_report.quality(loaded))
