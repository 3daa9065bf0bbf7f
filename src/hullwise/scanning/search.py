"""Findings as somebody looks for them: of one image, or of all that an index lists, narrowed by what is wanted.

    image   report ─▶ lines ─filter─▶ page ─▶ findings, with all that is known of them
    index   reports of what it lists ─▶ lines: each vulnerability of a package once ─filter─▶ page ─▶ …

A line is as much of a finding as choosing needs; only those of the page are put together. Pages of an image are of the
report that the first one was of. Those of an index go on behind the line that the last one ended with.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from hullwise.domain import limits, manifests
from hullwise.domain.digests import is_digest
from hullwise.domain.errors import ImageNotFound, InvalidPageToken, InvalidParameter
from hullwise.domain.manifests import KINDS, Kind
from hullwise.domain.names import ImageId, is_tag
from hullwise.domain.packages import Distribution, Occurrence, Package
from hullwise.domain.reports import Finding, Suppression, counts, order
from hullwise.domain.scans import ScanStatus, Severity
from hullwise.domain.vulnerabilities import Assessment
from hullwise.ecosystems import spellings
from hullwise.scanning import joined, listing, pages, reading
from hullwise.scanning.enhanced import Status
from hullwise.scanning.joined import Exploitations
from hullwise.scanning.pages import Entry
from hullwise.scanning.reading import Result
from hullwise.services import Services
from hullwise.store import assessments, images, packages, reports, scans, transitions
from hullwise.store.images import Image
from hullwise.store.reports import FindingKey
from hullwise.store.repositories import Repository
from hullwise.store.scans import ImageScans, Scan
from hullwise.store.transitions import Identity


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which findings: all that is said must hold, and what is not said fits all."""

    severities: frozenset[Severity] = frozenset()
    fixable: bool | None = None
    exploited: bool | None = None
    """Whether CISA knows of exploitation."""
    suppressed: bool | None = None
    package: str = ""
    """Name of an installed or a source package, in any spelling that its ecosystem holds for the same."""
    vulnerability: str = ""
    """Any of its ids, in any case."""

    def fits(self, line: Line, exploited: Exploitations) -> bool:
        assessment = line.assessment
        return (
            (not self.severities or assessment.severity in self.severities)
            and self.fixable in {None, bool(assessment.fix)}
            and self.suppressed in {None, line.suppressed}
            and (not self.package or any(spellings.is_called(each, self.package) for each in line.packages))
            and (not self.vulnerability or goes_by(assessment, self.vulnerability))
            and (self.exploited is None or self.exploited is (exploited.of(assessment).known is not None))
        )


def goes_by(assessment: Assessment, name: str) -> bool:
    """Whether the id, in any case, is one of the vulnerability's or of those that its advisory takes care of."""
    return name.lower() in {each.lower() for each in (assessment.name, *assessment.ids, *assessment.upstream)}


def wanted(
    *,
    severity: str = "",
    fixable: str = "",
    exploited: str = "",
    suppressed: str = "",
    package: str = "",
    vulnerability: str = "",
) -> Wanted:
    """Read what is wanted from texts, of which an empty one says nothing. Raises InvalidParameter."""
    for name, text in (("package", package), ("vulnerability", vulnerability)):
        if len(text) > limits.SEARCHED_NAME:
            raise InvalidParameter(name, f"must have at most {limits.SEARCHED_NAME} characters")
    return Wanted(
        severities=frozenset(_severity(word) for word in severity.split(",")) if severity else frozenset(),
        fixable=yes_or_no("fixable", fixable),
        exploited=yes_or_no("exploited", exploited),
        suppressed=yes_or_no("suppressed", suppressed),
        package=package,
        vulnerability=vulnerability,
    )


def yes_or_no(name: str, text: str) -> bool | None:
    """None: nothing is said. Raises InvalidParameter."""
    if text not in {"", "yes", "no"}:
        raise InvalidParameter(name, "must be yes or no")
    return {"": None, "yes": True, "no": False}[text]


def _severity(word: str) -> Severity:
    try:
        return Severity(word)
    except ValueError as error:
        raise InvalidParameter("severity", f"must be some of {', '.join(Severity)}, between commas") from error


