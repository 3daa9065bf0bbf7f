"""The connection to the metadata database: SQLite by default, PostgreSQL beyond one node.

SQLAlchemy is the port between the two. What differs is here and nowhere else: how a transaction begins, how an
existing row is left alone, how the head row is held, how one process at a time does a thing.
"""

from __future__ import annotations

import contextlib
import copy
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter, methodcaller
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from hullwise import durable, threads
from hullwise.domain.errors import Busy
from hullwise.store import locks

T = TypeVar("T")

Durability = Literal["full", "fast"]

SQLITE_FLOOR = (3, 37)
"""STRICT tables, which keep SQLite's column types as honest as PostgreSQL's, came with 3.37."""

BUSY_SECONDS = 30
"""That a transaction waits for whoever is in its way: each on SQLite, those of requests on PostgreSQL."""
_MAPPED_BYTES = 256 << 20
"""Of SQLite's file that are read where the kernel has them, and copied by no system call: a page of findings takes a
seventh less."""
_RETRIES = 8
# PostgreSQL: serialization_failure, deadlock_detected. Both mean: nothing happened, ask again.
_RETRIED_STATES = frozenset({"40001", "40P01"})
# lock_not_available: nothing happened, and to ask again at once would be to wait for as long again.
_BUSY_STATE = "55P03"

