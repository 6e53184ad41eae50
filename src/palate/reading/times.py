"""Times as seconds since 1970, whatever counts or spells them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.objects import as_plain

__all__ = ["are_epochs", "are_times", "as_times", "readable_times", "to_seconds"]

# Where the units of counted times begin: a second, a thousandth, a millionth, and so on of it. Times of 1973 to 5138.
_UNITS = ((1e11, 1), (1e14, 10**3), (1e17, 10**6), (np.inf, 10**9))
# Numbers that can hardly be anything else than seconds: 1985 to 2096.
_FIRST, _LAST = 4.7e8, 4e9
# A date of ISO 8601 alone, as some writers spell midnight.
_DAY = r"^(\d{4}-\d{2}-\d{2})$"
# Dates written in digits alone, by their length.
_DIGITS = {
    8: ("%Y%m%d", r"^(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])$"),
    12: ("%Y%m%d%H%M", r"^(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])([01]\d|2[0-3])[0-5]\d$"),
    14: ("%Y%m%d%H%M%S", r"^(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])([01]\d|2[0-3])([0-5]\d){2}$"),
}
_YEARS = (1800, 2200)
_SAMPLE = 500
# Times from whose sizes the unit is told.
_SAMPLED_TIMES = 10_000

_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%m %d, %Y",
    "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d. %B %Y", "%Y%m%d",
)  # fmt: skip
_SHORT_DATES = ("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%m-%d-%y", "%d-%m-%y", "%d-%b-%y", "%y/%m/%d")
# Fractions of a known length are read four times as quickly as those of any.
_CLOCKS = (
    "", " %H:%M", " %H:%M:%S", " %H:%M:%S.%6f", " %H:%M:%S.%3f", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p", ", %H:%M",
    ", %I:%M:%S %p",
)  # fmt: skip
_WHOLE = ("%Y%m%d%H%M%S", "%Y%m%d%H%M")
_SENTENCES = ("%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S", "%a %b %d %H:%M:%S %z %Y")
_SHORT_YEAR = r"^\d{1,2}[./-](\d{1,2}|[A-Za-z]{3})[./-]\d{2}(\D|$)"
_UTC = r"\s*(?:Z|UTC|GMT)$"
# Behind a clock: a date such as 31-01-2024 ends in digits behind a sign, too.
_ZONE = r":\d{2}(?:\.\d+)?\s*[+-]\d{2}(?::?\d{2})?$"
# Whole hours, as PostgreSQL writes them.
_HOURS = r"(:\d{2}(?:\.\d+)?\s*[+-]\d{2})$"
# The compact form of ISO 8601.
_COMPACT = r"^(\d{4})(\d{2})(\d{2})[Tt](\d{2})(\d{2})(\d{2})"


def as_times(column: pl.Series, source: str) -> pl.Series:
    """Bring a column of times to seconds since 1970 (Int64); it stays String if some time cannot be read.

    Numbers count seconds, milliseconds, microseconds or nanoseconds, as their size tells; numbers from 1800 to 2200 are
    years. Times without a zone are taken as UTC. Fractions of a second are cut off.

    Raises
    ------
    ReadError
        If the column holds lists or the like, or nobody can tell the day from the month.
    """
    column = as_plain(column, source, "times")
    kind = column.dtype
    if kind in (pl.Boolean, pl.Duration, pl.Time):
        raise ReadError(f"{source}: column {column.name!r} holds {kind} values, which cannot be times")
    if kind == pl.Date:
        return column.cast(pl.Int64) * 86_400
    if isinstance(kind, pl.Datetime):
        return column.dt.timestamp("us") // 1_000_000
    if kind.is_numeric() or kind == pl.Null:
        return _from_numbers(column.cast(pl.Int64) if kind.is_integer() else column.cast(pl.Float64))
    return _from_text(column.cast(pl.String), source)


def to_seconds(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn counted times into seconds, by their size: see `as_times`."""
    if not len(counts):
        return counts
    low, high = int(counts.min()), int(counts.max())
    if low >= _YEARS[0] and high <= _YEARS[1]:
        return np.array(counts - 1970, "datetime64[Y]").astype("datetime64[s]").astype(np.int64)
    if len(str(low)) == len(str(high)) and _digits_form(pl.Series(counts[:_SAMPLE]).cast(pl.String)):
        times = as_times(pl.Series(counts).cast(pl.String), "")
        if times.dtype == pl.Int64:
            return times.to_numpy()
    unit = _unit_of(counts)
    return counts if unit == 1 else counts // unit


