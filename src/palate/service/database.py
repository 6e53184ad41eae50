"""Connections to the database of the store: what SQLite needs to be durable, and errors as `StoreError`."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL

from palate.errors import MissingExtraError, SettingsError, StoreError
from palate.service.portable import make_private
from palate.service.tables import migrate

__all__ = ["Database"]


class Database:
    """Connections to the database of the store.

    Reads from SQLite use the driver without SQLAlchemy, on one connection for each thread: 15 µs instead of 150.

    Parameters
    ----------
    url
        A SQLAlchemy URL of SQLite or PostgreSQL.
    busy
        Seconds to wait for a lock.

    Raises
    ------
    SettingsError
        If the URL is none, or is one of another database.
    """

    def __init__(self, url: str, busy: float) -> None:
        self.url = _parse_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.busy = busy
        self._of_thread = threading.local()
        self._inode: int | None = None
        self._open_lock = threading.Lock()
        self._engine: sa.Engine | None = None
        self._readers: list[sqlite3.Connection] = []
        # How often the database was opened: connections of an earlier generation are not used any more.
        self._generation = 0

    @property
    def where(self) -> str:
        """The name of the database, without user and password."""
        return str(self.url.database) if self.is_sqlite else f"{self.url.host}/{self.url.database}"

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a transaction, which is committed durably after the block."""
        with self._errors_translated(), self.engine().begin() as connection:
            yield connection

    def insert(self, table: sa.Table) -> Any:
        """Return an INSERT statement that takes `on_conflict_…` clauses."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a query; its parameters are written as question marks."""
        with self._errors_translated():
            if self.is_sqlite:
                return self._connection().execute(query, parameters).fetchall()
            with self.engine().connect() as connection:
                rows = connection.exec_driver_sql(query.replace("?", "%s"), tuple(parameters))
                return [tuple(row) for row in rows]

    def open(self) -> None:
        """Open the database. A file that does not exist is created."""
        with self._errors_translated():
            self.engine()

    def engine(self) -> sa.Engine:
        """Return the open engine; a database file that was replaced is opened again."""
        inode = self._file_inode() if self._engine is not None else None
        if self._engine is None or inode != self._inode:
            with self._open_lock:
                if self._engine is None or inode != self._inode:
                    self._open()
        assert self._engine is not None
        return self._engine

    def _file_inode(self) -> int | None:
        # SQLite goes on writing into a file that was deleted: acknowledged ratings would then be lost.
        return os.stat(str(self.url.database)).st_ino if self.is_sqlite else None

    def _open(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        if self.is_sqlite:
            _make_files_private(Path(str(self.url.database)))
            engine = sa.create_engine(self.url, connect_args={"timeout": self.busy, "isolation_level": None})
            sa.event.listen(engine, "connect", _prepare)
            sa.event.listen(engine, "begin", _begin)
        else:
            limits = {"connect_timeout": 5, "options": "-c statement_timeout=10000"}
            engine = sa.create_engine(self.url, connect_args=limits, pool_pre_ping=True, pool_timeout=5, pool_size=20)
        try:
            with engine.begin() as connection:
                migrate(connection)
        except BaseException as error:
            engine.dispose()
            if not isinstance(error, ModuleNotFoundError):
                raise
            raise MissingExtraError(f"a store in {self.url.get_backend_name()}", "serve") from error
        self._generation += 1
        self._engine, self._inode = engine, self._file_inode()

    def _connection(self) -> sqlite3.Connection:
        self.engine()
        if getattr(self._of_thread, "generation", None) != self._generation:
            path = str(self.url.database)
            # Only this thread reads with the connection, but another thread may close it at the end.
            connection = sqlite3.connect(path, timeout=self.busy, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA query_only = ON")
            self._readers.append(connection)
            self._of_thread.connection, self._of_thread.generation = connection, self._generation
        reader: sqlite3.Connection = self._of_thread.connection
        return reader

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise StoreError(f"the store {self.where} {_reason(error)}: try again later") from error

    def close(self) -> None:
        """Close all connections; SQLite first writes everything into its one file. The next call opens them again."""
        engine, self._engine = self._engine, None
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.close()
        if engine is None:
            return
        if self.is_sqlite:
            # This fails while another process uses the file. The last process to close it succeeds.
            with suppress(sa.exc.SQLAlchemyError, sqlite3.Error):
                _checkpoint(engine)
        engine.dispose()


def _parse_url(url: str) -> URL:
    scheme = url.split(":", 1)[0]
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise SettingsError(f"the store is no database URL: {scheme}://…") from error
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise SettingsError(f"the store can be sqlite:///FILE or postgresql://…, not {scheme}://…")
    if not parsed.database or parsed.database == ":memory:":
        raise SettingsError("the store must be a file: sqlite:///FILE")
    return parsed.set(database=str(Path(parsed.database).resolve()))


def _make_files_private(path: Path) -> None:
    """Let nobody else read the ratings and the secret of the cookies.

    SQLite gives -wal and -shm the permissions of the database file. Permissions are changed by name and never by
    an open handle: closing a handle would drop the locks that this process has on the file.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        make_private(file)


def _checkpoint(engine: sa.Engine) -> None:
    # Without SQLAlchemy, which would begin a transaction: SQLite refuses a checkpoint within one.
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()


def _prepare(connection: Any, record: Any) -> None:
    # WAL: readers never wait for a writer. FULL: a commit returns when it is on the disk.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    # IMMEDIATE: a second writer waits at the beginning of its transaction, and cannot fail in the middle of it.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _reason(error: BaseException) -> str:
    text = str(getattr(error, "orig", None) or error).lower()
    if isinstance(error, FileNotFoundError) or "unable to open" in text:
        return "is gone"
    for sign, reason in (("locked", "is locked"), ("full", "has no room left"), ("i/o error", "cannot be written")):
        if sign in text:
            return reason
    return "cannot be reached"
