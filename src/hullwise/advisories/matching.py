"""The verdict: which vulnerabilities hit a package. One pure function that server, worker and command line share."""

from __future__ import annotations

import contextlib
import functools
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from hullwise.advisories import credits, ratings
from hullwise.advisories.records import Affected, Interval, Record
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import Assessment, RecordRef, SeverityClaim, State
from hullwise.ecosystems.namespaces import LANGUAGES
from hullwise.versions.invalid import InvalidVersion

RULES_VERSION = 2
"""Of this module, of the version keys, of the credits and of the feeds' reading. Raise it when any of them changes a
verdict: data that was built under another version is then another generation."""

"""All others are distributions, which speak of packages that they built themselves."""

_HOME = {
    "pypi": ("PYSEC-",),
    "npm": ("GHSA-",),
    "go": ("GO-",),
    "crates.io": ("RUSTSEC-",),
    "rubygems": ("GHSA-", "RUBYSEC-"),
    "packagist": ("GHSA-",),
    "maven": ("GHSA-",),
    "nuget": ("GHSA-",),
    "hex": ("EEF-", "GHSA-"),
    "pub": ("GHSA-",),
}
"""Whose fix is believed where records of one vulnerability differ: the ecosystem's own databases, by the beginning of
their ids, the first before the second."""


class KeyedInterval(msgspec.Struct, frozen=True, array_like=True):
    """An interval with the keys of its ends, so that a test is a comparison of bytes."""

    low: bytes
    """Empty for OSV's `0`, which is below every version."""
    high: bytes | None
    """None: it does not end."""
    interval: Interval

    def holds(self, key: bytes) -> bool:
        if key < self.low:
            return False
        return self.high is None or key < self.high or (self.interval.closed and key == self.high)


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """What one record says of one package, ready to be tested."""

    intervals: tuple[KeyedInterval, ...]
    keys: tuple[bytes, ...]
    """Keys of the versions that it lists, sorted."""
    versions: tuple[str, ...]
    """The versions that it lists, sorted. Those that the ecosystem's order has no place for match letter by letter."""
    state: State
    unaffected: bool
    severity: tuple[SeverityClaim, ...]

    def lists(self, key: bytes) -> bool:
        at = bisect_left(self.keys, key)
        return at < len(self.keys) and self.keys[at] == key

    def holds(self, key: bytes) -> bool:
        """Whether a version that can be ordered is affected."""
        return any(keyed.holds(key) for keyed in self.intervals) or self.lists(key)


def claim(affected: Affected, version_key: Callable[[str], bytes]) -> tuple[Claim | None, int]:
    """Prepare what a record says. Returns the claim, or None where nothing usable is left, and how many intervals
    could not be used because an end is no version of the ecosystem."""
    intervals: list[KeyedInterval] = []
    unusable = 0
    for interval in affected.intervals:
        try:
            low = b"" if interval.introduced == "0" else version_key(interval.introduced)
            high = version_key(interval.end) if interval.end else None
        except InvalidVersion:
            unusable += 1
            continue
        intervals.append(KeyedInterval(low, high, interval))
    keys: set[bytes] = set()
    for version in affected.versions:
        with contextlib.suppress(InvalidVersion):
            keys.add(version_key(version))
    if not (intervals or affected.versions or affected.unaffected):
        return None, unusable
    made = Claim(
        tuple(intervals),
        tuple(sorted(keys)),
        tuple(sorted(set(affected.versions))),
        affected.state,
        affected.unaffected,
        affected.severity,
    )
    return made, unusable


def renewed(stated: Claim, version_key: Callable[[str], bytes]) -> Claim | None:
    """The claim with its keys made again, for another version of the rules; None where nothing usable is left."""
    intervals = tuple(keyed.interval for keyed in stated.intervals)
    affected = Affected("", "", intervals, stated.versions, stated.state, stated.unaffected, stated.severity)
    return claim(affected, version_key)[0]


class Candidate(Protocol):
    """A claim, the record that makes it, and the vulnerability that the record is about. The last two are asked for
    only where the claim decides something: most claims on a name do not hold for a version."""

    @property
    def claim(self) -> Claim: ...

    @property
    def record(self) -> Record:
        """Without its `affected`."""

    @property
    def root(self) -> str:
        """The name that is shown for the vulnerability."""


@dataclass(frozen=True, slots=True)
class _Hit:
    candidate: Candidate
    range: str
    fixed: str
    rule: str


def hit(
    name: tuple[str, str], version: str, candidates: Iterable[Candidate], version_key: Callable[[str], bytes]
) -> dict[str, list[_Hit]]:
    """Which vulnerabilities hit a version: their shown names, and what says so. `name` is (namespace, name).

    A package without a version is hit by nothing. A version that its ecosystem cannot order is hit where a record
    lists it letter by letter.
    """
    found: dict[str, list[_Hit]] = {}
    if not version:
        return found
    keys = _keys(name[0], version, version_key)
    cleared: set[str] = set()
    for candidate in candidates:
        if candidate.claim.unaffected:
            cleared.add(candidate.root)
            continue
        one = _test(candidate, keys, version, name[0] not in LANGUAGES)
        if one is not None:
            found.setdefault(candidate.root, []).append(one)
    return {root: hits for root, hits in found.items() if root not in cleared}


