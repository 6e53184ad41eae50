"""Anonymous visitors: a random name in a signed cookie, under which only they find their ratings."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

from palate.service.store import Store, visitor_owner

__all__ = ["COOKIE", "Visitors"]

COOKIE = "palate_visitor"
_YEAR = 365 * 86_400
_COOKIE = re.compile(r"([A-Za-z0-9_-]{22})\.([0-9a-f]{64})")


class Visitors:
    """Signs and reads cookies.

    Parameters
    ----------
    store
        Keeps the secret that all workers sign with, unless one is given.
    secret
        The secret.
    """

    def __init__(self, store: Store, secret: str = "") -> None:
        self.store = store
        self._given = secret

    def _secret(self) -> bytes:
        if not self._given:
            self._given = self.store.set_fact("cookies", secrets.token_hex(32), keep=True)
        return self._given.encode()

    def _sign(self, visitor: str) -> str:
        return hmac.new(self._secret(), visitor.encode(), hashlib.sha256).hexdigest()

    def owner(self, request: Request) -> str | None:
        """Return under which name a visitor's ratings are kept, None for somebody without a cookie of ours."""
        found = _COOKIE.fullmatch(request.cookies.get(COOKIE, ""))
        if found is None or not hmac.compare_digest(self._sign(found[1]), found[2]):
            return None
        return visitor_owner(found[1])

    def welcome(self, request: Request, response: Response) -> str:
        """Return the visitor's name in the store; who has none gets one with the response."""
        owner = self.owner(request)
        if owner is not None:
            return owner
        visitor = secrets.token_urlsafe(16)
        self._set(request, response, f"{visitor}.{self._sign(visitor)}", _YEAR)
        return visitor_owner(visitor)

    def farewell(self, request: Request, response: Response) -> None:
        """Take the cookie back."""
        self._set(request, response, "", 0)

    def _set(self, request: Request, response: Response, value: str, age: int) -> None:
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, value, age, path="/v1/me", secure=secure, httponly=True, samesite="strict")
