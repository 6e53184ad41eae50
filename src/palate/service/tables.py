"""The tables of the event store, and how the tables of an older version are migrated.

Migrations are a list of steps, and a table with the number of steps that were taken. Alembic does more (branches,
generated scripts), but takes 0.6 s to import and a folder of templates, which three tables do not need.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from palate.errors import StoreError

__all__ = ["VERSION", "events", "facts", "keys", "migrate"]

_metadata = sa.MetaData()

#: The newest rating of each owner and item; NULL where it was withdrawn and a model may still have it.
events = sa.Table(
    "events",
    _metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("rating", sa.Double),
    sa.Column("at", sa.Double, nullable=False),
    sa.Index("events_at", "at"),
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

#: Single values, such as the secret of the cookies and when the last fit began.
facts = sa.Table(
    "facts",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

_version = sa.Table("version", sa.MetaData(), sa.Column("steps", sa.Integer, nullable=False))

Step = Callable[[sa.Connection], None]


def _first(connection: sa.Connection) -> None:
    _metadata.create_all(connection)


# New steps are only appended. Each one runs once for a store.
_STEPS: list[Step] = [_first]
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
