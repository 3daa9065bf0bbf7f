"""Pulling: what is there, what is not, and parts of it."""

from __future__ import annotations

import hashlib

import httpx
import pytest

from hullwise.domain.manifests import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.support.images import image, layer, sha256
from tests.support.pushing import index, manifest, push, push_blob, put_manifest
from tests.support.registry import Server

IMAGE = image([layer({"etc/motd": b"hello\n"})])
ABSENT = sha256(b"absent")
DATA = bytes(range(256)) * 10


@pytest.mark.requirement("support-200")
def test_the_base(http: httpx.Client) -> None:
    """With and without its slash."""
    for path in ("/v2/", "/v2"):
        assert http.get(path).status_code == 200


@pytest.mark.requirement("support-401")
def test_the_base_for_strangers(target: Server) -> None:
    """It says how to log in."""
    answer = httpx.get(f"{target.url}/v2/")
    assert (answer.status_code, "www-authenticate" in answer.headers) == (401, True)


@pytest.mark.requirement("name-form")
def test_names(http: httpx.Client) -> None:
    """What could be a name is unknown, what could not is invalid."""
    for name in ("a-b", "a--b", "a.b_c__d/e", "0/1/2/3/4/5", "x" * 255):
        answer = http.get(f"/v2/{name}/tags/list")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "NAME_UNKNOWN")
    for name in ("A/b", "a..b", "a___b", "-a/b", "a/b-", "a//b", "x" * 257):
        answer = http.get(f"/v2/{name}/tags/list")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "NAME_INVALID")


@pytest.mark.requirement("reference-form")
def test_references(http: httpx.Client, repository: str) -> None:
    """Tags from one character to 128, of every kind that the grammar has; nothing else is stored."""
    push(http, repository, IMAGE)
    for tag in ("a", "_", "0", "A.b-c_d", "a" * 128, "latest", "sha256-" + "a" * 64):
        assert put_manifest(http, repository, tag, IMAGE.manifest).status_code == 201
        assert http.get(f"/v2/{repository}/manifests/{tag}").content == IMAGE.manifest
    for wrong in ("a" * 129, ".a", "-a", "a+b", "a%20b", "%C3%A9", "sha256:x", "sha256:" + "A" * 64, "md5:" + "0" * 32):
        assert put_manifest(http, repository, wrong, IMAGE.manifest).status_code == 400
        assert http.get(f"/v2/{repository}/manifests/{wrong}").status_code in {400, 404}


@pytest.mark.requirement("pull-manifest-200", "pull-manifest-digest")
def test_a_manifest_by_tag_and_digest(http: httpx.Client, repository: str) -> None:
    """The bytes are those that were pushed, and the digest is theirs."""
    push(http, repository, IMAGE, "latest")
    for reference in ("latest", IMAGE.digest):
        answer = http.get(f"/v2/{repository}/manifests/{reference}")
        assert (answer.status_code, answer.content) == (200, IMAGE.manifest)
        assert answer.headers["docker-content-digest"] == IMAGE.digest


@pytest.mark.requirement("pull-manifest-type")
def test_the_type_of_a_manifest(http: httpx.Client, repository: str) -> None:
    """That of its push, whatever is accepted: a manifest is never converted."""
    docker = manifest(IMAGE.config, [], mediaType=DOCKER_MANIFEST)
    listed = index(IMAGE.manifest)
    push(http, repository, IMAGE)
    for body, media_type in ((IMAGE.manifest, OCI_MANIFEST), (docker, DOCKER_MANIFEST), (listed, OCI_INDEX)):
        assert put_manifest(http, repository, sha256(body), body, media_type).status_code == 201
        for accept in ("*/*", media_type, "application/json", ""):
            answer = http.get(f"/v2/{repository}/manifests/{sha256(body)}", headers={"accept": accept})
            assert (answer.headers["content-type"], answer.content) == (media_type, body)


