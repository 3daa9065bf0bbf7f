"""The reader of dpkg's databases. Expected values: deb822(5), dpkg(1), Debian Policy 5.6, real files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.dpkg import DPKG, STATUS
from hullwise.ecosystems.ecosystem import Reading, Unreadable

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
STATUS_FILE = "var/lib/dpkg/status.d/file"
INSTALLED = b"Status: install ok installed\n"


def names(data: bytes, path: str = STATUS) -> list[str]:
    return [package.name for package in DPKG.read(path, data).packages]


def stanza(name: str, *more: str) -> bytes:
    return "".join(line + "\n" for line in (f"Package: {name}", "Version: 1", *more)).encode() + INSTALLED + b"\n"


def test_real_status_file() -> None:
    """A real file gives its installed packages, with source name and version only where they differ."""
    data = (ASSETS / "debian-12.status").read_bytes()
    assert DPKG.read(STATUS, data).packages == (
        FoundPackage("apt", "2.6.1", architecture="amd64"),
        FoundPackage("bash", "5.2.15-2+b13", source_version="5.2.15-2", architecture="amd64"),
        FoundPackage("bsdutils", "1:2.38.1-5+deb12u3", "util-linux", "2.38.1-5+deb12u3", "amd64"),
        FoundPackage("libc6", "2.36-9+deb12u14", "glibc", architecture="amd64"),
        FoundPackage("zlib1g", "1:1.2.13.dfsg-1", "zlib", architecture="amd64"),
    )


def test_real_status_folder_file() -> None:
    """A file of the status folder has no Status: its package is installed."""
    data = (ASSETS / "distroless-libgcc-s1").read_bytes()
    expected = (FoundPackage("libgcc-s1", "12.2.0-14+deb12u1", "gcc-12", architecture="amd64"),)
    assert DPKG.read("var/lib/dpkg/status.d/libgcc-s1", data).packages == expected
    assert DPKG.read(STATUS, data).packages == ()


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("var/lib/dpkg/status", True),
        ("var/lib/dpkg/status.d/libc6", True),
        ("var/lib/dpkg/status.d/libc6.md5sums", True),
        ("var/lib/dpkg/info/libc6:amd64.md5sums", True),
        ("var/lib/dpkg/info/libc6:amd64.list", False),
        ("var/lib/dpkg/status.d/sub/libc6", False),
        ("var/lib/dpkg/status-old", False),
        ("var/lib/dpkg/available", False),
        ("srv/chroot/var/lib/dpkg/status", False),
        ("opt/vcpkg/installed/vcpkg/status", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """The database of the image itself is wanted, not its backup, checksums, or another tree's."""
    assert DPKG.claims(path) is claimed


@pytest.mark.parametrize(
    ("status", "installed"),
    [
        ("install ok installed", True),
        ("hold ok installed", True),
        ("deinstall ok installed", True),
        # Configured; it, or another package, has still to be told of a change (dpkg(1), "triggers-pending").
        ("install ok triggers-pending", True),
        ("install ok triggers-awaited", True),
        ("install ok unpacked", False),
        ("install ok half-configured", False),
        ("deinstall ok config-files", False),
        ("purge ok not-installed", False),
        ("install ok half-installed", False),
        ("install reinstreq installed", False),
        ("installed", False),
        ("", False),
    ],
)
def test_status_words(status: str, installed: bool) -> None:
    """The second and third word decide; what is wanted of the package (the first) does not."""
    assert names(f"Package: a\nVersion: 1\nStatus: {status}\n".encode()) == (["a"] if installed else [])


def test_status_of_a_folder_file_counts() -> None:
    """Where a file of the status folder has a Status, it is believed."""
    assert names(b"Package: a\nVersion: 1\nStatus: deinstall ok config-files\n", STATUS_FILE) == []


def test_continuation_lines_are_no_fields() -> None:
    """What looks like a field in a description belongs to the description."""
    text = "Description: a\n Package: b\n\tVersion: 2\n .\n Source: c (3)"
    assert DPKG.read(STATUS, stanza("a", text)).packages == (FoundPackage("a", "1"),)


def test_field_names_have_any_case_and_values_blanks() -> None:
    """Field names are not case-sensitive; blanks around values are not part of them."""
    data = b"PACKAGE:a \nversion:\t1\nStatus : install ok  installed \nSoUrCe:  b\t(2) \n"
    assert DPKG.read(STATUS, data).packages == (FoundPackage("a", "1", "b", "2"),)


