"""Suppressed findings as AWS's clients see them: at once, shown, not counted, and page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.advisories import osv
from tests.support.edges import Edges
from tests.support.images import Image, image, layer, python_packages
from tests.support.pushing import push
from tests.support.registry import Server

RULES, VEX = "/api/v1/ignore-rules", "/api/v1/vex"

# Of the bundled advisories two are about Jinja2 2.10: CVE-2019-10906 (HIGH) and CVE-2024-22195 (MEDIUM).
JINJA = image([layer(python_packages(Jinja2="2.10"))])
HIGH, MEDIUM = "CVE-2019-10906", "CVE-2024-22195"
COMPLETE = "The scan was completed successfully."
ONE = f"{COMPLETE} 1 finding is suppressed and not counted."


@pytest.fixture
def scanned(server: Server, ecr: Any, http: httpx.Client, repository: str) -> str:
    """A repository with an image `latest` that was scanned, and two findings."""
    ecr.put_image_scanning_configuration(repositoryName=repository, imageScanningConfiguration={"scanOnPush": True})
    push(http, repository, JINJA, "latest")
    assert server.wait_for_scan(repository)["imageScanStatus"] == {"status": "COMPLETE", "description": COMPLETE}
    return repository


def describe(ecr: Any, repository: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What DescribeImageScanFindings and DescribeImages say of the image: of its status and its counts the same."""
    found = ecr.describe_image_scan_findings(repositoryName=repository, imageId={"imageTag": "latest"})
    (detail,) = ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert detail["imageScanStatus"] == found["imageScanStatus"]
    counts = found["imageScanFindings"]["findingSeverityCounts"]
    assert detail["imageScanFindingsSummary"]["findingSeverityCounts"] == counts
    for answer in (found, detail):
        answer.pop("ResponseMetadata", None)
    return found, detail


def attributes(finding: dict[str, Any]) -> dict[str, str]:
    pairs = [(each["key"], each["value"]) for each in finding["attributes"]]
    # Each once, and as long as the service model allows (AttributeKey, AttributeValue).
    assert len(dict(pairs)) == len(pairs)
    assert all(1 <= len(key) <= 128 and len(value) <= 256 for key, value in pairs)
    return dict(pairs)


def rule(http: httpx.Client, **fields: str) -> int:
    answer = http.post(RULES, json={"reason": "not reachable", "author": "Ada", **fields})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def test_a_rule_suppresses_at_once(ecr: Any, http: httpx.Client, scanned: str) -> None:
    """In the next answer the finding is the last, says why, by whom and by which rule, and is not counted; after the
    rule is taken back everything is as it was."""
    before = describe(ecr, scanned)
    number = rule(http, vulnerability=HIGH, repository=scanned)
    found, _ = describe(ecr, scanned)
    assert found["imageScanStatus"] == {"status": "COMPLETE", "description": ONE}
    assert found["imageScanFindings"]["findingSeverityCounts"] == {"MEDIUM": 1}
    live, hidden = found["imageScanFindings"]["findings"]
    assert (live["name"], hidden["name"]) == (MEDIUM, HIGH)
    # What it is said to be does not change with what is made of it.
    assert hidden["severity"] == "HIGH"
    said = attributes(hidden)
    assert (said["status"], said["suppression_status"]) == ("SUPPRESSED", "ignored")
    assert (said["suppression_reason"], said["suppressed_by"]) == ("not reachable", f"Ada (rule:{number})")
    assert said.items() >= attributes(before[0]["imageScanFindings"]["findings"][0]).items()
    assert not [name for name in attributes(live) if "suppress" in name or name == "status"]
    second = rule(http, package="jinja2", repository=scanned)
    found, _ = describe(ecr, scanned)
    assert found["imageScanStatus"]["description"] == f"{COMPLETE} 2 findings are suppressed and not counted."
    assert found["imageScanFindings"]["findingSeverityCounts"] == {}
    # The older rule that fits is named.
    by = [attributes(each)["suppressed_by"] for each in found["imageScanFindings"]["findings"]]
    assert by == [f"Ada (rule:{number})", f"Ada (rule:{second})"]
    for each in (number, second):
        assert http.delete(f"{RULES}/{each}").status_code == 204
    assert describe(ecr, scanned) == before