def _unit_of(counts: NDArray[Any]) -> int:
    """Return the unit that the largest time tells, if it is that of most times (0 often stands for none).

    Raises
    ------
    ReadError
        If most times are of another one: a single wrong time would turn all others into nonsense.
    """
    sizes = np.abs(counts[:: max(1, len(counts) // _SAMPLED_TIMES)].astype(np.float64))
    sizes = np.sort(sizes[sizes > 0])
    largest = float(max(abs(float(counts.min())), abs(float(counts.max()))))
    unit = _unit(largest)
    usual = float(sizes[(len(sizes) - 1) // 2]) if len(sizes) else largest
    if _unit(usual) != unit:
        raise ReadError(
            f"the times count different units, such as {usual:.0f} and {largest:.0f}: mend them, or leave them out "
            "with time=False (--no-time)"
        )
    return unit


def _unit(size: float) -> int:
    return next(unit for limit, unit in _UNITS if size < limit)


def _from_numbers(column: pl.Series) -> pl.Series:
    numbers = column.fill_nan(None) if column.dtype.is_float() else column
    values = numbers.drop_nulls().to_numpy()
    if not len(values):
        return numbers.cast(pl.Int64)
    if values.dtype.kind == "f":
        size = float(np.abs(values).max())
        if size >= 2**63:
            return column.cast(pl.String)
        values = np.floor(values / _unit_of(values)).astype(np.int64)
    return _fill(numbers, to_seconds(values))


def _fill(numbers: pl.Series, seconds: NDArray[Any]) -> pl.Series:
    """Put seconds where there are numbers."""
    if not numbers.null_count():
        return pl.Series(seconds)
    places = np.cumsum(numbers.is_not_null().to_numpy()) - 1
    return pl.Series(seconds).gather(np.maximum(places, 0)).zip_with(
        numbers.is_not_null(), pl.Series([None], dtype=pl.Int64)
    )  # fmt: skip


def _from_text(column: pl.Series, source: str) -> pl.Series:
    text = column.str.strip_chars()
    text = text.zip_with((text != "").fill_null(False), pl.Series([None], dtype=pl.String))
    present = text.drop_nulls()
    if not len(present):
        return text.cast(pl.Int64)
    counted = text.cast(pl.Float64, strict=False)
    if counted.null_count() == text.null_count() and not _digits_form(present):
        whole = text.cast(pl.Int64, strict=False)
        return _from_numbers(whole if whole.null_count() == text.null_count() else counted)
    return _parse(text, source)


def _digits_form(present: pl.Series) -> str | None:
    """Return the format of dates in digits alone, such as 20240131 or 20240131235959, None if they are none."""
    head = present.head(_SAMPLE)
    form, pattern = _DIGITS.get(len(head[0]), ("", ""))
    if not form or not bool(head.str.contains(pattern).all()) or _read(head, form).null_count():
        return None
    return form


def _parse(text: pl.Series, source: str) -> pl.Series:
    """Read spelled times by the first format that suits all of them."""
    plain = _plain(text)
    present = plain.drop_nulls()
    head = present.head(_SAMPLE)
    for form in _formats(bool(head.str.contains(_SHORT_YEAR).all()), bool(head.str.contains(_ZONE).any())):
        if _read(head, form).null_count():
            continue
        seconds = _read(plain, form)
        if seconds.null_count() > plain.null_count():
            continue
        other = _swapped(form)
        if other is not None and not _read(present, other).null_count():
            mirrored = _read(plain, other)
            if not (mirrored == seconds).all():
                raise ReadError(
                    f"{source}: the times, such as {present[0]!r}, do not tell the day from the month: write them as "
                    "2024-01-31, or leave them out with time=False (--no-time)"
                )
        return seconds
    return text


def readable_times(text: pl.Series) -> pl.Series:
    """Read times of which some cannot be read, in the format of most of the first ones; the others become null."""
    counted = text.str.strip_chars().cast(pl.Float64, strict=False)
    best = _from_numbers(counted.fill_nan(None)) if counted.null_count() < len(counted) else counted.cast(pl.Int64)
    plain = _plain(text.str.strip_chars())
    head = plain.drop_nulls().head(_SAMPLE)
    left = best.head(_SAMPLE).null_count()
    for form in (*_formats(False, False), *_formats(True, False), *_formats(False, True)):
        seconds = _read(head, form)
        if seconds.null_count() < left:
            left, best = seconds.null_count(), _read(plain, form)
    return best


def _plain(text: pl.Series) -> pl.Series:
    """Spell ISO times with a blank and without the mark of UTC."""
    head = text.drop_nulls().head(_SAMPLE)
    if head.str.contains(_COMPACT).any():
        text = text.str.replace(_COMPACT, "$1-$2-$3 $4:$5:$6")
    if head.str.contains(_HOURS).any():
        text = text.str.replace(_HOURS, "${1}00")
    if head.str.contains(r"^\d{4}-\d{2}-\d{2}[Tt]\d").any():
        text = text.str.replace("T", " ", literal=True)
    if head.str.contains(_UTC).any():
        text = text.str.replace(_UTC, "+0000" if head.str.contains(_ZONE).any() else "")
    if head.str.contains(_DAY).any() and not head.str.contains(_DAY).all():
        text = text.str.replace(_DAY, "$1 00:00:00")
    return text


def _swapped(form: str) -> str | None:
    """Return the format with day and month exchanged, where both are numbers."""
    if not re.match(r"%[md]([/-])%[md]\1", form):
        return None
    return form.translate(str.maketrans("md", "dm"))


@cache
def _formats(short_year: bool, zone: bool) -> tuple[str, ...]:
    forms = [date + clock for clock in _CLOCKS for date in (_SHORT_DATES if short_year else _DATES)]
    forms += [*_WHOLE, *_SENTENCES]
    return tuple([f"{form} %z" for form in forms] + [_SENTENCES[-1]] if zone else forms)


def _read(text: pl.Series, form: str) -> pl.Series:
    if "%z" in form:
        text = text.str.replace(r"\s*([+-]\d{2}):?(\d{2})$", " $1$2")
        times = text.str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC", exact=True)
    elif "%H" in form or "%I" in form:
        times = text.str.to_datetime(form, strict=False, time_unit="us", exact=True)
    else:
        return text.str.to_date(form, strict=False, exact=True).cast(pl.Int64) * 86_400
    return times.dt.timestamp("us") // 1_000_000


def are_epochs(values: Sequence[str]) -> bool:
    """Whether values can hardly be anything but times: whole seconds (or parts of them) from 1985 on, or dates."""
    if not values:
        return False
    if all(re.fullmatch(r"\d{9,19}(\.\d+)?", value) for value in values):
        numbers = [float(value) for value in values]
        unit = _unit(max(numbers))
        return all(_FIRST <= number / unit <= _LAST for number in numbers)
    return all(re.match(r"\d{4}-\d{2}-\d{2}", value) for value in values) and are_times(values)


def are_times(values: Sequence[str]) -> bool:
    """Whether half of the values, at least, can be read as times; also where there are none."""
    if all(map(str.isdecimal, values)):
        return True
    return readable_times(pl.Series(values, dtype=pl.String)).null_count() <= 0.5 * len(values)
