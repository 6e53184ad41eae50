"""MovieLens: stars for films, collected by GroupLens at the University of Minnesota."""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from palate.catalogue import Catalogue
from palate.datasets.archive import Archive, find, publish
from palate.datasets.download import Progress
from palate.errors import DownloadError, ReadError
from palate.ratings import Ratings, RatingScale

__all__ = ["LATEST_SMALL", "ML_100K", "load_100k", "load_latest_small", "provide_100k", "unpack_wheel"]

ML_100K = Archive(
    folder="ml-100k",
    urls=("https://files.grouplens.org/datasets/movielens/ml-100k.zip",),
    rows={"u.data": None, "u.item": None},
    sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
)
# GroupLens replaces this one from time to time, so nothing about it is fixed.
LATEST_SMALL = Archive(
    folder="ml-latest-small",
    urls=("https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",),
    rows={"ratings.csv": None, "movies.csv": None},
)

_WHEEL = "recbole==1.2.1"
_U_DATA_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"
_PIP_TIMEOUT = 300


def load_100k(folder: Path | None, progress: Progress | None) -> tuple[Ratings, Catalogue | None]:
    """Read MovieLens 100K from the cache, or from a folder with u.data and perhaps u.item.

    Raises
    ------
    DownloadError
        If neither GroupLens nor the package index can be reached.
    ReadError
        If the folder lacks the ratings, or a file cannot be read.
    """
    source = provide_100k(progress) if folder is None else folder
    return _read(source, "u.data", "u.item", RatingScale(1, 5))


def load_latest_small(folder: Path | None, progress: Progress | None) -> tuple[Ratings, Catalogue | None]:
    """Read MovieLens latest-small from the cache, or from a folder with ratings.csv and perhaps movies.csv.

    Raises
    ------
    DownloadError
        If GroupLens cannot be reached.
    ReadError
        If the folder lacks the ratings, or a file cannot be read.
    """
    source = LATEST_SMALL.provide(progress) if folder is None else folder
    return _read(source, "ratings.csv", "movies.csv", RatingScale(0.5, 5))


def _read(folder: Path, table: str, films: str, scale: RatingScale) -> tuple[Ratings, Catalogue | None]:
    from palate.reading import read_catalogue, read_ratings

    ratings = read_ratings(find(folder, table), user=0, item=1, rating=2, time=3, scale=scale)
    try:
        titles = find(folder, films)
    except ReadError:  # ratings are useful without the titles
        return ratings, None
    return ratings, read_catalogue(titles)


def provide_100k(progress: Progress | None) -> Path:
    """Return the folder with u.data and u.item: from GroupLens, else out of a wheel from the user's package index.

    Raises
    ------
    DownloadError
        If neither delivers them.
    """
    if not ML_100K.is_cached() and not ML_100K.file().exists():
        try:
            ML_100K.fetch(progress)
        except DownloadError as official:
            try:
                _fetch_wheel(ML_100K.path())
            except DownloadError as mirror:
                raise DownloadError(f"{official}; nor out of the wheel {_WHEEL}: {mirror}") from None
    return ML_100K.provide(progress)


def _fetch_wheel(folder: Path) -> None:
    # The data are plain text, so the wheel's own limits on Python versions do not matter here.
    command = [sys.executable, "-m", "pip", "download", _WHEEL, "--no-deps", "--only-binary", ":all:"]
    command += ["--python-version", "3.11", "--disable-pip-version-check", "--no-input", "--quiet"]
    with tempfile.TemporaryDirectory(prefix="palate-") as place:
        try:
            done = subprocess.run([*command, "--dest", place], capture_output=True, text=True, timeout=_PIP_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise DownloadError(f"pip did not finish ({problem})") from problem
        wheels = list(Path(place).glob("*.whl"))
        if done.returncode or not wheels:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise DownloadError(f"pip says: {lines[-1].strip()}")
        unpack_wheel(wheels[0], folder)


def unpack_wheel(wheel: Path, folder: Path) -> None:
    """Write u.data and u.item, in GroupLens' layout, from recbole's copy of MovieLens 100K.

    Raises
    ------
    DownloadError
        If the wheel does not hold the ratings that GroupLens published.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            table = archive.read("recbole/dataset_example/ml-100k/ml-100k.inter")
            films = archive.read("recbole/dataset_example/ml-100k/ml-100k.item").decode()
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as problem:
        raise DownloadError(f"{wheel.name} does not hold MovieLens 100K: {problem}") from problem
    _, _, data = table.partition(b"\n")  # without the header it is u.data, byte for byte
    if hashlib.sha256(data).hexdigest() != _U_DATA_SHA256:
        raise DownloadError(f"the ratings in {wheel.name} are not those that GroupLens published")
    folder.mkdir(parents=True, exist_ok=True)
    publish(folder / "u.data", data)
    publish(folder / "u.item", _u_item(films))


def _u_item(films: str) -> bytes:
    """Film number, title with year and 22 fields that palate does not read, separated by bars, in Latin-1."""
    rows = csv.reader(io.StringIO(films), delimiter="\t", quoting=csv.QUOTE_NONE)
    next(rows)
    lines = []
    for number, title, year, *_ in rows:
        # One film of 1,682 is "unknown", without a year; the wheel misspells it.
        name = "unknown" if title == "unkonwn" else f"{title} ({year})"
        lines.append(f"{number}|{name}" + "|" * 22 + "\n")
    return "".join(lines).encode("latin-1")
