"""Which columns are user, item and rating: as told, by common names, or the first three."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from palate.errors import ReadError
from palate.reading.table import ROLES

__all__ = ["Column", "Guess", "by_name", "choose_columns", "column_position", "find_column"]

Column = str | int | None


class Guess(str):
    """A note about something that was guessed and may be wrong: fits warn of it."""

    __slots__ = ()


# Names in order of preference; case, blanks and punctuation do not count, nor does "id" at the end.
_NAMES: dict[str, tuple[str, ...]] = {
    "user": (
        "user", "u", "reviewer", "rater", "customer", "client", "member", "person", "reader", "visitor", "account",
        "profile", "username", "author", "who",
    ),
    "item": (
        "item", "i", "movie", "film", "joke", "product", "book", "isbn", "asin", "track", "song", "artist", "album",
        "game", "anime", "recipe", "article", "business", "restaurant", "show", "video", "what",
    ),
    "rating": (
        "rating", "ratings", "r", "score", "stars", "star", "starrating", "overall", "value", "grade", "mark", "vote",
        "points", "preference", "bookrating", "moviescore", "reviewscore", "howmuch",
    ),
}  # fmt: skip


def _plain(name: str) -> str:
    letters = "".join(character for character in name.casefold() if character.isalnum())
    return letters.removesuffix("id") or letters


def find_column(names: Sequence[str], known: Sequence[str]) -> int | None:
    """Return the position of the column whose name is known, the best-known first."""
    plain = [_plain(name) for name in names]
    return next((plain.index(name) for name in known if name in plain), None)


def by_name(names: Sequence[str]) -> dict[str, int]:
    """Return the roles (user, item, rating) whose column is recognised by its name, with its position.

    Examples
    --------
    >>> by_name(["userId", "movieId", "rating", "timestamp"])
    {'user': 0, 'item': 1, 'rating': 2}
    """
    found = {role: find_column(names, known) for role, known in _NAMES.items()}
    return {role: position for role, position in found.items() if position is not None}


def choose_columns(
    names: Sequence[str] | None, width: int, told: Mapping[str, Column], source: str
) -> tuple[tuple[int, int, int], str]:
    """Choose the columns of user, item and rating among `width`, and say so in a note.

    Parameters
    ----------
    names
        Of all columns, or None if they have none.
    width
        How many columns there are.
    told
        Role → name or position (from 0) as the caller gave it, None to guess.
    source
        For messages.

    Raises
    ------
    ReadError
        If there are fewer than three columns, a column is not there, or it is not clear which one is meant.

    Examples
    --------
    >>> choose_columns(["when", "stars", "user", "book"], 4, {}, "x.csv")
    ((2, 3, 1), "columns 'user', 'book' and 'stars' are user, item and rating; 1 other ignored")
    """
    chosen = {
        role: column_position(names, width, column, role, source) for role, column in told.items() if column is not None
    }
    if width < 3:
        raise ReadError(f"{source} has {width} column{'s' * (width > 1)}: user, item and rating are needed")
    if names is not None:
        for role, position in by_name(names).items():
            if role not in chosen and position not in chosen.values():
                chosen[role] = position
    missing = [role for role in ROLES if role not in chosen]
    free = [position for position in range(width) if position not in chosen.values()]
    if names is not None and 0 < len(missing) < 3 and len(free) > len(missing):
        listed = ", ".join(f"'{name}'" for name in names[:12])
        raise ReadError(
            f"{source}: which column is the {missing[0]}? There are {listed}: name it with {missing[0]}= "
            "(--columns USER,ITEM,RATING)"
        )
    # Three columns without names are what is asked for; among more of them, or under other names, it is a guess.
    is_guess = bool(missing) and (names is not None or width > 3)
    chosen.update(zip(missing, free, strict=False))
    positions = (chosen["user"], chosen["item"], chosen["rating"])
    if len(set(positions)) < 3:
        raise ReadError(f"{source}: user, item and rating must be three columns, not {list(positions)}")
    note = _note(names, width, positions)
    return positions, Guess(note) if is_guess else note


def column_position(names: Sequence[str] | None, width: int, column: str | int, role: str, source: str) -> int:
    """Return the position of a column that was told by name or position.

    Raises
    ------
    ReadError
        If there is none.
    """
    if names is not None and column in names:
        return list(names).index(str(column))
    if isinstance(column, str) and column.isdecimal():
        column = int(column)
    if isinstance(column, str):
        there = f"its columns are {', '.join(map(repr, names[:12]))}" if names else "it has no header"
        raise ReadError(f"{source} has no column {column!r} for the {role}: {there}")
    if not 0 <= column < width:
        raise ReadError(f"{source} has no column {column} for the {role}: it has {width}, counted from 0")
    return column


def _note(names: Sequence[str] | None, width: int, positions: tuple[int, int, int]) -> str:
    if names is not None:
        first, second, third = (f"'{names[position]}'" for position in positions)
        text = f"columns {first}, {second} and {third} are user, item and rating"
    elif positions == (0, 1, 2):
        text = f"the {'first ' * (width > 3)}three columns are user, item and rating"
    else:
        text = "columns {}, {} and {}, counted from 0, are user, item and rating".format(*positions)
    return text + (f"; {width - 3} other{'s' * (width > 4)} ignored" if width > 3 else "")
