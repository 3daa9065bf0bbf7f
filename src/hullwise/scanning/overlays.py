"""What an account says of its own images: ignore rules and VEX statements turn findings SUPPRESSED, never hide them.

    report (inventory, generation) ──┐
                                     ├─▶ the same findings, those that are suppressed last and not counted
    rules and documents that apply ──┘   (inventory, generation, overlay): kept, for all images that it is true of

Which rules apply to an image at a moment makes its overlay. So a rule that expires changes the counts at that moment,
without a write; and one that is added, at once.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from hullwise.advisories.vex.document import Document
from hullwise.domain import wildcards
from hullwise.domain.overlays import (
    ImageRef,
    InstalledPackage,
    Statement,
    StatementIndex,
    Subject,
    is_image,
    presence,
    verdict,
)
from hullwise.domain.packages import Distribution, Package
from hullwise.domain.reports import OWNER, Finding, Suppression, counts, stated
from hullwise.ecosystems import spellings
from hullwise.ecosystems.purl import parts
from hullwise.scanning import listing
from hullwise.services import Services
from hullwise.store import images as image_store
from hullwise.store import overlays as store
from hullwise.store import reports
from hullwise.store.images import Image
from hullwise.store.overlays import IgnoreRule
from hullwise.store.reports import Draft, FindingKey, Report
from hullwise.store.repositories import Repository
from hullwise.store.transitions import ContinuousImage


@dataclass(frozen=True, slots=True)
class _Document:
    id: int
    repository: str
    """Pattern of the repositories that it is for."""
    index: StatementIndex
    places: Mapping[int, int]
    """By identity of a statement: its place in the document, from 1."""
    images: tuple[ImageRef, ...]
    """The images that its statements mean."""


@dataclass(frozen=True, slots=True)
class Account:
    """All that one account says, as of a revision."""

    rules: tuple[IgnoreRule, ...]
    documents: tuple[_Document, ...]

    def applicable(self, repository: str, digest: str, tags: frozenset[str], now: datetime) -> Applicable | None:
        """What applies to an image at a moment; None: nothing does."""
        rules = tuple(rule for rule in self.rules if _live(rule, now) and _fits(rule.repository, repository))
        documents = tuple(each for each in self.documents if _fits(each.repository, repository))
        if not rules and not documents:
            return None
        return Applicable(rules, documents, repository, digest, tags)


@dataclass(frozen=True, slots=True)
class Applicable:
    rules: tuple[IgnoreRule, ...]
    documents: tuple[_Document, ...]
    repository: str
    digest: str
    tags: frozenset[str]

    @property
    def members(self) -> str:
        """The same text for two images of which the same is true: which rules and documents, and which of the images
        that the documents mean are this one."""
        meant = sorted(
            f"{each.id}:{place}"
            for each in self.documents
            for place, image in enumerate(each.images)
            if is_image(image, self.repository, {self.digest}, self.tags)
        )
        found = {
            "rules": [rule.id for rule in self.rules],
            "documents": [each.id for each in self.documents],
            "images": meant,
        }
        return json.dumps(found, separators=(",", ":"))


def _live(rule: IgnoreRule, now: datetime) -> bool:
    return rule.expires_at is None or now < rule.expires_at


def _fits(pattern: str, repository: str) -> bool:
    """Whether a pattern, in which `*` stands for anything, fits the name; an empty one fits all."""
    return not pattern or wildcards.fits(pattern, repository)


class _Cache:
    """What accounts say, by revision."""

    _SIZE = 64

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, int], Account] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, tx: sa.Connection, account: str) -> Account | None:
        """What the account says as of the revision that the transaction sees; None: nothing."""
        revision = store.revision(tx, account)
        if not revision:
            return None
        key = (str(tx.engine.url), account, revision)
        with self._lock:
            found = self._known.get(key)
        if found is None:
            found = _load(tx, account)
            with self._lock:
                self._known[key] = found
                while len(self._known) > self._SIZE:
                    self._known.popitem(last=False)
        return found


_cache = _Cache()


def _load(tx: sa.Connection, account: str) -> Account:
    documents = [
        _document(row.id, row.repository, store.statements(tx, row.id)) for row in store.documents(tx, account)
    ]
    return Account(tuple(store.rules(tx, account)), tuple(documents))


def _document(number: int, repository: str, said: Sequence[Statement]) -> _Document:
    meant = tuple(dict.fromkeys(p.image for s in said for p in s.products if p.image is not None))
    places = {id(statement): place for place, statement in enumerate(said, 1)}
    return _Document(number, repository, StatementIndex(said), places, meant)


def under_documents(
    found: Sequence[Finding],
    distribution: Distribution | None,
    installed: Iterable[Package],
    documents: Sequence[Document],
    digest: str,
) -> list[Finding]:
    """The findings of an image that is in no repository: those that these documents suppress are marked, and last.
    What the distribution decides stays its own."""
    indexed = tuple(_document(number, "", each.statements) for number, each in enumerate(documents, 1))
    applicable = Applicable((), indexed, "", digest, frozenset())
    judged = _judge(found, distribution, installed, applicable)
    marked = [
        msgspec.structs.replace(finding, suppression=_suppression(documents, by))
        if by and finding.suppression is None
        else finding
        for finding, by in zip(found, judged, strict=True)
    ]
    return sorted(marked, key=lambda finding: _PLACES.get(finding.suppression.by, 1) if finding.suppression else 0)


def _suppression(documents: Sequence[Document], by: str) -> Suppression:
    """What stands behind `vex:1#12`: statement 12 of the first document."""
    number, _, place = by.removeprefix("vex:").partition("#")
    document = documents[int(number) - 1]
    return stated(by, document.statements[int(place) - 1], document.author)


def apply(
    tx: sa.Connection,
    services: Services,
    repository: Repository,
    digests: Mapping[int, str],
    found: Mapping[int, Report],
) -> dict[int, Report]:
    """By image id: its report under what its account says now. Reports made on the way are kept."""
    account = _cache.get(tx, repository.account)
    if account is None or not found:
        return dict(found)
    now = services.clock()
    tags = image_store.tags_of(tx, list(found))
    applicable: dict[int, Applicable] = {}
    for image_id in found:
        named = frozenset(tags.get(image_id, ()))
        applies = account.applicable(repository.name, digests[image_id], named, now)
        if applies is not None:
            applicable[image_id] = applies
    if not applicable:
        return dict(found)
    members = {image_id: each.members for image_id, each in applicable.items()}
    ids = store.known(tx, members.values())
    missing = set(members.values()) - ids.keys()
    if missing:
        ids |= services.database.run(lambda tx: store.intern(tx, missing))
    keys = {i: (found[i].inventory_id, found[i].generation, ids[members[i]]) for i in applicable}
    made = reports.under_overlays(tx, list(keys.values()))
    if unused := reports.unused(tx, [report.id for report in made.values()], now - _RENEWED):
        services.database.run(lambda tx: reports.renew(tx, unused))
    result = dict(found)
    for image_id, key in keys.items():
        if key not in made:
            made[key] = _derive(tx, services, found[image_id], applicable[image_id], key[2])
        if made[key].suppressed:
            result[image_id] = made[key]
    return result


def _derive(tx: sa.Connection, services: Services, base: Report, applicable: Applicable, overlay: int) -> Report:
    """The report under the overlay, kept. Where nothing is suppressed, one without keys says so."""
    keys, listed, suppressing = _judged(tx, base, applicable)
    draft = Draft(base.inventory_id, base.generation, overlay, {}, ())
    if suppressing:
        ordered = tuple(sorted(keys, key=lambda key: _PLACES.get(key.suppressed_by, 1)))
        draft = replace(draft, counts=_counts(keys, listed), keys=ordered)
    kept = services.database.run(lambda tx: reports.save(tx, draft, services.clock()))
    return msgspec.structs.replace(kept, fresh=draft.keys)


def _judged(tx: sa.Connection, base: Report, applicable: Applicable) -> tuple[list[FindingKey], list[Finding], bool]:
    """The keys of a report under no overlay, each with what suppresses it; its findings; whether the account suppresses
    any. What the distribution decides stays its own, whatever the account says of it too."""
    keys = reports.keys(tx, base.id, 0, base.findings)
    listed = listing.findings(tx, base, keys)
    judged = _judge(listed, listing.distribution(tx, base), listing.packages(tx, base), applicable)
    marked = [
        msgspec.structs.replace(key, suppressed_by=by) if by and not key.suppressed_by else key
        for key, by in zip(keys, judged, strict=True)
    ]
    return marked, listed, marked != list(keys)


def _counts(keys: Sequence[FindingKey], listed: Sequence[Finding]) -> dict[str, int]:
    live = (finding for finding, key in zip(listed, keys, strict=True) if not key.suppressed_by)
    return counts(finding.assessment.severity for finding in live)


def _applicable(
    tx: sa.Connection, repository: Repository, image: Image, tags: Sequence[str], now: datetime
) -> Applicable | None:
    account = _cache.get(tx, repository.account)
    return None if account is None else account.applicable(repository.name, image.digest, frozenset(tags), now)


class Marking:
    """The keys of a report, in its order, each with what suppresses it in an image now: worked out once for all images
    of which the same is true. Writes nothing."""

    def __init__(self, tx: sa.Connection, report: Report, now: datetime) -> None:
        self._tx = tx
        self._report = report
        self._now = now
        self._known: dict[str, list[FindingKey]] = {}

    def of(self, repository: Repository, image: Image, tags: Sequence[str]) -> tuple[str, list[FindingKey]]:
        """The keys, and a text that is the same where they are."""
        applies = _applicable(self._tx, repository, image, tags, self._now)
        members = "" if applies is None else applies.members
        if members not in self._known:
            self._known[members] = self._marked(applies)
        return members, self._known[members]

    def _marked(self, applies: Applicable | None) -> list[FindingKey]:
        if applies is None:
            return list(reports.keys(self._tx, self._report.id, 0, self._report.findings))
        return _judged(self._tx, self._report, applies)[0]


def counting(
    tx: sa.Connection, repository: Repository, image: Image, tags: Sequence[str], report: Report, now: datetime
) -> Mapping[str, int]:
    """Findings of the image by severity, as what its account says now leaves them. Writes nothing."""
    applies = _applicable(tx, repository, image, tags, now)
    return report.counts if applies is None else _counted(tx, report, applies)


def _counted(tx: sa.Connection, report: Report, applies: Applicable) -> Mapping[str, int]:
    keys, listed, suppressing = _judged(tx, report, applies)
    return _counts(keys, listed) if suppressing else report.counts


def counts_in(
    tx: sa.Connection, found: Sequence[ContinuousImage], report: Report, now: datetime
) -> list[Mapping[str, int]]:
    """Of images that all have this report: what `counting` says of each."""
    accounts = {account: _cache.get(tx, account) for account in {each.account for each in found}}
    tags = image_store.tags_of(tx, [each.image_id for each in found if accounts[each.account] is not None])
    known: dict[str, Mapping[str, int]] = {"": report.counts}
    counted = []
    for each in found:
        account, named = accounts[each.account], frozenset(tags.get(each.image_id, ()))
        applies = account.applicable(each.repository, each.digest, named, now) if account is not None else None
        members = applies.members if applies is not None else ""
        if applies is not None and members not in known:
            known[members] = _counted(tx, report, applies)
        counted.append(known[members])
    return counted


_RENEWED = timedelta(hours=1)
"""After which it is noted that a report under an overlay is read still: no scan names it."""

_PLACES = {"": 0, OWNER: 2}
"""Findings that count come first, then those that the account suppresses."""


def _judge(
    listed: Sequence[Finding],
    distribution: Distribution | None,
    installed: Iterable[Package],
    applicable: Applicable,
) -> list[str]:
    """What suppresses each finding, or empty."""
    named = (_installed(package, distribution) for package in (installed if applicable.documents else ()))
    present = presence(named)
    distros = _spellings(distribution)
    index = _RuleIndex(applicable.rules)

    def decided(finding: Finding, ids: frozenset[str]) -> str | None:
        """What suppresses it, the empty text where somebody says that it is affected, None where nobody does."""
        rule = index.first(finding, ids)
        if rule is not None or not applicable.documents:
            return None if rule is None else f"rule:{rule.id}"
        subject = Subject(
            ids=ids,
            repository=applicable.repository,
            digests=frozenset({applicable.digest}),
            tags=applicable.tags,
            packages=tuple({_installed(each.package, distribution): None for each in finding.occurrences}),
            distros=distros,
            present=present,
        )
        return _stated(applicable.documents, subject)

    def by(finding: Finding) -> str:
        whole = decided(finding, frozenset({*finding.assessment.ids, finding.assessment.name}))
        if whole is not None:
            return whole
        # An advisory is dealt with once each vulnerability that it takes care of is.
        parts = [decided(finding, frozenset({name})) for name in finding.assessment.upstream]
        return (parts[0] or "") if all(parts) and parts else ""

    return [by(finding) for finding in listed]


def _stated(documents: Sequence[_Document], subject: Subject) -> str | None:
    """The statement that suppresses the subject; empty where one says otherwise, None where there is none. Of several
    documents' the latest decides, as within one."""
    said = [(statement, document) for document in documents for statement in document.index.on(subject.ids)]
    decided = verdict((statement for statement, _ in said), subject)
    if decided is None or not decided.suppresses:
        return None if decided is None else ""
    document = next(document for statement, document in said if statement is decided)
    return f"vex:{document.id}#{document.places[id(decided)]}"


