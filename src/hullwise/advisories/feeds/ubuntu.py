"""Ubuntu's CVE tracker: one text a CVE, below `active/` and `retired/` (ubuntu-cve-tracker, README).

    Candidate: CVE-2024-1234                jammy_curl: released (7.81.0-1ubuntu1.16)
    PublicDate: 2024-02-01 00:00:00 UTC     noble_curl: needed
    Description:                            focal_curl: ignored (end of standard support, was needed)
     A fault in curl.                       esm-infra/focal_curl: released (7.68.0-1ubuntu2.25+esm1)
    Priority: medium                        devel_curl: not-affected (8.5.0-2ubuntu10)

A line is of a source package in one series. Pockets of a series (release, security, updates) share its line. What has a
name beside the series (`esm-infra/focal`, `fips/jammy`, `trusty/esm`) is another build, whose versions say nothing of
the plain one; but for one thing: what extended maintenance fixed, the plain series has, without a fix that is free. Its
own builds have it from that version on.
"""

from __future__ import annotations

import contextlib
import re

import msgspec

from hullwise.advisories import ratings
from hullwise.advisories.aliases import is_cve
from hullwise.advisories.feeds.osv import Parsed
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
from hullwise.ecosystems.namespaces import PUBLISHERS
from hullwise.versions import dpkg
from hullwise.versions.invalid import InvalidVersion

SOURCE = "ubuntu-tracker"
DOCUMENT_LIMIT = 1 << 20
"""Bytes of one document. Those on the kernel, with some hundred sources, are about 150 kB."""

_FIELD = re.compile(r"([A-Za-z][A-Za-z-]*)(?:_([a-z0-9][a-z0-9.+-]{1,127})(?:_([a-z0-9./-]{1,64}))?)?:[ \t]*(.*)")
"""A field of the document, or of one source in it, in one series of it: `Priority: low`, `Priority_openssl: low`,
`Priority_openssl_trusty: low`."""
_STATUS = re.compile(
    r"([a-z0-9][a-z0-9./-]{0,63})_([a-z0-9][a-z0-9.+-]{1,127}):[ \t]*([A-Za-z-]{0,32})[ \t]*(?:\(([^)\n]*)\)?)?[ \t]*.*"
)
"""`series_source: status (note)`. No name of a series has a `_`, and none of a source (Debian policy, 5.6.7)."""

_EXTENDED = re.compile(r"(?:esm-infra|esm-apps|esm-infra-legacy)/([a-z]+)|([a-z]+)/esm")
_ENDED = re.compile(r"end[ -]of[ -]|end-of-life|out of (?:standard )?support|\beol\b", re.IGNORECASE)
_WAS = re.compile(r"\bwas[: ]+([a-zA-Z-]+)")
"""What was known when the series ended: `end of life, was needs-triage`."""

_OPEN: dict[str, State] = {
    "needed": "affected",
    "in-progress": "affected",
    "active": "affected",
    "pending": "affected",
    "deferred": "deferred",
}
_UNTRIAGED = frozenset({"needs-triage", ""})


class _Status(msgspec.Struct, frozen=True, array_like=True, gc=False):
    word: str
    note: str


_NONE = _Status("", "")


class _Tracked(msgspec.Struct):
    fields: dict[str, list[str]] = {}
    """Lines by field, the first beside its name."""
    priorities: dict[tuple[str, str], str] = {}
    """By (source, series), where these have one of their own; the series is empty where it is for all."""
    statuses: dict[tuple[str, str], _Status] = {}
    """By (source, series)."""


def parse(document: bytes) -> Parsed:
    """One document. Raises Unparsable."""
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    tracked = _read(document.decode("utf-8", "replace"))
    name = " ".join(tracked.fields.get("Candidate", []))
    if not (is_cve(name) and is_id(name)):
        raise Unparsable("no usable id")
    reasons: dict[str, None] = {}
    affected: dict[tuple[str, str], Affected] = {}
    for source, series in tracked.statuses:
        found = _affected(tracked, source, series)
        if isinstance(found, Affected):
            affected[found.namespace, found.name] = found
        elif found:
            reasons[found] = None
    unused = tuple(Unused(name, reason) for reason in reasons)
    if not affected:
        return Parsed(name, None, unused or (Unused(name, "names no package"),))
    record = Record(
        id=name,
        source=SOURCE,
        affected=tuple(affected.values()),
        published=read_moment(_text(tracked, "PublicDate").replace(" UTC", "+00:00")),
        details=cut(_text(tracked, "Ubuntu-Description") or _text(tracked, "Description")),
        references=_references(tracked),
        url=f"https://ubuntu.com/security/{name}",
    )
    return Parsed(name, record, unused)


