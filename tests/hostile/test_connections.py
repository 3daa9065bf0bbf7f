"""What a connection may cost before anybody has logged in: heads and bodies without an end, at any speed."""

from __future__ import annotations

import gc
import json
import re
import select
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from hullwise import flows, server
from hullwise.answers import send_whole
from hullwise.domain.limits import BODIES_BYTES, BODY_BYTES, HEAD_BYTES, PART_FLOOR, UNKNOWN_BYTES
from hullwise.domain.manifests import OCI_CONFIG, OCI_MANIFEST
from tests.support import registry as support
from tests.support.edges import signed_headers
from tests.support.registry import Server

PIECE = b"x" * (1 << 16)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with support.server(tmp_path_factory.mktemp("connections") / "data") as found:
        yield found


def connect(running: Server) -> socket.socket:
    address = urlsplit(running.url)
    return socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=20)


def answers(connection: socket.socket, count: int = 1) -> bytes:
    """What comes until there are so many heads, or the connection ends."""
    found = b""
    while found.count(b"\r\n\r\n") < count:
        try:
            piece = connection.recv(1 << 16)
        except ConnectionResetError:
            break
        if not piece:
            break
        found += piece
    return found


def sent_until_cut_off(connection: socket.socket, most: int) -> int:
    sent = 0
    try:
        while sent < most:
            connection.sendall(PIECE)
            sent += len(PIECE)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nx-a: ",
        b"GET / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nx",
    ],
    ids=["path", "value", "name", "later name"],
)
def test_a_head_without_an_end(running: Server, begin: bytes) -> None:
    """It is cut off, whichever part of it does not end."""
    with connect(running) as connection:
        connection.sendall(begin)
        # The kernel's buffers hold a few MB of it beside.
        assert sent_until_cut_off(connection, 64 << 20) < 32 << 20


