"""The table of ratings in memory: ids, rating scale, and the ratings grouped by user or by item."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.attributes import Attributes
from palate.cached import cached_property
from palate.errors import DataError, SettingsError, UnknownIdError
from palate.ids import integer_of
from palate.tabular import SHOWN_ROWS, Tabular

__all__ = ["Grouped", "RatingScale", "Ratings", "Vocabulary", "is_single", "lost_distances"]

Id = int | str


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The caller's ids of one side, in order of their index.

    Parameters
    ----------
    ids
        Distinct ids in ascending order: an int64 array, or an object array of str.
    kind
        What the ids name, for messages: "user" or "item".

    Examples
    --------
    >>> items = Vocabulary(np.array([10, 20, 40]), "item")
    >>> items.index([40, 10, 30])
    array([ 2,  0, -1], dtype=int32)
    >>> items.require("20")
    1
    """

    ids: NDArray[Any]
    kind: str = "id"

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Id:
        value = self.ids[index]
        return value if isinstance(value, str) else int(value)

    @property
    def is_text(self) -> bool:
        """Whether ids are text rather than integers."""
        return self.ids.dtype == object

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {text: position for position, text in enumerate(self.ids)}

    def index(self, ids: ArrayLike) -> NDArray[np.int32]:
        """Return the int32 index of each id, -1 where it is unknown."""
        # NumPy would make 1 of a truth value among integers.
        has_truth = isinstance(ids, (list, tuple)) and any(isinstance(id, (bool, np.bool_)) for id in ids)
        values = np.asarray(ids, dtype=object if self.is_text or has_truth else None).ravel()
        if self.is_text:
            lookup = self._positions
            known = [lookup.get(str(value), -1) if _is_id(value) else -1 for value in values]
            return np.array(known, dtype=np.int32)
        possible = np.ones(len(values), dtype=bool)
        if values.dtype.kind not in "iu":
            integers = [_as_integer(value) for value in values]
            possible = np.array([value is not None for value in integers], dtype=bool)
            values = np.array([value or 0 for value in integers], dtype=np.int64)
        if not len(self.ids):
            return np.full(len(values), -1, dtype=np.int32)
        position = np.minimum(np.searchsorted(self.ids, values), len(self.ids) - 1)
        return np.where(possible & (self.ids[position] == values), position, -1).astype(np.int32)

    def find(self, id: Id) -> int:
        """Return the index of one id, -1 if it is unknown. It takes a fifth of the time that `index` takes.

        Examples
        --------
        >>> Vocabulary(np.array([10, 20, 40]), "item").find(40)
        2
        """
        if self.is_text:
            return self._positions.get(str(id), -1) if _is_id(id) else -1
        number = _as_integer(id)
        if number is None:
            return -1
        position = int(self.ids.searchsorted(number))
        return position if position < len(self.ids) and self.ids[position] == number else -1

    def require(self, id: Id) -> int:
        """Return the index of one id.

        Raises
        ------
        UnknownIdError
            If the id is not in the vocabulary.
        """
        position = self.find(id)
        if position < 0:
            raise UnknownIdError(f"{self.kind} {id!r} is unknown: {self.describe()}")
        return position

    def describe(self) -> str:
        """Return a few words that describe the ids, for messages."""
        if not len(self):
            return f"there are no {self.kind} ids"
        if self.is_text:
            return f"the {len(self):,} {self.kind} ids are text such as {self[0]!r}"
        return f"the {len(self):,} {self.kind} ids are integers from {self[0]} to {self[-1]}"


