"""Texts that are no delimited tables: JSON here, matrices and blocks in `palate.reading.entries`."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.encodings import decode
from palate.reading.entries import read_adjacency, read_fields, read_kdd_cup, read_matrix_market, read_netflix
from palate.reading.frames import read_frame
from palate.reading.objects import from_objects
from palate.reading.raw import RawTable, from_columns
from palate.reading.source import Bytes
from palate.reading.table import BadLines, row_number, shortened

__all__ = ["special_reader"]

_HEAD = 1 << 12
_MOVIE = re.compile(rb"\s*(?:[^\s,:]+:[ \t]*\r?\n)+[^\r\n:]+,")
_LISTENER = re.compile(rb"[^\s|]+\|\d+[ \t]*\r?\n[^\r\n|]+\t")
_RECORD = re.compile(rb"\w+/\w+: [^\r\n]*\r?\n\w+/\w+: ")
# What MongoDB writes around values, such as {"$numberInt": "5"}.
_TYPE = re.compile(r"(?:\.\$\w+)+$")
_NEIGHBOURS = re.compile(r"\d+:?(?: \d+)*")
_LINES, _FEWEST_LINES, _REGULAR = 1 << 16, 5, 0.5
_SHOWN = 3


def special_reader(content: Bytes, json_only: bool = False) -> Callable[[str], RawTable] | None:
    """Return a reader, which takes the name of the source, if a text is no delimited table but one of these."""
    head = content[:_HEAD].tobytes().lstrip()
    if re.match(rb'\{\s*["\'}]|\[\s*[\[{]', head):
        return lambda source: _read_json(content, source)
    if json_only:
        return None
    if head.startswith(b"%%MatrixMarket"):
        return lambda source: read_matrix_market(content, source)
    if _MOVIE.match(head):
        return lambda source: read_netflix(content, source)
    if _LISTENER.match(head):
        return lambda source: read_kdd_cup(content, source)
    if _RECORD.match(head):
        return lambda source: read_fields(content, source)
    if _is_adjacency(content[:_LINES].tobytes()):
        return lambda source: read_adjacency(content, source)
    return None


def _is_adjacency(head: bytes) -> bool:
    """Whether lines hold a user each, and as many items as that user chose."""
    lines = [line.strip() for line in decode(head[: head.rfind(b"\n")])[0].splitlines()] if b"\n" in head else []
    if len(lines) < _FEWEST_LINES or not all(map(_NEIGHBOURS.fullmatch, lines)):
        return False
    rows = [line.split() for line in lines]
    widths = Counter(map(len, rows))
    return len({row[0] for row in rows}) == len(rows) and max(widths.values()) <= _REGULAR * len(rows)


def _read_json(content: Bytes, source: str) -> RawTable:
    text, note = decode(content.tobytes())
    lines = text.split("\n")
    record = _record(next(line for line in lines if line.strip()))
    is_whole = record is None or (len(lines) == 1 and not _is_record(record))
    raw = _read_document(text, source) if is_whole else _read_json_lines(content, lines, source)
    return raw.with_parts(notes=(note,)) if note else raw


def _record(line: str) -> dict[str, Any] | None:
    """Return the object that a line spells in JSON, or in Python as in older files of Amazon's reviews."""
    line = line.strip().removesuffix(",")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        try:
            record = ast.literal_eval(line)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    return record if isinstance(record, dict) else None


def _is_record(document: dict[str, Any]) -> bool:
    """Whether an object that stands alone is one rating, and not a table."""
    return not all(isinstance(value, (dict, list)) for value in document.values()) and _rows_in(document) is None


def _rows_in(document: dict[str, Any]) -> list[Any] | None:
    """Return the rows of an object that wraps them, such as {"data": [...]}: the only list of objects or lists."""
    lists = [
        value
        for value in document.values()
        if isinstance(value, list) and len(value) > 0 and all(isinstance(row, (dict, list)) for row in value)
    ]
    return lists[0] if len(lists) == 1 else None


