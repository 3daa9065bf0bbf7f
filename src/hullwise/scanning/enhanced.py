"""A finding as enhanced scanning has it: EnhancedImageScanFinding of the service model, and of Inspector's events.

Where a value comes from:

    firstObservedAt   the later of: the image was first scanned; the first generation that says so was published
    updatedAt         likewise, of the first generation that says so in these words
    lastObservedAt    the last moment at which the registry knew it to be so: of a continuous image when the newest
                      generation was published; of a scan on push when that ended; of a closed finding when it closed
    lastInUseAt       the last recorded pull: the use that a registry sees. inUseCount, which counts running
                      containers, is left out, since nothing here sees any
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from hullwise.domain.names import repository_arn
from hullwise.domain.packages import Distribution, Occurrence
from hullwise.domain.reports import Finding
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import Assessment, SeverityClaim
from hullwise.ecosystems.namespaces import LANGUAGES, PUBLISHERS, SYSTEM
from hullwise.scanning.joined import Exploitation
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from hullwise.store.transitions import Identity

DESCRIPTION_LIMIT = 1_024
"""Characters; Inspector cuts there too."""

Status = Literal["ACTIVE", "SUPPRESSED", "CLOSED"]

_MANAGERS = {
    **dict.fromkeys(SYSTEM, "OS"),
    "pypi": "PYTHONPKG",
    "npm": "NODEPKG",
    "rubygems": "GEMSPEC",
    "maven": "JAR",
    "go": "GOBINARY",
    "crates.io": "CARGO",
    "packagist": "COMPOSER",
    "nuget": "DOTNET_CORE",
}
"""PackageManager of Inspector's model, by ecosystem."""

_PLATFORMS = {"alpine": "ALPINE_LINUX", "amzn": "AMAZON_LINUX", "ol": "ORACLE_LINUX", "rocky": "ROCKY_LINUX"}
"""How Inspector calls a distribution, where not by its id in capitals."""

_SPEAKERS = {"ghsa": "GITHUB_SEC_ADVISORY", "cve": "NVD", "nvd": "NVD"}
"""How Inspector calls who says something, by the prefix of the record's id; a distribution is `DEBIAN_CVE`."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The image that findings are in."""

    repository: Repository
    image: Image
    tags: Sequence[str]
    distribution: Distribution | None


@dataclass(frozen=True, slots=True)
class Observed:
    """When a finding was seen, and how it stands."""

    identity: Identity
    first: datetime
    last: datetime
    updated: datetime
    status: Status
    fixes: Mapping[Occurrence, str]
    """What fixes each place: empty where nothing does."""


def severity(value: Severity) -> str:
    """Enhanced scanning says UNTRIAGED where basic scanning says UNDEFINED."""
    return "UNTRIAGED" if value is Severity.UNDEFINED else value.value


def counts(found: Mapping[str, int]) -> dict[str, int]:
    """Findings by severity, in the words of enhanced scanning."""
    return {severity(Severity(name)): number for name, number in found.items()}


def finding_arn(repository: Repository, digest: str, identity: Identity) -> str:
    """The same for as long as the finding is the same: it is no new one when its severity, fix or name changes."""
    parts = (repository.account, repository.region, repository.name, digest, *(str(part) for part in identity))
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    return f"arn:aws:inspector2:{repository.region}:{repository.account}:finding/{name}"


def finding(subject: Subject, found: Finding, observed: Observed, exploited: Exploitation) -> dict[str, Any]:
    """In the names of the service model; times are datetimes, and None is left out when it is written."""
    assessment = found.assessment
    packages = [_package(place, observed.fixes.get(place, assessment.fix)) for place in _places(found)]
    fixed = sum(package["fixedInVersion"] != _NO_FIX for package in packages)
    return {
        "awsAccountId": subject.repository.account,
        "description": (assessment.details or assessment.summary or "None Provided")[:DESCRIPTION_LIMIT],
        "findingArn": finding_arn(subject.repository, subject.image.digest, observed.identity),
        "firstObservedAt": observed.first,
        "lastObservedAt": observed.last,
        "updatedAt": observed.updated,
        "severity": severity(assessment.severity),
        "status": observed.status,
        "type": "PACKAGE_VULNERABILITY",
        "title": f"{assessment.name} - {', '.join(dict.fromkeys(package['name'] for package in packages))}",
        "score": assessment.score or 0.0,
        "scoreDetails": _score_details(assessment.chosen),
        "fixAvailable": "NO" if not fixed else "YES" if fixed == len(packages) else "PARTIAL",
        "exploitAvailable": "NO" if exploited.known is None else "YES",
        "packageVulnerabilityDetails": {
            "vulnerabilityId": assessment.name,
            "source": _source(assessment),
            "sourceUrl": assessment.url or None,
            "vendorSeverity": _vendor_severity(assessment),
            "vendorCreatedAt": _moment(assessment.published),
            "vendorUpdatedAt": _moment(assessment.modified),
            "cvss": [score for claim in assessment.claims if (score := _cvss(claim)) is not None],
            "referenceUrls": list(assessment.references),
            "relatedVulnerabilities": [
                name for name in dict.fromkeys((*assessment.ids, *assessment.upstream)) if name != assessment.name
            ],
            "vulnerablePackages": packages,
        },
        "remediation": {
            "recommendation": {
                "text": _UPDATE if fixed else "None Provided",
                "url": (assessment.url or None) if fixed else None,
            }
        },
        "resources": [_resource(subject)],
    }


