"""Events of ECR and Inspector: what is written beside what happened, in the same transaction."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from hullwise.domain.manifests import OCI_MANIFEST
from hullwise.registry import garbage
from hullwise.scanning import overlay_changes
from hullwise.store.tables import deliveries, events, receivers
from tests.support.advisories import osv
from tests.support.clocked import Clocked, Refused, clocked
from tests.support.images import Image, image, layer, python_packages
from tests.support.pushing import descriptor, manifest
from tests.support.registry import ACCOUNT, REGION, Registry

CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
FLASK = image([layer(python_packages(flask="1.0"))])
OTHER = image([layer(python_packages(flask="1.0", jinja2="3.0"))])
EMPTY = image([layer({"etc/motd": b"hello\n"})])
CONFIG = "application/vnd.oci.image.config.v1+json"
ARN = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/app"

Told = list[tuple[str, str, list[str], dict[str, Any]]]


@pytest.fixture
def api(registry: Registry) -> Clocked:
    """A registry with one repository that is scanned on push, and nothing told."""
    found = clocked(registry)
    found.call("CreateRepository", repositoryName="app", imageScanningConfiguration={"scanOnPush": True})
    return found


def told(api: Clocked, *kinds: str) -> Told:
    """(source, detail type, resources, detail) of what was told since the last time, oldest first."""
    with api.registry.services.database.write() as tx:
        rows = tx.execute(sa.select(events).order_by(events.c.id)).all()
        tx.execute(events.delete())
    for row in rows:
        assert (row.account_id, row.region) == (ACCOUNT, REGION)
        assert row.uid
    return [
        (row.source, row.kind, json.loads(row.resources), json.loads(row.body))
        for row in rows
        if not kinds or row.kind in kinds
    ]


def action(content: Image, kind: str, tag: str | None, **more: str) -> tuple[str, str, list[str], dict[str, Any]]:
    detail = {
        "result": "SUCCESS",
        "repository-name": "app",
        "image-digest": content.digest,
        "action-type": kind,
        "manifest-media-type": OCI_MANIFEST,
        "artifact-media-type": CONFIG,
        **({} if tag is None else {"image-tag": tag}),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return "aws.ecr", "ECR Image Action", [], detail


def delete(api: Clocked, **asked: str) -> None:
    found = api.call("BatchDeleteImage", repositoryName="app", imageIds=[asked])
    assert found["failures"] == []


def test_pushes(api: Clocked) -> None:
    """Each new image and each tag that moves is told once; the same under the same tag is nothing new."""
    api.push("app", FLASK, "one")
    assert told(api) == [action(FLASK, "PUSH", "one")]
    api.push("app", FLASK, "one")
    assert told(api) == []
    api.push("app", FLASK, "two")
    assert told(api) == [action(FLASK, "PUSH", "two")]
    api.push("app", EMPTY, EMPTY.digest)
    assert told(api) == [action(EMPTY, "PUSH", None)]
    api.push("app", EMPTY, "two")
    assert told(api) == [action(EMPTY, "PUSH", "two")]


def test_deletions(api: Clocked) -> None:
    """By digest one for each tag, by tag that tag, without any tag one; the last tag is no other case."""
    for tag in ("one", "two"):
        api.push("app", FLASK, tag)
    api.push("app", EMPTY, EMPTY.digest)
    told(api)
    delete(api, imageDigest=FLASK.digest)
    assert told(api) == [action(FLASK, "DELETE", "one"), action(FLASK, "DELETE", "two")]
    delete(api, imageDigest=EMPTY.digest)
    assert told(api) == [action(EMPTY, "DELETE", None)]
    for tag in ("one", "two"):
        api.push("app", FLASK, tag)
    told(api)
    delete(api, imageTag="two")
    assert told(api) == [action(FLASK, "DELETE", "two")]
    delete(api, imageTag="one")
    assert told(api) == [action(FLASK, "DELETE", "one")]
    assert api.call("ListImages", repositoryName="app")["imageIds"] == []


def test_tags_of_the_registry_api(api: Clocked) -> None:
    """Each tag of one push is told, and each that is deleted there, also the last one, after which the image stays."""
    api.push("app", FLASK, FLASK.digest)
    told(api)
    named = f"/v2/app/manifests/{FLASK.digest}?tag=one&tag=two"
    assert api.oci("PUT", named, FLASK.manifest, content_type=OCI_MANIFEST).status_code == 201
    assert told(api) == [action(FLASK, "PUSH", "one"), action(FLASK, "PUSH", "two")]
    for tag in ("two", "one"):
        assert api.oci("DELETE", f"/v2/app/manifests/{tag}").status_code == 202
        assert told(api) == [action(FLASK, "DELETE", tag)]
    assert api.call("ListImages", repositoryName="app")["imageIds"] == [{"imageDigest": FLASK.digest}]


def test_the_archive(api: Clocked) -> None:
    """Each way once, with where it went; back from it also when; going where it is already is nothing."""
    api.push("app", FLASK)
    told(api)

    def move(target: str) -> Told:
        asked = {"repositoryName": "app", "imageId": {"imageTag": "latest"}}
        api.call("UpdateImageStorageClass", **asked, targetStorageClass=target)
        return told(api)

    kind = "UPDATE_STORAGE_CLASS"
    assert move("STANDARD") == []
    assert move("ARCHIVE") == [action(FLASK, kind, None, target_storage_class="ARCHIVE")]
    assert move("ARCHIVE") == []
    api.registry.clock.advance(days=1)
    back = action(FLASK, kind, None, target_storage_class="STANDARD", last_activated_at="2026-01-02T00:00:00Z")
    assert move("STANDARD") == [back]
    # Pushed again, by either API, it comes back too, and its tag names it as before.
    move("ARCHIVE")
    api.call("PutImage", repositoryName="app", imageManifest=FLASK.manifest.decode(), imageTag="latest")
    assert told(api) == [back]
    with pytest.raises(Refused, match="already exists"):
        api.call("PutImage", repositoryName="app", imageManifest=FLASK.manifest.decode(), imageTag="latest")
    move("ARCHIVE")
    api.push("app", FLASK, "other")
    assert told(api) == [back, action(FLASK, "PUSH", "other")]


def test_what_refers_to_an_image(api: Clocked) -> None:
    """Pushes and deletions of a manifest with a subject are events of a type of their own."""
    api.push("app", FLASK)
    api.push("app", EMPTY, "empty")
    told(api)
    subject = descriptor(FLASK.manifest, OCI_MANIFEST)
    signature = manifest(EMPTY.config, [EMPTY.layers[0].blob], subject=subject, artifactType="application/x-sig")
    answer = api.oci("PUT", "/v2/app/manifests/sig", signature, content_type=OCI_MANIFEST)
    assert answer.status_code == 201
    digest = answer.headers["docker-content-digest"]
    detail = {
        "result": "SUCCESS",
        "repository-name": "app",
        "image-digest": digest,
        "action-type": "PUSH",
        "manifest-media-type": OCI_MANIFEST,
        "artifact-media-type": "application/x-sig",
        "image-tag": "sig",
    }
    assert told(api) == [("aws.ecr", "ECR Referrer Action", [], detail)]
    delete(api, imageTag="sig")
    assert told(api) == [("aws.ecr", "ECR Referrer Action", [], detail | {"action-type": "DELETE"})]


def scan(status: str, content: Image, counts: dict[str, int], *tags: str) -> tuple[str, str, list[str], dict[str, Any]]:
    detail = {
        "scan-status": status,
        "repository-name": "app",
        "finding-severity-counts": counts,
        "image-digest": content.digest,
        "image-tags": list(tags),
    }
    return "aws.ecr", "ECR Image Scan", [ARN], detail


def test_basic_scans(api: Clocked) -> None:
    """Their end is told with what there is of each severity and the tags of that moment; a failure has no counts."""
    api.registry.publish(osv("CVE-2024-0001", "flask", severity=CRITICAL), osv("CVE-2024-0002", "flask"))
    api.push("app", FLASK, "one")
    api.push("app", FLASK, "two")
    api.push("app", EMPTY, "empty")
    told(api)
    api.registry.work()
    assert told(api) == [
        scan("COMPLETE", FLASK, {"CRITICAL": 1, "UNDEFINED": 1}, "one", "two"),
        scan("FAILED", EMPTY, {}, "empty"),
    ]
    # What the account suppresses is not counted, as in the answers.
    services = api.registry.services
    services.database.run(
        lambda tx: overlay_changes.add_rule(
            tx, services, ACCOUNT, vulnerability="CVE-2024-0001", reason="not reachable", author="Ada"
        )
    )
    api.push("app", OTHER, "three")
    told(api)
    api.registry.work()
    assert told(api) == [scan("COMPLETE", OTHER, {"UNDEFINED": 1}, "three")]
    # What comes later changes no basic scan.
    api.registry.publish(osv("CVE-2024-0003", "flask"))
    assert told(api) == []


def enhance(api: Clocked, *rules: tuple[str, str]) -> None:
    shaped = [
        {"scanFrequency": frequency, "repositoryFilters": [{"filter": each, "filterType": "WILDCARD"}]}
        for frequency, each in rules
    ]
    api.call("PutRegistryScanningConfiguration", scanType="ENHANCED", rules=shaped)
    api.registry.work()


def test_enhanced_scans(api: Clocked) -> None:
    """The first end is told in Inspector's words: the repository by its ARN, and the total beside the severities."""
    api.registry.publish(osv("CVE-2024-0001", "flask", severity=CRITICAL), osv("CVE-2024-0002", "flask"))
    enhance(api, ("CONTINUOUS_SCAN", "*"))
    told(api)
    api.push("app", FLASK, "one")
    api.push("app", EMPTY, "empty")
    told(api)
    api.registry.work()
    detail = {
        "scan-status": "INITIAL_SCAN_COMPLETE",
        "repository-name": ARN,
        "finding-severity-counts": {"CRITICAL": 1, "UNTRIAGED": 1, "TOTAL": 2},
        "image-digest": FLASK.digest,
        "image-tags": ["one"],
    }
    assert told(api) == [("aws.inspector2", "Inspector2 Scan", [ARN], detail)]


