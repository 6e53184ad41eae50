"""What is known of users or items besides ratings: attributes, encoded as the columns of a sparse matrix."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import isfinite, log, nan, sqrt
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from palate.cached import cached_property
from palate.errors import DataError

__all__ = ["AttributeColumn", "Attributes", "Cell", "member_names", "words", "written_list", "year_of"]

#: What a table says of one row: a number, a text, a list of categories, or nothing.
Cell = float | str | Sequence[str] | None
Kind = Literal["number", "flag", "category", "list", "text", "year"]
Doubles = NDArray[np.float64]

_WORD = re.compile(r"[^\W_]+")
_YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d\d(?!\d)")
# A standardized number beyond this says no more than this.
_FARTHEST = 3.0
# How many attributes and notes are described, and how many names are listed.
_DESCRIBED = 20
_SEPARATOR = "|"
# Between the texts of a list as NumPy prints it.
_PRINTED = re.compile(r"""(?<=['"])\s+(?=['"])""")


def words(text: str) -> list[str]:
    """Return the words of a text in lower case.

    Examples
    --------
    >>> words("Toy Story (1995)")
    ['toy', 'story', '1995']
    """
    return _WORD.findall(text.casefold())


def year_of(text: str) -> float | None:
    """Return the last year from 1800 to 2099 that stands in a text, or None.

    Examples
    --------
    >>> year_of("2001: A Space Odyssey (1968)")
    1968.0
    """
    years = _YEAR.findall(text)
    return float(years[-1]) if years else None


def written_list(text: str) -> list[str] | None:
    """Return the members of a list that stands in a text as JSON, Python or NumPy write it; None if there is none.

    Examples
    --------
    >>> written_list('["Comedy", "War"]'), written_list("['Comedy' 'War']"), written_list("Comedy")
    (['Comedy', 'War'], ['Comedy', 'War'], None)
    """
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        try:
            members = ast.literal_eval(_PRINTED.sub(", ", text))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    return member_names(members)


def member_names(members: Iterable[Any]) -> list[str]:
    """Return the members of a list as texts: of an object with a name, such as the genres of TMDB are, the name."""
    names = [member.get("name", member) if isinstance(member, dict) else member for member in members]
    return [str(name) for name in names if name is not None]


@dataclass(frozen=True)
class AttributeColumn:
    r"""One attribute, and the columns of the matrix that it becomes.

    Attributes
    ----------
    name
        As the table calls it.
    kind
        "number": its standardized value, and a column for each span of values. "flag": 1 for yes. "category": a column
        for each common value. "list": the same; a row with n values has :math:`1/\sqrt n` in each. "text": a column
        for each common word, weighted by tf-idf, of unit length. "year": as a number, the year that stands in a text.
    values
        The categories or words that have a column.
    weights
        Of each word: the logarithm of the inverse share of texts that hold it.
    edges
        Where the spans of a number end.
    center, spread
        Of a number.
    has_rest
        Whether a last column stands for all other categories.
    has_missing
        Whether a last column stands for missing values.
    separator
        What stands between the members of a list that is written as a text.
    """

    name: str
    kind: Kind
    values: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    center: float = 0.0
    spread: float = 1.0
    has_rest: bool = False
    has_missing: bool = False
    separator: str = _SEPARATOR

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What each column of the matrix says, for people."""
        stem = f"year of {self.name}" if self.kind == "year" else self.name
        base = [stem] if self.kind in ("number", "flag", "year") else []
        parts = [*self._spans(), *self.values, *["other"] * self.has_rest, *["missing"] * self.has_missing]
        return (*base, *(f"{stem}: {part}" for part in parts))

    def _spans(self) -> list[str]:
        if not self.edges:
            return []
        ends = [f"{edge:g}" for edge in self.edges]
        between = [f"{low} to below {high}" for low, high in pairwise(ends)]
        return [f"below {ends[0]}", *between, f"{ends[-1]} and above"]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {value: place for place, value in enumerate(self.values)}

    def encode(self, cell: Cell) -> list[tuple[int, float]]:
        """Return the entries of one row: places among `labels`, and values.

        Raises
        ------
        DataError
            If a number is wanted and the cell holds a text that is none.
        """
        if self.kind in ("number", "flag", "year"):
            _, places, values = self.encode_all([cell])
            return list(zip(places.tolist(), values.tolist(), strict=True))
        if cell is None or (isinstance(cell, float) and not isfinite(cell)):
            return [(len(self.labels) - 1, 1.0)] if self.has_missing else []
        if self.kind == "text":
            return self._encode_text(str(cell))
        members = self.split(cell, self.separator) if self.kind == "list" else [str(cell).strip()]
        share = 1 / sqrt(max(1, len(members)))
        rest = len(self.values) if self.has_rest else None
        entries: dict[int, float] = {}
        for member in members:
            place = self._places.get(member, rest)
            if place is not None:
                entries[place] = share
        return sorted(entries.items())

    def encode_all(self, cells: Sequence[Cell]) -> tuple[NDArray[np.int64], NDArray[np.int64], Doubles]:
        """Encode a column of cells: the row, the place among `labels` and the value of each entry, (entries,)."""
        if self.kind in ("number", "flag", "year"):
            return self._encode_numbers(np.array([self._number(cell) for cell in cells], np.float64))
        entries = [(row, *entry) for row, cell in enumerate(cells) for entry in self.encode(cell)]
        rows, places, values = zip(*entries, strict=True) if entries else ((), (), ())
        return np.array(rows, np.int64), np.array(places, np.int64), np.array(values, np.float64)

    def _encode_numbers(self, numbers: Doubles) -> tuple[NDArray[np.int64], NDArray[np.int64], Doubles]:
        is_present = np.isfinite(numbers)
        present = np.flatnonzero(is_present)
        missing = np.flatnonzero(~is_present) if self.has_missing else present[:0]
        numbers = numbers[present]
        in_spans = present if self.edges else present[:0]
        spans = 1 + np.searchsorted(self.edges, numbers, side="right")[: len(in_spans)]
        standardized = np.clip((numbers - self.center) / self.spread, -_FARTHEST, _FARTHEST)
        places = [np.zeros(len(present), np.int64), spans, np.full(len(missing), len(self.labels) - 1)]
        values = [standardized, np.ones(len(in_spans) + len(missing))]
        return np.concatenate([present, in_spans, missing]), np.concatenate(places), np.concatenate(values)

    @staticmethod
    def split(cell: Cell, separator: str = _SEPARATOR) -> list[str]:
        """Return the distinct members of a list, or of a text such as ``Comedy|War`` or ``["Comedy", "War"]``."""
        if isinstance(cell, str):
            written = written_list(cell)
            parts: Sequence[Any] = cell.split(separator) if written is None else written
        else:
            parts = cell if isinstance(cell, Sequence) else [cell]
        return list(dict.fromkeys(part.strip() for part in map(str, parts) if part.strip()))

    def _number(self, cell: Cell) -> float:
        """Return the number of a cell, NaN for none."""
        if self.kind == "year" and cell is not None:
            cell = year_of(str(cell))
        if cell is None:
            return nan
        try:
            return float(cell)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise DataError(f"attribute {self.name!r} is a number, and {cell!r} is none") from None

    def _encode_text(self, text: str) -> list[tuple[int, float]]:
        counts = Counter(self._places[word] for word in words(text) if word in self._places)
        entries = [(place, (1 + log(count)) * self.weights[place]) for place, count in sorted(counts.items())]
        length = sqrt(sum(value * value for _, value in entries)) or 1.0
        return [(place, value / length) for place, value in entries]

    def describe(self) -> str:
        """Return a line that says how the attribute was understood."""
        missing = "; some are missing" if self.has_missing else ""
        if self.kind == "flag":
            return f"{self.name}: yes or no"
        if self.kind in ("number", "year"):
            spans = f", in {len(self.edges) + 1} spans" if self.edges else ""
            what = "a number" if self.kind == "number" else "a number, the year in the text"
            return f"{self.labels[0]}: {what}, {self.center:.4g} ± {self.spread:.2g}{spans}{missing}"
        what = {"category": "a category", "list": "a list of categories", "text": "text"}[self.kind]
        unit = "words" if self.kind == "text" else "values"
        rest = ", rare ones pooled" if self.has_rest else ""
        shown = ", ".join(self.values[:3]) + ", …" * (len(self.values) > 3)
        return f"{self.name}: {what}, {len(self.values):,} {unit}{rest} ({shown}){missing}"


@dataclass(frozen=True, eq=False)
class Attributes:
    """The attributes of users or of items, as a sparse matrix (rows, columns) in compressed rows.

    Attributes
    ----------
    ids
        Distinct ids, int64 or object (rows,), ascending.
    columns
        The attributes.
    indptr, indices, values
        int64 (rows + 1,), int32 and float32 (entries,): the matrix, not centred.
    notes
        What was recognised and left out, a sentence each.

    Examples
    --------
    >>> from palate.reading.attributes import read_attributes
    >>> films = read_attributes({"film": [7, 8, 9], "genres": ["War", "Comedy|War", "Comedy"]})
    >>> films.labels
    ('genres: Comedy', 'genres: War')
    >>> films.encode({"genres": "War"}).round(2)
    array([-0.57,  0.43])
    """

    ids: NDArray[Any]
    columns: tuple[AttributeColumn, ...]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Attributes({len(self):,} rows, {len(self.columns)} attributes, {self.width} columns)"

    @classmethod
    def of(
        cls,
        ids: NDArray[Any],
        columns: Sequence[AttributeColumn],
        cells: Sequence[Sequence[Cell]],
        notes: Sequence[str],
    ) -> Self:
        """Encode a table: `cells` holds a sequence of cells for each attribute."""
        starts = np.cumsum([0, *(len(column.labels) for column in columns)])
        encoded = [column.encode_all(values) for column, values in zip(columns, cells, strict=True)]
        row = np.concatenate([rows for rows, _, _ in encoded])
        place = np.concatenate([start + places for start, (_, places, _) in zip(starts, encoded, strict=False)])
        value = np.concatenate([values for _, _, values in encoded])
        order = np.argsort(row, kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(ids)))])
        indices, values = place[order].astype(np.int32), value[order].astype(np.float32)
        return cls(ids, tuple(columns), indptr, indices, values, tuple(notes))

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return len(self.labels)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What each column of the matrix says, for people."""
        return tuple(label for column in self.columns for label in column.labels)

    @cached_property
    def center(self) -> Doubles:
        """The mean of each column over the rows: float64 (columns,)."""
        return np.bincount(self.indices, self.values.astype(np.float64), self.width) / max(1, len(self))

    @cached_property
    def groups(self) -> list[slice]:
        """The columns of the matrix that share a scale: those of one attribute; flags that follow each other as one."""
        groups: list[slice] = []
        stop = 0
        for place, column in enumerate(self.columns):
            start, stop = stop, stop + len(column.labels)
            if place and column.kind == self.columns[place - 1].kind == "flag":
                start = groups.pop().start
            groups.append(slice(start, stop))
        return groups

    @cached_property
    def fingerprint(self) -> str:
        """A text that differs between tables."""
        arrays = [array.tobytes() for array in (self.indptr, self.indices, self.values)]
        return hashlib.sha256(repr((self.ids.tolist(), self.columns)).encode() + b"".join(arrays)).hexdigest()

    def take(self, rows: NDArray[np.integer[Any]]) -> Attributes:
        """Return some rows."""
        counts = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(counts)])
        within = np.arange(indptr[-1]) - np.repeat(indptr[:-1], counts)
        places = np.repeat(self.indptr[rows], counts) + within
        return replace(
            self, ids=self.ids[rows], indptr=indptr, indices=self.indices[places], values=self.values[places]
        )

    def encode(self, cells: Mapping[str, Cell]) -> Doubles:
        """Encode one row that is not in the table: float64 (columns,), centred. Attributes that are not given are 0.

        Raises
        ------
        DataError
            If there is no attribute of a name, or a number is wanted and none is given.
        """
        known = {column.name for column in self.columns}
        for name in cells:
            if name not in known:
                raise DataError(f"there is no attribute {name!r}: there are {_listed(list(map(repr, sorted(known))))}")
        encoded, start = np.zeros(self.width), 0
        for column in self.columns:
            stop = start + len(column.labels)
            if column.name in cells:
                encoded[start:stop] = -self.center[start:stop]
                for place, value in column.encode(cells[column.name]):
                    encoded[start + place] += value
            start = stop
        return encoded

    def describe(self) -> list[str]:
        """Return what was understood, a line for each attribute, then the notes; of many the first ones."""
        flags = [column.name for column in self.columns if column.kind == "flag"]
        others = [column for column in self.columns if column.kind != "flag"]
        lines = [column.describe() for column in others[:_DESCRIBED]]
        rest = Counter(column.kind for column in others[_DESCRIBED:])
        if rest:
            kinds = ", ".join(f"{count:,} of the kind {kind!r}" for kind, count in rest.items())
            lines.append(f"{rest.total():,} more attributes: {kinds}")
        more = len(self.notes) - _DESCRIBED
        notes = [*self.notes[:_DESCRIBED], *[f"{more:,} more notes of this kind"] * (more > 0)]
        return [*lines, *[f"{_listed(flags)}: yes or no"] * bool(flags), *notes]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _DESCRIBED
    return ", ".join(names[:_DESCRIBED]) + f" and {more:,} more" * (more > 0)
