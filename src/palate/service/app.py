"""All of the service together."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

import palate
from palate.errors import StoreError
from palate.service import logs, problems
from palate.service.metrics import EXCHANGES, LOADED
from palate.service.middleware import Edge
from palate.service.routes import ROUTERS
from palate.service.schemas import Problem
from palate.service.settings import Settings
from palate.service.web import Parts

__all__ = ["from_environment", "make_app"]

_log = logging.getLogger("palate.service")
_LOOK, _DAY = 0.5, 86_400


def make_app(settings: Settings) -> FastAPI:
    """Return the application. The store and the model are opened at once, so that what is wrong is told at the start.

    Raises
    ------
    PalateError
        If the store or the model cannot be opened.
    """
    service = Parts.of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        LOADED.set(service.running.edition.loaded)
        gc.collect()
        gc.freeze()  # the model's objects stay: collections need not walk through them
        watch = asyncio.create_task(_watch(service))
        yield
        watch.cancel()
        service.close()

    app = FastAPI(
        title="palate",
        version=palate.__version__,
        summary="Recommendations from ratings, with how sure they are and why.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.parts = service
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    _describe(app)
    if settings.page.is_dir():
        app.mount("/", StaticFiles(directory=settings.page, html=True))
    app.add_middleware(Edge, settings=settings, guard=service.guard)
    if settings.origins:  # around the edge: a browser asks without a key, and its page may read why it was refused
        told = ["X-Request-Id", "Retry-After", "ETag"]
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=told,
        )
    return app


def from_environment() -> FastAPI:
    """Return the application for one of several workers, who find the settings in their environment."""
    settings = Settings.resolve()
    logs.configure(settings.log)
    return make_app(settings)


async def _watch(service: Parts) -> None:
    """Look for a new model file now and then, and once a day for visitors who do not come back."""
    swept, supervisor = 0.0, multiprocessing.parent_process()
    while True:
        if supervisor is not None and not supervisor.is_alive():  # it was killed: nobody else would end this worker
            os.kill(os.getpid(), signal.SIGTERM)
            return
        try:
            if service.running.has_changed():
                taken = await run_in_threadpool(service.running.refresh)
                EXCHANGES.labels("taken" if taken else "refused" if service.running.refused else "same").inc()
                LOADED.set(service.running.edition.loaded)
            if time.time() - swept > _DAY:
                swept = time.time()
                await run_in_threadpool(service.store.forget_visitors, swept - service.settings.visitor_days * _DAY)
        except StoreError as error:
            _log.warning("visitors could not be forgotten", extra={"reason": str(error)})
        except Exception:
            _log.exception("looking for a new model failed")
        await asyncio.sleep(_LOOK)


def _describe(app: FastAPI) -> None:
    """Complete the OpenAPI document with what is done before the endpoints."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            parts = document.setdefault("components", {})
            parts.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
            parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}}
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    if path.startswith(
                        ("/v1/users", "/v1/recommendations", "/v1/predictions", "/v1/admin", "/metrics")
                    ):
                        operation["security"] = [{"key": []}] if path.startswith("/v1/admin") else [{}, {"key": []}]
            for unused in ("HTTPValidationError", "ValidationError"):
                parts["schemas"].pop(unused, None)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
