"""What can be wrong with the rows of a table: values that cannot be used, and pairs that are rated again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.lazy import pl
from palate.ratings import RatingScale
from palate.reading.ids import Indexed
from palate.reading.table import Table, shortened
from palate.reading.times import readable_times

__all__ = ["Fault", "Repeats", "add_gaps", "find_faults", "find_repeats", "listed", "shown"]

# Up to here a table of all pairs, a byte each, is quicker than sorting.
_CELLS = 200_000_000

# Spellings of numbers that cannot be read, and how to write them.
_SPELLINGS = {
    r"^[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?$": "write thousands without a comma, or decimals with a point",
    r"^[0-9.]+ */ *[0-9.]+$": "the fractions have several denominators: write decimals on one scale",
}


# Faults of ids: a word for programs, the phrases, and the column.
_NO_ID = (
    ("user-missing", "the user id is missing", "no user id", "user"),
    ("item-missing", "the item id is missing", "no item id", "item"),
)


class Fault(NamedTuple):
    """One way in which rows cannot be used.

    Attributes
    ----------
    code
        A word for programs.
    what
        A phrase about one row; "{}" stands for its value.
    brief
        A phrase about any number of rows.
    rows
        int64, ascending: the rows, counted from 0.
    column
        The role of the column with the value.
    """

    code: str
    what: str
    brief: str
    rows: NDArray[np.int64]
    column: str = "rating"

    def value(self, table: Table, place: int = 0) -> object:
        """Return the value of one of the rows, None if it is missing."""
        return table.frame[self.column][int(self.rows[place])]


def shown(rating: object) -> str:
    """Spell a rating as it was written, as far as that is known.

    Examples
    --------
    >>> shown(np.float32(4.1)), shown(881250949.0), shown("good")
    ('4.1', '881250949', "'good'")
    """
    if isinstance(rating, str):
        return repr(shortened(rating, 40))
    value = float(rating)  # type: ignore[arg-type]
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return str(single if float(single) == value else value)


def listed(faults: list[Fault], table: Table) -> str:
    """List faults with their counts and the place of the first, such as "2 × no rating (line 3)"."""
    parts = []
    for fault in faults:
        value, place = fault.value(table), table.locate(int(fault.rows[0]))
        example = place if value is None else f"{place}: {shown(value)}"
        parts.append(f"{len(fault.rows):,} × {fault.brief} ({example})")
    return ", ".join(parts)


def find_faults(table: Table, scale: RatingScale | None = None) -> tuple[NDArray[np.float32], list[Fault]]:
    """Return the ratings as float32, and every fault that some row has. A row has one fault at most.

    Parameters
    ----------
    table
        The table.
    scale
        The declared scale: ratings off it are a fault.
    """
    plain = table.columns["rating"]
    if isinstance(plain, np.ndarray) and _is_usable(plain, scale):  # then the other columns are arrays, too
        return plain, []
    frame, column = table.frame, table.frame["rating"]
    numbers = column.str.strip_chars().cast(pl.Float64, strict=False) if column.dtype == pl.String else column
    with np.errstate(over="ignore"):
        rating = numbers.to_numpy().astype(np.float32, copy=False)
    nulls = sum(frame[role].null_count() for role in frame.columns)
    times_are_read = not table.has_times or frame["time"].dtype != pl.String
    if not nulls and times_are_read and _is_usable(rating, scale):
        return rating, []
    missing = column.is_null().to_numpy()
    finite, nan = np.isfinite(rating), np.isnan(rating)
    text = numbers.is_null().to_numpy() & ~missing
    hint = _spelling_hint(column.filter(pl.Series(text))) if text.any() else ""
    tests = [
        *((code, what, brief, frame[role].is_null().to_numpy(), role) for code, what, brief, role in _NO_ID),
        ("rating-missing", "the rating is missing", "no rating", missing, "rating"),
        ("rating-text", f"rating {{}} is not a number{hint}", f"text for a rating{hint}", text, "rating"),
        ("rating-nan", "rating {} is not a number", "NaN for a rating", nan & ~missing, "rating"),
        ("rating-infinite", "rating {} is not finite", "an infinite rating", ~finite & ~nan, "rating"),
        ("off-scale", f"rating {{}} is off the scale {scale}", "off the scale", _is_off(rating, scale), "rating"),
        *_time_tests(frame),
    ]
    faults, before = [], np.zeros(len(rating), bool)
    for code, what, brief, bad, role in tests:
        rows = np.flatnonzero(bad & ~before)
        before[rows] = True
        if len(rows):
            faults.append(Fault(code, what, brief, rows, role))
    return rating, faults


def add_gaps(faults: list[Fault], rows: NDArray[np.int64], ids: Sequence[pl.Series]) -> list[Fault]:
    """Return the faults, and rows whose ids are missing now that the rows of the others are left out.

    "NaN" and other words for nothing are ids among texts, and are no ids among integers.

    Parameters
    ----------
    faults
        Those that were found first.
    rows
        The rows without these faults.
    ids
        The user ids and the item ids of `rows`.
    """
    found, before = {fault.code: fault for fault in faults}, np.zeros(len(rows), bool)
    for (code, what, brief, role), column in zip(_NO_ID, ids, strict=True):
        bad = column.is_null().to_numpy() & ~before
        before |= bad
        if bad.any():
            earlier = found[code].rows if code in found else np.zeros(0, np.int64)
            found[code] = Fault(code, what, brief, np.union1d(earlier, rows[bad]), role)
    return list(found.values())


def _spelling_hint(texts: pl.Series) -> str:
    """Say how to write numbers that are spelt in a way that has two meanings, or none on a common scale."""
    for pattern, hint in _SPELLINGS.items():
        if bool(texts.str.strip_chars().str.contains(pattern).all()):
            return f" ({hint})"
    return ""


def _time_tests(frame: pl.DataFrame) -> list[tuple[str, str, str, NDArray[np.bool_], str]]:
    if "time" not in frame.columns:
        return []
    missing = frame["time"].is_null().to_numpy()
    tests = [("time-missing", "the time is missing", "no time", missing, "time")]
    if frame["time"].dtype == pl.String:
        unread = readable_times(frame["time"]).is_null().to_numpy() & ~missing
        tests.append(("time-text", "time {} cannot be read", "a time that cannot be read", unread, "time"))
    return tests


def _ends(scale: RatingScale | None) -> tuple[np.float32, np.float32]:
    return (
        (np.float32(-np.inf), np.float32(np.inf)) if scale is None else (np.float32(scale.low), np.float32(scale.high))
    )


def _is_off(rating: NDArray[np.float32], scale: RatingScale | None) -> NDArray[np.bool_]:
    low, high = _ends(scale)
    return (rating < low) | (rating > high)


def _is_usable(rating: NDArray[np.float32], scale: RatingScale | None) -> bool:
    """Whether all ratings are finite and on the scale."""
    if not len(rating):
        return True
    (low, high), least, most = _ends(scale), rating.min(), rating.max()  # NaN if any is
    return bool(np.isfinite(least) and np.isfinite(most) and low <= least and most <= high)


class Repeats(NamedTuple):
    """Rows grouped by pair of user and item.

    Attributes
    ----------
    order
        int64: the rows, those of a pair side by side and in the order of the table.
    starts
        int64: where in `order` each pair begins.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def extra(self) -> int:
        """How many rows rate a pair that an earlier row has rated."""
        return len(self.order) - len(self.starts)

    def sizes(self) -> NDArray[np.int64]:
        """How many rows each pair has."""
        return np.diff(self.starts, append=len(self.order))

    def conflicting(self, rating: NDArray[np.float32]) -> int:
        """How many pairs are rated in different ways."""
        values = rating[self.order]
        return int((np.minimum.reduceat(values, self.starts) < np.maximum.reduceat(values, self.starts)).sum())

    def last(self, time: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """The last row of each pair: the latest if there are times, of several at one time the last in the table."""
        sizes = self.sizes()
        ends = self.starts + sizes - 1
        if time is None:
            return np.asarray(self.order[ends])
        pair = np.repeat(np.arange(len(sizes)), sizes)
        return np.asarray(self.order[np.lexsort((time[self.order], pair))[ends]])

    def example(self) -> tuple[int, int]:
        """The first two rows of the pair whose repetition comes first."""
        again = self.starts[self.sizes() > 1] + 1
        second = int(again[np.argmin(self.order[again])])
        return int(self.order[second - 1]), int(self.order[second])


def find_repeats(ids: Indexed) -> Repeats | None:
    """Group rows by pair of user and item if some pair has several, else return None."""
    if ids.ascending:
        return None
    cells = len(ids.users) * len(ids.items)
    key = np.multiply(ids.user, len(ids.items), dtype=np.int64)
    key += ids.item
    if len(key) <= cells:
        if (key[1:] > key[:-1]).all():
            return None
        if cells <= _CELLS:
            seen = np.zeros(cells, bool)
            seen[key] = True
            distinct = int(np.count_nonzero(seen))
        else:
            distinct = pl.Series(key).n_unique()
        if distinct == len(key):
            return None
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    return Repeats(order, starts)
