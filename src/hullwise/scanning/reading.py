"""What a caller reads of scans: the status of an image's latest scan, and the findings of its latest report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from hullwise.domain.errors import ScanNotFound
from hullwise.domain.names import ImageId
from hullwise.domain.reports import Finding
from hullwise.domain.scans import ScanStatus, ScanType
from hullwise.scanning import listing, overlays
from hullwise.scanning.states import STATES
from hullwise.services import Services
from hullwise.store import configurations, generations, reports, scans
from hullwise.store.descriptions import Line, described
from hullwise.store.generations import Generation
from hullwise.store.images import Image
from hullwise.store.reports import FindingKey, Report
from hullwise.store.repositories import Repository
from hullwise.store.scans import ImageScans, Scan


class Result(msgspec.Struct, frozen=True):
    """A report, and what is said about it."""

    report: Report
    completed_at: datetime
    generation: Generation


def scan_type(tx: sa.Connection, repository: Repository) -> ScanType:
    """The type whose results the registry shows: the other's are hidden, and kept."""
    return configurations.current(tx, repository.account, repository.region).scan_type


def latest(tx: sa.Connection, repository: Repository, image: Image, asked: ImageId) -> ImageScans:
    """The image's scans of the registry's type. Raises ScanNotFound where there never was one."""
    found = scans.of_images(tx, [image.id], scan_type(tx, repository)).get(image.id)
    if found is None:
        raise ScanNotFound(image.digest, asked.tag, repository.name, repository.account)
    return found


def shown(image: Image, scan: Scan) -> tuple[ScanStatus, str]:
    """Status and description of the image: those of its latest scan, unless it is in the archive."""
    return ARCHIVED if image.archived else (scan.status, scan.description)


ARCHIVED = (ScanStatus.IMAGE_ARCHIVED, STATES[ScanStatus.IMAGE_ARCHIVED].description)
"""What is said of an image in the archive, whatever became of its scan."""


def results(tx: sa.Connection, found: Mapping[int, ImageScans]) -> dict[int, Result]:
    """By image id, the latest report of each image that has one, as the advisories alone have it."""
    reported = {image: pair.reported for image, pair in found.items() if pair.reported is not None}
    wanted = sorted({scan.report_id for scan in reported.values() if scan.report_id is not None})
    by_id = reports.many(tx, wanted)
    numbers = {report.generation for report in by_id.values()}
    rows = {number: row for number in numbers if (row := generations.get(tx, number)) is not None}
    return {
        image: Result(by_id[scan.report_id], scan.completed_at, rows[by_id[scan.report_id].generation])
        for image, scan in reported.items()
        if scan.report_id is not None and scan.completed_at is not None
    }


def current(
    tx: sa.Connection,
    services: Services,
    repository: Repository,
    images: Mapping[int, Image],
    found: Mapping[int, ImageScans],
) -> dict[int, Result]:
    """The results of images of one repository (by id), under what its account says of them at this moment."""
    plain = results(tx, found)
    digests = {image: images[image].digest for image in plain}
    applied = overlays.apply(tx, services, repository, digests, {image: each.report for image, each in plain.items()})
    return {
        image: each if applied[image] is each.report else msgspec.structs.replace(each, report=applied[image])
        for image, each in plain.items()
    }


def suppressing(
    tx: sa.Connection, services: Services, repository: Repository, lines: Sequence[Line]
) -> dict[int, Report]:
    """By image id: its report under what its account says at this moment; those that this leaves alone are left out."""
    found = [described(line) for line in lines]
    plain = reports.many(tx, sorted({each.report_id for each in found if each.report_id is not None}))
    mine = {each.id: plain[each.report_id] for each in found if each.report_id is not None}
    applied = overlays.apply(tx, services, repository, {each.id: each.digest for each in found}, mine)
    return {image: report for image, report in applied.items() if report is not mine[image]}


def page(tx: sa.Connection, report: Report, start: int, stop: int) -> list[Finding]:
    """Findings number `start` up to `stop`, which is not included. Opens no generation: the report has it all."""
    return listing.findings(tx, report, keys(tx, report, start, stop))


def keys(tx: sa.Connection, report: Report, start: int, stop: int) -> Sequence[FindingKey]:
    """Keys number `start` up to `stop`, which is not included."""
    return report.fresh[start:stop] if report.fresh else reports.keys(tx, report.id, start, stop)
