"""Scans over the AWS API: how they are asked for, what they say while they last, and how findings are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from hullwise.domain.manifests import DOCKER_LIST, OCI_EMPTY, OCI_INDEX
from hullwise.jobs.queue import SCAN_IMAGE
from hullwise.scanning import requests
from hullwise.store import images, repositories
from tests.support.advisories import osv
from tests.support.clocked import clocked
from tests.support.edges import Edges
from tests.support.images import Image, Layer, image, layer, python_packages, sha256
from tests.support.pushing import index, manifest, push, push_blob, put_manifest
from tests.support.refusals import bad_parameter, image_not_found, not_found, refused
from tests.support.registry import ACCOUNT, REGION, Server

# Of the bundled advisories two are about Jinja2 2.10: CVE-2019-10906 (fixed in 2.10.1, CVSS 8.6) and CVE-2024-22195
# (fixed in 3.1.3, CVSS 5.4).
VULNERABLE = image([layer({"etc/motd": b"hello\n"}), layer(python_packages(Jinja2="2.10"))])
CLEAN = image([layer(python_packages(harmless="1.0"))])
CUT = image([Layer(VULNERABLE.layers[1].blob[:-20], VULNERABLE.layers[1].diff_id)])

SEVERITIES = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED"]


def test_a_pushed_image_has_findings(server: Server, ecr: Any, http: httpx.Client, repository: str) -> None:
    """boto3's own waiter ends, and the answer has every member of ECR's."""
    ecr.put_image_scanning_configuration(repositoryName=repository, imageScanningConfiguration={"scanOnPush": True})
    push(http, repository, VULNERABLE, "v1")
    asked = {"repositoryName": repository, "imageId": {"imageTag": "v1"}}
    ecr.get_waiter("image_scan_complete").wait(**asked, WaiterConfig={"Delay": 1})
    answer = ecr.describe_image_scan_findings(**asked)
    found = answer["imageScanFindings"]
    assert {name: answer[name] for name in ("registryId", "repositoryName", "imageId", "imageScanStatus")} == {
        "registryId": server.account,
        "repositoryName": repository,
        "imageId": {"imageDigest": VULNERABLE.digest, "imageTag": "v1"},
        "imageScanStatus": {"status": "COMPLETE", "description": "The scan was completed successfully."},
    }
    assert "nextToken" not in answer
    assert found["findingSeverityCounts"] == {"HIGH": 1, "MEDIUM": 1}
    assert abs(found["imageScanCompletedAt"] - datetime.now(UTC)) < timedelta(seconds=60)
    # The day that the bundled records are of.
    assert found["vulnerabilitySourceUpdatedAt"] == datetime(2026, 11, 1, tzinfo=UTC)
    first, second = found["findings"]
    assert (first["name"], first["severity"]) == ("CVE-2019-10906", "HIGH")
    assert (second["name"], second["severity"]) == ("CVE-2024-22195", "MEDIUM")
    attributes = {attribute["key"]: attribute["value"] for attribute in first["attributes"]}
    assert {
        "package_name": "jinja2",
        "package_version": "2.10",
        "CVSS3_SCORE": "8.6",
        "CVSS3_VECTOR": "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:N",
        "fixed_in_version": "2.10.1",
        "layer_digest": VULNERABLE.layers[1].digest,
        "package_manager": "pypi",
        "file_path": "usr/lib/python3/dist-packages/Jinja2-2.10.dist-info/METADATA",
    }.items() <= attributes.items()
    assert all(1 <= len(value) <= 256 for value in attributes.values())
    described = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": "v1"}])["imageDetails"][0]
    assert described["imageScanStatus"] == answer["imageScanStatus"]
    assert described["imageScanFindingsSummary"] == {
        name: found[name] for name in ("imageScanCompletedAt", "vulnerabilitySourceUpdatedAt", "findingSeverityCounts")
    }


def test_findings_follow_the_tag(server: Server, ecr: Any, http: httpx.Client, repository: str) -> None:
    """By tag: of the image that it names now; by digest: of that one; a broken image fails and harms no other."""
    ecr.put_image_scanning_configuration(repositoryName=repository, imageScanningConfiguration={"scanOnPush": True})
    statuses = []
    for pushed in (CUT, VULNERABLE, CLEAN):
        push(http, repository, pushed, "latest")
        found = server.wait_for_scan(repository)
        assert found["imageId"] == {"imageDigest": pushed.digest, "imageTag": "latest"}
        statuses.append(found["imageScanStatus"]["status"])
    assert statuses == ["FAILED", "COMPLETE", "COMPLETE"]
    counts = {}
    for pushed in (VULNERABLE, CLEAN):
        asked = {"repositoryName": repository, "imageId": {"imageDigest": pushed.digest}}
        answer = ecr.describe_image_scan_findings(**asked)
        assert answer["imageId"] == {"imageDigest": pushed.digest}
        counts[pushed.digest] = answer["imageScanFindings"]["findingSeverityCounts"]
    assert counts == {VULNERABLE.digest: {"HIGH": 1, "MEDIUM": 1}, CLEAN.digest: {}}
    failed = ecr.describe_image_scan_findings(repositoryName=repository, imageId={"imageDigest": CUT.digest})
    assert "imageScanFindings" not in failed
    details = ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert ["imageScanFindingsSummary" in found for found in details] == [False, True, True]


def test_when_images_are_scanned(server: Server, ecr: Any, http: httpx.Client, repository: str) -> None:
    """The setting is echoed, an empty one means no, and it decides for images pushed from then on."""
    configure = ecr.put_image_scanning_configuration
    for number, (given, enabled) in enumerate([({"scanOnPush": True}, True), ({}, False)]):
        answer = configure(repositoryName=repository, imageScanningConfiguration=given)
        del answer["ResponseMetadata"]
        assert answer == {
            "registryId": server.account,
            "repositoryName": repository,
            "imageScanningConfiguration": {"scanOnPush": enabled},
        }
        described = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]
        assert described["imageScanningConfiguration"] == {"scanOnPush": enabled}
        push(http, repository, (CLEAN, VULNERABLE)[number])
    details = ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert ["imageScanStatus" in found for found in details] == [True, False]
    setting = {"imageScanningConfiguration": {"scanOnPush": True}}
    assert refused(ecr, "put_image_scanning_configuration", repositoryName="no/such", **setting) == not_found(
        "no/such", server.account
    )


def test_what_cannot_be_scanned(ecr: Any, http: httpx.Client, repository: str) -> None:
    """Indexes, lists and artifacts are refused by their media type, and never scanned on push either."""
    ecr.put_image_scanning_configuration(repositoryName=repository, imageScanningConfiguration={"scanOnPush": True})
    push(http, repository, CLEAN)
    for data in (b"{}", b"data"):
        push_blob(http, repository, data)
    helm = "application/vnd.cncf.helm.config.v1+json"
    unscannable = [
        (index(CLEAN.manifest), OCI_INDEX, OCI_INDEX),
        (index(CLEAN.manifest, media_type=DOCKER_LIST), DOCKER_LIST, DOCKER_LIST),
        (manifest(b"{}", [b"data"], config_type=helm), "application/vnd.oci.image.manifest.v1+json", helm),
        (
            manifest(b"{}", [b"data"], config_type=OCI_EMPTY, artifactType="application/x-sbom"),
            "application/vnd.oci.image.manifest.v1+json",
            "application/x-sbom",
        ),
    ]
    for number, (body, media_type, named) in enumerate(unscannable):
        assert put_manifest(http, repository, f"t{number}", body, media_type).status_code == 201
        asked = {"repositoryName": repository, "imageId": {"imageTag": f"t{number}"}}
        assert refused(ecr, "start_image_scan", **asked) == (
            "UnsupportedImageTypeException",
            f"An artifact with media type '{named}' cannot be scanned. For more information, see the Amazon ECR "
            "documentation.",
        )
        assert refused(ecr, "describe_image_scan_findings", **asked)[0] == "ScanNotFoundException"


def test_what_scans_are_refused_for(server: Server, ecr: Any, http: httpx.Client, repository: str) -> None:
    """ECR's sentences: no repository, no image, halves of an id that disagree, no id at all, no scan."""
    push(http, repository, CLEAN, "clean")
    push(http, repository, VULNERABLE, "other")
    ids: list[tuple[dict[str, str], tuple[str, str]]] = [
        ({"imageTag": "none"}, image_not_found(repository, server.account, tag="none")),
        ({"imageDigest": CUT.digest}, image_not_found(repository, server.account, digest=CUT.digest)),
        (
            {"imageTag": "clean", "imageDigest": VULNERABLE.digest},
            image_not_found(repository, server.account, tag="clean", digest=VULNERABLE.digest),
        ),
        ({}, bad_parameter("imageId", "must have an imageDigest or an imageTag")),
    ]
    for operation in ("start_image_scan", "describe_image_scan_findings"):
        for image_id, expected in ids:
            assert refused(ecr, operation, repositoryName=repository, imageId=image_id) == expected
        assert refused(ecr, operation, repositoryName="no/such", imageId={"imageTag": "x"}) == not_found(
            "no/such", server.account
        )
    asked = {"repositoryName": repository, "imageId": {"imageTag": "clean"}}
    assert refused(ecr, "describe_image_scan_findings", **asked) == (
        "ScanNotFoundException",
        f"Image scan does not exist for the image with '{{imageDigest:'{CLEAN.digest}', imageTag:'clean'}}' in the "
        f"repository with name '{repository}' in the registry with id '{server.account}'",
    )


