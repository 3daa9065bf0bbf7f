"""Pushes and scans beside imports that follow each other, die, or are killed: no vulnerability is ever lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from hullwise import app
from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.jobs.queue import SCAN_IMAGE
from hullwise.scanning import publication
from hullwise.scanning.publication import Published
from hullwise.store import generations, publications
from hullwise.store.engine import Database
from hullwise.store.images import Image as StoredImage
from tests.support.advisories import osv, write
from tests.support.images import Image, image, layer, python_packages
from tests.support.registry import Registry
from tests.support.truth import check_identities, check_matches, check_report, check_scans

CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]


@dataclass(frozen=True)
class Import:
    """A publication that has returned."""

    published: Published
    returned: datetime


class Crowd:
    """Threads that begin at the same moment; the block's end waits for them and raises what one of them raised."""

    def __init__(self) -> None:
        self._works: list[Callable[[], None]] = []
        self._failures: list[BaseException] = []

    def add(self, work: Callable[[], None]) -> None:
        self._works.append(work)

    def run(self) -> None:
        start = threading.Barrier(len(self._works))

        def call(work: Callable[[], None]) -> None:
            start.wait()
            try:
                work()
            except BaseException as error:
                self._failures.append(error)

        threads = [threading.Thread(target=call, args=(work,)) for work in self._works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]


@pytest.fixture
def live(registry: Registry) -> Registry:
    """A registry whose clock goes."""
    return replace(registry, services=replace(registry.services, clock=app.now))


def publish(
    registry: Registry, name: str, records: Sequence[dict[str, Any]], progress: publication.Progress = lambda *_: None
) -> Import:
    folder = write(registry.folder / name, *records)

    def fill(builder: GenerationBuilder) -> None:
        documents.load([folder], builder)

    published = publication.publish(registry.services, fill, progress)
    return Import(published, app.now())


def scan_all(registry: Registry) -> None:
    """Take scans one by one beside others who do, until none is left. Publications are driven by who began them."""
    handlers = app.handlers(registry.services)
    while True:
        try:
            job, row_id = registry.queue.jobs.pop()
        except IndexError:
            return
        if job == SCAN_IMAGE:
            handlers[job](row_id)


ROUNDS = 6


def test_scans_beside_imports_lose_nothing(live: Registry) -> None:
    """Round after round images with known and new packages are pushed and scanned while generations are published.

    Whenever a scan completed after a publication had returned, it says what that publication brought.
    """
    chance = random.Random(11)
    live.publish(osv("CVE-2000-0001", "base"))
    repository = live.repository("race/app")
    pushed: list[StoredImage] = []
    for number in range(ROUNDS):
        imports: list[Import] = []
        crowd = Crowd()
        for who in range(2):
            # Both push the round's package, one of their own, and one that every image has.
            names = {"base": "1.0", f"round{number}": "1.0", f"own{number}x{who}": "1.0"}
            content = image([layer(python_packages(**names))], author=f"{number} {who}")
            pause = chance.uniform(0, 0.1)

            def push(content: Any = content, pause: float = pause, who: int = who) -> None:
                time.sleep(pause)
                pushed.append(live.push(repository, content, tag=f"t{who}"))
                scan_all(live)

            crowd.add(push)
        records = [
            [osv(f"CVE-2001-{number:04}", f"round{number}"), osv(f"CVE-2002-{number:04}", f"own{number}x0")],
            # The next one changes what the last one said, and what every image has.
            [
                osv(f"CVE-2001-{number:04}", f"round{number}", fixed="2.0", severity=CRITICAL),
                osv("CVE-2000-0001", "base", fixed=f"{number + 2}.0"),
                osv(f"CVE-2003-{number:04}", f"own{number}x1"),
            ],
        ]

        def move(number: int = number, records: Any = records, imports: list[Import] = imports) -> None:
            for at, part in enumerate(records):
                imports.append(publish(live, f"race-{number}-{at}", part))

        crowd.add(move)
        crowd.run()
        scan_all(live)
        assert check_matches(live.services) == imports[-1].published.number == 1 + 2 * (number + 1)
        check_identities(live.services)
        for stored in pushed:
            report = check_report(live.services, stored.id)
            assert report.scan.completed_at is not None
            for done in imports:
                if report.scan.completed_at > done.returned:
                    assert report.generation >= done.published.number
    check_scans(live.services)
    # Nothing of all rounds was lost on the way.
    brought = [name for at in range(ROUNDS) for name in (f"round{at}", f"own{at}x0", f"own{at}x1")]
    everything = live.push(repository, image([layer(python_packages(base="1.0", **dict.fromkeys(brought, "1.0")))]))
    scan_all(live)
    wanted = [f"CVE-200{kind}-{number:04}" for number in range(ROUNDS) for kind in (1, 2, 3)]
    assert sorted(check_report(live.services, everything.id).names) == sorted(["CVE-2000-0001", *wanted])


