"""Writing a table to a file piece by piece, so that it never is in memory as a whole."""

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

# Pieces that wait while one is written, and rows of a row group.
_WAITING = 2
_ROW_GROUP = 1 << 18
# How often the caller looks whether the writer has given up, in seconds.
_LOOK = 0.05


@contextmanager
def writing_frame(path: Path, schema: dict[str, Any]) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Yield a function that takes the next rows; the file appears at the end, whole, or not at all.

    The rows are encoded and written by a thread of their own, while the caller makes the next ones.

    Parameters
    ----------
    path
        The file; if it is there, it is replaced. It is CSV if its name ends in ".csv", else Parquet.
    schema
        Column name → Polars type, which every piece must have.

    Raises
    ------
    StorageError
        If it cannot be written, or the disk is full; what stood at `path` before is then untouched.
    """
    # Queues in C: Ctrl-C cannot come while one of them is locked.
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
                # The writer ends in good order in any case: a file that the caller did not finish is removed.
                pieces.put(None)
            writing.result()
        except pl.exceptions.PolarsError as error:
            raise StorageError(f"{path} cannot be written: {' '.join(str(error).split())}") from error


def _hand_over(piece: Any, pieces: SimpleQueue[Any], room: SimpleQueue[None], writing: Future[None]) -> None:
    while not writing.done():
        try:
            room.get(timeout=_LOOK)
        except Empty:
            continue
        return pieces.put(piece)
    return writing.result()  # it has given up: say why


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
