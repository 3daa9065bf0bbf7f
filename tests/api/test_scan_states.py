"""Every status of a scan, reached through the API, with the text that comes with it."""

from __future__ import annotations

import dataclasses
import random
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from hullwise import app
from hullwise.blobs.storage import ObjectStorage
from hullwise.cli import quota
from hullwise.domain.manifests import OCI_INDEX, OCI_MANIFEST
from hullwise.registry import pulls
from hullwise.scanning import run, watching
from hullwise.store.tables import scans
from tests.support import registry as support
from tests.support.advisories import osv
from tests.support.clocked import Clocked, Refused, clocked
from tests.support.images import image, layer, python_packages
from tests.support.pushing import index
from tests.support.registry import Registry

FLASK = image([layer(python_packages(flask="1.0"))])
EMPTY = image([layer({"etc/motd": b"hello\n"})])
UNSUPPORTED = "UnsupportedImageError: The operating system and/or package manager are not supported."


def repository(api: Clocked, name: str = "app", *, scan_on_push: bool = True) -> str:
    api.call("CreateRepository", repositoryName=name, imageScanningConfiguration={"scanOnPush": scan_on_push})
    return name


def status(api: Clocked, digest: str, name: str = "app") -> dict[str, Any]:
    """As DescribeImageScanFindings has it, which DescribeImages agrees with."""
    asked = {"imageDigest": digest}
    found: dict[str, Any] = api.call("DescribeImageScanFindings", repositoryName=name, imageId=asked)["imageScanStatus"]
    details = api.call("DescribeImages", repositoryName=name, imageIds=[asked])["imageDetails"]
    assert details[0]["imageScanStatus"] == found
    return found


def findings(api: Clocked, digest: str, name: str = "app") -> Any:
    answer = api.call("DescribeImageScanFindings", repositoryName=name, imageId={"imageDigest": digest})
    return answer.get("imageScanFindings")


def enhance(api: Clocked, *rules: dict[str, Any]) -> None:
    api.call("PutRegistryScanningConfiguration", scanType="ENHANCED", rules=list(rules))


def test_pending_then_complete(registry: Registry) -> None:
    """A scan on push waits, with empty lists of findings; then it is complete."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    api.push(repository(api), FLASK)
    assert status(api, FLASK.digest) == {"status": "PENDING", "description": "Pending start of the image scan."}
    assert findings(api, FLASK.digest) == {"findings": [], "enhancedFindings": []}
    registry.work()
    described = "The scan was completed successfully."
    assert status(api, FLASK.digest) == {"status": "COMPLETE", "description": described}
    assert [found["name"] for found in findings(api, FLASK.digest)["findings"]] == ["CVE-2024-0001"]


def test_in_progress(registry: Registry) -> None:
    """A worker that takes the scan up and dies leaves it in progress; the next one completes it."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    registry.work()
    api = clocked(registry)
    api.push(repository(api), FLASK)
    [(_, scan)] = registry.queue.jobs
    registry.queue.jobs.clear()
    services = registry.services
    with pytest.raises(KeyboardInterrupt):
        run.scan_image(dataclasses.replace(services, blobs=cast(ObjectStorage, _Dying(services.blobs))), scan)
    assert status(api, FLASK.digest) == {"status": "IN_PROGRESS", "description": "The image scan is in progress."}
    run.scan_image(services, scan)
    assert status(api, FLASK.digest)["status"] == "COMPLETE"


class _Dying:
    """Blob storage in whose reading the process dies; told to stop, it leaves what it has in hand before."""

    def __init__(self, storage: Any, in_hand: run.InHand | None = None) -> None:
        self._storage = storage
        self._in_hand = in_hand

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def stream(self, key: str) -> Any:
        if self._in_hand is not None:
            with self._in_hand:
                pass
        raise KeyboardInterrupt


def test_what_basic_scanning_cannot_say_anything_of_fails(registry: Registry) -> None:
    """With the sentence that tools search for, and no list of findings, which would look like a clean image."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    api.push(repository(api), EMPTY)
    registry.work()
    assert status(api, EMPTY.digest) == {"status": "FAILED", "description": UNSUPPORTED}
    assert findings(api, EMPTY.digest) is None


def test_what_enhanced_scanning_cannot_say_anything_of_is_unsupported(registry: Registry) -> None:
    """The other type has a status of its own for it."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    enhance(api)
    api.push(repository(api), EMPTY)
    registry.work()
    assert status(api, EMPTY.digest) == {"status": "UNSUPPORTED_IMAGE", "description": UNSUPPORTED}