def test_many_small_headers(running: Server) -> None:
    """They count together, whether they come at once or one by one."""
    with connect(running) as connection:
        connection.sendall(b"GET /v2/ HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * (HEAD_BYTES // 2) + b"\r\n")
        assert answers(connection).startswith(b"HTTP/1.1 431 ")


def test_a_head_at_its_limit(running: Server) -> None:
    """HEAD_BYTES of path and headers are taken, one more is not."""
    path, names = b"/v2/", b"hostx" + b"x-a"
    for over, status in ((0, b"401"), (1, b"431")):
        value = b"v" * (HEAD_BYTES - len(path) - len(names) + over)
        with connect(running) as connection:
            connection.sendall(b"GET " + path + b" HTTP/1.1\r\nhost: x\r\nx-a: " + value + b"\r\n\r\n")
            assert answers(connection).startswith(b"HTTP/1.1 " + status)


def test_requests_after_each_other(running: Server) -> None:
    """What one request's head took is not held against the next of the connection, sent at once or later."""
    request = b"GET /v2/ HTTP/1.1\r\nhost: x\r\nx-a: " + b"v" * (HEAD_BYTES // 2) + b"\r\n\r\n"
    with connect(running) as connection:
        connection.sendall(request * 3)
        assert answers(connection, 3).count(b"HTTP/1.1 401 ") == 3
        connection.sendall(request)
        assert answers(connection).count(b"HTTP/1.1 401 ") == 1


@pytest.mark.parametrize("length", [b"content-length: 9999999999", b"transfer-encoding: chunked"])
def test_a_body_that_nobody_wants(running: Server, length: bytes) -> None:
    """Who has not logged in is told so, and may then send some of the body, but not go on for ever."""
    with connect(running) as connection:
        connection.sendall(b"PATCH /v2/a/b/blobs/uploads/x HTTP/1.1\r\nhost: x\r\n" + length + b"\r\n\r\n")
        if b"chunked" in length:
            connection.sendall(b"fffffffff\r\n")
        assert answers(connection).startswith(b"HTTP/1.1 401 ")
        sent = sent_until_cut_off(connection, 256 << 20)
        assert server.UNWANTED_BYTES // 2 < sent < 64 << 20


def test_a_call_of_nobody(running: Server) -> None:
    """Its body is not waited for where it is large and no access key stands behind it; for one that does, whose
    signature only the whole body shows, it is."""
    body = b" " * (1 << 20)

    def answered(key: tuple[str, str], **hashed: str) -> tuple[bool, bytes]:
        """Whether before the end of the body, and what."""
        headers = signed_headers(running.url, "PutImage", b"{}", key, headers=hashed)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name != "content-length")
        with connect(running) as connection:
            begin = f"POST / HTTP/1.1\r\nhost: {running.host}\r\ncontent-length: {len(body)}\r\n{head}\r\n"
            connection.sendall(begin.encode() + body[:-1])
            early = bool(select.select([connection], [], [], 2)[0])
            if not early:
                connection.sendall(body[-1:])
            return early, answers(connection)

    good = (running.access_key_id, running.secret_access_key)
    # With the hash of the body in its head a signature is of that body.
    genuine = {"x-amz-content-sha256": sha256(body).hexdigest()}
    for hashed, code in (({}, b"InvalidSignatureException"), (genuine, b"SerializationException")):
        early, found = answered(good, **hashed)
        assert (early, code in found) == (False, True)
        early, found = answered(("AKIANOBODY", "secret"), **hashed)
        assert (early, b"UnrecognizedClientException" in found) == (True, True)


def test_slow_bodies_of_a_key_that_others_know(running: Server) -> None:
    """A key's id without its secret, and a few bytes a second, keep nobody's calls waiting: not those of the key, and
    not those from the same address."""
    client, name = running.client(), "slow/app"
    client.create_repository(repositoryName=name)
    headers = signed_headers(running.url, "UploadLayerPart", b"", (running.access_key_id, "unknown"))
    lines = "".join(f"{field}: {value}\r\n" for field, value in headers.items() if field != "content-length")
    upload = client.initiate_layer_upload(repositoryName=name)["uploadId"]
    over = threading.Event()

    def drip(connections: list[socket.socket]) -> None:
        while not over.wait(0.5):
            for connection in connections:
                with suppress(OSError):
                    connection.sendall(b"x" * 1_000)

    with ExitStack() as stack:
        slow = [stack.enter_context(connect(running)) for _ in range(5)]
        for connection, size in zip(slow, [BODY_BYTES] * 4 + [BODIES_BYTES // 2 - 4 * BODY_BYTES], strict=True):
            head = f"POST / HTTP/1.1\r\nhost: {running.host}\r\ncontent-length: {size}\r\n{lines}\r\n".encode()
            connection.sendall(head + bytes(UNKNOWN_BYTES + 1_000))
        dripping = threading.Thread(target=drip, args=(slow,))
        dripping.start()
        try:
            time.sleep(1)
            begun = time.monotonic()
            part = {"partFirstByte": 0, "partLastByte": PART_FLOOR - 1, "layerPartBlob": bytes(PART_FLOOR)}
            sent = client.upload_layer_part(repositoryName=name, uploadId=upload, **part)
            assert sent["lastByteReceived"] == PART_FLOOR - 1
            assert time.monotonic() - begun < 10
        finally:
            over.set()
            dripping.join()
        assert sum(answers(connection).startswith(b"HTTP/1.1 503 ") for connection in slow if readable(connection)) == 1


def readable(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0.5)[0])


def test_a_body_that_waits_to_be_asked_for(running: Server) -> None:
    """It is not asked for where nobody has logged in, and the connection ends: what comes next might be either."""
    with connect(running) as connection:
        connection.sendall(
            b"PUT /v2/a/manifests/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999\r\n\r\n"
        )
        found = answers(connection, 2)
        assert (found.startswith(b"HTTP/1.1 401 "), found.count(b"HTTP/1.1 ")) == (True, 1)


@pytest.mark.parametrize("chunked", [True, False])
def test_a_large_body_in_pieces_of_any_size(running: Server, chunked: bool) -> None:
    """Of a byte to hundreds of KiB, asked for first, with another request behind it: the blob is what was sent, and the
    other request is answered after it."""
    random = Random(7)
    pieces = [random.randbytes(size) for size in (1, 300_000, 7, 16_384, 16_385, 1, 1, 600_000, 65_536, 3)]
    pieces += [random.randbytes(1) for _ in range(2_000)] + [random.randbytes(900_000)]
    data = b"".join(pieces)
    digest = f"sha256:{sha256(data).hexdigest()}"
    name = f"pieces/{'chunked' if chunked else 'known'}"
    running.client().create_repository(repositoryName=name)
    login = b64encode(f"AWS:{running.password}".encode()).decode()
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(data)}"
    common = f"HTTP/1.1\r\nhost: {running.host}\r\nauthorization: Basic {login}\r\n"
    head = f"POST /v2/{name}/blobs/uploads/?digest={digest} {common}{length}\r\nexpect: 100-continue\r\n\r\n"
    with connect(running) as connection:
        connection.sendall(head.encode())
        assert answers(connection) == b"HTTP/1.1 100 Continue\r\n\r\n"
        for piece in pieces:
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        connection.sendall((b"0\r\n\r\n" if chunked else b"") + f"GET /v2/ {common}\r\n".encode())
        first, _, rest = answers(connection, 2).partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 201 ")
    assert rest.startswith(b"HTTP/1.1 200 ")
    with running.http() as client:
        assert client.get(f"/v2/{name}/blobs/{digest}").content == data


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("cut", [0, 3, 150, 100_000])
def test_an_offer_of_another_protocol_is_passed_over(running: Server, chunked: bool, cut: int) -> None:
    """curl --http2 and Java's HttpClient send one with each request (RFC 9110 7.8): body and framing are as without,
    and so is the request behind it, wherever what is sent is cut in two."""
    data = Random(cut).randbytes(200_000)
    digest = f"sha256:{sha256(data).hexdigest()}"
    name = f"offers/{'chunked' if chunked else 'known'}-{cut}"
    running.client().create_repository(repositoryName=name)
    login = b64encode(f"AWS:{running.password}".encode()).decode()
    offer = "Connection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA"
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(data)}"
    common = f"HTTP/1.1\r\nhost: {running.host}\r\nauthorization: Basic {login}\r\n{offer}\r\n"
    head = f"POST /v2/{name}/blobs/uploads/?digest={digest} {common}{length}\r\n\r\n".encode()
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if chunked else data
    whole = head + body + f"GET /v2/ {common}\r\n".encode()
    with connect(running) as connection:
        connection.sendall(whole[:cut])
        time.sleep(0.05)
        connection.sendall(whole[cut:])
        first, _, rest = answers(connection, 2).partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 201 ")
    assert rest.startswith(b"HTTP/1.1 200 ")
    with running.http() as client:
        assert client.get(f"/v2/{name}/blobs/{digest}").content == data


