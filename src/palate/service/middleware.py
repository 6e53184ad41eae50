"""What every request passes before the endpoints: one layer, as each costs time."""

from __future__ import annotations

import asyncio
import re
import time
from secrets import token_hex
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palate.errors import StoreError
from palate.service.auth import SCOPES, Guard, Key, scope_of
from palate.service.limits import Limiter
from palate.service.logs import access
from palate.service.metrics import observe
from palate.service.problems import problem
from palate.service.settings import Settings

__all__ = ["CSRF", "Edge"]

#: A header that no form and no page of another origin can send without asking first.
CSRF = "x-palate"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_STATE = frozenset({"/healthz", "/readyz", "/metrics"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]


class _TooLarge(HTTPException):
    """The body is larger than allowed; of this kind, because FastAPI makes a 400 of all others while it reads."""

    def __init__(self, most: int) -> None:
        super().__init__(413, f"a body may have {most:,} bytes")


class Edge:
    """Names the request, checks who may make it and how large it is, adds headers, and tells logs and metrics."""

    def __init__(self, app: ASGIApp, settings: Settings, guard: Guard) -> None:
        self.app, self.settings, self.guard = app, settings, guard
        self.limiter = Limiter(settings.allowed_rate, settings.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = Headers(scope=scope)
        asked = headers.get("x-request-id", "")
        name = asked if _REQUEST_ID.fullmatch(asked) else token_hex(8)
        scope["state"]["request"] = name
        if scope["path"].startswith("/v1"):
            # Ids may hold slashes: routes are matched on the path as it was sent, and each id is decoded by itself.
            scope["path"] = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        status, begun = 500, False
        is_head = scope["method"] == "HEAD" and (scope["path"].startswith("/v1") or scope["path"] in _STATE)
        if is_head:  # the endpoints know GET only; the server must still see what was asked
            scope = {**scope, "method": "GET"}

        async def answer(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                message["headers"] = [*message["headers"], *_HEADERS, (b"x-request-id", name.encode())]
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        try:
            refused = await self._refused(scope, headers)
            if refused is not None:
                await refused(scope, receive, answer)
            else:
                async with asyncio.timeout(self.settings.timeout):
                    await self.app(scope, self._limited(receive), answer)
        except (_TooLarge, TimeoutError) as error:
            if begun:
                raise
            await self._excuse(error)(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - started
            observe(scope, status, seconds)
            access(scope, status, seconds, name)

    def _excuse(self, error: Exception) -> Response:
        if isinstance(error, _TooLarge):
            return problem(413, error.detail)
        return problem(503, f"the answer took longer than {self.settings.timeout:g} s")

    def _limited(self, receive: Receive) -> Receive:
        left = self.settings.largest_body

        async def limited() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _TooLarge(self.settings.largest_body)
            return message

        return limited

    async def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the answer to a request that may not go on."""
        method, path, host = scope["method"], scope["path"], headers.get("host", "")
        if not self.guard.admits_host(host):
            return problem(421, f"this service is not {host[:100]!r}: name it with --allow-host", "Misdirected request")
        if int(length) > self.settings.largest_body if (length := headers.get("content-length", "")).isdigit() else 0:
            return self._excuse(_TooLarge(self.settings.largest_body))
        if self.guard.is_stale:
            try:
                if self.guard.store.is_local:
                    self.guard.refresh()
                else:
                    await asyncio.to_thread(self.guard.refresh)
            except StoreError as error:
                if scope_of(method, path) is not None:
                    return problem(503, str(error), "The store does not answer")
        authorization = headers.get("authorization", "")
        key = self.guard.holder(authorization) if authorization else None
        if authorization and key is None:
            return problem(401, "this is no valid API key", headers={"WWW-Authenticate": "Bearer"})
        if key is None and (wait := self.limiter.wait(scope)) > 0:
            return problem(429, f"too many requests: wait {wait:.1f} s", headers={"Retry-After": f"{int(wait) + 1}"})
        return self._forbidden(method, path, key) or self._foreign(method, path, key, headers, host)

    def _forbidden(self, method: str, path: str, key: Key | None) -> Response | None:
        needed = scope_of(method, path)
        if needed is None or (needed != "admin" and not self.guard.is_closed):
            return None
        if key is None:
            return problem(
                401, f"this needs an API key with the scope '{needed}'", headers={"WWW-Authenticate": "Bearer"}
            )
        if SCOPES.index(key.scope) < SCOPES.index(needed):
            return problem(403, f"the key {key.id} has the scope '{key.scope}', this needs '{needed}'")
        return None

    def _foreign(self, method: str, path: str, key: Key | None, headers: Headers, host: str) -> Response | None:
        if method in _SAFE or key is not None:
            return None
        if not self.guard.admits_origin(method, headers.get("origin", ""), headers.get("sec-fetch-site", ""), host):
            return problem(403, "changes from pages of other origins are not taken")
        if path.startswith("/v1/me") and CSRF not in headers:
            return problem(403, "a change by cookie needs the header 'X-Palate: 1'")
        return None