def test_active(registry: Registry) -> None:
    """A continuous image has its findings from its first moment as ACTIVE."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    enhance(api)
    api.push(repository(api, scan_on_push=False), FLASK)
    assert status(api, FLASK.digest)["status"] == "PENDING"
    registry.work()
    described = "Continuous scan is selected for image."
    assert status(api, FLASK.digest) == {"status": "ACTIVE", "description": described}
    assert [found["title"] for found in findings(api, FLASK.digest)["enhancedFindings"]] == ["CVE-2024-0001 - flask"]


def test_findings_unavailable_until_there_is_data(registry: Registry) -> None:
    """No advisory data is not no findings; the first data that comes is what the image is scanned with."""
    api = clocked(registry)
    api.push(repository(api), FLASK)
    registry.work()
    found = status(api, FLASK.digest)
    assert found["status"] == "FINDINGS_UNAVAILABLE"
    assert found["description"].startswith("No advisory data has been loaded.")
    registry.publish(osv("CVE-2024-0001", "flask"))
    registry.work()
    assert status(api, FLASK.digest)["status"] == "COMPLETE"
    assert findings(api, FLASK.digest)["findingSeverityCounts"] == {"UNDEFINED": 1}


def test_findings_unavailable_where_the_data_cannot_be_read(registry: Registry) -> None:
    """The head's file is gone: the scan says so, and not that the image is clean."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    for file in (registry.folder / "data").rglob("*"):
        if file.is_file() and "generation" in str(file.relative_to(registry.folder / "data")):
            file.unlink()
    for file in (registry.folder / "data" / "advisories").glob("*.sqlite"):
        file.unlink()
    api.push(repository(api), FLASK)
    registry.work()
    found = status(api, FLASK.digest)
    assert found["status"] == "FINDINGS_UNAVAILABLE"
    assert found["description"].startswith("The advisory data cannot be read")


