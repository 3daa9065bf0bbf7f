"""The distribution API as its clients see it, on a running server."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator

import httpx
import pytest

from hullwise.domain import limits
from hullwise.domain.manifests import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.support.images import Image, image, layer, sha256
from tests.support.registry import Server

PLAIN = image([layer({"etc/motd": b"hello\n"})])


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with server.http() as client:
        yield client


@pytest.fixture
def repository(server: Server, request: pytest.FixtureRequest) -> str:
    """A repository of the test's own."""
    name = "oci/" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    server.client().create_repository(repositoryName=name)
    return name


def errors(answer: httpx.Response) -> list[str]:
    return [error["code"] for error in answer.json()["errors"]]


def begin(http: httpx.Client, repository: str) -> str:
    """The path of a new upload."""
    answer = http.post(f"/v2/{repository}/blobs/uploads/")
    assert answer.status_code == 202
    assert answer.headers["range"] == "0-0"
    location: str = answer.headers["location"]
    return location


def push_blob(http: httpx.Client, repository: str, data: bytes) -> str:
    answer = http.post(f"/v2/{repository}/blobs/uploads/?digest={sha256(data)}", content=data)
    assert answer.status_code == 201, answer.text
    return sha256(data)


def push(http: httpx.Client, repository: str, pushed: Image, reference: str = "latest") -> httpx.Response:
    for blob in pushed.blobs:
        push_blob(http, repository, blob)
    headers = {"content-type": OCI_MANIFEST}
    return http.put(f"/v2/{repository}/manifests/{reference}", content=pushed.manifest, headers=headers)


def test_the_base_says_who_is_welcome(server: Server, http: httpx.Client) -> None:
    """/v2/ answers whoever has a token, and challenges everybody else, in whatever way they fail."""
    assert http.get("/v2/").headers["docker-distribution-api-version"] == "registry/2.0"
    wrong = {
        "nothing": {},
        "bearer": {"authorization": "Bearer x"},
        "junk": {"authorization": "Basic ???"},
        "other user": {"authorization": "Basic " + base64.b64encode(b"root:x").decode()},
        "bad token": {"authorization": "Basic " + base64.b64encode(b"AWS:x").decode()},
    }
    for name, headers in wrong.items():
        answer = httpx.get(f"{server.url}/v2/", headers=headers)
        assert (answer.status_code, errors(answer)) == (401, ["UNAUTHORIZED"]), name
        assert answer.headers["www-authenticate"].startswith("Basic realm=")


def test_a_blob_in_one_request(http: httpx.Client, repository: str) -> None:
    """What was posted whole is read back, whole and in part."""
    data = bytes(range(256)) * 40
    path = f"/v2/{repository}/blobs/{push_blob(http, repository, data)}"
    got = http.get(path)
    assert (got.content, got.headers["docker-content-digest"]) == (data, sha256(data))
    head = http.head(path)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(data)), b"")
    for asked, part in (("bytes=10-19", data[10:20]), ("bytes=10000-", data[10000:]), ("bytes=0-0", data[:1])):
        partial = http.get(path, headers={"range": asked})
        assert (partial.status_code, partial.content) == (206, part)
    assert partial.headers["content-range"] == f"bytes 0-0/{len(data)}"
    assert http.get(path, headers={"range": f"bytes={len(data)}-"}).status_code == 416


def test_a_blob_in_chunks(http: httpx.Client, repository: str) -> None:
    """Chunks continue where the upload ends, with and without Content-Range; others are refused and lose nothing."""
    path = begin(http, repository)
    first = http.patch(path, content=b"hello ", headers={"content-range": "0-5"})
    assert (first.status_code, first.headers["range"]) == (202, "0-5")
    gap = http.patch(path, content=b"x", headers={"content-range": "9-9"})
    assert (gap.status_code, errors(gap)) == (416, ["BLOB_UPLOAD_INVALID"])
    short = http.patch(path, content=b"x", headers={"content-range": "6-9"})
    assert (short.status_code, errors(short)) == (400, ["SIZE_INVALID"])
    second = http.patch(path, content=b"wide ")
    assert second.headers["range"] == "0-10"
    status = http.get(path)
    assert (status.status_code, status.headers["range"]) == (204, "0-10")
    whole = b"hello wide world"
    wrong = http.put(f"{path}?digest={sha256(b'else')}", content=b"world")
    assert (wrong.status_code, errors(wrong)) == (400, ["DIGEST_INVALID"])
    assert http.get(path).headers["range"] == "0-10"
    done = http.put(f"{path}?digest={sha256(whole)}", content=b"world")
    assert done.status_code == 201
    assert http.get(done.headers["location"]).content == whole
    assert errors(http.get(path)) == ["BLOB_UPLOAD_UNKNOWN"]


