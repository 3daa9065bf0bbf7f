"""OSV: one JSON document an advisory, schema 1.7 (ossf.github.io/osv-schema)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from msgspec.structs import replace

from hullwise.advisories import ratings
from hullwise.advisories.aliases import NOTICES, is_cve, plain
from hullwise.advisories.feeds import modules, suse
from hullwise.advisories.records import (
    ANY_MODULE,
    REFERENCE_LIMIT,
    Affected,
    Interval,
    Record,
    Unparsable,
    Unused,
    cut,
    is_id,
    read_moment,
)
from hullwise.domain.vulnerabilities import SeverityClaim, State
from hullwise.ecosystems import builds
from hullwise.ecosystems.namespaces import BY_BINARY, canonical_name, further_releases, osv_namespace, scheme
from hullwise.versions.invalid import InvalidVersion

SOURCE = "osv"
DOCUMENT_LIMIT = 16 << 20
"""Bytes of one document. The largest real ones, with every version of a package listed, are about 2 MB."""
UPSTREAM_LIMIT = 2_000
"""Vulnerabilities that one record takes care of. A kernel's advisory has some hundreds."""
INTERVAL_LIMIT = 1_000
"""Intervals of one package in one record. A test of a version looks at all of them."""
CLAIM_LIMIT = 200_000
"""Intervals of one record, each counted for every package that it is for. SUSE's have some thousands."""


class _Severity(msgspec.Struct):
    type: str = ""
    score: str = ""


class _Package(msgspec.Struct):
    name: str = ""
    ecosystem: str = ""
    purl: str | None = None


class _Range(msgspec.Struct):
    type: str = ""
    repo: str | None = None
    events: list[dict[str, str]] | None = None


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[str] | None = None
    severity: list[_Severity] | None = None
    database_specific: Any = None
    ecosystem_specific: Any = None


class _Reference(msgspec.Struct):
    url: str | None = None


class _Document(msgspec.Struct):
    id: str
    modified: str | None = None
    published: str | None = None
    withdrawn: str | None = None
    aliases: list[str] | None = None
    related: list[str] | None = None
    upstream: list[str] | None = None
    summary: str | None = None
    details: str | None = None
    severity: list[_Severity] | None = None
    affected: list[_Affected] | None = None
    references: list[_Reference] | None = None
    database_specific: Any = None


_decoder = msgspec.json.Decoder(_Document)

_ADVISORY = re.compile(r"(?:(?:AL|RL)(?:SA|BA|EA)|RXSA|(?:open)?SUSE)-")
"""How ids of AlmaLinux's, Rocky's and SUSE's advisories begin: on security, bugs or enhancements. Each takes care of
several CVEs, which stand in `upstream` or, in older ones, in `related`; its severity is the first word of `summary`,
where that is one."""
_OF_ONE = re.compile(r"(?:AZL|CGA|ECHO|MINI)-")
"""How ids of records begin that are a vendor's on one CVE each without having its number: it stands in `upstream`,
Chainguard's and MinimOS's beside other names of it."""
_NO_SECURITY = re.compile(r"(?:AL|RL)[BE]A-|(?:open)?SUSE-[FOR]U-")
_EPOCH = re.compile(r"[?&]epoch=0*([1-9][0-9]{0,9})(?:&|$)")
_RPMMOD = re.compile(r"[?&]rpmmod=([^&#]{1,256})")
_BY_SOURCE = frozenset({"rocky", "openeuler", "azurelinux", "mageia", *suse.PUBLISHERS})
"""Publishers of rpms whose records are made from source packages, and SUSE's where it lists nothing else."""
_SOURCE_PURL = re.compile(r"[?&]arch=(?:src|source)(?:&|$)")

_EXTENDED = re.compile(r"Ubuntu:Pro:([0-9]{2}\.[0-9]{2}(?::LTS)?)")
"""Ubuntu's extended maintenance of a release. Other builds of Pro's (`Ubuntu:Pro:FIPS:22.04:LTS`) do not fit."""

_NO_VULNERABILITY = frozenset({"unmaintained", "notice"})
"""Kinds of RustSec's informational records that tell of none (rustsec/advisory-db, README, "informational"). `unsound`
tells of what may become one."""
_SYSTEM = re.compile(r"[a-z0-9]{1,16}")

