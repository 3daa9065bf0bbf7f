"""Findings of an image, and the images that a vulnerability is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec.structs import asdict

from hullwise.api.calls import Call
from hullwise.auth import access, page_tokens
from hullwise.domain.names import check_repository
from hullwise.domain.packages import Distribution, Occurrence
from hullwise.domain.reports import Finding, Suppression
from hullwise.domain.vulnerabilities import Assessment
from hullwise.ecosystems.purl import purl
from hullwise.scanning import affected, bases, covering, search
from hullwise.scanning.affected import Affected
from hullwise.scanning.bases import Base
from hullwise.scanning.coverage import Coverage
from hullwise.scanning.joined import Exploitations
from hullwise.scanning.search import Found, Member, Shown
from hullwise.services import Services
from hullwise.store.reports import uncounted
from hullwise.store.repositories import Repository

PAGE, LARGEST_PAGE = 100, 1_000

_PAGING = frozenset({"limit", "nextToken"})
_FILTERS = frozenset({"severity", "fixable", "exploited", "suppressed", "package", "vulnerability"})


def of_image(call: Call) -> dict[str, Any]:
    """`?repository=` and `?image=`, a tag or a digest, and what of it is wanted."""
    call.only({"repository", "image", *_FILTERS, *_PAGING})
    name, asked = check_repository(call.needed("repository")), search.image_named(call.needed("image"))
    chosen = search.wanted(**{member: call.query.get(member, "") for member in _FILTERS})
    at, size = page_tokens.position(call.services, _request(call), _token(call), search.BEGIN), _size(call)
    with call.services.database.read() as tx:
        caller = call.caller
        repository = access.repository(
            tx, call.services, caller, caller.account, caller.region, name, ("ecr:DescribeImageScanFindings",)
        )
        found = search.find(tx, call.services, repository, asked, chosen, at, size)
        base = bases.base_of(tx, repository, found.image, lambda other: _seen(call, tx, other))
        covered = coverages_of(tx, call.services, found)
    return document(found, base, covered) | {"nextToken": _following(call, found.following)}


def images(call: Call) -> dict[str, Any]:
    """Every image of the caller's registry that has the vulnerability of this id."""
    call.only({"suppressed", *_PAGING})
    suppressed = search.yes_or_no("suppressed", call.query.get("suppressed", ""))
    after, size = page_tokens.position(call.services, _request(call), _token(call), 0), _size(call)
    caller, name = call.caller, call.parts["id"]
    with call.services.database.read() as tx:
        page = affected.find(
            tx, call.services, caller.account, caller.region, name, suppressed=suppressed, after=after, size=size
        )
        page = replace(page, images=[each for each in page.images if _seen(call, tx, each.repository)])
    return affected_document(page) | {"nextToken": _following(call, page.following)}


def _seen(call: Call, tx: sa.Connection, found: Repository) -> bool:
    resource = access.of_repository(found.account, found.region, found.name, found)
    return access.allowed(tx, call.services, call.caller, "ecr:DescribeImageScanFindings", resource)


def _size(call: Call) -> int:
    return call.number("limit", LARGEST_PAGE) or PAGE


def _token(call: Call) -> str | None:
    return call.query.get("nextToken") or None


def _request(call: Call) -> list[object]:
    bound = {name: value for name, value in call.query.items() if name not in _PAGING}
    return ["/api/v1", call.caller.account, call.caller.region, dict(call.parts), bound]


def _following(call: Call, position: object | None) -> str | None:
    return None if position is None else page_tokens.issue(call.services, _request(call), position)


def coverages_of(tx: sa.Connection, services: Services, found: Found) -> list[Coverage | None]:
    """What the scan of each member looked at; None where no scan came to a report."""
    results = (member.result for member in found.members)
    return [None if result is None else covering.of_result(tx, services, result) for result in results]


def document(found: Found, base: Base | None, covered: Sequence[Coverage | None]) -> dict[str, Any]:
    """A page of findings as JSON. What nobody knows is null: of an image whose scan failed, also the findings.
    `covered`: of each member."""
    own = None if found.index else found.members[0]
    known = found.counts is not None
    return {
        "image": {
            "repository": found.repository.name,
            "digest": found.image.digest,
            "tags": list(found.tags),
            "status": None if own is None else own.status,
            "description": "" if own is None else own.description,
        },
        "images": [_member(*each) for each in zip(found.members, covered, strict=True)] if found.index else None,
        "base": None if base is None else _base(base),
        "report": None if own is None else _report(own),
        "coverage": None if found.index else _coverage(covered[0]),
        "counts": found.counts,
        "suppressed": found.suppressed if known else None,
        "matching": found.matching,
        "findings": [_shown(each, found, base) for each in found.findings] if known else None,
    }


