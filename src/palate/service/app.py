"""The application: all parts of the service together."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

import palate
from palate.errors import StoreError
from palate.parallel import single_blas
from palate.service import logs, problems
from palate.service.app_state import AppState
from palate.service.metrics import EXCHANGES, LOADED
from palate.service.middleware import ServiceMiddleware
from palate.service.openapi import complete_openapi, operation_id
from palate.service.routes import ROUTERS
from palate.service.settings import Settings

__all__ = ["app_from_environment", "make_app"]

_log = logging.getLogger("palate.service")
_LOOK_EVERY, _DAY = 0.5, 86_400


def make_app(settings: Settings) -> FastAPI:
    """Return the application. The store and the model are opened at once, so that errors are reported at the start.

    Raises
    ------
    PalateError
        If the store or the model cannot be opened.
    """
    state = AppState.open(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, threading.Event]]:
        current_default_thread_limiter().total_tokens = settings.threads
        LOADED.set(state.loaded.loaded)
        gc.collect()
        gc.freeze()  # the model's objects stay: the garbage collector need not visit them
        watching = asyncio.create_task(_watch(state))
        with single_blas():  # requests are answered side by side; threads of BLAS would only wait for each other
            yield {"stopping": state.stopping}  # the server sets it soon after SIGTERM
        state.stopping.set()  # work on threads ends at its next step
        watching.cancel()
        state.close()

    app = FastAPI(
        title="palate",
        version=palate.__version__,
        summary="Recommendations from ratings, with how sure they are and why.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    app.state.palate = state
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    complete_openapi(app)
    if settings.page.is_dir():
        app.add_route("/docs", lambda request: FileResponse(settings.page / "docs.html"), include_in_schema=False)
        app.mount("/", StaticFiles(directory=settings.page, html=True))
    app.add_middleware(ServiceMiddleware, settings=settings, authenticator=state.authenticator, stopping=state.stopping)
    if (
        settings.origins
    ):  # outside of our own middleware: a browser asks without a key, and must be able to read refusals
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["X-Request-Id", "Retry-After", "ETag"],
        )
    return app


def app_from_environment() -> FastAPI:
    """Return the application for one of several workers, which read the settings from their environment."""
    settings = Settings.resolve()
    logs.configure(settings.log)
    return make_app(settings)


async def _watch(state: AppState) -> None:
    """Look for a new model file twice a second, and once a day for visitors to forget."""
    visitors_checked, supervisor = 0.0, multiprocessing.parent_process()
    while True:
        if supervisor is not None and not supervisor.is_alive():  # it was killed, so nobody else would end this worker
            os.kill(os.getpid(), signal.SIGTERM)
            return
        try:
            if state.holder.has_changed():
                is_replaced = await run_in_threadpool(state.holder.refresh)
                EXCHANGES.labels("taken" if is_replaced else "refused" if state.holder.refused else "same").inc()
                LOADED.set(state.loaded.loaded)
            if time.time() - visitors_checked > _DAY:
                visitors_checked = time.time()
                oldest = visitors_checked - state.settings.visitor_days * _DAY
                await run_in_threadpool(state.store.forget_visitors, oldest)
        except StoreError as error:
            _log.warning("old visitors could not be forgotten", extra={"reason": str(error)})
        except Exception:
            _log.exception("looking for a new model failed")
        await asyncio.sleep(_LOOK_EVERY)