def test_an_account_suppresses_its_own(server: Server, ecr: Any, http: httpx.Client, scanned: str) -> None:
    """A key of another account changes nothing here: neither by a rule that fits everywhere nor by removing one."""
    key = json.loads(server.run("keys", "create", "--account", "210987654321", "--format", "json").stdout)
    other = Server(
        server.url, server.data, key["access_key_id"], key["secret_access_key"], key["account"], server.process, {}
    )
    before = describe(ecr, scanned)
    with other.http() as theirs:
        rule(theirs, package="jinja2")
        assert describe(ecr, scanned) == before
        number = rule(http, vulnerability=HIGH, repository=scanned)
        suppressed = describe(ecr, scanned)
        assert suppressed != before
        assert theirs.delete(f"{RULES}/{number}").status_code == 404
        assert [each["package"] for each in theirs.get(RULES).json()["ignoreRules"]] == ["jinja2"]
    assert describe(ecr, scanned) == suppressed
    assert http.delete(f"{RULES}/{number}").status_code == 204


def openvex(purl: str) -> dict[str, Any]:
    statement = {
        "vulnerability": {"name": HIGH},
        "products": [{"@id": purl}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
        "impact_statement": "no templates of strangers",
    }
    head = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.org/jinja", "author": "Vendor"}
    return {**head, "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [statement]}


def csaf(purl: str) -> dict[str, Any]:
    tracking = {"id": "EX-2", "initial_release_date": "2026-01-01T00:00:00Z", "revision_history": [], "version": "1"}
    tracking |= {"current_release_date": "2026-01-01T00:00:00Z", "status": "final"}
    publisher = {"category": "vendor", "name": "Vendor", "namespace": "https://example.org"}
    document = {"category": "csaf_vex", "csaf_version": "2.0", "title": "Example", "publisher": publisher}
    product = {"name": "Jinja2", "product_id": "A", "product_identification_helper": {"purl": purl}}
    flag = {"label": "vulnerable_code_not_in_execute_path", "product_ids": ["A"]}
    threat = {"category": "impact", "details": "no templates of strangers", "product_ids": ["A"]}
    vulnerability = {"cve": HIGH, "product_status": {"known_not_affected": ["A"]}, "flags": [flag], "threats": [threat]}
    return {
        "document": {**document, "tracking": tracking},
        "product_tree": {"full_product_names": [product]},
        "vulnerabilities": [vulnerability],
    }


def cyclonedx(purl: str) -> dict[str, Any]:
    analysis = {"state": "not_affected", "justification": "code_not_reachable", "detail": "no templates of strangers"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b78",
        "version": 1,
        "metadata": {"timestamp": "2026-01-01T00:00:00Z", "authors": [{"name": "Vendor"}]},
        "components": [{"type": "library", "bom-ref": "a", "name": "jinja2", "version": "2.10", "purl": purl}],
        "vulnerabilities": [{"id": HIGH, "analysis": analysis, "affects": [{"ref": "a"}]}],
    }


def test_vex_in_each_format_suppresses(ecr: Any, http: httpx.Client, scanned: str) -> None:
    """One statement of OpenVEX, CSAF or CycloneDX does what a rule does, in its own words, until it is taken back; on
    another version it does nothing."""
    before = describe(ecr, scanned)
    for form in (openvex, csaf, cyclonedx):
        other = http.post(VEX, json=form("pkg:pypi/jinja2@2.11"), params={"repository": scanned}).json()
        assert describe(ecr, scanned) == before
        added = http.post(VEX, json=form("pkg:pypi/jinja2@2.10"), params={"repository": scanned})
        assert added.json()["unused"] == {}
        number = added.json()["id"]
        found, _ = describe(ecr, scanned)
        assert found["imageScanStatus"]["description"] == ONE
        assert found["imageScanFindings"]["findingSeverityCounts"] == {"MEDIUM": 1}
        hidden = found["imageScanFindings"]["findings"][-1]
        said = attributes(hidden)
        assert (hidden["name"], said["status"], said["suppression_status"]) == (HIGH, "SUPPRESSED", "not_affected")
        assert "no templates of strangers" in said["suppression_reason"]
        assert said["suppressed_by"] == f"Vendor (vex:{number}#1)"
        assert http.delete(f"{VEX}/{number}").status_code == 204
        # It had replaced the first, being of the same name.
        assert http.delete(f"{VEX}/{other['id']}").status_code == 404
        assert describe(ecr, scanned) == before


def test_boto3_pages_through_all(ecr: Any, http: httpx.Client, scanned: str) -> None:
    """Its paginator, with one finding a page, lists each once and the counts on each."""
    number = rule(http, vulnerability=HIGH, repository=scanned)
    paginator = ecr.get_paginator("describe_image_scan_findings")
    asked = {"repositoryName": scanned, "imageId": {"imageTag": "latest"}}
    pages = list(paginator.paginate(**asked, PaginationConfig={"PageSize": 1}))
    assert [[each["name"] for each in page["imageScanFindings"]["findings"]] for page in pages] == [[MEDIUM], [HIGH]]
    assert [page["imageScanFindings"]["findingSeverityCounts"] for page in pages] == [{"MEDIUM": 1}] * 2
    assert [page["imageScanStatus"]["description"] for page in pages] == [ONE] * 2
    assert http.delete(f"{RULES}/{number}").status_code == 204


SERIOUS = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}]
SMALL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}]
# In the order of pages: the serious ones by name, then the small ones.
NAMES = [f"CVE-2024-000{number}" for number in range(1, 7)]
CONTENT: Image = image([layer(python_packages(flask="1.0"))])


