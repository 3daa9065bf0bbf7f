"""Severities: reading each source's word, and choosing the one that is shown.

Order of preference: the distribution's own word on its package, then CVSS of the records that matched, then CVSS of
other records of the same vulnerability, then words, first of the records that matched. Within CVSS: version 3, then 4,
then 2, since 3 is what most scores of the last decade were made in. All claims are kept.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim

WORDS = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "important": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "moderate": Severity.MEDIUM,
    "low": Severity.LOW,
    "minor": Severity.LOW,
    "negligible": Severity.INFORMATIONAL,
    "unimportant": Severity.INFORMATIONAL,
    "informational": Severity.INFORMATIONAL,
    "none": Severity.INFORMATIONAL,
}
"""Words of Debian, Ubuntu, Red Hat, GitHub and CVSS alike; any other says nothing."""

# CVSS v3 and v4 specifications, qualitative severity rating scale; v2 as NVD rates it. Lower bounds.
_BANDS = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))
_KIND_ORDER = {"CVSS_V3": 0, "CVSS_V4": 1, "CVSS_V2": 2}


def band(score: float, kind: str) -> Severity:
    found = next((severity for floor, severity in _BANDS if score >= floor), Severity.INFORMATIONAL)
    # CVSS v2 knows no critical.
    return Severity.HIGH if kind == "CVSS_V2" and found is Severity.CRITICAL else found


def word(source: str, text: str) -> SeverityClaim | None:
    """A vendor's word. None where the word is not one of WORDS, such as `not yet assigned`."""
    plain = text.strip().strip("*").lower()
    severity = WORDS.get(plain)
    return None if severity is None else SeverityClaim(source, "word", text.strip(), severity)


def note(source: str, why: str) -> SeverityClaim:
    """That a record is no vulnerability in the package, as it is in an image: shown where no other record says that it
    is one."""
    return SeverityClaim(source, "note", why, Severity.INFORMATIONAL)


def cvss(source: str, kind: str, vector: str) -> SeverityClaim | None:
    """A CVSS vector with its base score. None where it is no valid vector of that kind."""
    score = _base_score(kind, vector) if len(vector) <= 512 else None
    return None if score is None else SeverityClaim(source, kind, vector, band(score, kind), score)


@functools.lru_cache(maxsize=4096)
def _base_score(kind: str, vector: str) -> float | None:
    # Imported here: reading a finding needs no CVSS arithmetic, and the import costs more than a command may.
    import cvss as library

    calculators = {"CVSS_V2": library.CVSS2, "CVSS_V3": library.CVSS3, "CVSS_V4": library.CVSS4}
    calculator = calculators.get(kind)
    if calculator is None:
        return None
    try:
        return float(calculator(vector).scores()[0])
    except (library.CVSSError, ValueError, KeyError, ArithmeticError):
        return None


def choose(
    vendor: Sequence[SeverityClaim], matched: Sequence[SeverityClaim], others: Sequence[SeverityClaim]
) -> SeverityClaim | None:
    """The claim that is shown; None where nobody says anything."""
    if vendor:
        return vendor[0]
    scored = _scores(matched) or _scores(others)
    if scored:
        return scored[0]
    return next((claim for claim in (*matched, *others) if claim.kind == "word"), None)


def _scores(claims: Sequence[SeverityClaim]) -> list[SeverityClaim]:
    scored = [claim for claim in claims if claim.score is not None]
    if len(scored) < 2:
        return scored
    return sorted(scored, key=lambda c: (_KIND_ORDER[c.kind], -(c.score or 0.0), c.source, c.value))