def test_a_streamed_blob(http: httpx.Client, repository: str) -> None:
    """A body without a stated length, larger than any buffer, arrives whole."""
    piece = bytes(range(256)) * 4096

    def pieces() -> Iterator[bytes]:
        for _ in range(6):
            yield piece

    path = begin(http, repository)
    assert http.patch(path, content=pieces()).status_code == 202
    assert http.put(f"{path}?digest={sha256(piece * 6)}").status_code == 201
    assert http.get(f"/v2/{repository}/blobs/{sha256(piece * 6)}").content == piece * 6


def test_blobs_of_no_bytes_and_of_sha512(http: httpx.Client, repository: str) -> None:
    """Both are content like any other."""
    assert http.get(f"/v2/{repository}/blobs/{push_blob(http, repository, b'')}").content == b""
    digest = "sha512:" + hashlib.sha512(b"data").hexdigest()
    assert http.put(f"{begin(http, repository)}?digest={digest}", content=b"data").status_code == 201
    assert http.get(f"/v2/{repository}/blobs/{digest}").headers["docker-content-digest"] == digest


def test_a_cancelled_upload_is_gone(http: httpx.Client, repository: str) -> None:
    """DELETE forgets it."""
    path = begin(http, repository)
    http.patch(path, content=b"x")
    assert http.delete(path).status_code == 204
    assert http.patch(path, content=b"y").status_code == 404


