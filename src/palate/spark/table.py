"""From a frame of Spark to a table on the executors: vocabularies, parts, and what the driver must know of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.ratings import Ratings, RatingScale, Vocabulary
from palate.solvers.half_step import row_cost
from palate.spark.cluster import SIDES, Cluster, Side
from palate.spark.encoding import EncodeIds, chunk_schema, ids_as_bytes
from palate.spark.memory import predict, require_memory
from palate.spark.session import tasks_at_once
from palate.spark.table_files import PartFault, SideFiles, balanced_bounds
from palate.spark.tasks import map_batches

__all__ = ["SparkTable", "build_table"]

# A part has about this many ratings at most: sorting it takes a few hundred megabytes.
_PART_RATINGS = 8_000_000


@dataclass
class SparkTable:
    """The table of a fit, as the driver knows it.

    Attributes
    ----------
    cluster
        What holds the ratings.
    sides
        "user" and "item".
    size
        How many there are.
    center, spread
        Their mean and standard deviation (1 if it is 0).
    low
        The lowest rating.
    scale
        The rating scale.
    fingerprint
        A text that differs between tables.
    notes
        On what was guessed.
    """

    cluster: Cluster
    sides: dict[str, Side]
    size: int
    center: float
    spread: float
    low: float
    scale: RatingScale
    fingerprint: str
    notes: tuple[str, ...]

    @property
    def users(self) -> Side:
        """The side of the users."""
        return self.sides["user"]

    @property
    def items(self) -> Side:
        """The side of the items."""
        return self.sides["item"]

    def ratings(self) -> Ratings:
        """Return the table as files that are mapped into memory, where the driver sees those of the executors.

        Elsewhere the table has the right ids and counts, but its pairs and ratings are zeros that take no space.
        """
        folder = self.cluster.folder
        files = replace(self.users.files, folder=str(folder / "user"))
        grouped = {
            name: replace(side.files, folder=str(folder / name)).whole(side.counts) for name, side in self.sides.items()
        }
        by_user = grouped["user"]
        ratings = Ratings(
            users=self.users.ids,
            items=self.items.ids,
            user=files.column("rows").open(),
            item=by_user.indices,
            rating=by_user.values,
            declared_scale=self.scale,
            notes=self.notes,
            time=files.column("times").open() if files.has_times else None,
        )
        known = {"by_user": by_user, "by_item": grouped["item"]}
        vars(ratings).update(known, user_counts=self.users.counts, item_counts=self.items.counts)
        return ratings


def build_table(
    cluster: Cluster,
    frame: Any,
    *,
    scale: RatingScale | None = None,
    notes: tuple[str, ...] = (),
    width: int = 32,
    parts: int | None = None,
) -> SparkTable:
    """Encode the ids of a frame and build its parts on the executors.

    Parameters
    ----------
    cluster
        Where the table is to be.
    frame
        With the columns user, item, rating and perhaps time, see `palate.spark.reading.tidy_frame`.
    scale
        The declared scale; None to guess it.
    notes
        On what was guessed.
    width
        The columns of a row: factors, bias and padding.
    parts
        How many parts each side has; by default one for each core, or several where one would be too large.

    Raises
    ------
    DataError
        If there are no ratings, or a pair is rated twice.
    SettingsError
        If the executors have too little memory.
    """
    from pyspark import StorageLevel
    from pyspark.sql import functions as f

    cluster.describe("count the ratings")
    pair = f.xxhash64("user", "item", "rating")
    one = frame.agg(
        f.count("*").alias("size"), f.avg(f.col("rating").cast("double")).alias("mean"),
        f.stddev_pop(f.col("rating").cast("double")).alias("spread"), f.min("rating").alias("low"),
        f.max("rating").alias("high"), f.sum(pair.cast("decimal(20,0)")).alias("hash"),
    ).head()  # fmt: skip
    if not one.size:
        raise DataError("there are no ratings to fit")
    if scale is not None and not np.float32(scale.low) <= one.low <= one.high <= np.float32(scale.high):  # sums, counts
        raise DataError(
            f"ratings from {one.low:g} to {one.high:g} are off the scale {scale}: declare a wider one, or none"
        )
    if parts is None:  # the parts are of equal work: each core takes as many
        cores = cluster.spark.sparkContext.defaultParallelism
        parts = cores * ceil(one.size / _PART_RATINGS / cores)
    pending: dict[str, tuple[Vocabulary, NDArray[np.int64], tuple[int, ...]]] = {}
    for name in SIDES:
        cluster.describe(f"find the {name} ids")
        ids, counts = _vocabulary(frame, name)
        pending[name] = ids, counts, balanced_bounds(counts, row_cost(width), min(parts, len(ids)))
    encode = EncodeIds({name: cluster.publish(ids_as_bytes(ids)) for name, (ids, _, _) in pending.items()})
    chunks = map_batches(frame, encode, chunk_schema("time" in frame.columns)).persist(StorageLevel.DISK_ONLY)
    cluster.frames.append(chunks)
    (users, cut_users), (items, cut_items) = ((len(ids), len(bounds) - 1) for ids, _, bounds in pending.values())
    cores = tasks_at_once(cluster.spark)
    most = max(int(counts.max()) for _, counts, _ in pending.values())
    require_memory(cluster.spark, predict(users, items, one.size, width, (cut_users, cut_items), cores, most))
    sides = {}
    for name, (ids, counts, bounds) in pending.items():
        before = np.concatenate([[0], np.cumsum(counts)])
        files = SideFiles(
            str(cluster.worker_folder / name), bounds, tuple(int(before[bound]) for bound in bounds),
            has_rows=name == "user", has_times=name == "user" and "time" in frame.columns,
        )  # fmt: skip
        sides[name] = Side(name, ids, counts, files, chunks)
    for side in sides.values():
        cluster.describe(f"group the ratings by {side.name}")
        _refuse_repeats(cluster.build(side), sides, side.name)
    if cluster.is_shared:
        chunks.unpersist()
    observed = RatingScale.of(np.array([one.low, one.high], np.float32))
    return SparkTable(
        cluster, sides, one.size, one.mean, one.spread or 1.0, one.low, scale or observed, str(one.hash), notes
    )


def _refuse_repeats(faults: list[PartFault], sides: dict[str, Side], name: str) -> None:
    if faults:
        rows = {name: faults[0].row, SIDES[1 - SIDES.index(name)]: faults[0].other}
        user, item = (sides[side].ids[rows[side]] for side in SIDES)
        raise DataError(
            f"{sum(fault.count for fault in faults):,} rows rate a pair of user and item again, such as user {user!r} "
            f"and item {item!r}; settle it with duplicates='last', 'mean', 'sum' or 'count' (--duplicates "
            "last|mean|sum|count)"
        )


def _vocabulary(frame: Any, name: str) -> tuple[Vocabulary, NDArray[np.int64]]:
    """Return the ids of a side, ascending, and how many ratings each has."""
    table = frame.groupBy(name).count().toArrow().sort_by(name)
    column, counts = table.column(name), table.column("count").to_numpy()
    is_text = dict(frame.dtypes)[name] == "string"
    ids = np.array(column.to_pylist(), object) if is_text else column.to_numpy()
    return Vocabulary(ids, name), np.array(counts, np.int64)
