"""A wire to PostgreSQL that can be cut."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import sqlalchemy as sa

from tests.support.relay import copy, end, served


class Wire:
    """Between a registry and its database: `url` is the database's address by way of it. Whole until it is cut."""

    def __init__(self, url: str) -> None:
        behind = sa.make_url(url)
        host = behind.host or behind.query["host"]
        assert isinstance(host, str)
        self._socket = Path(host) / f".s.PGSQL.{behind.port or behind.query.get('port', 5432)}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._whole = True
        wire = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                wire._carry(self.request)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._listener = Listener(("127.0.0.1", 0), Handler)
        port: int = self._listener.server_address[1]
        self.url = behind.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)

    def cut(self) -> None:
        """Every connection ends, and so does each that is made, before anybody has answered."""
        with self._lock:
            self._whole = False
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        with self._lock:
            self._whole = True

    def serve(self) -> None:
        self._listener.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self.cut()
        self._listener.shutdown()
        self._listener.server_close()

    def _carry(self, client: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            with self._lock:
                if not self._whole:
                    return
                server.connect(str(self._socket))
                self._open |= {client, server}
            back = threading.Thread(target=copy, args=(server, client), daemon=True)
            back.start()
            copy(client, server)
            end(client)
            back.join()
            with self._lock:
                self._open -= {client, server}


def wired(url: str) -> AbstractContextManager[Wire]:
    """A wire to the database at the address, of a PostgreSQL that listens at a socket of this machine."""
    return served(Wire(url))
