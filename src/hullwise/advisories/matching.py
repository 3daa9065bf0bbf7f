"""The verdict: which vulnerabilities hit a package. One pure function that server, worker and command line share."""

from __future__ import annotations

import contextlib
import functools
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from hullwise.advisories import credits, ratings
from hullwise.advisories.records import ANY_MODULE, Affected, Interval, Record
from hullwise.domain.packages import Package
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import KERNEL_HEADERS, Assessment, RecordRef, SeverityClaim, State
from hullwise.ecosystems.builds import has_extended_fix, minor_release, without_tag
from hullwise.ecosystems.namespaces import LANGUAGES, WITHOUT_EPOCHS
from hullwise.versions.invalid import InvalidVersion

RULES_VERSION = 10
"""Of this module, of the version keys, of the credits, of the feeds' reading and of what steps back. Raise it when any
of them changes a verdict: data that was built under another version is then another generation."""

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
    "bitnami": ("BIT-",),
}
"""Whose fix is believed where records of one vulnerability differ: the ecosystem's own databases, by the beginning of
their ids, the first before the second."""


BUNDLED = frozenset({"go", "crates.io", "maven"})
"""Languages whose packages come many in one program or archive: a distribution's package that is one of them is not
the library, and its vendor speaks of the library only where it speaks of that package at all. Docker's own .deb on
Debian holds 200 Go modules of which Debian says nothing."""

_EVERYWHERE = frozenset({"", "noarch", "all"})
"""Architectures of packages that are for all of them."""


class Build(NamedTuple):
    """What a package was built for, beside its version."""

    architecture: str = ""
    module: str = ""
    """`name:stream` of its rpm module, or empty."""


PLAIN = Build()


def build_of(package: Package) -> Build:
    """The scope of a language package is who owns it, which is no matter of its build. Of gems that are built for one
    platform only those for Java are told apart; all others are Ruby's."""
    if package.namespace == "rubygems":
        return Build(package.architecture or "ruby")
    return PLAIN if package.namespace in LANGUAGES else Build(package.architecture, package.scope)


class KeyedInterval(msgspec.Struct, frozen=True, array_like=True, gc=False):
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


