"""Python packages that Debian installed, as each API shows what is said of them upstream."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.support.advisories import osv
from tests.support.edges import Edges
from tests.support.images import DEBIAN_12, image, layer

METADATA = b"Metadata-Version: 2.1\nName: Mako\nVersion: 1.0\n"
OWNED = "usr/lib/python3/dist-packages/Mako-1.0.dist-info/METADATA"
STATUS = (
    b"Package: python3-mako\nStatus: install ok installed\nArchitecture: all\nSource: mako\nVersion: 1.0-1+deb12u1\n"
)
LIST = f"{hashlib.md5(METADATA, usedforsecurity=False).hexdigest()}  {OWNED}\n".encode()
DEBIAN = {
    "etc/os-release": DEBIAN_12,
    "var/lib/dpkg/status": STATUS,
    "var/lib/dpkg/info/python3-mako.md5sums": LIST,
    OWNED: METADATA,
}
BASE = image([layer(DEBIAN)])
BESIDE = image([layer(DEBIAN), layer({"usr/local/lib/python3.11/site-packages/Mako-1.0.dist-info/METADATA": METADATA})])

RECORDS = (
    # Upstream 1.0 is vulnerable; Debian has patched it, and has another vulnerability that is open.
    osv("GHSA-aaaa-bbbb-cccc", "mako", fixed="2.0", aliases=["CVE-2024-0001"]),
    osv("CVE-2024-0001", "mako", fixed="1.0-1+deb12u1", ecosystem="Debian:12"),
    osv("CVE-2024-0002", "mako", fixed="1.0-2", ecosystem="Debian:12"),
)


@pytest.fixture
def scanned(edge: Edges) -> Edges:
    edge.registry.publish(*RECORDS)
    for name, made in (("base", BASE), ("beside", BESIDE)):
        edge.registry.push(edge.registry.repository(name), made)
    edge.registry.work()
    return edge


def basic(edge: Edges, name: str) -> tuple[list[str], dict[str, int], str]:
    answer = edge.aws("DescribeImageScanFindings", repositoryName=name, imageId={"imageTag": "latest"}).json()
    found = answer["imageScanFindings"]
    listed = [each["name"] for each in found["findings"]]
    return listed, found["findingSeverityCounts"], answer["imageScanStatus"]["description"]


def ours(edge: Edges, name: str, **query: str) -> dict[str, Any]:
    text = "&".join(f"{key}={value}" for key, value in query.items())
    found: dict[str, Any] = edge.oci("GET", f"/api/v1/findings?repository={name}&image=latest&{text}").json()
    return found


def test_a_basic_scan_says_it_once(scanned: Edges) -> None:
    """By Debian's word alone: what it patched is no finding, what is open is one; nothing is said to be suppressed."""
    complete = "The scan was completed successfully."
    assert basic(scanned, "base") == (["CVE-2024-0002"], {"UNDEFINED": 1}, complete)


def test_our_own_api_shows_it_with_the_reason(scanned: Edges) -> None:
    """Suppressed, and why; the command line's `explain` says the same."""
    found = ours(scanned, "base", suppressed="yes")
    (finding,) = found["findings"]
    assert (finding["id"], finding["packageManager"], finding["status"]) == ("CVE-2024-0001", "pypi", "SUPPRESSED")
    assert (finding["suppression"]["by"], finding["suppression"]["author"]) == ("owner", "debian:12")
    assert (found["suppressed"], found["counts"]) == (1, {"UNDEFINED": 1})
    said = scanned.oci("GET", "/api/v1/explanation?repository=base&image=latest&vulnerability=CVE-2024-0001").json()
    assert {each["purl"].partition("@")[0]: each["verdict"] for each in said["packages"]} == {
        "pkg:deb/debian/python3-mako": "not affected",
        "pkg:pypi/mako": "deferred",
    }


def test_what_pip_installed_beside_it_counts(scanned: Edges) -> None:
    """The same release from PyPI is vulnerable, and the finding names both places."""
    assert basic(scanned, "beside")[0] == ["CVE-2024-0001", "CVE-2024-0002"]
    (finding,) = ours(scanned, "beside", vulnerability="CVE-2024-0001")["findings"]
    assert (finding["suppression"], len(finding["installed"])) == (None, 2)


def test_a_change_of_the_vendors_data_reaches_it(scanned: Edges) -> None:
    """The owner's name decides too: packages are matched again when something else is said of it."""
    registry = scanned.registry
    registry.publish(osv("CVE-2024-0003", "mako", fixed="3.0"))
    registry.work()
    registry.push(registry.repository("again"), BASE)
    registry.work()
    assert basic(scanned, "again")[0] == ["CVE-2024-0002"]
    assert {each["id"] for each in ours(scanned, "again", suppressed="yes")["findings"]} == {
        "CVE-2024-0001",
        "CVE-2024-0003",
    }