def _is_id(value: object) -> bool:
    return isinstance(value, (str, int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _as_integer(value: object) -> int | None:
    if isinstance(value, str):
        return integer_of(value)
    if not _is_id(value):
        return None
    try:
        number = int(value)  # type: ignore[call-overload]
    except (ValueError, OverflowError):
        return None
    return number if number == value and -(2**63) <= number < 2**63 else None


@dataclass(frozen=True)
class RatingScale:
    """The least and the greatest rating that can be given.

    Examples
    --------
    >>> jester = RatingScale(-10, 10)
    >>> jester.to_unit(5), jester.from_unit(0.5)
    (0.5, 5.0)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low <= self.high):
            raise SettingsError(f"a rating scale needs finite low <= high, not {self.low} to {self.high}")

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    @property
    def width(self) -> float:
        """The distance from low to high."""
        return self.high - self.low

    def clip(self, values: Any) -> Any:
        """Move values that lie off the scale to its nearer end."""
        return np.minimum(np.maximum(values, self.low), self.high)  # np.clip takes twice as long for a few values

    def to_unit(self, values: Any) -> Any:
        """Map low..high onto -1..1."""
        return (values - self.low) * (2 / (self.width or 1)) - 1

    def from_unit(self, values: Any) -> Any:
        """Map -1..1 onto low..high, as the inverse of `to_unit`."""
        return (values + 1) * ((self.width or 1) / 2) + self.low

    @classmethod
    def of(cls, ratings: NDArray[np.float32]) -> Self:
        """Return the observed range, both ends moved outwards to the next integers if both are near.

        Raters of a continuous scale rarely use its last hundredth: ratings from -9.95 to 9.90 were given on a scale
        from -10 to 10. Near means less than 2% of the range away.
        """
        low, high = float(ratings.min()), float(ratings.max())
        near = 0.02 * (high - low)
        down, up = float(np.floor(low)), float(np.ceil(high))
        if low - down < near and up - high < near:
            return cls(down, up)
        # A scale that is round at one end only was never declared by anybody.
        return cls(_shortest(low), _shortest(high))


def is_single(value: float) -> bool:
    """Return whether a number is finite as a float32, the type of ratings."""
    return abs(value) <= _GREATEST


def lost_distances(values: NDArray[np.floating[Any]]) -> str:
    """Say what is wrong if float32 rounds ratings by more than a hundredth of their spread; "" if nothing is.

    Examples
    --------
    >>> lost_distances(np.array([1.0, 4.5, 5.0]))
    ''
    >>> lost_distances(np.array([10000001.0, 10000004.5, 10000005.0]))[:64]
    'ratings from 10000001 to 10000005 lie too close together for the'
    """
    low, high = (float(end) for end in (values.min(initial=np.inf), values.max(initial=-np.inf)))
    largest = max(abs(low), abs(high))
    if not low < high or not is_single(largest):
        return ""
    step = float(np.spacing(np.float32(largest)))
    # The standard deviation is at least this, which spares its computation for nearly every table.
    least = (high - low) / sqrt(2 * len(values))
    if least > _FINE * step or float(np.std(values, dtype=np.float64)) > _FINE * step:
        return ""
    return (
        f"ratings from {low:.15g} to {high:.15g} lie too close together for their size: float32 has steps of {step:g} "
        f"there; subtract {low:.15g} from all of them, and add it to the predictions"
    )


_GREATEST = float(np.finfo(np.float32).max)
# The spread of ratings, in steps of float32, that keeps their distances.
_FINE = 100


def _shortest(value: float) -> float:
    # float32 4.1 is 4.0999999 as a float64: take the shortest decimal that is the same float32.
    return float(str(np.float32(value)))


class Grouped(NamedTuple):
    """Ratings grouped by one side (CSR): group g holds positions indptr[g] to indptr[g + 1].

    Attributes
    ----------
    indptr
        int64, (groups + 1,).
    indices
        int32, (n,): the index on the other side, ascending within a group.
    values
        float32, (n,): the ratings.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]

    def __getitem__(self, group: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:  # type: ignore[override]
        """Return the indices and ratings of one group."""
        part = slice(int(self.indptr[group]), int(self.indptr[group + 1]))
        return self.indices[part], self.values[part]


@dataclass(frozen=True, eq=False, repr=False)
class Ratings(Tabular):
    """A table of ratings with its two vocabularies.

    Parameters
    ----------
    users, items
        The ids of both sides. An id may have no rating in this table (after `take`).
    user, item
        int32, (n,): indices into the vocabularies.
    rating
        float32, (n,): finite.
    declared_scale
        The scale if it is known; None to guess `scale` from these ratings.
    notes
        What reading guessed or left out, a sentence each.
    time
        int64, n: when each rating was given, in seconds since 1970 (UTC); None if the times are not known.
    user_features, item_features
        What is known of the users and the items besides; also of ids that have no rating. None if nothing is.
    is_choices
        Whether the table had no ratings: each row says that an item was chosen.
    """

    users: Vocabulary
    items: Vocabulary
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    rating: NDArray[np.float32]
    declared_scale: RatingScale | None = None
    notes: tuple[str, ...] = field(default=())
    time: NDArray[np.int64] | None = None
    user_features: Attributes | None = None
    item_features: Attributes | None = None
    is_choices: bool = False

    def __len__(self) -> int:
        return len(self.rating)

    def __repr__(self) -> str:
        return f"Ratings({len(self):,} ratings, {len(self.users):,} users, {len(self.items):,} items)"

    def columns(self) -> dict[str, Any]:
        """Return the ids of the users and the items, the ratings, and the times if they are known: a row a rating."""
        columns = {"user": self.users.ids[self.user], "item": self.items.ids[self.item], "rating": self.rating}
        return columns if self.time is None else {**columns, "time": self.time}

    def shown_columns(self) -> dict[str, Any]:
        """Return the first rows."""
        return self.take(slice(0, SHOWN_ROWS)).columns()

    def heading(self) -> str:
        """Say what the table is."""
        return repr(self)

    def as_dict(self) -> dict[str, Any]:
        """Return what the table is as plain values."""
        return {
            "ratings": len(self),
            "users": len(self.users),
            "items": len(self.items),
            "density": self.density,
            "scale": [self.scale.low, self.scale.high] if len(self) else None,
            "notes": list(self.notes),
        }

    @cached_property
    def scale(self) -> RatingScale:
        """The declared scale, or else a guess from the ratings of this table."""
        if self.declared_scale is not None:
            return self.declared_scale
        if not len(self):
            raise DataError("a table without ratings has no scale")
        return RatingScale.of(self.rating)

    @property
    def density(self) -> float:
        """The share of all user-item pairs that are rated."""
        return len(self) / max(1, len(self.users) * len(self.items))

    @cached_property
    def user_counts(self) -> NDArray[np.int64]:
        """How many ratings each user has: int64, (users,)."""
        return _counted(self.user, len(self.users))

    @cached_property
    def item_counts(self) -> NDArray[np.int64]:
        """How many ratings each item has: int64, (items,)."""
        return _counted(self.item, len(self.items))

    @cached_property
    def by_user(self) -> Grouped:
        """The table grouped by user: (users + 1), n, n."""
        return _grouped(self.user, self.item, self.rating, self.user_counts, self.item_counts)

    @cached_property
    def by_item(self) -> Grouped:
        """The table grouped by item: (items + 1), n, n."""
        return _grouped(self.item, self.user, self.rating, self.item_counts, self.user_counts)

    @property
    def time_by_user(self) -> NDArray[np.int64] | None:
        """The times in the order of `by_user`: int64, (n,); None if they are not known."""
        if self.time is None or self.by_user.values is self.rating:
            return self.time
        return self.time[np.lexsort((self.item, self.user))]

    def of_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the ratings of pairs of indices, float32: NaN for a pair without one, and for an index of -1."""
        size = np.int64(len(self.items))
        pairs = self.user * size + self.item
        asked = np.where((user < 0) | (item < 0), -1, user * size + item)
        if not len(pairs):
            return np.full(len(asked), np.nan, np.float32)
        order = np.argsort(pairs, kind="stable")
        at = order[np.minimum(np.searchsorted(pairs, asked, sorter=order), len(order) - 1)]
        return np.where(pairs[at] == asked, self.rating[at], np.float32(np.nan))

    def take(self, chosen: NDArray[Any] | slice) -> Ratings:
        """The rows chosen by a mask or by positions, with the same vocabularies and declared scale."""
        time = None if self.time is None else self.time[chosen]
        return replace(self, user=self.user[chosen], item=self.item[chosen], rating=self.rating[chosen], time=time)

    def compact(self) -> Ratings:
        """Return the same ratings without the ids that have no rating."""
        if self.user_counts.all() and self.item_counts.all():
            return self
        users, user = _compact(self.users, self.user, self.user_counts)
        items, item = _compact(self.items, self.item, self.item_counts)
        return replace(self, users=users, items=items, user=user, item=item)


def _compact(
    vocabulary: Vocabulary, index: NDArray[np.int32], counts: NDArray[np.int64]
) -> tuple[Vocabulary, NDArray[np.int32]]:
    used = counts > 0
    renumbered = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return replace(vocabulary, ids=vocabulary.ids[used]), renumbered[index]


# From this number of rows on, loading a kernel takes less time than it saves.
_LARGE = 1_000_000


def _counted(index: NDArray[np.int32], groups: int) -> NDArray[np.int64]:
    if len(index) < _LARGE:
        return np.bincount(index, minlength=groups)
    from palate.kernels.layout import count

    return count(index, groups)  # type: ignore[no-any-return]


def _grouped(
    by: NDArray[np.int32],
    other: NDArray[np.int32],
    values: NDArray[np.float32],
    counts: NDArray[np.int64],
    other_counts: NDArray[np.int64],
) -> Grouped:
    from palate.kernels.layout import group, is_grouped

    indptr = np.concatenate([[0], np.cumsum(counts)])
    # Most tables are sorted by user and item: the columns then are the groups already, and are not copied.
    return Grouped(
        indptr, *((other, values) if is_grouped(by, other) else group(by, other, values, counts, other_counts))
    )
