"""What a report says: the ordered findings of one inventory under one generation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hullwise.domain.overlays import Statement
from hullwise.domain.packages import Occurrence, Package
from hullwise.domain.scans import SEVERITY_ORDER, Severity
from hullwise.domain.vulnerabilities import KERNEL_HEADERS, Assessment


class Suppression(msgspec.Struct, frozen=True):
    """Why a finding is shown and does not count."""

    by: str
    """`rule:7`; `vex:3#12`: statement 12 of document 3; `owner`: the distribution's package that installed it."""
    status: str
    """Of the VEX statement, such as `not_affected`; `ignored` for a rule."""
    reason: str
    author: str


class Finding(msgspec.Struct, frozen=True):
    """One vulnerability in one source package of an image, with everything installed from it."""

    assessment: Assessment
    package: Package
    """One of the installed packages; all share its namespace, source name and source version."""
    occurrences: tuple[Occurrence, ...]
    """Where it is installed; at least one."""
    suppression: Suppression | None = None
    """Why it does not count; None: it does."""

    @property
    def layer(self) -> str:
        """The layer that brought the first of them."""
        return self.occurrences[0].layer


def stated(by: str, statement: Statement, author: str) -> Suppression:
    """A VEX statement as the reason of what it suppresses."""
    why = " ".join(part for part in (statement.justification, statement.impact) if part)
    return Suppression(by, statement.status, why, author)


OWNER = "owner"


def deferral(assessment: Assessment) -> Suppression | None:
    """Why an assessment does not count, if whoever made the distribution decides instead."""
    if not assessment.deferred_to:
        return None
    namespace, _, name = assessment.deferred_to.partition(" ")
    why = f"Installed by the package {name} of the distribution, whose own advisories ({namespace}) decide."
    return Suppression(OWNER, "deferred", why, namespace)


GroupKey = tuple[str, str, str, str]


def _group(assessment: Assessment, package: Package) -> GroupKey:
    return assessment.name, package.namespace, package.source_name, package.source_version


def order(finding: Finding) -> tuple[bool, int, float, str, str, str, str]:
    """Those that count, most severe first, then the highest score, then names: total and stable, so that pages never
    overlap."""
    score = finding.assessment.score
    return (
        finding.suppression is not None,
        SEVERITY_ORDER[finding.assessment.severity],
        -(score if score is not None else -1.0),
        finding.assessment.name,
        finding.package.source_name,
        finding.package.source_version,
        finding.package.namespace,
    )


def _precedence(assessment: Assessment) -> tuple[bool, bool, int, float, str]:
    severity, note = SEVERITY_ORDER[assessment.severity], assessment.chosen == KERNEL_HEADERS
    return bool(assessment.deferred_to), note, severity, -(assessment.score or 0.0), assessment.fix


def findings(occurrences: Sequence[Occurrence], matches: Mapping[Package, Sequence[Assessment]]) -> tuple[Finding, ...]:
    """Group what is installed and what hits it into findings, in the order of pages.

    `occurrences` come in the order of layers. Where the installed packages of one source differ in their assessment of
    the same vulnerability, the most severe one that counts speaks; what is said of a kernel goes before the note on its
    headers, even where nobody says how severe it is.
    """
    groups: dict[GroupKey, list[tuple[Assessment, Occurrence]]] = {}
    for occurrence in occurrences:
        for assessment in matches.get(occurrence.package, ()):
            groups.setdefault(_group(assessment, occurrence.package), []).append((assessment, occurrence))
    found = []
    for members in groups.values():
        assessment = min((m[0] for m in members), key=_precedence)
        places = tuple(dict.fromkeys(occurrence for _, occurrence in members))
        found.append(Finding(assessment, places[0].package, places, deferral(assessment)))
    return tuple(sorted(found, key=order))


def counts(severities: Iterable[Severity]) -> dict[str, int]:
    """How many of each severity, most severe first; those without any are left out."""
    tally = Counter(severities)
    return {severity.value: tally[severity] for severity in Severity if tally[severity]}
