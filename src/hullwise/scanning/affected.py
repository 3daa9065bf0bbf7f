"""Images that a vulnerability is in: found from the vulnerability, and each seen as its account sees it now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hullwise.advisories.records import is_id, spellings_of
from hullwise.domain.errors import VulnerabilityNotFound
from hullwise.domain.reports import Finding
from hullwise.domain.scans import ScanType
from hullwise.scanning import listing, reading, upstream
from hullwise.scanning.reading import Result
from hullwise.services import UNREADABLE, Services
from hullwise.store import affected, assessments, configurations, generations, images, repositories, scans, transitions
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from hullwise.store.scans import Scan

_ROUNDS = 10
"""Candidates that one page looks at, in pages. Where fewer of them are as wanted the page is shorter."""


@dataclass(frozen=True, slots=True)
class Vulnerability:
    name: str
    """The id that was asked for, as it is written."""
    aliases: tuple[str, ...]
    """Its other ids, sorted."""


@dataclass(frozen=True, slots=True)
class Affected:
    """An image that has it."""

    repository: Repository
    image: Image
    tags: Sequence[str]
    indexes: Mapping[str, Sequence[str]]
    """Tags by digest of the indexes that list it."""
    scan: Scan
    result: Result
    findings: Sequence[Finding]

    @property
    def status(self) -> tuple[str, str]:
        status, description = reading.shown(self.image, self.scan)
        return status.value, description


@dataclass(frozen=True, slots=True)
class Page:
    vulnerability: Vulnerability
    images: Sequence[Affected]
    """In the order of their pushes."""
    following: int | None
    """The next page begins above this image's id."""


def find(
    tx: sa.Connection,
    services: Services,
    account: str,
    region: str,
    name: str,
    *,
    suppressed: bool | None = None,
    after: int = 0,
    size: int = 100,
) -> Page:
    """Images of the account and region whose report, of the registry's type, has the vulnerability.

    `name` is any id that it has today, in any case, or one that its advisory takes care of. `suppressed` narrows it to
    findings that are, or are not. Raises VulnerabilityNotFound for an id that neither finds an image nor stands in the
    advisory data: whether others have it decides nothing.
    """
    if not is_id(name):
        raise VulnerabilityNotFound(name)
    named = assessments.named(tx, spellings_of(name))
    spelt, advised = upstream.taking_care_of(tx, name)
    about = set(named.values()) | assessments.vulnerabilities_of(tx, advised)
    chosen = assessments.about(tx, named.values()) | advised
    found, following = _images(tx, services, (account, region), about, chosen, suppressed, after, size)
    if found or following or after:
        known = assessments.names_of(tx, named.values())
        names = {each for group in known.values() for each in group}
        canonical = next(iter(named), spelt)
        return Page(Vulnerability(canonical, tuple(sorted(names - {canonical}))), found, following)
    return Page(_in_data(tx, services, name), found, following)


def _in_data(tx: sa.Connection, services: Services, name: str) -> Vulnerability:
    """As the advisory data in use names it. Raises VulnerabilityNotFound."""
    row = generations.get(tx, generations.head_number(tx))
    if row is None:
        raise VulnerabilityNotFound(name)
    try:
        with services.open_generation(row) as generation:
            for spelling in spellings_of(name):
                for root in generation.roots_of([spelling]):
                    others = set(generation.names_of(root)) - {spelling}
                    return Vulnerability(spelling, tuple(sorted(others)))
    except UNREADABLE as error:
        raise VulnerabilityNotFound(name) from error
    raise VulnerabilityNotFound(name)


def _images(
    tx: sa.Connection,
    services: Services,
    registry: tuple[str, str],
    about: Iterable[int],
    chosen: set[int] | frozenset[int],
    suppressed: bool | None,
    after: int,
    size: int,
) -> tuple[list[Affected], int | None]:
    vulnerabilities = sorted(about)
    if not vulnerabilities:
        return [], None
    scan_type = configurations.current(tx, *registry).scan_type
    kept = generations.head_at(tx, services.clock() - transitions.KEPT)
    found: list[Affected] = []
    for _ in range(_ROUNDS):
        # One more than is looked at: whether there is anything behind.
        ids = affected.image_ids(tx, vulnerabilities, *registry, scan_type, after, size + 1, kept)
        for each in _having(tx, services, ids[:size], scan_type, chosen, suppressed):
            found.append(each)
            if len(found) == size:
                more = len(ids) > size or each.image.id != ids[-1]
                return found, each.image.id if more else None
        if len(ids) <= size:
            return found, None
        after = ids[size - 1]
    return found, after


def _having(
    tx: sa.Connection,
    services: Services,
    image_ids: Sequence[int],
    scan_type: ScanType,
    chosen: set[int] | frozenset[int],
    suppressed: bool | None,
) -> list[Affected]:
    """Those of the images, in order, whose reports have one of the chosen assessments."""
    by_id = images.many(tx, image_ids)
    scanned = scans.of_images(tx, image_ids, scan_type)
    owners = {each: repositories.by_id(tx, each) for each in {image.repository_id for image in by_id.values()}}
    results: dict[int, Result] = {}
    for owner_id, owner in owners.items():
        if owner is not None:
            mine = {image.id: image for image in by_id.values() if image.repository_id == owner_id}
            results |= reading.current(tx, services, owner, mine, {i: scanned[i] for i in mine if i in scanned})
    listed: dict[int, list[Finding]] = {}
    tags = images.tags_of(tx, image_ids)
    indexes = images.indexes_of(tx, image_ids)
    names = images.tags_of(tx, [index.id for found in indexes.values() for index in found])
    having = []
    for image_id in image_ids:
        owner = owners[by_id[image_id].repository_id]
        result = results.get(image_id)
        if result is None or owner is None:
            continue
        report = result.report
        if report.id not in listed:
            keys = [
                key
                for key in reading.keys(tx, report, 0, report.findings)
                if key.assessment in chosen and suppressed in {None, bool(key.suppressed_by)}
            ]
            listed[report.id] = listing.findings(tx, report, keys)
        if listed[report.id]:
            having.append(
                Affected(
                    owner,
                    by_id[image_id],
                    tags.get(image_id, []),
                    {index.digest: names.get(index.id, []) for index in indexes.get(image_id, [])},
                    scanned[image_id].latest,
                    result,
                    listed[report.id],
                )
            )
    return having