def test_imports_beside_each_other_follow_each_other(live: Registry) -> None:
    """Publications that begin at the same moment become one generation each; the last holds what all brought."""
    numbers: list[int] = []
    crowd = Crowd()
    for who in range(3):

        def move(who: int = who) -> None:
            numbers.append(publish(live, f"beside-{who}", [osv(f"CVE-2000-{who:04}", "flask")]).published.number)

        crowd.add(move)
    crowd.run()
    assert sorted(numbers) == [1, 2, 3]
    stored = live.push(live.repository(), image([layer(python_packages(flask="1.0"))]))
    scan_all(live)
    report = check_report(live.services, stored.id)
    assert (report.generation, report.names) == (3, ("CVE-2000-0000", "CVE-2000-0001", "CVE-2000-0002"))


class Stepping(Database):
    """A database that says before each transaction that one is about to begin."""

    def __init__(self, registry: Registry) -> None:
        settings = registry.services.settings
        super().__init__(settings.database, settings.durability, pool_size=4)
        self.step: Callable[[], None] = lambda: None

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        self.step()
        with super().read() as tx:
            yield tx

    @contextmanager
    def write(self, *, lasting: bool = True) -> Iterator[sa.Connection]:
        self.step()
        with super().write(lasting=lasting) as tx:
            yield tx


@dataclass
class Steps:
    """Does something before some transactions of a block, which are counted from 0."""

    database: Stepping
    at: tuple[int, ...]
    then: Callable[[], None]
    count: int = 0
    fired: int = 0

    def __enter__(self) -> Steps:
        self.database.step = self._step
        return self

    def __exit__(self, *_: object) -> None:
        self.database.step = lambda: None

    def _step(self) -> None:
        self.count += 1
        if self.count - 1 in self.at:
            self.fired += 1
            self.then()


@pytest.fixture
def stepping(live: Registry) -> Iterator[Registry]:
    """The same registry, over a database of its own opening whose transactions are counted."""
    database = Stepping(live)
    yield replace(live, services=replace(live.services, database=database))
    database.close()


def steps(stepping: Registry, at: tuple[int, ...], then: Callable[[], None]) -> Steps:
    database = stepping.services.database
    assert isinstance(database, Stepping)
    return Steps(database, at, then)


def brought(number: int, change: int) -> list[dict[str, Any]]:
    """A vulnerability in the package of the number, and a change of the one that every image has."""
    return [osv(f"CVE-2001-{number:04}", f"own{number}"), osv("CVE-2000-0001", "base", fixed=f"{change + 2}.0")]


def own_image(number: int, author: str = "") -> Image:
    return image([layer(python_packages(**{"base": "1.0", f"own{number}": "1.0"}))], author=author)


@pytest.mark.parametrize("imports", [(0,), (0, 3)], ids=["one import", "two imports"])
def test_an_import_between_two_steps_of_a_scan(live: Registry, stepping: Registry, imports: tuple[int, ...]) -> None:
    """Whenever in a scan the head moves, it completes with the new generation's word on known and new packages."""
    live.publish(osv("CVE-2000-0001", "base"))
    repository = live.repository()
    head, at, fired = 1, 0, 1
    while fired:
        stored = live.push(repository, own_image(at))

        def move(at: int = at) -> None:
            nonlocal head
            publish(live, f"between-{head}", brought(at, head))
            head += 1

        with steps(stepping, tuple(at + offset for offset in imports), move) as taken:
            scan_all(stepping)
        report = check_report(live.services, stored.id)
        fired = taken.fired
        assert report.names == ("CVE-2000-0001", *([f"CVE-2001-{at:04}"] if fired else [])), at
        assert report.generation == check_matches(live.services) == head
        check_identities(live.services)
        at += 1
    assert at > 8
    check_scans(live.services)


def test_a_scan_between_two_steps_of_an_import(live: Registry, stepping: Registry) -> None:
    """Whenever in an import a scan completes, it says what one head says, the old or the new one, and whole."""
    live.publish(osv("CVE-2000-0001", "base"))
    repository = live.repository()
    at, fired = 0, 1
    while fired:
        seen: list[StoredImage] = []

        def scan(at: int = at, seen: list[StoredImage] = seen) -> None:
            seen.append(live.push(repository, own_image(at)))
            scan_all(live)

        with steps(stepping, (at,), scan) as taken:
            publish(stepping, f"between-{at}", brought(at, at))
        fired = taken.fired
        for stored in seen:
            report = check_report(live.services, stored.id)
            old, new = (at + 1, ("CVE-2000-0001",)), (at + 2, ("CVE-2000-0001", f"CVE-2001-{at:04}"))
            assert (report.generation, report.names) in {old, new}, at
        assert check_matches(live.services) == at + 2
        check_identities(live.services)
        again = live.push(repository, own_image(at, "again"))
        scan_all(live)
        assert check_report(live.services, again.id).names == ("CVE-2000-0001", f"CVE-2001-{at:04}")
        at += 1
    assert at > 4
    check_scans(live.services)


