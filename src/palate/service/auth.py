"""Who may do what: API keys, the hosts and origins that requests come by."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from typing import NamedTuple

from palate.errors import SettingsError
from palate.service.settings import Settings, is_loopback
from palate.service.store import Store
from palate.service.tables import keys

__all__ = ["SCOPES", "Guard", "Key", "add_key", "list_keys", "revoke_key", "scope_of"]

#: Each scope includes those before it.
SCOPES = ("read", "write", "admin")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Where a key is asked for. A POST on the batches only reads.
_READING = ("/v1/recommendations", "/v1/predictions", "/metrics")
_FRESH = 1.0
_MOST_HOSTS = 1000
_HOST = re.compile(
    r"(?:(?P<name>[A-Za-z0-9._-]{1,253})|\[(?P<address>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[0-9]{1,5}))?"
)


class Key(NamedTuple):
    """An API key as it is kept."""

    id: str
    hash: str
    scope: str
    name: str
    created: float


def scope_of(method: str, path: str) -> str | None:
    """Return the scope that a request needs where named users are protected, None if anybody may make it."""
    if path.startswith("/v1/admin"):
        return "admin"
    if path.startswith(_READING):
        return "read"
    if path.startswith("/v1/users"):
        return "read" if method in _SAFE else "write"
    return None


def _hashed(secret: str) -> str:
    # The secret is 256 random bits: there is nothing to guess, and a slow hash would only slow requests.
    return hashlib.sha256(secret.encode()).hexdigest()


def add_key(store: Store, scope: str, name: str) -> str:
    """Make a key and return it: the only time that it can be seen."""
    if scope not in SCOPES:
        raise SettingsError(f"a scope is one of {', '.join(SCOPES)}, not {scope!r}")
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise SettingsError(f"a key needs a name, printable and of at most 200 characters, not {name[:40]!r}")
    id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    with store.writing() as connection:
        row = Key(id, _hashed(secret), scope, name, time.time())._asdict()
        connection.execute(keys.insert().values(**row))
    return f"palate_{id}_{secret}"


def list_keys(store: Store) -> list[Key]:
    """Return all keys, without their secrets."""
    return [
        Key(*row) for row in store.database.rows("select id, hash, scope, name, created from keys order by created")
    ]


def revoke_key(store: Store, id: str) -> None:
    """Delete a key.

    Raises
    ------
    SettingsError
        If there is none with this id.
    """
    with store.writing() as connection:
        if not connection.execute(keys.delete().where(keys.c.id == id)).rowcount:
            raise SettingsError(f"there is no key {id!r}: palate keys list shows them")


class Guard:
    """Decides whether a request may go on. Keys are read anew once a second."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store = settings, store
        self._exposed = settings.is_exposed
        self._keys: dict[str, Key] = {}
        self._read = float("-inf")
        self._hosts: dict[str, bool] = {}

    @property
    def is_stale(self) -> bool:
        """Whether the keys must be read again."""
        return time.monotonic() - self._read > _FRESH

    def refresh(self) -> None:
        """Read the keys."""
        self._keys = {key.id: key for key in list_keys(self.store)}
        self._read = time.monotonic()

    @property
    def is_closed(self) -> bool:
        """Whether named users are protected."""
        if self.settings.protect == "auto":
            return self._exposed or bool(self._keys)
        return self.settings.protect == "always"

    def holder(self, authorization: str) -> Key | None:
        """Return the key that a request shows, None if it is none of ours."""
        scheme, _, token = authorization.partition(" ")
        kind, _, rest = token.strip().partition("_")
        id, _, secret = rest.partition("_")
        key = self._keys.get(id)
        if scheme.lower() != "bearer" or kind != "palate" or key is None:
            return None
        return key if hmac.compare_digest(key.hash, _hashed(secret)) else None

    def admits_host(self, host: str) -> bool:
        """Whether a request is addressed to us: a page elsewhere may have made its own name point here."""
        known = self._hosts.get(host)
        if known is None:
            known = self._admits(host)
            if len(self._hosts) < _MOST_HOSTS:
                self._hosts[host] = known
        return known

    def _admits(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None or int(found["port"] or 0) > 65535:
            return False
        name = (found["name"] or found["address"]).lower()
        if self.settings.hosts:
            return name in self.settings.hosts or is_loopback(name)
        return self._exposed or is_loopback(name)

    def admits_origin(self, method: str, origin: str, site: str, host: str) -> bool:
        """Whether a change comes from our own page, or from no page at all."""
        if method in _SAFE or origin in self.settings.origins:
            return True
        if site not in ("", "same-origin", "none"):
            return False
        return not origin or origin.partition("://")[2].lower() == host.lower()