PYTHON = ("runtime", "python")
"""Whose advisories speak of Python itself, and how it is called there."""
_PYTHON_REPOSITORIES = frozenset({"https://github.com/python/cpython", "https://github.com/python/cpython.git"})
_PYTHON_TAG = re.compile(r"v([0-9]{1,2}(?:\.[0-9]{1,3}){1,3}(?:(?:a|b|c|rc)[0-9]{1,2})?)")

_BOUND = re.compile(r"\s*(<=?)\s*(\S+)\s*")


class Parsed(msgspec.Struct, frozen=True):
    """What became of a document."""

    id: str
    record: Record | None
    """None: nothing of it is used."""
    unused: tuple[Unused, ...] = ()
    """Which parts are not used, and why."""


def parse(document: bytes, source: str = SOURCE) -> Parsed:
    """One OSV document. Raises Unparsable where the bytes are none at all."""
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    try:
        raw = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    if not is_id(raw.id):
        raise Unparsable("no usable id")
    if raw.withdrawn:
        return Parsed(raw.id, None, (Unused(raw.id, "withdrawn"),))
    prefix = raw.id.split("-", 1)[0]
    upstream = _upstream(raw)
    if _NO_SECURITY.match(raw.id) and not upstream:
        return Parsed(raw.id, None, (Unused(raw.id, "bug fix or enhancement that names no vulnerability"),))
    said = _vendors_words(raw, prefix)
    unused: list[Unused] = []
    streams = modules.streams((raw.summary or "").removeprefix(f"{raw.id}:"))
    affected: dict[tuple[str, str, str], list[Affected]] = {}
    beyond: dict[tuple[str, str, str], list[Affected]] = {}
    number = 0
    for item in raw.affected or []:
        left_out: list[str] = []
        found = _affected(item, prefix, said, streams, left_out)
        unused += [Unused(raw.id, reason) for reason in left_out]
        if isinstance(found, str):
            unused.append(Unused(raw.id, found))
            continue
        paid = item.package is not None and _EXTENDED.fullmatch(item.package.ecosystem) is not None
        for one in found:
            number += 1 + len(one.intervals)
            place = beyond if paid and not one.extended else affected
            place.setdefault((one.namespace, one.name, one.module), []).append(one)
        if number > CLAIM_LIMIT:
            raise Unparsable(f"gives over {CLAIM_LIMIT} version ranges")
    # What is said of the plain release counts there, and of one that has ended nothing else is said.
    affected = beyond | affected
    unreadable = _unreadable(raw.severity) + sum(_unreadable(item.severity) for item in raw.affected or [])
    unused += [Unused(raw.id, "severity that is no CVSS vector")] * unreadable
    if not affected:
        return Parsed(raw.id, None, tuple(unused) or (Unused(raw.id, "names no package"),))
    claims = tuple(map(_joined, affected.values()))
    return Parsed(raw.id, _record(raw, source, prefix, claims, upstream), tuple(unused))


def _upstream(raw: _Document) -> tuple[str, ...]:
    """Of older notices too it stands in `related`. Ubuntu's name its own records, `UBUNTU-CVE-2024-1`: what they are
    about is looked for by its CVE."""
    in_related = _ADVISORY.match(raw.id) or raw.id.partition("-")[0] in NOTICES
    named = [*(raw.upstream or []), *((raw.related or []) if in_related else [])]
    return tuple(sorted({plain(name) for name in named[:UPSTREAM_LIMIT] if is_id(name) and name != raw.id}))


def _aliases(raw: _Document, upstream: tuple[str, ...]) -> tuple[str, ...]:
    cves = [name for name in upstream if is_cve(name)]
    same = cves if len(cves) == 1 and _OF_ONE.match(raw.id) else []
    return tuple(sorted({alias for alias in (*(raw.aliases or []), *same) if is_id(alias) and alias != raw.id}))


def _vendors_words(raw: _Document, prefix: str) -> tuple[SeverityClaim, ...]:
    """The distribution's own words on its packages: Ubuntu's priority stands among the severities of the record."""
    said = [ratings.word(item.type.lower(), item.score) for item in raw.severity or [] if item.type == "Ubuntu"]
    if _ADVISORY.match(raw.id):
        said.append(ratings.word(prefix, (raw.summary or "")[:32].partition(":")[0]))
    return tuple(claim for claim in said if claim is not None)


