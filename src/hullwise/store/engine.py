"""The connection to the metadata database: SQLite by default, PostgreSQL beyond one node.

SQLAlchemy is the port between the two. What differs is here and nowhere else: how a transaction begins, how an
existing row is left alone, how the head row is held, how one process at a time does a thing.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")

Durability = Literal["full", "fast"]

SQLITE_FLOOR = (3, 37)
"""STRICT tables, which keep SQLite's column types as honest as PostgreSQL's, came with 3.37."""

BUSY_SECONDS = 30
_RETRIES = 8
_LOCK_SECONDS = 0.05
# PostgreSQL: serialization_failure, deadlock_detected. Both mean: nothing happened, ask again.
_RETRIED_STATES = frozenset({"40001", "40P01"})


class DatabaseTooOld(Exception):
    def __init__(self, found: str) -> None:
        super().__init__(
            f"This Python's SQLite is {found}; Hullwise needs {'.'.join(map(str, SQLITE_FLOOR))} or newer. "
            "Use a newer Python, or PostgreSQL (HULLWISE_DATABASE_URL)."
        )


def check_sqlite(version: str = sqlite3.sqlite_version) -> None:
    """Raises DatabaseTooOld where SQLite of this version, by default this Python's, lacks what the schema needs."""
    if tuple(int(part) for part in version.split(".")[:2]) < SQLITE_FLOOR:
        raise DatabaseTooOld(version)


class Database:
    """The engine, and the two kinds of transaction."""

    def __init__(self, url: str, durability: Durability = "full", pool_size: int = 16) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            check_sqlite()
            self.engine = sa.create_engine(self.url, pool_size=pool_size, max_overflow=0)
            _prepare_sqlite(self.engine, durability, explicit=True)
        else:
            url_with_driver = self.url.set(drivername="postgresql+psycopg")
            commit = "on" if durability == "full" else "off"
            self.engine = sa.create_engine(
                url_with_driver,
                pool_size=pool_size,
                max_overflow=0,
                pool_pre_ping=True,
                connect_args={"options": f"-c synchronous_commit={commit}"},
            )
        self._durability: Durability = durability

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that writes nothing and sees one moment. On SQLite it takes no lock; on both it ends by rolling
        back."""
        level = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self.engine.connect().execution_options(hullwise_read=True, **level) as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that commits when the block ends and rolls back when it raises.

        On SQLite it holds the only write lock from its first moment: begin it after everything slow is done.
        """
        with self.engine.begin() as connection:
            yield connection

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Call `work` in a write transaction; again, from its start, where the engine broke a deadlock with it."""
        for attempt in range(_RETRIES):
            try:
                with self.write() as tx:
                    return work(tx)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _RETRIED_STATES or attempt == _RETRIES - 1:
                    raise
                time.sleep(0.01 * 2**attempt)
        raise AssertionError("unreachable")

    def job_engine(self) -> sa.Engine:
        """An engine of its own for the job library, which begins its transactions itself."""
        if not self.is_sqlite:
            return sa.create_engine(self.engine.url, pool_size=8, max_overflow=0, pool_pre_ping=True)
        engine = sa.create_engine(self.url)
        _prepare_sqlite(engine, self._durability, explicit=False)
        return engine

    @contextlib.contextmanager
    def exclusive(self, name: str, lock_folder: Path, *, wait: bool = True) -> Iterator[bool]:
        """Hold the named lock for the block; yields whether it is held (always True with `wait`).

        Held by the process: a process that dies lets go of it. PostgreSQL keeps it for every node, a file lock beside
        SQLite's database for the one node that there can be.
        """
        if self.is_sqlite:
            with _file_lock(lock_folder / f"{name}.lock", wait) as held:
                yield held
            return
        key = {"key": _advisory_key(name)}
        engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            attempt, release = sa.text("SELECT pg_try_advisory_lock(:key)"), sa.text("SELECT pg_advisory_unlock(:key)")
            # Asked again and again: a statement that waits for the lock holds a snapshot, and the holder, where it
            # builds an index concurrently, waits for every older snapshot. Neither would ever go on.
            while not (held := bool(connection.execute(attempt, key).scalar())) and wait:
                time.sleep(_LOCK_SECONDS)
            try:
                yield held
            finally:
                if held:
                    connection.execute(release, key)

    def close(self) -> None:
        self.engine.dispose()


def _prepare_sqlite(engine: sa.Engine, durability: Durability, *, explicit: bool) -> None:
    """Pragmas for each new connection; `explicit`: transactions begin where SQLAlchemy says, at once for writers."""

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None if explicit else "IMMEDIATE"
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys=ON")

    if explicit:

        @sa.event.listens_for(engine, "begin")
        def _on_begin(connection: sa.Connection) -> None:
            reading = connection.get_execution_options().get("hullwise_read", False)
            connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextlib.contextmanager
def _file_lock(path: Path, wait: bool) -> Iterator[bool]:
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def _advisory_key(name: str) -> int:
    """PostgreSQL names advisory locks by a signed 64-bit number."""
    import hashlib

    return int.from_bytes(hashlib.sha256(f"hullwise {name}".encode()).digest()[:8], "big", signed=True)


def serialise(tx: sa.Connection, name: str) -> None:
    """From here to its end, no other transaction that asks for the same name runs beside this one."""
    if tx.dialect.name != "sqlite":  # where there is one writer anyway
        tx.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _advisory_key(name)})


def insert_missing(tx: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose keys are not there yet, leave the others as they are. Returns how many were inserted."""
    if not rows:
        return 0
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    # SQLAlchemy tells an INSERT's rowcount only where it is asked to keep it.
    statement = dialect.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    inserted = 0
    for chunk in chunks(rows, 500):
        inserted += tx.execute(statement.values([dict(row) for row in chunk])).rowcount
    return inserted


def chunks(items: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """Slices of at most `size`: SQLite takes 32,766 parameters a statement, PostgreSQL 65,535."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
