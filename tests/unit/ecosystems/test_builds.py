"""Builds that are listed only: of an unnamed module, of Oracle's flavours, of a version that has no order."""

from __future__ import annotations

import pytest

from hullwise.domain.packages import Package
from hullwise.ecosystems import builds


def package(namespace: str, version: str, scope: str = "", source_version: str = "") -> Package:
    reader = {"debian:12": "dpkg", "alpine:3.19": "apk", "pypi": "pypi", "": "dpkg"}.get(namespace, "rpm")
    return Package(reader, namespace, "a", version, "a", source_version or version, "x86_64", scope)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (package("almalinux:8", "1:10.24.0-1.module_el8.3.0+2023+d2377ea3"), builds.UNLABELLED),
        (package("rocky:8", "1:10.24.0-1.module+el8.3.0+100+234774f7"), builds.UNLABELLED),
        (package("almalinux:8", "1:10.24.0-1.module_el8.3.0+2023+d2377ea3", "nodejs:10"), ""),
        (package("almalinux:8", "4.4.19-12.el8"), ""),
        (package("ol:7", "2:2.17-326.0.1.ksplice1.el7_9"), builds.FLAVOUR),
        (package("ol:9", "10:3.0.7-28.0.1.el9_4_fips"), builds.FLAVOUR),
        (package("ol:9", "1:3.0.7-28.0.1.el9_4"), ""),
        # Whoever else has such a version has no flavours.
        (package("rhel:9", "3.0.7-28.el9_fips"), ""),
        (package("debian:12", "1.0~fips"), ""),
    ],
)
def test_builds_that_advisories_are_not_about(found: Package, why: str) -> None:
    """Versions of `rpm -q`: of AlmaLinux 8.3's nodejs, and of Oracle's glibc and openssl."""
    assert builds.apart(found) == builds.unmatched(found) == why


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (package("alpine:3.19", "1.2.3-r1-foo"), builds.UNORDERED),
        (package("alpine:3.19", "1.2.3-r1"), ""),
        (package("alpine:3.19", ""), builds.UNKNOWN),
        (package("debian:12", "x:1"), builds.UNORDERED),
        # What advisories compare is the version of the source.
        (package("debian:12", "1.0-1", source_version="x:1"), builds.UNORDERED),
        (package("pypi", "2004d"), builds.UNORDERED),
        (package("", "x:1"), ""),
        (package("", ""), builds.UNKNOWN),
    ],
)
def test_versions_without_a_place(found: Package, why: str) -> None:
    """What cannot be compared is not judged, whatever advisories there are."""
    assert (builds.apart(found), builds.unmatched(found)) == ("", why)