def test_a_scan_that_takes_its_process_down_fails(registry: Registry) -> None:
    """Begun three times, and not a fourth; a process that was told to stop uses up no beginning."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    registry.work()
    api = clocked(registry)
    api.push(repository(api), FLASK)
    [(_, scan)] = registry.queue.jobs
    registry.queue.jobs.clear()
    services = registry.services
    dying = dataclasses.replace(services, blobs=cast(ObjectStorage, _Dying(services.blobs)))
    for _ in range(4):
        in_hand = run.InHand(services)
        told = dataclasses.replace(services, blobs=cast(ObjectStorage, _Dying(services.blobs, in_hand)))
        with pytest.raises(KeyboardInterrupt):
            run.scan_image(told, scan, in_hand=in_hand)
    for _ in range(3):
        assert status(api, FLASK.digest)["status"] == "IN_PROGRESS"
        with pytest.raises(KeyboardInterrupt):
            run.scan_image(dying, scan)
    run.scan_image(services, scan)
    described = "The scan failed: the process that ran it died each of the 3 times that it was begun."
    assert status(api, FLASK.digest) == {"status": "FAILED", "description": described}
    registry.clock.advance(days=1)
    api.call("StartImageScan", repositoryName="app", imageId={"imageDigest": FLASK.digest})
    registry.work()
    assert status(api, FLASK.digest)["status"] == "COMPLETE"


def test_layers_that_together_hold_too_much(tmp_path: Path, database_url: str) -> None:
    """Each layer is within the cap, and so is one of the images; the other is given up, and is alone in it."""
    many = [layer(python_packages(**{f"p{number}x{at}": "1.0" for at in range(150)})) for number in range(4)]
    small, large = image([*many[:2], *FLASK.layers]), image([*many, *FLASK.layers])
    with support.registry(tmp_path, database_url, scan_inventory_mb=1) as registry:
        registry.publish(osv("CVE-2024-0001", "flask"))
        api = clocked(registry)
        api.push(repository(api), large)
        api.push("app", small, "small")
        registry.work()
        described = (
            "The scan was given up: the image's layers hold more than can be merged in 1,048,576 bytes of memory."
        )
        assert status(api, large.digest) == {"status": "IMAGE_SIZE_EXCEEDED", "description": described}
        assert status(api, small.digest)["status"] == "COMPLETE"


@pytest.mark.parametrize("setting", ["scan_image_mb", "scan_layer_mb"])
def test_image_size_exceeded(tmp_path: Path, database_url: str, setting: str) -> None:
    """Over a configured cap: of the compressed layers together, or of what one unpacks to."""
    noise = random.Random(1).randbytes(3 << 20)
    large = image([layer({**python_packages(flask="1.0"), "noise": noise})])
    with support.registry(tmp_path, database_url, **{setting: 2}) as registry:
        registry.publish(osv("CVE-2024-0001", "flask"))
        api = clocked(registry)
        api.push(repository(api), large)
        api.push("app", FLASK, "small")
        registry.work()
        assert status(api, large.digest)["status"] == "IMAGE_SIZE_EXCEEDED"
        assert findings(api, large.digest) is None
        assert status(api, FLASK.digest)["status"] == "COMPLETE"


def test_eligibility_expires_and_revives(tmp_path: Path, database_url: str) -> None:
    """After its days without push or pull the findings are closed and not counted; a pull brings a new scan, and so
    does a push of the same image."""
    windows = {"rescan_push_days": 14, "rescan_pull_days": 30}
    with support.registry(tmp_path, database_url, **windows) as registry:
        registry.publish(osv("CVE-2024-0001", "flask"))
        api = clocked(registry)
        enhance(api)
        api.push(repository(api), FLASK)
        registry.work()
        registry.clock.advance(days=10)
        assert api.oci("GET", f"/v2/app/manifests/{FLASK.digest}").status_code == 200
        pulls.write(registry.services)
        # Thirty days after the pull, a second early.
        registry.clock.advance(days=30, seconds=-1)
        assert watching.expire(registry.services) == 0
        registry.clock.advance(seconds=1)
        assert watching.expire(registry.services) == 1
        found = status(api, FLASK.digest)
        assert found["status"] == "SCAN_ELIGIBILITY_EXPIRED"
        assert found["description"].startswith("Scan eligibility expired")
        shown = findings(api, FLASK.digest)
        assert shown["findingSeverityCounts"] == {}
        assert [(each["title"], each["status"]) for each in shown["enhancedFindings"]] == [
            ("CVE-2024-0001 - flask", "CLOSED")
        ]
        registry.clock.advance(days=1)
        assert api.oci("GET", f"/v2/app/manifests/{FLASK.digest}").status_code == 200
        pulls.write(registry.services)
        assert status(api, FLASK.digest)["status"] == "PENDING"
        registry.work()
        assert status(api, FLASK.digest)["status"] == "ACTIVE"
        assert [each["status"] for each in findings(api, FLASK.digest)["enhancedFindings"]] == ["ACTIVE"]
        registry.clock.advance(days=31)
        assert watching.expire(registry.services) == 1
        api.push("app", FLASK)
        registry.work()
        assert status(api, FLASK.digest)["status"] == "ACTIVE"
        assert watching.expire(registry.services) == 0


def test_image_archived(registry: Registry) -> None:
    """An archived image shows that in place of its scan's status, can be neither pulled nor scanned, and is listed
    where it is asked for; restored it is as before."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    api.push(repository(api), FLASK)
    registry.work()
    asked = {"imageDigest": FLASK.digest}
    archive = {"repositoryName": "app", "imageId": {"imageTag": "latest"}}
    answer = api.call("UpdateImageStorageClass", **archive, targetStorageClass="ARCHIVE")
    assert answer["imageStatus"] == "ARCHIVED"
    found = status(api, FLASK.digest)
    assert found["status"] == "IMAGE_ARCHIVED"
    assert findings(api, FLASK.digest)["findingSeverityCounts"] == {"UNDEFINED": 1}
    with pytest.raises(Refused) as refused:
        api.call("StartImageScan", repositoryName="app", imageId=asked)
    assert refused.value.code == "ImageArchivedException"
    assert api.oci("GET", "/v2/app/manifests/latest").status_code == 404
    assert api.oci("GET", f"/v2/app/manifests/{FLASK.digest}").status_code == 404
    assert api.oci("GET", "/v2/app/tags/list").json()["tags"] == []
    got = api.call("BatchGetImage", repositoryName="app", imageIds=[asked])
    assert [failure["failureCode"] for failure in got["failures"]] == ["ImageInaccessible"]
    listed = {
        shown: [
            len(api.call("ListImages", repositoryName="app", filter=wanted)["imageIds"]),
            len(api.call("DescribeImages", repositoryName="app", filter=wanted)["imageDetails"]),
        ]
        for shown, wanted in {
            "default": {},
            "ACTIVE": {"imageStatus": "ACTIVE"},
            "ARCHIVED": {"imageStatus": "ARCHIVED"},
            "ANY": {"imageStatus": "ANY"},
            "ACTIVATING": {"imageStatus": "ACTIVATING"},
        }.items()
    }
    assert listed == {"default": [0, 0], "ACTIVE": [0, 0], "ARCHIVED": [1, 1], "ANY": [1, 1], "ACTIVATING": [0, 0]}
    archived_at = registry.clock()
    registry.clock.advance(days=2)
    api.call("UpdateImageStorageClass", **archive, targetStorageClass="STANDARD")
    assert status(api, FLASK.digest)["status"] == "COMPLETE"
    detail = api.call("DescribeImages", repositoryName="app", imageIds=[asked])["imageDetails"][0]
    assert detail["imageStatus"] == "ACTIVE"
    assert detail["lastArchivedAt"] == archived_at
    assert detail["lastActivatedAt"] - archived_at == timedelta(days=2)
    assert api.oci("GET", "/v2/app/manifests/latest").status_code == 200


