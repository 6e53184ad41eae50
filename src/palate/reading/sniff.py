"""How a text is laid out, judged by its first lines: separator, width, header, comments above."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.encodings import decode
from palate.reading.names import RATINGS, find_roles, plain_name
from palate.reading.numbers import is_blank, is_number, number_of, to_numbers
from palate.reading.source import Bytes
from palate.reading.table import shortened

__all__ = ["BLANKS", "RATINGS_WANTED", "Dialect", "normalise", "restore", "sniff", "take_sample"]

# The columns of a table of ratings, for messages.
RATINGS_WANTED = "three columns (user, item, rating)"
# Any run of blanks and tabs.
BLANKS = " "
_SEPARATORS = {
    "\t\t": "two tabs", "::": "'::'", "\x01": "the character 1, as in Hive", "\t": "tabs", ";": "';'", "|": "'|'",
    ",": "commas", BLANKS: "blanks",
}  # fmt: skip
_UNIT = "\x1f"
_SAMPLE = 1 << 16
_LONG_LINES = 1 << 22
_LINES = 100
# So many lines of prose hardly have one comma each.
_REGULAR = 0.7
_EXCEL = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
# A network of two kinds of nodes.
_KONECT = re.compile(r"%\s*bip\b")
_FIELD = re.compile(r'"(?:[^"]|"")*"|\S+')


@dataclass(frozen=True)
class Dialect:
    """The layout of a text.

    Parameters
    ----------
    separator
        What stands between fields; a blank for any run of blanks.
    width
        How many fields a line has.
    names
        Of the columns, if a line names them.
    above
        How many lines with text stand above the first row, the header included.
    preface
        How many of these are neither comments nor the header.
    """

    separator: str
    width: int
    names: list[str] | None = None
    above: int = 0
    preface: int = 0

    def describe(self) -> str:
        """Name the separator."""
        return _SEPARATORS.get(self.separator, repr(self.separator))

    @property
    def delimiter(self) -> str:
        """The one character that separates fields in a normalised text."""
        return self.separator if _is_simple(self.separator) else _UNIT


class Sniffed(NamedTuple):
    """What the first lines tell.

    Attributes
    ----------
    dialect
        The layout.
    rows
        The records of the sample, those of a header and of blank lines left out.
    share
        How many of them have the width of the layout, as a share.
    """

    dialect: Dialect
    rows: list[list[str]]
    share: float


def take_sample(content: Bytes) -> list[str]:
    """Return up to 100 whole lines from the first 64 KiB, or more where lines are long."""
    head = content[:_SAMPLE].tobytes()
    if head.count(b"\n") < 20:
        head = content[:_LONG_LINES].tobytes()
    if len(head) < len(content):
        head = head[: head.rfind(b"\n")] if b"\n" in head else head
    lines = re.split(r"\r\n|\n|\r", decode(head)[0].lstrip("\r\n"))[:_LINES]
    return lines if any(line.strip() for line in lines) else [decode(head)[0].strip() or "?"]


def normalise(text: str, separator: str) -> str:
    """Put one character in the place of a separator of several."""
    if separator != BLANKS:
        return text if _is_simple(separator) else text.replace(separator, _UNIT)
    split = _FIELD.findall if '"' in text else str.split
    return "\n".join(_UNIT.join(split(line)) for line in text.split("\n"))


def restore(text: str, separator: str) -> str:
    """Undo `normalise` in a line or field."""
    return text if _is_simple(separator) else text.replace(_UNIT, separator)


def _is_simple(separator: str) -> bool:
    return len(separator) == 1 and separator.isascii() and separator != BLANKS


def sniff(
    sample: list[str],
    separator: str | None,
    header: bool | None,
    source: str,
    known: Mapping[str, Sequence[str]] = RATINGS,
    wanted: str = RATINGS_WANTED,
) -> Sniffed:
    """Judge the layout by the first lines.

    Parameters
    ----------
    sample
        The lines.
    separator, header
        As the caller gave them, None to guess.
    source
        For messages.
    known
        Names that columns have, by role: two of them make a header.
    wanted
        The columns that are looked for, for messages.

    Raises
    ------
    ReadError
        If no separator gives at least two columns.
    """
    if separator is not None:
        separator = separator.replace("\\t", "\t")
        if not separator or "\n" in separator or '"' in separator:
            raise ReadError(f"{source}: {separator!r} cannot be a separator")
    lines, comments, excel = _skip_comments(sample)
    separator = separator or excel
    best = _best([separator] if separator else list(_SEPARATORS), lines)
    if best is None:
        raise ReadError(_no_columns(lines, separator, source, wanted))
    dialect, rows = best.dialect, best.rows
    said = _commented_header(comments, dialect, known) if header is None else None
    while comments and said is None and _is_row(comments[-1], best):
        rows = [*_rows([comments.pop()], dialect), *rows]
        best = best._replace(rows=rows)
    above = len(comments) + (excel is not None)
    if said is not None:
        return best._replace(dialect=replace(dialect, names=said, above=above))
    preface = 0 if header is not None else _preface(rows, dialect, known)
    preface += 0 if header is not None else _titles(rows[preface:], dialect, known)
    rows, above, dialect = rows[preface:], above + preface, replace(dialect, preface=preface)
    if header is None and len(rows[0]) == dialect.width - 1 and _is_pivot_header(["", *rows[0]], rows[1:]):
        rows = [["", *rows[0]], *rows[1:]]  # as R writes a matrix, with the names of its rows in front
    if not (header or (header is None and _has_header(rows, known))):
        return best._replace(dialect=replace(dialect, above=above))
    rows, levels = _without_levels(rows, source)
    above += levels
    names = [name.strip() for name in rows[0]]
    if len(names) == dialect.width - 1 and not any(row[-1].strip() for row in rows[1:] if len(row) == dialect.width):
        names = [*names, ""]  # the rows end in a separator
    if len(names) == dialect.width - 1 and _are_labels(rows[1:]):
        names = ["", *names]  # as R's write.table has it, with the names of the rows in front
    if len(names) != dialect.width:
        raise ReadError(
            f"{source}: its first line names {len(names)} columns, {dialect.width} stand below: "
            f"{', '.join(map(repr, names[:6]))}; mend that line, or leave it out with header=False (--no-header)"
        )
    return Sniffed(replace(dialect, names=names, above=above + 1), rows[1:], best.share)


def _skip_comments(sample: list[str]) -> tuple[list[str], list[str], str | None]:
    """Return the lines below comments, the comments, and the separator that Excel's first line names."""
    lines = [line for line in sample if line.strip()] or sample
    excel = _EXCEL.fullmatch(lines[0].strip(" \r\n"))
    if excel is not None and len(lines) > 1:
        return lines[1:], [], excel[1]
    count = next((place for place, line in enumerate(lines) if line.lstrip()[:1] not in ("#", "%")), 0)
    return lines[count:], lines[:count], None


