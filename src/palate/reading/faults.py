"""What can be wrong with the rows of a table: values that cannot be used, and pairs that are rated again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.lazy import pl
from palate.ratings import RatingScale
from palate.reading.ids import Indexed
from palate.reading.table import Table

__all__ = ["Fault", "Repeats", "find_faults", "find_repeats", "listed", "shown"]

# Up to here a table of all pairs, a byte each, is quicker than sorting.
_CELLS = 200_000_000


class Fault(NamedTuple):
    """One way in which rows cannot be used.

    Attributes
    ----------
    code
        A word for programs.
    what
        A phrase about one row; "{}" stands for its rating.
    brief
        A phrase about any number of rows.
    rows
        int64, ascending: the rows, counted from 0.
    """

    code: str
    what: str
    brief: str
    rows: NDArray[np.int64]


def shown(rating: object) -> str:
    """Spell a rating as it was written, as far as that is known.

    Examples
    --------
    >>> shown(np.float32(4.1)), shown(881250949.0), shown("good")
    ('4.1', '881250949', "'good'")
    """
    if isinstance(rating, str):
        return repr(rating if len(rating) <= 40 else rating[:39] + "…")
    value = float(rating)  # type: ignore[arg-type]
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return str(single if float(single) == value else value)


def listed(faults: list[Fault]) -> str:
    """List faults with their counts, such as "2 × no rating"."""
    return ", ".join(f"{len(fault.rows):,} × {fault.brief}" for fault in faults)


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
    if isinstance(plain, np.ndarray) and _is_usable(plain, scale):
        return plain, []
    frame, column = table.frame, table.frame["rating"]
    numbers = column.str.strip_chars().cast(pl.Float64, strict=False) if column.dtype == pl.String else column
    with np.errstate(over="ignore"):
        rating = numbers.to_numpy().astype(np.float32, copy=False)
    nulls = frame["user"].null_count() + frame["item"].null_count() + column.null_count()
    if not nulls and _is_usable(rating, scale):
        return rating, []
    low, high = _ends(scale)
    missing = column.is_null().to_numpy()
    finite, nan = np.isfinite(rating), np.isnan(rating)
    tests = [
        ("user-missing", "the user id is missing", "no user id", frame["user"].is_null().to_numpy()),
        ("item-missing", "the item id is missing", "no item id", frame["item"].is_null().to_numpy()),
        ("rating-missing", "the rating is missing", "no rating", missing),
        ("rating-text", "rating {} is not a number", "text for a rating", numbers.is_null().to_numpy() & ~missing),
        ("rating-nan", "rating {} is not a number", "NaN for a rating", nan & ~missing),
        ("rating-infinite", "rating {} is not finite", "an infinite rating", ~finite & ~nan),
        ("off-scale", f"rating {{}} is off the scale {scale}", "off the scale", (rating < low) | (rating > high)),
    ]
    faults, before = [], np.zeros(len(rating), bool)
    for code, what, brief, bad in tests:
        rows = np.flatnonzero(bad & ~before)
        before[rows] = True
        if len(rows):
            faults.append(Fault(code, what, brief, rows))
    return rating, faults


def _ends(scale: RatingScale | None) -> tuple[np.float32, np.float32]:
    return (
        (np.float32(-np.inf), np.float32(np.inf)) if scale is None else (np.float32(scale.low), np.float32(scale.high))
    )


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
