"""A push beside an import loses no vulnerability, on either engine."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.documents import load
from hullwise.domain.scans import ScanStatus, ScanType
from hullwise.jobs.queue import PUBLISH, SCAN_IMAGE
from hullwise.scanning import publication, reading
from hullwise.store import assessments, generations, inventories, packages, scans
from tests.support.advisories import osv, write
from tests.support.images import image, layer, python_packages
from tests.support.registry import Registry

ROUNDS = 12


def check_every_match(registry: Registry) -> None:
    """What is stored for every interned package equals a fresh match through the head's generation."""
    with registry.services.database.read() as tx:
        head = generations.head_number(tx)
        row = generations.get(tx, head)
        assert row is not None
        found = packages.load(tx, range(1, 10_000))
        assert packages.unmatched(tx, sorted(found), head) == []
        stored = packages.matches_of(tx, sorted(found), head)
        known = assessments.load(tx, [hit for hits in stored.values() for hit in hits])
    with registry.services.open_generation(row) as generation:
        for package_id, package in found.items():
            fresh = {hit.name for hit in generation.match(package)}
            assert {known[hit].name for hit in stored.get(package_id, [])} == fresh, package


def check_report(registry: Registry, image_id: int) -> int:
    """An image's report says what a fresh match of its inventory says through the report's own generation."""
    with registry.services.database.read() as tx:
        of_image = scans.of_images(tx, [image_id], ScanType.BASIC)
        assert of_image[image_id].latest.status is ScanStatus.COMPLETE
        report = reading.results(tx, of_image)[image_id].report
        names = {finding.assessment.name for finding in reading.page(tx, report, 0, report.findings)}
        placed = [occurrence.package for _, occurrence in inventories.occurrences(tx, report.inventory_id)]
        row = generations.get(tx, report.generation)
        assert row is not None
    with registry.services.open_generation(row) as generation:
        assert names == {hit.name for package in placed for hit in generation.match(package)}
    return report.generation


def test_a_push_beside_an_import_loses_nothing(registry: Registry) -> None:
    """Round after round a new package is scanned while a generation that hits it is published."""
    registry.publish(osv("CVE-2000-0001", "base"))
    for number in range(ROUNDS):
        name = f"race{number}"
        repository = registry.repository(f"race/app{number}")
        pushed = registry.push(repository, image([layer(python_packages(**{name: "1.0", "base": "1.0"}))]))
        start = threading.Barrier(2)

        def publish(name: str = name, number: int = number, start: threading.Barrier = start) -> None:
            start.wait()
            registry.publish(osv(f"CVE-2001-{number:04}", name))

        publisher = threading.Thread(target=publish)
        publisher.start()
        start.wait()
        registry.work()
        publisher.join()
        seen = check_report(registry, pushed.id)
        check_every_match(registry)
        again = registry.push(
            registry.repository(f"race/again{number}"), image([layer(python_packages(**{name: "1.0"}))])
        )
        registry.work()
        assert registry.finding_names(again) == [f"CVE-2001-{number:04}"]
        assert seen <= check_report(registry, again.id)


def test_a_publication_that_died_goes_on_where_it_stopped(registry: Registry, tmp_path: Path) -> None:
    """A publication that ends after writing ahead leaves the old verdicts; its job brings it to its end, and the next
    one is right all the same."""
    registry.publish(osv("CVE-2000-0001", "flask"))
    first = registry.push(registry.repository("dead/one"), image([layer(python_packages(flask="1.0", jinja2="2.0"))]))
    registry.work()
    assert registry.finding_names(first) == ["CVE-2000-0001"]
    folder = write(tmp_path / "new", osv("CVE-2000-0002", "jinja2"), osv("CVE-2000-0003", "flask"))

    def fill(builder: GenerationBuilder) -> None:
        load([folder], builder)

    class Died(Exception):
        pass

    def die(_: str, done: int, total: int) -> None:
        if done == total:
            raise Died

    with pytest.raises(Died):
        publication.publish(registry.services, fill, die)
    second = registry.push(registry.repository("dead/two"), image([layer(python_packages(jinja2="2.0"))]))
    # The scan first, then what was begun.
    registry.queue.jobs.reverse()
    assert [job for job, _ in registry.queue.jobs] == [SCAN_IMAGE, PUBLISH]
    registry.work()
    assert registry.finding_names(second) == []
    with registry.services.database.read() as tx:
        assert generations.head_number(tx) == 2
    registry.publish(osv("CVE-2000-0004", "jinja2"))
    third = registry.push(registry.repository("dead/three"), image([layer(python_packages(flask="1.0", jinja2="2.0"))]))
    registry.work()
    assert registry.finding_names(third) == ["CVE-2000-0001", "CVE-2000-0002", "CVE-2000-0003", "CVE-2000-0004"]
    check_every_match(registry)