def test_a_push_takes_an_image_out_of_the_archive(registry: Registry) -> None:
    """Pushing what is there restores it."""
    api = clocked(registry)
    api.push(repository(api), FLASK)
    api.call(
        "UpdateImageStorageClass", repositoryName="app", imageId={"imageTag": "latest"}, targetStorageClass="ARCHIVE"
    )
    api.push("app", FLASK)
    detail = api.call("DescribeImages", repositoryName="app")["imageDetails"][0]
    assert detail["imageStatus"] == "ACTIVE"


def test_what_an_index_lists_is_not_archived_alone(registry: Registry) -> None:
    """A pull of the index would fail half way; with the index in the archive it may go too."""
    api = clocked(registry)
    api.push(repository(api), FLASK)
    assert api.oci("PUT", "/v2/app/manifests/all", index(FLASK.manifest), content_type=OCI_INDEX).status_code == 201
    child = {"repositoryName": "app", "imageId": {"imageDigest": FLASK.digest}, "targetStorageClass": "ARCHIVE"}
    with pytest.raises(Refused) as refused:
        api.call("UpdateImageStorageClass", **child)
    assert refused.value.code == "ImageStorageClassUpdateNotSupportedException"
    api.call("UpdateImageStorageClass", repositoryName="app", imageId={"imageTag": "all"}, targetStorageClass="ARCHIVE")
    assert api.call("UpdateImageStorageClass", **child)["imageStatus"] == "ARCHIVED"


