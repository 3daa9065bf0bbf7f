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
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Records = dict[tuple[str, str], list[tuple[str, Any]]]
"""(type, package name) to (record id, what it says)."""


def load(advisories: Path) -> Records:
    found: Records = defaultdict(list)
    for kind, archive in (("pypi", "PyPI-all.zip"), ("npm", "npm-all.zip")):
        with zipfile.ZipFile(advisories / "osv" / archive) as members:
            for name in members.namelist():
                record = json.loads(members.read(name))
                if record.get("withdrawn"):
                    continue
                for affected in record.get("affected", []):
                    package = affected["package"]["name"]
                    found[kind, canonicalize_name(package) if kind == "pypi" else package].append(
                        (record["id"], affected)
                    )
    for tracker in (advisories / "native").glob("debian-tracker-shape*.json.gz"):
        for package, issues in json.loads(gzip.decompress(tracker.read_bytes())).items():
            for issue, said in issues.items():
                if "bookworm" in said["releases"]:
                    found["deb", package].append((issue, said["releases"]["bookworm"]))
    return found


def hits(records: Records, kind: str, name: str, version: str) -> set[str]:
    """Ids of the records that say this version is affected."""
    affected = {"pypi": _osv(_python), "npm": _osv(_semver), "deb": _debian}[kind]
    return {record_id for record_id, said in records.get((kind, name), []) if affected(said, version)}


def _osv(key: Callable[[str], Any]) -> Callable[[Any, str], bool]:
    def affected(said: Any, version: str) -> bool:
        if version in said.get("versions", []):
            return True
        mine = key(version)
        if any(key(listed) == mine for listed in said.get("versions", []) if key(listed) is not None):
            return True
        ranges = [r for r in said.get("ranges", []) if r["type"] in {"SEMVER", "ECOSYSTEM"}]
        return any(_holds(list(_events(r)), mine, key) for r in ranges)

    return affected


def _events(said: Any) -> Iterator[tuple[str, str]]:
    for event in said["events"]:
        yield from event.items()


def _holds(events: list[tuple[str, str]], mine: Any, key: Callable[[str], Any]) -> bool:
    """The algorithm of the OSV schema ("Evaluation"): events in order, the last one that applies decides."""
    vulnerable = False
    for kind, version in events:
        bound = None if version == "0" else key(version)
        if version != "0" and bound is None:
            return False
        if kind == "introduced" and (version == "0" or mine >= bound):
            vulnerable = True
        elif (kind == "fixed" and mine >= bound) or (kind == "last_affected" and mine > bound):
            vulnerable = False
    return vulnerable


@functools.cache
def _python(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None


@functools.cache
def _semver(version: str) -> Any:
    match = re.fullmatch(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?", version)
    if match is None:
        return None
    release = tuple(int(part or 0) for part in match.group(1, 2, 3))
    if match[4] is None:
        return release, 1, ()
    # semver.org 11.4: numbers before words, numbers as numbers, a longer list after its own beginning.
    return release, 0, tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in match[4].split("."))


@functools.cache
def _older(one: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", one, "lt", other]).returncode == 0


def _debian(said: Any, version: str) -> bool:
    if said["status"] == "open":
        return True
    return said["status"] == "resolved" and said["fixed_version"] != "0" and _older(version, said["fixed_version"])
