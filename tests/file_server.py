"""A web server on this machine that hands out files, as badly as a test wants, and archives for it."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from palate.datasets.archive import Archive


class Server:
    """A web server on this machine whose files behave as badly as a test wants."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges: list[str | None] = []  # the Range header of each request
        self.ignores_ranges = False
        self.breaks_after: list[int] = []  # bytes sent by the next answers before the connection breaks
        self.delay = 0.0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/{path}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.ranges.append(self.headers["Range"])
                time.sleep(server.delay)
                content = server.files.get(self.path[1:])
                if content is None:
                    self.send_error(404)
                    return
                start = int((self.headers["Range"] or "bytes=0-")[6:-1])
                if start and start >= len(content):
                    self.send_error(416)
                    return
                if start and not server.ignores_ranges:
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                    content = content[start:]
                else:
                    self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if server.breaks_after:
                    content = content[: server.breaks_after.pop(0)]
                with suppress(ConnectionError):  # the client may have had enough
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        return Handler


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def zipped(members: dict[str, str | bytes]) -> bytes:
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return place.getvalue()


def archive(server: Server, content: bytes, **settings: object) -> Archive:
    server.files["set.zip"] = content
    arguments = {"folder": "set", "urls": (server.url("set.zip"),), "rows": {"a.dat": 2, "b.txt": None}} | settings
    return Archive(**arguments)  # type: ignore[arg-type]


GOOD = zipped({"a.dat": "1\n2", "b.txt": "text", "other.txt": "not asked for"})