@pytest.mark.requirement("pull-manifest-404", "pull-blob-404", "head-404")
def test_what_is_not_there(http: httpx.Client, repository: str, other: str) -> None:
    """Unknown here is unknown, also where another repository has it, and where there is no repository."""
    push(http, other, IMAGE, "latest")
    blob = IMAGE.layers[0].digest
    for name in (repository, "conformance/no/such"):
        for path in ("manifests/latest", f"manifests/{IMAGE.digest}", f"manifests/{ABSENT}", f"blobs/{blob}"):
            assert http.get(f"/v2/{name}/{path}").status_code == 404
            head = http.head(f"/v2/{name}/{path}")
            assert (head.status_code, head.content) == (404, b"")


@pytest.mark.requirement("pull-blob-200", "pull-blob-digest")
def test_a_blob(http: httpx.Client, repository: str) -> None:
    """Whole, with its digest and length; of no bytes too."""
    for data in (DATA, b"", b"x" * 3_000_000):
        answer = http.get(f"/v2/{repository}/blobs/{push_blob(http, repository, data)}")
        assert (answer.status_code, answer.content) == (200, data)
        assert answer.headers["docker-content-digest"] == sha256(data)
        assert answer.headers["content-length"] == str(len(data))


RANGES = {
    "bytes=0-0": (0, 0),
    "bytes=100-199": (100, 199),
    "bytes=2000-": (2000, 2559),
    "bytes=2559-9999": (2559, 2559),
    "bytes=-1": (2559, 2559),
    "bytes=-560": (2000, 2559),
    "bytes=-99999": (0, 2559),
    "Bytes=0-9": (0, 9),
}
"""First and last byte of DATA that each asks for."""


@pytest.mark.requirement("pull-blob-range")
def test_a_range(http: httpx.Client, repository: str) -> None:
    """206 with just these bytes, and which they are of how many."""
    path = f"/v2/{repository}/blobs/{push_blob(http, repository, DATA)}"
    for asked, (first, last) in RANGES.items():
        answer = http.get(path, headers={"range": asked})
        assert (answer.status_code, answer.content) == (206, DATA[first : last + 1]), asked
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(DATA)}"
        assert answer.headers["content-length"] == str(last + 1 - first)


@pytest.mark.requirement("pull-blob-range")
def test_what_is_no_range_that_is_offered(http: httpx.Client, repository: str) -> None:
    """It is passed by, as RFC 9110 (14.2) has it, and so is any with HEAD, for which there are no ranges."""
    path = f"/v2/{repository}/blobs/{push_blob(http, repository, DATA)}"
    for asked in ("bytes=0-1,4-5", "lines=0-1", "bytes=x-y", "bytes=-", "bytes", "bytes=5-4"):
        answer = http.get(path, headers={"range": asked})
        assert (answer.status_code, answer.content) == (200, DATA), asked
    for asked in ("bytes=0-9", "bytes=9999-", "x"):
        head = http.head(path, headers={"range": asked})
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(DATA)))


@pytest.mark.requirement("pull-blob-range-416")
def test_a_range_outside(http: httpx.Client, repository: str) -> None:
    """416 says how long the blob is; of one without bytes the end is the whole."""
    path = f"/v2/{repository}/blobs/{push_blob(http, repository, DATA)}"
    for asked in ("bytes=2560-", "bytes=2560-2570", "bytes=-0", "bytes=" + "9" * 18 + "-"):
        answer = http.get(path, headers={"range": asked})
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(DATA)}"), asked
    empty = f"/v2/{repository}/blobs/{push_blob(http, repository, b'')}"
    for asked, status in (("bytes=0-", 416), ("bytes=-1", 200), ("bytes=-0", 416)):
        assert http.get(empty, headers={"range": asked}).status_code == status, asked


