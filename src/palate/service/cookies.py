"""Anonymous visitors: a random name in a signed cookie, under which only they find their ratings."""

from __future__ import annotations

import hashlib
import secrets

from itsdangerous import BadSignature, Signer
from starlette.requests import Request
from starlette.responses import Response

from palate.service.store import Store, visitor_owner

__all__ = ["COOKIE", "VisitorCookies"]

COOKIE = "palate_visitor"
_YEAR = 365 * 86_400


class VisitorCookies:
    """Signs and reads the cookies of visitors.

    Parameters
    ----------
    store
        The store. Without `secret` it keeps a random secret that all workers sign with.
    secret
        The secret to sign with.
    """

    def __init__(self, store: Store, secret: str = "") -> None:
        self.store, self.secret = store, secret
        self._signer: Signer | None = None

    def _signing(self) -> Signer:
        if self._signer is None:  # the store is asked when the first cookie comes, not when the service starts
            secret = self.secret or self.store.set_fact("cookies", secrets.token_hex(32), keep=True)
            self._signer = Signer(secret, salt=COOKIE, key_derivation="hmac", digest_method=hashlib.sha256)
        return self._signer

    def owner(self, request: Request) -> str | None:
        """Return the name under which the visitor's ratings are stored, None without a cookie of this service."""
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            return visitor_owner(self._signing().unsign(cookie).decode("ascii"))
        except (BadSignature, UnicodeError):
            return None

    def owner_or_new(self, request: Request, response: Response) -> str:
        """Return the name under which the visitor's ratings are stored. The response sets a new visitor's cookie."""
        owner = self.owner(request)
        if owner is not None:
            return owner
        visitor = secrets.token_urlsafe(16)
        self._set(request, response, self._signing().sign(visitor).decode("ascii"), _YEAR)
        return visitor_owner(visitor)

    def delete(self, request: Request, response: Response) -> None:
        """Delete the cookie."""
        self._set(request, response, "", 0)

    def _set(self, request: Request, response: Response, value: str, age: int) -> None:
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, value, age, path="/v1/me", secure=secure, httponly=True, samesite="strict")
