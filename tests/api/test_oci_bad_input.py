"""What nobody should send to the registry API: each is answered in the API's own form, on both engines."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hullwise.domain import limits
from hullwise.domain.manifests import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.support import registry as support
from tests.support.edges import Edges, edges
from tests.support.images import image, layer, sha256
from tests.support.postgres import new_database
from tests.support.pushing import index
from tests.support.registry import Server

SMALL = image([layer({"etc/motd": b"hello\n"})])
DOCUMENT = json.loads(SMALL.manifest)
CONFIG, (LAYER,) = DOCUMENT["config"], DOCUMENT["layers"]
DIGEST = "sha256:" + "0" * 64


def codes(answer: httpx.Response) -> list[str]:
    return [error["code"] for error in answer.json()["errors"]]


def changed(**members: Any) -> bytes:
    """The manifest with other members; those that are `...` are left out."""
    return json.dumps({name: value for name, value in {**DOCUMENT, **members}.items() if value is not ...}).encode()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def used(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edges]:
    """A registry with an image in the repository `bad/input`, on each engine."""
    url = new_database() if request.param == "postgresql" else ""
    with support.registry(tmp_path_factory.mktemp("bad"), url) as registry:
        found = edges(registry)
        registry.repository("bad/input")
        found.push("bad/input", SMALL)
        yield found


# Each is one change to a good manifest, and what the message then says.
CHANGES: dict[str, tuple[bytes, str]] = {
    "UTF-16": (SMALL.manifest.decode().encode("utf-16"), "Invalid JSON syntax"),
    "UTF-32": (SMALL.manifest.decode().encode("utf-32"), "Invalid JSON syntax"),
    "a byte order mark": (b"\xef\xbb\xbf" + SMALL.manifest, "Invalid JSON syntax"),
    "not UTF-8": (changed(x="y").replace(b'"y"', b'"\xff"'), "Invalid JSON syntax"),
    "nothing": (b"", "Invalid JSON syntax"),
    "null": (b"null", "Invalid JSON syntax"),
    "a number": (b"2", "Invalid JSON syntax"),
    "two documents": (SMALL.manifest * 2, "Invalid JSON syntax"),
    "a long number": (changed().replace(b'"schemaVersion": 2', b'"schemaVersion": 2' + b"0" * 5000), "JSON syntax"),
    "deep objects": (b'{"a":' * 200_000, "at most 65,536 JSON values"),
    "deep lists": (b"[" * 2_000_000, "at most 65,536 JSON values"),
    "lists in lists": (changed(x=json.loads("[" * 64 + "]" * 64)), "at most 64 JSON lists and objects in each other"),
    "keys repeated inside": (changed().replace(b'"size"', b'"digest": "x", "size"', 1), "Repeated JSON keys"),
    "schema 1": (changed(schemaVersion=1), "schemaVersion must be 2"),
    "schema 2.0": (changed(schemaVersion=2.0), "schemaVersion must be 2"),
    "schema true": (changed(schemaVersion=True), "schemaVersion must be 2"),
    "schema in text": (changed(schemaVersion="2"), "schemaVersion must be 2"),
    "no schema": (changed(schemaVersion=...), "schemaVersion must be 2"),
    "a type that is a number": (changed(mediaType=7), "mediaType must be a media type"),
    "a type with half a pair": (changed(mediaType="\ud800"), "Invalid JSON syntax"),
    "a type with NUL": (changed(mediaType=f"{OCI_MANIFEST}\0"), "mediaType must be a media type"),
    "an index's type": (changed(mediaType=OCI_INDEX), "differs from the declared"),
    "no config": (changed(config=...), "a manifest must have a config"),
    "a config of null": (changed(config=None), "config must be a descriptor"),
    "layers of null": (changed(layers=None), "layers must be a list"),
    "a layer of null": (changed(layers=[None]), "layers[0] must be a descriptor"),
    "layers and manifests": (changed(manifests=[]), "cannot be both a manifest and an index"),
    "a config type with NUL": (changed(config={**CONFIG, "mediaType": "a/b\0"}), "config.mediaType"),
    "a config type with half a pair": (changed(config={**CONFIG, "mediaType": "\udfff"}), "Invalid JSON syntax"),
    "a config type beyond ASCII": (changed(config={**CONFIG, "mediaType": "é/x"}), "config.mediaType"),
    "a config type of 256": (changed(config={**CONFIG, "mediaType": "x" * 256}), "config.mediaType"),
    "an artifact type with NUL": (changed(artifactType="\0"), "artifactType must be a media type"),
    "an artifact type with half a pair": (changed(artifactType="\ud800"), "Invalid JSON syntax"),
    "an artifact type of 256": (changed(artifactType="x" * 256), "artifactType must be a media type"),
    "an artifact type in a list": (changed(artifactType=["x"]), "artifactType must be a media type"),
    "a subject that is none": (changed(subject=[]), "subject must be a descriptor"),
    "a subject without digest": (changed(subject={"mediaType": "a/b", "size": 1}), "subject.digest"),
    "a digest with spaces": (changed(layers=[{**LAYER, "digest": f" {DIGEST}"}]), "layers[0].digest"),
    "a digest in capitals": (changed(layers=[{**LAYER, "digest": "sha256:" + "A" * 64}]), "layers[0].digest"),
    "a digest of md5": (changed(layers=[{**LAYER, "digest": "md5:" + "0" * 32}]), "layers[0].digest"),
    "a size of true": (changed(layers=[{**LAYER, "size": True}]), "layers[0].size"),
    "a size with a point": (changed(layers=[{**LAYER, "size": 1.0}]), "layers[0].size"),
    "a size in text": (changed(layers=[{**LAYER, "size": "1"}]), "layers[0].size"),
    "a size below zero": (changed(layers=[{**LAYER, "size": -1}]), "layers[0].size"),
    "a size of 2^63": (changed(layers=[{**LAYER, "size": 1 << 63}]), "layers[0].size"),
    "another size": (changed(layers=[{**LAYER, "size": (1 << 63) - 1}]), "bytes, not 9223372036854775807"),
    "too many layers": (changed(layers=[LAYER] * (limits.LAYERS + 1)), "Limit on number of layers per image exceeded"),
}

NO_TEXT = {"UTF-16", "UTF-32", "not UTF-8", "nothing"}
"""These cannot be sent as the text that PutImage takes."""


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_that_is_none(used: Edges, change: str) -> None:
    """It is refused by both APIs, which say what is wrong, and its tag names nothing."""
    body, words = CHANGES[change]
    answer = used.oci("PUT", "/v2/bad/input/manifests/bad", body, content_type=OCI_MANIFEST)
    assert (answer.status_code, codes(answer)) == (400, ["MANIFEST_INVALID"])
    assert words in answer.json()["errors"][0]["message"]
    if change not in NO_TEXT:
        put = {"imageManifest": body.decode(), "imageManifestMediaType": OCI_MANIFEST, "imageTag": "bad"}
        other = used.aws("PutImage", repositoryName="bad/input", **put)
        assert (other.status_code, other.json()["__type"]) == (400, "InvalidParameterException")
    assert used.oci("HEAD", "/v2/bad/input/manifests/bad").status_code == 404


def test_indexes_that_are_none(used: Edges) -> None:
    """An index has a list of descriptors, not too many, and nothing of a manifest's."""
    listed = json.loads(index(SMALL.manifest))
    bodies: list[tuple[dict[str, Any], str]] = [
        ({"schemaVersion": 2}, "an index must have manifests"),
        ({**listed, "manifests": None}, "manifests must be a list"),
        ({**listed, "manifests": {}}, "manifests must be a list"),
        ({**listed, "manifests": [SMALL.digest]}, "manifests[0] must be a descriptor"),
        ({**listed, "manifests": listed["manifests"] * (limits.CHILDREN + 1)}, "too many manifests"),
        ({**listed, "layers": []}, "cannot be both a manifest and an index"),
        ({**listed, "config": CONFIG}, "cannot be both a manifest and an index"),
    ]
    for document, words in bodies:
        answer = used.oci("PUT", "/v2/bad/input/manifests/i", json.dumps(document).encode(), content_type=OCI_INDEX)
        assert (answer.status_code, codes(answer)) == (400, ["MANIFEST_INVALID"])
        assert words in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "media_type",
    [
        DOCKER_MANIFEST,
        DOCKER_LIST,
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/json",
        "x",
        "\xff",
    ],
)
def test_a_declared_type_that_is_another(used: Edges, media_type: str) -> None:
    """Of two types that disagree neither is believed; a manifest that states none is of a type that is offered."""
    for body in (SMALL.manifest, changed(mediaType=..., schemaVersion=1), changed(mediaType=..., config=...)):
        answer = used.oci("PUT", "/v2/bad/input/manifests/t", body, content_type=media_type)
        assert (answer.status_code, codes(answer)) == (400, ["MANIFEST_INVALID"])


