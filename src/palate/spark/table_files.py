"""The table of ratings as files that tasks map into memory: grouped by user and by item, each cut into parts of rows.

The file of a column is as long as the whole table on every machine. A machine writes only the parts that it has built;
the rest is a hole that takes no space. So a part stands at the same place everywhere, and where all machines see one
folder, the files are the whole table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.ratings import Grouped
from palate.spark.arrays import SharedArray, write_bytes

__all__ = ["PartFault", "SideFiles", "TablePart", "balanced_bounds"]


@dataclass(frozen=True)
class TablePart:
    """The ratings of the rows start to stop of one side.

    Attributes
    ----------
    start, stop
        Rows of the whole side.
    table
        Their ratings: row start + r has the ratings ``indptr[r]`` to ``indptr[r + 1]``.
    """

    start: int
    stop: int
    table: Grouped

    def pieces(self, most: int) -> Iterator[TablePart]:
        """Cut the part into pieces of whole rows, with at most so many ratings or of a single row."""
        (indptr, indices, values), row = self.table, 0
        while row < len(indptr) - 1:
            end = max(row + 1, int(np.searchsorted(indptr, indptr[row] + most, side="right")) - 1)
            ratings = slice(indptr[row], indptr[end])
            table = Grouped(indptr[row : end + 1] - indptr[row], indices[ratings], values[ratings])
            yield TablePart(self.start + row, self.start + end, table)
            row = end


@dataclass(frozen=True)
class PartFault:
    """A pair that is rated twice: user (or item) index, and the index of the other side."""

    row: int
    other: int
    count: int


@dataclass(frozen=True)
class SideFiles:
    """Where the table lies, grouped by one side.

    Attributes
    ----------
    folder
        The same path on every machine.
    bounds
        TablePart p has the rows ``bounds[p]`` to ``bounds[p + 1]``.
    starts
        TablePart p has the ratings ``starts[p]`` to ``starts[p + 1]`` of the whole table.
    has_rows, has_times
        Whether the row, and the time, of each rating are written too.
    """

    folder: str
    bounds: tuple[int, ...]
    starts: tuple[int, ...]
    has_rows: bool = False
    has_times: bool = False

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return len(self.bounds) - 1

    @property
    def rows(self) -> int:
        """How many rows the side has."""
        return self.bounds[-1]

    def column(self, name: str) -> SharedArray:
        """Return the file of a column: indptr, indices, values, rows or times."""
        path, size = Path(self.folder) / f"{name}.bin", self.starts[-1]
        if name == "indptr":
            return SharedArray.create(path, "<i8", (self.rows + 1,))
        return SharedArray.create(path, {"values": "<f4", "times": "<i8"}.get(name, "<i4"), (size,))

    def has(self, part: int) -> bool:
        """Return whether this machine has a part."""
        return self._mark(part).exists()

    def _mark(self, part: int) -> Path:
        return Path(self.folder) / f"part-{part:05}"

    def write(
        self,
        part: int,
        row: NDArray[np.int32],
        other: NDArray[np.int32],
        value: NDArray[np.float32],
        time: NDArray[np.int64] | None = None,
    ) -> PartFault | None:
        """Sort the ratings of a part and write them; return a pair that is rated twice, if there is one."""
        start, stop = self.bounds[part : part + 2]
        key = (row.astype(np.int64) << 32) | other
        order = np.argsort(key)
        key = key[order]
        repeated = np.flatnonzero(key[1:] == key[:-1])
        counts = np.bincount(row - start, minlength=stop - start)
        indptr = self.starts[part] + np.concatenate([[0], np.cumsum(counts)])
        if indptr[-1] != self.starts[part + 1]:
            raise RuntimeError("the ratings changed while they were read: a source must stay as it is during a fit")
        columns: dict[str, NDArray[Any]] = {"indices": other[order], "values": value[order]}
        if self.has_rows:
            columns["rows"] = row[order]
        if self.has_times and time is not None:
            columns["times"] = time[order]
        for name, column in columns.items():
            self.column(name).write_rows(self.starts[part], column)
        self.column("indptr").write_rows(start, indptr)
        write_bytes(self._mark(part), [])
        if not len(repeated):
            return None
        first = int(key[repeated[0]])
        return PartFault(first >> 32, first & 0xFFFFFFFF, len(repeated))

    def read(self, part: int) -> TablePart:
        """Map a part into memory."""
        start, stop = self.bounds[part : part + 2]
        ratings = slice(self.starts[part], self.starts[part + 1])
        indptr = self.column("indptr").open()[start : stop + 1] - self.starts[part]
        indices, values = (self.column(name).open()[ratings] for name in ("indices", "values"))
        return TablePart(start, stop, Grouped(indptr, indices, values))

    def whole(self, counts: NDArray[np.int64]) -> Grouped:
        """Map the whole table, given the number of ratings of each row; parts that are not here are zeros."""
        indptr = np.concatenate([[0], np.cumsum(counts)])
        return Grouped(indptr, self.column("indices").open(), self.column("values").open())


def balanced_bounds(counts: NDArray[np.int64], row_cost: int, parts: int) -> tuple[int, ...]:
    """Cut rows into parts of about equal work; a row stays in one part, and no part is empty.

    >>> balanced_bounds(np.array([5, 1, 1, 1, 2]), 0, 2)
    (0, 1, 5)
    """
    work = np.concatenate([[0], np.cumsum(counts + row_cost)])
    inner: Iterable[int] = np.searchsorted(work, np.linspace(0, work[-1], parts + 1)[1:-1])
    return tuple(int(bound) for bound in np.unique([0, *inner, len(counts)]))
