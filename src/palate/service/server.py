"""Running the application: in one process, or in several that share the store, a copy of the model, and the port."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from palate.errors import SettingsError
from palate.service import logs
from palate.service.schedule import RetrainingSchedule
from palate.service.settings import Settings
from palate.service.store import Store

__all__ = ["run"]

_KEEP_ALIVE_SECONDS, _SHUTDOWN_SECONDS, _CONNECTIONS = 5, 3, 2000


def run(settings: Settings, announce: Callable[[str], None] = lambda address: None) -> None:
    """Serve until SIGTERM or Ctrl-C. Requests that have begun are finished.

    Parameters
    ----------
    settings
        The settings of the service.
    announce
        Receives the address when the service is about to accept requests.

    Raises
    ------
    PalateError
        If the port is in use, or the model or the store cannot be opened; without a valid model no store is made.
    """
    logs.configure(settings.log)
    # Threads that compute give way to the event loop after a millisecond, so that it answers in time.
    sys.setswitchinterval(1e-3)
    # uvicorn raises a signal again after it has stopped. The folder must be removed all the same.
    signal.signal(signal.SIGTERM, _exit)
    with _listen(settings) as listener, _runtime_folder() as folder:
        settings = settings.model_copy(update={"runtime": folder})
        (_run_single if settings.workers == 1 else _run_workers)(settings, listener, announce)


def _run_single(settings: Settings, listener: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve in this process."""
    import uvicorn

    from palate.service.app import make_app

    server = uvicorn.Server(uvicorn.Config(make_app(settings), **_options(settings)))
    with _scheduled_retraining(settings), suppress(KeyboardInterrupt):
        announce(_address(listener))
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)


def _run_workers(settings: Settings, listener: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve in several worker processes."""
    import uvicorn

    from palate.service.app_state import AppState

    AppState.open(settings).close()  # errors are reported once, here, and not by each worker
    os.environ |= settings.environment() | {"PROMETHEUS_MULTIPROC_DIR": settings.runtime}
    options = {**_options(settings), "port": listener.getsockname()[1]}
    with _scheduled_retraining(settings):
        announce(_address(listener))
        listener.close()  # uvicorn opens another one that its workers share
        uvicorn.run("palate.service.app:app_from_environment", factory=True, workers=settings.workers, **options)


def _exit(number: int, frame: Any) -> NoReturn:
    raise SystemExit(0)


def _listen(settings: Settings) -> socket.socket:
    """Return a listening socket. A port in use is reported before anything is loaded or made."""
    host, port = settings.host.strip("[]"), settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_CONNECTIONS)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        raise SettingsError(
            f"{host}:{port} cannot be listened on ({reason}): choose another --port or --host"
        ) from error


def _runtime_folder() -> TemporaryDirectory[str]:
    # Windows cannot delete files that are still mapped.
    return TemporaryDirectory(prefix="palate-", ignore_cleanup_errors=True)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "proxy_headers": bool(settings.proxies),
        "forwarded_allow_ips": settings.proxies or None,
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "timeout_keep_alive": _KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": _SHUTDOWN_SECONDS,
        "limit_concurrency": _CONNECTIONS,
        "ws": "none",
    }


@contextmanager
def _scheduled_retraining(settings: Settings) -> Iterator[None]:
    store = Store(settings.store_url, settings.busy)
    store.open()
    schedule = RetrainingSchedule(settings, store)
    schedule.start()
    try:
        yield
    finally:
        schedule.stop()
        store.close()
