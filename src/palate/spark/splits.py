"""Cutting a frame of Spark into a part to train on and a part to judge on: the splits of `palate.splits` at scale."""

from __future__ import annotations

from typing import Any, NamedTuple

from palate.errors import SettingsError
from palate.spark.reading import hold_out_rows
from palate.splits import SplitKind, check_kind, check_share

__all__ = ["FrameSplit", "split"]

# Moments are looked for in this number of bins of time at a time.
_BINS = 1 << 16


class FrameSplit(NamedTuple):
    """Parts of a frame of Spark: together they are the frame, and they share no row.

    Attributes
    ----------
    given
        By "users": what is known of the new users when lists are made for them; else None.
    """

    train: Any
    test: Any
    given: Any = None


def split(
    frame: Any, kind: SplitKind = "random", share: float = 0.2, *, n: int | None = None, seed: int = 0
) -> FrameSplit:
    """Cut a tidy frame in one of the ways of `palate.splits.split_by`.

    What is chosen by chance there is chosen by a hash here, of the pair, the user or the item, since rows have no order
    in Spark: the parts do not depend on how Spark divides the work, and shares are met as nearly as chance allows. The
    splits by time are those of `palate.splits`; where ratings of a user have the same second, the larger item id is the
    later one.

    Parameters
    ----------
    frame
        A frame with the columns user, item, rating and, for "time" and "last", time (seconds since 1970).
    kind
        "random" rows, the latest ratings ("time"), the "last" ratings of each user, new "users" with half of their
        ratings given, or new "items".
    share
        Of the rows, of each user's rows, of the users or of the items.
    n
        By "last": how many of each user, instead of a share.
    seed
        Of the hashes.

    Returns
    -------
    FrameSplit
        Frames, to be fitted on, judged on, or written with ``frame.write.parquet``.

    Raises
    ------
    SettingsError
        If there is no such kind, the share is not between 0 and 1, or the frame has no times.
    """
    check_kind(kind)
    if n is not None and (kind != "last" or n < 1):
        raise SettingsError(f"n is how many ratings of each user are the last ones, at least 1: not {n} by {kind!r}")
    check_share(share)
    if kind in ("time", "last") and "time" not in frame.columns:
        raise SettingsError(f"a split by {kind!r} needs times, and this frame has no column 'time'")
    if kind == "random":
        return FrameSplit(*hold_out_rows(frame, share, seed))
    if kind == "time":
        moment = _moment(frame, share)
        return FrameSplit(frame.where(frame.time < moment), frame.where(frame.time >= moment))
    if kind == "last":
        return _last(frame, n or share)
    if kind == "users":
        return _new_users(frame, share, seed)
    return FrameSplit(*hold_out_rows(frame, share, seed, by=("item",)))


def _moment(frame: Any, share: float) -> int:
    """Return the moment, not the first one, that cuts as nearly as can be this share of the rows off.

    Bins of time are counted, then those of the bin in which the cut lies, until a bin is a second.
    """
    from pyspark.sql import functions as f

    ends = frame.agg(f.min("time").alias("low"), f.max("time").alias("high"), f.count("*").alias("size")).head()
    if not ends.size or ends.low == ends.high:
        raise SettingsError("all ratings have the same time: they cannot be split by it")
    wanted, after, low, high = share * ends.size, 0, ends.low, ends.high + 1  # after: rows at `high` or later
    later = ends.high  # the earliest moment that is known to have less than the wanted rows from it on
    while True:
        width = max(1, -(-(high - low) // _BINS))
        bin_of = f.floor((f.col("time") - low) / width).cast("bigint")
        inside = frame.where(f.col("time").between(low, high - 1))
        bins = inside.groupBy(bin_of.alias("bin")).agg(f.count("*").alias("rows"), f.min("time").alias("first"))
        for one in sorted(bins.collect(), key=lambda row: -row.bin):
            if after + one.rows >= wanted:
                break
            after, later = after + one.rows, one.first
        if width == 1:
            enough = after + one.rows
            is_nearer = enough - wanted <= wanted - after or not after
            return int(one.first if is_nearer and one.first > ends.low else later)
        low, high = low + one.bin * width, min(high, low + (one.bin + 1) * width)


def _last(frame: Any, n: float) -> FrameSplit:
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    user = Window.partitionBy("user")
    counts = f.count("*").over(user)
    size = f.greatest(f.bround(n * counts), f.lit(1)) if n < 1 else f.lit(n)
    place = f.row_number().over(user.orderBy(f.desc("time"), f.desc("item")))
    marked = frame.withColumn("__test", (size < counts) & (place <= size))
    return FrameSplit(marked.where(~f.col("__test")).drop("__test"), marked.where("__test").drop("__test"))


def _new_users(frame: Any, share: float, seed: int) -> FrameSplit:
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    train, new = hold_out_rows(frame, share, seed, by=("user",))
    user = Window.partitionBy("user")
    place = f.row_number().over(user.orderBy(f.xxhash64("item", f.lit(seed)), "item"))
    marked = new.withColumn("__test", place > f.ceil(f.count("*").over(user) / 2))
    return FrameSplit(train, marked.where("__test").drop("__test"), marked.where(~f.col("__test")).drop("__test"))
