"""Values as the wire's shapes. Members that are None are left out when they are written."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from hullwise.domain.enrichment import EndOfLife
from hullwise.domain.names import repository_arn
from hullwise.domain.reports import Finding, Suppression
from hullwise.domain.scans import ScanStatus, ScanType
from hullwise.domain.vulnerabilities import Assessment, SeverityClaim
from hullwise.ecosystems.purl import purl
from hullwise.ecr.calls import Call
from hullwise.ecr.protocol import Ready, seconds_of
from hullwise.scanning import enhanced, reading
from hullwise.scanning.joined import Exploitation, Exploitations
from hullwise.scanning.reading import Result
from hullwise.store.configurations import Configuration
from hullwise.store.descriptions import Line, described
from hullwise.store.images import ARCHIVED
from hullwise.store.reports import Report
from hullwise.store.repositories import Repository
from hullwise.store.scans import Scan

ATTRIBUTE_LIMIT = 256
"""Characters of an attribute's value (service model, AttributeValue)."""


def repository(call: Call, value: Repository) -> dict[str, Any]:
    return {
        "repositoryArn": repository_arn(value.account, value.region, value.name),
        "registryId": value.account,
        "repositoryName": value.name,
        "repositoryUri": f"{call.registry(value.account).partition('://')[2]}/{value.name}",
        "createdAt": value.created_at,
        "imageTagMutability": value.tag_mutability,
        "imageTagMutabilityExclusionFilters": list(value.mutability_exclusions) or None,
        "imageScanningConfiguration": {"scanOnPush": value.scan_on_push},
        "encryptionConfiguration": _encryption(value),
    }


def _encryption(value: Repository) -> dict[str, str]:
    """With a key where KMS was asked for without one: ECR then shows its own of the account and region (contract 1.2,
    CreateRepository). None is here that the ARN would name, and it is the same each time."""
    found = value.encryption
    if found["encryptionType"] == "AES256" or "kmsKey" in found:
        return found
    of_ecr = f"arn:aws:kms:{value.region}:{value.account}:"
    return {**found, "kmsKey": f"{of_ecr}key/{uuid.uuid5(uuid.NAMESPACE_URL, f'{of_ecr}alias/aws/ecr')}"}


class ImageScanStatus(Ready, frozen=True):
    status: str
    description: str | None = None


class ImageScanFindingsSummary(Ready, frozen=True):
    image_scan_completed_at: float
    vulnerability_source_updated_at: float
    finding_severity_counts: dict[str, int]


class ImageDetail(Ready, frozen=True):
    registry_id: str
    repository_name: str
    image_digest: str
    image_size_in_bytes: int
    image_pushed_at: float
    image_manifest_media_type: str
    image_status: str
    image_tags: Sequence[str] | None = None
    image_scan_status: ImageScanStatus | None = None
    image_scan_findings_summary: ImageScanFindingsSummary | None = None
    artifact_media_type: str | None = None
    last_recorded_pull_time: float | None = None
    subject_manifest_digest: str | None = None
    last_archived_at: float | None = None
    last_activated_at: float | None = None


def status(state: ScanStatus, description: str, suppressed: int = 0, ended: EndOfLife | None = None) -> ImageScanStatus:
    """The status, and beside ECR's sentence what the counts do not say."""
    if state is ScanStatus.IMAGE_ARCHIVED or not (suppressed or ended):
        return ImageScanStatus(state.value, description or None)
    said = [description] if description else []
    if suppressed and state is not ScanStatus.SCAN_ELIGIBILITY_EXPIRED:
        said.append(f"{suppressed} {'finding is' if suppressed == 1 else 'findings are'} suppressed and not counted.")
    if ended is not None and ended.state != "supported":
        said.append(ended.sentence)
    return ImageScanStatus(state.value, " ".join(said) or None)


def filters(found: Iterable[str]) -> list[dict[str, str]]:
    return [{"filter": each, "filterType": "WILDCARD"} for each in found]


def scanning_configuration(found: Configuration) -> dict[str, Any]:
    rules = [
        {"scanFrequency": rule.frequency.value, "repositoryFilters": filters(rule.filters)} for rule in found.rules
    ]
    return {"scanType": found.scan_type.value, "rules": rules}


def source_updated_at(result: Result) -> datetime:
    """When the advisory data itself last changed; where it does not say, when it was published here."""
    return result.generation.data_as_of or result.generation.published_at


