"""The AWS API beside moto's: a real server process each, one connection each, the same calls in turn.

Ours is a registry of a million scanned images: a repository of 10,000, which the calls are about, one of 150,000 and
many of 1,000. moto, which keeps a repository as a list, has one of the same 10,000, and one of 1,000, since it has no
pages. Requests are signed before they are timed. CPU is that of the processes that answer, as the kernel counts it; the
client's is not in it.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from benchmarks.peers import answering, free_port
from benchmarks.registry import ACCOUNT, REGION, Registry, manifest, opened
from benchmarks.timing import cpu_of
from tests.support.edges import signed_headers
from tests.support.registry import server

HELD, PAGE, TOTAL = 10_000, 1_000, 1_000_000
HUGE, SMALL = 150_000, 100
CALLS, PAGES = 60, 6
"""A round."""


class Connection:
    """One kept-alive HTTP/1.1 connection. One that the server closes is made anew within the next call."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._address = (str(address.hostname), int(address.port or 80))
        self._open: socket.socket | None = None

    def exchange(self, request: bytes) -> bytes:
        """The body of the answer, which must be 200."""
        if self._open is None:
            self._open = socket.create_connection(self._address)
            self._open.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.sendall(request)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        head = received[:end].decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:])
        while len(received) < end + 4 + int(headers["content-length"]):
            received += self._more()
        body = bytes(received[end + 4 :])
        if head[0].split()[1] != "200":
            raise SystemExit(f"{head[0]}: {body[:500]!r}")
        if headers.get("connection") == "close":
            self.close()
        return body

    def close(self) -> None:
        """Servers close what was idle for long: a new connection for the next call."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _more(self) -> bytes:
        assert self._open is not None
        piece = self._open.recv(1 << 20)
        if not piece:
            raise SystemExit("the server closed the connection within an answer")
        return piece


@dataclass(frozen=True)
class Cost:
    latency: float
    """Seconds, the median of the calls."""
    cpu: float
    """Seconds of the server's, a call."""


