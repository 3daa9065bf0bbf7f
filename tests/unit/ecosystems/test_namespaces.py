"""Whose advisories speak of what. Expected values: distro-info-data, os-release of each distribution, OSV's schema."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hullwise.domain.packages import Distribution
from hullwise.ecosystems.namespaces import (
    PUBLISHERS,
    SYSTEM,
    canonical_name,
    debian_release,
    namespace,
    of_system,
    osv_namespace,
    scheme,
    strangers,
)
from hullwise.versions.invalid import InvalidVersion


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
        (Distribution("minimos", "20241031"), "minimos"),
        (Distribution("alpaquita", "23"), "alpaquita:23"),
        (Distribution("alpaquita", "stream"), "alpaquita:stream"),
        (Distribution("bellsoft-hardened-containers", "25"), "bellsoft-hardened-containers:25"),
        (Distribution("postmarketos", "v23.06", "", ("alpine",)), ""),
        (Distribution("openwrt", "24.10"), ""),
        (Distribution("debian", "12"), ""),
        (None, ""),
    ],
)
def test_apk(distribution: Distribution | None, expected: str) -> None:
    """Alpine by branch, edge for snapshots; BellSoft's by release; Wolfi, Chainguard and MinimOS have none."""
    assert namespace("apk", distribution) == expected


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (Distribution("almalinux", "9.4", "", ("rhel", "centos", "fedora")), "almalinux:9"),
        (Distribution("almalinux", "8"), "almalinux:8"),
        (Distribution("rocky", "8.6", "", ("rhel", "centos", "fedora")), "rocky:8"),
        (Distribution("azurelinux", "3.0"), "azurelinux:3"),
        (Distribution("mariner", "2.0"), "azurelinux:2"),
        (Distribution("mageia", "9", "", ("mandriva", "fedora")), "mageia:9"),
        (Distribution("opensuse-leap", "15.6", "", ("suse", "opensuse")), "opensuse-leap:15.6"),
        (Distribution("opensuse-tumbleweed", "20240801", "", ("opensuse", "suse")), "opensuse-tumbleweed"),
        (Distribution("opensuse-tumbleweed", "", "", ("opensuse", "suse")), ""),
        (Distribution("almalinux", ""), ""),
        (Distribution("almalinux", "nine"), ""),
        (Distribution("centos", "8", "", ("rhel", "fedora"), "CentOS Linux 8"), "rhel:8"),
        (Distribution("centos", "8", "", ("rhel", "fedora"), "CentOS Stream 8"), ""),
        (Distribution("centos", "9", "", ("rhel", "fedora"), "CentOS Stream 9"), ""),
        (Distribution("rhel", "9.4", "Plow", ("fedora",)), "rhel:9"),
        (Distribution("sles", "15.5", "", ("suse",)), "sles:15.5"),
        (Distribution("sles", "15", "", ("suse",)), "sles:15"),
        (Distribution("ol", "9.3", "", ("fedora",)), "ol:9"),
        (Distribution("amzn", "2", "", ("centos", "rhel", "fedora")), "amzn:2"),
        (Distribution("amzn", "2018.03", "", ("rhel", "fedora")), "amzn:1"),
        (Distribution("amzn", "2023", "", ("fedora",)), "amzn:2023"),
        (Distribution("photon", "5.0"), "photon:5.0"),
        (Distribution("openeuler", "22.03", "", (), "openEuler 22.03 (LTS-SP3)"), "openeuler:22.03-LTS-SP3"),
        (Distribution("openeuler", "24.03", "", (), "openEuler 24.03 (LTS)"), "openeuler:24.03-LTS"),
        (Distribution("openeuler", "22.03", "", (), "openEuler 22.03 LTS"), "openeuler:22.03-LTS"),
        (Distribution("openeuler", "25.03", "", (), "openEuler 25.03"), "openeuler:25.03"),
        (Distribution("debian", "12", "bookworm"), ""),
        (Distribution("go", "1"), ""),
        (None, ""),
    ],
)
def test_rpm(distribution: Distribution | None, expected: str) -> None:
    """By major release where advisories are; rebuilds of another distribution's packages have none of their own."""
    assert namespace("rpm", distribution) == expected


