"""The product against a second, plain reading of the same advisories."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hullwise.advisories.generation import Generation
from hullwise.domain.packages import Package
from tests.accuracy import inventories, oracle
from tests.accuracy.conftest import Loaded
from tests.accuracy.oracle import Advisories, Hits
from tests.accuracy.test_images import WHITEOUTS

pytestmark = pytest.mark.accuracy

Findings = set[tuple[frozenset[str], str]]
"""Of one package: the records of each vulnerability, and the fix that is shown."""


def _wanted(advisories: Advisories, hits: Hits, shown: Findings) -> Findings:
    """What the oracle finds. Where the records of a vulnerability differ in their fix, either may be shown."""
    fixes = dict(shown)
    found: Findings = set()
    for records in advisories.vulnerabilities(hits):
        offered = set().union(*(hits[record] for record in records)) or {""}
        found.add((records, fixes.get(records, "") if fixes.get(records, "") in offered else min(offered)))
    return found


@pytest.mark.parametrize("name", ["whiteouts", "python-small", "node-small", "distroless", "debian-slim"])
def test_every_package_of_an_image(
    loaded: Loaded, images: Path, advisories: Advisories, tmp_path: Path, name: str
) -> None:
    """For every package that the image holds, findings are the oracle's: vulnerabilities, records and fixes."""
    packages = (
        {row[:3] for row in WHITEOUTS}
        if name == "whiteouts"
        else inventories.installed(inventories.files(images / name), tmp_path)
    )
    ours: dict[tuple[str, str], Findings] = {}
    for finding in loaded.scan(images / name)["findings"]:
        key = finding["package_name"], finding["package_version"]
        ours.setdefault(key, set()).add((frozenset(finding["advisories"]), finding["fixed_version"]))
    theirs = {
        (package, version): _wanted(advisories, hits, ours.get((package, version), set()))
        for kind, package, version in packages
        if (hits := advisories.hits(kind, package, version))
    }
    assert ours == theirs


def _bounds(said: Any) -> Iterator[str]:
    if "fixed_version" in said:
        yield said["fixed_version"]
        return
    for turns in oracle.events(said):
        yield from (version for _, version in turns)
    # The oldest, and the newest: often one that no range reaches.
    yield from said.get("versions", ())[:1]
    yield from said.get("versions", ())[-1:]


READERS = {"pypi": ("pypi", "pypi"), "npm": ("npm", "npm"), "deb": ("dpkg", "debian:12")}


def test_every_bound_of_every_record(loaded: Loaded, advisories: Advisories) -> None:
    """At each version where a range of any record begins or ends, product and oracle say the same of the package."""
    head = json.loads((loaded.server.data / "advisories" / "head.json").read_text())
    differences, tested = [], 0
    with Generation(loaded.server.data / head["path"]) as generation:
        for (kind, name), records in advisories.said.items():
            ecosystem, namespace = READERS[kind]
            for version in {version for _, said in records for version in _bounds(said)}:
                package = Package(ecosystem, namespace, name, version, name, version, "", "")
                found = generation.match(package)
                ours = {(frozenset(record.id for record in one.records), one.fix) for one in found}
                theirs = _wanted(advisories, advisories.hits(kind, name, version), ours)
                tested += 1
                if ours != theirs:
                    differences.append((kind, name, version, ours ^ theirs))
    assert differences == []
    # Each of the 6,843 records of PyPI and npm that are not withdrawn has one bound at least, but many share theirs.
    assert tested > 10_000
