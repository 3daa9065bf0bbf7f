"""The daily quota of basic scans: exact however many ask at once, and whatever the clock does."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hullwise import app
from hullwise.domain.errors import ScanQuotaSpent
from hullwise.domain.manifests import OCI_MANIFEST
from hullwise.domain.names import ImageId
from hullwise.domain.scans import Trigger
from hullwise.registry import images as image_rules
from hullwise.scanning import requests
from hullwise.services import Services
from hullwise.settings import load
from hullwise.store import quotas, repositories
from hullwise.store.images import Image as StoredImage
from hullwise.store.repositories import Repository
from hullwise.store.tables import scan_grants
from hullwise.store.tables import scans as scans_table
from tests.support import registry as support
from tests.support.images import image, layer, python_packages
from tests.support.postgres import new_database
from tests.support.queues import ListQueue
from tests.support.registry import ACCOUNT, REGION, START, Clock, Registry

PROCESSES, REQUESTS, LIMIT = 8, 50, 100
CONTENT = image([layer(python_packages(flask="1.0"))])
PUSHED, ASKED = "on/push", "by/request"
DAY, TICK = timedelta(hours=24), timedelta(microseconds=1)

_barrier: Barrier


def _begin(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603
    _barrier = barrier


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Processes of their own, which wait for each other where they are told to."""
    context = multiprocessing.get_context("spawn")
    begin = (context.Barrier(PROCESSES),)
    with ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=_begin, initargs=begin) as pool:
        yield pool


@dataclass(frozen=True)
class Task:
    """What one process does, over the database that all share."""

    who: int
    given: dict[str, Any]
    moment: datetime = START


@contextmanager
def opened(task: Task) -> Iterator[Services]:
    services = app.build(load(task.given, {}), clock=Clock(task.moment), jobs=ListQueue())
    try:
        yield services
    finally:
        services.database.close()


def _repository(services: Services, name: str) -> Repository:
    with services.database.read() as tx:
        return repositories.get(tx, ACCOUNT, REGION, name)


def _put(services: Services, repository: Repository, name: str) -> StoredImage:
    """An image of its own, of blobs that are there."""
    body = json.dumps({**json.loads(CONTENT.manifest), "annotations": {"name": name}}).encode()
    prepared = image_rules.prepare(body, OCI_MANIFEST)
    return services.database.run(lambda tx: image_rules.put(tx, services, repository, prepared, name)).image


