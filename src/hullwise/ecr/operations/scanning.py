"""Scanning: start a scan, read what it found, say when images are scanned."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hullwise.domain.errors import InvalidParameter
from hullwise.domain.names import ImageId
from hullwise.ecr import inputs, paging, shapes
from hullwise.ecr.calls import Call, Params, image_id
from hullwise.registry import images as rules
from hullwise.scanning import joined, listing, reading, requests
from hullwise.scanning.reading import Result
from hullwise.store import reports
from hullwise.store import repositories as store
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from hullwise.store.scans import Scan


def _image(call: Call, params: Params) -> tuple[Repository, Image, ImageId]:
    repository, asked = call.repository(params), image_id(params["imageId"])
    if asked.digest is None and asked.tag is None:
        raise InvalidParameter("imageId", "must have an imageDigest or an imageTag")
    return repository, rules.get(call.tx, repository, asked), asked


def put_image_scanning_configuration(call: Call, params: inputs.PutImageScanningConfigurationRequest) -> dict[str, Any]:
    """Whether images pushed from now on are scanned."""
    repository = call.repository(params)
    enabled = params["imageScanningConfiguration"].get("scanOnPush", False)
    store.set_scan_on_push(call.tx, repository.id, enabled)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageScanningConfiguration": {"scanOnPush": enabled},
    }


def start_image_scan(call: Call, params: inputs.StartImageScanRequest) -> dict[str, Any]:
    """Ask for a scan; a worker takes it up at once."""
    repository, image, _ = _image(call, params)
    scan = requests.start(call.tx, call.services, image)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageId": params["imageId"],
        "imageScanStatus": {"status": scan.status.value},
    }


def describe_image_scan_findings(call: Call, params: inputs.DescribeImageScanFindingsRequest) -> dict[str, Any]:
    """Status of an image's latest scan, and one page of what the latest complete one found."""
    repository, image, asked = _image(call, params)
    found = reading.latest(call.tx, repository, image, asked)
    answer: dict[str, Any] = {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageId": {"imageDigest": image.digest, "imageTag": asked.tag},
        "imageScanStatus": shapes.status(found.latest),
    }
    result = reading.current(call.tx, call.services, repository, {image.id: image}, {image.id: found}).get(image.id)
    if result is None:
        # Nothing is known yet; and of a scan that failed nothing ever is, which must not look like no findings.
        return answer | ({"imageScanFindings": {"findings": []}} if shapes.pending(found.latest) else {})
    return answer | _page(call, params, result, found.latest)


def _page(call: Call, params: Params, result: Result, latest: Scan) -> dict[str, Any]:
    """A page of the report, and the next page's token: which names the report, so that a later scan changes no page."""
    report_id, start = paging.position(call, params, (result.report.id, 0))
    report = result.report
    if report_id != report.id:
        earlier = reports.get(call.tx, report_id)
        report = report if earlier is None else earlier
    stop = start + paging.size(params)
    findings = reading.page(call.tx, report, start, stop)
    distribution = listing.distribution(call.tx, report)
    exploited = joined.exploitations(call.tx, findings)
    ended = joined.end_of_life(call.tx, distribution, call.services.clock())
    return {
        "imageScanStatus": shapes.status(latest, report.suppressed, ended),
        "imageScanFindings": {
            **shapes.summary(result),
            "findingSeverityCounts": report.counts,
            "findings": [shapes.basic_finding(finding, exploited) for finding in findings],
            "hullwise": {
                "generation": report.generation,
                "sources": list(result.generation.sources),
                "distribution": None if distribution is None else asdict(distribution),
                "endOfLife": None if ended is None else ended.wire,
                "suppressed": report.suppressed,
            },
        },
        "nextToken": paging.token(call, params, (report.id, stop)) if stop < report.findings else None,
    }
