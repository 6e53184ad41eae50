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
from palate.service.read_cache import ReadCache, Rows
from palate.service.tables import counters, events, facts

__all__ = ["USER", "VISITOR", "Store", "user_owner", "visitor_owner"]

#: What the names of owners begin with.
USER, VISITOR = "u:", "v:"


def user_owner(user: int | str) -> str:
    """Return the name under which a named user's ratings are stored."""
    return f"{USER}{user}"


def visitor_owner(visitor: str) -> str:
    """Return the name under which an anonymous visitor's ratings are stored. It cannot be the name of a user."""
    return f"{VISITOR}{visitor}"


class Store:
    """The event store.

    Every method raises `StoreError` where the database is locked, full or gone. Later calls work again as soon as the
    database does.

    Parameters
    ----------
    url
        A SQLAlchemy URL.
    busy
        Seconds to wait for a lock.
    """

    def __init__(self, url: str, busy: float = 2.0) -> None:
        self.database = Database(url, busy)
        # One writer at a time in this process: threads then wait in a queue instead of polling SQLite's lock.
        self._write_lock = threading.Lock()
        self._cache: ReadCache | None = None

    @property
    def is_local(self) -> bool:
        """Whether reading takes only microseconds, so that it may happen on the event loop."""
        return self.database.is_sqlite

    @contextmanager
    def writing(self, owner: str | None = None) -> Iterator[sa.Connection]:
        """Open a transaction. After the block it is on the disk, and all processes read this owner's rows again."""
        try:
            with self._write_lock, self.database.transaction() as connection:
                yield connection
        finally:  # also where the commit failed: it may have happened all the same
            if self._cache is not None:
                self._cache.invalidate(owner)

    def ratings(self, owner: str) -> Rows:
        """Return the ratings of an owner, in the order of item ids; None stands for a withdrawn rating."""
        return self._cache.read(owner, self._ratings) if self._cache is not None else self._ratings(owner)

    def _ratings(self, owner: str) -> Rows:
        return dict(self.database.rows("select item, rating from events where owner = ? order by item", (owner,)))

    def put(self, owner: str, ratings: Mapping[str, float | None]) -> None:
        """Store ratings: item → rating; None withdraws a rating that the model has."""
        now = time.time()
        rows = [{"owner": owner, "item": item, "rating": rating, "at": now} for item, rating in ratings.items()]
        if not rows:
            return
        insert = self.database.insert(events)
        new_values = {name: insert.excluded[name] for name in ("rating", "at", "change")}
        with self.writing(owner) as connection:
            change = _next_change(connection)
            rows = [{**row, "change": change} for row in rows]
            connection.execute(insert.on_conflict_do_update(index_elements=["owner", "item"], set_=new_values), rows)

    def delete(self, owner: str, item: str | None = None) -> None:
        """Delete one rating of an owner or, without an item, all of them."""
        with self.writing(owner) as connection:
            connection.execute(events.delete().where(_selected(owner, item)))

    def withdraw(self, owner: str, training: Iterable[str], item: str | None = None) -> None:
        """Withdraw one rating of an owner or, without an item, all of them, in one transaction.

        The rows stay, without ratings: a fit that is running has read the ratings already, and the model that it makes
        will contain them.

        Parameters
        ----------
        owner
            Whose ratings to withdraw.
        training
            The items of the ratings that the model was fitted on.
        item
            The item whose rating to withdraw.
        """
        now = time.time()
        withdrawn = [one for one in training if item in (None, one)]
        with self.writing(owner) as connection:
            new = {"rating": None, "at": now, "change": _next_change(connection)}
            connection.execute(events.update().where(_selected(owner, item)).values(**new))
            rows = [{"owner": owner, "item": one, **new} for one in withdrawn]
            if rows:
                connection.execute(self.database.insert(events).on_conflict_do_nothing(), rows)

    def forget_withdrawals(self, change: int) -> int:
        """Delete the withdrawals up to a change, once no model has the ratings any more; return their number."""
        with self.writing() as connection:
            old = events.c.rating.is_(None) & (events.c.change <= change)
            return connection.execute(events.delete().where(old)).rowcount

    def everything(self) -> list[tuple[str, str, float | None]]:
        """Return (owner, item, rating) of all rows."""
        return self.database.rows("select owner, item, rating from events order by owner, item")

    def last_change(self) -> int:
        """Return the number of the last change."""
        return int(self.database.rows("select value from counters where name = ?", ("changes",))[0][0])

    def count_after(self, change: int) -> int:
        """Return the number of rows that changed after the change of this number; -1 counts all."""
        return int(self.database.rows("select count(*) from events where change > ?", (change,))[0][0])

    def forget_visitors(self, before: float) -> int:
        """Delete the ratings of visitors who have rated nothing since a moment; return the number of ratings."""
        last = sa.select(events.c.owner).where(events.c.owner.like(f"{VISITOR}%")).group_by(events.c.owner)
        inactive = last.having(sa.func.max(events.c.at) < before)
        with self.writing() as connection:
            return connection.execute(events.delete().where(events.c.owner.in_(inactive))).rowcount

    def fact(self, name: str) -> str | None:
        """Return a single value, None if it was never set."""
        rows = self.database.rows("select value from facts where name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def set_fact(self, name: str, value: str, *, keep: bool = False) -> str:
        """Set a single value and return it; with `keep` an existing value stays, and is returned."""
        insert: Any = self.database.insert(facts)
        if keep:
            insert = insert.on_conflict_do_nothing()
        else:
            insert = insert.on_conflict_do_update(index_elements=["name"], set_={"value": value})
        with self.writing() as connection:
            connection.execute(insert.values(name=name, value=value))
            return str(connection.scalar(sa.select(facts.c.value).where(facts.c.name == name)))

    def open(self) -> None:
        """Open the database and bring its tables up to date."""
        self.database.open()
        if self.is_local:
            path = Path(str(self.database.url.database))
            self._cache = ReadCache(path.with_name(path.name + "-fresh"), path)
            self._cache.invalidate(None)  # a process that was killed may not have told the others of its last commit

    def check(self) -> None:
        """Raise `StoreError` if the database does not answer."""
        self.database.rows("select owner from events limit 1")

    def close(self) -> None:
        """Close all connections."""
        self.database.close()


def _next_change(connection: sa.Connection) -> int:
    """Return the number of the change that a transaction makes. Other writers wait until its end."""
    is_changes = counters.c.name == "changes"
    connection.execute(counters.update().where(is_changes).values(value=counters.c.value + 1))
    return int(connection.execute(sa.select(counters.c.value).where(is_changes)).scalar_one())


def _selected(owner: str, item: str | None) -> sa.ColumnElement[bool]:
    """Return the condition for one row of an owner or, without an item, for all of them."""
    rows = events.c.owner == owner
    return rows if item is None else rows & (events.c.item == item)