def _preface(rows: list[list[str]], dialect: Dialect, known: Mapping[str, Sequence[str]]) -> int:
    """Return how many lines, such as a title, stand above a header of known names."""
    count = next((place for place, row in enumerate(rows) if len(row) == dialect.width), 0)
    return count if count and len(find_roles(rows[count], known)) >= 2 and _has_header(rows[count:], known) else 0


def _titles(rows: list[list[str]], dialect: Dialect, known: Mapping[str, Sequence[str]]) -> int:
    """Return how many lines above a header hold a title and blank cells, as spreadsheets write it.

    Above a pivot table Excel writes what its cells and its columns hold, such as "Average of rating,Column Labels,,,".
    """
    count = 0
    while count + 2 < len(rows) and dialect.width > 2 and _is_title(rows[count]):
        count += 1
        header = rows[count]
        is_whole = len(header) == dialect.width and all(map(str.strip, header))
        if is_whole and (len(find_roles(header, known)) >= 2 or _is_pivot_header(header, rows[count + 1 :])):
            return count
    return 0


def _is_title(row: list[str]) -> bool:
    return bool(row[0].strip()) and not any(map(str.strip, row[2:])) and not any(map(is_number, row))


def _is_row(comment: str, below: Sniffed) -> bool:
    """Whether what looks like a comment is a row with an id that begins as comments do, such as `#music,19,3`."""
    fields = _rows([comment], below.dialect)[0]
    rows = [row for row in below.rows if len(row) == below.dialect.width]
    if below.dialect.separator == BLANKS or len(fields) != below.dialect.width or not rows:
        return False
    numbers = [sum(map(is_number, column)) > 0.8 * len(rows) for column in zip(*rows, strict=True)]
    # A number behind the sign, where ids are numbers, is a row that somebody took out.
    is_taken_out = numbers[0] and is_number(fields[0].lstrip("#% "))
    return any(numbers[1:]) and not is_taken_out and list(map(is_number, fields[1:])) == numbers[1:]


