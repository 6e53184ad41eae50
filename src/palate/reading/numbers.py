"""Ratings as numbers, however they are spelled."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from palate.lazy import pl
from palate.reading.objects import as_plain

__all__ = [
    "as_ratings",
    "decimal_numbers",
    "is_blank",
    "is_number",
    "may_be_thousands",
    "number_of",
    "to_numbers",
    "without_blanks",
]

_DECIMAL = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
# What stands for nothing in tables of numbers.
_BLANKS = frozenset({
    "", "nan", "na", "n/a", "n.a.", "n.a", "#n/a", "null", "none", "nil", "-", "--", "---", "–", "—", "?", "??", ".",
    "..", "<na>", "nat", "\\n", "missing", "unrated", "not rated", "no rating", "unknown", "k.a.", "k. a.", "s.o.",
    "n.v.t.", "nicht bewertet", "keine angabe", "fehlt", "non noté", "sin calificar",
})  # fmt: skip
_YES = ("true", "yes", "like", "liked", "likes", "up", "thumbs up", "positive", "t", "y", "👍", "ja", "oui", "sí", "sì")
_NO = (
    "false", "no", "dislike", "disliked", "dislikes", "down", "thumbs down", "negative", "f", "n", "👎", "nein", "non",
    "nee",
)  # fmt: skip
# Digits and signs of other scripts, and those that are as wide as Chinese characters.
_DIGITS = {chr(zero + digit): str(digit) for zero in (0x660, 0x6F0, 0x966, 0xFF10) for digit in range(10)}
_DIGITS |= {"\u066b": ".", "\uff0e": ".", "\uff0c": ",", "\uff0f": "/", "\uff05": "%", "\uff0b": "+", "\uff0d": "-"}
# The share of values that tell how all of a column are spelt.
_REGULAR = 0.9


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
    return column.is_in((*_YES, "1")).cast(pl.String).replace({"true": "1", "false": "0"})


_STARS = "[★⭐]"
_PARTS = {"¼": ".25", "½": ".5", "¾": ".75"}


def _stars(text: pl.Series) -> pl.Series:
    halves = 0.5 * text.str.contains("½", literal=True)
    return (text.str.count_matches(_STARS) + halves).cast(pl.String)


def _with_parts(text: pl.Series) -> pl.Series:
    return text.str.replace_all(r"\s", "").str.replace_many(list(_PARTS), list(_PARTS.values()))


def _without_thousands(text: pl.Series) -> pl.Series:
    return text.str.replace_all(_BETWEEN, "").str.replace(",", ".", literal=True)


# Between thousands: blanks of some widths, and apostrophes.
_BETWEEN = "[' \u00a0\u2009\u202f\u2019]"
_SPELLINGS = (
    _Spelling(_DECIMAL, lambda text: text, "numbers with a printed minus sign"),
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
    _Spelling("|".join((*_YES, *_NO, "1", "0")), _truth, "1 for yes and 0 for no"),
    _Spelling(
        rf"{_DECIMAL}\s*(?:stars?|points?|pts|sterne?|punkte?|étoiles?|estrellas?|stelle|sterren)",
        lambda text: text.str.extract(rf"^({_DECIMAL})"),
        "numbers before a word",
    ),
    _Spelling(rf"(?:{_STARS}\ufe0f?)+½?☆*|½☆*|☆+", _stars, "so many stars"),
    _Spelling(r"[0-9]+|[0-9]*\s*[¼½¾]", _with_parts, "numbers with a half or a quarter"),
    _Spelling(
        rf"[+-]?[0-9]{{1,3}}(?:{_BETWEEN}[0-9]{{3}})*(?:[.,][0-9]+)?",
        _without_thousands,
        "blanks or apostrophes between thousands",
    ),
    _Spelling(r"\*+", lambda text: text.str.count_matches("*", literal=True).cast(pl.String), "so many stars"),
)
# Points and commas alone.
_DECIMALS = _SPELLINGS[:4]
_WORDS_FOR_STARS = "stars?|sternen?|étoiles?|estrellas?|stelle|sterren|punkten?|points?|puntos|punti|punten"
_FRACTION = (
    rf"^({_DECIMAL}|[0-9]+,[0-9]+)\s*(?:/|out of|of|von|sur|de|di|su|van(?: de)?)\s*([0-9]+)"
    rf"(?:\s*(?:{_WORDS_FOR_STARS}))?$"
)


def as_ratings(column: pl.Series, source: str) -> tuple[pl.Series, str]:
    """Bring a column of ratings to floats; it stays String if some rating is no number; blanks become null.

    Returns the column, and a note if ratings are spelled in another way than as plain numbers.

    Raises
    ------
    ReadError
        If the column holds lists or the like.
    """
    column = as_plain(column, source, "ratings")
    kind = column.dtype
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
    bare = text.str.strip_chars().str.replace_many(list(_DIGITS), list(_DIGITS.values()))
    empty = bare.is_null() | (bare == "")
    text, bare = (values.zip_with(~empty, pl.Series([None], dtype=pl.String)) for values in (text, bare))
    numbers = bare.cast(pl.Float64, strict=False)
    if numbers.null_count() == text.null_count():
        return numbers, ""
    small = bare.str.replace("−", "-", literal=True).str.to_lowercase()
    blank = small.is_null() | small.is_in(list(_BLANKS))
    way = _find_way(small.filter(~blank))
    if way is None or (way.read == _SPELLINGS[0].read and not bare.str.contains("−", literal=True).any()):
        return text, ""
    fits = small.str.contains(way.pattern).fill_null(False)
    numbers = way.number(small).cast(pl.Float64, strict=False).zip_with(fits, pl.Series([None], dtype=pl.Float64))
    how = way.read or format(numbers.drop_nulls()[0], "g")
    note = f"ratings such as {bare.filter(fits)[0]!r} are read as {how}"
    return (numbers if (fits | blank).all() else numbers.cast(pl.String).zip_with(fits | blank, bare)), note


def may_be_thousands(values: Sequence[str]) -> str | None:
    """Return a value with a point that separates thousands, most likely, None if there is none.

    Others are whole numbers without a point, and every point stands before three digits at the end.

    Examples
    --------
    >>> may_be_thousands(["1.250", "87", "12.000"]), may_be_thousands(["1.250", "3.5"]), may_be_thousands(["1.250"])
    ('1.250', None, None)
    """
    pointed = [value for value in values if "." in value]
    if not pointed or len(pointed) == len(values) or not all(map(str.isdecimal, set(values) - set(pointed))):
        return None
    return pointed[0] if all(re.fullmatch(r"[1-9][0-9]{0,2}(\.[0-9]{3})+", value) for value in pointed) else None


def without_blanks(text: pl.Series) -> pl.Series:
    """Return a column of text in which blanks and words for nothing, such as NA, are null."""
    return text.set(text.str.strip_chars().str.to_lowercase().is_in(list(_BLANKS)).fill_null(False), None)


def decimal_numbers(text: pl.Series) -> pl.Series:
    """Read a column of text as numbers with a decimal point or a decimal comma; what is none becomes null.

    Examples
    --------
    >>> decimal_numbers(pl.Series(["1,5", "NA", "-2"])).to_list()
    [1.5, None, -2.0]
    """
    bare = without_blanks(text).str.strip_chars().str.replace("−", "-", literal=True)
    numbers = bare.cast(pl.Float64, strict=False)
    if len(numbers) - numbers.null_count() >= _REGULAR * (len(bare) - bare.null_count()):
        return numbers
    way = _find_way(bare.drop_nulls(), _DECIMALS)
    return numbers if way is None else way.number(bare).cast(pl.Float64, strict=False)


def _find_way(present: pl.Series, spellings: Sequence[_Spelling] = _SPELLINGS) -> _Spelling | None:
    """Find the way in which all values are spelt, or nearly all; None also if nearly all are plain numbers."""
    for share in (1.0, _REGULAR):
        for spelling in spellings:
            pattern = f"^(?:{spelling.pattern})$"
            if not _match(present, pattern, share):
                continue
            if share < 1 and spelling is _SPELLINGS[0]:
                return None
            if not _may_be_thousands(present.filter(present.str.contains(pattern))):
                return spelling._replace(pattern=pattern)
        if (
            spellings is _SPELLINGS
            and _match(present, _FRACTION, share)
            and present.str.extract(_FRACTION, 2).drop_nulls().n_unique() == 1
        ):
            return _Spelling(_FRACTION, lambda text: text.str.extract(_FRACTION, 1).str.replace(",", "."), "")
    return None


def _match(text: pl.Series, pattern: str, share: float) -> bool:
    # Nearly always the first values tell.
    return bool(len(text)) and all(
        int(part.str.contains(pattern).sum()) >= share * len(part) for part in (text.head(100), text)
    )


def _may_be_thousands(text: pl.Series) -> bool:
    """Whether every comma stands before three digits at the end: a thousand, or a fraction of three digits."""
    commas = text.filter(text.str.contains(",", literal=True))
    return bool(len(commas)) and all(re.fullmatch(r"[+-]?[0-9]{1,3}(,[0-9]{3})+", value) for value in commas.head(1000))
