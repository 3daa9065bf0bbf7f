"""Images by way of ECR's own API: pushed in parts, fetched from addresses, deleted and brought back."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from hullwise.ecr.model import TARGET_PREFIX
from tests.support.images import Image, Layer, image, sha256, tar
from tests.support.layouts import write_layout
from tests.support.pushing import push_blob
from tests.support.registry import REGION, Server
from tests.wire.conftest import FROM, INSECURE, TO, Run

pytestmark = pytest.mark.wire

PART = 5 << 20
"""Bytes of every part but the last (contract 4, quotas)."""


@pytest.fixture
def big_image() -> Image:
    """One layer, of two parts."""
    unpacked = tar({"noise": hashlib.shake_256(b"parts").digest(PART + 100_000)})
    return image([Layer(gzip.compress(unpacked, mtime=0), sha256(unpacked))])


def upload(run: Run, repository: str, blob: bytes, folder: Path) -> None:
    """With the AWS CLI, in parts."""
    named = ["--repository-name", repository]
    begun = json.loads(run("aws", "ecr", "initiate-layer-upload", *named))
    of = [*named, "--upload-id", begun["uploadId"]]
    for start in range(0, len(blob), PART):
        part = folder / "part"
        part.write_bytes(blob[start : start + PART])
        last = start + part.stat().st_size - 1
        span = ["--part-first-byte", str(start), "--part-last-byte", str(last)]
        sent = json.loads(run("aws", "ecr", "upload-layer-part", *of, *span, "--layer-part-blob", f"fileb://{part}"))
        assert sent["lastByteReceived"] == last
    done = json.loads(run("aws", "ecr", "complete-layer-upload", *of, "--layer-digests", sha256(blob)))
    assert done["layerDigest"] == sha256(blob)


def test_what_the_aws_cli_uploads_skopeo_pulls(server: Server, run: Run, big_image: Image, tmp_path: Path) -> None:
    """A layer in parts and the manifest by PutImage are an image as any other; and the other way round."""
    server.client().create_repository(repositoryName="wire/parts")
    named = ["--repository-name", "wire/parts"]
    with server.http() as http:
        push_blob(http, "wire/parts", big_image.config)
    upload(run, "wire/parts", big_image.layers[0].blob, tmp_path)
    (tmp_path / "manifest").write_bytes(big_image.manifest)
    manifest = ["--image-manifest", f"file://{tmp_path / 'manifest'}", "--image-tag", "1"]
    put = json.loads(run("aws", "ecr", "put-image", *named, *manifest))
    assert put["image"]["imageId"] == {"imageDigest": big_image.digest, "imageTag": "1"}
    run.login("skopeo", INSECURE)
    pulled = tmp_path / "pulled"
    run("skopeo", "copy", FROM, f"docker://{server.host}/wire/parts:1", f"dir:{pulled}")
    assert (pulled / "manifest.json").read_bytes() == big_image.manifest
    layer = big_image.layers[0]
    assert (pulled / layer.digest.removeprefix("sha256:")).read_bytes() == layer.blob
    run("skopeo", "copy", TO, f"dir:{pulled}", f"docker://{server.host}/wire/parts:2")
    (got,) = server.client().batch_get_image(repositoryName="wire/parts", imageIds=[{"imageTag": "2"}])["images"]
    assert got["imageManifest"].encode() == big_image.manifest


def test_curl_fetches_a_layer_without_a_login(server: Server, run: Run, big_image: Image, tmp_path: Path) -> None:
    """From the address that GetDownloadUrlForLayer gives, whole and in part."""
    server.client().create_repository(repositoryName="wire/fetched")
    server.push("wire/fetched", big_image)
    layer = big_image.layers[0]
    named = ["--repository-name", "wire/fetched", "--layer-digest", layer.digest]
    url = json.loads(run("aws", "ecr", "get-download-url-for-layer", *named))["downloadUrl"]
    curl = ["curl", "--silent", "--show-error", "--fail", "--output", str(tmp_path / "got")]
    run(*curl, url)
    assert (tmp_path / "got").read_bytes() == layer.blob
    # As a client does whose download broke.
    (tmp_path / "got").write_bytes(layer.blob[:1_000_000])
    run(*curl, "--continue-at", "-", url)
    assert (tmp_path / "got").read_bytes() == layer.blob
    run.refused(*curl, url.replace(layer.digest, sha256(big_image.config)) + "0")


def test_curl_calls_the_api(server: Server, run: Run) -> None:
    """It signs by itself, and it sends requests that were signed before, as they were signed."""
    server.client().create_repository(repositoryName="wire/curl")
    curl = ["curl", "--silent", "--show-error"]
    pair = server.access_key_id, server.secret_access_key
    signing = ["--aws-sigv4", f"aws:amz:{REGION}:ecr", "--user", ":".join(pair)]
    asked = ["--data", json.dumps({"repositoryNames": ["wire/curl"]}), f"{server.url}/"]
    (found,) = json.loads(run(*curl, *headers("DescribeRepositories"), *signing, *asked))["repositories"]
    assert found["repositoryUri"] == f"{server.host}/wire/curl"
    named = dict(header.split(": ") for header in headers("DescribeRegistry")[1::2])
    presigned = AWSRequest("POST", f"{server.url}/", headers=named)
    SigV4QueryAuth(Credentials(*pair), "ecr", REGION, 60).add_auth(presigned)
    sent = [*curl, *headers("DescribeRegistry"), str(presigned.url), "--data"]
    assert json.loads(run(*sent, ""))["registryId"] == server.account
    assert json.loads(run(*sent, "{}"))["__type"] == "InvalidSignatureException"


def headers(operation: str) -> list[str]:
    """Of a call, as curl takes them."""
    target = f"X-Amz-Target: {TARGET_PREFIX}.{operation}"
    return ["--header", target, "--header", "Content-Type: application/x-amz-json-1.1"]


def test_a_deleted_image_comes_back_for_podman(
    server: Server, run: Run, big_image: Image, tmp_path: Path, storage: list[str]
) -> None:
    """Deleted it cannot be pulled; restored, after garbage was collected, it is pulled as it was."""
    server.client().create_repository(repositoryName="wire/restored")
    run.login("podman", INSECURE)
    run(
        "skopeo",
        "copy",
        TO,
        f"oci:{write_layout(tmp_path / 'layout', big_image)}:latest",
        f"docker://{server.host}/wire/restored:1",
    )
    server.client().batch_delete_image(repositoryName="wire/restored", imageIds=[{"imageDigest": big_image.digest}])
    pull = ["podman", *storage, "pull", INSECURE, f"{server.host}/wire/restored:1"]
    assert "manifest unknown" in run.refused(*pull)
    assert server.run("collect-garbage").returncode == 0
    listed = server.run("deletions", "list", "wire/restored").stdout
    number, what = listed.split(maxsplit=1)
    assert what.startswith(f"{big_image.digest} (1)")
    restored = server.run("deletions", "restore", "wire/restored", number)
    assert restored.stdout == f"{big_image.digest} is there again as 1\n", restored.stderr
    run(*pull)
    (pulled,) = json.loads(run("podman", *storage, "images", "--format", "json"))
    assert pulled["Digest"] == big_image.digest
