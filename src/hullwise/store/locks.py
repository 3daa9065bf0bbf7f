"""Named locks, each held by one process at a time.

    beside SQLite      a lock of a file: it ends with its process
    in PostgreSQL      a lock of a session: it ends with its process, and with its session ─▶ LockLost
                         restart, failover, a connection that broke ──────────┘

A session has a connection of its own, whose server tells nobody that it is gone: the holder asks.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError

log = structlog.get_logger()

_PAUSE_SECONDS = 0.05
_TAKE = sa.text("SELECT pg_try_advisory_lock(:key)")
_GIVE = sa.text("SELECT pg_advisory_unlock(:key)")
# A session that answers may still be another: a pooler in between gives each transaction whichever is free.
_HELD = sa.text(
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted "
    "AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint = :key)"
)


class LockLost(Exception):
    """A lock went before its holder let go of it: somebody else may have it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the lock {name} was lost on the way: its connection to the database ended, as when that restarts; "
            "nothing more was done without it"
        )


class Lock:
    """One that `Database.exclusive` was asked for: true where it was got. Used by many threads at once."""

    def __init__(self, name: str, got: bool, session: sa.Connection | None = None) -> None:
        self.name = name
        self._got = got
        self._session = session
        self._lost = False
        self._asking = threading.Lock()

    def __bool__(self) -> bool:
        return self._got

    def check(self) -> None:
        """Returns where the lock is held at this moment. Raises LockLost where it is not, and from then on."""
        if self._session is None:
            return
        if not self._ask(self._session, _HELD):
            raise LockLost(self.name)

    def let_go(self) -> bool:
        """Returns whether it was held until now."""
        return self._session is None or self._ask(self._session, _GIVE)

    def _ask(self, session: sa.Connection, question: sa.TextClause) -> bool:
        with self._asking:
            # Once it has failed SQLAlchemy would ask on another connection.
            if not self._lost:
                try:
                    self._lost = not session.execute(question, {"key": key(self.name)}).scalar()
                except DBAPIError:
                    self._lost = True
            return not self._lost


@contextlib.contextmanager
def of_session(engine: sa.Engine, name: str, wait: bool) -> Iterator[Lock]:
    """PostgreSQL's lock for the block. The engine keeps no connection, and each of them commits every statement.

    What the block returns or raises is what counts, though the lock be lost.
    """
    session = engine.connect()
    try:
        # Asked again and again: a statement that waits for the lock holds a snapshot, and the holder, where it
        # builds an index concurrently, waits for every older snapshot. Neither would ever go on.
        while not (got := bool(session.execute(_TAKE, {"key": key(name)}).scalar())) and wait:
            time.sleep(_PAUSE_SECONDS)
    except BaseException:
        _close(session)
        raise
    if not got:
        _close(session)
        yield Lock(name, False)
        return
    lock = Lock(name, True, session)
    try:
        yield lock
    finally:
        # Closing alone would free it a moment later.
        if not lock.let_go():
            log.warning("a lock was lost while it was held", lock=name)
        _close(session)


def _close(session: sa.Connection) -> None:
    with contextlib.suppress(DBAPIError):
        session.close()


@contextlib.contextmanager
def of_file(path: Path, name: str, wait: bool) -> Iterator[Lock]:
    """The file's lock for the block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield Lock(name, False)
            return
        yield Lock(name, True)


def key(name: str) -> int:
    """PostgreSQL names advisory locks by a signed 64-bit number."""
    return int.from_bytes(hashlib.sha256(f"hullwise {name}".encode()).digest()[:8], "big", signed=True)
