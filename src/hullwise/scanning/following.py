"""What is in a registry already follows a new scan configuration.

    repository by repository: event of its frequency ─▶ images, in batches, each in one transaction:
        continuous now    no scan, or one that is not kept up to date ─▶ PENDING (or expired: out of its window)
        no longer         ACTIVE ─▶ COMPLETE: what was found stays, and is not kept up to date
        on its way        ends as the configuration in force then wants it
        in the archive    nothing until it comes out
        basic             nothing: the other type's results are hidden, and stay

Begun anew after a crash it repeats nothing but events. A later configuration's job takes over. A job that failed is
queued again by the next worker that looks.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from hullwise.domain.scans import Frequency, ScanStatus, ScanType, Trigger
from hullwise.events import kinds, outbox
from hullwise.jobs.queue import FOLLOW_CONFIGURATION
from hullwise.scanning import configuration, requests
from hullwise.scanning.interruptions import again_and_again
from hullwise.scanning.states import STATES
from hullwise.services import Services
from hullwise.store import configurations, images, repositories, scans
from hullwise.store.configurations import Configuration
from hullwise.store.images import Image
from hullwise.store.repositories import Repository

_REPOSITORIES = 100
_IMAGES = 50
"""Images of one transaction: each may bring a scan and its job."""


def follow(services: Services, configuration_id: int) -> None:
    """The job of a configuration. After it returns every image follows the one in force."""
    again_and_again(lambda: _follow_all(services, configuration_id), FOLLOW_CONFIGURATION, configuration_id)


def _follow_all(services: Services, configuration_id: int) -> None:
    with services.database.read() as tx:
        wanted = configurations.get(tx, configuration_id)
        before = None if wanted is None else configurations.before(tx, wanted)
    if wanted is None or before is None:
        return
    after = ""
    while True:
        with services.database.read() as tx:
            if configurations.current(tx, wanted.account, wanted.region).id != wanted.id:
                return
            page = repositories.page(tx, wanted.account, wanted.region, after, _REPOSITORIES)
        if not page:
            break
        _tell(services, before, wanted, page)
        for repository in page:
            _follow(services, wanted, repository)
        after = page[-1].name
    services.database.run(lambda tx: configurations.applied(tx, wanted.id, services.clock()))


def _enhanced(found: Configuration, repository: Repository) -> str:
    """The frequency of enhanced scanning; a repository in basic scanning has none of it."""
    if found.scan_type is ScanType.BASIC:
        return Frequency.MANUAL.value
    return configuration.frequency(found, repository).value


def _tell(services: Services, before: Configuration, now: Configuration, page: Sequence[Repository]) -> None:
    changes = [(each, _enhanced(before, each), _enhanced(now, each)) for each in page]
    changes = [change for change in changes if change[1] != change[2]]
    if changes:
        event = kinds.frequency_changes(now.account, now.region, changes)
        services.database.run(lambda tx: outbox.put(tx, [event], services.clock()))


def _follow(services: Services, wanted: Configuration, repository: Repository) -> None:
    if wanted.scan_type is ScanType.BASIC:
        return
    continuous = configuration.frequency(wanted, repository) is Frequency.CONTINUOUS_SCAN
    after = 0
    while True:
        with services.database.read() as tx:
            page = images.page(tx, repository.id, after, _IMAGES)
        if not page:
            return
        services.database.run(
            lambda tx, page=page: _follow_images(tx, services, wanted, page, continuous)  # type: ignore[misc]
        )
        after = page[-1].id


def _follow_images(
    tx: sa.Connection, services: Services, wanted: Configuration, page: Sequence[Image], continuous: bool
) -> None:
    # A later one's job may run beside this: what it has done already is not to be undone.
    if configurations.current(tx, wanted.account, wanted.region, hold=True).id != wanted.id:
        return
    there = images.still_there(tx, [image.id for image in page if image.scannable and not image.archived])
    found = scans.of_images(tx, there, ScanType.ENHANCED)
    if not continuous:
        ended = [pair.latest for pair in found.values() if pair.latest.status is ScanStatus.ACTIVE]
        scans.end_continuous(tx, [scan.id for scan in ended], ScanStatus.COMPLETE, _text(ScanStatus.COMPLETE))
        return
    for image in page:
        pair = found.get(image.id)
        latest = None if pair is None else pair.latest.status
        if image.id in there and requests.wants_enhanced(latest, continuous=True):
            _begin(tx, services, image, known=pair is not None)


def _begin(tx: sa.Connection, services: Services, image: Image, *, known: bool) -> None:
    until, now = configuration.watched_until(services.settings, image), services.clock()
    if until is None or now < until:
        requests.begin_continuous(tx, services, image)
    elif not known:
        status = ScanStatus.SCAN_ELIGIBILITY_EXPIRED
        scans.request(
            tx,
            image_id=image.id,
            scan_type=ScanType.ENHANCED,
            trigger=Trigger.CONTINUOUS,
            status=status,
            description=_text(status),
            now=now,
            ended=True,
        )


def _text(status: ScanStatus) -> str:
    return STATES[status].description
