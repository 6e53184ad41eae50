"""Ratings as a frame of Spark: columns found as in local reading, rows judged, repeated pairs settled."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from palate.errors import DataError, PalateWarning, ReadError, SettingsError
from palate.ratings import RatingScale, lost_distances
from palate.reading import ratings_of
from palate.reading.columns import choose_columns
from palate.reading.encode import as_scale, check_policies
from palate.reading.mixed_ids import IdPart, MixedIds, mixed_ids
from palate.reading.raw import Choice, Column, Part, RawTable, Wanted
from palate.reading.sniff import BLANKS, sniff

__all__ = ["frame_of", "hold_out_rows", "mixed_id_notes", "paths_of", "read_frame", "tidy_frame"]

_SAMPLE = 200
# Shares are held out to this precision.
_BUCKETS = 1 << 30
_INTEGERS = ("tinyint", "smallint", "int", "bigint")


def read_frame(
    spark: Any, sources: str | Path | Sequence[str | Path], *, separator: str | None = None, header: bool | None = None
) -> Any:
    """Read Parquet, ORC, delimited text or a table by Spark.

    Parameters
    ----------
    spark
        The session.
    sources
        Paths of any file system that Spark knows, folders and patterns included, or the name of a table of the
        session's catalogue. All files are of one kind.
    separator, header
        As in `palate.read_ratings`, for text; guessed from the first lines if None.

    Returns
    -------
    pyspark.sql.DataFrame

    Raises
    ------
    ReadError
        If there is nothing to read, or the text has no columns.
    """
    paths = paths_of(sources)
    name = ", ".join(paths)
    with _read_errors(name):
        if len(paths) == 1 and "/" not in name and not Path(name).exists() and spark.catalog.tableExists(name):
            return spark.table(name)
        if all(path.rstrip("/*").endswith((".parquet", ".pq")) for path in paths):
            return _one_frame(spark.read.parquet, paths)
        if all(path.endswith(".orc") for path in paths):
            return _one_frame(spark.read.orc, paths)
        lines = [row.value for row in spark.read.text(paths).head(_SAMPLE)]
    if lines and lines[0].startswith("PAR1"):
        return _one_frame(spark.read.parquet, paths)
    dialect = sniff(lines or ["?"], separator, header, name).dialect
    if dialect.separator == BLANKS or dialect.above > (dialect.names is not None):
        raise ReadError(
            f"{name}: Spark reads text with one separator and at most a header above it; name the separator "
            "(--separator), or write the table as Parquet"
        )
    frame = spark.read.csv(paths, sep=dialect.separator, header=dialect.names is not None, mode="FAILFAST")
    return frame.toDF(*(dialect.names or [f"_{place}" for place in range(dialect.width)]))


@contextmanager
def _read_errors(source: str) -> Iterator[None]:
    """Raise what Spark says of a source that it cannot read as a `ReadError` of one line."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("pyspark", "py4j")):
            raise
        lines = str(error).splitlines()
        reason = next((line for line in lines if re.search(r"\[[A-Z_.]+\]", line)), lines[0])
        raise ReadError(f"{source} cannot be read by Spark: {reason}") from error


def _one_frame(read: Callable[..., Any], paths: list[str]) -> Any:
    """Read files as one frame. A column that is text in some of them is text in the frame."""
    frames = [read(path) for path in paths]
    kinds: dict[str, set[str]] = {}
    for name, kind in (column for frame in frames for column in frame.dtypes):
        kinds.setdefault(name, set()).add(kind)
    mixed = [name for name, of_files in kinds.items() if "string" in of_files and len(of_files) > 1]
    if not mixed:
        return read(*paths)
    casts = [{name: frame[f"`{name}`"].cast("string") for name in mixed if name in frame.columns} for frame in frames]
    return reduce(
        lambda all, one: all.unionByName(one), map(lambda frame, cast: frame.withColumns(cast), frames, casts)
    )


def tidy_frame(
    frame: Any,
    *,
    user: Choice = None,
    item: Column = None,
    rating: Choice = None,
    time: Choice = None,
    on_error: str = "error",
    duplicates: str = "error",
    scale: RatingScale | tuple[float, float] | None = None,
    source: str = "the frame",
) -> tuple[Any, tuple[str, ...]]:
    """Bring a frame of Spark to the columns user, item, rating and, if it has one, time.

    Parameters
    ----------
    frame
        A frame of Spark.
    user, item, rating, time, on_error, duplicates, scale
        As in `palate.read_ratings`. With ``duplicates="error"`` repeated pairs are found when the fit sorts the table.
    source
        For messages.

    Returns
    -------
    tuple
        The frame, with ids as bigint or string and ratings as float; and notes on what was guessed.

    Raises
    ------
    ReadError
        If a column is not there or not clear, or a row cannot be used.
    DataError
        If a rating is off the declared scale, float32 cannot tell the ratings apart, or no row is left.

    Warns
    -----
    PalateWarning
        If ids are integers in one of several files and text in another: then all are text.
    """
    from pyspark.sql import functions as f

    check_policies(on_error=on_error, duplicates=duplicates)
    declared = as_scale(scale)
    added_up = duplicates in ("sum", "count")
    with _read_errors(source):
        frame, note = _chosen_columns(frame, Wanted(user, item, rating, time), source)
        frame, notes = _judge(frame, on_error, None if added_up else declared, source)
    for note in notes:
        if isinstance(note, MixedIds):
            warnings.warn(note, PalateWarning, stacklevel=2)
    if duplicates != "error":
        frame = _settle(frame, duplicates)
    return frame.withColumn("rating", f.col("rating").cast("float")), (note, *notes)


