"""What runs in the executors: each task works on one part of the table with palate's own kernels, on one core."""

from __future__ import annotations

import gc
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.ratings import Ratings, Vocabulary
from palate.spark.arrays import SharedArray
from palate.spark.encoding import build_parts
from palate.spark.table_files import SideFiles, TablePart

__all__ = [
    "WORK_FILE",
    "Partners",
    "Work",
    "map_batches",
    "other_rows",
    "own_rows",
    "ratings_of_batch",
    "run_parts",
    "values_of",
    "virtual",
    "write_parts",
]

Floats = NDArray[np.float32]

WORK_FILE = "palate.work"


class Work(ABC):
    """What is done with each part: an object that can be sent to executors."""

    @abstractmethod
    def __call__(self, part: TablePart) -> dict[str, Any]:
        """Return arrays and numbers by name."""

    @property
    def step(self) -> int | None:
        """How many rows of the other side a task may hold; None for all."""
        return None


@dataclass(frozen=True)
class Partners:
    """The other side of a half-step: see `palate.solvers.half_step.partners_and_biases`.

    Attributes
    ----------
    factors, biases
        As there.
    weight
        float32 (others,): the weight of the ratings of each; None for ones.
    """

    factors: SharedArray
    biases: SharedArray
    weight: SharedArray | None = None

    def of(self, part: TablePart) -> tuple[NDArray[np.int32], Floats, Floats, Floats]:
        """Return the indices of a part's ratings among the rows that are returned, and the factors, biases, weights."""
        if self.weight is not None:
            indices, (factors, biases, weight) = other_rows(part, self.factors, self.biases, self.weight)
            return indices, factors, biases, weight
        indices, (factors, biases) = other_rows(part, self.factors, self.biases)
        return indices, factors, biases, np.ones(len(biases), np.float32)


def other_rows(part: TablePart, *arrays: SharedArray) -> tuple[NDArray[np.int32], list[NDArray[Any]]]:
    """Return the rows of arrays of the other side, and the indices of a part's ratings among them.

    These are all rows or, where the first array is read in blocks, those that the part needs. The order of a row's
    ratings stays, and so do the bits of its sums.
    """
    if arrays[0].step is None:
        return part.table.indices, [array.open() for array in arrays]
    needed, indices = np.unique(part.table.indices, return_inverse=True)
    return indices.astype(np.int32), [array.take(needed) for array in arrays]


def own_rows(part: TablePart, array: SharedArray) -> NDArray[Any]:
    """Return the rows of an array of this side that belong to a part."""
    if array.step is None:
        rows: NDArray[Any] = array.open()[part.start : part.stop]
        return rows
    return array.take(np.arange(part.start, part.stop))


def map_batches(frame: Any, function: Callable[[Iterable[Any]], Iterator[Any]], schema: str) -> Any:
    """Return the frame that a function makes of the Arrow batches of each partition of a frame."""
    return frame.mapInArrow(partial(_run_task, function), schema)


def _run_task(function: Callable[[Iterable[Any]], Iterator[Any]], batches: Iterable[Any]) -> Iterator[Any]:
    # Spark collects all garbage after each task: what is alive now, such as modules and kernels, it need not look at.
    gc.freeze()
    yield from function(batches)


def write_parts(files: SideFiles, other: str, side: str, batches: Iterable[Any]) -> Iterator[Any]:
    """Write the part whose chunks a partition holds; yield its number and a pair that is rated twice."""
    import pyarrow as pa

    for part, fault in build_parts(files, other, side, batches):
        yield _row(pa, part, fault)


def run_parts(files: SideFiles, work: Work | None, batches: Iterable[Any]) -> Iterator[Any]:
    """Do some work on the parts that are named; yield what it returns, None for a part that is not on this machine.

    It returns a result for each piece of a part: more than one if the part needs too many rows of the other side. With
    `work` None the work lies in a file that all machines see, and the property `WORK_FILE` of the job names it.
    """
    import pyarrow as pa

    if work is None:
        from pyspark import TaskContext

        task = TaskContext.get()
        assert task is not None
        work = pickle.loads(Path(task.getLocalProperty(WORK_FILE) or "").read_bytes())
    for batch in batches:
        for number in batch.column("part").to_pylist():
            results = None
            if files.has(number):
                part = files.read(number)
                results = [work(piece) for piece in ([part] if work.step is None else part.pieces(work.step))]
            yield _row(pa, number, results)


def _row(pa: Any, part: int, result: Any) -> Any:
    content = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    return pa.record_batch({"part": pa.array([part], pa.int32()), "result": pa.array([content], pa.binary())})


def values_of(part: TablePart, center: float, spread: float) -> Floats:
    """Return the standardized ratings of a part, as `palate.solvers.half_step.standardize` computes them."""
    values = np.array(part.table.values)
    values -= np.float32(center)
    values *= np.float32(1 / spread)
    return values


def virtual(size: int, part: TablePart, rows: NDArray[Any]) -> NDArray[Any]:
    """Return an array for all rows of a side of which only those of a part exist.

    The kernels address rows by their number in the whole side, on which draws depend. Pages that nobody touches take no
    memory.
    """
    whole = np.empty((size, *rows.shape[1:]), rows.dtype)
    whole[part.start : part.start + len(rows)] = rows
    return whole


def ratings_of_batch(batch: Any) -> Ratings:
    """Return an Arrow table or batch with the columns of a tidy frame as ratings, in the order of its rows."""
    sides = {name: _encoded(batch.column(name), name) for name in ("user", "item")}
    (users, user), (items, item) = sides.values()
    time = batch.column("time").to_numpy(zero_copy_only=False) if "time" in batch.schema.names else None
    rating = np.array(batch.column("rating").to_numpy(zero_copy_only=False), np.float32)
    return Ratings(users, items, user, item, rating, time=time)


def _encoded(column: Any, kind: str) -> tuple[Vocabulary, NDArray[np.int32]]:
    import pyarrow as pa

    coded = (column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column).dictionary_encode()
    ids = coded.dictionary.to_numpy(zero_copy_only=False)
    order = np.argsort(ids)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return Vocabulary(ids[order], kind), place[coded.indices.to_numpy()]
