"""A finding of enhanced scanning over its life: since when it is known, in which words, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hullwise.domain.manifests import OCI_INDEX
from hullwise.scanning import overlay_changes, watching
from tests.support import registry as support
from tests.support.advisories import osv
from tests.support.clocked import Clocked, clocked
from tests.support.images import Image, image, layer, python_packages
from tests.support.layouts import descriptor, index
from tests.support.registry import ACCOUNT, START, Registry

CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
FLASK = image([layer(python_packages(flask="1.0"))])
LOW = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:P/AC:H/PR:H/UI:N/S:U/C:L/I:N/A:N"}]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def watched(tmp_path: Path, database_url: str) -> Iterator[Clocked]:
    """A registry that scans continuously, and gives up what was not pushed for fourteen days."""
    with support.registry(tmp_path, database_url, rescan_push_days=14) as registry:
        yield enhanced(registry)


def enhanced(registry: Registry, frequency: str = "CONTINUOUS_SCAN") -> Clocked:
    api = clocked(registry)
    rule = {"scanFrequency": frequency, "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}]}
    api.call("PutRegistryScanningConfiguration", scanType="ENHANCED", rules=[rule])
    api.call("CreateRepository", repositoryName="app")
    return api


def push(api: Clocked, content: Image = FLASK) -> None:
    api.push("app", content)
    api.registry.work()


def described(api: Clocked) -> dict[str, Any]:
    """Status and findings; counts are those of DescribeImages too, and of what is listed as active. Our own API says
    the same."""
    found: dict[str, Any] = api.call(
        "DescribeImageScanFindings", repositoryName="app", imageId={"imageTag": "latest"}, maxResults=1000
    )
    (detail,) = api.call("DescribeImages", repositoryName="app", imageIds=[{"imageTag": "latest"}])["imageDetails"]
    shown = found["imageScanFindings"]
    counts = shown["findingSeverityCounts"]
    assert detail["imageScanFindingsSummary"]["findingSeverityCounts"] == counts
    assert detail["imageScanStatus"]["status"] == found["imageScanStatus"]["status"]
    listed = [each["severity"] for each in shown["enhancedFindings"] if each["status"] == "ACTIVE"]
    assert counts == {severity: listed.count(severity) for severity in listed}
    arns = [each["findingArn"] for each in shown["enhancedFindings"]]
    assert len(set(arns)) == len(arns), "a finding is listed once"
    check_ours(api, shown)
    return found


def ours(api: Clocked) -> dict[str, Any]:
    found: dict[str, Any] = api.oci("GET", "/api/v1/findings?repository=app&image=latest&limit=1000").json()
    return found


def check_ours(api: Clocked, shown: dict[str, Any]) -> None:
    """Of each finding of the report: how it stands, and its times. What closed while the image was watched is in no
    report."""
    mine = ours(api)
    if mine["findings"] is None:
        assert shown["enhancedFindings"] == []
        return
    theirs = {each["packageVulnerabilityDetails"]["vulnerabilityId"]: each for each in shown["enhancedFindings"]}
    for each in mine["findings"]:
        said = tuple(datetime.fromisoformat(each[name]) for name in ("firstObservedAt", "updatedAt", "lastObservedAt"))
        assert (each["status"], *said) == (theirs[each["id"]]["status"], *times(theirs[each["id"]]))
    assert {{"UNDEFINED": "UNTRIAGED"}.get(name, name): number for name, number in mine["counts"].items()} == shown[
        "findingSeverityCounts"
    ]


def findings(api: Clocked) -> dict[str, Any]:
    """By the vulnerability's name."""
    listed = described(api)["imageScanFindings"]["enhancedFindings"]
    found = {each["packageVulnerabilityDetails"]["vulnerabilityId"]: each for each in listed}
    assert len(found) == len(listed)
    return found


def reasons(api: Clocked) -> dict[str, str]:
    """By ARN, why what is closed is closed; ours beside the model, which botocore's parser drops."""
    body = json.dumps({"repositoryName": "app", "imageId": {"imageTag": "latest"}, "maxResults": 1000}).encode()
    listed = api.post("DescribeImageScanFindings", body).json()["imageScanFindings"]["enhancedFindings"]
    closed = [each for each in listed if each["status"] == "CLOSED"]
    assert [each for each in listed if "closedReason" in each["hullwise"]] == closed
    return {each["findingArn"]: each["hullwise"]["closedReason"] for each in closed}


def times(finding: dict[str, Any]) -> tuple[datetime, datetime, datetime]:
    """First observed, updated, last observed."""
    return finding["firstObservedAt"], finding["updatedAt"], finding["lastObservedAt"]