@pytest.mark.parametrize("distribution", [None, Distribution("debian", "12"), Distribution("alpine", "3.19.1")])
def test_languages(distribution: Distribution | None) -> None:
    """Language packages have one namespace, whatever is around them."""
    languages = "pypi npm go crates.io rubygems packagist maven nuget hex pub bitnami runtime"
    for name in languages.split():
        assert namespace(name, distribution) == name
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
        ("Bitnami", "bitnami"),
        ("Bitnami:12", None),
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
        ("Go", "go"),
        ("crates.io", "crates.io"),
        ("RubyGems", "rubygems"),
        ("Packagist", "packagist"),
        ("Maven", "maven"),
        ("NuGet", "nuget"),
        ("Hex", "hex"),
        ("Pub", "pub"),
        ("AlmaLinux:9", "almalinux:9"),
        ("AlmaLinux:10", "almalinux:10"),
        ("Rocky Linux:8", "rocky:8"),
        ("Azure Linux:3", "azurelinux:3"),
        ("Azure Linux:2", "azurelinux:2"),
        ("Mageia:9", "mageia:9"),
        ("openEuler:22.03-LTS-SP3", "openeuler:22.03-LTS-SP3"),
        ("openEuler:24.03-LTS", "openeuler:24.03-LTS"),
        ("MinimOS", "minimos"),
        ("Alpaquita:stream", "alpaquita:stream"),
        ("BellSoft Hardened Containers:23", "bellsoft-hardened-containers:23"),
        ("Echo", "echo"),
        ("Echo:PyPI", None),
        ("openSUSE:Leap 15.6", "opensuse-leap:15.6"),
        ("openSUSE:Tumbleweed", "opensuse-tumbleweed"),
        ("AlmaLinux", None),
        ("Rocky Linux", None),
        ("Mageia", None),
        ("openSUSE", None),
        ("runtime", None),
        ("openSUSE:Leap Micro 5.5", None),
        ("openSUSE:Leap 15.6 NonFree", None),
        ("SUSE:Linux Enterprise Server 15 SP5", "sles:15.5"),
        ("SUSE:Linux Enterprise Server 12 SP5", "sles:12.5"),
        ("SUSE:Linux Enterprise Server 15", "sles:15"),
        ("SUSE:Linux Enterprise Server 16.0", "sles:16.0"),
        ("SUSE:Linux Enterprise Desktop 15 SP6", "sles:15.6"),
        ("SUSE:Linux Enterprise Software Development Kit 12 SP5", "sles:12.5"),
        ("SUSE:Linux Enterprise Module for Basesystem 15 SP6", "sles:15.6"),
        ("SUSE:Linux Enterprise Module for Python 3 15 SP6", "sles:15.6"),
        ("SUSE:Linux Enterprise Module for Public Cloud 15 SP6", "sles:15.6"),
        ("SUSE:Linux Enterprise Server 15 SP4-LTSS", None),
        ("SUSE:Linux Enterprise Server 15 SP4-ESPOS", None),
        ("SUSE:Linux Enterprise Server for SAP Applications 15 SP6", None),
        ("SUSE:Linux Enterprise Module for SAP Applications 15 SP6", None),
        ("SUSE:Linux Enterprise Module for HPC 15 SP6", None),
        ("SUSE:Linux Enterprise Live Patching 15 SP6", None),
        ("SUSE:Linux Enterprise High Performance Computing 15 SP5", None),
        ("SUSE:Linux Enterprise Real Time 15 SP6", None),
        ("SUSE:Linux Enterprise Micro 5.5", None),
        ("SUSE:Manager Server 4.3", None),
        ("SUSE", None),
        ("SUSE:", None),
        ("Red Hat:enterprise_linux:9::baseos", "rhel:9"),
        ("Red Hat:enterprise_linux:8::appstream", "rhel:8"),
        ("Red Hat:enterprise_linux:9::highavailability", "rhel:9"),
        ("Red Hat:enterprise_linux:8::supplementary", "rhel:8"),
        ("Red Hat:enterprise_linux:10.1", "rhel:10"),
        ("Red Hat:rhel_eus:9.4::appstream", None),
        ("Red Hat:enterprise_linux:9::hypervisor", None),
        ("Red Hat:enterprise_linux_eus:10.0", None),
        ("Maven:https://maven.google.com", None),
        ("maven", None),
        ("Go:1", None),
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
        ("almalinux:9", "1:2.06-27.el9_0.7.alma", "1:2.06-27.el9_0.12.alma"),
        ("rocky:8", "1.0~rc1-1.el8", "1.0-1.el8"),
        ("azurelinux:3", "9-1.azl3", "10-1.azl3"),
        ("mageia:9", "1.0-1.mga9", "1.0-1.1.mga9"),
        ("opensuse-leap:15.6", "1.10-150200.10.1", "1.10-150200.13.1"),
        ("opensuse-tumbleweed", "3.4.1-1.1", "3.4.1-1.10"),
        ("go", "go1.22rc1", "1.22.0"),
        ("crates.io", "0.9.0-alpha.1", "0.9.0"),
        ("rubygems", "1.0.rc1", "1.0"),
        ("packagist", "1.0-beta2", "v1.0.0"),
        ("maven", "1.0-SNAPSHOT", "1.0.Final"),
        ("nuget", "1.0.0-RC", "1.0.0.1"),
        ("hex", "1.0.0-rc.1", "1.0.0"),
        ("pub", "1.0.0-dev.9", "1.0.0-dev.10"),
        ("runtime", "22.0.0-rc.1", "22.0.0"),
    ],
)
def test_schemes(name: str, lower: str, higher: str) -> None:
    """Each namespace orders versions as its packages are ordered."""
    key = scheme(name)
    assert key is not None
    assert key(lower) < key(higher)


