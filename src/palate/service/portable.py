"""What operating systems do differently: locks, reads at a position, permissions and priorities.

Everything else in the service is the same on Linux, macOS and Windows. No module outside of this one uses a function
that only some of them have.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = [
    "allow_open_files",
    "exclusive_lock",
    "make_private",
    "open_at_once",
    "open_shared",
    "read_at",
    "start_in_background",
    "write_at",
]

# Flags that Windows, or only Windows, has.
_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
_CLOEXEC: int = getattr(os, "O_CLOEXEC", 0)
_BINARY: int = getattr(os, "O_BINARY", 0)
# Without pread and pwrite, seeking and reading are two steps that no other thread may come between.
_position_lock = threading.Lock()


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold a lock on a file while the block runs. The operating system releases it when the process ends.

    Windows locks a file beside it, because a file that is open there cannot be replaced.

    Raises
    ------
    BlockingIOError
        If another process, or another call in this process, holds the lock.
    OSError
        If the file cannot be read.
    """
    if sys.platform == "win32":
        with open(path.with_name(f".{path.name}.lock"), "ab") as file:
            _lock(file)
            yield
    else:
        with open(path, "rb") as file:
            _lock(file)
            yield


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for the other end of a pipe; an `opener` for `open`."""
    return os.open(path, flags | _NONBLOCK)


def open_shared(path: str) -> int:
    """Open a file that several processes of this user read and write, and make it if it does not exist."""
    return os.open(path, os.O_RDWR | os.O_CREAT | _NONBLOCK | _CLOEXEC | _BINARY, 0o600)


def read_at(handle: int, size: int, position: int) -> bytes:
    """Read up to `size` bytes from a position in an open file."""
    if hasattr(os, "pread"):
        return os.pread(handle, size, position)
    with _position_lock:
        os.lseek(handle, position, os.SEEK_SET)
        return os.read(handle, size)


def write_at(handle: int, content: bytes, position: int) -> None:
    """Write bytes to a position in an open file."""
    if hasattr(os, "pwrite"):
        os.pwrite(handle, content, position)
        return
    with _position_lock:
        os.lseek(handle, position, os.SEEK_SET)
        os.write(handle, content)


def make_private(path: Path) -> None:
    """Let only the owner read and write a file, where it exists and this user owns it.

    Windows has no such permission bits: a file there has the access rules of its folder.
    """
    if sys.platform == "win32":
        return
    with suppress(FileNotFoundError):
        state = os.stat(path)
        if state.st_uid == os.geteuid() and state.st_mode & 0o077:
            os.chmod(path, 0o600)


def allow_open_files(count: int) -> None:
    """Let this process and those that it starts have this number of open files, as far as the system allows that."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def start_in_background(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process with low priority and without output; its standard error is a pipe."""
    if sys.platform == "win32":
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            creationflags=subprocess.BELOW_NORMAL_PRIORITY_CLASS,
        )
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=_lower_priority
    )


def _lower_priority() -> None:
    if sys.platform != "win32":
        os.nice(10)
