"""The table as it was read: three columns, nothing judged yet, and where each row stands in its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from palate.errors import ReadError
from palate.lazy import pl

__all__ = ["ROLES", "Table", "as_ids", "as_ratings", "from_objects"]

ROLES = ("user", "item", "rating")
_LARGEST_EXACT = 2**53


def _row(row: int) -> str:
    return f"row {row + 1:,}"


@dataclass(frozen=True, eq=False)
class Table:
    """Ratings before any row was judged or any id encoded.

    Parameters
    ----------
    columns
        "user" and "item" (Int32, Int64 or String) and "rating" (Float32, Float64, or String where some rating is no
        number): a data frame, in which anything may be missing (null), or arrays of numbers, in which nothing is.
    source
        The file or kind of table, for messages.
    notes
        What was guessed: layout, columns, encoding.
    locate
        Says where a row stands, such as "line 18"; by default its number, counted from 1.

    Examples
    --------
    >>> table = Table(pl.DataFrame({"user": [1], "item": [7], "rating": [4.5]}), "a data frame")
    >>> table.where(0)
    'a data frame, row 1'
    """

    columns: pl.DataFrame | Mapping[str, NDArray[Any]]
    source: str
    notes: tuple[str, ...] = ()
    locate: Callable[[int], str] = field(default=_row, repr=False)

    def __len__(self) -> int:
        return len(self.columns["user"])

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The columns as a data frame."""
        return self.columns if isinstance(self.columns, pl.DataFrame) else pl.DataFrame(dict(self.columns))

    def where(self, row: int) -> str:
        """Name the source of a row (counted from 0) and its place there."""
        return f"{self.source}, {self.locate(row)}"


def from_objects(values: Sequence[Any]) -> pl.Series:
    """Make a column of Python objects: all integers, all numbers, or else all text.

    Examples
    --------
    >>> from_objects([7, "x", None]).to_list()
    ['7', 'x', None]
    """
    present = [None if _is_missing(value) else value for value in values]
    kinds = {type(value) for value in present if value is not None}
    if all(hasattr(kind, "__index__") and kind is not bool for kind in kinds):
        integers = [None if value is None else int(value) for value in present]
        if all(value is None or -(2**63) <= value < 2**63 for value in integers):
            # A column of NaN alone is one of numbers.
            return pl.Series(integers, dtype=pl.Int64) if kinds or not any(map(_is_nan, values)) else _floats(values)
    elif all(hasattr(kind, "__float__") and kind is not bool for kind in kinds) and all(map(_is_exact, present)):
        return _floats(values)
    return pl.Series([None if value is None else str(value) for value in present], dtype=pl.String)


def _floats(values: Sequence[Any]) -> pl.Series:
    # NaN is kept apart from a missing value: it tells of a calculation gone wrong.
    return pl.Series(
        [float(value) if _is_nan(value) or not _is_missing(value) else None for value in values], dtype=pl.Float64
    )


def _is_exact(value: Any) -> bool:
    """Whether a float holds the number; text keeps those that it does not, such as large integers beside fractions."""
    try:
        return value is None or not isinstance(value, (int, Decimal)) or float(value) == value
    except OverflowError:
        return False


def _is_nan(value: Any) -> bool:
    return bool(isinstance(value, (float, Decimal)) and value != value)


def _is_missing(value: Any) -> bool:
    return value is None or _is_nan(value) or type(value).__name__ in ("NAType", "NaTType")


def as_ids(column: pl.Series, source: str) -> pl.Series:
    """Bring a column of ids to Int64 (or leave it at Int32) if all are integers, else to String; blanks become null.

    Integers must be spelled in one way only: a column with "007" or with both "1" and "1.0" stays text.

    Raises
    ------
    ReadError
        If the column holds lists or the like.
    """
    kind = column.dtype
    if kind in (pl.Int64, pl.Int32):
        return column
    if kind == pl.Object:
        return as_ids(from_objects(column.to_list()), source)
    if kind.is_nested() or kind == pl.Binary:
        raise ReadError(f"{source}: column '{column.name}' holds {kind} values, which cannot be ids")
    if kind.is_float() or kind.is_decimal():
        numbers = column.cast(pl.Float64).fill_nan(None)
        if ((numbers == numbers.round()) & (numbers.abs() < _LARGEST_EXACT)).all():
            return numbers.cast(pl.Int64)
        return column.fill_nan(None).cast(pl.String) if kind.is_float() else column.cast(pl.String)
    if kind.is_integer():
        integers = column.cast(pl.Int64, strict=False)
        return integers if integers.null_count() == column.null_count() else column.cast(pl.String)
    return _text_ids(column.cast(pl.String))


def _text_ids(column: pl.Series) -> pl.Series:
    integers = _spelled_integers(column)
    if integers is not None:
        return integers
    bare = column.str.strip_chars()
    empty = bare.is_null() | (bare == "")
    bare = bare.zip_with(~empty, pl.Series([None], dtype=pl.String))
    integers = _spelled_integers(bare)
    if integers is None and bare.str.ends_with(".0").all():
        integers = _spelled_integers(bare.str.strip_suffix(".0"))
    return column.zip_with(~empty, pl.Series([None], dtype=pl.String)) if integers is None else integers


def _spelled_integers(column: pl.Series) -> pl.Series | None:
    integers = column.cast(pl.Int64, strict=False)
    if integers.null_count() > column.null_count():
        return None
    # The cast accepts these as well; "007" is another id than "7".
    odd = (column.str.starts_with("0") & (column != "0")) | column.str.starts_with("+") | column.str.starts_with("-0")
    return None if odd.any() else integers


def as_ratings(column: pl.Series, source: str) -> pl.Series:
    """Bring a column of ratings to floats; it stays String if some rating is no number; blanks become null.

    Raises
    ------
    ReadError
        If the column holds lists or the like.
    """
    kind = column.dtype
    if kind == pl.Object:
        return as_ratings(from_objects(column.to_list()), source)
    if kind.is_nested() or kind == pl.Binary:
        raise ReadError(f"{source}: column '{column.name}' holds {kind} values, which cannot be ratings")
    if kind in (pl.Float32, pl.Float64):
        return column
    if kind.is_numeric() or kind in (pl.Boolean, pl.Null):
        return column.cast(pl.Float64)
    text = column.cast(pl.String)
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() > text.null_count():
        bare = text.str.strip_chars()
        text = text.zip_with(bare != "", pl.Series([None], dtype=pl.String))
        numbers = bare.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == text.null_count() else text
