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
from hullwise.store import generations
from hullwise.store.engine import Database, is_outage, limit_idling
from tests.support import registry as support
from tests.support.postgres import OwnServer, new_database, own_server

_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
)
DEFAULTS = [1, 10, 5, 3, 15_000]

_SERVERS_SIDE = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
SERVERS_DEFAULTS = ["10", "5", "3", "15000"]
_KEEPALIVE_TIMER, _ESTABLISHED = "02", "01"
_TICKS = 100
"""A second in /proc/net/tcp (proc(5): USER_HZ)."""


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


def servers_side(connection: sa.Connection) -> list[str]:
    """What PostgreSQL's kernel has of the connection: for these it shows what getsockopt says."""
    return [str(connection.execute(sa.text(f"SHOW {name}")).scalar_one()) for name in _SERVERS_SIDE]


def seconds_until_asked(port: int) -> list[float]:
    """Of each connection to the server at the port, when its kernel asks whether the client is there. Nothing is said
    on any; what was said is acknowledged within a moment."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        # sl, local, remote, state, queues, timer:when (proc(5))
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ours = [each for each in lines if int(each[1].partition(":")[2], 16) == port and each[3] == _ESTABLISHED]
        timers = [each[5].partition(":") for each in ours]
        if timers and {kind for kind, _, _ in timers} == {_KEEPALIVE_TIMER}:
            return [int(when, 16) / _TICKS for _, _, when in timers]
        time.sleep(0.05)
    raise AssertionError("no connection rests")


def test_a_connection_whose_packets_are_lost_fails(postgres: OwnServer) -> None:
    """Those of transactions and of the job library give up after 15 s, and the kernel asks when nothing is said."""
    with closing(Database(postgres.url)) as database:
        with database.read() as tx:
            assert options(tx) == DEFAULTS
        jobs = database.job_engine()
        with jobs.connect() as connection:
            assert options(connection) == DEFAULTS
        jobs.dispose()


def test_the_server_gives_up_a_client_that_is_gone(postgres: OwnServer) -> None:
    """It is told so for transactions, for the job library, and for it by the address that it is given."""
    with closing(Database(postgres.url)) as database:
        with database.read() as tx:
            assert servers_side(tx) == SERVERS_DEFAULTS
        for engine in (database.job_engine(), sa.create_engine(database.url)):
            with engine.connect() as connection:
                assert servers_side(connection) == SERVERS_DEFAULTS
            engine.dispose()


def test_the_server_gives_up_who_is_gone_with_a_lock(postgres: OwnServer, tmp_path: Path) -> None:
    """The connection of a lock, on which nothing is said, is asked after 10 s: by Linux itself it would be after two
    hours."""
    port = sa.make_url(postgres.url).port
    assert port is not None
    with closing(Database(postgres.url)) as database, database.exclusive("publication", tmp_path):
        assert max(seconds_until_asked(port)) <= 10


def test_a_frozen_process_lets_the_head_go() -> None:
    """A transaction that says nothing for as long as it may is ended: it finds an outage, after which the same work may
    succeed, and nothing of it is there. One that holds the head has two minutes."""
    with closing(Database(new_database(support.migrated_url()))) as database:

        def frozen() -> None:
            with database.write() as tx:
                generations.hold_head(tx, alone=True)
                assert tx.execute(sa.text("SHOW idle_in_transaction_session_timeout")).scalar() == "2min"
                limit_idling(tx, 1)
                time.sleep(1.5)
                with database.write() as other:
                    assert generations.hold_head(other, alone=True) == 0
                generations.move_head(tx, 7)

        with pytest.raises(OperationalError) as found:
            frozen()
        assert is_outage(found.value)
        with database.read() as tx:
            assert generations.head_number(tx) == 0
            assert tx.execute(sa.text("SHOW idle_in_transaction_session_timeout")).scalar() == "0"


def test_the_address_decides_how_long(postgres: OwnServer) -> None:
    """Each of libpq's parameters in it goes before the default, and each of the server's settings in its options; the
    others stay. Options of other kinds count for transactions too."""
    own = "keepalives_idle=60&tcp_user_timeout=4000&options=-c%20tcp_keepalives_idle%3D60%20-c%20work_mem%3D5MB"
    with closing(Database(f"{postgres.url}?{own}")) as database, database.read() as tx:
        assert options(tx) == [1, 60, 5, 3, 4_000]
        assert servers_side(tx) == ["60", "5", "3", "15000"]
        assert tx.execute(sa.text("SHOW work_mem")).scalar() == "5MB"


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
