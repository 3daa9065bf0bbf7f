"""What rows say is unfinished, queued again: where jobs are gone, and rows are not."""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa

from hullwise.domain.scans import ScanStatus
from hullwise.jobs.minutes import EachMinute
from hullwise.jobs.queue import FOLLOW_CONFIGURATION, PUBLISH, SCAN_IMAGE, SYNC
from hullwise.scanning.states import STATES
from hullwise.services import Services
from hullwise.store import configurations, feeds, publications, scans


def queue_again(tx: sa.Connection, services: Services) -> int:
    """Queue the job of each scan, publication, sync and configuration that has not ended, where there is none.

    For an installation that has no jobs. Returns how many. Each job goes on where its rows say that it stopped. Of
    syncs that were lost the last is enough.
    """
    found = [(SCAN_IMAGE, scan) for scan in scans.in_states(tx, _waiting())] + _left(tx)
    sync = feeds.latest_sync(tx)
    if sync is not None and sync.ended_at is None:
        found.append((SYNC, sync.id))
    for job, row_id in found:
        services.jobs.put(tx, job, row_id)
    return len(found)


def _left(tx: sa.Connection) -> list[tuple[str, int]]:
    """The publication that is on its way, and the configurations in force that are not followed."""
    publication = publications.unfinished(tx)
    found = [] if publication is None else [(PUBLISH, publication.id)]
    return found + [(FOLLOW_CONFIGURATION, configuration) for configuration in configurations.unapplied(tx)]


class Unfinished(EachMinute):
    """Called every few seconds by a worker; once a minute it queues what `put_again` does. Whatever ended such a job,
    nobody else would: scans end in whatever they meet, and syncs and collections are due again."""

    def __init__(self, services: Services) -> None:
        super().__init__(services.clock, partial(put_again, services))


def put_again(services: Services) -> int:
    """Queue the job of the publication that is on its way, and of each configuration that is in force and not followed,
    where it neither waits nor runs. Returns how many were; one at a time does this."""
    with services.database.read() as tx:
        if not _left(tx):
            return 0
    with services.database.exclusive("unfinished-request", services.settings.locks) as alone:
        with services.database.read() as tx:
            found = _left(tx)
        alone.check()
        return sum(services.jobs.put_again(job, row_id) for job, row_id in found)


def _waiting() -> list[ScanStatus]:
    return [status for status, state in STATES.items() if not state.ended]
