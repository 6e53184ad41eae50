"""What a model answers for whole tables, computed by executors and written as Parquet.

Each task maps the model file into memory and calls the same functions as a local answer, so the answers are the same to
the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.errors import SettingsError, UnknownIdError
from palate.lazy import pl
from palate.model import Model
from palate.model.arrays import Id
from palate.model.batch import ListRule, list_frames, list_schema
from palate.model.lookup import allowed_items, user_index
from palate.model.recommend import RankBy
from palate.ranking import check_count
from palate.ratings import Vocabulary
from palate.spark.model_file import ModelFile, share_model
from palate.spark.parquet_files import write_parquet
from palate.spark.reading import frame_of, tidy_frame
from palate.spark.session import open_spark
from palate.spark.tasks import ratings_of_batch

__all__ = ["predict_pairs", "recommend_all", "similar_items"]

# Users, or items, of a task at most: few enough that a lost task costs little.
_ROWS = 1 << 16


@dataclass(frozen=True)
class _Recommend:
    """Ranks items for users by index."""

    file: ModelFile
    n: int
    rule: ListRule
    columns: dict[str, bool]

    def __call__(self, batches: Iterable[Any]) -> Iterator[pl.DataFrame]:
        model = self.file.open()
        for batch in batches:
            user = batch.column("index").to_numpy().astype(np.int32)
            for _, frame in list_frames(model, user, self.n, self.rule, threads=1, device="cpu", **self.columns):
                yield frame


def recommend_all(
    model: str | Path,
    output: str | Path,
    n: int = 10,
    *,
    users: ArrayLike | None = None,
    titles: bool = False,
    intervals: bool = False,
    lowest: bool = False,
    seen: bool = False,
    only: Iterable[Id] | None = None,
    exclude: Iterable[Id] = (),
    least: int = 0,
    by: RankBy | None = None,
    level: float = 0.8,
    master: str | None = None,
) -> Any:
    """Write the n best items of all users as Parquet, by Spark: the rows of `palate.Model.recommend_all`.

    Parameters
    ----------
    model
        The model file. Executors that do not see its path get a copy from Spark.
    output
        The folder to be written, on any file system that Spark knows. It must not exist.
    n, users, titles, intervals, lowest, seen, only, exclude, least, by, level
        As in `palate.Model.recommend_all`.
    master
        Where Spark runs, see `palate.spark.open_spark`.

    Returns
    -------
    pyspark.sql.DataFrame
        What was written: user, rank, item, score; low, high; title. A user's rows stand together, in order of rank.

    Raises
    ------
    StorageError
        If the model cannot be read, or the folder exists or cannot be written.
    UnknownIdError, SettingsError
        As in `palate.Model.recommend_all`.
    """
    spark = open_spark(master)
    file, fitted = share_model(spark, model)
    check_count(n)
    index = user_index(fitted, users)
    rule = ListRule(by, level, lowest, allowed_items(fitted, only, exclude, least), None, 0.0)
    columns = {"titles": titles, "intervals": intervals, "seen": seen}
    schema = list_schema(fitted, titles, intervals)
    lists = _Recommend(file, n, rule, columns)
    return write_parquet(_indices(spark, index), lists, schema, output, "recommend to all users")


@dataclass(frozen=True)
class _Similar:
    """Finds items that are similar to items by index."""

    file: ModelFile
    n: int
    by: Literal["cosine", "dot", "choice"]

    def __call__(self, batches: Iterable[Any]) -> Iterator[pl.DataFrame]:
        model = self.file.open()
        schema = similar_schema(model)
        for batch in batches:
            columns: dict[str, list[Any]] = {name: [] for name in schema}
            for index in batch.column("index").to_pylist():
                item = model.items[index]
                ranked = model.similar_items(item, self.n, by=self.by)
                columns["item"] += [item] * len(ranked)
                columns["rank"] += range(1, len(ranked) + 1)
                columns["similar"] += [one.id for one in ranked]
                columns["similarity"] += [one.score for one in ranked]
            yield pl.DataFrame(columns, schema=schema)


def similar_schema(model: Model) -> dict[str, Any]:
    """Return the columns of `similar_items` and their Polars types."""
    kind = pl.String if model.items.is_text else pl.Int64
    return {"item": kind, "rank": pl.Int32, "similar": kind, "similarity": pl.Float32}


def similar_items(
    model: str | Path,
    output: str | Path,
    n: int = 10,
    *,
    by: Literal["cosine", "dot", "choice"] = "cosine",
    master: str | None = None,
) -> Any:
    """Write the n items most similar to each item as Parquet, by Spark: the answers of `palate.Model.similar_items`.

    Parameters
    ----------
    model, output, master
        As in `recommend_all`.
    n, by
        As in `palate.Model.similar_items`.

    Returns
    -------
    pyspark.sql.DataFrame
        What was written: item, rank (from 1), similar, similarity.

    Raises
    ------
    StorageError
        As in `recommend_all`.
    SettingsError
        If `n` or `by` is impossible.
    """
    spark = open_spark(master)
    file, fitted = share_model(spark, model)
    fitted.similar_items(fitted.items[0], n, by=by)  # refuses impossible settings before a task starts
    index = np.arange(len(fitted.items), dtype=np.int32)
    schema = similar_schema(fitted)
    return write_parquet(_indices(spark, index), _Similar(file, n, by), schema, output, "find similar items")


@dataclass(frozen=True)
class _Predict:
    """Predicts the ratings of pairs."""

    file: ModelFile
    unknown: Literal["error", "mean"]
    level: float | None

    def __call__(self, batches: Iterable[Any]) -> Iterator[pl.DataFrame]:
        model = self.file.open()
        for batch in batches:
            if not batch.num_rows:
                continue
            table = ratings_of_batch(batch)
            if self.unknown == "error":
                for known, asked in ((model.users, table.users), (model.items, table.items)):
                    _require_all(known, asked)
            columns = {name: pl.Series(name, batch.column(name)) for name in batch.schema.names if name != "rating"}
            columns["prediction"] = pl.Series(model.predict_table(table), dtype=pl.Float32)
            if self.level is not None:
                ends = model.interval_table(table, self.level) or ()
                columns |= {
                    name: pl.Series(end, dtype=pl.Float32) for name, end in zip(("low", "high"), ends, strict=True)
                }
            yield pl.DataFrame(columns)


def _require_all(known: Vocabulary, asked: Vocabulary) -> None:
    lacking = np.flatnonzero(known.index(asked.ids) < 0)
    if len(lacking):
        raise UnknownIdError(
            f"{len(lacking):,} of {len(asked):,} {asked.kind}s of a part of the table are unknown, such as "
            f"{asked[int(lacking[0])]!r}: {known.describe()}; unknown='mean' (--unknown mean) predicts them too"
        )


def predict_pairs(
    model: str | Path,
    pairs: Any,
    output: str | Path,
    *,
    unknown: Literal["error", "mean"] = "error",
    level: float | None = None,
    master: str | None = None,
    **reading: Any,
) -> Any:
    """Write the predicted rating of each row of a table as Parquet, by Spark.

    Rows with a time are predicted for that moment, if the model has effects of time.

    Parameters
    ----------
    model, output, master
        As in `recommend_all`.
    pairs
        A frame of Spark, or whatever `palate.spark.read_frame` reads, with users and items and perhaps times.
    unknown
        As in `palate.Model.predict`.
    level
        A probability such as 0.9: also write the interval in which the true rating lies with this probability.
    **reading
        `user`, `item`, `time`, `on_error`, `separator` and `header`, as in `palate.read_ratings`.

    Returns
    -------
    pyspark.sql.DataFrame
        What was written: user, item, perhaps time, prediction, and with `level` low and high.

    Raises
    ------
    StorageError
        As in `recommend_all`.
    ReadError, DataError
        If the pairs cannot be read.
    UnknownIdError
        If an id has no factors and `unknown` is "error".
    SettingsError
        If an interval is asked for and the model has no posterior, or `level` is not between 0 and 1.
    """
    if unknown not in ("error", "mean"):
        raise SettingsError(f"unknown ids are an 'error' or get the 'mean', not {unknown!r}")
    spark = open_spark(master)
    file, fitted = share_model(spark, model)
    if level is not None:
        fitted.require_posterior().width(level)
    layout = {name: reading.pop(name) for name in ("separator", "header") if name in reading}
    frame, source = frame_of(spark, pairs, **layout)
    tidy, _ = tidy_frame(frame, **{"rating": False, **reading}, source=source)
    types = {"string": pl.String, "bigint": pl.Int64}
    schema = {name: types[kind] for name, kind in tidy.dtypes if name != "rating"}
    schema |= dict.fromkeys(("prediction", "low", "high")[: 1 if level is None else 3], pl.Float32)
    return write_parquet(tidy, _Predict(file, unknown, level), schema, output, "predict")


def _indices(spark: Any, index: NDArray[np.int32]) -> Any:
    """Return a frame of indices, cut into parts of neighbours."""
    parts = max(1, min(len(index), max(2 * spark.sparkContext.defaultParallelism, ceil(len(index) / _ROWS))))
    whole = np.arange(len(index), dtype=index.dtype)
    if np.array_equal(index, whole):
        return spark.range(0, len(index), 1, parts).withColumnRenamed("id", "index")
    import pyarrow as pa

    cuts = np.array_split(index, parts)
    part = np.repeat(np.arange(parts, dtype=np.int32), [len(cut) for cut in cuts])
    frame = spark.createDataFrame(pa.table({"index": pa.array(index), "part": pa.array(part)}))
    return frame.repartitionById(parts, frame.part)
