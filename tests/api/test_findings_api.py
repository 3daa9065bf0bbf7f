"""Findings of an image and images of a vulnerability, as our own JSON API tells them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from hullwise.auth import keys, tokens
from hullwise.auth.callers import Caller
from hullwise.domain import limits
from hullwise.domain.enrichment import ExploitScore, KnownExploited
from hullwise.domain.manifests import OCI_INDEX
from hullwise.registry import repositories as repository_rules
from hullwise.store import enrichment, repositories
from hullwise.store.repositories import Repository
from tests.support.advisories import osv
from tests.support.edges import Edges, login
from tests.support.images import DEBIAN_12, Image, image, layer, python_packages, sha256
from tests.support.layouts import descriptor, index
from tests.support.registry import ACCOUNT, REGION, Registry

OTHER = "999999999999"
FINDINGS, RULES = "/api/v1/findings", "/api/v1/ignore-rules"


def cvss(word: str) -> list[dict[str, str]]:
    """A CVSS 3.1 vector of that severity: scores 9.8, 7.5, 5.3 and 1.8, by FIRST's calculator."""
    vectors = {
        "CRITICAL": "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "HIGH": "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N",
        "MEDIUM": "AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N",
        "LOW": "AV:P/AC:H/PR:H/UI:N/S:U/C:L/I:N/A:N",
    }
    return [{"type": "CVSS_V3", "score": f"CVSS:3.1/{vectors[word]}"}]


RECORDS = [
    osv("CVE-2024-0001", "flask", fixed="2.0", severity=cvss("HIGH"), aliases=["GHSA-aaaa-bbbb-cccc"]),
    osv("CVE-2024-0002", "flask", severity=cvss("LOW")),
    osv("CVE-2024-0003", "jinja2", fixed="3.0", severity=cvss("CRITICAL")),
    osv("PYSEC-2024-9", "jinja2"),
    osv("DSA-9-1", "bash", ecosystem="Debian:12", fixed="5.3", severity=cvss("MEDIUM"), upstream=["CVE-2024-0005"]),
]
EVERY = ["CVE-2024-0003", "CVE-2024-0001", "DSA-9-1", "CVE-2024-0002", "PYSEC-2024-9"]
"""Most severe first."""

WITHDRAWN = "2026-01-01T00:00:00Z"

STATUS = (
    b"Package: bash-static\nSource: bash (5.2)\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2\n\n"
    b"Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2\n"
)
BASE = layer({"etc/os-release": DEBIAN_12, "var/lib/dpkg/status": STATUS})
FLASK = layer(python_packages(flask="1.0"))
APP = image([BASE, FLASK, layer(python_packages(jinja2="2.0"))])
SITE = "usr/lib/python3/dist-packages"


