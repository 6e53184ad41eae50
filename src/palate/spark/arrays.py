"""Arrays that tasks on other processes or machines read and write: as files, or broadcast and then as files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SharedArray", "write_bytes"]


@dataclass(frozen=True)
class SharedArray:
    """An array that is written once and then only read.

    Attributes
    ----------
    path
        Of the file that holds it on the machine of the task.
    dtype, shape
        Of the array.
    content
        A broadcast of the bytes, for machines that do not see the file of the driver; None where all do.
    """

    path: str
    dtype: str
    shape: tuple[int, ...]
    content: Any = None

    def open(self) -> NDArray[Any]:
        """Return the array, mapped into memory: all tasks of a machine share its pages."""
        if self.content is not None and not os.path.exists(self.path):
            write_bytes(Path(self.path), self.content.value)
        if not np.prod(self.shape):
            return np.empty(self.shape, self.dtype)
        # Private pages ("c") are never written, but make an array of the type for which the kernels are compiled.
        return np.asarray(np.memmap(self.path, self.dtype, "c", shape=self.shape))

    def write_rows(self, start: int, rows: NDArray[Any]) -> None:
        """Put rows into the file, from row `start` on. Tasks that run twice write the same bytes."""
        size = int(np.prod(self.shape[1:], dtype=np.int64)) * rows.dtype.itemsize
        with open(self.path, "r+b") as file:
            file.seek(start * size)
            file.write(np.ascontiguousarray(rows, self.dtype).data)

    @classmethod
    def create(cls, path: Path, dtype: str, shape: Sequence[int]) -> SharedArray:
        """Make a file of zeros, which takes no space until rows are written."""
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            file.truncate(size)
        return cls(str(path), dtype, tuple(shape))


def write_bytes(path: Path, content: Any) -> None:
    """Write a file whole or not at all, as several tasks of a machine may do at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    os.replace(file.name, path)