@pytest.mark.parametrize("name", ["", "golang", "centos:9", ":12"])
def test_no_scheme(name: str) -> None:
    """An unknown namespace has no order."""
    assert scheme(name) is None


@pytest.mark.parametrize("name", PUBLISHERS)
def test_every_order_refuses_with_the_declared_error(name: str) -> None:
    """Whatever module an order is loaded from, it is there, and an empty text is no version to it."""
    key = scheme(name)
    assert key is not None
    with pytest.raises(InvalidVersion):
        key("")


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        ("pypi", "Flask_Login", "flask-login"),
        ("pypi", "zope.interface", "zope-interface"),
        ("pypi", "a-_.b", "a-b"),
        ("nuget", "Newtonsoft.Json", "newtonsoft.json"),
        ("packagist", "Symfony/HTTP-Kernel", "symfony/http-kernel"),
        ("hex", "Phoenix", "phoenix"),
        ("npm", "JSONStream", "JSONStream"),
        ("npm", "@babel/core", "@babel/core"),
        ("go", "github.com/Masterminds/semver/v3", "github.com/Masterminds/semver/v3"),
        ("maven", "org.apache.logging.log4j:log4j-core", "org.apache.logging.log4j:log4j-core"),
        ("crates.io", "serde_json", "serde_json"),
        ("crates.io", "proc-macro2", "proc-macro2"),
        ("rubygems", "RedCloth", "RedCloth"),
        ("debian:12", "libX11", "libX11"),
        ("almalinux:9", "Judy", "Judy"),
        ("", "A_b", "A_b"),
        ("centos:9", "A_b", "A_b"),
    ],
)
def test_canonical_names(namespace: str, name: str, expected: str) -> None:
    """PyPI's by PEP 503, lower case where a registry does not tell cases apart, all others as written."""
    assert canonical_name(namespace, name) == expected
    assert canonical_name(namespace, expected) == expected


