"""Connections that send nothing are closed, so that they cannot keep others out; at the end all others, too."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.auto import AutoHTTPProtocol

__all__ = ["FINISH_SECONDS", "HEADER_SECONDS", "SILENT_CONNECTIONS", "HttpProtocol"]

#: How long a client may take to send the headers of a request.
HEADER_SECONDS = 10.0
#: How many connections of a process may be without a request; the next one closes the oldest of them.
SILENT_CONNECTIONS = 512
#: How long requests that have begun may still be worked on once the service ends.
FINISH_SECONDS = 1.5

_Base: Any = AutoHTTPProtocol  # h11 or httptools, whichever is installed


class HttpProtocol(_Base):  # type: ignore[misc]
    """uvicorn's protocol with a limit for headers. uvicorn itself limits only the time between two requests."""

    #: The connections that wait for the headers of a request, the oldest first.
    _silent: ClassVar[dict[HttpProtocol, asyncio.TimerHandle]] = {}

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for headers."""
        super().connection_made(transport)
        if len(self._silent) >= SILENT_CONNECTIONS:
            next(iter(self._silent))._close()
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Stop waiting when the headers are complete; wait for those of a later request on the same connection."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif not self.transport.is_closing():
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Let the request of the connection be finished, but not for long."""
        super().shutdown()
        stopping = self.app_state.get("stopping")  # from the lifespan of the application
        if stopping is not None and not stopping.is_set():
            asyncio.get_running_loop().call_later(FINISH_SECONDS, stopping.set)

    def _await_headers(self) -> None:
        if self not in self._silent:
            self._silent[self] = asyncio.get_running_loop().call_later(HEADER_SECONDS, self._close)

    def _stop_waiting(self) -> None:
        timer = self._silent.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _close(self) -> None:
        self._stop_waiting()
        self.transport.close()
