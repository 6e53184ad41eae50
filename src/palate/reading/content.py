"""The bytes of a file, a pipe or standard input, read once and kept: no program can cut them short afterwards."""

from __future__ import annotations

import os
import select
import stat
import sys
import time

import numpy as np
from numpy.typing import NDArray

from palate.errors import ReadError

__all__ = ["STDIN", "read_content", "source_name"]

# The path that stands for standard input.
STDIN = "-"

# Of names, in messages; longer ones are no names of files.
_LONGEST, _SHOWN = 4096, 60
_CHUNK = 1 << 20
# For how many seconds a named pipe waits for a program that writes into it, and how often it looks.
_PATIENCE, _LOOK = 10.0, 0.05


def source_name(path: str | os.PathLike[str]) -> str:
    """Name a path for people, in one line: it may be the text of a whole table, by mistake."""
    name = os.fspath(path)
    if name == STDIN:
        return "standard input"
    return name if len(name) <= _LONGEST and "\n" not in name else f"{name[:_SHOWN]!r}…"


def read_content(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Return the content of a file or pipe, or of standard input ("-").

    Raises
    ------
    ReadError
        If it is missing, a folder, a device without end, or a pipe into which nothing writes, or cannot be read.
    """
    name = source_name(path)
    try:
        if os.fspath(path) == STDIN:
            return np.frombuffer(sys.stdin.buffer.read() if sys.stdin is not None else b"", np.uint8)
        with open(path, "rb", buffering=0, opener=_open_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISFIFO(mode):
                return np.frombuffer(_read_pipe(file.fileno(), name), np.uint8)
            if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not file.isatty()):
                raise ReadError(f"{name} is a device, not a file: name a file, a pipe or - for standard input")
            if stat.S_ISREG(mode) and os.fstat(file.fileno()).st_size:
                return np.fromfile(file, np.uint8)
            os.set_blocking(file.fileno(), True)
            return np.frombuffer(file.readall(), np.uint8)  # a terminal, or a file of the kernel without a size
    except FileNotFoundError as error:
        raise ReadError(f"{name} does not exist") from error
    except IsADirectoryError as error:
        raise ReadError(f"{name} is a directory: name the file in it") from error
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise ReadError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _open_at_once(path: str, flags: int) -> int:
    # A pipe without a writer would not open at all.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_pipe(handle: int, name: str) -> bytes:
    parts: list[bytes] = []
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            part = os.read(handle, _CHUNK)
        except BlockingIOError:  # a program has opened the pipe and computes
            deadline = 0.0
            select.select([handle], [], [])
            continue
        if part:
            parts.append(part)
        elif parts or not deadline:
            return b"".join(parts)
        elif time.monotonic() > deadline:
            raise ReadError(f"{name} is a pipe into which no program writes: start that program first")
        else:
            time.sleep(_LOOK)
