"""For whoever runs the service."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.service.metrics import exposition
from palate.service.web import answer, parts, problems

__all__ = ["router"]

router = APIRouter(tags=["state"], responses=problems())


@router.get("/healthz", response_model=dict[str, str])
async def alive(request: Request) -> Response:
    """Tell that the process answers."""
    return answer({"status": "alive"})


@router.get("/readyz", response_model=dict[str, Any])
def ready(request: Request) -> Response:
    """Tell that model and store answer; 503 where they do not."""
    service = parts(request)
    service.store.check()
    return answer({"status": "ready", "model": service.running.edition.tag})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Return counters for Prometheus."""
    return Response(exposition(), media_type="text/plain; version=0.0.4")
