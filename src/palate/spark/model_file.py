"""A model file that executors open, and errors that come back from them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from palate import errors
from palate.errors import PalateError
from palate.model import Model
from palate.spark.cluster import see_file
from palate.storage import load

__all__ = ["ModelFile", "executor_errors", "share_model"]


@dataclass(frozen=True)
class ModelFile:
    """A model file as tasks find it.

    Attributes
    ----------
    path
        Where the driver sees it.
    is_sent
        Whether Spark has sent it to the machines of the executors, because they do not see that path.
    """

    path: str
    is_sent: bool

    def open(self) -> Model:
        """Return the model, mapped into memory: the tasks of a machine share its pages."""
        path = self.path
        if self.is_sent:
            from pyspark import SparkFiles

            path = SparkFiles.get(Path(self.path).name)
        return _load(path, os.stat(path).st_mtime_ns)


@lru_cache(maxsize=1)
def _load(path: str, changed: int) -> Model:
    return load(path, mmap=True)


def share_model(spark: Any, path: str | Path) -> tuple[ModelFile, Model]:
    """Make a model file readable by executors; return it as they find it, and the model as the driver maps it.

    Raises
    ------
    StorageError
        If the file is missing, damaged or no model.
    """
    place = str(Path(path).absolute())
    model = load(place, mmap=True, verify=True)
    is_seen = see_file(spark, place)
    if not is_seen:
        spark.sparkContext.addFile(place)
    return ModelFile(place, not is_seen), model


@contextmanager
def executor_errors() -> Iterator[None]:
    """Raise an error of palate that ended a task as that error, and not as Spark's report of it."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("pyspark", "py4j")):
            raise
        match = re.search(r"palate\.errors\.(\w+): (.*)", str(error))
        kind = getattr(errors, match[1], None) if match else None
        if match is None or kind is None or not issubclass(kind, PalateError):
            raise
        message = match[2].strip()
    else:
        return
    raise (PalateError if kind is errors.MissingExtraError else kind)(message)
