"""Connections without end: they cost no process, and nobody what was acknowledged."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from random import Random
from urllib.parse import urlsplit

import httpx
import pytest

from hullwise.domain.manifests import OCI_CONFIG, OCI_MANIFEST
from tests.support import registry as support
from tests.support.registry import Server

FILES = 512
"""That the server may have open."""
LAYER = Random(1).randbytes(24 << 20)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with support.server(tmp_path_factory.mktemp("descriptors") / "data", None, (FILES // 2, FILES)) as found:
        found.client().create_repository(repositoryName="app")
        yield found


def digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


def connect(stack: ExitStack, running: Server, buffer: int = 0) -> socket.socket:
    address = urlsplit(running.url)
    connection = stack.enter_context(socket.socket())
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(20)
    connection.connect((str(address.hostname), int(address.port or 0)))
    return connection


def status(connection: socket.socket) -> str:
    """Of the answer; why there is none."""
    try:
        return connection.recv(1 << 10)[9:12].decode() or "closed"
    except OSError as error:
        return type(error).__name__


def unhurt(running: Server) -> bool:
    return "process ended" not in running.data.with_name("data.log").read_text()


def push(client: httpx.Client, running: Server, tag: str) -> int:
    config = b"{}"
    described = {"mediaType": OCI_CONFIG, "digest": digest(config), "size": 2}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described,
        "layers": [],
        "annotations": {"a": tag},
    }
    blob = client.post(f"/v2/app/blobs/uploads/?digest={digest(config)}", content=config)
    assert blob.status_code == 201, blob.text
    headers = {"content-type": OCI_MANIFEST}
    return client.put(f"/v2/app/manifests/{tag}", content=json.dumps(manifest), headers=headers).status_code


def test_strangers_who_ask_nothing(running: Server) -> None:
    """However many there are, a client that was there before and one that comes are answered."""
    with ExitStack() as stack, running.http() as before:
        assert before.get("/v2/").status_code == 200
        for _ in range(FILES + 200):
            connect(stack, running)
        time.sleep(1)
        assert push(before, running, "before") == 201
        with running.http() as later:
            assert push(later, running, "later") == 201
    assert unhurt(running)


def test_more_pulls_than_there_are_descriptors(running: Server) -> None:
    """Those that there is room for are answered, the others told to come again, and a push under way goes on."""
    with running.http() as client:
        assert client.post(f"/v2/app/blobs/uploads/?digest={digest(LAYER)}", content=LAYER).status_code == 201
        path = client.post("/v2/app/blobs/uploads/").headers["location"]
        assert client.patch(path, content=b"data").status_code == 202
        login = client.get("/v2/").request.headers["authorization"]
        ask = f"GET /v2/app/blobs/{digest(LAYER)} HTTP/1.1\r\nhost: x\r\nauthorization: {login}\r\n\r\n".encode()
        with ExitStack() as stack:
            pulls = []
            for _ in range(300):
                pulls.append(connect(stack, running, 8_192))
                pulls[-1].sendall(ask)
            found = Counter(map(status, pulls))
            assert client.put(f"{path}?digest={digest(b'data')}").status_code == 201
            assert set(found) <= {"200", "503"}, found
            assert found["200"] > 50
        assert client.get(f"/v2/app/blobs/{digest(LAYER)}").content == LAYER
    assert unhurt(running)
