"""An S3 server that fails when it is told to: what it is asked otherwise goes on to a real one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from enum import Enum, auto
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.relay import served
from tests.support.s3 import S3Server

_ERROR = b'<?xml version="1.0"?><Error><Code>%s</Code><Message>not now</Message></Error>'


class Fault(Enum):
    SLOW_DOWN = auto()
    """Refused with 503, as S3 does who asks too much."""
    DENIED = auto()
    """Refused with 403."""
    CUT = auto()
    """The connection ends in the middle of the answer's body."""
    STALL = auto()
    """Nothing comes after the middle of the answer's body, until the faults end."""


Choice = Callable[[str, str], Fault | None]
"""From a request's method and path to how it fails."""


class Faults:
    """What lies before the server; `server` is what a storage is opened with. Used by many threads at once."""

    def __init__(self, behind: S3Server) -> None:
        self._target = behind.endpoint.partition("://")[2]
        self._lock = threading.Lock()
        self._choice: Choice = lambda method, path: None
        self.stalled, self._over = threading.Event(), threading.Event()
        """Set once a request has stalled."""
        faults = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                faults._answer(self)

            do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._listener.daemon_threads = True
        self._listener.block_on_close = False
        address = f"http://127.0.0.1:{self._listener.server_address[1]}"
        self.server = replace(behind, options={**behind.options, "endpoint": address})

    def choose(self, choice: Choice) -> None:
        """From now on requests fail as this says; it is asked by one thread at a time."""
        with self._lock:
            self._choice = choice

    def serve(self) -> None:
        self._listener.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self._over.set()
        self._listener.shutdown()
        self._listener.server_close()

    def _answer(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("content-length", 0)))
        with self._lock:
            fault = self._choice(asked.command, asked.path)
        if fault in {Fault.SLOW_DOWN, Fault.DENIED}:
            status, code = (503, b"SlowDown") if fault is Fault.SLOW_DOWN else (403, b"AccessDenied")
            _send(asked, status, {"content-type": "application/xml"}, _ERROR % code)
            return
        server = HTTPConnection(self._target, timeout=60)
        headers = {name: value for name, value in asked.headers.items() if name.lower() != "connection"}
        server.request(asked.command, asked.path, body, headers)
        found = server.getresponse()
        data = found.read()
        kept = {
            name: value
            for name, value in found.getheaders()
            if name.lower() not in {"connection", "transfer-encoding", "content-length", "date", "server"}
        }
        size = int(found.getheader("content-length") or len(data))
        server.close()
        if fault is None:
            _send(asked, found.status, kept, data, size)
            return
        _send(asked, found.status, kept, data[: len(data) // 2], size)
        if fault is Fault.STALL:
            self.stalled.set()
            self._over.wait()
        asked.close_connection = True


def _send(
    asked: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, size: int | None = None
) -> None:
    asked.send_response(status)
    for name, value in headers.items():
        asked.send_header(name, value)
    asked.send_header("content-length", str(len(body) if size is None else size))
    asked.end_headers()
    if asked.command != "HEAD":
        asked.wfile.write(body)
        asked.wfile.flush()


def faults(server: S3Server) -> AbstractContextManager[Faults]:
    """Faults before the server; none until some are chosen."""
    return served(Faults(server))