@pytest.mark.parametrize("between", [b"\n", b"\n\n\n", b" \t\n", b"# comment\n\n", b"\r\n"])
def test_stanza_separators(between: bytes) -> None:
    """One empty line, several, or one of blanks parts stanzas; CRLF is a line end."""
    data = between.join(part.rstrip(b"\n") + b"\n" for part in (stanza("a"), stanza("b")))
    assert names(data) == ["a", "b"]
    assert names(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")) == ["a", "b"]


def test_end_of_file_without_newline() -> None:
    """The last line counts even if it has no end."""
    assert names(b"Package: a\nStatus: install ok installed\nVersion: 1") == ["a"]


def test_maintainers_in_another_encoding_do_no_harm() -> None:
    """Bytes that are not UTF-8, in fields that are not read, are passed over."""
    assert names(b"Maintainer: J\xf6rg \x00\n" + stanza("a")) == ["a"]


@pytest.mark.parametrize(
    "damaged",
    [
        b"Version: 1\n" + INSTALLED,
        b"Package:\nVersion: 1\n" + INSTALLED,
        b"Package: b c\nVersion: 1\n" + INSTALLED,
        b"Package: b/c\nVersion: 1\n" + INSTALLED,
        b"Package: b\xff\nVersion: 1\n" + INSTALLED,
        b"nonsense\n",
    ],
)
def test_damaged_stanza_is_passed_over(damaged: bytes) -> None:
    """One stanza without a usable name does not cost the others."""
    assert names(stanza("a") + damaged + b"\n" + stanza("z")) == ["a", "z"]


@pytest.mark.parametrize("version", [b"", b"Version: 1 2\n", b"Version:\n", b"Version: " + b"1" * 600 + b"\n"])
def test_a_package_without_a_usable_version_is_listed(version: bytes) -> None:
    """What is installed is shown, also where nothing can be compared; its source's version stands for nothing."""
    data = b"Package: b\nSource: c (3)\n" + version + INSTALLED
    assert DPKG.read(STATUS, data).packages == (FoundPackage("b", "", "c"),)


@pytest.mark.parametrize("source", ["", "b c", "(2)", "b/c"])
def test_unusable_source_is_as_none(source: str) -> None:
    """A Source that names no package leaves the package its own source."""
    assert DPKG.read(STATUS, stanza("a", f"Source: {source}")).packages[0].source_name == ""


def test_vcpkg_stanzas_are_passed_over() -> None:
    """vcpkg's stanzas, told by Port-Version or Feature, are not Debian's packages."""
    assert names(stanza("zlib", "Port-Version: 1") + stanza("curl", "Feature: ssl") + stanza("a")) == ["a"]


@pytest.mark.parametrize("data", [b"", b"\n\n", b" \r\n"])
def test_empty_file(data: bytes) -> None:
    """An empty database is an empty reading."""
    assert DPKG.read(STATUS, data) == Reading()


@pytest.mark.parametrize("data", [b"\x00", b"\x7fELF\x02\x01\x01", b"<html>\n<p>", b"Version: 1\n", b" Package: a"])
def test_not_a_control_file(data: bytes) -> None:
    """A file in which no stanza has a name is unreadable."""
    with pytest.raises(Unreadable):
        DPKG.read(STATUS, data)


def test_too_many_stanzas() -> None:
    """A file made to fill memory is unreadable."""
    with pytest.raises(Unreadable, match="100000"):
        DPKG.read(STATUS, b"Package: a\n\n" * 100_001)


@pytest.mark.wire
def test_dpkg_query_agrees(tmp_path: Path) -> None:
    """dpkg-query reads the same packages, sources and source versions from the real file."""
    dpkg_query = shutil.which("dpkg-query")
    if dpkg_query is None:
        pytest.skip("dpkg-query is not installed")
    shutil.copy(ASSETS / "debian-12.status", tmp_path / "status")
    fields = ("Package", "Version", "source:Package", "source:Version", "Architecture", "db:Status-Status")
    form = "\\t".join(f"${{{name}}}" for name in fields) + "\\n"
    run = subprocess.run(
        [dpkg_query, "--admindir", tmp_path, "-W", "-f", form], capture_output=True, text=True, check=True
    )
    expected = sorted(line.split("\t")[:5] for line in run.stdout.splitlines() if line.endswith("\tinstalled"))
    packages = DPKG.read(STATUS, (tmp_path / "status").read_bytes()).packages
    assert expected == sorted(
        [
            package.name,
            package.version,
            package.source_name or package.name,
            package.source_version or package.version,
            package.architecture,
        ]
        for package in packages
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [
        # apt-cache show: linux-image-6.1.0-28-amd64 of Debian 12, linux-image-5.15.0-100-generic of Ubuntu 22.04.
        ("linux-signed-amd64 (6.1.119+1)", "linux"),
        ("linux-signed-arm64 (6.1.119+1)", "linux"),
        # Debian 11 LTS (tracker: source package linux-6.1).
        ("linux-signed-6.1-amd64 (6.1.119+1~deb11u1)", "linux-6.1"),
        ("linux-signed", "linux"),
        ("linux-signed-aws", "linux-aws"),
        ("linux-signed-hwe-5.15", "linux-hwe-5.15"),
    ],
)
def test_a_signed_kernel_is_of_the_kernels_source(source: str, name: str) -> None:
    """In its own version: that of the signature is another."""
    (package,) = DPKG.read(STATUS, stanza("linux-image-x", f"Source: {source}", "Version: 6.1.119-1")).packages
    assert (package.source_name, package.source_version) == (name, "")