def _read(text: str) -> _Tracked:
    tracked = _Tracked()
    lines: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] in " \t":
            lines.append(line.strip())
        elif status := _STATUS.fullmatch(line):
            series, source, word, note = status.groups()
            tracked.statuses[source, series] = _Status(word.lower(), (note or "").strip())
            lines = []
        elif field := _FIELD.fullmatch(line):
            lines = [field[4].strip()] if field[4].strip() else []
            if field[2] is None:
                tracked.fields.setdefault(field[1], lines)
            elif field[1] == "Priority":
                tracked.priorities.setdefault((field[2], field[3] or ""), field[4])
    return tracked


def _text(tracked: _Tracked, name: str) -> str:
    return " ".join(tracked.fields.get(name, []))


def _references(tracked: _Tracked) -> tuple[str, ...]:
    listed = tracked.fields.get("References", [])
    return tuple(dict.fromkeys(url for url in listed if url.startswith("http")))[:REFERENCE_LIMIT]


def _affected(tracked: _Tracked, source: str, series: str) -> Affected | str:
    """What the line says, or why it says nothing that can be used; empty where it has nothing to say."""
    if series == "upstream":
        return ""
    extended = _EXTENDED.fullmatch(series)
    if extended is not None:
        plain = extended[1] or extended[2]
        if (source, plain) in tracked.statuses or not _fixed_by_extension(tracked, source, plain):
            # The plain series' own line looks here.
            return "extended maintenance of a release"
        release = _namespace(plain)
        return release if " " in release else _open(release, source, "will-not-fix", tracked, plain)
    if "/" in series:
        return "separate build of a release"
    release = _namespace(series)
    return release if " " in release else _plain(tracked, source, series, release)


def _namespace(series: str) -> str:
    """Of a series; or, with blanks in it, why there is none."""
    release = PUBLISHERS["ubuntu"].codenames.get(series)
    return f"ubuntu:{release}" if release else f"release {series[:32]} is not known"


def _plain(tracked: _Tracked, source: str, series: str, namespace: str) -> Affected | str:
    """What is said of the series as everybody has it."""
    status = tracked.statuses[source, series]
    word = status.word
    ended = word == "ignored" and _ENDED.search(status.note) is not None
    if ended and (was := _WAS.search(status.note)) and was[1].lower() not in _OPEN:
        word = was[1].lower()
    if word == "dne":
        # There is no such package to speak of. Thousands of these lines stand in a document on the kernel.
        return ""
    if word == "not-affected":
        return Affected(namespace, source, unaffected=True)
    if word == "released":
        try:
            dpkg.key(status.note)
        except InvalidVersion:
            return "released without a version"
        said = _open(namespace, source, "fixed", tracked, series)
        return msgspec.structs.replace(said, intervals=(Interval("0", status.note),))
    if word != "pending" and _fixed_by_extension(tracked, source, series):
        return _open(namespace, source, "will-not-fix", tracked, series)
    if word in _UNTRIAGED:
        return "needs triage"
    if word == "ignored":
        return _open(namespace, source, "end-of-life" if ended else "will-not-fix", tracked, series)
    state = _OPEN.get(word)
    return f"status {word[:32]} is not known" if state is None else _open(namespace, source, state, tracked, series)


def _extensions(tracked: _Tracked, source: str, series: str) -> list[_Status]:
    """What extended maintenance of the series released."""
    names = (f"esm-infra/{series}", f"esm-apps/{series}", f"{series}/esm", f"esm-infra-legacy/{series}")
    found = (tracked.statuses.get((source, name), _NONE) for name in names)
    return [status for status in found if status.word == "released"]


def _fixed_by_extension(tracked: _Tracked, source: str, series: str) -> bool:
    return bool(_extensions(tracked, source, series))


def _open(namespace: str, source: str, state: State, tracked: _Tracked, series: str) -> Affected:
    versions: dict[bytes, str] = {}
    for status in _extensions(tracked, source, series):
        with contextlib.suppress(InvalidVersion):
            versions[dpkg.key(status.note)] = status.note
    return Affected(
        namespace,
        source,
        (Interval("0"),),
        state=state,
        severity=_severity(tracked, source, series),
        extended=versions[min(versions)] if versions else "",
    )


def _severity(tracked: _Tracked, source: str, series: str) -> tuple[SeverityClaim, ...]:
    own = (tracked.priorities.get(place) for place in ((source, series), (source, "")))
    stated = next(filter(None, own), (tracked.fields.get("Priority") or [""])[0])
    claim = ratings.word("ubuntu", stated)
    return () if claim is None else (claim,)
