"""What the items are: their titles and texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, Protocol

from palate.ids import integer_of

__all__ = ["Catalogue", "Entry", "EntryColumns"]

Id = int | str
_LONGEST_TITLE = 60


class Entry(NamedTuple):
    """One item: a title of one line, and a text of any length. Both may be empty."""

    title: str
    text: str


class _Column(Protocol):
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __getitem__(self, row: int, /) -> Any: ...


class EntryColumns(Mapping[Id, Entry]):
    """Item id → entry, kept as columns: a million entries are not made before they are asked for.

    Parameters
    ----------
    ids
        The ids of the items, each once: a list, or a Series of Polars.
    titles, texts
        Of each item.
    """

    def __init__(self, ids: _Column, titles: _Column, texts: _Column) -> None:
        self.ids, self.titles, self.texts = ids, titles, texts

    @cached_property
    def _rows(self) -> dict[Id, int]:
        return {id: row for row, id in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Id]:
        return iter(self._rows)

    def __contains__(self, id: object) -> bool:
        return id in self._rows

    def __getitem__(self, id: Id) -> Entry:
        row = self._rows[id]
        return Entry(self.titles[row], self.texts[row])


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Item id → title and text. A catalogue may have items that were never rated.

    Examples
    --------
    >>> jokes = Catalogue({1: Entry("", "Why did the matrix split up? Too many factors.")})
    >>> jokes.title("1")
    'Why did the matrix split up? Too many factors.'
    >>> jokes.title(2)
    '2'
    """

    entries: Mapping[Id, Entry] = field(default_factory=dict)
    # What reading left out, a sentence each.
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"Catalogue({len(self):,} items)"

    def get(self, id: Id) -> Entry | None:
        """Return the entry of an item, None if it has none; the ids 10 and "10" name the same item."""
        if id in self.entries:
            return self.entries[id]
        if isinstance(id, str):
            number = integer_of(id)
            return None if number is None else self.entries.get(number)
        return self.entries.get(str(id))

    def title(self, id: Id) -> str:
        """Return one line that names the item: its title, else the beginning of its text, else its id."""
        entry = self.get(id) or Entry("", "")
        return _line(entry.title or entry.text) or str(id)

    def text(self, id: Id) -> str:
        """Return the item's text, else its title, else its id."""
        entry = self.get(id) or Entry("", "")
        return entry.text or entry.title or str(id)


@lru_cache(1 << 16)  # a page asks for the same titles again and again
def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TITLE else line[: _LONGEST_TITLE - 1].rstrip() + "…"
