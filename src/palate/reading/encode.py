"""From a table to ratings: rows judged, repeated pairs settled, ids turned into indices."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, ReadError, SettingsError
from palate.ratings import Ratings, RatingScale
from palate.reading.faults import Fault, Repeats, find_faults, find_repeats, listed, shown
from palate.reading.ids import index_ids
from palate.reading.table import Table

__all__ = ["Examined", "as_scale", "encode", "examine"]

_POLICIES = {"on_error": ("error", "skip"), "duplicates": ("error", "last", "mean")}


class Examined(NamedTuple):
    """A table with its ids encoded, and what is wrong with it.

    Attributes
    ----------
    ratings
        All rows that can be used, repeated pairs included.
    rows
        int64: which rows of the table these are, or None for all.
    faults
        What is wrong with the others.
    repeats
        The rows of `ratings` grouped by pair, if some pair has several.
    """

    ratings: Ratings
    rows: NDArray[np.int64] | None
    faults: list[Fault]
    repeats: Repeats | None

    def row(self, position: int) -> int:
        """The row of the table that a row of `ratings` was."""
        return position if self.rows is None else int(self.rows[position])

    def describe_repeats(self, table: Table) -> str:
        """Say how many rows rate a pair again, with an example."""
        assert self.repeats is not None
        ratings, positions = self.ratings, self.repeats.example()
        user, item = ratings.users[ratings.user[positions[0]]], ratings.items[ratings.item[positions[0]]]
        first, then = (
            f"{shown(ratings.rating[position])} ({table.locate(self.row(position))})" for position in positions
        )
        rows = f"{self.repeats.extra:,} row{'s rate' if self.repeats.extra > 1 else ' rates'}"
        return f"{rows} a pair of user and item again, such as user {user!r} and item {item!r}: {first}, then {then}"


def examine(table: Table, scale: RatingScale | None = None) -> Examined:
    """Encode the rows that can be used, and find what is wrong with the others; raises nothing."""
    rating, faults = find_faults(table, scale)
    columns = [table.columns["user"], table.columns["item"]]
    rows = None
    if faults:
        usable = np.ones(len(table), bool)
        for fault in faults:
            usable[fault.rows] = False
        rows = np.flatnonzero(usable)
        rating, columns = rating[rows], [column[rows] for column in columns]
    found = index_ids(columns[0], columns[1])
    ratings = Ratings(found.users, found.items, found.user, found.item, rating, scale, notes=table.notes)
    return Examined(ratings, rows, faults, find_repeats(found))


def encode(
    table: Table,
    *,
    on_error: str = "error",
    duplicates: str = "error",
    scale: RatingScale | tuple[float, float] | None = None,
) -> Ratings:
    """Judge the rows of a table and turn it into ratings. The order of the rows is kept.

    Parameters
    ----------
    table
        What was read.
    on_error
        "error", or "skip" to leave out rows that cannot be used: ids or ratings that are missing, ratings that are no
        finite number or are off the declared scale.
    duplicates
        "error", or "last" or "mean" of the ratings where a user has rated an item several times.
    scale
        The rating scale (low, high) if it is known.

    Raises
    ------
    ReadError
        If a row cannot be used.
    DataError
        If a rating is off the scale, a pair is rated twice, or no row is left.

    Examples
    --------
    >>> import polars as pl
    >>> table = Table(pl.DataFrame({"user": ["b", "a", "b"], "item": [7, 7, 7], "rating": [1.0, 2.0, 5.0]}), "x.csv")
    >>> ratings = encode(table, duplicates="mean")
    >>> ratings.users.ids[ratings.user], ratings.rating
    (array(['b', 'a'], dtype=object), array([3., 2.], dtype=float32))
    """
    for name, value in (("on_error", on_error), ("duplicates", duplicates)):
        if value not in _POLICIES[name]:
            raise SettingsError(f"{name} must be one of {', '.join(_POLICIES[name])}, not {value!r}")
    examined = examine(table, as_scale(scale))
    ratings, _, faults, repeats = examined
    if faults and on_error == "error":
        raise _refusal(table, faults)
    if not len(ratings):
        raise DataError(f"{table.source} holds no ratings" + f" that can be used: {listed(faults)}" * bool(faults))
    notes = []
    if faults:
        notes.append(f"left out {len(table) - len(ratings):,} of {len(table):,} rows: {listed(faults)}")
    if repeats is not None:
        if duplicates == "error":
            raise DataError(
                f"{table.source}: {examined.describe_repeats(table)}; keep the last or the mean with duplicates='last' "
                "or 'mean' (--duplicates last|mean)"
            )
        notes.append(f"{repeats.extra:,} of {len(table):,} rows rate a pair again: kept the {duplicates}")
        ratings = _settle(ratings, repeats, duplicates)
    return replace(ratings, notes=(*ratings.notes, *notes))


def as_scale(scale: RatingScale | tuple[float, float] | None) -> RatingScale | None:
    """Return a scale that was given as such or as (low, high)."""
    return scale if scale is None or isinstance(scale, RatingScale) else RatingScale(*map(float, scale))


def _refusal(table: Table, faults: list[Fault]) -> ReadError | DataError:
    first = min(faults, key=lambda fault: fault.rows[0])
    row, rows = int(first.rows[0]), sum(len(fault.rows) for fault in faults)
    count = f"{rows:,} of {len(table):,} rows" if rows > 1 else "this row"
    kind = DataError if first.code == "off-scale" else ReadError
    what = first.what.format(shown(table.frame["rating"][row])) if "{}" in first.what else first.what
    return kind(
        f"{table.where(row)}: {what}; mend the table, or leave {count} out with on_error='skip' (--on-error skip)"
    )


def _settle(ratings: Ratings, repeats: Repeats, policy: str) -> Ratings:
    sizes = repeats.sizes()
    if policy == "last":
        return ratings.take(np.sort(repeats.order[repeats.starts + sizes - 1]))
    means = np.add.reduceat(ratings.rating[repeats.order].astype(np.float64), repeats.starts) / sizes
    first = repeats.order[repeats.starts]
    rating = ratings.rating.copy()
    rating[first] = means
    return replace(ratings, rating=rating).take(np.sort(first))