def image_named(text: str) -> ImageId:
    """A tag, or a digest. Raises InvalidParameter for what is neither."""
    if is_digest(text):
        return ImageId(digest=text)
    if is_tag(text):
        return ImageId(tag=text)
    raise InvalidParameter("image", "must be a tag, or a digest such as sha256:…")


class At(NamedTuple):
    """Where a page begins."""

    image: int
    """0: the one that is asked for now."""
    report: int
    """0: none, or those of what an index lists."""
    start: int
    mark: str
    """Of the line before it, in an index."""


BEGIN = At(0, 0, 0, "")


@dataclass(frozen=True, slots=True)
class Member:
    """An image whose findings are asked for: the one that was named, or one that an index lists."""

    image: Image
    tags: Sequence[str]
    platform: str
    """As its index says; empty for the image that was named."""
    scans: ImageScans | None
    result: Result | None
    distribution: Distribution | None

    @property
    def status(self) -> ScanStatus | None:
        """None: it was never scanned."""
        return None if self.scans is None else reading.shown(self.image, self.scans.latest)[0]

    @property
    def description(self) -> str:
        return "" if self.scans is None else reading.shown(self.image, self.scans.latest)[1]

    @property
    def reported(self) -> Scan | None:
        """The scan that its findings are of: where a later one waits or failed, one before it. None: none has any."""
        return None if self.scans is None else self.scans.reported

    @property
    def watched(self) -> bool:
        """Whether its findings count: those of an image that expired are closed, until a scan finds them again."""
        return self.reported is None or self.reported.status is not ScanStatus.SCAN_ELIGIBILITY_EXPIRED

    @property
    def counts(self) -> dict[str, int] | None:
        """None: nothing is known."""
        if self.result is None:
            return None
        return self.result.report.counts if self.watched else {}


@dataclass(frozen=True, slots=True)
class Line:
    """A finding, as far as choosing needs it."""

    assessment: Assessment
    packages: tuple[Package, ...]
    suppressed: bool
    status: Status
    holders: tuple[tuple[int, FindingKey], ...]
    """Who has it: the place among the members, and its key there."""
    mark: str = ""
    """Of an index: the same for as long as the finding is the same."""

    @property
    def counted(self) -> bool:
        return self.status == "ACTIVE"


@dataclass(frozen=True, slots=True)
class Holder:
    member: Member
    status: Status


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding of the page."""

    assessment: Assessment
    package: Package
    installed: tuple[tuple[Occurrence, Distribution | None], ...]
    suppression: Suppression | None
    status: Status
    first: datetime
    last: datetime
    updated: datetime
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class Found:
    repository: Repository
    image: Image
    tags: Sequence[str]
    members: Sequence[Member]
    """The image itself, or what the index lists."""
    counts: dict[str, int] | None
    """Of the whole image, without what is suppressed. None: nothing is known."""
    suppressed: int
    matching: int | None
    """How many findings are as wanted. None: nothing is known."""
    findings: Sequence[Shown]
    exploited: Exploitations
    following: At | None

    @property
    def index(self) -> bool:
        return is_index(self.image)


def is_index(image: Image) -> bool:
    return KINDS.get(image.media_type) is Kind.INDEX


def find(
    tx: sa.Connection, services: Services, repository: Repository, asked: ImageId, chosen: Wanted, at: At, size: int
) -> Found:
    """A page of findings, `size` at most. Raises ImageNotFound; ScanNotFound for an image that was never scanned, which
    what an index lists may be; and InvalidParameter for an index of more than INDEX_IMAGES images."""
    image = images.by_id(tx, at.image) if at.image else images.find(tx, repository.id, asked)
    if image is None or image.repository_id != repository.id:
        raise ImageNotFound(asked.digest, asked.tag, repository.name, repository.account)
    if is_index(image):
        read = _of_index(tx, _members(tx, services, repository, listed(tx, image)), chosen, at, size)
    else:
        reading.latest(tx, repository, image, asked)
        (member,) = _members(tx, services, repository, {image.id: (image, "")})
        read = _of_one(tx, _pinned(tx, member, at.report), chosen, at, size)
    choice = read.choice
    known = any(member.result is not None for member in read.members)
    following = None
    if choice.following is not None:
        following = At(image.id, read.report, choice.following, choice.lines[-1].mark)
    return Found(
        repository,
        image,
        images.tags_of(tx, [image.id]).get(image.id, []),
        read.members,
        read.counts if known else None,
        read.suppressed,
        choice.matching if known else None,
        _shown(tx, read.members, choice.lines),
        joined.of_assessments(tx, (line.assessment for line in choice.lines)),
        following,
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    lines: Sequence[Line]
    """Those of the page."""
    matching: int
    following: int | None


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was asked for, as far as a page of it was looked at."""

    members: Sequence[Member]
    choice: _Choice
    counts: dict[str, int]
    suppressed: int
    report: int
    """That its pages are of; 0: none, or those of what an index lists."""


