"""Bills of materials by our own JSON API, and kept in the registry beside the image."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from hullwise.advisories.vex import parse
from tests.support.advisories import osv
from tests.support.edges import Edges
from tests.support.images import DEBIAN_12, image, layer, python_packages, sha256

APP = image([layer({"etc/os-release": DEBIAN_12, **python_packages(Flask="1.0", Mako="2.0")})])


@pytest.fixture
def scanned(edge: Edges) -> Edges:
    edge.registry.publish(osv("CVE-2024-0001", "flask", fixed="2.0"))
    edge.registry.push(edge.registry.repository("team/app"), APP)
    edge.registry.work()
    return edge


def path(**query: str) -> str:
    return f"/api/v1/sbom?{urlencode({'repository': 'team/app', 'image': 'latest', **query})}"


def purls(document: dict[str, Any]) -> list[str]:
    return [each["purl"] for each in document["components"] if "purl" in each]


def test_each_format(scanned: Edges) -> None:
    """The packages of the image, and in what the answer says that it is."""
    cyclonedx = scanned.oci("GET", path())
    assert cyclonedx.headers["content-type"].startswith("application/vnd.cyclonedx+json")
    assert (cyclonedx.json()["specVersion"], purls(cyclonedx.json())) == (
        "1.6",
        ["pkg:pypi/flask@1.0", "pkg:pypi/mako@2.0"],
    )
    assert "vulnerabilities" not in cyclonedx.json()
    spdx = scanned.oci("GET", path(format="spdx"))
    assert spdx.headers["content-type"].startswith("application/spdx+json")
    assert {"flask", "mako"} <= {each["name"] for each in spdx.json()["packages"]}
    sarif = scanned.oci("GET", path(format="sarif"))
    assert [each["ruleId"] for each in sarif.json()["runs"][0]["results"]] == ["CVE-2024-0001"]


def test_findings_are_in_it_where_they_are_asked_for(scanned: Edges) -> None:
    """With what the account says of them: the document can be read back as VEX."""
    rule = {"vulnerability": "CVE-2024-0001", "reason": "not reachable", "author": "Ada"}
    assert scanned.oci("POST", "/api/v1/ignore-rules", json.dumps(rule).encode()).status_code == 200
    found = scanned.oci("GET", path(findings="yes"))
    (vulnerability,) = found.json()["vulnerabilities"]
    assert (vulnerability["id"], vulnerability["analysis"]["detail"]) == ("CVE-2024-0001", "not reachable")
    assert [each.vulnerability for each in parse(found.content).statements] == ["CVE-2024-0001"]


def test_it_is_kept_as_a_referrer(scanned: Edges) -> None:
    """The registry's own API lists and serves it; the same document a second time is the same referrer."""
    made = [scanned.oci("POST", path(format="spdx")) for _ in range(2)]
    assert [answer.status_code for answer in made] == [200, 200], made[0].text
    digest = made[0].json()["digest"]
    assert (made[1].json()["digest"], made[0].json()["subject"]) == (digest, APP.digest)
    (referrer,) = scanned.oci("GET", f"/v2/team/app/referrers/{APP.digest}").json()["manifests"]
    assert (referrer["digest"], referrer["artifactType"]) == (digest, "application/spdx+json")
    manifest = scanned.oci("GET", f"/v2/team/app/manifests/{digest}")
    (blob,) = manifest.json()["layers"]
    kept = scanned.oci("GET", f"/v2/team/app/blobs/{blob['digest']}").content
    assert (sha256(kept), kept) == (blob["digest"], scanned.oci("GET", path(format="spdx")).content)


@pytest.mark.parametrize(
    ("method", "query", "status"),
    [
        ("GET", {"format": "csv"}, 400),
        ("GET", {"findings": "perhaps"}, 400),
        ("GET", {"image": "other"}, 404),
        ("GET", {"repository": "team/other"}, 404),
        ("GET", {"unknown": "1"}, 400),
        ("POST", {"format": "sarif"}, 400),
    ],
    ids=str,
)
def test_bad_requests(scanned: Edges, method: str, query: dict[str, str], status: int) -> None:
    """Each has a status of its own, and nothing is kept."""
    assert scanned.oci(method, path(**query)).status_code == status
    assert scanned.oci("GET", f"/v2/team/app/referrers/{APP.digest}").json()["manifests"] == []


def test_an_image_that_was_not_scanned_has_none(scanned: Edges) -> None:
    """Nothing is known of what it holds."""
    scanned.registry.push(scanned.registry.repository("team/quiet", scan_on_push=False), APP)
    assert scanned.oci("GET", path(repository="team/quiet")).status_code == 404
