"""Ratings as numbers, however they are spelled."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.objects import from_objects

__all__ = ["as_ratings", "is_blank", "is_number", "number_of", "to_numbers"]

_DECIMAL = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
# What stands for nothing in tables of numbers.
_BLANKS = frozenset({"", "nan", "na", "n/a", "#n/a", "null", "none", "nil", "-", "--", "?", ".", "<na>"})
_YES = ("true", "yes", "like", "liked", "likes", "up", "thumbs up", "positive", "t", "y")
_NO = ("false", "no", "dislike", "disliked", "dislikes", "down", "thumbs down", "negative", "f", "n")


def is_number(text: str) -> bool:
    """Whether a field spells a number, NaN and infinity included; also with a decimal comma."""
    try:
        number_of(text)
    except ValueError:
        return False
    return "_" not in text


def number_of(text: str) -> float:
    """Return the number that a field spells, be it with a decimal point or a decimal comma.

    Raises
    ------
    ValueError
        If it spells none.
    """
    return float(text.replace(",", ".", 1))


def is_blank(text: str) -> bool:
    """Whether a cell of a wide table holds nothing, or a word for nothing.

    Examples
    --------
    >>> is_blank(" "), is_blank("NaN"), is_blank("0")
    (True, True, False)
    """
    return text.strip().lower() in _BLANKS


class _Spelling(NamedTuple):
    """One way to spell ratings that are no plain numbers.

    Attributes
    ----------
    pattern
        What a rating looks like, without blanks around it and in lower case.
    number
        Makes plain numbers of a column of such text.
    read
        A phrase for the note.
    """

    pattern: str
    number: Callable[[pl.Series], pl.Series]
    read: str


def _truth(column: pl.Series) -> pl.Series:
    return column.is_in(_YES).cast(pl.String).replace({"true": "1", "false": "0"})


_SPELLINGS = (
    # Not 1,000 alone: that may be a thousand.
    _Spelling(r"[+-]?[0-9]+(?:,[0-9]+)?", lambda text: text.str.replace(",", ".", literal=True), "a decimal comma"),
    _Spelling(
        r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})*,[0-9]+",
        lambda text: text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True),
        "a decimal comma and points between thousands",
    ),
    _Spelling(
        r"[+-]?[0-9]{1,3}(?:,[0-9]{3})*\.[0-9]+",
        lambda text: text.str.replace_all(",", "", literal=True),
        "commas between thousands",
    ),
    _Spelling(rf"{_DECIMAL}\s*%", lambda text: text.str.strip_suffix("%").str.strip_chars(), "per cent"),
    _Spelling("|".join((*_YES, *_NO)), _truth, "1 for yes and 0 for no"),
    _Spelling(
        rf"{_DECIMAL}\s*(?:stars?|points?|pts|sterne?|punkte?|étoiles?|estrellas?|stelle|sterren)",
        lambda text: text.str.extract(rf"^({_DECIMAL})"),
        "numbers before a word",
    ),
    _Spelling("★*☆*", lambda text: text.str.count_matches("★").cast(pl.String), "so many stars"),
)
_FRACTION = rf"^({_DECIMAL})\s*(?:/|out of|von|sur|de|di|van)\s*([0-9]+)(?:\s*(?:stars?|sterne?))?$"


def as_ratings(column: pl.Series, source: str) -> tuple[pl.Series, str]:
    """Bring a column of ratings to floats; it stays String if some rating is no number; blanks become null.

    Returns the column, and a note if ratings are spelled in another way than as plain numbers.

    Raises
    ------
    ReadError
        If the column holds lists or the like.
    """
    kind = column.dtype
    if kind == pl.Object:
        return as_ratings(from_objects(column.to_list()), source)
    if kind.is_nested() or kind == pl.Binary:
        raise ReadError(f"{source}: column {column.name!r} holds {kind} values, which cannot be ratings")
    if kind in (pl.Float32, pl.Float64):
        return column, ""
    if kind.is_numeric() or kind in (pl.Boolean, pl.Null):
        return column.cast(pl.Float64), ""
    return to_numbers(column.cast(pl.String))


def to_numbers(text: pl.Series) -> tuple[pl.Series, str]:
    """Read a column of text as numbers: see `as_ratings`."""
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() == text.null_count():
        return numbers, ""
    bare = text.str.strip_chars()
    empty = bare.is_null() | (bare == "")
    text, bare = (values.zip_with(~empty, pl.Series([None], dtype=pl.String)) for values in (text, bare))
    numbers = bare.cast(pl.Float64, strict=False)
    if numbers.null_count() == text.null_count():
        return numbers, ""
    present = bare.drop_nulls()
    small = present.str.to_lowercase()
    for spelling in _SPELLINGS:
        if _all_match(small, f"^(?:{spelling.pattern})$") and not _may_be_thousands(small):
            numbers = spelling.number(bare.str.to_lowercase()).cast(pl.Float64, strict=False)
            return numbers, f"ratings such as {present[0]!r} are read as {spelling.read}"
    if _all_match(small, _FRACTION) and small.str.extract(_FRACTION, 2).n_unique() == 1:
        numbers = bare.str.to_lowercase().str.extract(_FRACTION, 1).cast(pl.Float64)
        return numbers, f"ratings such as {present[0]!r} are read as {numbers.drop_nulls()[0]:g}"
    return text, ""


def _all_match(text: pl.Series, pattern: str) -> bool:
    # Nearly always the first values tell.
    return bool(len(text)) and all(
        bool(part.str.contains(pattern).all()) for part in (text.head(100), text) if len(part)
    )


def _may_be_thousands(text: pl.Series) -> bool:
    """Whether every comma stands before three digits at the end: a thousand, or a fraction of three digits."""
    commas = text.filter(text.str.contains(",", literal=True))
    return bool(len(commas)) and all(re.fullmatch(r"[+-]?[0-9]{1,3}(,[0-9]{3})+", value) for value in commas.head(1000))
