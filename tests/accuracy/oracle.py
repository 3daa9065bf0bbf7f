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

Hits = dict[str, set[str]]
"""Ids of the records that say a version is affected, each with the versions that fix it by that record."""


@dataclass(frozen=True)
class Advisories:
    said: Mapping[tuple[str, str], list[tuple[str, Any]]]
    """By type of package and name: a record's id, and its OSV `affected` or its release of Debian's tracker."""
    aliases: Mapping[str, set[str]]
    """By record: the other ids of its vulnerability."""

    def hits(self, kind: str, name: str, version: str) -> Hits:
        """The records that say this version of the package is affected."""
        found: Hits = {}
        for record, said in self.said.get((kind, name), ()):
            fixes = _READERS[kind](said, version)
            if fixes is not None:
                found.setdefault(record, set()).update(fixes)
        return found

    def vulnerabilities(self, records: Iterable[str]) -> set[frozenset[str]]:
        """The records, those of one vulnerability together: any two that aliases link, but never across two CVEs."""
        left, groups = set(records), set()
        while left:
            linked = self._linked(min(left))
            if len([name for name in linked if name.startswith("CVE-")]) > 1:
                (cve,) = (name for name in self._names(min(left)) if name.startswith("CVE-"))
                linked = {record for record in left if cve in self._names(record)}
            groups.add(frozenset(linked & left))
            left -= linked
        return groups

    def _names(self, record: str) -> set[str]:
        return {record, *self.aliases.get(record, ())}

    def _linked(self, record: str) -> set[str]:
        """Every name that a chain of aliases leads to."""
        found, ahead = {record}, [record]
        while ahead:
            new = self._links.get(ahead.pop(), set()) - found
            found |= new
            ahead += new
        return found

    @functools.cached_property
    def _links(self) -> dict[str, set[str]]:
        links: dict[str, set[str]] = {}
        for record, aliases in self.aliases.items():
            for alias in aliases:
                links.setdefault(record, set()).add(alias)
                links.setdefault(alias, set()).add(record)
        return links


def load(advisories: Path) -> Advisories:
    """PyPI's and npm's OSV records, and what Debian's tracker says of bookworm."""
    said: dict[tuple[str, str], list[tuple[str, Any]]] = {}
    aliases: dict[str, set[str]] = {}
    for kind, archive in (("pypi", "PyPI-all.zip"), ("npm", "npm-all.zip")):
        for record in _documents(advisories / "osv" / archive):
            if record.get("withdrawn"):
                continue
            aliases[record["id"]] = set(record.get("aliases", ()))
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


def events(said: Any) -> list[list[tuple[str, str]]]:
    """Of an OSV `affected`: (kind, version) of the events of each range of versions. Those of commits are left out."""
    ranges = [r for r in said.get("ranges", ()) if r["type"] in {"SEMVER", "ECOSYSTEM"}]
    return [[turn for event in r["events"] for turn in event.items()] for r in ranges]


Order = Callable[[str], Any]
"""Something to compare versions by; None for a text that is no version."""


def _osv(said: Any, version: str, order: Order) -> set[str] | None:
    """The fix that an OSV `affected` names for a version, if any; None where the version is not affected."""
    if not _affected(said, version, order):
        return None
    fixes = {text for turns in events(said) for kind, text in turns if kind == "fixed" and order(text) is not None}
    mine = order(version)
    later = [text for text in fixes if mine is not None and order(text) > mine and not _affected(said, text, order)]
    return {min(later, key=order)} if later else set()


def _affected(said: Any, version: str, order: Order) -> bool:
    mine, listed = order(version), said.get("versions", ())
    if version in listed:
        return True
    return mine is not None and (
        any(order(other) == mine for other in listed) or any(_holds(turns, mine, order) for turns in events(said))
    )


def _holds(turns: list[tuple[str, str]], mine: Any, order: Order) -> bool:
    """The algorithm of the OSV schema (`Evaluation`): of the events in order, the last that applies decides.

    At one version `fixed` comes first, since adjoining ranges meet there (PYSEC-2022-42972), and `last_affected` last.
    """
    if any(version != "0" and order(version) is None for _, version in turns):
        return False
    from_start = [kind for kind, version in turns if version == "0"]
    others = sorted((order(version), _KINDS.index(kind)) for kind, version in turns if version != "0")
    vulnerable = "introduced" in from_start
    for bound, kind in ((bound, _KINDS[number]) for bound, number in others):
        if kind == "introduced" and mine >= bound:
            vulnerable = True
        if (kind == "fixed" and mine >= bound) or (kind == "last_affected" and mine > bound):
            vulnerable = False
    return vulnerable


_KINDS = ("fixed", "introduced", "last_affected")


@functools.cache
def _pep440(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None


@functools.cache
def _semver(version: str) -> Any:
    match = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?", version)
    if match is None:
        return None
    release = tuple(int(part or 0) for part in match.group(1, 2, 3))
    if match[4] is None:
        return release, 1, ()
    # semver.org 11.4: numbers before words, numbers as numbers, a longer list after its own beginning.
    return release, 0, tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in match[4].split("."))


def _debian(said: Any, version: str) -> set[str] | None:
    # The file has no other status: each of its issues is fixed in some version.
    assert said["status"] == "resolved", said
    return {said["fixed_version"]} if _older(version, said["fixed_version"]) else None


@functools.cache
def _older(one: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", one, "lt", other]).returncode == 0


_READERS: dict[str, Callable[[Any, str], set[str] | None]] = {
    "pypi": lambda said, version: _osv(said, version, _pep440),
    "npm": lambda said, version: _osv(said, version, _semver),
    "deb": _debian,
}
