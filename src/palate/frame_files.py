"""Writing a table to a file piece by piece, so that memory never holds the whole table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from palate.errors import StorageError
from palate.files import replacing
from palate.lazy import pl

__all__ = ["writing_frame"]

# The number of pieces that may wait while one is written.
_WAITING = 2
# Rows of a row group of the file.
_ROW_GROUP = 1 << 18
# How often a caller that waits for room checks whether the writer has failed, in seconds.
_CHECK_SECONDS = 0.05


@contextmanager
def writing_frame(path: Path, schema: dict[str, Any]) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Yield a function that takes the next rows; the file appears at the end, or not at all.

    Another thread encodes and writes the rows while the caller makes the next ones.

    Parameters
    ----------
    path
        The file: CSV if its name ends in ".csv", else Parquet. An existing file is replaced at the end.
    schema
        Column name → Polars type. Every piece must have this schema.

    Raises
    ------
    StorageError
        If the file cannot be written or the disk is full. An existing file is then left as it was.
    """
    # SimpleQueue is written in C, so Ctrl-C cannot interrupt Python while a queue is locked. `room` holds one entry for
    # each piece that may still be handed over.
    pieces: SimpleQueue[Any] = SimpleQueue()
    room: SimpleQueue[None] = SimpleQueue()
    for _ in range(_WAITING):
        room.put(None)
    is_csv = path.suffix.lower() == ".csv"
    with replacing(path) as temporary, ThreadPoolExecutor(1, thread_name_prefix="frames") as executor:
        try:
            try:
                writing = executor.submit(_write, temporary, is_csv, schema, pieces, room)
                yield lambda piece: _hand_over(piece, pieces, room, writing)
            finally:
                # The writer always ends normally; `replacing` removes a file that the caller did not finish.
                pieces.put(None)
            writing.result()
        except pl.exceptions.PolarsError as error:
            raise StorageError(f"{path} cannot be written: {' '.join(str(error).split())}") from error


def _hand_over(piece: Any, pieces: SimpleQueue[Any], room: SimpleQueue[None], writing: Future[None]) -> None:
    while not writing.done():
        try:
            room.get(timeout=_CHECK_SECONDS)
        except Empty:
            continue
        return pieces.put(piece)
    return writing.result()  # the writer has failed: raise its error


def _write(path: Path, is_csv: bool, schema: dict[str, Any], pieces: SimpleQueue[Any], room: SimpleQueue[None]) -> None:
    from polars.io.plugins import register_io_source

    def rows(*_: object) -> Iterator[pl.DataFrame]:
        while (piece := pieces.get()) is not None:
            room.put(None)
            yield piece

    frame = register_io_source(rows, schema=schema)
    if is_csv:
        frame.sink_csv(path, maintain_order=True)
    else:
        frame.sink_parquet(path, row_group_size=_ROW_GROUP, maintain_order=True)
