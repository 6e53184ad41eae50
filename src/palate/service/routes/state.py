"""For whoever runs the service."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.service.metrics import exposition
from palate.service.schedule import WANTED
from palate.service.web import answer, parts, problems

__all__ = ["router"]

router = APIRouter(tags=["state"], responses=problems())


@router.get("/healthz", response_model=dict[str, str])
async def alive(request: Request) -> Response:
    """Tell that the process serializers."""
    return answer({"status": "alive"})


@router.get("/readyz", response_model=dict[str, Any])
def ready(request: Request) -> Response:
    """Tell that model and store answer; 503 where they do not."""
    service = parts(request)
    service.store.check()
    return answer({"status": "ready", "model": service.running.edition.tag})


@router.post("/v1/admin/retrain", status_code=202, response_model=dict[str, str])
def retrain(request: Request) -> Response:
    """Ask for a fit on all ratings there are; the new model is served when it is done."""
    parts(request).store.set_fact(WANTED, str(time.time()))
    return answer({"status": "wanted"}, status=202)


@router.get("/v1/admin/state", response_model=dict[str, Any])
def state(request: Request) -> Response:
    """Tell what is stored and what came of new model files."""
    service = parts(request)
    retrained = float(service.store.fact("retrained") or 0)
    new = service.store.since(retrained)
    told = {"model": service.running.edition.tag, "refused": service.running.refused, "retrained": retrained or None}
    return answer({**told, "stored": service.store.since(0.0), "new": new})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Return counters for Prometheus."""
    return Response(exposition(), media_type="text/plain; version=0.0.4")
