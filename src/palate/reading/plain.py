"""The quick way: plain numeric text, parsed straight from its bytes on all cores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.parallel import available, pool
from palate.reading.source import Bytes

Columns = dict[str, NDArray[Any]]

__all__ = ["PLAIN_FROM", "read_plain"]

# Smaller texts are read at once in any way; compiling the kernels, or loading them, would take longer.
PLAIN_FROM = 1 << 23
# What one thread takes at a time: it is still in the processor's cache when it is read again.
_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 13
_PLAIN, _ODD, _LONG_ID = 0, 1, 2
_ROLES = {"user": 0, "item": 1, "rating": 2, "time": 4}
_SKIPPED = 3


def read_plain(content: Bytes, separator: str, width: int, positions: Mapping[str, int]) -> Columns | None:
    """Read a text without header, or return None if some line is not plain.

    Parameters
    ----------
    content
        The text; its last line has no line end.
    separator
        One ASCII character, or one repeated.
    width
        How many fields a line has.
    positions
        Which of them are user and item, and perhaps rating (1 if there is none) and time, which is left as it is.
    """
    if len(set(separator)) != 1 or not separator.isascii() or separator[0] in "-.0123456789":
        return None
    roles = np.full(width, _SKIPPED)
    for role, position in positions.items():
        roles[position] = _ROLES[role]
    status, columns = _parse(content, separator, roles, np.int32)
    if status == _LONG_ID:
        status, columns = _parse(content, separator, roles, np.int64)
    return columns if status == _PLAIN else None


def _parse(
    content: Bytes, separator: str, roles: NDArray[np.int64], kind: type[np.integer[Any]]
) -> tuple[int, Columns]:
    from palate.kernels.text import parse_lines

    # Room for as many rows as there can be: memory that is never touched is never taken.
    room = len(content) // (3 + (len(roles) - 1) * len(separator) + 1) + 1
    ids, rating = np.empty((2, room), kind), np.empty(room, np.float32)
    has_times, has_ratings = (_ROLES[role] in roles for role in ("time", "rating"))
    time = np.empty(room if has_times else 0, np.int64)
    byte, repeat = np.uint8(ord(separator[0])), len(separator)
    chunks, lock, rows, states = _numbered(content), Lock(), [0], [_PLAIN]

    def work(_: int) -> None:
        while max(states) == _PLAIN:
            with lock:
                chunk, part = next(chunks, (None, slice(0)))
            if chunk is None:
                return
            rows.append(part.stop)
            if part.stop > room:  # only blank lines are so short
                states.append(_ODD)
                return
            states.append(int(parse_lines(chunk, byte, repeat, roles, ids[:, part], rating[part], time[part])))

    with pool() as run:
        run(work, range(available()))
    status = _ODD if _ODD in states else max(states)
    stop = max(rows)
    if not has_ratings:
        rating[:stop] = 1
    columns = {"user": ids[0, :stop], "item": ids[1, :stop], "rating": rating[:stop]}
    return status, columns | ({"time": time[:stop]} if has_times else {})


def _numbered(content: Bytes) -> Iterator[tuple[Bytes, slice]]:
    """Cut a text into chunks of whole lines, with the rows they will be. The last line gets its line end."""
    from palate.kernels.text import count_lines

    start, row = 0, 0
    while start < len(content):
        stop = start + _CHUNK
        newline = content[max(start, stop - _LONGEST_LINE) : stop].tobytes().rfind(b"\n")
        if stop >= len(content) or newline < 0:
            chunk, stop = np.append(content[start:], np.uint8(10)), len(content)
            chunk.setflags(write=False)  # as the other chunks are: Numba compiles for each kind
        else:
            stop = max(start, stop - _LONGEST_LINE) + newline + 1
            chunk = content[start:stop]
        rows = int(count_lines(chunk))
        yield chunk, slice(row, row + rows)
        start, row = stop, row + rows