def test_a_request_within_a_body_is_none(running: Server) -> None:
    """Whatever the head offers: a proxy before it would take the second answer for one to somebody else's request."""
    inner = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    head = b"GET /v2/ HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: x\r\ncontent-length: %d\r\n\r\n" % len(
        inner
    )
    with connect(running) as connection:
        connection.sendall(head)
        time.sleep(0.05)
        connection.sendall(inner)
        connection.shutdown(socket.SHUT_WR)
        found = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert (found.startswith(b"HTTP/1.1 401 "), found.count(b"HTTP/1.1 ")) == (True, 1)


def test_a_tunnel_is_refused(running: Server) -> None:
    """CONNECT is for proxies."""
    with connect(running) as connection:
        connection.sendall(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n")
        assert answers(connection).startswith(b"HTTP/1.1 400 ")


def test_what_follows_a_body_is_no_header(running: Server) -> None:
    """Trailers authenticate nobody (RFC 9110 6.5.1), and do not say where a body belongs."""
    login = b64encode(f"AWS:{running.password}".encode()).decode()
    running.client().create_repository(repositoryName="trailers/app")
    with running.http() as client:
        begun = client.post("/v2/trailers/app/blobs/uploads/").headers["location"]
    path = urlsplit(begun).path
    known = f"authorization: Basic {login}\r\n".encode()
    head = f"PATCH {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n".encode()
    for headers, trailers, status in ((b"", known, b"401"), (known, b"content-range: 7-11\r\n", b"202")):
        with connect(running) as connection:
            connection.sendall(head + headers + b"\r\n5\r\nhello\r\n0\r\n" + trailers + b"\r\n")
            assert answers(connection).startswith(b"HTTP/1.1 " + status)
    with connect(running) as connection:
        connection.sendall(head + known + b"\r\n5\r\nhello\r\n0\r\n" + b"a: b\r\n" * HEAD_BYTES)
        assert b"HTTP/1.1 202 " not in answers(connection)


@pytest.mark.parametrize("begin", [b"0\r\nX: ", b"5;ext="], ids=["trailer", "extension"])
def test_a_line_of_a_body_without_an_end(running: Server, begin: bytes) -> None:
    """Of a trailer, or beside a piece's length: it is cut off like a head, and before anybody has logged in."""
    head = b"POST /v2/a/b/blobs/uploads/ HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with connect(running) as connection:
        connection.sendall(head + begin)
        assert sent_until_cut_off(connection, 64 << 20) < 32 << 20


@pytest.mark.parametrize("behind", [b"GET http://a:99999/ HTTP/1.1\r\nhost: a\r\n\r\n", b"GET http://a\r\n\r\n"])
def test_what_is_wrong_is_not_taken_for_the_answer_before(running: Server, behind: bytes) -> None:
    """A request that is none, in one piece with another: either that is answered by itself, or nothing is."""
    with connect(running) as connection:
        connection.sendall(b"GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n" + behind)
        assert not answers(connection).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_goes_wrong_after_its_answer(running: Server) -> None:
    """There is one answer."""
    with connect(running) as connection:
        connection.sendall(b"POST /nothing HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        found = answers(connection)
        connection.sendall(b"zz\r\n")
        assert (found + answers(connection)).count(b"HTTP/1.1 ") == 1


def test_what_is_wrong_does_not_stand_within_another_answer(running: Server) -> None:
    """While a blob is on its way, a request that is none ends the connection, without an answer in the blob's bytes."""
    data = bytes(20 << 20)
    digest = f"sha256:{sha256(data).hexdigest()}"
    running.client().create_repository(repositoryName="within/app")
    login = b64encode(f"AWS:{running.password}".encode()).decode()
    with running.http() as client:
        pushed = client.post("/v2/within/app/blobs/uploads/", params={"digest": digest}, content=data)
        assert pushed.status_code == 201
    with connect(running) as connection:
        connection.sendall(
            f"GET /v2/within/app/blobs/{digest} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {login}\r\n\r\n".encode()
        )
        head = connection.recv(1 << 10)
        connection.sendall(b"GARBAGE\r\n\r\n")
        found = bytearray(head)
        with suppress(ConnectionResetError):
            while piece := connection.recv(1 << 16):
                found += piece
    assert found.count(b"HTTP/1.1 ") == 1


def other_registry(running: Server) -> str:
    """A host name of an account that there is not."""
    return f"{'1' if running.account != '1' * 12 else '2'}".ljust(12, "1") + ".dkr.ecr.us-east-1.example.com"


WRONG_HOSTS = [
    b"[",
    b"[::1",
    b"[x]",
    b"[1:2]",
    b"a]b",
    b'x"y',
    b"\xe9\xff",
    b"a/b?c#d",
    b"a:b",
    b"a@b",
    b"a b",
    b"%5",
    b"a:1:2",
]
GOOD_HOSTS = [b"", b"a", b"a.b:5000", b"a:", b"127.0.0.1:80", b"[::1]:80", b"[v1.x]", b"a_b", b"%5b"]


@pytest.mark.parametrize("host", WRONG_HOSTS)
def test_a_host_that_is_none(running: Server, host: bytes) -> None:
    """RFC 9112 3.2: a server must respond with 400, whoever asks for whatever."""
    for path in (b"/v2/", b"/healthz", b"http://a/v2/"):
        with connect(running) as connection:
            connection.sendall(b"GET " + path + b" HTTP/1.1\r\nhost: " + host + b"\r\n\r\n")
            assert answers(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_a_host_of_each_form(running: Server, host: bytes) -> None:
    """As RFC 3986 3.2.2 has them."""
    with connect(running) as connection:
        connection.sendall(b"GET /v2/ HTTP/1.1\r\nhost: " + host + b"\r\n" + logged_in(running) + b"\r\n")
        assert answers(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [("1.1", 0, 400), ("1.1", 1, 200), ("1.1", 2, 400), ("1.0", 0, 200), ("1.0", 1, 200), ("1.0", 2, 400)],
)
def test_one_host_a_request(running: Server, version: str, hosts: int, status: int) -> None:
    """Only HTTP/1.0 may leave it out (RFC 9112 3.2)."""
    with connect(running) as connection:
        connection.sendall(f"GET /healthz HTTP/{version}\r\n".encode() + b"host: x\r\n" * hosts + b"\r\n")
        assert answers(connection).startswith(f"HTTP/1.1 {status} ".encode())


def test_the_host_of_a_whole_target_counts(running: Server) -> None:
    """Of a request for a whole URL it chooses the registry, and the Host header is ignored (RFC 9112 3.2.2)."""
    running.client().create_repository(repositoryName="targets/app")
    own, other = running.host, other_registry(running)
    for target, host, status in (
        ("", own, 200),
        ("", other, 404),
        (f"http://{own}", other, 200),
        (f"http://{other}", own, 404),
        (f"http://me@{own}", own, 400),
    ):
        head = f"GET {target}/v2/targets/app/tags/list HTTP/1.1\r\nhost: {host}\r\n".encode()
        with connect(running) as connection:
            connection.sendall(head + logged_in(running) + b"\r\n")
            assert answers(connection).startswith(f"HTTP/1.1 {status} ".encode()), (target, host)


@pytest.mark.parametrize("name", [b"content-type", b"content-range"])
def test_what_may_be_said_once(running: Server, name: bytes) -> None:
    """Which of two values a proxy before this one went by nobody knows (RFC 9110 5.3)."""
    running.client().create_repository(repositoryName=f"twice/{name.decode()}")
    with running.http() as client:
        path = client.post(f"/v2/twice/{name.decode()}/blobs/uploads/").headers["location"]
        for lines in (b"%b: 0-2\r\n" % name, b"%b: 0-2\r\n" % name * 2):
            with connect(running) as connection:
                head = f"PATCH {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n".encode()
                connection.sendall(head + logged_in(running) + lines + b"\r\nabc")
                status = b"202" if lines.count(name) == 1 else b"400"
                assert answers(connection).startswith(b"HTTP/1.1 " + status)
        assert client.get(path).headers["range"] == "0-2"


@pytest.mark.parametrize(
    ("version", "coding", "status"),
    [
        ("1.1", "chunked", 202),
        ("1.1", "Chunked", 202),
        ("1.1", "gzip, chunked", 501),
        ("1.1", "gzip\r\ntransfer-encoding: chunked", 501),
        ("1.1", "gzip", 400),
        ("1.1", "chunked, gzip", 400),
        ("1.0", "chunked", 400),
    ],
)
def test_how_a_body_is_coded(running: Server, version: str, coding: str, status: int) -> None:
    """RFC 9112 6.1: 501 for a coding that is not understood, and 400 where the body's end cannot be told, as in
    HTTP/1.0, which has none. Nothing of it is stored."""
    name = f"codings/of-{sha256(f'{version}{coding}'.encode()).hexdigest()}"
    running.client().create_repository(repositoryName=name)
    with running.http() as client:
        path = client.post(f"/v2/{name}/blobs/uploads/").headers["location"]
        with connect(running) as connection:
            head = f"PATCH {path} HTTP/{version}\r\nhost: x\r\ntransfer-encoding: {coding}\r\n".encode()
            connection.sendall(head + logged_in(running) + b"\r\n3\r\nabc\r\n0\r\n\r\n")
            found = answers(connection)
            assert found.startswith(f"HTTP/1.1 {status} ".encode())
            if status != 202:
                assert b"connection: close" in found
                assert connection.recv(1) == b""
        assert client.get(path).headers["range"] == ("0-2" if status == 202 else "0-0")


def test_what_http_1_0_does_not_know(running: Server) -> None:
    """Its clients take no 100 for what it is: the expectation is ignored (RFC 9110 10.1.1)."""
    with connect(running) as connection:
        head = (
            f"PATCH /v2/some/app/blobs/uploads/b HTTP/1.0\r\nhost: {running.host}\r\nexpect: 100-continue\r\n".encode()
        )
        connection.sendall(head + logged_in(running) + b"content-length: 3\r\n\r\n")
        assert not select.select([connection], [], [], 0.5)[0]
        connection.sendall(b"abc")
        assert answers(connection).startswith(b"HTTP/1.1 404 ")


def logged_in(running: Server) -> bytes:
    return b"authorization: Basic " + b64encode(f"AWS:{running.password}".encode()) + b"\r\n"


@pytest.mark.parametrize("space", [b"", b" ", b"\t", b" \t "], ids=["none", "a space", "a tab", "three"])
def test_white_space_around_a_value_is_no_part_of_it(running: Server, space: bytes) -> None:
    """Before and behind (RFC 9110 5.5): what is said of a body and of a part of a blob counts as without."""
    data, name = b"0123456789", f"spaces/of-{space.hex() or 0}"
    digest = f"sha256:{sha256(data).hexdigest()}"
    running.client().create_repository(repositoryName=name)
    with running.http() as client:
        path = client.post(f"/v2/{name}/blobs/uploads/").headers["location"].encode()
    common = b" HTTP/1.1\r\nhost:%bx%b\r\n" % (space, space) + logged_in(running).replace(b"\r\n", space + b"\r\n")
    stated = b"content-range:%b0-9%b\r\nexpect:%b100-continue%b\r\n" % (space, space, space, space)
    with connect(running) as connection:
        connection.sendall(b"PATCH " + path + common + stated + b"content-length: 10\r\n\r\n")
        assert answers(connection) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(data)
        assert answers(connection).startswith(b"HTTP/1.1 202 ")
        connection.sendall(b"PUT " + path + f"?digest={digest}".encode() + common + b"content-length: 0\r\n\r\n")
        assert answers(connection).startswith(b"HTTP/1.1 201 ")
        blob = f"GET /v2/{name}/blobs/{digest}".encode()
        connection.sendall(blob + common + b"range:%bbytes=0-2%b\r\n\r\n" % (space, space))
        assert answers(connection).startswith(b"HTTP/1.1 206 ")


def test_white_space_behind_the_name_of_an_operation(running: Server) -> None:
    """Clients sign values without it (AWS Signature Version 4, canonical headers)."""
    key = (running.access_key_id, running.secret_access_key)
    headers = signed_headers(running.url, "DescribeRepositories", b"{}", key)
    lines = "".join(f"{name}: {value} \t\r\n" for name, value in headers.items() if name.lower() != "content-length")
    host = "" if "host" in {name.lower() for name in headers} else f"host: {running.host}\r\n"
    with connect(running) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\n{host}content-length: 2\r\n{lines}\r\n{{}}".encode())
        assert answers(connection).startswith(b"HTTP/1.1 200 ")


def test_a_large_body_that_breaks_off(running: Server) -> None:
    """Nothing of it is kept, and the server goes on."""
    data = b"x" * (2 << 20)
    digest = f"sha256:{sha256(data).hexdigest()}"
    running.client().create_repository(repositoryName="pieces/broken")
    login = b64encode(f"AWS:{running.password}".encode()).decode()
    head = (
        f"POST /v2/pieces/broken/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: {running.host}\r\n"
        f"authorization: Basic {login}\r\ncontent-length: {len(data)}\r\n\r\n"
    )

    def large() -> list[str]:
        found = []
        for path in (running.data / "blobs").rglob("*"):
            with suppress(FileNotFoundError):
                found += [path.name] if path.stat().st_size > 600_000 else []
        return sorted(found)

    before = large()
    for sent in (0, 1, 700_000, len(data) - 1):
        with connect(running) as connection:
            connection.sendall(head.encode() + data[:sent])
    with running.http() as client:
        assert client.head(f"/v2/pieces/broken/blobs/{digest}").status_code == 404
    end = time.monotonic() + 60
    while large() != before and time.monotonic() < end:
        time.sleep(0.05)
    assert large() == before


def chunk_head(running: Server, path: str, first: int | None, length: int) -> bytes:
    """Of a PATCH with so many bytes; `first`: where Content-Range says that they begin."""
    login = b64encode(f"AWS:{running.password}".encode()).decode()
    stated = "" if first is None else f"content-range: {first}-{first + length - 1}\r\n"
    return (
        f"PATCH {path} HTTP/1.1\r\nhost: {running.host}\r\nauthorization: Basic {login}\r\n"
        f"{stated}content-length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("stating", [True, False], ids=["with Content-Range", "without"])
def test_a_chunk_that_breaks_off(running: Server, stating: bool) -> None:
    """All that came of it is the upload's: Range says where to go on, time after time."""
    data, name = Random(stating).randbytes(6 << 20), f"chunks/broken-{stating}".lower()
    digest = f"sha256:{sha256(data).hexdigest()}"
    running.client().create_repository(repositoryName=name)
    with running.http() as client:
        path, kept = client.post(f"/v2/{name}/blobs/uploads/").headers["location"], 0
        for _ in range(3):
            rest, before = data[kept:], client.get(path).headers["range"]
            with connect(running) as connection:
                connection.sendall(chunk_head(running, path, kept if stating else None, len(rest)) + rest[: 3 << 19])
            kept += 3 << 19
            assert changed_range(client, path, before) == f"0-{kept - 1}"
        stated = {"content-range": f"{kept}-{len(data) - 1}"}
        assert client.patch(path, content=data[kept:], headers=stated).status_code == 202
        assert client.put(f"{path}?digest={digest}").status_code == 201
        assert client.get(f"/v2/{name}/blobs/{digest}").content == data


@pytest.mark.parametrize("stating", [True, False], ids=["with Content-Range", "without"])
def test_a_chunk_that_breaks_off_after_others_came(running: Server, stating: bool) -> None:
    """The client went on before the server noticed: nothing is added twice."""
    data, name = Random(7).randbytes(2 << 20), f"chunks/late-{stating}".lower()
    digest = f"sha256:{sha256(data).hexdigest()}"
    running.client().create_repository(repositoryName=name)
    with running.http() as client:
        path = client.post(f"/v2/{name}/blobs/uploads/").headers["location"]
        before = unfinished(running)
        with connect(running) as connection:
            connection.sendall(chunk_head(running, path, 0 if stating else None, len(data)) + data[: 3 << 19])
            wait_until(lambda: unfinished(running) != before)
            assert client.patch(path, content=data).headers["range"] == f"0-{len(data) - 1}"
        wait_until(lambda: unfinished(running) == before)
        time.sleep(0.2)
        assert client.get(path).headers["range"] == f"0-{len(data) - 1}"
        assert client.put(f"{path}?digest={digest}").status_code == 201


def changed_range(client: httpx.Client, path: str, before: str) -> str:
    """What Range says of the upload as soon as it is something else than before."""
    wait_until(lambda: client.get(path).headers["range"] != before)
    return str(client.get(path).headers["range"])


def unfinished(running: Server) -> set[str]:
    return {path.name for path in (running.data / "blobs" / ".unfinished").iterdir()}


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("size", [200_000, 3 << 20])
def test_a_key_that_is_revoked_while_it_pushes(running: Server, size: int) -> None:
    """What is on its way is refused at its end, as the next request would be, and nothing of it is kept."""
    client, name = running.client(), f"revoked/of-{size}"
    client.create_repository(repositoryName=name)
    key = json.loads(running.run("keys", "create", "--format", "json").stdout)
    pair = {"aws_access_key_id": key["access_key_id"], "aws_secret_access_key": key["secret_access_key"]}
    login = running.client(**pair).get_authorization_token()["authorizationData"][0]["authorizationToken"]
    data = Random(size).randbytes(size)
    digest = f"sha256:{sha256(data).hexdigest()}"
    head = (
        f"POST /v2/{name}/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: {running.host}\r\n"
        f"authorization: Basic {login}\r\ncontent-length: {size}\r\n\r\n"
    )
    with connect(running) as connection:
        connection.sendall(head.encode() + data[: size // 2])
        assert running.run("keys", "revoke", key["access_key_id"]).returncode == 0
        connection.sendall(data[size // 2 :])
        assert answers(connection).startswith(b"HTTP/1.1 401 ")
    with running.http() as http:
        assert http.head(f"/v2/{name}/blobs/{digest}").status_code == 404


def test_a_blob_that_is_put_together_while_it_is_pulled(tmp_path: Path) -> None:
    """The objects that it was in are gone before the client has all of it: what is left comes from the new one."""
    pieces = [Random(number).randbytes(2 << 20) for number in range(12)]
    digest = f"sha256:{sha256(b''.join(pieces)).hexdigest()}"
    with support.server(tmp_path / "data") as server, server.http() as client:
        server.client().create_repository(repositoryName="app")
        path = client.post("/v2/app/blobs/uploads/").headers["location"]
        for piece in pieces:
            assert client.patch(path, content=piece).status_code == 202
        assert client.put(f"{path}?digest={digest}").status_code == 201
        config = b"{}"
        client.post(f"/v2/app/blobs/uploads/?digest=sha256:{sha256(config).hexdigest()}", content=config)
        described = [(OCI_CONFIG, f"sha256:{sha256(config).hexdigest()}", 2), ("a/b", digest, 24 << 20)]
        first, layer = ({"mediaType": kind, "digest": name, "size": size} for kind, name, size in described)
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": first, "layers": [layer]}
        pushed = client.put("/v2/app/manifests/a", json=manifest, headers={"content-type": OCI_MANIFEST})
        assert pushed.status_code == 201
        with client.stream("GET", f"/v2/app/blobs/{digest}") as answer:
            stream = answer.iter_bytes(1 << 16)
            found = bytearray(next(stream))
            for hours in ("1", "2"):
                collecting = [sys.executable, "-m", "tests.support.collector", str(server.data), hours]
                subprocess.run(collecting, env=server.environment, check=True)
            kept = [path for path in (server.data / "blobs").rglob("*") if path.is_file()]
            assert max(path.stat().st_size for path in kept) == 24 << 20
            assert not [path for path in kept if path.stat().st_size == 2 << 20]
            for piece in stream:
                found += piece
    assert bytes(found) == b"".join(pieces)


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /v2/ HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nhost : x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nhost: x\r\n x-a: folded\r\n\r\n",
        b"GET /v2/\x00 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v2/\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"G@T / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_two_parsers_could_read_differently(running: Server, request_line: bytes) -> None:
    """It is answered with 400 and the connection ends: nothing after it is taken for a request."""
    with connect(running) as connection:
        connection.sendall(request_line + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        found = answers(connection, 2)
        assert (found.startswith(b"HTTP/1.1 400 "), found.count(b"HTTP/1.1 ")) == (True, 1)


@pytest.fixture
def impatient() -> Iterator[tuple[str, int]]:
    """The address of an API in this process that waits a second for everything, and answers before it reads a body, but
    for those that are PUT or, past ASGI, PATCH. It answers a GET with as many bytes as its path says, 64 KiB at a time
    or, below `/file/`, from a file."""

    class Impatient(server.Protocol):
        head_seconds = 1.0

    async def application(scope: Any, receive: Any, send: Any) -> None:
        more = scope["method"] == "PUT"
        while more:
            more = (await receive()).get("more_body", False)
        if scope["method"] == "PATCH":
            inflow = scope["extensions"][flows.INFLOW]["begin"]()
            while not inflow.ended:
                await inflow.batch(1 << 19)
        _, kind, text = ["", *scope["path"].split("/")][-3:]
        size = int(text or 0)
        length = [(b"content-length", str(size).encode())]
        if kind == "whole":
            await send_whole(scope, send, 200, length, bytes(size))
            return
        if kind == "split":
            await send_whole(scope, send, 200, [(b"a", b"b\r\n\r\nHTTP/1.1 200 OK"), *length], bytes(size))
            return
        await send({"type": "http.response.start", "status": 200, "headers": length})
        if kind == "file":
            with NamedTemporaryFile() as file:
                file.truncate(size)
                if not await scope["extensions"][flows.OUTFLOW]["begin"]().send(file.fileno(), 0, size):
                    return
        elif kind == "at-once":
            await send({"type": "http.response.body", "body": bytes(size)})
            return
        else:
            for _ in range(0, size, len(PIECE)):
                await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(
        application,
        http=Impatient,
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        timeout_keep_alive=1,
    )
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    api = uvicorn.Server(config)
    thread = threading.Thread(target=api.run, args=([listening],))
    thread.start()
    yield address
    api.should_exit = True
    thread.join()


LONG = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", b"a: b\r\n"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n\r\n", b""),
        (LONG + b"some of it", b""),
        (LONG + b"some of it", b"x"),
        (LONG.replace(b"POST", b"PUT") + b"some of it", b""),
        (LONG.replace(b"POST", b"PUT") + b"some of it", b"x"),
        (LONG.replace(b"POST", b"PATCH") + b"some of it", b""),
        (LONG.replace(b"POST", b"PATCH") + b"some of it", b"x"),
    ],
    ids=[
        "nothing",
        "some of a head",
        "one request",
        "a line after it",
        "a body of no use",
        "more of it by the byte",
        "a body that is read",
        "more of it by the byte, too",
        "a body past ASGI",
        "more of that by the byte",
    ],
)
def test_what_takes_too_long(impatient: tuple[str, int], begin: bytes, more: bytes) -> None:
    """A connection that sends nothing, a header now and then, half a body, or one by the byte, is closed."""
    with socket.create_connection(impatient, timeout=20) as connection:
        begun = time.monotonic()
        connection.sendall(begin)
        connection.settimeout(0.2)
        try:
            while time.monotonic() < begun + 15:
                connection.sendall(more)
                try:
                    if not connection.recv(1_000):
                        break
                except TimeoutError:
                    continue
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert 0.9 < time.monotonic() - begun < 14


def asking(address: tuple[str, int], kind: str, size: int, buffer: int = 4_096) -> socket.socket:
    """A connection that has asked for so many bytes, and whose kernel takes only some by itself."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(20)
    connection.connect(address)
    connection.sendall(f"GET /{kind}{size} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    return connection


from_a_file = pytest.mark.parametrize("kind", ["", "file/"], ids=["by ASGI", "from a file"])


@from_a_file
@pytest.mark.parametrize("pieces", [64, 1_024], ids=["all is sent", "most is not"])
@pytest.mark.parametrize("taken", [0, 1], ids=["nothing", "a byte now and then"])
def test_an_answer_that_nobody_takes(impatient: tuple[str, int], kind: str, pieces: int, taken: int) -> None:
    """Its connection is closed, and what was not taken is let go."""
    size = pieces * len(PIECE)
    with asking(impatient, kind, size) as connection:
        for _ in range(30):
            time.sleep(0.2)
            if taken:
                connection.recv(taken)
        left = 0
        try:
            while piece := connection.recv(1 << 16):
                left += len(piece)
        except ConnectionResetError:
            pass
        assert left < size - len(PIECE)


@from_a_file
def test_an_answer_that_is_taken_slowly(impatient: tuple[str, int], kind: str) -> None:
    """It goes on: who takes some all the time may take as long as that lasts."""
    size = 64 * len(PIECE)
    with asking(impatient, kind, size, 1 << 16) as connection:
        found, begun = 0, time.monotonic()
        while piece := connection.recv(1 << 15):
            found += len(piece)
            time.sleep(0.05)
            if found > size:
                break
        assert found > size
        assert time.monotonic() - begun > 5


def test_a_body_of_a_request_for_an_answer_that_is_long(impatient: tuple[str, int]) -> None:
    """A client that sends all of a body before it reads anything is answered, although nobody wants the body."""
    size, body = 24 << 20, b"x" * (16 << 20)
    with socket.create_connection(impatient, timeout=20) as connection:
        head = f"GET /file/{size} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        found = 0
        while found < size:
            piece = connection.recv(1 << 16)
            assert piece
            found += len(piece)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
@pytest.mark.parametrize("kept", ["keep-alive", "close"])
@pytest.mark.parametrize("size", [0, 5, 1 << 20])
def test_an_answer_that_is_sent_whole(
    impatient: tuple[str, int], version: str, method: str, kept: str, size: int
) -> None:
    """It is, to the byte, what uvicorn makes of a head and a body, and so is what follows on the connection."""

    def received(kind: str) -> bytes:
        fields = f"host: x\r\nconnection: {kept}\r\ncontent-length: 4\r\n\r\nbody"
        last = "GET /at-once/3 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        with socket.create_connection(impatient, timeout=20) as connection:
            connection.sendall(f"{method} /{kind}/{size} HTTP/{version}\r\n{fields}{last}".encode())
            found = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        return re.sub(rb"date: [^\r]+", b"date: now", found)

    found = received("whole")
    assert found == received("at-once")
    assert found.startswith(b"HTTP/1.1 200 OK\r\n")
    assert bytes(size if method != "HEAD" else 0) in found


@pytest.mark.parametrize("kind", ["", "file/", "whole/", "at-once/"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_client_that_sends_no_more_gets_its_answers(impatient: tuple[str, int], kind: str, count: int) -> None:
    """All of them, whole, and then the connection is closed."""
    size = 64 * len(PIECE)
    with socket.create_connection(impatient, timeout=20) as connection:
        connection.sendall(f"GET /{kind}{size} HTTP/1.1\r\nhost: x\r\n\r\n".encode() * count)
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        found = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    assert found.count(b"HTTP/1.1 200 ") == count
    assert len(found) > count * size


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET / HTTP/1.1\r\nho", b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nbod", b"GET /"],
    ids=["nothing", "a head", "a body", "a line"],
)
def test_a_client_that_sends_no_more_of_what_it_began(impatient: tuple[str, int], begun: bytes) -> None:
    """It is cut off at once, whatever it had asked before."""
    with socket.create_connection(impatient, timeout=20) as connection:
        connection.sendall(b"GET /whole/3 HTTP/1.1\r\nhost: x\r\n\r\n")
        answers(connection)
        connection.sendall(begun)
        connection.shutdown(socket.SHUT_WR)
        start = time.monotonic()
        assert connection.recv(1_000) == b""
        assert time.monotonic() - start < 0.9


def test_a_field_cannot_end_the_head_of_a_whole_answer(impatient: tuple[str, int]) -> None:
    """Whatever a value has in it, there is one answer."""
    with socket.create_connection(impatient, timeout=20) as connection:
        connection.sendall(b"GET /split/3 HTTP/1.1\r\nhost: x\r\n\r\n")
        found = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert (found.startswith(b"HTTP/1.1 500 "), found.count(b"HTTP/1.1 ")) == (True, 1)


def test_whole_answers_behind_one_that_nobody_takes(impatient: tuple[str, int]) -> None:
    """They wait until there is room for them, and come in the order of the requests."""
    with socket.create_connection(impatient, timeout=20) as connection:
        connection.sendall(b"".join(b"GET /whole/%d HTTP/1.1\r\nhost: x\r\n\r\n" % size for size in (8 << 20, 1, 2)))
        time.sleep(0.2)
        found = bytearray()
        while not found.endswith(b"\r\n\r\n\0\0"):
            piece = connection.recv(1 << 20)
            assert piece
            found += piece
    assert [int(length) for length in re.findall(rb"content-length: (\d+)", found)] == [8 << 20, 1, 2]


@pytest.mark.parametrize("path", ["/", "/whole/9"])
def test_requests_leave_nothing_to_collect(impatient: tuple[str, int], path: str) -> None:
    """What was there for a request goes with it, and is not left to the collector of cycles."""
    gc.collect()
    gc.disable()
    try:
        with socket.create_connection(impatient, timeout=20) as connection:
            for _ in range(100):
                connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
                answers(connection)
            alive = sum(isinstance(each, RequestResponseCycle) for each in gc.get_objects())
    finally:
        gc.enable()
    assert alive < 10


def test_requests_at_once_behind_a_large_body(impatient: tuple[str, int]) -> None:
    """What belongs to the body and to other requests is not held against the head that comes last."""
    body = b"x" * (3 * HEAD_BYTES)
    head = b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    with socket.create_connection(impatient, timeout=20) as connection:
        connection.sendall(head + body + b"GET / HTTP/1.1\r\nho")
        time.sleep(0.1)
        connection.sendall(b"st: x\r\n\r\n")
        assert answers(connection, 2).count(b"HTTP/1.1 200 ") == 2
