"""What the items are: numbered HTML blocks (Jester), or a table with ids and titles (MovieLens, CSV)."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence

from palate.catalogue import Catalogue, Entry
from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.columns import Column, column_position, find_column
from palate.reading.html import plain_text
from palate.reading.sniff import BLANKS, Dialect, normalise, sniff, take_sample
from palate.reading.source import decode, open_text
from palate.reading.table import as_ids

__all__ = ["read_catalogue"]

_NUMBER = re.compile(r"^[ \t]*(\d+):[ \t\r]*$", re.MULTILINE)
_KNOWN = {
    "id": ("item", "id", "movie", "film", "joke", "product", "book", "isbn", "asin", "track", "song", "artist"),
    "title": ("title", "name", "movietitle", "booktitle", "producttitle", "itemtitle", "itemname", "headline"),
    "text": ("text", "joketext", "joke", "description", "body", "content", "summary", "overview", "plot", "html"),
}  # fmt: skip
# A table has the same number of columns on most lines; prose with commas has not.
_REGULAR = 0.6


def read_catalogue(
    source: str | os.PathLike[str],
    *,
    id: Column = None,
    title: Column = None,
    text: Column = None,
    separator: str | None = None,
) -> Catalogue:
    """Read what the items are called and what they say.

    Parameters
    ----------
    source
        A path to numbered HTML blocks as in `jester_items.dat` ("1:", then HTML), to a table with a header and columns
        for id and title or text, or to MovieLens' `u.item` or `movies.dat`. It may be compressed.
    id, title, text
        Name of the column of a table, or its position from 0; guessed by common names if None.
    separator
        What separates the columns of a table; guessed if None.

    Raises
    ------
    ReadError
        If the file is none of these, or gives one id to two items.
    """
    name = os.fspath(source)
    content = open_text(source)
    words, _ = decode(content.tobytes())
    first = _NUMBER.search(words)
    if first is not None:
        before = sum(bool(line.strip()) for line in words[: first.start()].splitlines())
        if before:
            raise ReadError(f"{name}: {before} lines stand before its first numbered block, '{first[0].strip()}'")
        blocks = _NUMBER.split(words)[1:]
        return _collect(blocks[0::2], [Entry("", plain_text(html)) for html in blocks[1::2]], name)
    wrong = f'{name} is no catalogue: neither numbered HTML blocks ("1:", then HTML) nor a table of ids and titles'
    try:
        dialect, _, share = sniff(take_sample(content), separator, None, name, fewest=2)
    except ReadError as error:
        raise ReadError(wrong) from error
    if share < _REGULAR or dialect.separator == BLANKS:
        raise ReadError(wrong)
    columns = _columns(dialect, {"id": id, "title": title, "text": text}, name)
    rows = _rows(words, dialect, name)
    entries = [Entry(*("" if column is None else row[column].strip() for column in columns[1:])) for row in rows]
    return _collect([row[columns[0]] for row in rows], entries, name)


def _columns(dialect: Dialect, told: dict[str, Column], source: str) -> tuple[int, int | None, int | None]:
    names, width = dialect.names, dialect.width
    chosen = {
        role: None if column is None else column_position(names, width, column, role, source)
        for role, column in told.items()
    }
    if names is None:
        free = iter(place for place in range(width) if place not in chosen.values())
        chosen["id"] = next(free) if chosen["id"] is None else chosen["id"]
        if chosen["title"] is None and chosen["text"] is None:
            chosen["title"] = next(free)
    for role, known in _KNOWN.items() if names is not None else ():
        if chosen[role] is None:
            taken = chosen.values()
            chosen[role] = find_column(["" if at in taken else name for at, name in enumerate(names or ())], known)
    place = chosen["id"]
    if place is None or (chosen["title"] is None and chosen["text"] is None):
        listed = ", ".join(map(repr, (names or ())[:12]))
        raise ReadError(
            f"{source} needs a header with an id and a title or text column, not {listed}: or name the columns with "
            "id=, title=, text="
        )
    return place, chosen["title"], chosen["text"]


def _rows(words: str, dialect: Dialect, source: str) -> list[list[str]]:
    # Only tables with a header quote their fields: MovieLens' titles may begin with a quotation mark.
    quoted = dialect.names is not None or dialect.separator == ","
    lines = io.StringIO(normalise(words, dialect.separator), newline="")
    reader = csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    rows, start = [], 1
    try:
        for row in reader:
            if len(row) != dialect.width and any(field.strip() for field in row):
                raise ReadError(f"{source}, line {start} has {len(row)} columns, {dialect.width} expected")
            rows += [row] if len(row) == dialect.width else []
            start = reader.line_num + 1
    except csv.Error as error:
        raise ReadError(f"{source}, line {start}: {error}") from error
    return rows if dialect.names is None else rows[1:]


def _collect(ids: Sequence[str], entries: Sequence[Entry], source: str) -> Catalogue:
    column = as_ids(pl.Series("id", ids, dtype=pl.String), source).to_list()
    found: dict[int | str, Entry] = {}
    for id, entry in zip(column, entries, strict=True):
        if id is None:
            raise ReadError(f"{source}: the item called {entry.title!r} has no id")
        if found.setdefault(id, entry) != entry:
            raise ReadError(f"{source} names item {id!r} twice: {_brief(found[id])} and {_brief(entry)}")
    return Catalogue(found)


def _brief(entry: Entry) -> str:
    words = " ".join((entry.title or entry.text).split())
    return repr(words if len(words) <= 30 else words[:29] + "…")