def _of_index(tx: sa.Connection, members: Sequence[Member], chosen: Wanted, at: At, size: int) -> _Reading:
    lines = _rolled_up(tx, members)
    start = next((place for place, line in enumerate(lines, 1) if line.mark == at.mark), at.start)
    counted = counts(line.assessment.severity for line in lines if line.counted)
    suppressed = sum(line.suppressed for line in lines)
    return _Reading(members, _choose(tx, lines, chosen, start, size), counted, suppressed, 0)


def _of_one(tx: sa.Connection, member: Member, chosen: Wanted, at: At, size: int) -> _Reading:
    if member.result is None:
        return _Reading([member], _Choice([], 0, None), {}, 0, 0)
    report = member.result.report
    if chosen == Wanted():
        # Nothing beside the page has to be looked at.
        stop = at.start + size
        lines = _lines(tx, [member], slice(at.start, stop))
        choice = _Choice(lines, report.findings, stop if stop < report.findings else None)
    else:
        choice = _choose(tx, _lines(tx, [member]), chosen, at.start, size)
    return _Reading([member], choice, member.counts or {}, reports.uncounted(report), report.id)


def _choose(tx: sa.Connection, lines: Sequence[Line], chosen: Wanted, start: int, size: int) -> _Choice:
    """Of the lines that fit, `size` at most from place `start` on."""
    asked = () if chosen.exploited is None else lines
    exploited = joined.of_assessments(tx, (line.assessment for line in asked))
    fitting = [place for place, line in enumerate(lines) if chosen.fits(line, exploited)]
    begin = bisect_left(fitting, start)
    places = fitting[begin : begin + size]
    more = begin + size < len(fitting)
    return _Choice([lines[place] for place in places], len(fitting), places[-1] + 1 if more else None)


def listed(tx: sa.Connection, index: Image) -> dict[int, tuple[Image, str]]:
    """By id, in the order of the index: what it lists, with the platform; of an index in it, what that lists.
    Raises InvalidParameter where these are more than INDEX_IMAGES."""
    found: dict[int, tuple[Image, str]] = {}
    seen = {index.id}
    waiting = [index]
    while waiting:
        outer = waiting.pop(0)
        present = {child.digest: child for child in images.children(tx, outer)}
        for descriptor in manifests.stored(images.body(tx, outer.digest), outer.media_type).children:
            child = present.get(descriptor.digest)
            if child is None or child.id in seen:
                continue
            seen.add(child.id)
            if len(seen) > limits.INDEX_IMAGES + 1:
                raise InvalidParameter("image", f"must not list more than {limits.INDEX_IMAGES} images")
            if is_index(child):
                waiting.append(child)
            else:
                found[child.id] = (child, descriptor.platform)
    return found


def _members(
    tx: sa.Connection, services: Services, repository: Repository, listed: Mapping[int, tuple[Image, str]]
) -> list[Member]:
    by_id = {image_id: image for image_id, (image, _) in listed.items()}
    scanned = scans.of_images(tx, list(by_id), reading.scan_type(tx, repository))
    results = reading.current(tx, services, repository, by_id, scanned)
    tags = images.tags_of(tx, list(by_id))
    return [
        Member(
            image,
            tags.get(image_id, []),
            platform,
            scanned.get(image_id),
            results.get(image_id),
            listing.distribution(tx, results[image_id].report) if image_id in results else None,
        )
        for image_id, (image, platform) in listed.items()
    ]


