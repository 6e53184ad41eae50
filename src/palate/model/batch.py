"""The items to recommend to many users, and to all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.lazy import pl
from palate.model.parts import Floats, Id, Parts
from palate.parquet import writing_parquet
from palate.ranking import BatchRanker, Rank, Seen, check_count

__all__ = ["Batches"]

# How many users, and how many rows, are found before they are written.
_USERS = 8192
_ROWS = 1 << 20


class Batches(Parts):
    """The part of a model that ranks items for many users at once."""

    def recommend_batch(
        self,
        users: ArrayLike | None = None,
        n: int = 10,
        *,
        lowest: bool = False,
        seen: bool = False,
        only: Iterable[Id] | None = None,
        exclude: Iterable[Id] = (),
        least: int = 0,
        threads: int | None = None,
    ) -> tuple[NDArray[np.int32], Floats]:
        """Return the n best items of many users at once: the same as `recommend` for each, to the last bit.

        Parameters
        ----------
        users
            Ids, by default all users in the order of the vocabulary.
        n, lowest, seen, only, exclude, least
            As in `recommend`.
        threads
            How many; by default one for each core. They do not change the result.

        Returns
        -------
        tuple
            Item indices, int32 (users, n), and predicted ratings, float32 (users, n), best first. Where fewer than n
            items are left, the index is -1 and the rating NaN. ``model.items.ids[index]`` gives the ids.
        """
        u = self._users(users)
        with self._shelf(lowest, only, exclude, least).opened(threads) as rank:
            return self._ranked(rank, u, n, seen)

    def recommend_all(
        self,
        path: str | Path,
        n: int = 10,
        *,
        users: ArrayLike | None = None,
        titles: bool = False,
        lowest: bool = False,
        seen: bool = False,
        only: Iterable[Id] | None = None,
        exclude: Iterable[Id] = (),
        least: int = 0,
        threads: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Write the n best items of all users to a Parquet file, a row each: user, rank (from 1), item and score.

        Rows come user by user, the best first: the same as `recommend` for each. They are written while the next ones
        are found, so that memory holds a few thousand users' at a time, and the file appears whole or not at all.

        Parameters
        ----------
        path
            The file; one that is there is replaced at the end.
        n, lowest, seen, only, exclude, least
            As in `recommend`.
        users
            Ids, if not all are meant.
        titles
            Whether a fifth column holds the items' titles.
        threads
            How many; by default one for each core. They do not change the result.
        progress
            Called with the number of users that are done, and of all.

        Returns
        -------
        int
            The number of rows.

        Raises
        ------
        StorageError
            If the file cannot be written. What stood there before is then untouched, as it is after Ctrl-C.
        """
        check_count(n)
        n = min(int(n), max(1, len(self.items)))  # memory is for what there is, not for what was asked
        u, shelf, rows = self._users(users), self._shelf(lowest, only, exclude, least), 0
        names = {"user": self.users.ids, "item": self.items.ids}
        user_type, item_type = (pl.String if side.is_text else pl.Int64 for side in (self.users, self.items))
        schema: dict[str, Any] = {"user": user_type, "rank": pl.Int32, "item": item_type, "score": pl.Float32}
        if titles:
            schema["title"] = pl.String
            names["title"] = np.array([self.catalogue.title(id) for id in self.items.ids.tolist()], dtype=object)
        step = max(1, min(_USERS, _ROWS // n))
        with writing_parquet(Path(path), schema) as write, shelf.opened(threads) as rank:
            for start in range(0, len(u), step):
                part = u[start : start + step]
                items, scored = self._ranked(rank, part, n, seen)
                row, place = np.nonzero(items >= 0)
                index, ranks = items[row, place], place.astype(np.int32) + np.int32(1)
                columns = {"user": names["user"][part[row]], "rank": ranks}
                columns |= {"item": names["item"][index], "score": scored[row, place]}
                columns |= {"title": names["title"][index]} if titles else {}
                write(pl.DataFrame(columns, schema=schema))
                rows += len(row)
                if progress:
                    progress(min(start + step, len(u)), len(u))
        return rows

    def _users(self, users: ArrayLike | None) -> NDArray[np.int32]:
        if users is None:
            return np.arange(len(self.users), dtype=np.int32)
        return self._index(self.users, users, "error").ravel()

    def _shelf(self, lowest: bool, only: Iterable[Id] | None, exclude: Iterable[Id], least: int) -> BatchRanker:
        return BatchRanker(self.item_factors, self.item_bias, self._allowed(only, exclude, least), lowest)

    def _ranked(self, rank: Rank, u: NDArray[np.int32], n: int, seen: bool) -> tuple[NDArray[np.int32], Floats]:
        offsets = (self.intercept + self.user_bias[u].astype(np.float64)).astype(np.float32)
        items, found = rank(self.user_factors[u], offsets, n, None if seen else self._left_out(u))
        return items, np.asarray(self.scale.clip(found), np.float32)

    def _left_out(self, u: NDArray[np.int32]) -> Seen | None:
        if self.seen is None:
            return None
        indptr = self.seen.indptr.astype(np.int64, copy=False)
        return indptr[u], indptr[u + 1], self._ascending

    @cached_property
    def _ascending(self) -> NDArray[np.int32]:
        """The seen items, ascending for each user, as they nearly always are."""
        if self.seen is None:
            return np.empty(0, np.int32)
        indptr, indices, _ = self.seen
        falls = indices[1:] < indices[:-1]
        starts = indptr[1:-1]
        falls[starts[(starts > 0) & (starts < len(indices))] - 1] = False
        if not falls.any():
            return indices
        user = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        return indices[np.lexsort((indices, user))]
