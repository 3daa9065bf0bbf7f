"""The reader of Composer's installed.json. Expected values: a file that Composer wrote, its schema's documentation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.php import PACKAGIST

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
INSTALLED = "srv/vendor/composer/installed.json"
BOTH = (FoundPackage("acme/checks", "2.0.0-beta1"), FoundPackage("acme/widget", "v1.2.3"))


def test_real_file() -> None:
    """Both packages that Composer 2 installed, the development package among them, versions as written."""
    assert PACKAGIST.read(INSTALLED, (ASSETS / "composer-2.5.installed.json").read_bytes()).packages == BOTH


def test_list_of_composer_1() -> None:
    """Composer 1 wrote the list alone."""
    packages = json.loads((ASSETS / "composer-2.5.installed.json").read_bytes())["packages"]
    assert PACKAGIST.read(INSTALLED, json.dumps(packages).encode()).packages == BOTH


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        (INSTALLED, True),
        ("composer/installed.json", True),
        ("var/www/nextcloud/3rdparty/composer/installed.json", True),
        ("srv/vendor/installed.json", False),
        ("srv/vendor/composer/installed.php", False),
        ("srv/vendor/composer/sub/installed.json", False),
        ("srv/vendor/mycomposer/installed.json", False),
        ("composer.lock", False),
        ("srv/composer.json", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """Only Composer's folder in the vendor folder says what is installed; lock files do not."""
    assert PACKAGIST.claims(path) is claimed


def test_what_is_no_package_is_passed_over() -> None:
    """Metapackages bring no files; a name has one vendor; a version that is no text leaves the package unmatched."""
    packages = [
        {"name": "a/meta", "version": "1.0", "type": "metapackage"},
        {"name": "plain", "version": "1.0"},
        {"name": "a/b/c", "version": "1.0"},
        {"name": "/b", "version": "1.0"},
        {"version": "1.0"},
        {"name": "a/" + "b" * 256, "version": "1.0"},
        {"name": "a/b\u001b", "version": "1.0"},
        {"name": "Acme/Lib", "version": "dev-main"},
        {"name": "a/b", "version": "1" * 257},
        {"name": "a/b", "version": "1" * 257},
    ]
    found = PACKAGIST.read(INSTALLED, json.dumps({"packages": packages}).encode()).packages
    assert found == (FoundPackage("Acme/Lib", "dev-main"), FoundPackage("a/b", ""))


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"null",
        b'"a"',
        b"[1]",
        b'{"packages": {}}',
        b'{"packages": [{"name": 1}]}',
        b'{"packages": [',
        b'{"packages": [{"name": "\xff/a"}]}',
        b"[" * 100_000,
        b"[" + b"{}," * 600_000 + b"{}]",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_damaged(data: bytes) -> None:
    """No JSON, other types where packages are due, depth or objects without end: unreadable."""
    with pytest.raises(Unreadable):
        PACKAGIST.read(INSTALLED, data)


@pytest.mark.parametrize("data", [b"", b"\n", b"[]", b"{}", b'{"packages": []}'])
def test_nothing_is_installed(data: bytes) -> None:
    """An empty list is no damage."""
    assert PACKAGIST.read(INSTALLED, data) == Reading()