def test_an_index_comes_out_of_the_archive_with_what_it_lists(registry: Registry) -> None:
    """Restored, or pushed: it is complete, and what it lists is scanned as if pushed."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    api.push(repository(api), FLASK)
    listing = index(FLASK.manifest)
    move = {"repositoryName": "app", "targetStorageClass": "ARCHIVE"}
    child, whole = {"imageId": {"imageDigest": FLASK.digest}}, {"imageId": {"imageTag": "all"}}
    api.call("UpdateImageStorageClass", **move, **child)

    def pulled() -> list[int]:
        paths = (f"/v2/app/manifests/{each}" for each in ("all", FLASK.digest))
        return [api.oci("GET", path).status_code for path in paths]

    for _ in range(2):
        assert api.oci("PUT", "/v2/app/manifests/all", listing, content_type=OCI_INDEX).status_code == 201
        assert pulled() == [200, 200]
        for each in (whole, child):
            api.call("UpdateImageStorageClass", **move, **each)
        assert pulled() == [404, 404]
    api.call("UpdateImageStorageClass", **move | {"targetStorageClass": "STANDARD"}, **whole)
    assert pulled() == [200, 200]
    registry.work()
    assert status(api, FLASK.digest)["status"] == "COMPLETE"


def test_who_asks_again_and_again_leaves_one_scan(tmp_path: Path, database_url: str) -> None:
    """Where the quota is spent each refusal says when it frees, and takes the place of the one before."""
    with support.registry(tmp_path, database_url, scan_quota=1, scan_quota_per_image=0) as registry:
        registry.publish(osv("CVE-2024-0001", "flask"))
        api = clocked(registry)
        api.push(repository(api), FLASK)
        registry.work()
        for _ in range(5):
            registry.clock.advance(hours=1)
            asked = api.call("StartImageScan", repositoryName="app", imageId={"imageDigest": FLASK.digest})
            assert asked["imageScanStatus"]["status"] == "LIMIT_EXCEEDED"
        with registry.services.database.read() as tx:
            rows = tx.execute(sa.select(scans.c.status, scans.c.requested_at).order_by(scans.c.id)).all()
        assert [row[0] for row in rows] == ["COMPLETE", "LIMIT_EXCEEDED"]
        assert rows[1][1] - rows[0][1] == 5 * 3_600_000_000


def test_a_clock_that_was_ahead_once_holds_up_no_scan_of_an_image(tmp_path: Path, database_url: str) -> None:
    """Its scan of that time counts against no 24 hours; the next one does."""
    with support.registry(tmp_path, database_url) as registry:
        registry.publish(osv("CVE-2024-0001", "flask"))
        api = clocked(registry)
        registry.clock.advance(days=400)
        api.push(repository(api), FLASK)
        registry.work()
        registry.clock.advance(days=-400)
        asked = {"repositoryName": "app", "imageId": {"imageDigest": FLASK.digest}}
        assert api.call("StartImageScan", **asked)["imageScanStatus"]["status"] == "PENDING"
        registry.work()
        with pytest.raises(Refused, match="LimitExceededException"):
            api.call("StartImageScan", **asked)


def test_limit_exceeded(tmp_path: Path, database_url: str) -> None:
    """On push it is stored; asked for, the answer is 200 with it and says which limit and when it frees. What an
    earlier scan found stays readable."""
    with support.registry(tmp_path, database_url, scan_quota=2, scan_quota_per_image=0) as registry:
        registry.publish(osv("CVE-2024-0001", "flask"))
        api = clocked(registry)
        api.push(repository(api), FLASK)
        registry.clock.advance(hours=1)
        api.push("app", EMPTY, "empty")
        registry.work()
        third = image([layer(python_packages(flask="2.0"))])
        api.push("app", third, "third")
        text = "The quota of 2 basic scans in 24 hours is spent. The next scan can start at 2026-01-02T00:00:00Z."
        # Who pushed it is told too: by this header, once it is stored (distribution spec, "Warnings").
        told = [
            api.oci("PUT", f"/v2/app/manifests/{tag}", third.manifest, content_type=OCI_MANIFEST).headers.get("warning")
            for tag in ("fourth", "fourth")
        ]
        assert told == [f'299 - "The image is not scanned. {text}"', None]
        assert status(api, third.digest) == {"status": "LIMIT_EXCEEDED", "description": text}
        answer = api.call("StartImageScan", repositoryName="app", imageId={"imageDigest": FLASK.digest})
        assert answer["imageScanStatus"] == {"status": "LIMIT_EXCEEDED", "description": text}
        assert status(api, FLASK.digest)["status"] == "LIMIT_EXCEEDED"
        assert findings(api, FLASK.digest)["findingSeverityCounts"] == {"UNDEFINED": 1}
        registry.clock.advance(hours=23)
        answer = api.call("StartImageScan", repositoryName="app", imageId={"imageDigest": third.digest})
        assert answer["imageScanStatus"] == {"status": "PENDING"}
        registry.work()
        assert status(api, third.digest)["status"] == "COMPLETE"


def test_one_moment_at_which_quotas_free(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a scan at half a second past: the limit of an image, that of the registry and the command name the same whole
    second, at which there is room again and before which there is none."""
    with support.registry(tmp_path, scan_quota=1) as registry:
        registry.publish(osv("CVE-2024-0001", "flask"))
        # The command asks the machine's clock.
        registry.clock.moment = begin = app.now().replace(microsecond=500_000)
        api = clocked(registry)
        api.push(repository(api), FLASK)
        registry.work()
        api.push("app", EMPTY, "empty")
        registry.clock.advance(hours=23)
        asked = {"repositoryName": "app", "imageId": {"imageTag": "latest"}}
        with pytest.raises(Refused) as refused:
            api.call("StartImageScan", **asked)
        said = [refused.value.message, status(api, EMPTY.digest)["description"]]
        quota.show(data=registry.services.settings.data)
        said.append(capsys.readouterr().out)
        free = begin + timedelta(days=1, milliseconds=500)
        assert [text.count(f"{free:%Y-%m-%dT%H:%M:%SZ}") for text in said] == [1, 1, 1], said
        registry.clock.moment = free - timedelta(seconds=1)
        with pytest.raises(Refused, match="LimitExceededException"):
            api.call("StartImageScan", **asked)
        registry.clock.moment = free
        assert api.call("StartImageScan", **asked)["imageScanStatus"] == {"status": "PENDING"}


