"""Two S3 servers, each faithful where the other is not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

BUCKET = "hullwise"
# rclone takes a key of two letters for an unknown one.
ACCESS_KEY_ID = "AKIDHULLWISETEST"
SECRET_ACCESS_KEY = "a-secret-for-tests-only"


@dataclass(frozen=True)
class S3Server:
    """A running server: what a storage is opened with."""

    url: str
    """`s3://bucket`; append a prefix to have a place of one's own."""

    options: Mapping[str, str]

    @property
    def endpoint(self) -> str:
        return self.options["endpoint"]


@pytest.fixture(scope="session")
def s3_rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """`rclone serve s3` on a folder: verifies signatures, stores real files, knows no ranges and no If-None-Match."""
    folder = tmp_path_factory.mktemp("rclone")
    (folder / "data" / BUCKET).mkdir(parents=True)
    port = free_port()
    command = [tool("rclone"), "serve", "s3", "--config", "", "--auth-key", f"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}"]
    with running([*command, "--addr", f"127.0.0.1:{port}", str(folder / "data")], port, folder / "log"):
        yield server(port)


@pytest.fixture(scope="session")
def s3_moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """moto's server: knows ranges and If-None-Match, stores in memory and believes any signature."""
    port = free_port()
    command = [tool("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, tmp_path_factory.mktemp("moto") / "log"):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request).close()
        yield server(port)


def server(port: int) -> S3Server:
    return S3Server(
        url=f"s3://{BUCKET}",
        options={
            "endpoint": f"http://127.0.0.1:{port}",
            "allow_http": "true",
            "access_key_id": ACCESS_KEY_ID,
            "secret_access_key": SECRET_ACCESS_KEY,
        },
    )


def tool(name: str) -> str:
    """A program that a package of the development lock installed beside the interpreter."""
    return str(Path(sys.executable).with_name(name))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[None]:
    """The program runs and answers on `port` within the block."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_"))}
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment) as process,
    ):
        try:
            wait_for(process, port, log)
            yield
        finally:
            process.kill()  # moto takes seconds to stop when asked


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"{process.args!r} does not answer:\n{log.read_text()}")
