"""What is said about a package: severities, and the verdict that one generation of advisories gives."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Literal

import msgspec

from hullwise.domain.scans import Severity

State = Literal["fixed", "affected", "will-not-fix", "deferred", "end-of-life"]
"""What the vendor does about it: a fix is out; nothing is known of one; it refuses one; it postpones it; the release
has ended."""


class SeverityClaim(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One source's word on how bad it is."""

    source: str
    """Who says so: `debian`, or the prefix of the record's id such as `GHSA`."""
    kind: str
    """`CVSS_V2`, `CVSS_V3`, `CVSS_V4`, `word`; or `note`: why it is no vulnerability here."""
    value: str
    """The vector, the word as written, or the reason."""
    severity: Severity
    score: float | None = None
    """CVSS base score; None for others."""


KERNEL_HEADERS = SeverityClaim("hullwise", "word", "kernel-headers", Severity.INFORMATIONAL)
"""Why what is said of a kernel is no more than a note on its headers."""


class RecordRef(msgspec.Struct, frozen=True, gc=False):
    """A record that says the package is affected."""

    id: str
    source: str
    """The feed it came with."""
    range: str
    """The range that the version fell into, for people: `>= 2.0, < 2.10.1`."""
    fixed: str
    """The version that ends that range, or empty."""
    credit: str = ""
    """Who made the record and its licence, for people: `RustSec, CC0-1.0`. Empty in assessments of rules 1."""


class Assessment(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, cache_hash=True):
    """The verdict on one vulnerability in one package. Immutable; a change in any field is another assessment."""

    name: str
    """The id that is shown: the CVE where there is exactly one, else GHSA, else the record's own."""
    ids: tuple[str, ...]
    """Every id of the vulnerability, sorted: what search and ignore rules go by."""
    namespace: str
    package: str
    """The name that the advisories use: the source package of a distribution."""
    severity: Severity
    chosen: SeverityClaim | None
    """The claim that `severity` is of; None for UNDEFINED."""
    claims: tuple[SeverityClaim, ...]
    fix: str
    """The version that fixes it, or empty."""
    state: State
    records: tuple[RecordRef, ...]
    rule: str
    """Which rule decided: `osv-range`, `osv-versions`, `vendor-range`."""
    summary: str
    details: str
    url: str
    references: tuple[str, ...]
    published: str
    """RFC 3339, or empty."""
    modified: str
    upstream: tuple[str, ...] = ()
    """Ids of other vulnerabilities that the records' advisory takes care of, sorted: the CVEs of one of AlmaLinux. They
    are no names of this one, and yet a search by CVE and what is joined by CVE (EPSS, KEV) go by them too."""

    deferred_to: str = ""
    """Whose word counts instead, as `namespace name`: of the distribution's package that installed this one. Then it
    is shown as suppressed. Empty: it stands."""

    @property
    def score(self) -> float | None:
        return None if self.chosen is None else self.chosen.score


def encode(assessment: Assessment) -> bytes:
    """Canonical: the same assessment gives the same bytes."""
    return msgspec.json.encode(assessment)


def digest(encoded: bytes) -> str:
    return f"sha256:{hashlib.sha256(encoded).hexdigest()}"


_decoder = msgspec.json.Decoder(Assessment)


@lru_cache(2_048)
def decode(encoded: bytes) -> Assessment:
    """What was encoded. Kept for a while: the findings of many images are of few assessments."""
    return _decoder.decode(encoded)
