"""Python and NumPy objects as columns: one rule for the type of a column, whatever container its values were in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from typing import Any

import numpy as np

from palate.errors import ReadError
from palate.lazy import pl

__all__ = ["as_plain", "from_array", "from_objects"]


_DAYS = np.dtype("datetime64[D]")


def from_array(array: Any) -> pl.Series:
    """Make a column of an array, as `from_objects` does of its elements."""
    array = np.asarray(array)
    if array.dtype.kind in "iuf":
        return pl.Series(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")))
    if array.dtype.kind == "M":
        return pl.Series(array if array.dtype == _DAYS else array.astype("datetime64[us]"))
    return from_objects(array.tolist())


def from_objects(values: Sequence[Any]) -> pl.Series:
    """Make a column of Python objects: all integers, all numbers, all truth values, or else all text.

    Where a cell holds several values, every cell is a list of text.

    Examples
    --------
    >>> from_objects([7, "x", None]).to_list()
    ['7', 'x', None]
    >>> from_objects([np.str_("007"), "7"]).to_list()
    ['007', '7']
    """
    objects = [_python(value) for value in values]
    present = [None if _is_missing(value) else value for value in objects]
    kinds = {type(value) for value in present if value is not None}
    if all(_is_number(kind, "__index__") for kind in kinds):
        integers = [None if value is None else int(value) for value in present]
        if all(value is None or -(2**63) <= value < 2**63 for value in integers):
            # A column of NaN alone is one of numbers.
            return pl.Series(integers, dtype=pl.Int64) if kinds or not any(map(_is_nan, objects)) else _floats(objects)
    elif all(_is_number(kind, "__float__") for kind in kinds) and all(map(_is_exact, present)):
        return _floats(objects)
    elif kinds == {bool}:
        return pl.Series(present, dtype=pl.Boolean)
    nameless = next((kind.__name__ for kind in kinds if not _is_spelled(kind)), None)
    if nameless is not None:
        raise ReadError(f"an object of type {nameless} is no value of a table: hand over text or numbers")
    several = any(_holds_several(kind) for kind in kinds)
    spell, kind = (_members, pl.List(pl.String)) if several else (str, pl.String)
    texts = [None if value is None else spell(value) for value in present]
    try:
        return pl.Series(texts, dtype=kind)
    except UnicodeEncodeError as error:  # half of a character, as from a file name that is not UTF-8
        raise ReadError(f"{error.object[:40]!r} is no text that can be written: mend the value") from error


def as_plain(column: pl.Series, source: str, role: str) -> pl.Series:
    """Bring a column of Python objects to one type; other columns stay. A cell must hold one value.

    Raises
    ------
    ReadError
        If the column holds lists or the like. The message says that they cannot be the `role`, such as "ratings".
    """
    if column.dtype == pl.Object:
        return from_objects(column.to_list()).alias(column.name)
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Duration):
        name = f"column {column.name!r}" if column.name else "a column"
        raise ReadError(f"{source}: {name} holds {column.dtype} values, which cannot be {role}")
    return column


def _holds_several(kind: type) -> bool:
    return issubclass(kind, (list, tuple, Set, Mapping, np.ndarray))


def _is_spelled(kind: type) -> bool:
    """Whether objects of a type say what they are; else their text is an address in memory."""
    return any(vars(base).keys() & {"__str__", "__repr__"} for base in kind.__mro__ if base is not object)


def _members(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key}: {part}" for key, part in value.items()]
    if isinstance(value, Set):
        return sorted(map(str, value))
    return [str(part) for part in value] if _holds_several(type(value)) else [str(value)]


def _is_number(kind: type, method: str) -> bool:
    # An array has the methods of a number, for the case that it holds one.
    return hasattr(kind, method) and kind is not bool and not issubclass(kind, np.ndarray)


def _python(value: Any) -> Any:
    """Return the Python object that a NumPy scalar stands for; text as plain text."""
    if isinstance(value, np.ndarray) and not value.ndim:
        value = value[()]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            return None
        return value.item() if value.dtype == _DAYS else value.astype("datetime64[us]").item()
    if isinstance(value, np.floating):
        return float(str(value))  # the shortest spelling, also of what a float32 rounds
    return value.item() if isinstance(value, np.generic) else value


def _floats(values: Sequence[Any]) -> pl.Series:
    # NaN is kept apart from a missing value: it tells of a calculation gone wrong.
    return pl.Series(
        [_as_float(value) if _is_nan(value) or not _is_missing(value) else None for value in values], dtype=pl.Float64
    )


def _as_float(value: Any) -> float:
    return math.nan if _is_nan(value) else float(value)  # float refuses a signalling NaN


def _is_exact(value: Any) -> bool:
    """Whether a float holds the number; text keeps those that it does not, such as large integers beside fractions."""
    try:
        return value is None or not isinstance(value, (int, Decimal)) or float(value) == value
    except OverflowError:
        return False


def _is_nan(value: Any) -> bool:
    return value.is_nan() if isinstance(value, Decimal) else bool(isinstance(value, float) and value != value)


def _is_missing(value: Any) -> bool:
    return value is None or _is_nan(value) or type(value).__name__ in ("NAType", "NaTType")