def test_merged_aliases_keep_the_older_vulnerability(registry: Registry) -> None:
    """When two vulnerabilities turn out to be one, the older id survives and names both."""
    registry.publish(osv("GHSA-aaaa-aaaa-aaaa", "flask"), osv("PYSEC-2000-1", "flask"))
    registry.push(registry.repository("alias/one"), image([layer(python_packages(flask="1.0"))]))
    registry.work()
    with registry.services.database.read() as tx:
        before = assessments.names(tx, ["GHSA-aaaa-aaaa-aaaa", "PYSEC-2000-1"])
    assert len({vulnerability for vulnerability, _ in before.values()}) == 2
    registry.publish(osv("PYSEC-2000-1", "flask", aliases=["GHSA-aaaa-aaaa-aaaa"]))
    with registry.services.database.read() as tx:
        after = assessments.names(tx, ["GHSA-aaaa-aaaa-aaaa", "PYSEC-2000-1"])
    older = min(vulnerability for vulnerability, _ in before.values())
    assert {vulnerability for vulnerability, _ in after.values()} == {older}
    merged = registry.push(registry.repository("alias/two"), image([layer(python_packages(flask="1.0"))]))
    registry.work()
    assert registry.finding_names(merged) == ["GHSA-aaaa-aaaa-aaaa"]


def test_split_aliases_leave_the_id_with_the_oldest_record(registry: Registry) -> None:
    """When one vulnerability turns out to be two, the part with the oldest record keeps the id."""
    old = osv("GHSA-aaaa-aaaa-aaaa", "flask", published="2001-01-01T00:00:00Z")
    young = osv("PYSEC-2000-1", "flask", published="2002-01-01T00:00:00Z")
    registry.publish(old, {**young, "aliases": ["GHSA-aaaa-aaaa-aaaa"]})
    registry.push(registry.repository("split/one"), image([layer(python_packages(flask="1.0"))]))
    registry.work()
    with registry.services.database.read() as tx:
        before = assessments.names(tx, ["GHSA-aaaa-aaaa-aaaa", "PYSEC-2000-1"])
    assert len({vulnerability for vulnerability, _ in before.values()}) == 1
    registry.publish(young)
    with registry.services.database.read() as tx:
        after = assessments.names(tx, ["GHSA-aaaa-aaaa-aaaa", "PYSEC-2000-1"])
    assert after["GHSA-aaaa-aaaa-aaaa"][0] == before["GHSA-aaaa-aaaa-aaaa"][0]
    assert after["PYSEC-2000-1"][0] != before["PYSEC-2000-1"][0]
    check_every_match(registry)


def test_a_withdrawn_record_closes_its_finding(registry: Registry) -> None:
    """A record that was withdrawn hits nothing in later scans; a completed scan keeps what it said."""
    registry.publish(osv("CVE-2000-0001", "flask"))
    first = registry.push(registry.repository("gone/one"), image([layer(python_packages(flask="1.0"))]))
    registry.work()
    registry.publish(osv("CVE-2000-0001", "flask", withdrawn="2026-01-01T00:00:00Z"), osv("CVE-2000-0002", "unrelated"))
    second = registry.push(registry.repository("gone/two"), image([layer(python_packages(flask="1.0"))]))
    registry.work()
    assert registry.finding_names(second) == []
    assert registry.finding_names(first) == ["CVE-2000-0001"]
