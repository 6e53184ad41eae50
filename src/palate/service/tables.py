"""The tables of the event store, and how an older store becomes a newer one.

Migrations are a list of steps and a table that says how many were taken. Alembic does more (branches, generated
scripts), but takes 0.6 s to import and a folder of templates, and nobody but palate writes steps for three tables.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from palate.errors import StoreError

__all__ = ["VERSION", "events", "facts", "keys", "migrate"]

_metadata = sa.MetaData()

#: The last word on each pair: what it was rated, or None where that was withdrawn (and a model may still have it).
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

#: Of an API key only its name and a hash are kept.
keys = sa.Table(
    "keys",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
)

#: Single values: the secret of cookies, when the model was last fitted.
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


# Steps are only ever appended; each runs once in a store's life.
_STEPS: list[Step] = [_first]
VERSION = len(_STEPS)


def migrate(connection: sa.Connection) -> None:
    """Take the steps that a store has not taken yet, inside the caller's transaction.

    Raises
    ------
    StoreError
        If a later version of palate has used the store.
    """
    if connection.dialect.name == "postgresql":  # several workers start at once; SQLite's transaction is alone
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