def change(repositories: dict[str, tuple[str, str]]) -> tuple[str, str, list[str], dict[str, Any]]:
    """By repository: the frequency before, and now."""
    detail = {
        "action-type": "SCAN_FREQUENCY_CHANGE",
        "repositories": [
            {
                "repository-name": name,
                "repository-arn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}",
                "scan-frequency": now,
                "previous-scan-frequency": before,
            }
            for name, (before, now) in repositories.items()
        ],
        "resource-type": "REPOSITORY",
        "scan-type": "ENHANCED",
    }
    return "aws.ecr", "ECR Scan Resource Change", [], detail


def test_another_configuration(api: Clocked) -> None:
    """Repositories that enhanced scanning scans otherwise are told of together, each with what it was; the others are
    not."""
    api.call("CreateRepository", repositoryName="other")
    enhance(api, ("CONTINUOUS_SCAN", "app"), ("SCAN_ON_PUSH", "nothing"))
    assert told(api) == [change({"app": ("MANUAL", "CONTINUOUS_SCAN")})]
    enhance(api, ("SCAN_ON_PUSH", "*"))
    expected = {"app": ("CONTINUOUS_SCAN", "SCAN_ON_PUSH"), "other": ("MANUAL", "SCAN_ON_PUSH")}
    assert told(api) == [change(expected)]
    enhance(api, ("SCAN_ON_PUSH", "app"), ("CONTINUOUS_SCAN", "nothing"))
    assert told(api) == [change({"other": ("SCAN_ON_PUSH", "MANUAL")})]
    api.call("PutRegistryScanningConfiguration", scanType="BASIC")
    api.registry.work()
    assert told(api) == [change({"app": ("SCAN_ON_PUSH", "MANUAL")})]


