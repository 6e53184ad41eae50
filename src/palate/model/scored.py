"""Lists of items and users with their scores, and the lists of many users."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.ranking import Scored
from palate.tabular import Tabular

__all__ = ["RankedBatch", "ScoredList"]


class ScoredList(list[Scored], Tabular):
    """Items or users with their scores, the best first: a list that is also a table.

    Examples
    --------
    >>> best = ScoredList([Scored(7, 4.5, "Tea"), Scored(9, 4.25, "Cocoa")])
    >>> best
     id  score   title
     7   4.5000  Tea
     9   4.2500  Cocoa
    >>> best[0].id, best.as_dict()["score"]
    (7, [4.5, 4.25])
    """

    __repr__ = Tabular.__repr__

    def columns(self) -> dict[str, list[Any]]:
        """Return the ids, the scores and the titles."""
        return {name: [getattr(one, name) for one in self] for name in Scored._fields}

    def shown_columns(self) -> dict[str, list[Any]]:
        """Return the columns without titles that say nothing beside the ids."""
        columns = self.columns()
        if all(title in ("", str(id)) for id, title in zip(columns["id"], columns["title"], strict=True)):
            del columns["title"]
        return columns

    def heading(self) -> str:
        """Say so if the list is empty."""
        return "" if self else "no items"

    def as_dict(self) -> dict[str, list[Any]]:
        """Return the columns as plain lists."""
        return self.columns()


class _Ranked(NamedTuple):
    items: NDArray[np.int32]
    scores: NDArray[np.float32]


class RankedBatch(_Ranked, Tabular):
    """The best items of many users: a pair of arrays, and the ids that belong to them.

    Attributes
    ----------
    items
        int32, (users, n): item indices, best first; -1 where fewer than n items are left.
    scores
        float32, (users, n): what the items are ranked by; NaN where fewer than n items are left.
    user_ids
        (users,): the ids of the users.
    """

    user_ids: NDArray[Any]
    _item_ids: NDArray[Any]

    def __new__(
        cls,
        items: NDArray[np.int32],
        scores: NDArray[np.float32],
        user_ids: NDArray[Any],
        item_ids: NDArray[Any],
    ) -> RankedBatch:
        """Make the pair; `item_ids` are the ids of all items of the model."""
        batch = super().__new__(cls, items, scores)
        batch.user_ids, batch._item_ids = user_ids, item_ids
        return batch

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return what `__new__` needs to make a copy, also by pickle."""
        return (*self, self.user_ids, self._item_ids)

    @cached_property
    def ids(self) -> NDArray[Any]:
        """object, (users, n): the ids of `items`; None where fewer than n items are left."""
        ids = np.full(self.items.shape, None, object)
        ids[self.items >= 0] = self._item_ids[self.items[self.items >= 0]].tolist()
        return ids

    def columns(self) -> dict[str, Any]:
        """Return a row for each recommendation: user, rank (from 1), item and score."""
        row, place = np.nonzero(self.items >= 0)
        return {
            "user": self.user_ids[row].tolist(),
            "rank": (place + 1).tolist(),
            "item": self._item_ids[self.items[row, place]].tolist(),
            "score": self.scores[row, place].tolist(),
        }

    def as_dict(self) -> dict[Any, list[Any]]:
        """Return user id → list of item ids, best first."""
        rows = zip(self.user_ids.tolist(), self.ids.tolist(), strict=True)
        return {user: [item for item in items if item is not None] for user, items in rows}

    __repr__ = Tabular.__repr__
