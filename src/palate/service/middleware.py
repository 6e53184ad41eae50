"""What every request passes before the endpoints, in one layer, because each layer costs time."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from contextlib import suppress
from secrets import token_hex
from urllib.parse import quote

import anyio
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palate.errors import StoreError
from palate.service.auth import SCOPES, ApiKey, Authenticator, required_scope
from palate.service.deadline import Deadline, current_deadline
from palate.service.limits import RateLimiter
from palate.service.logs import log_request
from palate.service.metrics import count_request
from palate.service.problems import problem
from palate.service.settings import Settings

__all__ = ["CSRF_HEADER", "ServiceMiddleware"]

#: A header that no HTML form can send, and that a page of another origin can send only with permission.
CSRF_HEADER = "x-palate"
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


class _BodyTooLarge(HTTPException):
    """A request body above the limit. It is an HTTPException because FastAPI turns all other exceptions into 400."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"a body may have {limit:,} bytes")


class ServiceMiddleware:
    """Gives each request an id, checks it, limits its size and time, adds headers, and writes logs and metrics."""

    def __init__(
        self, app: ASGIApp, settings: Settings, authenticator: Authenticator, stopping: threading.Event
    ) -> None:
        self.app, self.settings, self.authenticator, self.stopping = app, settings, authenticator, stopping
        self.limiter = RateLimiter(settings.allowed_rate, settings.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = Headers(scope=scope)
        proposed = headers.get("x-request-id", "")
        request_id = proposed if _REQUEST_ID.fullmatch(proposed) else token_hex(8)
        scope["state"]["request"] = request_id
        if scope["path"].startswith("/v1"):
            # Ids may contain slashes: routes match the path as it was sent, and each id is decoded by itself.
            scope["path"] = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        status, has_begun = 500, False
        is_head = scope["method"] == "HEAD" and (scope["path"].startswith("/v1") or scope["path"] in _STATE)
        if is_head:  # the endpoints know only GET; the server must still see the method that was sent
            scope = {**scope, "method": "GET"}

        async def respond(message: Message) -> None:
            nonlocal status, has_begun
            if message["type"] == "http.response.start":
                status, has_begun = message["status"], True
                message["headers"] = [*message["headers"], *_HEADERS, (b"x-request-id", request_id.encode())]
            elif is_head:
                message = {**message, "body": b""}
            # A response that has begun is sent to its end, also after the deadline; who reads slowly has a limit, too.
            with anyio.fail_after(self.settings.timeout, shield=True):
                await send(message)

        try:
            refusal = await self._refusal(scope, headers)
            if refusal is not None:
                await refusal(scope, receive, respond)
            else:
                current_deadline.set(Deadline(self.settings.timeout, self.stopping))
                # Not `asyncio.timeout`: it would leave a thread behind that works on, and free its place for another.
                with anyio.fail_after(self.settings.timeout):
                    await self.app(scope, self._limited(receive), respond)
        except _BodyTooLarge as error:
            if has_begun:
                raise
            await problem(413, error.detail)(scope, receive, respond)
        except TimeoutError:
            if has_begun:
                raise
            detail = f"the answer took longer than {self.settings.timeout:g} s"
            await problem(503, detail)(scope, receive, respond)
        finally:
            seconds = time.perf_counter() - started
            count_request(scope, status, seconds)
            log_request(scope, status, seconds, request_id)

    def _limited(self, receive: Receive) -> Receive:
        remaining = self.settings.largest_body

        async def receive_limited() -> Message:
            nonlocal remaining
            message = await receive()
            remaining -= len(message.get("body", b""))
            if remaining < 0:
                raise _BodyTooLarge(self.settings.largest_body)
            return message

        return receive_limited

    async def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the response to a request that is refused, None if it may go on."""
        method, path, host = scope["method"], scope["path"], headers.get("host", "")
        if len(headers.getlist("host")) != 1:
            return problem(400, "a request has one Host header")
        if not self.authenticator.allows_host(host):
            return problem(421, f"this service is not {host[:100]!r}: name it with --allow-host", "Misdirected request")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self.settings.largest_body:
            return problem(413, _BodyTooLarge(self.settings.largest_body).detail)
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity":
            return problem(415, f"a body is sent as it is, without 'Content-Encoding: {encoding[:60]}'")
        if self.authenticator.is_stale:
            with suppress(StoreError):
                if self.authenticator.store.is_local:
                    self.authenticator.refresh()
                else:
                    await asyncio.to_thread(self.authenticator.refresh)
        if not self.authenticator.is_known and required_scope(method, path) is not None:
            return problem(503, "the API keys cannot be read: try again later", "The store does not answer")
        authorization = headers.get("authorization", "")
        key = self.authenticator.key_of(authorization) if authorization else None
        if authorization and key is None:
            return problem(401, "this is no valid API key", headers={"WWW-Authenticate": "Bearer"})
        if key is None and (wait := self.limiter.wait(scope)) > 0:
            return problem(429, f"too many requests: wait {wait:.1f} s", headers={"Retry-After": f"{int(wait) + 1}"})
        return self._missing_scope(method, path, key) or self._foreign_origin(method, path, key, headers, host)

    def _missing_scope(self, method: str, path: str, key: ApiKey | None) -> Response | None:
        required = required_scope(method, path)
        if required is None or (required != "admin" and not self.authenticator.is_protected):
            return None
        if key is None:
            detail = f"this needs an API key with the scope '{required}'"
            return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
        if SCOPES.index(key.scope) < SCOPES.index(required):
            return problem(403, f"the key {key.id} has the scope '{key.scope}', this needs '{required}'")
        return None

    def _foreign_origin(
        self, method: str, path: str, key: ApiKey | None, headers: Headers, host: str
    ) -> Response | None:
        if method in _SAFE or key is not None:
            return None
        origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "")
        if not self.authenticator.allows_origin(method, origin, site, host):
            return problem(403, "pages of other origins may not change anything: allow one with --allow-origin")
        if path.startswith("/v1/me") and CSRF_HEADER not in headers:
            return problem(403, "a change by cookie needs the header 'X-Palate: 1'")
        return None
