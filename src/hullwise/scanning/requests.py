"""When an image is scanned: on push, on pull, or when somebody asks.

basic      scan on push, a new image           ─┐
           StartImageScan                      ─┴─▶ the registry's quota ─▶ PENDING | LIMIT_EXCEEDED
enhanced   a push of an image that has no scan, or one that expired,
           failed or was too large, or is to be kept up to date now ─▶ PENDING (continuous, or once)
           a pull of one that expired                               ─▶ PENDING (continuous)

Out of the archive is as good as pushed.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from hullwise.domain.errors import (
    FeatureDisabled,
    ImageArchived,
    ImageNotFound,
    RepositoryNotFound,
    ScanQuotaSpent,
    UnsupportedImageType,
)
from hullwise.domain.manifests import IMAGE_CONFIGS
from hullwise.domain.moments import moment_from
from hullwise.domain.scans import Frequency, ScanStatus, ScanType, Trigger
from hullwise.jobs.queue import SCAN_IMAGE
from hullwise.scanning import configuration
from hullwise.scanning.states import STATES
from hullwise.services import Services
from hullwise.store import configurations, images, quotas, repositories, scans
from hullwise.store.clock import APART
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from hullwise.store.scans import Scan


def on_push(tx: sa.Connection, services: Services, repository: Repository, image: Image, new: bool) -> None:
    """Subscribed to pushes: queue a scan where the registry's configuration says that this one brings one."""
    if not image.scannable:
        return
    current = configurations.current(tx, repository.account, repository.region, hold=True)
    frequency = configuration.frequency(current, repository)
    if frequency is Frequency.MANUAL:
        return
    if current.scan_type is ScanType.BASIC:
        if new:
            _request_basic(tx, services, repository, image, Trigger.PUSH)
        return
    continuous = frequency is Frequency.CONTINUOUS_SCAN
    latest = scans.of_images(tx, [image.id], ScanType.ENHANCED).get(image.id)
    if wants_enhanced(None if latest is None else latest.latest.status, continuous=continuous):
        _request(tx, services, image.id, Trigger.CONTINUOUS if continuous else Trigger.PUSH, ScanType.ENHANCED)


def on_pull(tx: sa.Connection, services: Services, image: Image) -> None:
    """Subscribed to pulls: one that expired is kept up to date again."""
    found = scans.of_images(tx, [image.id], ScanType.ENHANCED).get(image.id)
    if found is None or found.latest.status is not ScanStatus.SCAN_ELIGIBILITY_EXPIRED:
        return
    repository = repositories.by_id(tx, image.repository_id)
    if repository is None or not configuration.pulls_count(services.settings):
        return
    current = configurations.current(tx, repository.account, repository.region, hold=True)
    continuous = configuration.frequency(current, repository) is Frequency.CONTINUOUS_SCAN
    if current.scan_type is ScanType.ENHANCED and continuous:
        begin_continuous(tx, services, image)


def start(tx: sa.Connection, services: Services, repository: Repository, image: Image) -> Scan:
    """A basic scan that somebody asks for. One that is waiting or running already is returned as it is.

    Where the registry's quota is spent the scan is LIMIT_EXCEEDED and says until when. Raises FeatureDisabled in
    enhanced scanning, UnsupportedImageType for indexes and artifacts, ImageNotFound where it was deleted meanwhile,
    ImageArchived, and ScanQuotaSpent where the image was scanned as often as it may be in 24 hours.
    """
    if configurations.current(tx, repository.account, repository.region).scan_type is ScanType.ENHANCED:
        raise FeatureDisabled
    _check_scannable(image)
    if not repositories.lock(tx, repository.id):
        raise RepositoryNotFound(repository.name, repository.account)
    # As it is now: whoever held the lock may have deleted or archived it.
    found = images.by_digest(tx, repository.id, image.digest)
    if found is None:
        raise ImageNotFound(image.digest, None, repository.name, repository.account)
    image = found
    if image.archived:
        raise ImageArchived(image.digest, repository.name)
    current = scans.of_images(tx, [image.id], ScanType.BASIC).get(image.id)
    if current is not None:
        if not STATES[current.latest.status].ended:
            return current.latest
        _check_image_quota(tx, services, image, found=current.reported is not None)
    return _request_basic(tx, services, repository, image, Trigger.MANUAL)


