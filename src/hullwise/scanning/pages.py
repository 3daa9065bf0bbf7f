"""Pages of enhanced findings: those of the report, then those that closed lately.

report (immutable)               closed up to transition T, after moment M
[0 .. active .. suppressed]      [closed, oldest first]
`At` names report, T and M: whatever happens beside, the pages of one reading are of one list
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import sqlalchemy as sa

from hullwise.domain.errors import InvalidPageToken
from hullwise.domain.packages import Occurrence
from hullwise.domain.reports import Finding
from hullwise.domain.scans import ScanStatus
from hullwise.scanning import listing, reading
from hullwise.scanning.enhanced import Observed
from hullwise.services import Services
from hullwise.store import assessments, generations, inventories, observations, packages, reports, scans, transitions
from hullwise.store.clock import from_micros, to_micros
from hullwise.store.images import Image
from hullwise.store.reports import FindingKey, Report
from hullwise.store.scans import Scan
from hullwise.store.transitions import Closed, Identity


class At(NamedTuple):
    """Where a page begins."""

    image: int
    """What it is about: a tag may name another meanwhile."""
    report: int
    start: int
    transition: int
    """The last that counts."""
    after: int
    """Microseconds; what closed up to then does not count."""


@dataclass(frozen=True, slots=True)
class Entry:
    finding: Finding
    observed: Observed
    reason: str
    """Why it closed; empty where it is open."""


@dataclass(frozen=True, slots=True)
class Page:
    report: Report
    """What it is a page of."""
    entries: Sequence[Entry]
    following: At | None


def first(tx: sa.Connection, services: Services, image: Image, report: Report) -> At:
    """Where the reading of an image's findings begins."""
    after = to_micros(services.clock() - transitions.KEPT)
    return At(image.id, report.id, 0, transitions.last_id(tx, image.id), after)


def page(tx: sa.Connection, image: Image, reported: Scan, report: Report, at: At, size: int) -> Page:
    """`size` findings at most, and where the next page begins. Raises InvalidPageToken where it began in another image,
    or in a report that is gone."""
    report = listed(tx, image, report, at.image, at.report)
    closed = transitions.closed(tx, image.id, at.transition, from_micros(at.after))
    # What expired with the image is in its report still, and shown as closed there.
    closed = [each for each in closed if each.reason != _EXPIRED]
    if closed:
        # What a later scan found again is open, whatever it was in between.
        there = _identities(tx, report)
        closed = [each for each in closed if each.identity not in there]
    stop = at.start + size
    entries = entries_of(tx, image, reported, report, reading.keys(tx, report, at.start, stop))
    start = max(at.start - report.findings, 0)
    if wanted := closed[start : start + size - len(entries)]:
        entries += gone(tx, report, wanted, _begun(tx, image, reported, report))
    more = stop < report.findings + len(closed)
    return Page(report, entries, at._replace(start=stop) if more else None)


def _identities(tx: sa.Connection, report: Report) -> set[Identity]:
    """Of all that the report lists."""
    keys = reading.keys(tx, report, 0, report.findings)
    return set(transitions.identities(tx, [(key.assessment, key.packages[0]) for key in keys]))


_EXPIRED = "expired"


def listed(tx: sa.Connection, image: Image, current: Report, begun_in: int, report_id: int) -> Report:
    """The report that a reading began in. Raises InvalidPageToken for another image's, and where it is gone."""
    report = current if report_id == current.id else reports.get(tx, report_id)
    if report is None or begun_in != image.id:
        raise InvalidPageToken
    return report


def entries_of(
    tx: sa.Connection, image: Image, reported: Scan, report: Report, keys: Sequence[FindingKey]
) -> list[Entry]:
    """What the keys of the report stand for in the image, in their order. `reported`: the image's latest scan that has
    a report; one that found nothing yet has observed nothing."""
    expired: dict[Identity, datetime] = {}
    if reported.status is ScanStatus.SCAN_ELIGIBILITY_EXPIRED:
        closed = transitions.closed(tx, image.id, None, from_micros(0))
        expired = {each.identity: each.at for each in closed if each.reason == _EXPIRED}
    return opened(tx, reported, report, keys, _begun(tx, image, reported, report), expired)


def _begun(tx: sa.Connection, image: Image, reported: Scan, report: Report) -> datetime:
    """When the image was first scanned."""
    return scans.first_completed(tx, [image.id], reported.scan_type).get(image.id, report.created_at)


def opened(
    tx: sa.Connection,
    reported: Scan,
    report: Report,
    keys: Sequence[FindingKey],
    begun: datetime,
    closed_at: Mapping[Identity, datetime] = MappingProxyType({}),
) -> list[Entry]:
    """What the keys of the report stand for, in their order. `begun`: when the image was first scanned; `closed_at`:
    when what expired with the image did."""
    found = listing.findings(tx, report, keys)
    observed = observations.of(tx, report.generation, keys)
    own = assessments.load(tx, [each for seen in observed for each in seen.assessed.values()])
    installed = {package for key in keys for package in key.packages}
    ids: dict[object, int] = {
        occurrence: package_id
        for package_id, occurrence in inventories.occurrences(tx, report.inventory_id, only=sorted(installed))
    }
    last = _last_observed(tx, reported)
    expired = reported.status is ScanStatus.SCAN_ELIGIBILITY_EXPIRED
    entries = []
    for finding, seen in zip(found, observed, strict=True):
        package = finding.package
        fixes = {}
        for place in finding.occurrences:
            assessed = own.get(seen.assessed.get(ids[place], 0))
            if assessed is not None:
                fixes[place] = assessed.fix
        identity = Identity(seen.vulnerability, package.namespace, package.source_name, package.source_version)
        entries.append(
            Entry(
                finding,
                Observed(
                    identity,
                    first=max(begun, seen.known_since or begun),
                    last=closed_at.get(identity, last) if expired else last,
                    updated=max(begun, seen.changed_at or begun),
                    status="CLOSED" if expired else "SUPPRESSED" if finding.suppression else "ACTIVE",
                    fixes=fixes,
                ),
                _EXPIRED if expired else "",
            )
        )
    return entries


def _last_observed(tx: sa.Connection, reported: Scan) -> datetime:
    ended = reported.completed_at or reported.requested_at
    if reported.status is not ScanStatus.ACTIVE:
        return ended
    row = generations.get(tx, generations.head_number(tx))
    return ended if row is None else max(ended, row.published_at)


def gone(tx: sa.Connection, report: Report, wanted: Sequence[Closed], begun: datetime) -> list[Entry]:
    """What closed, as it was, in the order given. `begun`: when the image was first scanned."""
    known = assessments.load(tx, [each.assessment_id for each in wanted])
    since = observations.known_since(tx, [(each.package_id, each.assessment_id) for each in wanted])
    installed = packages.load(tx, {each.package_id for each in wanted})
    places = inventories.occurrences(tx, report.inventory_id, only=sorted(installed))
    entries = []
    for each in wanted:
        found = tuple(occurrence for package_id, occurrence in places if package_id == each.package_id)
        # What another version of a reader found may be gone.
        found = found or (Occurrence(installed[each.package_id], "", ""),)
        first_seen = max(begun, since.get((each.package_id, each.assessment_id), begun))
        observed = Observed(each.identity, min(first_seen, each.at), each.at, each.at, "CLOSED", {})
        entries.append(Entry(Finding(known[each.assessment_id], found[0].package, found), observed, each.reason))
    return entries
