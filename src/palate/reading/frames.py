"""Tables that are in memory already: data frames, arrays, lists of rows; and Parquet and Arrow files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.columns import Column, choose_columns
from palate.reading.table import Table, as_ids, as_ratings, from_objects

__all__ = ["binary_reader", "make_table", "read_frame"]


# The bytes are read first: Polars would map the file, and a program that cuts it short meanwhile would end the process.
def _read_parquet(path: str) -> pl.DataFrame:
    return pl.read_parquet(Path(path).read_bytes())


def _read_arrow(path: str) -> pl.DataFrame:
    content = Path(path).read_bytes()
    try:
        return pl.read_ipc(content)
    except pl.exceptions.PolarsError:
        return pl.read_ipc_stream(content)


_FILES: dict[str, tuple[bytes, Callable[[str], pl.DataFrame]]] = {
    ".parquet": (b"PAR1", _read_parquet),
    ".pq": (b"PAR1", _read_parquet),
    ".arrow": (b"ARROW1", _read_arrow),
    ".feather": (b"ARROW1", _read_arrow),
    ".ipc": (b"ARROW1", _read_arrow),
}


def binary_reader(path: str | os.PathLike[str]) -> Callable[[Mapping[str, Column]], Table] | None:
    """Return a reader if a path leads to a Parquet or Arrow file, by its name or its first bytes."""
    try:
        file = Path(path)
        if not file.is_file():
            return None
        with file.open("rb") as stream:
            head = stream.read(6)
    except (OSError, ValueError):
        return None  # reading it as text will say why
    for extension, (magic, reader) in _FILES.items():
        if head.startswith(magic) or (file.suffix.lower() == extension and head):
            return lambda told: _read_file(reader, os.fspath(path), told)
    return None


def _read_file(reader: Callable[[str], pl.DataFrame], source: str, told: Mapping[str, Column]) -> Table:
    try:
        frame = reader(source)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ReadError(f"{source} is damaged or of another format: {reason}") from error
    return make_table(frame.columns, lambda position: frame[:, position], told, source)


def read_frame(source: Any, told: Mapping[str, Column]) -> Table:
    """Read a table in memory: see `palate.reading.read_table`.

    Raises
    ------
    ReadError
        If it is no table of at least three columns.
    """
    parts = source if isinstance(source, (list, tuple)) else [source]
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        raise ReadError("masked arrays are not read, as their masks would be lost: compress or fill them first")
    if isinstance(source, pl.LazyFrame):
        source = source.collect()
    if isinstance(source, pl.DataFrame):
        return make_table(source.columns, lambda position: source[:, position], told, "the polars frame")
    if type(source).__module__.split(".")[0] == "pandas":
        return _read_pandas(source, told)
    if hasattr(source, "__arrow_c_stream__"):
        try:
            frame = pl.DataFrame(source)
        except pl.exceptions.PolarsError as error:
            raise ReadError(f"an object of type {type(source).__name__} is no table of three columns") from error
        return make_table(frame.columns, lambda position: frame[:, position], told, "the Arrow table")
    if isinstance(source, np.ndarray):
        return _read_array(source, told)
    if isinstance(source, (list, tuple)):
        return _read_rows(source, told)
    raise ReadError(
        f"an object of type {type(source).__name__} is no table: hand over a path, a data frame, an array with three "
        "columns, three arrays, or a list of (user, item, rating)"
    )


def make_table(
    names: Sequence[str] | None,
    column: Callable[[int], pl.Series],
    told: Mapping[str, Column],
    source: str,
    width: int | None = None,
) -> Table:
    """Make a table out of the columns of another.

    Parameters
    ----------
    names
        The names of the columns, or None.
    column
        Returns the column at a position.
    told
        Role → name or position, as the caller gave it.
    source
        For messages.
    width
        The number of columns where they have no names.
    """
    positions, note = choose_columns(names, len(names) if names is not None else width or 0, told, source)
    user, item, rating = (column(position) for position in positions)
    frame = {"user": as_ids(user, source), "item": as_ids(item, source), "rating": as_ratings(rating, source)}
    return Table(pl.DataFrame(frame), source, (note,))


def _read_pandas(source: Any, told: Mapping[str, Column]) -> Table:
    def column(position: int) -> pl.Series:
        # Not through Arrow: pandas need not have it.
        values = source.iloc[:, position]
        array = values.to_numpy()
        if array.dtype.kind in "iuf":
            return pl.Series(array)
        if array.dtype.kind in "Mm":
            return from_objects([str(value) for value in array])
        return from_objects([None if missing else value for value, missing in zip(array, values.isna(), strict=True)])

    if getattr(source, "ndim", 0) != 2:
        raise ReadError(f"a pandas {type(source).__name__} is no table: hand over a DataFrame with three columns")
    return make_table([str(name) for name in source.columns], column, told, "the pandas frame")


def _series(array: Any) -> pl.Series:
    array = np.asarray(array)
    if array.dtype.kind in "iuf":
        return pl.Series(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")))
    return from_objects(array.tolist())


def _read_array(source: np.ndarray[Any, Any], told: Mapping[str, Column]) -> Table:
    if source.dtype.names:
        return make_table(
            source.dtype.names, lambda position: _series(source[source.dtype.names[position]]), told, "the array"
        )
    if source.ndim != 2 or source.shape[1] < 3:
        raise ReadError(f"an array of shape {source.shape} is no table: (n, 3) with user, item and rating is expected")
    return make_table(None, lambda position: _series(source[:, position]), told, "the array", source.shape[1])


def _read_rows(source: Sequence[Any], told: Mapping[str, Column]) -> Table:
    if len(source) == 3 and all(hasattr(part, "__array__") for part in source):
        return _read_arrays(source, told)
    width = 3
    for number, row in enumerate(source):
        size = len(row) if isinstance(row, (Sequence, np.ndarray)) and not isinstance(row, str) else 0
        width = size if number == 0 and size > 3 else width
        if size != width:
            raise ReadError(f"the list, row {number + 1:,} is {row!r}: (user, item, rating) is expected")
    columns = list(zip(*source, strict=True)) or [()] * 3
    return make_table(None, lambda position: from_objects(columns[position]), told, "the list", width)


def _read_arrays(source: Sequence[Any], told: Mapping[str, Column]) -> Table:
    arrays = [np.asarray(part) for part in source]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or arrays[0].ndim != 1:
        raise ReadError(f"user, item and rating must be arrays of one length, not of shapes {shapes}")
    return make_table(None, lambda position: _series(arrays[position]), told, "the arrays", 3)