def config(body: bytes) -> Image:
    """The vulnerable image with another config."""
    document = json.loads(VULNERABLE.manifest)
    document["config"] |= {"digest": sha256(body), "size": len(body)}
    return Image(VULNERABLE.layers, body, json.dumps(document).encode())


def diff_ids(value: Any) -> bytes:
    return json.dumps({"rootfs": {"type": "layers", "diff_ids": value}}).encode()


BAD_CONFIGS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the image config cannot be read"),
    "a list": (b"[]", "the image config cannot be read"),
    "deep": (b"[" * 100_000, "the image config cannot be read"),
    "not UTF-8": (b'{"os": "\xff"}', "the image config cannot be read"),
    "no layers": (b"{}", "the config names 0 layers, the manifest 2"),
    "layers of another kind": (diff_ids([1, 2]), "the image config cannot be read"),
    "an object of layers": (diff_ids({"a": 1}), "the image config cannot be read"),
    "layers in the wrong order": (
        diff_ids([part.diff_id for part in reversed(VULNERABLE.layers)]),
        f"layer {VULNERABLE.layers[0].digest} unpacks to {VULNERABLE.layers[0].diff_id}, the config names",
    ),
    "over 8 MiB": (b'{"os": "' + b"x" * (8 << 20) + b'"}', "the image config is over 8388608 bytes"),
}


