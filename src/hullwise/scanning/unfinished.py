"""What rows say is unfinished, queued again: for an installation whose jobs are gone, and whose rows are not."""

from __future__ import annotations

import sqlalchemy as sa

from hullwise.domain.scans import ScanStatus
from hullwise.jobs.queue import FOLLOW_CONFIGURATION, PUBLISH, SCAN_IMAGE, SYNC
from hullwise.scanning.states import STATES
from hullwise.services import Services
from hullwise.store import configurations, feeds, publications, scans


def queue_again(tx: sa.Connection, services: Services) -> int:
    """Queue the job of each scan, publication, sync and configuration that has not ended, where there is none.

    Returns how many. Each job goes on where its rows say that it stopped. Of syncs that were lost the last is enough.
    """
    found = [(SCAN_IMAGE, scan) for scan in scans.in_states(tx, _waiting())]
    publication, sync = publications.unfinished(tx), feeds.latest_sync(tx)
    if publication is not None:
        found.append((PUBLISH, publication.id))
    if sync is not None and sync.ended_at is None:
        found.append((SYNC, sync.id))
    found += [(FOLLOW_CONFIGURATION, configuration) for configuration in configurations.unapplied(tx)]
    for job, row_id in found:
        services.jobs.put(tx, job, row_id)
    return len(found)


def _waiting() -> list[ScanStatus]:
    return [status for status, state in STATES.items() if not state.ended]
