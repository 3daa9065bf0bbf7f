"""A wire between client and server: it notes what is asked, breaks when it is told to, and is any host name."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import NamedTuple, Protocol, TypeVar

_REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE) (/v2/[\x21-\x7e]*) HTTP/1\.1\r\n")
_PIECE = 1 << 16
_HELD_SECONDS = 30


class Asked(NamedTuple):
    method: str
    path: str


class Relay:
    """Hands every connection on to one server, also those that are meant for a proxy (CONNECT), whatever host they
    name: a client that uses it as its `https_proxy` reaches the server under each name that it has."""

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._target = (host, int(port))
        self._lock = threading.Lock()
        self._asked: list[Asked] = []
        self._left: int | None = None
        self._held = b""
        self._holds = threading.Event()
        self._released = threading.Event()
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                relay._carry(self.request)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._listener.server_address[1]}"

    def asked(self) -> list[Asked]:
        """What was asked of the registry API since the last call, in plain text; in order of arrival."""
        with self._lock:
            found, self._asked = self._asked, []
        return found

    def break_after(self, size: int) -> None:
        """Close the connection, once, when clients have sent this many bytes more."""
        with self._lock:
            self._left = size

    @property
    def broke(self) -> bool:
        return self._left is None

    @contextmanager
    def holding(self, method: str) -> Iterator[None]:
        """For the block, if it is not too long, the server gets no request of this method: whoever makes one waits."""
        self._holds.clear()
        self._released.clear()
        self._held = f"{method} ".encode()
        try:
            yield
        finally:
            self._held = b""
            self._released.set()

    def wait_until_held(self, seconds: float) -> None:
        """Return once a request is kept back."""
        assert self._holds.wait(seconds)

    def serve(self) -> None:
        self._listener.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()

    def _carry(self, client: socket.socket) -> None:
        with socket.create_connection(self._target) as server:
            first = client.recv(_PIECE)
            if first.startswith(b"CONNECT "):
                # A client says nothing behind it before it has the answer.
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                first = client.recv(_PIECE)
            threading.Thread(target=copy, args=(server, client), daemon=True).start()
            with suppress(OSError):
                while first and self._note(first):
                    server.sendall(first)
                    first = client.recv(_PIECE)
            end(server)
            end(client)

    def _note(self, piece: bytes) -> bool:
        """Whether the connection goes on."""
        # Clients begin a request with a piece of its own.
        if self._held and piece.startswith(self._held):
            self._holds.set()
            self._released.wait(_HELD_SECONDS)
        with self._lock:
            # Bytes of a layer hold no such line.
            self._asked += [Asked(method.decode(), path.decode()) for method, path in _REQUEST.findall(piece)]
            if self._left is None:
                return True
            self._left -= len(piece)
            if self._left > 0:
                return True
            self._left = None
            return False


def copy(source: socket.socket, sink: socket.socket) -> None:
    """Until the source has nothing more, or either is gone; the sink is ended then."""
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    end(sink)


def end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class Serving(Protocol):
    def serve(self) -> None: ...

    def close(self) -> None: ...


S = TypeVar("S", bound=Serving)


@contextmanager
def served(made: S) -> Iterator[S]:
    """It serves in a thread of its own, for the block."""
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join()


def relay(server: str) -> AbstractContextManager[Relay]:
    """A relay to the server at `host:port`."""
    return served(Relay(server))
