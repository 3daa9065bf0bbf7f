"""RubySec: one YAML an advisory, below `gems/` and `rubies/` (rubysec/ruby-advisory-db).

    gem: rack                               unaffected_versions:
    cve: 2022-30122                         - "< 1.2"
    title: …                                patched_versions:
    date: 2022-05-27                        - "~> 2.0.9, >= 2.0.9.1"
    cvss_v3: 7.5                            - ">= 2.2.3.1"

Affected is every version that is in neither list, as bundler-audit reads them; what ends in an unaffected version alone
has no fix there. `platform: jruby` is about gems that were built for Java.

`engine: ruby` in the place of a gem is about Ruby itself. Its versions are in the order of gems too: `1.9.3.448` for a
patch level, `2.1.0.preview.2`; `1.8.5.p115`, as a few of 2008 have it, is read as bundler-audit reads it, below 1.8.5.
"""

from __future__ import annotations

import re

import msgspec

from hullwise.advisories import ranges, ratings, yaml_documents
from hullwise.advisories.aliases import is_cve
from hullwise.advisories.feeds.osv import INTERVAL_LIMIT, Parsed
from hullwise.advisories.ranges import EVERYTHING, Span, VersionKey
from hullwise.advisories.records import (
    REFERENCE_LIMIT,
    Affected,
    Record,
    Unparsable,
    Unused,
    cut,
    is_id,
    read_moment,
)
from hullwise.domain.vulnerabilities import SeverityClaim, State
from hullwise.ecosystems.namespaces import scheme
from hullwise.ecosystems.ruby import JAVA
from hullwise.versions.invalid import InvalidVersion

SOURCE = "rubysec"
NAMESPACE = "rubygems"
RUBY = ("runtime", "ruby")
"""Whose advisories speak of Ruby itself, and how it is called there."""
REQUIREMENT_LIMIT = 512
"""Characters of one requirement."""


class _Related(msgspec.Struct):
    url: list[str] | str | None = None


class _Document(msgspec.Struct):
    gem: str | None = None
    platform: str | None = None
    engine: str | None = None
    library: str | None = None
    cve: str | None = None
    ghsa: str | None = None
    osvdb: str | None = None
    url: str | None = None
    title: str | None = None
    date: str | None = None
    description: str | None = None
    cvss_v2: str | None = None
    cvss_v3: str | None = None
    cvss_v4: str | None = None
    patched_versions: list[str] | None = None
    unaffected_versions: list[str] | None = None
    related: _Related | None = None


_PAGE = "https://github.com/rubysec/ruby-advisory-db/blob/master"
_GEM = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
_GHSA = re.compile(r"GHSA(?:-[23456789cfghjmpqrvwx]{4}){3}")


def parse(document: bytes, version_key: VersionKey | None = None) -> Parsed:
    """One document; those on other engines than Ruby's own, and on its libraries, are not used. Raises Unparsable.

    `version_key` is RubyGems' order, by default that of the namespace. Without one nothing can be said of what is
    outside of the lists, and the document is not used either.
    """
    try:
        raw = msgspec.convert(yaml_documents.load(document), _Document)
    except msgspec.ValidationError as error:
        raise Unparsable(str(error)) from error
    names = _names(raw)
    subject = raw.gem if raw.gem is not None else raw.engine or raw.library
    if subject is None:
        raise Unparsable("names neither a gem nor an engine")
    record_id = f"RUBYSEC-{subject}-{names[0]}" if names else ""
    if _GEM.fullmatch(subject) is None or not is_id(record_id):
        raise Unparsable("no usable id")
    of_ruby = raw.gem is None and raw.engine == RUBY[1]
    if raw.gem is None and not of_ruby:
        reason = f"speaks of {'the engine' if raw.engine else 'the library'} {subject[:32]}"
        return Parsed(record_id, None, (Unused(record_id, reason),))
    namespace, name = RUBY if of_ruby else (NAMESPACE, subject)
    affected = _affected(raw, namespace, name, version_key or scheme(namespace))
    if isinstance(affected, str):
        return Parsed(record_id, None, (Unused(record_id, affected),))
    severity, unused = _severity(raw, record_id)
    record = Record(
        id=record_id,
        source=SOURCE,
        affected=(affected,),
        aliases=tuple(sorted(name for name in names if not name.startswith("OSVDB-"))),
        published=read_moment(raw.date or ""),
        summary=cut(" ".join((raw.title or "").split()), 400),
        details=cut((raw.description or "").strip()),
        severity=severity,
        references=_references(raw),
        url=f"{_PAGE}/{'rubies' if of_ruby else 'gems'}/{name}/{names[0]}.yml",
    )
    return Parsed(record_id, record, unused)


