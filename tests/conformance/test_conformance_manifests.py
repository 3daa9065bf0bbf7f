"""Manifests on their way in, and what may be said with a push."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from hullwise.domain.manifests import DOCKER_MANIFEST, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST
from tests.support.images import image, layer, sha256
from tests.support.pushing import descriptor, index, manifest, push, push_blob, put_manifest

IMAGE = image([layer({"etc/motd": b"hello\n"})])
FLOOR = 4_000_000
"""Bytes that every registry is to take (spec: 4 megabytes)."""


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


def artifact(subject: str | None = None, **members: Any) -> bytes:
    """A manifest of the empty config, which refers to the digest."""
    if subject is not None:
        members["subject"] = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}
    return manifest(b"{}", [], config_type=OCI_EMPTY, **members)


@pytest.mark.requirement("put-manifest-201", "put-manifest-digest")
def test_a_manifest_is_put(http: httpx.Client, repository: str) -> None:
    """By tag and by digest, again and again; Location leads to it."""
    push(http, repository, IMAGE)
    for reference in ("latest", IMAGE.digest, "latest"):
        answer = put_manifest(http, repository, reference, IMAGE.manifest)
        assert (answer.status_code, answer.headers["docker-content-digest"]) == (201, IMAGE.digest)
        assert http.get(answer.headers["location"]).content == IMAGE.manifest
    assert code(put_manifest(http, repository, sha256(b"other"), IMAGE.manifest)) == (400, "DIGEST_INVALID")


@pytest.mark.requirement("put-manifest-bytes")
def test_bytes_are_kept(http: httpx.Client, repository: str) -> None:
    """Odd spaces, the order of members, escapes, line ends: what JSON calls the same is not the same."""
    push(http, repository, IMAGE)
    document = json.loads(IMAGE.manifest)
    for number, body in enumerate(
        (
            json.dumps(document, indent=7).encode(),
            json.dumps(dict(reversed(document.items()))).encode() + b"\n\n",
            IMAGE.manifest.replace(b"sha256:", b"\\u0073ha256:"),
            b" \r\n\t" + IMAGE.manifest,
        )
    ):
        assert put_manifest(http, repository, f"t{number}", body).status_code == 201
        assert http.get(f"/v2/{repository}/manifests/{sha256(body)}").content == body


@pytest.mark.requirement("put-manifest-type")
def test_two_types_that_disagree(http: httpx.Client, repository: str) -> None:
    """Refused; a manifest that states none is of the type that the request has."""
    push(http, repository, IMAGE)
    assert code(put_manifest(http, repository, "t", IMAGE.manifest, DOCKER_MANIFEST)) == (400, "MANIFEST_INVALID")
    assert code(put_manifest(http, repository, "t", IMAGE.manifest, OCI_INDEX)) == (400, "MANIFEST_INVALID")
    document = json.loads(IMAGE.manifest)
    del document["mediaType"]
    silent = json.dumps(document).encode()
    assert put_manifest(http, repository, "t", silent).status_code == 201
    assert http.get(f"/v2/{repository}/manifests/t").headers["content-type"] == OCI_MANIFEST


@pytest.mark.requirement("put-manifest-parameters")
def test_parameters_of_a_type(http: httpx.Client, repository: str) -> None:
    """They are no part of it, and are not served."""
    push(http, repository, IMAGE)
    for sent in (f"{OCI_MANIFEST}; charset=utf-8", f"{OCI_MANIFEST} ;a=b;c", f"{OCI_MANIFEST};"):
        assert put_manifest(http, repository, "t", IMAGE.manifest, sent).status_code == 201
        assert http.get(f"/v2/{repository}/manifests/t").headers["content-type"] == OCI_MANIFEST


@pytest.mark.requirement("put-manifest-no-layers")
def test_no_layers(http: httpx.Client, repository: str) -> None:
    """A list of none; a list that is not there reads the same."""
    push_blob(http, repository, b"{}")
    document = json.loads(artifact())
    assert document.pop("layers") == []
    for body in (artifact(), json.dumps(document).encode()):
        assert put_manifest(http, repository, "t", body).status_code == 201
    none = index()
    assert put_manifest(http, repository, "i", none, OCI_INDEX).status_code == 201


@pytest.mark.requirement("put-manifest-413")
def test_the_size_of_a_manifest(http: httpx.Client, repository: str) -> None:
    """4 MB are taken; far more are not, however they come."""
    push_blob(http, repository, b"{}")
    body = artifact(annotations={"x": "y" * (FLOOR - len(artifact(annotations={"x": ""})))})
    assert len(body) == FLOOR
    assert put_manifest(http, repository, "large", body).status_code == 201
    assert http.get(f"/v2/{repository}/manifests/large").content == body
    path, headers = f"/v2/{repository}/manifests/larger", {"content-type": OCI_MANIFEST}
    assert http.put(path, content=body + b" " * FLOOR, headers=headers).status_code == 413
    assert http.put(path, content=iter([body, b" " * FLOOR]), headers=headers).status_code == 413
    assert http.head(path).status_code == 404


@pytest.mark.requirement("put-manifest-no-repository")
def test_a_repository_that_there_is_not(http: httpx.Client) -> None:
    """404 to all that is put there, and to all that is asked of it."""
    name = "conformance/no/such"
    assert code(put_manifest(http, name, "t", IMAGE.manifest)) == (404, "NAME_UNKNOWN")
    for method, path in (
        ("POST", "blobs/uploads/"),
        ("GET", "manifests/t"),
        ("GET", f"blobs/{IMAGE.digest}"),
        ("GET", "tags/list"),
    ):
        assert code(http.request(method, f"/v2/{name}/{path}")) == (404, "NAME_UNKNOWN")


@pytest.mark.requirement("push-blob-absent")
def test_a_manifest_before_its_parts(http: httpx.Client, repository: str) -> None:
    """Config, layer or child missing: each is named by a code of its own, and nothing is stored."""
    push_blob(http, repository, IMAGE.config)
    for body, media_type in (
        (IMAGE.manifest, OCI_MANIFEST),
        (manifest(b"other", []), OCI_MANIFEST),
        (index(IMAGE.manifest), OCI_INDEX),
    ):
        assert code(put_manifest(http, repository, "t", body, media_type)) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert http.get(f"/v2/{repository}/tags/list").json()["tags"] == []


@pytest.mark.requirement("put-manifest-index")
def test_indexes(http: httpx.Client, repository: str) -> None:
    """Of manifests, of indexes, with a type and a subject of their own."""
    push(http, repository, IMAGE)
    inner = index(IMAGE.manifest)
    document = json.loads(index(inner, IMAGE.manifest))
    document |= {"artifactType": "application/vnd.example", "subject": document["manifests"][0]}
    outer = json.dumps(document).encode()
    for body in (inner, outer):
        assert put_manifest(http, repository, sha256(body), body, OCI_INDEX).status_code == 201
        answer = http.get(f"/v2/{repository}/manifests/{sha256(body)}")
        assert (answer.content, answer.headers["content-type"]) == (body, OCI_INDEX)


@pytest.mark.requirement("put-manifest-artifact")
def test_artifacts(http: httpx.Client, repository: str) -> None:
    """Whatever it is that is stored."""
    push_blob(http, repository, b"{}")
    push_blob(http, repository, b"an artifact")
    document = json.loads(artifact(artifactType="application/vnd.example.anything+x"))
    document["layers"] = [descriptor(b"an artifact", "text/x-anything")]
    bodies = [json.dumps(document).encode(), manifest(b"{}", [b"an artifact"], config_type="application/x-config")]
    for body in bodies:
        assert put_manifest(http, repository, sha256(body), body).status_code == 201


@pytest.mark.requirement("put-manifest-unknown-members")
def test_members_that_nobody_knows(http: httpx.Client, repository: str) -> None:
    """At the top, in descriptors, of any kind."""
    push(http, repository, IMAGE)
    document = json.loads(IMAGE.manifest)
    extra = {"org.example": [1, {"a": None}], "": "", "x" * 300: True}
    for place in (document, document["config"], document["layers"][0]):
        place.update(extra)
    body = json.dumps(document).encode()
    assert put_manifest(http, repository, sha256(body), body).status_code == 201
    listed = json.loads(index(IMAGE.manifest))
    listed["manifests"][0].update(extra)
    body = json.dumps(listed | extra).encode()
    assert put_manifest(http, repository, sha256(body), body, OCI_INDEX).status_code == 201


@pytest.mark.requirement("put-manifest-data")
def test_content_in_a_descriptor(http: httpx.Client, repository: str) -> None:
    """`data` is carried along; the blob is asked for all the same."""
    document = json.loads(artifact())
    document["config"]["data"] = base64.b64encode(b"{}").decode()
    body = json.dumps(document).encode()
    assert code(put_manifest(http, repository, "t", body)) == (400, "MANIFEST_BLOB_UNKNOWN")
    push_blob(http, repository, b"{}")
    assert put_manifest(http, repository, "t", body).status_code == 201


FOREIGN = (
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
)


@pytest.mark.requirement("put-manifest-foreign")
def test_layers_that_live_elsewhere(http: httpx.Client, repository: str) -> None:
    """They are taken by what the manifest says of them, and are not there to be pulled."""
    push_blob(http, repository, b"{}")
    document = json.loads(artifact())
    for media_type in FOREIGN:
        document["layers"] = [{**descriptor(b"elsewhere", media_type), "urls": ["https://example.com/layer"]}]
        assert put_manifest(http, repository, "t", json.dumps(document).encode()).status_code == 201
    assert http.get(f"/v2/{repository}/blobs/{sha256(b'elsewhere')}").status_code == 404


@pytest.mark.requirement("push-subject-absent", "subject-header")
def test_a_subject(http: httpx.Client, repository: str) -> None:
    """There or not, of a manifest or an index: the answer says that it was seen."""
    push(http, repository, IMAGE)
    push_blob(http, repository, b"{}")
    for subject in (IMAGE.digest, sha256(b"nobody"), "sha512:" + "0" * 128):
        listed = json.loads(index())
        listed["subject"] = json.loads(artifact(subject))["subject"]
        for body, media_type in ((artifact(subject), OCI_MANIFEST), (json.dumps(listed).encode(), OCI_INDEX)):
            answer = put_manifest(http, repository, sha256(body), body, media_type)
            assert (answer.status_code, answer.headers["oci-subject"]) == (201, subject)


@pytest.mark.requirement("subject-header-only")
def test_no_subject(http: httpx.Client, repository: str) -> None:
    """Nothing is said of one."""
    push_blob(http, repository, b"{}")
    for body in (artifact(), artifact(subject=None, annotations={})):
        assert "oci-subject" not in put_manifest(http, repository, "t", body).headers


@pytest.mark.requirement("push-tags")
def test_a_push_of_several_tags(http: httpx.Client, repository: str) -> None:
    """Each names the manifest, one that named another before too; a tag said twice is one."""
    push(http, repository, IMAGE, "moved")
    push_blob(http, repository, b"{}")
    body = artifact()
    answer = put_manifest(http, repository, f"{sha256(body)}?tag=1.2.3&tag=moved&tag=1.2&tag=1.2", body)
    assert (answer.status_code, answer.headers["docker-content-digest"]) == (201, sha256(body))
    assert answer.headers.get_list("oci-tag", split_commas=True) == ["1.2.3", "moved", "1.2"]
    for tag in ("1.2.3", "moved", "1.2"):
        assert http.get(f"/v2/{repository}/manifests/{tag}").content == body
    assert http.get(f"/v2/{repository}/tags/list").json()["tags"] == ["1.2", "1.2.3", "moved"]
    assert "oci-tag" not in put_manifest(http, repository, sha256(body), body).headers


@pytest.mark.requirement("push-tags-ten")
def test_how_many_tags(http: httpx.Client, repository: str) -> None:
    """A hundred, which is more than ten, and no more than that."""
    push_blob(http, repository, b"{}")
    body, tags = artifact(), [f"t{each}" for each in range(100)]
    answer = put_manifest(http, repository, f"{sha256(body)}?{'&'.join(f'tag={tag}' for tag in tags)}", body)
    assert answer.headers.get_list("oci-tag", split_commas=True) == tags
    over = put_manifest(http, repository, f"{sha256(body)}?{'&'.join(f'tag=u{each}' for each in range(101))}", body)
    assert over.status_code == 414
    assert len(http.get(f"/v2/{repository}/tags/list").json()["tags"]) == 100


@pytest.mark.requirement("push-tags-bad")
def test_tags_that_cannot_be(ecr: Any, http: httpx.Client, repository: str) -> None:
    """One that is no tag, one that is fixed, any beside a tag in the path: none of them is given."""
    ecr.put_image_tag_mutability(repositoryName=repository, imageTagMutability="IMMUTABLE")
    push(http, repository, IMAGE, "fixed")
    push_blob(http, repository, b"{}")
    body = artifact()
    for query, found in (
        ("tag=new&tag=-x", (400, "MANIFEST_INVALID")),
        ("tag=new&tag=", (400, "MANIFEST_INVALID")),
        ("tag=new&tag=a%00b", (400, "MANIFEST_INVALID")),
        ("tag=new&tag=fixed&tag=newer", (400, "TAG_INVALID")),
    ):
        assert code(put_manifest(http, repository, f"{sha256(body)}?{query}", body)) == found
    assert code(put_manifest(http, repository, "new?tag=newer", body)) == (400, "UNSUPPORTED")
    assert http.get(f"/v2/{repository}/tags/list").json()["tags"] == ["fixed"]
    assert http.head(f"/v2/{repository}/manifests/{sha256(body)}").status_code == 404
    assert http.get(f"/v2/{repository}/manifests/fixed").content == IMAGE.manifest
