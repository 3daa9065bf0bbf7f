"""A server that answers as a registry does and keeps nothing: what a client costs by itself."""

from __future__ import annotations

import socket
import sys
import threading
from urllib.parse import parse_qs, urlsplit

from benchmarks.clients import blob


def _serve(connection: socket.socket, pulled: bytes) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1 << 20)
    received = b""
    while True:
        while (end := received.find(b"\r\n\r\n")) < 0:
            piece = connection.recv(1 << 16)
            if not piece:
                return
            received += piece
        head = received[:end].decode("latin-1")
        method, target = head.split(" ", 2)[:2]
        _, found, rest = head.partition("content-length: ")
        left = (int(rest.partition("\r\n")[0]) if found else 0) - (len(received) - end - 4)
        received = b""
        while left > 0:
            left -= connection.recv_into(buffer, min(left, len(buffer)))
        connection.sendall(_answer(method, target, len(pulled)))
        if method == "GET" and "/blobs/" in target:
            connection.sendall(pulled)


def _answer(method: str, target: str, size: int) -> bytes:
    address = urlsplit(target)
    digest = parse_qs(address.query).get("digest", ["none"])[0]
    status = {"GET": 200, "PUT": 201}.get(method, 202)
    length = size if "/blobs/" in target and method == "GET" else 0
    headers = f"location: {address.path}\r\ndocker-content-digest: {digest}\r\ncontent-length: {length}"
    return f"HTTP/1.1 {status} Fine\r\n{headers}\r\n\r\n".encode()


if __name__ == "__main__":
    port, size = map(int, sys.argv[1:])
    pulled = blob(0, size)
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            threading.Thread(target=_serve, args=(listening.accept()[0], pulled), daemon=True).start()
