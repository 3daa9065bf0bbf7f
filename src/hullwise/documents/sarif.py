"""SARIF 2.1.0 (OASIS Standard, with Errata 01): findings as the results of an analysis, for code scanning.

    {"$schema": …, "version": "2.1.0",
     "runs": [{"tool": {"driver": {"name": "Hullwise", "rules": [{"id": "CVE-…", …}]}},
               "results": [{"ruleId": "CVE-…", "ruleIndex": 0, "level": "error", "message": {"text": …},
                            "locations": [{"physicalLocation": {"artifactLocation": {"uri": "var/lib/dpkg/status"}}}],
                            "partialFingerprints": {…}, "suppressions": […]}]}]}

A vulnerability is a rule and a finding is a result. What GitHub's code scanning wants beside the standard
(docs.github.com, "SARIF support for code scanning") is there too: `security-severity`, the tag `security`, a line in
every location and `primaryLocationLineHash`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from hullwise.documents.subject import Subject, url
from hullwise.domain.moments import moment
from hullwise.domain.packages import Distribution
from hullwise.domain.reports import Finding, order
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import Assessment, State
from hullwise.ecosystems.purl import purl

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
VERSION = "2.1.0"

NOTHING_JUDGED = "Nothing in the image could be judged: that there are no findings says nothing about it."

_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}

# GitHub knows scores alone: over 9.0 is critical to it, from 7.0 high, from 4.0 medium, and low what is more than 0.
# Where a source gives a word, the middle of its span stands for it.
_SCORES = {Severity.CRITICAL: 9.5, Severity.HIGH: 8.0, Severity.MEDIUM: 5.5, Severity.LOW: 2.0}

_UNFIXED: dict[State, str] = {
    "fixed": "A fix is out.",
    "affected": "No fix is known.",
    "will-not-fix": "The vendor will not fix it.",
    "deferred": "The vendor has postponed a fix.",
    "end-of-life": "The release has ended, and gets no fixes.",
}

_DESCRIPTION_LIMIT = 1_024
"""Characters that GitHub takes of a description."""
_LOCATION_LIMIT = 1_000
"""Locations that GitHub takes of a result: a file with more of them in one is refused."""


def sarif(
    subject: Subject,
    distribution: Distribution | None,
    findings: Sequence[Finding],
    *,
    now: datetime,
    tool_version: str,
    gaps: Sequence[str] = (),
    judged: bool = True,
) -> bytes:
    """The findings of an image as the log of one run. The same values give the same bytes, in whatever order the
    findings are. A result has the first 1,000 of its locations.

    `gaps`, what was not judged, are notifications of the run; one of which nothing was `judged` was not successful."""
    found = sorted(findings, key=order)
    ids = {name: index for index, name in enumerate(dict.fromkeys(finding.assessment.name for finding in found))}
    # The first finding of each is the most severe: it speaks for its rule.
    spoken: dict[str, Finding] = {}
    for finding in found:
        spoken.setdefault(finding.assessment.name, finding)
    run = {
        "tool": {
            "driver": {
                "name": "Hullwise",
                "version": tool_version,
                "rules": [_rule(finding.assessment) for finding in spoken.values()],
            }
        },
        "automationDetails": {"id": f"hullwise/{subject.repository or subject.name}/"},
        "invocations": [_invocation(now, gaps, judged)],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, ids, subject, distribution) for finding in found],
        "properties": {
            "imageName": subject.name,
            "imageDigest": subject.digest,
            "repository": subject.repository,
            "imageTags": sorted(subject.tags),
        },
    }
    return msgspec.json.encode({"$schema": SCHEMA, "version": VERSION, "runs": [run]})


def _invocation(now: datetime, gaps: Sequence[str], judged: bool) -> dict[str, Any]:
    told = [{"level": "warning", "message": {"text": _cut(gap)}} for gap in gaps]
    if not judged:
        told.insert(0, {"level": "error", "message": {"text": NOTHING_JUDGED}})
    invocation = {"executionSuccessful": judged, "endTimeUtc": moment(now)}
    return invocation | ({"toolExecutionNotifications": told} if told else {})


def _level(severity: Severity) -> str:
    return _LEVELS.get(severity, "note")


def _cut(text: str) -> str:
    return text if len(text) <= _DESCRIPTION_LIMIT else f"{text[: _DESCRIPTION_LIMIT - 1]}…"


def _rule(assessment: Assessment) -> dict[str, Any]:
    score = assessment.score if assessment.score is not None else _SCORES.get(assessment.severity, 0.0)
    summary = assessment.summary or f"{assessment.name} in {assessment.package}"
    link = url(assessment.url)
    facts = [
        ("Severity", f"{assessment.severity} ({assessment.score})" if assessment.score else assessment.severity.value),
        ("Also known as", ", ".join(name for name in assessment.ids if name != assessment.name)),
        ("Fixed in", f"{assessment.package} {assessment.fix}" if assessment.fix else ""),
        ("Published", assessment.published[:10]),
        ("More", link),
    ]
    lines = [f"{name}: {value}" for name, value in facts if value]
    marked = [f"- **{name}**: {value}" for name, value in facts if value]
    details = assessment.details or summary
    rule: dict[str, Any] = {
        "id": assessment.name,
        "shortDescription": {"text": _cut(summary)},
        "fullDescription": {"text": _cut(details)},
        "help": {
            "text": "\n".join((assessment.name, *lines, "", details)),
            "markdown": "\n".join((f"**{assessment.name}**", "", *marked, "", details)),
        },
        "defaultConfiguration": {"level": _level(assessment.severity)},
        "properties": {
            "precision": "high",
            "security-severity": f"{score:.1f}",
            "tags": ["security", "vulnerability"],
        },
    }
    return rule | ({"helpUri": link} if link else {})


def _result(
    finding: Finding, ids: dict[str, int], subject: Subject, distribution: Distribution | None
) -> dict[str, Any]:
    assessment, package, suppression = finding.assessment, finding.package, finding.suppression
    name, version = package.source_name or package.name, package.source_version or package.version
    fixed = f"It is fixed in {assessment.fix}." if assessment.fix else _UNFIXED[assessment.state]
    summary = f": {assessment.summary.rstrip('.')}" if assessment.summary else ""
    paths = sorted({place.path for place in finding.occurrences})
    fingerprint = _fingerprint(finding)
    return {
        "ruleId": assessment.name,
        "ruleIndex": ids[assessment.name],
        "kind": "fail",
        "level": _level(assessment.severity),
        "message": {"text": _cut(f"{name} {version} has {assessment.name}{summary}. {fixed}")},
        "locations": [_location(path, subject) for path in paths[:_LOCATION_LIMIT]],
        "partialFingerprints": {"finding/v1": fingerprint, "primaryLocationLineHash": f"{fingerprint[:16]}:1"},
        # All results of a run have them, or none (3.27.23): empty says that it is not suppressed.
        "suppressions": []
        if suppression is None
        else [
            {
                "kind": "external",
                "status": "accepted",
                "justification": suppression.reason,
                "properties": {"by": suppression.by, "as": suppression.status, "author": suppression.author},
            }
        ],
        "properties": {
            "severity": assessment.severity.value,
            "fixedVersion": assessment.fix,
            "purls": sorted({purl(place.package, distribution) for place in finding.occurrences}),
            "layers": sorted({place.layer for place in finding.occurrences}),
        },
    }


def _location(path: str, subject: Subject) -> dict[str, Any]:
    """A place in the image, relative to its root; the image itself where no file is known."""
    at = quote(path.lstrip("/"), safe="/!@+~") or quote(subject.repository or subject.name, safe="/!@+~") or "image"
    # What is wrong is not in one line, and a location without any is refused.
    return {"physicalLocation": {"artifactLocation": {"uri": at}, "region": {"startLine": 1}}}


def _fingerprint(finding: Finding) -> str:
    """The same in every image and at every time, and of one finding of an image only: what findings are grouped by."""
    package = finding.package
    key = (finding.assessment.name, package.namespace, package.source_name, package.source_version)
    return hashlib.sha256("\0".join(key).encode()).hexdigest()
