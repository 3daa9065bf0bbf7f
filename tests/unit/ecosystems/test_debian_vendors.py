"""Packages of others in dpkg's database are told by signs that no package of Debian or Ubuntu has."""

from __future__ import annotations

import pytest

from hullwise.domain.packages import Distribution
from hullwise.ecosystems.debian_vendors import builder
from hullwise.ecosystems.dpkg import DPKG, STATUS
from hullwise.ecosystems.namespaces import strangers

DEBIANS = "Debian PostgreSQL Maintainers <team+postgresql@tracker.debian.org>"


@pytest.mark.parametrize(
    ("version", "maintainer", "expected"),
    [
        ("18.20.4-1nodesource1", "Ivan Iguaran <ivan@nodesource.com>", "NodeSource"),
        ("16.20.2-deb-1nodesource1", "", "NodeSource"),
        ("15.1-1.pgdg120+1", DEBIANS, "PostgreSQL"),
        ("248.pgdg22.04+1", DEBIANS, "PostgreSQL"),
        ("1:10.11.2+maria~deb12", "MariaDB Developers <maria-developers@lists.launchpad.net>", "MariaDB"),
        ("8.2.10-2+0~20230905.50+debian12~1.gbp1b2c3d", DEBIANS, "deb.sury.org"),
        ("8.1.2-1+ubuntu22.04.1+deb.sury.org+1", DEBIANS, "deb.sury.org"),
        ("1:2.39.2-0ppa1~ubuntu22.04.1", "Jonathan Nieder <jrnieder@gmail.com>", "a personal archive"),
        ("1.25.0-1~bookworm", "NGINX Packaging <nginx-packaging@f5.com>", "a repository for one release"),
        ("5:24.0.5-1~debian.12~bookworm", "Docker <support@docker.com>", "a repository for one release"),
        ("5:24.0.5-1~ubuntu.22.04~jammy", "", "a repository for one release"),
        ("6:7.2.0-1rl1~bookworm1", "", "a repository for one release"),
        ("3.11.4-1+jammy1", "", "a repository for one release"),
        ("7.25.0-1bullseye", "", "a repository for one release"),
        # Told by the maintainer alone.
        ("1.6.22-1", "Containerd team <help@containerd.io>", "Docker"),
        ("8.0.34-1debian12", "MySQL Release Engineering <mysql-build@oss.oracle.com>", "MySQL"),
        ("8.9.1", "Elastic Packages <info@Elastic.co>", "Elastic"),
    ],
)
def test_builds_of_others(version: str, maintainer: str, expected: str) -> None:
    """Versions and maintainers as `dpkg -s` shows them of packages from the repositories named beside the table."""
    assert builder(version, maintainer, "") == expected


@pytest.mark.parametrize(
    "version",
    [
        "2.36-9+deb12u14", "20230311+deb12u1~deb11u1", "11.0.23+9-1~deb12u1", "6.7.12-1~bpo12+1", "1.0.1t-1+deb8u12",
        "0.9.8o-4squeeze23", "1.2.3-2+squeeze1", "3.0.4-3+wheezy1", "1.4.2-1~squeeze1", "5.2.15-2+b13",
        "3.2.4+debian-1", "2.31.18+debian0-2", "0.01.1~debian-5", "1.5beta7+debian-4.1+b1", "0.4.0+debian-1",
        "5.15.0-100.110", "1.18.0-6ubuntu14.4", "3.0.2-0ubuntu1.10", "20230311ubuntu0.22.04.1", "249.11-0ubuntu3.12",
        "23.1.2-0ubuntu0~22.04.1", "1.7.2-0ubuntu1~22.04.1", "7.68.0-1ubuntu2.25+esm1", "2.4.4-1ubuntu0.3~esm1",
        "27.14.4~22.04", "1.2.3-1build1", "2.0-1ubuntu1~ubuntu12.04.1", "1:1snap1-0ubuntu2", "1.0-2~precise1",
    ],
)  # fmt: skip
def test_builds_of_the_distribution(version: str) -> None:
    """Debian's updates, backports and repacked sources, Ubuntu's in each of their forms; whoever maintains them."""
    for maintainer in (
        DEBIANS,
        "Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>",
        "Debian Bazel Team <bazel-team@lists.launchpad.net>",
        "Brandon Weeks <bweeks@google.com>",
        "Alex Doyle <adoyle@nvidia.com>",
        "",
    ):
        assert builder(version, maintainer, "") == ""


def test_stated_fields() -> None:
    """fpm writes `Vendor` into every package, and Debian's own tools never. `Origin` may be the distribution's."""
    read = DPKG.read(
        STATUS,
        b"Package: a\nStatus: install ok installed\nVersion: 1\nVendor: HashiCorp\n\n"
        b"Package: b\nStatus: install ok installed\nVersion: 1\nOrigin: NVIDIA\n\n"
        b"Package: c\nStatus: install ok installed\nVersion: 1\nOrigin: Ubuntu\n\n"
        b"Package: d\nStatus: install ok installed\nVersion: 1\nMaintainer: J\xf6rg <j@docker.com>\n",
    )
    assert {found.name: found.vendor for found in read.packages} == {
        "a": "HashiCorp", "b": "NVIDIA", "c": "", "d": "Docker",
    }  # fmt: skip


def test_they_are_strangers_to_debian_and_ubuntu() -> None:
    """All that have a name here, even where no other package is left."""
    debian, none = Distribution("debian", "12", codename="bookworm"), Distribution("linuxmint", "21", codename="vera")
    assert strangers("dpkg", debian, {"NodeSource", ""}) == {"NodeSource"}
    assert strangers("dpkg", none, {"NodeSource"}) == set()


def test_who_builds_a_distribution_is_no_stranger_to_it() -> None:
    """Echo's packages may say that they are Echo's, as its records have it; elsewhere they are another's."""
    echo, debian = Distribution("echo", "", "", (), "Echo"), Distribution("debian", "12", "bookworm", (), "Debian")
    assert strangers("dpkg", echo, {"Echo", "NodeSource"}) == {"NodeSource"}
    assert strangers("dpkg", debian, {"Echo"}) == {"Echo"}
