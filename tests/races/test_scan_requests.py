"""Scans that are asked for while something else happens to the image."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest

from hullwise.domain.errors import ImageArchived, ImageNotFound
from hullwise.domain.names import ImageId
from hullwise.domain.scans import ScanStatus, ScanType
from hullwise.registry import images as image_rules
from hullwise.scanning import requests
from hullwise.store import scans
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from tests.support.images import image, layer, python_packages
from tests.support.registry import Registry

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
    services.database.run(lambda tx: image_rules.delete(tx, services, repository, stale))
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