def test_two_configurations_before_any_is_followed(api: Clocked) -> None:
    """What is told goes from what was followed last to what is in force; what was never followed is not told."""
    rule = {"scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}]}
    for _ in range(2):
        api.call("PutRegistryScanningConfiguration", scanType="ENHANCED", rules=[rule])
    api.registry.work()
    assert told(api) == [change({"app": ("MANUAL", "CONTINUOUS_SCAN")})]


def test_events_are_forgotten_without_new_advisories(api: Clocked) -> None:
    """After 30 days, by what the worker does every hour: an installation may never load advisories again."""
    registry = api.registry
    api.push("app", EMPTY)
    registry.work()
    for days, left in ((29, True), (2, False)):
        registry.clock.advance(days=days)
        garbage.request_due(registry.services)
        registry.work()
        with registry.services.database.read() as tx:
            assert (tx.execute(sa.select(events.c.id)).first() is not None) == left


def test_what_rolls_back_is_not_told(api: Clocked) -> None:
    """A call that is refused in its middle leaves no event, also of what it had done before."""
    api.push("app", FLASK)
    told(api)
    with pytest.raises(ZeroDivisionError), api.registry.services.database.write() as tx:
        from hullwise.registry import images as rules
        from hullwise.store import repositories

        where = repositories.get(tx, ACCOUNT, REGION, "app")
        rules.delete(tx, api.registry.services, where, api.registry.image(where, FLASK.digest), "tests")
        raise ZeroDivisionError
    with pytest.raises(Refused):
        api.call("PutImage", repositoryName="app", imageManifest=FLASK.manifest.decode(), imageTag="latest")
    with pytest.raises(Refused):
        api.call("PutRegistryScanningConfiguration", rules=[{"scanFrequency": "MANUAL", "repositoryFilters": []}] * 2)
    api.registry.queue.jobs.clear()
    assert told(api) == []


def receive(api: Clocked, *kinds: str) -> int:
    """Somebody who wants events of these types."""
    row: dict[str, Any] = {"account_id": ACCOUNT, "kind": "webhook", "url": "https://example.org"}
    row |= {"bus": "", "key_id": "", "kinds": json.dumps(kinds), "sealed_secret": b"x", "created_at": 0}
    with api.registry.services.database.write() as tx:
        key = tx.execute(receivers.insert().values(**row)).inserted_primary_key
    assert key is not None
    return int(key[0])


def test_findings_as_inspector_tells_them(api: Clocked) -> None:
    """To those who want them: each that opens, changes or closes, as it is listed, under the ARN that it is listed
    under."""
    enhance(api, ("CONTINUOUS_SCAN", "*"))
    api.registry.publish(osv("CVE-2024-0001", "flask"))
    api.push("app", FLASK)
    api.registry.work()
    told(api)
    api.registry.publish(osv("CVE-2024-0009", "flask", withdrawn="2026-01-01T00:00:00Z"), osv("CVE-2024-0002", "flask"))
    assert told(api, "Inspector2 Finding") == []
    receiver = receive(api, "Inspector2 Finding")

    def listed() -> dict[str, Any]:
        found = api.call("DescribeImageScanFindings", repositoryName="app", imageId={"imageTag": "latest"})
        return {each["title"]: each for each in found["imageScanFindings"]["enhancedFindings"]}

    def queued() -> int:
        with api.registry.services.database.read() as tx:
            where = deliveries.c.receiver_id == receiver
            return tx.execute(sa.select(sa.func.count()).select_from(deliveries).where(where)).scalar_one()

    def events_of(title: str, *records: dict[str, Any]) -> dict[str, Any]:
        api.registry.clock.advance(hours=1)
        api.registry.publish(*records)
        assert queued() == 1
        ((source, _, resources, detail),) = told(api, "Inspector2 Finding")
        assert (source, resources) == ("aws.inspector2", [f"{ARN}/{FLASK.digest}"])
        shown = listed()[title]
        for name in ("title", "findingArn", "severity", "status", "fixAvailable", "type"):
            assert detail[name] == shown[name], name
        assert detail["updatedAt"] == f"2026-01-01T{api.registry.clock():%H}:00:00Z"
        return detail

    opened = events_of("CVE-2024-0003 - flask", osv("CVE-2024-0003", "flask"))
    assert (opened["status"], opened["firstObservedAt"]) == ("ACTIVE", opened["updatedAt"])
    changed = events_of("CVE-2024-0003 - flask", osv("CVE-2024-0003", "flask", severity=CRITICAL, fixed="2.0"))
    assert (changed["status"], changed["severity"], changed["fixAvailable"]) == ("ACTIVE", "CRITICAL", "YES")
    closed = events_of("CVE-2024-0003 - flask", osv("CVE-2024-0003", "flask", withdrawn="2026-01-01T00:00:00Z"))
    assert closed["status"] == "CLOSED"
    assert opened["findingArn"] == changed["findingArn"] == closed["findingArn"]


def test_findings_are_told_as_they_are_listed(api: Clocked) -> None:
    """Suppressed ones too, with the dates of the image; so many are active as the scan's event says."""
    enhance(api, ("CONTINUOUS_SCAN", "*"))
    services = api.registry.services
    api.registry.publish(osv("CVE-2024-0001", "flask"), osv("CVE-2024-0002", "flask", severity=CRITICAL))
    add = partial(overlay_changes.add_rule, vulnerability="CVE-2024-0002", reason="why", author="Ada")
    services.database.run(lambda tx: add(tx, services, ACCOUNT))
    receive(api, "Inspector2 Finding", "Inspector2 Scan")
    api.registry.clock.advance(hours=1)
    api.push("app", FLASK)
    api.registry.work()
    shown = api.call("DescribeImageScanFindings", repositoryName="app", imageId={"imageTag": "latest"})
    listed = {each["title"]: each for each in shown["imageScanFindings"]["enhancedFindings"]}
    assert sorted(each["status"] for each in listed.values()) == ["ACTIVE", "SUPPRESSED"]

    def check(found: Told, titles: list[str]) -> None:
        details = {detail["title"]: detail for _, kind, _, detail in found if kind == "Inspector2 Finding"}
        assert sorted(details) == titles
        for title, detail in details.items():
            for name in ("findingArn", "severity", "status"):
                assert detail[name] == listed[title][name], name
            for name in ("firstObservedAt", "lastObservedAt", "updatedAt"):
                assert datetime.fromisoformat(detail[name]) == listed[title][name], name

    first = told(api)
    check(first, sorted(listed))
    (whole,) = (detail for _, kind, _, detail in first if kind == "Inspector2 Scan")
    assert whole["finding-severity-counts"]["TOTAL"] == 1
    # Another word on the one that is ignored: the vulnerability is as old as it was.
    api.registry.clock.advance(hours=1)
    api.registry.publish(osv("CVE-2024-0002", "flask", severity=CRITICAL, fixed="2.0"))
    shown = api.call("DescribeImageScanFindings", repositoryName="app", imageId={"imageTag": "latest"})
    listed = {each["title"]: each for each in shown["imageScanFindings"]["enhancedFindings"]}
    check(told(api), ["CVE-2024-0002 - flask"])
    assert listed["CVE-2024-0002 - flask"]["firstObservedAt"] < listed["CVE-2024-0002 - flask"]["updatedAt"]


def test_what_a_first_scan_finds_is_told_finding_by_finding(api: Clocked) -> None:
    """Each finding that is shown afterwards, opened at that moment; to nobody who did not ask."""
    enhance(api, ("CONTINUOUS_SCAN", "*"))
    api.registry.publish(osv("CVE-2024-0001", "flask"), osv("CVE-2024-0002", "flask"))
    api.push("app", FLASK)
    api.registry.work()
    assert told(api, "Inspector2 Finding") == []
    receive(api, "Inspector2 Finding")
    second = image([layer(python_packages(flask="1.0"))], author="another")
    api.push("app", second, "second")
    api.registry.work()
    details = [detail for _, _, _, detail in told(api, "Inspector2 Finding")]
    shown = api.call("DescribeImageScanFindings", repositoryName="app", imageId={"imageTag": "second"})
    listed = shown["imageScanFindings"]["enhancedFindings"]
    assert [each["findingArn"] for each in details] == [each["findingArn"] for each in listed]
    assert [(each["title"], each["status"]) for each in details] == [
        ("CVE-2024-0001 - flask", "ACTIVE"),
        ("CVE-2024-0002 - flask", "ACTIVE"),
    ]
    assert all(each["firstObservedAt"] == each["updatedAt"] for each in details)


def test_nothing_of_what_basic_scanning_hides(api: Clocked) -> None:
    """While the registry scans in the basic way, continuous images stay up to date without a word."""
    receive(api)
    enhance(api, ("CONTINUOUS_SCAN", "*"))
    api.registry.publish(osv("CVE-2024-0001", "flask"))
    api.push("app", FLASK)
    api.registry.work()
    api.call("PutRegistryScanningConfiguration", scanType="BASIC")
    api.registry.work()
    told(api)
    api.registry.publish(osv("CVE-2024-0002", "flask"))
    assert told(api) == []
    enhance(api, ("CONTINUOUS_SCAN", "*"))
    told(api)
    api.registry.publish(osv("CVE-2024-0003", "flask"))
    assert sorted(kind for _, kind, _, _ in told(api)) == ["Hullwise Findings Changed", "Inspector2 Finding"]
