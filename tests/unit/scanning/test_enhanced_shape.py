"""A finding in the shape of enhanced scanning: versions in their parts, fixes, and what is said where nothing is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from hullwise.domain.manifests import OCI_CONFIG, OCI_MANIFEST
from hullwise.domain.packages import Distribution, Occurrence
from hullwise.domain.reports import Finding
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import RecordRef
from hullwise.scanning import enhanced
from hullwise.scanning.enhanced import Observed, Subject
from hullwise.scanning.joined import Exploitation
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from hullwise.store.transitions import Identity
from tests.support.images import sha256
from tests.support.rows import assessment, package

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPOSITORY = Repository(1, "123456789012", "us-east-1", "team/app", NOW, "MUTABLE", (), False, {}, None)
IMAGE = Image(
    id=1,
    repository_id=1,
    digest=sha256(b"image"),
    media_type=OCI_MANIFEST,
    artifact_media_type=OCI_CONFIG,
    size=1,
    config_digest="",
    subject_digest="",
    scannable=True,
    pushed_at=NOW,
    last_pushed_at=None,
    last_pull_at=None,
    archived=False,
    archived_at=None,
    activated_at=None,
    architecture="amd64",
    author="",
)
RECORD = RecordRef("CVE-2024-0001", "osv", "", "", "")


def shown(places: Sequence[Occurrence], fixes: Mapping[Occurrence, str] | None = None, **said: Any) -> dict[str, Any]:
    verdict = assessment("CVE-2024-0001", records=(RECORD,), **said)
    identity = Identity(7, "pypi", "flask", "1.0")
    observed = Observed(identity, NOW, NOW, NOW, "ACTIVE", fixes or {})
    found = Finding(verdict, places[0].package, tuple(places))
    return enhanced.finding(Subject(REPOSITORY, IMAGE, ["latest"], None), found, observed, Exploitation(None, None))


def place(path: str, layer: str = "sha256:aa", version: str = "1.0") -> Occurrence:
    return Occurrence(package("flask", version), path, layer)


def test_fixes_of_some_places_all_and_none() -> None:
    """YES where each place has one, NO where none has, PARTIAL in between; each place says its own."""
    one, two = place("a"), place("b")
    for fixes, expected, versions in (
        ({one: "2.0", two: "2.1"}, "YES", ["2.0", "2.1"]),
        ({one: "2.0", two: ""}, "PARTIAL", ["2.0", "NotAvailable"]),
        ({one: "", two: ""}, "NO", ["NotAvailable", "NotAvailable"]),
    ):
        found = shown([one, two], fixes, url="https://example.org/1")
        packages = found["packageVulnerabilityDetails"]["vulnerablePackages"]
        assert (found["fixAvailable"], [each["fixedInVersion"] for each in packages]) == (expected, versions)
        advice = found["remediation"]["recommendation"]
        assert (advice["text"] == "None Provided") is (advice["url"] is None) is (expected == "NO")


@pytest.mark.parametrize(
    ("ecosystem", "version", "parts"),
    [
        ("dpkg", "1:2.9.14+dfsg-1.3~deb12u1", (1, "2.9.14+dfsg", "1.3~deb12u1")),
        ("dpkg", "5.10.234-1", (0, "5.10.234", "1")),
        ("dpkg", "0:1.0-rc1-2", (0, "1.0-rc1", "2")),
        ("dpkg", "20230311", (0, "20230311", "")),
        ("apk", "3.1.4-r5", (0, "3.1.4", "r5")),
        ("rpm", "2:1.2.3-12.amzn2.2", (2, "1.2.3", "12.amzn2.2")),
        # No epochs, though they look like some.
        ("dpkg", "a:1-2", (0, "a:1", "2")),
        ("dpkg", "٣:1-2", (0, "٣:1", "2")),
        ("dpkg", "9999999999:1-2", (0, "9999999999:1", "2")),
        ("pypi", "1!2.0-1", (0, "1!2.0-1", "")),
        ("npm", "1.0.0-beta.1", (0, "1.0.0-beta.1", "")),
    ],
)
def test_a_version_in_its_parts(ecosystem: str, version: str, parts: tuple[int, str, str]) -> None:
    """Epoch, version and release of a distribution's; a language package's is one."""
    assert enhanced.split(ecosystem, version) == parts


def test_packages_of_a_distribution_and_of_a_language() -> None:
    """A source package stands once for all that was built of it in a layer, without a path, its fix with an epoch; a
    language package has its place and its own version."""
    built = [
        Occurrence(
            package(
                name,
                "1:2.0-3",
                "debian:12",
                ecosystem="dpkg",
                source_name="libxml2",
                source_version="1:2.0-3",
                architecture="amd64",
            ),
            "var/lib/dpkg/status",
            layer,
        )
        for name, layer in (("libxml2", "sha256:aa"), ("libxml2-utils", "sha256:aa"), ("python3-libxml2", "sha256:bb"))
    ]
    found = shown(built, fix="2.1-1", namespace="debian:12")
    alike = {
        "name": "libxml2",
        "version": "2.0",
        "epoch": 1,
        "release": "3",
        "arch": "AMD64",
        "packageManager": "OS",
        "filePath": None,
        "fixedInVersion": "0:2.1-1",
    }
    layers = ["sha256:aa", "sha256:bb"]
    packages = found["packageVulnerabilityDetails"]["vulnerablePackages"]
    assert packages == [alike | {"sourceLayerHash": layer} for layer in layers]
    assert found["title"] == "CVE-2024-0001 - libxml2"
    (language,) = shown([place("srv/flask")], fix="2.0")["packageVulnerabilityDetails"]["vulnerablePackages"]
    assert (language["filePath"], language["version"], language["fixedInVersion"]) == ("srv/flask", "1.0", "2.0")
    assert (language["packageManager"], language["release"], language["arch"]) == ("PYTHONPKG", None, None)


def test_what_is_said_where_nothing_is() -> None:
    """Inspector's words for no description, no severity, no score."""
    found = shown([place("a")], severity=Severity.UNDEFINED)
    assert (found["description"], found["severity"]) == ("None Provided", "UNTRIAGED")
    assert (found["score"], found["scoreDetails"], found["exploitAvailable"]) == (0.0, None, "NO")
    assert shown([place("a")], details="é" * 2_000)["description"] == "é" * 1_024


def test_an_arn_is_inspectors() -> None:
    """32 digits of base 16, of this account and region; another image's or package's is another."""
    identity = Identity(7, "pypi", "flask", "1.0")
    one = enhanced.finding_arn(REPOSITORY, IMAGE.digest, identity)
    assert re.fullmatch(r"arn:aws:inspector2:us-east-1:123456789012:finding/[0-9a-f]{32}", one)
    others = {
        enhanced.finding_arn(REPOSITORY, sha256(b"other"), identity),
        enhanced.finding_arn(REPOSITORY, IMAGE.digest, identity._replace(source_version="1.1")),
        enhanced.finding_arn(REPOSITORY, IMAGE.digest, identity._replace(vulnerability=8)),
    }
    assert len(others | {one}) == 4


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (None, None),
        (Distribution("debian", "12"), "DEBIAN_12"),
        (Distribution("amzn", "2"), "AMAZON_LINUX_2"),
        (Distribution("alpine", "3.18.4"), "ALPINE_LINUX_3_18"),
        (Distribution("debian", ""), "DEBIAN"),
    ],
)
def test_platforms(distribution: Distribution | None, expected: str | None) -> None:
    """As Inspector calls them."""
    assert enhanced.platform(distribution) == expected