def test_a_manifest_up_to_its_limit(used: Edges) -> None:
    """4 MiB are taken, one byte more is not, however it is sent."""
    filler = limits.MANIFEST_BYTES - len(changed(annotations={"x": ""}))
    body = changed(annotations={"x": "y" * filler})
    assert len(body) == limits.MANIFEST_BYTES
    path = "/v2/bad/input/manifests/large"
    assert used.oci("PUT", path, body, content_type=OCI_MANIFEST).status_code == 201
    over = used.oci("PUT", path, body + b" ", content_type=OCI_MANIFEST)
    assert (over.status_code, codes(over)) == (413, ["SIZE_INVALID"])
    assert used.oci("GET", path).content == body


PATHS: list[tuple[str, str, int, str]] = [
    ("GET", "/v2/UPPER/tags/list", 400, "NAME_INVALID"),
    ("GET", "/v2/a%00b/tags/list", 400, "NAME_INVALID"),
    ("GET", "/v2/%2e%2e/x/tags/list", 400, "NAME_INVALID"),
    ("GET", "/v2/a%2F..%2Fb/tags/list", 400, "NAME_INVALID"),
    ("GET", "/v2/%C3%A9/tags/list", 400, "NAME_INVALID"),
    ("GET", "/v2/%FF/tags/list", 400, "NAME_INVALID"),
    ("GET", "/v2/a//b/tags/list", 400, "NAME_INVALID"),
    ("GET", "/v2/a/tags/list", 400, "NAME_INVALID"),
    ("GET", f"/v2/{'a' * 256}/tags/list", 404, "NAME_UNKNOWN"),
    ("GET", f"/v2/{'a' * 257}/tags/list", 400, "NAME_INVALID"),
    ("GET", f"/v2/{'a/' * 3000}b/tags/list", 400, "NAME_INVALID"),
    ("GET", f"/v2/{'a/' * 3000}b/blobs/{DIGEST}", 400, "NAME_INVALID"),
    ("GET", f"/v2/{'a/' * 3000}b/referrers/{DIGEST}", 400, "NAME_INVALID"),
    ("PUT", f"/v2/{'a/' * 3000}b/manifests/latest", 400, "NAME_INVALID"),
    ("POST", f"/v2/{'a/' * 3000}b/blobs/uploads/", 400, "NAME_INVALID"),
    ("PATCH", f"/v2/{'a/' * 3000}b/blobs/uploads/x", 400, "NAME_INVALID"),
    ("GET", f"/v2/{'a/' * 3000}b/tags/none", 404, "NAME_UNKNOWN"),
    ("GET", "/v2//tags/list", 404, "NAME_UNKNOWN"),
    ("GET", "/v2/bad/input", 404, "NAME_UNKNOWN"),
    ("GET", "/v2/bad/input/tags/list/", 404, "NAME_UNKNOWN"),
    ("GET", "/v2/bad/input/manifests/", 404, "NAME_UNKNOWN"),
    ("GET", "/v2/bad/input/referrers/sha256:zz", 400, "DIGEST_INVALID"),
    ("GET", f"/v2/bad/nowhere/referrers/{DIGEST}", 404, "NAME_UNKNOWN"),
    ("POST", "/v2/_catalog", 405, "UNSUPPORTED"),
    ("GET", "/v2x", 404, "NAME_UNKNOWN"),
    ("GET", "/v2/bad/input/manifests/%00", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/bad/input/manifests/%FF", 404, "MANIFEST_UNKNOWN"),
    ("GET", f"/v2/bad/input/manifests/{'t' * 129}", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/bad/input/manifests/a:b", 400, "DIGEST_INVALID"),
    ("PUT", f"/v2/bad/input/manifests/{'t' * 129}", 400, "MANIFEST_INVALID"),
    ("PUT", "/v2/bad/input/manifests/a%00b", 400, "MANIFEST_INVALID"),
    ("PUT", "/v2/bad/input/manifests/sha256:zz", 400, "DIGEST_INVALID"),
    ("GET", "/v2/bad/input/blobs/%00", 400, "DIGEST_INVALID"),
    ("GET", "/v2/bad/input/blobs/sha256:", 400, "DIGEST_INVALID"),
    ("GET", f"/v2/bad/input/blobs/{DIGEST}", 404, "BLOB_UNKNOWN"),
    ("GET", "/v2/bad/input/blobs/uploads/x", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PATCH", f"/v2/bad/input/blobs/uploads/{'x' * 5000}", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PATCH", "/v2/bad/input/blobs/uploads/%FF", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PATCH", "/v2/bad/input/blobs/uploads/%00", 404, "NAME_UNKNOWN"),
    ("PUT", f"/v2/bad/input/blobs/uploads/a%00b?digest={DIGEST}", 404, "NAME_UNKNOWN"),
    ("DELETE", "/v2/bad/input/blobs/uploads/x", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("POST", "/v2/", 405, "UNSUPPORTED"),
    ("POST", "/v2/bad/input/manifests/latest", 405, "UNSUPPORTED"),
    ("PATCH", "/v2/bad/input/tags/list", 405, "UNSUPPORTED"),
    ("DELETE", f"/v2/bad/input/blobs/{DIGEST}", 404, "BLOB_UNKNOWN"),
    ("DELETE", "/v2/bad/input/blobs/%00", 400, "DIGEST_INVALID"),
    ("GET", "/v2/bad/input/blobs/uploads/", 405, "UNSUPPORTED"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), PATHS)
def test_a_path_that_leads_nowhere(used: Edges, method: str, path: str, status: int, code: str) -> None:
    """Names, references, ids and methods that are none: each has its status and code."""
    answer = used.oci(method, path, SMALL.manifest if method == "PUT" else b"")
    assert (answer.status_code, codes(answer)) == (status, [code]), answer.text


def exchange(server: Server, request: bytes) -> bytes:
    """The answer to these exact bytes on a connection of their own."""
    host, _, port = server.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    return answer


def test_requests_that_no_library_sends(server: Server) -> None:
    """Dots that nobody removed, a full URL, two logins, hosts that are none: answered, and never as a failure."""
    token = server.client().get_authorization_token()["authorizationData"][0]["authorizationToken"]
    login = f"Authorization: Basic {token}\r\n"
    host = f"Host: {server.host}\r\n"
    requests = {
        f"GET /v2/../v2/ HTTP/1.1\r\n{host}{login}": b"404",
        f"GET /v2/../../etc/passwd HTTP/1.1\r\n{host}{login}": b"404",
        f"GET /v2/a/../b/tags/list HTTP/1.1\r\n{host}{login}": b"400",
        f"GET http://elsewhere/v2/ HTTP/1.1\r\n{host}{login}": b"200",
        f"GET /v2/%zz/tags/list HTTP/1.1\r\n{host}{login}": b"400",
        f"GET /v2/ HTTP/1.1\r\n{host}{login}{login}": b"401",
        f"GET /v2/ HTTP/1.1\r\n{host}Authorization: Basic \xff\r\n": b"401",
        "GET /v2/ HTTP/1.1\r\nHost: [::1\r\n": b"400",
        'GET /v2/ HTTP/1.1\r\nHost: a" b\r\n': b"400",
        "POST / HTTP/1.1\r\nHost: x:99999999\r\nContent-Length: 0\r\n": b"400",
    }
    for request, status in requests.items():
        answer = exchange(server, f"{request}Connection: close\r\n\r\n".encode("latin-1"))
        assert answer.split(b" ", 2)[1] == status, (request, answer)
        _, _, rest = answer.lower().partition(b"www-authenticate: ")
        assert rest.split(b"\r\n")[0].count(b'"') in {0, 4}


@pytest.mark.parametrize(
    "credentials",
    [b"AWS", b"AWS:", b"aws:x", b":x", b"AWS:\xff", b"AWS:x:y", b"AWS:" + b"x" * 50_000, b"AWS:a.b.c", b""],
)
def test_credentials_that_are_none(used: Edges, credentials: bytes) -> None:
    """Any user but AWS, and any password that is no token."""
    headers = {"authorization": "Basic " + base64.b64encode(credentials).decode()}
    assert codes(used.send("GET", "/v2/", headers=headers)) == ["UNAUTHORIZED"]


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 1 << 70),
    st.floats(),
    st.text(st.characters(), max_size=12),
    st.sampled_from(["\0", "\ud800", "", DIGEST, OCI_MANIFEST, OCI_INDEX, [], {}, [CONFIG], {"a": "b"}, CONFIG, LAYER]),
)
MEMBERS = ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "artifactType", "annotations"]
PARTS = ["mediaType", "digest", "size", "urls", "data", "platform", "annotations"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    members=st.dictionaries(st.sampled_from(MEMBERS), ODD, max_size=3),
    parts=st.dictionaries(st.sampled_from(PARTS), ODD, max_size=2),
    where=st.sampled_from(["config", "layer", "subject"]),
)
def test_no_manifest_is_a_failure_of_the_server(
    used: Edges, members: dict[str, Any], parts: dict[str, Any], where: str
) -> None:
    """Whatever stands in it, it is stored or refused; what is stored is described and listed like any other."""
    document = {**DOCUMENT, **members}
    if where == "subject":
        document["subject"] = {**CONFIG, **parts}
    elif where == "config" and isinstance(document["config"], dict):
        document["config"] = {**document["config"], **parts}
    elif where == "layer" and isinstance(document["layers"], list):
        document["layers"] = [*document["layers"], {**LAYER, **parts}]
    body = json.dumps(document).encode()
    answer = used.oci("PUT", f"/v2/bad/input/manifests/{sha256(body)}", body)
    assert answer.status_code in {201, 400}, body
    if answer.status_code == 201:
        named = {"repositoryName": "bad/input", "imageIds": [{"imageDigest": sha256(body)}]}
        assert used.aws("DescribeImages", **named).status_code == 200
        (got,) = used.aws("BatchGetImage", **named).json()["images"]
        assert got["imageManifest"].encode() == body
