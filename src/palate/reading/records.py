"""Delimited text as Python's csv module reads it, one record after the other; what it refuses is named."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

__all__ = ["Record", "is_regular", "read_records", "unescape"]

# Of the characters in a field; csv's own limit of 128 KiB is below what reviews and JSON in a field need.
_LONGEST = 1 << 30


class Record(NamedTuple):
    """A record, or what cannot be read as one.

    Attributes
    ----------
    line
        The number of the line on which it starts.
    fields
        Its fields; None if its quotes are malformed.
    fault
        What is wrong with it.
    text
        The line on which it starts, as far as it must be shown.
    """

    line: int
    fields: list[str] | None
    fault: str
    text: str


def read_records(text: str, delimiter: str, first_line: int = 1) -> Iterator[Record]:
    """Read all records. Behind malformed quotes reading goes on, with a record in each line.

    Parameters
    ----------
    text
        With one-character separators.
    delimiter
        The separator.
    first_line
        The number of the first line.
    """
    limit = csv.field_size_limit(_LONGEST)
    # As csv has it, a carriage return alone ends a line, too.
    lines = list(io.StringIO(text, newline=""))
    place = 0
    try:
        reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
        while place < len(lines):
            try:
                fields = next(reader)
            except csv.Error as error:
                yield _malformed(lines, place, first_line, error)
                break
            yield Record(first_line + place, fields, "", lines[place])
            place = reader.line_num
        # Behind malformed quotes every line is a record: looking for the end of each open quote would take long.
        for at in range(place + 1, len(lines)):
            try:
                fields = next(csv.reader([lines[at]], delimiter=delimiter, strict=True))
            except csv.Error as error:
                yield _malformed(lines, at, first_line, error)
            else:
                yield Record(first_line + at, fields, "", lines[at])
    finally:
        csv.field_size_limit(limit)


def _malformed(lines: list[str], place: int, first_line: int, error: csv.Error) -> Record:
    open_quote = "unexpected end" in str(error)
    fault = "has a quote that does not close" if open_quote else f"has malformed quotes ({error})"
    return Record(first_line + place, None, fault, lines[place])


def is_regular(content: bytes, delimiter: str) -> bool:
    """Whether any reader of delimited text takes a text in the same way.

    Carriage returns stand before newlines only, and quotes begin a field, end it, or are doubled in it.
    """
    text = np.frombuffer(content, np.uint8)
    if b"\r" in content:
        returns = np.flatnonzero(text == 13)
        if returns[-1] + 1 == len(text) or (text[returns + 1] != 10).any():
            return False
    if b'"' not in content:
        return True
    quotes = np.flatnonzero(text == 34)
    if len(quotes) % 2:
        return False
    edges = np.zeros(256, bool)
    edges[[10, 13, 34, ord(delimiter)]] = True
    opening, closing = quotes[::2], quotes[1::2]
    before = edges[text[np.maximum(opening - 1, 0)]] | (opening == 0)
    after = edges[text[np.minimum(closing + 1, len(text) - 1)]] | (closing == len(text) - 1)
    return bool(before.all() and after.all())


def unescape(text: str, delimiter: str) -> str:
    r"""Double the quotes that a backslash escapes, as MySQL and R write them.

    A field of nothing but backslashes with quotes is no escape: then the text is returned as it is.

    Examples
    --------
    >>> print(unescape(r'1,"The \"Best\" of",5', ","))
    1,"The ""Best"" of",5
    >>> print(unescape(r'1,\",5', ","))
    1,\",5
    """
    separator = re.escape(delimiter)
    if re.search(rf'(?:^|{separator})(?:\\")+(?={separator}|\r?$)', text, re.MULTILINE):
        return text
    return re.sub(r'(?<!\\)((?:\\\\)*)\\"', r'\1""', text)
