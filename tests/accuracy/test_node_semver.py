"""Records on Node.js itself against node-semver, the one that npm brings along: its project's own tool asks it too."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from hullwise.advisories import matching
from hullwise.advisories.feeds import nodejs
from hullwise.versions import gem

pytestmark = [
    pytest.mark.accuracy,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed"),
]

SATISFIES = """
const { execFileSync } = require('node:child_process')
const root = execFileSync('npm', ['root', '--global'], { encoding: 'utf8' }).trim()
const semver = require(root + '/npm/node_modules/semver')
const { records, versions } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
const asked = { includePrerelease: true }
const vulnerable = ({ vulnerable, patched }, version) =>
  semver.satisfies(version, vulnerable, asked) && !semver.satisfies(version, patched, asked)
const found = Object.entries(records).map(([number, record]) =>
  [number, versions.filter((version) => vulnerable(record, version))])
console.log(JSON.stringify(Object.fromEntries(found)))
"""

DIFFERENT: dict[str, tuple[set[str], set[str]]] = {
    # `patched` has 4.4.2 alone: what follows it in its line has the fix too.
    "26": (set(), {"4.4.3", "4.99.0"}),
    # `patched` has 15.2.1 alone.
    "69": (set(), {"15.2.2", "15.99.0"}),
    # `8.5.0` goes on to ^8.6.0, and no release lies between them.
    "42": ({"8.5.1", "8.6.0-rc.1"}, set()),
    # `9.7.x` goes on to ^9.11.2: nothing between them is patched.
    "51": ({"9.10.0", "9.11.1"}, set()),
}
"""Where we differ, with reason: versions that we call affected and node-semver does not, and the other way round."""


def test_node_semver_gives_the_same_verdict(shared: Path) -> None:
    """On versions around each end of each record, prereleases included."""
    with zipfile.ZipFile(shared / "advisories" / "native" / "nodejs-core.zip") as archive:
        texts = {Path(name).stem: archive.read(name) for name in archive.namelist() if name.endswith(".json")}
    records = {number: json.loads(text) for number, text in texts.items()}
    versions = _around([record[key] for record in records.values() for key in ("vulnerable", "patched")])
    asked = json.dumps({"records": records, "versions": versions})
    answer = subprocess.run(["node", "-e", SATISFIES], input=asked, capture_output=True, text=True, check=True)
    theirs = {number: set(found) for number, found in json.loads(answer.stdout).items()}
    keys = {version: gem.key(version) for version in versions}
    compared, wrong = 0, {}
    for number, text in texts.items():
        parsed = nodejs.parse(text, f"{number}.json")
        if parsed.record is None:
            assert [unused.reason for unused in parsed.unused] == ["only on win32"]
            continue
        made, unusable = matching.claim(parsed.record.affected[0], gem.key)
        assert made is not None
        assert unusable == 0
        ours = {version for version in versions if made.holds(keys[version])}
        more, fewer = DIFFERENT.get(number, (set(), set()))
        assert more <= ours - theirs[number]
        assert fewer <= theirs[number] - ours
        if number not in DIFFERENT and ours != theirs[number]:
            wrong[number] = ours ^ theirs[number]
        compared += 1
    assert wrong == {}
    assert compared > 150


def _around(ranges: list[str]) -> list[str]:
    """Each version that a range names, its neighbours, a prerelease of it, and beginning and end of each line."""
    named = {tuple(map(int, numbers)) for text in ranges for numbers in re.findall(r"(\d+)\.(\d+)\.(\d+)", text)}
    lines = [(0, 10), (0, 12), *((major,) for major in range(4, 27))]
    found = {".".join(map(str, (*line, *(0, 0, 0))[:3])) for line in lines}
    found |= {f"{line[0]}.99.0" if len(line) == 1 else f"0.{line[1]}.99" for line in lines}
    for major, minor, patch in named:
        found |= {f"{major}.{minor}.{number}" for number in (max(patch - 1, 0), patch, patch + 1)}
        found |= {f"{major}.{max(minor - 1, 0)}.0", f"{major}.{minor}.{patch}-rc.1", f"{major}.0.0-rc.1"}
    return sorted(found)
