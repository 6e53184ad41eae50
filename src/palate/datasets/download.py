"""Fetching a file: several addresses, resumable, checked, and never half a file in place.

A download grows in a `.part` file that only one process owns, so two processes at once cost a second download but do
no damage.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen
from uuid import uuid4

from palate.errors import DownloadError

__all__ = ["TIMEOUT", "Progress", "cache_folder", "fetch"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have arrived and the bytes expected, None if the server does not say."""

TIMEOUT = 30.0
"""Seconds without a byte before an address is given up."""

_ATTEMPTS = 3  # of one address, as long as each brings some bytes more
_ABANDONED = 600.0  # seconds after which nobody writes to a part any more: many times TIMEOUT
_CHUNK = 1 << 16


class _WrongContentError(Exception):
    """A file arrived completely, but is not the one that was asked for."""


def cache_folder() -> Path:
    """Return the folder that holds fetched data sets: $PALATE_CACHE, or the user's cache. It need not exist."""
    if chosen := os.environ.get("PALATE_CACHE"):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("palate")


def fetch(
    urls: Sequence[str],
    target: Path,
    *,
    check: Callable[[Path], str] | None = None,
    progress: Progress | None = None,
    timeout: float = TIMEOUT,
) -> None:
    """Download a file from the first address that delivers it.

    Parameters
    ----------
    urls
        Addresses of the same file, the preferred one first.
    target
        Where the file appears, complete or not at all. What an earlier call left behind is continued.
    check
        Says what is wrong with a complete file, "" if nothing is.
    progress
        Called after each piece.
    timeout
        Seconds without a byte before an address is given up.

    Raises
    ------
    DownloadError
        If no address delivers the file, with the reason for each.
    """
    _make(target.parent)
    part = _claim(target)
    reasons = []
    try:
        for url in urls:
            reason = _try(url, part, check, progress, timeout)
            if not reason:
                os.replace(part, target)
                return
            reasons.append(f"{url} ({reason})")
    finally:
        _release(part, target)
    raise DownloadError(
        f"cannot fetch {target.name}: {'; '.join(reasons)}; "
        f"put {target.name} into {target.parent} by hand, or give a folder that holds its files with --folder"
    )


def _try(url: str, part: Path, check: Callable[[Path], str] | None, progress: Progress | None, timeout: float) -> str:
    """Fetch one address into part. Returns "" or the reason why it failed."""
    reason = ""
    for _ in range(_ATTEMPTS):
        before = _size(part)
        try:
            _transfer(url, part, progress, timeout)
            if wrong := check(part) if check else "":
                raise _WrongContentError(wrong)
            return ""
        except _WrongContentError as problem:
            # A continued file may mix two versions or two addresses: it deserves one try from the start.
            part.unlink(missing_ok=True)
            reason = str(problem)
            if not before:
                break
        except (OSError, HTTPException) as problem:
            reason = _reason(problem, timeout)
            if _size(part) <= before:
                break
    return reason


def _transfer(url: str, part: Path, progress: Progress | None, timeout: float) -> None:
    start = _size(part)
    headers = {"User-Agent": "palate"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urlopen(Request(url, headers=headers), timeout=timeout)
    except HTTPError as problem:
        problem.close()
        if problem.code == 416:
            raise _WrongContentError("the server has less than what was fetched before") from None
        raise
    with response:
        if start and not _continues(response, start):
            start = 0  # the server ignored the range and sends everything
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            done = start
            while piece := response.read(_CHUNK):
                file.write(piece)
                done += len(piece)
                if progress:
                    progress(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"the connection broke after {done:,} of {total:,} bytes")


def _continues(response: IO[bytes], start: int) -> bool:
    if response.status != 206:  # type: ignore[attr-defined]
        return False
    if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):  # type: ignore[attr-defined]
        raise _WrongContentError("the server sent another part of the file than it was asked for")
    return True


def _reason(problem: Exception, timeout: float) -> str:
    if isinstance(problem, HTTPError):
        return f"HTTP {problem.code} {problem.reason}".rstrip()
    if isinstance(problem, URLError) and isinstance(problem.reason, Exception):
        problem = problem.reason
    if isinstance(problem, TimeoutError):
        return f"nothing came for {timeout:g} s"
    text = str(problem) or type(problem).__name__
    return " ".join(text.split())


def _claim(target: Path) -> Path:
    """Make what earlier calls left of the target ours, by a rename that only one process can win."""
    own = target.with_name(f"{target.name}.{uuid4().hex[:12]}.part")
    now = time.time()
    # A killed process cannot release its part: it is taken over once it has rested for long enough.
    abandoned = (path for path in target.parent.glob(f"{target.name}.*.part") if now - _modified(path) > _ABANDONED)
    for left in (_released(target), *abandoned):
        with suppress(OSError):
            left.rename(own)
            break
    return own


def _release(part: Path, target: Path) -> None:
    if not _size(part):
        part.unlink(missing_ok=True)
    elif part.exists():
        os.replace(part, _released(target))


def _released(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process took it
        return float("inf")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as problem:
        reason = problem.strerror or problem
        raise DownloadError(
            f"cannot write to the cache folder {folder} ({reason}): set PALATE_CACHE to one that can be written"
        ) from problem
