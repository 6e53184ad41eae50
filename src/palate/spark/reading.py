"""Ratings as a frame of Spark: columns found as in local reading, rows judged, repeated pairs settled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from palate.errors import DataError, ReadError, SettingsError
from palate.ratings import RatingScale
from palate.reading import ratings_of
from palate.reading.columns import choose_columns
from palate.reading.encode import as_scale, check_policies
from palate.reading.raw import Choice, Column, Part, RawTable, Wanted
from palate.reading.sniff import BLANKS, sniff

__all__ = ["frame_of", "hold_out_rows", "read_frame", "tidy_frame"]

_SAMPLE = 200
# Shares are held out to this precision.
_BUCKETS = 1 << 30
_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_COUNT = r"^(0|-?[1-9][0-9]{0,17})$"


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
    paths = [str(source) for source in ([sources] if isinstance(sources, (str, Path)) else sources)]
    name = ", ".join(paths)
    try:
        if len(paths) == 1 and "/" not in name and not Path(name).exists() and spark.catalog.tableExists(name):
            return spark.table(name)
        if all(path.rstrip("/*").endswith((".parquet", ".pq")) for path in paths):
            return spark.read.parquet(*paths)
        if all(path.endswith(".orc") for path in paths):
            return spark.read.orc(*paths)
        lines = [row.value for row in spark.read.text(paths).head(_SAMPLE)]
    except Exception as error:
        if type(error).__module__.startswith(("pyspark", "py4j")):
            raise ReadError(f"{name} cannot be read by Spark: {str(error).splitlines()[0]}") from error
        raise
    if lines and lines[0].startswith("PAR1"):
        return spark.read.parquet(*paths)
    dialect = sniff(lines or ["?"], separator, header, name).dialect
    if dialect.separator == BLANKS or dialect.above > (dialect.names is not None):
        raise ReadError(
            f"{name}: Spark reads text with one separator and at most a header above it; name the separator "
            "(--separator), or write the table as Parquet"
        )
    frame = spark.read.csv(paths, sep=dialect.separator, header=dialect.names is not None, mode="FAILFAST")
    return frame.toDF(*(dialect.names or [f"_{place}" for place in range(dialect.width)]))


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
        If a rating is off the declared scale, or no row is left.
    """
    from pyspark.sql import functions as f

    check_policies(on_error=on_error, duplicates=duplicates)
    chosen = _choose(frame, Wanted(user, item, rating, time), source)
    columns = [frame[f"`{name}`"] for name in frame.columns]
    frame = frame.select(
        _id_text(frame, columns, chosen.user).alias("user"),
        _id_text(frame, columns, chosen.item).alias("item"),
        (f.lit(1.0) if chosen.rating is None else columns[chosen.rating].try_cast("double")).alias("rating"),
        *([] if chosen.time is None else [_seconds(frame, columns, chosen.time).alias("time")]),
    )
    declared = as_scale(scale)
    added_up = duplicates in ("sum", "count")
    frame, notes = _judge(frame, on_error, None if added_up else declared, source)
    if duplicates != "error":
        frame = _settle(frame, duplicates)
    return frame.withColumn("rating", f.col("rating").cast("float")), (chosen.note, *notes)


def _choose(frame: Any, wanted: Wanted, source: str) -> Any:
    rows = [["" if value is None else str(value) for value in row] for row in frame.limit(_SAMPLE).collect()]
    unnamed = all(name.startswith("_") for name in frame.columns)
    names = None if unnamed else list(frame.columns)
    raw = RawTable(source, len(frame.columns), lambda _: Part([]), names, rows)
    return choose_columns(raw, wanted)


def _id_text(frame: Any, columns: list[Any], position: int) -> Any:
    """Return a column of ids: integers as bigint, all else as text without blanks at its ends."""
    from pyspark.sql import functions as f

    kind = frame.dtypes[position][1]
    if kind in _INTEGERS:
        return columns[position].cast("bigint")
    if kind in ("float", "double"):
        whole = columns[position].cast("bigint")
        return f.when(whole == columns[position], whole.cast("string")).otherwise(columns[position].cast("string"))
    return f.trim(columns[position].cast("string"))


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
    is_usable = f.coalesce(is_finite & has_ids, f.lit(False))
    fits = f.lit(True) if scale is None else f.col("rating").between(scale.low, scale.high)
    texts = [name for name in ("user", "item") if dict(frame.dtypes)[name] == "string"]
    found = frame.agg(
        f.count("*").alias("rows"),
        f.count_if(~is_usable).alias("unusable"),
        f.count_if(is_usable & ~fits).alias("off"),
        *[f.bool_and(f.when(is_usable, f.col(name).rlike(_COUNT))).alias(name) for name in texts],
    ).head()
    bad = found.unusable + found.off
    if found.rows == bad:
        raise DataError(f"{source} holds no ratings" + (" that can be used" if bad else ""))
    if bad and on_error == "error":
        example = frame.where(~(is_usable & fits)).head().asDict()
        shown = f"user {example['user']!r}, item {example['item']!r}, rating {example['rating']!r}"
        kind = DataError if found.off and not found.unusable else ReadError
        what = "are off the declared scale" if kind is DataError else "have no id or no finite rating"
        raise kind(
            f"{source}: {bad:,} of {found.rows:,} rows {what}, such as {shown}; mend the table, or leave them out with "
            "on_error='skip' (--on-error skip)"
        )
    frame = frame.where(is_usable & fits) if bad else frame
    for name in texts:
        if found[name]:
            frame = frame.withColumn(name, f.col(name).cast("bigint"))
    return frame, [f"left out {bad:,} of {found.rows:,} rows"] if bad else []


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
    is_path = isinstance(source, (str, Path))
    if is_path or (isinstance(source, (list, tuple)) and all(isinstance(one, (str, Path)) for one in source)):
        name = str(source) if is_path else ", ".join(map(str, source))
        return read_frame(spark, source, separator=separator, header=header), name
    import pyarrow as pa

    columns = ratings_of(source).columns()
    texts = {
        name: pa.array(column, pa.string() if column.dtype == object else None) for name, column in columns.items()
    }
    return spark.createDataFrame(pa.table(texts)), "the ratings"


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
