"""Between keys, accounts, repositories, and what was deleted and what is there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from uuid import UUID

import anyio
import anyio.to_thread
import pytest

from hullwise.domain.manifests import OCI_INDEX, OCI_MANIFEST
from hullwise.oci.calls import EARLY_BYTES
from hullwise.store import accounts
from tests.hostile.conftest import with_key
from tests.support.edges import Edges
from tests.support.images import Image, image, layer, sha256
from tests.support.pushing import index


def unique(name: str) -> Image:
    """An image that no other test has a layer of."""
    return image([layer({"etc/motd": name.encode()})], author=name)


def begun(edge: Edges, name: str, data: bytes) -> str:
    """The path of an upload that has some bytes."""
    path = str(edge.oci("POST", f"/v2/{name}/blobs/uploads/").headers["location"])
    assert edge.oci("PATCH", path, data).status_code == 202
    return path


def test_an_upload_of_somebody_else(edge: Edges, stranger: Edges, name: str) -> None:
    """(row 2) Nobody but the key that began it, and in its repository alone, can see, continue, finish or cancel an
    upload, by either API; and it is there afterwards as if nobody had tried."""
    other = f"{name}/other"
    for caller, repository in ((edge, other), (stranger, name)):
        caller.aws("CreateRepository", repositoryName=repository)
    path = begun(edge, name, b"mine")
    upload = path.rpartition("/")[2]
    for caller, repository in ((edge, other), (with_key(edge), name), (stranger, name)):
        there = f"/v2/{repository}/blobs/uploads/{upload}"
        for method, query in (("GET", ""), ("PATCH", ""), ("PUT", f"?digest={sha256(b'mine')}"), ("DELETE", "")):
            answer = caller.oci(method, there + query, b"x" if method == "PATCH" else b"")
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "BLOB_UPLOAD_UNKNOWN")
        named = {"repositoryName": repository, "uploadId": str(UUID(upload))}
        part = {"partFirstByte": 4, "partLastByte": 4, "layerPartBlob": "eA=="}
        for refused in (
            caller.aws("UploadLayerPart", **named, **part),
            caller.aws("CompleteLayerUpload", **named, layerDigests=[sha256(b"mine")]),
        ):
            assert (refused.status_code, refused.json()["__type"]) == (400, "UploadNotFoundException")
    assert edge.oci("GET", path).headers["range"] == "0-3"
    assert edge.oci("PUT", f"{path}?digest={sha256(b'mine')}").status_code == 201


def test_a_digest_of_somebody_else(edge: Edges, stranger: Edges, name: str) -> None:
    """(row 3, row 36) Who knows a digest can do nothing with it: not read, look, mount, delete, name it in a manifest,
    get a URL for it. What is said of it is what is said of one that is nowhere."""
    secret, nowhere = unique(name), unique(f"not {name}")
    edge.push(name, secret)
    stranger.aws("CreateRepository", repositoryName=name)
    told: list[list[object]] = []
    for tried in (secret, nowhere):
        blob, said = tried.layers[0].digest, list[object]()
        for method, path, status in (
            ("GET", f"blobs/{blob}", 404),
            ("HEAD", f"blobs/{blob}", 404),
            ("DELETE", f"blobs/{blob}", 404),
            ("GET", f"manifests/{tried.digest}", 404),
            ("POST", f"blobs/uploads/?mount={blob}", 202),
            ("POST", f"blobs/uploads/?mount={blob}&from={name}", 202),
            ("GET", f"referrers/{tried.digest}", 200),
        ):
            answer = stranger.oci(method, f"/v2/{name}/{path}")
            assert answer.status_code == status, path
            said.append((sorted(answer.headers), answer.text if status == 404 else ""))
        put = stranger.oci("PUT", f"/v2/{name}/manifests/x", tried.manifest, content_type=OCI_MANIFEST)
        listed = stranger.oci("PUT", f"/v2/{name}/manifests/x", index(tried.manifest), content_type=OCI_INDEX)
        layers = {"repositoryName": name, "layerDigests": [blob]}
        images = {"repositoryName": name, "imageIds": [{"imageDigest": tried.digest}]}
        for answer in (
            put,
            listed,
            stranger.aws("BatchCheckLayerAvailability", **layers),
            stranger.aws("GetDownloadUrlForLayer", repositoryName=name, layerDigest=blob),
            stranger.aws("BatchGetImage", **images),
            stranger.aws("DescribeImages", **images),
            stranger.aws("StartImageScan", repositoryName=name, imageId={"imageDigest": tried.digest}),
        ):
            said.append((answer.status_code, answer.text))
        known = {tried.digest: "IMAGE", blob: "LAYER", sha256(tried.config): "CONFIG"}
        text = json.dumps(said)
        for digest, word in known.items():
            text = text.replace(digest, word)
        told.append(json.loads(text))
    assert told[0] == told[1]
    assert stranger.oci("GET", f"/v2/{name}/tags/list").json()["tags"] == []


def test_a_deleted_blob_does_not_come_back(edge: Edges, name: str) -> None:
    """(row 4) Once a repository let go of it, nothing that is done with it elsewhere opens it there again: no read, no
    look, no mount from there, no URL that was good before."""
    mine, other = unique(name), f"{name}/other"
    blob = mine.layers[0]
    edge.aws("CreateRepository", repositoryName=other)
    for repository in (name, other):
        edge.push(repository, mine)
    url = edge.aws("GetDownloadUrlForLayer", repositoryName=name, layerDigest=blob.digest).json()["downloadUrl"]
    path = url.removeprefix(edge.url)
    assert edge.send("GET", path).content == blob.blob
    edge.oci("DELETE", f"/v2/{name}/manifests/{mine.digest}")
    assert edge.oci("DELETE", f"/v2/{name}/blobs/{blob.digest}").status_code == 202
    assert edge.oci("GET", f"/v2/{other}/blobs/{blob.digest}").content == blob.blob
    edge.push(other, mine, "again")
    for method in ("GET", "HEAD"):
        assert edge.oci(method, f"/v2/{name}/blobs/{blob.digest}").status_code == 404
    assert edge.send("GET", path).status_code == 404
    third = f"{name}/third"
    edge.aws("CreateRepository", repositoryName=third)
    edge.aws("PutAccountSetting", name="BLOB_MOUNTING", value="ENABLED")
    assert edge.oci("POST", f"/v2/{third}/blobs/uploads/?mount={blob.digest}&from={name}").status_code == 202


@pytest.mark.parametrize("tag", ["latest", "stable", "sha256-" + "0" * 64])
def test_no_tag_is_special(edge: Edges, name: str, tag: str) -> None:
    """(row 6) A tag that is fixed stays where it is, whatever it is called and whichever way another image comes."""
    first, second = unique(name), unique(f"not {name}")
    edge.aws("PutImageTagMutability", repositoryName=name, imageTagMutability="IMMUTABLE")
    edge.push(name, first, tag)
    edge.push(name, second, "other")
    put = {"repositoryName": name, "imageManifest": second.manifest.decode(), "imageTag": tag}
    refused = edge.aws("PutImage", **put)
    assert (refused.status_code, refused.json()["__type"]) == (400, "ImageTagAlreadyExistsException")
    for reference in (tag, f"{second.digest}?tag={tag}", f"{second.digest}?tag=new&tag={tag}&tag=newer"):
        answer = edge.oci("PUT", f"/v2/{name}/manifests/{reference}", second.manifest, content_type=OCI_MANIFEST)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "TAG_INVALID")
    assert edge.oci("GET", f"/v2/{name}/manifests/{tag}").content == first.manifest
    assert edge.oci("GET", f"/v2/{name}/tags/list").json()["tags"] == sorted([tag, "other"])


def test_every_way_to_delete_is_held(edge: Edges, name: str) -> None:
    """(row 7) What an index lists, and what an image needs, is not deleted by either API, by digest or by last tag."""
    child = unique(name)
    parent = index(child.manifest)
    edge.push(name, child, "child")
    assert edge.oci("PUT", f"/v2/{name}/manifests/all", parent, content_type=OCI_INDEX).status_code == 201
    assert edge.oci("DELETE", f"/v2/{name}/manifests/{child.digest}").status_code == 409
    for blob in child.blobs:
        assert edge.oci("DELETE", f"/v2/{name}/blobs/{sha256(blob)}").status_code == 409
    for image_id in ({"imageDigest": child.digest}, {"imageTag": "child"}):
        answer = edge.aws("BatchDeleteImage", repositoryName=name, imageIds=[image_id]).json()
        assert [each["failureCode"] for each in answer["failures"]] == ["ImageReferencedByManifestList"]
    whole = edge.aws("DeleteRepository", repositoryName=name)
    assert (whole.status_code, whole.json()["__type"]) == (400, "RepositoryNotEmptyException")
    for reference, body in (("child", child.manifest), (child.digest, child.manifest), ("all", parent)):
        assert edge.oci("GET", f"/v2/{name}/manifests/{reference}").content == body
    assert edge.oci("GET", f"/v2/{name}/blobs/{child.layers[0].digest}").content == child.layers[0].blob


def test_a_name_used_again(edge: Edges, name: str) -> None:
    """(row 9) Nothing that was given out for a repository is good for the next of its name: uploads, URLs of layers."""
    mine = unique(name)
    edge.push(name, mine)
    upload = begun(edge, name, b"old")
    blob = mine.layers[0].digest
    url = edge.aws("GetDownloadUrlForLayer", repositoryName=name, layerDigest=blob).json()["downloadUrl"]
    edge.aws("DeleteRepository", repositoryName=name, force=True)
    for _ in range(2):
        assert edge.oci("PUT", f"{upload}?digest={sha256(b'old')}").status_code == 404
        assert edge.send("GET", url.removeprefix(edge.url)).status_code == 404
        edge.aws("CreateRepository", repositoryName=name)
    edge.push(name, mine)
    assert edge.send("GET", url.removeprefix(edge.url)).status_code == 404


def test_what_is_hidden_looks_absent(edge: Edges, stranger: Edges, name: str) -> None:
    """(row 13) A repository of another account is answered for, byte by byte and header by header, as one that there is
    not, by every route and operation that takes a name."""
    mine, absent = unique(name), name.replace("hostile/n", "hostile/z")
    edge.push(name, mine)
    blob = mine.layers[0].digest
    oci = [
        ("GET", "tags/list", b""),
        ("GET", "manifests/latest", b""),
        ("HEAD", "manifests/latest", b""),
        ("PUT", "manifests/latest", mine.manifest),
        ("DELETE", "manifests/latest", b""),
        ("GET", f"blobs/{blob}", b""),
        ("HEAD", f"blobs/{blob}", b""),
        ("DELETE", f"blobs/{blob}", b""),
        ("GET", f"referrers/{mine.digest}", b""),
        ("POST", "blobs/uploads/", b""),
        ("POST", f"blobs/uploads/?digest={blob}", mine.layers[0].blob),
        ("POST", f"blobs/uploads/?mount={blob}&from={name}", b""),
        ("PATCH", "blobs/uploads/x", b"x"),
    ]
    image_id = {"imageTag": "latest"}
    aws: list[tuple[str, dict[str, object]]] = [
        ("DescribeImages", {}),
        ("ListImages", {}),
        ("BatchGetImage", {"imageIds": [image_id]}),
        ("BatchDeleteImage", {"imageIds": [image_id]}),
        ("PutImage", {"imageManifest": mine.manifest.decode()}),
        ("StartImageScan", {"imageId": image_id}),
        ("DescribeImageScanFindings", {"imageId": image_id}),
        ("InitiateLayerUpload", {}),
        ("BatchCheckLayerAvailability", {"layerDigests": [blob]}),
        ("GetDownloadUrlForLayer", {"layerDigest": blob}),
        ("DeleteRepository", {"force": True}),
        ("PutImageTagMutability", {"imageTagMutability": "MUTABLE"}),
    ]
    said = []
    for repository in (name, absent):
        answers = [stranger.oci(method, f"/v2/{repository}/{path}", body) for method, path, body in oci]
        answers.append(stranger.aws("DescribeRepositories", repositoryNames=[repository]))
        answers += [stranger.aws(operation, repositoryName=repository, **members) for operation, members in aws]
        assert {answer.status_code for answer in answers} == {400, 404}
        plain = [(answer.status_code, answer.text, sorted(answer.headers)) for answer in answers]
        said.append(json.dumps(plain).replace(repository, "NAME"))
    assert said[0] == said[1]
    assert name not in stranger.oci("GET", "/v2/_catalog").text
    assert edge.oci("GET", f"/v2/{name}/manifests/latest").content == mine.manifest


@pytest.mark.parametrize(
    ("change", "refused"),
    [("the tag is fixed", (400, "TAG_INVALID")), ("the key is revoked", (401, "UNAUTHORIZED"))],
)
def test_a_manifest_that_takes_its_time(edge: Edges, name: str, change: str, refused: tuple[int, str]) -> None:
    """What holds once all of it is there decides, and not what held when it began."""
    caller = with_key(edge)
    pushed = unique(name)
    caller.push(name, pushed, "v1")
    body = pushed.manifest + b" " * EARLY_BYTES

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:1_000]
        if change == "the tag is fixed":
            await anyio.to_thread.run_sync(fix)
        else:
            with edge.registry.services.database.write() as tx:
                assert accounts.revoke_key(tx, caller.key.access_key_id, edge.registry.clock())
        yield body[1_000:]

    def fix() -> None:
        edge.aws("PutImageTagMutability", repositoryName=name, imageTagMutability="IMMUTABLE")

    path = f"/v2/{name}/manifests/v1"
    answer = caller.oci("PUT", path, slowly(), content_type=OCI_MANIFEST)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == refused
    assert edge.oci("GET", path).content == pushed.manifest