def test_configs_that_are_not_believed(edge: Edges) -> None:
    """Each fails its scan and says why; the same layers under an honest config are scanned as ever."""
    edge.registry.publish(osv("CVE-2019-10906", "jinja2", fixed="2.10.1"))
    edge.registry.repository("bad/config")
    for number, (body, _) in enumerate(BAD_CONFIGS.values()):
        edge.push("bad/config", config(body), f"bad{number}")
    edge.push("bad/config", VULNERABLE, "good")
    edge.registry.work()

    def scanned(tag: str) -> Any:
        return edge.aws("DescribeImageScanFindings", repositoryName="bad/config", imageId={"imageTag": tag}).json()

    for number, (case, (_, words)) in enumerate(BAD_CONFIGS.items()):
        failed = scanned(f"bad{number}")
        assert failed["imageScanStatus"]["status"] == "FAILED", case
        assert words in failed["imageScanStatus"]["description"], case
        assert "imageScanFindings" not in failed
    assert [found["name"] for found in scanned("good")["imageScanFindings"]["findings"]] == ["CVE-2019-10906"]


def test_a_scan_that_has_not_begun(edge: Edges) -> None:
    """It is pending: no findings are known, and none are denied. Asked for again it is the same scan, in one job."""
    edge.registry.publish(osv("CVE-2019-10906", "jinja2", fixed="2.10.1"))
    edge.registry.repository("scan/pending", scan_on_push=False)
    edge.push("scan/pending", VULNERABLE)
    asked: dict[str, Any] = {"repositoryName": "scan/pending", "imageId": {"imageTag": "latest"}}
    for _ in range(2):
        started = edge.aws("StartImageScan", **asked).json()
        assert started.pop("registryId") == "123456789012"
        assert started == {
            "repositoryName": "scan/pending",
            "imageId": {"imageDigest": VULNERABLE.digest, "imageTag": "latest"},
            "imageScanStatus": {"status": "PENDING"},
        }
    assert [job for job, _ in edge.registry.queue.jobs if job == SCAN_IMAGE] == [SCAN_IMAGE]
    pending = {"status": "PENDING", "description": "Pending start of the image scan."}
    answer = edge.aws("DescribeImageScanFindings", **asked).json()
    assert (answer["imageScanStatus"], answer["imageScanFindings"]) == (
        pending,
        {"findings": [], "enhancedFindings": []},
    )
    (described,) = edge.aws("DescribeImages", repositoryName="scan/pending").json()["imageDetails"]
    assert described["imageScanStatus"] == pending
    assert "imageScanFindingsSummary" not in described
    edge.registry.work()
    edge.registry.clock.advance(minutes=1)
    assert edge.aws("DescribeImageScanFindings", **asked).json()["imageScanStatus"]["status"] == "COMPLETE"
    assert edge.aws("StartImageScan", **asked).json()["__type"] == "LimitExceededException"
    edge.registry.clock.advance(days=1)
    edge = clocked(edge.registry)
    assert edge.aws("StartImageScan", **asked).json()["imageScanStatus"] == {"status": "PENDING"}
    again = edge.aws("DescribeImageScanFindings", **asked).json()
    assert again["imageScanStatus"] == pending
    assert again["imageScanFindings"]["findingSeverityCounts"] == {"UNDEFINED": 1}