def _coverage(found: Coverage | None) -> dict[str, Any] | None:
    return None if found is None else found.document


def _member(member: Member, covered: Coverage | None) -> dict[str, Any]:
    return {
        "digest": member.image.digest,
        "tags": list(member.tags),
        "platform": member.platform,
        "status": member.status,
        "description": member.description,
        "counts": member.counts,
        "report": _report(member),
        "coverage": _coverage(covered),
    }


def _report(member: Member) -> dict[str, Any] | None:
    if member.result is None:
        return None
    report, generation = member.result.report, member.result.generation
    return {
        "completedAt": _moment(member.result.completed_at),
        "generation": report.generation,
        "records": generation.records,
        "dataAsOf": None if generation.data_as_of is None else _moment(generation.data_as_of),
        "distribution": None if member.distribution is None else asdict(member.distribution),
        "findings": report.findings,
        "suppressed": uncounted(report),
    }


def _base(base: Base) -> dict[str, Any]:
    return {
        "layers": len(base.layers),
        "ofLayers": base.of,
        "images": [
            {"repository": owner.name, "digest": image.digest, "tags": list(base.tags.get(image.id, ()))}
            for owner, image in base.images
        ],
    }


def _shown(shown: Shown, found: Found, base: Base | None) -> dict[str, Any]:
    installed = [_installed(occurrence, distribution) for occurrence, distribution in shown.installed]
    holders = [
        {"digest": each.member.image.digest, "platform": each.member.platform, "status": each.status}
        for each in shown.holders
    ]
    return {
        **_assessed(shown.assessment),
        "status": shown.status,
        "package": shown.package.source_name,
        "version": shown.package.source_version,
        "packageManager": shown.package.ecosystem,
        "layerDigest": shown.installed[0][0].layer,
        "inBase": None if base is None else shown.installed[0][0].layer in base.layers,
        "installed": installed,
        **_exploitation(shown.assessment, found.exploited),
        "suppression": _suppression(shown.suppression),
        "firstObservedAt": _moment(shown.first),
        "updatedAt": _moment(shown.updated),
        "lastObservedAt": _moment(shown.last),
        **({"images": holders} if found.index else {}),
    }


def _assessed(assessment: Assessment) -> dict[str, Any]:
    chosen = assessment.chosen
    return {
        "id": assessment.name,
        "aliases": [name for name in assessment.ids if name != assessment.name],
        "related": list(assessment.upstream),
        "summary": assessment.summary,
        "severity": assessment.severity,
        "score": assessment.score,
        "severitySource": None if chosen is None else chosen.source,
        "fixedVersion": assessment.fix or None,
        "state": assessment.state,
        "advisories": list(dict.fromkeys(record.id for record in assessment.records)),
        "url": assessment.url or None,
        "published": assessment.published or None,
    }


def _exploitation(assessment: Assessment, exploited: Exploitations) -> dict[str, Any]:
    found = exploited.of(assessment)
    score, known = found.score, found.known
    return {
        "epss": score
        and {"score": score.score, "percentile": score.percentile, "date": exploited.dates.get("scores", "")},
        "knownExploited": known
        and {"dateAdded": known.added, "dueDate": known.due or None, "ransomware": known.ransomware},
    }


def _installed(occurrence: Occurrence, distribution: Distribution | None) -> dict[str, Any]:
    return {
        "purl": purl(occurrence.package, distribution),
        "path": occurrence.path,
        "layerDigest": occurrence.layer,
    }


def _suppression(found: Suppression | None) -> dict[str, Any] | None:
    return None if found is None else asdict(found)


def _moment(value: datetime) -> str:
    return value.isoformat()


def affected_document(page: affected.Page) -> dict[str, Any]:
    """A page of images as JSON."""
    return {
        "vulnerability": {"id": page.vulnerability.name, "aliases": list(page.vulnerability.aliases)},
        "images": [_affected(each) for each in page.images],
    }


def _affected(found: Affected) -> dict[str, Any]:
    status, description = found.status
    return {
        "repository": found.repository.name,
        "digest": found.image.digest,
        "tags": list(found.tags),
        "indexes": [{"digest": digest, "tags": list(tags)} for digest, tags in found.indexes.items()],
        "status": status,
        "description": description,
        "findings": [_short(each) for each in found.findings],
    }


def _short(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.assessment.name,
        "package": finding.package.source_name,
        "version": finding.package.source_version,
        "fixedVersion": finding.assessment.fix or None,
        "state": finding.assessment.state,
        "severity": finding.assessment.severity,
        "score": finding.assessment.score,
        "layerDigest": finding.layer,
        "installed": list(dict.fromkeys(each.package.name for each in finding.occurrences)),
        "suppression": _suppression(finding.suppression),
    }
