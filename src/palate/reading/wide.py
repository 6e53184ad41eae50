"""Jester's wide layout: a row a user, first how many items were rated, then a column an item, 99 = not rated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from palate.lazy import pl
from palate.reading.lines import Body, read_strings
from palate.reading.sniff import is_number
from palate.reading.table import Table, as_ids

__all__ = ["counts_match", "read_wide"]

# A long table has a few columns more than three at most, and could match by chance.
_FEWEST_ITEMS = 6
_REGULAR = 0.9


def counts_match(rows: Sequence[Sequence[str]], missing: float) -> bool:
    """Whether the first column of nearly all rows counts the other columns that are not `missing`."""
    return bool(rows) and sum(_count_matches(row, missing) for row in rows) >= _REGULAR * len(rows)


def _count_matches(row: Sequence[str], missing: float) -> bool:
    cells = [cell for cell in row if cell.strip()]
    if len(row) <= _FEWEST_ITEMS or not cells or not row[0].strip() or not all(map(is_number, cells)):
        return False
    return float(row[0]) == sum(float(cell) != missing for cell in cells[1:])


def read_wide(body: Body, missing: float) -> Table:
    """Read a text in the wide layout: user ids are the numbers of the rows, item ids those of the columns, from 1.

    A header names the items. Empty cells are not rated either. A cell that is no number becomes a rating that is text,
    for others to judge.

    Raises
    ------
    ReadError
        If some line has another number of columns.
    """
    names, items = body.dialect.names, body.dialect.width - 1
    columns, line, encoding = read_strings(body, range(items + 1))
    cells = pl.DataFrame(columns)
    numbers = cells.select(pl.all().cast(pl.Float32, strict=False))
    if _nulls(numbers) > _nulls(cells):
        numbers = cells.select(pl.all().str.strip_chars().cast(pl.Float32, strict=False))
    values = numbers.to_numpy(order="c")
    rated = values != np.float32(missing)
    if _nulls(cells):
        rated &= cells.select(pl.all().is_not_null()).to_numpy()
    place = np.flatnonzero(rated[:, 1:])
    user, item = np.divmod(place, items)
    rating = pl.Series(values[:, 1:][rated[:, 1:]])
    if _nulls(numbers) > _nulls(cells):
        rating = pl.Series(cells.to_numpy()[:, 1:][rated[:, 1:]], dtype=pl.String)
    what = f"a row a user, first the count of ratings, then {items} items, {missing:g} is not rated"
    notes = [f"wide layout: {what} (say --layout long if it is not)"]
    wrong = np.flatnonzero(values[:, 0] != rated[:, 1:].sum(axis=1))
    if len(wrong):
        notes.append(f"{len(wrong)} rows hold another number of ratings than they count, {line(int(wrong[0]))} first")
    frame = pl.DataFrame(
        {
            "user": user + 1,
            "item": item + 1 if names is None else as_ids(pl.Series(names[1:]), body.source).gather(item),
            "rating": rating,
        }
    )
    return Table(
        frame,
        body.source,
        (*notes, *filter(None, [encoding])),
        lambda row: f"{line(int(user[row]))}, column {item[row] + 2}",
    )


def _nulls(frame: pl.DataFrame) -> int:
    return sum(column.null_count() for column in frame)
