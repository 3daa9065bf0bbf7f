"""Values as the wire's shapes. Members that are None are left out when they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from hullwise.domain.enrichment import EndOfLife
from hullwise.domain.names import repository_arn
from hullwise.domain.reports import Finding
from hullwise.domain.scans import ScanStatus, ScanType
from hullwise.domain.vulnerabilities import SeverityClaim
from hullwise.ecosystems.purl import purl
from hullwise.ecr.calls import Call
from hullwise.ecr.protocol import Ready, seconds
from hullwise.scanning import enhanced, reading
from hullwise.scanning.joined import Exploitations
from hullwise.scanning.reading import Result
from hullwise.store.configurations import Configuration
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from hullwise.store.scans import ImageScans, Scan

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
        "encryptionConfiguration": value.encryption,
    }


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


def status(image: Image, scan: Scan, suppressed: int = 0, ended: EndOfLife | None = None) -> ImageScanStatus:
    """The status, and beside ECR's sentence what the counts do not say."""
    state, description = reading.shown(image, scan)
    if state is ScanStatus.IMAGE_ARCHIVED:
        return ImageScanStatus(state.value, description)
    said = [description] if description else []
    if suppressed:
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


def counts(scan: Scan, result: Result) -> dict[str, int]:
    """In the words of the scan's type, `scan` being the one that has them. The findings of an image that is watched no
    more are closed."""
    found = result.report.counts
    if scan.status is ScanStatus.SCAN_ELIGIBILITY_EXPIRED:
        return {}
    return enhanced.counts(found) if scan.scan_type is ScanType.ENHANCED else found


def summary(scan: Scan, result: Result) -> ImageScanFindingsSummary:
    """`scan` is the one that has the report."""
    return ImageScanFindingsSummary(
        seconds(result.completed_at), seconds(source_updated_at(result)), counts(scan, result)
    )


def image_detail(
    repository: Repository,
    image: Image,
    tags: Sequence[str] | None,
    scans: ImageScans | None,
    result: Result | None,
) -> ImageDetail:
    suppressed = 0 if result is None else result.report.suppressed
    reported = None if scans is None else scans.reported or scans.latest
    return ImageDetail(
        registry_id=repository.account,
        repository_name=repository.name,
        image_digest=image.digest,
        image_size_in_bytes=image.size,
        image_pushed_at=seconds(image.pushed_at),
        image_manifest_media_type=image.media_type,
        image_status="ARCHIVED" if image.archived else "ACTIVE",
        image_tags=tags,
        image_scan_status=None if scans is None else status(image, scans.latest, suppressed),
        image_scan_findings_summary=None if reported is None or result is None else summary(reported, result),
        artifact_media_type=image.artifact_media_type or None,
        last_recorded_pull_time=_maybe_seconds(image.last_pull_at),
        subject_manifest_digest=image.subject_digest or None,
        last_archived_at=_maybe_seconds(image.archived_at),
        last_activated_at=_maybe_seconds(image.activated_at),
    )


def _maybe_seconds(value: datetime | None) -> float | None:
    return None if value is None else seconds(value)


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
    assessment = finding.assessment
    pairs = (*_attributes(finding), *_exploitation(finding, exploited), *_suppression(finding))
    return ImageScanFinding(
        name=assessment.name,
        uri=assessment.url,
        severity=assessment.severity.value,
        attributes=[Attribute(key, value) for key, value in pairs if value],
        description=assessment.details or assessment.summary or None,
    )


# CVSS attributes of ECR's basic findings, by the kind of claim.
_CVSS = {"CVSS_V2": "CVSS2", "CVSS_V3": "CVSS3", "CVSS_V4": "CVSS4"}


def _attributes(finding: Finding) -> Iterable[tuple[str, str]]:
    """ECR's own keys first; the others say what its basic findings leave out."""
    assessment, first = finding.assessment, finding.occurrences[0]
    yield "package_name", _cut(finding.package.source_name)
    yield "package_version", _cut(finding.package.source_version)
    chosen = (assessment.chosen,) if assessment.chosen is not None else ()
    shown: dict[str, SeverityClaim] = {}
    for claim in (*chosen, *assessment.claims):
        prefix = _CVSS.get(claim.kind)
        # A score alone, which is all that RubySec has, gives way to one that says what it is made of.
        if prefix is not None and (prefix not in shown or (claim.value and not shown[prefix].value)):
            shown[prefix] = claim
    for prefix, claim in shown.items():
        yield f"{prefix}_VECTOR", _cut(claim.value)
        yield f"{prefix}_SCORE", f"{claim.score:.1f}" if claim.score is not None else ""
    yield "fixed_in_version", _cut(assessment.fix)
    yield "fix_state", assessment.state
    yield "layer_digest", finding.layer
    yield "package_manager", finding.package.ecosystem
    yield "file_path", _cut(first.path)
    yield "installed_packages", _cut(", ".join(dict.fromkeys(o.package.name for o in finding.occurrences)))
    yield "aliases", _cut(", ".join(name for name in assessment.ids if name != assessment.name))
    yield "advisories", _cut(", ".join(dict.fromkeys(record.id for record in assessment.records)))
    yield "credits", _cut("; ".join(sorted({record.credit for record in assessment.records})))
    yield "severity_source", _cut(assessment.chosen.source if assessment.chosen is not None else "")


def _exploitation(finding: Finding, exploited: Exploitations) -> Iterable[tuple[str, str]]:
    found = exploited.of(finding.assessment)
    if found.score is not None:
        yield "epss_score", f"{found.score.score:.5f}"
        yield "epss_percentile", f"{found.score.percentile:.5f}"
        yield "epss_date", _cut(exploited.dates.get("scores", ""))
    if found.known is not None:
        yield "exploit_available", "YES"
        yield "kev_date_added", found.known.added
        yield "kev_due_date", found.known.due
        yield "kev_ransomware", "YES" if found.known.ransomware else ""


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
        else {"dateAdded": found.known.added, "dueDate": found.known.due, "ransomware": found.known.ransomware},
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


def _suppression(finding: Finding) -> Iterable[tuple[str, str]]:
    if finding.suppression is not None:
        yield "status", "SUPPRESSED"
        yield "suppression_status", finding.suppression.status
        yield "suppression_reason", _cut(finding.suppression.reason)
        by = f" ({finding.suppression.by})"
        yield "suppressed_by", _cut(finding.suppression.author, ATTRIBUTE_LIMIT - len(by)) + by


def _cut(text: str, limit: int = ATTRIBUTE_LIMIT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def pending(scan: Scan) -> bool:
    return scan.status in {ScanStatus.PENDING, ScanStatus.IN_PROGRESS}
