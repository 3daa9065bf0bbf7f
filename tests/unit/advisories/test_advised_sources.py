"""Advisories that name source packages, and what explains them: versions with and without epochs, CVEs of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hullwise.advisories import explanation
from hullwise.advisories.explanation import Explanation
from hullwise.advisories.generation import Generation
from hullwise.domain.packages import Occurrence, Package
from tests.support.advisories import generation, osv, write


def rpm(namespace: str, name: str, version: str, source: str, source_version: str) -> Package:
    return Package("rpm", namespace, name, version, source, source_version, "x86_64", "")


def built(folder: Path, *records: dict[str, Any]) -> Generation:
    return generation(folder / "g", write(folder / "documents", *records))


def explained(folder: Path, package: Package, asked: str, *records: dict[str, Any]) -> Explanation:
    with built(folder, *records) as found:
        return explanation.explain(found, [Occurrence(package, "var/lib/rpm/rpmdb.sqlite", "")], asked)


@pytest.mark.parametrize(
    ("package", "hit"),
    [
        (rpm("azurelinux:3", "curl", "8.8.0-1.azl3", "curl", "8.8.0-1.azl3"), True),
        (rpm("azurelinux:3", "curl-libs", "8.8.0-1.azl3", "curl", "8.8.0-1.azl3"), True),
        (rpm("azurelinux:3", "curl-libs", "8.11.1-3.azl3", "curl", "8.11.1-3.azl3"), False),
        (rpm("azurelinux:3", "curl", "8.8.0-1.azl3", "other", "1-1"), False),
    ],
)
def test_what_is_built_from_a_source_package(tmp_path: Path, package: Package, hit: bool) -> None:
    """Azure Linux's data names source packages (Trivy, `azure.go`): each that is built from one is judged by its
    version."""
    record = osv("AZL-1", "curl", fixed="8.11.1-3.azl3", ecosystem="Azure Linux:3", upstream=["CVE-2025-0001"])
    with built(tmp_path, record) as found:
        assert [one.name for one in found.match(package)] == (["CVE-2025-0001"] if hit else [])


@pytest.mark.parametrize(
    ("events", "version", "hit"),
    [
        ([{"last_affected": "3.12.3-4"}], "3.12.3-4.azl3", True),
        ([{"last_affected": "3.12.3-4"}], "3.12.3-5.azl3", False),
        ([{"last_affected": "3.12.3-4.azl3"}], "3.12.3-4.azl3", True),
        ([{"last_affected": "3.12.3-4"}], "1:3.12.3-4.azl3", True),
        ([{"fixed": "3.12.3-4"}], "3.12.3-4.azl3", False),
        ([{"fixed": "3.12.3-4"}], "3.12.3-3.azl3", True),
        ([{"fixed": "3.12.3-4.azl3"}], "3.12.3-4.azl3", False),
        ([{"fixed": "3.12.3-4.azl3"}], "3.12.3-3.cm2", True),
    ],
)
def test_what_tells_azure_linux_may_be_left_out(
    tmp_path: Path, events: list[dict[str, str]], version: str, hit: bool
) -> None:
    """`last_affected` is affected (OSV schema) where the bound has `.azl3` and where it has not."""
    record = osv("AZL-1", "python3", ecosystem="Azure Linux:3", upstream=["CVE-2025-0001"])
    record["affected"][0]["ranges"][0]["events"] += events
    with built(tmp_path, record) as found:
        assert bool(found.match(rpm("azurelinux:3", "python3", version, "python3", version))) is hit


@pytest.mark.parametrize(
    ("fixed", "version", "hit"),
    [
        ("1.1.1wa-5.oe2203sp3", "1:1.1.1wa-4.oe2203sp3", True),
        ("1.1.1wa-5.oe2203sp3", "1:1.1.1wa-5.oe2203sp3", False),
        ("1.1.1wa-5.oe2203sp3", "1.1.1wa-4.oe2203sp3", True),
        # Where the data has an epoch it counts.
        ("2:1.1.1wa-5.oe2203sp3", "1:1.1.1wa-9.oe2203sp3", True),
        ("0:1.1.1wa-5.oe2203sp3", "1:1.1.1wa-4.oe2203sp3", False),
    ],
)
def test_openeuler_writes_no_epochs(tmp_path: Path, fixed: str, version: str, hit: bool) -> None:
    """Its fixes are versions as names of files have them (OESA-2024-2048), and its openssl has the epoch 1."""
    record = osv("OESA-2024-1", "openssl", fixed=fixed, ecosystem="openEuler:22.03-LTS-SP3")
    package = rpm("openeuler:22.03-LTS-SP3", "openssl-libs", version, "openssl", version)
    with built(tmp_path, record) as found:
        assert bool(found.match(package)) == hit


def test_elsewhere_no_epoch_is_the_epoch_0(tmp_path: Path) -> None:
    """rpm-version(7); Rocky's records have the epochs."""
    record = osv("RLSA-2024:1", "openssl", fixed="3.0.7-28.el9", ecosystem="Rocky Linux:9")
    with built(tmp_path, record) as found:
        assert not found.match(rpm("rocky:9", "openssl-libs", "1:3.0.1-1.el9", "openssl", "1:3.0.1-1.el9"))
        assert found.match(rpm("rocky:9", "openssl-libs", "3.0.1-1.el9", "openssl", "3.0.1-1.el9"))


