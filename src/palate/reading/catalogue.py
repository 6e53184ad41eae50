"""What the items are: numbered HTML blocks (Jester), or a table with ids and titles (MovieLens, CSV)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from palate.catalogue import Catalogue, Entry
from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.columns import column_position, listed_names
from palate.reading.encode import check_policies
from palate.reading.html import plain_text
from palate.reading.id_columns import as_ids
from palate.reading.names import CATALOGUE, find_column
from palate.reading.raw import Column, RawTable
from palate.reading.records import is_regular, read_records, unescape
from palate.reading.sniff import BLANKS, Dialect, normalise, restore, sniff, take_sample
from palate.reading.source import decode, open_text, source_name

__all__ = ["read_catalogue"]

_NUMBER = re.compile(r"^[ \t]*(\d+):[ \t\r]*$", re.MULTILINE)
# A table has the same number of columns on most lines; prose with commas has not.
_REGULAR = 0.6


class _Rows(NamedTuple):
    """Ids with their titles and texts, and the lines that hold none."""

    ids: list[str]
    titles: list[str]
    texts: list[str]
    bad: list[str]


def read_catalogue(
    source: str | os.PathLike[str],
    *,
    id: Column = None,
    title: Column = None,
    text: Column = None,
    separator: str | None = None,
    on_error: str = "error",
) -> Catalogue:
    """Read what the items are called and what they say.

    Parameters
    ----------
    source
        A path to numbered HTML blocks as in `jester_items.dat` ("1:", then HTML), to a table with a header and columns
        for id and title or text, or to MovieLens' `u.item` or `movies.dat`. It may be compressed. Rows may end behind
        the title.
    id, title, text
        Name of the column of a table, or its position from 0; guessed by common names if None.
    separator
        What separates the columns of a table; guessed if None.
    on_error
        "error", or "skip" to leave out rows without an id, with malformed quotes or with too few or too many columns,
        and all but the first of several rows with one id; `Catalogue.notes` counts them.

    Raises
    ------
    ReadError
        If the file is none of these, a row cannot be used, or one id is given to two items.
    """
    check_policies(on_error=on_error)
    name = source_name(source)
    content = open_text(source)
    words, _ = decode(content.tobytes())
    first = _NUMBER.search(words)
    if first is not None:
        before = sum(bool(line.strip()) for line in words[: first.start()].splitlines())
        if before:
            raise ReadError(f"{name}: {before} lines stand before its first numbered block, '{first[0].strip()}'")
        blocks = _NUMBER.split(words)[1:]
        texts = [plain_text(html) for html in blocks[1::2]]
        return _collect(_Rows(blocks[0::2], [""] * len(texts), texts, []), name, on_error)
    wrong = f'{name} is no catalogue: neither numbered HTML blocks ("1:", then HTML) nor a table of ids and titles'
    try:
        sniffed = sniff(take_sample(content), separator, None, name, CATALOGUE)
    except ReadError as error:
        raise ReadError(wrong) from error
    dialect = sniffed.dialect
    columns = _columns(dialect, {"id": id, "title": title, "text": text}, name)
    needed = max(columns.id, columns.text if columns.title is None else columns.title) + 1
    full = sum(needed <= len(row) <= dialect.width for row in sniffed.rows)
    if max(sniffed.share, full / max(1, len(sniffed.rows))) < _REGULAR or dialect.separator == BLANKS:
        raise ReadError(wrong)
    return _collect(_rows(words, dialect, columns, needed), name, on_error)


class _Columns(NamedTuple):
    id: int
    title: int | None
    text: int


def _columns(dialect: Dialect, told: dict[str, Column], source: str) -> _Columns:
    raw = RawTable(source, dialect.width, lambda _: None, dialect.names)  # type: ignore[arg-type,return-value]
    names, width = dialect.names, dialect.width
    chosen = {role: None if column is None else column_position(raw, column, role) for role, column in told.items()}
    for role, known in CATALOGUE.items() if names is not None else ():
        if chosen[role] is None:
            taken = chosen.values()
            chosen[role] = find_column(["" if at in taken else name for at, name in enumerate(names or ())], known)
    free = [place for place in range(width) if place not in chosen.values()]
    if chosen["id"] is None and free and (names is None or len(free) == 1):
        chosen["id"] = free.pop(0)
    if chosen["title"] is None and chosen["text"] is None and free and (names is None or len(free) == 1):
        chosen["title"] = free.pop(0)
    place, title, text = chosen["id"], chosen["title"], chosen["text"]
    if place is None or (title is None and text is None):
        raise ReadError(
            f"{source} needs a header with an id and a title or text column, not {listed_names(names or ())}: or name "
            "the columns with id=, title=, text="
        )
    return _Columns(place, title, -1 if text is None else text)


def _rows(words: str, dialect: Dialect, columns: _Columns, needed: int) -> _Rows:
    delimiter = dialect.delimiter
    lines = normalise(words, dialect.separator)
    if '\\"' in lines and not is_regular(lines.encode(), delimiter):
        lines = unescape(lines) if is_regular(unescape(lines).encode(), delimiter) else lines
    # Only tables with a header quote their fields: MovieLens' titles may begin with a quotation mark.
    quoted = dialect.names is not None or dialect.separator == ","
    rows = _Rows([], [], [], [])
    above = dialect.above
    for line, fields, fault, shown in read_records(lines, delimiter) if quoted else _unquoted(lines, delimiter):
        if fields is not None and not any(field.strip() for field in fields):
            continue
        if above:
            above -= 1
            continue
        if fields is None or not needed <= len(fields) <= dialect.width:
            what = fault or f"has {len(fields or ())} column{'s' * (len(fields or ()) != 1)}, {dialect.width} expected"
            shown = restore(shown.strip("\r\n"), dialect.separator)
            rows.bad.append(f"line {line} {what}: {shown if len(shown) <= 60 else shown[:59] + '…'!r}")
            continue
        rows.ids.append(fields[columns.id])
        rows.titles.append("" if columns.title is None else fields[columns.title].strip())
        rows.texts.append(fields[columns.text].strip() if 0 <= columns.text < len(fields) else "")
    return rows


def _unquoted(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | None, str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        yield number, line.removesuffix("\r").split(delimiter), "", line


def _collect(rows: _Rows, source: str, on_error: str) -> Catalogue:
    ids = as_ids(pl.Series("id", rows.ids, dtype=pl.String).str.strip_chars(), source).to_list()
    bad = list(rows.bad)
    entries: dict[int | str, Entry] = {}
    for id, entry in zip(ids, map(Entry, rows.titles, rows.texts), strict=True):
        if id is None:
            bad.append(f"the item called {entry.title!r} has no id")
        elif entries.setdefault(id, entry) != entry:
            bad.append(f"names item {id!r} twice: {_brief(entries[id])} and {_brief(entry)}")
    if bad and on_error == "error":
        which = f"{len(bad):,} rows" if len(bad) > 1 else "this row"
        raise ReadError(
            f"{source}: {bad[0]}; mend the catalogue, or leave {which} out with on_error='skip' (--on-error skip)"
        )
    if not entries:
        raise ReadError(f"{source} names no item")
    notes = (f"left out {len(bad):,} of {len(ids) + len(rows.bad):,} items of {source}: {_listed(bad)}",) if bad else ()
    return Catalogue(entries, notes)


def _listed(bad: Sequence[str]) -> str:
    return "; ".join(bad[:3]) + "; …" * (len(bad) > 3)


def _brief(entry: Entry) -> str:
    words = " ".join((entry.title or entry.text).split())
    return repr(words if len(words) <= 30 else words[:29] + "…")
