"""How a text is laid out, judged by its first lines: separator, width, header."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass

from palate.errors import ReadError
from palate.reading.columns import by_name
from palate.reading.source import Bytes, decode

__all__ = ["BLANKS", "Dialect", "is_number", "normalise", "sniff", "take_sample"]

# Any run of blanks and tabs.
BLANKS = " "
_SEPARATORS = {"\t\t": "two tabs", "::": "'::'", "\t": "tabs", ";": "';'", "|": "'|'", ",": "commas", BLANKS: "blanks"}
_UNIT = "\x1f"
_SAMPLE = 1 << 16
_LONG_LINES = 1 << 22
_LINES = 100


@dataclass(frozen=True)
class Dialect:
    """The layout of a text."""

    separator: str
    width: int
    names: list[str] | None

    def describe(self) -> str:
        """Name the separator."""
        return _SEPARATORS.get(self.separator, repr(self.separator))

    @property
    def delimiter(self) -> str:
        """The one character that separates fields in a normalised text."""
        return self.separator if _is_simple(self.separator) else _UNIT


def take_sample(content: Bytes) -> list[str]:
    """Return up to 100 whole lines from the first 64 KiB, or more where lines are long."""
    head = content[:_SAMPLE].tobytes()
    if head.count(b"\n") < 20:
        head = content[:_LONG_LINES].tobytes()
    if len(head) < len(content):
        head = head[: head.rfind(b"\n")] if b"\n" in head else head
    lines = [line.removesuffix("\r") for line in decode(head)[0].lstrip("\r\n").split("\n")[:_LINES]]
    return lines if any(line.strip() for line in lines) else [decode(head)[0].strip() or "?"]


def normalise(text: str, separator: str) -> str:
    """Put one character in the place of a separator of several."""
    if separator == BLANKS:
        return "\n".join(_UNIT.join(line.split()) for line in text.split("\n"))
    return text if _is_simple(separator) else text.replace(separator, _UNIT)


def _is_simple(separator: str) -> bool:
    return len(separator) == 1 and separator.isascii() and separator != BLANKS


def is_number(text: str) -> bool:
    """Whether a field spells a number, NaN and infinity included."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def sniff(
    sample: list[str], separator: str | None, header: bool | None, source: str, fewest: int = 3
) -> tuple[Dialect, list[list[str]], float]:
    """Judge the layout by the first lines.

    Returns it with the records of the sample, those of a header and of blank lines left out, and with the share of
    them that have its width.

    Raises
    ------
    ReadError
        If no separator gives the fewest columns.
    """
    if separator is not None:
        separator = separator.replace("\\t", "\t")
        if not separator or "\n" in separator or '"' in separator:
            raise ReadError(f"{source}: {separator!r} cannot be a separator")
    best: tuple[float, Dialect, list[list[str]]] | None = None
    for candidate in [separator] if separator else _SEPARATORS:
        dialect = Dialect(candidate, 0, None)
        rows = _rows(sample, dialect)
        widths = Counter(map(len, rows))
        width, count = widths.most_common(1)[0]
        share = count / len(rows) if width >= fewest else 0
        if best is None or share > best[0]:
            best = share, Dialect(candidate, width, None), rows
        if share == 1:
            break
    assert best is not None
    share, dialect, rows = best
    if not share:
        raise ReadError(_no_columns(sample, rows, separator, source))
    if header or (header is None and _has_header(rows)):
        if len(rows[0]) != dialect.width:
            raise ReadError(
                f"{source}: its first line names {len(rows[0])} columns, {dialect.width} stand below: "
                f"{', '.join(map(repr, rows[0][:6]))}"
            )
        return Dialect(dialect.separator, dialect.width, [name.strip() for name in rows[0]]), rows[1:], share
    return dialect, rows, share


def _rows(sample: list[str], dialect: Dialect) -> list[list[str]]:
    lines = [normalise(line, dialect.separator) for line in sample]
    try:
        found = list(csv.reader(lines, delimiter=dialect.delimiter))
    except csv.Error:  # a field of more than 128 KiB: an open quote, most likely
        found = [line.split(dialect.delimiter) for line in lines]
    return [fields for fields in found if any(field.strip() for field in fields)] or [[""]]


def _no_columns(sample: list[str], rows: list[list[str]], separator: str | None, source: str) -> str:
    line = next(line for line in sample if line.strip())
    shown = repr(line if len(line) <= 60 else line[:59] + "…")
    if separator:
        columns = f"{len(rows[0])} column{'s' * (len(rows[0]) > 1)}, 3 expected"
        return f"{source} has, with the separator {separator!r}, {columns}: {shown}"
    return (
        f"{source} has no three columns (user, item, rating) separated by tabs, commas, ';', '|', '::' or blanks: its "
        f"first line is {shown}; name another separator with separator= (--separator)"
    )


def _has_header(rows: list[list[str]]) -> bool:
    first, rest = rows[0], rows[1:]
    if any(is_number(field) for field in first):
        return False
    if len(by_name(first)) >= 2:
        return True
    # A header names columns of numbers: somewhere below a text stand numbers, almost without exception.
    for column, _ in enumerate(first):
        below = [row[column] for row in rest if len(row) > column]
        if below and sum(map(is_number, below)) > 0.8 * len(below):
            return True
    return False
