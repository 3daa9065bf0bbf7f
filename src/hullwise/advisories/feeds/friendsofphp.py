"""FriendsOfPHP: one YAML an advisory, in a folder a Composer package (FriendsOfPHP/security-advisories).

    title: …                                branches:
    link: https://…                             3.6.x:
    cve: CVE-2019-11458                             time: 2019-04-20 22:08:00
    reference: composer://cakephp/cakephp           versions: ['>=3.6.0', '<3.6.15']

All conditions of a branch hold together. A branch without a time is not fixed: its end is where the branch ends.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import msgspec

from hullwise.advisories import yaml_documents
from hullwise.advisories.aliases import is_cve
from hullwise.advisories.feeds.osv import INTERVAL_LIMIT, Parsed
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused, cut, is_id
from hullwise.versions.invalid import LONGEST

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
    found: list[Interval] = []
    unused: list[Unused] = []
    for branch in raw.branches.values():
        interval = _interval(branch)
        if isinstance(interval, Interval):
            found.append(interval)
        else:
            unused.append(Unused(record_id, interval))
    return tuple(dict.fromkeys(found)), unused


_STABILITY = re.compile(r"[A-Za-z]")


def _lowest(operator: str, version: str) -> str:
    """The first version that the condition holds. `>= 2.3` holds 2.3's own pre-releases, since Composer reads it as
    `>= 2.3.0.0-dev` (composer/semver, VersionParser::parseConstraint)."""
    return f"{version}-dev" if operator == ">=" and not _STABILITY.search(version) else version


def _interval(branch: _Branch) -> Interval | str:
    """What a branch says, or why it is not used. An interval begins with a version that is affected, and Composer has
    no lowest version above another: `> 3.2` takes 3.2 in."""
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
    introduced = _lowest(*bounds["low"]) if "low" in bounds else "0"
    operator, end = bounds.get("high", ("", ""))
    closed = operator in {"<=", "=", "=="}
    return Interval(introduced, end, closed=closed, unfixed=operator == "<" and branch.time is None)