def _best(candidates: list[str], lines: list[str]) -> Sniffed | None:
    """Return the separator that cuts most lines into the same number of columns: three or more, else two."""
    tries = []
    for candidate in candidates:
        rows = _rows(lines, Dialect(candidate, 0))
        width, count = Counter(map(len, rows)).most_common(1)[0]
        tries.append(Sniffed(Dialect(candidate, width), rows, count / len(rows)))
    many = [one for one in tries if one.dialect.width >= 3]
    best = max(many, key=lambda one: one.share, default=None)
    if best is not None and best.share == 1:
        return best
    # Two columns are easily found in prose: they must be regular, and of numbers where only blanks separate them.
    pairs = [one for one in tries if one.dialect.width == 2 and _are_pairs(one, len(candidates) == 1)]
    pair = max(pairs, key=lambda one: one.share, default=None)
    if pair is not None and (best is None or best.share < pair.share):
        return pair
    return best


def _are_pairs(tried: Sniffed, told: bool) -> bool:
    if told or tried.dialect.separator != BLANKS:
        return told or tried.share > _REGULAR
    below = tried.rows[1:] or tried.rows
    return tried.share == 1 and all(is_number(cell) for row in below for cell in row)


def _rows(lines: list[str], dialect: Dialect) -> list[list[str]]:
    lines = [normalise(line, dialect.separator) + "\n" for line in lines]
    try:
        records = list(csv.reader(lines, delimiter=dialect.delimiter))
    except csv.Error:  # a field of more than 128 KiB: an open quote, most likely
        records = [line[:-1].split(dialect.delimiter) for line in lines]
    if dialect.separator != dialect.delimiter:
        records = [[restore(field, dialect.separator) for field in fields] for fields in records]
    return [fields for fields in records if any(field.strip() for field in fields)] or [[""]]


def _no_columns(lines: list[str], separator: str | None, source: str, wanted: str) -> str:
    line = next((line for line in lines if line.strip()), "")
    shown = repr(shortened(line))
    if separator:
        count = len(_rows(lines, Dialect(separator, 0))[0])
        columns = f"{count} column{'s' * (count > 1)} instead of {wanted}"
        return f"{source} has, with the separator {separator!r}, {columns}: {shown}"
    way_out = "name another separator with separator= (--separator)" if wanted == RATINGS_WANTED else "add what lacks"
    return (
        f"{source} has no {wanted} separated by tabs, commas, ';', '|', '::' or blanks: its first line is {shown}; "
        f"{way_out}"
    )


