"""Arrays that tasks on other processes or machines read and write: as files, or broadcast and then as files.

An array that is too large for the memory of an executor is read in blocks: a task keeps only the rows that it needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SharedArray", "write_bytes"]

# Rows that are read at a time.
_ROWS = 1 << 16


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
        Broadcasts of the bytes, one for each block, for machines that do not see the file of the driver; None where
        all do.
    step
        The rows of a block; None if the array is small enough to be read whole.
    """

    path: str
    dtype: str
    shape: tuple[int, ...]
    content: tuple[Any, ...] | None = None
    step: int | None = None

    def open(self) -> NDArray[Any]:
        """Return the array, mapped into memory: all tasks of a machine share its pages."""
        if self.content is not None and not os.path.exists(self.path):
            write_bytes(Path(self.path), (block.value for block in self.content))
        if not np.prod(self.shape):
            return np.empty(self.shape, self.dtype)
        # Private pages ("c") are never written, but make an array of the type for which the kernels are compiled.
        return np.asarray(np.memmap(self.path, self.dtype, "c", shape=self.shape))

    def take(self, rows: NDArray[np.integer]) -> NDArray[Any]:
        """Return some rows, in ascending order: in memory are these and a block."""
        taken, step = np.empty((len(rows), *self.shape[1:]), self.dtype), self.step or self.shape[0]
        for number, start in enumerate(range(0, self.shape[0], step)):
            place = slice(*np.searchsorted(rows, (start, start + step)))
            if place.start < place.stop:
                taken[place] = self._block(number)[rows[place] - start]
        return taken

    def _block(self, number: int) -> NDArray[Any]:
        if self.content is None:
            step = self.step or self.shape[0]
            return self.open()[number * step : (number + 1) * step]
        block = self.content[number]
        rows = np.frombuffer(block.value, self.dtype).reshape(-1, *self.shape[1:])
        if "_path" in vars(block):
            vars(block).pop("_value", None)  # Spark would keep it in memory
        return rows

    def read_into(self, rows: NDArray[Any]) -> None:
        """Put the array into another one of the same type and shape."""
        with open(self.path, "rb") as file:
            for start in range(0, len(rows), _ROWS):
                file.readinto(rows[start : start + _ROWS].data)

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


def write_bytes(path: Path, pieces: Iterable[Any]) -> None:
    """Write a file whole or not at all, as several tasks of a machine may do at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        for piece in pieces:
            file.write(piece)
    os.replace(file.name, path)
