"""Registries that are measured: real server processes, callers authorised."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil

from benchmarks.timing import cpu_of
from tests.support.registry import Server, server

USER, PASSWORD = "bench", "bench"
_HTPASSWD = "$2b$05$abcdefghijklmnopqrstuu9v.wgSpAQwnM0MaCtd.77WoEHF.lu62"
"""The password by bcrypt at htpasswd's own default cost, 5. Distribution computes it for every request."""


@dataclass(frozen=True)
class Peer:
    url: str
    authorization: str
    processes: Sequence[int]
    """Those that answer."""
    client: Any = None
    """boto3's, of ours."""

    def cpu(self) -> float:
        return cpu_of(self.processes)

    def forget_peak(self) -> None:
        for process in self.processes:
            Path(f"/proc/{process}/clear_refs").write_text("5")

    def peak(self) -> float:
        """MB of memory resident at most since the last `forget_peak`, of all that answer."""
        return sum(_status(process, "VmHWM") for process in self.processes) / 1024


def _status(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def answering(running: Server) -> list[int]:
    """The processes of ours that answer requests."""
    children = psutil.Process(running.process.pid).children()
    return [child.pid for child in children if "hullwise.server" in child.cmdline()]


@contextmanager
def hullwise(data: Path, **settings: str) -> Iterator[Peer]:
    """`hullwise serve`; the authorization is a token of GetAuthorizationToken."""
    with server(data, **settings) as running:
        yield Peer(running.url, _basic("AWS", running.password), answering(running), running.client())


_CONFIGURATION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: {data}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""
"""Debian's, but for the log, which costs it something, and for who may call."""
_AUTH = "auth: {{htpasswd: {{realm: bench, path: {passwords}}}}}\n"


@contextmanager
def distribution(data: Path, *, htpasswd: bool) -> Iterator[Peer]:
    """Debian's `docker-registry`, on a free port; without `htpasswd` it asks nobody who they are."""
    program = shutil.which("docker-registry")
    if program is None:
        raise SystemExit("there is no docker-registry; apt-get install docker-registry brings it")
    data.mkdir()
    port, passwords, configuration = free_port(), data / "htpasswd", data / "config.yml"
    passwords.write_text(f"{USER}:{_HTPASSWD}\n")
    text = _CONFIGURATION + _AUTH if htpasswd else _CONFIGURATION
    configuration.write_text(text.format(data=data / "files", port=port, passwords=passwords))
    with _process([program, "serve", str(configuration)], f"http://127.0.0.1:{port}/v2/") as process:
        yield Peer(f"http://127.0.0.1:{port}", _basic(USER, PASSWORD), [process])


@contextmanager
def nothing(size: int) -> Iterator[Peer]:
    """`benchmarks/nothing.py`, which serves a blob of this size."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.nothing", str(port), str(size)]
    with _process(command, f"http://127.0.0.1:{port}/v2/") as process:
        yield Peer(f"http://127.0.0.1:{port}", "none", [process])


@contextmanager
def _process(command: Sequence[str], url: str) -> Iterator[int]:
    """The process, once it answers."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(url):
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        urlopen(url, timeout=5).close()
    except HTTPError:
        return True  # it wants to know who asks
    except OSError:
        return False
    return True


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
