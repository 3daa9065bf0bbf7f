"""Python packages that Debian installed, as each API shows what is said of them upstream."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from hullwise.scanning import overlay_changes
from tests.support.advisories import osv
from tests.support.edges import Edges
from tests.support.images import DEBIAN_12, image, layer
from tests.support.registry import ACCOUNT

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


def ignore(edge: Edges, **criteria: Any) -> None:
    services = edge.registry.services
    services.database.run(
        lambda tx: overlay_changes.add_rule(tx, services, ACCOUNT, reason="not reachable", author="Ada", **criteria)
    )


def state(edge: Edges, vulnerability: str, product: str) -> None:
    """By an OpenVEX document, that the product is not affected."""
    body = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.org/mako",
        "author": "Vendor",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": vulnerability},
                "products": [{"@id": product}],
                "status": "not_affected",
                "justification": "component_not_present",
            }
        ],
    }
    given, services = overlay_changes.read(json.dumps(body).encode()), edge.registry.services
    services.database.run(lambda tx: overlay_changes.add_document(tx, services, ACCOUNT, given, added_by="Ada"))


@pytest.mark.parametrize(
    "say",
    [
        lambda edge: ignore(edge, vulnerability="CVE-2024-0001"),
        lambda edge: ignore(edge, package="mako", vulnerability="GHSA-aaaa-bbbb-cccc"),
        lambda edge: state(edge, "CVE-2024-0001", "pkg:pypi/mako@1.0"),
    ],
)
def test_a_word_of_the_account_on_it_changes_nothing(scanned: Edges, say: Callable[[Edges], None]) -> None:
    """The distribution decides before an ignore rule or a VEX statement does: a basic scan leaves it out as before,
    our own API shows the same reason, and nothing is said to be suppressed."""
    before = basic(scanned, "base"), ours(scanned, "base")
    say(scanned)
    for _ in ("as made", "as kept"):
        assert (basic(scanned, "base"), ours(scanned, "base")) == before


def test_a_rule_on_both_suppresses_what_counts(scanned: Edges) -> None:
    """The distribution's own finding alone, which is listed still; what it decides stays out of a basic scan."""
    ignore(scanned, package="mako")
    listed, counts, said = basic(scanned, "base")
    assert (listed, counts) == (["CVE-2024-0002"], {})
    assert said == "The scan was completed successfully. 1 finding is suppressed and not counted."
    by = {each["id"]: each["suppression"]["by"] for each in ours(scanned, "base")["findings"]}
    assert by == {"CVE-2024-0002": "rule:1", "CVE-2024-0001": "owner"}


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