def test_an_import_that_dies_before_any_of_its_steps(live: Registry, stepping: Registry) -> None:
    """Wherever an import dies, scans go on under one head, and the next one, of other data, first brings to its end
    what the dead one had begun."""
    live.publish(osv("CVE-2000-0001", "base"))
    repository = live.repository()

    def die() -> None:
        raise Died

    at, died, head = 0, True, 1
    while died:
        own = live.push(repository, own_image(at))
        scan_all(live)
        assert check_report(live.services, own.id).names == ("CVE-2000-0001",)
        try:
            with steps(stepping, (at,), die):
                publish(stepping, f"dies-{at}", brought(at, at))
            died = False
        except Died:
            pass
        with live.services.database.read() as tx:
            now, latest = generations.head_number(tx), publications.latest(tx)
        # Either nothing was begun yet, or it is on its way, before or after the head moved.
        begun = latest is not None and latest.generation.number > head
        assert now in {head, head + begun}
        other = osv(f"CVE-2002-{at:04}", f"own{at}")
        during = live.push(repository, own_image(at, "during"))
        scan_all(live)
        assert check_report(live.services, during.id).generation == now
        head += 1 + begun
        assert publish(live, f"lives-{at}", [other]).published.number == head == check_matches(live.services)
        check_identities(live.services)
        after = live.push(repository, own_image(at, "after"))
        scan_all(live)
        found = set(check_report(live.services, after.id).names)
        assert found == {"CVE-2000-0001", f"CVE-2002-{at:04}"} | ({f"CVE-2001-{at:04}"} if begun else set())
        at += 1
    assert at >= 4


class Died(Exception):
    pass


def test_an_import_that_dies_anywhere_changes_nothing(live: Registry) -> None:
    """One that dies before, between and after its batches leaves the head's verdicts as they were, also for scans that
    follow; the next one, of other data, brings it to its end and is right."""
    wide = [f"p{number}" for number in range(520)]
    live.publish(*(osv(f"CVE-2000-{at:04}", name) for at, name in enumerate(wide[:20])))
    repository = live.repository()
    installed = [*wide[:60], *wide[-40:]]
    first = live.push(repository, image([layer(python_packages(**dict.fromkeys(installed, "1.0")))]))
    scan_all(live)
    before = check_report(live.services, first.id)
    assert before.names == tuple(f"CVE-2000-{at:04}" for at in range(20))
    changed = [osv(f"CVE-2001-{at:04}", name) for at, name in enumerate(wide)]
    # It tells its progress before each batch of 500 names, and after the last.
    for death, at in enumerate((0, 500, 520)):

        def die(_: str, done: int, total: int, at: int = at) -> None:
            assert total == 520
            if done == at:
                raise Died

        with pytest.raises(Died):
            publish(live, "changed", changed, die)
        with live.services.database.read() as tx:
            assert generations.head_number(tx) == 1
        # Known packages of both halves, and one that is new, scanned while the dead one's work lies about.
        names = dict.fromkeys((wide[1], wide[510], f"new{death}"), "1.0")
        stored = live.push(repository, image([layer(python_packages(**names))]))
        scan_all(live)
        report = check_report(live.services, stored.id)
        assert (report.generation, report.names) == (1, ("CVE-2000-0001",))
    # What the first of the dead had begun is generation 2.
    done = publish(live, "other", [osv("CVE-2002-0001", wide[0]), osv("CVE-2002-0002", "new2")])
    assert (done.published.number, done.published.changed_names) == (3, 2)
    assert check_matches(live.services) == 3
    check_identities(live.services)
    assert check_report(live.services, first.id) == before
    last = live.push(repository, image([layer(python_packages(**dict.fromkeys((wide[0], "new2", "p7"), "1.0")))]))
    scan_all(live)
    wanted = (
        *("CVE-2000-0000", "CVE-2000-0007", "CVE-2001-0000", "CVE-2001-0007"),
        *("CVE-2002-0001", "CVE-2002-0002"),
    )
    assert check_report(live.services, last.id).names == wanted


@pytest.mark.parametrize("change", ["split", "merge"])
def test_aliases_that_change_beside_a_scan(live: Registry, stepping: Registry, change: str) -> None:
    """Whenever in an import that splits or merges vulnerabilities a scan matches by the old aliases, each vulnerability
    has one id afterwards, which all its names name and no other has."""
    repository = live.repository()
    at, fired = 0, 1
    while fired:
        old, young = osv(f"GHSA-old{at}", f"own{at}", published="2001-01-01T00:00:00Z"), osv(f"PYSEC-{at}", f"own{at}")
        whole = {**young, "aliases": [old["id"]]}
        before, after = ([old, whole], [young]) if change == "split" else ([old, young], [whole])
        publish(live, f"before-{at}", before)
        live.push(repository, own_image(at))
        scan_all(live)
        check_identities(live.services)

        def scan(at: int = at) -> None:
            live.push(repository, image([layer(python_packages(**{f"own{at}": "2.0"}))]))
            scan_all(live)

        with steps(stepping, (at,), scan) as taken:
            publish(stepping, f"after-{at}", after)
        fired = taken.fired
        check_matches(live.services)
        found = check_identities(live.services)
        assert {name for name in found if name.endswith(str(at))} == (
            {f"GHSA-old{at}", f"PYSEC-{at}"} if change == "split" else {f"GHSA-old{at}"}
        )
        at += 1
    assert at > 4