@dataclass
class Peer:
    url: str
    key: tuple[str, str]
    processes: Sequence[int]
    """Those that answer."""

    answer: bytes = b""
    """The last one that was measured."""

    def __post_init__(self) -> None:
        self._connection = Connection(self.url)

    def _request(self, operation: str, params: dict[str, Any]) -> bytes:
        body = json.dumps(params).encode()
        headers = signed_headers(self.url, operation, body, self.key)
        headers |= {"host": urlsplit(self.url).netloc, "content-length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        self._connection.close()
        found: dict[str, Any] = json.loads(self._connection.exchange(self._request(operation, params)))
        return found

    def measure(self, operation: str, asked: Sequence[dict[str, Any]]) -> Cost:
        """The calls, one after the other."""
        requests = [self._request(operation, params) for params in asked]
        times = []
        self._connection.close()
        before = cpu_of(self.processes)
        for request in requests:
            begun = time.perf_counter()
            self.answer = self._connection.exchange(request)
            times.append(time.perf_counter() - begun)
        return Cost(statistics.median(times), (cpu_of(self.processes) - before) / len(requests))


class Walk:
    """Pages of a list, each once, over as many rounds as there are."""

    def __init__(self, peer: Peer, operation: str, params: dict[str, Any]) -> None:
        self._peer = peer
        self._operation = operation
        self._next = params

    def measure(self, pages: int) -> Cost:
        """The next ones."""
        found = []
        for _ in range(pages):
            found.append(self._peer.measure(self._operation, [self._next]))
            self._next = {**self._next, "nextToken": json.loads(self._peer.answer)["nextToken"]}
        return Cost(statistics.median(each.latency for each in found), statistics.mean(each.cpu for each in found))


@contextmanager
def _ours(data: Path) -> Iterator[Peer]:
    with server(data, account=ACCOUNT) as running:
        yield Peer(running.url, (running.access_key_id, running.secret_access_key), answering(running))


@contextmanager
def _moto() -> Iterator[Peer]:
    port = free_port()
    held = [f"bench/app={HELD}", f"bench/page={PAGE}"]
    command = [sys.executable, "-m", "benchmarks.moto", str(port), *held]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                urlopen(f"{url}/moto-api/", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.05)
        yield Peer(url, ("AKIAEXAMPLE", "secret"), [process.pid])
    finally:
        process.terminate()
        process.wait()


def _fill(folder: Path) -> list[str]:
    """Both of our registries; returns the digests of the repository that the calls are about."""
    with opened(folder / "small") as services:
        registry = Registry(services)
        registry.begin()
        registry.fill(registry.repository("bench/app"), SMALL)
    with opened(folder / "large") as services:
        registry = Registry(services)
        registry.begin()
        digests = registry.push(registry.repository("bench/app"), HELD)
        registry.fill(registry.repository("bench/huge"), HUGE)
        while registry.images < TOTAL:
            registry.fill(registry.repository(f"bench/other-{registry.images}"), 1_000)
    return digests


def _fill_moto(moto: Peer, findings: dict[str, Any]) -> list[str]:
    """Gives one of moto's images the page of findings that ours answers; returns the digests of all."""
    found = moto.call("DescribeImages", repositoryName="bench/app")["imageDetails"]
    # In the middle of the list: a scan of it takes what it takes on average.
    scanned = {"imageDigest": found[HELD // 2]["imageDigest"]}
    moto.call("StartImageScan", repositoryName="bench/app", imageId=scanned)
    result = {**findings, "repositoryName": "bench/app", "imageId": scanned, "registryId": ACCOUNT}
    body = json.dumps({"results": [result], "region": REGION, "account_id": ACCOUNT}).encode()
    posted = Request(f"{moto.url}/moto-api/static/ecr/scan-finding-results", body, {"content-type": "application/json"})
    urlopen(posted).close()
    answer = moto.call("DescribeImageScanFindings", repositoryName="bench/app", imageId=scanned)
    assert len(answer["imageScanFindings"]["findings"]) == 100
    return [each["imageDigest"] for each in found]


class _Images:
    """What the calls ask for: images anywhere in the repository, and manifests that are not there yet."""

    def __init__(self, digests: Sequence[str]) -> None:
        self._digests = digests
        self._random = Random(1)
        self._put = 0

    def one(self) -> dict[str, Any]:
        return {"imageDigest": self._random.choice(self._digests)}

    @property
    def middle(self) -> dict[str, Any]:
        return {"imageDigest": self._digests[HELD // 2]}

    def new(self) -> dict[str, Any]:
        self._put += 1
        # A config and a layer that are there, together for the first time.
        step, at = divmod(self._put, HELD)
        body = manifest(at, (at + step + 1) % HELD)
        return {"imageManifest": body.decode(), "imageTag": f"new-{self._put}"}


POINT: dict[str, tuple[str, Callable[[_Images], dict[str, Any]]]] = {
    "DescribeImages, one by id": ("DescribeImages", lambda images: {"imageIds": [images.one()]}),
    "BatchGetImage, one by id": ("BatchGetImage", lambda images: {"imageIds": [images.one()]}),
    "PutImage, a new manifest": ("PutImage", lambda images: images.new()),
}
FINDINGS = "DescribeImageScanFindings, a page of 100"
PAGE_OF_MANY = "DescribeImages, a page of 1,000"
PAGE_ANEW = "the same, of images that nobody asked for before"
PAGE_OF_100 = "DescribeImages, a page of 100"


def _point(peer: Peer, images: _Images, operation: str, params: Callable[[_Images], dict[str, Any]]) -> Cost:
    asked = [{"repositoryName": "bench/app", **params(images)} for _ in range(CALLS)]
    return peer.measure(operation, asked)


def _rounds(rounds: int, large: Peer, small: Peer, moto: Peer, ours: _Images, theirs: _Images) -> dict[str, Cost]:
    """Medians; all of them in turn in every round, after one round that does not count."""
    pages = [{"repositoryName": "bench/app"}] * PAGES
    runs: dict[str, Callable[[], Cost]] = {}
    for name, (operation, params) in POINT.items():
        runs[f"ours {name}"] = partial(_point, large, ours, operation, params)
        runs[f"moto {name}"] = partial(_point, moto, theirs, operation, params)

    def findings(peer: Peer, images: _Images) -> Cost:
        asked = {"repositoryName": "bench/app", "imageId": images.middle}
        return peer.measure("DescribeImageScanFindings", [asked] * PAGES)

    runs[f"ours {FINDINGS}"] = lambda: findings(large, ours)
    runs[f"moto {FINDINGS}"] = lambda: findings(moto, theirs)
    thousand = [{"repositoryName": "bench/app", "maxResults": PAGE}] * PAGES
    runs[f"ours {PAGE_OF_MANY}"] = lambda: large.measure("DescribeImages", thousand)
    runs[f"moto {PAGE_OF_MANY}"] = lambda: moto.measure("DescribeImages", [{"repositoryName": "bench/page"}] * PAGES)
    walk = Walk(large, "DescribeImages", {"repositoryName": "bench/huge", "maxResults": PAGE})
    runs[f"ours {PAGE_ANEW}"] = lambda: walk.measure(PAGES)
    huge = [{"repositoryName": "bench/huge"}] * PAGES
    runs["small"] = lambda: small.measure("DescribeImages", pages)
    runs["large"] = lambda: large.measure("DescribeImages", huge)
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, measure in runs.items():
            cost = measure()
            if number:
                costs[name].append(cost)
    return {
        name: Cost(statistics.median(c.latency for c in found), statistics.median(c.cpu for c in found))
        for name, found in costs.items()
    }


def _cells(cost: Cost) -> str:
    return f"{cost.latency * 1000:.2f} ms, {cost.cpu * 1000:.2f} ms"


def run(rounds: int) -> list[str]:
    """The tables, line by line: medians of the rounds."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        digests = _fill(folder)
        large, small, moto = (
            stack.enter_context(each) for each in (_ours(folder / "large"), _ours(folder / "small"), _moto())
        )
        ours = _Images(digests)
        page = large.call("DescribeImageScanFindings", repositoryName="bench/app", imageId=ours.middle)
        theirs = _Images(_fill_moto(moto, {key: page[key] for key in ("imageScanFindings", "imageScanStatus")}))
        costs = _rounds(rounds, large, small, moto, ours, theirs)
    lines = [
        "| call | ours: latency, server CPU | moto | moto / ours |",
        "|---|--:|--:|--:|",
    ]
    for name in (*POINT, FINDINGS, PAGE_OF_MANY):
        us, them = costs[f"ours {name}"], costs[f"moto {name}"]
        ratios = f"{them.latency / us.latency:.1f}, {them.cpu / us.cpu:.1f}"
        lines.append(f"| {name} | {_cells(us)} | {_cells(them)} | {ratios} |")
    lines.append(f"| {PAGE_ANEW} | {_cells(costs[f'ours {PAGE_ANEW}'])} | | |")
    lines += ["", f"| {PAGE_OF_100} | 100 images | 1,000,000 images | 1,000,000 / 100 |", "|---|--:|--:|--:|"]
    few, many = costs["small"], costs["large"]
    ratios = f"{many.latency / few.latency:.2f}, {many.cpu / few.cpu:.2f}"
    lines.append(f"| latency, server CPU | {_cells(few)} | {_cells(many)} | {ratios} |")
    return lines