def counts(scan_type: ScanType, status: ScanStatus, found: dict[str, int]) -> dict[str, int]:
    """What a report counts, in the words of its scan's type. The findings of an image that is watched no more are
    closed."""
    if status is ScanStatus.SCAN_ELIGIBILITY_EXPIRED:
        return {}
    return enhanced.counts(found) if scan_type is ScanType.ENHANCED else found


# Of a thousand images most say the same.
_short_status = lru_cache(1_024)(status)
_STATUSES = {each.value: each for each in ScanStatus}
_COUNTS = msgspec.json.Decoder(dict[str, int])


FEW_TAGS = 8
"""The most that an image has whose shape is kept: one may have a thousand."""


def image_details(
    repository: Repository,
    scan_type: ScanType,
    page: Iterable[Line],
    tags: Mapping[int, Sequence[str]],
    under: Mapping[int, Report],
) -> msgspec.Raw:
    """An ImageDetailList in the order of `page`. By image id: `tags`, and `under` the report of an image in which the
    account suppresses something."""
    account, name = repository.account, repository.name
    shaped: list[bytes] = []
    for line in page:
        its_tags = tuple(tags.get(line[0], ()))
        if line[0] in under or len(its_tags) > FEW_TAGS:
            shaped.append(_detail(account, name, scan_type, line, its_tags, under.get(line[0])))
        else:
            shaped.append(_same_detail(account, name, scan_type, line, its_tags))
    return msgspec.Raw(b"[" + b",".join(shaped) + b"]")


def _detail(
    account: str, name: str, scan_type: ScanType, line: Line, tags: tuple[str, ...], under: Report | None = None
) -> bytes:
    image = described(line)
    scan = summary = None
    if image.scan_status is not None:
        latest = _STATUSES[image.scan_status], image.scan_description
        suppressed = image.suppressed if under is None else under.suppressed
        scan = _short_status(*(reading.ARCHIVED if image.status == ARCHIVED else latest), suppressed or 0)
    if image.reported_status is not None and image.report_id is not None:
        found = _COUNTS.decode(image.counts) if under is None else under.counts
        summary = ImageScanFindingsSummary(
            seconds_of(image.completed_at),
            seconds_of(image.data_as_of or image.published_at),
            counts(scan_type, _STATUSES[image.reported_status], found),
        )
    detail = ImageDetail(
        account,
        name,
        image.digest,
        image.size,
        seconds_of(image.pushed_at),
        image.media_type,
        "ARCHIVED" if image.status == ARCHIVED else "ACTIVE",
        tags or None,
        scan,
        summary,
        image.artifact_media_type or None,
        _maybe_seconds(image.last_pull_at),
        image.subject_digest or None,
        _maybe_seconds(image.archived_at),
        _maybe_seconds(image.activated_at),
    )
    return msgspec.json.encode(detail)


# Who lists images mostly lists them again, and of most nothing has changed: without their shapes a page of a thousand
# takes half the time. About 25 MB, full, in each process.
_same_detail = lru_cache(16_384)(_detail)


def _maybe_seconds(micros: int | None) -> float | None:
    return None if micros is None else seconds_of(micros)


class Attribute(Ready, frozen=True):
    key: str
    value: str


class ImageScanFinding(Ready, frozen=True):
    name: str
    uri: str
    severity: str
    attributes: Sequence[Attribute]
    description: str | None = None


def basic_finding(finding: Finding, exploited: Exploitations) -> ImageScanFinding:
    """ECR's own keys first; the others say what its basic findings leave out."""
    assessment, package = finding.assessment, finding.package
    rated, advised = _said(assessment)
    places = finding.occurrences
    names = dict.fromkeys(place.package.name for place in places) if len(places) > 1 else (package.name,)
    attributes = [
        *_attributes(package_name=package.source_name, package_version=package.source_version),
        *rated,
        *_attributes(
            layer_digest=places[0].layer,
            package_manager=package.ecosystem,
            file_path=places[0].path,
            installed_packages=", ".join(names),
        ),
        *advised,
        *_exploitation(exploited.of(assessment), exploited.dates.get("scores", "")),
    ]
    if finding.suppression is not None:
        attributes += _suppression(finding.suppression)
    return ImageScanFinding(
        name=assessment.name,
        uri=assessment.url,
        severity=assessment.severity.value,
        attributes=attributes,
        description=assessment.details or assessment.summary or None,
    )


