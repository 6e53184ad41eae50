"""A table of ratings on Spark, and what the driver asks the executors to do with it."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.ratings import Vocabulary
from palate.solvers.half_step import partners_and_biases
from palate.spark.arrays import SharedArray, write_bytes
from palate.spark.encoding import CutIntoParts
from palate.spark.memory import rows_at_once
from palate.spark.session import tasks_at_once
from palate.spark.table_files import PartFault, SideFiles
from palate.spark.tasks import WORK_FILE, Partners, Work, map_batches, run_parts, write_parts

__all__ = ["SIDES", "Cluster", "Side", "open_cluster", "see_file"]

SIDES = ("user", "item")
_RESULT = "part int, result binary"
# Rows of an array that are written at a time.
_ROWS = 1 << 16
# Parts that a lost machine held are built again at most this many times in a row.
_REBUILDS = 5


@dataclass
class Side:
    """One side of the table, users or items, as executors hold it.

    Attributes
    ----------
    name
        "user" or "item".
    ids
        In order of their index.
    counts
        int64 (rows,): the number of ratings of each.
    files
        Where the parts lie.
    chunks
        The frame of Spark from which parts are built: see `palate.spark.encoding`.
    built
        The frame with a row for each part, kept where the part is.
    job
        The frame with the results of each part, where tasks read from a file what they are to do: Spark plans it once.
    parent, refill
        The side from whose parts these are made, and the work that makes them; None if they are made from `chunks`.
    """

    name: str
    ids: Vocabulary
    counts: NDArray[np.int64]
    files: SideFiles
    chunks: Any
    built: Any = None
    job: Any = None
    parent: Side | None = None
    refill: Work | None = None


@dataclass
class Cluster:
    """What a fit on Spark works with.

    Attributes
    ----------
    spark
        The session.
    folder
        The work folder of the driver.
    worker_folder
        That of the executors: the same one if they see it.
    is_shared
        Whether all executors see the folder of the driver.
    frames
        Frames that Spark keeps.
    """

    spark: Any
    folder: Path
    worker_folder: Path
    is_shared: bool
    frames: list[Any] = field(default_factory=list)
    serial: int = 0
    broadcasts: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def describe(self, stage: str) -> None:
        """Name the jobs that follow, in Spark's user interface."""
        self.spark.sparkContext.setJobGroup("palate", f"palate: {stage}", interruptOnCancel=True)

    def publish(
        self, array: NDArray[Any], change: Callable[[NDArray[Any]], NDArray[Any]] = np.ascontiguousarray
    ) -> SharedArray:
        """Make an array readable by executors, of which `change` makes the rows that they get, some at a time."""
        self.serial += 1
        step = rows_at_once(array.nbytes, len(array), tasks_at_once(self.spark))
        name = f"arrays/{self.serial:07}.bin"
        if self.is_shared:
            write_bytes(
                self.folder / name, (change(array[start : start + _ROWS]) for start in range(0, len(array), _ROWS))
            )
            return SharedArray(str(self.folder / name), array.dtype.str, array.shape, step=step)
        path, rows = str(self.worker_folder / name), step or max(1, len(array))
        content = self.broadcasts[path] = tuple(
            self.spark.sparkContext.broadcast(change(array[start : start + rows]).tobytes())
            for start in range(0, len(array), rows)
        )
        return SharedArray(path, array.dtype.str, array.shape, content, step)

    def publish_partners(
        self, factors: NDArray[np.float32], k: int, weight: NDArray[np.float32] | None = None
    ) -> Partners:
        """Make the factors, biases and weights of one side readable by executors, for a half-step of the other."""
        return Partners(
            self.publish(factors, lambda rows: partners_and_biases(rows, k)[0]),
            self.publish(np.ascontiguousarray(factors[:, k])),
            None if weight is None else self.publish(weight),
        )

    def output(self, shape: Sequence[int]) -> SharedArray | None:
        """Return a new file into which executors write rows; None if the driver would not see it."""
        if not self.is_shared:
            return None
        self.serial += 1
        return SharedArray.create(self.folder / f"arrays/{self.serial:07}.bin", "<f4", shape)

    def forget(self, *arrays: SharedArray | Partners | None) -> None:
        """Remove arrays that no task needs any more."""
        for array in arrays:
            if isinstance(array, Partners):
                self.forget(array.factors, array.biases, array.weight)
            elif array is not None:
                Path(array.path).unlink(missing_ok=True)
                if array.content is not None:
                    self.broadcasts.pop(array.path, None)
                    for block in array.content:
                        block.destroy()

    def run(self, side: Side, work: Work) -> list[dict[str, Any]]:
        """Do some work on all parts of a side; return the results of the pieces of the parts, in order.

        A part that is missing, because its machine was lost, is built again from the ratings.
        """
        for _ in range(_REBUILDS):
            if side.built is None:
                self.build(side)
            results = self._collect_work(side, work)
            if len(results) == side.files.parts and all(result is not None for result in results.values()):
                return [result for part in range(side.files.parts) for result in results[part]]
            side.built.unpersist()
            side.built = side.job = None
        raise SettingsError(
            f"parts of the ratings were lost {_REBUILDS} times in a row: executors end while they work; give them more "
            "memory (spark.executor.memoryOverhead), or look into their logs"
        )

    def _collect_work(self, side: Side, work: Work) -> dict[int, Any]:
        """Return what the parts of a side return."""
        if not self.is_shared:
            return self._collect(map_batches(side.built, partial(run_parts, side.files, work), _RESULT))
        if side.job is None:
            side.job = map_batches(side.built, partial(run_parts, side.files, None), _RESULT)
        self.serial += 1
        path = self.folder / f"work/{self.serial:07}"
        write_bytes(path, [pickle.dumps(work, pickle.HIGHEST_PROTOCOL)])
        self.spark.sparkContext.setLocalProperty(WORK_FILE, str(path))
        results = self._collect(side.job)
        path.unlink()
        return results

    def build(self, side: Side) -> list[PartFault]:
        """Write the parts of a side, on the machines that will work on them; return pairs that are rated twice."""
        from pyspark import StorageLevel

        if side.parent is not None and side.refill is not None:
            self.run(side.parent, side.refill)
            side.built = side.parent.built
            return []
        schema = ", ".join(["part int", *(f"{name} {kind}" for name, kind in side.chunks.dtypes)])
        cut = map_batches(side.chunks, CutIntoParts(side.name, side.files), schema)
        other = SIDES[1 - SIDES.index(side.name)]
        write = partial(write_parts, side.files, other, side.name)
        side.built = map_batches(cut.repartitionById(side.files.parts, cut.part), write, _RESULT)
        side.built.persist(StorageLevel.MEMORY_AND_DISK)
        faults = [fault for fault in self._collect(side.built).values() if fault is not None]
        if self.is_shared:  # the files are there for all machines: a lost one costs its tasks, not its parts
            side.built.unpersist()
            numbers = self.spark.range(0, side.files.parts, 1, side.files.parts)
            side.built = numbers.select(numbers.id.cast("int").alias("part"))
        else:
            self.frames.append(side.built)
        return faults

    def _collect(self, frame: Any) -> dict[int, Any]:
        table = frame.toArrow()
        parts, results = table.column("part").to_pylist(), table.column("result")
        return {part: pickle.loads(result.as_buffer()) for part, result in zip(parts, results, strict=True)}

    def close(self) -> None:
        """Give back what the executors and the work folder hold."""
        for frame in self.frames:
            frame.unpersist()
        if not self.is_shared:
            _remove_everywhere(self.spark, str(self.worker_folder))


