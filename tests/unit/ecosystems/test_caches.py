"""Caches of package managers are told by their folders. Expected values: what each of them made of a real download."""

from __future__ import annotations

import pytest

from hullwise.ecosystems import caches

YARN = "root/.cache/yarn/v6/npm-lodash-4.17.20-b44a9b6297bcb698f1c51a3545a2b3b368d59c52"


@pytest.mark.parametrize(
    ("path", "held"),
    [
        # yarn 1.22.22; without a checksum in the lock file the name ends in the digest.
        (f"{YARN}-integrity/node_modules/lodash/package.json", True),
        (f"{YARN}/node_modules/lodash/package.json", True),
        ("v6/npm-@a-b-1.0.0-0123-integrity/node_modules/@a/b/package.json", True),
        (f"{YARN}-integrity/package.json", False),
        ("app/npm-lodash-4.17.20-integrity/node_modules/lodash/package.json", False),
        ("app/v6/npm-tools/node_modules/lodash/package.json", False),
        ("app/node_modules/lodash/package.json", False),
    ],
)
def test_holds(path: str, held: bool) -> None:
    """What lies in the folder of a download, and nothing that is only called alike."""
    assert caches.holds(path) is held


@pytest.mark.parametrize("unit", ["a/", "v6/npm-", "-", "v1/", "npm-a-integrity/"])
def test_long_paths_take_no_time(unit: str) -> None:
    """Nothing is quadratic in the length of a path: a second holds thousands of the longest ones."""
    for _ in range(200):
        assert not caches.holds((unit * 4096)[:4096])