class _RuleIndex:
    """Rules by vulnerability, else by package, so that a finding meets only those that may be on it."""

    def __init__(self, rules: Iterable[IgnoreRule]) -> None:
        self._places: dict[tuple[str, str], list[IgnoreRule]] = {}
        for rule in rules:
            key = ("id", rule.vulnerability.upper()) if rule.vulnerability else ("package", rule.package)
            self._places.setdefault(key, []).append(rule)

    def first(self, finding: Finding, ids: Iterable[str]) -> IgnoreRule | None:
        """The oldest that suppresses a vulnerability with these ids in the finding's packages."""
        assessment = finding.assessment
        names = {finding.package.source_name, *(each.package.name for each in finding.occurrences)}
        names |= {name for own in names for name in spellings.spoken(finding.package.namespace, own)}
        keys = [
            *(("id", name) for name in {name.upper() for name in ids}),
            *(("package", name) for name in {*names, ""}),
        ]
        fitting = (
            rule
            for key in keys
            for rule in self._places.get(key, ())
            if (not rule.package or rule.package in names)
            and (not rule.fixable or rule.fixable == ("yes" if assessment.fix else "no"))
        )
        return min(fitting, key=lambda rule: rule.id, default=None)


def _installed(package: Package, distribution: Distribution | None) -> InstalledPackage:
    type_, namespace, name = parts(package, distribution)
    return InstalledPackage(
        type_, namespace, name, package.version, package.architecture, package.source_name, package.source_version
    )


def _spellings(distribution: Distribution | None) -> tuple[str, ...]:
    if distribution is None:
        return ()
    releases = (distribution.version, distribution.codename)
    return tuple(f"{distribution.id}-{release}" for release in releases if release)
