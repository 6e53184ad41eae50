"""What a process has read of the store stays true until somebody writes: how processes tell each other, in memory."""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from secrets import randbits
from typing import NamedTuple
from zlib import crc32

__all__ = ["Freshness", "Rows"]

Rows = dict[str, float | None]

_SLOTS = 4096
_OWNERS = 20_000
#: Whoever writes past palate (with the sqlite3 shell, say) is noticed after so many seconds.
_LONGEST = 60.0


class _Kept(NamedTuple):
    token: int
    until: float
    rows: Rows


class Freshness:
    """Keeps what was read of each owner, for as long as nobody in any process has changed it.

    Beside the database lies a file of 4,096 numbers that all processes map. An owner has one of them, found by a
    checksum of the name; whoever writes puts a new random number there after the commit and before the answer. A
    reader that finds the number it saw before it read needs no query: 0.5 µs instead of 50. Numbers are random and
    not counted up, because two processes that count at once can lose a count.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(handle).st_size < 8 * _SLOTS:
                os.ftruncate(handle, 8 * _SLOTS)
            self._tokens = memoryview(mmap.mmap(handle, 8 * _SLOTS)).cast("Q")
        finally:
            os.close(handle)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._turn = threading.Lock()

    def read(self, owner: str, query: Callable[[str], Rows]) -> Rows:
        """Return an owner's rows, by the query unless they are known."""
        token, now = self._tokens[_slot(owner)], time.monotonic()
        kept = self._kept.get(owner)
        if kept is not None and kept.token == token and now < kept.until:
            return kept.rows
        rows = query(owner)
        with self._turn:
            self._kept[owner] = _Kept(token, now + _LONGEST, rows)
            self._kept.move_to_end(owner)
            if len(self._kept) > _OWNERS:
                self._kept.popitem(last=False)
        return rows

    def changed(self, owner: str | None) -> None:
        """Tell all processes that an owner's rows, or those of all (None), are not what they were."""
        for slot in range(_SLOTS) if owner is None else [_slot(owner)]:
            self._tokens[slot] = randbits(64)


def _slot(owner: str) -> int:
    return crc32(owner.encode("utf-8", "surrogatepass")) % _SLOTS
