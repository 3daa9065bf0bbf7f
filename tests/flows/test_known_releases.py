"""Language packages that a distribution installed, while what is known of the distribution comes and goes."""

from __future__ import annotations

from hullwise.domain.scans import ScanType
from hullwise.scanning import reading
from hullwise.store import scans
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from tests.support.advisories import osv
from tests.support.continuous import begin
from tests.support.images import image, layer
from tests.support.registry import Registry
from tests.support.truth import check_matches, check_report
from tests.unit.inventory.test_ownership import DEBIAN

MAKO = osv("GHSA-aaaa-bbbb-cccc", "mako", fixed="1.3")
ELSEWHERE = osv("DEBIAN-CVE-2024-0001", "zlib", fixed="1:1.3", ecosystem="Debian:12")


def counted(registry: Registry, repository: Repository, stored: Image) -> tuple[int, int]:
    """Findings of the image that count, and all of them."""
    check_matches(registry.services)
    check_report(registry.services, stored.id)
    with registry.services.database.read() as tx:
        found = scans.of_images(tx, [stored.id], ScanType.ENHANCED)
        report = reading.current(tx, registry.services, repository, {stored.id: stored}, found)[stored.id].report
    return sum(report.counts.values()), report.findings


def test_a_release_that_becomes_known_decides_on_what_it_installed(registry: Registry) -> None:
    """By its first record on any of its packages; and no more once there is none."""
    registry.publish(MAKO)
    repository, files = registry.repository(), {path: text.encode() for path, text in DEBIAN.items()}
    stored = registry.push(repository, image([layer(files)]))
    begin(registry, stored)
    registry.work()
    assert counted(registry, repository, stored) == (1, 1)
    registry.publish(ELSEWHERE)
    assert counted(registry, repository, stored) == (0, 1)
    registry.publish(ELSEWHERE | {"withdrawn": "2026-01-01T00:00:00Z"})
    assert counted(registry, repository, stored) == (1, 1)
