"""Node.js's security working group: JSON on npm packages (2014 to 2019) and on Node.js itself (nodejs/security-wg).

Affected is what `vulnerable_versions` holds and `patched_versions` does not. Where a version of a patched range begins
a vulnerable one, as in `>=3.0.0 <=3.0.1` beside `>=2.5.0 <=3.0.0`, it is vulnerable. Like GitHub's export of such
records, a vulnerable range goes on to the next patched version, unless another vulnerable range lies between.

    vuln/npm/577.json      {"module_name": "lodash", "vulnerable_versions": "<4.17.5", "patched_versions": ">=4.17.5"}
    vuln/core/135.json     {"cve": ["CVE-2024-22019"], "vulnerable": "18.x || 20.x", "patched": "^18.19.1 || ^20.11.1"}
    vuln/core/index.json   {"1": {…}, "2": {…}}: all of the latter

Of Node.js itself a line of releases that got no patch is affected up to the next that did. A patched version that
stands alone, as `15.2.1` in record 69, begins a patched line like the others: 15.3.0 did not lose the fix.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from hullwise.advisories import ranges, ratings
from hullwise.advisories.aliases import is_cve
from hullwise.advisories.feeds.osv import INTERVAL_LIMIT, Parsed
from hullwise.advisories.ranges import EVERYTHING, NOTHING, Span
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
from hullwise.versions import semver
from hullwise.versions.invalid import InvalidVersion

SOURCE = "nodejs"
DOCUMENT_LIMIT = 1 << 20
"""Bytes of one document. The largest real ones are about 10 kB."""
INDEX_LIMIT = 16 << 20
"""Bytes of an index. The records of ten years are 90 kB."""
RANGE_LIMIT = 4_000
"""Characters of a range. The longest real one has about 130."""


class _Document(msgspec.Struct):
    # Of a package:
    id: int | str | None = None
    module_name: str | None = None
    title: str | None = None
    overview: str | None = None
    publish_date: str | None = None
    updated_at: str | None = None
    cves: list[str] | None = None
    vulnerable_versions: str | None = None
    patched_versions: str | None = None
    references: list[str] | str | None = None
    cvss_vector: str | None = None
    # Of Node.js itself:
    vulnerable: str | None = None
    patched: str | None = None
    cve: list[str] | None = None
    ref: str | None = None
    description: str | None = None
    severity: str | None = None
    environments: list[str] | None = msgspec.field(default=None, name="affectedEnvironments")


_decoder = msgspec.json.Decoder(_Document)
_index = msgspec.json.Decoder(dict[str, msgspec.Raw])

NODE = ("runtime", "node")
"""Whose advisories speak of Node.js itself, and how it is called there."""
_NUMBERED = re.compile(r"[0-9]{1,9}")
_HERE = frozenset({"all", "linux"})
"""Environments that a container may be; others are other systems, as Node.js calls them (`process.platform`)."""
_PAGE = "https://github.com/nodejs/security-wg/blob/main/vuln"


def of_index(document: bytes) -> list[tuple[bytes, str]]:
    """Each document of an index, and the name of its file. Raises Unparsable."""
    if len(document) > INDEX_LIMIT:
        raise Unparsable(f"over {INDEX_LIMIT} bytes")
    try:
        found = _index.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    return [(bytes(body), f"{number}.json") for number, body in found.items()]


def parse(document: bytes, name: str = "") -> Parsed:
    """One document of either kind; one on Node.js itself has no id but `name`, its path or file name: a number. Raises
    Unparsable."""
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    try:
        raw = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    if raw.module_name is None and raw.vulnerable is not None:
        return _of_node(raw, PurePosixPath(name).stem)
    # The group's own name of its records on the ecosystem.
    record_id = f"NSWG-ECO-{raw.id}"
    if raw.module_name is None or raw.id is None or not is_id(record_id):
        raise Unparsable("neither on a package nor on Node.js")
    affected = _affected("npm", (raw.module_name or "").strip(), raw.vulnerable_versions, raw.patched_versions)
    if isinstance(affected, str):
        return Parsed(record_id, None, (Unused(record_id, affected),))
    severity, unused = _severity(raw, record_id)
    return Parsed(record_id, _record(raw, record_id, affected, severity), unused)


def _of_node(raw: _Document, number: str) -> Parsed:
    if not _NUMBERED.fullmatch(number):
        raise Unparsable("no usable id")
    record_id = f"NSWG-CORE-{number}"
    elsewhere = sorted(set(raw.environments or []))
    if elsewhere and _HERE.isdisjoint(elsewhere):
        return Parsed(record_id, None, (Unused(record_id, f"only on {', '.join(elsewhere)}"[:64]),))
    affected = _affected(*NODE, raw.vulnerable, _lines(raw.patched or ""))
    if isinstance(affected, str):
        return Parsed(record_id, None, (Unused(record_id, affected),))
    spoken = ratings.word("NSWG", raw.severity or "")
    text = raw.overview or raw.description or ""
    record = Record(
        id=record_id,
        source=SOURCE,
        affected=(replace(affected, intervals=tuple(map(_in_order, affected.intervals))),),
        aliases=_cves(raw.cve),
        published=read_moment(raw.publish_date or ""),
        summary=cut(" ".join((raw.description or text.strip().partition("\n")[0]).split()), 400),
        details=cut(text.strip()),
        severity=() if spoken is None else (spoken,),
        references=(raw.ref,) if raw.ref and raw.ref.startswith("http") else (),
        url=f"{_PAGE}/core/{number}.json",
    )
    return Parsed(record_id, record)


def _lines(patched: str) -> str:
    """The patched ranges, where a version that stands alone begins one."""
    parts = (part.strip() for part in patched.split("||"))
    return " || ".join(f"^{part.lstrip('=')}" if _PARTIAL.fullmatch(part) else part for part in parts)


def _in_order(interval: Interval) -> Interval:
    """In the order of the runtimes' versions: what lies before all prereleases ends in `.a` there (`_below`)."""
    introduced, end = (
        f"{text[:-2]}.a" if text.endswith("-0") else text for text in (interval.introduced, interval.end)
    )
    return replace(interval, introduced=introduced, end=end)


