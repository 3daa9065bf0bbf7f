"""Scanning: start a scan, read what it found, say when images are scanned."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec.structs import asdict, replace

from hullwise.domain.errors import RepositoryNotFound
from hullwise.domain.names import ImageId, repository_arn
from hullwise.domain.packages import Distribution
from hullwise.domain.scan_rules import ScanRule
from hullwise.domain.scans import Frequency, ScanStatus, ScanType
from hullwise.ecr import inputs, paging, shapes
from hullwise.ecr.calls import Call, Params, one_image_id
from hullwise.registry import images as rules
from hullwise.scanning import configuration, enhanced, joined, listing, pages, reading, requests
from hullwise.scanning.reading import Result
from hullwise.store import configurations, images, reports
from hullwise.store import repositories as store
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from hullwise.store.scans import ImageScans


def _image(call: Call, params: Params) -> tuple[Repository, Image, ImageId]:
    repository, asked = call.repository, one_image_id(params)
    return repository, rules.get(call.tx, repository, asked), asked


def put_image_scanning_configuration(call: Call, params: inputs.PutImageScanningConfigurationRequest) -> dict[str, Any]:
    """Whether images pushed from now on are scanned."""
    repository = call.repository
    enabled = params["imageScanningConfiguration"].get("scanOnPush", False)
    store.set_scan_on_push(call.tx, repository.id, enabled)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageScanningConfiguration": {"scanOnPush": enabled},
    }


def start_image_scan(call: Call, params: inputs.StartImageScanRequest) -> dict[str, Any]:
    """Ask for a basic scan; a worker takes it up at once."""
    repository, image, asked = _image(call, params)
    scan = requests.start(call.tx, call.services, repository, image)
    # ECR says nothing beside PENDING; that a quota is spent, and until when, has to be said.
    spent = scan.status is ScanStatus.LIMIT_EXCEEDED
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageId": {"imageDigest": image.digest, "imageTag": asked.tag},
        "imageScanStatus": {"status": scan.status.value, "description": scan.description if spent else None},
    }


def describe_image_scan_findings(call: Call, params: inputs.DescribeImageScanFindingsRequest) -> dict[str, Any]:
    """Status of an image's latest scan, and one page of what the latest complete one found."""
    repository, image, asked = _image(call, params)
    found = reading.latest(call.tx, repository, image, asked)
    answer: dict[str, Any] = {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageId": {"imageDigest": image.digest, "imageTag": asked.tag},
        "imageScanStatus": shapes.status(*reading.shown(image, found.latest)),
    }
    result = reading.current(call.tx, call.services, repository, {image.id: image}, {image.id: found}).get(image.id)
    if result is None:
        # Nothing is known yet; and of a scan that failed nothing ever is, which must not look like no findings.
        return answer | ({"imageScanFindings": _NOTHING_YET} if shapes.pending(found.latest) else {})
    if found.latest.scan_type is ScanType.ENHANCED:
        return answer | _enhanced_page(call, params, repository, image, result, found)
    return answer | _page(call, params, image, result, found)


_NOTHING_YET: dict[str, Any] = {"findings": [], "enhancedFindings": []}


def _enhanced_page(
    call: Call, params: Params, repository: Repository, image: Image, result: Result, found: ImageScans
) -> dict[str, Any]:
    reported = found.reported or found.latest
    at = paging.position(call, params, pages.first(call.tx, call.services, image, result.report))
    page = pages.page(call.tx, image, reported, result.report, at, paging.size(params))
    shown = replace(result, report=page.report)
    distribution = listing.distribution(call.tx, page.report)
    tags = images.tags_of(call.tx, [image.id]).get(image.id, [])
    subject = enhanced.Subject(repository, image, tags, distribution)
    exploited = joined.exploitations(call.tx, [entry.finding for entry in page.entries])
    listed = [
        shapes.enhanced_finding(subject, entry.finding, entry.observed, exploited, entry.reason)
        for entry in page.entries
    ]
    more = None if page.following is None else paging.token(call, params, page.following)
    return _answer(call, image, shown, found, distribution, more, findings=[], enhancedFindings=listed)


