"""Why an image of the registry has a vulnerability, or has not, as our own JSON API says."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from hullwise.store import generations
from hullwise.store.repositories import Repository
from tests.support.advisories import osv
from tests.support.edges import Edges
from tests.support.images import DEBIAN_12, image, layer, python_packages, sha256

EXPLANATION = "/api/v1/explanation"
APP = image([layer({"etc/os-release": DEBIAN_12, **python_packages(Flask="1.0", Mako="2.0")})])


def ask(edge: Edges, **query: str) -> Any:
    return edge.oci("GET", f"{EXPLANATION}?{urlencode(query)}")


def explained(edge: Edges, name: str) -> dict[str, Any]:
    answer = ask(edge, repository="team/app", image="latest", vulnerability=name)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def scanned(edge: Edges) -> Edges:
    edge.registry.publish(osv("CVE-2024-0001", "flask", fixed="2.0"), osv("CVE-2024-0002", "mako", fixed="1.2"))
    edge.registry.push(edge.registry.repository("team/app"), APP)
    edge.registry.work()
    return edge


def test_found_and_not_found(edge: Edges) -> None:
    """The report's own generation says which versions were compared."""
    scanned(edge)
    found = explained(edge, "CVE-2024-0001")
    assert found["image"] == {"repository": "team/app", "digest": APP.digest, "tags": ["latest"]}
    assert found["sentence"] == "CVE-2024-0001 is in this image: flask."
    (package,) = found["packages"]
    assert (package["verdict"], package["fixedVersion"]) == ("affected", "2.0")
    missing = explained(edge, "CVE-2024-0002")
    assert [(each["verdict"], each["tests"][0]["outcome"]) for each in missing["packages"]] == [
        ("not affected", "2.0 has the fix of 1.2")
    ]
    assert explained(edge, "CVE-1-1")["packages"] == []


def test_what_suppresses_it_is_said(edge: Edges) -> None:
    """A rule of the account changes no verdict; it is named beside it."""
    scanned(edge)
    rule = {"vulnerability": "CVE-2024-0001", "reason": "not reachable", "author": "Ada"}
    answer = edge.oci("POST", "/api/v1/ignore-rules", json.dumps(rule).encode())
    assert answer.status_code == 200, answer.text
    found = explained(edge, "CVE-2024-0001")
    assert [each["reason"] for each in found["suppressions"]] == ["not reachable"]
    assert found["packages"][0]["verdict"] == "affected"


def test_an_id_in_any_case_finds_what_is_no_longer_in_the_data(edge: Edges) -> None:
    """Of an old report whose advisories are gone, as of any: ids of GHSA have capitals in front alone."""
    registry, name = edge.registry, "GHSA-abcd-efgh-jkmp"
    registry.publish(osv(name, "flask", fixed="2.0"))
    registry.push(registry.repository("team/app"), APP)
    registry.work()
    rule = {"vulnerability": name, "reason": "not reachable", "author": "Ada"}
    assert edge.oci("POST", "/api/v1/ignore-rules", json.dumps(rule).encode()).status_code == 200
    registry.publish(osv(name, "flask", fixed="2.0", withdrawn="2024-02-01T00:00:00Z"))
    with registry.services.database.read() as tx:
        first = generations.get(tx, 1)
    assert first is not None
    registry.services.drop_generation(first)
    for asked in (name, name.lower(), name.upper()):
        assert [each["reason"] for each in explained(edge, asked)["suppressions"]] == ["not reachable"]


def test_what_cannot_be_explained(edge: Edges) -> None:
    """Parameters that are missing or unknown, an image that is not there, and one that was never scanned."""
    scanned(edge)
    assert ask(edge, repository="team/app", image="latest").status_code == 400
    assert ask(edge, repository="team/app", image="latest", vulnerability="x", more="1").status_code == 400
    assert ask(edge, repository="team/app", image="other", vulnerability="x").status_code == 404
    assert ask(edge, repository="team/app", image=sha256(b"x"), vulnerability="x").status_code == 404
    edge.registry.push(edge.registry.repository("team/quiet", scan_on_push=False), APP)
    assert ask(edge, repository="team/quiet", image="latest", vulnerability="x").status_code == 404


STATUS = """\
Package: linux-libc-dev
Status: install ok installed
Architecture: amd64
Source: linux
Version: 6.1.1-1

Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2
"""
KERNEL = """
Package: linux-image-6.1.0-1-amd64
Status: install ok installed
Architecture: amd64
Source: linux-signed-amd64 (6.1.1+1)
Version: 6.1.1-1
"""
HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]


def severities(edge: Edges, repository: Repository, status: str) -> dict[str, str]:
    """Of the findings in a Debian with these packages, by package."""
    parts = {"etc/os-release": DEBIAN_12, "var/lib/dpkg/status": status.encode()}
    edge.registry.push(repository, image([layer(parts)]))
    edge.registry.work()
    found = edge.oci("GET", "/api/v1/findings?repository=team/app&image=latest").json()["findings"]
    return {each["package"]: each["severity"] for each in found}


def test_headers_of_a_kernel_are_no_kernel(edge: Edges) -> None:
    """What is said of the kernel is a note on its headers, with everybody's severity beside it; with a kernel in the
    image it counts."""
    names = {"linux": "CVE-2024-0003", "bash": "CVE-2024-0004"}
    records = [osv(cve, name, fixed="9", ecosystem="Debian:12", severity=HIGH) for name, cve in names.items()]
    edge.registry.publish(*records)
    repository = edge.registry.repository("team/app")
    assert severities(edge, repository, STATUS) == {"bash": "CRITICAL", "linux": "INFORMATIONAL"}
    (package,) = explained(edge, "CVE-2024-0003")["packages"]
    assert (package["verdict"], package["fixedVersion"]) == ("affected", "9")
    assert package["why"] == "headers of a kernel are no kernel, and what is said of it is a note"
    assert [claim["severity"] for claim in package["severityClaims"]] == ["CRITICAL"]
    assert severities(edge, repository, STATUS + KERNEL) == {"bash": "CRITICAL", "linux": "CRITICAL"}


def test_a_kernel_that_nobody_rates_is_no_note(edge: Edges) -> None:
    """Its headers beside it do not make it one: Debian rates few."""
    edge.registry.publish(osv("CVE-2024-0003", "linux", ecosystem="Debian:12"))
    repository = edge.registry.repository("team/app")
    assert severities(edge, repository, STATUS + KERNEL) == {"linux": "UNDEFINED"}