def _commented_header(comments: list[str], dialect: Dialect, known: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Return the names that the last comment holds, if it names the columns, or those of KONECT's files."""
    if not comments:
        return None
    if known is RATINGS and _KONECT.match(comments[0]):
        return [*("user", "item", "rating", "time")[: dialect.width], *map(str, range(4, dialect.width))]
    line = normalise(comments[-1].lstrip("#% \t"), dialect.separator)
    names = [name.strip() for name in line.split(dialect.delimiter)]
    return names if len(names) == dialect.width and len(find_roles(names, known)) >= 2 else None


def _has_header(rows: list[list[str]], known: Mapping[str, Sequence[str]]) -> bool:
    first, rest = rows[0], rows[1:]
    if any(map(is_number, first)):
        return _is_pivot_header(first, rest)
    if len(find_roles(first, known)) >= 2 or find_roles(first[1:], {"title": known.get("title", ())}):
        return True
    # A header names columns of numbers: somewhere below a text stand numbers, almost without exception.
    for column, _ in enumerate(first):
        below = [row[column] for row in rest if len(row) > column and row[column].strip()]
        if below and sum(map(is_number, below)) > 0.8 * len(below):
            return True
    return _is_pivot_header(first, rest)


def _without_levels(rows: list[list[str]], source: str) -> tuple[list[list[str]], int]:
    """Make one header of those that pandas writes for columns of several levels; return how many lines more it took.

    The names of the items stand below the name of the values, and above the name of the column of users.

    Raises
    ------
    ReadError
        If the upper level has several values.
    """
    if len(rows) < 3 or len(rows[0]) < 3 or len(rows[1]) != len(rows[0]):
        return rows, 0
    upper, items = ([name.strip() for name in row[1:]] for row in rows[:2])
    if len(set(upper)) == len(upper) or len(set(items)) < len(items) / len(set(upper)):
        return rows, 0
    has_label = len(rows[2]) == len(rows[0]) and not any(map(str.strip, rows[2][1:])) and bool(rows[2][0].strip())
    if not has_label and not (rows[0][0].strip() == "" and not is_number(rows[1][0]) and len(set(upper)) == 1):
        return rows, 0
    if len(set(upper)) > 1:
        raise ReadError(
            f"{source} has a header of several lines, as pandas writes columns of several levels ({upper[0]!r}, "
            f"{items[0]!r}): keep one level of them, with frame.droplevel(0, axis=1), and write the table again"
        )
    label = rows[2][0] if has_label else rows[1][0]
    return [[label, *rows[1][1:]], *rows[2 + has_label :]], 1 + has_label


def _is_pivot_header(first: list[str], rest: list[list[str]]) -> bool:
    """Whether a line names the items of a wide table, some or all of them by numbers."""
    names = [name.strip() for name in first[1:]]
    rows = [row for row in rest if len(row) == len(first)]
    cells = [cell.strip() for row in rows for cell in row[1:]]
    if is_number(first[0]) or len(names) < 2 or not rows or not all(names) or len(set(names)) < len(names):
        return False
    labels = [row[0].strip() for row in rows]
    values = [number_of(cell) for cell in cells if not is_blank(cell) and is_number(cell)]
    words = _unread(cells)
    if len(set(labels)) < len(labels) or len(words) > min(max(1, 0.1 * len(cells)), len(values) / 2):
        return False
    if plain_name(first[0]) in ("", "id", *RATINGS["user"]):
        return True
    if not values:
        return all(map(is_blank, cells)) or bool(_unread(names))
    beyond = [name for name in names if not is_number(name) or not min(values) <= number_of(name) <= max(values)]
    gaps = any(map(is_blank, cells))
    return (
        len(beyond) > 0.5 * len(names) or (gaps and len(names) > 2) or (len(names) > 3 and all(map(is_number, labels)))
    )


def _unread(cells: list[str]) -> list[str]:
    """Return the cells that are no ratings, but for one word that comes again and again: it may stand for nothing."""
    words = [cell for cell in cells if not is_blank(cell) and not is_number(cell)]
    if not words:
        return []
    read = to_numbers(pl.Series(words))[0].cast(pl.Float64, strict=False)
    words = [word for word, number in zip(words, read, strict=True) if number is None]
    return words if len(set(words)) > 1 or len(words) < 2 else []


def _are_labels(rows: list[list[str]]) -> bool:
    labels = [row[0] for row in rows if row]
    return len(set(labels)) == len(labels)
