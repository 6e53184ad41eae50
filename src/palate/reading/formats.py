"""Texts that are no delimited tables: JSON, Matrix Market, and the blocks of the Netflix Prize."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.frames import read_frame
from palate.reading.objects import from_objects
from palate.reading.raw import Part, RawTable, from_columns
from palate.reading.source import Bytes, decode
from palate.reading.table import BadLines

__all__ = ["special_reader"]

_HEAD = 1 << 12
_MOVIE = re.compile(rb"\s*[^\s,:]+:[ \t]*\r?\n[^\r\n:]+,")
_SHOWN = 3


def special_reader(content: Bytes, json_only: bool = False) -> Callable[[str], RawTable] | None:
    """Return a reader, which takes the name of the source, if a text is no delimited table but one of these."""
    head = content[:_HEAD].tobytes().lstrip()
    if re.match(rb'\{\s*["\'}]|\[\s*[\[{]', head):
        return lambda source: _read_json(content, source)
    if json_only:
        return None
    if head.startswith(b"%%MatrixMarket"):
        return lambda source: _read_matrix_market(content, source)
    if _MOVIE.match(head):
        return lambda source: _read_netflix(content, source)
    return None


def _read_json(content: Bytes, source: str) -> RawTable:
    text, note = decode(content.tobytes())
    lines = text.split("\n")
    first = next(line for line in lines if line.strip())
    try:
        record = json.loads(first)
        whole = len(lines) == 1 or not isinstance(record, dict)
    except ValueError:
        record = _literal(first)
        whole = not isinstance(record, dict)
    raw = None if not whole else _read_json_whole(text, source, record)
    if raw is None:
        raw = _read_json_lines(content, lines, source)
    return raw if not note else _with_note(raw, note)


def _with_note(raw: RawTable, note: str) -> RawTable:
    read = raw.read
    return RawTable(
        raw.source,
        raw.width,
        lambda positions: read(positions)._replace(notes=(note,)),
        raw.names,
        raw.sample,
        raw.note,
    )


def _literal(line: str) -> Any:
    """Return the dictionary that a line of Python spells, as in older files of Amazon's reviews."""
    try:
        return ast.literal_eval(line)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _read_json_whole(text: str, source: str, record: Any) -> RawTable | None:
    """Read a JSON document: a list of objects or of rows, or a dictionary of dictionaries."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{source} looks like JSON and is none: {error}") from error
    if isinstance(document, dict) and not all(isinstance(value, (dict, list)) for value in document.values()):
        return None  # a single record
    if isinstance(document, list) and document and all(isinstance(row, dict) for row in document):
        return _from_records(document, source)
    try:
        raw = read_frame(document)
    except ReadError as error:
        raise ReadError(f"{source}: {error}") from error
    return RawTable(source, raw.width, raw.read, raw.names, raw.sample, f"a JSON document; {raw.note}".rstrip("; "))


def _read_json_lines(content: Bytes, lines: list[str], source: str) -> RawTable:
    try:
        frame = pl.read_ndjson(content.tobytes(), infer_schema_length=10_000)
        nested = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Struct)]
        for name in nested:
            frame = frame.with_columns(pl.col(name).name.prefix_fields(f"{name}.")).unnest(name)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        frame = None
    if frame is not None and frame.height == sum(bool(line.strip()) for line in lines):
        blank = [place for place, line in enumerate(lines) if line.strip()]
        locate = (lambda row: f"line {blank[row] + 1}") if len(blank) < len(lines) else lambda row: f"line {row + 1}"
        raw = from_columns(frame.columns, lambda position: frame[:, position], frame.width, source, note="JSON lines")
        read = raw.read
        return RawTable(
            source,
            raw.width,
            lambda positions: read(positions)._replace(locate=locate),
            raw.names,
            raw.sample,
            raw.note,
        )
    return _parse_json_lines(lines, source)


def _parse_json_lines(lines: list[str], source: str) -> RawTable:
    """Read JSON lines one by one, since some hold other types than the rest, or are no JSON."""
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    places: list[str] = []
    faults: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = _literal(line)
        if isinstance(record, dict):
            records.append(record)
            numbers.append(number)
            continue
        places.append(f"line {number}")
        if len(faults) < _SHOWN:
            shown = line.strip() if len(line.strip()) <= 60 else line.strip()[:59] + "…"
            faults.append(f"is no JSON object: {shown!r}")
    bad = BadLines(places, faults) if places else None
    if not records:
        raise ReadError(f"{source} looks like JSON and is none: line 1 {faults[0]}")
    raw = _from_records(records, source)
    read = raw.read
    return RawTable(
        source,
        raw.width,
        lambda positions: read(positions)._replace(locate=lambda row: f"line {numbers[row]}", bad=bad),
        raw.names,
        raw.sample,
        "JSON lines",
    )


def _from_records(records: Sequence[dict[str, Any]], source: str) -> RawTable:
    flat = [_flat(record) for record in records]
    names = list(dict.fromkeys(name for record in flat for name in record))
    columns = {name: from_objects([_scalar(record.get(name)) for record in flat]) for name in names}
    return from_columns(names, lambda position: columns[names[position]], len(names), source, note="JSON")


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Bring the fields of objects in an object up by one level."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": deep for inner, deep in value.items()}
        else:
            flat[name] = value
    return flat


def _scalar(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def _read_matrix_market(content: Bytes, source: str) -> RawTable:
    data = content.tobytes()
    banner, _, rest = data.partition(b"\n")
    words = banner.decode("latin-1").lower().split()
    kinds = words[1:5]
    if len(kinds) < 4 or kinds[0] != "matrix" or kinds[1] != "coordinate" or kinds[2] == "complex":
        raise ReadError(
            f"{source} is a Matrix Market file of kind '{' '.join(kinds)}': only 'matrix coordinate' with real, "
            "integer or pattern entries holds ratings; load another with scipy.io.mmread, and hand over the matrix"
        )
    if kinds[3] != "general":
        raise ReadError(f"{source} holds a {kinds[3]} matrix: one of users and items is 'general'")
    lines = rest.decode("latin-1").split("\n")
    above = next((place for place, line in enumerate(lines) if line.strip() and not line.startswith("%")), len(lines))
    body = "\n".join(" ".join(line.split()) for line in lines[above + 1 :] if line.strip())
    width = 2 if kinds[2] == "pattern" else 3
    schema = {str(place): pl.String for place in range(width)}
    try:
        frame = pl.read_csv((body or "\n").encode(), has_header=False, separator=" ", schema=schema).drop_nulls()
    except pl.exceptions.PolarsError as error:
        raise ReadError(f"{source}: some entry has not {width} columns: {str(error).splitlines()[0]}") from error
    names = ("user", "item", "rating")[:width]
    note = "a Matrix Market file: its rows are users, its columns items, both counted from 1"
    raw = from_columns(names, lambda position: frame[:, position], width, source, note=note)
    first = above + 3  # below the banner and the line of sizes
    read = raw.read
    return RawTable(
        source, width, lambda positions: read(positions)._replace(locate=lambda row: f"line {row + first}"), names,
        raw.sample, note,
    )  # fmt: skip


def _read_netflix(content: Bytes, source: str) -> RawTable:
    """Read blocks that begin with the id of an item and a colon, followed by lines of user, rating and date."""
    text, _ = decode(content.tobytes())
    width = max(line.count(",") + 1 for line in text[:_HEAD].split("\n"))
    if width < 2:
        raise ReadError(f"{source} is no table: its blocks hold single columns")
    schema = {str(place): pl.String for place in range(width)}
    try:
        # The line in front makes Polars expect the right number of columns.
        lines = pl.read_csv(
            ("," * (width - 1) + "\n" + text).encode(), has_header=False, schema=schema, quote_char=None
        )
    except pl.exceptions.PolarsError as error:
        raise ReadError(f"{source}: some line has more than {width} columns: {str(error).splitlines()[0]}") from error
    first = lines[:, 0].fill_null("").str.strip_chars()
    heads = first.str.ends_with(":") & lines[:, 1].is_null()
    items = first.str.strip_suffix(":").zip_with(heads, pl.Series([None], dtype=pl.String)).forward_fill()
    rows = np.flatnonzero(~heads.to_numpy() & (first != "").to_numpy())
    columns = [first.gather(rows), items.gather(rows), *(lines[:, place].gather(rows) for place in range(1, width))]
    names = ["user", "item", *(["rating", "date"][: width - 1] if width > 2 else ["rating"])]
    names += [f"column {place}" for place in range(len(names), width + 1)]
    raw = from_columns(names, columns.__getitem__, width + 1, source)

    def read(positions: Sequence[int]) -> Part:
        return Part([columns[position] for position in positions], lambda row: f"line {rows[row]}")

    return RawTable(source, width + 1, read, names, raw.sample, "blocks of 'item:' with lines of user, rating and date")
