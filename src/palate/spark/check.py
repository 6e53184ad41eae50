"""A look at a table that one machine cannot hold: executors count, the driver looks at a sample beside the counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.check import Check, check_table
from palate.check.check import histogram, median_of
from palate.check.findings import Finding, many
from palate.check.ids import rated_once
from palate.lazy import pl
from palate.ratings import RatingScale
from palate.reading import read_table
from palate.reading.encode import as_scale
from palate.reading.mixed_ids import MixedIds
from palate.spark.reading import frame_of, mixed_id_notes, tidy_frame
from palate.spark.session import open_spark

__all__ = ["check"]

# A table of at most this number of rows is looked at by the driver, as a local check does.
_FEW = 1_000_000
# Ratings of more distinct values are counted in this number of bins.
_VALUES = 100_000


def check(
    frame: Any,
    *,
    scale: RatingScale | tuple[float, float] | None = None,
    on_error: str = "error",
    duplicates: str = "error",
    master: str | None = None,
    most: int = _FEW,
    **reading: Any,
) -> Check:
    """Look at a table by Spark before anyone fits: what `palate.check_table` says.

    Executors count rows, users, items, ratings and their distribution, and rows that rate a pair again, over the whole
    table. Signs of mistakes that take a look at single rows and ids, and the order of times, are those of a sample.

    Parameters
    ----------
    frame
        A frame of Spark, or whatever `palate.spark.read_frame` reads.
    scale, on_error, duplicates
        As in `palate.check_table`.
    master
        Where Spark runs, see `palate.spark.open_spark`.
    most
        The size of the sample in rows, about. A table of at most this number of rows is checked by the driver, and the
        result is that of a local check.
    **reading
        `user`, `item`, `rating`, `time`, `separator` and `header`, as in `palate.read_ratings`.

    Raises
    ------
    ReadError, DataError
        If the table cannot be read, or no row can be used.
    """
    spark = open_spark(master)
    layout = {name: reading.pop(name) for name in ("separator", "header") if name in reading}
    frame, source = frame_of(spark, frame, **layout)
    spark.sparkContext.setJobGroup("palate", "palate: check", interruptOnCancel=True)
    settings: dict[str, Any] = {"on_error": on_error, "duplicates": duplicates}
    rows = frame.count()
    if rows <= most:
        table = read_table(pl.from_arrow(frame.toArrow()), **reading)
        mixed = mixed_id_notes(frame, **reading, source=source)
        table = replace(table, source=source, notes=(*table.notes, *mixed))
        return check_table(table, scale=scale, **settings)
    tidy, notes = tidy_frame(frame, **reading, scale=scale, on_error="skip", source=source)
    sample = tidy.sample(most / rows, seed=0)
    columns: dict[str, Any] = {name: name for name in ("user", "item", "rating")} | {
        "time": "time" if "time" in tidy.columns else False
    }
    look = check_table(read_table(pl.from_arrow(sample.toArrow()), **columns), scale=scale, duplicates="last")
    return _counted(look, tidy, rows, as_scale(scale), source, notes, settings)


def _counted(
    look: Check, tidy: Any, rows: int, scale: RatingScale | None, source: str, notes: Any, settings: dict[str, Any]
) -> Check:
    """Return what a sample showed, with everything that can be counted counted over all rows."""
    from pyspark.sql import functions as f

    values, counts = _values(tidy)
    usable, sides = int(counts.sum()), {}
    for name in ("user", "item"):
        by_id = tidy.groupBy(name).count()
        most = by_id.orderBy(f.desc("count"), name).head()
        sizes = by_id.groupBy("count").agg(f.count("*").alias("ids")).toArrow()
        each = np.repeat(sizes.column("count").to_numpy(), sizes.column("ids").to_numpy())
        sides[name] = (most[name], int(most["count"])), each
    pairs = tidy.groupBy("user", "item").agg(f.count("*").alias("rows"), f.count_distinct("rating").alias("values"))
    repeats = (
        pairs.where("rows > 1")
        .agg(f.sum(f.col("rows") - 1).alias("extra"), f.count_if(f.col("values") > 1).alias("differ"))
        .head()
    )
    extra = int(repeats.extra or 0)
    (most_user, users), (most_item, items) = sides.values()
    shown_scale = scale or RatingScale.of(values)
    findings = [one for one in look.findings if one.code not in _COUNTED]
    findings += [*rated_once("user", users), *rated_once("item", items)]
    findings += [Finding("warning", "mixed-ids", note, note.rows) for note in notes if isinstance(note, MixedIds)]
    if rows > usable:
        findings.append(_unusable(rows, usable, settings["on_error"]))
    if extra:
        findings.append(_repeated(extra, int(repeats.differ), settings["duplicates"]))
    order = ("error", "warning", "note")
    return replace(
        look,
        source=source,
        rows=rows,
        usable=usable,
        users=len(users),
        items=len(items),
        density=(usable - extra) / (len(users) * len(items)),
        scale=(shown_scale.low, shown_scale.high),
        mean=float(values.astype(np.float64) @ counts / usable),
        median=median_of(values, counts),
        histogram=tuple(histogram(values, counts, shown_scale)),
        users_once=int((users == 1).sum()),
        items_once=int((items == 1).sum()),
        most_user=most_user,
        most_item=most_item,
        findings=tuple(sorted(findings, key=lambda one: order.index(one.level))),
        notes=(
            *(note for note in notes if not isinstance(note, MixedIds)),
            "signs of mistakes and the order of times are those of a sample of the rows",
        ),
    )


# What a sample would count wrongly.
_COUNTED = {"users-once", "items-once", "duplicates"}


def _values(tidy: Any) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distinct ratings and how often each occurs; of very many, the first of each of many bins."""
    from pyspark.sql import functions as f

    ends = tidy.agg(
        f.min("rating").alias("low"), f.max("rating").alias("high"), f.approx_count_distinct("rating").alias("values")
    ).head()
    if ends.values <= _VALUES:
        counted = tidy.groupBy("rating").count()
    else:
        width = (ends.high - ends.low) / _VALUES
        bin_of = f.floor((f.col("rating") - ends.low) / width)
        counted = tidy.groupBy(bin_of.alias("bin")).agg(f.min("rating").alias("rating"), f.count("*").alias("count"))
    table = counted.toArrow().sort_by("rating")
    return table.column("rating").to_numpy().astype(np.float32), table.column("count").to_numpy().astype(np.int64)


def _unusable(rows: int, usable: int, on_error: str) -> Finding:
    message = f"{rows - usable:,} of {rows:,} rows have no id or no finite rating, or are off the declared scale"
    return Finding("error" if on_error == "error" else "note", "unusable", message, rows - usable)


def _repeated(extra: int, differ: int, policy: str) -> Finding:
    message = f"{many(extra, 'row')} rate a pair of user and item again; {many(differ, 'pair')} rated differently"
    return Finding("error" if policy == "error" else "note", "duplicates", message, extra)