def _read_document(text: str, source: str) -> RawTable:
    """Read a JSON document: a list of objects or of rows, or a dictionary of dictionaries or columns."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{source} looks like JSON and is none: {error}") from error
    names = None
    if isinstance(document, dict) and (rows := _rows_in(document)) is not None:
        names, document = document.get("columns"), rows
    if isinstance(document, list) and any(isinstance(row, dict) for row in document):
        return _from_list(document, source)
    try:
        raw = read_frame(document)
    except ReadError as error:
        raise ReadError(f"{source}: {error}") from error
    if isinstance(names, list) and len(names) == raw.width:  # as pandas writes with orient="split"
        raw = replace(raw, names=list(map(str, names)))
    return replace(raw, source=source, note=f"a JSON document; {raw.note}".rstrip("; "))


def _from_list(document: list[Any], source: str) -> RawTable:
    """Read a list of objects, in which other values are no rows."""
    rows = [place for place, row in enumerate(document) if isinstance(row, dict)]
    odd = [place for place, row in enumerate(document) if not isinstance(row, dict)]
    faults = [f"is no JSON object: {shortened(json.dumps(document[place]))!r}" for place in odd[:_SHOWN]]
    bad = BadLines([row_number(place) for place in odd], faults) if odd else None
    raw = _from_records([document[place] for place in rows], source)
    return raw.with_parts(locate=lambda row: row_number(rows[row]), bad=bad)


def _read_json_lines(content: Bytes, lines: list[str], source: str) -> RawTable:
    try:
        frame = pl.read_ndjson(content.tobytes(), infer_schema_length=10_000)
        while nested := [name for name, kind in frame.schema.items() if isinstance(kind, pl.Struct)]:
            for name in nested:
                frame = frame.with_columns(pl.col(name).name.prefix_fields(f"{name}.")).unnest(name)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        frame = None
    numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
    if frame is None or frame.height != len(numbers):
        return _parse_json_lines(lines, source)
    names = [_TYPE.sub("", name) for name in frame.columns]
    raw = from_columns(names, lambda position: frame[:, position], frame.width, source, note="JSON lines")
    return raw.with_parts(locate=lambda row: f"line {numbers[row]}")


def _parse_json_lines(lines: list[str], source: str) -> RawTable:
    """Read JSON lines one by one, since some hold other types than the rest, or are no JSON."""
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    places: list[str] = []
    faults: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = _record(line)
        if record is not None:
            records.append(record)
            numbers.append(number)
            continue
        places.append(f"line {number}")
        if len(faults) < _SHOWN:
            faults.append(f"is no JSON object: {shortened(line.strip())!r}")
    bad = BadLines(places, faults) if places else None
    if not records:
        raise ReadError(f"{source} looks like JSON and is none: line 1 {faults[0]}")
    raw = _from_records(records, source)
    return replace(raw, note="JSON lines").with_parts(locate=lambda row: f"line {numbers[row]}", bad=bad)


def _from_records(records: Sequence[dict[str, Any]], source: str) -> RawTable:
    flat = [_flat(record) for record in records]
    names = list(dict.fromkeys(name for record in flat for name in record))
    lists = [name for name in names if any(isinstance(record.get(name), list) for record in flat)]
    if lists and len(names) - len(lists) < 2:
        raise ReadError(f"{source}: {lists[0]!r} holds a list in each object: an object for each rating is expected")
    columns = {name: from_objects([_scalar(record.get(name)) for record in flat]) for name in names}
    return from_columns(names, lambda position: columns[names[position]], len(names), source, note="JSON")


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Bring the fields of objects in an object up to its own level, with the names of both and a dot between."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= {_TYPE.sub("", f"{name}.{inner}"): deep for inner, deep in _flat(value).items()}
        else:
            flat[name] = value
    return flat


def _scalar(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value