def _record(
    raw: _Document, source: str, prefix: str, affected: tuple[Affected, ...], upstream: tuple[str, ...]
) -> Record:
    stated = raw.database_specific.get("severity") if isinstance(raw.database_specific, dict) else None
    spoken = ratings.word(prefix, stated) if isinstance(stated, str) else None
    claims = _claims(raw.severity, prefix)
    return Record(
        id=raw.id,
        source=source,
        affected=affected,
        aliases=_aliases(raw, upstream),
        published=read_moment(raw.published or ""),
        modified=read_moment(raw.modified or ""),
        summary=cut(raw.summary or "", 400),
        details=cut(raw.details or ""),
        severity=(*claims, spoken) if spoken is not None else claims,
        references=tuple(item.url for item in raw.references or [] if item.url and "\0" not in item.url)[
            :REFERENCE_LIMIT
        ],
        url=_page(raw.id, {one.namespace.partition(":")[0] for one in affected}),
        licence=_licence(raw),
        upstream=upstream,
    )


def _licence(raw: _Document) -> str:
    """RustSec states one for each record, and so may others for one of its packages."""
    places = (raw.database_specific, *(item.database_specific for item in raw.affected or []))
    stated = (place.get("license") for place in places if isinstance(place, dict))
    return next((cut(text.strip(), 64) for text in stated if isinstance(text, str) and text.strip()), "")


_PAGES = (
    (re.compile(r"UBUNTU-(CVE-.+)"), "https://ubuntu.com/security/{}"),
    (re.compile(r"(USN-.+)"), "https://ubuntu.com/security/notices/{}"),
    (re.compile(r"DEBIAN-(CVE-.+)"), "https://security-tracker.debian.org/tracker/{}"),
    (re.compile(r"(D[SL]A-.+)"), "https://security-tracker.debian.org/tracker/{}"),
    (re.compile(r"(GHSA-.+)"), "https://github.com/advisories/{}"),
    (re.compile(r"(GO-.+)"), "https://pkg.go.dev/vuln/{}"),
    (re.compile(r"(RUSTSEC-.+)"), "https://rustsec.org/advisories/{}.html"),
    (re.compile(r"(RH[SBE]A-.+)"), "https://access.redhat.com/errata/{}"),
    (re.compile(r"(RL[SBE]A-.+)"), "https://errata.rockylinux.org/{}"),
    (re.compile(r"(CVE-.+)"), "https://nvd.nist.gov/vuln/detail/{}"),
)
"""Whose page a record is on, by its id; the first that fits."""


def _page(record_id: str, publishers: set[str]) -> str:
    # What is bundled of Debian has the id of the CVE.
    named = f"DEBIAN-{record_id}" if publishers == {"debian"} and is_cve(record_id) else record_id
    for shape, page in _PAGES:
        found = shape.fullmatch(named)
        if found is not None:
            return page.format(quote(found[1], safe=":"))
    return f"https://osv.dev/vulnerability/{quote(record_id, safe=':')}"


def _claims(severities: list[_Severity] | None, source: str) -> tuple[SeverityClaim, ...]:
    found = (
        ratings.cvss(source, item.type, item.score)
        if item.type.startswith("CVSS_")
        else ratings.word(item.type.lower(), item.score)
        for item in severities or []
    )
    return tuple(claim for claim in found if claim is not None)


def _unreadable(severities: list[_Severity] | None) -> int:
    """How many of them claim to be CVSS and are not. A word that says nothing, such as `untriaged`, is no fault."""
    scored = [item for item in severities or [] if item.type.startswith("CVSS_")]
    return sum(ratings.cvss("", item.type, item.score) is None for item in scored)