def _chosen_columns(frame: Any, wanted: Wanted, source: str) -> tuple[Any, Any]:
    """Return the columns user, item, rating and perhaps time, and a note on what was guessed."""
    from pyspark.sql import functions as f

    rows = [["" if value is None else str(value) for value in row] for row in frame.limit(_SAMPLE).collect()]
    unnamed = all(name.startswith("_") for name in frame.columns)
    names = None if unnamed else list(frame.columns)
    chosen = choose_columns(RawTable(source, len(frame.columns), lambda _: Part([]), names, rows), wanted)
    columns = [frame[f"`{name}`"] for name in frame.columns]
    frame = frame.select(
        _id_text(frame, columns, chosen.user).alias("user"),
        _id_text(frame, columns, chosen.item).alias("item"),
        (f.lit(1.0) if chosen.rating is None else columns[chosen.rating].try_cast("double")).alias("rating"),
        *([] if chosen.time is None else [_seconds(frame, columns, chosen.time).alias("time")]),
    )
    return frame, chosen.note


def _id_text(frame: Any, columns: list[Any], position: int) -> Any:
    """Return a column of ids: integers as bigint, all else as text without blanks at its ends."""
    from pyspark.sql import functions as f

    kind = frame.dtypes[position][1]
    if kind in _INTEGERS:
        return columns[position].cast("bigint")
    if kind in ("float", "double"):
        whole, text = columns[position].try_cast("bigint"), columns[position].cast("string")
        return f.when(whole == columns[position], whole.cast("string")).when(~f.isnan(columns[position]), text)
    if kind == "boolean":
        return f.initcap(columns[position].cast("string"))
    return f.trim(columns[position].cast("string"))


def _is_integer(column: Any) -> Any:
    """Return whether texts are integers that are spelled in one way only: "007" is another id than "7"."""
    return (column.try_cast("bigint").cast("string") == column).eqNullSafe(True)


def _seconds(frame: Any, columns: list[Any], position: int) -> Any:
    from pyspark.sql import functions as f

    kind, column = frame.dtypes[position][1], columns[position]
    if kind in ("timestamp", "date", "timestamp_ntz"):
        return f.unix_timestamp(column.cast("timestamp"))
    number = column.try_cast("double").cast("bigint")
    return f.coalesce(number, f.unix_timestamp(column.cast("string").try_cast("timestamp")))


def _judge(frame: Any, on_error: str, scale: RatingScale | None, source: str) -> tuple[Any, list[str]]:
    """Leave out or refuse rows that cannot be used, and make ids integers where all of them are."""
    from pyspark.sql import functions as f

    rating = f.col("rating")
    is_finite = rating.isNotNull() & ~f.isnan(rating) & (f.abs(rating) <= 3.4028235e38)
    has_ids = (f.col("user").cast("string") != "") & (f.col("item").cast("string") != "")
    has_time = f.col("time").isNotNull() if "time" in frame.columns else f.lit(True)
    is_usable = f.coalesce(is_finite & has_ids & has_time, f.lit(False))
    fits = f.lit(True) if scale is None else f.col("rating").between(scale.low, scale.high)
    usable_rating = f.when(is_usable & fits, rating)
    texts = [name for name in ("user", "item") if dict(frame.dtypes)[name] == "string"]
    found = frame.agg(
        f.count("*").alias("rows"),
        f.count_if(~is_usable).alias("unusable"),
        f.count_if(is_usable & ~fits).alias("off"),
        f.min(usable_rating).alias("low"),
        f.max(usable_rating).alias("high"),
        *[f.bool_and(f.when(is_usable, _is_integer(f.col(name)))).alias(name) for name in texts],
    ).head()
    bad = found.unusable + found.off
    if found.rows == bad:
        raise DataError(f"{source} holds no ratings" + (" that can be used" if bad else ""))
    if bad and on_error == "error":
        example = frame.where(~(is_usable & fits)).head().asDict()
        shown = f"user {example['user']!r}, item {example['item']!r}, rating {example['rating']!r}"
        kind = DataError if found.off and not found.unusable else ReadError
        lacking = (
            "id, no time that can be read, or no finite rating" if "time" in frame.columns else "id or no finite rating"
        )
        what = "are off the declared scale" if kind is DataError else f"have no {lacking}"
        raise kind(
            f"{source}: {bad:,} of {found.rows:,} rows {what}, such as {shown}; mend the table, or leave them out with "
            "on_error='skip' (--on-error skip)"
        )
    lost = lost_distances(np.array([found.low, found.high]))
    if lost:
        raise DataError(f"{source}: {lost}")
    frame = frame.where(is_usable & fits) if bad else frame
    notes = [f"left out {bad:,} of {found.rows:,} rows"] if bad else []
    notes += _mixed_ids(frame, [name for name in texts if not found[name]])  # the others are integers in all files
    for name in texts:
        if found[name]:
            frame = frame.withColumn(name, f.col(name).cast("bigint"))
    return frame, notes


