"""Tables of attributes: which column is the id, and of which kind every other column is."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import log
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from palate.attributes import AttributeColumn, Attributes, Cell, words, year_of
from palate.catalogue import Catalogue
from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.columns import column_position
from palate.reading.formats import special_reader
from palate.reading.frames import binary_reader, read_frame
from palate.reading.id_columns import as_ids
from palate.reading.names import CATALOGUE, RATINGS
from palate.reading.numbers import decimal_numbers, without_blanks
from palate.reading.raw import Column, RawTable
from palate.reading.source import open_text, source_name
from palate.reading.text import read_text
from palate.reading.times import readable_times

__all__ = ["Side", "attributes_of", "catalogue_attributes", "read_attributes"]

Side = Literal["user", "item"]

# A category must occur this often to have a column of its own, in a table of many rows and in a small one.
_LEAST, _LEAST_SMALL, _SMALL = 5, 2, 500
_MOST_VALUES = 200
# A word must stand in this many texts of a large table: rare words, such as those that sequels share, tell much.
_LEAST_WORD = 3
# A text has at most this many columns, or in a large table one for each six rows, up to the last number.
_MOST_WORDS, _ROWS_A_WORD, _MOST_WORDS_LARGE = 300, 6, 1_000
# A word that more than this share of the texts hold tells little.
_COMMON = 0.5
# A number with at most this number of values has a span for each value; another one has this number of spans.
_FEW_VALUES, _SPANS = 24, 8
# Texts have at least this many words on average, and hardly any is the same as another.
_TEXT_WORDS, _DISTINCT = 2.5, 0.5
# A table of more attributes is refused: a fit draws the weights of each one by itself in every sweep.
_MOST_ATTRIBUTES = 1_000
# A column with this share of numbers holds numbers; with this share of different words it holds ids.
_NUMBERS, _IDS = 0.9, 0.9
_TRUTH = ("true", "false")
_SHOWN = 3
# The columns of MovieLens' files, which have no header.
_MOVIELENS = {
    "movies.dat": ("id", "title", "genres"),
    "users.dat": ("id", "sex", "age", "occupation", "zip"),
    "u.user": ("id", "age", "sex", "occupation", "zip"),
    "u.item": (
        "id", "title", "released", "on video", "url", "unknown genre", "Action", "Adventure", "Animation",
        "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery",
        "Romance", "Sci-Fi", "Thriller", "War", "Western",
    ),
}  # fmt: skip
_SECONDS_A_YEAR = 365.2425 * 24 * 3600


def attributes_of(source: Any, side: Side) -> Attributes | None:
    """Return attributes; None stays None, and whatever else `read_attributes` reads is read with its defaults."""
    return source if source is None or isinstance(source, Attributes) else read_attributes(source, side)


def read_attributes(
    source: Any, side: Side = "item", *, id: Column = None, separator: str | None = None, header: bool | None = None
) -> Attributes:
    r"""Read what is known of items or of users, a row each.

    Kinds are recognised: numbers, yes or no, categories, lists of categories (a cell such as ``Comedy|War``, or a list)
    and text. Blank cells are missing; among numbers and dates words such as ``NA`` are missing, too, and numbers that
    are infinite or larger than float32 holds. `Attributes.describe` says what was understood.

    Parameters
    ----------
    source
        A path to delimited text, JSON lines, Parquet or Arrow; a polars, pandas or Arrow frame; a dictionary of
        columns; or a `palate.catalogue.Catalogue`, for its titles and texts.
    side
        "item" or "user", for messages.
    id
        Name of the column of ids, or its position from 0; the first one if None.
    separator, header
        As in `palate.read_ratings`.

    Raises
    ------
    ReadError
        If the source is no table with ids and at least one attribute that tells rows apart, has more than 1,000
        attributes, or describes an id twice.

    Examples
    --------
    >>> people = read_attributes({"id": [1, 2, 3, 4], "age": [20, 30, 40, None], "sex": ["F", "M", "F", "M"]}, "user")
    >>> print(*people.describe(), sep="\n")
    age: a number, 30 ± 8.2, in 3 spans; some are missing
    sex: a category, 2 values (F, M)
    """
    if isinstance(source, Catalogue):
        return catalogue_attributes(source)
    if isinstance(id, str) and not id.isdecimal():
        header = True if header is None else header
    raw = _open(source, separator, header)
    if raw.width < 2:
        raise ReadError(f"{raw.source} has one column: an id and at least one attribute are needed")
    if raw.width - 1 > _MOST_ATTRIBUTES:
        raise ReadError(
            f"{raw.source} has {raw.width - 1:,} attributes, and at most {_MOST_ATTRIBUTES:,} are learnt from: keep "
            "the columns that matter, or hand over the first principal components of the numbers"
        )
    place = 0 if id is None else column_position(raw, id, side)
    positions = [place, *(position for position in range(raw.width) if position != place)]
    part = raw.read(positions)
    if part.bad is not None:
        where, fault = next(zip(*part.bad, strict=False))
        raise ReadError(f"{raw.source}: {where} {fault}; mend the table of attributes")
    names = _names(raw, positions)
    ids = part.columns[0]
    ids = as_ids(ids.str.strip_chars() if ids.dtype == pl.String else ids, raw.source)
    return _encoded(ids, names[1:], part.columns[1:], raw.source, side)


def _names(raw: RawTable, positions: Sequence[int]) -> list[str]:
    """Return a name for each column: that of the table, with its position where that name is blank or comes twice."""
    known: Sequence[str] = _MOVIELENS.get(os.path.basename(raw.source), ())
    names = raw.names if raw.names is not None else known if len(known) == raw.width else [""] * raw.width
    counts = Counter(names)
    return [
        name if name.strip() and counts[name] == 1 else f"{name} column {position}".strip()
        for position, name in ((position, names[position]) for position in positions)
    ]


def catalogue_attributes(catalogue: Catalogue) -> Attributes:
    """Take the titles and the texts of a catalogue as attributes of its items."""
    entries = list(catalogue.entries.values())
    columns = {"title": [entry.title for entry in entries], "text": [entry.text for entry in entries]}
    told = {name: pl.Series(values, dtype=pl.String) for name, values in columns.items() if any(values)}
    if not told:
        raise ReadError("the catalogue has neither titles nor texts: name a table with --item-features")
    ids = as_ids(pl.Series([str(id) for id in catalogue.entries], dtype=pl.String), "the catalogue")
    return _encoded(ids, list(told), list(told.values()), "the catalogue", "item")


def _open(source: Any, separator: str | None, header: bool | None) -> RawTable:
    if not isinstance(source, (str, os.PathLike)):
        return read_frame(source)
    reader = binary_reader(source)
    if reader is not None:
        return reader()
    content = open_text(source)
    special = special_reader(content, json_only=True) if separator is None else None
    if special is not None:
        return special(source_name(source))
    name, wanted = source_name(source), "two columns (an id and an attribute)"
    if header is None:
        header = _has_header(read_text(content, name, separator=separator, header=False, wanted=wanted))
    return read_text(content, name, separator=separator, header=header, wanted=wanted)


def _has_header(raw: RawTable) -> bool:
    """Whether the first line names columns: none of its fields is a number, and its first one is no id."""
    first, below = raw.sample[0], raw.sample[1:]
    head = first[0].strip()
    if any(_is_number(field) for field in first if field.strip()):
        return False
    if below and all(_is_number(row[0]) for row in below):
        return True
    known = {*CATALOGUE["id"], *RATINGS["user"]}
    return head.casefold().removesuffix("id").rstrip("_- ") in known or head.casefold() in known


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _encoded(ids: pl.Series, names: Sequence[str], columns: Sequence[pl.Series], source: str, side: Side) -> Attributes:
    if not len(ids):
        raise ReadError(f"{source} has no rows: a row for each {side} is needed")
    if ids.null_count():
        at = int(ids.is_null().arg_max() or 0)
        raise ReadError(f"{source}, row {at + 1}: there is no {side} id; the first column is the id, or name another "
                        f"with --{side}-column")  # fmt: skip
    notes: list[str] = []
    kept = _distinct(ids, columns, source, side, notes)
    ids = ids.gather(kept)
    order = ids.arg_sort()
    learned: list[AttributeColumn] = []
    cells: list[list[Cell]] = []
    for name, column in zip(names, columns, strict=True):
        values = _cells(column.gather(kept).gather(order), name, notes)
        if values is None:
            continue
        year = _learn_year(name, values)
        for one in (year, _learn(name, values, notes, year is not None)):
            if one is not None:
                learned.append(one)
                cells.append(values)
    if not learned:
        reasons = "; ".join(notes[:_SHOWN]) or "it has only ids"
        raise ReadError(f"{source} has no attribute that tells one {side} from another: {reasons}")
    sorted_ids = ids.gather(order)
    plain: NDArray[Any] = (
        np.array(sorted_ids.to_list(), object) if ids.dtype == pl.String else sorted_ids.to_numpy().astype(np.int64)
    )
    return Attributes.of(plain, learned, cells, notes)


def _distinct(ids: pl.Series, columns: Sequence[pl.Series], source: str, side: Side, notes: list[str]) -> pl.Series:
    """Return the first row of each id; rows of one id that differ are refused."""
    first = ids.is_first_distinct()
    if first.all():
        return pl.Series(np.arange(len(ids)))
    repeated = ids.filter(~first)
    again = ids.is_in(repeated.unique().implode())
    text = [column.cast(pl.List(pl.String)).list.join("|") if column.dtype == pl.List else column.cast(pl.String)
            for column in columns]  # fmt: skip
    frame = pl.DataFrame([ids.alias("id"), *(column.alias(str(place)) for place, column in enumerate(text))])
    if frame.filter(again).unique().height > repeated.n_unique():
        raise ReadError(
            f"{source} describes {side} {repeated[0]!r} twice, and not in the same way ({repeated.n_unique():,} ids "
            f"have several rows): keep one row for each {side}"
        )
    notes.append(f"left out {len(repeated):,} rows that repeat another one")
    return first.arg_true()


def _cells(column: pl.Series, name: str, notes: list[str]) -> list[Cell] | None:
    """Return the cells of a column: numbers, texts or lists; None if they are neither, which is noted."""
    kind = column.dtype
    if isinstance(kind, pl.List | pl.Array):
        return [None if row is None else [str(value) for value in row if value is not None] for row in column.to_list()]
    if kind.is_nested() or kind == pl.Binary:
        notes.append(f"{name}: left out, as its cells hold {kind.base_type()} values")
        return None
    if kind == pl.Duration:
        column = column.dt.total_microseconds() / 1e6
    if column.dtype.is_numeric() or kind == pl.Boolean:
        return _numbers(column.cast(pl.Float64), name, notes)
    text = column.cast(pl.String).str.strip_chars()
    text = text.set(text == "", None)
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() == text.null_count():
        return _numbers(numbers, name, notes)
    if text.str.to_lowercase().is_in(_TRUTH).all():
        return _numbers((text.str.to_lowercase() == "true").cast(pl.Float64), name, notes)
    numbers, present = decimal_numbers(text), without_blanks(text)
    count, numeric = len(present) - present.null_count(), len(numbers) - numbers.null_count()
    if count and numeric >= _NUMBERS * count:
        if numeric < count:
            odd = present.filter(numbers.is_null() & present.is_not_null())
            notes.append(f"{name}: a number, and {len(odd):,} cells are none, such as {odd[0]!r}: taken as missing")
        return _numbers(numbers, name, notes)
    years = _years(present)
    return list(text.to_list()) if years is None else years


def _numbers(column: pl.Series, name: str, notes: list[str]) -> list[Cell]:
    """Return numbers as cells; those that are infinite, or that float32 does not hold, are missing."""
    numbers = column.fill_nan(None)
    is_odd = (numbers.abs() > np.finfo(np.float32).max).fill_null(False)
    if is_odd.any():
        odd = numbers.filter(is_odd)
        notes.append(
            f"{name}: {len(odd):,} cells are infinite or too large for float32, such as {odd[0]:g}: taken as missing"
        )
        numbers = numbers.set(is_odd, None)
    return list(numbers.to_list())


def _years(text: pl.Series) -> list[Cell] | None:
    """Read dates as years with fractions; None if the texts are no dates."""
    present = text.drop_nulls()
    if not len(present) or not present.head(20).str.contains(r"\d{2}").all():
        return None
    seconds = readable_times(text)
    if len(seconds) - seconds.null_count() < _NUMBERS * len(present):
        return None
    return [None if value is None else 1970 + value / _SECONDS_A_YEAR for value in seconds.to_list()]


def _learn(name: str, cells: Sequence[Cell], notes: list[str], has_year: bool) -> AttributeColumn | None:
    """Recognise the kind of an attribute and what its columns are; None if it tells nothing, which is noted.

    Years are no words where they are an attribute of their own.
    """
    present = [cell for cell in cells if cell is not None]
    has_missing = _are_frequent(len(cells) - len(present), len(cells))
    if not present:
        notes.append(f"{name}: left out, as all cells are blank")
        return None
    numbers = [cell for cell in present if isinstance(cell, float)]
    if numbers:
        return _learn_number(name, np.array(numbers), has_missing, notes)
    texts = [cell for cell in present if isinstance(cell, str)]
    if not texts or any(AttributeColumn.split(text)[1:] for text in texts):
        return _learn_values(name, "list", map(AttributeColumn.split, present), len(present), has_missing, notes)
    counts = Counter(texts)
    mean_words = sum(len(text.split()) for text in texts) / len(texts)
    if mean_words >= _TEXT_WORDS and len(counts) > _DISTINCT * len(texts):
        return _learn_text(name, texts, has_missing, notes, has_year)
    if len(counts) > _IDS * len(texts) and len(texts) >= _FEW_VALUES:
        notes.append(
            f"{name}: left out, as it has {len(counts):,} different values in {len(texts):,} rows, like an id: what "
            "one row has tells nothing about others"
        )
        return None
    return _learn_values(name, "category", ([text] for text in texts), len(texts), has_missing, notes)


def _are_frequent(missing: int, rows: int) -> bool:
    """Whether missing values are frequent enough to have a column."""
    return missing >= _LEAST_SMALL or (missing > 0 and rows < _SMALL)


def _learn_year(name: str, cells: Sequence[Cell]) -> AttributeColumn | None:
    """Return the year that nearly all texts hold, as titles such as "Toy Story (1995)" do; None if there is none."""
    texts = [cell for cell in cells if isinstance(cell, str) and len(cell.split()) > 1]
    years = [year for year in map(year_of, texts) if year is not None]
    if len(texts) < _NUMBERS * len(cells) or len(years) < _NUMBERS * len(cells):
        return None
    column = _learn_number(name, np.array(years), _are_frequent(len(cells) - len(years), len(cells)), [])
    return None if column is None else replace(column, kind="year")


def _learn_number(
    name: str, values: NDArray[np.float64], has_missing: bool, notes: list[str]
) -> AttributeColumn | None:
    distinct = np.unique(values)
    if len(distinct) == 1 and not has_missing:
        notes.append(f"{name}: left out, as it is {distinct[0]:g} in every row")
        return None
    if set(distinct) <= {0.0, 1.0} and not has_missing:
        return AttributeColumn(name, "flag")
    spread = float(values.std()) or 1.0
    edges: NDArray[np.float64] = np.empty(0)
    if 2 < len(distinct) <= _FEW_VALUES:
        edges = distinct[1:]
    elif len(distinct) > _FEW_VALUES:
        edges = np.unique(np.quantile(values, np.arange(1, _SPANS) / _SPANS))
        edges = edges[edges > distinct[0]]
    return AttributeColumn(
        name, "number", edges=tuple(edges.tolist()), center=float(values.mean()), spread=spread, has_missing=has_missing
    )


def _least(rows: int) -> int:
    return _LEAST if rows >= _SMALL else _LEAST_SMALL if rows > _FEW_VALUES else 1


def _learn_values(
    name: str,
    kind: Literal["category", "list"],
    members: Iterable[Sequence[str]],
    rows: int,
    has_missing: bool,
    notes: list[str],
) -> AttributeColumn | None:
    counts = Counter(value for row in members for value in row)
    if len(counts) <= 1 and not has_missing:
        notes.append(f"{name}: left out, as it is {next(iter(counts), '')!r} in every row")
        return None
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    common = [value for value, count in ordered if count >= _least(rows)][:_MOST_VALUES]
    rare = len(counts) - len(common)
    if not common:
        notes.append(f"{name}: left out, as none of its {len(counts):,} values occurs {_least(rows)} times")
        return None
    if rare:
        notes.append(f"{name}: pooled {rare:,} rare of {len(counts):,} values as one, 'other'")
    return AttributeColumn(name, kind, tuple(sorted(common)), has_rest=rare > 0, has_missing=has_missing)


def _learn_text(
    name: str, texts: Sequence[str], has_missing: bool, notes: list[str], has_year: bool
) -> AttributeColumn | None:
    rows = len(texts)
    documents = Counter(word for text in texts for word in set(words(text)) if len(word) > 1)
    if has_year:
        documents = Counter({word: count for word, count in documents.items() if year_of(word) is None})
    least = min(_LEAST_WORD, max(_LEAST_SMALL, _least(rows)))
    usable = [(word, count) for word, count in documents.items() if least <= count <= max(least, _COMMON * rows)]
    most = min(_MOST_WORDS_LARGE, max(_MOST_WORDS, rows // _ROWS_A_WORD))
    usable = sorted(usable, key=lambda pair: (-pair[1], pair[0]))[:most]
    if not usable:
        notes.append(f"{name}: left out, as its texts share no words")
        return None
    if len(documents) > len(usable):
        notes.append(f"{name}: took the {len(usable):,} most common of {len(documents):,} words")
    usable.sort()
    weights = tuple(log(rows / count) + 1 for _, count in usable)
    return AttributeColumn(name, "text", tuple(word for word, _ in usable), weights, has_missing=has_missing)