def _affected(
    raw: _Affected, prefix: str, said: tuple[SeverityClaim, ...], streams: tuple[str, ...], left_out: list[str]
) -> list[Affected] | str:
    """What is affected, or the reason why it is not used. `said`: the vendor's word; `streams`: of the modules that the
    record is about; `left_out` takes the reasons why parts of what is used are not."""
    if raw.package is None and (python := _of_python(raw)):
        return [python]
    if raw.package is None or not raw.package.name or "\0" in raw.package.name:
        return "names no package"
    pro = _EXTENDED.fullmatch(raw.package.ecosystem)
    namespace = osv_namespace(f"Ubuntu:{pro[1]}" if pro is not None else raw.package.ecosystem)
    version_key = scheme(namespace or "")
    if namespace is None or version_key is None:
        return f"ecosystem {raw.package.ecosystem.partition(':')[0][:64] or '(none)'} is not matched"
    publisher = namespace.partition(":")[0]
    # GIT ranges speak of commits; what they mean for releases stands in `versions`.
    ranges = [item for item in raw.ranges or [] if item.type in {"SEMVER", "ECOSYSTEM"}]
    intervals = [
        _bounded(interval, raw.database_specific, version_key)
        for item in ranges
        for interval in _intervals(item.events or [], version_key, left_out)
    ]
    specific = raw.ecosystem_specific if isinstance(raw.ecosystem_specific, dict) else {}
    if namespace == "go" and intervals == [Interval()]:
        intervals = _of_releases(specific.get("custom_ranges"), version_key) or intervals
    versions = tuple(dict.fromkeys(raw.versions or []))
    if not intervals and not versions:
        return "gives no version range"
    if len(intervals) > INTERVAL_LIMIT:
        return f"gives over {INTERVAL_LIMIT} version ranges"
    urgency = specific.get("urgency", specific.get("ubuntu_priority"))
    spoken = ratings.word(publisher, urgency) if isinstance(urgency, str) else None
    note = _note(namespace, prefix, specific, raw.database_specific)
    words = [claim for claim in (spoken, note) if claim is not None]
    claims = tuple(dict.fromkeys((*said, *_claims(raw.severity, prefix), *words)))
    state: State = "fixed"
    if not all(interval.fixed for interval in intervals):
        state = "end-of-life" if urgency == "end-of-life" else "affected"
    name = canonical_name(namespace, raw.package.name)
    whole = Affected(namespace, name, tuple(intervals), versions, state, False, claims)
    if pro is not None:
        return _of_extended(whole)
    if publisher in BY_BINARY:
        found = _of_rpm(whole, raw, streams)
        others = further_releases(raw.package.ecosystem)
        return found + [replace(one, namespace=release) for release in others for one in found]
    # Package URLs, and with them SBOMs, write a module's path in lower case (purl-spec, `golang`).
    small = replace(whole, name=name.lower())
    return [whole, small] if namespace == "go" and small != whole else [whole]


def _of_python(raw: _Affected) -> Affected | None:
    """Versions of Python itself. The records of its foundation give commits alone, and osv.dev lists the tags beside
    them; of which release has the fix neither says anything."""
    if not any(item.type == "GIT" and item.repo in _PYTHON_REPOSITORIES for item in raw.ranges or []):
        return None
    tags = (_PYTHON_TAG.fullmatch(tag) for tag in raw.versions or [])
    versions = tuple(dict.fromkeys(tag[1] for tag in tags if tag is not None))
    return Affected(*PYTHON, (), versions, "affected") if versions else None


def _note(namespace: str, prefix: str, specific: dict[Any, Any], database: Any) -> SeverityClaim | None:
    """Why it is no vulnerability in a container's image."""
    if namespace == "crates.io" and isinstance(database, dict):
        kind = database.get("informational")
        if isinstance(kind, str) and kind in _NO_VULNERABILITY:
            return ratings.note(prefix, kind)
    systems = _systems(namespace, specific)
    return ratings.note(prefix, f"only on {', '.join(systems)}"[:64]) if systems and "linux" not in systems else None


def _systems(namespace: str, specific: dict[Any, Any]) -> list[str]:
    """Operating systems outside of which the record does not hold, sorted; empty: it may hold on any. Go names them for
    each of the packages that are affected (go.dev/doc/security/vuln/database), RustSec for the crate."""
    named: list[Any] = []
    if namespace == "crates.io":
        affects = specific.get("affects")
        named = [affects.get("os") if isinstance(affects, dict) else None]
    elif namespace == "go" and _is_list(specific.get("imports")):
        named = [each.get("goos") if isinstance(each, dict) else None for each in specific["imports"]]
    if not all(_is_list(each) and each for each in named):
        return []
    found = [system for each in named for system in each]
    known = all(isinstance(one, str) and _SYSTEM.fullmatch(one) for one in found)
    return sorted(set(found)) if known else []


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _of_releases(stated: Any, version_key: Callable[[str], bytes]) -> list[Interval]:
    """Go's database calls every version of a module affected whose releases are no versions to Go, `v11.5.0` without
    `/v11` in its path, and has the range of releases beside it. A program states its own release. Versions that Go
    makes of a commit alone, `v0.0.0-2024…`, are of no release: all of them stay affected. Empty: no such range is there
    that could be used whole."""
    left_out: list[str] = []
    try:
        ranges = msgspec.convert(stated, list[_Range])
        found = [one for each in ranges for one in _intervals(each.events or [], version_key, left_out)]
        for one in found:
            for version in {one.introduced, one.end} - {"0", ""}:
                version_key(version)
    except (msgspec.ValidationError, InvalidVersion):
        return []
    if not found or left_out:
        return []
    return [
        Interval(unfixed=True, end=_FIRST),
        *(replace(one, introduced=_FIRST) if one.introduced == "0" else one for one in found),
    ]