def _check_image_quota(tx: sa.Connection, services: Services, image: Image, *, found: bool) -> None:
    limit = services.settings.scan_quota_per_image
    if not limit:
        return
    counting = [status for status, state in STATES.items() if state.counts]
    now = services.clock()
    # A scan that is dated further ahead has no day that could be waited for.
    recent = scans.between(tx, image.id, ScanType.BASIC, now - quotas.WINDOW, now + APART, counting, limit)
    if len(recent) == limit:
        raise ScanQuotaSpent(recent[0], recent[-1] + quotas.WINDOW, found=found)


def begin_continuous(tx: sa.Connection, services: Services, image: Image) -> Scan:
    """Scan the image and keep its findings up to date from then on. Raises UnsupportedImageType."""
    _check_scannable(image)
    return _request(tx, services, image.id, Trigger.CONTINUOUS, ScanType.ENHANCED)


def scan_again(tx: sa.Connection, services: Services, found: Sequence[Scan]) -> None:
    """New scans in place of those that found no advisory data. They cost no quota: those did."""
    there = set(images.still_there(tx, [scan.image_id for scan in found]))
    for scan in found:
        latest = scans.of_images(tx, [scan.image_id], scan.scan_type).get(scan.image_id)
        if scan.image_id in there and latest is not None and latest.latest.id == scan.id:
            _request(tx, services, scan.image_id, scan.trigger, scan.scan_type)


_RETRIED = {ScanStatus.SCAN_ELIGIBILITY_EXPIRED, ScanStatus.FAILED, ScanStatus.IMAGE_SIZE_EXCEEDED}
"""How an enhanced scan may have ended that another could do better."""


def wants_enhanced(latest: ScanStatus | None, *, continuous: bool) -> bool:
    """Whether an image gets an enhanced scan where one is due, given how its latest stands (None: it has none)."""
    return latest is None or latest in _RETRIED or (continuous and latest is ScanStatus.COMPLETE)


def keeps_up_to_date(tx: sa.Connection, scan: Scan, repository: Repository) -> bool:
    """Whether an enhanced scan that completes now goes on being kept up to date: as the registry is configured by now,
    and until the transaction ends. Basic scanning, which only hides what enhanced scanning has, leaves it as asked."""
    current = configurations.current(tx, repository.account, repository.region, hold=True)
    if current.scan_type is ScanType.BASIC:
        return scan.trigger is Trigger.CONTINUOUS
    return configuration.frequency(current, repository) is Frequency.CONTINUOUS_SCAN


def _check_scannable(image: Image) -> None:
    if not image.scannable:
        config = image.artifact_media_type
        raise UnsupportedImageType(config if config and config not in IMAGE_CONFIGS else image.media_type)


def _request_basic(
    tx: sa.Connection, services: Services, repository: Repository, image: Image, trigger: Trigger
) -> Scan:
    limit = services.settings.scan_quota
    frees = quotas.take(tx, repository.account, repository.region, limit, services.clock())
    if frees is None:
        return _request(tx, services, image.id, trigger, ScanType.BASIC)
    text = f"The quota of {limit} basic scans in 24 hours is spent. The next scan can start at {moment_from(frees)}."
    current = scans.of_images(tx, [image.id], ScanType.BASIC).get(image.id)
    if current is not None and current.latest.status is ScanStatus.LIMIT_EXCEEDED:
        return scans.refuse_again(tx, current.latest.id, trigger, text, services.clock())
    return scans.request(
        tx,
        image_id=image.id,
        scan_type=ScanType.BASIC,
        trigger=trigger,
        status=ScanStatus.LIMIT_EXCEEDED,
        description=text,
        now=services.clock(),
        ended=True,
    )


def _request(tx: sa.Connection, services: Services, image_id: int, trigger: Trigger, scan_type: ScanType) -> Scan:
    """The scan's row and its job, in one transaction: neither is ever there without the other."""
    scan = scans.request(
        tx,
        image_id=image_id,
        scan_type=scan_type,
        trigger=trigger,
        status=ScanStatus.PENDING,
        description=STATES[ScanStatus.PENDING].description,
        now=services.clock(),
    )
    services.jobs.put(tx, SCAN_IMAGE, scan.id)
    return scan
