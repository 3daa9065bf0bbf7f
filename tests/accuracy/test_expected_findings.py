"""The findings of some packages, worked out by hand from the text of the advisories."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.accuracy.conftest import Loaded

pytestmark = pytest.mark.accuracy


@dataclass(frozen=True)
class Expected:
    """One vulnerability of a package."""

    name: str
    record: str
    fix: str
    """Empty where the record names none."""


def pysec(cve: str, number: str, fix: str) -> Expected:
    return Expected(f"CVE-{cve}", f"PYSEC-{number}", fix)


def ghsa(name: str, record: str, fix: str) -> Expected:
    return Expected(name, f"GHSA-{record}", fix)


def unnamed(record: str, fix: str) -> Expected:
    """A record without a CVE is shown under its own id."""
    return Expected(f"GHSA-{record}", f"GHSA-{record}", fix)


def debian(fix: str, *cves: str) -> list[Expected]:
    """The tracker has one record a CVE."""
    return [Expected(f"CVE-{cve}", f"CVE-{cve}", fix) for cve in cves]


_MINIMIST = [
    ghsa("CVE-2021-44906", "xvch-5gv4-984h", "0.2.4"),  # [0, 0.2.4) and [1.0.0, 1.2.6)
    unnamed("7fhm-mqm4-2wp7", "1.2.2"),
]

PINNED: dict[tuple[str, str, str], list[Expected]] = {
    # Of five records those that end at 2.7.2, 2.7.3 and 2.8.1 do not hold: 2.10 is above 2.8.
    ("python-small", "jinja2", "2.10"): [
        pysec("2019-10906", "2019-217", "2.10.1"),
        pysec("2020-28493", "2021-66", "2.11.3"),
    ],
    # Not those that end at 1.18.1 and 1.23, nor [1.25.2, 1.25.8). Two say [2.0.0, …) first and then [0, 1.26.…).
    ("python-small", "urllib3", "1.24"): [
        pysec("2018-25091", "2023-207", "1.24.2"),
        pysec("2020-26137", "2020-148", "1.25.9"),
        pysec("2021-33503", "2021-108", "1.26.5"),
        pysec("2023-43804", "2023-192", "1.26.17"),
        pysec("2023-45803", "2023-212", "1.26.18"),
    ],
    # PYSEC-2022-43059, which says all versions, is withdrawn.
    ("python-small", "aiohttp", "3.7.3"): [
        pysec("2023-37276", "2023-120", "3.8.5"),
        pysec("2023-47627", "2023-246", "3.8.6"),
        pysec("2023-47641", "2023-247", "3.8.0"),
        pysec("2023-49082", "2023-251", "3.9.0"),
        pysec("2024-23334", "2024-24", "3.9.2"),
        pysec("2024-23829", "2024-26", "3.9.2"),
    ],
    # [0, 2.2.5) and [2.3.0, 2.3.2) in the last.
    ("python-small", "flask", "0.12.2"): [
        pysec("2018-1000656", "2018-66", "0.12.3"),
        pysec("2019-1010083", "2019-179", "1.0"),
        pysec("2023-30861", "2023-62", "2.2.5"),
    ],
    # The records end at 5.1, 5.2b1 and 5.3.1, and one at 5.4 itself.
    ("python-small", "pyyaml", "5.4"): [],
    ("python-small", "six", "1.15.0"): [],
    ("node-small", "minimist", "0.0.8"): _MINIMIST,
    ("node-small", "minimist", "1.2.8"): [],
    # Not 3.0.0-rc.1 alone, nor the two that end at 1.9.0.
    ("node-small", "jquery", "3.3.1"): [
        ghsa("CVE-2019-11358", "6c3j-c64m-qhgq", "3.4.0"),
        ghsa("CVE-2020-11022", "gxr4-xjj5-5px2", "3.5.0"),
        ghsa("CVE-2020-11023", "jpcq-cgw6-v4j6", "3.5.0"),
        ghsa("CVE-2020-23064", "257q-pv89-v3xv", "3.5.0"),
    ],
    # One record with four ranges, of which [2.1.0, 5.2.4) holds; [2.0.0, 3.3.1); not those below 1.0.1 and 1.1.1.
    ("node-small", "ws", "3.3.0"): [
        ghsa("CVE-2024-37890", "3h5v-q93c-6h6q", "5.2.4"),
        unnamed("5v72-xg48-5rpm", "3.3.1"),
    ],
    # Three versions of one package: nine ranges, of which [6.4.0, 6.4.1) holds for one; [0, 6.14.1) for two.
    ("node-small", "qs", "6.4.0"): [
        ghsa("CVE-2022-24999", "hrpp-h998-j3pp", "6.4.1"),
        ghsa("CVE-2025-15284", "6rw7-vpxm-498p", "6.14.1"),
    ],
    ("node-small", "qs", "6.5.5"): [ghsa("CVE-2025-15284", "6rw7-vpxm-498p", "6.14.1")],
    ("node-small", "qs", "6.17.1"): [],
    # Up to 2.88.2, without a fix; not [2.2.6, 2.47.0).
    ("node-small", "request", "2.88.0"): [ghsa("CVE-2023-28155", "p8p7-x288-28g6", "")],
    # 4.4.2 alone, [3.0.0, 3.1.0) and [4.0.0, 4.3.1).
    ("node-small", "debug", "4.4.3"): [],
    ("node-small", "debug", "3.2.7"): [],
    # Of eleven records not those from 0.28.0, 1.3.2, 1.10.0 and 1.13.0 on.
    ("whiteouts", "axios", "0.18.0"): [
        ghsa("CVE-2019-10742", "42xw-2xvc-qx8m", "0.18.1"),
        ghsa("CVE-2020-28168", "4w2v-q235-vp99", "0.21.1"),
        ghsa("CVE-2021-3749", "cph5-m8f7-6c5x", "0.21.2"),
        ghsa("CVE-2025-27152", "jr5f-v2jv-69x6", "0.30.0"),
        ghsa("CVE-2025-62718", "3p68-rc4w-qgx5", "0.31.0"),
        ghsa("CVE-2026-25639", "43fc-jf86-j433", "0.30.3"),
        ghsa("CVE-2026-40175", "fvcv-3m26-pcqx", "0.31.0"),
    ],
    ("whiteouts", "minimist", "0.0.8"): _MINIMIST,
    # The last fix of the 4.2 branch, in PYSEC-2024-102, is this version.
    ("whiteouts", "django", "4.2.16"): [],
    # CVE-2024-5535 and CVE-2024-9143 are fixed in this very version.
    ("whiteouts", "openssl", "3.0.15-1~deb12u1"): [
        *debian("3.0.16-1~deb12u1", "2024-13176"),
        *debian("3.0.17-1~deb12u3", "2025-9230", "2025-9232"),
        *debian("3.0.18-1~deb12u2", "2025-15467", "2025-68160", "2025-69418", "2025-69419", "2025-69420"),
        *debian("3.0.18-1~deb12u2", "2025-69421", "2026-22795", "2026-22796"),
        *debian("3.0.19-1~deb12u2", "2026-28387", "2026-28388", "2026-28389", "2026-28390"),
        *debian("3.0.19-1~deb12u2", "2026-31789", "2026-31790"),
        *debian("3.0.20-1~deb12u2", "2026-34180", "2026-34182", "2026-42766", "2026-42770", "2026-45445"),
        *debian("3.0.20-1~deb12u2", "2026-45446", "2026-45447", "2026-7383", "2026-9076"),
        *debian("3.0.22-1~deb12u1", "2026-42767", "2026-54874", "2026-63072", "2026-63074", "2026-63076"),
        *debian("3.0.22-1~deb12u1", "2026-75803"),
        *debian("3.0.22-1~deb12u2", "2026-35189", "2026-54872", "2026-75805", "2026-75806", "2026-77696"),
        *debian("3.0.22-1~deb12u2", "2026-84782"),
    ],
    # Its stanza names no source package, and the tracker knows none of this name.
    ("whiteouts", "zlib1g", "1:1.2.13.dfsg-1"): [],
}

ARCHIVE: dict[tuple[str, str, str], list[Expected]] = {
    # The others are fixed in 2.1.2 and 2.1.13.
    ("debian-slim", "apt", "2.6.1"): debian("2.6.2", "2026-109518"),
    ("debian-slim", "pcre2", "10.42-1"): debian("10.42-1+deb12u2", "2026-103111"),
    # Installed as perl-base alone. The other eight are fixed in this version or an earlier one.
    ("debian-slim", "perl", "5.36.0-7+deb12u3"): [
        *debian("5.36.0-7+deb12u4", "2025-15649", "2026-12087", "2026-13221", "2026-19487", "2026-42496"),
        *debian("5.36.0-7+deb12u4", "2026-42497", "2026-48959", "2026-48962", "2026-57432", "2026-57433"),
        *debian("5.36.0-7+deb12u4", "2026-7010", "2026-7017", "2026-8376"),
    ],
    # CVE-2023-4039 is fixed in this version; the binary packages have the version of gcc, too.
    ("debian-slim", "gcc-12", "12.2.0-14+deb12u1"): [],
    # Fixed in 2.38.1-5+deb12u1 at the latest. bsdutils has the version 1:2.38.1-5+deb12u3, of this source.
    ("debian-slim", "util-linux", "2.38.1-5+deb12u3"): [],
    # The binary is a rebuild, 5.2.15-2+b13.
    ("debian-slim", "bash", "5.2.15-2"): [],
    # Fixed in 1:1.2.11.dfsg-4 and -4.1.
    ("distroless", "zlib", "1:1.2.13.dfsg-1"): [],
    # Five CVEs are fixed in this version, 35 in earlier ones.
    ("distroless", "glibc", "2.36-9+deb12u14"): [],
    # CVE-2026-41989 is fixed in this version.
    ("distroless", "libgcrypt20", "1.10.1-3+deb12u1"): [],
    ("distroless", "base-files", "12.4+deb12u15"): [],
}
"""Of images made from Debian's archive, which moves at each point release."""