def test_an_image_that_is_gone_before_its_scan(edge: Edges) -> None:
    """Its scan goes with it, and the job finds nothing to do."""
    edge.registry.repository("scan/gone")
    edge.push("scan/gone", CLEAN)
    image_ids = [{"imageTag": "latest"}]
    assert edge.aws("BatchDeleteImage", repositoryName="scan/gone", imageIds=image_ids).json()["failures"] == []
    edge.registry.work()
    edge.registry.repository("scan/gone2")
    edge.push("scan/gone2", CLEAN)
    assert edge.aws("DeleteRepository", repositoryName="scan/gone2", force=True).status_code == 200
    edge.registry.work()


def pages(edge: Edges, size: int, **asked: Any) -> Iterator[dict[str, Any]]:
    """All pages of findings, at most `size` a page."""
    answer = edge.aws("DescribeImageScanFindings", **asked, maxResults=size).json()
    while True:
        yield answer
        if "nextToken" not in answer:
            return
        token = answer["nextToken"]
        answer = edge.aws("DescribeImageScanFindings", **asked, maxResults=size, nextToken=token).json()


CVSS = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:{}/I:{}/A:{}"
# Base scores by the equations of the CVSS 3.1 specification: 9.8, 7.5, 5.3.
GRADES = {
    "CRITICAL": CVSS.format("H", "H", "H"),
    "HIGH": CVSS.format("H", "N", "N"),
    "MEDIUM": CVSS.format("L", "N", "N"),
}


def advisories(count: int) -> list[dict[str, Any]]:
    """Records about two packages, of every severity in turn; each fourth has none."""
    records = []
    for number in range(count):
        record = osv(f"CVE-2026-{1000 + number}", ("alpha", "beta")[number % 2])
        grade = [*GRADES.values(), None][number % 4]
        records.append(record | ({"severity": [{"type": "CVSS_V3", "score": grade}]} if grade else {}))
    return records


