"""A cache of what was read from the store, valid until any process writes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from cachetools import LRUCache

from palate.service.portable import open_shared, read_at, write_at

__all__ = ["ReadCache", "Rows"]

Rows = dict[str, float | None]

_SLOTS, _TOKEN_BYTES = 4096, 8
_OWNERS = 20_000
#: A change made without palate (with the sqlite3 shell, say) is noticed after at most this many seconds.
_MAX_AGE = 60.0
_NO_TOKEN = bytes(_TOKEN_BYTES)


class _CachedRows(NamedTuple):
    token: bytes
    expires: float
    rows: Rows


class _TokenFile:
    """The open file of tokens. It is closed when nobody uses it any more: its handle must not be reused before that."""

    def __init__(self, path: str) -> None:
        self.handle = open_shared(path)
        self.inode = os.fstat(self.handle).st_ino

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            os.close(self.handle)


class ReadCache:
    """Caches the rows of each owner until a process changes them.

    The rows are in a `cachetools.LRUCache`; reading a `TTLCache` takes three times as long. Our own code tells other
    processes about changes, without a server for it: beside the database lies a file of 4,096 random tokens. A checksum
    of an owner's name chooses one of them. A writer puts a new token there after its commit and before it answers. A
    reader that finds the token that it saw before its last query needs no new query. Tokens are random and not counted
    up, because two processes that count at the same time can lose a count. The file is read and not mapped, because a
    mapped file that somebody truncates kills its readers. When the file of tokens or the database is another file than
    before, the cache is emptied.

    Parameters
    ----------
    path
        The file of tokens.
    database
        The database file whose rows are cached.
    """

    def __init__(self, path: Path, database: Path) -> None:
        self._path, self._database = str(path), str(database)
        self._rows: LRUCache[str, _CachedRows] = LRUCache(_OWNERS)
        self._lock = threading.Lock()
        self._file: _TokenFile | None = None
        self._inode = 0

    def read(self, owner: str, query: Callable[[str], Rows]) -> Rows:
        """Return an owner's rows, from the cache if they are unchanged, else by the query."""
        position = _position(owner)
        try:
            file = self._current_file()
            token = read_at(file.handle, _TOKEN_BYTES, position)
            if len(token) < _TOKEN_BYTES or token == _NO_TOKEN:  # not written yet, or the file was truncated
                token = os.urandom(_TOKEN_BYTES)
                write_at(file.handle, token, position)
        except OSError:
            return query(owner)
        now = time.monotonic()
        try:
            with self._lock:
                cached = self._rows[owner]  # takes half the time of `get`
            if cached.token == token and now < cached.expires:
                return cached.rows
        except KeyError:
            pass
        rows = query(owner)
        with self._lock:
            if self._file is file:
                self._rows[owner] = _CachedRows(token, now + _MAX_AGE, rows)
        return rows

    def invalidate(self, owner: str | None) -> None:
        """Tell all processes that the rows of an owner, or of all owners (None), have changed."""
        position, count = (0, _SLOTS) if owner is None else (_position(owner), 1)
        try:
            write_at(self._current_file().handle, os.urandom(count * _TOKEN_BYTES), position)
        except OSError:  # the disk is full, say: a deleted file empties all caches, too
            with suppress(OSError):
                os.unlink(self._path)

    def _current_file(self) -> _TokenFile:
        """Return the file of tokens that exists now; empty the cache if it or the database is another file."""
        file, inode = self._file, os.stat(self._database).st_ino
        if file is not None and inode == self._inode:
            try:
                if os.stat(self._path).st_ino == file.inode:
                    return file
            except FileNotFoundError:
                pass
        with self._lock:
            self._rows.clear()
            self._file, self._inode = _TokenFile(self._path), inode
            return self._file


def _position(owner: str) -> int:
    return crc32(owner.encode("utf-8", "surrogatepass")) % _SLOTS * _TOKEN_BYTES
