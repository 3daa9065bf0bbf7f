"""npm's order against node-semver, the one that npm itself brings along, where npm is installed."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

from hullwise.versions import semver
from hullwise.versions.invalid import InvalidVersion

COMPARE = """
const { execFileSync } = require('node:child_process')
const root = execFileSync('npm', ['root', '--global'], { encoding: 'utf8' }).trim()
const semver = require(root + '/npm/node_modules/semver')
const lines = require('node:fs').readFileSync(0, 'utf8').split('\\n').slice(0, -1)
for (const line of lines) {
  const [left, right] = line.split('\\t')
  const valid = semver.valid(left) && semver.valid(right)
  console.log(valid ? { '-1': 'lt', 0: 'eq', 1: 'gt' }[semver.compare(left, right)] : 'refused')
}
"""

NUMBERS = ["0", "1", "2", "9", "10", "131", "132", "255", "256", "65536", "9007199254740991"]
IDENTIFIERS = ["0", "1", "2", "10", "256", "a", "A", "ab", "alpha", "beta", "rc", "rc1", "-", "--", "-1", "1a"]
SPOILT_NUMBERS = ["9007199254740992", "01"]
SPOILT_IDENTIFIERS = ["01", ""]


def hostile_pairs(count: int) -> list[tuple[str, str]]:
    """Versions of the specification's parts, some of them spoilt, each beside one that shares most of them."""
    dice = random.Random(27_182)

    def numbers() -> list[str]:
        return dice.choices(NUMBERS * 8 + SPOILT_NUMBERS * 2, k=dice.choice([3] * 7 + [2, 4]))

    def identifiers(most: int) -> list[str]:
        return dice.choices(IDENTIFIERS * 8 + SPOILT_IDENTIFIERS, k=dice.randrange(most + 1))

    def text(release: list[str], pre: list[str]) -> str:
        build = identifiers(1)
        written = dice.choice(["", "", "", "", "v", "=", " ", "v "]) + ".".join(release)
        return written + ("-" + ".".join(pre) if pre else "") + ("+" + ".".join(build) if build else "")

    pairs = []
    for _ in range(count):
        release, pre = numbers(), identifiers(3)
        other_release = release if dice.random() < 0.6 else numbers()
        other_pre = dice.choice([pre, identifiers(3), pre + identifiers(1)])
        pairs.append((text(release, pre), text(other_release, other_pre)))
    return pairs


def relation(left: str, right: str) -> str:
    """What our keys say."""
    try:
        lower, higher = semver.key(left), semver.key(right)
    except InvalidVersion:
        return "refused"
    return "eq" if lower == higher else "lt" if lower < higher else "gt"


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_node_semver_itself_agrees() -> None:
    """node-semver gives the same verdict on thousands of pairs. What it refuses we may take: see `semver.key`."""
    pairs = hostile_pairs(5_000)
    lines = "".join(f"{left}\t{right}\n" for left, right in pairs)
    answer = subprocess.run(["node", "-e", COMPARE], input=lines, capture_output=True, text=True, check=True)
    verdicts = answer.stdout.split()
    assert len(verdicts) == len(pairs)
    assert all(verdicts.count(verdict) > 100 for verdict in ("lt", "eq", "gt", "refused"))
    wrong = [
        (*pair, verdict)
        for pair, verdict in zip(pairs, verdicts, strict=True)
        if verdict != "refused" and relation(*pair) != verdict
    ]
    assert wrong == []