def test_rare_orders_are_imported_when_used() -> None:
    """Knowing every namespace costs none of the modules that few processes need."""
    names = "'rpm go gem composer maven nuget'"
    rare = f"{{'packaging', *(f'hullwise.versions.{{n}}' for n in {names}.split())}}"
    code = f"import sys, hullwise.ecosystems.namespaces; print(*{rare} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


DOCKER, EPEL, CENTOS = "Docker <support@docker.com>", "Fedora Project", "CentOS"


@pytest.mark.parametrize(
    ("distribution", "vendors", "expected"),
    [
        (Distribution("almalinux", "9.4"), {"AlmaLinux", EPEL, DOCKER, ""}, {EPEL, DOCKER}),
        (Distribution("almalinux", "8.3"), {"AlmaLinux", "CloudLinux"}, set()),
        (Distribution("rocky", "9.4"), {"Rocky Enterprise Software Foundation", EPEL}, {EPEL}),
        (Distribution("rhel", "9.4"), {"Red Hat, Inc.", EPEL}, {EPEL}),
        (Distribution("centos", "7", name="CentOS Linux 7 (Core)"), {CENTOS, EPEL}, {EPEL}),
        (
            Distribution("ol", "9.4"),
            {"Oracle America", "Oracle and/or its affiliates"},
            # MySQL's own packages.
            {"Oracle and/or its affiliates"},
        ),
        (Distribution("amzn", "2023"), {"Amazon Linux", DOCKER}, {DOCKER}),
        (Distribution("amzn", "2"), {"Amazon.com", "Amazon Linux"}, set()),
        (Distribution("sles", "15.6"), {"SUSE LLC <https://www.suse.com/>", "openSUSE"}, {"openSUSE"}),
        (Distribution("opensuse-leap", "15.6"), {"SUSE LLC <https://www.suse.com/>", "openSUSE"}, set()),
        # Nobody says that it is the distribution's: all was built anew by somebody, or nothing is said.
        (Distribution("almalinux", "9.4"), {"Fleet Works", ""}, set()),
        (Distribution("almalinux", "9.4"), {""}, set()),
        # `Vendor` in the spec files of each.
        (Distribution("photon", "5.0"), {"VMware, Inc.", DOCKER}, {DOCKER}),
        (Distribution("photon", "5.0"), {"VMware, Inc.", "Broadcom"}, set()),
        (Distribution("azurelinux", "3.0"), {"Microsoft Corporation", "NVIDIA"}, {"NVIDIA"}),
        (Distribution("mariner", "2.0"), {"Microsoft Corporation", "NVIDIA"}, {"NVIDIA"}),
        (Distribution("mageia", "9"), {"Mageia.Org", DOCKER}, {DOCKER}),
        # Nobody's advisories are used at all.
        (Distribution("fedora", "40"), {EPEL, DOCKER}, set()),
        (None, {EPEL}, set()),
    ],
)
def test_strangers(distribution: Distribution | None, vendors: set[str], expected: set[str]) -> None:
    """Vendors as the packages of each distribution, EPEL and Docker have them in `rpm -qi`."""
    assert strangers("rpm", distribution, vendors) == expected


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (Distribution("debian", "12", "bookworm"), "debian:12"),
        (Distribution("alpine", "3.19.1"), "alpine:3.19"),
        (Distribution("rocky", "9.4"), "rocky:9"),
        (Distribution("arch", ""), ""),
        (None, ""),
    ],
)
def test_packages_of_a_distribution(distribution: Distribution | None, expected: str) -> None:
    """Are those of dpkg, apk and rpm, and one of them at most is a distribution's own."""
    assert set(SYSTEM) == {"dpkg", "apk", "rpm"}
    assert of_system(distribution) == expected