def _cves(names: list[str] | None) -> tuple[str, ...]:
    return tuple(sorted({cve for cve in names or [] if is_cve(cve) and is_id(cve)}))


def _record(raw: _Document, record_id: str, affected: Affected, severity: tuple[SeverityClaim, ...]) -> Record:
    listed = [raw.references] if isinstance(raw.references, str) else raw.references or []
    addresses = (word for text in listed[:REFERENCE_LIMIT] for word in text.split() if word.startswith("http"))
    return Record(
        id=record_id,
        source=SOURCE,
        affected=(affected,),
        aliases=_cves(raw.cves),
        published=read_moment(raw.publish_date or ""),
        modified=read_moment(raw.updated_at or ""),
        summary=cut(raw.title or "", 400),
        details=cut(raw.overview or ""),
        severity=severity,
        references=tuple(dict.fromkeys(addresses))[:REFERENCE_LIMIT],
        url=f"{_PAGE}/npm/{raw.id}.json",
    )


def _severity(raw: _Document, record_id: str) -> tuple[tuple[SeverityClaim, ...], tuple[Unused, ...]]:
    vector = (raw.cvss_vector or "").strip()
    if not vector:
        return (), ()
    kind = "CVSS_V3" if vector.startswith("CVSS:3") else "CVSS_V2"
    claim = ratings.cvss("NSWG", kind, vector)
    return ((), (Unused(record_id, "severity that is no CVSS vector"),)) if claim is None else ((claim,), ())


def _affected(namespace: str, name: str, vulnerable: str | None, patched: str | None) -> Affected | str:
    """What is affected, or the reason why it is not used."""
    stated = (vulnerable or "").strip()
    if not name:
        return "names no package"
    if not stated:
        return "gives no version range"
    try:
        found = intervals(stated, (patched or "").strip())
    except InvalidVersion:
        return "version range that cannot be read"
    if not found:
        return "gives no version range"
    if len(found) > INTERVAL_LIMIT:
        return f"gives over {INTERVAL_LIMIT} version ranges"
    state: State = "fixed" if all(interval.fixed for interval in found) else "affected"
    return Affected(namespace, name, tuple(found), state=state)


def intervals(vulnerable: str, patched: str) -> list[Interval]:
    """What two ranges of npm say together. Nothing is patched where `patched` is empty or `<0.0.0`, as npm wrote it.
    Raises InvalidVersion."""
    spans = ranges.difference(read(vulnerable, prereleases=True))
    starts = sorted(span.start.place for span in spans)
    holes = [_until(hole, starts, spans) for hole in ranges.difference(_patched(patched))]
    fixes = [hole.start for hole in holes if not hole.start.after]
    places = [fix.place for fix in fixes]
    affected = ranges.difference(spans, holes)
    found: list[Interval] = []
    for index, span in enumerate(affected):
        at = bisect_left(places, span.end.place)
        following = affected[index + 1].start.place if index + 1 < len(affected) else ranges.TOP.place
        fixed = at < len(places) and places[at] <= following
        whole = Span(span.start, fixes[at]) if fixed else span
        found.append(ranges.interval(whole, _successor, unfixed=not fixed))
    return found


def _patched(text: str) -> list[Span]:
    return read(text) if text and "".join(text.split()) != "<0.0.0" else []


def _until(hole: Span, starts: list[tuple[int, bytes, bool]], spans: list[Span]) -> Span:
    """The patched range up to where a vulnerable one begins within it."""
    at = bisect_right(starts, hole.start.place)
    return hole._replace(end=min(hole.end, spans[at].start)) if at < len(spans) else hole


_NUMBER = r"(?:[0-9]{1,16}|[xX*])"
_PARTIAL = re.compile(
    rf"[vV=]*({_NUMBER})(?:\.({_NUMBER})(?:\.({_NUMBER})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?)?)?"
)
_COMPARATOR = re.compile(r" ?(<=|>=|~>|<|>|=|~|\^|) ?([^ <>=~^]+)")


