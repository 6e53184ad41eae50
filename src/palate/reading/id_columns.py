"""Columns of ids: integers if all of a column are, else text."""

from __future__ import annotations

from collections.abc import Callable

from palate.lazy import pl
from palate.reading.numbers import without_blanks
from palate.reading.objects import as_plain

__all__ = ["Padded", "as_ids", "padding_note"]

_LARGEST_EXACT = 2**53
Padded = Callable[[], frozenset[str]]


def as_ids(column: pl.Series, source: str, padded: Padded | None = None) -> pl.Series:
    """Bring a column of ids to Int64 (or leave it at Int32) if all are integers, else to String; blanks become null.

    Integers must be spelled in one way only: a column with "007" or with both "1" and "1.0" stays text. Words for
    nothing, such as NULL, are missing among integers, and text among text. Whole numbers among fractions are spelled
    without ".0", truth values and dates as Python does.

    Parameters
    ----------
    column
        The ids.
    source
        For messages.
    padded
        For ids of delimited text: returns the fields that are quoted together with the blanks at their ends. From other
        ids these blanks are taken. None keeps all blanks.

    Raises
    ------
    ReadError
        If the column holds lists or the like.
    """
    column = as_plain(column, source, "ids")
    kind = column.dtype
    if kind in (pl.Int64, pl.Int32):
        return column
    if kind.is_float():
        numbers = column.cast(pl.Float64).fill_nan(None)
        if ((numbers == numbers.round()) & (numbers.abs() < _LARGEST_EXACT)).all():
            return numbers.cast(pl.Int64)
        # As NumPy's float32 or Python's float spells itself.
        spelled = [None if value is None else str(value) for value in _shortest(column.fill_nan(None))]
        return _text_ids(pl.Series(spelled, dtype=pl.String))
    if kind.is_integer():
        integers = column.cast(pl.Int64, strict=False)
        return integers if integers.null_count() == column.null_count() else column.cast(pl.String)
    if kind == pl.Boolean:
        return column.cast(pl.String).replace({"true": "True", "false": "False"})
    if isinstance(kind, pl.Datetime):
        return column.dt.to_string("%Y-%m-%d %H:%M:%S%.6f").str.strip_suffix(".000000")
    text = column.cast(pl.String)
    if padded is not None and text.head(100).str.contains(_FORMULA).any():
        text = text.str.replace(_FORMULA, "$1")
    return _text_ids(text, padded)


# Text that spreadsheets must not take for a number, such as ="0441013597".
_FORMULA = r'^="(.*)"$'


def _shortest(column: pl.Series) -> list[float | None]:
    values = column.to_list()
    if column.dtype == pl.Float32:
        single = column.to_numpy()
        return [None if value is None else float(str(short)) for value, short in zip(values, single, strict=True)]
    return values


def _text_ids(column: pl.Series, padded: Padded | None = None) -> pl.Series:
    integers = _spelled_integers(column)
    if integers is not None:
        return integers
    bare = column.str.strip_chars()
    empty = bare.is_null() | (bare == "")
    bare, column = (text.zip_with(~empty, pl.Series([None], dtype=pl.String)) for text in (bare, column))
    integers = _spelled_integers(bare)
    if integers is None and bare.str.ends_with(".0").all():
        whole = bare.str.strip_suffix(".0")
        integers = _spelled_integers(whole.replace("-0", "0"))
    if integers is None:
        integers = _integers_and_gaps(bare)
    if integers is not None:
        return integers
    return _without_fractions(column if padded is None else _stripped(column, bare, padded))


def _integers_and_gaps(bare: pl.Series) -> pl.Series | None:
    """Read ids as integers where all others are words for nothing, such as NULL: nobody is called so among numbers."""
    present = without_blanks(bare)
    if present.null_count() in (bare.null_count(), len(bare)):
        return None
    return _spelled_integers(present.str.strip_suffix(".0").replace("-0", "0"))


def _without_fractions(column: pl.Series) -> pl.Series:
    """Spell whole numbers in a column of decimals without ".0", unless two ids would become one."""
    if not len(column) or not column.head(100).str.contains(_DECIMAL).all() or not column.str.contains(_DECIMAL).all():
        return column
    short = column.str.strip_suffix(".0").replace("-0", "0")
    return short if short.n_unique() == column.n_unique() else column


_DECIMAL = r"^-?(?:0|[1-9]\d*)(?:\.\d+)?$"


def _spelled_integers(column: pl.Series) -> pl.Series | None:
    integers = column.cast(pl.Int64, strict=False)
    if integers.null_count() > column.null_count():
        return None
    # The cast accepts these as well; "007" is another id than "7".
    odd = (column.str.starts_with("0") & (column != "0")) | column.str.starts_with("+") | column.str.starts_with("-0")
    return None if odd.any() else integers


def _stripped(ids: pl.Series, bare: pl.Series, padded: Padded) -> pl.Series:
    """Take the blanks from the ends of ids, but for those that are quoted with them."""
    loose = (bare != ids).fill_null(False)
    if not loose.any():
        return ids
    loose &= ~ids.is_in(list(padded())).fill_null(False)
    return ids.zip_with(~loose, bare)


def padding_note(before: pl.Series, after: pl.Series, role: str) -> list[str]:
    """Say how many ids lost the blanks at their ends."""
    text = before.cast(pl.String)
    count = int(((text != after) & (text.str.strip_chars() == after)).sum())
    return [f"took blanks from the ends of {count:,} {role} ids (those in quotes stay)"] if count else []