def mixed_id_notes(
    frame: Any, *, user: Choice = None, item: Column = None, rating: Choice = None, time: Choice = None, source: str
) -> list[MixedIds]:
    """Return notes on ids that are integers in some files of a frame and text in others; the columns are as above."""
    if len(frame.inputFiles()) < 2:
        return []
    columns, _ = _chosen_columns(frame, Wanted(user, item, rating, time), source)
    return _mixed_ids(columns, [name for name in ("user", "item") if dict(columns.dtypes)[name] == "string"])


def _mixed_ids(frame: Any, texts: list[str]) -> list[MixedIds]:
    """Say that the ids of some files are integers and those of others text. The files of one folder are one source."""
    from pyspark.sql import functions as f

    if not texts or len(frame.inputFiles()) < 2:
        return []
    source = f.regexp_replace(f.input_file_name(), "(^file://)|(/part-[^/]*$)", "").alias("source")
    odd = [f.min(f.when(~_is_integer(f.col(name)), f.col(name))).alias(name) for name in texts]
    rows = frame.groupBy(source).agg(f.count("*").alias("rows"), *odd).orderBy("source").collect()
    parts = {name: [IdPart(unquote(row.source), row.rows, row[name]) for row in rows] for name in texts}
    return [note for name in texts for note in mixed_ids(name, parts[name])]


def _settle(frame: Any, policy: str) -> Any:
    """Make one row of all that rate the same pair."""
    from pyspark.sql import functions as f

    has_time = "time" in frame.columns
    if policy == "last" and not has_time:
        raise DataError("rows have no order in Spark: duplicates='last' needs a column of times; name it (--time)")
    values: dict[str, Any] = {
        "last": f.max_by("rating", "time") if has_time else None,
        "count": f.count("*").cast("double"),
        "mean": f.avg("rating"),
        "sum": f.sum("rating"),
    }
    value = values[policy]
    times = [f.max("time").alias("time")] if has_time else []
    return frame.groupBy("user", "item").agg(value.alias("rating"), *times)


def frame_of(spark: Any, source: Any, *, separator: str | None = None, header: bool | None = None) -> tuple[Any, str]:
    """Return a frame of Spark for whatever `palate.spark.fit` takes, and its name for messages."""
    if hasattr(source, "sparkSession"):
        return source, "the frame"
    paths = paths_of(source)
    if paths:
        return read_frame(spark, paths, separator=separator, header=header), ", ".join(paths)
    import pyarrow as pa

    columns = ratings_of(source).columns()
    texts = {
        name: pa.array(column, pa.string() if column.dtype == object else None) for name, column in columns.items()
    }
    return spark.createDataFrame(pa.table(texts)), "the ratings"


def paths_of(source: Any) -> list[str]:
    """Return the paths (or the name of a table) that a source of ratings is; none where it is the ratings themselves.

    >>> paths_of(Path("ratings.parquet")), paths_of(["a.csv", "b.csv"]), paths_of([("ann", "tea", 5)])
    (['ratings.parquet'], ['a.csv', 'b.csv'], [])
    """
    paths = [source] if isinstance(source, (str, Path)) else source
    is_paths = isinstance(paths, (list, tuple)) and all(isinstance(path, (str, Path)) for path in paths)
    return [str(path) for path in paths] if is_paths else []


def hold_out_rows(frame: Any, share: float, seed: int, by: tuple[str, ...] = ("user", "item")) -> tuple[Any, Any]:
    """Cut a tidy frame into two by a hash of the pair, the user or the item, which needs no order of the rows.

    Raises
    ------
    SettingsError
        If the share is not between 0 and 1.
    """
    from pyspark.sql import functions as f

    if not 0 < share < 1:
        raise SettingsError(f"the share to hold out must be between 0 and 1, not {share!r}")
    chosen = f.pmod(f.xxhash64(*by, f.lit(seed)), f.lit(_BUCKETS)) < int(share * _BUCKETS)
    return frame.where(~chosen), frame.where(chosen)
