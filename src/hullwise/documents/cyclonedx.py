"""CycloneDX 1.6 as JSON (ECMA-424, 1st edition): what is in an image, and what is known to be wrong with it.

    {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:…", "version": 1,
     "metadata": {"timestamp": …, "lifecycles": […], "tools": {"components": […]},
                  "component": {"type": "container", "bom-ref": …, "version": "sha256:…"}},
     "components": [{"type": "operating-system", …}, {"type": "library", "bom-ref": "pkg:…", "purl": "pkg:…", …}],
     "dependencies": [{"ref": …, "dependsOn": […]}],
     "vulnerabilities": [{"id": …, "ratings": […], "affects": [{"ref": …, "versions": […]}], "analysis": {…}}]}

Components without an entry in `dependencies` are, by the specification, of unknown dependencies, as they are here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from hullwise.documents.components import Component, Components
from hullwise.documents.subject import Subject, name_of, url, utc
from hullwise.domain import digests
from hullwise.domain.moments import moment
from hullwise.domain.packages import Distribution, Occurrence
from hullwise.domain.reports import Finding, Suppression, order
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import Assessment, SeverityClaim
from hullwise.ecosystems.purl import release

VERSION = "1.6"

_HASHES = {"sha256": "SHA-256", "sha512": "SHA-512"}

_SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "high",
    Severity.MEDIUM: "medium",
    Severity.LOW: "low",
    Severity.INFORMATIONAL: "info",
    Severity.UNDEFINED: "unknown",
}

_METHODS = {"CVSS_V2": "CVSSv2", "CVSS_V3": "CVSSv3", "CVSS_V4": "CVSSv4"}

# A rule that ignores says that the risk is taken, and not that there is none: such a package is no less affected.
_ANALYSES: dict[str, tuple[dict[str, Any], str]] = {
    "not_affected": ({"state": "not_affected"}, "unaffected"),
    "fixed": ({"state": "resolved"}, "unaffected"),
    "ignored": ({"state": "exploitable", "response": ["will_not_fix"]}, "affected"),
}

# Its own labels, and those of OpenVEX and CSAF that mean one of them. Others are in the detail alone.
_JUSTIFICATIONS = {
    "code_not_present": "code_not_present",
    "code_not_reachable": "code_not_reachable",
    "requires_configuration": "requires_configuration",
    "requires_dependency": "requires_dependency",
    "requires_environment": "requires_environment",
    "protected_by_compiler": "protected_by_compiler",
    "protected_at_runtime": "protected_at_runtime",
    "protected_at_perimeter": "protected_at_perimeter",
    "protected_by_mitigating_control": "protected_by_mitigating_control",
    "component_not_present": "code_not_present",
    "vulnerable_code_not_present": "code_not_present",
    "vulnerable_code_not_in_execute_path": "code_not_reachable",
    "inline_mitigations_already_exist": "protected_by_mitigating_control",
}


def cyclonedx(
    subject: Subject,
    distribution: Distribution | None,
    occurrences: Sequence[Occurrence],
    findings: Sequence[Finding] | None = None,
    *,
    now: datetime,
    tool_version: str,
) -> bytes:
    """The bill of materials of an image, with `vulnerabilities` where findings are given, even if there are none.

    The same values give the same bytes, in whatever order the sequences are; the serial number names those bytes.
    Components are the packages of `occurrences` and of `findings`."""
    found = sorted(findings or (), key=order)
    everything = (*occurrences, *(place for finding in found for place in finding.occurrences))
    components = Components(everything, distribution)
    system = _system(distribution)
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": VERSION,
        "version": 1,
        "metadata": {
            "timestamp": moment(now),
            "lifecycles": [{"phase": "post-build"}],
            "tools": {"components": [{"type": "application", "name": "Hullwise", "version": tool_version}]},
            "component": _image(subject),
        },
        "components": [*system, *(_component(item) for item in components.all)],
        "dependencies": [
            {"ref": subject.ref, "dependsOn": sorted({*(s["bom-ref"] for s in system), *_refs(components)})},
            *({"ref": owner, "dependsOn": owned} for owner, owned in components.owned().items()),
        ],
    }
    if findings is not None:
        document["vulnerabilities"] = [_vulnerability(finding, components) for finding in found]
    serial = name_of(msgspec.json.encode(document))
    return msgspec.json.encode({"serialNumber": f"urn:uuid:{serial}"} | document)


def _refs(components: Components) -> Iterator[str]:
    return (item.ref for item in components.all)


def _properties(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": f"hullwise:{name}", "value": value} for name, value in dict.fromkeys(pairs) if value]


def _filled(**members: Any) -> dict[str, Any]:
    """The members that say something."""
    return {name: value for name, value in members.items() if value}


def _image(subject: Subject) -> dict[str, Any]:
    algorithm, _, content = subject.digest.partition(":")
    return {
        "type": "container",
        "bom-ref": subject.ref,
        "name": subject.name,
        **_filled(
            version=subject.digest,
            hashes=[{"alg": _HASHES[algorithm], "content": content}] if digests.is_digest(subject.digest) else None,
            purl=subject.purl,
            properties=_properties(
                ("repository", subject.repository),
                *(("tag", tag) for tag in sorted(subject.tags)),
                ("created", subject.built),
            ),
        ),
    }


def _system(distribution: Distribution | None) -> list[dict[str, Any]]:
    if distribution is None:
        return []
    return [
        {
            "type": "operating-system",
            "bom-ref": f"os:{release(distribution)}",
            "name": distribution.id,
            **_filled(version=distribution.version or distribution.codename, description=distribution.name),
        }
    ]


def _component(item: Component) -> dict[str, Any]:
    places = item.occurrences
    return {
        "type": "library",
        "bom-ref": item.ref,
        **({"group": item.group} if item.group else {}),
        "name": item.name,
        **({"version": item.package.version} if item.package.version else {}),
        "purl": item.purl,
        "properties": _properties(
            *(("layer", place.layer) for place in places),
            *(("path", place.path) for place in places),
            ("source", item.source),
            *(("owner", place.owner) for place in places),
            ("matched", "" if item.matched else "false"),
        ),
        "evidence": {
            "occurrences": [
                {"location": path, "additionalContext": f"layer {layer}"} if layer else {"location": path}
                for path, layer in dict.fromkeys((place.path, place.layer) for place in places)
            ]
        },
    }


def _vulnerability(finding: Finding, components: Components) -> dict[str, Any]:
    assessment, suppression = finding.assessment, finding.suppression
    analysis, status = _ANALYSES[suppression.status] if suppression else ({}, "affected")
    installed = {item.ref: item for item in (components.of(place.package) for place in finding.occurrences)}
    description = assessment.summary or assessment.details
    links = dict.fromkeys(link for text in (assessment.url, *assessment.references) if (link := url(text)))
    return {
        "id": assessment.name,
        **_filled(
            source=_filled(
                name=assessment.records[0].source if assessment.records else "",
                url=url(assessment.url),
            ),
            references=[
                {"id": name, "source": {"name": name.partition("-")[0]}}
                for name in assessment.ids
                if name != assessment.name
            ],
            ratings=_ratings(assessment),
            description=description,
            detail=assessment.details if assessment.details != description else "",
            recommendation=f"Upgrade {assessment.package} to {assessment.fix}." if assessment.fix else "",
            advisories=[{"url": link} for link in links],
            published=utc(assessment.published),
            updated=utc(assessment.modified),
            analysis=_analysis(analysis, suppression) if suppression else None,
        ),
        "affects": [_affected(installed[ref], status) for ref in sorted(installed)],
        "properties": _properties(
            ("state", assessment.state),
            *(("record", record.id) for record in assessment.records),
            *(("credit", credit) for credit in sorted({record.credit for record in assessment.records})),
            ("suppressed-by", suppression.by if suppression else ""),
            ("suppressed-author", suppression.author if suppression else ""),
        ),
    }


def _ratings(assessment: Assessment) -> list[dict[str, Any]]:
    """What each source says of it; first the word that the finding's severity is of."""
    chosen = () if assessment.chosen is None else (assessment.chosen,)
    return [_rating(claim) for claim in dict.fromkeys((*chosen, *assessment.claims))]


def _rating(claim: SeverityClaim) -> dict[str, Any]:
    rating: dict[str, Any] = {"source": {"name": claim.source}, "severity": _SEVERITIES[claim.severity]}
    if claim.score is not None:
        rating["score"] = claim.score
    if claim.kind not in _METHODS:
        return rating | {"method": "other", "justification": claim.value}
    method = "CVSSv31" if claim.value.startswith("CVSS:3.1/") else _METHODS[claim.kind]
    return rating | {"method": method, "vector": claim.value}


def _affected(item: Component, status: str) -> dict[str, Any]:
    version = item.package.version
    return {"ref": item.ref, **_filled(versions=[{"version": version, "status": status}] if version else None)}


def _analysis(analysis: dict[str, Any], suppression: Suppression) -> dict[str, Any]:
    label = suppression.reason.partition(" ")[0]
    justification = _JUSTIFICATIONS.get(label, "") if suppression.status == "not_affected" else ""
    return analysis | _filled(justification=justification, detail=suppression.reason)