class Built(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """From where on builds for one minor release have a fix."""

    release: str
    key: bytes
    version: str


class Claim(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one record says of one package, ready to be tested."""

    intervals: tuple[KeyedInterval, ...]
    keys: tuple[bytes, ...]
    """Keys of the versions that it lists, sorted."""
    versions: tuple[str, ...]
    """The versions that it lists, sorted. Those that the ecosystem's order has no place for match letter by letter."""
    state: State
    unaffected: bool
    severity: tuple[SeverityClaim, ...]
    architectures: tuple[str, ...] = ()
    module: str = ""
    of_source: bool = False
    extended: str = ""
    built: tuple[Built, ...] = ()

    def means(self, build: Build) -> bool:
        """Whether it speaks of packages that were built so."""
        if self.module != build.module and not (self.module == ANY_MODULE and build.module):
            return False
        return not self.architectures or build.architecture in _EVERYWHERE or build.architecture in self.architectures

    def was_built_with_fix(self, version: str, keys: Sequence[bytes]) -> bool:
        """Whether the version, with these keys, has the fix as builds for its minor release have it."""
        release = minor_release(version) if self.built else ""
        return bool(release) and any(
            one.release == release and any(one.key <= key for key in keys) for one in self.built
        )

    def as_written(self, version: str) -> str:
        """The version as a publisher writes it who leaves out epochs and the distribution's tag: without what no bound
        has."""
        bounds = [bound for keyed in self.intervals for bound in (keyed.interval.introduced, keyed.interval.end)]
        if not any(":" in bound for bound in bounds):
            version = version.rpartition(":")[2]
        return version if any(without_tag(bound) != bound for bound in bounds) else without_tag(version)

    def lists(self, key: bytes) -> bool:
        at = bisect_left(self.keys, key)
        return at < len(self.keys) and self.keys[at] == key

    def holds(self, key: bytes) -> bool:
        """Whether a version that can be ordered is affected."""
        for keyed in self.intervals:
            if keyed.holds(key):
                return True
        return self.lists(key)


def claim(said: Affected, version_key: Callable[[str], bytes]) -> tuple[Claim | None, int]:
    """Prepare what a record says. Returns the claim, or None where nothing usable is left, and how many intervals
    could not be used because an end is no version of the ecosystem."""
    intervals: list[KeyedInterval] = []
    unusable = 0
    for interval in said.intervals:
        try:
            low = b"" if interval.introduced == "0" else version_key(interval.introduced)
            high = version_key(interval.end) if interval.end else None
        except InvalidVersion:
            unusable += 1
            continue
        intervals.append(KeyedInterval(low, high, interval))
    keys: set[bytes] = set()
    for version in said.versions:
        with contextlib.suppress(InvalidVersion):
            keys.add(version_key(version))
    if not (intervals or said.versions or said.unaffected):
        return None, unusable
    made = Claim(
        tuple(intervals),
        tuple(sorted(keys)),
        tuple(sorted(set(said.versions))),
        said.state,
        said.unaffected,
        said.severity,
        said.architectures,
        said.module,
        said.of_source,
        said.extended,
        tuple(_built(said.built, version_key)),
    )
    return made, unusable


def _built(versions: Iterable[str], version_key: Callable[[str], bytes]) -> Iterator[Built]:
    for version in versions:
        with contextlib.suppress(InvalidVersion):
            yield Built(minor_release(version), version_key(version), version)


def affected(stated: Claim, namespace: str, name: str) -> Affected:
    """What a record said of a package, as far as it is used: the same claim is made of it again."""
    return Affected(
        namespace,
        name,
        tuple(keyed.interval for keyed in stated.intervals),
        stated.versions,
        stated.state,
        stated.unaffected,
        stated.severity,
        stated.architectures,
        stated.module,
        stated.of_source,
        stated.extended,
        tuple(one.version for one in stated.built),
    )


def renewed(stated: Claim, version_key: Callable[[str], bytes]) -> Claim | None:
    """The claim with its keys made again, for another version of the rules; None where nothing usable is left."""
    return claim(affected(stated, "", ""), version_key)[0]


class Candidate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A claim that counts on a name, and the vulnerability that it is about."""

    record: int
    """Which record makes it: a number of its generation."""
    root: str
    """The name that is shown for the vulnerability."""
    alone: bool
    """Whether no other record is about it."""
    claim: Claim


Records = Callable[[Candidate], Sequence[Record]]
"""All live records of a vulnerability, in any namespace, that of the claim first; without their `affected`. Asked for
only where a claim decides something: most claims on a name do not hold for a version."""


class _Fix(NamedTuple):
    key: bytes
    version: str


_NO_FIX = _Fix(b"", "")


class _Hit(msgspec.Struct, frozen=True, gc=False):
    candidate: Candidate
    range: str
    fix: _Fix
    rule: str

    @property
    def fixed(self) -> str:
        """The version that fixes it by this record alone; empty where none is known."""
        return self.fix.version


def hit(
    name: tuple[str, str],
    version: str,
    candidates: Iterable[Candidate],
    version_key: Callable[[str], bytes],
    build: Build = PLAIN,
    source_version: str = "",
) -> dict[str, list[_Hit]]:
    """Which vulnerabilities hit a version: their shown names, and what says so. `name` is (namespace, name);
    `source_version`: what claims on the source package are compared with, where that is another.

    A package without a version is hit by nothing. A version that its ecosystem cannot order is hit where a record
    lists it letter by letter.
    """
    found: dict[str, list[_Hit]] = {}
    if not version:
        return found
    keys = of_source = _keys(name[0], version, version_key)
    if source_version:
        of_source = _keys(name[0], source_version, version_key)
    whole = name[0].partition(":")[0] not in WITHOUT_EPOCHS
    cleared: set[str] = set()
    rule = "osv-range" if name[0] in LANGUAGES else "vendor-range"
    for candidate in candidates:
        if not candidate.claim.means(build):
            continue
        if candidate.claim.unaffected:
            cleared.add(candidate.root)
            continue
        compared = keys
        if candidate.claim.of_source:
            written = "" if whole else candidate.claim.as_written(source_version or version)
            compared = of_source if whole else _keys(name[0], written, version_key)
        one = _test(candidate, compared, version, rule)
        extended = candidate.claim.extended
        if one is not None and not (extended and has_extended_fix(version, extended, version_key)):
            found.setdefault(candidate.root, []).append(one)
    for root in cleared:
        found.pop(root, None)
    return found


def _keys(namespace: str, version: str, version_key: Callable[[str], bytes]) -> tuple[bytes, ...]:
    """What to look the version up by; nothing where its ecosystem cannot order it.

    Somebody's own build of a Python release, `1.13.0+cu117`, is above the release in PEP 440's order, and yet what is
    said of the release holds for it.
    """
    texts = (version, version.partition("+")[0]) if namespace == "pypi" and "+" in version else (version,)
    try:
        return tuple(dict.fromkeys([version_key(text) for text in texts]))
    except InvalidVersion:
        return ()


def _test(candidate: Candidate, keys: Sequence[bytes], version: str, ranged: str) -> _Hit | None:
    stated = candidate.claim
    if stated.was_built_with_fix(version, keys):
        return None
    if len(keys) > 1 and any("+" in keyed.interval.end for keyed in stated.intervals):
        # Who names somebody's own builds tells which of them are affected.
        keys = keys[:1]
    for key in keys:
        held = [keyed for keyed in stated.intervals if keyed.holds(key)]
        if held:
            # Of several ranges that hold it, one that says what to do.
            keyed = held[0] if len(held) == 1 else next((one for one in held if one.interval.fixed), held[0])
            return _Hit(candidate, str(keyed.interval), _fix(stated, keyed), ranged)
        if stated.lists(key):
            return _Hit(candidate, f"= {version}", _next_fix(stated, key), "osv-versions")
    if not keys and version in stated.versions:
        return _Hit(candidate, f"= {version}", _NO_FIX, "osv-versions")
    return None


def _fix(stated: Claim, keyed: KeyedInterval) -> _Fix:
    """The fix that ends the interval; where the claim calls that one affected too (PYSEC-2023-72), the next."""
    if keyed.high is None or not keyed.interval.fixed:
        return _NO_FIX
    fix = _Fix(keyed.high, keyed.interval.fixed)
    return _next_fix(stated, keyed.high) if stated.holds(keyed.high) else fix


def _next_fix(stated: Claim, key: bytes) -> _Fix:
    """The lowest fix above the version that the claim does not itself call affected."""
    return min((fix for fix in _fixes(stated) if fix.key > key and not stated.holds(fix.key)), default=_NO_FIX)


def _fixes(stated: Claim) -> Iterable[_Fix]:
    return (_Fix(k.high, k.interval.fixed) for k in stated.intervals if k.high is not None and k.interval.fixed)


def _joint_fix(hits: Sequence[_Hit], said: Sequence[Candidate], rank: Callable[[Candidate], int]) -> str:
    """The fix by the first database that has one for the version: the lowest at which no record of it, nor of those
    before it, calls the package affected (RUSTSEC-2022-0096 and -0101 are one vulnerability, fixed in two steps)."""
    by_rank: dict[int, list[Claim]] = {}
    for candidate in said:
        by_rank.setdefault(rank(candidate), []).append(candidate.claim)
    own: dict[int, list[_Fix]] = {}
    for one in hits:
        if one.fixed:
            own.setdefault(rank(one.candidate), []).append(one.fix)
    for place in sorted(own):
        known = [stated for before, claims in by_rank.items() if before <= place for stated in claims]
        lowest = min(own[place])
        named = sorted(fix for stated in by_rank[place] for fix in _fixes(stated) if fix >= lowest)
        for fix in named:
            if not any(stated.holds(fix.key) for stated in known):
                return fix.version
    return ""


def assess(
    name: tuple[str, str], root: str, hits: Sequence[_Hit], records: Records, about: Sequence[Candidate]
) -> Assessment:
    """The verdict on one vulnerability that hits a package. `about`: all that is said of the package in it."""
    namespace, package = name
    made = [(hit, records(hit.candidate)) for hit in hits]
    home = _HOME.get(namespace, ())
    if len(made) > 1:
        made.sort(key=lambda one: _precedence(one[1][0], home))
    matched = [known[0] for _, known in made]
    others = sorted([record for record in made[0][1] if record not in matched], key=_place)
    texts = matched + others
    stated = [claim for hit, _ in made for claim in hit.candidate.claim.severity]
    said = stated + [claim for record in matched for claim in record.severity]
    elsewhere = [claim for record in others for claim in record.severity]
    chosen = _note(hits) or ratings.choose([] if namespace in LANGUAGES else stated, said, elsewhere)
    if home and len(about) > 1:
        fix = _joint_fix(hits, about, lambda candidate: _precedence(records(candidate)[0], home)[0])
    else:
        fix = _first([hit.fixed for hit, _ in made])
    ids = {root, *[i for record in texts for i in (record.id, *record.aliases)]}
    return Assessment(
        name=root,
        ids=tuple(sorted(ids)),
        namespace=namespace,
        package=package,
        severity=chosen.severity if chosen else Severity.UNDEFINED,
        chosen=chosen,
        claims=tuple(dict.fromkeys(said + elsewhere)),
        fix=fix,
        state="fixed" if fix else _unfixed([hit for hit, _ in made]),
        records=tuple([_reference(hit, known[0]) for hit, known in made]),
        rule=made[0][0].rule,
        summary=_first([record.summary for record in texts]),
        details=_first([record.details for record in texts]),
        url=matched[0].url,
        references=tuple(dict.fromkeys([url for record in matched for url in record.references]))[:20],
        published=min([record.published for record in texts if record.published], default=""),
        modified=max([record.modified for record in matched]),
        upstream=tuple(sorted({i for record in texts for i in record.upstream} - ids)),
    )


def _note(hits: Sequence[_Hit]) -> SeverityClaim | None:
    """Why it is no vulnerability here, where all that say so of the package say why."""
    notes = [next((one for one in hit.candidate.claim.severity if one.kind == "note"), None) for hit in hits]
    return notes[0] if all(notes) else None


def of_headers(assessment: Assessment) -> Assessment:
    """What is said of a kernel, of its headers: the same, and no more than a note. What others say is kept."""
    return msgspec.structs.replace(assessment, severity=KERNEL_HEADERS.severity, chosen=KERNEL_HEADERS)


def _place(record: Record) -> tuple[str, str]:
    return record.id, record.source


def _first(texts: Iterable[str]) -> str:
    """The first that says anything; empty where none does."""
    return next(filter(None, texts), "")


def _precedence(record: Record, home: Sequence[str]) -> tuple[int, str, str]:
    rank = next((rank for rank, prefix in enumerate(home) if record.id.startswith(prefix)), len(home))
    return rank, record.id, record.source


def _reference(hit: _Hit, record: Record) -> RecordRef:
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
    records: Records,
    build: Build = PLAIN,
    source_version: str = "",
) -> tuple[Assessment, ...]:
    """Every vulnerability that hits the version, by shown name."""
    candidates = tuple(candidates)
    hits = hit(name, version, candidates, version_key, build, source_version)
    if not hits:
        return ()
    about: dict[str, list[Candidate]] = {root: [] for root in hits}
    for each in candidates:
        if each.root in about and each.claim.means(build):
            about[each.root].append(each)
    return tuple([assess(name, root, hits[root], records, about[root]) for root in sorted(hits)])
