"""Running the application: one process, or several that share the store, one copy of the model, and the port."""

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
from palate.service.schedule import Schedule
from palate.service.settings import Settings
from palate.service.store import Store

__all__ = ["run"]

_KEEP_ALIVE, _GRACE, _CONNECTIONS = 5, 10, 2000


def run(settings: Settings, announce: Callable[[str], None] = lambda address: None) -> None:
    """Serve until SIGTERM or Ctrl-C; requests that are being answered then are finished.

    Parameters
    ----------
    settings
        What to serve and how.
    announce
        Is told the address as soon as nothing can go wrong any more.

    Raises
    ------
    PalateError
        If the port is in use, or the model or the store cannot be opened; without a good model no store is made.
    """
    logs.configure(settings.log)
    signal.signal(signal.SIGTERM, _leave)  # uvicorn sends itself again what it caught: the folder is to go all the same
    with _listening(settings) as door, TemporaryDirectory(prefix="palate-") as folder:
        settings = settings.model_copy(update={"runtime": folder})
        (_alone if settings.workers == 1 else _together)(settings, door, announce)


def _alone(settings: Settings, door: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve in this process."""
    import uvicorn

    from palate.service.app import make_app

    server = uvicorn.Server(uvicorn.Config(make_app(settings), **_options(settings)))
    with _scheduled(settings), suppress(KeyboardInterrupt):
        announce(_address(door))
        server.run(sockets=[door])
    if not server.started:
        sys.exit(1)


def _together(settings: Settings, door: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve in several processes."""
    import uvicorn

    from palate.service.web import Parts

    Parts.of(settings).close()  # what is wrong is told once and at the start, not by each worker again and again
    os.environ |= settings.environment() | {"PROMETHEUS_MULTIPROC_DIR": settings.runtime}
    options = {**_options(settings), "port": door.getsockname()[1]}
    with _scheduled(settings):
        announce(_address(door))
        door.close()  # uvicorn opens one that its processes share
        uvicorn.run("palate.service.app:from_environment", factory=True, workers=settings.workers, **options)


def _leave(number: int, frame: Any) -> NoReturn:
    raise SystemExit(0)


def _listening(settings: Settings) -> socket.socket:
    """Return the socket that requests come by: a port in use is found before anything is loaded or made."""
    host, port = settings.host.strip("[]"), settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_CONNECTIONS)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        raise SettingsError(
            f"{host}:{port} cannot be listened on ({reason}): choose another --port or --host"
        ) from error


def _address(door: socket.socket) -> str:
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _options(settings: Settings) -> dict[str, Any]:
    return {
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