@contextmanager
def open_cluster(spark: Any, work_folder: str | Path | None = None, is_shared: bool | None = None) -> Iterator[Cluster]:
    """Open a work folder for one fit, and remove it afterwards.

    Parameters
    ----------
    spark
        The session.
    work_folder
        A folder in which a folder of this fit is made; by default that of temporary files. If all machines see it, such
        as a folder on NFS, factors move through it, and the model keeps its ratings.
    is_shared
        Whether they see it; by default the executors are asked.

    Raises
    ------
    SettingsError
        If the folder cannot be written.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"palate-{os.getpid()}-", dir=work_folder)).resolve()
    except OSError as error:
        raise SettingsError(f"work folder {work_folder} cannot be written: {error.strerror or error}") from error
    try:
        shared = _see_folder(spark, folder) if is_shared is None else is_shared
        workers = folder if shared else folder.with_name(f"{folder.name}-executor")
        cluster = Cluster(spark, folder, workers, shared)
        try:
            yield cluster
        finally:
            cluster.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def see_file(spark: Any, path: str) -> bool:
    """Ask executors whether they see a file of the driver."""
    if spark.sparkContext.master.startswith("local"):  # all executors are on this machine
        return True
    tasks = spark.sparkContext.defaultParallelism
    return all(spark.sparkContext.parallelize(range(tasks), tasks).map(lambda _: os.path.exists(path)).collect())


def _see_folder(spark: Any, folder: Path) -> bool:
    (folder / "seen").touch()
    return see_file(spark, str(folder / "seen"))


def _remove_everywhere(spark: Any, folder: str) -> None:
    tasks = spark.sparkContext.defaultParallelism
    remove = partial(shutil.rmtree, folder, ignore_errors=True)
    spark.sparkContext.parallelize(range(tasks), tasks).foreach(lambda _: remove())
