"""How often one address may send requests."""

from __future__ import annotations

import time

from cachetools import LRUCache
from starlette.types import Scope

__all__ = ["RateLimiter"]

_ADDRESSES = 10_000


class RateLimiter:
    """A token bucket for each address: a request takes one token, and `rate` tokens a second come back, up to `burst`.

    Each worker counts by itself, and forgets the addresses that were quiet for longest. This is our own code because
    the library `limits` counts in windows of time and has no bucket that allows a burst.

    Parameters
    ----------
    rate
        Tokens a second; 0 allows everything.
    burst
        The size of a bucket.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, float(burst)
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(_ADDRESSES)

    def wait(self, scope: Scope) -> float:
        """Take a token for a request; return 0, or the seconds until the address has one again."""
        if not self.rate:
            return 0.0
        address = _network((scope.get("client") or ("",))[0])
        now = time.monotonic()
        tokens, before = self._buckets.get(address, (self.burst, now))
        tokens = min(self.burst, tokens + (now - before) * self.rate)
        is_allowed = tokens >= 1
        self._buckets[address] = (tokens - is_allowed, now)
        return 0.0 if is_allowed else (1 - tokens) / self.rate


def _network(address: str) -> str:
    # Whoever has one IPv6 address has a network of 2^64 addresses.
    return ":".join(address.split(":")[:4]) if ":" in address else address
