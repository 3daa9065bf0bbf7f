"""Pushers beside a collector whose clock is ahead, all killed now and then: nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
from botocore.exceptions import BotoCoreError, ClientError

from tests.support import registry as support
from tests.support.images import Image, image, layer, sha256
from tests.support.registry import Server

LOST = (httpx.HTTPError, BotoCoreError, ClientError, AssertionError)
PUSHERS = 4
PUSHES = 5
"""That each pusher has acknowledged, at least."""
KILLS = 4
COLLECTIONS = 3
"""That end on their own, at least."""
PATIENCE = 300.0
"""Seconds for all of it. What is killed is killed after so many pushes, not seconds: a slow machine gets as far."""
LAYERS = [layer({f"usr/{number}": random.Random(number).randbytes(20_000)}) for number in range(6)]


class Pusher(threading.Thread):
    """Pushes images of a few shared layers, moves tags and deletes, and remembers what was acknowledged last."""

    def __init__(self, server: Server, number: int, done: threading.Event) -> None:
        super().__init__()
        self.server = server
        self.name_of = f"team/{number}"
        self.done = done
        self.choose = random.Random(number)
        self.acknowledged: dict[str, Image | None] = {}
        """By tag; None: deleted. A tag whose last request was not answered is left out: it may be either."""
        self.pushes = 0

    def run(self) -> None:
        while not self.done.is_set():
            with contextlib.suppress(*LOST), self.server.http() as client:
                while not self.done.is_set():
                    self.step(client)

    def step(self, client: httpx.Client) -> None:
        tag = f"t{self.choose.randrange(4)}"
        before = self.acknowledged.pop(tag, None)
        if before is not None and self.choose.random() < 0.3:
            answer = client.delete(f"/v2/{self.name_of}/manifests/{before.digest}")
            assert answer.status_code in {202, 404}
            for other, named in list(self.acknowledged.items()):
                if named is not None and named.digest == before.digest:
                    self.acknowledged[other] = None
            self.acknowledged[tag] = None
            return
        pushed = image(self.choose.sample(LAYERS, 2), author=str(self.choose.randrange(3)))
        for blob in pushed.blobs:
            self.blob(client, blob)
        headers = {"content-type": "application/vnd.oci.image.manifest.v1+json"}
        answer = client.put(f"/v2/{self.name_of}/manifests/{tag}", content=pushed.manifest, headers=headers)
        # 400: a blob was collected before the manifest came, and the client is told.
        assert answer.status_code in {201, 400}, answer.text
        if answer.status_code == 201:
            self.acknowledged[tag] = pushed
            self.pushes += 1
        elif before is not None:
            self.acknowledged[tag] = before

    def blob(self, client: httpx.Client, data: bytes) -> None:
        digest = sha256(data)
        if client.head(f"/v2/{self.name_of}/blobs/{digest}").status_code == 200:
            return
        if self.choose.random() < 0.5:
            source = f"team/{self.choose.randrange(PUSHERS)}"
            answer = client.post(f"/v2/{self.name_of}/blobs/uploads/?mount={digest}&from={source}")
            if answer.status_code == 201:
                return
        begun = client.post(f"/v2/{self.name_of}/blobs/uploads/")
        assert begun.status_code == 202, begun.text
        half = len(data) // 2
        sent = client.patch(begun.headers["location"], content=data[:half])
        assert sent.status_code == 202, sent.text
        answer = client.put(f"{begun.headers['location']}?digest={digest}", content=data[half:])
        # 416: its bytes were collected before a row named them, and the client is told where to go on.
        assert answer.status_code in {201, 416}, answer.text


def collect_and_be_killed(server: Server, done: threading.Event, codes: list[int]) -> None:
    choose = random.Random(99)
    while not done.is_set():
        # An hour more each time: what one has condemned the next one deletes.
        process = ahead(server, len(codes) + 1)
        if choose.random() < 0.3:
            time.sleep(choose.uniform(0.5, 3))
            process.send_signal(signal.SIGKILL)
        process.communicate()
        codes.append(process.returncode)


def ahead(server: Server, hours: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.collector", str(server.data), str(hours)]
    return subprocess.Popen(command, env=server.environment)


def kill_the_server(server: Server, pushers: list[Pusher], done: threading.Event, kills: list[int]) -> None:
    """Kills its processes, some at a time, whenever it has acknowledged a few pushes since the last time."""
    choose = random.Random(7)
    seen = 0
    while not done.wait(0.05):
        pushes = sum(pusher.pushes for pusher in pushers)
        if pushes < seen + PUSHERS:
            continue
        time.sleep(choose.uniform(0, 0.5))
        for process in psutil.Process(server.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "hullwise.server" in process.cmdline() and choose.random() < 0.7:
                    process.kill()
                    kills.append(process.pid)
        seen = sum(pusher.pushes for pusher in pushers)


def test_nothing_acknowledged_is_lost(tmp_path: Path, database_url: str) -> None:
    """Each pusher's last acknowledged image of each tag is there whole, and what it deleted is not."""
    settings = {"database_url": database_url, "grace_hours": "0", "upload_hours": "8760", "collect_minutes": "0"}
    with support.server(tmp_path / "data", **settings) as server:
        for number in range(PUSHERS):
            server.client().create_repository(repositoryName=f"team/{number}")
        done = threading.Event()
        pushers = [Pusher(server, number, done) for number in range(PUSHERS)]
        codes: list[int] = []
        kills: list[int] = []
        others = [
            threading.Thread(target=collect_and_be_killed, args=(server, done, codes)),
            threading.Thread(target=kill_the_server, args=(server, pushers, done, kills)),
        ]
        for thread in (*pushers, *others):
            thread.start()
        end = time.monotonic() + PATIENCE
        try:
            while (
                min(pusher.pushes for pusher in pushers) < PUSHES or len(kills) < KILLS or codes.count(0) < COLLECTIONS
            ):
                assert time.monotonic() < end, ([pusher.pushes for pusher in pushers], kills, codes)
                time.sleep(0.1)
        finally:
            done.set()
            for thread in (*pushers, *others):
                thread.join()
        assert set(codes) <= {0, -signal.SIGKILL}
        check(server, pushers)
        assert ahead(server, len(codes) + 1).wait() == 0
        check(server, pushers)


def check(server: Server, pushers: list[Pusher]) -> None:
    with httpx.Client(base_url=server.url, auth=("AWS", patiently(server)), timeout=60) as client:
        for pusher in pushers:
            for tag, pushed in pusher.acknowledged.items():
                answer = client.get(f"/v2/{pusher.name_of}/manifests/{tag}")
                if pushed is None:
                    assert answer.status_code == 404
                    continue
                assert answer.content == pushed.manifest
                for blob in pushed.blobs:
                    got = client.get(f"/v2/{pusher.name_of}/blobs/{sha256(blob)}")
                    assert got.content == blob


def patiently(server: Server) -> str:
    deadline = time.monotonic() + 120
    while True:
        try:
            return server.password
        except (BotoCoreError, ClientError):
            assert time.monotonic() < deadline
            time.sleep(0.2)
