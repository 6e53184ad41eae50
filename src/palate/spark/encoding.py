"""Ratings on their way into the parts of a table: their ids become indices, then they are cut into chunks of one part.

A chunk is many ratings as one row of Spark, with a binary column for each of their columns. Spark moves few large rows
in a fraction of the time that it takes for a row of each rating.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.ratings import Vocabulary
from palate.spark.arrays import SharedArray
from palate.spark.table_files import SideFiles

__all__ = ["CutIntoParts", "EncodeIds", "build_parts", "chunk_schema", "ids_as_bytes"]

# Rows that are encoded at a time: looking ids up begins with a hash table of all ids.
_ROWS = 1 << 20
_TYPES = {"user": "<i4", "item": "<i4", "rating": "<f4", "time": "<i8"}
Columns = dict[str, NDArray[Any]]


def chunk_schema(has_times: bool) -> str:
    """Return the columns of chunks, as Spark spells them."""
    return ", ".join(f"{name} binary" for name in _TYPES if has_times or name != "time")


def ids_as_bytes(ids: Vocabulary) -> NDArray[np.uint8]:
    """Return ids as an Arrow file, in the order of their index."""
    import pyarrow as pa

    table = pa.table({"id": pa.array(ids.ids, pa.string() if ids.is_text else pa.int64())})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return np.frombuffer(sink.getvalue(), np.uint8)


@dataclass(frozen=True)
class EncodeIds:
    """Turns batches of ratings into chunks with indices instead of ids.

    Attributes
    ----------
    ids
        For each side what `ids_as_bytes` returned.
    """

    ids: dict[str, SharedArray]

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield chunks."""
        import pyarrow as pa

        known = {
            side: pa.ipc.open_file(pa.py_buffer(content.open())).read_all()["id"] for side, content in self.ids.items()
        }
        gathered: list[Any] = []
        for batch in batches:
            gathered.append(batch)
            if sum(one.num_rows for one in gathered) >= _ROWS:
                yield _chunk(_encoded(pa.Table.from_batches(gathered), known))
                gathered = []
        if any(one.num_rows for one in gathered):
            yield _chunk(_encoded(pa.Table.from_batches(gathered), known))


def _encoded(table: Any, known: dict[str, Any]) -> Columns:
    import pyarrow.compute as pc

    columns = {}
    for name in table.schema.names:
        column = table.column(name)
        if name in known:
            column = pc.index_in(column, known[name])
        if column.null_count:
            raise RuntimeError("the ratings changed while they were read: a source must stay as it is during a fit")
        columns[name] = column.to_numpy()
    return columns


@dataclass(frozen=True)
class CutIntoParts:
    """Sorts the rows of chunks into chunks of one part each: a column more, the number of the part."""

    side: str
    files: SideFiles

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield chunks with the number of their part."""
        for columns in _chunks(batches):
            part = (np.searchsorted(self.files.bounds, columns[self.side], side="right") - 1).astype(np.int32)
            order = np.argsort(part, kind="stable")
            ends = np.cumsum(np.bincount(part, minlength=self.files.parts))
            for number in np.flatnonzero(np.diff(ends, prepend=0)).tolist():
                rows = order[ends[number - 1] if number else 0 : ends[number]]
                yield _chunk({name: column[rows] for name, column in columns.items()}, number)


def build_parts(files: SideFiles, other: str, side: str, batches: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """Write the part that the chunks of a partition make up; yield its number and a pair that is rated twice."""
    batches = list(batches)
    chunks = list(_chunks(batches))
    if chunks:
        part = next(batch.column("part")[0].as_py() for batch in batches if batch.num_rows)
        del batches
        whole = {name: np.concatenate([chunk.pop(name) for chunk in chunks]) for name in list(chunks[0])}
        yield part, files.write(part, whole[side], whole[other], whole["rating"], whole.get("time"))


def _chunk(columns: Columns, part: int | None = None) -> Any:
    import pyarrow as pa

    number = {} if part is None else {"part": pa.array([part], pa.int32())}
    binary = {
        name: pa.array([np.ascontiguousarray(columns[name], kind).tobytes()], pa.binary())
        for name, kind in _TYPES.items()
        if name in columns
    }
    return pa.record_batch({**number, **binary})


def _chunks(batches: Iterable[Any]) -> Iterator[Columns]:
    for batch in batches:
        for row in range(batch.num_rows):
            yield {
                name: np.frombuffer(batch.column(name)[row].as_buffer(), _TYPES[name])
                for name in batch.schema.names
                if name in _TYPES
            }
