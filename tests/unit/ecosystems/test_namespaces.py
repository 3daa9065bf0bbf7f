"""Whose advisories speak of what. Expected values: distro-info-data, os-release of each distribution, OSV's schema."""

from __future__ import annotations

import pytest

from hullwise.domain.packages import Distribution
from hullwise.ecosystems.namespaces import debian_release, namespace, osv_namespace, scheme


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (Distribution("debian", "12", "bookworm"), "debian:12"),
        (Distribution("debian", "9"), "debian:9"),
        (Distribution("debian", "10.13"), "debian:10"),
        (Distribution("debian", "", "forky"), "debian:14"),
        (Distribution("debian", "", "sid"), "debian:sid"),
        (Distribution("debian", ""), "debian:sid"),
        (Distribution("debian", "twelve", "bookworm"), ""),
        (Distribution("ubuntu", "22.04", "jammy", ("debian",)), "ubuntu:22.04"),
        (Distribution("ubuntu", "25.10", "questing", ("debian",)), "ubuntu:25.10"),
        (Distribution("ubuntu", "", "noble", ("debian",)), "ubuntu:24.04"),
        (Distribution("ubuntu", "", "", ("debian",)), ""),
        (Distribution("raspbian", "11", "bullseye", ("debian",)), "debian:11"),
        (Distribution("pop", "22.04", "jammy", ("ubuntu", "debian")), "ubuntu:22.04"),
        (Distribution("linuxmint", "21.1", "vera", ("ubuntu", "debian")), ""),
        (Distribution("kali", "2024.1", "kali-rolling", ("debian",)), ""),
        (Distribution("devuan", "5", "daedalus", ("debian",)), ""),
        (Distribution("debian-like", "12", "bookworm"), ""),
        (Distribution("alpine", "3.19.1"), ""),
        (Distribution("npm", "1", "bookworm", ("debian",)), ""),
        (Distribution("linux", ""), ""),
        (None, ""),
    ],
)
def test_dpkg(distribution: Distribution | None, expected: str) -> None:
    """Debian and Ubuntu by version, else codename; relatives by the parent's codename alone; all others have none."""
    assert namespace("dpkg", distribution) == expected


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (Distribution("alpine", "3.19.1"), "alpine:3.19"),
        (Distribution("alpine", "3.9.6"), "alpine:3.9"),
        (Distribution("alpine", "3.21"), "alpine:3.21"),
        (Distribution("alpine", "3.19.0_rc1"), "alpine:3.19"),
        (Distribution("alpine", "3.20.0_alpha20240329"), "alpine:edge"),
        (Distribution("alpine", ""), "alpine:edge"),
        (Distribution("alpine", "x"), ""),
        (Distribution("wolfi", "20230201"), "wolfi"),
        (Distribution("chainguard", "20230214"), "chainguard"),
        (Distribution("postmarketos", "v23.06", "", ("alpine",)), ""),
        (Distribution("openwrt", "24.10"), ""),
        (Distribution("debian", "12"), ""),
        (None, ""),
    ],
)
def test_apk(distribution: Distribution | None, expected: str) -> None:
    """Alpine by branch, edge for snapshots; Wolfi and Chainguard have no releases."""
    assert namespace("apk", distribution) == expected


@pytest.mark.parametrize("distribution", [None, Distribution("debian", "12"), Distribution("alpine", "3.19.1")])
def test_languages(distribution: Distribution | None) -> None:
    """Language packages have one namespace, whatever is around them."""
    assert namespace("pypi", distribution) == "pypi"
    assert namespace("npm", distribution) == "npm"
    assert namespace("os-release", distribution) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Debian:12", "debian:12"),
        ("Debian:7", "debian:7"),
        ("Ubuntu:22.04:LTS", "ubuntu:22.04"),
        ("Ubuntu:25.10", "ubuntu:25.10"),
        ("Alpine:v3.19", "alpine:3.19"),
        ("Alpine:v3.5", "alpine:3.5"),
        ("Wolfi", "wolfi"),
        ("Chainguard", "chainguard"),
        ("PyPI", "pypi"),
        ("npm", "npm"),
        ("Debian", None),
        ("Ubuntu", None),
        ("Alpine", None),
        ("Ubuntu:Pro:22.04:LTS", None),
        ("Ubuntu:Pro:FIPS-updates:20.04:LTS", None),
        ("Ubuntu:22.04:LTS:for:NVIDIA:BlueField", None),
        ("PyPI:https://registry.example", None),
        ("pypi", None),
        ("Wolfi:1", None),
        ("Go", None),
        ("AlmaLinux:9", None),
        ("GIT", None),
        (":", None),
        ("", None),
    ],
)
def test_osv(text: str, expected: str | None) -> None:
    """OSV's ecosystems map to the namespaces of images; separate builds and unknown ones map to none."""
    assert osv_namespace(text) == expected


@pytest.mark.parametrize(
    ("codename", "expected"),
    [
        ("buster", "debian:10"),
        ("bullseye", "debian:11"),
        ("bookworm", "debian:12"),
        ("trixie", "debian:13"),
        ("forky", "debian:14"),
        ("sid", "debian:sid"),
        ("experimental", None),
        ("jammy", None),
        ("", None),
    ],
)
def test_debian_codenames(codename: str, expected: str | None) -> None:
    """The tracker's codenames map to Debian's releases."""
    assert debian_release(codename) == expected


@pytest.mark.parametrize(
    ("name", "lower", "higher"),
    [
        ("debian:12", "1.0~rc1-1", "1.0-1"),
        ("ubuntu:22.04", "9:1", "10:0"),
        ("alpine:3.19", "1.0_rc1-r0", "1.0-r0"),
        ("wolfi", "1.9-r0", "1.10-r0"),
        ("chainguard", "1.0-r9", "1.0-r10"),
        ("pypi", "1.0.dev1", "1.0a1"),
        ("npm", "1.0.0-alpha.9", "1.0.0-alpha.10"),
    ],
)
def test_schemes(name: str, lower: str, higher: str) -> None:
    """Each namespace orders versions as its packages are ordered."""
    key = scheme(name)
    assert key is not None
    assert key(lower) < key(higher)


@pytest.mark.parametrize("name", ["", "go", "rhel:9", ":12"])
def test_no_scheme(name: str) -> None:
    """An unknown namespace has no order."""
    assert scheme(name) is None
