"""What a process has read of the store stays true until somebody writes: how processes tell each other."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

__all__ = ["Freshness", "Rows"]

Rows = dict[str, float | None]

_SLOTS, _WIDE = 4096, 8
_OWNERS = 20_000
#: Whoever writes past palate (with the sqlite3 shell, say) is noticed after so many seconds.
_LONGEST = 60.0
_UNKNOWN = bytes(_WIDE)


class _Kept(NamedTuple):
    token: bytes
    until: float
    rows: Rows


class _File:
    """An open file, closed when nobody uses it any more: its number must not become another file's meanwhile."""

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        self.inode = os.fstat(self.handle).st_ino

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            os.close(self.handle)


class Freshness:
    """Keeps what was read of each owner, for as long as nobody in any process has changed it.

    Beside the database lies a file of 4,096 random numbers. An owner has one of them, found by a checksum of the name;
    whoever writes puts a new number there after the commit and before the answer. A reader that finds the number it
    saw before it read needs no query. Numbers are random and not counted up, because two processes that count at once
    can lose a count. The file is read and not mapped: a mapped one that somebody cuts short kills its readers. When it,
    or the database, is another file than before, all that was read is forgotten.

    Parameters
    ----------
    path
        The file.
    database
        The file whose content is kept.
    """

    def __init__(self, path: Path, database: Path) -> None:
        self._path, self._database = str(path), str(database)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._turn = threading.Lock()
        self._file: _File | None = None
        self._inode = 0

    def read(self, owner: str, query: Callable[[str], Rows]) -> Rows:
        """Return an owner's rows, by the query unless they are known."""
        place = _place(owner)
        try:
            file = self._current()
            token = os.pread(file.handle, _WIDE, place)
            if len(token) < _WIDE or token == _UNKNOWN:  # nobody wrote there yet, or the file was cut short
                token = os.urandom(_WIDE)
                os.pwrite(file.handle, token, place)
        except OSError:
            return query(owner)
        now, kept = time.monotonic(), self._kept.get(owner)
        if kept is not None and kept.token == token and now < kept.until:
            return kept.rows
        rows = query(owner)
        with self._turn:
            if self._file is file:
                self._kept[owner] = _Kept(token, now + _LONGEST, rows)
                self._kept.move_to_end(owner)
                if len(self._kept) > _OWNERS:
                    self._kept.popitem(last=False)
        return rows

    def changed(self, owner: str | None) -> None:
        """Tell all processes that an owner's rows, or those of all (None), are not what they were."""
        place, count = (0, _SLOTS) if owner is None else (_place(owner), 1)
        try:
            os.pwrite(self._current().handle, os.urandom(count * _WIDE), place)
        except OSError:  # a full disk: a file that is gone tells everybody, too
            with suppress(OSError):
                os.unlink(self._path)

    def _current(self) -> _File:
        """Return the file that is there now, and forget everything if it or the database is another one."""
        file, inode = self._file, os.stat(self._database).st_ino
        if file is not None and inode == self._inode:
            try:
                if os.stat(self._path).st_ino == file.inode:
                    return file
            except FileNotFoundError:
                pass
        with self._turn:
            self._kept.clear()
            self._file, self._inode = _File(Path(self._path)), inode
            return self._file


def _place(owner: str) -> int:
    return crc32(owner.encode("utf-8", "surrogatepass")) % _SLOTS * _WIDE