_NO_FIX = "NotAvailable"
_UPDATE = "Update all packages in the vulnerable packages section to their latest versions."


def _places(found: Finding) -> list[Occurrence]:
    """Of a distribution's package its source stands for all that was built of it, once for each layer."""
    first: dict[tuple[str, ...], Occurrence] = {}
    for place in found.occurrences:
        package = place.package
        if package.ecosystem in SYSTEM:
            first.setdefault((package.source_name, package.architecture, place.layer), place)
        else:
            first.setdefault((package.name, package.version, place.layer, place.path), place)
    return list(first.values())


def _package(place: Occurrence, fix: str) -> dict[str, Any]:
    package = place.package
    system = package.ecosystem in SYSTEM
    epoch, version, release = split(package.ecosystem, package.source_version if system else package.version)
    fixed = f"0:{fix}" if system and fix and ":" not in fix else fix
    return {
        "name": package.source_name if system else package.name,
        "version": version,
        "epoch": epoch,
        "release": release or None,
        "arch": package.architecture.upper() or None,
        "packageManager": _MANAGERS.get(package.ecosystem, package.ecosystem.upper()),
        "filePath": None if system else place.path,
        "sourceLayerHash": place.layer or None,
        "fixedInVersion": fixed or _NO_FIX,
    }


def split(ecosystem: str, version: str) -> tuple[int, str, str]:
    """(epoch, version, release) of a distribution's version; language packages have their version alone.

    `1:2.9.14+dfsg-1.3~deb12u1` is (1, `2.9.14+dfsg`, `1.3~deb12u1`); apk's `3.1.4-r5` is (0, `3.1.4`, `r5`).
    """
    if ecosystem not in SYSTEM:
        return 0, version, ""
    head, colon, rest = version.partition(":")
    epoch, rest = (int(head), rest) if colon and head.isascii() and head.isdigit() and len(head) < 10 else (0, version)
    upstream, dash, release = rest.rpartition("-")
    return (epoch, upstream, release) if dash else (epoch, rest, "")


def _score_details(chosen: SeverityClaim | None) -> dict[str, Any] | None:
    score = None if chosen is None else _cvss(chosen)
    if score is None:
        return None
    return {
        "cvss": {
            # Inspector adjusts for what it knows of the network around a machine; of an image there is nothing such.
            "adjustments": [],
            "score": score["baseScore"],
            "scoreSource": score["source"],
            "scoringVector": score["scoringVector"],
            "version": score["version"],
        }
    }


_CVSS_VERSIONS = {"CVSS_V2": "2.0", "CVSS_V3": "3.1", "CVSS_V4": "4.0"}


def _cvss(claim: SeverityClaim) -> dict[str, Any] | None:
    if claim.kind not in _CVSS_VERSIONS or claim.score is None:
        return None
    stated = claim.value.partition("/")[0].removeprefix("CVSS:") if claim.value.startswith("CVSS:") else ""
    return {
        "baseScore": claim.score,
        "scoringVector": claim.value or None,
        "source": _speaker(claim.source),
        "version": stated or _CVSS_VERSIONS[claim.kind],
    }


def _source(assessment: Assessment) -> str:
    family = assessment.namespace.partition(":")[0]
    return _speaker(family if family not in LANGUAGES else assessment.records[0].id.partition("-")[0])


def _speaker(name: str) -> str:
    known = name.lower()
    if known in PUBLISHERS and known not in LANGUAGES:
        return f"{known.upper()}_CVE"
    return _SPEAKERS.get(known, f"{known.upper()}_ADVISORY")


def _vendor_severity(assessment: Assessment) -> str | None:
    """In the vendor's own words, where it has some; else what was chosen."""
    said = next((claim.value for claim in assessment.claims if claim.kind == "word"), None)
    return said or (None if assessment.chosen is None else assessment.chosen.severity.value)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def platform(distribution: Distribution | None) -> str | None:
    """`DEBIAN_12`, `ALPINE_LINUX_3_18`; None for an image without an operating system."""
    if distribution is None:
        return None
    name = _PLATFORMS.get(distribution.id, distribution.id.upper().replace("-", "_"))
    release = distribution.version.split(".")[:2]
    return "_".join([name, *(part for part in release if part)])


def _resource(subject: Subject) -> dict[str, Any]:
    repository, image = subject.repository, subject.image
    arn = repository_arn(repository.account, repository.region, repository.name)
    return {
        "type": "AWS_ECR_CONTAINER_IMAGE",
        "id": f"{arn}/{image.digest}",
        "tags": {},
        "details": {
            "awsEcrContainerImage": {
                "architecture": image.architecture or None,
                "author": image.author or None,
                "imageHash": image.digest,
                "imageTags": list(subject.tags),
                "platform": platform(subject.distribution),
                "pushedAt": image.pushed_at,
                "lastInUseAt": image.last_pull_at,
                "registry": repository.account,
                "repositoryName": repository.name,
            }
        },
    }
