"""The reader of apk's installed database. Expected values: apk-package(5) and a real file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.apk import APK
from hullwise.ecosystems.ecosystem import Reading, Unreadable

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
INSTALLED = "lib/apk/db/installed"


def test_real_database() -> None:
    """A real database gives its packages with their origins, without the virtual one."""
    data = (ASSETS / "alpine-3.14.installed").read_bytes()
    assert APK.read(INSTALLED, data).packages == (
        FoundPackage("musl", "1.2.2-r3", architecture="armv7"),
        FoundPackage("libcrypto1.1", "1.1.1k-r0", "openssl", architecture="armv7"),
        FoundPackage("boost1.75-log_setup", "1.75.0-r8", "boost1.75", architecture="armv7"),
    )


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("lib/apk/db/installed", True),
        ("usr/lib/apk/db/installed", True),
        ("lib/apk/db/installed.old", False),
        ("lib/apk/db/triggers", False),
        ("srv/lib/apk/db/installed", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """The database of the image is wanted in both places where apk keeps it."""
    assert APK.claims(path) is claimed


def test_letters_have_a_case() -> None:
    """`p:` (provides), `v:` and `O:` are other fields than `P:`, `V:` and `o:`."""
    data = b"P:a\nV:1-r0\np:cmd:b=2\nv:3\nO:c\na:0:0:755\n"
    assert APK.read(INSTALLED, data).packages == (FoundPackage("a", "1-r0"),)


@pytest.mark.parametrize("damaged", [b"V:1-r0\n", b"P:b c\nV:1-r0\n", b"P:.b\nV:1\n", b"b\n", b"\n\n", b"\n"])
def test_damaged_stanza_is_passed_over(damaged: bytes) -> None:
    """One stanza without a usable name, a virtual package, or a stray empty line, does not cost the others."""
    data = b"P:a\nV:1-r0\n\n" + damaged + b"\nP:z\nV:2-r0\n"
    assert [package.name for package in APK.read(INSTALLED, data).packages] == ["a", "z"]


@pytest.mark.parametrize("version", [b"", b"V:\n", b"V:\xff\n"])
def test_a_package_without_a_usable_version_is_listed(version: bytes) -> None:
    """What is installed is shown, also where nothing can be compared."""
    assert APK.read(INSTALLED, b"P:b\n" + version).packages == (FoundPackage("b", ""),)


def test_origin_may_be_a_path() -> None:
    """OpenWrt writes the path of its feed as the origin."""
    data = b"P:libopenssl3\nV:3.0.15-r1\nA:aarch64_cortex-a53\no:feeds/base/libs/openssl\n"
    expected = FoundPackage("libopenssl3", "3.0.15-r1", "feeds/base/libs/openssl", "", "aarch64_cortex-a53")
    assert APK.read(INSTALLED, data).packages == (expected,)


def test_line_ends() -> None:
    """CRLF and a last line without an end are read."""
    assert APK.read(INSTALLED, b"P:a\r\nV:1-r0\r\n\r\nV:2-r0\r\nP:b").packages == (
        FoundPackage("a", "1-r0"),
        FoundPackage("b", "2-r0"),
    )


def test_empty_file() -> None:
    """The database of an image without packages is empty, and so is its reading."""
    assert APK.read(INSTALLED, b"\n") == Reading()


@pytest.mark.parametrize("data", [b"\x00\x01", b"ADB.pckg", b"V:1-r0\n", b"Package: a\n"])
def test_not_a_database(data: bytes) -> None:
    """A file in which no stanza has a name is unreadable."""
    with pytest.raises(Unreadable):
        APK.read(INSTALLED, data)
