"""Publications beside pushes beside reads, interrupted anywhere: afterwards every image says what the head says."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hullwise import app
from hullwise.domain.scans import ScanType
from hullwise.jobs.queue import PUBLISH
from hullwise.scanning import reading
from hullwise.store import scans
from hullwise.store.images import Image as StoredImage
from tests.races.test_import_races import Crowd, Died, publish, scan_all, stepping, steps
from tests.support.advisories import osv
from tests.support.continuous import begin, check_current, events, finding_names, transitions
from tests.support.images import image, layer, python_packages
from tests.support.registry import Registry
from tests.support.truth import check_identities, check_matches

__all__ = ["stepping"]


@pytest.fixture
def live(registry: Registry) -> Registry:
    """A registry whose clock goes."""
    return replace(registry, services=replace(registry.services, clock=app.now))


def resume_all(registry: Registry) -> None:
    """What workers do with jobs that were left."""
    handlers = app.handlers(registry.services)
    while registry.queue.jobs:
        try:
            job, row_id = registry.queue.jobs.pop(0)
        except IndexError:
            return
        handlers[job](row_id)


class Chance:
    """Interrupts the transactions of a thread now and then."""

    def __init__(self, seed: int, share: float) -> None:
        self._chance = random.Random(seed)
        self._share = share

    def __call__(self, _: str = "", __: int = 0, ___: int = 0) -> None:
        if self._chance.random() < self._share:
            raise Died


ROUNDS = 5


def test_everything_at_once(live: Registry) -> None:
    """Pushes of continuous images, publications that die now and then, and readers who never see half a report."""
    live.publish(osv("CVE-2000-0001", "base"))
    repository = live.repository("all/app")
    pushed: list[StoredImage] = []
    reading_on = threading.Event()
    reading_on.set()
    seen: Counter[int] = Counter()

    def read() -> None:
        while reading_on.is_set():
            for stored in list(pushed):
                with live.services.database.read() as tx:
                    found = scans.of_images(tx, [stored.id], ScanType.ENHANCED)
                    for result in reading.results(tx, found).values():
                        report = result.report
                        page = reading.page(tx, report, 0, report.findings)
                        assert len(page) == report.findings
                        counted = Counter(finding.assessment.severity.value for finding in page)
                        assert counted == Counter(report.counts)
                        seen[report.generation] += 1
            time.sleep(0.005)

    failures: list[BaseException] = []

    def watch(work: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        return call

    reader = threading.Thread(target=watch(read))
    reader.start()
    try:
        for number in range(ROUNDS):
            crowd = Crowd()

            def push(number: int = number) -> None:
                for who in range(3):
                    names = {"base": "1.0", f"round{number}": "1.0", f"own{number}x{who}": "1.0"}
                    stored = live.push(
                        repository, image([layer(python_packages(**names))], author=f"{number} {who}"), f"t{who}"
                    )
                    begin(live, stored)
                    pushed.append(stored)
                    scan_all(live)

            def move(number: int = number) -> None:
                die = Chance(number, 0.3)
                for at, record in enumerate(_records(number)):
                    try:
                        publish(live, f"all-{number}-{at}", record, die)
                    except Died:
                        publish(live, f"all-{number}-{at}", record)

            crowd.add(push)
            crowd.add(move)
            crowd.run()
            scan_all(live)
    finally:
        reading_on.clear()
        reader.join()
    assert failures == []
    resume_all(live)
    check_matches(live.services)
    check_identities(live.services)
    for stored in pushed:
        check_current(live.services, stored.id)
    assert seen


def _records(number: int) -> list[list[dict[str, Any]]]:
    return [
        [osv(f"CVE-2001-{number:04}", f"round{number}"), osv(f"CVE-2002-{number:04}", f"own{number}x0")],
        [
            osv(f"CVE-2001-{number:04}", f"round{number}", fixed="2.0"),
            osv("CVE-2000-0001", "base", fixed=f"{number + 2}.0"),
            osv(f"CVE-2003-{number:04}", f"own{number}x1"),
        ],
    ]


def test_a_publication_that_dies_before_any_of_its_steps_moves_each_image_once(
    live: Registry, stepping: Registry
) -> None:
    """Wherever it dies, whoever takes up its job brings every continuous image to what the head says, and tells each
    change once."""
    live.publish(osv("CVE-2000-0001", "base"))
    repository = live.repository()
    stored = []
    for number in range(3):
        content = image([layer(python_packages(**{"base": "1.0", f"own{number}": "1.0"}))])
        each = live.push(repository, content, f"t{number}")
        begin(live, each)
        stored.append(each)
    scan_all(live)

    def die() -> None:
        raise Died

    at, died, brought = 0, True, 0
    while died:
        before = len(events(live.services))
        try:
            with steps(stepping, (at,), die):
                publish(stepping, f"dies-{at}", [osv(f"CVE-2001-{at:04}", "base")])
            died = False
        except Died:
            pass
        assert all(job == PUBLISH for job, _ in live.queue.jobs)
        resume_all(live)
        check_matches(live.services)
        names = {tuple(finding_names(live.services, each.id)) for each in stored}
        assert len(names) == 1
        begun = f"CVE-2001-{at:04}" in names.pop()
        assert begun or died
        brought += begun
        for each in stored:
            check_current(live.services, each.id)
            assert len(transitions(live.services, each.id)) == brought
        assert len(events(live.services)) - before == 3 * begun
        at += 1
    assert at > 8