def test_a_finding_grows_older(watched: Clocked) -> None:
    """Known since the image was scanned, or since the advisory came if that was later; updated as its words change;
    observed as often as there is newer data; one finding all the time."""
    registry = watched.registry
    registry.publish(osv("CVE-2024-0001", "flask"))
    registry.clock.advance(hours=1)
    push(watched)
    scanned = START + HOUR
    first = findings(watched)["CVE-2024-0001"]
    assert times(first) == (scanned, scanned, scanned)
    assert (first["severity"], first["status"]) == ("UNTRIAGED", "ACTIVE")
    registry.clock.advance(days=1)
    registry.publish(osv("CVE-2024-0001", "flask", severity=CRITICAL))
    worse = findings(watched)["CVE-2024-0001"]
    assert worse["severity"] == "CRITICAL"
    assert times(worse) == (scanned, scanned + DAY, scanned + DAY)
    registry.clock.advance(days=1)
    registry.publish(osv("CVE-2024-0002", "flask"))
    both = findings(watched)
    assert times(both["CVE-2024-0001"]) == (scanned, scanned + DAY, scanned + 2 * DAY)
    assert times(both["CVE-2024-0002"]) == (scanned + 2 * DAY,) * 3
    registry.clock.advance(days=1)
    registry.publish(osv("CVE-2024-0003", "jinja2"))
    # Data that says nothing new of the image has been looked through as well.
    assert times(findings(watched)["CVE-2024-0002"]) == (scanned + 2 * DAY, scanned + 2 * DAY, scanned + 3 * DAY)
    assert first["findingArn"] == worse["findingArn"] == both["CVE-2024-0001"]["findingArn"]
    assert both["CVE-2024-0002"]["findingArn"] != first["findingArn"]


def test_a_finding_expires_and_comes_back(watched: Clocked) -> None:
    """Closed from the moment at which the image is given up, also while its next scan waits, and the same finding
    before and after."""
    registry = watched.registry
    registry.publish(osv("CVE-2024-0001", "flask"), osv("CVE-2024-0002", "flask"))
    push(watched)
    before = findings(watched)
    registry.clock.advance(days=14)
    assert watching.expire(registry.services) == 1
    expired = registry.clock()
    registry.clock.advance(days=1)

    def check_closed(status: str) -> None:
        found = described(watched)
        assert found["imageScanStatus"]["status"] == status
        assert found["imageScanFindings"]["findingSeverityCounts"] == {}
        assert reasons(watched) == {each["findingArn"]: "expired" for each in before.values()}
        for name, finding in findings(watched).items():
            assert (finding["status"], finding["findingArn"]) == ("CLOSED", before[name]["findingArn"])
            assert times(finding) == (START, START, expired)

    check_closed("SCAN_ELIGIBILITY_EXPIRED")
    watched.push("app", FLASK)
    check_closed("PENDING")
    registry.work()
    revived = findings(watched)
    for name, finding in revived.items():
        assert (finding["status"], finding["findingArn"]) == ("ACTIVE", before[name]["findingArn"])
        assert times(finding) == (START, START, registry.clock())
    assert len(revived) == 2


def test_what_closed_before_an_image_expired_is_still_told(watched: Clocked) -> None:
    """Once it is watched again, for thirty days; but for what its new scan finds again, which is open."""
    registry = watched.registry
    withdrawn = {"withdrawn": "2026-01-01T00:00:00Z"}
    names = ["CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0003"]
    registry.publish(*(osv(name, "flask") for name in names))
    push(watched)
    registry.clock.advance(days=1)
    registry.publish(*(osv(name, "flask", **withdrawn) for name in names[:2]))
    assert {name: each["status"] for name, each in findings(watched).items()} == dict.fromkeys(names[:2], "CLOSED") | {
        names[2]: "ACTIVE"
    }
    registry.clock.advance(days=14)
    assert watching.expire(registry.services) == 1
    registry.publish(osv(names[1], "flask"))
    push(watched)
    found = findings(watched)
    assert {name: each["status"] for name, each in found.items()} == {
        names[0]: "CLOSED",
        names[1]: "ACTIVE",
        names[2]: "ACTIVE",
    }
    assert reasons(watched) == {found[names[0]]["findingArn"]: "withdrawn"}
    registry.clock.advance(days=16)
    assert names[0] not in findings(watched)