def get(edge: Edges, path: str, headers: Any = None, **query: str) -> dict[str, Any]:
    """The answer, which is a good one; with a fresh token of the edge's key, or these headers."""
    text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    target = f"{path}?{text}" if text else path
    answer = edge.oci("GET", target) if headers is None else edge.send("GET", target, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(edge: Edges, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    answer = edge.oci("GET", path) if headers is None else edge.send("GET", path, headers=headers)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def having(name: str) -> str:
    return f"/api/v1/vulnerabilities/{quote(name)}/images"


def pages(edge: Edges, path: str, member: str, size: int, **query: str) -> list[list[dict[str, Any]]]:
    """What is in each page."""
    found: list[list[dict[str, Any]]] = []
    query |= {"limit": str(size)}
    while True:
        page = get(edge, path, **query)
        found.append(page[member])
        if page["nextToken"] is None:
            return found
        query["nextToken"] = page["nextToken"]


def ignore(edge: Edges, **fields: str) -> int:
    body = json.dumps({"reason": "not reachable", "author": "Ada", **fields}).encode()
    answer = edge.oci("POST", RULES, body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def names(found: Iterable[Mapping[str, Any]]) -> list[str]:
    return [each["id"] for each in found]


def headers_of(registry: Registry, account: str, region: str = REGION) -> dict[str, str]:
    """Those of a new key of the account, logged in there."""
    with registry.services.database.write() as tx:
        key = keys.create(tx, registry.services, account)
    return login(tokens.issue(registry.services, Caller(key.access_key_id, account, region)).password)


def repository(registry: Registry, name: str, account: str, region: str = REGION) -> Repository:
    services = registry.services
    return services.database.run(
        lambda tx: repository_rules.create(tx, services, account=account, region=region, name=name, scan_on_push=True)
    )


def exploited(registry: Registry, *names: str) -> None:
    services = registry.services
    known = [KnownExploited(name, "", "2026-01-02", "2026-01-23", True, "", "") for name in names]
    enrichment.replace_exploited(services.database.run, known, "2026-01-05", registry.clock())
    with services.database.read() as tx:
        scores = [ExploitScore(name, 0.9, 0.99) for name in names]
        enrichment.replace_scores(tx, services.database.run, scores, "2026-01-06", registry.clock())


@pytest.fixture
def scanned(edge: Edges) -> Edges:
    """Both APIs of a registry with one image, `team/app:latest`, which has every finding."""
    registry = edge.registry
    registry.publish(*RECORDS)
    registry.push(registry.repository("team/app"), APP)
    registry.work()
    return edge


def test_the_findings_of_an_image(scanned: Edges) -> None:
    """What they are, where they are, what is known of them; most severe first, the whole image counted."""
    registry = scanned.registry
    exploited(registry, "CVE-2024-0001")
    number = ignore(scanned, vulnerability="CVE-2024-0003")
    found = get(scanned, FINDINGS, repository="team/app", image="latest")
    at = registry.clock().isoformat()
    assert found["image"] == {
        "repository": "team/app",
        "digest": APP.digest,
        "tags": ["latest"],
        "status": "COMPLETE",
        "description": "The scan was completed successfully.",
    }
    assert (found["counts"], found["suppressed"], found["matching"], found["nextToken"]) == (
        {"HIGH": 1, "MEDIUM": 1, "LOW": 1, "UNDEFINED": 1},
        1,
        5,
        None,
    )
    assert found["images"] is None
    assert found["report"]["completedAt"] == at
    assert found["report"]["distribution"]["id"] == "debian"
    assert names(found["findings"]) == [*EVERY[1:], EVERY[0]]
    flask, bash, *_, jinja = found["findings"]
    assert flask == {
        "id": "CVE-2024-0001",
        "aliases": ["GHSA-aaaa-bbbb-cccc"],
        "related": [],
        "summary": "",
        "severity": "HIGH",
        "score": 7.5,
        "severitySource": "CVE",
        "fixedVersion": "2.0",
        "state": "fixed",
        "advisories": ["CVE-2024-0001"],
        "url": "https://nvd.nist.gov/vuln/detail/CVE-2024-0001",
        "published": None,
        "status": "ACTIVE",
        "package": "flask",
        "version": "1.0",
        "packageManager": "pypi",
        "layerDigest": FLASK.digest,
        "inBase": None,
        "installed": [
            {
                "purl": "pkg:pypi/flask@1.0",
                "path": f"{SITE}/flask-1.0.dist-info/METADATA",
                "layerDigest": FLASK.digest,
            }
        ],
        "epss": {"score": 0.9, "percentile": 0.99, "date": "2026-01-06"},
        "knownExploited": {"dateAdded": "2026-01-02", "dueDate": "2026-01-23", "ransomware": True},
        "suppression": None,
        "firstObservedAt": at,
        "updatedAt": at,
        "lastObservedAt": at,
    }
    assert (bash["package"], bash["version"], bash["related"]) == ("bash", "5.2", ["CVE-2024-0005"])
    assert {each["purl"] for each in bash["installed"]} == {
        "pkg:deb/debian/bash@5.2?arch=amd64&distro=debian-12",
        "pkg:deb/debian/bash-static@5.2?arch=amd64&distro=debian-12",
    }
    assert (jinja["status"], jinja["suppression"]) == (
        "SUPPRESSED",
        {"by": f"rule:{number}", "status": "ignored", "reason": "not reachable", "author": "Ada"},
    )
    assert get(scanned, FINDINGS, repository="team/app", image=APP.digest) == found


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, EVERY),
    ({"severity": "CRITICAL"}, ["CVE-2024-0003"]),
    ({"severity": "LOW,HIGH"}, ["CVE-2024-0001", "CVE-2024-0002"]),
    ({"severity": "UNDEFINED"}, ["PYSEC-2024-9"]),
    ({"severity": "INFORMATIONAL"}, []),
    ({"fixable": "yes"}, ["CVE-2024-0003", "CVE-2024-0001", "DSA-9-1"]),
    ({"fixable": "no"}, ["CVE-2024-0002", "PYSEC-2024-9"]),
    ({"exploited": "yes"}, ["CVE-2024-0001", "DSA-9-1"]),
    ({"exploited": "no"}, ["CVE-2024-0003", "CVE-2024-0002", "PYSEC-2024-9"]),
    ({"package": "flask"}, ["CVE-2024-0001", "CVE-2024-0002"]),
    ({"package": "Flask"}, ["CVE-2024-0001", "CVE-2024-0002"]),
    ({"package": "bash"}, ["DSA-9-1"]),
    ({"package": "Bash"}, []),
    ({"package": "bash-static"}, ["DSA-9-1"]),
    ({"package": "flas"}, []),
    ({"vulnerability": "cve-2024-0001"}, ["CVE-2024-0001"]),
    ({"vulnerability": "ghsa-AAAA-bbbb-cccc"}, ["CVE-2024-0001"]),
    ({"vulnerability": "CVE-2024-0005"}, ["DSA-9-1"]),
    ({"vulnerability": "CVE-2024-000"}, []),
    ({"suppressed": "yes"}, ["CVE-2024-0002"]),
    ({"suppressed": "no"}, ["CVE-2024-0003", "CVE-2024-0001", "DSA-9-1", "PYSEC-2024-9"]),
    ({"package": "flask", "fixable": "yes", "severity": "HIGH,LOW"}, ["CVE-2024-0001"]),
    ({"package": "flask", "suppressed": "yes", "severity": "HIGH"}, []),
    ({"exploited": "yes", "fixable": "yes", "suppressed": "no", "package": "bash"}, ["DSA-9-1"]),
]


def test_what_is_wanted(scanned: Edges) -> None:
    """Each filter, and several together; the counts stay those of the whole image, and pages are of what fits."""
    exploited(scanned.registry, "CVE-2024-0001", "CVE-2024-0005")
    ignore(scanned, vulnerability="CVE-2024-0002")
    asked = {"repository": "team/app", "image": "latest"}
    for chosen, expected in FILTERS:
        found = get(scanned, FINDINGS, **asked, **chosen)
        # What is suppressed is the last.
        ordered = sorted(expected, key=lambda name: name == "CVE-2024-0002")
        assert (names(found["findings"]), found["matching"]) == (ordered, len(expected)), chosen
        assert found["counts"] == {"CRITICAL": 1, "HIGH": 1, "MEDIUM": 1, "UNDEFINED": 1}
        assert found["suppressed"] == 1
        for size in (1, 2):
            paged = pages(scanned, FINDINGS, "findings", size, **asked, **chosen)
            assert [name for page in paged for name in names(page)] == ordered
            assert [len(page) for page in paged[:-1]] == [size] * (len(paged) - 1)
            assert len(paged) == max(1, -(-len(expected) // size))


def test_pages_are_of_one_report(scanned: Edges) -> None:
    """What is said of findings meanwhile, or where the tag goes, changes no page of a reading that has begun."""
    registry = scanned.registry
    asked = {"repository": "team/app", "image": "latest", "limit": "2"}
    first = get(scanned, FINDINGS, **asked)
    ignore(scanned, vulnerability="CVE-2024-0003")
    with registry.services.database.read() as tx:
        app = repositories.get(tx, ACCOUNT, REGION, "team/app")
    registry.push(app, image([layer(python_packages(jinja2="2.0"))]))
    registry.work()
    second = get(scanned, FINDINGS, **asked, nextToken=first["nextToken"])
    third = get(scanned, FINDINGS, **asked, nextToken=second["nextToken"])
    assert names(first["findings"] + second["findings"] + third["findings"]) == EVERY
    assert third["nextToken"] is None
    assert {page["image"]["digest"] for page in (first, second, third)} == {APP.digest}
    assert first["counts"] == second["counts"] == third["counts"]


def test_bad_requests(scanned: Edges) -> None:
    """400 with what is wrong, or 404; never more."""
    good = f"{FINDINGS}?repository=team/app&image=latest"
    bad = {
        FINDINGS: "repository",
        f"{FINDINGS}?repository=team/app": "image",
        f"{FINDINGS}?image=latest": "repository",
        f"{FINDINGS}?repository=Team&image=latest": "repositoryName",
        f"{FINDINGS}?repository=%00&image=latest": "repositoryName",
        f"{FINDINGS}?repository={'a' * 300}&image=latest": "repositoryName",
        f"{FINDINGS}?repository=team/app&image=%00": "image",
        f"{FINDINGS}?repository=team/app&image=a%20b": "image",
        f"{FINDINGS}?repository=team/app&image=sha256:00": "image",
        f"{FINDINGS}?repository=team/app&image={'a' * 129}": "image",
        f"{good}&severity=high": "severity",
        f"{good}&severity=HIGH,": "severity",
        f"{good}&severity=%00": "severity",
        f"{good}&fixable=true": "fixable",
        f"{good}&exploited=YES": "exploited",
        f"{good}&suppressed=1": "suppressed",
        f"{good}&package={'a' * 513}": "package",
        f"{good}&vulnerability={'a' * 513}": "vulnerability",
        f"{good}&serverity=HIGH": "serverity",
        f"{good}&limit=0": "limit",
        f"{good}&limit=1001": "limit",
        f"{good}&limit=-1": "limit",
        f"{good}&limit=1e2": "limit",
        f"{good}&limit=%D9%A3": "limit",
        f"{good}&limit={'9' * 5000}": "limit",
        f"{good}&limit=": "limit",
        f"{good}&nextToken=x": "nextToken",
        f"{good}&nextToken=%00": "nextToken",
        f"{good}&nextToken={'a' * 4097}": "nextToken",
        f"{having('CVE-2024-0001')}?suppressed=maybe": "suppressed",
        f"{having('CVE-2024-0001')}?limit=0": "limit",
        f"{having('CVE-2024-0001')}?nextToken=x": "nextToken",
        f"{having('CVE-2024-0001')}?severity=HIGH": "severity",
    }
    for path, member in bad.items():
        status, code, message = refused(scanned, path)
        assert (status, code) == (400, "InvalidParameter"), path[:90]
        assert f"'{member}'" in message, path[:90]
    absent = [
        f"{FINDINGS}?repository=team/none&image=latest",
        f"{FINDINGS}?repository=team/app&image=none",
        f"{FINDINGS}?repository=team/app&image=sha256:{'0' * 64}",
        having("CVE-2024-9999"),
        having("\0"),
        having("a b"),
        having("ä"),
        having("a" * 129),
        having("a" * 3_000),
        having("a/b"),
        having("%"),
        having("'; DROP TABLE"),
        "/api/v1/vulnerabilities/%ED%A0%80/images",
        "/api/v1/vulnerabilities//images",
        "/api/v1/vulnerabilities/CVE-2024-0001",
    ]
    for path in absent:
        assert refused(scanned, path)[:2] == (404, "NotFound"), path[:90]
    for limit in ("1", "1000"):
        assert get(scanned, f"{good}&limit={limit}")["findings"] != []
    odd = get(scanned, FINDINGS, repository="team/app", image="latest", package="\0", vulnerability="\0é")
    assert (odd["findings"], odd["matching"]) == ([], 0)


def test_a_token_is_good_for_its_request(scanned: Edges) -> None:
    """Not for another filter, image, region or account, not for the other list, and not for ECR's."""
    registry = scanned.registry
    registry.push(registry.repository("team/two"), APP)
    registry.work()
    query = "repository=team/app&image=latest&suppressed=no"
    token = get(scanned, f"{FINDINGS}?{query}&limit=1")["nextToken"]
    other = get(scanned, f"{having('CVE-2024-0001')}?limit=1")["nextToken"]
    assert get(scanned, f"{FINDINGS}?{query}&limit=3&nextToken={token}")["matching"] == 5
    for path in (
        f"{FINDINGS}?repository=team/app&image=latest&nextToken={token}",
        f"{FINDINGS}?repository=team/two&image=latest&suppressed=no&nextToken={token}",
        f"{FINDINGS}?{query}&fixable=no&nextToken={token}",
        f"{FINDINGS}?{query}&nextToken={other}",
        f"{having('CVE-2024-0001')}?nextToken={token}",
        f"{having('CVE-2024-0003')}?nextToken={other}",
    ):
        assert refused(scanned, path)[:2] == (400, "InvalidParameter"), path
    for headers in (headers_of(registry, OTHER), headers_of(registry, ACCOUNT, "eu-west-1")):
        path = f"{FINDINGS}?{query}&nextToken={token}"
        assert refused(scanned, path, headers)[:2] == (400, "InvalidParameter")
    answer = scanned.aws(
        "DescribeImageScanFindings", repositoryName="team/app", imageId={"imageTag": "latest"}, nextToken=token
    )
    assert (answer.status_code, answer.json()["__type"]) == (400, "InvalidParameterException")
    # Another key of the account goes on where the first one stopped.
    mine = headers_of(registry, ACCOUNT)
    assert names(get(scanned, f"{FINDINGS}?{query}&limit=1&nextToken={token}", mine)["findings"]) == [EVERY[1]]


def test_what_nobody_knows_is_null(edge: Edges) -> None:
    """Of a scan that waits or failed; an image that was never scanned is 404, as in ECR."""
    registry = edge.registry
    registry.publish(*RECORDS)
    app = registry.repository("team/app")
    empty = image([layer({"etc/motd": b"hello\n"})])
    registry.push(app, empty)
    for status in ("PENDING", "FAILED"):
        found = get(edge, FINDINGS, repository="team/app", image="latest", severity="HIGH")
        assert found["image"]["status"] == status
        assert found["image"]["description"]
        assert [found[name] for name in ("counts", "suppressed", "matching", "findings", "report")] == [None] * 5
        registry.work()
    registry.push(registry.repository("manual", scan_on_push=False), APP)
    assert refused(edge, f"{FINDINGS}?repository=manual&image=latest")[:2] == (404, "NotFound")


def platforms(*listed: tuple[Image | bytes, str]) -> bytes:
    """An index of images and indexes with their platforms (`linux/arm64`)."""
    described = []
    for content, platform in listed:
        system, _, architecture = platform.partition("/")
        about = {"platform": {"os": system, "architecture": architecture}} if platform else {}
        if isinstance(content, bytes):
            described.append({"mediaType": OCI_INDEX, "digest": sha256(content), "size": len(content), **about})
        else:
            described.append(descriptor(content, **about))
    return index(*described)


def put_index(edge: Edges, name: str, tag: str, body: bytes) -> None:
    answer = edge.oci("PUT", f"/v2/{name}/manifests/{tag}", body, content_type=OCI_INDEX)
    assert answer.status_code == 201, answer.text


AMD = image([layer(python_packages(flask="1.0"))])
ARM = image([layer(python_packages(flask="1.0", jinja2="2.0"))])
NEVER = image([layer(python_packages(flask="1.0"))], author="never scanned")


def test_an_index_adds_up_what_it_lists(edge: Edges) -> None:
    """Each finding once, with the images that have it, as severe as the worst says; suppressed where all have it so;
    an index in the index counts as what it lists, and what was not scanned says so."""
    registry = edge.registry
    registry.publish(osv("CVE-2024-0001", "flask", severity=cvss("LOW")), osv("CVE-2024-0002", "flask"))
    app = registry.repository("team/app")
    registry.push(app, AMD, None)
    registry.work()
    # A basic scan stays as it completed: the second image's says more, and worse.
    registry.publish(
        osv("CVE-2024-0001", "flask", severity=cvss("HIGH"), aliases=["GHSA-aaaa-bbbb-cccc"]),
        osv("CVE-2024-0002", "flask"),
        osv("CVE-2024-0003", "jinja2", severity=cvss("MEDIUM")),
    )
    registry.push(app, ARM, None)
    registry.work()
    with registry.services.database.write() as tx:
        repositories.set_scan_on_push(tx, app.id, False)
    registry.push(app, NEVER, None)
    inner = platforms((ARM, "linux/arm64"), (AMD, "linux/amd64"))
    put_index(edge, "team/app", "inner", inner)
    put_index(edge, "team/app", "all", platforms((AMD, "linux/amd64"), (inner, ""), (NEVER, "linux/s390x")))
    asked = {"repository": "team/app", "image": "all"}
    found = get(edge, FINDINGS, **asked)
    assert found["image"]["tags"] == ["all"]
    assert (found["image"]["status"], found["report"]) == (None, None)
    assert [(each["digest"], each["platform"], each["status"], each["counts"]) for each in found["images"]] == [
        (AMD.digest, "linux/amd64", "COMPLETE", {"LOW": 1, "UNDEFINED": 1}),
        (NEVER.digest, "linux/s390x", None, None),
        (ARM.digest, "linux/arm64", "COMPLETE", {"HIGH": 1, "MEDIUM": 1, "UNDEFINED": 1}),
    ]
    assert (found["counts"], found["suppressed"], found["matching"]) == ({"HIGH": 1, "MEDIUM": 1, "UNDEFINED": 1}, 0, 3)
    both = [
        {"digest": AMD.digest, "platform": "linux/amd64", "status": "ACTIVE"},
        {"digest": ARM.digest, "platform": "linux/arm64", "status": "ACTIVE"},
    ]
    assert [(each["id"], each["severity"], each["images"]) for each in found["findings"]] == [
        ("CVE-2024-0001", "HIGH", both),
        ("CVE-2024-0003", "MEDIUM", both[1:]),
        ("CVE-2024-0002", "UNDEFINED", both),
    ]
    assert len(found["findings"][0]["installed"]) == 2
    assert names(get(edge, FINDINGS, **asked, severity="MEDIUM,HIGH")["findings"]) == ["CVE-2024-0001", "CVE-2024-0003"]
    assert [names(page) for page in pages(edge, FINDINGS, "findings", 1, **asked, package="flask")] == [
        ["CVE-2024-0001"],
        ["CVE-2024-0002"],
    ]
    # Of the one image the alias was not known: there the finding counts, as that image has it.
    ignore(edge, vulnerability="GHSA-aaaa-bbbb-cccc")
    found = get(edge, FINDINGS, **asked)
    assert (found["counts"], found["suppressed"]) == ({"MEDIUM": 1, "LOW": 1, "UNDEFINED": 1}, 0)
    split = next(each for each in found["findings"] if each["id"] == "CVE-2024-0001")
    assert (split["status"], split["severity"], split["suppression"]) == ("ACTIVE", "LOW", None)
    assert [each["status"] for each in split["images"]] == ["ACTIVE", "SUPPRESSED"]
    first = get(edge, FINDINGS, **asked, limit="1")
    ignore(edge, vulnerability="CVE-2024-0001")
    found = get(edge, FINDINGS, **asked)
    assert (found["counts"], found["suppressed"]) == ({"MEDIUM": 1, "UNDEFINED": 1}, 1)
    last = found["findings"][-1]
    assert (last["id"], last["severity"], last["suppression"]["reason"]) == ("CVE-2024-0001", "HIGH", "not reachable")
    # A reading goes on behind what it ended with, wherever that is by now.
    second = get(edge, FINDINGS, **asked, limit="1", nextToken=first["nextToken"])
    assert names(first["findings"] + second["findings"]) == ["CVE-2024-0003", "CVE-2024-0002"]


def test_an_index_of_nothing_known(edge: Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    """Null, as for an image; and one that lists too many is refused."""
    registry = edge.registry
    app = registry.repository("team/app", scan_on_push=False)
    registry.push(app, AMD, None)
    put_index(edge, "team/app", "all", platforms((AMD, "linux/amd64")))
    put_index(edge, "team/app", "none", platforms())
    for tag in ("all", "none"):
        found = get(edge, FINDINGS, repository="team/app", image=tag)
        assert (found["counts"], found["findings"], found["matching"]) == (None, None, None)
    monkeypatch.setattr(limits, "INDEX_IMAGES", 1)
    registry.push(app, ARM, None)
    put_index(edge, "team/app", "two", platforms((AMD, "linux/amd64"), (ARM, "linux/arm64")))
    assert get(edge, FINDINGS, repository="team/app", image="all")["findings"] is None
    assert refused(edge, f"{FINDINGS}?repository=team/app&image=two")[:2] == (400, "InvalidParameter")


def images_of(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(each["repository"], each["digest"]) for each in found["images"]]


def test_the_images_of_a_vulnerability(scanned: Edges) -> None:
    """By any of its ids in any case, or by one that its advisory takes care of: repository, digest, tags, status, the
    findings in each image, and the indexes that list it."""
    registry = scanned.registry
    two = registry.repository("team/two")
    registry.push(two, AMD, "one")
    registry.push(two, AMD, "more")
    registry.push(two, image([layer(python_packages(flask="2.0"))]), "fixed")
    put_index(scanned, "team/two", "all", platforms((AMD, "linux/amd64")))
    registry.work()
    listed = sha256(platforms((AMD, "linux/amd64")))
    expected = get(scanned, having("CVE-2024-0001"))
    assert expected["vulnerability"] == {"id": "CVE-2024-0001", "aliases": ["GHSA-aaaa-bbbb-cccc"]}
    described = "The scan was completed successfully."
    finding = {
        "id": "CVE-2024-0001",
        "package": "flask",
        "version": "1.0",
        "fixedVersion": "2.0",
        "state": "fixed",
        "severity": "HIGH",
        "score": 7.5,
        "layerDigest": FLASK.digest,
        "installed": ["flask"],
        "suppression": None,
    }
    assert expected["images"] == [
        {
            "repository": "team/app",
            "digest": APP.digest,
            "tags": ["latest"],
            "indexes": [],
            "status": "COMPLETE",
            "description": described,
            "findings": [finding],
        },
        {
            "repository": "team/two",
            "digest": AMD.digest,
            "tags": ["more", "one"],
            "indexes": [{"digest": listed, "tags": ["all"]}],
            "status": "COMPLETE",
            "description": described,
            "findings": [finding],
        },
    ]
    for name in ("cve-2024-0001", "GHSA-AAAA-BBBB-CCCC", "ghsa-aaaa-bbbb-cccc"):
        assert get(scanned, having(name))["images"] == expected["images"], name
    assert get(scanned, having("ghsa-aaaa-bbbb-cccc"))["vulnerability"]["id"] == "GHSA-aaaa-bbbb-cccc"
    for name in ("CVE-2024-0005", "cve-2024-0005", "dsa-9-1"):
        found = get(scanned, having(name))
        assert images_of(found) == [("team/app", APP.digest)]
        assert [(each["id"], each["installed"]) for each in found["images"][0]["findings"]] == [
            ("DSA-9-1", ["bash", "bash-static"])
        ]
    assert get(scanned, having("CVE-2024-0005"))["vulnerability"] == {"id": "CVE-2024-0005", "aliases": []}


def test_a_known_vulnerability_that_nothing_has(scanned: Edges) -> None:
    """An empty list, while what nobody knows is 404."""
    registry = scanned.registry
    registry.publish(osv("CVE-2024-0007", "django", aliases=["PYSEC-2024-7"]))
    found = get(scanned, having("pysec-2024-7"))
    assert found == {
        "vulnerability": {"id": "PYSEC-2024-7", "aliases": ["CVE-2024-0007"]},
        "images": [],
        "nextToken": None,
    }
    status, code, message = refused(scanned, having("CVE-2024-0008"))
    assert (status, code) == (404, "NotFound")
    assert "CVE-2024-0008" in message


def test_images_page_by_page(scanned: Edges) -> None:
    """In the order of their pushes; without those in which it is suppressed, where that is asked for; a push beside a
    reading comes last."""
    registry = scanned.registry
    digests = [APP.digest]
    many = registry.repository("many")
    for number in range(5):
        content = image([FLASK], author=str(number))
        registry.push(many, content, None)
        digests.append(content.digest)
    registry.work()
    path = having("CVE-2024-0001")
    for size in (1, 2, 3, 6, 1_000):
        paged = pages(scanned, path, "images", size)
        assert [each["digest"] for page in paged for each in page] == digests
        assert len(paged) == -(-6 // size)
    ignore(scanned, vulnerability="CVE-2024-0001", repository="team/*")
    for size in (1, 3, 100):
        live = pages(scanned, path, "images", size, suppressed="no")
        assert [each["digest"] for page in live for each in page] == digests[1:]
    (hidden,) = get(scanned, path, suppressed="yes")["images"]
    assert hidden["digest"] == APP.digest
    assert hidden["findings"][0]["suppression"]["reason"] == "not reachable"
    assert len(get(scanned, path)["images"]) == 6
    first = get(scanned, path, limit="4")
    late = image([FLASK], author="late")
    registry.push(many, late, None)
    registry.work()
    rest = get(scanned, path, limit="4", nextToken=first["nextToken"])
    assert [each["digest"] for each in rest["images"]] == [*digests[4:], late.digest]


def test_a_report_that_stays_as_it_is_is_found(scanned: Edges) -> None:
    """A basic scan's report has what it had: after another severity, and after a month, when what had ended is no
    longer kept."""
    registry = scanned.registry
    registry.publish(osv("CVE-2024-0001", "flask", severity=cvss("LOW")))
    path = having("CVE-2024-0001")
    assert [each["findings"][0]["severity"] for each in get(scanned, path)["images"]] == ["HIGH"]
    registry.clock.advance(days=40)
    registry.publish(osv("CVE-2024-0001", "flask", severity=cvss("MEDIUM")))
    assert [each["findings"][0]["severity"] for each in get(scanned, path)["images"]] == ["HIGH"]


def test_enhanced_findings_move_on(edge: Edges) -> None:
    """Each type has its own results; a continuous image is found by what the newest data says of it."""
    registry = edge.registry
    registry.publish(*RECORDS)
    registry.push(registry.repository("team/app"), APP)
    registry.work()
    path, asked = having("CVE-2024-0001"), {"repository": "team/app", "image": "latest"}
    assert edge.aws("PutRegistryScanningConfiguration", scanType="ENHANCED", rules=[]).status_code == 200
    assert get(edge, path)["images"] == []
    registry.work()
    found = get(edge, FINDINGS, **asked)
    assert (found["image"]["status"], found["counts"]["UNDEFINED"]) == ("ACTIVE", 1)
    assert images_of(get(edge, path)) == [("team/app", APP.digest)]
    registry.publish(osv("CVE-2024-0001", "flask", fixed="0.5"), osv("CVE-2024-0008", "flask"))
    registry.work()
    assert get(edge, path)["images"] == []
    assert images_of(get(edge, having("CVE-2024-0008"))) == [("team/app", APP.digest)]
    assert "CVE-2024-0001" not in names(get(edge, FINDINGS, **asked)["findings"])
    assert edge.aws("PutRegistryScanningConfiguration", scanType="BASIC", rules=[]).status_code == 200
    assert images_of(get(edge, path)) == [("team/app", APP.digest)]
    assert names(get(edge, FINDINGS, **asked)["findings"]) == EVERY


def test_nobody_sees_anothers(scanned: Edges) -> None:
    """Neither findings nor images of another account or of another region, and a refusal says the same whether what it
    is about is there or not."""
    registry = scanned.registry
    theirs, west = headers_of(registry, OTHER), headers_of(registry, ACCOUNT, "eu-west-1")
    registry.push(repository(registry, "theirs", OTHER), ARM)
    registry.push(repository(registry, "team/app", ACCOUNT, "eu-west-1"), AMD)
    registry.work()
    path = having("CVE-2024-0001")
    assert images_of(get(scanned, path)) == [("team/app", APP.digest)]
    assert images_of(get(scanned, path, theirs)) == [("theirs", ARM.digest)]
    assert images_of(get(scanned, path, west)) == [("team/app", AMD.digest)]
    assert get(scanned, having("DSA-9-1"), theirs)["images"] == []
    # What only another account's packages have ever had is known no more than what nobody has.
    registry.publish(osv("DSA-9-1", "bash", ecosystem="Debian:12", withdrawn=WITHDRAWN))
    assert images_of(get(scanned, having("DSA-9-1"))) == [("team/app", APP.digest)]
    for name in ("DSA-9-1", "CVE-2024-0005", "DSA-9-9"):
        assert refused(scanned, having(name), theirs)[:2] == (404, "NotFound")
    for name, digest in (("team/app", APP.digest), ("team/none", APP.digest)):
        _, code, message = refused(scanned, f"{FINDINGS}?repository={name}&image={digest}", theirs)
        assert (code, message.replace(name, "")) == (
            "NotFound",
            f"The repository with name '' does not exist in the registry with id '{OTHER}'",
        )
    assert refused(scanned, f"{FINDINGS}?repository=team/app&image={APP.digest}", west)[0] == 404
    assert get(scanned, FINDINGS, west, repository="team/app", image="latest")["image"]["digest"] == AMD.digest


def described(edge: Edges, name: str, digest: str) -> dict[str, tuple[str, str, bool]]:
    """By id: (severity, package, suppressed) as DescribeImageScanFindings has it; what closed is left out."""
    answer = edge.aws(
        "DescribeImageScanFindings", repositoryName=name, imageId={"imageDigest": digest}, maxResults=1_000
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()["imageScanFindings"]
    said: dict[str, tuple[str, str, bool]] = {}
    for each in found.get("findings", ()):
        attributes = {pair["key"]: pair["value"] for pair in each["attributes"]}
        said[each["name"]] = (each["severity"], attributes["package_name"], attributes.get("status") == "SUPPRESSED")
    for each in found.get("enhancedFindings", ()):
        details = each["packageVulnerabilityDetails"]
        if each["status"] != "CLOSED":
            severity = {"UNTRIAGED": "UNDEFINED"}.get(each["severity"], each["severity"])
            package = details["vulnerablePackages"][0]["name"]
            said[details["vulnerabilityId"]] = (severity, package, each["status"] == "SUPPRESSED")
    return said


@pytest.mark.parametrize("scan_type", ["BASIC", "ENHANCED"])
@pytest.mark.parametrize("seed", range(3))
def test_all_three_say_the_same(edge: Edges, seed: int, scan_type: str) -> None:
    """Of random images under random rules, data that changes in between: DescribeImageScanFindings, the findings of an
    image, and the images of each vulnerability."""
    chance, registry = random.Random(seed), edge.registry
    projects = [f"p{number}" for number in range(6)]

    def records() -> list[dict[str, Any]]:
        return [
            osv(
                f"CVE-2024-{number:04}",
                projects[number % 6],
                severity=cvss(chance.choice(["CRITICAL", "HIGH", "MEDIUM", "LOW"])),
                fixed=chance.choice([None, "1.5", "3.0"]),
            )
            for number in chance.sample(range(24), 16)
        ]

    if scan_type == "ENHANCED":
        assert edge.aws("PutRegistryScanningConfiguration", scanType="ENHANCED", rules=[]).status_code == 200
    where: list[tuple[str, str]] = []
    published: set[str] = set()
    for turn in range(3):
        new = records()
        published |= {each["id"] for each in new}
        registry.publish(*new)
        name = f"app{turn}"
        repository = registry.repository(name)
        for _ in range(3):
            chosen = chance.sample(projects, chance.randint(1, 5))
            content = image(
                [layer(python_packages(**{each: chance.choice(["1.0", "2.0"]) for each in chosen}))],
                author=str(chance.random()),
            )
            registry.push(repository, content, None)
            where.append((name, content.digest))
        registry.work()
        if chance.random() < 0.8:
            ignore(edge, vulnerability=f"CVE-2024-{chance.randrange(24):04}", repository=chance.choice(["", name]))
            ignore(edge, package=chance.choice(projects), repository=f"app{chance.randrange(3)}")
    expected = {(name, digest): described(edge, name, digest) for name, digest in where}
    assert any(found for found in expected.values())
    for (name, digest), said in expected.items():
        found = get(edge, FINDINGS, repository=name, image=digest, limit="1000")
        assert {
            each["id"]: (each["severity"], each["package"], each["status"] == "SUPPRESSED")
            for each in found["findings"]
        } == said
        assert sum(found["counts"].values()) == sum(not suppressed for *_, suppressed in said.values())
    for vulnerability in sorted(published):
        shown = {
            (each["repository"], each["digest"]): {
                (each["severity"], each["package"], each["suppression"] is not None) for each in each["findings"]
            }
            for page in pages(edge, having(vulnerability), "images", 4)
            for each in page
        }
        assert shown == {at: {said[vulnerability]} for at, said in expected.items() if vulnerability in said}
