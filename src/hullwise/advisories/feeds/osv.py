"""OSV: one JSON document an advisory, schema 1.7 (ossf.github.io/osv-schema)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from packaging.utils import canonicalize_name

from hullwise.advisories import ratings
from hullwise.advisories.records import (
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
from hullwise.ecosystems.namespaces import osv_namespace, scheme
from hullwise.versions.invalid import InvalidVersion

SOURCE = "osv"
DOCUMENT_LIMIT = 16 << 20
"""Bytes of one document. The largest real ones, with every version of a package listed, are about 2 MB."""
INTERVAL_LIMIT = 1_000
"""Intervals of one package in one record. A test of a version looks at all of them."""


class _Severity(msgspec.Struct):
    type: str = ""
    score: str = ""


class _Package(msgspec.Struct):
    name: str = ""
    ecosystem: str = ""


class _Range(msgspec.Struct):
    type: str = ""
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
    summary: str | None = None
    details: str | None = None
    severity: list[_Severity] | None = None
    affected: list[_Affected] | None = None
    references: list[_Reference] | None = None
    database_specific: Any = None


_decoder = msgspec.json.Decoder(_Document)

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
    unused: list[Unused] = []
    affected: dict[tuple[str, str], Affected] = {}
    for item in raw.affected or []:
        found = _affected(item, prefix)
        if isinstance(found, Affected):
            key = found.namespace, found.name
            affected[key] = _joined(affected[key], found) if key in affected else found
        else:
            unused.append(Unused(raw.id, found))
    unreadable = _unreadable(raw.severity) + sum(_unreadable(item.severity) for item in raw.affected or [])
    unused += [Unused(raw.id, "severity that is no CVSS vector")] * unreadable
    if not affected:
        return Parsed(raw.id, None, tuple(unused) or (Unused(raw.id, "names no package"),))
    return Parsed(raw.id, _record(raw, source, prefix, tuple(affected.values())), tuple(unused))


def _record(raw: _Document, source: str, prefix: str, affected: tuple[Affected, ...]) -> Record:
    stated = raw.database_specific.get("severity") if isinstance(raw.database_specific, dict) else None
    spoken = ratings.word(prefix, stated) if isinstance(stated, str) else None
    claims = _claims(raw.severity, prefix)
    return Record(
        id=raw.id,
        source=source,
        affected=affected,
        aliases=tuple(sorted({alias for alias in raw.aliases or [] if is_id(alias) and alias != raw.id})),
        published=read_moment(raw.published or ""),
        modified=read_moment(raw.modified or ""),
        summary=cut(raw.summary or "", 400),
        details=cut(raw.details or ""),
        severity=(*claims, spoken) if spoken is not None else claims,
        references=tuple(item.url for item in raw.references or [] if item.url)[:REFERENCE_LIMIT],
        url=_page(raw.id),
    )


def _page(record_id: str) -> str:
    if record_id.startswith("GHSA-"):
        return f"https://github.com/advisories/{record_id}"
    if record_id.startswith("CVE-"):
        return f"https://nvd.nist.gov/vuln/detail/{record_id}"
    return f"https://osv.dev/vulnerability/{record_id}"


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


def _affected(raw: _Affected, prefix: str) -> Affected | str:
    """What is affected, or the reason why it is not used."""
    if raw.package is None or not raw.package.name:
        return "names no package"
    namespace = osv_namespace(raw.package.ecosystem)
    version_key = scheme(namespace or "")
    if namespace is None or version_key is None:
        return f"ecosystem {raw.package.ecosystem.partition(':')[0][:64] or '(none)'} is not matched"
    # GIT ranges speak of commits; what they mean for releases stands in `versions`.
    ranges = [item for item in raw.ranges or [] if item.type in {"SEMVER", "ECOSYSTEM"}]
    intervals = [
        _bounded(interval, raw.database_specific, version_key)
        for item in ranges
        for interval in _intervals(item.events or [], version_key)
    ]
    versions = tuple(dict.fromkeys(raw.versions or []))
    if not intervals and not versions:
        return "gives no version range"
    if len(intervals) > INTERVAL_LIMIT:
        return f"gives over {INTERVAL_LIMIT} version ranges"
    urgency = raw.ecosystem_specific.get("urgency") if isinstance(raw.ecosystem_specific, dict) else None
    spoken = ratings.word(namespace.partition(":")[0], urgency) if isinstance(urgency, str) else None
    claims = _claims(raw.severity, prefix) + (() if spoken is None else (spoken,))
    state: State = "fixed"
    if not all(interval.fixed for interval in intervals):
        state = "end-of-life" if urgency == "end-of-life" else "affected"
    return Affected(namespace, _name(namespace, raw.package.name), tuple(intervals), versions, state, False, claims)


def _joined(one: Affected, other: Affected) -> Affected:
    """Both halves of what a record says of a package: GitHub writes one entry a range."""
    return msgspec.structs.replace(
        one,
        intervals=one.intervals + other.intervals,
        versions=tuple(dict.fromkeys(one.versions + other.versions)),
        state=one.state if one.state != "fixed" else other.state,
        severity=tuple(dict.fromkeys(one.severity + other.severity)),
    )


def _name(namespace: str, name: str) -> str:
    return canonicalize_name(name) if namespace == "pypi" else name


_KINDS = ("fixed", "limit", "introduced", "last_affected")
"""Kinds of events, as they come at one version: it is not in what `fixed` ends, and is in what `last_affected` ends."""

_Turn = tuple[str, str]
"""Kind and version of one event."""


def _intervals(events: list[dict[str, str]], version_key: Callable[[str], bytes]) -> list[Interval]:
    """What the events of a range say: an `introduced` begins an interval, the next event of another kind ends it."""
    turns = [turn for event in events for turn in event.items() if turn[0] in _KINDS]
    found: list[Interval] = []
    opened: str | None = None
    for kind, version in _ordered(turns, version_key):
        if kind == "introduced":
            opened = version if opened is None else opened
        elif opened is not None:
            found.append(Interval(opened, version, closed=kind == "last_affected", unfixed=kind == "limit"))
            opened = None
    if opened is not None:
        found.append(Interval(opened))
    return found


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
