"""Who may do what: API keys, and the hosts and origins that requests may come through."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from functools import lru_cache
from typing import NamedTuple

from palate.errors import SettingsError
from palate.service.settings import Settings, is_loopback
from palate.service.store import Store
from palate.service.tables import keys

__all__ = ["SCOPES", "ApiKey", "Authenticator", "add_key", "list_keys", "required_scope", "revoke_key"]

#: Each scope includes those before it.
SCOPES = ("read", "write", "admin")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# These paths need a key too, and POST only reads there.
_READING = ("/v1/recommendations", "/v1/predictions", "/metrics")
_MAX_AGE = 1.0
_HOSTS = 1000
_HOST = re.compile(
    r"(?:(?P<name>[A-Za-z0-9._-]{1,253})|\[(?P<address>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[0-9]{1,5}))?"
)


class ApiKey(NamedTuple):
    """An API key as the store keeps it."""

    id: str
    hash: str
    scope: str
    name: str
    created: float


def required_scope(method: str, path: str) -> str | None:
    """Return the scope that a request needs where named users are protected, None if it never needs a key."""
    if path.startswith("/v1/admin"):
        return "admin"
    if path.startswith(_READING):
        return "read"
    if path.startswith("/v1/users"):
        return "read" if method in _SAFE else "write"
    return None


def _hash(secret: str) -> str:
    # The secret is 256 random bits that nobody can guess; a slow hash would only make requests slow.
    return hashlib.sha256(secret.encode()).hexdigest()


def add_key(store: Store, scope: str, name: str) -> str:
    """Make an API key and return it. The key cannot be shown again: the store keeps only a hash.

    Raises
    ------
    SettingsError
        If the scope is unknown or the name is empty, too long or not printable.
    """
    if scope not in SCOPES:
        raise SettingsError(f"a scope is one of {', '.join(SCOPES)}, not {scope!r}")
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise SettingsError(f"a key needs a name, printable and of at most 200 characters, not {name[:40]!r}")
    id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    with store.writing() as connection:
        row = ApiKey(id, _hash(secret), scope, name, time.time())._asdict()
        connection.execute(keys.insert().values(**row))
    return f"palate_{id}_{secret}"


def list_keys(store: Store) -> list[ApiKey]:
    """Return all API keys, without their secrets."""
    rows = store.database.rows("select id, hash, scope, name, created from keys order by created")
    return [ApiKey(*row) for row in rows]


def revoke_key(store: Store, id: str) -> None:
    """Delete an API key.

    Raises
    ------
    SettingsError
        If no key has this id.
    """
    with store.writing() as connection:
        if not connection.execute(keys.delete().where(keys.c.id == id)).rowcount:
            raise SettingsError(f"there is no key {id!r}: palate keys list shows them")


class Authenticator:
    """Checks the API key, the host and the origin of a request. Keys are read from the store once a second."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store = settings, store
        self._is_exposed = settings.is_exposed
        self._keys: dict[str, ApiKey] = {}
        self._read_at = float("-inf")
        #: Whether a Host header names this service; a page elsewhere may have made its own name point here.
        self.allows_host = lru_cache(_HOSTS)(self._names_this_service)

    @property
    def is_stale(self) -> bool:
        """Whether the keys must be read again."""
        return time.monotonic() - self._read_at > _MAX_AGE

    def refresh(self) -> None:
        """Read the keys."""
        self._keys = {key.id: key for key in list_keys(self.store)}
        self._read_at = time.monotonic()

    @property
    def is_protected(self) -> bool:
        """Whether requests about named users need a key."""
        if self.settings.protect == "auto":
            return self._is_exposed or bool(self._keys)
        return self.settings.protect == "always"

    def key_of(self, authorization: str) -> ApiKey | None:
        """Return the key in an Authorization header, None if it is not a key of this service."""
        scheme, _, token = authorization.partition(" ")
        prefix, _, rest = token.strip().partition("_")
        id, _, secret = rest.partition("_")
        key = self._keys.get(id)
        if scheme.lower() != "bearer" or prefix != "palate" or key is None:
            return None
        return key if hmac.compare_digest(key.hash, _hash(secret)) else None

    def _names_this_service(self, host: str) -> bool:
        parts = _HOST.fullmatch(host)
        if parts is None or int(parts["port"] or 0) > 65535:
            return False
        name = (parts["name"] or parts["address"]).lower()
        if self.settings.hosts:
            return name in self.settings.hosts or is_loopback(name)
        return self._is_exposed or is_loopback(name)

    def allows_origin(self, method: str, origin: str, site: str, host: str) -> bool:
        """Whether a change comes from a page of this service or of an allowed origin, or from no page at all."""
        if method in _SAFE or origin in self.settings.origins:
            return True
        if site not in ("", "same-origin", "none"):
            return False
        return not origin or origin.partition("://")[2].lower() == host.lower()