@pytest.mark.requirement("pull-blob-if-range")
def test_a_range_of_a_state(http: httpx.Client, repository: str) -> None:
    """A part is sent of the state that it is asked of, else the whole: two parts never make one wrong file."""
    path = f"/v2/{repository}/blobs/{push_blob(http, repository, DATA)}"
    etag = http.head(path).headers["etag"]
    for state, status in ((etag, 206), ('"other"', 200), (f"W/{etag}", 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)):
        answer = http.get(path, headers={"range": "bytes=0-9", "if-range": state})
        assert (answer.status_code, answer.content) == (status, DATA[:10] if status == 206 else DATA)


@pytest.mark.requirement("pull-if-none-match")
def test_who_has_it_already(http: httpx.Client, repository: str) -> None:
    """304 for the state that is still there, among others too; a tag that moved is sent anew."""
    push(http, repository, IMAGE, "latest")
    blob = f"/v2/{repository}/blobs/{IMAGE.layers[0].digest}"
    for path in (blob, f"/v2/{repository}/manifests/latest", f"/v2/{repository}/manifests/{IMAGE.digest}"):
        etag = http.get(path).headers["etag"]
        for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
            for method in ("GET", "HEAD"):
                answer = http.request(method, path, headers={"if-none-match": known})
                assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert http.get(path, headers={"if-none-match": '"other"'}).status_code == 200
    known = http.get(f"/v2/{repository}/manifests/latest").headers["etag"]
    moved = manifest(IMAGE.config, [])
    put_manifest(http, repository, "latest", moved)
    assert http.get(f"/v2/{repository}/manifests/latest", headers={"if-none-match": known}).content == moved
    gone = http.get(f"/v2/{repository}/manifests/none", headers={"if-none-match": "*"})
    assert gone.status_code == 404


@pytest.mark.requirement("head-manifest-200", "head-blob-200")
def test_a_look(http: httpx.Client, repository: str) -> None:
    """HEAD says of both what GET would, without a body."""
    push(http, repository, IMAGE, "latest")
    blob = IMAGE.layers[0]
    for path, digest, size in (
        ("manifests/latest", IMAGE.digest, len(IMAGE.manifest)),
        (f"manifests/{IMAGE.digest}", IMAGE.digest, len(IMAGE.manifest)),
        (f"blobs/{blob.digest}", blob.digest, len(blob.blob)),
    ):
        head = http.head(f"/v2/{repository}/{path}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["docker-content-digest"] == digest
        assert head.headers["content-length"] == str(size)


@pytest.mark.requirement("upload-sha512")
def test_content_under_sha512(http: httpx.Client, repository: str, other: str) -> None:
    """A config and a layer under sha512, the manifest that names them, and a mount; pulled under what they were pushed
    as, and as wrong as any other where the digest is wrong."""
    digests = {}
    for data in (b"{}", DATA):
        digests[data] = "sha512:" + hashlib.sha512(data).hexdigest()
        path = f"/v2/{repository}/blobs/uploads/?digest={digests[data]}"
        assert http.post(path, content=data + b"x").status_code == 400
        made = http.post(path, content=data)
        assert (made.status_code, made.headers["docker-content-digest"]) == (201, digests[data])
        assert http.get(made.headers["location"]).content == data
    body = manifest(b"{}", [DATA])
    for data, digest in digests.items():
        body = body.replace(sha256(data).encode(), digest.encode())
    reference = "sha512:" + hashlib.sha512(body).hexdigest()
    put = put_manifest(http, repository, reference, body)
    assert (put.status_code, put.headers["docker-content-digest"]) == (201, reference)
    answer = http.get(f"/v2/{repository}/manifests/{reference}")
    assert (answer.content, answer.headers["docker-content-digest"]) == (body, reference)
    mounted = http.post(f"/v2/{other}/blobs/uploads/?mount={digests[DATA]}&from={repository}")
    assert mounted.status_code == 201
    assert http.get(f"/v2/{other}/blobs/{digests[DATA]}").content == DATA
