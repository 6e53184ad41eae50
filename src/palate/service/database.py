"""One database behind one door: connections, what SQLite needs to be durable, and failures as `StoreError`."""

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
from palate.service.tables import migrate

__all__ = ["Database"]


class Database:
    """Connections to the store's database.

    Reads on SQLite go straight through the driver, on one connection for each thread: 15 µs instead of 150.
    """

    def __init__(self, url: str, busy: float) -> None:
        self.url = _understood(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.busy = busy
        self._own = threading.local()
        self._inode: int | None = None
        self._opening = threading.Lock()
        self._engine: sa.Engine | None = None
        self._readers: list[sqlite3.Connection] = []
        self._opened = 0  # how often: a thread's connection of an earlier time is not used any more

    @property
    def where(self) -> str:
        """Name the database without what may be secret."""
        return str(self.url.database) if self.is_sqlite else f"{self.url.host}/{self.url.database}"

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a transaction that is committed, durably, when the block ends."""
        with self._translated(), self.engine().begin() as connection:
            yield connection

    def insert(self, table: sa.Table) -> Any:
        """Return an INSERT that can say what to do about conflicts."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a query whose parameters are question marks."""
        with self._translated():
            if self.is_sqlite:
                return self._connection().execute(query, parameters).fetchall()
            with self.engine().connect() as connection:
                found = connection.exec_driver_sql(query.replace("?", "%s"), tuple(parameters))
                return [tuple(row) for row in found]

    def open(self) -> None:
        """Open the database; a file that does not exist yet is made."""
        with self._translated():
            self.engine()

    def engine(self) -> sa.Engine:
        """Return the open engine; a database that was gone and is there again is opened anew."""
        inode = self._look() if self._engine is not None else None
        if self._engine is None or inode != self._inode:
            with self._opening:
                if self._engine is None or inode != self._inode:
                    self._open()
        assert self._engine is not None
        return self._engine

    def _look(self) -> int | None:
        # SQLite goes on writing into a file that was deleted: what it acknowledged then would be lost.
        return os.stat(str(self.url.database)).st_ino if self.is_sqlite else None

    def _open(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        if self.is_sqlite:
            _keep_private(Path(str(self.url.database)))
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
        self._opened += 1
        self._engine, self._inode = engine, self._look()

    def _connection(self) -> sqlite3.Connection:
        self.engine()
        if getattr(self._own, "opened", None) != self._opened:
            path = str(self.url.database)
            # Only its own thread reads with it; another may close it, at the end.
            connection = sqlite3.connect(path, timeout=self.busy, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA query_only = ON")
            self._readers.append(connection)
            self._own.connection, self._own.opened = connection, self._opened
        found: sqlite3.Connection = self._own.connection
        return found

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise StoreError(f"the store {self.where} {_reason(error)}: try again later") from error

    def close(self) -> None:
        """Close what is open, all of it in the one file; the next call opens it again."""
        engine, self._engine = self._engine, None
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.close()
        if engine is None:
            return
        if self.is_sqlite:
            with suppress(sa.exc.SQLAlchemyError, sqlite3.Error):  # another process at work does it when it ends
                _checkpoint(engine)
        engine.dispose()


def _understood(url: str) -> URL:
    scheme = url.split(":", 1)[0]
    try:
        made = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise SettingsError(f"the store is no database URL: {scheme}://…") from error
    if made.get_backend_name() in ("postgresql", "postgres"):
        return made.set(drivername="postgresql+psycopg")
    if made.get_backend_name() != "sqlite":
        raise SettingsError(f"the store can be sqlite:///FILE or postgresql://…, not {scheme}://…")
    if not made.database or made.database == ":memory:":
        raise SettingsError("the store must be a file: sqlite:///FILE")
    return made.set(database=str(Path(made.database).resolve()))


def _keep_private(path: Path) -> None:
    """Let nobody else read the ratings and the secret of the cookies: SQLite makes -wal and -shm as the file is.

    By name, and never by a handle: closing one would drop the locks that this process has on the file.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for one in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        with suppress(FileNotFoundError):
            found = os.stat(one)
            if found.st_uid == os.geteuid() and found.st_mode & 0o077:
                os.chmod(one, 0o600)


def _checkpoint(engine: sa.Engine) -> None:
    # Past SQLAlchemy, which would begin a transaction: a checkpoint within one is refused.
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()


def _prepare(connection: Any, record: Any) -> None:
    # WAL: readers never wait. FULL: a commit returns when the disk has it.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    # IMMEDIATE: two writers wait for each other at the start, and never find out in the middle.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _reason(error: BaseException) -> str:
    text = str(getattr(error, "orig", None) or error).lower()
    if isinstance(error, FileNotFoundError) or "unable to open" in text:
        return "is gone"
    for sign, reason in (("locked", "is locked"), ("full", "has no room left"), ("i/o error", "cannot be written")):
        if sign in text:
            return reason
    return "cannot be reached"
