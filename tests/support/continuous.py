"""Images whose findings are kept up to date, and what must be true of them."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from hullwise.domain import reports as domain_reports
from hullwise.domain.scan_rules import ScanRule
from hullwise.domain.scans import Frequency, ScanStatus, ScanType
from hullwise.events import kinds
from hullwise.scanning import reading, requests
from hullwise.services import Services
from hullwise.store import configurations, generations, inventories, repositories, scans
from hullwise.store.images import Image
from hullwise.store.tables import events as events_table
from hullwise.store.tables import image_transitions, vulnerability_names
from tests.support.registry import ACCOUNT, REGION, Registry


def begin(registry: Registry, stored: Image) -> None:
    """Scan the image continuously from now on, as all of its repository; the scan is queued. The registry shows
    enhanced results from now on, and a push into a repository of which this was not said brings no scan."""
    services = registry.services

    def put(tx: sa.Connection) -> None:
        repository = repositories.by_id(tx, stored.repository_id)
        assert repository is not None
        current = configurations.current(tx, ACCOUNT, REGION)
        filters = {repository.name, *(each for rule in current.rules for each in rule.filters)}
        rule = ScanRule(Frequency.CONTINUOUS_SCAN, tuple(sorted(filters)))
        configurations.put(tx, ACCOUNT, REGION, ScanType.ENHANCED, [rule], services.clock())

    services.database.run(put)
    services.database.run(lambda tx: requests.begin_continuous(tx, services, stored))


def finding_names(services: Services, image_id: int) -> list[str]:
    """What the image's continuous report says now, in its order."""
    with services.database.read() as tx:
        found = scans.of_images(tx, [image_id], ScanType.ENHANCED)
        report = reading.results(tx, found)[image_id].report
        return [finding.assessment.name for finding in reading.page(tx, report, 0, report.findings)]


def check_current(services: Services, image_id: int) -> int:
    """The image's continuous report says what a fresh match of its inventory through the head's file says.

    Returns the generation that the report was made through.
    """
    with services.database.read() as tx:
        of_image = scans.of_images(tx, [image_id], ScanType.ENHANCED)
        scan = of_image[image_id].latest
        assert scan.status is ScanStatus.ACTIVE, scan
        report = reading.results(tx, of_image)[image_id].report
        found = reading.page(tx, report, 0, report.findings)
        placed = [occurrence for _, occurrence in inventories.occurrences(tx, report.inventory_id)]
        row = generations.get(tx, generations.head_number(tx))
        assert row is not None
    with services.open_generation(row) as generation:
        hits = {occurrence.package: generation.match(occurrence.package) for occurrence in placed}
    assert tuple(found) == domain_reports.findings(placed, hits)
    assert report.counts == domain_reports.counts(finding.assessment.severity for finding in found)
    return report.generation


def events(services: Services) -> list[dict[str, Any]]:
    """What is told of changed findings, oldest first: each event's body, with its image's digest and repository."""
    with services.database.read() as tx:
        changed = sa.select(events_table).where(events_table.c.kind == kinds.FINDINGS_CHANGED)
        rows = tx.execute(changed.order_by(events_table.c.id)).all()
    return [{"digest": row.digest, "repository": row.repository, **json.loads(row.body)} for row in rows]


def transitions(services: Services, image_id: int) -> list[tuple[str, str, str]]:
    """(kind, reason, one of the names that its vulnerability has now, or empty) of an image, oldest first."""
    columns = image_transitions.c
    with services.database.read() as tx:
        query = sa.select(columns.kind, columns.reason, columns.vulnerability_id)
        rows = tx.execute(query.where(columns.image_id == image_id).order_by(columns.id)).all()
        names = {row.vulnerability_id: row.name for row in tx.execute(sa.select(vulnerability_names))}
    return [(row.kind, row.reason, names.get(row.vulnerability_id, "")) for row in rows]
