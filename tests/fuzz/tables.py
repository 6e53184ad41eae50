"""Texts, binary tables, catalogues and tables in memory, as random as the tables of people."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import math
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import palate
from fuzz.values import FIELDS, OBJECTS, mutate
from palate.errors import PalateError
from palate.reading import read_table

__all__ = ["read_any_catalogue", "read_any_file", "read_any_objects", "read_as_csv_does"]

_CATALOGUES = [
    b"id,title,text\n1,Tea,Hot\n2,Milk,Cold\n3,\"A, b\",\n",
    b"1:\n<p>Why?</p>\n2:\n<b>Because</b> &amp; so\n",
    b"1|Toy Story (1995)|01-Jan-1995||\n2|GoldenEye (1995)|01-Jan-1995||\n",
    b"1::Toy Story (1995)::Animation\n2::Jumanji (1995)::Adventure\n",
    b"item;title\na;Un\nb;Deux\n",
    b'{"id": 1, "title": "Tea"}\n{"id": 2, "title": "Milk"}\n',
]  # fmt: skip
_COMPRESS: list[Callable[[bytes], bytes]] = [gzip.compress, bz2.compress, lzma.compress]
_READ_OPTIONS: list[dict[str, Any]] = [
    {}, {}, {}, {"on_error": "skip"}, {"on_error": "skip", "duplicates": "last"}, {"duplicates": "mean"}, {"header": True},
    {"header": False}, {"layout": "wide"}, {"layout": "long"}, {"separator": ";"}, {"separator": " "}, {"rating": False},
    {"user": 0, "item": 1, "rating": 2}, {"user": "user", "item": "item"}, {"time": False}, {"missing": 99},
]  # fmt: skip


def _seeds() -> list[bytes]:
    rows = [(user, item, (user * item) % 5 + 1, 881250949 + user) for user in range(1, 8) for item in range(1, 6)]
    texts = []
    for separator, header, width in (
        (",", "user,item,rating\n", 3),
        ("\t", "", 4),
        ("::", "", 4),
        (";", "u;i;r\n", 3),
        (" ", "", 3),
    ):
        texts.append((header + "".join(separator.join(map(str, row[:width])) + "\n" for row in rows)).encode())
    wide = "id,i1,i2,i3\n" + "".join(f"u{user},{user % 5},,{(user * 3) % 5}\n" for user in range(9))
    jester = "".join(f"3,{user % 9 - 4}.5,99,{user % 7 - 3}.25,1.5\n" for user in range(9))
    lines = "".join(
        f'{{"reviewerID": "A{user}", "asin": "B{item}", "overall": {rating}.0}}\n' for user, item, rating, _ in rows
    )
    market = "%%MatrixMarket matrix coordinate real general\n3 4 3\n1 1 5\n2 3 4\n3 4 1\n"
    quoted = 'user,item,rating\n"ann","a ""b""",3\n"bob","c\nd",4\neve,"x, y",5\n'
    netflix = "1:\n5,3,2005-09-06\n6,5,2005-05-13\n2:\n7,4,2005-10-19\n"
    texts += [text.encode() for text in (wide, jester, lines, market, quoted, netflix)]
    return texts


_TEXTS = _seeds()


def _binary() -> list[tuple[str, bytes]]:
    import polars as pl

    frame = pl.DataFrame(
        {"user": [1, 2, 3] * 5, "item": ["a", "b", "c", "d", "e"] * 3, "rating": [1.5, 2, 3, 4, 5] * 3}
    )
    made = []
    for name, write in (
        ("t.parquet", frame.write_parquet),
        ("t.arrow", frame.write_ipc),
        ("t.ipc", frame.write_ipc_stream),
    ):
        file = io.BytesIO()
        write(file)
        made.append((name, file.getvalue()))
    return made


_BINARY: list[tuple[str, bytes]] = []


def _field(random: Random) -> str:
    return random.choice(FIELDS) if random.random() < 0.3 else str(random.randrange(1, 30))


def _rows_of_fields(random: Random, separator: str, end: str) -> str:
    width = random.choice((3, 3, 3, 4, 5))
    rows = []
    for _ in range(random.randrange(1, 9)):
        fields = [_field(random) for _ in range(width if random.random() < 0.9 else random.randrange(1, 7))]
        rows.append(separator.join(fields))
    return end.join(rows) + random.choice(("", end))


def _text(random: Random) -> bytes:
    if random.random() < 0.4:
        separator, end = random.choice((",", ";", "\t", "::", " ", "|")), random.choice(("\n", "\n", "\r\n", "\r"))
        data = _rows_of_fields(random, separator, end).encode("utf-8", "surrogatepass")
    else:
        data = random.choice(_TEXTS)
    if random.random() < 0.8:
        data = mutate(data, random)
    if random.random() < 0.1:
        data = random.choice(_COMPRESS)(data)
        data = mutate(data, random) if random.random() < 0.5 else data
    return data


