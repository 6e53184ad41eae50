"""Running the application: one process, or several that share the store, one copy of the model, and the port."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from palate.service import logs
from palate.service.schedule import Schedule
from palate.service.settings import Settings
from palate.service.store import Store

__all__ = ["run"]

_KEEP_ALIVE, _GRACE, _CONNECTIONS = 5, 10, 2000


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; requests that are being answered then are finished.

    Raises
    ------
    PalateError
        If the model or the store cannot be opened.
    """
    import uvicorn

    logs.configure(settings.log)
    with TemporaryDirectory(prefix="palate-") as folder, _scheduled(settings):
        settings = settings.model_copy(update={"runtime": folder})
        if settings.workers == 1:
            from palate.service.app import make_app

            uvicorn.run(make_app(settings), **_options(settings))
            return
        from palate.service.web import Parts

        Parts.of(settings).close()  # what is wrong is told once and at the start, not by each worker again and again
        os.environ |= settings.environment() | {"PROMETHEUS_MULTIPROC_DIR": folder}
        uvicorn.run("palate.service.app:from_environment", factory=True, workers=settings.workers, **_options(settings))


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "proxy_headers": bool(settings.proxies),
        "forwarded_allow_ips": settings.proxies or None,
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "timeout_keep_alive": _KEEP_ALIVE,
        "timeout_graceful_shutdown": _GRACE,
        "limit_concurrency": _CONNECTIONS,
        "ws": "none",
    }


@contextmanager
def _scheduled(settings: Settings) -> Iterator[None]:
    store = Store(settings.store_url, settings.busy)
    store.open()
    schedule = Schedule(settings, store)
    schedule.start()
    try:
        yield
    finally:
        schedule.stop()
        store.close()
