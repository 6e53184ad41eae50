"""Which columns are user, item, rating and time: as told, by common names, else only if it is plain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.names import RATINGS, find_column, find_roles, is_index_name
from palate.reading.numbers import is_blank, is_number, number_of, to_numbers
from palate.reading.raw import Choice, Chosen, RawTable, Wanted
from palate.reading.times import are_epochs, are_times

__all__ = ["Guess", "choose_columns", "column_position", "listed_names", "suggest"]

_SHOWN = 12
# From this number of columns on, a table without known names may be a wide one.
_WIDE = 6
# From this number of rows on, values tell which column is which.
_PLAIN = 5


class Guess(str):
    """A note about something that was guessed and may be wrong: fits warn of it."""

    __slots__ = ()


def choose_columns(raw: RawTable, wanted: Wanted) -> Chosen:
    """Choose the columns of user, item, rating and time.

    Names that are known decide. Columns without a known name are taken by position only where nothing is left to
    choose: as many columns as roles.

    Raises
    ------
    ReadError
        If a column is not there, or it is not clear which one is meant.

    Examples
    --------
    >>> raw = RawTable("x.csv", 4, lambda _: None, ["when", "stars", "user", "book"], [["2024", "5", "ann", "Dune"]])
    >>> choose_columns(raw, Wanted()).positions
    {'user': 2, 'item': 3, 'rating': 1, 'time': 0}
    """
    chosen: dict[str, int | None] = {
        role: None if column is False else column_position(raw, column, role)
        for role, column in wanted.columns().items()
    }
    for role, position in find_roles(raw.names or ()).items():
        if role not in chosen and role != "time" and position not in chosen.values():
            chosen[role] = position
    if "time" not in chosen:
        chosen["time"] = _find_time(raw, chosen)
    denied = _find_time(raw, chosen) if wanted.time is False else None
    missing = [role for role in ("user", "item", "rating") if role not in chosen]
    free = [position for position in range(raw.width) if position not in (denied, *chosen.values())]
    if len(free) > len(missing) or missing == ["rating"]:
        free = [position for position in free if not _is_ignorable(raw, position)]
    if len(missing) == len(free) + 1 and missing[-1:] == ["rating"]:
        chosen["rating"] = None
        missing.pop()
    again = [raw.name(position) for position in free if missing and raw.names and _repeats(raw, position, chosen)]
    if again:
        raise ReadError(
            f"{raw.source} has several columns called {again[0]!r}: rename all but one, or name the columns by their "
            "positions from 0 with user=, item=, rating= (--columns)"
        )
    if len(free) < len(missing):
        columns = f"{raw.width} column{'s' * (raw.width != 1)}"
        raise ReadError(f"{raw.source} has {columns}: at least a user and an item are needed")
    if (
        len(free) > len(missing) > 0
        or (missing == ["rating"] and _is_words(raw, free))
        or _is_elsewhere(raw, missing, free)
    ):
        raise ReadError(_unclear(raw, missing, chosen, free))
    is_guess = bool(missing) and raw.names is not None  # names that nobody knows, taken in their order
    chosen.update(zip(missing, free, strict=False))  # nothing is missing where more is free
    user, item = (chosen[role] or 0 for role in ("user", "item"))  # neither can be None
    positions = [position for position in chosen.values() if position is not None]
    if len(set(positions)) < len(positions):
        raise ReadError(f"{raw.source}: user, item, rating and time must be different columns, not {positions}")
    note = Guess(_note(raw, chosen)) if is_guess else _note(raw, chosen)
    return Chosen(user, item, chosen["rating"], chosen["time"], note, wanted.time is None)


def column_position(raw: RawTable, column: Choice, role: str) -> int:
    """Return the position of a column that was told by name or position.

    Raises
    ------
    ReadError
        If there is none.
    """
    if column is None or column is False:
        raise ReadError(f"{raw.source}: the {role} cannot be left out")
    if raw.names is not None and column in raw.names:
        return list(raw.names).index(str(column))
    if isinstance(column, str) and column.isdecimal():
        column = int(column)
    if isinstance(column, bool) or not (isinstance(column, str) or hasattr(column, "__index__")):
        raise ReadError(f"{raw.source}: {column!r} is no column for the {role}: give its name, or its position from 0")
    if isinstance(column, str):
        there = f"its columns are {listed_names(raw.names)}" if raw.names else "it has no header"
        raise ReadError(f"{raw.source} has no column {column!r} for the {role}: {there}")
    if not 0 <= column < raw.width:
        raise ReadError(f"{raw.source} has no column {column} for the {role}: it has {raw.width}, counted from 0")
    return column


def listed_names(names: Sequence[str]) -> str:
    """List the names of columns, the first few of many."""
    return ", ".join(map(repr, names[:_SHOWN])) + ", …" * (len(names) > _SHOWN)


def _find_time(raw: RawTable, chosen: dict[str, int | None]) -> int | None:
    taken = chosen.values()
    if raw.names is not None:
        left = ["" if position in taken else name for position, name in enumerate(raw.names)]
        while (position := find_column(left, RATINGS["time"])) is not None:
            if are_times(raw.values(position)):
                return position
            left[position] = ""
    # Without a name: the last of three or four columns, if its values can be nothing else.
    columns = [position for position in range(raw.width) if not _is_empty(raw, position)]
    last = columns[-1] if columns else 0
    unnamed = raw.names is None or not find_roles(raw.names)
    if unnamed and len(columns) in (3, 4) and last not in taken and are_epochs(raw.values(last)):
        return last
    return None


def _repeats(raw: RawTable, position: int, chosen: dict[str, int | None]) -> bool:
    """Whether a column has the name of one that was chosen."""
    return any(place is not None and raw.name(place) == raw.name(position) for place in chosen.values())


def _is_words(raw: RawTable, columns: Sequence[int]) -> bool:
    """Whether a column among others that were found by name holds words, which are no ratings."""
    values = [value for position in columns for value in raw.values(position)]
    return raw.names is not None and _are_words(values)


def _are_words(values: Sequence[str]) -> bool:
    """Whether hardly any values are numbers, however these may be spelt."""
    if not values or any(map(is_number, values)):
        return False
    return to_numbers(pl.Series(values))[0].cast(pl.Float64, strict=False).null_count() > 0.5 * len(values)


def _is_elsewhere(raw: RawTable, missing: Sequence[str], free: Sequence[int]) -> bool:
    """Whether, of three columns that nothing names, the last holds words, and another what ratings look like."""
    if len(missing) != 3 or len(free) != 3 or len(raw.sample) < _PLAIN or not _are_words(raw.values(free[-1])):
        return False
    others = [raw.values(position) for position in free[:-1]]
    return any(not _numbers_rows(values) and _unlike_ratings(values, 0)[0] == 0 for values in others)


def _is_ignorable(raw: RawTable, position: int) -> bool:
    """Whether a column numbers or labels the rows, or is empty."""
    if raw.names is not None and position == raw.index:
        return True
    named_so = raw.names is not None and is_index_name(raw.names[position])
    return (named_so and _numbers_rows(raw.values(position))) or _is_empty(raw, position)


def _is_empty(raw: RawTable, position: int) -> bool:
    return bool(raw.sample) and not raw.values(position)


def _numbers_rows(values: Sequence[str]) -> bool:
    """Whether values are all different, as labels of rows are."""
    return len(set(values)) == len(values)


def _unclear(raw: RawTable, missing: list[str], chosen: dict[str, int | None], free: list[int]) -> str:
    columns = suggest(raw, chosen, free)
    plain = all(re.fullmatch(r"[\w .:-]+", raw.name(position)) for position in columns)
    names = [raw.name(position) if plain else str(position) for position in columns]
    if missing == ["rating"] and not any(map(is_number, raw.values(columns[2]))):
        names.pop()
    line = f"--columns {','.join(names)}"
    keywords = ", ".join(f"{role}={name!r}" for role, name in zip(("user", "item", "rating"), names, strict=False))
    there = f"There are {listed_names(raw.names)}" if raw.names else f"There are {raw.width} without names"
    which = "which columns are user, item and rating" if len(missing) == 3 else f"which column is the {missing[0]}"
    if len(names) == 2:
        keywords += ", rating=False"
    choices = "; two columns are choices, without ratings" if missing == ["rating"] else ""
    is_wide = raw.width > _WIDE or (raw.width > 3 and _is_grid(raw))
    wide = "; a table with a row a user is read with --layout wide (layout='wide')" if is_wide else ""
    return f"{raw.source}: {which}? {there}: say so, for example {line} ({keywords}){choices}{wide}"


def _is_grid(raw: RawTable) -> bool:
    """Whether most cells beside the first column are blank or numbers, or one word that may stand for nothing."""
    cells = [cell.strip() for row in raw.sample for cell in row[1:]]
    words = Counter(cell for cell in cells if not is_blank(cell) and not is_number(cell))
    common = sum(count for _, count in words.most_common(1))
    return common < 0.8 * len(cells) < len(cells) - words.total() + common


def suggest(raw: RawTable, chosen: dict[str, int | None], free: Sequence[int]) -> list[int]:
    """Guess the columns of user, item and rating for a message that asks which they are."""
    known = {role: position for role, position in chosen.items() if position is not None}
    left = [position for position in free if not _may_be_times(raw, position)]
    if "rating" not in known:
        by_values = sorted(left, key=lambda place: _unlike_ratings(raw.values(place), place))
        known["rating"] = by_values[0] if by_values else free[-1]
    ids = iter(_ids_first(raw, [position for position in (*left, *free) if position not in known.values()]))
    for role in ("user", "item"):
        if role not in known:
            known[role] = next((place for place in ids if place not in known.values()), free[0])
    return [known[role] for role in ("user", "item", "rating")]


def _may_be_times(raw: RawTable, position: int) -> bool:
    is_named_so = raw.names is not None and find_column([raw.names[position]], RATINGS["time"]) is not None
    return is_named_so or are_epochs(raw.values(position))


def _ids_first(raw: RawTable, positions: Sequence[int]) -> Iterator[int]:
    # The ids of users and items come again and again; what numbers the rows does not.
    yield from sorted(dict.fromkeys(positions), key=lambda position: _numbers_rows(raw.values(position)))


def _unlike_ratings(values: Sequence[str], position: int) -> tuple[int, bool, int, int]:
    """Return a key that sorts columns by how little they look like ratings: a few numbers up to 10, behind the ids."""
    numbers = [value for value in values if is_number(value)]
    if len(numbers) < 0.8 * len(values) or not values:
        return 4, position < 2, 0, position
    distinct = {number_of(value) for value in numbers}
    largest = max(map(abs, distinct))
    kind = 3 if len(distinct) == 1 < len(numbers) else 2 if largest > 100 else int(largest > 10)
    return kind, position < 2, len(distinct), position


def _note(raw: RawTable, chosen: dict[str, int | None]) -> str:
    roles = [role for role in ("user", "item", "rating", "time") if chosen[role] is not None]
    positions = [chosen[role] for role in roles]
    rest = raw.width - len(roles) - (raw.index is not None and raw.index not in positions)
    if raw.names is not None:
        columns = "columns " + _and([repr(raw.names[position or 0]) for position in positions])
    elif positions == list(range(len(positions))):
        columns = f"the {'first ' * (rest > 0)}{('two', 'three', 'four')[len(positions) - 2]} columns"
    else:
        columns = f"columns {_and([str(position) for position in positions])}, counted from 0,"
    choices = "; no column of ratings: every row is a choice, with rating 1" * (chosen["rating"] is None)
    ignored = f"; {rest} other{'s' * (rest > 1)} ignored" * (rest > 0)
    return f"{columns} are {_and(roles)}{ignored}{choices}{_unread_times(raw, chosen)}"


def _unread_times(raw: RawTable, chosen: dict[str, int | None]) -> str:
    """Name a column that is called as times are, and holds none that can be read."""
    if raw.names is None or "time" not in chosen or chosen["time"] is not None:
        return ""
    taken = chosen.values()
    names = ["" if position in taken else name for position, name in enumerate(raw.names)]
    position = find_column(names, RATINGS["time"])
    values = raw.values(position) if position is not None else []
    if position is None or not values or are_times(values):
        return ""
    return f"; column {raw.names[position]!r} holds no times that can be read, such as {values[0]!r}"


def _and(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}"
