"""The table as it was read: columns with roles, nothing judged yet, and where each row stands in its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.cached import cached_property
from palate.lazy import pl

__all__ = ["BadLines", "Locate", "Table", "row_number", "shortened"]

Locate = Callable[[int], str]


def row_number(row: int) -> str:
    """Name a row by its number, counted from 1."""
    return f"row {row + 1:,}"


def shortened(text: str, most: int = 60) -> str:
    """Return a text of at most this number of characters, for a message."""
    return text if len(text) <= most else text[: most - 1] + "…"


class BadLines(NamedTuple):
    """Lines of a source that are no rows of its table, such as those with another number of columns.

    Attributes
    ----------
    places
        Where they stand, such as "line 18".
    faults
        What is wrong with the first few, such as "has 4 columns, 3 expected: '7,8,9,10'".
    """

    places: list[str]
    faults: list[str]

    def __str__(self) -> str:
        return f"{self.places[0]} {self.faults[0]}"


@dataclass(frozen=True, eq=False)
class Table:
    """Ratings before any row was judged or any id encoded.

    Parameters
    ----------
    columns
        "user" and "item" (Int32, Int64 or String), "rating" (Float32, Float64, or String where some rating is no
        number) and perhaps "time" (Int64: seconds since 1970, or String where some time cannot be read): a data frame,
        in which anything may be missing (null), or arrays of numbers, in which nothing is.
    source
        The file or kind of table, for messages.
    notes
        What was guessed: layout, columns, encoding.
    locate
        Says where a row stands, such as "line 18"; by default its number, counted from 1.
    bad
        Lines that are no rows, if there are any.
    has_ratings
        Whether the source has ratings; where it has none, every row is a choice, with rating 1.

    Examples
    --------
    >>> table = Table(pl.DataFrame({"user": [1], "item": [7], "rating": [4.5]}), "a data frame")
    >>> table.where(0)
    'a data frame, row 1'
    """

    columns: pl.DataFrame | Mapping[str, NDArray[Any]]
    source: str
    notes: tuple[str, ...] = ()
    locate: Locate = field(default=row_number, repr=False)
    bad: BadLines | None = None
    has_ratings: bool = True

    def __len__(self) -> int:
        return len(self.columns["user"])

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The columns as a data frame."""
        return self.columns if isinstance(self.columns, pl.DataFrame) else pl.DataFrame(dict(self.columns))

    @property
    def has_times(self) -> bool:
        """Whether the table says when each rating was given."""
        names = self.columns if isinstance(self.columns, Mapping) else self.columns.columns
        return "time" in names

    def where(self, row: int) -> str:
        """Name the source of a row (counted from 0) and its place there."""
        return f"{self.source}, {self.locate(row)}"

    def without(self, value: float) -> Table:
        """Return the table without the rows whose rating is a value that stands for "not rated"."""
        column = self.frame["rating"]
        numbers = column if column.dtype != pl.String else column.cast(pl.Float64, strict=False)
        left_out = (numbers.cast(pl.Float32) == np.float32(value)).fill_null(False)
        if not left_out.any():
            return self
        rows = np.flatnonzero(~left_out.to_numpy())
        note = f"left out {int(left_out.sum()):,} of {len(self):,} rows: rating {value:g} is 'not rated'"
        locate = self.locate
        return replace(
            self,
            columns=self.frame.filter(~left_out),
            notes=(*self.notes, note),
            locate=lambda row: locate(int(rows[row])),
        )