def test_an_image_is_scanned_once_a_day(registry: Registry) -> None:
    """ECR's sentence, and what it leaves out; scan on push counts, by digest whatever the tag; another repository's
    same image is another one."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    api.push(repository(api), FLASK)
    api.push("app", FLASK, "other")
    api.push(repository(api, "second", scan_on_push=False), FLASK)
    asked = {"repositoryName": "app", "imageId": {"imageTag": "other"}}
    # One that still waits is answered as it is.
    assert api.call("StartImageScan", **asked)["imageScanStatus"] == {"status": "PENDING"}
    registry.work()
    registry.clock.advance(hours=23, minutes=59)
    with pytest.raises(Refused) as refused:
        api.call("StartImageScan", **asked)
    assert refused.value.code == "LimitExceededException"
    assert refused.value.message.startswith("The scan quota per image has been exceeded. Wait and try again.")
    assert "last scanned at 2026-01-01T00:00:00Z; its findings are there to read" in refused.value.message
    assert "again from 2026-01-02T00:00:00Z" in refused.value.message
    api.push("app", EMPTY, "empty")
    registry.work()
    with pytest.raises(Refused, match=r"last scanned at 2026-01-01T23:59:00Z, without a result; it may be scanned"):
        api.call("StartImageScan", repositoryName="app", imageId={"imageTag": "empty"})
    other = api.call("StartImageScan", repositoryName="second", imageId={"imageTag": "latest"})
    assert other["imageScanStatus"]["status"] == "PENDING"
    registry.clock.advance(minutes=1)
    assert api.call("StartImageScan", **asked)["imageScanStatus"]["status"] == "PENDING"


def test_switching_the_type_hides_the_others_results_and_keeps_them(registry: Registry) -> None:
    """Basic results are gone while scanning is enhanced, and there again afterwards."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    api.push(repository(api), FLASK)
    registry.work()
    enhance(api, {"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "app", "filterType": "WILDCARD"}]})
    with pytest.raises(Refused) as refused:
        findings(api, FLASK.digest)
    assert refused.value.code == "ScanNotFoundException"
    detail = api.call("DescribeImages", repositoryName="app")["imageDetails"][0]
    assert "imageScanStatus" not in detail
    with pytest.raises(Refused) as refused:
        api.call("StartImageScan", repositoryName="app", imageId={"imageTag": "latest"})
    assert (refused.value.code, refused.value.message) == ("ValidationException", "This feature is disabled")
    second = image([layer(python_packages(flask="3.0"))])
    api.push("app", second, "second")
    registry.work()
    assert status(api, second.digest)["status"] == "COMPLETE"
    assert len(findings(api, second.digest)["enhancedFindings"]) == 1
    api.call("PutRegistryScanningConfiguration", scanType="BASIC", rules=[])
    registry.work()
    assert [found["name"] for found in findings(api, FLASK.digest)["findings"]] == ["CVE-2024-0001"]


def test_images_that_are_there_follow_a_new_configuration(registry: Registry) -> None:
    """Continuous scanning begins for what was pushed before; a repository that is no longer scanned continuously keeps
    what was found, and what comes later changes it no more."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    api.push(repository(api, scan_on_push=False), FLASK)
    api.push(repository(api, "other", scan_on_push=False), FLASK)
    enhance(api)
    registry.work()
    assert status(api, FLASK.digest)["status"] == "ACTIVE"
    assert status(api, FLASK.digest, "other")["status"] == "ACTIVE"
    only = {"filter": "other", "filterType": "WILDCARD"}
    enhance(api, {"scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": [only]})
    registry.work()
    assert status(api, FLASK.digest)["status"] == "COMPLETE"
    registry.publish(osv("CVE-2024-0002", "flask"))
    registry.work()
    assert findings(api, FLASK.digest)["findingSeverityCounts"] == {"UNTRIAGED": 1}
    assert findings(api, FLASK.digest, "other")["findingSeverityCounts"] == {"UNTRIAGED": 2}


ON_PUSH = {"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}]}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [([ON_PUSH], [], ["ACTIVE", {"UNTRIAGED": 2}]), ([], [ON_PUSH], ["COMPLETE", {"UNTRIAGED": 1}])],
    ids=["continuous from now on", "continuous no more"],
)
def test_a_scan_on_its_way_ends_as_the_configuration_by_then_wants(
    registry: Registry, before: list[Any], after: list[Any], expected: list[Any]
) -> None:
    """It was asked for under another configuration than the one in force when it is complete."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    enhance(api, *before)
    registry.work()
    api.push(repository(api), FLASK)
    waiting = list(registry.queue.jobs)
    registry.queue.jobs.clear()
    enhance(api, *after)
    registry.work()
    registry.queue.jobs += waiting
    registry.work()
    registry.publish(osv("CVE-2024-0002", "flask"))
    registry.work()
    assert [status(api, FLASK.digest)["status"], findings(api, FLASK.digest)["findingSeverityCounts"]] == expected


@pytest.mark.parametrize("again", ["pushed", "configured"])
def test_an_enhanced_scan_that_ended_badly_is_made_again(registry: Registry, again: str) -> None:
    """A push of the image brings another, and so does a configuration that wants it kept up to date."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    enhance(api)
    registry.work()
    api.push(repository(api), FLASK)
    [(_, scan)] = registry.queue.jobs
    registry.queue.jobs.clear()
    small = dataclasses.replace(registry.services.settings, scan_image_mb=0)
    run.scan_image(dataclasses.replace(registry.services, settings=small), scan)
    assert status(api, FLASK.digest)["status"] == "IMAGE_SIZE_EXCEEDED"
    if again == "pushed":
        api.push("app", FLASK)
    else:
        enhance(api)
    registry.work()
    assert status(api, FLASK.digest)["status"] == "ACTIVE"


def test_what_is_in_the_archive_is_not_scanned_until_it_comes_out(registry: Registry) -> None:
    """Not by a new configuration either; restored it gets what it would have got."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    api = clocked(registry)
    api.push(repository(api, scan_on_push=False), FLASK)
    archive = {"repositoryName": "app", "imageId": {"imageTag": "latest"}}
    api.call("UpdateImageStorageClass", **archive, targetStorageClass="ARCHIVE")
    enhance(api)
    registry.work()
    detail = api.call("DescribeImages", repositoryName="app", filter={"imageStatus": "ARCHIVED"})["imageDetails"][0]
    assert "imageScanFindingsSummary" not in detail
    api.call("UpdateImageStorageClass", **archive, targetStorageClass="STANDARD")
    registry.work()
    assert status(api, FLASK.digest)["status"] == "ACTIVE"


def test_basic_scanning_can_leave_out_language_packages(tmp_path: Path, database_url: str) -> None:
    """As ECR's does, where the setting says so; enhanced scanning of the same image has them."""
    with support.registry(tmp_path, database_url, scan_language_packages=False) as registry:
        registry.publish(osv("CVE-2024-0001", "flask"))
        api = clocked(registry)
        files = {"etc/os-release": b'ID=debian\nVERSION_ID="12"\n', **python_packages(flask="1.0")}
        debian = image([layer(files)])
        api.push(repository(api), debian)
        registry.work()
        assert findings(api, debian.digest)["findingSeverityCounts"] == {}
        enhance(api)
        registry.work()
        assert findings(api, debian.digest)["findingSeverityCounts"] == {"UNTRIAGED": 1}
        other = image([layer(files)], author="somebody else")
        api.push(repository(api, "other"), other)
        registry.work()
        assert findings(api, other.digest, "other")["findingSeverityCounts"] == {"UNTRIAGED": 1}
