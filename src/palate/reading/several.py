"""Several files as one table: a list of paths, a folder, or a pattern such as ratings-*.csv."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.mixed_ids import IdPart, MixedIds, mixed_ids, odd_id
from palate.reading.source import STDIN
from palate.reading.table import BadLines, Table

__all__ = ["list_files", "read_several"]


def list_files(source: Any) -> list[str] | None:
    """Return the files that a source names, or None if it names one, or none.

    Raises
    ------
    ReadError
        If it is a folder without files, or with files of several kinds, or a pattern that no file matches.
    """
    if isinstance(source, (list, tuple)) and source and all(isinstance(part, (str, os.PathLike)) for part in source):
        return [os.fspath(part) for part in source]
    if not isinstance(source, (str, os.PathLike)) or os.fspath(source) == STDIN:
        return None
    name = os.fspath(source)
    try:
        path = Path(name)
        if path.is_dir():
            return _in_folder(path, name)
        if path.exists() or not glob.has_magic(name):
            return None
    except (OSError, ValueError):
        return None  # reading it will say why
    files = sorted(path for path in glob.glob(name, recursive=True) if Path(path).is_file())
    if not files:
        raise ReadError(f"no file matches {name}")
    return files


def _in_folder(path: Path, name: str) -> list[str]:
    files = sorted(file for file in path.iterdir() if file.is_file() and file.name[0] not in "._")
    if not files:
        raise ReadError(f"{name} is a directory without files: name the file, or a pattern such as {name}/*/*.csv")
    kinds = {
        "".join(file.suffixes[-2:] if file.suffix in (".gz", ".bz2", ".xz", ".zst") else [file.suffix])
        for file in files
    }
    if len(kinds) > 1:
        some = ", ".join(file.name for file in files[:4]) + ", …" * (len(files) > 4)
        raise ReadError(
            f"{name} is a directory of several kinds of files ({some}): name the file, or a pattern of them"
        )
    return [os.fspath(file) for file in files]


def read_several(files: Sequence[str], read: Callable[[str], Table]) -> Table:
    """Read files one after the other into one table.

    Raises
    ------
    ReadError
        If one of them cannot be read, or only some have ratings or times.
    """
    tables = [read(file) for file in files]
    if len(tables) == 1:
        return tables[0]
    timed = [table.has_times for table in tables]
    if any(timed) and not all(timed):
        with_times, without = files[timed.index(True)], files[timed.index(False)]
        raise ReadError(f"{with_times} has times and {without} has none: leave them out with time=False (--no-time)")
    rated = [table.has_ratings for table in tables]
    if any(rated) and not all(rated):
        with_ratings, without = files[rated.index(True)], files[rated.index(False)]
        raise ReadError(
            f"{with_ratings} has ratings and {without} has none: read choices of all with rating=False (--columns "
            "USER,ITEM), or leave that file out"
        )
    columns = {
        role: _concatenated([table.frame[role] for table in tables])
        for role in ("user", "item", "rating", "time")[: 3 + timed[0]]
    }
    starts = np.array([0, *accumulate(len(table) for table in tables)])

    def locate(row: int) -> str:
        number = int(np.searchsorted(starts, row, side="right")) - 1
        return f"{files[number]}, {tables[number].locate(row - int(starts[number]))}"

    bad = [
        (f"{table.source}, {place}", fault)
        for table in tables
        if table.bad is not None
        for place, fault in _padded(table.bad)
    ]
    notes = [f"{len(files)} files, {files[0]} to {files[-1]}", *tables[0].notes]
    notes += [f"{table.source}: {note}" for table in tables[1:] for note in table.notes if note not in tables[0].notes]
    for role in ("user", "item"):
        notes += _mixed_ids(role, files, tables)
    faults = BadLines([place for place, _ in bad], [fault for _, fault in bad if fault]) if bad else None
    return Table(pl.DataFrame(columns), f"{len(files)} files", tuple(notes), locate, faults, rated[0])


def _mixed_ids(role: str, files: Sequence[str], tables: Sequence[Table]) -> list[MixedIds]:
    """Say that the ids of some files are integers and those of others text."""
    columns = [table.frame[role].drop_nulls() for table in tables]
    if len({column.dtype == pl.String for column in columns}) == 1:
        return []
    texts = [odd_id(column.unique(maintain_order=True)) if column.dtype == pl.String else None for column in columns]
    return mixed_ids(role, [IdPart(*part) for part in zip(files, map(len, columns), texts, strict=True)])


def _padded(bad: BadLines) -> list[tuple[str, str]]:
    return [(place, bad.faults[at] if at < len(bad.faults) else "") for at, place in enumerate(bad.places)]


def _concatenated(columns: Sequence[pl.Series]) -> pl.Series:
    kinds = {column.dtype for column in columns}
    if len(kinds) > 1:
        common = pl.String if pl.String in kinds else pl.Float64 if pl.Float64 in kinds else pl.Int64
        columns = [column.cast(common) for column in columns]
    return pl.concat(columns)
