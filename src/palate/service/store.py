"""Ratings that were given while the service ran: durable before they are acknowledged, in SQLite or PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from palate.service.database import Database
from palate.service.read_cache import Freshness, Rows
from palate.service.tables import events, facts

__all__ = ["USER", "VISITOR", "Store", "user_owner", "visitor_owner"]


USER, VISITOR = "u:", "v:"


def user_owner(user: int | str) -> str:
    """Return the name under which a named user's ratings are kept."""
    return f"{USER}{user}"


def visitor_owner(visitor: str) -> str:
    """Return the name under which an anonymous visitor's ratings are kept; no user id can be taken for one."""
    return f"{VISITOR}{visitor}"


class Store:
    """The event store.

    Parameters
    ----------
    url
        A SQLAlchemy URL.
    busy
        Seconds to wait for a lock.

    Every method raises `StoreError` where the database is locked, full or gone; later calls work again when it does.
    """

    def __init__(self, url: str, busy: float = 2.0) -> None:
        self.database = Database(url, busy)
        # One writer at a time in this process: threads then wait in line instead of polling SQLite's lock.
        self._turn = threading.Lock()
        self._fresh: Freshness | None = None

    @property
    def is_local(self) -> bool:
        """Whether reading takes microseconds, so that it need not leave the event loop."""
        return self.database.is_sqlite

    @contextmanager
    def writing(self, owner: str | None = None) -> Iterator[sa.Connection]:
        """Open a transaction; when the block ends it is on the disk, and all processes know that the owner changed."""
        try:
            with self._turn, self.database.transaction() as connection:
                yield connection
        finally:  # also after a failure: a commit may have been lost on the way back only
            if self._fresh is not None:
                self._fresh.changed(owner)

    def ratings(self, owner: str) -> Rows:
        """Return what an owner has rated, in the order of ids; None: withdrawn."""
        return self._fresh.read(owner, self._ratings) if self._fresh is not None else self._ratings(owner)

    def _ratings(self, owner: str) -> Rows:
        return dict(self.database.rows("select item, rating from events where owner = ? order by item", (owner,)))

    def put(self, owner: str, given: Mapping[str, float | None]) -> None:
        """Rate items, or withdraw ratings that the model has (None)."""
        now = time.time()
        rows = [{"owner": owner, "item": item, "rating": rating, "at": now} for item, rating in given.items()]
        if not rows:
            return
        statement = self.database.insert(events)
        newer = {"rating": statement.excluded.rating, "at": statement.excluded.at}
        with self.writing(owner) as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["owner", "item"], set_=newer), rows)

    def delete(self, owner: str, item: str | None = None) -> None:
        """Forget one rating or, without an item, all of an owner."""
        chosen = events.c.owner == owner
        if item is not None:
            chosen &= events.c.item == item
        with self.writing(owner) as connection:
            connection.execute(events.delete().where(chosen))

    def withdraw(self, owner: str, own: Iterable[str], item: str | None = None) -> None:
        """Withdraw one rating or, without an item, all of a user, in one step: those stored and the model's `own`.

        The rows stay, without ratings: a fit that is under way has read the ratings already, and the model that comes
        of it has them.
        """
        now = time.time()
        chosen = events.c.owner == owner
        if item is not None:
            chosen &= events.c.item == item
        gone = [{"owner": owner, "item": one, "rating": None, "at": now} for one in own if item in (None, one)]
        with self.writing(owner) as connection:
            connection.execute(events.update().where(chosen).values(rating=None, at=now))
            if gone:
                connection.execute(self.database.insert(events).on_conflict_do_nothing(), gone)

    def forget_withdrawals(self, before: float) -> int:
        """Delete the withdrawals made before a moment, when no model has the ratings any more; return how many."""
        with self.writing() as connection:
            old = events.c.rating.is_(None) & (events.c.at < before)
            return connection.execute(events.delete().where(old)).rowcount

    def everything(self) -> list[tuple[str, str, float | None]]:
        """Return (owner, item, rating) of all that is stored."""
        return self.database.rows("select owner, item, rating from events order by owner, item")

    def since(self, moment: float) -> int:
        """Count what has changed since a moment (`time.time`)."""
        return int(self.database.rows("select count(*) from events where at > ?", (moment,))[0][0])

    def forget_visitors(self, before: float) -> int:
        """Delete the ratings of visitors who have rated nothing since a moment; return how many."""
        last = sa.select(events.c.owner).where(events.c.owner.like(f"{VISITOR}%")).group_by(events.c.owner)
        old = last.having(sa.func.max(events.c.at) < before)
        with self.writing() as connection:
            return connection.execute(events.delete().where(events.c.owner.in_(old))).rowcount

    def fact(self, name: str) -> str | None:
        """Return a single value."""
        rows = self.database.rows("select value from facts where name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def set_fact(self, name: str, value: str, *, keep: bool = False) -> str:
        """Set a single value, or `keep` the one there is; return the one that holds."""
        statement: Any = self.database.insert(facts)
        if keep:
            statement = statement.on_conflict_do_nothing()
        else:
            statement = statement.on_conflict_do_update(index_elements=["name"], set_={"value": value})
        with self.writing() as connection:
            connection.execute(statement.values(name=name, value=value))
            return str(connection.scalar(sa.select(facts.c.value).where(facts.c.name == name)))

    def open(self) -> None:
        """Open the database and bring its tables up to date."""
        self.database.open()
        if self.is_local:
            path = Path(str(self.database.url.database))
            self._fresh = Freshness(path.with_name(path.name + "-fresh"), path)
            self._fresh.changed(None)  # a process that died may not have told of its last commit

    def check(self) -> None:
        """Raise `StoreError` if the database does not answer."""
        self.database.rows("select owner from events limit 1")

    def close(self) -> None:
        """Close all connections."""
        self.database.close()