def read_any_file(random: Random, folder: Path) -> None:
    """Read a text or a binary table with some options."""
    if not _BINARY:
        _BINARY.extend(_binary())
    if random.random() < 0.2:
        name, data = random.choice(_BINARY)
        data = mutate(data, random)
    else:
        name, data = random.choice(("t.csv", "t.csv", "t.txt", "t.json")), _text(random)
    path = folder / name
    path.write_bytes(data)
    with suppress(PalateError):
        _check_ratings(palate.read_ratings(path, **random.choice(_READ_OPTIONS)))


def read_any_catalogue(random: Random, folder: Path) -> None:
    """Read a catalogue with some options."""
    data = mutate(random.choice(_CATALOGUES), random) if random.random() < 0.7 else _text(random)
    path = folder / "items.csv"
    path.write_bytes(data)
    options: dict[str, Any] = random.choice(({}, {}, {"on_error": "skip"}, {"id": 0, "title": 1}, {"separator": ","}))
    with suppress(PalateError):
        catalogue = palate.read_catalogue(path, **options)
        for id in list(catalogue.entries)[:3]:
            assert isinstance(catalogue.title(id), str)


def read_any_objects(random: Random, folder: Path) -> None:
    """Read a table in memory, of whatever containers and objects."""
    with suppress(PalateError):
        _check_ratings(palate.read_ratings(_objects(random), **random.choice(_READ_OPTIONS)))


def _objects(random: Random) -> Any:
    import pandas
    import polars as pl

    def value() -> Any:
        return random.choice(OBJECTS) if random.random() < 0.3 else random.randrange(1, 9)

    size, width = random.randrange(6), random.choice((3, 3, 3, 2, 4, 1))
    rows = [tuple(value() for _ in range(width)) for _ in range(size)]
    columns = {
        name: [row[place] for row in rows] for place, name in enumerate(("user", "item", "rating", "time")[:width])
    }
    kind = random.randrange(12)
    with warnings.catch_warnings(action="ignore"):
        try:
            if kind == 0:
                return np.array(rows, dtype=object).reshape(size, -1)
            if kind == 1:
                return np.array(rows)
            if kind == 2:
                return pandas.DataFrame(columns)
            if kind == 3:
                return pl.DataFrame(columns, strict=False)
            if kind == 4:
                return tuple(np.array(column) for column in columns.values())
            if kind == 5:
                return {row[0]: {row[1]: row[-1]} for row in rows}
            if kind == 6:
                return pandas.DataFrame(columns).set_index(["user", "item"])["rating"]
            if kind == 7:
                return pl.DataFrame(columns, strict=False).to_arrow()
            if kind == 8:
                return random.choice(OBJECTS)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # NumPy, pandas and Polars do not take every object, and Polars panics at some
            return rows
    return rows if kind % 2 else [list(row) for row in rows]


def _check_ratings(ratings: palate.Ratings) -> None:
    assert len(ratings) > 0
    assert np.isfinite(ratings.rating).all()
    for index, ids in ((ratings.user, ratings.users.ids), (ratings.item, ratings.items.ids)):
        assert len(index) == len(ratings)
        assert index.min() >= 0
        assert index.max() < len(ids)
        assert (ids[1:] > ids[:-1]).all()


def read_as_csv_does(random: Random, folder: Path) -> None:
    """Read delimited text whose columns are known, and compare the table with that of Python's csv module."""
    separator, end = random.choice(",;\t|"), random.choice(("\n", "\r\n"))
    text = _rows_of_fields(random, separator, end)
    if random.random() < 0.5:
        text = mutate(text.encode(), random).decode("utf-8", "replace")
    path = folder / "t.csv"
    path.write_bytes(text.encode())
    try:
        table = read_table(path, user=0, item=1, rating=2, time=False, separator=separator, header=False, layout="long")
    except PalateError:
        return
    # What palate knows beyond csv: a byte order mark, lines of comments at the top, and the mark of DOS at the end.
    text = re.sub(r"[\r\n]*\x1a[\r\n\x1a]*$", "", text.removeprefix("\ufeff"))
    rows = None if text.lstrip().startswith(("#", "%")) else _csv_rows(text, separator)
    if rows is None or table.bad is not None:
        return
    frame = table.frame
    assert frame.height == len(rows), f"{frame.height} rows, csv has {len(rows)}"
    for place, role in enumerate(("user", "item", "rating")):
        for found, field in zip(frame[role].to_list(), (row[place] for row in rows), strict=True):
            assert _same(found, field), f"{role}: {found!r}, csv has {field!r}"


def _csv_rows(text: str, separator: str) -> list[list[str]] | None:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        return None
    rows = [row for row in rows if len(row) > 1 or "".join(row).strip()]
    return rows if len({len(row) for row in rows}) == 1 else None


def _same(found: Any, field: str) -> bool:
    field = field.strip()
    if found is None:
        return not field or field.lower() in ("na", "nan", "null", "none", "-", "−")
    if found == field or (isinstance(found, str) and found.strip() == field):
        return True
    try:
        value, spelled = Decimal(field), Decimal(found)
    except InvalidOperation:
        # A spelling of palate's own, such as 79%; beside ratings that are no numbers a decimal comma is text with a point.
        return not isinstance(found, str) or found == field.replace(",", ".")
    number, found = float(value), float(spelled)
    return found == number or math.isclose(found, number, rel_tol=1e-6) or (found != found and number != number)
