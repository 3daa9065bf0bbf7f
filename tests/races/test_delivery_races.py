"""Deliveries beside each other: receivers that hang, workers that share a database, workers that are told to stop."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from hullwise import app
from hullwise.events import outbox
from hullwise.notifications import receivers
from hullwise.notifications.delivery import Courier
from hullwise.notifications.thread import GRACE_SECONDS, SLOTS, Deliveries
from hullwise.services import Services
from hullwise.settings import load
from hullwise.store.tables import deliveries
from tests.support import registry as support
from tests.support.events import OK, Told, event, numbers_at, patient
from tests.support.postgres import new_database
from tests.unit.remotes.server import Asked, Server

EVENTS = 60


@pytest.fixture
def told(tmp_path: Path, database_url: str) -> Iterator[Told]:
    """Its clock is the machine's."""
    with (
        support.registry(tmp_path, database_url, outbound_private=["127.0.0.1"]) as registry,
        Server() as server,
    ):
        registry.clock.moment = app.now()
        server.replies("/hook", OK)
        yield Told(registry, server)


def until(ready: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_receivers_that_hang_hold_up_no_other(told: Told) -> None:
    """With some that never answer, as many as there can be at once but one, the others get theirs meanwhile; told to
    stop, it stops within its grace."""
    release = threading.Event()

    def hang(_: Asked) -> bytes:
        release.wait(60)
        return OK

    for number in range(SLOTS - 1):
        told.server.answers[f"/hangs{number}"] = hang
        told.webhook(f"/hangs{number}")
    told.webhook()
    courier = Courier(told.services, partial(patient, told.services, 60))
    told.put(*(event(number) for number in range(1, EVENTS + 1)))
    try:
        with Deliveries(courier):
            until(lambda: len(told.numbers()) == EVENTS, seconds=50)
            began = time.monotonic()
        assert time.monotonic() - began < GRACE_SECONDS + 10
    finally:
        release.set()
        # Before the database is closed: those that hung note what became of them.
        until(lambda: not [each for each in threading.enumerate() if each.name.startswith("delivery")])
    assert told.numbers() == list(range(1, EVENTS + 1))


def test_failures_of_our_own_end_nothing(told: Told) -> None:
    """Where a turn breaks, it counts as a failure of the delivery, and the next look comes all the same."""
    broken = threading.Event()

    def open_remote() -> object:
        if not broken.is_set():
            broken.set()
            raise ZeroDivisionError("ours")
        return app.remote(told.services.settings)

    told.webhook()
    told.put(event(1))
    with Deliveries(Courier(told.services, open_remote)):  # type: ignore[arg-type]
        until(broken.is_set)
        until(lambda: told.deliveries()[0].attempts == 1)
        assert told.deliveries()[0].failure == "an internal error; see the server's log"
        told.registry.clock.advance(seconds=10)
        until(lambda: told.states() == ["delivered"])


@contextlib.contextmanager
def opened(data: Path, database_url: str) -> Iterator[Services]:
    settings = {"data": data, "database_url": database_url, "threads": 2, "outbound_private": ["127.0.0.1"]}
    services = app.build(load(settings, {}))
    try:
        yield services
    finally:
        services.database.close()


def workers(server: support.Server) -> list[psutil.Process]:
    return [each for each in psutil.Process(server.process.pid).children() if "worker" in each.cmdline()]


def test_workers_share_what_is_to_be_delivered(tmp_path: Path) -> None:
    """Two worker processes on one database: while both live, each event reaches each receiver once and in order; one of
    them killed in between costs no event."""
    url = new_database()
    data = tmp_path / "data"
    settings = {"database_url": url, "worker_processes": "2", "outbound_private": "127.0.0.1"}
    with Server() as hooks, support.server(data, **settings) as server, opened(data, url) as services:
        paths = [f"/hook{number}" for number in range(3)]

        def numbers(path: str) -> list[int]:
            return numbers_at(hooks, path)

        def slowly(_: Asked) -> bytes:
            time.sleep(0.01)
            return OK

        for path in paths:
            hooks.answers[path] = slowly
            services.database.run(
                lambda tx, path=path: receivers.add_webhook(  # type: ignore[misc]
                    tx, services, server.account, url=hooks.url(path)
                )
            )

        def put(first: int, count: int) -> None:
            for start in range(first, first + count, 10):
                made = [event(number, account=server.account) for number in range(start, start + 10)]
                services.database.run(partial(outbox.put, found=made, now=services.clock()))

        assert len(workers(server)) == 2
        put(1, EVENTS)
        until(lambda: all(len(numbers(path)) >= EVENTS for path in paths))
        assert [numbers(path) for path in paths] == [list(range(1, EVENTS + 1))] * 3
        put(EVENTS + 1, EVENTS)
        until(lambda: len(numbers(paths[0])) > EVENTS + 5)
        victim = workers(server)[0]
        victim.send_signal(signal.SIGKILL)
        waiting = sa.select(sa.func.count()).select_from(deliveries).where(deliveries.c.due_at.is_not(None))

        def left() -> int:
            with services.database.read() as tx:
                return int(tx.execute(waiting).scalar_one())

        # What the killed one had leased is free after two minutes.
        until(lambda: not left(), seconds=200)
        for path in paths:
            found = numbers(path)
            assert set(found) == set(range(1, 2 * EVENTS + 1))
            assert len(found) <= 2 * EVENTS + 1
            assert list(dict.fromkeys(found)) == sorted(set(found))