def _findings(document: dict[str, Any], package: str, version: str) -> set[tuple[str, tuple[str, ...], str]]:
    return {
        (finding["id"], tuple(finding["advisories"]), finding["fixed_version"])
        for finding in document["findings"]
        if (finding["package_name"], finding["package_version"]) == (package, version)
    }


def _rows(expected: list[Expected]) -> set[tuple[str, tuple[str, ...], str]]:
    return {(one.name, (one.record,), one.fix) for one in expected}


def _installed(document: dict[str, Any], package: str) -> set[str]:
    return {p["source_version"] for p in document["packages"] if p["source_name"] == package}


@pytest.mark.parametrize(("image", "package", "version"), PINNED)
def test_the_findings_are_those_of_the_advisories(
    loaded: Loaded, images: Path, image: str, package: str, version: str
) -> None:
    """The package is there, and is hit by what the table says, through that record, with that fix, and nothing else."""
    document = loaded.scan(images / image)
    assert version in _installed(document, package)
    assert _findings(document, package, version) == _rows(PINNED[image, package, version])


@pytest.mark.parametrize(("image", "package", "version"), ARCHIVE)
def test_the_findings_in_debian_are_those_of_the_advisories(
    loaded: Loaded, images: Path, image: str, package: str, version: str
) -> None:
    """As above; a newer version, after a point release, is hit by those of the table that are fixed still later."""
    document = loaded.scan(images / image)
    (installed,) = _installed(document, package)
    expected = [
        one for one in ARCHIVE[image, package, version] if installed == version or not _reached(installed, one.fix)
    ]
    assert _reached(installed, version)
    assert _findings(document, package, installed) == _rows(expected)


def _reached(installed: str, version: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", installed, "ge", version]).returncode == 0