def test_findings_that_close_say_why(watched: Clocked) -> None:
    """Withdrawn, or no longer said of this version: listed last, not counted, for thirty days, known since they were;
    one that opens again is active and listed once."""
    registry = watched.registry
    registry.publish(*(osv(f"CVE-2024-000{number}", "flask") for number in (1, 2, 3)))
    push(watched)
    before = findings(watched)
    registry.clock.advance(days=2)
    registry.publish(osv("CVE-2024-0001", "flask", withdrawn="2026-01-02T00:00:00Z"))
    registry.clock.advance(days=1)
    registry.publish(osv("CVE-2024-0002", "flask", fixed="0.9"))
    found = described(watched)["imageScanFindings"]
    assert found["findingSeverityCounts"] == {"UNTRIAGED": 1}
    after = findings(watched)
    assert [(name, each["status"]) for name, each in after.items()] == [
        ("CVE-2024-0003", "ACTIVE"),
        ("CVE-2024-0001", "CLOSED"),
        ("CVE-2024-0002", "CLOSED"),
    ]
    assert reasons(watched) == {
        after["CVE-2024-0001"]["findingArn"]: "withdrawn",
        after["CVE-2024-0002"]["findingArn"]: "not-affected",
    }
    assert times(after["CVE-2024-0001"]) == (START, START + 2 * DAY, START + 2 * DAY)
    assert times(after["CVE-2024-0002"]) == (START, START + 3 * DAY, START + 3 * DAY)
    assert {name: each["findingArn"] for name, each in after.items()} == {
        name: each["findingArn"] for name, each in before.items()
    }
    registry.clock.advance(days=1)
    registry.publish(osv("CVE-2024-0001", "flask"))
    again = findings(watched)
    assert again["CVE-2024-0001"]["status"] == "ACTIVE"
    assert again["CVE-2024-0001"]["findingArn"] == before["CVE-2024-0001"]["findingArn"]
    # What closed on the third day is shown up to the thirty-third.
    registry.clock.advance(days=8)
    watched.push("app", FLASK, "again")
    registry.clock.advance(days=20)
    assert "CVE-2024-0002" in findings(watched)
    registry.clock.advance(days=1)
    assert "CVE-2024-0002" not in findings(watched)


def test_two_names_become_one_finding(registry: Registry) -> None:
    """The one that goes on is known since it was, under its old ARN; the other closes as merged."""
    api = enhanced(registry)
    registry.publish(osv("GHSA-aaaa-aaaa-aaaa", "flask"), osv("PYSEC-2024-1", "flask"))
    push(api)
    before = {each["findingArn"] for each in findings(api).values()}
    registry.clock.advance(days=1)
    registry.publish(osv("PYSEC-2024-1", "flask", aliases=["GHSA-aaaa-aaaa-aaaa"]))
    listed = described(api)["imageScanFindings"]["enhancedFindings"]
    active, closed = listed
    assert (active["status"], closed["status"]) == ("ACTIVE", "CLOSED")
    assert reasons(api) == {closed["findingArn"]: "merged"}
    assert {active["findingArn"], closed["findingArn"]} == before
    assert times(active) == (START, START + DAY, START + DAY)
    assert times(closed) == (START, START + DAY, START + DAY)
    # A name of its own, which ranks higher, changes no ARN either.
    registry.clock.advance(days=1)
    registry.publish(osv("PYSEC-2024-1", "flask", aliases=["GHSA-aaaa-aaaa-aaaa", "CVE-2024-0009"]))
    named = findings(api)["CVE-2024-0009"]
    assert named["findingArn"] == active["findingArn"]
    assert times(named) == (START, START + 2 * DAY, START + 2 * DAY)


def test_a_scan_on_push_stays_as_it_ended(registry: Registry) -> None:
    """Observed last when the scan ended, whatever is published later."""
    api = enhanced(registry, "SCAN_ON_PUSH")
    registry.publish(osv("CVE-2024-0001", "flask"))
    registry.clock.advance(hours=1)
    push(api)
    registry.clock.advance(hours=1)
    registry.publish(osv("CVE-2024-0001", "flask", severity=CRITICAL), osv("CVE-2024-0002", "flask"))
    found = findings(api)
    assert list(found) == ["CVE-2024-0001"]
    assert (times(found["CVE-2024-0001"]), found["CVE-2024-0001"]["severity"]) == ((START + HOUR,) * 3, "UNTRIAGED")


