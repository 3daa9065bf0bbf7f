"""Scans that are asked for while something else happens to the image."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest

from hullwise.domain.errors import ImageArchived, ImageNotFound
from hullwise.domain.manifests import OCI_MANIFEST
from hullwise.domain.names import ImageId
from hullwise.domain.scan_rules import ScanRule
from hullwise.domain.scans import Frequency, ScanStatus, ScanType
from hullwise.jobs.queue import FOLLOW_CONFIGURATION
from hullwise.registry import images as image_rules
from hullwise.scanning import configuration, following, requests
from hullwise.store import images, scans
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from tests.support.advisories import osv
from tests.support.images import image, layer, python_packages
from tests.support.registry import ACCOUNT, REGION, Registry

CONTENT = image([layer(python_packages(flask="1.0"))])


@pytest.fixture
def pushed(registry: Registry) -> tuple[Repository, Image]:
    """An image that no scan was asked for."""
    repository = registry.repository(scan_on_push=False)
    return repository, registry.push(repository, CONTENT)


def test_an_image_that_is_deleted_meanwhile(registry: Registry, pushed: tuple[Repository, Image]) -> None:
    """Found before and gone once it is its turn: the request says so; pushed again it is the new one's scan."""
    repository, stale = pushed
    services = registry.services
    services.database.run(lambda tx: image_rules.delete(tx, services, repository, stale, "tests"))
    with pytest.raises(ImageNotFound):
        services.database.run(lambda tx: requests.start(tx, services, repository, stale))
    again = registry.push(repository, CONTENT)
    scan = services.database.run(lambda tx: requests.start(tx, services, repository, stale))
    assert scan.image_id == again.id


def test_an_image_that_is_archived_meanwhile(registry: Registry, pushed: tuple[Repository, Image]) -> None:
    """It is refused as one that was archived long ago, and nothing is counted."""
    repository, stale = pushed
    services = registry.services
    target: Literal["ARCHIVE"] = "ARCHIVE"
    named = ImageId(digest=stale.digest)
    services.database.run(lambda tx: image_rules.set_storage_class(tx, services, repository, named, target))
    with pytest.raises(ImageArchived):
        services.database.run(lambda tx: requests.start(tx, services, repository, stale))
    assert registry.queue.jobs == []


def test_two_first_scans_at_once(registry: Registry, pushed: tuple[Repository, Image]) -> None:
    """A push and a configuration that is followed may both ask for an image's first enhanced scan: both are kept, and
    the later speaks for the image."""
    _, stored = pushed
    services = registry.services
    with ThreadPoolExecutor(1) as pool:
        with services.database.write() as tx:
            first = requests.begin_continuous(tx, services, stored)
            waiting = pool.submit(services.database.run, lambda tx: requests.begin_continuous(tx, services, stored))
            # Long enough for it to have found nothing and to wait.
            time.sleep(0.3)
        second = waiting.result()
    with services.database.read() as tx:
        latest = scans.of_images(tx, [stored.id], ScanType.ENHANCED)[stored.id].latest
    assert first.id < second.id == latest.id
    assert latest.status is ScanStatus.PENDING


def enhance(registry: Registry, frequency: Frequency) -> int:
    """Put a configuration, whose job is not run."""
    services = registry.services
    rules = [ScanRule(frequency, ("*",))]
    return services.database.run(
        lambda tx: configuration.put(tx, services, ACCOUNT, REGION, ScanType.ENHANCED, rules)
    ).id


def test_a_push_beside_a_new_configuration(registry: Registry) -> None:
    """An image whose push began under the old configuration, and ends after the new one, follows the new one."""
    services, repository = registry.services, registry.repository(scan_on_push=False)
    registry.publish(osv("CVE-2024-0001", "flask"))
    for blob in CONTENT.blobs:
        registry.push_blob(repository, blob)
    prepared = image_rules.prepare(CONTENT.manifest, OCI_MANIFEST)

    def configure() -> None:
        following.follow(services, enhance(registry, Frequency.CONTINUOUS_SCAN))
        # The configuration is followed this once.
        registry.queue.jobs[:] = [job for job in registry.queue.jobs if job[0] != FOLLOW_CONFIGURATION]

    with ThreadPoolExecutor(1) as pool:
        with services.database.write() as tx:
            stored = image_rules.put(tx, services, repository, prepared, "latest").image
            waiting = pool.submit(configure)
            # Long enough for it to be through, unless it waits for the push.
            time.sleep(0.5)
        waiting.result()
    registry.work()
    with services.database.read() as tx:
        latest = scans.of_images(tx, [stored.id], ScanType.ENHANCED)[stored.id].latest
    assert latest.status is ScanStatus.ACTIVE


def test_the_job_of_an_earlier_configuration_undoes_nothing(
    registry: Registry, pushed: tuple[Repository, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is in its middle when a later one is put and followed begins nothing that the later does not want."""
    _, stored = pushed
    services, page = registry.services, images.page
    earlier = enhance(registry, Frequency.CONTINUOUS_SCAN)

    def later_first(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(images, "page", page)
        following.follow(services, enhance(registry, Frequency.SCAN_ON_PUSH))
        return page(*given, **named)

    monkeypatch.setattr(images, "page", later_first)
    following.follow(services, earlier)
    with services.database.read() as tx:
        assert scans.of_images(tx, [stored.id], ScanType.ENHANCED) == {}
