"""Frames that tasks make, written to a folder of Parquet files: by the tasks themselves where all see the folder.

Else Spark writes them, to any file system that it knows. That takes several times as long, because all rows go to Java.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palate.errors import StorageError
from palate.lazy import pl
from palate.spark.cluster import see_file
from palate.spark.model_file import executor_errors
from palate.spark.tasks import map_batches

__all__ = ["FrameMaker", "write_parquet"]

FrameMaker = Callable[[Iterable[Any]], Iterator[pl.DataFrame]]


@dataclass(frozen=True)
class _WriteFiles:
    """Writes the frames of a task to a file; yields how many rows it has.

    Attributes
    ----------
    make
        Makes the frames from Arrow batches.
    folder
        Where the file of each task is written. A task that runs again writes the same file.
    schema
        The columns and their Polars types.
    """

    make: FrameMaker
    folder: str
    schema: dict[str, Any]

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq
        from pyspark import TaskContext

        task = TaskContext.get()
        assert task is not None
        path = Path(self.folder) / f"part-{task.partitionId():05}.parquet"
        unfinished = path.with_suffix(f".{task.taskAttemptId()}")
        rows = 0
        with pq.ParquetWriter(unfinished, _arrow(pl.DataFrame(schema=self.schema)).schema) as writer:
            for frame in self.make(batches):
                writer.write_table(_arrow(frame))
                rows += len(frame)
        if rows or not task.partitionId():  # a reader finds the columns in a folder without rows, too
            os.replace(unfinished, path)
        else:
            unfinished.unlink()
        yield pa.record_batch({"rows": pa.array([rows], pa.int64())})


@dataclass(frozen=True)
class _YieldBatches:
    """Yields the frames of a task as Arrow batches, for Spark to write."""

    make: FrameMaker

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        for frame in self.make(batches):
            yield from _arrow(frame).to_batches()


def write_parquet(frame: Any, make: FrameMaker, schema: dict[str, Any], output: str | Path, stage: str) -> Any:
    """Write what tasks make of a frame to a folder of Parquet files, and return it as Spark reads it from there.

    Parameters
    ----------
    frame
        A frame of Spark, each part of which a task works on.
    make
        Makes frames of the Arrow batches of a part. It is sent to the executors.
    schema
        The columns of these frames and their Polars types.
    output
        The folder.
    stage
        The name of the job in Spark's user interface.

    Raises
    ------
    StorageError
        If the folder exists already or cannot be written.
    """
    spark, folder = frame.sparkSession, str(output)
    if folder.endswith((".parquet", ".csv")) and Path(folder).is_file():
        raise StorageError(f"{folder} is a file: Spark writes a folder; name another, or remove the file")
    spark.sparkContext.setJobGroup("palate", f"palate: {stage}", interruptOnCancel=True)
    local = _local_folder(spark, folder)
    if local is None or not _write_files(frame, make, schema, local):
        _let_spark_write(map_batches(frame, _YieldBatches(make), _spark_schema(schema)), folder)
    return spark.read.schema(_spark_schema(schema)).parquet(folder)  # without a job that looks into the files


def _local_folder(spark: Any, folder: str) -> Path | None:
    """Return the path of a folder on the driver's file system; None if it is on another one."""
    if "://" not in folder and not folder.startswith("file:"):
        default = spark.sparkContext._jsc.hadoopConfiguration().get("fs.defaultFS", "file:///")
        return Path(folder).absolute() if default.startswith("file:") else None
    local = re.fullmatch("file:(?://)?(/(?!/).*)", folder)
    return Path(local[1]) if local else None


def _write_files(frame: Any, make: FrameMaker, schema: dict[str, Any], folder: Path) -> bool:
    """Let tasks write a folder, which takes its name when all files are there; return False if they do not see it."""
    if folder.exists():
        raise _exists(folder)
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        unfinished.mkdir(parents=True)
        try:
            if not see_file(frame.sparkSession, str(unfinished)):
                return False
            with executor_errors():
                map_batches(frame, _WriteFiles(make, str(unfinished), schema), "rows bigint").toArrow()
            for left in unfinished.glob("part-*.[0-9]*"):  # of tasks that did not end
                left.unlink()
            (unfinished / "_SUCCESS").touch()
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror or error}") from error
    return True


def _let_spark_write(frame: Any, folder: str) -> None:
    from pyspark.errors import AnalysisException

    with executor_errors():
        try:
            frame.write.parquet(folder)
        except AnalysisException as error:
            if error.getCondition() != "PATH_ALREADY_EXISTS":
                raise StorageError(f"{folder} cannot be written: {str(error).splitlines()[0]}") from error
            raise _exists(folder) from error


def _exists(folder: str | Path) -> StorageError:
    return StorageError(f"{folder} exists already, and a folder is not replaced at once: remove it, or name another")


def _arrow(frame: pl.DataFrame) -> Any:
    """Return a frame as an Arrow table whose texts are those of Spark."""
    import pyarrow as pa

    table = frame.to_arrow()
    texts = [(one.name, pa.string() if pa.types.is_large_string(one.type) else one.type) for one in table.schema]
    return table.cast(pa.schema(texts))


def _spark_schema(schema: dict[str, Any]) -> str:
    types = {pl.String: "string", pl.Int64: "bigint", pl.Int32: "int", pl.Float32: "float"}
    return ", ".join(f"`{name}` {types[kind]}" for name, kind in schema.items())
