"""How long connections to PostgreSQL wait for a network that is silent."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from hullwise.jobs import durable
from hullwise.store.engine import Database
from tests.support.postgres import OwnServer, own_server

_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
)
DEFAULTS = [1, 10, 5, 3, 15_000]


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnServer]:
    """One that is reached by TCP."""
    with own_server() as server:
        yield server


def options(connection: sa.Connection) -> list[int]:
    """What the kernel was told of the connection."""
    driver: Any = connection.connection.driver_connection
    with socket.socket(fileno=os.dup(driver.fileno())) as copy:
        return [copy.getsockopt(level, option) for level, option in _OPTIONS]


def test_a_connection_whose_packets_are_lost_fails(postgres: OwnServer) -> None:
    """Those of transactions and of the job library give up after 15 s, and the kernel asks when nothing is said."""
    with closing(Database(postgres.url)) as database:
        with database.read() as tx:
            assert options(tx) == DEFAULTS
        jobs = database.job_engine()
        with jobs.connect() as connection:
            assert options(connection) == DEFAULTS
        jobs.dispose()


def test_the_address_decides_how_long(postgres: OwnServer) -> None:
    """Each of libpq's parameters in it goes before the default; the others stay."""
    with (
        closing(Database(f"{postgres.url}?keepalives_idle=60&tcp_user_timeout=4000")) as database,
        database.read() as tx,
    ):
        assert options(tx) == [1, 60, 5, 3, 4_000]


def test_the_job_library_takes_the_address(postgres: OwnServer, tmp_path: Path) -> None:
    """It makes its tables with the parameters in it."""
    with closing(Database(postgres.url)) as database:
        durable.prepare(database, tmp_path)
        assert not durable.holds_any(database)


@pytest.mark.parametrize(("more", "seconds"), [("", 5), ("?connect_timeout=2", 2)])
def test_a_server_that_says_nothing_is_given_up(more: str, seconds: int) -> None:
    """After 5 s, or what the address says."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/postgres{more}"
        begun = time.monotonic()
        with closing(Database(address)) as database, pytest.raises(OperationalError), database.read():
            pass
        assert seconds - 1 < time.monotonic() - begun < seconds + 5