def _pinned(tx: sa.Connection, member: Member, report_id: int) -> Member:
    """With the report that the first page was of. Raises InvalidPageToken where that is gone."""
    if member.result is None or report_id in {0, member.result.report.id}:
        return member
    report = reports.get(tx, report_id)
    if report is None:
        raise InvalidPageToken
    return replace(
        member,
        result=msgspec.structs.replace(member.result, report=report),
        distribution=listing.distribution(tx, report),
    )


def _lines(tx: sa.Connection, members: Sequence[Member], part: slice = slice(None)) -> list[Line]:
    """Each finding of each member, or that part of them, in the order of its report."""
    held = [
        (place, key)
        for place, member in enumerate(members)
        if member.result is not None
        for key in reading.keys(tx, member.result.report, 0, member.result.report.findings)[part]
    ]
    known = assessments.load(tx, [key.assessment for _, key in held])
    installed = packages.load(tx, {package for _, key in held for package in key.packages})
    return [
        Line(
            known[key.assessment],
            tuple(installed[package] for package in key.packages),
            bool(key.suppressed_by),
            "CLOSED" if not members[place].watched else "SUPPRESSED" if key.suppressed_by else "ACTIVE",
            ((place, key),),
        )
        for place, key in held
    ]


def _rolled_up(tx: sa.Connection, members: Sequence[Member]) -> list[Line]:
    """Each vulnerability of a package once, as the most severe of those that count has it; where none counts, as the
    most severe of those that are suppressed, else of those that are closed. In the order of a report."""
    lines = _lines(tx, members)
    keys = [key for line in lines for _, key in line.holders]
    groups: dict[Identity, list[Line]] = {}
    for identity, line in zip(
        transitions.identities(tx, [(key.assessment, key.packages[0]) for key in keys]), lines, strict=True
    ):
        groups.setdefault(identity, []).append(line)
    found = []
    for identity, same in groups.items():
        worst = min(same, key=lambda line: (_STATUSES.index(line.status), line.suppressed, *_order(line)))
        found.append(
            replace(
                worst,
                packages=tuple(dict.fromkeys(package for line in same for package in line.packages)),
                holders=tuple(holder for line in same for holder in line.holders),
                mark=hashlib.sha256("\0".join(map(str, identity)).encode()).hexdigest()[:32],
            )
        )
    return sorted(found, key=lambda line: (line.suppressed, *_order(line), line.mark))


def _order(line: Line) -> tuple[bool, int, float, str, str, str, str]:
    return order(Finding(line.assessment, line.packages[0], ()))


def _shown(tx: sa.Connection, members: Sequence[Member], lines: Sequence[Line]) -> list[Shown]:
    wanted_keys: dict[int, list[FindingKey]] = {}
    for line in lines:
        for place, key in line.holders:
            wanted_keys.setdefault(place, []).append(key)
    entries = {
        (place, key): entry
        for place, keys in wanted_keys.items()
        for key, entry in zip(keys, _entries(tx, members[place], keys), strict=True)
    }
    found = []
    for line in lines:
        mine = [(members[place], entries[place, key]) for place, key in line.holders]
        observed = [entry.observed for _, entry in mine]
        # Not the first holder's: that may have it closed.
        said = (entry.finding.suppression for _, entry in mine if entry.observed.status == line.status)
        found.append(
            Shown(
                line.assessment,
                line.packages[0],
                tuple(
                    dict.fromkeys(
                        (occurrence, member.distribution)
                        for member, entry in mine
                        for occurrence in entry.finding.occurrences
                    )
                ),
                next(said) if line.suppressed else None,
                line.status,
                min(each.first for each in observed),
                max(each.last for each in observed),
                max(each.updated for each in observed),
                tuple(Holder(member, entry.observed.status) for member, entry in mine),
            )
        )
    return found


_STATUSES: tuple[Status, ...] = ("ACTIVE", "SUPPRESSED", "CLOSED")
"""What is true in one image before what is true in another."""


def _entries(tx: sa.Connection, member: Member, keys: Sequence[FindingKey]) -> list[Entry]:
    assert member.reported is not None
    assert member.result is not None
    return pages.entries_of(tx, member.image, member.reported, member.result.report, keys)
