"""Fetching a file into the cache with pooch: several addresses, resumable, checked, and never half a file in place."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palate.errors import DownloadError

if TYPE_CHECKING:
    from requests import Response

__all__ = ["TIMEOUT", "Progress", "cache_folder", "fetch"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have arrived and the bytes expected, None if the server does not say."""

TIMEOUT = 30.0
"""Seconds without a byte before an address is given up."""

_RETRIES = 2  # of one address, after the connection broke
_CHUNK = 1 << 16


class _WrongContentError(ValueError):
    """What arrived, together with what an earlier call left, is not the file. Pooch starts again after a ValueError."""


class _RefusedError(Exception):
    """The address cannot deliver the file. Pooch lets this error pass and tries no further."""


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
    """Download a file, unless it is there already, from the first address that delivers it.

    Parameters
    ----------
    urls
        Addresses of the same file, the preferred one first. (Pooch knows one address for each file.)
    target
        Where the file appears, complete or not at all. What an interrupted call left behind is continued.
    check
        Says what is wrong with a complete file, "" if nothing is.
    progress
        Called after each piece.
    timeout
        Seconds without a byte before an address is given up.

    Raises
    ------
    DownloadError
        If no address delivers the file, with the reason for each, or if the file cannot be written.
    """
    import pooch
    from requests import RequestException

    download = _Download(target.with_name(f"{target.name}.part"), check, progress, timeout)
    reasons = []
    for url in urls:
        store = pooch.create(
            target.parent, "", registry={target.name: None}, urls={target.name: url}, retry_if_failed=_RETRIES
        )
        try:
            with _silent(pooch.get_logger()):
                store.fetch(target.name, downloader=download)
            return
        except (RequestException, ValueError, _RefusedError) as error:
            reasons.append(f"{url} ({error})")
        except OSError as error:  # no folder, no permission, or no space left
            raise DownloadError(
                f"cannot write to the cache folder {target.parent} ({error.strerror or error}): "
                "set PALATE_CACHE to a folder that can be written and has space"
            ) from error
    raise DownloadError(
        f"cannot fetch {target.name}: {'; '.join(reasons)}; "
        f"put {target.name} into {target.parent} by hand, or give a folder that holds its files with --folder"
    )


@dataclass(frozen=True)
class _Download:
    """Fills the temporary file of pooch, which checks nothing but hashes, shows chunks for bytes and cannot resume.

    Parameters
    ----------
    part
        Where an interrupted download is left for the next call.
    check, progress, timeout
        See `fetch`.
    """

    part: Path
    check: Callable[[Path], str] | None
    progress: Progress | None
    timeout: float

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        output = Path(output_file)
        with suppress(FileNotFoundError):
            os.replace(self.part, output)  # of several processes only one can do this
        start = output.stat().st_size
        try:
            self._transfer(url, output, start)
        except (_WrongContentError, _RefusedError):
            raise
        except BaseException:  # the connection broke, the disk is full, or Ctrl-C
            if output.stat().st_size:
                os.replace(output, self.part)
            raise
        if wrong := self.check(output) if self.check else "":
            # A continued file may mix two versions or two addresses: the file deserves one try from the start.
            raise _WrongContentError(wrong) if start else _RefusedError(wrong)

    def _transfer(self, url: str, output: Path, start: int) -> None:
        import requests

        headers = {"User-Agent": "palate", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            response = requests.get(url, headers=headers, stream=True, timeout=self.timeout)
        except requests.RequestException as error:
            raise _RefusedError(_reason(error, self.timeout)) from error
        with response:
            done = _first_byte(response, start)
            length = response.headers.get("Content-Length", "")
            total = done + int(length) if length.isdecimal() else None
            with output.open("r+b") as file:
                file.seek(done)
                file.truncate()
                try:
                    for piece in response.iter_content(_CHUNK):
                        file.write(piece)
                        done += len(piece)
                        if self.progress:
                            self.progress(done, total)
                except requests.RequestException as error:
                    known = "an unknown number of" if total is None else f"{total:,}"
                    broken = f"the connection broke after {done:,} of {known} bytes"
                    raise requests.ConnectionError(broken) from error


def _first_byte(response: Response, start: int) -> int:
    """Return where in the file the content of a response begins."""
    if start and response.status_code == 416:
        raise _WrongContentError("the server has less than what was fetched before")
    if response.status_code >= 400:
        raise _RefusedError(f"HTTP {response.status_code} {response.reason}".rstrip())
    if response.status_code != 206:
        return 0  # the server sends everything, whatever range was asked for
    if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise _WrongContentError("the server sent another part of the file than it was asked for")
    return start


def _reason(error: BaseException, timeout: float) -> str:
    """Say in a few words what lies at the bottom of an error of requests, which wraps those of urllib3."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    if isinstance(error, TimeoutError):
        return f"nothing came for {timeout:g} s"
    return " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from printing where it fetches from: progress and errors are shown by the caller."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