_CONNECTION = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""libpq's parameters, where the address of a PostgreSQL has none of its own. By itself it waits for ever for a server
that says nothing, and Linux for a quarter of an hour for one whose packets are lost: in a pool whose other connections
work, or with another server at the address."""

_SESSION = (
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "15000"),
)
"""PostgreSQL's settings of a session, where the options in its address have none of their own: the same for its side.
By itself it takes Linux's times: whoever is gone without a word has its locks for 7,200 s and nine questions 75 s
apart. At a Unix socket they mean nothing."""

HEAD_IDLE_SECONDS = 120
"""That a transaction on PostgreSQL which holds the head may say nothing: a frozen process, and nobody publishes."""

# PostgreSQL, by how states begin: connection_exception, insufficient_resources, what operator_intervention says of a
# server that stops or starts, and idle_in_transaction_session_timeout.
_IDLE_STATE = "25P03"
_LOST_STATES = ("08", "53", "57P", _IDLE_STATE)
_LOST_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN})


def is_outage(error: BaseException) -> bool:
    """Whether the error says that the database is out of reach, was lost meanwhile, or has no room: another moment the
    same work may succeed."""
    if isinstance(error, NoConnectionFree):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _LOST_CODES
    state: str | None = getattr(error.orig, "sqlstate", None)
    # Without a state no server has said anything.
    return isinstance(error, OperationalError) if state is None else state.startswith(_LOST_STATES)


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
    """The engine, and the two kinds of transaction. `pool_size`: of connections to PostgreSQL; `lock_seconds`: that a
    transaction there waits for a lock before it raises Busy, 0 for as long as it takes.

    A connection to PostgreSQL whose packets are lost fails after 15 seconds, and one that cannot be had after 5, unless
    the address says otherwise in libpq's parameters; so do those of the job library. PostgreSQL gives up one whose
    client is gone after as long."""

    def __init__(
        self, url: str, durability: Durability = "full", pool_size: int = 16, *, lock_seconds: int = 0
    ) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            check_sqlite()
            self.engine = sa.create_engine(self.url, poolclass=sa.NullPool)
            _prepare_sqlite(self.engine, durability, explicit=True)
            self._kept: _Kept | None = _Kept(self.engine)
            self._sessions: sa.Engine | None = None
        else:
            self._kept = None
            own = _words(self.url.query.get("options", ()))
            # Of two that set the same the last one counts.
            options = " ".join([*(f"-c {name}={value}" for name, value in _SESSION), *own])
            self.url = self.url.set(query={**_CONNECTION, **self.url.query, "options": options})
            url_with_driver = self.url.set(drivername="postgresql+psycopg")
            commit = "on" if durability == "full" else "off"
            self.engine = sa.create_engine(
                url_with_driver,
                pool_size=pool_size,
                max_overflow=0,
                pool_pre_ping=True,
                connect_args={"options": f"{options} -c synchronous_commit={commit} -c lock_timeout={lock_seconds}s"},
            )
            self._sessions = sa.create_engine(url_with_driver, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        self._log: Path | None = None
        self._log_file: int | None = None
        """Its descriptor, which is kept: what was committed can be synced where no file can be opened."""
        self._settling = threading.Lock()
        self._locks: tuple[locks.Lock, ...] = ()
        self._durability: Durability = durability

    def read(self) -> contextlib.AbstractContextManager[sa.Connection]:
        """A transaction that writes nothing and sees one moment. On SQLite it takes no lock; on both it ends by rolling
        back."""
        return self._snapshot() if self._kept is None else self._kept.transaction("BEGIN")

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[sa.Connection]:
        options = {"isolation_level": "REPEATABLE READ"}
        with _told_of_locks(), self.engine.connect().execution_options(**options) as connection:
            connection.begin()
            yield connection

    @contextlib.contextmanager
    def write(self, *, lasting: bool = True) -> Iterator[sa.Connection]:
        """A transaction that commits when the block ends and rolls back when it raises. `lasting`: whether it must
        survive a power loss, in full durability.

        On SQLite it holds the only write lock from its first moment: begin it after everything slow is done.
        """
        if self._kept is not None:
            with self._kept.turn(), self._kept.transaction("BEGIN IMMEDIATE", lasting) as connection:
                yield connection
            return
        with _told_of_locks(), self.engine.begin() as connection:
            yield connection
            self.check()

    def run(self, work: Callable[[sa.Connection], T], *, lasting: bool = True) -> T:
        """Call `work` in a write transaction; again, from its start, where the engine broke a deadlock with it: nothing
        that it does beside its transaction may matter. `lasting` as for `write`."""
        for attempt in range(_RETRIES):
            try:
                with self.write(lasting=lasting) as tx:
                    return work(tx)
            except DBAPIError as error:
                if _state(error) not in _RETRIED_STATES or attempt == _RETRIES - 1:
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

    def exclusive(
        self, name: str, lock_folder: Path, *, wait: bool = True
    ) -> contextlib.AbstractContextManager[locks.Lock]:
        """Hold the named lock for the block, which gets it: it is true where it is held, as always with `wait`.

        Held by the process: a process that dies lets go of it. PostgreSQL keeps it for every node, by a connection of
        its own, and loses it with that: `Lock.check` and `under` tell. A file lock beside SQLite's database is enough
        for the one node that there can be, and is never lost.
        """
        if self._sessions is None:
            return locks.of_file(lock_folder / f"{name}.lock", name, wait)
        return locks.of_session(self._sessions, name, wait)

    def under(self, lock: locks.Lock) -> Database:
        """The same database, for who writes only as long as the lock is held: a transaction whose lock was lost rolls
        back and raises LockLost."""
        if self.is_sqlite:
            return self
        guarded = copy.copy(self)
        guarded._locks = (*self._locks, lock)
        return guarded

    def check(self) -> None:
        """Raises LockLost where a lock that this is under is lost; before what no transaction takes back."""
        for lock in self._locks:
            lock.check()

    def settle(self) -> None:
        """What was committed on SQLite by calls in the loop is durable: they leave the sync of its log to this.

        Its log has all that was committed in one order, so that this holds for everything before it too; what is no
        longer there is in the database, and was synced before. Raises OSError; nothing is lost where that is a shortage
        (`threads.is_shortage`).
        """
        with self._settling:
            log = self._log or self._find_log()
            durable.data_sync(self._opened(log))
            if self._log is None:
                # Whoever made the log may have committed nothing, and so not have seen to its name.
                durable.sync(log.parent)
                self._log = log

    def _opened(self, log: Path) -> int:
        """The log's descriptor, which stays open for as long as that is the log. Raises OSError."""
        if self._log_file is None or not os.path.samestat(os.fstat(self._log_file), log.stat()):
            self._close_log()
            self._log_file = os.open(log, os.O_RDONLY)
        return self._log_file

    def _close_log(self) -> None:
        if self._log_file is not None:
            os.close(self._log_file)
            self._log_file = None

    def _find_log(self) -> Path:
        """Where SQLite has it: the address of a database may be a link, or a URI."""
        with self.read() as tx:
            return Path(f"{tx.execute(sa.text('PRAGMA database_list')).one()[2]}-wal")

    def checkpoint(self) -> None:
        """What is in SQLite's log goes to where it belongs, as far as no reader needs it."""
        if self._kept is not None:
            self._kept.checkpoint()

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
        with self._settling:
            self._close_log()
        self.engine.dispose()


