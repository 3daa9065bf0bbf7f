"""Events of what opened, changed and closed in images: one of ours for each image, Inspector's for each finding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from hullwise.domain.reports import Finding
from hullwise.domain.scans import ScanType
from hullwise.domain.vulnerabilities import Assessment
from hullwise.events import kinds, outbox
from hullwise.events.outbox import Event
from hullwise.scanning import enhanced, joined, listing, overlays, pages
from hullwise.scanning.enhanced import Observed, Subject
from hullwise.store import (
    assessments,
    configurations,
    images,
    reports,
    repositories,
    scans,
    transitions,
)
from hullwise.store.reports import Report
from hullwise.store.transitions import Closed, ContinuousImage, Transition

Change = tuple[Transition, Assessment]


def put(
    tx: sa.Connection, found: Sequence[ContinuousImage], changes: Sequence[Change], report: Report, now: datetime
) -> None:
    """Tell of the same changes in each of the images, which all have this report now. Of images in registries whose
    scan type hides these findings nothing is told."""
    known: dict[tuple[str, str], bool] = {}
    told = [image for image in found if _is_enhanced(tx, image.account, image.region, known)] if changes else []
    if not told:
        return
    outbox.put(tx, _ours(tx, told, changes, report, now), now)
    wanting = {account for account in {each.account for each in told} if outbox.wanted(tx, account, _FINDING)}
    by_inspector = [each for each in told if each.account in wanting]
    if by_inspector:
        outbox.put(tx, _inspector(tx, by_inspector, changes, report, now), now)


def put_first(tx: sa.Connection, image: ContinuousImage, report: Report, now: datetime) -> None:
    """Tell of each finding of an image that was scanned for the first time, or anew, where somebody wants to hear."""
    if not _is_enhanced(tx, image.account, image.region, {}) or not outbox.wanted(tx, image.account, _FINDING):
        return
    outbox.put(tx, _inspector(tx, [image], of_report(tx, report, "opened", "scan"), report, now), now)


def of_report(tx: sa.Connection, report: Report, kind: str, reason: str) -> list[Change]:
    """Every finding of the report, as having changed in this way, but for those that the distribution decides."""
    keys = reports.own(reports.keys(tx, report.id, 0, report.findings))
    identities = transitions.identities(tx, [(key.assessment, key.packages[0]) for key in keys])
    known = assessments.load(tx, [key.assessment for key in keys])
    return [
        (Transition(identity, kind, reason, key.assessment, key.packages[0]), known[key.assessment])
        for identity, key in zip(identities, keys, strict=True)
    ]


_FINDING = kinds.INSPECTOR_FINDING


def _is_enhanced(tx: sa.Connection, account: str, region: str, known: dict[tuple[str, str], bool]) -> bool:
    key = (account, region)
    if key not in known:
        known[key] = configurations.current(tx, account, region).scan_type is ScanType.ENHANCED
    return known[key]


def _ours(
    tx: sa.Connection, found: Sequence[ContinuousImage], changes: Sequence[Change], report: Report, now: datetime
) -> list[Event]:
    """Hullwise Findings Changed: what opened, closed and changed, and the counts afterwards, without what the account
    suppresses."""
    listed: dict[str, list[dict[str, Any]]] = {}
    for transition, assessment in changes:
        listed.setdefault(transition.kind, []).append(
            {
                "id": assessment.name,
                "severity": assessment.severity.value,
                "package": transition.identity.source_name,
                "version": transition.identity.source_version,
                "fixed_version": assessment.fix,
                "reason": transition.reason,
            }
        )
    bodies: dict[tuple[tuple[str, int], ...], str] = {}
    events = []
    for each, counts in zip(found, overlays.counts_in(tx, found, report, now), strict=True):
        same = tuple(counts.items())
        if same not in bodies:
            said = {"generation": report.generation, "counts": counts, **listed}
            bodies[same] = json.dumps(said, separators=(",", ":"))
        about = (each.account, each.region, each.repository, each.digest)
        events.append(Event(kinds.OURS, kinds.FINDINGS_CHANGED, *about, bodies[same]))
    return events


def _inspector(
    tx: sa.Connection, found: Sequence[ContinuousImage], changes: Sequence[Change], report: Report, now: datetime
) -> list[Event]:
    """Inspector2 Finding: the finding as DescribeImageScanFindings has it now, times as RFC 3339."""
    closed = [
        Closed(0, each.identity, each.reason, each.assessment_id, each.package_id, now)
        for each, _ in changes
        if each.kind == "closed" and each.assessment_id is not None and each.package_id is not None
    ]
    live = {(each.assessment_id, each.package_id) for each, _ in changes if each.kind != "closed"}
    distribution = listing.distribution(tx, report)
    tags = images.tags_of(tx, [each.image_id for each in found])
    begun = scans.first_completed(tx, [each.image_id for each in found], ScanType.ENHANCED)
    marking = overlays.Marking(tx, report, now)
    # Images of one report have most of it in common.
    known: dict[object, list[tuple[Finding, Observed]]] = {}
    events = []
    for each in found:
        image, scan = images.by_id(tx, each.image_id), scans.get(tx, each.scan_id)
        repository = None if image is None else repositories.by_id(tx, image.repository_id)
        if image is None or scan is None or repository is None:
            continue
        own, since = tags.get(image.id, []), begun.get(image.id, now)
        under, keys = marking.of(repository, image, own) if live else ("", [])
        same = (under, since, scan.status, scan.completed_at)
        if same not in known:
            keys = [key for key in keys if (key.assessment, key.packages[0]) in live]
            entries = [*pages.opened(tx, scan, report, keys, since), *pages.gone(tx, report, closed, since)]
            known[same] = [(entry.finding, entry.observed) for entry in entries]
        told = known[same]
        exploited = joined.exploitations(tx, [finding for finding, _ in told])
        subject = Subject(repository, image, own, distribution)
        for finding, observed in told:
            detail = enhanced.finding(subject, finding, observed, exploited.of(finding.assessment))
            text = msgspec.json.encode(_without_none(detail)).decode()
            about = (each.account, each.region, each.repository, each.digest)
            events.append(Event(kinds.INSPECTOR, _FINDING, *about, text, (detail["resources"][0]["id"],)))
    return events


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_none(member) for name, member in value.items() if member is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value