class _Partial(NamedTuple):
    """A version of which the last numbers may be left open: `1.2.x`, `1.2`, `*`."""

    numbers: tuple[int, ...]
    pre: str
    """Without the hyphen; of an open one what its lowest version has."""

    @property
    def whole(self) -> bool:
        return len(self.numbers) == 3

    @property
    def low(self) -> str:
        return _text(self.numbers) + (f"-{self.pre}" if self.pre else "")

    def above(self, index: int) -> str:
        """The version whose number at `index` is one higher."""
        return _text((*self.numbers[:index], self.numbers[index] + 1))


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in (*numbers, 0, 0, 0)[:3])


def _partial(text: str, open_pre: str = "") -> _Partial:
    match = _PARTIAL.fullmatch(text)
    if match is None:
        raise InvalidVersion("npm range", text)
    *parts, pre = match.groups()
    numbers: list[int] = []
    for part in parts:
        if part is None or not part.isdigit():
            return _Partial(tuple(numbers), open_pre)
        numbers.append(int(part))
    return _Partial(tuple(numbers), pre or "")


def _below(version: str) -> str:
    """The lowest text of a version, before all its prereleases: `< 2.0.0-0` leaves out `2.0.0-beta`."""
    return f"{version}-0"


def _within(partial: _Partial, index: int) -> Span:
    """From the version on, while the numbers up to `index` stay."""
    if not partial.numbers:
        return EVERYTHING
    return Span(_before(partial.low), _before(_below(partial.above(index))))


def _before(version: str) -> ranges.Edge:
    return ranges.before(version, semver.key)


def _same(partial: _Partial) -> Span:
    if partial.whole:
        return ranges.comparison("=", partial.low, semver.key)
    return _within(partial, len(partial.numbers) - 1)


def _tilde(partial: _Partial) -> Span:
    return _within(partial, min(1, len(partial.numbers) - 1))


def _caret(partial: _Partial) -> Span:
    # The first number that is not 0 stays, or the last one that is given.
    last = len(partial.numbers) - 1
    return _within(partial, next((index for index, number in enumerate(partial.numbers) if number), last))


def _at_least(partial: _Partial) -> Span:
    return Span(_before(partial.low), ranges.TOP) if partial.numbers else EVERYTHING


def _at_most(partial: _Partial) -> Span:
    if partial.whole:
        return ranges.comparison("<=", partial.low, semver.key)
    return Span(ranges.BOTTOM, _same(partial).end)


def _less(partial: _Partial) -> Span:
    if not partial.numbers:
        return NOTHING
    return Span(ranges.BOTTOM, _before(partial.low if partial.whole else _below(_text(partial.numbers))))


def _more(partial: _Partial) -> Span:
    if not partial.numbers:
        return NOTHING
    if partial.whole:
        return ranges.comparison(">", partial.low, semver.key)
    return Span(_before(partial.above(len(partial.numbers) - 1)), ranges.TOP)


_OPERATORS: dict[str, Callable[[_Partial], Span]] = {
    "": _same, "=": _same, "~": _tilde, "~>": _tilde, "^": _caret,
    ">=": _at_least, "<=": _at_most, "<": _less, ">": _more,
}  # fmt: skip
"""npm's documentation of node-semver, `Ranges` and `Advanced Range Syntax`."""


def read(text: str, prereleases: bool = False) -> list[Span]:
    """The spans of an npm range such as `<=1.0.0 || ^2.1.0 || 3.x`, as they stand.

    Prereleases lie where semver's order puts them: `<2.0.0` holds `2.0.0-beta`. With `prereleases`, what is left open
    begins with those too (node-semver, `includePrerelease`): `3.x` holds `3.0.0-beta`. Raises InvalidVersion for what
    is no range, an empty alternative included, and for more than RANGE_LIMIT characters.
    """
    if len(text) > RANGE_LIMIT:
        raise InvalidVersion("npm range", text[:RANGE_LIMIT])
    open_pre = "0" if prereleases else ""
    return [_alternative(" ".join(part.split()), open_pre) for part in text.split("||")]


def _alternative(text: str, open_pre: str) -> Span:
    low, hyphen, high = text.partition(" - ")
    if hyphen:
        return ranges.met([_at_least(_partial(low, open_pre)), _at_most(_partial(high, open_pre))])
    spans: list[Span] = []
    position = 0
    while position < len(text) or not spans:
        match = _COMPARATOR.match(text, position)
        if match is None:
            raise InvalidVersion("npm range", text)
        spans.append(_OPERATORS[match[1]](_partial(match[2], open_pre)))
        position = match.end()
    return ranges.met(spans)


def _successor(version: str) -> str:
    """The lowest text above a version: of a release the first prerelease of the next, of a prerelease its first
    refinement."""
    partial = _partial(version)
    return f"{partial.low}.0" if partial.pre else _below(partial.above(2))