def _words(given: str | Sequence[str]) -> Sequence[str]:
    """A parameter of an address, which may be there more than once."""
    return (given,) if isinstance(given, str) else given


def _state(error: DBAPIError) -> str:
    """What PostgreSQL calls it; empty: another's."""
    return getattr(error.orig, "sqlstate", None) or ""


@contextlib.contextmanager
def _told_of_locks() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if _state(error) == _BUSY_STATE:
            raise Busy from error
        if _state(error) == _IDLE_STATE:
            # psycopg has it among internal errors. The connection is lost, and so is all that was done.
            raise OperationalError(error.statement, error.params, error.orig) from error  # type: ignore[arg-type]
        raise


_HURRIED = (
    "PRAGMA busy_timeout=0",
    # The sync of the log is `Database.settle`.
    "PRAGMA synchronous=NORMAL",
    "PRAGMA wal_autocheckpoint=0",
)


class _Kept:
    """SQLite's connections, kept for the next transaction.

    Each holds a transaction of SQLAlchemy's that never ends, in which SQLite's own begin and end: by way of SQLAlchemy
    and its pool a pair of those takes 24 µs, by the driver 2.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine.execution_options(hullwise_kept=True)
        self._idle: deque[sa.Connection] = deque()
        self._hurried: deque[sa.Connection] = deque()
        """Of calls in the loop, which wait for no lock, and for no disk when they commit."""
        self._closed = False
        self._writing = threading.Lock()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Of this process's threads one writes at a time. SQLite itself lets a writer that finds another look again
        after 1, 2, 5, 10 ms: most of that time nobody writes."""
        held = self._writing.acquire(blocking=False)
        if not held:
            threads.waits()
            # Not for ever: after as long SQLite says that somebody is in the way.
            held = self._writing.acquire(timeout=BUSY_SECONDS)
        try:
            yield
        finally:
            if held:
                self._writing.release()

    @contextlib.contextmanager
    def transaction(self, begin: Literal["BEGIN", "BEGIN IMMEDIATE"], lasting: bool = True) -> Iterator[sa.Connection]:
        """One that commits where it was begun for writing and the block did not raise. Errors are SQLAlchemy's; raises
        WouldWait in the loop, where another process writes."""
        hurried = begin != "BEGIN" and threads.hurries()
        idle = self._hurried if hurried else self._idle
        try:
            connection = idle.pop()
        except IndexError:
            connection = self._connect(_HURRIED if hurried else ())
        driver = _driver(connection)
        try:
            try:
                self._execute(driver, begin)
            except DBAPIError as error:
                if hurried and getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                    raise threads.WouldWait from None
                raise
            before = driver.total_changes
            yield connection
            if begin != "BEGIN":
                self._execute(driver, "COMMIT")
            if hurried:
                threads.wrote(changed=driver.total_changes != before, lasting=lasting)
        finally:
            # Nobody's before it is over: a connection that cannot even roll back is not used again.
            try:
                driver.rollback()
            except sqlite3.Error:
                self._drop(connection)
            else:
                idle.append(connection)
                if self._closed:
                    self.close()

    def _connect(self, pragmas: Sequence[str]) -> sa.Connection:
        connection = self._engine.connect()
        connection.begin()
        driver: Any = connection.connection.driver_connection
        for pragma in pragmas:
            driver.execute(pragma)
        return connection.execution_options(hullwise_driver=driver)

    def checkpoint(self) -> None:
        with self.transaction("BEGIN") as connection:
            driver: Any = connection.connection.driver_connection
            driver.rollback()  # there is no checkpoint within a transaction
            self._execute(driver, "PRAGMA wal_checkpoint(PASSIVE)")
            # The log begins anew only where all of it is copied: the rest, while nobody adds to it.
            with self.turn():
                self._execute(driver, "PRAGMA wal_checkpoint(PASSIVE)")

    def _execute(self, driver: Any, statement: str) -> None:
        try:
            driver.execute(statement)
        except sqlite3.Error as error:
            raise DBAPIError.instance(statement, None, error, sqlite3.Error, dialect=self._engine.dialect) from error

    def close(self) -> None:
        """Those that are in a transaction are closed at its end."""
        self._closed = True
        for idle in (self._idle, self._hurried):
            with contextlib.suppress(IndexError):
                while True:
                    self._drop(idle.pop())

    def _drop(self, connection: sa.Connection) -> None:
        # SQLAlchemy would roll its own transaction back first, and whatever that raises hide what went wrong.
        with contextlib.suppress(Exception):
            connection.invalidate()
            connection.close()


