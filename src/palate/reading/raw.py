"""A table as its source has it, whatever the source: columns without roles, and where each row stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from palate.lazy import pl
from palate.reading.table import BadLines, Locate, row_number

__all__ = ["Choice", "Chosen", "Column", "Part", "RawTable", "Wanted", "from_columns"]

_SAMPLE = 200
# The name of a column, or its position from 0; None to guess.
Column = str | int | None
# False where there is no such column.
Choice = Column | Literal[False]


@dataclass(frozen=True)
class Wanted:
    """What the caller said about the columns: see `palate.reading.read_table`."""

    user: Choice = None
    item: Column = None
    rating: Choice = None
    time: Choice = None
    layout: str = "auto"
    missing: float | None = None

    def columns(self) -> dict[str, Choice]:
        """Return the columns that were named, by role."""
        roles: dict[str, Choice] = {"user": self.user, "item": self.item, "rating": self.rating, "time": self.time}
        return {role: column for role, column in roles.items() if column is not None}


class Chosen(NamedTuple):
    """The positions of the columns that a table of ratings is made of.

    Attributes
    ----------
    user, item
        The positions of the ids.
    rating
        That of the ratings, None if every row is a choice.
    time
        That of the times, if there are any.
    note
        What was chosen, for people.
    guessed_time
        Whether nobody named the column of the times.
    """

    user: int
    item: int
    rating: int | None
    time: int | None
    note: str
    guessed_time: bool = True

    @property
    def positions(self) -> dict[str, int]:
        """The positions by role, those of missing roles left out."""
        roles = {"user": self.user, "item": self.item, "rating": self.rating, "time": self.time}
        return {role: position for role, position in roles.items() if position is not None}


class Part(NamedTuple):
    """Some columns of a raw table.

    Attributes
    ----------
    columns
        Those that were asked for, in that order.
    locate
        Says where a row stands.
    notes
        What was noticed on reading.
    bad
        Lines that are no rows of the table.
    padded
        Of delimited text: returns the fields that are quoted together with blanks at their ends. Other blanks around
        a field do not belong to it. None where the source holds values instead of text.
    """

    columns: list[pl.Series]
    locate: Locate = row_number
    notes: tuple[str, ...] = ()
    bad: BadLines | None = None
    padded: Callable[[], frozenset[str]] | None = None


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table whose columns have no roles yet.

    Parameters
    ----------
    source
        Its name, for messages.
    width
        How many columns it has.
    read
        Returns the columns at some positions.
    names
        Of the columns, if they have any.
    sample
        The first rows as text, blank where a value is missing.
    note
        How it was recognised.
    quick
        Reads the columns of plain numbers in a quicker way, or returns None.
    locate
        Says where a row that was read in the quick way stands.
    first
        The number of the first row and column, where these are the ids of a wide table.
    index
        The position of a column that labels the rows, such as the index of a pandas frame.
    doubt
        Why its columns may be none, if that is known: a table of ratings is refused then, unless roles are named.
    """

    source: str
    width: int
    read: Callable[[Sequence[int]], Part]
    names: Sequence[str] | None = None
    sample: Sequence[Sequence[str]] = ()
    note: str = ""
    quick: Callable[[Chosen], Mapping[str, Any] | None] | None = None
    locate: Locate = field(default=row_number)
    first: int = 1
    index: int | None = None
    doubt: str = ""

    def with_parts(self, **changes: Any) -> RawTable:
        """Return the table with other values in some fields of every `Part` that is read, such as `bad`."""
        read = self.read
        return replace(self, read=lambda positions: read(positions)._replace(**changes))

    def values(self, position: int) -> list[str]:
        """Return the values of a column in the sample, those that are missing left out."""
        cells = (row[position].strip() for row in self.sample if position < len(row))
        return [cell for cell in cells if cell]

    def name(self, position: int) -> str:
        """Name a column for people: by its name, or by its position."""
        return str(position) if self.names is None else self.names[position]


def from_columns(
    names: Sequence[str] | None, column: Callable[[int], pl.Series], width: int, source: str, **more: Any
) -> RawTable:
    """Make a raw table of columns.

    Parameters
    ----------
    names
        Their names, or None.
    column
        Returns the column at a position.
    width
        How many there are.
    source
        For messages.
    **more
        Further fields of `RawTable`.
    """
    heads = [_as_text(column(position).head(_SAMPLE)) for position in range(width)]
    rows = list(zip(*heads, strict=True))
    names = None if names is None else [str(name) for name in names]
    return RawTable(
        source, width, lambda positions: Part([column(position) for position in positions]), names, rows, **more
    )


def _as_text(head: pl.Series) -> list[str]:
    if head.dtype.is_nested() or head.dtype in (pl.Object, pl.Binary, pl.Duration):
        return ["" if value is None else str(value) for value in head.to_list()]
    if head.dtype.is_float():
        return ["" if value is None or value != value else repr(value).removesuffix(".0") for value in head.to_list()]
    return head.cast(pl.String).fill_null("").to_list()
