"""What is asked for, by whoever may ask: text that is code elsewhere, numbers and bodies without an end, URLs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
import pytest

from hullwise.api import metrics
from hullwise.application import Aws
from hullwise.auth import tokens
from hullwise.auth.callers import Caller, KeyRing
from hullwise.auth.rates import Rates
from hullwise.domain import limits
from hullwise.domain.limits import PAGE
from hullwise.domain.manifests import OCI_MANIFEST
from hullwise.threads import Threads
from tests.support.edges import Edges, login, signed_headers
from tests.support.images import image, layer, sha256
from tests.support.registry import ACCOUNT, REGION

SQL = (
    "'",
    "' OR '1'='1",
    "x'; DROP TABLE hw_images; --",
    '" OR ""="',
    "%",
    "_",
    "\\",
    "a') UNION SELECT secret FROM x --",
)


def test_sql_is_text(edge: Edges, name: str) -> None:
    """(row 15) In every parameter that reaches a query it is text that nothing is called by: it finds what sorts after
    it, or nothing, or is refused, and everything is still there."""
    edge.push(name, image([layer({"etc/motd": name.encode()})]), "tag")
    digest = sha256(b"nobody")
    for text in SQL:
        sent = quote(text, safe="")
        after = [tag for tag in ("tag",) if tag.encode() > text.encode()]
        assert edge.oci("GET", f"/v2/{name}/tags/list?last={sent}").json()["tags"] == after
        assert edge.oci("GET", f"/v2/{name}/tags/list?n={sent}").json()["tags"] == ["tag"]
        catalog = edge.oci("GET", f"/v2/_catalog?last={sent}").json()["repositories"]
        assert (name in catalog) == (name > text)
        assert edge.oci("GET", f"/v2/{name}/referrers/{digest}?artifactType={sent}").json()["manifests"] == []
        assert edge.oci("GET", f"/v2/{name}/referrers/{digest}?last={sent}").status_code == 400
        assert edge.oci("GET", f"/v2/{sent}/tags/list").status_code == 400
        assert edge.oci("GET", f"/v2/{name}/manifests/{sent}").status_code == 404
        assert edge.oci("GET", f"/v2/{name}/blobs/uploads/{sent}").status_code == 404
        image_id = {"imageTag": text}
        found = edge.aws("BatchGetImage", repositoryName=name, imageIds=[image_id])
        assert found.status_code == 400 or found.json()["images"] == []
        assert edge.aws("DescribeRepositories", repositoryNames=[text]).status_code == 400
        assert edge.aws("ListImages", repositoryName=name, nextToken=text).status_code == 400
        for query in ("severity", "package", "vulnerability", "nextToken", "limit"):
            asked = edge.oci("GET", f"/api/v1/findings?repository={name}&image=tag&{query}={sent}")
            assert asked.status_code in {400, 404}
    assert edge.oci("GET", f"/v2/{name}/tags/list").json()["tags"] == ["tag"]


def ask(edge: Edges, method: str, path: bytes, query: bytes = b"", host: bytes = b"registry.test") -> list[Any]:
    """What the application says to a path as no library would send it."""
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
        "method": method,
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": [(b"host", host)],
        "server": ("registry.test", 80),
    }
    anyio.run(edge.application, scope, receive, send)
    return said


def test_no_answer_leads_elsewhere(edge: Edges) -> None:
    """(row 17) Whatever the path is, no header names another host than the one that was asked, and none has a line
    break in it."""
    hosts = ("//evil.example", "/\\evil.example", "/%5cevil.example", "/%2f%2fevil.example", "///evil.example")
    ends = (
        "",
        "/",
        "/healthz",
        "/healthz/",
        "/v2/",
        "/..",
        "/%0d%0aLocation:%20http://evil.example",
        "?next=//evil.example",
    )
    paths = [host + end for host in hosts for end in ends]
    paths += [
        "/healthz/",
        "/metrics/",
        "/layers/x/",
        "/v2/a/b/tags/list/",
        "/v2//evil.example/tags/list",
        "/%0d%0aX:%20y",
    ]
    for path in paths:
        target, _, query = path.partition("?")
        for method in ("GET", "HEAD", "POST", "PUT"):
            start = ask(edge, method, target.encode(), query.encode())[0]
            assert start["status"] < 500, path
            for header, value in start["headers"]:
                assert b"\r" not in value, (path, header)
                assert b"\n" not in value, (path, header)
                if header == b"location":
                    leads = urlsplit(value.decode("latin-1"))
                    assert leads.netloc in {"", "registry.test"}, (path, value)
                    assert not leads.path.startswith(("//", "/\\")), (path, value)


def test_numbers_make_no_memory(edge: Edges, name: str) -> None:
    """(row 20) However many are asked for, a page has no more than it has, and a number that is none is not there."""
    edge.push(name, image([layer({"etc/motd": name.encode()})]), "tag")
    for number in ("999999999", "9" * 4_000, "-1", "1e9", "0x10", "NaN", "\u0663"):
        for path in (f"/v2/_catalog?n={quote(number)}", f"/v2/{name}/tags/list?n={quote(number)}"):
            answer = edge.oci("GET", path)
            assert answer.status_code == 200
            assert len(answer.json().get("tags", answer.json().get("repositories"))) <= PAGE
    # The service model's own limits.
    assert edge.aws("DescribeRepositories", maxResults=10**12).status_code == 400
    assert edge.aws("ListImages", repositoryName=name, maxResults=-1).status_code == 400


def endless(edge: Edges, method: str, path: str, headers: dict[str, str]) -> tuple[int, int]:
    """The status of the answer to a body that never ends, and how many bytes of it were taken before."""
    taken, said = 0, []
    piece = b" " * (1 << 20)

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += len(piece)
        assert taken < 100 << 20, "it reads on and on"
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"registry.test"), *((n.encode(), v.encode()) for n, v in headers.items())],
        "server": ("registry.test", 80),
    }
    anyio.run(edge.application, scope, receive, send)
    return said[0]["status"], taken


def test_bodies_without_an_end(edge: Edges, name: str) -> None:
    """(row 20) A body is left where its limit is, or where nobody has logged in; nothing waits for its end."""
    caller = Caller(edge.key.access_key_id, ACCOUNT, REGION)
    good = login(tokens.issue(edge.registry.services, caller).password)
    manifest = f"/v2/{name}/manifests/x"
    status, taken = endless(edge, "PUT", manifest, good | {"content-type": OCI_MANIFEST})
    assert (status, taken <= 2 * limits.MANIFEST_BYTES + (2 << 20)) == (413, True)
    key = (edge.key.access_key_id, edge.key.secret_access_key)
    status, taken = endless(edge, "POST", "/", signed_headers(edge.url, "PutImage", b"", key))
    assert (status, taken <= 30 << 20) == (413, True)
    status, taken = endless(edge, "POST", "/api/v1/vex", good)
    assert (status, taken <= 34 << 20) == (413, True)
    for method, path in (("PUT", manifest), ("POST", f"/v2/{name}/blobs/uploads/"), ("POST", "/api/v1/vex")):
        assert endless(edge, method, path, {}) == (401, 0)
    for method, path in (("PUT", "/v2/"), ("PUT", f"/v2/{name}/tags/list")):
        assert endless(edge, method, path, good) == (405, 0)
    # What is less than a MiB is looked at once it is there.
    for who, region, service in ((("AKIANOBODY", "x"), REGION, "ecr"), (key, "eu-north-7", "ecr"), (key, REGION, "s3")):
        headers = signed_headers(edge.url, "PutImage", b"", who, region=region, service=service)
        status, taken = endless(edge, "POST", "/", headers)
        assert (status, taken <= 1 << 20) == (400, True)
    for headers in ({}, {"x-amz-target": "x"}, {"authorization": "AWS4-HMAC-SHA256 Credential=" + "/" * 99}):
        status, taken = endless(edge, "POST", "/", headers)
        assert (status, taken <= 1 << 20) == (400, True)
    status, taken = endless(edge, "PATCH", f"/v2/{name}/blobs/uploads/x", good)
    assert (status, taken <= 2 << 20) == (404, True)


def test_a_download_that_stands_still(edge: Edges, name: str) -> None:
    """(row 20) Little of a blob is read before its client takes it; who takes it at once gets more at a time."""
    blob = bytes(12 << 20)
    assert edge.oci("POST", f"/v2/{name}/blobs/uploads/?digest={sha256(blob)}", blob).status_code == 201
    caller = Caller(edge.key.access_key_id, ACCOUNT, REGION)
    good = login(tokens.issue(edge.registry.services, caller).password)

    def pieces(seconds: float) -> list[int]:
        found = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message.get("body"):
                found.append(len(message["body"]))
                await asyncio.sleep(seconds)

        path = f"/v2/{name}/blobs/{sha256(blob)}"
        scope = {
            "type": "http",
            "scheme": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"registry.test"), (b"authorization", good["authorization"].encode())],
        }

        async def pull() -> None:
            await edge.application(scope, receive, send)

        asyncio.run(pull())
        return found

    slow, quick = pieces(0.06), pieces(0)
    assert sum(slow) == sum(quick) == len(blob)
    assert max(slow) == 128 << 10
    assert (max(quick), sum(quick[:32])) == (1 << 20, 4 << 20)


class Impatient(Aws):
    """Waits for nobody."""

    room_seconds = 0.05
    body_seconds = 0.5


def test_large_bodies_at_once(edge: Edges) -> None:
    """(row 20) Of one key's requests that are under way, as many are taken in as half of the room holds; the next one
    is told to come again. What does not come in time is let go, and there is room again."""
    services = edge.registry.services
    aws = Impatient(services, KeyRing(services), Threads(2), Rates({}), metrics.Requests().answered)
    key = (edge.key.access_key_id, edge.key.secret_access_key)
    headers = signed_headers(edge.url, "PutImage", b"", key)
    headers |= {"host": "registry.test", "content-length": str(limits.BODY_BYTES)}
    scope = {
        "type": "http",
        "scheme": "http",
        "method": "POST",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    begun = [0]

    async def ask() -> tuple[int, str, int]:
        """The status of the answer, its code, and how much of the body was taken."""
        taken, said = 0, []

        async def receive() -> dict[str, Any]:
            nonlocal taken
            if taken > 4 * limits.UNKNOWN_BYTES:
                begun[0] += 1
                await asyncio.sleep(60)
            taken += limits.UNKNOWN_BYTES
            return {"type": "http.request", "body": b" " * limits.UNKNOWN_BYTES, "more_body": True}

        async def send(message: Any) -> None:
            said.append(message)

        await aws(scope, receive, send)
        return said[0]["status"], json.loads(said[1]["body"])["__type"], taken

    async def ask_all() -> list[tuple[int, str, int]]:
        return await asyncio.gather(*(ask() for _ in range(6)))

    for _ in range(2):
        found = asyncio.run(ask_all())
        held = [taken for status, code, taken in found if (status, code) == (408, "RequestTimeout")]
        refused = [taken for status, code, taken in found if (status, code) == (503, "ServiceUnavailable")]
        assert len(held) == limits.BODIES_BYTES // 2 // limits.BODY_BYTES == 4
        assert refused == [2 * limits.UNKNOWN_BYTES] * 2
    assert begun == [8]


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """The URL of a server on this machine, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_urls_in_a_manifest_are_not_fetched(edge: Edges, elsewhere: tuple[str, list[str]]) -> None:
    """(row 24) Wherever a manifest says that a layer may be found: it is stored, scanned and pulled without that place
    being asked once."""
    url, asked = elsewhere
    repository = edge.registry.repository("hostile/foreign", scan_on_push=True)
    mine = image([layer({"etc/motd": b"foreign"})])
    document = json.loads(mine.manifest)
    foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    document["layers"].append({"mediaType": foreign, "digest": sha256(b"x"), "size": 1, "urls": [f"{url}/layer"]})
    for described in (document["config"], document["layers"][0]):
        described["urls"] = [f"{url}/described"]
    document["subject"] = {**document["config"], "urls": [f"{url}/subject"]}
    document["annotations"] = {"org.opencontainers.image.url": f"{url}/annotation"}
    body = json.dumps(document).encode()
    for blob in mine.blobs:
        edge.oci("POST", f"/v2/{repository.name}/blobs/uploads/?digest={sha256(blob)}", blob)
    assert edge.oci("PUT", f"/v2/{repository.name}/manifests/x", body, content_type=OCI_MANIFEST).status_code == 201
    edge.registry.work()
    stored = edge.registry.image(repository, sha256(body))
    assert edge.registry.scans_of(stored).latest.status.value not in {"PENDING", "IN_PROGRESS"}
    assert edge.oci("GET", f"/v2/{repository.name}/manifests/x").content == body
    assert edge.oci("GET", f"/v2/{repository.name}/blobs/{sha256(b'x')}").status_code == 404
    assert asked == []