def _prepare_sqlite(engine: sa.Engine, durability: Durability, *, explicit: bool) -> None:
    """Pragmas for each new connection; `explicit`: transactions begin where SQLAlchemy says, at once for writing, but
    for those of kept connections."""

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None if explicit else "IMMEDIATE"
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA mmap_size={_MAPPED_BYTES}")

    if explicit:

        @sa.event.listens_for(engine, "begin")
        def _on_begin(connection: sa.Connection) -> None:
            if not connection.get_execution_options().get("hullwise_kept", False):
                connection.exec_driver_sql("BEGIN IMMEDIATE")


def serialise(tx: sa.Connection, name: str, *, shared: bool = False) -> None:
    """From here to its end, no other transaction that asks for the same name runs beside this one; `shared`: but for
    those that ask so too."""
    if tx.dialect.name != "sqlite":  # where there is one writer anyway
        lock = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        tx.execute(sa.text(f"SELECT {lock}(:key)"), {"key": locks.key(name)})


# SET LOCAL, which takes no parameters.
_LIMIT_IDLING = sa.text("SELECT set_config('idle_in_transaction_session_timeout', :timeout, true)")


def limit_idling(tx: sa.Connection, seconds: int) -> None:
    """On PostgreSQL the transaction is ended by the server, with all that it holds, once its process asks nothing for
    so long. On SQLite it goes on: a process that is frozen has the only write lock until it is thawed or killed."""
    if tx.dialect.name != "sqlite":
        tx.execute(_LIMIT_IDLING, {"timeout": f"{seconds}s"})


def lock_tables(tx: sa.Connection, tables: Sequence[str]) -> None:
    """From here to its end, nobody else reads or writes these tables; on SQLite nobody else writes anything anyway."""
    if tx.dialect.name != "sqlite" and tables:
        names = ", ".join(tx.dialect.identifier_preparer.quote(name) for name in tables)
        tx.execute(sa.text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))


def counted(table: sa.Table) -> bool:
    """Whether the engine gives the table's ids."""
    return any(column.autoincrement is True for column in table.primary_key)


def last_id(tx: sa.Connection, table: sa.Table) -> int:
    """The last id that the engine gave in a counted table, though its row may be gone; 0: none yet."""
    if tx.dialect.name == "sqlite":
        query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        return int(tx.execute(query, {"name": table.name}).scalar() or 0)
    sequence = _sequence(tx, table)
    given = sa.text("SELECT pg_sequence_last_value(CAST(:sequence AS regclass))")
    return int(tx.execute(given, {"sequence": sequence}).scalar() or 0)