_FIRST = "0.0.0"


def _of_extended(whole: Affected) -> list[Affected]:
    """What is fixed for extended maintenance alone the release has, and nobody will fix it there; and so it has what is
    not fixed even for that."""
    fixes = [interval.fixed for interval in whole.intervals if interval.fixed]
    if not fixes:
        return [whole]
    begun = tuple(dict.fromkeys(Interval(interval.introduced) for interval in whole.intervals))
    return [replace(whole, intervals=begun, versions=(), state="will-not-fix", extended=fixes[-1])]


def _of_rpm(whole: Affected, raw: _Affected, streams: tuple[str, ...]) -> list[Affected]:
    """The same by packages that are installed, and by modules."""
    purl = (raw.package and raw.package.purl) or ""
    publisher = whole.namespace.partition(":")[0]
    binaries = suse.binaries(raw.ecosystem_specific) if publisher in suse.PUBLISHERS else {}
    if binaries:
        return [
            replace(whole, name=name, intervals=tuple(_ending(one, version) for one in whole.intervals))
            for name, version in sorted(binaries.items())
        ]
    epoch, rpmmod = _EPOCH.search(purl), _RPMMOD.search(purl)
    if epoch is not None:
        whole = replace(whole, intervals=tuple(_ending(one, _with_epoch(one.end, epoch[1])) for one in whole.intervals))
    of_source = publisher in _BY_SOURCE or _SOURCE_PURL.search(purl) is not None
    whole = replace(whole, of_source=of_source)
    modular = tuple(one for one in whole.intervals if builds.is_modular(one.end))
    if not modular:
        return [whole]
    plain = tuple(one for one in whole.intervals if one not in modular)
    named = modules.stream(unquote(rpmmod[1])) if rpmmod is not None else ""
    found = [replace(whole, intervals=modular, versions=(), module=one) for one in ([named] if named else streams)]
    if not found:
        within = tuple(_of_upstream_version(one) for one in modular)
        found = [replace(whole, intervals=within, versions=(), module=ANY_MODULE)]
    return [replace(whole, intervals=plain), *found] if plain or whole.versions else found


def _of_upstream_version(interval: Interval) -> Interval:
    """The builds of the version that was fixed, of whichever stream. Seven records of AlmaLinux's say nowhere which it
    was, one of them on CVE-2023-44487 (ALSA-2023:5989, "varnish security update"); few versions are in two streams, and
    these are of one source."""
    version, dash, _ = interval.end.rpartition("-")
    return replace(interval, introduced=f"{version}-0") if dash and interval.introduced == "0" else interval


def _ending(interval: Interval, version: str) -> Interval:
    """The interval up to another fix, where it has one."""
    return replace(interval, end=version) if interval.fixed else interval


def _with_epoch(version: str, epoch: str) -> str:
    return version if ":" in version else f"{epoch}:{version}"


def _one_build(affected: Affected) -> Affected:
    """A module is built more than once from the same sources, for an architecture or a minor release, and all of its
    builds are listed: of those of one version the lowest, because the others have the fix as well (ALSA-2026:25090)."""
    version_key = scheme(affected.namespace)
    lowest: dict[tuple[str, str], tuple[bytes, Interval]] = {}
    for interval in affected.intervals:
        try:
            key = version_key(interval.end) if version_key is not None else b""
        except InvalidVersion:
            key = b""
        place = interval.introduced, builds.before_module(interval.end)
        if place not in lowest or key < lowest[place][0]:
            lowest[place] = key, interval
    return replace(affected, intervals=tuple(interval for _, interval in lowest.values()))


def _joined(parts: list[Affected]) -> Affected:
    """All that a record says of a package: GitHub writes one entry a range. Where it speaks of the plain release, that
    counts there, and a fix of extended maintenance for its own builds alone."""
    extended = next((part.extended for part in parts if part.extended), "")
    plain = [part for part in parts if not part.extended]
    if extended and plain:
        whole = _joined(plain)
        unfixed = whole.state == "affected" and not any(interval.fixed for interval in whole.intervals)
        return replace(whole, state="will-not-fix" if unfixed else whole.state, extended=extended)
    first = parts[0]
    if len(parts) > 1:
        first = replace(
            first,
            intervals=tuple(dict.fromkeys(one for part in parts for one in part.intervals)),
            versions=tuple(dict.fromkeys(version for part in parts for version in part.versions)),
            state=next((part.state for part in parts if part.state != "fixed"), "fixed"),
            severity=_severities(parts),
            of_source=all(part.of_source for part in parts),
        )
    return _one_build(first) if first.module and len(first.intervals) > 1 else first


