"""The record of fits: which are asked for, which one runs, and how each of them ended."""

from __future__ import annotations

import time
from typing import Any, Literal, NamedTuple

from palate.errors import UnknownIdError
from palate.service.store import Store
from palate.service.tables import retrains

__all__ = ["Cause", "Retrain", "Retrains"]

#: Why a model is fitted again: somebody asked the service, `--retrain-every` is due, or somebody ran the command.
Cause = Literal["requested", "ratings", "time", "command"]
_PENDING, _RUNNING, _DONE, _FAILED = "pending", "running", "done", "failed"
_COLUMNS = "id, cause, state, reason, asked, began, ended, change, ratings"


class Retrain(NamedTuple):
    """One fit.

    Attributes
    ----------
    id
        Its number.
    cause
        Why it was asked for.
    state
        "pending", "running", "done" or "failed".
    reason
        Why it failed, else empty.
    asked, began, ended
        Times as of `time.time`; None for what has not happened yet.
    change
        The number of the last change of the store that the fit contains; None before it begins.
    ratings
        The number of ratings that the model was fitted on; None before the end.
    """

    id: int
    cause: Cause
    state: Literal["pending", "running", "done", "failed"]
    reason: str
    asked: float
    began: float | None
    ended: float | None
    change: int | None
    ratings: int | None

    def plain(self) -> dict[str, Any]:
        """Return the fit as plain values for JSON."""
        return self._asdict()


class Retrains:
    """Reads and writes the record of fits in a store.

    Fits are put in order by their numbers, and ratings by the numbers of changes. Clocks go back at times; numbers do
    not.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def request(self, cause: Cause) -> int:
        """Ask for a fit and return its number; a fit that waits to begin is not asked for twice."""
        pending = self.newest(_PENDING)
        if pending is not None:
            return pending.id
        with self.store.writing("") as connection:
            row = {"cause": cause, "state": _PENDING, "reason": "", "asked": time.time()}
            key: Any = connection.execute(retrains.insert().values(**row)).inserted_primary_key
            return int(key[0])

    def begin(self) -> int:
        """Note that a fit begins and return its number. Nobody else fits the model meanwhile: the caller has its lock.

        A fit that was left running was ended from outside.
        """
        id = self.request("command")
        with self.store.writing("") as connection:
            left = retrains.c.state == _RUNNING
            values = {"state": _FAILED, "reason": "it was ended from outside", "ended": time.time()}
            connection.execute(retrains.update().where(left).values(**values))
            values = {"state": _RUNNING, "began": time.time(), "change": self.store.last_change()}
            connection.execute(retrains.update().where(retrains.c.id == id).values(**values))
        return id

    def finish(self, id: int, ratings: int) -> None:
        """Note that a fit has ended and its model is saved."""
        self._end(id, state=_DONE, ratings=ratings)

    def fail(self, id: int, reason: str) -> None:
        """Note why a fit has failed, unless it has ended already."""
        self._end(id, state=_FAILED, reason=reason[-500:])

    def _end(self, id: int, **values: Any) -> None:
        with self.store.writing("") as connection:
            is_open = (retrains.c.id == id) & retrains.c.state.in_([_PENDING, _RUNNING])
            connection.execute(retrains.update().where(is_open).values(ended=time.time(), **values))

    def get(self, id: int) -> Retrain:
        """Return a fit.

        Raises
        ------
        UnknownIdError
            If no fit has this number.
        """
        rows = self._rows("where id = ?", id)
        if not rows:
            raise UnknownIdError(f"there is no fit {id}: /v1/admin/state names the last one")
        return rows[0]

    def newest(self, *states: str) -> Retrain | None:
        """Return the newest fit in one of these states, None if there is none."""
        marks = ", ".join("?" * len(states))
        rows = self._rows(f"where state in ({marks}) order by id desc limit 1", *states)
        return rows[0] if rows else None

    @property
    def pending(self) -> Retrain | None:
        """The fit that waits to begin."""
        return self.newest(_PENDING)

    @property
    def running(self) -> Retrain | None:
        """The fit that runs."""
        return self.newest(_RUNNING)

    @property
    def ended(self) -> Retrain | None:
        """The last fit that has ended, well or not."""
        return self.newest(_DONE, _FAILED)

    @property
    def done(self) -> Retrain | None:
        """The last fit whose model was saved."""
        return self.newest(_DONE)

    @property
    def fitted_change(self) -> int:
        """The number of the last change that the model contains; 0 before the first fit."""
        done = self.done
        return int(done.change or 0) if done else 0

    def _rows(self, condition: str, *parameters: Any) -> list[Retrain]:
        query = f"select {_COLUMNS} from retrains {condition}"
        return [Retrain(*row) for row in self.store.database.rows(query, parameters)]
