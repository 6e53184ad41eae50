"""Endpoints for whoever runs the service."""

from __future__ import annotations

import time
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from palate.service.app_state import app_state
from palate.service.metrics import exposition
from palate.service.store import RETRAIN_REQUESTED, RETRAINED
from palate.service.web import json_response, problem_responses

__all__ = ["router"]

router = APIRouter(tags=["state"], responses=problem_responses())


@router.get("/healthz", response_model=dict[str, str])
async def alive(request: Request) -> Response:
    """Answer as long as the process is alive."""
    return json_response({"status": "alive"})


@router.get("/readyz", response_model=dict[str, Any])
async def ready(request: Request) -> Response:
    """Answer 200 if the model and the store can be used, else 503."""
    state = app_state(request)
    # On a thread of its own: those that compute may all be busy.
    await to_thread.run_sync(state.store.check, limiter=state.readiness_limiter)
    return json_response({"status": "ready", "model": state.loaded.tag})


@router.post("/v1/admin/retrain", status_code=202, response_model=dict[str, str])
def retrain(request: Request) -> Response:
    """Ask for a fit on all ratings. The new model is served when it is ready."""
    app_state(request).store.set_fact(RETRAIN_REQUESTED, str(time.time()))
    return json_response({"status": "wanted"}, status=202)


@router.get("/v1/admin/state", response_model=dict[str, Any])
def state(request: Request) -> Response:
    """Return how many ratings are stored, and whether the newest model file was refused."""
    state = app_state(request)
    retrained = float(state.store.fact(RETRAINED) or 0)
    return json_response(
        {
            "model": state.loaded.tag,
            "refused": state.holder.refused,
            "retrained": retrained or None,
            "stored": state.store.count_since(0.0),
            "new": state.store.count_since(retrained),
        }
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Return counters for Prometheus."""
    return Response(exposition(), media_type="text/plain; version=0.0.4")
