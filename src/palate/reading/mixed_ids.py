"""Ids that are integers in one source and text in another: what becomes of them, in a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from palate.ids import integer_of

__all__ = ["IdPart", "MixedIds", "mixed_ids", "odd_id", "with_warnings"]


class MixedIds(str):
    """A note that the integers of some sources were read as text, because other sources have ids that are text.

    Attributes
    ----------
    rows
        The number of rows with these integers.
    """

    rows: int = 0

    @classmethod
    def of(cls, text: str, rows: int) -> Self:
        """Return a note on a number of rows."""
        note = cls(text)
        note.rows = rows
        return note


class IdPart(NamedTuple):
    """The ids of one source.

    Attributes
    ----------
    source
        Its name, for messages.
    rows
        The number of its rows.
    text
        An id that is no integer; None if all are integers.
    """

    source: str
    rows: int
    text: str | None


def odd_id(ids: Iterable[str]) -> str | None:
    """Return the first of some texts that is no integer, or spells one in another way, such as "007"; None if none is.

    >>> odd_id(["12", "007", "ann"])
    '007'
    """
    return next((id for id in ids if str(integer_of(id)) != id), None)


def mixed_ids(kind: str, parts: Sequence[IdPart]) -> list[MixedIds]:
    """Say what becomes of ids that are integers in some sources and text in others: a line, or none.

    Examples
    --------
    >>> mixed_ids("user", [IdPart("a.csv", 290, None), IdPart("b.csv", 30, "ann")])[0]
    "the user ids of a.csv (290 rows) are integers and were read as text, as b.csv has ids such as 'ann': ..."
    >>> mixed_ids("user", [IdPart("a.csv", 290, None), IdPart("b.csv", 30, None)])
    []
    """
    integers, texts = ([part for part in parts if (part.text is None) is is_integer] for is_integer in (True, False))
    if not integers or not texts:
        return []
    sources = integers[0].source + (f" and {len(integers) - 1:,} more" if len(integers) > 1 else "")
    rows = sum(part.rows for part in integers)
    return [
        MixedIds.of(
            f"the {kind} ids of {sources} ({rows:,} row{'s' * (rows != 1)}) are integers and were read as text, as "
            f"{texts[0].source} has ids such as {texts[0].text!r}: 12 in the one and '12' in the other are one {kind}",
            rows,
        )
    ]


def with_warnings(training: Mapping[str, Any], notes: Iterable[str]) -> dict[str, Any]:
    """Return the record of a fit with the notes on mixed ids among its warnings.

    >>> with_warnings({"sweeps": 3}, ["separated by commas", MixedIds("the user ids of a.csv are integers")])
    {'sweeps': 3, 'warnings': ['the user ids of a.csv are integers']}
    """
    mixed = [str(note) for note in notes if isinstance(note, MixedIds)]
    if not mixed:
        return dict(training)
    return {**training, "warnings": list(dict.fromkeys([*training.get("warnings", []), *mixed]))}
