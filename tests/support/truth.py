"""What must be true of the database between any two transactions, checked by matching everything anew."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import sqlalchemy as sa

from hullwise.advisories.generation import Generation
from hullwise.domain import reports as domain_reports
from hullwise.domain.scans import ScanStatus, ScanType
from hullwise.domain.vulnerabilities import Assessment
from hullwise.scanning import reading
from hullwise.services import Services
from hullwise.store import assessments, generations, inventories, packages, scans
from hullwise.store.scans import Scan
from hullwise.store.tables import assessments as assessments_table
from hullwise.store.tables import matches as matches_table
from hullwise.store.tables import packages as packages_table
from hullwise.store.tables import reports as reports_table
from hullwise.store.tables import scans as scans_table


def check_matches(services: Services) -> int:
    """Every interned package that was ever matched has, at the head, what a fresh match through the head's file gives.

    Returns the head's number. Nothing may be writing beside it.
    """
    with services.database.read() as tx:
        head = generations.head_number(tx)
        row = generations.get(tx, head)
        assert row is not None
        matched = sa.select(packages_table.c.id).where(packages_table.c.matched_from.is_not(None))
        ids = list(tx.execute(matched).scalars())
        found = packages.load(tx, ids)
        assert packages.unmatched(tx, ids, head) == []
        stored = packages.matches_of(tx, ids, head)
        known = assessments.load(tx, [hit for hits in stored.values() for hit in hits])
        _check_intervals(tx, head)
    with services.open_generation(row) as generation:
        for package_id, package in found.items():
            fresh = {hit.name: hit for hit in generation.match(package)}
            assert {known[hit].name: known[hit] for hit in stored.get(package_id, [])} == fresh, package
    return head


def _check_intervals(tx: sa.Connection, head: int) -> None:
    """No interval is empty, reaches beyond the head, or overlaps another of the same package and assessment."""
    columns = matches_table.c
    query = sa.select(columns.package_id, columns.assessment_id, columns.from_generation, columns.to_generation)
    spans: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for package_id, assessment_id, start, end in tx.execute(query):
        assert start <= head and (end is None or start < end <= head), (package_id, assessment_id, start, end)
        spans.setdefault((package_id, assessment_id), []).append((start, end or head + 1))
    for key, parts in spans.items():
        parts.sort()
        assert all(before[1] <= after[0] for before, after in pairwise(parts)), (key, parts)


@dataclass(frozen=True)
class Report:
    """What the latest report of an image says."""

    generation: int
    names: tuple[str, ...]
    scan: Scan


def check_report(services: Services, image_id: int) -> Report:
    """An image's latest scan is complete, under a generation that is published, and says what a fresh match of its
    inventory through that generation's file says, in the order of pages."""
    with services.database.read() as tx:
        of_image = scans.of_images(tx, [image_id], ScanType.BASIC)
        scan = of_image[image_id].latest
        assert scan.status is ScanStatus.COMPLETE, scan
        report = reading.results(tx, of_image)[image_id].report
        assert report.id == scan.report_id
        found = reading.page(tx, report, 0, report.findings)
        placed = [occurrence for _, occurrence in inventories.occurrences(tx, report.inventory_id)]
        row = generations.get(tx, report.generation)
        assert row is not None
        assert report.generation <= generations.head_number(tx)
    with services.open_generation(row) as generation:
        hits = {occurrence.package: generation.match(occurrence.package) for occurrence in placed}
    assert tuple(found) == domain_reports.findings(placed, hits)
    assert report.counts == domain_reports.counts(finding.assessment.severity for finding in found)
    return Report(report.generation, tuple(finding.assessment.name for finding in found), scan)


def check_scans(services: Services) -> None:
    """Every scan has ended, and each report is that of a scan which completed."""
    with services.database.read() as tx:
        rows = tx.execute(sa.select(scans_table.c.status, scans_table.c.report_id, scans_table.c.completed_at)).all()
        assert {row.status for row in rows} <= {"COMPLETE"}
        assert all(row.completed_at is not None for row in rows)
        assert {row.report_id for row in rows} == set(tx.execute(sa.select(reports_table.c.id)).scalars())


def check_identities(services: Services) -> dict[str, int]:
    """Each vulnerability that hits something at the head has one id, all its names name that id, and no other has it.

    Returns the ids by shown name.
    """
    with services.database.read() as tx:
        head = generations.head_number(tx)
        row = generations.get(tx, head)
        assert row is not None
        hits = packages.matches_of(tx, list(tx.execute(sa.select(packages_table.c.id)).scalars()), head)
        open_ids = sorted({hit for found in hits.values() for hit in found})
        known = assessments.load(tx, open_ids)
        about = sa.select(assessments_table.c.id, assessments_table.c.vulnerability_id)
        stored = {row.id: row.vulnerability_id for row in tx.execute(about)}
        named = {name: number for name, (number, _) in assessments.names(tx, _ids(known)).items()}
    by_name: dict[str, int] = {}
    with services.open_generation(row) as generation:
        for number, assessment in known.items():
            _check_names(generation, assessment, named, stored[number])
            assert by_name.setdefault(assessment.name, stored[number]) == stored[number]
    assert len(set(by_name.values())) == len(by_name), by_name
    return by_name


def _ids(known: dict[int, Assessment]) -> set[str]:
    return {name for assessment in known.values() for name in (assessment.name, *assessment.ids)}


def _check_names(generation: Generation, assessment: Assessment, named: dict[str, int], vulnerability: int) -> None:
    for name in generation.names_of(assessment.name):
        assert named[name] == vulnerability, (name, named, assessment.name, vulnerability)
