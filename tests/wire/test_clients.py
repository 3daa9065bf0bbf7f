"""Push, pull, scan and read with the clients that people have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.images import Image, sha256
from tests.support.layouts import write_layout
from tests.support.registry import Server
from tests.wire.conftest import INSECURE, Run

pytestmark = pytest.mark.wire


def test_the_aws_cli_creates_waits_and_reads(server: Server, run: Run, small_image: Image) -> None:
    """create-repository, wait image-scan-complete and describe-image-scan-findings work unchanged."""
    create = ["ecr", "create-repository", "--repository-name", "wire/cli"]
    made = json.loads(run("aws", *create, "--image-scanning-configuration", "scanOnPush=true"))
    assert made["repository"]["repositoryUri"] == f"{server.host}/wire/cli"
    server.push("wire/cli", small_image)
    named = ["--repository-name", "wire/cli", "--image-id", "imageTag=latest"]
    run("aws", "ecr", "wait", "image-scan-complete", *named)
    found = json.loads(run("aws", "ecr", "describe-image-scan-findings", *named))
    assert "CVE-2019-10906" in [finding["name"] for finding in found["imageScanFindings"]["findings"]]
    listed = json.loads(run("aws", "ecr", "describe-images", "--repository-name", "wire/cli"))
    assert listed["imageDetails"][0]["imageScanStatus"]["status"] == "COMPLETE"


def test_skopeo_pushes_and_pulls_the_same_image(server: Server, run: Run, small_image: Image, tmp_path: Path) -> None:
    """What skopeo pulls has the digest that it pushed."""
    server.client().create_repository(repositoryName="wire/skopeo")
    run.login("skopeo", INSECURE)
    layout = write_layout(tmp_path / "layout", small_image)
    remote = f"docker://{server.host}/wire/skopeo:1"
    run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:latest", remote)
    inspected = json.loads(run("skopeo", "inspect", "--tls-verify=false", remote))
    assert inspected["Digest"] == small_image.digest
    assert inspected["RepoTags"] == ["1"]
    run("skopeo", "copy", "--src-tls-verify=false", remote, f"oci:{tmp_path / 'pulled'}:1")
    index = json.loads((tmp_path / "pulled" / "index.json").read_text())
    assert index["manifests"][0]["digest"] == small_image.digest


def test_skopeo_pushes_docker_manifests(server: Server, run: Run, small_image: Image, tmp_path: Path) -> None:
    """An image in Docker's schema 2 is taken, kept as it is, and scanned."""
    server.client().create_repository(repositoryName="wire/docker", imageScanningConfiguration={"scanOnPush": True})
    run.login("skopeo", INSECURE)
    layout = write_layout(tmp_path / "layout", small_image)
    remote = f"docker://{server.host}/wire/docker:latest"
    run("skopeo", "copy", "--dest-tls-verify=false", "--format", "v2s2", f"oci:{layout}:latest", remote)
    detail = server.client().describe_images(repositoryName="wire/docker")["imageDetails"][0]
    assert detail["imageManifestMediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert server.wait_for_scan("wire/docker")["imageScanStatus"]["status"] == "COMPLETE"


def test_buildah_builds_and_pushes_and_podman_pulls(
    server: Server, run: Run, tmp_path: Path, storage: list[str]
) -> None:
    """An image built by buildah is pushed, found by its digest, and pulled by podman."""
    server.client().create_repository(repositoryName="wire/built")
    (tmp_path / "hello").write_text("hello\n")
    container = run("buildah", *storage, "from", "scratch").strip()
    run("buildah", *storage, "copy", container, str(tmp_path / "hello"), "/hello")
    image_id = run("buildah", *storage, "commit", "--quiet", container, "wire").strip()
    run.login("buildah", INSECURE)
    digest_file = tmp_path / "digest"
    remote = f"docker://{server.host}/wire/built:1"
    run("buildah", *storage, "push", "--tls-verify=false", "--digestfile", str(digest_file), image_id, remote)
    detail = server.client().describe_images(repositoryName="wire/built")["imageDetails"][0]
    assert detail["imageDigest"] == digest_file.read_text().strip()
    run("buildah", *storage, "rm", container)
    run("buildah", *storage, "rmi", "--force", image_id)
    run("podman", *storage, "pull", "--tls-verify=false", f"{server.host}/wire/built:1")
    listed = json.loads(run("podman", *storage, "images", "--format", "json"))
    assert detail["imageDigest"] in [image["Digest"] for image in listed]


def test_skopeo_copies_an_index_with_all_its_images(
    server: Server, run: Run, small_image: Image, tmp_path: Path
) -> None:
    """`copy --all` of an OCI index brings the index and its children, byte for byte."""
    server.client().create_repository(repositoryName="wire/index")
    run.login("skopeo", INSECURE)
    layout = write_layout(tmp_path / "layout", small_image)
    child = json.loads((layout / "index.json").read_text())["manifests"][0]
    child = {key: child[key] for key in ("mediaType", "digest", "size")}
    oci_index = "application/vnd.oci.image.index.v1+json"
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": oci_index,
            "manifests": [{**child, "platform": {"os": "linux", "architecture": "amd64"}}],
        }
    ).encode()
    (layout / "blobs" / "sha256" / sha256(index).removeprefix("sha256:")).write_bytes(index)
    top = {"mediaType": oci_index, "digest": sha256(index), "size": len(index)}
    top["annotations"] = {"org.opencontainers.image.ref.name": "all"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": oci_index, "manifests": [top]}))
    remote = f"docker://{server.host}/wire/index:all"
    run("skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{layout}:all", remote)
    raw = run("skopeo", "inspect", "--raw", "--tls-verify=false", remote)
    assert raw.encode() == index
    details = server.client().describe_images(repositoryName="wire/index")["imageDetails"]
    assert {detail["imageDigest"] for detail in details} == {sha256(index), small_image.digest}
