"""A folder beside a file for its next version, which is removed even if the process that made it was killed."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["flush", "private_folder"]

# Where folders cannot be locked, a folder of this age in seconds is taken for left over.
_OLD = 86400.0
_LONGEST_NAME = 100


@contextmanager
def private_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, and remove it at the end.

    The process holds a lock on the folder, which the operating system releases when the process ends in whatever way.
    Folders for the same `path` that nobody holds are removed first.
    """
    _remove_left_overs(path)
    folder, handle = _make(path)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def flush(path: Path) -> None:
    """Wait until the disk has a file or a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make(path: Path) -> tuple[Path, int | None]:
    while True:
        folder = path.with_name(f".{path.name[:_LONGEST_NAME]}.{uuid4().hex}.tmp")
        folder.mkdir(0o700)
        handle = _lock(folder)
        # Another process may have removed the folder before it was locked.
        if folder.exists():
            return folder, handle
        if handle is not None:
            os.close(handle)


def _lock(folder: Path) -> int | None:
    """Return a handle that locks a folder, None where another process has the lock or folders cannot be locked."""
    if fcntl is None:
        return None
    handle = None
    try:
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if handle is not None:
            os.close(handle)
        return None
    return handle


def _remove_left_overs(path: Path) -> None:
    pattern = re.compile(re.escape(f".{path.name[:_LONGEST_NAME]}.") + r"[0-9a-f]{32}\.tmp")
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                handle = _lock(Path(entry))
                is_old = fcntl is None and time.time() - entry.stat().st_mtime > _OLD
                if handle is not None or is_old:
                    shutil.rmtree(entry, ignore_errors=True)
                if handle is not None:
                    os.close(handle)
