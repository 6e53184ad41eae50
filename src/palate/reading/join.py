"""Several tables of ratings as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, SettingsError
from palate.ids import integer_of
from palate.ratings import Ratings, RatingScale, Vocabulary
from palate.reading.mixed_ids import IdPart, MixedIds, mixed_ids, odd_id

__all__ = ["join_ratings", "join_vocabularies"]

_POLICIES = ("error", "last", "mean")


def join_ratings(
    tables: Sequence[Ratings], *, duplicates: str = "error", names: Sequence[str] | None = None
) -> Ratings:
    """Return the ratings of several tables as one table, in the order of the tables.

    Parameters
    ----------
    tables
        At least one. Where ids are integers in one table and text in another, they become text, and a note says so.
    duplicates
        What to do where several tables rate a pair: "error", or "last" or "mean" of the ratings.
    names
        What the tables are called in that note; "table 1", "table 2" and so on if None.

    Raises
    ------
    DataError
        If a pair is rated in several tables and `duplicates` is "error".
    SettingsError
        If there is no such policy.

    Examples
    --------
    >>> from palate.reading import read_ratings
    >>> monday, tuesday = read_ratings([("ann", 7, 5), ("bob", 7, 1)]), read_ratings([("bob", 7, 2), ("bob", 9, 4)])
    >>> join_ratings([monday, tuesday], duplicates="last").rating
    array([5., 2., 4.], dtype=float32)
    """
    if duplicates not in _POLICIES:
        raise SettingsError(f"duplicates must be one of {', '.join(_POLICIES)}, not {duplicates!r}")
    if len(tables) == 1:
        return tables[0]
    users, user_moves = join_vocabularies([table.users for table in tables])
    items, item_moves = join_vocabularies([table.items for table in tables])
    user = np.concatenate([move[table.user] for move, table in zip(user_moves, tables, strict=True)])
    item = np.concatenate([move[table.item] for move, table in zip(item_moves, tables, strict=True)])
    rating = np.concatenate([table.rating for table in tables])
    names = names or [f"table {number}" for number in range(1, len(tables) + 1)]
    mixed = [note for side in ("users", "items") for note in _mixed_ids(side, names, tables)]
    notes = tuple(dict.fromkeys([*(note for table in tables for note in table.notes), *mixed]))
    times = [table.time for table in tables if table.time is not None]
    time = np.concatenate(times) if len(times) == len(tables) else None  # known of all, or of no use
    features: dict[str, Any] = {
        name: next((getattr(table, name) for table in tables if getattr(table, name) is not None), None)
        for name in ("user_features", "item_features")
    }
    features["is_choices"] = any(table.is_choices for table in tables)
    joined = Ratings(users, items, user, item, rating, _scale(tables), notes, time, **features)
    pair = user.astype(np.int64) * len(items) + item
    _, last, which, counts = np.unique(pair[::-1], return_index=True, return_inverse=True, return_counts=True)
    if len(counts) == len(pair):
        return joined
    if duplicates == "error":
        again = pair[len(pair) - 1 - last[counts.argmax()]]
        raise DataError(
            f"{len(pair) - len(counts):,} ratings are of pairs that another table rates too, such as user "
            f"{users[int(again // len(items))]!r} and item {items[int(again % len(items))]!r}; keep the last or the "
            "mean with duplicates='last' or 'mean' (--duplicates last|mean)"
        )
    if duplicates == "mean":
        sums = np.bincount(which, weights=rating[::-1].astype(np.float64))
        joined = replace(joined, rating=(sums / counts)[which][::-1].astype(np.float32))
    return joined.take(np.sort(len(pair) - 1 - last))


def _mixed_ids(side: str, names: Sequence[str], tables: Sequence[Ratings]) -> list[MixedIds]:
    vocabularies: list[Vocabulary] = [getattr(table, side) for table in tables]
    texts = [odd_id(vocabulary.ids) if vocabulary.is_text else None for vocabulary in vocabularies]
    return mixed_ids(vocabularies[0].kind, [IdPart(*part) for part in zip(names, map(len, tables), texts, strict=True)])


def _scale(tables: Sequence[Ratings]) -> RatingScale | None:
    """Return the scale that holds all declared ones; None unless all tables declare one."""
    scales = [table.declared_scale for table in tables if table.declared_scale is not None]
    if len(scales) < len(tables):
        return None
    return RatingScale(min(scale.low for scale in scales), max(scale.high for scale in scales))


def join_vocabularies(vocabularies: Sequence[Vocabulary]) -> tuple[Vocabulary, list[NDArray[np.int32]]]:
    """Return a vocabulary of all ids, and for each of the vocabularies where its ids went: int32, (ids,).

    Ids stay integers if all are integers, also those that are written as text.
    """
    numbers = [_integers(vocabulary) for vocabulary in vocabularies]
    if all(one is not None for one in numbers):
        columns = [np.asarray(one, np.int64) for one in numbers]
        ids = np.unique(np.concatenate(columns))
    else:
        columns = [vocabulary.ids.astype(str).astype(object) for vocabulary in vocabularies]
        ids = np.array(sorted({id for column in columns for id in column.tolist()}), dtype=object)
    joined = replace(vocabularies[0], ids=ids)
    return joined, [joined.index(column) for column in columns]


def _integers(vocabulary: Vocabulary) -> NDArray[np.int64] | None:
    """Return the ids as integers; None if one of them is none, or would be spelt in another way."""
    if not vocabulary.is_text:
        return vocabulary.ids
    numbers = [integer_of(id) for id in vocabulary.ids]
    if any(number is None or str(number) != id for number, id in zip(numbers, vocabulary.ids, strict=True)):
        return None
    return np.array(numbers, np.int64)
