"""From a table to ratings: rows judged, repeated pairs settled, ids turned into indices."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, ReadError, SettingsError
from palate.lazy import pl
from palate.ratings import Ratings, RatingScale, lost_distances
from palate.reading.faults import Fault, Repeats, add_gaps, find_faults, find_repeats, listed, shown
from palate.reading.id_columns import as_ids
from palate.reading.ids import index_ids
from palate.reading.table import Table
from palate.reading.times import readable_times

__all__ = ["POLICIES", "Examined", "as_scale", "check_policies", "encode", "examine", "settled"]

POLICIES = {"on_error": ("error", "skip"), "duplicates": ("error", "last", "mean", "sum", "count")}


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
        # A bad row, such as a header that comes again, must not make text of the ids of all others.
        ids = [_ids(table.frame[role][rows], table.source) for role in ("user", "item")]
        is_gap = ids[0].is_null() | ids[1].is_null()
        if is_gap.any():
            faults = add_gaps(faults, rows, ids)
            rows, ids = rows[~is_gap.to_numpy()], [column.filter(~is_gap) for column in ids]
        rating, columns = rating[rows], list(ids)
    indexed = index_ids(columns[0], columns[1])
    ratings = Ratings(
        indexed.users, indexed.items, indexed.user, indexed.item, rating, scale, table.notes, _times(table, rows),
        is_choices=not table.has_ratings,
    )  # fmt: skip
    return Examined(ratings, rows, faults, find_repeats(indexed))


def _ids(column: pl.Series, source: str) -> pl.Series:
    return as_ids(column, source) if column.dtype == pl.String else column


def _times(table: Table, rows: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    if not table.has_times:
        return None
    times = table.columns["time"]
    if isinstance(times, np.ndarray):
        return times if rows is None else times[rows]
    times = readable_times(times) if times.dtype == pl.String else times
    return (times if rows is None else times[rows]).cast(pl.Int64).to_numpy()


def check_policies(**policies: str) -> None:
    """Refuse values of `on_error` and `duplicates` that do not exist.

    Raises
    ------
    SettingsError
        Naming those that do.
    """
    for name, value in policies.items():
        if value not in POLICIES[name]:
            raise SettingsError(f"{name} must be one of {', '.join(POLICIES[name])}, not {value!r}")


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
        "error", or "skip" to leave out rows that cannot be used: lines with another number of columns or malformed
        quotes, ids or ratings that are missing, ratings that are no finite number or are off the declared scale.
    duplicates
        Where a user has rated an item several times: "error"; "last" takes the latest in time, or without times the
        last in the file; "mean" and "sum" of the ratings; "count" of the rows, for events. The time is the latest.
    scale
        The rating scale (low, high) if it is known; for "sum" and "count" that of the result.

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
    check_policies(on_error=on_error, duplicates=duplicates)
    declared = as_scale(scale)
    added_up = duplicates in ("sum", "count")
    examined = examine(table, None if added_up else declared)
    ratings, _, faults, repeats = examined
    if on_error == "error":
        _refuse(table, faults)
    if not len(ratings):
        left_out = [*_bad(table), *([listed(faults, table)] if faults else [])]
        why = f" that can be used: {', '.join(left_out)}" if left_out else ""
        raise DataError(f"{table.source} holds no ratings{why}")
    _refuse_lost_distances(table, ratings.rating)
    notes = []
    if faults or table.bad is not None:
        lines = len(table) + (0 if table.bad is None else len(table.bad.places))
        left_out = [*_bad(table), *([listed(faults, table)] if faults else [])]
        notes.append(f"left out {lines - len(ratings):,} of {lines:,} rows: {', '.join(left_out)}")
    if repeats is not None and duplicates == "error":
        raise DataError(
            f"{table.source}: {examined.describe_repeats(table)}; settle it with duplicates='last', 'mean', 'sum' or "
            "'count' (--duplicates last|mean|sum|count)"
        )
    if repeats is not None:
        notes.append(f"{repeats.extra:,} of {len(table):,} rows rate a pair again: {settled(ratings, duplicates)}")
    ratings = _settle(ratings, repeats, duplicates)
    if added_up and declared is not None:
        ratings = _on_scale(replace(ratings, declared_scale=declared), duplicates, table.source)
    return replace(ratings, notes=(*ratings.notes, *notes))


def _refuse_lost_distances(table: Table, rating: NDArray[np.float32]) -> None:
    """Refuse ratings that differ in the table, and that are one number as float32."""
    if isinstance(table.columns["rating"], np.ndarray) or rating.min() < rating.max():
        return
    column = table.frame["rating"]
    numbers = column.str.strip_chars().cast(pl.Float64, strict=False) if column.dtype == pl.String else column
    values = numbers.cast(pl.Float64).drop_nulls().to_numpy()
    lost = lost_distances(values[np.isfinite(values)])
    if lost:
        raise DataError(f"{table.source}: {lost}")


def as_scale(scale: RatingScale | tuple[float, float] | None) -> RatingScale | None:
    """Return a scale that was given as such or as (low, high).

    Raises
    ------
    SettingsError
        If it is neither.
    """
    if scale is None or isinstance(scale, RatingScale):
        return scale
    try:
        low, high = map(float, scale)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"a rating scale is (low, high), such as (1, 5), not {scale!r}") from error
    return RatingScale(low, high)


def _bad(table: Table) -> list[str]:
    return [] if table.bad is None else [f"{len(table.bad.places):,} × no row of the table ({table.bad})"]


def _refuse(table: Table, faults: list[Fault]) -> None:
    bad = table.bad
    count = sum(len(fault.rows) for fault in faults) + (0 if bad is None else len(bad.places))
    if not count:
        return
    rows = len(table) + (0 if bad is None else len(bad.places))
    which = f"{count:,} of {rows:,} rows" if count > 1 else "this row"
    mend = f"mend the table, or leave {which} out with on_error='skip' (--on-error skip)"
    if count == rows > 1:
        mend = (
            f"none of {rows:,} rows can be used: name the columns with user=, item=, rating= (--columns), or mend them"
        )
        if faults and faults[0].code == "rating-text" and len(faults[0].rows) == rows:
            mend = f"no rating of {rows:,} is: name their column with rating= (--columns), or write numbers for words"
    if bad is not None:
        raise ReadError(f"{table.source}, {bad}; {mend}")
    first = min(faults, key=lambda fault: fault.rows[0])
    kind = DataError if first.code == "off-scale" else ReadError
    what = first.what.format(shown(first.value(table))) if "{}" in first.what else first.what
    raise kind(f"{table.where(int(first.rows[0]))}: {what}; {mend}")


def settled(ratings: Ratings, policy: str) -> str:
    """Say what becomes of pairs that are rated several times."""
    if policy == "last":
        return "kept the last in the file" if ratings.time is None else "kept the latest in time"
    return {"mean": "kept the mean", "sum": "added them up", "count": "counted them"}[policy]


def _settle(ratings: Ratings, repeats: Repeats | None, policy: str) -> Ratings:
    if repeats is None:
        return ratings if policy != "count" else replace(ratings, rating=np.ones(len(ratings), np.float32))
    last = repeats.last(ratings.time)
    if policy == "last":
        return ratings.take(np.sort(last))
    sizes = repeats.sizes()
    if policy == "count":
        values = sizes.astype(np.float64)
    else:
        values = np.add.reduceat(ratings.rating[repeats.order].astype(np.float64), repeats.starts)
        values = values / sizes if policy == "mean" else values
    first = repeats.order[repeats.starts]
    rating, time = ratings.rating.copy(), None if ratings.time is None else ratings.time.copy()
    rating[first] = values
    if time is not None and ratings.time is not None:
        time[first] = ratings.time[last]
    return replace(ratings, rating=rating, time=time).take(np.sort(first))


def _on_scale(ratings: Ratings, policy: str, source: str) -> Ratings:
    scale = ratings.scale
    off = np.flatnonzero((ratings.rating < np.float32(scale.low)) | (ratings.rating > np.float32(scale.high)))
    if len(off):
        user, item = ratings.users[ratings.user[off[0]]], ratings.items[ratings.item[off[0]]]
        raise DataError(
            f"{source}: the {policy} of user {user!r} and item {item!r}, {shown(ratings.rating[off[0]])}, is off the "
            f"scale {scale}: declare a wider one, or none"
        )
    return ratings