def push_and_ask(task: Task) -> Counter[str]:
    """As many scans on push as by request, in turn. Returns how those by request were answered."""
    with opened(task) as services:
        on_push, by_request = _repository(services, PUSHED), _repository(services, ASKED)
        waiting = [_put(services, by_request, f"{task.who}-{number}") for number in range(REQUESTS // 2)]
        _barrier.wait(60)
        answers: Counter[str] = Counter()
        for number, stored in enumerate(waiting):
            _put(services, on_push, f"{task.who}-{number}")
            scan = services.database.run(
                lambda tx, stored=stored: requests.start(tx, services, by_request, stored)  # type: ignore[misc]
            )
            answers[scan.status.value] += 1
        return answers


def ask_for_one(task: Task) -> int:
    """Returns the id of the scan of the one image that all ask for; 0: refused."""
    with opened(task) as services:
        repository = _repository(services, ASKED)
        with services.database.read() as tx:
            stored = image_rules.get(tx, repository, ImageId(digest=CONTENT.digest))
        _barrier.wait(60)
        try:
            return services.database.run(lambda tx: requests.start(tx, services, repository, stored)).id
        except ScanQuotaSpent:
            return 0


@contextmanager
def shared(tmp_path: Path, database_url: str, **chosen: Any) -> Iterator[tuple[Registry, dict[str, Any]]]:
    """A registry with both repositories and all blobs, and the settings that open it once more."""
    with support.registry(tmp_path, database_url, durability="fast", **chosen) as registry:
        for name in (PUSHED, ASKED):
            repository = registry.repository(name, scan_on_push=name == PUSHED)
            for blob in CONTENT.blobs:
                registry.push_blob(repository, blob)
        data = {"data": tmp_path / "data", "database_url": database_url, "durability": "fast"}
        yield registry, data | chosen


def grants(registry: Registry) -> int:
    with registry.services.database.read() as tx:
        return tx.execute(sa.select(sa.func.count()).select_from(scan_grants)).scalar_one()


def test_many_processes_get_the_limit_and_no_more(
    processes: ProcessPoolExecutor, tmp_path: Path, database_url: str
) -> None:
    """On push and by request together: 100 of 400 are granted, the others are LIMIT_EXCEEDED, and no row is missing."""
    with shared(tmp_path, database_url, scan_quota=LIMIT) as (registry, given_settings):
        tasks = [Task(who, given_settings) for who in range(PROCESSES)]
        answers: Counter[str] = sum(processes.map(push_and_ask, tasks), Counter())
        with registry.services.database.read() as tx:
            rows = tx.execute(sa.select(scans_table.c.trigger, scans_table.c.status))
            stored = Counter((row.trigger, row.status) for row in rows)
            (use,) = quotas.uses(tx, START)
        granted = {trigger: stored[trigger, "PENDING"] for trigger in Trigger}
        assert sum(granted.values()) == LIMIT
        assert stored.total() == PROCESSES * REQUESTS
        assert {status for _, status in stored} == {"PENDING", "LIMIT_EXCEEDED"}
        assert answers["PENDING"] == granted[Trigger.MANUAL]
        assert answers.total() == PROCESSES * REQUESTS // 2
        assert grants(registry) == LIMIT
        assert (use.account, use.region, use.used, use.frees_at) == (ACCOUNT, REGION, LIMIT, START + DAY)


def test_many_processes_ask_for_one_image(processes: ProcessPoolExecutor, tmp_path: Path, database_url: str) -> None:
    """They get one scan, which is counted once; after it ended all are refused until its 24 hours are over."""
    with shared(tmp_path, database_url) as (registry, given_settings):
        registry.push(_repository(registry.services, ASKED), CONTENT)

        def ask(moment: datetime) -> set[int]:
            return set(processes.map(ask_for_one, [Task(who, given_settings, moment) for who in range(PROCESSES)]))

        (first,) = ask(START)
        assert first
        registry.services.database.run(
            lambda tx: tx.execute(scans_table.update().values(status="FAILED", completed_at=0))
        )
        assert ask(START + DAY - TICK) == {0}
        assert grants(registry) == 1
        (second,) = ask(START + DAY)
        assert second not in {0, first}


class Book(NamedTuple):
    """A registry's quota, in a region of its own."""

    registry: Registry
    region: str

    def take(self, limit: int, now: datetime) -> datetime | None:
        return self.registry.services.database.run(lambda tx: quotas.take(tx, ACCOUNT, self.region, limit, now))


@pytest.fixture
def book(registry: Registry) -> Book:
    return Book(registry, REGION)


def test_a_grant_counts_for_a_day_to_the_microsecond(book: Book) -> None:
    """The last microsecond of the 24 hours is refused, the one after it is not; each grant has its own hours."""
    assert [book.take(2, START), book.take(2, START + 10 * TICK)] == [None, None]
    assert book.take(2, START + 20 * TICK) == START + DAY
    assert book.take(2, START + DAY - TICK) == START + DAY
    assert book.take(2, START + DAY) is None
    assert book.take(2, START + DAY) == START + DAY + 10 * TICK
    assert book.take(2, START + DAY + 9 * TICK) == START + DAY + 10 * TICK
    assert book.take(2, START + DAY + 10 * TICK) is None


APART = timedelta(minutes=15)
"""That clocks of nodes may be apart (docs/operations.md)."""


def test_a_clock_that_goes_back_grants_no_more(book: Book) -> None:
    """As far as clocks of nodes may be apart, what is granted meanwhile counts from the latest moment that was."""
    assert book.take(2, START) is None
    for _ in range(3):
        back = book.take(2, START - APART)
    assert back == START + DAY
    assert book.take(2, START + DAY - TICK) == START + DAY
    assert [book.take(2, START + DAY), book.take(2, START + DAY)] == [None, None]
    assert book.take(2, START + DAY) == START + 2 * DAY


def test_a_clock_that_was_ahead_once_spoils_no_quota(book: Book) -> None:
    """What was granted then counts from the first request after it, for 24 hours: three scans in them, and no more."""
    assert book.take(3, START + 400 * DAY) is None
    assert [book.take(3, START), book.take(3, START)] == [None, None]
    assert book.take(3, START) == START + DAY
    assert book.take(3, START + DAY - TICK) == START + DAY
    assert [book.take(3, START + number * DAY) for number in range(1, 8)] == [None] * 7


def test_a_full_quota_of_a_clock_that_was_ahead_is_free_after_a_day(book: Book) -> None:
    """Whoever is refused does not put the day off."""
    ahead = START + 400 * DAY
    assert [book.take(2, ahead), book.take(2, ahead + TICK)] == [None, None]
    for hours in range(24):
        assert book.take(2, START + timedelta(hours=hours)) == START + DAY
    assert [book.take(2, START + DAY), book.take(2, START + DAY)] == [None, None]


def test_what_is_used_is_what_the_next_request_would_find(book: Book) -> None:
    """`uses` says so while grants are ahead of now, too far for any right clock and not."""

    def used(now: datetime) -> tuple[int, datetime | None]:
        with book.registry.services.database.read() as tx:
            (use,) = quotas.uses(tx, now)
        return use.used, use.frees_at

    hour = timedelta(hours=1)
    assert [book.take(9, START), book.take(9, START + 23 * hour)] == [None, None]
    assert used(START + 23 * hour) == (2, START + DAY)
    assert used(START + 23 * hour - APART) == (2, START + DAY)
    assert used(START + DAY) == (1, START + 47 * hour)
    assert used(START - 7 * DAY) == (2, START - 6 * DAY)
    assert book.take(2, START - 7 * DAY) == START - 6 * DAY
    assert used(START - 7 * DAY + hour) == (2, START - 6 * DAY)


def test_another_limit_counts_at_once(book: Book) -> None:
    """Lowered below what is used, nothing is granted until enough are out of their hours; raised, the rest is there."""
    hour = timedelta(hours=1)
    assert [book.take(4, START + number * hour) for number in range(4)] == [None] * 4
    assert book.take(2, START + 5 * hour) == START + DAY + 2 * hour
    assert book.take(2, START + DAY + 2 * hour - TICK) == START + DAY + 2 * hour
    assert book.take(2, START + DAY + 2 * hour) is None
    assert [book.take(5, START + DAY + 2 * hour) for _ in range(3)] == [None] * 3
    assert book.take(5, START + DAY + 2 * hour) == START + DAY + 3 * hour
    # None: no limit.
    assert [book.take(0, START + DAY + 2 * hour) for _ in range(7)] == [None] * 7
    assert book.take(5, START + DAY + 3 * hour) == START + 2 * DAY + 2 * hour


def test_registries_have_quotas_of_their_own(book: Book) -> None:
    """What one account and region used is not another's."""
    assert book.take(1, START) is None
    assert book._replace(region="eu-west-1").take(1, START) is None
    assert book.take(1, START) == START + DAY


def test_what_was_granted_survives_a_restart(tmp_path: Path, database_url: str) -> None:
    """A registry that is closed and opened again goes on counting where it was."""
    with shared(tmp_path, database_url, scan_quota=3) as (registry, given_settings):
        for number in range(2):
            _put(registry.services, _repository(registry.services, PUSHED), f"before-{number}")
    task = Task(0, given_settings, START + timedelta(hours=1))
    with opened(task) as services:
        taken = [services.database.run(lambda tx: quotas.take(tx, ACCOUNT, REGION, 3, task.moment)) for _ in range(2)]
        assert taken == [None, START + DAY]
        with services.database.read() as tx:
            (use,) = quotas.uses(tx, task.moment)
    assert (use.used, use.frees_at) == (3, START + DAY)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Book]]:
    """Quotas that nothing was taken of."""
    url = new_database() if request.param == "postgresql" else ""
    with support.registry(tmp_path_factory.mktemp("quotas"), url, durability="fast") as registry:
        yield (Book(registry, f"region-{number}") for number in range(1 << 30))


