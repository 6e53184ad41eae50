"""Checkpoints on any file system that Spark knows, such as HDFS, S3 or a local disk."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from palate.cached import cached_property
from palate.errors import StorageError
from palate.solvers.session import Checkpoint, State

__all__ = ["SparkCheckpoint"]


class SparkCheckpoint(Checkpoint):
    """A checkpoint that is written on the driver's disk, then copied to its place under a new name and renamed.

    Parameters
    ----------
    uri
        Of the file: a path of any file system that Spark knows; None writes nothing.
    solver
        The fit that the file belongs to.
    table
        A text that differs between tables.
    spark
        The session.
    folder
        Of the driver, for the copy.
    """

    def __init__(self, uri: str | None, solver: Any, table: str, spark: Any, folder: Path) -> None:
        self.uri, self.solver, self.table, self.spark = uri, solver, table, spark
        self.path = None if uri is None else folder / "checkpoint"
        self.saved = time.monotonic()

    @cached_property
    def fingerprint(self) -> str:
        """A text that differs between fits with different settings or tables."""
        return hashlib.sha256(repr((self.solver, self.table)).encode()).hexdigest()

    def save(self, state: State, *, now: bool = False) -> None:
        """Replace the file if a second has passed since the last time, or if `now`."""
        before = self.saved
        super().save(state, now=now)
        if self.uri is not None and self.saved != before:
            system, place, part = self._places()
            self._call(lambda: system.copyFromLocalFile(False, True, self._path(str(self.path)), part))
            if self._call(lambda: system.exists(place)):
                self._call(lambda: system.delete(place, False))
            self._call(lambda: system.rename(part, place))

    def load(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """Return what `save` wrote, None if there is no file."""
        if self.uri is None:
            return None
        system, place, part = self._places()
        for source in (place, part):  # a driver that died between the deletion and the renaming leaves the part
            if self._call(partial(system.exists, source)):
                self._call(partial(system.copyToLocalFile, False, source, self._path(str(self.path)), True))
                return super().load()
        return None

    def remove(self) -> None:
        """Remove the file, if there is one."""
        if self.uri is not None:
            system, place, _ = self._places()
            self._call(lambda: system.delete(place, False))

    def _path(self, text: str) -> Any:
        return self.spark.sparkContext._jvm.org.apache.hadoop.fs.Path(text)

    def _places(self) -> tuple[Any, Any, Any]:
        place, part = self._path(self.uri or ""), self._path(f"{self.uri}.part")
        configuration = self.spark.sparkContext._jsc.hadoopConfiguration()
        system = self._call(lambda: place.getFileSystem(configuration))
        system.setWriteChecksum(False)  # a file of its own, on local disks; the content has a checksum inside
        return system, place, part

    def _call(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Exception as error:
            if not type(error).__module__.startswith("py4j"):
                raise
            reason = str(error).splitlines()[1] if "\n" in str(error) else str(error)
            raise StorageError(f"checkpoint {self.uri} cannot be reached: {reason}") from error
