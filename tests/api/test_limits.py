"""Limits at their edges, rates as callers see them, and what a trusted proxy says."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from hullwise.domain import limits
from hullwise.domain.manifests import OCI_INDEX, OCI_MANIFEST
from hullwise.registry import uploads
from hullwise.store import repositories
from hullwise.store.repositories import Repository
from hullwise.store.tables import image_tags, images, manifests
from hullwise.store.tables import uploads as upload_rows
from tests.support import registry as support
from tests.support.clocked import Clocked, Refused, clocked
from tests.support.images import image, layer, sha256
from tests.support.registry import ACCOUNT, REGION, Registry


def test_who_asks_too_often_is_told_to_wait(tmp_path: Path) -> None:
    """ThrottlingException on the AWS API, 429 with Retry-After on the registry API; other callers go on."""
    with support.registry(tmp_path, rate_limits={"ListImages": "0.5"}) as registry:
        api, other = clocked(registry), clocked(registry)
        api.call("CreateRepository", repositoryName="app")
        api.call("ListImages", repositoryName="app")
        with pytest.raises(Refused, match="ThrottlingException: Rate exceeded"):
            api.call("ListImages", repositoryName="app")
        answer = api.oci("GET", "/v2/app/tags/list")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (429, "TOOMANYREQUESTS")
        assert answer.headers["retry-after"] in {"1", "2"}
        other.call("ListImages", repositoryName="app")
        api.call("DescribeRepositories")


def test_the_rate_of_all_is_of_every_api_together(tmp_path: Path) -> None:
    """429 with Retry-After on our own API too, before its body is read; other callers go on."""
    with support.registry(tmp_path, rate_limits={"*": "3"}) as registry:
        api, other = clocked(registry), clocked(registry)
        for method, path in (("GET", "/api/v1/advisories"), ("GET", "/v2/"), ("DELETE", "/api/v1/ignore-rules/1")):
            assert api.oci(method, path).status_code != 429
        for method, path in (("GET", "/api/v1/ignore-rules"), ("POST", "/api/v1/vex"), ("GET", "/api/v1/nothing")):
            answer = api.oci(method, path)
            refusal = {"error": {"code": "TooManyRequests", "message": "Rate exceeded"}}
            assert (answer.status_code, answer.json()) == (429, refusal)
            assert answer.headers["retry-after"] == "1"
        assert api.oci("GET", "/v2/").status_code == 429
        with pytest.raises(Refused, match="ThrottlingException: Rate exceeded"):
            api.call("DescribeRepositories")
        assert other.oci("GET", "/api/v1/ignore-rules").status_code == 200


def test_what_a_trusted_proxy_says(tmp_path: Path) -> None:
    """The scheme and host that the client used are those of URLs and challenges; the signature is of that host too."""
    with support.registry(tmp_path, trusted_proxies=["127.0.0.1"]) as registry:
        api = clocked(registry)
        api.call("CreateRepository", repositoryName="app")
        outside = {"x-forwarded-proto": "https", "x-forwarded-host": "registry.example.org"}
        refused = api.send("GET", "/v2/", headers=outside)
        assert refused.headers["www-authenticate"].startswith('Basic realm="https://registry.example.org/"')
        hosted = {"x-forwarded-host": f"{ACCOUNT}.dkr.ecr.{REGION}.example.org"}
        assert api.oci("GET", "/v2/app/tags/list", b"", **hosted).status_code == 200
        elsewhere = {"x-forwarded-host": f"210987654321.dkr.ecr.{REGION}.example.org"}
        assert api.oci("GET", "/v2/app/tags/list", b"", **elsewhere).status_code == 404


def test_what_anybody_else_says(tmp_path: Path) -> None:
    """Is not looked at."""
    with support.registry(tmp_path, trusted_proxies=["192.0.2.1"]) as registry:
        api = clocked(registry)
        outside = {"x-forwarded-proto": "https", "x-forwarded-host": "registry.example.org"}
        refused = api.send("GET", "/v2/", headers=outside)
        assert refused.headers["www-authenticate"].startswith('Basic realm="http://registry.test/"')


@pytest.fixture
def api(registry: Registry) -> Clocked:
    found = clocked(registry)
    found.call("CreateRepository", repositoryName="app")
    return found


def stored_in(api: Clocked, name: str) -> Repository:
    with api.registry.services.database.read() as tx:
        return repositories.get(tx, ACCOUNT, REGION, name)


ONE = image([layer({"etc/hostname": b"one"})])


def test_an_image_has_a_thousand_tags(api: Clocked) -> None:
    """The next one is refused on both APIs; moving one of them is not, nor is a tag of another image."""
    api.push("app", ONE, "first")
    stored = api.registry.image(stored_in(api, "app"), ONE.digest)
    with api.registry.services.database.write() as tx:
        rows = [
            {"repository_id": stored.repository_id, "tag": f"t{number}"} for number in range(limits.TAGS_PER_IMAGE - 2)
        ]
        tx.execute(image_tags.insert(), [row | {"image_id": stored.id, "tagged_at": 0} for row in rows])
    manifest = {"imageManifest": ONE.manifest.decode(), "imageManifestMediaType": OCI_MANIFEST}
    api.call("PutImage", repositoryName="app", **manifest, imageTag="last")
    with pytest.raises(Refused, match="LimitExceededException: The limit of 1,000 tags of an image is reached"):
        api.call("PutImage", repositoryName="app", **manifest, imageTag="more")
    refused = api.oci("PUT", "/v2/app/manifests/more", ONE.manifest, content_type=OCI_MANIFEST)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "DENIED")
    assert api.oci("PUT", "/v2/app/manifests/t1", ONE.manifest, content_type=OCI_MANIFEST).status_code == 201
    api.push("app", image([layer({"etc/hostname": b"two"})]), "more")


def test_a_manifest_has_ten_thousand_referrers(api: Clocked) -> None:
    """Of a subject; another's has its own."""
    api.push("app", ONE)
    stored = api.registry.image(stored_in(api, "app"), ONE.digest)
    with api.registry.services.database.write() as tx:
        rows = [
            {"repository_id": stored.repository_id, "digest": sha256(str(number).encode()), "media_type": OCI_MANIFEST}
            for number in range(limits.REFERRERS - 1)
        ]
        tx.execute(manifests.insert(), [{"digest": row["digest"], "body": b"{}"} for row in rows])
        others = {"artifact_media_type": "x/y", "size": 0, "config_digest": "", "scannable": 0, "pushed_at": 0}
        tx.execute(images.insert(), [row | others | {"subject_digest": ONE.digest} for row in rows])

    def refer(subject: str, note: str) -> int:
        body = json.loads(ONE.manifest) | {
            "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
            "annotations": {"note": note},
        }
        raw = json.dumps(body).encode()
        return api.oci("PUT", f"/v2/app/manifests/{sha256(raw)}", raw, content_type=OCI_MANIFEST).status_code

    assert refer(ONE.digest, "the last") == 201
    assert refer(ONE.digest, "one more") == 403
    assert refer(ONE.digest, "the last") == 201
    assert refer(sha256(b"another"), "its first") == 201