STEPS = st.one_of(
    st.sampled_from([timedelta(0), TICK, -TICK, DAY / 2, DAY - TICK, DAY, DAY + TICK, -DAY, 3 * DAY]),
    st.sampled_from([-APART, -APART - TICK, 400 * DAY, -400 * DAY]),
    st.timedeltas(-DAY, 2 * DAY),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(STEPS, st.integers(1, 4)), max_size=25), st.booleans())
def test_it_is_what_counting_by_hand_says(
    books: Iterator[Book], moves: list[tuple[timedelta, int]], one_limit: bool
) -> None:
    """No 24 hours see more than the limit, and nothing is refused while there is room, whatever the clock and the limit
    do; a refusal says the first moment at which there is room again."""
    book, now, granted = next(books), START, list[datetime]()
    for step, drawn in moves:
        now, limit = now + step, moves[0][1] if one_limit else drawn
        last = max([now, *granted])
        # The clock of a quota does not go back, unless it was wrong: then what it granted is dated by now.
        at = now if last > now + APART else last
        granted = [min(each, at) for each in granted]
        counting = [each for each in granted if each > at - DAY]
        found = book.take(limit, now)
        if len(counting) < limit:
            assert found is None
            # What is out of its hours is forgotten, also where the clock that says so is ahead.
            granted = [*counting, at]
        else:
            free = sorted({each + DAY for each in counting})
            assert found == next(end for end in free if sum(each > end - DAY for each in counting) < limit)
        if one_limit:
            for first in granted:
                assert sum(first <= each < first + DAY for each in granted) <= limit