def test_an_upload_belongs_to_its_repository_and_key(server: Server, http: httpx.Client, repository: str) -> None:
    """Neither through another repository nor with another key can it be continued or read."""
    path = begin(http, repository)
    server.client().create_repository(repositoryName=f"{repository}/other")
    elsewhere = path.replace(repository, f"{repository}/other")
    assert errors(http.patch(elsewhere, content=b"x")) == ["BLOB_UPLOAD_UNKNOWN"]
    key = json.loads(server.run("keys", "create", "--format", "json").stdout)
    other = server.client(aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"])
    token = other.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    headers = {"authorization": f"Basic {token}"}
    assert httpx.patch(server.url + path, content=b"x", headers=headers).status_code == 404


def test_mounting(server: Server, http: httpx.Client, repository: str) -> None:
    """A blob is taken from a repository that has it; where that cannot be, the client is told to upload."""
    target = f"{repository}/target"
    server.client().create_repository(repositoryName=target)
    digest = push_blob(http, repository, b"shared")
    assert http.get(f"/v2/{target}/blobs/{digest}").status_code == 404
    post = f"/v2/{target}/blobs/uploads/?mount={digest}"
    for unusable in ("&from=not/there", f"&from={target}", "&from=.."):
        assert http.post(post + unusable).status_code == 202
    mounted = http.post(f"{post}&from={repository}")
    assert (mounted.status_code, mounted.headers["docker-content-digest"]) == (201, digest)
    assert http.get(f"/v2/{target}/blobs/{digest}").content == b"shared"


def test_manifests_by_tag_and_digest(http: httpx.Client, repository: str) -> None:
    """A manifest is the same bytes by tag and by digest; pushing it again changes nothing."""
    for _ in range(2):
        answer = push(http, repository, PLAIN)
        assert (answer.status_code, answer.headers["docker-content-digest"]) == (201, PLAIN.digest)
    for reference in ("latest", PLAIN.digest):
        got = http.get(f"/v2/{repository}/manifests/{reference}")
        assert (got.content, got.headers["content-type"]) == (PLAIN.manifest, OCI_MANIFEST)
        assert http.head(f"/v2/{repository}/manifests/{reference}").headers["docker-content-digest"] == PLAIN.digest
    assert errors(http.get(f"/v2/{repository}/manifests/none")) == ["MANIFEST_UNKNOWN"]
    assert errors(http.get("/v2/not/there/manifests/latest")) == ["NAME_UNKNOWN"]


@pytest.mark.parametrize(("index_type", "child_type"), [(OCI_INDEX, OCI_MANIFEST), (DOCKER_LIST, DOCKER_MANIFEST)])
def test_indexes_and_lists(http: httpx.Client, repository: str, index_type: str, child_type: str) -> None:
    """An index needs its children first; then it is stored and served as pushed."""
    document = json.loads(PLAIN.manifest) | {"mediaType": child_type}
    child = json.dumps(document).encode()
    listed = {"mediaType": child_type, "digest": sha256(child), "size": len(child)}
    index = json.dumps({"schemaVersion": 2, "mediaType": index_type, "manifests": [listed]}).encode()
    put = {"content": index, "headers": {"content-type": index_type}}
    early = http.put(f"/v2/{repository}/manifests/all", **put)  # type: ignore[arg-type]
    assert (early.status_code, errors(early)) == (400, ["MANIFEST_BLOB_UNKNOWN"])
    for blob in PLAIN.blobs:
        push_blob(http, repository, blob)
    by_digest = f"/v2/{repository}/manifests/{sha256(child)}"
    assert http.put(by_digest, content=child, headers={"content-type": child_type}).status_code == 201
    assert http.put(f"/v2/{repository}/manifests/all", **put).status_code == 201  # type: ignore[arg-type]
    assert http.get(f"/v2/{repository}/manifests/all").content == index
    assert errors(http.delete(by_digest)) == ["DENIED"]


def changed(**members: object) -> bytes:
    return json.dumps(json.loads(PLAIN.manifest) | members).encode()


BAD_MANIFESTS: dict[str, tuple[bytes, str, int, str]] = {
    "no JSON": (b"{", OCI_MANIFEST, 400, "MANIFEST_INVALID"),
    "a list": (b"[]", OCI_MANIFEST, 400, "MANIFEST_INVALID"),
    "not text": (b"\xff\xfe", OCI_MANIFEST, 400, "MANIFEST_INVALID"),
    "deep": (b"[" * 100_000, OCI_MANIFEST, 400, "MANIFEST_INVALID"),
    "repeated keys": (PLAIN.manifest[:-1] + b', "schemaVersion": 2}', OCI_MANIFEST, 400, "MANIFEST_INVALID"),
    "schema 1": (changed(schemaVersion=1), OCI_MANIFEST, 400, "MANIFEST_INVALID"),
    "both kinds": (changed(manifests=[]), OCI_MANIFEST, 400, "MANIFEST_INVALID"),
    "another type": (changed(), OCI_INDEX, 400, "MANIFEST_INVALID"),
    "unknown type": (changed(mediaType="text/plain"), "text/plain", 400, "MANIFEST_INVALID"),
    "bad digest": (
        changed(layers=[{"mediaType": "a/b", "digest": "x", "size": 1}]),
        OCI_MANIFEST,
        400,
        "MANIFEST_INVALID",
    ),
    "negative size": (
        changed(layers=[{"mediaType": "a/b", "digest": sha256(b""), "size": -1}]),
        OCI_MANIFEST,
        400,
        "MANIFEST_INVALID",
    ),
    "missing blob": (
        changed(layers=[{"mediaType": "a/b", "digest": sha256(b"missing"), "size": 7}]),
        OCI_MANIFEST,
        400,
        "MANIFEST_BLOB_UNKNOWN",
    ),
    "wrong size": (
        changed(layers=[{"mediaType": "a/b", "digest": PLAIN.layers[0].digest, "size": 1}]),
        OCI_MANIFEST,
        400,
        "MANIFEST_INVALID",
    ),
    "over 4 MiB": (changed(annotations={"x": "y" * limits.MANIFEST_BYTES}), OCI_MANIFEST, 413, "SIZE_INVALID"),
}


@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_bad_manifests(http: httpx.Client, repository: str, name: str) -> None:
    """Each is refused with its code, and no tag or image appears."""
    push(http, repository, PLAIN, PLAIN.digest)
    body, media_type, status, expected = BAD_MANIFESTS[name]
    answer = http.put(f"/v2/{repository}/manifests/bad", content=body, headers={"content-type": media_type})
    assert (answer.status_code, errors(answer)) == (status, [expected]), answer.text
    assert http.get(f"/v2/{repository}/tags/list").json()["tags"] == []


def test_a_manifest_under_a_wrong_digest(http: httpx.Client, repository: str) -> None:
    """The reference, where it is a digest, must be that of the bytes."""
    answer = push(http, repository, PLAIN, sha256(b"else"))
    assert (answer.status_code, errors(answer)) == (400, ["DIGEST_INVALID"])


def test_tags_in_pages(http: httpx.Client, repository: str) -> None:
    """Tags come in lexical order, whatever their case; a Link leads to the rest."""
    for tag in ("b", "B", "a", "1.10", "1.9"):
        push(http, repository, PLAIN, tag)
    assert http.get(f"/v2/{repository}/tags/list").json() == {
        "name": repository,
        "tags": ["1.10", "1.9", "a", "B", "b"],
    }
    first = http.get(f"/v2/{repository}/tags/list?n=2")
    assert first.json()["tags"] == ["1.10", "1.9"]
    following = http.get(first.links["next"]["url"])
    assert following.json()["tags"] == ["a", "B"]
    assert "next" not in http.get(following.links["next"]["url"]).links
    assert http.get(f"/v2/{repository}/tags/list?n=0").json()["tags"] == []


def test_deleting(http: httpx.Client, repository: str) -> None:
    """A tag goes alone; a digest takes the image and its tags."""
    for tag in ("a", "b"):
        push(http, repository, PLAIN, tag)
    assert http.delete(f"/v2/{repository}/manifests/a").status_code == 202
    assert http.get(f"/v2/{repository}/tags/list").json()["tags"] == ["b"]
    assert http.get(f"/v2/{repository}/manifests/{PLAIN.digest}").status_code == 200
    assert http.delete(f"/v2/{repository}/manifests/{PLAIN.digest}").status_code == 202
    assert errors(http.get(f"/v2/{repository}/manifests/b")) == ["MANIFEST_UNKNOWN"]
    assert http.delete(f"/v2/{repository}/manifests/b").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/UPPER/tags/list", 400),
        ("GET", "/v2/a..b/tags/list", 400),
        ("GET", "/v2/%2e%2e/etc/passwd", 404),
        ("GET", "/v2/x%00y/tags/list", 400),
        ("GET", f"/v2/{'a' * 256}/b/tags/list", 400),
        ("GET", "/v2/a/b/blobs/sha256:zz", 404),
        ("GET", "/v2/a/b/blobs/md5:00", 404),
        ("PUT", "/v2/a/b/tags/list", 405),
        ("POST", "/v2/a/b/manifests/x", 405),
        ("GET", "/v2/nothing", 404),
        ("PUT", "/v2/a/b/blobs/uploads/x", 404),
    ],
)
def test_odd_requests(http: httpx.Client, method: str, path: str, status: int) -> None:
    """Each is answered in the API's own form, never as a server's failure."""
    answer = http.request(method, path)
    assert answer.status_code == status, answer.text
    assert len(errors(answer)) == 1