def test_pages_of_findings_add_up(edge: Edges) -> None:
    """Pages of each size hold all findings once, most severe first, and each page has the counts of the image."""
    edge.registry.publish(*advisories(14))
    edge.registry.repository("scan/pages")
    edge.push("scan/pages", image([layer(python_packages(alpha="1.0", beta="2.0"))]))
    edge.registry.work()
    asked = {"repositoryName": "scan/pages", "imageId": {"imageTag": "latest"}}
    (whole,) = pages(edge, 1000, **asked)
    findings = whole["imageScanFindings"]["findings"]
    expected = [f"CVE-2026-{1000 + number}" for start in range(4) for number in range(start, 14, 4)]
    assert [found["name"] for found in findings] == expected
    order = [SEVERITIES.index(found["severity"]) for found in findings]
    assert order == sorted(order)
    counts = {"CRITICAL": 4, "HIGH": 4, "MEDIUM": 3, "UNDEFINED": 3}
    for size in (1, 3, 13, 14, 15):
        read = list(pages(edge, size, **asked))
        assert [found for page in read for found in page["imageScanFindings"]["findings"]] == findings
        assert len(read) == -(-14 // size)
        for page in read:
            assert page["imageScanFindings"]["findingSeverityCounts"] == counts
            assert page["imageScanStatus"] == whole["imageScanStatus"]


def test_pages_stay_with_the_report_that_they_began_with(edge: Edges) -> None:
    """A scan that completes between two pages changes neither; a first page reads the new report."""
    edge.registry.publish(*advisories(4))
    edge.registry.repository("scan/pinned")
    edge.push("scan/pinned", image([layer(python_packages(alpha="1.0", beta="2.0"))]))
    edge.registry.work()
    asked: dict[str, Any] = {"repositoryName": "scan/pinned", "imageId": {"imageTag": "latest"}}
    reading = pages(edge, 3, **asked)
    names = [found["name"] for found in next(reading)["imageScanFindings"]["findings"]]
    edge.registry.publish(*advisories(8))
    services = edge.registry.services
    with services.database.read() as tx:
        repository = repositories.get(tx, ACCOUNT, REGION, "scan/pinned")
        pushed = images.page(tx, repository.id, 0, 1)[0]
    edge.registry.clock.advance(days=1)
    services.database.run(lambda tx: requests.start(tx, services, repository, pushed))
    edge.registry.clock.advance(days=-1)
    edge.registry.work()
    names += [found["name"] for page in reading for found in page["imageScanFindings"]["findings"]]
    assert names == [f"CVE-2026-{1000 + number}" for number in range(4)]
    (whole,) = pages(edge, 1000, **asked)
    assert len(whole["imageScanFindings"]["findings"]) == 8


def test_page_tokens_of_findings(edge: Edges) -> None:
    """A token is good for its image, by the name that it was asked for under, and for no other operation."""
    edge.registry.publish(*advisories(4))
    edge.registry.repository("scan/token")
    pushed = image([layer(python_packages(alpha="1.0", beta="2.0"))])
    for tag in ("a", "b"):
        edge.push("scan/token", pushed, tag)
    edge.registry.work()
    asked: dict[str, Any] = {"repositoryName": "scan/token", "imageId": {"imageTag": "a"}}
    token = edge.aws("DescribeImageScanFindings", **asked, maxResults=1).json()["nextToken"]
    assert (
        len(edge.aws("DescribeImageScanFindings", **asked, nextToken=token).json()["imageScanFindings"]["findings"])
        == 3
    )
    others: list[tuple[str, dict[str, Any]]] = [
        ("DescribeImageScanFindings", {**asked, "imageId": {"imageTag": "b"}, "nextToken": token}),
        ("DescribeImageScanFindings", {**asked, "nextToken": token[::-1]}),
        ("DescribeImages", {"repositoryName": "scan/token", "nextToken": token}),
    ]
    for operation, params in others:
        answer = edge.aws(operation, **params)
        assert (answer.status_code, answer.json()["__type"]) == (400, "InvalidParameterException")
