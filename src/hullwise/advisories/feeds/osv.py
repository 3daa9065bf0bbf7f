"""OSV: one JSON document an advisory, schema 1.7 (ossf.github.io/osv-schema)."""

from __future__ import annotations

from typing import Any

import msgspec

from hullwise.advisories import ratings
from hullwise.advisories.records import REFERENCE_LIMIT, Affected, Interval, Record, Unparsable, Unused, cut
from hullwise.domain.vulnerabilities import SeverityClaim, State
from hullwise.ecosystems.namespaces import osv_namespace

SOURCE = "osv"
DOCUMENT_LIMIT = 16 << 20
"""Bytes of one document. The largest real ones, with every version of a package listed, are about 2 MB."""


class _Severity(msgspec.Struct):
    type: str = ""
    score: str = ""


class _Package(msgspec.Struct):
    name: str = ""
    ecosystem: str = ""


class _Range(msgspec.Struct):
    type: str = ""
    events: list[dict[str, str]] = []


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] = []
    versions: list[str] = []
    severity: list[_Severity] = []
    database_specific: Any = None
    ecosystem_specific: Any = None


class _Reference(msgspec.Struct):
    url: str = ""


class _Document(msgspec.Struct):
    id: str
    modified: str = ""
    published: str = ""
    withdrawn: str | None = None
    aliases: list[str] | None = None
    summary: str | None = None
    details: str | None = None
    severity: list[_Severity] | None = None
    affected: list[_Affected] | None = None
    references: list[_Reference] | None = None
    database_specific: Any = None


_decoder = msgspec.json.Decoder(_Document)


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
    if not raw.id or len(raw.id) > 128:
        raise Unparsable("no usable id")
    if raw.withdrawn:
        return Parsed(raw.id, None, (Unused(raw.id, "withdrawn"),))
    prefix = raw.id.split("-", 1)[0]
    unused: list[Unused] = []
    affected: list[Affected] = []
    for item in raw.affected or []:
        found = _affected(item, prefix)
        if isinstance(found, Affected):
            affected.append(found)
        else:
            unused.append(Unused(raw.id, found))
    if not affected:
        return Parsed(raw.id, None, tuple(unused) or (Unused(raw.id, "names no package"),))
    return Parsed(raw.id, _record(raw, source, prefix, tuple(affected)), tuple(unused))


def _record(raw: _Document, source: str, prefix: str, affected: tuple[Affected, ...]) -> Record:
    claims = _claims(raw.severity or [], prefix)
    stated = raw.database_specific.get("severity") if isinstance(raw.database_specific, dict) else None
    spoken = ratings.word(prefix, stated) if isinstance(stated, str) else None
    return Record(
        id=raw.id,
        source=source,
        affected=affected,
        aliases=tuple(sorted({alias for alias in raw.aliases or [] if 0 < len(alias) <= 128 and alias != raw.id})),
        published=raw.published,
        modified=raw.modified,
        summary=cut(raw.summary or "", 400),
        details=cut(raw.details or ""),
        severity=(*claims, spoken) if spoken is not None else claims,
        references=tuple(item.url for item in (raw.references or [])[:REFERENCE_LIMIT] if item.url),
        url=_page(raw.id),
    )


def _page(record_id: str) -> str:
    if record_id.startswith("GHSA-"):
        return f"https://github.com/advisories/{record_id}"
    if record_id.startswith("CVE-"):
        return f"https://nvd.nist.gov/vuln/detail/{record_id}"
    return f"https://osv.dev/vulnerability/{record_id}"


def _claims(severities: list[_Severity], source: str) -> tuple[SeverityClaim, ...]:
    found = (
        ratings.cvss(source, item.type, item.score)
        if item.type.startswith("CVSS_")
        else ratings.word(item.type.lower(), item.score)
        for item in severities
    )
    return tuple(claim for claim in found if claim is not None)


def _affected(raw: _Affected, prefix: str) -> Affected | str:
    """What is affected, or the reason why it is not used."""
    if raw.package is None or not raw.package.name:
        return "names no package"
    namespace = osv_namespace(raw.package.ecosystem)
    if namespace is None:
        return f"ecosystem {raw.package.ecosystem.partition(':')[0] or '(none)'} is not matched"
    intervals: list[Interval] = []
    for item in raw.ranges:
        # GIT ranges speak of commits; what they mean for releases stands in `versions`.
        if item.type in {"SEMVER", "ECOSYSTEM"}:
            intervals += _intervals(item.events)
    intervals = [_bounded(interval, raw.database_specific) for interval in intervals]
    versions = tuple(dict.fromkeys(version for version in raw.versions if 0 < len(version) <= 256))
    if not intervals and not versions:
        return "gives no version range"
    claims = _claims(raw.severity, prefix) + _urgency(raw)
    state: State = "fixed" if all(interval.fixed for interval in intervals) else "affected"
    return Affected(namespace, _name(namespace, raw.package.name), tuple(intervals), versions, state, False, claims)


def _name(namespace: str, name: str) -> str:
    if namespace == "pypi":
        from packaging.utils import canonicalize_name

        return canonicalize_name(name)
    return name


def _urgency(raw: _Affected) -> tuple[SeverityClaim, ...]:
    stated = raw.ecosystem_specific.get("urgency") if isinstance(raw.ecosystem_specific, dict) else None
    claim = ratings.word("debian", stated) if isinstance(stated, str) else None
    return () if claim is None else (claim,)


def _intervals(events: list[dict[str, str]]) -> list[Interval]:
    """Pair each `introduced` with the event that ends it. Events come in the order of versions (schema, `events`)."""
    found: list[Interval] = []
    opened: str | None = None
    for event in events:
        for kind, version in event.items():
            if kind == "introduced":
                if opened is not None:
                    found.append(Interval(opened))
                opened = version
            elif kind in {"fixed", "last_affected"} and opened is not None:
                found.append(Interval(opened, version, closed=kind == "last_affected"))
                opened = None
    if opened is not None:
        found.append(Interval(opened))
    return found


def _bounded(interval: Interval, specific: Any) -> Interval:
    """GitHub keeps the end of a range without a fix beside it: `last_known_affected_version_range`, `<= 1.2`."""
    known = specific.get("last_known_affected_version_range") if isinstance(specific, dict) else None
    if interval.end or not isinstance(known, str):
        return interval
    for sign, closed in (("<=", True), ("<", False)):
        if known.strip().startswith(sign):
            end = known.strip()[len(sign) :].strip()
            return Interval(interval.introduced, end, closed, unfixed=True) if end else interval
    return interval
