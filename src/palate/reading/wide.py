"""The wide layout: a row a user, a column an item, as spreadsheets, pivot tables and matrices have it.

The first column holds the ids of the users; or, as in Jester's spreadsheets, counts how many items each user rated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import ReadError, SettingsError
from palate.lazy import pl
from palate.reading.columns import column_position
from palate.reading.id_columns import as_ids, padding_note
from palate.reading.names import RATINGS, find_column, find_roles, is_index_name, plain_name
from palate.reading.numbers import decimal_numbers, is_blank, is_number, number_of, to_numbers
from palate.reading.objects import as_plain
from palate.reading.raw import Choice, Part, RawTable, Wanted
from palate.reading.table import Table
from palate.reading.totals import find_totals, is_called_total

__all__ = ["looks_wide", "read_wide"]

# A long table has a few columns more than three at most, and could match by chance.
_FEWEST_ITEMS = 6
_REGULAR = 0.9
_JESTER = 99.0
# Ratings on a scale of steps have few values, and no large ones.
_VALUES, _LARGEST = 30, 101
# What tables tell of users beside their ratings, as `plain_name` spells it.
_ABOUT_USERS = frozenset({
    "age", "year", "yearofbirth", "birthyear", "zip", "zipcode", "postcode", "postal", "income", "height", "alter",
    "jahr", "geburtsjahr", "plz", "postleitzahl", "annee", "anneedenaissance", "codepostal", "edad", "anno", "eta",
    "idade", "leeftijd", "возраст", "年龄", "年齢", "나이",
})  # fmt: skip
_COUNTS = ("count", "counts", "n", "number", "total", "rated", "nratings", "numratings", "ratingcount")


def looks_wide(raw: RawTable, wanted: Wanted) -> bool:
    """Whether the first rows of a table look like the wide layout, and like no other.

    Raises
    ------
    ReadError
        If they look like both.
    """
    raw = _without_numbers_for_names(raw)
    told = set(wanted.columns()) - {"time"}
    if told - {"user"} or raw.width < 3 or not raw.sample:
        return False
    roles = {role for role, position in find_roles(raw.names or ()).items() if _is_whole(raw, position)} - {"time"}
    if not told and len(roles) < 2 and counts_match(raw.sample, wanted.missing):
        return True
    if raw.names is None or (wanted.user is False and not told):
        return False
    labels, index = _labels(raw, wanted.user)
    rows = [row for row in raw.sample if len(row) == raw.width]
    ids = [row[labels].strip() for row in rows]
    named = [name for name in ids if name]
    if len(set(named)) < len(named) or len(named) < len(ids) - _few(ids):
        return False
    places = [position for position in range(raw.width) if position not in (labels, index)]
    grid = _numbers([[row[position].strip() for position in places] for row in rows], wanted.missing)
    if grid is None:
        return False
    totals, _ = find_totals(grid, [raw.names[position] for position in places], ids)
    grid = np.delete(grid, totals, axis=1)
    names = [raw.names[position] for at, position in enumerate(places) if at not in totals]
    if all(map(is_number, names)) and not is_number(raw.names[labels]):
        return True
    found = {*find_roles(names), *find_roles([raw.names[labels]])} if totals else roles
    if sum(find_column([name], RATINGS["item"]) is not None for name in names) > 1 and "rating" not in found:
        found -= {"item"}  # such as the columns of a survey, 'beer' and 'wine'
    if found - {"time"} - ({"item"} if _is_turned(raw, labels) else {"user"}):
        return False
    gaps = bool(np.isnan(grid).any())
    other = _about_users(grid, names)
    if other is not None and _alike(np.delete(grid, other, axis=1), gaps):
        raise ReadError(
            f"{raw.source} looks like a wide table, but its column {names[other]!r} holds no ratings as the others do: "
            "take it out of the table, or say layout='wide' (--layout wide) if it is an item"
        )
    if not _alike(grid, gaps):
        return False
    if raw.width == 3 and not gaps:
        if len(ids) < 3:
            return False
        raise ReadError(
            f"{raw.source} may hold a rating in each row or a user in each row: say layout='long' or layout='wide' "
            "(--layout long|wide)"
        )
    return True


def _without_numbers_for_names(raw: RawTable) -> RawTable:
    """Take names such as 0, 1, 2 or column_0, column_1 from a table: frames give them to the columns of an array."""
    names = list(raw.names or ())
    for prefix in ("", "column_", "V", "X"):
        for first in (0, 1):
            if names == [f"{prefix}{number}" for number in range(first, first + len(names))] != []:
                return replace(raw, names=None, first=first)
    return raw


def _few(values: Sequence[object]) -> int:
    """Return how many of some values may be bad without telling that the table is of another kind."""
    return max(1, round((1 - _REGULAR) * len(values)))


def _numbers(cells: Sequence[Sequence[str]], missing: float | None) -> NDArray[np.float64] | None:
    """Read cells as ratings, NaN where there is none; None if more than a few are none."""
    present = pl.Series([cell for row in cells for cell in row if not is_blank(cell)], dtype=pl.String)
    read, _ = to_numbers(present)
    numbers = read.cast(pl.Float64, strict=False)
    if not len(present) or numbers.null_count() > min(_few(present.to_list()), len(present) // 3):
        return None
    values = iter(numbers.to_list())
    grid = np.array([[np.nan if is_blank(cell) else next(values) for cell in row] for row in cells], np.float64)
    return np.where(np.isinf(grid) | (grid == missing), np.nan, grid)


def _is_whole(raw: RawTable, position: int) -> bool:
    """Whether a column has no gaps in the sample, as columns of ids have none."""
    return not any(is_blank(row[position]) for row in raw.sample if position < len(row))


def _labels(raw: RawTable, user: Choice) -> tuple[int, int | None]:
    """Return the column with the ids of the rows, and the one beside it that only numbers or labels them."""
    names = raw.names or ()
    stored = next((position for position, name in enumerate(names) if name == "__index_level_0__"), None)
    first = raw.index if raw.index is not None else stored or 0
    is_index = first in (raw.index, stored) or (bool(names) and is_index_name(names[first]))
    labels = first
    if user is not None and user is not False:
        labels = column_position(raw, user, "user")
    elif names and not find_roles([names[first]]):
        named = find_roles(names).get("user", first)
        values = raw.values(named)
        if len(set(values)) == len(raw.sample):
            labels = named
    return labels, first if labels != first and is_index else None


def _about_users(grid: NDArray[np.float64], names: Sequence[str]) -> int | None:
    """Return a column that tells of users (or of items, in a turned table), such as their age, beside ratings."""
    for position, name in enumerate(names):
        if plain_name(name) in _ABOUT_USERS and not np.isnan(grid[:, position]).any():
            return position
    sizes = np.where(np.isnan(grid), 0, np.abs(grid))
    largest = int(sizes.max(axis=0).argmax())
    others = np.delete(sizes, largest, axis=1)
    on_scale = 0 < others.max() <= _LARGEST and len(np.unique(others)) <= _VALUES
    return largest if on_scale and len(grid) > 1 and sizes[:, largest].min() > 3 * others.max() else None


def _alike(grid: NDArray[np.float64], gaps: bool) -> bool:
    """Whether the columns share one scale, as the ratings of different items do; a few values do where there are gaps.

    A long table has no gaps in its columns of ids.
    """
    columns = [column[~np.isnan(column)] for column in grid.T]
    columns = [column for column in columns if len(column)]
    if len(columns) < 2:
        return False
    values = np.unique(np.concatenate(columns))
    low, high = values[0], values[-1]
    if len(values) <= _VALUES and high - low <= _LARGEST and abs(high) <= _LARGEST:
        return gaps or _overlap(columns)
    spans = [np.ptp(column) for column in columns if len(column) > 1]
    return bool(spans) and sum(span >= 0.2 * (high - low) for span in spans) >= _REGULAR * len(spans)


def _overlap(columns: Sequence[NDArray[np.float64]]) -> bool:
    """Whether no column lies beside all the others."""
    ends = [(min(column), max(column)) for column in columns]
    for place, (low, high) in enumerate(ends):
        others = ends[:place] + ends[place + 1 :]
        if low > max(end[1] for end in others) or high < min(end[0] for end in others):
            return False
    return True


def counts_match(rows: Sequence[Sequence[str]], missing: float | None, share: float = _REGULAR) -> bool:
    """Whether the first column of nearly all rows counts the other columns that are not `missing`."""
    absent = _JESTER if missing is None else missing
    return bool(rows) and sum(_count_matches(row, absent) for row in rows) >= share * len(rows)


def _count_matches(row: Sequence[str], missing: float, fewest: int = _FEWEST_ITEMS) -> bool:
    cells = [cell for cell in row if cell.strip()]
    if len(row) <= fewest or not cells or not row[0].strip() or not all(map(is_number, cells)):
        return False
    return number_of(row[0]) == sum(number_of(cell) != missing for cell in cells[1:])


def read_wide(raw: RawTable, wanted: Wanted) -> Table:
    """Read a table in the wide layout. Cells that are blank, NaN or `missing` are not rated.

    Where no column holds the ids of the users, the ids are the numbers of the rows; where there are no names, the ids
    of the items are the numbers of their columns. A cell that is no number becomes a rating that is text, for others to
    judge.

    Raises
    ------
    ReadError
        If it is not clear whether the first column holds ids.
    SettingsError
        If columns of items, ratings or times are named.
    """
    raw = _without_numbers_for_names(raw)
    named = [role for role, column in wanted.columns().items() if role != "user" and column is not False]
    if named:
        raise SettingsError(f"a wide table has no {named[0]} column: leave out {named[0]}= or layout='wide'")
    kind, labels, index = _first_column(raw, wanted)
    positions = [position for position in range(raw.width) if position not in (labels, index)]
    part = raw.read([*([] if labels is None else [labels]), *positions])
    label_column = None if labels is None else as_plain(part.columns[0], raw.source, "ids")
    columns_of_items = part.columns if labels is None else part.columns[1:]
    cells = pl.DataFrame(
        [as_plain(column, raw.source, "ratings").alias(str(place)) for place, column in enumerate(columns_of_items)]
    )
    notes = list(part.notes)
    if kind == "ids" and label_column is not None and raw.names is not None:
        items = [raw.names[position] for position in positions]
        columns_of_totals, rows_of_totals, told = _totals(cells, items, label_column)
        notes += told
        cells = cells.drop([cells.columns[position] for position in columns_of_totals])
        positions = [position for at, position in enumerate(positions) if at not in columns_of_totals]
        if rows_of_totals:
            kept = np.delete(np.arange(cells.height), rows_of_totals)
            cells, label_column, locate_row = cells[kept], label_column.gather(kept), part.locate
            part = part._replace(locate=lambda row: locate_row(int(kept[row])))
    missing = wanted.missing if wanted.missing is not None or kind != "counts" else _JESTER
    rated, ratings = _cells(cells, missing)
    user, item = np.divmod(np.flatnonzero(rated), len(positions))
    notes.insert(0, _note(raw, kind, labels, len(positions), missing))
    users, padding = _users(raw, kind, label_column, part, cells.height)
    notes += padding
    if kind == "counts" and label_column is not None:
        notes += _miscounts(label_column, rated, part)
    columns = {
        "user": users.gather(user),
        "item": _items(raw, kind, positions).gather(item),
        "rating": ratings,
    }
    if _is_turned(raw, labels):
        notes.append(f"its rows are items, as the name {raw.name(labels or 0)!r} says, and its columns users")
        columns["user"], columns["item"] = columns["item"], columns["user"]
    names = None if raw.names is None else [raw.names[position] for position in positions]

    def locate(row: int) -> str:
        column = f"column {positions[item[row]] + 1}" if names is None else f"column {names[item[row]]!r}"
        return f"{part.locate(int(user[row]))}, {column}"

    return Table(pl.DataFrame(columns), raw.source, tuple(notes), locate, part.bad)


def _totals(cells: pl.DataFrame, names: list[str], labels: pl.Series) -> tuple[list[int], list[int], list[str]]:
    """Return the columns and rows that hold the sums or means of the others, with a note."""
    words = labels.cast(pl.String).fill_null("").to_list()
    if not any(map(is_called_total, (*names, *words))):
        return [], [], []
    grid = pl.DataFrame([_as_numbers(column) for column in cells]).to_numpy().astype(np.float64)
    columns, held = find_totals(grid, names, words)
    rows, held_by_rows = find_totals(np.delete(grid, columns, axis=1).T, words)
    left_out = [f"column {names[position]!r}, the {held} of the others" for position in columns]
    left_out += [f"row {words[row]!r}, the {held_by_rows} of the others" for row in rows]
    return columns, rows, [f"left out {'; '.join(left_out)}"] if left_out else []


def _as_numbers(column: pl.Series) -> pl.Series:
    return decimal_numbers(column) if column.dtype == pl.String else column.cast(pl.Float64, strict=False)


def _first_column(raw: RawTable, wanted: Wanted) -> tuple[str, int | None, int | None]:
    """Say what the column of labels holds ("ids", "counts", or "none" if there is none), and where it is.

    The last value is the position of a column that only numbers the rows, beside ids.
    """
    if wanted.user is False:
        return "none", None, None
    labels, index = _labels(raw, wanted.user)
    if wanted.user is not None or raw.index is not None or labels != 0:
        return "ids", labels, index
    absent = _JESTER if wanted.missing is None else wanted.missing
    matches = sum(_count_matches(row, absent, 1) for row in raw.sample)
    first = "" if raw.names is None else plain_name(raw.names[0])
    named = first == "id" or first in RATINGS["user"] or first in RATINGS["item"]
    known = raw.names is not None and (named or is_index_name(raw.names[0]))
    if matches > 0.5 * len(raw.sample) and raw.sample and not known:
        return "counts", 0, None
    if raw.names is not None:
        return "ids", 0, None
    values = [row[0].strip() for row in raw.sample if row]
    if not all(map(is_number, values)):
        has_words = not all(is_blank(value) or is_number(value) for value in values)
        return ("ids", 0, None) if has_words else ("none", None, None)
    rest = [number_of(cell) for row in raw.sample for cell in row[1:] if is_number(cell) and not is_blank(cell)]
    numbers = [number_of(value) for value in values]
    distinct = len(set(numbers)) == len(numbers) and all(value.is_integer() for value in numbers)
    if not distinct:
        return "none", None, None
    if rest and (max(numbers) >= 1.5 * max(rest) or min(numbers) < min(0, *rest)):
        return "ids", 0, None
    raise ReadError(
        f"{raw.source}: does the first column hold the ids of the users, or ratings? Say user=0 if ids, user=False if "
        "ratings"
    )


def _cells(cells: pl.DataFrame, missing: float | None) -> tuple[NDArray[np.bool_], pl.Series]:
    """Return which cells are rated (rows x columns), and their ratings, row after row."""
    numbers = cells.select(pl.all().cast(pl.Float32, strict=False))
    is_text = False
    for name, column, values in zip(cells.columns, cells, numbers, strict=True):
        if values.null_count() > column.null_count():
            read, _ = to_numbers(_without_blanks(column.cast(pl.String)))
            is_text |= read.dtype == pl.String
            values = (read.str.strip_chars() if read.dtype == pl.String else read).cast(pl.Float32, strict=False)
            cells, numbers = cells.with_columns(read.alias(name)), numbers.with_columns(values.alias(name))
    matrix = numbers.to_numpy(order="c").astype(np.float32, copy=False)  # objects where there are no columns
    rated = ~np.isnan(matrix)  # as which missing values come as well
    if is_text:
        rated = cells.select(pl.all().is_not_null()).to_numpy(order="c")
        rated &= ~numbers.select(pl.all().is_nan().fill_null(False)).to_numpy(order="c")
    if missing is not None:
        rated &= matrix != np.float32(missing)
    if not is_text:
        return rated, pl.Series(matrix[rated])
    words: NDArray[Any] = cells.select(pl.all().cast(pl.String)).to_numpy()
    return rated, pl.Series(words[rated], dtype=pl.String)


def _without_blanks(text: pl.Series) -> pl.Series:
    words = text.unique().drop_nulls().to_list()
    nothing = [word for word in words if is_blank(word)]
    return text.replace(nothing, [None] * len(nothing)) if nothing else text


def _users(raw: RawTable, kind: str, labels: pl.Series | None, part: Part, height: int) -> tuple[pl.Series, list[str]]:
    if kind != "ids" or labels is None:
        first = 1 if kind == "counts" else raw.first
        return pl.int_range(first, first + height, eager=True), []
    ids = as_ids(labels, raw.source, part.padded)
    if part.padded is None or ids.dtype != pl.String:
        return ids, []
    return ids, padding_note(labels, ids, "user")


def _items(raw: RawTable, kind: str, positions: Sequence[int]) -> pl.Series:
    if raw.names is not None:
        return as_ids(pl.Series([raw.names[position].strip() for position in positions]), raw.source)
    first = raw.first if kind == "none" else 1
    return pl.int_range(first, first + len(positions), eager=True)


def _is_turned(raw: RawTable, labels: int | None) -> bool:
    """Whether a column of labels has a name that items have: then the rows are items, and the columns users."""
    return raw.names is not None and labels is not None and [*find_roles([raw.names[labels]])] == ["item"]


def _note(raw: RawTable, kind: str, labels: int | None, items: int, missing: float | None) -> str:
    users = {
        "counts": "first the count of ratings",
        "none": "users are numbered",
        "ids": f"user ids in column {raw.name(labels or 0)!r}",
    }[kind]
    absent = "blank cells are not rated" if missing is None else f"{missing:g} is not rated"
    return f"wide layout: a row a user, {users}, then {items} items, {absent} (say --layout long if it is not)"


def _miscounts(labels: pl.Series, rated: NDArray[np.bool_], part: Part) -> list[str]:
    counts = labels.cast(pl.Float64, strict=False).to_numpy()
    wrong = np.flatnonzero(counts != rated.sum(axis=1))
    if not len(wrong):
        return []
    return [f"{len(wrong)} rows hold another number of ratings than they count, {part.locate(int(wrong[0]))} first"]
