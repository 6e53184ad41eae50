"""The tables of the event store, and how the tables of an older version are migrated.

Migrations are a list of steps, and a table with the number of steps that were taken. Alembic does more (branches,
generated scripts), but takes 0.6 s to import and a folder of templates, which three tables do not need.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from palate.errors import StoreError

__all__ = ["VERSION", "counters", "events", "facts", "keys", "migrate", "retrains"]

_metadata = sa.MetaData()

#: The newest rating of each owner and item; NULL where it was withdrawn and a model may still have it. Changes are
#: numbered (`counters`), because clocks go back at times.
events = sa.Table(
    "events",
    _metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("rating", sa.Double),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("change", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("events_at", "at"),
    sa.Index("events_change", "change"),
    sqlite_with_rowid=False,
)

#: API keys, each with a hash instead of its secret.
keys = sa.Table(
    "keys",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
)

#: Single values, such as the secret of the cookies.
facts = sa.Table(
    "facts",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

#: What is counted: "changes" is the number of the last change of `events`.
counters = sa.Table(
    "counters",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

#: Every fit that was asked for: see `palate.service.retrains`.
retrains = sa.Table(
    "retrains",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("asked", sa.Double, nullable=False),
    sa.Column("began", sa.Double),
    sa.Column("ended", sa.Double),
    sa.Column("change", sa.BigInteger),
    sa.Column("ratings", sa.BigInteger),
)

_version = sa.Table("version", sa.MetaData(), sa.Column("steps", sa.Integer, nullable=False))

Step = Callable[[sa.Connection], None]


def _make_events_keys_and_facts(connection: sa.Connection) -> None:
    connection.execute(
        sa.text(
            "create table if not exists events (owner text not null, item text not null, rating double precision, "
            "at double precision not null, primary key (owner, item))"
            + (" without rowid" if connection.dialect.name == "sqlite" else "")
        )
    )
    connection.execute(sa.text("create index if not exists events_at on events (at)"))
    _metadata.create_all(connection, [keys, facts])


def _number_changes(connection: sa.Connection) -> None:
    """Number the changes: 1 for what came after the last fit, as far as the clock told, else 0."""
    _metadata.create_all(connection, [counters, retrains])
    connection.execute(sa.text("alter table events add column change bigint not null default 0"))
    connection.execute(sa.text("create index events_change on events (change)"))
    last = connection.scalar(sa.select(facts.c.value).where(facts.c.name == "retrained"))
    newer = events.update().where(events.c.at > float(last or 0)).values(change=1)
    connection.execute(newer)
    connection.execute(counters.insert().values(name="changes", value=1))
    connection.execute(facts.delete().where(facts.c.name.in_(["retrained", "retrain wanted"])))


# New steps are only appended. Each one runs once for a store.
_STEPS: list[Step] = [_make_events_keys_and_facts, _number_changes]
VERSION = len(_STEPS)


def migrate(connection: sa.Connection) -> None:
    """Take the steps that were not taken yet, inside the transaction of the caller.

    Raises
    ------
    StoreError
        If a later version of palate has migrated the store.
    """
    if (
        connection.dialect.name == "postgresql"
    ):  # several workers may start at the same time; SQLite runs one transaction at a time
        connection.execute(sa.text("select pg_advisory_xact_lock(7264185)"))
    _version.create(connection, checkfirst=True)
    taken = connection.scalar(sa.select(_version.c.steps))
    if taken is not None and taken > VERSION:
        raise StoreError(f"the store has version {taken} and this palate knows {VERSION}: upgrade palate")
    for step in _STEPS[taken or 0 :]:
        step(connection)
    if taken is None:
        connection.execute(_version.insert().values(steps=VERSION))
    elif taken < VERSION:
        connection.execute(_version.update().values(steps=VERSION))
