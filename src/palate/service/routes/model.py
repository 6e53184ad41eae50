"""The model itself: what it is made of, and how good it is."""

from __future__ import annotations

from zlib import crc32

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.service import model_report
from palate.service.app_state import app_state
from palate.service.state_schemas import ModelResponse, QualityResponse
from palate.service.web import UNCHANGED, StrictRoute, cacheable_response

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute, prefix="/v1/model", tags=["model"], responses=UNCHANGED)


@router.get("", response_model=ModelResponse)
def model(request: Request) -> Response:
    """Return what the model is made of."""
    state = app_state(request)
    body = {**model_report.summary(state.loaded, state.settings), "refused": state.holder.refused}
    tag = f"{crc32(repr(body).encode()):08x}-{state.loaded.tag}"
    return cacheable_response(request, tag, lambda: body, age=5)


@router.get("/quality", response_model=QualityResponse)
def quality(request: Request) -> Response:
    """Return how the fit went: errors by epoch or sweep, calibration of intervals, and the distribution of ratings."""
    loaded = app_state(request).loaded
    return cacheable_response(request, loaded.tag, lambda: model_report.quality(loaded))