def test_an_upload_whose_connection_breaks_goes_on(server: Server, http: httpx.Client, repository: str) -> None:
    """What came until then is in it, once the server has noticed; a client that asks where to go on sends the rest."""
    data = b"x" * 100_000 + b"y" * 100_000
    path = begin(http, repository)

    def broken() -> Iterator[bytes]:
        yield data[:100_000]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        http.patch(path, content=broken())
    deadline = time.monotonic() + 60
    while (kept := http.get(path).headers["range"]) == "0-0" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert kept == "0-99999"
    rest = {"content-range": f"100000-{len(data) - 1}"}
    assert http.put(f"{path}?digest={sha256(data)}", content=data[100_000:], headers=rest).status_code == 201
    assert http.get(f"/v2/{repository}/blobs/{sha256(data)}").content == data


def test_oras_pushes_and_pulls(server: Server, repository: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The oras client's files come back as they were."""
    import oras.client

    folder = tmp_path_factory.mktemp("oras")
    (folder / "hello.txt").write_text("hello\n")
    client = oras.client.OrasClient(hostname=server.host, insecure=True, auth_backend="basic")
    # What its login does beside this is to ask a docker daemon.
    client.auth.set_basic_auth("AWS", server.password)
    target = f"{server.host}/{repository}:files"
    client.push(target=target, files=[str(folder / "hello.txt")], disable_path_validation=True)
    (pulled,) = client.pull(target=target, outdir=str(folder / "out"))
    assert pulled.endswith("hello.txt")
    with open(pulled) as file:  # noqa: PTH123
        assert file.read() == "hello\n"
