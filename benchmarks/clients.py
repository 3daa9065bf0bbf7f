"""A client of a registry that costs little: a kept-alive socket, HTTP/1.1, no more of an answer read than is needed.

`benchmarks/nothing.py` shows what it costs.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import selectors
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.pool import Pool
from random import Random
from urllib.parse import urlsplit

_BLOCK = Random(1).randbytes(1 << 20)
"""What blobs are made of: the content matters to no server, as none compresses."""


def blob(number: int, size: int) -> bytes:
    """No two numbers give the same bytes."""
    return (number.to_bytes(16, "big") + _BLOCK * (size // len(_BLOCK) + 1))[:size]


def sha256(data: bytes | memoryview) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: memoryview


class Connection:
    """One connection, made with the first call. What is asked must be answered with the status that is expected."""

    def __init__(self, url: str, authorization: str) -> None:
        address = urlsplit(url)
        self._host = address.netloc
        self._socket = socket.create_connection((str(address.hostname), int(address.port or 80)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._authorization = authorization
        self._buffer = memoryview(bytearray(1 << 20))

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def head(self, method: str, target: str, length: int, **headers: str) -> bytes:
        """A request without its body. `target` may be a whole URL."""
        address = urlsplit(target)
        path = f"{address.path}?{address.query}" if address.query else address.path
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}", f"authorization: {self._authorization}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if method not in {"GET", "HEAD"}:
            lines.append(f"content-length: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def call(self, method: str, target: str, body: bytes = b"", *, expect: int, **headers: str) -> Answer:
        """The answer's body is valid until the next call."""
        head = self.head(method, target, len(body), **headers)
        if len(body) < 1 << 16:
            self._socket.sendall(head + body)
        else:
            self._socket.sendall(head)
            self._socket.sendall(body)
        answer = self._answer(method)
        if answer.status != expect:
            raise SystemExit(f"{method} {target}: {answer.status} {bytes(answer.body[:500])!r}")
        return answer

    def _answer(self, method: str) -> Answer:
        received, end = 0, -1
        while end < 0:
            received += self._more(received)
            end = bytes(self._buffer[:received]).find(b"\r\n\r\n")
        first, *rest = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        if headers.get("transfer-encoding") == "chunked":
            while bytes(self._buffer[received - 5 : received]) != b"0\r\n\r\n":
                received += self._more(received)
            return Answer(int(first.split()[1]), headers, _unchunked(self._buffer[end + 4 : received]))
        length = 0 if method == "HEAD" else int(headers.get("content-length", "0"))
        if end + 4 + length > len(self._buffer):
            larger = memoryview(bytearray(end + 4 + length))
            larger[:received] = self._buffer[:received]
            self._buffer = larger
        while received < end + 4 + length:
            received += self._more(received)
        return Answer(int(first.split()[1]), headers, self._buffer[end + 4 : end + 4 + length])

    def _more(self, received: int) -> int:
        count = self._socket.recv_into(self._buffer[received:])
        if not count:
            raise SystemExit("the server closed the connection within an answer")
        return count


def _unchunked(data: memoryview) -> memoryview:
    rest, found = bytes(data), bytearray()
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if not int(size, 16):
            return memoryview(found)
        found += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]


def push(connection: Connection, repository: str, data: bytes, digest: str) -> None:
    """As docker and skopeo do it: begin, one PATCH, finish with the digest."""
    begun = connection.call("POST", f"/v2/{repository}/blobs/uploads/", expect=202)
    kind = {"content_type": "application/octet-stream"}
    sent = connection.call("PATCH", begun.headers["location"], data, expect=202, **kind)
    finish(connection, sent.headers["location"], digest)


def finish(connection: Connection, location: str, digest: str) -> None:
    done = connection.call("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", expect=201)
    assert done.headers["docker-content-digest"] == digest


@dataclass(frozen=True)
class Spent:
    begun: float
    ended: float
    """On the monotonic clock, which all processes share."""
    cpu: float
    """Seconds of the client's own."""


@dataclass(frozen=True)
class Batch:
    """Blobs that one of the clients pushes, one after the other."""

    url: str
    authorization: str
    repository: str
    numbers: range
    size: int


def _push_all(batch: Batch) -> Spent:
    made = [blob(number, batch.size) for number in batch.numbers]
    digests = [sha256(data) for data in made]
    with Connection(batch.url, batch.authorization) as connection:
        begun, cpu = time.perf_counter(), time.process_time()
        for data, digest in zip(made, digests, strict=True):
            push(connection, batch.repository, data, digest)
        return Spent(begun, time.perf_counter(), time.process_time() - cpu)


@contextmanager
def clients(count: int) -> Iterator[Pool]:
    """Processes that push at once. Made before anything large is held, of which each would be a copy."""
    with multiprocessing.get_context("fork").Pool(count) as pool:
        yield pool


def push_at_once(pool: Pool, batches: Sequence[Batch]) -> Spent:
    """A batch a client; from the first one's begin to the last one's end."""
    spent = pool.map(_push_all, batches, chunksize=1)
    begun, ended = min(each.begun for each in spent), max(each.ended for each in spent)
    return Spent(begun, ended, sum(each.cpu for each in spent))


def push_side_by_side(url: str, authorization: str, repository: str, uploads: int, size: int) -> Spent:
    """One blob an upload, all of them on the way at the same time, from a block that is held once."""
    blocks = size // len(_BLOCK)
    common = hashlib.sha256()
    for _ in range(blocks):
        common.update(_BLOCK)
    opened: list[tuple[Connection, str, str]] = []
    begun, cpu = time.perf_counter(), time.process_time()
    with selectors.DefaultSelector() as ready:
        for number in range(uploads):
            connection = Connection(url, authorization)
            location = connection.call("POST", f"/v2/{repository}/blobs/uploads/", expect=202).headers["location"]
            own = number.to_bytes(16, "big")
            digest = common.copy()
            digest.update(own)
            opened.append((connection, location, f"sha256:{digest.hexdigest()}"))
            sending = _Sending(connection, location, blocks, own)
            ready.register(connection._socket, selectors.EVENT_WRITE, sending)
        while ready.get_map():
            for key, _ in ready.select():
                if key.data.go_on():
                    ready.unregister(key.fileobj)
    for connection, _, digest_of_it in opened:
        with connection:
            connection._socket.setblocking(True)
            sent = connection._answer("PATCH")
            assert sent.status == 202
            finish(connection, sent.headers["location"], digest_of_it)
    return Spent(begun, time.perf_counter(), time.process_time() - cpu)


class _Sending:
    """The body of one PATCH, as much of it at a time as the connection takes."""

    def __init__(self, connection: Connection, location: str, blocks: int, own: bytes) -> None:
        self._socket = connection._socket
        self._socket.setblocking(False)
        self._blocks, self._own = blocks, own
        length = blocks * len(_BLOCK) + len(own)
        head = connection.head("PATCH", location, length, content_type="application/octet-stream")
        self._rest = memoryview(head)

    def go_on(self) -> bool:
        """Whether all is sent."""
        try:
            self._rest = self._rest[self._socket.send(self._rest) :]
        except BlockingIOError:
            return False
        if not self._rest and self._blocks:
            self._blocks -= 1
            self._rest = memoryview(_BLOCK)
        elif not self._rest and self._own:
            self._rest, self._own = memoryview(self._own), b""
        return not self._rest