def _attributes(**pairs: str) -> list[Attribute]:
    """Those that say something, none too long."""
    return [
        Attribute(key, value if len(value) <= ATTRIBUTE_LIMIT else _cut(value)) for key, value in pairs.items() if value
    ]


# CVSS attributes of ECR's basic findings, by the kind of claim.
_CVSS = {"CVSS_V2": "CVSS2", "CVSS_V3": "CVSS3", "CVSS_V4": "CVSS4"}


@lru_cache(2_048)
def _said(assessment: Assessment) -> tuple[list[Attribute], list[Attribute]]:
    """What is true of it in every image: how it is rated and fixed, and who says so. Kept, since pages of many images
    have the same."""
    chosen = (assessment.chosen,) if assessment.chosen is not None else ()
    shown: dict[str, SeverityClaim] = {}
    for claim in (*chosen, *assessment.claims):
        prefix = _CVSS.get(claim.kind)
        # A score alone, which is all that RubySec has, gives way to one that says what it is made of.
        if prefix is not None and (prefix not in shown or (claim.value and not shown[prefix].value)):
            shown[prefix] = claim
    rated: dict[str, str] = {}
    for prefix, claim in shown.items():
        rated[f"{prefix}_VECTOR"] = claim.value
        rated[f"{prefix}_SCORE"] = f"{claim.score:.1f}" if claim.score is not None else ""
    return _attributes(**rated, fixed_in_version=assessment.fix, fix_state=assessment.state), _attributes(
        aliases=", ".join(name for name in assessment.ids if name != assessment.name),
        advisories=", ".join(dict.fromkeys(record.id for record in assessment.records)),
        credits="; ".join(sorted({record.credit for record in assessment.records})),
        severity_source=assessment.chosen.source if assessment.chosen is not None else "",
    )


@lru_cache(4_096)
def _exploitation(found: Exploitation, date: str) -> list[Attribute]:
    """`date`: of the scores."""
    score, known = found.score, found.known
    said = []
    if score is not None:
        said = _attributes(
            epss_score=f"{score.score:.5f}",
            epss_percentile=f"{score.percentile:.5f}",
            epss_date=date,
        )
    if known is not None:
        said += _attributes(
            exploit_available="YES",
            kev_date_added=known.added,
            kev_due_date=known.due,
            kev_ransomware="YES" if known.ransomware else "",
        )
    return said


def enhanced_finding(
    subject: enhanced.Subject, finding: Finding, observed: enhanced.Observed, exploited: Exploitations, reason: str
) -> dict[str, Any]:
    """As enhanced scanning has it, and beside that what it has no members for. `reason`: why it closed, or empty."""
    found = exploited.of(finding.assessment)
    assessment, suppression = finding.assessment, finding.suppression
    ours = {
        "aliases": [name for name in assessment.ids if name != assessment.name],
        "advisories": [record.id for record in assessment.records],
        "credits": sorted({record.credit for record in assessment.records}),
        "fixState": assessment.state,
        "installed": [
            {"purl": purl(each.package, subject.distribution), "path": each.path, "layerDigest": each.layer}
            for each in finding.occurrences
        ],
        "epss": None
        if found.score is None
        else {
            "score": found.score.score,
            "percentile": found.score.percentile,
            "date": exploited.dates.get("scores", ""),
        },
        "knownExploited": None
        if found.known is None
        else {
            "dateAdded": found.known.added,
            "dueDate": found.known.due or None,
            "ransomware": found.known.ransomware,
        },
        "closedReason": reason or None,
        "suppression": None
        if suppression is None
        else {
            "by": suppression.by,
            "status": suppression.status,
            "reason": suppression.reason,
            "author": suppression.author,
        },
    }
    return {
        **enhanced.finding(subject, finding, observed, found),
        "hullwise": {name: value for name, value in ours.items() if value is not None},
    }


def _suppression(found: Suppression) -> list[Attribute]:
    by = f" ({found.by})"
    return _attributes(
        status="SUPPRESSED",
        suppression_status=found.status,
        suppression_reason=found.reason,
        suppressed_by=_cut(found.author, ATTRIBUTE_LIMIT - len(by)) + by,
    )


def _cut(text: str, limit: int = ATTRIBUTE_LIMIT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def pending(scan: Scan) -> bool:
    return scan.status in {ScanStatus.PENDING, ScanStatus.IN_PROGRESS}
