"""What the items are: numbered HTML blocks (Jester), or a table with ids and titles (MovieLens, CSV)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from palate.catalogue import Catalogue, Entry, EntryColumns
from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.columns import column_position, listed_names
from palate.reading.encode import check_policies
from palate.reading.encodings import decode
from palate.reading.formats import special_reader
from palate.reading.frames import binary_reader, read_frame
from palate.reading.html import plain_text
from palate.reading.id_columns import as_ids
from palate.reading.lines import Body, read_strings
from palate.reading.names import CATALOGUE, find_column, find_roles
from palate.reading.numbers import is_number
from palate.reading.objects import from_objects
from palate.reading.raw import Column, Part, RawTable
from palate.reading.records import Record, is_regular, read_records, unescape
from palate.reading.sniff import BLANKS, Dialect, normalise, restore, sniff, take_sample
from palate.reading.source import Bytes, open_text, polars_errors_named, source_name
from palate.reading.table import shortened

__all__ = ["read_catalogue"]

_NUMBER = re.compile(r"^[ \t]*(\d+):[ \t\r]*$", re.MULTILINE)
# Where the first numbered block begins at the latest, in bytes.
_HEAD = 1 << 20
# A table has the same number of columns on most lines; prose with commas has not.
_REGULAR = 0.6


class _Items(NamedTuple):
    """Items in the order of the file, and the lines that hold none."""

    ids: pl.Series
    titles: Sequence[str] | pl.Series
    texts: Sequence[str] | pl.Series
    bad: Sequence[str] = ()


class _Columns(NamedTuple):
    id: int
    title: int | None
    text: int | None

    @property
    def needed(self) -> int:
        """How many columns a row has at least; texts may be missing where there are titles."""
        named = self.text if self.title is None else self.title
        return max(self.id, named or 0) + 1


def read_catalogue(
    source: Any,
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
        for id and title or text (delimited text, JSON lines, Parquet or Arrow), or to MovieLens' `u.item` or
        `movies.dat`; it may be compressed. Or a table in memory, or {id: title}, which may be a file of JSON, too. Rows
        of delimited text may end behind the title.
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
    told = {"id": id, "title": title, "text": text}
    with polars_errors_named(source):
        if isinstance(source, (str, os.PathLike)):
            return _collect(_from_file(source, told, separator), source_name(source), on_error)
        titles = _from_titles(source)
        items = _from_raw(read_frame(source), told) if titles is None else titles
        return _collect(items, "the table", on_error)


def _from_file(source: str | os.PathLike[str], told: dict[str, Column], separator: str | None) -> _Items:
    name = source_name(source)
    binary = binary_reader(source)
    if binary is not None:
        return _from_raw(binary(), told)
    content = open_text(source)
    special = special_reader(content, json_only=True) if separator is None else None
    if special is not None:
        titles = _from_titles(_json_object(content))
        return _from_raw(special(name), told) if titles is None else titles
    if _NUMBER.search(decode(content[:_HEAD].tobytes())[0]):
        return _from_blocks(decode(content.tobytes())[0], name)
    return _from_table(content, told, separator, name)


def _json_object(content: Bytes) -> Any:
    """Return the object that a whole text of JSON spells; None if it is something else, such as several lines."""
    try:
        document = json.loads(decode(content.tobytes())[0])
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _from_titles(source: Any) -> _Items | None:
    """Read {id: title}, {id: {"title": ...}} or a series of titles; None if it is none of these."""
    if type(source).__module__.split(".")[0] == "pandas" and getattr(source, "ndim", 0) == 1:
        source = dict(source.items()) if source.index.nlevels == 1 else None
    if not isinstance(source, Mapping) or not source or len(find_roles(list(map(str, source)), CATALOGUE)) > 1:
        return None
    ids, values = list(source), list(source.values())
    if all(isinstance(value, Mapping) for value in values):
        records = [{"id": id, **value} for id, value in source.items()]
        return _from_raw(read_frame(records), {"id": "id", "title": None, "text": None})
    if not all(value is None or isinstance(value, str) or value != value for value in values):
        return None
    titles = [value.strip() if isinstance(value, str) else "" for value in values]
    return _Items(as_ids(from_objects(ids), "the table"), titles, [""] * len(titles))


def _from_blocks(words: str, source: str) -> _Items:
    head, *blocks = _NUMBER.split(words)
    before = sum(bool(line.strip()) for line in head.splitlines())
    if before:
        raise ReadError(f"{source}: {before} lines stand before its first numbered block, '{blocks[0]}:'")
    texts = [plain_text(html) for html in blocks[1::2]]
    return _Items(as_ids(pl.Series(blocks[0::2]), source), [""] * len(texts), texts)


def _from_raw(raw: RawTable, told: dict[str, Column]) -> _Items:
    columns = _columns(raw, told)
    part = raw.read([position for position in columns if position is not None])
    return _from_part(part, columns, raw.source)


def _from_part(part: Part, columns: _Columns, source: str) -> _Items:
    ids, *rest = part.columns
    words = iter([_as_words(column) for column in rest])
    titles, texts = ([""] * len(ids) if position is None else next(words) for position in columns[1:])
    bad = () if part.bad is None else [f"{place} {fault}" for place, fault in zip(*part.bad, strict=False)]
    return _Items(as_ids(ids, source, frozenset), titles, texts, bad)  # without blanks around them


def _as_words(column: pl.Series) -> pl.Series:
    """Bring titles or texts to text: lists, such as the paragraphs of a description, are joined."""
    if column.dtype in (pl.List, pl.Array):
        column = column.cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
    elif column.dtype == pl.Object:
        column = from_objects(column.to_list())
    return column.cast(pl.String).fill_null("").str.strip_chars()


def _from_table(content: Bytes, told: dict[str, Column], separator: str | None, source: str) -> _Items:
    wrong = f'{source} is no catalogue: neither numbered HTML blocks ("1:", then HTML) nor a table of ids and titles'
    try:
        dialect, rows, share = sniff(take_sample(content), separator, None, source, CATALOGUE)
    except ReadError as error:
        raise ReadError(wrong) from error
    columns = _columns(RawTable(source, dialect.width, lambda _: Part([]), dialect.names, rows), told)
    full = sum(columns.needed <= len(row) <= dialect.width for row in rows)
    if max(share, full / max(1, len(rows))) < _REGULAR or dialect.separator == BLANKS:
        raise ReadError(wrong)
    # Only tables with a header quote their fields: MovieLens' titles may begin with a quotation mark.
    quoted = dialect.names is not None or dialect.separator == ","
    if quoted or not (content == ord('"')).any():
        body = Body(content, dialect)
        part = read_strings(body, [position for position in columns if position is not None])
        if part.bad is None:
            return _from_part(part, columns, source)
    return _from_records(decode(content.tobytes())[0], dialect, columns, quoted, source)


def _columns(raw: RawTable, told: dict[str, Column]) -> _Columns:
    names = raw.names
    chosen = {role: None if column is None else column_position(raw, column, role) for role, column in told.items()}
    for role, known in CATALOGUE.items() if names is not None else ():
        if chosen[role] is None:
            taken = chosen.values()
            chosen[role] = find_column(["" if at in taken else name for at, name in enumerate(names or ())], known)
    free = [place for place in range(raw.width) if place not in chosen.values()]
    if len(free) == raw.width == 2 and not all(map(is_number, raw.values(1))):
        names = None  # whatever they are called
    if chosen["id"] is None and free and (names is None or len(free) == 1):
        chosen["id"] = free.pop(0)
    if chosen["title"] is None and chosen["text"] is None and free and (names is None or len(free) == 1):
        chosen["title"] = next((place for place in free if not all(map(is_number, raw.values(place)))), free[0])
    place, title, text = chosen["id"], chosen["title"], chosen["text"]
    if place is None or (title is None and text is None):
        raise ReadError(
            f"{raw.source} needs a header with an id and a title or text column, not {listed_names(names or ())}: or "
            "name the columns with id=, title=, text="
        )
    return _Columns(place, title, text)


def _from_records(words: str, dialect: Dialect, columns: _Columns, quoted: bool, source: str) -> _Items:
    delimiter = dialect.delimiter
    text = normalise(words, dialect.separator)
    if '\\"' in text and not is_regular(text.encode(), delimiter):
        text = unescape(text, delimiter) if is_regular(unescape(text, delimiter).encode(), delimiter) else text
    ids: list[str] = []
    titles: list[str] = []
    texts: list[str] = []
    bad: list[str] = []
    above = dialect.above
    for record in read_records(text, delimiter) if quoted else _unquoted(text, delimiter):
        fields = record.fields
        if fields is not None and not any(field.strip() for field in fields):
            continue
        if above:
            above -= 1
            continue
        if fields is None or not columns.needed <= len(fields) <= dialect.width:
            count = 0 if fields is None else len(fields)
            fault = record.fault or f"has {count} column{'s' * (count != 1)}, {dialect.width} expected"
            fault = restore(fault, dialect.separator)
            bad.append(f"line {record.line} {fault}: {shortened(restore(record.text.strip(), dialect.separator))!r}")
            continue
        ids.append(fields[columns.id].strip())
        titles.append("" if columns.title is None else fields[columns.title].strip())
        texts.append("" if columns.text is None or columns.text >= len(fields) else fields[columns.text].strip())
    return _Items(as_ids(pl.Series(ids, dtype=pl.String), source), titles, texts, bad)


def _unquoted(text: str, delimiter: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), 1):
        yield Record(number, line.removesuffix("\r").split(delimiter), "", line)


def _collect(items: _Items, source: str, on_error: str) -> Catalogue:
    bad = list(items.bad)
    entries: Mapping[int | str, Entry]
    if items.ids.null_count() or items.ids.n_unique() < len(items.ids):
        entries = _first_entries(items, bad)
    else:
        entries = EntryColumns(items.ids, items.titles, items.texts)
    if bad and on_error == "error":
        which = f"{len(bad):,} rows" if len(bad) > 1 else "this row"
        raise ReadError(
            f"{source}: {bad[0]}; mend the catalogue, or leave {which} out with on_error='skip' (--on-error skip)"
        )
    if not entries:
        raise ReadError(f"{source} names no item")
    rows = len(items.ids) + len(items.bad)
    notes = (f"left out {len(bad):,} of {rows:,} items of {source}: {_listed(bad)}",) if bad else ()
    return Catalogue(entries, notes)


def _first_entries(items: _Items, bad: list[str]) -> dict[int | str, Entry]:
    """Return the first entry of each id, and append what is wrong with the others to `bad`."""
    entries: dict[int | str, Entry] = {}
    for id, entry in zip(items.ids.to_list(), map(Entry, items.titles, items.texts), strict=True):
        if id is None:
            bad.append(f"the item called {entry.title!r} has no id")
        elif entries.setdefault(id, entry) != entry:
            bad.append(f"names item {id!r} twice: {_brief(entries[id])} and {_brief(entry)}")
    return entries


def _listed(bad: Sequence[str]) -> str:
    return "; ".join(bad[:3]) + "; …" * (len(bad) > 3)


def _brief(entry: Entry) -> str:
    words = " ".join((entry.title or entry.text).split())
    return repr(shortened(words, 30))