@pytest.fixture
def filled(edge: Edges) -> Edges:
    """An image with six findings, on each engine in turn."""
    records = [osv(name, "flask", severity=SERIOUS if name < NAMES[3] else SMALL) for name in NAMES]
    edge.registry.publish(*records)
    edge.registry.repository("team/app")
    edge.push("team/app", CONTENT)
    edge.registry.work()
    return edge


def page(edge: Edges, **more: Any) -> dict[str, Any]:
    answer = edge.aws(
        "DescribeImageScanFindings", repositoryName="team/app", imageId={"imageTag": "latest"}, maxResults=1, **more
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def pages(edge: Edges, token: str | None = None) -> Iterator[dict[str, Any]]:
    """One page after the other, from the token on."""
    while True:
        found = page(edge, **({"nextToken": token} if token else {}))
        yield found
        token = found.get("nextToken")
        if token is None:
            return


def listed(found: list[dict[str, Any]]) -> list[str]:
    """The findings of pages with one each; those that are suppressed in brackets."""
    names = []
    for each in found:
        (finding,) = each["imageScanFindings"]["findings"]
        hidden = any(pair["key"] == "status" for pair in finding["attributes"])
        names.append(f"({finding['name']})" if hidden else finding["name"])
    return names


def add(edge: Edges, **fields: Any) -> int:
    body = json.dumps({"reason": "not reachable", "author": "Ada", **fields}).encode()
    answer = edge.oci("POST", RULES, body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def test_pages_list_everything_once(filled: Edges) -> None:
    """Those that are suppressed last, in the same order among themselves; each page has the counts of all."""
    add(filled, vulnerability=NAMES[1])
    add(filled, vulnerability=NAMES[4])
    found = list(pages(filled))
    one, two, three, four, five, six = NAMES
    assert listed(found) == [one, three, four, six, f"({two})", f"({five})"]
    for each in found:
        assert each["imageScanFindings"]["findingSeverityCounts"] == {"HIGH": 2, "LOW": 2}
        assert each["imageScanFindings"]["hullwise"]["suppressed"] == 2
        assert each["imageScanStatus"]["description"].endswith(" 2 findings are suppressed and not counted.")


def test_a_change_between_pages_changes_no_page(filled: Edges) -> None:
    """A token goes on in the report that it began in, when a rule is added and when it is taken back; a new listing has
    the new state."""
    one, two, *rest = NAMES
    first = page(filled)
    number = add(filled, vulnerability=one)
    assert listed([first, *pages(filled, first["nextToken"])]) == NAMES
    second = page(filled)
    assert listed([second]) == [two]
    add(filled, package="flask")
    filled.oci("DELETE", f"{RULES}/{number}")
    remaining = list(pages(filled, second["nextToken"]))
    assert listed([second, *remaining]) == [two, *rest, f"({one})"]
    assert {json.dumps(each["imageScanFindings"]["findingSeverityCounts"]) for each in remaining} == {
        '{"HIGH": 2, "LOW": 3}'
    }
    assert listed(list(pages(filled))) == [f"({name})" for name in NAMES]


def test_a_rule_ends_between_pages(filled: Edges) -> None:
    """One that expires goes on counting in the listing that began before; the next listing is without it."""
    until = filled.registry.clock.moment + timedelta(minutes=5)
    add(filled, vulnerability=NAMES[0], expiresAt=until.isoformat())
    first = page(filled)
    # Within what a signature may be off: botocore signs with the machine's clock.
    filled.registry.clock.moment = until
    assert listed([first, *pages(filled, first["nextToken"])]) == [*NAMES[1:], f"({NAMES[0]})"]
    assert listed(list(pages(filled))) == NAMES


def test_long_texts_are_cut(filled: Edges) -> None:
    """A reason and an author at their limits fit the model's 256 characters, and the rule is still named."""
    number = add(filled, vulnerability=NAMES[0], reason="é" * 1_000, author="Å" * 256)
    said = attributes(list(pages(filled))[-1]["imageScanFindings"]["findings"][0])
    assert said["suppression_reason"] == "é" * 255 + "…"
    assert said["suppressed_by"].startswith("ÅÅÅ")
    assert said["suppressed_by"].endswith(f"Å… (rule:{number})")
    assert len(said["suppressed_by"]) == 256
