"""Tables in memory: data frames, arrays, sparse matrices, lists of rows, dictionaries; and Parquet and Arrow files."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import IOBase
from pathlib import Path
from typing import Any

import numpy as np

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.names import find_roles
from palate.reading.objects import from_array, from_objects
from palate.reading.pandas import read_pandas
from palate.reading.raw import RawTable, from_columns
from palate.reading.table import BadLines, row_number, shortened

__all__ = ["binary_reader", "read_frame"]

# How many values that are no rows are shown.
_SHOWN = 3


# Rows of a Parquet file that are decoded at a time.
_ROWS = 1 << 20


# The bytes are read first: Polars would map the file, and a program that cuts it short meanwhile would end the process.
def _read_parquet(path: str) -> pl.DataFrame:
    """Read some rows at a time, and keep whole numbers in half of their memory where they fit."""
    lazy = pl.scan_parquet(Path(path).read_bytes())
    starts = range(0, max(1, lazy.select(pl.len()).collect().item()), _ROWS)
    return pl.concat([_narrowed(lazy.slice(start, _ROWS).collect()) for start in starts], how="vertical_relaxed")


def _narrowed(frame: pl.DataFrame) -> pl.DataFrame:
    low, high = -(2**31), 2**31 - 1
    small = [
        column.name
        for column in frame
        if column.dtype == pl.Int64 and column.len() > column.null_count()
        if column.min() >= low and column.max() <= high  # type: ignore[operator]
    ]
    return frame.with_columns(pl.col(small).cast(pl.Int32)) if small else frame


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
    ".arrows": (b"\xff\xff\xff\xff", _read_arrow),  # a stream
    ".feather": (b"ARROW1", _read_arrow),
    ".ipc": (b"ARROW1", _read_arrow),
}


def binary_reader(path: str | os.PathLike[str]) -> Callable[[], RawTable] | None:
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
            return lambda: _read_file(reader, os.fspath(path))
    return None


def _read_file(reader: Callable[[str], pl.DataFrame], source: str) -> RawTable:
    try:
        with _silent_panics():
            frame = reader(source)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReadError(f"{source} is damaged or of another format: {reason}") from error
    return from_polars(frame, source)


@contextmanager
def _silent_panics() -> Iterator[None]:
    """Keep from standard error what Polars says there when a damaged file makes it panic; all else is passed on."""
    try:
        sys.stderr.flush()
        original = os.dup(2)
    except (OSError, AttributeError, ValueError):  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        panicked = False
        try:
            yield
        except pl.exceptions.PanicException:
            panicked = True
            raise
        finally:
            with suppress(OSError, AttributeError, ValueError):
                sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            caught.seek(0)
            said = caught.read()
            if said and not panicked and b"panicked" not in said:
                os.write(2, said)


def read_frame(source: Any) -> RawTable:
    """Read a table in memory: see `palate.reading.read_table`.

    Raises
    ------
    ReadError
        If it is no table of at least two columns.
    """
    parts = source if isinstance(source, (list, tuple)) else [source]
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        raise ReadError("masked arrays are not read, as their masks would be lost: compress or fill them first")
    if isinstance(source, pl.LazyFrame):
        source = source.collect()
    if isinstance(source, pl.DataFrame):
        return from_polars(source, "the polars frame")
    if type(source).__module__.split(".")[0] == "pandas":
        return read_pandas(source)
    if hasattr(source, "tocoo") and hasattr(source, "nnz"):
        return _read_sparse(source)
    if hasattr(source, "__arrow_c_stream__"):
        try:
            return from_polars(pl.DataFrame(source), "the Arrow table")
        except pl.exceptions.PolarsError as error:
            raise ReadError(f"an object of type {type(source).__name__} is no table of three columns") from error
    if isinstance(source, np.ndarray):
        return _read_array(np.asarray(source))  # a matrix has two dimensions also where it is one column
    if isinstance(source, Mapping):
        return _read_mapping(source)
    if isinstance(source, Iterator) and not isinstance(source, IOBase):
        source = list(source)
    if isinstance(source, (list, tuple)):
        return _read_rows(source)
    if hasattr(source, "__array__"):  # such as a tensor
        return _read_array(np.asarray(source))
    raise ReadError(
        f"an object of type {type(source).__name__} is no table: hand over a path, a data frame, an array with three "
        "columns, three arrays, a list of (user, item, rating), or a sparse matrix"
    )


def from_polars(frame: pl.DataFrame, source: str) -> RawTable:
    """Make a raw table of a polars frame."""
    return from_columns(frame.columns, lambda position: frame[:, position], frame.width, source)


def _read_array(source: np.ndarray[Any, Any]) -> RawTable:
    fields = source.dtype.names
    if fields:
        return from_columns(fields, lambda position: from_array(source[fields[position]]), len(fields), "the array")
    if source.ndim != 2 or source.shape[1] < 2:
        raise ReadError(f"an array of shape {source.shape} is no table: (n, 3) with user, item and rating is expected")
    names = _header(source[0].tolist()) if len(source) and source.dtype.kind in "OSU" else None
    body = source if names is None else source[1:]
    return from_columns(names, lambda position: from_array(body[:, position]), body.shape[1], "the array", first=0)


def _read_sparse(source: Any) -> RawTable:
    matrix = source.tocsr().tocoo()  # adds up what is stored twice, as SciPy does wherever it computes
    if len(matrix.shape) != 2:
        raise ReadError(f"a sparse array of shape {matrix.shape} is no table: (users, items) is expected")
    columns = [from_array(part) for part in (matrix.row, matrix.col, matrix.data)]
    note = "the rows of the sparse matrix are users, its columns items, both counted from 0; stored values are ratings"
    names = ("user", "item", "rating")
    return from_columns(names, columns.__getitem__, 3, "the sparse matrix", note=note)


def _read_mapping(source: Mapping[Any, Any]) -> RawTable:
    values = list(source.values())
    if values and all(isinstance(value, Mapping) for value in values):
        if {"user", "item"} <= find_roles(list(map(str, source))).keys():
            return _read_indexed(source)
        if {"user", "item"} <= find_roles(list(map(str, values[0]))).keys():  # as pandas makes with orient="index"
            return replace(_read_rows(values), source="the dictionary")
        rows = [(user, item, rating) for user, rated in source.items() for item, rating in rated.items()]
        columns = [from_objects(column) for column in zip(*rows, strict=True)] or [pl.Series([])] * 3
        note = "users are the keys of the dictionary, items those of the dictionaries in it"
        return from_columns(("user", "item", "rating"), columns.__getitem__, 3, "the dictionary", note=note)
    if values and all(isinstance(key, tuple) and len(key) == 2 for key in source):
        columns = [from_objects(column) for column in zip(*source, strict=True)] + [from_objects(values)]
        return from_columns(("user", "item", "rating"), columns.__getitem__, 3, "the dictionary")
    if not values or not all(
        (isinstance(value, Sequence) and not isinstance(value, str)) or hasattr(value, "__array__") for value in values
    ):
        raise ReadError(
            "a dictionary is read as {user: {item: rating}}, {(user, item): rating} or {column: values}, not as {"
            f"{next(iter(source), '')!r}: {type(values[0]).__name__ if values else 'nothing'}}}"
        )
    if len({len(value) for value in values}) > 1:
        raise ReadError(f"the columns of the dictionary have different lengths: {[len(value) for value in values]}")
    names = list(map(str, source))
    columns = [_any_column(value) for value in values]
    raw = from_columns(names, columns.__getitem__, len(columns), "the dictionary")
    if len(names) != 2 or find_roles(names):
        return raw
    doubt = (
        f"a dictionary of {names[0]!r} and {names[1]!r} may hold columns, or the items of two users: name columns "
        "'user' and 'item', or hand over a list of (user, item)"
    )
    return replace(raw, doubt=doubt)


def _read_indexed(source: Mapping[Any, Mapping[Any, Any]]) -> RawTable:
    """Read {column: {row: value}}, as pandas makes of a frame by `to_dict` and `to_json`."""
    labels = list(dict.fromkeys(label for column in source.values() for label in column))
    columns = [from_objects([column.get(label) for label in labels]) for column in source.values()]
    note = "the keys of the dictionary are columns, those of the dictionaries in it rows"
    return from_columns(list(map(str, source)), columns.__getitem__, len(columns), "the dictionary", note=note)


def _any_column(values: Any) -> pl.Series:
    return from_objects(list(values)) if isinstance(values, Sequence) else from_array(values)


def _read_rows(source: Sequence[Any]) -> RawTable:
    if len(source) in (2, 3, 4) and all(hasattr(part, "__array__") for part in source):
        return _read_arrays(source)
    if isinstance(source, tuple) and 2 <= len(source) <= 4 and all(isinstance(part, list) for part in source):
        size = len(source[0])
        if size <= 4 and all(len(part) == size for part in source):
            raise ReadError(
                f"{len(source)} lists of {size} may be rows or columns: hand over a list of rows, or arrays"
            )
        if all(len(part) == size for part in source):
            return _read_columns([from_objects(part) for part in source], "the lists")
    if source and all(isinstance(row, Mapping) for row in source):
        keys = list(dict.fromkeys(str(name) for row in source for name in row))
        columns = [from_objects([row.get(name) for row in source]) for name in keys]
        return from_columns(keys, columns.__getitem__, len(keys), "the list")
    sizes = [len(row) if _is_row(row) else 0 for row in source]
    width = next(iter(Counter(size for size in sizes if size > 1).most_common(1)), (0, 0))[0]
    if source and width == 0:
        raise ReadError(f"the list, row 1 is {shortened(repr(source[0]))}: (user, item, rating) is expected")
    at = [number for number, size in enumerate(sizes) if size == width]
    fields = getattr(source[at[0]], "_fields", None) if at else None  # of named tuples
    header = _header(source[at[0]]) if fields is None and at else None
    at = at if header is None else at[1:]
    names = header if fields is None else list(fields)
    odd = [number for number, size in enumerate(sizes) if size != width]
    faults = [f"is {shortened(repr(source[number]))}, {width} values are expected" for number in odd[:_SHOWN]]
    bad = BadLines([row_number(number) for number in odd], faults) if odd else None
    rows = list(zip(*(source[number] for number in at), strict=True)) or [()] * (width or 3)
    raw = from_columns(names, lambda position: from_objects(rows[position]), len(rows), "the list")
    return raw.with_parts(locate=lambda row: row_number(at[row]), bad=bad)


def _header(row: Sequence[Any]) -> list[str] | None:
    """Return the names of columns if a first row holds them, as rows of a spreadsheet or of Python's csv do."""
    names = [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in row]
    is_header = all(isinstance(name, str) for name in names) and len(find_roles(names)) >= 2
    return names if is_header else None


def _is_row(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 1
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _read_arrays(source: Sequence[Any]) -> RawTable:
    arrays = [np.asarray(part) for part in source]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or arrays[0].ndim != 1:
        raise ReadError(f"user, item and rating must be arrays of one length, not of shapes {shapes}")
    return _read_columns([from_array(array) for array in arrays], "the arrays")


def _read_columns(columns: Sequence[pl.Series], source: str) -> RawTable:
    return from_columns(None, columns.__getitem__, len(columns), source)