def continue_ids(tx: sa.Connection, table: sa.Table, last: int) -> None:
    """The next id of a counted table is above `last`, and above every id that is there."""
    (column,) = table.primary_key
    last = max(last, tx.execute(sa.select(sa.func.max(column))).scalar() or 0)
    if tx.dialect.name != "sqlite":
        move = sa.text("SELECT setval(CAST(:sequence AS regclass), :value, :given)")
        tx.execute(move, {"sequence": _sequence(tx, table), "value": max(last, 1), "given": last > 0})
        return
    values = {"name": table.name, "last": last}
    if not tx.execute(sa.text("UPDATE sqlite_sequence SET seq = :last WHERE name = :name"), values).rowcount:
        tx.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), values)


def _sequence(tx: sa.Connection, table: sa.Table) -> str:
    (column,) = table.primary_key
    query = sa.text("SELECT pg_get_serial_sequence(:name, :column)")
    return str(tx.execute(query, {"name": table.name, "column": column.name}).scalar_one())


def insert_missing(tx: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose keys are not there yet, leave the others as they are. Returns how many were inserted."""
    if not rows:
        return 0
    statement = _insert_missing(table, tx.dialect.name, tuple(rows[0]))
    return statement.write(tx, **rows[0]) if len(rows) == 1 else statement.write_all(tx, rows)


def insert_missing_from(tx: sa.Connection, table: sa.Table, columns: Sequence[str], found: sa.Select[Any]) -> None:
    """Insert the rows that the query finds, but for those whose keys are there already. It must have a condition:
    SQLite would take the conflict clause for part of a join."""
    insert = (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(table)
    tx.execute(insert.from_select(list(columns), found).on_conflict_do_nothing())


def insert_new(
    tx: sa.Connection, table: sa.Table, row: Mapping[str, Any], wanted: tuple[sa.Column[Any], ...]
) -> tuple[Any, ...] | None:
    """Insert the row and return these columns of it; None where its key is there already, which stays as it is."""
    return _insert_missing(table, tx.dialect.name, tuple(row), wanted).row(tx, **row)


@cache
def _insert_missing(
    table: sa.Table, dialect: str, columns: tuple[str, ...], wanted: tuple[sa.Column[Any], ...] = ()
) -> Prepared:
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    missing = insert.on_conflict_do_nothing().values({name: sa.bindparam(name) for name in columns})
    return Prepared(missing.returning(*wanted) if wanted else missing)


def insert_all(tx: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, which all have the same columns."""
    if rows:
        _insert(table, tuple(rows[0])).write_all(tx, rows)


def load(tx: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of any number, in bounded memory. Errors are SQLAlchemy's; those of `rows` come through.

    On PostgreSQL by COPY, which takes a tenth of what statements do.
    """
    quote = tx.dialect.identifier_preparer.quote
    into = f"{quote(table)} ({', '.join(map(quote, columns))})"
    driver: Any = tx.connection.driver_connection
    try:
        if tx.dialect.name == "sqlite":
            marks = ", ".join("?" * len(columns))
            driver.executemany(f"INSERT INTO {into} VALUES ({marks})", rows)  # noqa: S608 - names are quoted
            return
        with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    except tx.dialect.loaded_dbapi.Error as error:
        dbapi_error = tx.dialect.loaded_dbapi.Error
        raise DBAPIError.instance(f"rows of {table}", None, error, dbapi_error, dialect=tx.dialect) from error


@cache
def _insert(table: sa.Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(table.insert().values({name: sa.bindparam(name) for name in columns}))


class Prepared:
    """A statement that is compiled once for each engine and handed to the driver as it is, for what every request asks:
    a fifth of what SQLAlchemy takes for one that it has compiled before.

    Columns and parameters are of types that need no conversion, as all in `tables.py` are, and lists of `among`. Errors
    are SQLAlchemy's.
    """

    def __init__(self, statement: sa.Executable) -> None:
        self._statement: Any = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, tx: sa.Connection, **parameters: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._run(tx, parameters, _all)
        return found

    def row(self, tx: sa.Connection, **parameters: Any) -> tuple[Any, ...] | None:
        """The first one, or None."""
        found: tuple[Any, ...] | None = self._run(tx, parameters, _one)
        return found

    def value(self, tx: sa.Connection, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        found = self._run(tx, parameters, _one)
        return None if found is None else found[0]

    def write(self, tx: sa.Connection, **parameters: Any) -> int:
        """Returns how many rows it touched."""
        return int(self._run(tx, parameters, _touched))

    def write_all(self, tx: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Once for each of the parameters; returns how many rows they touched together."""
        return int(self._run(tx, rows, _touched))

    def _run(self, tx: sa.Connection, given: Any, result: Callable[[Any], Any]) -> Any:
        driver, dialect = _driver(tx), tx.dialect
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = _compile(self._statement, dialect.name)
        text, constants, lists = self._compiled[dialect.name]
        try:
            if not isinstance(given, dict):
                cursor = driver.cursor()
                cursor.executemany(text, given)
                return result(cursor)
            for name, convert in lists:
                given[name] = convert(given[name])
            given.update(constants)
            return result(driver.execute(text, given))
        except dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(text, given, error, dialect.loaded_dbapi.Error, dialect=dialect) from error


def _driver(tx: sa.Connection) -> Any:
    """The driver's connection, in a transaction. That of a kept one is known: SQLAlchemy takes 1.5 µs to find it."""
    kept = tx.get_execution_options().get("hullwise_driver")
    if kept is not None:
        return kept
    if not tx.in_transaction():
        tx.begin()
    return tx.connection.driver_connection


_all, _one, _touched = methodcaller("fetchall"), methodcaller("fetchone"), attrgetter("rowcount")
_Compiled = tuple[str, dict[str, Any], list[tuple[str, Callable[[Any], Any]]]]
"""The text, its constants, and what makes the driver's value of each list."""


def _compile(statement: Any, name: str) -> _Compiled:
    if name == "sqlite":
        dialect: sa.Dialect = sqlite.dialect(paramstyle="named")
    else:
        dialect = postgresql.dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]
    compiled = statement.compile(dialect=dialect)
    names = compiled.bind_names
    constants = {name: bind.value for bind, name in names.items() if not bind.required}
    lists: list[tuple[str, Callable[[Any], Any]]] = [
        (name, convert)
        for bind, name in names.items()
        if isinstance(bind.type, _Values) and (convert := bind.type.bind_processor(dialect)) is not None
    ]
    return str(compiled), constants, lists


class _Among(FunctionElement[bool]):
    name = "among"
    # Not Boolean: SQLAlchemy would ask SQLite for `… = 1`, which no index serves.
    type = sa.types.NULLTYPE  # type: ignore[assignment]
    inherit_cache = True


class _Values(sa.types.TypeDecorator[Any]):
    """A list as one parameter: JSON on SQLite, which has no arrays."""

    impl = sa.types.NullType
    cache_ok = True

    def __init__(self, item: sa.types.TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else sa.ARRAY(self.item))

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return msgspec.json.encode(value).decode() if dialect.name == "sqlite" else list(value)


def among(column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
    """Whether the column's value is in the list that the statement gets as this parameter: of any length, so that one
    statement, built once, serves them all."""
    return _Among(column, sa.bindparam(parameter, type_=_Values(column.type)))


@compiles(_Among, "sqlite")
def _among_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - both are the compiler's


@compiles(_Among, "postgresql")
def _among_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY({values})"


class _Packed(FunctionElement[str]):
    name = "packed"
    type = sa.Text()
    inherit_cache = True


def packed(*columns: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """The columns as the text of a JSON array. SQLite's driver takes three quarters of the time for one text that it
    takes for twenty values, and whoever made something of a row knows by the text that it is the same again."""
    return _Packed(*columns)


@compiles(_Packed, "sqlite")
def _packed_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"json_array({compiler.process(element.clauses, **options)})"


@compiles(_Packed, "postgresql")
def _packed_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"CAST(json_build_array({compiler.process(element.clauses, **options)}) AS TEXT)"


def chunks(items: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """Slices of at most `size`: SQLite takes 32,766 parameters a statement, PostgreSQL 65,535."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
