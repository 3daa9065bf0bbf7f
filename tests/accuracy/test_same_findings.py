"""Who asks for a scan does not change what it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.accuracy.conftest import Loaded

pytestmark = pytest.mark.accuracy

SCANNED = ("docker-v2s2", "go-small", "whiteouts", "node-small", "python-small", "distroless", "debian-slim")
UNSUPPORTED = ("empty", "scratch")

Row = tuple[str, ...]
"""Name, severity, package, version, fix, layer."""


def by_server(loaded: Loaded, repository: str) -> list[Row]:
    found = []
    for finding in loaded.findings(repository):
        of = {attribute["key"]: attribute["value"] for attribute in finding["attributes"]}
        keys = ("package_name", "package_version", "fixed_in_version", "layer_digest")
        found.append((finding["name"], finding["severity"], *(of.get(key, "") for key in keys)))
    return found


def by_command(document: dict[str, Any]) -> list[Row]:
    keys = ("id", "severity", "package_name", "package_version", "fixed_version", "layer_digest")
    return [tuple(finding[key] for key in keys) for finding in document["findings"]]


@pytest.mark.parametrize("name", SCANNED)
def test_three_ways_to_scan_agree(pushed: Loaded, images: Path, name: str) -> None:
    """On push, by start_image_scan in another repository, and by the command line: the same findings in one order."""
    pushed.push(images / name, f"asked/{name}", scan_on_push=False)
    image: dict[str, Any] = {"repositoryName": f"asked/{name}", "imageId": {"imageTag": "latest"}}
    client = pushed.server.client()
    with pytest.raises(client.exceptions.ScanNotFoundException):
        client.describe_image_scan_findings(**image)
    client.start_image_scan(**image)
    document = pushed.scan(images / name)
    rows = by_command(document)
    assert by_server(pushed, f"pushed/{name}") == rows
    assert by_server(pushed, f"asked/{name}") == rows
    detail = client.describe_images(repositoryName=f"asked/{name}")["imageDetails"][0]
    assert detail["imageScanFindingsSummary"].get("findingSeverityCounts", {}) == document["counts"]


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_nothing_can_be_said_of_some_images_by_anyone(pushed: Loaded, images: Path, name: str) -> None:
    """Server and command line give the same reason for an image that is not supported."""
    status = pushed.server.wait_for_scan(f"pushed/{name}")["imageScanStatus"]
    document = pushed.scan(images / name)
    assert (document["status"], document["description"]) == ("UNSUPPORTED", status["description"])
    assert document["packages"] == document["findings"] == []


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_the_command_scans_one_platform_of_an_index(loaded: Loaded, images: Path, platform: str) -> None:
    """`--platform` chooses; each image of the index is Debian 12 with esbuild, made by Go 1.17.4 from one other module.

    By hand from the records: CVE-2021-44716 (GO-2022-0288) is fixed in the standard library of 1.17.5, CVE-2021-44717
    (GO-2022-0289) too, and CVE-2021-41771 (GO-2021-0263) was in 1.17.3 already."""
    document = loaded.scan(images / "multi-arch", "--platform", platform)
    assert document["status"] == "COMPLETE"
    assert document["image"]["distribution"]["version"] == "12"
    assert {each["package_name"] for each in document["findings"]} <= {"stdlib", "golang.org/x/sys"}
    assert {each["package_version"] for each in document["findings"]} <= {
        "1.17.4",
        "v0.0.0-20210908233432-aa78b53d3365",
    }
    found = {each["id"] for each in document["findings"]}
    assert {"CVE-2021-44716", "CVE-2021-44717"} <= found
    assert "CVE-2021-41771" not in found