def test_indexes_lie_four_deep(api: Clocked) -> None:
    """The fourth is the last, counted from that which lists images."""
    api.push("app", ONE)
    digest, size, media_type = ONE.digest, len(ONE.manifest), OCI_MANIFEST
    for level in range(1, limits.NESTING + 2):
        listed = [{"mediaType": media_type, "digest": digest, "size": size}]
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
        answer = api.oci("PUT", f"/v2/app/manifests/level{level}", body, content_type=OCI_INDEX)
        assert answer.status_code == (201 if level <= limits.NESTING else 403), answer.text
        digest, size, media_type = sha256(body), len(body), OCI_INDEX


def test_a_layer_has_52000_mib(api: Clocked) -> None:
    """The byte after the last is refused, on both APIs, and what came before stays."""
    repository = stored_in(api, "app")
    upload = uploads.begin(api.registry.services, repository, api.key.access_key_id)
    with api.registry.services.database.write() as tx:
        tx.execute(upload_rows.update().where(upload_rows.c.id == upload).values(received=limits.BLOB_BYTES - 1))
    path = f"/v2/app/blobs/uploads/{upload}"
    assert api.oci("PATCH", path, b"x").status_code == 202
    refused = api.oci("PATCH", path, b"x")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (413, "SIZE_INVALID")
    with pytest.raises(Refused, match="LimitExceededException: A layer has at most 54,525,952,000 bytes"):
        api.call(
            "UploadLayerPart",
            repositoryName="app",
            uploadId=str(uuid.UUID(upload)),
            partFirstByte=limits.BLOB_BYTES,
            partLastByte=limits.BLOB_BYTES,
            layerPartBlob="eA==",
        )
    assert api.oci("GET", path).headers["range"] == f"0-{limits.BLOB_BYTES - 1}"
