"""When an image is scanned: on push, or when somebody asks."""

from __future__ import annotations

import sqlalchemy as sa

from hullwise.domain.errors import UnsupportedImageType
from hullwise.domain.manifests import IMAGE_CONFIGS
from hullwise.domain.scans import ScanStatus, ScanType, Trigger
from hullwise.jobs.queue import SCAN_IMAGE
from hullwise.scanning.states import STATES
from hullwise.services import Services
from hullwise.store import scans
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from hullwise.store.scans import Scan


def on_push(tx: sa.Connection, services: Services, repository: Repository, image: Image) -> None:
    """Subscribed to pushes: queue a scan of a new image where its repository is scanned on push."""
    if repository.scan_on_push and image.scannable:
        _request(tx, services, image, Trigger.PUSH)


def start(tx: sa.Connection, services: Services, image: Image) -> Scan:
    """A scan that somebody asks for. One that is waiting or running already is returned as it is.

    Raises UnsupportedImageType for indexes and artifacts.
    """
    _check_scannable(image)
    current = scans.of_images(tx, [image.id], ScanType.BASIC).get(image.id)
    if current is not None and not STATES[current.latest.status].final:
        return current.latest
    return _request(tx, services, image, Trigger.MANUAL)


def begin_continuous(tx: sa.Connection, services: Services, image: Image) -> Scan:
    """Scan the image and keep its findings up to date from then on. Raises UnsupportedImageType."""
    _check_scannable(image)
    return _request(tx, services, image, Trigger.CONTINUOUS, ScanType.ENHANCED)


def _check_scannable(image: Image) -> None:
    if not image.scannable:
        config = image.artifact_media_type
        raise UnsupportedImageType(config if config and config not in IMAGE_CONFIGS else image.media_type)


def _request(
    tx: sa.Connection, services: Services, image: Image, trigger: Trigger, scan_type: ScanType = ScanType.BASIC
) -> Scan:
    """The scan's row and its job, in one transaction: neither is ever there without the other."""
    scan = scans.request(
        tx,
        image_id=image.id,
        scan_type=scan_type,
        trigger=trigger,
        status=ScanStatus.PENDING,
        description=STATES[ScanStatus.PENDING].description,
        now=services.clock(),
    )
    services.jobs.put(tx, SCAN_IMAGE, scan.id)
    return scan
