"""How often one address may ask: a bucket of tokens for each, and no more buckets than fit."""

from __future__ import annotations

import time
from collections import OrderedDict

from starlette.types import Scope

__all__ = ["Limiter"]

_ADDRESSES = 10_000


class Limiter:
    """Refills each address's bucket with `rate` tokens a second, up to `burst`; a request takes one. Rate 0: no limit.

    Each worker counts for itself.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, scope: Scope) -> float:
        """Take a token; return how many seconds until there is one, 0 if there was."""
        if not self.rate:
            return 0.0
        address = _network((scope.get("client") or ("",))[0])
        now = time.monotonic()
        tokens, before = self._buckets.pop(address, (self.burst, now))
        tokens = min(self.burst, tokens + (now - before) * self.rate)
        enough = tokens >= 1
        self._buckets[address] = (tokens - enough, now)
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        return 0.0 if enough else (1 - tokens) / self.rate


def _network(address: str) -> str:
    # Whoever has one IPv6 address has a network of 2^64.
    return ":".join(address.split(":")[:4]) if ":" in address else address
