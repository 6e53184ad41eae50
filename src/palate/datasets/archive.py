"""Published archives in the cache: fetched once, unpacked, and checked whenever they are read.

Each archive has a folder below `cache_folder`. Beside each file unpacked there lies its SHA-256, in the format of
`sha256sum`. (The unpacking of pooch keeps the folders of the archive and does not notice later damage.)
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from palate.datasets.download import Progress, cache_folder, fetch
from palate.errors import DownloadError, ReadError
from palate.files import replacing

__all__ = ["Archive", "find", "is_intact", "publish", "unpack"]

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A published zip file and the members that palate needs of it.

    Parameters
    ----------
    folder
        Name of the folder in the cache.
    urls
        Addresses of the same archive; the last part of the first one is its file name.
    rows
        File name of each member needed, and the number of lines it must have; None for any.
    sha256
        Checksum of the archive where its publisher's file is known to be fixed.
    """

    folder: str
    urls: tuple[str, ...]
    rows: Mapping[str, int | None]
    sha256: str | None = None

    def path(self) -> Path:
        """Return the folder in the cache. It need not exist."""
        return cache_folder() / self.folder

    def file(self) -> Path:
        """Return where the archive itself lies in the cache, if it does."""
        return self.path() / PurePosixPath(self.urls[0]).name

    def is_cached(self) -> bool:
        """Tell whether every member lies unpacked in the cache."""
        members = [self.path() / name for name in self.rows]
        return all(member.is_file() and _seal_of(member).is_file() for member in members)

    def fetch(self, progress: Progress | None = None) -> None:
        """Download the archive into the cache.

        Raises
        ------
        DownloadError
            If no address delivers it.
        """
        fetch(self.urls, self.file(), check=self.problem, progress=progress)

    def provide(self, progress: Progress | None = None) -> Path:
        """Return the folder with the unpacked members, fetching what is missing.

        Raises
        ------
        DownloadError
            If the archive cannot be fetched, or a file in the cache is damaged.
        """
        if not self.is_cached():
            if not self.file().exists():
                self.fetch(progress)
            elif wrong := self.problem(self.file()):  # put there by hand, or damaged later
                raise DownloadError(f"{self.file()}: {wrong}; delete it and try again")
            unpack(self.file(), list(self.rows), self.path())
        for name in self.rows:
            if not is_intact(self.path() / name):
                raise DownloadError(f"{self.path() / name} has changed since it was fetched: delete it and try again")
        return self.path()

    def problem(self, path: Path) -> str:
        """Say what is wrong with a copy of the archive, "" if nothing is."""
        if self.sha256 and (actual := _sha256(path)) != self.sha256:
            return f"its SHA-256 is {actual[:16]}…, expected {self.sha256[:16]}…"
        try:
            with zipfile.ZipFile(path) as archive:
                for name, rows in self.rows.items():
                    # Reading a member to its end also compares its CRC.
                    with archive.open(_member(archive, name)) as content:
                        lines = _count_lines(content)
                    if rows is not None and lines != rows:
                        return f"its {name} has {lines:,} lines, expected {rows:,}"
        except _UNREADABLE as problem:
            return f"not the expected zip file: {problem}"
        return ""


# What zipfile raises on a file that is no zip, is damaged, encrypted or packed in an unknown way.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def unpack(archive: Path, names: Sequence[str], folder: Path) -> None:
    """Unpack the named files into a folder; they may lie anywhere in the archive.

    Only the caller's own names become paths, so an archive cannot write anywhere else.
    """
    with zipfile.ZipFile(archive) as opened:
        for name in names:
            publish(folder / name, opened.read(_member(opened, name)))


def _count_lines(content: IO[bytes]) -> int:
    lines, last = 0, b"\n"
    while piece := content.read(_CHUNK):
        lines += piece.count(b"\n")
        last = piece[-1:]
    return lines + (last != b"\n")  # the last line may lack its end


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    matches = [info for info in archive.infolist() if PurePosixPath(info.filename).name == name]
    if not matches:
        raise zipfile.BadZipFile(f"it holds no {name}")
    return min(matches, key=lambda info: len(info.filename))


def publish(path: Path, content: bytes) -> None:
    """Put a file in place, complete or not at all, with its SHA-256 beside it."""
    line = f"{hashlib.sha256(content).hexdigest()}  {path.name}\n"
    for target, written in ((path, content), (_seal_of(path), line.encode())):
        with replacing(target) as temporary:
            temporary.write_bytes(written)


def is_intact(path: Path) -> bool:
    """Tell whether a published file still has the SHA-256 that was recorded."""
    return _seal_of(path).read_text("utf-8").split()[:1] == [_sha256(path)]


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find(folder: Path, *names: str) -> Path:
    """Return the first of the named files that lies in a folder.

    Raises
    ------
    ReadError
        If the path is no folder, or the folder holds none of the files.
    """
    if not folder.is_dir():
        raise ReadError(f"{folder} is not a folder: name the folder that holds {' or '.join(names)}")
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ReadError(f"{folder} holds no {' or '.join(names)}: name the folder where the data set was unpacked")