def test_the_version_of_the_source_is_what_is_explained(tmp_path: Path) -> None:
    """perl-Errno and perl-version have versions of their own, and are of perl, which the record names."""
    record = osv("RLSA-2024:1", "perl", fixed="4:5.26.3-423.el8", ecosystem="Rocky Linux:8")
    fixed = rpm("rocky:8", "perl-Errno", "1.28-423.el8", "perl", "4:5.26.3-423.el8")
    vulnerable = rpm("rocky:8", "perl-version", "6:0.99.24-1.el8", "perl", "4:5.26.3-422.el8")
    (clear,) = explained(tmp_path / "1", fixed, "RLSA-2024:1", record).examined
    assert (clear.verdict, clear.why) == ("not affected", "")
    assert [(test.affected, test.outcome) for test in clear.tests] == [
        (False, "4:5.26.3-423.el8 has the fix of 4:5.26.3-423.el8")
    ]
    (hit,) = explained(tmp_path / "2", vulnerable, "RLSA-2024:1", record).examined
    assert (hit.verdict, [test.affected for test in hit.tests]) == ("affected", [True])


ALSA = osv(
    "ALSA-2024:1",
    "curl",
    fixed="7.76.1-29.el9",
    ecosystem="AlmaLinux:9",
    related=["CVE-2024-0001", "CVE-2024-0002"],
    summary="Moderate: curl security update",
)
ELSEWHERE = osv("DEBIAN-CVE-2024-0001", "curl", fixed="7.88.1-10", ecosystem="Debian:12", upstream=["CVE-2024-0001"])


@pytest.mark.parametrize("others", [[], [ELSEWHERE]])
def test_a_cve_of_an_advisory_is_explained_by_it(tmp_path: Path, others: list[dict[str, Any]]) -> None:
    """An advisory takes care of several CVEs and is called as none of them. Who asks for one of these is told of it,
    whether another record is called so or not."""
    old = rpm("almalinux:9", "curl", "7.76.1-26.el9", "curl", "7.76.1-26.el9")
    new = rpm("almalinux:9", "curl", "7.76.1-29.el9", "curl", "7.76.1-29.el9")
    told = explained(tmp_path / "old", old, "cve-2024-0001", ALSA, *others)
    assert told.sentence == "CVE-2024-0001 is in this image: curl, says ALSA-2024:1."
    assert told.name == "CVE-2024-0001"
    assert [record.id for record in told.records] == [*(each["id"] for each in others), "ALSA-2024:1"]
    (examined,) = told.examined
    assert examined.assessment is not None
    assert (examined.verdict, examined.assessment.name) == ("affected", "ALSA-2024:1")
    fixed = explained(tmp_path / "new", new, "CVE-2024-0001", ALSA, *others)
    assert fixed.sentence == "CVE-2024-0001 is not in this image: what is installed of curl is not affected."
    other = explained(tmp_path / "other", old, "CVE-2024-0003", ALSA, *others)
    assert other.sentence == "No record in this advisory data has the name CVE-2024-0003."


@pytest.mark.parametrize(
    ("version", "module", "hit"),
    [
        ("6.0.8-2.module_el8.8.0+1+1", "varnish:6", True),
        ("6.0.8-3.module_el8.8.0+3649+1", "varnish:6", False),
        ("6.0.8-2.module_el8.8.0+1+1", "varnish:7", True),
        # Another version, which is of another stream, and what is of none or does not say of which.
        ("6.0.6-2.module_el8.3.0+1+1", "varnish:6", False),
        ("6.0.8-2.el8", "", False),
        ("6.0.8-2.module_el8.8.0+1+1", "", False),
    ],
)
def test_a_module_whose_stream_no_record_tells(tmp_path: Path, version: str, module: str, hit: bool) -> None:
    """As of ALSA-2023:5989, `Important: varnish security update`."""
    record = osv(
        "ALSA-2023:5989",
        "varnish",
        fixed="6.0.8-3.module_el8.8.0+3649+1",
        ecosystem="AlmaLinux:8",
        summary="Important: varnish security update",
        related=["CVE-2023-44487"],
    )
    package = Package("rpm", "almalinux:8", "varnish", version, "varnish", version, "x86_64", module)
    with built(tmp_path, record) as found:
        assert [one.name for one in found.match(package)] == (["ALSA-2023:5989"] if hit else [])


@pytest.mark.parametrize(
    ("version", "hit"),
    [
        ("2.5.9", False),
        ("2.6.0", True),
        ("2.6.0-0", True),
        ("6.2.9-12", True),
        ("6.2.16", False),
        ("6.2.16-0", False),
        ("7.2.7-11", True),
        ("7.2.8-0", False),
        ("7.10.0-1", False),
    ],
)
def test_revisions_of_bitnami(tmp_path: Path, version: str, hit: bool) -> None:
    """A revision is later than the version without one (bitnami/go-version, `Version revision`), and none of them makes
    a version another: 2.6.0-0 is affected from 2.6.0 on, and 6.2.16-0 has the fix of 6.2.16."""
    record = osv("BIT-redis-2024-31449", "redis", ecosystem="Bitnami", aliases=["CVE-2024-31449"])
    record["affected"][0]["ranges"] = [
        {
            "type": "SEMVER",
            "events": [{"introduced": "2.6.0"}, {"fixed": "6.2.16"}, {"introduced": "7.0.0"}, {"fixed": "7.2.8"}],
        }
    ]
    package = Package("bitnami", "bitnami", "redis", version, "redis", version, "", "")
    with built(tmp_path, record) as found:
        assert [one.name for one in found.match(package)] == (["CVE-2024-31449"] if hit else [])
