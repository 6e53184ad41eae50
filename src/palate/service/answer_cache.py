"""Finished response bodies, for users who ask the same again."""

from __future__ import annotations

import threading
from typing import Any

from cachetools import LRUCache

__all__ = ["AnswerCache"]


class AnswerCache:
    """The response bodies used last. Each is valid as long as the data it was made from is unchanged.

    Parameters
    ----------
    size
        The largest number of bodies.
    """

    def __init__(self, size: int) -> None:
        self._bodies: LRUCache[Any, tuple[Any, bytes]] = LRUCache(size)
        self._lock = threading.Lock()

    def get(self, key: Any, basis: Any) -> bytes | None:
        """Return the body of a key if it was made from an equal basis, else None."""
        try:
            with self._lock:
                made_from, body = self._bodies[key]
        except KeyError:
            return None
        return body if made_from == basis else None

    def put(self, key: Any, basis: Any, body: bytes) -> None:
        """Keep a body and the basis that it was made from."""
        with self._lock:
            self._bodies[key] = basis, body
