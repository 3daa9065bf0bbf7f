"""Continuous scanning gives up images that were neither pushed nor pulled recently enough.

ACTIVE ── out of its window ──▶ SCAN_ELIGIBILITY_EXPIRED, its findings CLOSED ── pushed or pulled ──▶ a new scan
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from hullwise.domain.scans import ScanStatus
from hullwise.jobs.minutes import EachMinute
from hullwise.scanning import announcements, configuration
from hullwise.scanning.states import STATES
from hullwise.services import Services
from hullwise.store import reports, scans, transitions

_IMAGES = 200
"""Images of one transaction."""


class Watch(EachMinute):
    """Called every few seconds by a worker; looks once a minute."""

    def __init__(self, services: Services) -> None:
        super().__init__(services.clock, partial(expire, services))


def expire(services: Services) -> int:
    """Give up every image whose time is over. Returns how many."""
    if not services.settings.rescan_push_days:
        return 0
    given_up = 0
    while count := services.database.run(lambda tx: _expire(tx, services)):
        given_up += count
    return given_up


def _expire(tx: sa.Connection, services: Services) -> int:
    settings, now = services.settings, services.clock()
    pushed = now - timedelta(days=settings.rescan_push_days)
    pulled = now - timedelta(days=settings.rescan_pull_days) if configuration.pulls_count(settings) else None
    due = transitions.unwatched(tx, pushed, pulled, _IMAGES)
    status = ScanStatus.SCAN_ELIGIBILITY_EXPIRED
    scans.end_continuous(tx, [image.scan_id for image in due], status, STATES[status].description)
    for report_id in sorted({image.report_id for image in due}):
        expired = [image for image in due if image.report_id == report_id]
        report = reports.get(tx, report_id)
        assert report is not None
        closed = announcements.of_report(tx, report, "closed", "expired")
        plain = [transition for transition, _ in closed]
        transitions.note(tx, [image.image_id for image in expired], plain, report.generation, now)
        announcements.put(tx, expired, closed, report, now)
    return len(due)