def _names(raw: _Document) -> list[str]:
    """Its ids, that of its file first."""
    cve, ghsa = f"CVE-{(raw.cve or '').strip()}", f"GHSA-{(raw.ghsa or '').strip()}"
    osvdb = (raw.osvdb or "").strip()
    usable = (
        (cve, is_cve(cve) and is_id(cve)),
        (ghsa, _GHSA.fullmatch(ghsa) is not None),
        (f"OSVDB-{osvdb}", len(osvdb) <= 16 and osvdb.isascii() and osvdb.isdigit()),
    )
    return [name for name, good in usable if good]


def _references(raw: _Document) -> tuple[str, ...]:
    related = raw.related.url if raw.related is not None else None
    listed = [raw.url or "", *([related] if isinstance(related, str) else related or [])]
    return tuple(dict.fromkeys(url for url in listed if url.startswith("http")))[:REFERENCE_LIMIT]


def _severity(raw: _Document, record_id: str) -> tuple[tuple[SeverityClaim, ...], tuple[Unused, ...]]:
    """Scores without vectors, which is all that these records have."""
    claims: list[SeverityClaim] = []
    unused: list[Unused] = []
    for kind, text in (("CVSS_V3", raw.cvss_v3), ("CVSS_V4", raw.cvss_v4), ("CVSS_V2", raw.cvss_v2)):
        if text is None:
            continue
        try:
            score = float(text)
        except ValueError:
            score = -1.0
        if 0 <= score <= 10:
            claims.append(SeverityClaim("RubySec", kind, "", ratings.band(score, kind), score))
        else:
            unused.append(Unused(record_id, "score outside 0 to 10"))
    return tuple(claims), tuple(unused)


def _affected(raw: _Document, namespace: str, name: str, version_key: VersionKey | None) -> Affected | str:
    """What is affected, or the reason why it is not used."""
    if version_key is None:
        return f"ecosystem {namespace} is not matched"
    listed = raw.patched_versions or [], raw.unaffected_versions or []
    if sum(map(len, listed)) > INTERVAL_LIMIT:
        return f"gives over {INTERVAL_LIMIT} version ranges"
    try:
        patched, unaffected = ([requirement(text, version_key) for text in texts] for texts in listed)
    except InvalidVersion:
        return "version range that cannot be read"
    found = [
        ranges.interval(span, _successor, unfixed=not any(_begins_by(one, span) for one in patched))
        for span in ranges.difference([EVERYTHING], [*patched, *unaffected])
    ]
    if not found:
        return "affects no version"
    state: State = "fixed" if all(interval.fixed for interval in found) else "affected"
    platforms = (JAVA,) if (raw.platform or "").strip() == "jruby" else ()
    return Affected(namespace, name, tuple(found), state=state, architectures=platforms)


def _begins_by(patched: Span, span: Span) -> bool:
    """Whether what is patched holds the versions right above the span."""
    return patched.start.place <= span.end.place < patched.end.place


_COMPARISON = re.compile(r"(~>|>=|<=|<|>|=|) ?([0-9][0-9A-Za-z.-]*)")


def requirement(text: str, version_key: VersionKey) -> Span:
    """The versions that a requirement such as `~> 2.0.9, >= 2.0.9.1` holds (Gem::Requirement). Raises InvalidVersion,
    also for `!=`, which no advisory has."""
    if len(text) > REQUIREMENT_LIMIT:
        raise InvalidVersion("RubyGems requirement", text)
    return ranges.met(_comparison(" ".join(part.split()), version_key) for part in text.split(","))


def _comparison(text: str, version_key: VersionKey) -> Span:
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise InvalidVersion("RubyGems requirement", text)
    operator, version = match.groups()
    if operator == "~>":
        return Span(ranges.before(version, version_key), ranges.before(_bumped(version), version_key))
    return ranges.comparison(operator or "=", version, version_key)


def _bumped(version: str) -> str:
    """Where `~>` ends: the last number but one is one higher (Gem::Version#bump), and its prereleases are out too,
    which are written below `.a`."""
    numbers: list[str] = []
    for part in re.split(r"[.-]", version):
        if not part.isdigit():
            break
        numbers.append(part)
    kept = numbers[:-1] or numbers
    if not kept or len(kept[-1]) > 32:
        raise InvalidVersion("RubyGems requirement", version)
    return ".".join([*kept[:-1], str(int(kept[-1]) + 1), "a"])


def _successor(version: str) -> str:
    # RubyGems has no lowest version above another; no gem has two more numbers than the version that a list ends with.
    return f"{version}.0.1"