def _severities(parts: list[Affected]) -> tuple[SeverityClaim, ...]:
    """All of them; that it is no vulnerability only where each part says so."""
    noted = [any(one.kind == "note" for one in part.severity) for part in parts]
    every = (one for part in parts for one in part.severity)
    return tuple(dict.fromkeys(one for one in every if one.kind != "note" or all(noted)))


_KINDS = ("fixed", "introduced", "last_affected")
"""Kinds of events, as they come at one version: it is not in what `fixed` ends, and is in what `last_affected` ends."""

_Turn = tuple[str, str]
"""Kind and version of one event."""


def _intervals(
    events: list[dict[str, str]], version_key: Callable[[str], bytes], left_out: list[str]
) -> list[Interval]:
    """What the events of a range say: an `introduced` begins an interval, the next event of another kind ends it.

    A fix below every beginning ends nothing: versions from the beginning on are affected (OSV schema, `Evaluation`),
    without a fix."""
    turns = [turn for event in events for turn in event.items() if turn[0] in _KINDS]
    limits = [version for event in events for kind, version in event.items() if kind == "limit"]
    found: list[Interval] = []
    opened: str | None = None
    for kind, version in _ordered(turns, version_key):
        if kind == "introduced":
            opened = version if opened is None else opened
        elif opened is not None:
            found.append(Interval(opened, version, closed=kind == "last_affected"))
            opened = None
        elif not found and kind == "fixed":
            left_out.append("fix below the version that it is for")
    if opened is not None:
        found.append(Interval(opened))
    return _limited(found, limits, version_key) if limits and "*" not in limits else found


def _limited(found: list[Interval], limits: list[str], version_key: Callable[[str], bytes]) -> list[Interval]:
    """What lies below any of the limits, of which `*` is above every version (OSV schema, `Evaluation`). A limit fixes
    nothing."""
    try:
        top, limit = max((version_key(version), version) for version in limits)
        kept = [one for one in found if one.introduced == "0" or version_key(one.introduced) < top]
        within = [bool(one.end) and (version_key(one.end), one.closed) <= (top, False) for one in kept]
    except InvalidVersion:
        # An end that is no version makes an interval that is counted and not used.
        return [Interval(one.introduced, limits[0], unfixed=True) for one in found]
    return [
        one if inside else Interval(one.introduced, limit, unfixed=True)
        for one, inside in zip(kept, within, strict=True)
    ]


def _ordered(turns: list[_Turn], version_key: Callable[[str], bytes]) -> list[_Turn]:
    """Events in the order of versions (OSV schema, `Evaluation`), or as they stand where they are whole pairs.

    Real records write adjoining and overlapping ranges as pairs, in any order (PYSEC-2023-72, PYSEC-2021-114): sorted,
    the ranges would cut each other short.
    """

    def place(turn: _Turn) -> bytes:
        return b"" if turn[1] == "0" else version_key(turn[1])

    beginnings, ends = turns[::2], turns[1::2]
    paired = [kind == "introduced" for kind, _ in turns] == [True, False] * len(ends)
    try:
        if paired and all(place(one) <= place(other) for one, other in zip(beginnings, ends, strict=True)):
            return turns
        return sorted(turns, key=lambda turn: (place(turn), _KINDS.index(turn[0])))
    except InvalidVersion:
        # No order makes that one usable; the others keep their ends.
        return turns


def _bounded(interval: Interval, specific: Any, version_key: Callable[[str], bytes]) -> Interval:
    """GitHub keeps the end of a range without a fix beside it: `last_known_affected_version_range`, `<= 1.2`."""
    known = specific.get("last_known_affected_version_range") if isinstance(specific, dict) else None
    if interval.end or not isinstance(known, str):
        return interval
    match = _BOUND.fullmatch(known)
    try:
        if match is None or version_key(match[2]) < version_key(interval.introduced):
            return interval
    except InvalidVersion:
        return interval
    return Interval(interval.introduced, match[2], match[1] == "<=", unfixed=True)
