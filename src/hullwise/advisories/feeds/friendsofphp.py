"""FriendsOfPHP: one YAML an advisory, in a folder a Composer package (FriendsOfPHP/security-advisories).

    title: …                                branches:
    link: https://…                             3.6.x:
    cve: CVE-2019-11458                             time: 2019-04-20 22:08:00
    reference: composer://cakephp/cakephp           versions: ['>=3.6.0', '<3.6.15']

All conditions of a branch hold together. A branch without a time is not fixed: its end is where the branch ends. Where
another branch begins there, the two are one range, and the fix of the last of them is that of all.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import msgspec

from hullwise.advisories import ranges, yaml_documents
from hullwise.advisories.aliases import is_cve
from hullwise.advisories.feeds.osv import INTERVAL_LIMIT, Parsed
from hullwise.advisories.ranges import Edge, Place, Span
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused, cut, is_id
from hullwise.versions import composer
from hullwise.versions.invalid import LONGEST, InvalidVersion

SOURCE = "friendsofphp"
NAMESPACE = "packagist"


class _Branch(msgspec.Struct):
    versions: list[str] | str | None = None
    time: str | None = None


class _Document(msgspec.Struct):
    branches: dict[str, _Branch]
    reference: str
    title: str | None = None
    link: str | None = None
    cve: str | None = None


_REFERENCE = re.compile(r"composer://([0-9A-Za-z_.-]{1,100}/[0-9A-Za-z_.-]{1,100})")
_STEM = re.compile(r"[0-9A-Za-z_.-]{1,64}")
_CONDITION = re.compile(r"(>=|<=|==|=|<|>) ?v?([0-9][0-9A-Za-z.+_-]*)")


def parse(document: bytes, name: str = "") -> Parsed:
    """One document. `name` is its path or file name: many records have no other id. Raises Unparsable."""
    try:
        raw = msgspec.convert(yaml_documents.load(document), _Document)
    except msgspec.ValidationError as error:
        raise Unparsable(str(error)) from error
    package = _REFERENCE.fullmatch(raw.reference.strip())
    cve = (raw.cve or "").strip()
    cve = cve if is_cve(cve) and is_id(cve) else ""
    stem = PurePosixPath(name).name.removesuffix(".yaml").removesuffix(".yml")
    own = stem if _STEM.fullmatch(stem) else cve
    if package is None or not own:
        raise Unparsable("no usable id")
    # Packagist knows no case (getcomposer.org, schema, `name`).
    composer_name = package[1].lower()
    record_id = f"FRIENDSOFPHP-{composer_name}-{own}"
    if not is_id(record_id):
        raise Unparsable("no usable id")
    intervals, unused = _intervals(raw, record_id)
    if not intervals:
        return Parsed(record_id, None, tuple(unused) or (Unused(record_id, "gives no version range"),))
    link = (raw.link or "").strip()
    record = Record(
        id=record_id,
        source=SOURCE,
        affected=(
            Affected(
                NAMESPACE,
                composer_name,
                intervals,
                state="fixed" if all(interval.fixed for interval in intervals) else "affected",
            ),
        ),
        aliases=(cve,) if cve else (),
        summary=cut(" ".join((raw.title or "").split()), 400),
        references=(link,) if link.startswith("http") else (),
        url=f"https://github.com/FriendsOfPHP/security-advisories/blob/master/{composer_name}/{own}.yaml",
    )
    return Parsed(record_id, record, tuple(unused))


def _intervals(raw: _Document, record_id: str) -> tuple[tuple[Interval, ...], list[Unused]]:
    if len(raw.branches) > INTERVAL_LIMIT:
        return (), [Unused(record_id, f"gives over {INTERVAL_LIMIT} version ranges")]
    spans: list[Span] = []
    releases: dict[Place, str] = {}
    unused: list[Unused] = []
    for branch in raw.branches.values():
        found = _span(branch)
        if isinstance(found, str):
            unused.append(Unused(record_id, found))
            continue
        span, release = found
        spans.append(span)
        if branch.time is not None and release:
            releases[span.end.place] = release
    return tuple(_interval(span, releases) for span in ranges.difference(spans)), unused


def _interval(span: Span, releases: dict[Place, str]) -> Interval:
    """`releases`: the fixes, by the end of what they fix."""
    end, release = span.end, releases.get(span.end.place, "")
    return Interval(
        span.start.text,
        end.text,
        closed=end.after,
        unfixed=bool(end.text) and not end.after and not release,
        release=release if release != end.text else "",
    )


_STABILITY = re.compile(r"[A-Za-z]")


def _edge(operator: str, version: str) -> Edge:
    """Where a condition begins or ends. `>= 2.3` holds 2.3's own pre-releases and `< 2.3` does not, since Composer
    reads both as 2.3.0.0-dev (composer/semver, VersionParser::parseConstraint). The lowest version above 2.3 is
    2.3-patch-dev; there is none above a pre-release: `> 2.3-rc` takes it in. Raises InvalidVersion."""
    if operator == "<=":
        return ranges.after(version, composer.key)
    if _STABILITY.search(version):
        return ranges.before(version, composer.key)
    lowest = {">": "-patch-dev", ">=": "-dev", "<": "-dev"}.get(operator, "")
    return ranges.before(f"{version}{lowest}", composer.key)


def _span(branch: _Branch) -> tuple[Span, str] | str:
    """What a branch says, and which version fixes it if any does; or why it is not used."""
    listed = [branch.versions] if isinstance(branch.versions, str) else branch.versions or []
    conditions = [condition for text in listed for condition in text.split(",")]
    bounds: dict[str, tuple[str, str]] = {}
    for condition in conditions:
        match = _CONDITION.fullmatch(" ".join(condition.split())) if len(condition) <= LONGEST else None
        if match is None:
            return "version range that cannot be read"
        operator, version = match.groups()
        sides = {">": ("low",), "<": ("high",), "=": ("low", "high")}[operator[0]]
        if any(side in bounds for side in sides):
            # Which of two bounds is the narrower is a question of order; no record has two.
            return "version range that cannot be read"
        bounds.update(dict.fromkeys(sides, (operator, version)))
    if not bounds:
        return "gives no version range"
    operator, version = bounds.get("high", ("", ""))
    try:
        start = _edge(*bounds["low"]) if "low" in bounds else ranges.BOTTOM
        end = _edge("<" if operator == "<" else "<=", version) if version else ranges.TOP
    except InvalidVersion:
        return "version range that cannot be read"
    return Span(start, end), version if operator == "<" else ""
