"""The patient way: every field read as text, every line checked for its number of columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.sniff import Dialect, normalise
from palate.reading.source import Bytes, decode

__all__ = ["Body", "read_strings"]


class Body:
    """The lines of a text below its header and the blank lines around it.

    Parameters
    ----------
    content
        The whole text.
    dialect
        Its layout.
    source
        Its name, for messages.
    """

    def __init__(self, content: Bytes, dialect: Dialect, source: str) -> None:
        self.dialect, self.source = dialect, source
        start, self.first_line, headers = 0, 1, int(dialect.names is not None)
        while start < len(content):
            stop = _line_end(content, start)
            if content[start:stop].tobytes().strip(b" \r\n"):  # neither is a blank line the header
                if not headers:
                    break
                headers -= 1
            start = stop
            self.first_line += 1
        self.content = content[start:]

    def locate(self, row: int) -> str:
        """Name the line of a row where every line is a row."""
        return f"line {row + self.first_line}"

    def text(self) -> tuple[str, str]:
        """Return the text with one-character separators, and a note if it is not UTF-8."""
        text, note = decode(self.content.tobytes())
        return normalise(text, self.dialect.separator), note


def _line_end(content: Bytes, start: int) -> int:
    for size in (1 << 12, 1 << 22):
        newline = content[start : start + size].tobytes().find(b"\n")
        if newline >= 0:
            return start + newline + 1
    return len(content)


def read_strings(body: Body, wanted: Sequence[int]) -> tuple[list[pl.Series], Callable[[int], str], str]:
    """Read columns as text, empty fields as null.

    Returns the wanted columns without blank lines, a function that names the line of a row, and a note on the encoding.

    Raises
    ------
    ReadError
        If some line has another number of columns than the others, or its quotes do not close.
    """
    text, note = body.text()
    width, last = body.dialect.width, body.dialect.width - 1
    columns = sorted({*wanted, last})
    try:
        frame = pl.read_csv(
            text.encode(),
            has_header=False,
            separator=body.dialect.delimiter,
            schema={f"column_{column}": pl.String for column in range(width)},
            columns=columns,
        )
    except pl.exceptions.PolarsError as error:
        _survey(text, body)
        reason = str(error).splitlines()[0]
        raise ReadError(f"{body.source} cannot be read as a table: {reason}") from error
    locate: Callable[[int], str] = body.locate
    if frame[:, -1].null_count():
        # Polars takes blank and short lines for rows with empty fields at their end.
        lines, blank = _survey(text, body)
        frame, lines = frame.filter(~blank), lines[~blank]
        locate = lambda row: f"line {lines[row]}"  # noqa: E731
    elif frame.height != text.count("\n") + 1:  # a quoted field holds a line end
        numbers = cache(lambda: _survey(text, body)[0])
        locate = lambda row: f"line {numbers()[row]}"  # noqa: E731
    return [frame[:, columns.index(column)] for column in wanted], locate, note


def _survey(text: str, body: Body) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return for each record the number of the line on which it starts, and whether it is blank.

    Raises
    ------
    ReadError
        If a record has another number of columns than the others, or its quotes do not close.
    """
    starts, blank = [], []
    start, width = body.first_line, body.dialect.width
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=body.dialect.delimiter, strict=True)
    try:
        for fields in reader:
            empty = len(fields) <= 1 and not "".join(fields).strip()
            if len(fields) != width and not empty:
                columns = f"{len(fields)} column{'s' * (len(fields) > 1)}, {width} expected"
                raise ReadError(f"{body.source}, line {start} has {columns}: {_shown(text, start - body.first_line)}")
            starts.append(start)
            blank.append(empty)
            start = body.first_line + reader.line_num
    except csv.Error as error:
        wrong = "a quote that does not close" if "unexpected end" in str(error) else f"malformed quotes ({error})"
        line = _shown(text, start - body.first_line)
        raise ReadError(f"{body.source}, line {start} has {wrong}: {line}") from error
    return np.array(starts), np.array(blank)


def _shown(text: str, line: int) -> str:
    shown = text.split("\n", line + 1)[line].rstrip("\r")
    return repr(shown if len(shown) <= 60 else shown[:59] + "…")
