"""A second, plain reading of the advisories, to hold the product's against: slow, obvious, and none of its code.

PyPI versions are compared by `packaging`, Debian's by dpkg itself, npm's by the rules of semver.org written out here.
"""

from __future__ import annotations

import functools
import gzip
import json
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Name = tuple[str, str]
"""Type of a package URL, and what the advisories call the package."""


@dataclass(frozen=True)
class Advisories:
    said: Mapping[Name, list[tuple[str, Any]]]
    """What each record, by its id, says of a package: an OSV `affected`, or a release of Debian's tracker."""
    aliases: Mapping[str, frozenset[str]]
    """The other ids that a record gives to its vulnerability."""

    def hits(self, kind: str, name: str, version: str) -> dict[str, set[str]]:
        """Ids of the records that say this version is affected, each with the versions that it says fix that."""
        found: dict[str, set[str]] = {}
        for record, said in self.said.get((kind, name), ()):
            fixes = _READERS[kind](said, version)
            if fixes is not None:
                found.setdefault(record, set()).update(fixes)
        return found

    def vulnerabilities(self, records: Iterable[str]) -> set[frozenset[str]]:
        """The records, those of one vulnerability together: those that a chain of aliases links."""
        left, groups = set(records), set()
        while left:
            group = _reached(min(left), self._links)
            groups.add(frozenset(group & left))
            left -= group
        return groups

    @functools.cached_property
    def _links(self) -> dict[str, set[str]]:
        links: dict[str, set[str]] = {}
        for record, aliases in self.aliases.items():
            for alias in aliases:
                links.setdefault(record, set()).add(alias)
                links.setdefault(alias, set()).add(record)
        return links


def _reached(start: str, links: Mapping[str, set[str]]) -> set[str]:
    reached, ahead = {start}, [start]
    while ahead:
        new = links.get(ahead.pop(), set()) - reached
        reached |= new
        ahead += new
    return reached


def load(advisories: Path) -> Advisories:
    """PyPI's and npm's OSV records, and what Debian's tracker says of bookworm."""
    said: dict[Name, list[tuple[str, Any]]] = {}
    aliases: dict[str, frozenset[str]] = {}
    for kind, archive in (("pypi", "PyPI-all.zip"), ("npm", "npm-all.zip")):
        for record in _documents(advisories / "osv" / archive):
            if record.get("withdrawn"):
                continue
            aliases[record["id"]] = frozenset(record.get("aliases", ()))
            for affected in record.get("affected", ()):
                name = affected["package"]["name"]
                key = kind, canonicalize_name(name) if kind == "pypi" else name
                said.setdefault(key, []).append((record["id"], affected))
    (tracker,) = (advisories / "native").glob("debian-tracker-shape*.json.gz")
    for package, issues in json.loads(gzip.decompress(tracker.read_bytes())).items():
        for issue, about in issues.items():
            if "bookworm" in about["releases"]:
                said.setdefault(("deb", package), []).append((issue, about["releases"]["bookworm"]))
    return Advisories(said, aliases)


def _documents(archive: Path) -> Iterator[Any]:
    with zipfile.ZipFile(archive) as members:
        for name in members.namelist():
            yield json.loads(members.read(name))


def _osv(said: Any, version: str, order: Callable[[str], Any]) -> set[str] | None:
    """The fixes that an OSV `affected` names for a version; None where the version is not affected."""
    mine, fixes, affected = order(version), set(), False
    bounds: list[tuple[Any, str]] = []
    for events in (r["events"] for r in said.get("ranges", ()) if r["type"] in {"SEMVER", "ECOSYSTEM"}):
        fixed = sorted((order(e["fixed"]), e["fixed"]) for e in events if "fixed" in e)
        bounds += fixed
        if _holds(events, mine, order):
            affected = True
            fixes.update(text for bound, text in fixed if bound == _next(fixed, mine))
    if affected:
        return fixes
    if any(_same(listed, mine, order) for listed in said.get("versions", ())):
        return {text for bound, text in bounds if bound == _next(bounds, mine)}
    return None


def _same(listed: str, mine: Any, order: Callable[[str], Any]) -> bool:
    try:
        return bool(order(listed) == mine)
    except InvalidVersion:
        # PyPI's oldest releases, such as paramiko 0.1-bulbasaur: none that an image here holds.
        return False


def _next(bounds: list[tuple[Any, str]], mine: Any) -> Any:
    return min((bound for bound, _ in bounds if bound > mine), default=None)


def _holds(events: list[dict[str, str]], mine: Any, order: Callable[[str], Any]) -> bool:
    """The algorithm of the OSV schema (`Evaluation`): of the events in order, the last that applies decides."""
    vulnerable = False
    turns = [turn for event in events for turn in event.items()]
    for kind, version in sorted(turns, key=lambda turn: (turn[1] != "0", turn[1] != "0" and order(turn[1]))):
        if kind == "introduced" and (version == "0" or mine >= order(version)):
            vulnerable = True
        if (kind == "fixed" and mine >= order(version)) or (kind == "last_affected" and mine > order(version)):
            vulnerable = False
    return vulnerable


_python = functools.cache(Version)


@functools.cache
def _semver(version: str) -> Any:
    match = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?", version)
    assert match is not None, version
    release = tuple(int(part or 0) for part in match.group(1, 2, 3))
    if match[4] is None:
        return release, 1, ()
    # semver.org 11.4: numbers before words, numbers as numbers, a longer list after its own beginning.
    return release, 0, tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in match[4].split("."))


@functools.cache
def _older(one: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", one, "lt", other]).returncode == 0


def _debian(said: Any, version: str) -> set[str] | None:
    # The file has no other status: each of its issues is fixed in some version.
    assert said["status"] == "resolved", said
    return {said["fixed_version"]} if _older(version, said["fixed_version"]) else None


_READERS: dict[str, Callable[[Any, str], set[str] | None]] = {
    "pypi": lambda said, version: _osv(said, version, _python),
    "npm": lambda said, version: _osv(said, version, _semver),
    "deb": _debian,
}
