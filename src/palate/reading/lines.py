"""The patient way: every field read as text, every line checked for its number of columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import numpy as np

from palate.lazy import pl
from palate.reading.encodings import decode
from palate.reading.raw import Part
from palate.reading.records import is_regular, read_records, unescape
from palate.reading.sniff import Dialect, normalise, restore
from palate.reading.source import Bytes
from palate.reading.table import BadLines, Locate, shortened

__all__ = ["SHOWN_FAULTS", "Body", "as_lines", "name_bad_lines", "read_strings"]

_BATCH = 50_000
SHOWN_FAULTS = 3
_PADDED = re.compile(r'"(\s[^"]*|[^"]*\s)"')


class Body:
    """The lines of a text below its header and the blank lines around it.

    Parameters
    ----------
    content
        The whole text.
    dialect
        Its layout.
    """

    def __init__(self, content: Bytes, dialect: Dialect) -> None:
        self.dialect = dialect
        start, self.first_line, above = 0, 1, dialect.above
        while start < len(content):
            stop = _line_end(content, start)
            if content[start:stop].tobytes().strip(b" \r\n"):  # neither is a blank line the header
                if not above:
                    break
                above -= 1
            start = stop
            self.first_line += 1
        self.content = content[start:]

    def locate(self, row: int) -> str:
        """Name the line of a row where every line is a row."""
        return f"line {row + self.first_line}"

    def encoded(self) -> tuple[bytes, str]:
        """Return the text as UTF-8, with one-character separators, and a note if it was something else."""
        data, note = self.content.tobytes(), ""
        if not data.isascii():
            text, note = decode(data)
            data = text.encode() if note else data
        if self.dialect.separator != self.dialect.delimiter:
            data = normalise(data.decode(), self.dialect.separator).encode()
        return data, note


def _line_end(content: Bytes, start: int) -> int:
    for size in (1 << 12, 1 << 22):
        head = content[start : start + size].tobytes()
        ends = [end for end in (head.find(b"\n"), head.find(b"\r")) if end >= 0]
        if ends:
            end = min(ends)
            return start + end + 1 + (head[end : end + 2] == b"\r\n")
    return len(content)


def read_strings(body: Body, positions: Sequence[int]) -> Part:
    """Read columns as text, empty fields as null, without blank lines and lines of another width.

    Text that readers could take in different ways is read as Python's csv module does.
    """
    data, encoding = body.encoded()
    delimiter = body.dialect.delimiter
    notes = (encoding,) if encoding else ()
    regular = is_regular(data, delimiter)
    if not regular and b'\\"' in data:
        escaped = unescape(data.decode(), delimiter).encode()
        if is_regular(escaped, delimiter):
            data, regular = escaped, True
    padded = partial(_padded, data)
    if regular:
        part = _read_regular(data, body, positions)
        if part is not None:
            return part._replace(notes=notes, padded=padded)
    return _read_records(data.decode(), body, positions)._replace(notes=notes, padded=padded)


def _padded(data: bytes) -> frozenset[str]:
    return frozenset(_PADDED.findall(data.decode())) if b'"' in data else frozenset()


def _read_regular(data: bytes, body: Body, positions: Sequence[int]) -> Part | None:
    """Read regular text by Polars, or return None if some line has another width and quotes hide where lines end."""
    quoted = b'"' in data
    columns = _parse(data, body.dialect, positions, quoted)
    width = body.dialect.width
    if (
        columns is not None
        and not columns[-1].null_count()
        and len(columns[-1]) == _count(data, "\n") + 1
        and (quoted or _count(data, body.dialect.delimiter) == (width - 1) * len(columns[-1]))
    ):
        return Part(_restored(columns[:-1], body, quoted), body.locate)
    if quoted:
        return None
    # Polars takes blank and short lines for rows with empty fields at their end.
    lines = as_lines(data.decode())
    separators = lines.str.count_matches(body.dialect.delimiter, literal=True).fill_null(0).to_numpy()
    blank = (separators == 0) & (lines.fill_null("").str.strip_chars() == "").to_numpy()
    right = separators == width - 1
    if columns is None or not (right | blank).all():
        good = "\n".join(lines.filter(right & ~blank).to_list())
        columns = _parse(good.encode(), body.dialect, positions, False) if good else _nothing(positions)
        rows = np.flatnonzero(right & ~blank)
    else:
        rows = np.flatnonzero(~blank)
        columns = [column.filter(~blank) for column in columns]
    if columns is None:
        return None
    numbers = np.flatnonzero(~right & ~blank)
    bad = name_bad_lines(
        [int(row) + body.first_line for row in numbers],
        [(int(separators[row]) + 1, lines[int(row)] or "") for row in numbers[:SHOWN_FAULTS]],
        body.dialect,
    )
    return Part(columns[:-1], _numbered(rows + body.first_line), bad=bad)


def _count(data: bytes, character: str) -> int:
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord(character)))


def _parse(data: bytes, dialect: Dialect, positions: Sequence[int], quoted: bool) -> list[pl.Series] | None:
    """Return the wanted columns and the last, or None if Polars refuses some line.

    Polars takes lines that are too long where it does not read all columns. Where there are no quotes, separators can
    be counted instead.
    """
    last = dialect.width - 1
    columns = list(range(dialect.width)) if quoted else sorted({*positions, last})
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            separator=dialect.delimiter,
            quote_char='"' if quoted else None,
            schema={f"column_{column}": pl.String for column in range(dialect.width)},
            columns=columns,
        )
    except pl.exceptions.PolarsError:
        return None
    return [frame[:, columns.index(column)] for column in (*positions, last)]


def _nothing(positions: Sequence[int]) -> list[pl.Series]:
    return [pl.Series([], dtype=pl.String) for _ in (*positions, 0)]


def as_lines(text: str) -> pl.Series:
    """Return the lines of a text, without their ends."""
    return pl.Series([text]).str.split("\n").explode().str.strip_suffix("\r")


def _restored(columns: list[pl.Series], body: Body, quoted: bool) -> list[pl.Series]:
    """Put separators of several characters back into quoted fields."""
    separator, delimiter = body.dialect.separator, body.dialect.delimiter
    if not quoted or separator == delimiter:
        return columns
    return [column.str.replace_all(delimiter, separator, literal=True) for column in columns]


def _read_records(text: str, body: Body, positions: Sequence[int]) -> Part:
    width = body.dialect.width
    batches: list[list[pl.Series]] = []
    rows: list[tuple[str | None, ...]] = []
    lines: list[int] = []
    bad: list[int] = []
    faults: list[tuple[int | str, str]] = []
    for record in read_records(text, body.dialect.delimiter, body.first_line):
        fields = record.fields
        if fields is not None and len(fields) <= 1 and not "".join(fields).strip():
            continue
        if fields is None or len(fields) != width:
            bad.append(record.line)
            if len(faults) < SHOWN_FAULTS:
                faults.append((record.fault if fields is None else len(fields), record.text))
            continue
        rows.append(tuple(fields[position] or None for position in positions))
        lines.append(record.line)
        if len(rows) == _BATCH:
            batches.append(_columns(rows))
            rows = []
    batches.append(_columns(rows) if rows or batches else _nothing(positions))
    columns = [pl.concat([batch[place] for batch in batches if batch]) for place in range(len(positions))]
    return Part(
        _restored(columns, body, True), _numbered(np.array(lines)), bad=name_bad_lines(bad, faults, body.dialect)
    )


def _columns(rows: list[tuple[str | None, ...]]) -> list[pl.Series]:
    return [pl.Series(values, dtype=pl.String) for values in zip(*rows, strict=True)] if rows else []


def _numbered(lines: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Locate:
    return lambda row: f"line {lines[row]}"


def name_bad_lines(lines: list[int], faults: list[tuple[int | str, str]], dialect: Dialect) -> BadLines | None:
    """Say what is wrong with lines, None if there are none.

    Parameters
    ----------
    lines
        Their numbers.
    faults
        For the first few: the number of their columns or what else is wrong, and their text.
    dialect
        How wide they should be.
    """
    if not lines:
        return None
    said = []
    for fault, text in faults:
        if isinstance(fault, int):
            fault = f"has {fault} column{'s' * (fault != 1)}, {dialect.width} expected"
        fault = restore(fault, dialect.separator)
        shown = shortened(restore(text.strip("\r\n"), dialect.separator))
        said.append(f"{fault}: {shown!r}")
    return BadLines([f"line {line}" for line in lines], said)
