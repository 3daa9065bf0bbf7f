"""What each real image ends in, and what is found to be installed in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.accuracy import inventories
from tests.accuracy.conftest import IMAGES, Loaded

pytestmark = pytest.mark.accuracy

COMPLETE = ("COMPLETE", "The scan was completed successfully.")
UNSUPPORTED = (
    "FAILED",
    "UnsupportedImageError: The operating system and/or package manager are not supported.",
)

# By what the recipes put into the images, not by what is found in them.
STATUS = {
    "empty": UNSUPPORTED,  # a layer without a file
    "scratch": UNSUPPORTED,  # one file, no operating system
    "artifact": UNSUPPORTED,  # `latest` is the scratch image
    "docker-v2s2": COMPLETE,  # the scratch image with Debian 12's os-release above it
    "go-small": COMPLETE,  # Debian 12's os-release, and a binary
    "whiteouts": COMPLETE,
    "node-small": COMPLETE,
    "python-small": COMPLETE,
    "distroless": COMPLETE,
    "debian-slim": COMPLETE,
}
NOT_SCANNABLE = {
    ("multi-arch", "latest"): "application/vnd.oci.image.index.v1+json",
    ("artifact", "sbom"): "application/spdx+json",
}

# Documents: the README's counts of records, one tracker, 16 files of secdb. Taken: of PyPI 2,090, of Go 3,441 and of
# crates.io 941 that are not withdrawn, of npm all 4,753, of Maven 7; of AlmaLinux's 5,020 all but the 1,197 that are
# bug fixes and name no CVE, 34 of them in the files of both releases; from the tracker 4,388 distinct CVEs, from secdb
# 9,525 CVEs, each counted once a file. Not used: PSF's 132 records on commits of CPython; secdb's ids of Xen, Wireshark
# and Zabbix, and its versions such as `4.8.0.-r1`; the ranges of PYSEC-2019-125 and PYSEC-2021-371, which end at
# `2019-09-12` and `0.2.0-n653`; 9 withdrawn records of Go, 10 of PyPI, 9 of crates.io.
TALLY = """\
16429 documents read, 28934 records taken: generation 1 (new) is in use
  not used: 1197 × bug fix or enhancement that names no vulnerability
  not used: 132 × names no package
  not used: 87 × no CVE or GHSA id
  not used: 2 × range that is no version of its ecosystem
  not used: 42 × version that cannot be ordered
  not used: 28 × withdrawn
0 package names changed, 0 installed packages were matched again
"""

# By hand from the recipe: (type, name, version) and the layer, counted from 0, that brought it. The second layer
# takes curl, Django 2.2 and all of node_modules away, the third requests; zlib1g stays from layer to layer.
WHITEOUTS = {
    ("deb", "openssl", "3.0.15-1~deb12u1", 1),
    ("deb", "zlib1g", "1:1.2.13.dfsg-1", 0),
    ("pypi", "django", "4.2.16", 1),
    ("npm", "axios", "0.18.0", 1),
    ("npm", "minimist", "0.0.8", 2),
}

# Distinct packages by name and version. minbase of Debian 12 has 96, of which the recipe of `distroless` takes 7;
# python-small is a list of 37; the lock file of node-small puts 510 in 561 places.
COUNTS = {"debian-slim": 96, "distroless": 7, "python-small": 37, "node-small": 510}


def test_everything_is_taken_or_counted(loaded: Loaded) -> None:
    """The import reads every document, and says of all that it does not use why."""
    assert loaded.summary == TALLY


def test_every_image_is_judged() -> None:
    """Each of the images has a row in one of the two tables."""
    assert STATUS.keys() | {name for name, _ in NOT_SCANNABLE} == set(IMAGES)


@pytest.mark.parametrize("name", STATUS)
def test_a_scan_ends_as_the_content_says(pushed: Loaded, name: str) -> None:
    """Status and description are the table's; an image of which nothing can be said has no findings, not none."""
    found = pushed.server.wait_for_scan(f"pushed/{name}")
    status = found["imageScanStatus"]
    assert (status["status"], status["description"]) == STATUS[name]
    assert ("imageScanFindings" in found) == (STATUS[name] == COMPLETE)


@pytest.mark.parametrize(("name", "tag"), NOT_SCANNABLE)
def test_what_is_no_image_is_not_scanned(pushed: Loaded, name: str, tag: str) -> None:
    """An index and an artifact have no scan and take none; the answer names the media type."""
    client = pushed.server.client()
    image: dict[str, Any] = {"repositoryName": f"pushed/{name}", "imageId": {"imageTag": tag}}
    with pytest.raises(client.exceptions.ScanNotFoundException):
        client.describe_image_scan_findings(**image)
    with pytest.raises(client.exceptions.UnsupportedImageTypeException) as refusal:
        client.start_image_scan(**image)
    assert NOT_SCANNABLE[name, tag] in str(refusal.value)


def test_the_images_of_an_index_are_scanned(pushed: Loaded, images: Path) -> None:
    """Of what the index lists, the images for amd64 and arm64 are scanned on push, and the attestation is not."""
    (top,) = json.loads((images / "multi-arch" / "index.json").read_text())["manifests"]
    index = images / "multi-arch" / "blobs" / top["digest"].replace(":", "/")
    children = {
        child["platform"]["architecture"]: child["digest"] for child in json.loads(index.read_text())["manifests"]
    }
    for architecture in ("amd64", "arm64"):
        pushed.server.client().get_waiter("image_scan_complete").wait(
            repositoryName="pushed/multi-arch",
            imageId={"imageDigest": children[architecture]},
            WaiterConfig={"Delay": 1, "MaxAttempts": 60},
        )
    details = pushed.server.client().describe_images(repositoryName="pushed/multi-arch")["imageDetails"]
    scanned = {detail["imageDigest"]: detail.get("imageScanStatus", {}).get("status") for detail in details}
    assert scanned == {
        top["digest"]: None,
        children["amd64"]: "COMPLETE",
        children["arm64"]: "COMPLETE",
        children["unknown"]: None,
    }


@pytest.mark.parametrize("name", COUNTS)
def test_the_inventory_is_what_the_installers_say(loaded: Loaded, images: Path, tmp_path: Path, name: str) -> None:
    """Every package that dpkg, Python and npm know of, no other is matched, and as many as the recipe gives."""
    packages = [each for each in loaded.scan(images / name)["packages"] if each["namespace"]]
    by_tools = inventories.installed(inventories.files(images / name), tmp_path)
    assert {(p["type"], p["source_name"], p["source_version"]) for p in packages} == by_tools
    assert len({(p["name"], p["version"]) for p in packages}) == COUNTS[name]


def test_upper_layers_take_away_and_bring_back(loaded: Loaded, images: Path) -> None:
    """Of packages that layers remove, replace, hide and bring again the merged view is left, each with its layer."""
    layout = images / "whiteouts"
    (top,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads((layout / "blobs" / top["digest"].replace(":", "/")).read_text())
    number = {layer["digest"]: at for at, layer in enumerate(manifest["layers"])}
    packages = loaded.scan(layout)["packages"]
    assert {(p["type"], p["name"], p["version"], number[p["layer_digest"]]) for p in packages} == WHITEOUTS
    assert len(packages) == len(WHITEOUTS)
