"""A server on 127.0.0.1 that says exactly the bytes a test wants, true or not, and then closes the connection."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from hullwise.remotes.remote import Timeouts

QUICK = Timeouts(connect=2, read=2, file=10, document=10)


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


Answer = Callable[[Asked], "bytes | Iterable[bytes]"]


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """An honest answer; `_` in header names stands for `-`. `Content_Length=""` leaves the length out."""
    fields = {"Content_Length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1") + body


@dataclass
class Server:
    """`answers` by path; what is not in it is 404. `asked` holds each request, in order.

    With `lingers` a connection is closed only once another request comes on it, which is read and not answered.
    With `tunnel` it is a proxy that plays every server behind it: after CONNECT it speaks TLS with that context."""

    tls: ssl.SSLContext | None = None
    tunnel: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    lingers: bool = False
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Server:
        self._listener = socket.create_server((self.host, 0))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        # Once nothing is accepted any more, what is open is all there is.
        self._threads[0].join(60)
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def replies(self, path: str, *script: bytes) -> None:
        """One answer after the other, the last one for ever."""
        rest = list(script)

        def next_one(asked: Asked) -> bytes:
            return rest.pop(0) if len(rest) > 1 else rest[0]

        self.answers[path] = next_one

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            thread = threading.Thread(target=self._talk, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError):
            secured = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            with secured:
                self._serve(secured)
        self._open.discard(connection)
        connection.close()

    def _serve(self, connection: socket.socket) -> None:
        asked = self._request(connection)
        if asked is None:
            return
        self.asked.append(asked)
        if asked.method == "CONNECT" and self.tunnel:
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            with self.tunnel.wrap_socket(connection, server_side=True) as inner:
                self._serve(inner)
        else:
            self._say(connection, asked)

    def _say(self, connection: socket.socket, asked: Asked) -> None:
        path = asked.target.partition("?")[0]
        said = self.answers[path](asked) if path in self.answers else answer("404 Not Found")
        for piece in [said] if isinstance(said, bytes) else said:
            connection.sendall(piece)
        if self.lingers and said:
            self._request(connection)

    def _request(self, connection: socket.socket) -> Asked | None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            if not piece:
                return None
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        while len(body) < int(headers.get("content-length", "0")):
            piece = connection.recv(65536)
            if not piece:
                return None
            body += piece
        return Asked(method, target, headers, body)


@dataclass
class Document:
    """Answers conditions and ranges as RFC 9110 has it, cutting the connection after so many bytes of body."""

    data: bytes
    etag: str = '"one"'
    cuts: list[int] = field(default_factory=list)

    def __call__(self, asked: Asked) -> bytes:
        if asked.headers.get("if-none-match") == self.etag:
            return answer("304 Not Modified", ETag=self.etag, Content_Length="")
        start = 0
        if "range" in asked.headers and asked.headers.get("if-range") == self.etag:
            start = int(asked.headers["range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.data):
                return answer("416 Range Not Satisfiable", Content_Range=f"bytes */{len(self.data)}")
        body, whole = self.data[start:], len(self.data)
        status, more = "200 OK", {}
        if start:
            status, more = "206 Partial Content", {"Content_Range": f"bytes {start}-{whole - 1}/{whole}"}
        said = answer(status, body, ETag=self.etag, **more)
        cut = self.cuts.pop(0) if self.cuts else len(body)
        return said[: len(said) - len(body) + cut]


def dripping(head: bytes, seconds: float) -> Iterator[bytes]:
    """The head, and then a byte now and again for ever."""
    yield head
    while True:
        time.sleep(seconds)
        yield b"x"