def _keys(namespace: str, version: str, version_key: Callable[[str], bytes]) -> tuple[bytes, ...]:
    """What to look the version up by; nothing where its ecosystem cannot order it.

    Somebody's own build of a Python release, `1.13.0+cu117`, is above the release in PEP 440's order, and yet what is
    said of the release holds for it.
    """
    texts = (version, version.partition("+")[0]) if namespace == "pypi" else (version,)
    try:
        return tuple(dict.fromkeys(version_key(text) for text in texts))
    except InvalidVersion:
        return ()


def _test(candidate: Candidate, keys: Sequence[bytes], version: str, vendor: bool) -> _Hit | None:
    stated = candidate.claim
    for key in keys:
        held = [keyed for keyed in stated.intervals if keyed.holds(key)]
        if held:
            # Of several ranges that hold it, one that says what to do.
            keyed = next((one for one in held if one.interval.fixed), held[0])
            rule = "vendor-range" if vendor else "osv-range"
            return _Hit(candidate, str(keyed.interval), _fix(stated, keyed), rule)
        if stated.lists(key):
            return _Hit(candidate, f"= {version}", _next_fix(stated, key), "osv-versions")
    if not keys and version in stated.versions:
        return _Hit(candidate, f"= {version}", "", "osv-versions")
    return None


def _fix(stated: Claim, keyed: KeyedInterval) -> str:
    """The fix that ends the interval; where the claim calls that one affected too (PYSEC-2023-72), the next."""
    if keyed.high is None or not keyed.interval.fixed or not stated.holds(keyed.high):
        return keyed.interval.fixed
    return _next_fix(stated, keyed.high)


def _next_fix(stated: Claim, key: bytes) -> str:
    """The lowest fix above the version that the claim does not itself call affected; empty where there is none."""
    above = [(k.high, k.interval.fixed) for k in stated.intervals if k.high is not None and k.high > key]
    return min((fix for fix in above if fix[1] and not stated.holds(fix[0])), default=(b"", ""))[1]


def assess(name: tuple[str, str], root: str, hits: Sequence[_Hit], known: Sequence[Record]) -> Assessment:
    """The verdict on one vulnerability that hits a package. `known`: all its live records, in any namespace."""
    namespace, package = name
    home = _HOME.get(namespace, ())
    hits = sorted(hits, key=lambda h: _precedence(h.candidate.record, home))
    matched = [h.candidate.record for h in hits]
    others = sorted((r for r in known if r not in matched), key=lambda r: (r.id, r.source))
    vendor = [] if namespace in LANGUAGES else [c for h in hits for c in h.candidate.claim.severity]
    said = [c for h in hits for c in h.candidate.claim.severity] + [c for r in matched for c in r.severity]
    elsewhere = [c for r in others for c in r.severity]
    chosen = ratings.choose(vendor, said, elsewhere)
    fix = next((h.fixed for h in hits if h.fixed), "")
    ids = {root, *(i for r in (*matched, *others) for i in (r.id, *r.aliases))}
    texts = [*matched, *others]
    return Assessment(
        name=root,
        ids=tuple(sorted(ids)),
        namespace=namespace,
        package=package,
        severity=chosen.severity if chosen else Severity.UNDEFINED,
        chosen=chosen,
        claims=tuple(dict.fromkeys((*said, *elsewhere))),
        fix=fix,
        state="fixed" if fix else _unfixed(hits),
        records=tuple(_reference(h) for h in hits),
        rule=hits[0].rule,
        summary=next((r.summary for r in texts if r.summary), ""),
        details=next((r.details for r in texts if r.details), ""),
        url=matched[0].url,
        references=tuple(dict.fromkeys(url for r in matched for url in r.references))[:20],
        published=min((r.published for r in texts if r.published), default=""),
        modified=max((r.modified for r in matched if r.modified), default=""),
        upstream=tuple(sorted({i for r in texts for i in r.upstream} - ids)),
    )


def _precedence(record: Record, home: Sequence[str]) -> tuple[int, str, str]:
    rank = next((rank for rank, prefix in enumerate(home) if record.id.startswith(prefix)), len(home))
    return rank, record.id, record.source


def _reference(hit: _Hit) -> RecordRef:
    record = hit.candidate.record
    credit = _credit(record.id.partition("-")[0], record.source, record.licence)
    return RecordRef(record.id, record.source, hit.range, hit.fixed, credit)


@functools.lru_cache(maxsize=1_024)
def _credit(prefix: str, source: str, licence: str) -> str:
    return credits.credit(prefix, source, licence).short


def _unfixed(hits: Sequence[_Hit]) -> State:
    return next((h.candidate.claim.state for h in hits if h.candidate.claim.state != "fixed"), "affected")


def match(
    name: tuple[str, str],
    version: str,
    candidates: Iterable[Candidate],
    version_key: Callable[[str], bytes],
    known: Callable[[Iterable[str]], Mapping[str, Sequence[Record]]],
) -> tuple[Assessment, ...]:
    """Every vulnerability that hits the version, by shown name. `known` gives all records of vulnerabilities."""
    hits = hit(name, version, candidates, version_key)
    records = known(hits) if hits else {}
    return tuple(assess(name, root, hits[root], records.get(root, ())) for root in sorted(hits))