class _At(NamedTuple):
    """Where a page of basic findings begins."""

    image: int
    report: int
    start: int


def _page(call: Call, params: Params, image: Image, result: Result, found: ImageScans) -> dict[str, Any]:
    """A page of the report, and the next page's token: which names the report, so that a later scan changes no page."""
    at = paging.position(call, params, _At(image.id, result.report.id, 0))
    report = pages.listed(call.tx, image, result.report, at.image, at.report)
    stop = at.start + paging.size(params)
    keys = reports.own(reading.keys(call.tx, report, 0, report.findings))
    findings = listing.findings(call.tx, report, keys[at.start : stop])
    exploited = joined.exploitations(call.tx, findings)
    shown = replace(result, report=report)
    listed = [shapes.basic_finding(finding, exploited) for finding in findings]
    more = paging.token(call, params, at._replace(start=stop)) if stop < len(keys) else None
    return _answer(call, image, shown, found, listing.distribution(call.tx, report), more, findings=listed)


def _answer(
    call: Call,
    image: Image,
    result: Result,
    found: ImageScans,
    distribution: Distribution | None,
    more: str | None,
    **listed: list[Any],
) -> dict[str, Any]:
    """A page's findings, and what is true of the whole image: on every page, since paginators keep the first page's
    alone."""
    report, reported = result.report, found.reported or found.latest
    ended = joined.end_of_life(call.tx, distribution, call.services.clock())
    return {
        "imageScanStatus": shapes.status(*reading.shown(image, found.latest), report.suppressed, ended),
        "imageScanFindings": {
            "imageScanCompletedAt": result.completed_at,
            "vulnerabilitySourceUpdatedAt": shapes.source_updated_at(result),
            "findingSeverityCounts": shapes.counts(reported.scan_type, reported.status, report.counts),
            **listed,
            "hullwise": {
                "generation": report.generation,
                "sources": list(result.generation.sources),
                "distribution": None if distribution is None else asdict(distribution),
                "endOfLife": None if ended is None else ended.wire,
                "suppressed": report.suppressed,
            },
        },
        "nextToken": more,
    }


def get_registry_scanning_configuration(
    call: Call, params: inputs.GetRegistryScanningConfigurationRequest
) -> dict[str, Any]:
    """How the caller's registry scans."""
    found = configurations.current(call.tx, call.caller.account, call.caller.region)
    return {"registryId": call.caller.account, "scanningConfiguration": shapes.scanning_configuration(found)}


def put_registry_scanning_configuration(
    call: Call, params: inputs.PutRegistryScanningConfigurationRequest
) -> dict[str, Any]:
    """Replace how the registry scans, as a whole: what is left out is as if it had never been put."""
    rules = [
        ScanRule(Frequency(rule["scanFrequency"]), tuple(each["filter"] for each in rule["repositoryFilters"]))
        for rule in params.get("rules", ())
    ]
    scan_type = ScanType(params.get("scanType", ScanType.BASIC))
    caller = call.caller
    found = configuration.put(call.tx, call.services, caller.account, caller.region, scan_type, rules)
    return {"registryScanningConfiguration": shapes.scanning_configuration(found)}


def batch_get_repository_scanning_configuration(
    call: Call, params: inputs.BatchGetRepositoryScanningConfigurationRequest
) -> dict[str, Any]:
    """What the registry's configuration comes to for each of the repositories."""
    caller = call.caller
    current = configurations.current(call.tx, caller.account, caller.region)
    found: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    for name in dict.fromkeys(params["repositoryNames"]):
        try:
            repository = store.get(call.tx, caller.account, caller.region, name)
        except RepositoryNotFound:
            code = "REPOSITORY_NOT_FOUND"
            failures.append({"repositoryName": name, "failureCode": code, "failureReason": code})
            continue
        applied = configuration.of(current, repository)
        found.append(
            {
                "repositoryArn": repository_arn(repository.account, repository.region, repository.name),
                "repositoryName": repository.name,
                "scanOnPush": applied.frequency is not Frequency.MANUAL,
                "scanFrequency": applied.frequency.value,
                "appliedScanFilters": shapes.filters(applied.filters),
            }
        )
    return {"scanningConfigurations": found, "failures": failures}
