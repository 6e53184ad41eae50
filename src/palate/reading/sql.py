"""Ratings out of a database, by a query."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from palate.errors import MissingExtraError, ReadError
from palate.reading.objects import from_objects
from palate.reading.raw import RawTable, from_columns

__all__ = ["is_url", "read_sql"]

_BATCH = 100_000
_TIMEOUT = 10
_WEB = ("http", "https", "ftp", "s3", "gs", "file")


def is_url(source: object) -> bool:
    """Whether a source is a URL rather than a path."""
    return isinstance(source, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None


def read_sql(address: str, query: str | None) -> RawTable:
    """Run a query on a database and read its rows. Nothing is ever committed.

    Parameters
    ----------
    address
        A SQLAlchemy URL such as "sqlite:///ratings.db" or "postgresql://user:password@host/database".
    query
        A SELECT.

    Raises
    ------
    ReadError
        If there is no query, the database cannot be reached, or it refuses the query.
    MissingExtraError
        If SQLAlchemy or the database's driver is not installed.
    """
    scheme = address.split(":", 1)[0].lower()
    if scheme in _WEB:
        # Nothing after the scheme is shown: it may hold a password or a token.
        raise ReadError(f"{scheme}://… is on the web: fetch it first, and name the file")
    if not query:
        raise ReadError("a database needs a query, such as query='select user, item, rating from ratings' (--query)")
    try:
        import sqlalchemy
    except ImportError as error:
        raise MissingExtraError("reading from a database", "sql") from error
    try:
        url = sqlalchemy.make_url(address)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise ReadError(f"this is no database URL that SQLAlchemy understands: {scheme}://…") from error
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    # Of the URL only what cannot hold a secret.
    source = f"{url.get_backend_name()}://{str(url.host or '').rpartition('@')[2]}/{url.database or ''}"
    _look_for_file(url, source)
    try:
        names, columns = _fetch(sqlalchemy, url, query)
    except ModuleNotFoundError as error:
        if error.name == "psycopg":
            raise MissingExtraError("reading from PostgreSQL", "sql") from error
        raise ReadError(f"{source} needs the Python package {error.name}, which is not installed") from error
    except sqlalchemy.exc.NoSuchModuleError as error:
        raise ReadError(f"{source}: SQLAlchemy knows no database '{url.drivername}'") from error
    except (sqlalchemy.exc.SQLAlchemyError, OSError, ValueError) as error:
        # Less what psycopg and SQLAlchemy add: a copy of the query, and a link.
        reason = re.split(r"\nLINE \d+:|\n\(Background", str(getattr(error, "orig", None) or error))[0]
        reason = " ".join(reason.split())
        for secret in (url.password, str(url.host or "").rpartition("@")[0], *url.query.values()):
            if isinstance(secret, str) and secret:
                reason = reason.replace(secret, "***")
        raise ReadError(f"{source}: {reason}") from error
    series = [from_objects(column) for column in columns]
    return from_columns(names, series.__getitem__, len(names), source)


def _look_for_file(url: Any, source: str) -> None:
    # SQLite would make an empty database of that name.
    name = url.database
    if url.get_backend_name() == "sqlite" and name and name != ":memory:" and not name.startswith("file:"):
        if not Path(name).exists():
            raise ReadError(f"{source}: the file {name} does not exist")
        if Path(name).is_dir():
            raise ReadError(f"{source}: {name} is a directory")


def _fetch(sqlalchemy: Any, url: Any, query: str) -> tuple[list[str], list[list[Any]]]:
    arguments = {"connect_timeout": _TIMEOUT} if url.drivername == "postgresql+psycopg" else {}
    engine = sqlalchemy.create_engine(url, connect_args=arguments, poolclass=sqlalchemy.pool.NullPool)
    # A colon in a query is a colon, not the start of a parameter.
    statement = sqlalchemy.text(query.replace(":", r"\:"))
    with engine.connect() as connection:
        if url.get_backend_name() == "sqlite":  # whose statements that change tables commit by themselves
            connection.exec_driver_sql("PRAGMA query_only = ON")
        result = connection.execution_options(stream_results=True).execute(statement)
        if not result.returns_rows:
            raise ValueError("the query returns no rows: a SELECT is needed")
        names = [str(name) for name in result.keys()]  # noqa: SIM118
        columns: list[list[Any]] = [[] for _ in names]
        for rows in result.partitions(_BATCH):
            for column, values in zip(columns, zip(*rows, strict=True), strict=True):
                column.extend(values)
    return names, columns