def test_an_index_shows_a_finding_as_the_images_have_it_in_which_it_counts(watched: Clocked) -> None:
    """Whatever is said in one that was given up: its severity counts in the index no more than in the image. What is
    suppressed where it would count is suppressed in the index."""
    registry, services = watched.registry, watched.registry.services
    both = image([layer(python_packages(flask="1.0", jinja2="2.0"))])
    registry.publish(osv("CVE-2024-0001", "flask", severity=CRITICAL))
    for content in (FLASK, both):
        push(watched, content)
    body = index(descriptor(FLASK), descriptor(both))
    assert watched.oci("PUT", "/v2/app/manifests/latest", body, content_type=OCI_INDEX).status_code == 201
    registry.clock.advance(days=10)
    watched.push("app", both, "both")
    registry.work()
    registry.clock.advance(days=10)
    assert watching.expire(services) == 1
    registry.publish(osv("CVE-2024-0001", "flask", severity=LOW))

    def listed() -> tuple[dict[str, int], int, tuple[str, str, str | None]]:
        found = ours(watched)
        assert [each["status"] for each in found["images"]] == ["SCAN_ELIGIBILITY_EXPIRED", "ACTIVE"]
        (finding,) = found["findings"]
        said = finding["suppression"]
        return found["counts"], found["suppressed"], (finding["severity"], finding["status"], said and said["reason"])

    assert listed() == ({"LOW": 1}, 0, ("LOW", "ACTIVE", None))
    assert [each["counts"] for each in ours(watched)["images"]] == [{}, {"LOW": 1}]

    def ignore(tx: sa.Connection) -> int:
        fields: dict[str, Any] = {"vulnerability": "CVE-2024-0001", "author": "Ada"}
        # Of the two only the second image has a fix for it.
        return overlay_changes.add_rule(tx, services, ACCOUNT, **fields, fixable="yes", reason="patched").id

    registry.publish(osv("CVE-2024-0001", "flask", severity=LOW, fixed="2.0"))
    services.database.run(ignore)
    assert listed() == ({}, 1, ("LOW", "SUPPRESSED", "patched"))
    registry.clock.advance(days=10)
    assert watching.expire(services) == 1
    found = ours(watched)
    assert (found["counts"], found["suppressed"]) == ({}, 0)
    assert [(each["severity"], each["status"], each["suppression"]) for each in found["findings"]] == [
        ("CRITICAL", "CLOSED", None)
    ]


@pytest.mark.parametrize("quota", [1, 1_000])
def test_a_scan_that_found_nothing_yet_observes_nothing(tmp_path: Path, database_url: str, quota: int) -> None:
    """While it waits, or where the quota refuses it, what was found was last known when the scan before it ended."""
    with support.registry(tmp_path, database_url, scan_quota=quota, scan_quota_per_image=0) as registry:
        api = clocked(registry)
        registry.publish(osv("CVE-2024-0001", "flask"))
        api.call("CreateRepository", repositoryName="app", imageScanningConfiguration={"scanOnPush": True})
        push(api)
        registry.clock.advance(hours=1)
        started = api.call("StartImageScan", repositoryName="app", imageId={"imageTag": "latest"})
        assert started["imageScanStatus"]["status"] == ("LIMIT_EXCEEDED" if quota == 1 else "PENDING")
        found = ours(api)
        assert datetime.fromisoformat(found["report"]["completedAt"]) == START
        assert [datetime.fromisoformat(each["lastObservedAt"]) for each in found["findings"]] == [START]


def test_whether_there_is_a_fix(registry: Registry) -> None:
    """YES and what to do, or NO and `NotAvailable`; the advice is there with a fix only."""
    api = enhanced(registry)
    registry.publish(osv("CVE-2024-0001", "flask", fixed="2.0"), osv("CVE-2024-0002", "flask"))
    push(api)
    found = findings(api)
    shown = {
        name: (
            each["fixAvailable"],
            [package["fixedInVersion"] for package in each["packageVulnerabilityDetails"]["vulnerablePackages"]],
            each["remediation"]["recommendation"]["text"],
        )
        for name, each in found.items()
    }
    update = "Update all packages in the vulnerable packages section to their latest versions."
    assert shown == {
        "CVE-2024-0001": ("YES", ["2.0"], update),
        "CVE-2024-0002": ("NO", ["NotAvailable"], "None Provided"),
    }


def test_an_image_that_is_deleted_and_pushed_again(registry: Registry) -> None:
    """It is scanned for the first time; its findings are the same ones, since what they are in is the same."""
    api = enhanced(registry)
    registry.publish(osv("CVE-2024-0001", "flask"))
    push(api)
    before = findings(api)["CVE-2024-0001"]
    registry.clock.advance(days=1)
    api.call("BatchDeleteImage", repositoryName="app", imageIds=[{"imageDigest": FLASK.digest}])
    push(api)
    after = findings(api)["CVE-2024-0001"]
    assert after["findingArn"] == before["findingArn"]
    assert times(after) == (START + DAY,) * 3
