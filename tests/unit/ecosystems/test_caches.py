"""Caches of package managers are told by their folders. Expected values: what each of them made of a real download."""

from __future__ import annotations

import pytest

from hullwise.ecosystems import caches

YARN = "root/.cache/yarn/v6/npm-lodash-4.17.20-b44a9b6297bcb698f1c51a3545a2b3b368d59c52"

UV = "root/.cache/uv"


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
        # uv 0.13.9, and 0.4, whose ids are longer.
        (f"{UV}/archive-v0/2iDOWwFNSskz2x8w/Jinja2-2.10.dist-info/METADATA", True),
        ("archive-v0/4xLZdfZ7UF2cLTLyvYPDe/Jinja2-2.10.dist-info/METADATA", True),
        (f"{UV}/archive-v0/j2RYqx7D76jt5K7r/setuptools/_vendor/tomli-2.4.0.dist-info/METADATA", True),
        (f"{UV}/archive-v0/GooMWPzWyKWD_z_I/lib/python3.11/site-packages/six-1.16.0.dist-info/METADATA", False),
        (f"{UV}/archive-v0/GooMWPzWyKWD_z_I", False),
        (f"{UV}/sdists-v11/pypi/docopt/0.6.2/al8DNg74Uv6ozBKE/src/docopt.egg-info/PKG-INFO", True),
        (f"{UV}/sdists-v11/index/b2a7eb67/docopt/0.6.2/al8DNg74Uv6ozBKE/src/docopt.egg-info/PKG-INFO", True),
        ("srv/archive-v1/backup/a-1.dist-info/METADATA", False),
        # Packages of conda-forge, unpacked.
        ("opt/conda/pkgs/jinja2-3.1.6-pyhd8ed1ab_0/site-packages/jinja2-3.1.6.dist-info/METADATA", True),
        (
            "opt/conda/pkgs/zope.interface-7.2-py311h9ecbd09_0/lib/python3.11/site-packages"
            "/zope.interface-7.2.dist-info/METADATA",
            True,
        ),
        ("opt/conda/lib/python3.11/site-packages/jinja2-3.1.6.dist-info/METADATA", False),
        ("opt/conda/envs/a/lib/python3.11/site-packages/jinja2-3.1.6.dist-info/METADATA", False),
        ("srv/pkgs/my-own-api/node_modules/ms/package.json", False),
        ("srv/pkgs/my-own-api/.venv/lib/python3.11/site-packages/six-1.16.0.dist-info/METADATA", False),
    ],
)
def test_holds(path: str, held: bool) -> None:
    """What lies in the folder of a download, and nothing that is only called alike."""
    assert caches.holds(path) is held


@pytest.mark.parametrize(
    "unit",
    [
        "a/",
        "v6/npm-",
        "-",
        "v1/",
        "npm-a-integrity/",
        "archive-v0/aaaaaaaaaaaaaaaa/",
        "sdists-v1/",
        "pkgs/",
        "pkgs/a-1-",
    ],
)
def test_long_paths_take_no_time(unit: str) -> None:
    """Nothing is quadratic in the length of a path: a second holds thousands of the longest ones."""
    for _ in range(200):
        caches.holds((unit * 4096)[:4096])
