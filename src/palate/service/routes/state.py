"""Endpoints for whoever runs the service."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from palate.service.app_state import app_state
from palate.service.metrics import exposition
from palate.service.retrains import Retrains
from palate.service.schedule import PAUSED
from palate.service.schemas import RetrainResponse, StateResponse
from palate.service.web import json_response, problem_responses

__all__ = ["router"]

RetrainNumber = Annotated[int, Path(ge=1, le=1 << 31, description="The number of a fit.", examples=[3])]
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


@router.post("/v1/admin/retrain", status_code=202, response_model=RetrainResponse)
def retrain(request: Request) -> Response:
    """Ask for a fit on all ratings. It begins within seconds, and the new model is served when it is ready."""
    retrains = Retrains(app_state(request).store)
    asked = retrains.get(retrains.request("requested"))
    return json_response(asked.plain(), {"Location": f"/v1/admin/retrains/{asked.id}"}, status=202)


@router.get("/v1/admin/retrains/{number}", response_model=RetrainResponse)
def one_retrain(request: Request, number: RetrainNumber) -> Response:
    """Return one fit: whether it waits, runs or has ended, and why it failed."""
    return json_response(Retrains(app_state(request).store).get(number).plain())


@router.get("/v1/admin/state", response_model=StateResponse)
def admin_state(request: Request) -> Response:
    """Return the state of the model, of the store and of fits: which one waits, which one runs, how the last ended."""
    state = app_state(request)
    retrains = Retrains(state.store)
    fits = {"pending": retrains.pending, "running": retrains.running, "last": retrains.ended}
    return json_response(
        {
            "model": state.loaded.tag,
            "refused": state.holder.refused,
            "stored": state.store.count_after(-1),
            "new": state.store.count_after(retrains.fitted_change),
            **{name: fit and fit.plain() for name, fit in fits.items()},
            "paused": bool(state.store.fact(PAUSED)),
        }
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Return counters for Prometheus."""
    return Response(exposition(), media_type="text/plain; version=0.0.4")
