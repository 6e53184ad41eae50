"""From columns of ids to vocabularies and indices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.lazy import pl
from palate.parallel import available, pool
from palate.ratings import Vocabulary

__all__ = ["Indexed", "index_ids"]

# From this number of rows on, loading the kernels pays.
_LARGE = 1_000_000


if TYPE_CHECKING:
    Column = pl.Series | NDArray[Any]


class Indexed(NamedTuple):
    """Two columns of ids as indices into their vocabularies.

    Attributes
    ----------
    users, items
        The distinct ids.
    user, item
        int32, n.
    ascending
        Whether the rows are sorted by user and item and no pair comes twice; None if that was not looked at.
    """

    users: Vocabulary
    items: Vocabulary
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    ascending: bool | None


class _Span(NamedTuple):
    """Integers that lie close together: their ids, and a table from value - low to index."""

    low: int
    ids: NDArray[np.int64]
    table: NDArray[np.int32]


def index_ids(user: Column, item: Column) -> Indexed:
    """Encode two columns of the same length, integers or text, without nulls."""
    columns = [_integers(column) for column in (user, item)]
    with pool(2) as run:
        spans = run(_span, columns)
        if len(user) >= _LARGE and spans[0] and spans[1]:
            return _index_large(columns[0], columns[1], spans[0], spans[1])
        (users, first), (items, second) = run(_index, zip(columns, spans, strict=True))
    return Indexed(Vocabulary(users, "user"), Vocabulary(items, "item"), first, second, None)


def _integers(column: Column) -> Any:
    """Return an array of integers, or else the column as it is."""
    return column if isinstance(column, np.ndarray) or not column.dtype.is_integer() else column.to_numpy()


def _span(values: Any) -> _Span | None:
    if not isinstance(values, np.ndarray) or not len(values) or values.dtype.kind not in "iu":
        return None
    low, high = int(values.min()), int(values.max())
    if high - low > 4 * len(values) + 65_536:
        return None
    present = np.zeros(high - low + 1, np.uint8)
    if len(values) < _LARGE:
        present[values.astype(np.int64) - low] = 1
    else:
        from palate.kernels.text import mark

        mark(values, low, present)
    return _Span(low, np.flatnonzero(present) + low, np.cumsum(present, dtype=np.int32) - np.int32(1))


def _index(task: tuple[Any, _Span | None]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    column, span = task
    if span:
        return span.ids, span.table[column.astype(np.int64) - span.low]
    column = pl.Series(column)
    ids = column.unique().sort()
    if not len(ids):
        return np.empty(0, np.int64), np.empty(0, np.int32)
    index = column.replace_strict(ids, pl.int_range(len(ids), dtype=pl.Int32, eager=True), return_dtype=pl.Int32)
    return np.array(ids.to_list(), dtype=np.int64 if column.dtype.is_integer() else object), index.to_numpy()


def _index_large(user: NDArray[Any], item: NDArray[Any], users: _Span, items: _Span) -> Indexed:
    from palate.kernels.text import renumber

    index = np.empty((2, len(user)), np.int32)
    cuts = np.linspace(0, len(user), 4 * available() + 1).astype(np.int64)

    def part(number: int) -> bool:
        start, stop = cuts[number], cuts[number + 1]
        return bool(renumber(user, item, users.low, items.low, users.table, items.table, index, start, stop))

    with pool() as run:
        # A part looks at the pair before its first as well.
        ascending = all(run(part, range(len(cuts) - 1)))
    return Indexed(Vocabulary(users.ids, "user"), Vocabulary(items.ids, "item"), index[0], index[1], ascending)
