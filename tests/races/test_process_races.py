"""A whole server whose processes are killed while images are pushed and advisories imported."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest
import sqlalchemy as sa
from botocore.exceptions import BotoCoreError, ClientError

from hullwise import app
from hullwise.domain.manifests import OCI_MANIFEST
from hullwise.services import Services
from hullwise.settings import load
from hullwise.store import generations
from hullwise.store.tables import image_scans, images, packages, reports, scans
from tests.support import registry as support
from tests.support.advisories import osv, write
from tests.support.images import Image, image, layer, python_packages, sha256
from tests.support.registry import Server
from tests.support.truth import check_identities, check_matches, check_report, check_scans

FLAWED = "CVE-2019-10906"
"""What the bundled advisories say of the package that every image here has."""

LOST = (httpx.HTTPError, BotoCoreError, ClientError, AssertionError)
"""What a client of an API that was killed may see."""


@dataclass
class Pusher:
    """Pushes images as a client does that tries again, and remembers which pushes were acknowledged."""

    server: Server
    acknowledged: dict[str, Image] = field(default_factory=dict)
    """By repository."""

    def push(self, repository: str, content: Image, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                client = self.server.client()
                with contextlib.suppress(client.exceptions.RepositoryAlreadyExistsException):
                    client.create_repository(repositoryName=repository, imageScanningConfiguration={"scanOnPush": True})
                self.server.push(repository, content)
                self.acknowledged[repository] = content
                return
            except LOST:
                assert time.monotonic() < deadline
                time.sleep(0.2)


def check_acknowledged(server: Server, acknowledged: dict[str, Image]) -> None:
    """Every image whose push was acknowledged is there, to the last byte."""
    with server.http() as client:
        for repository, content in acknowledged.items():
            answer = client.get(f"/v2/{repository}/manifests/latest", headers={"accept": OCI_MANIFEST})
            assert answer.content == content.manifest
            for blob in content.blobs:
                assert client.get(f"/v2/{repository}/blobs/{sha256(blob)}").content == blob


def processes(server: Server) -> dict[str, list[psutil.Process]]:
    """The server's processes below the supervisor: `api`, `worker`, `reader` of a layer."""
    found: dict[str, list[psutil.Process]] = {"api": [], "worker": [], "reader": []}
    for process in psutil.Process(server.process.pid).children(recursive=True):
        try:
            words = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        kind = "reader" if "hullwise.inventory.child" in words else "worker" if "worker" in words else "api"
        found[kind].append(process)
    return found


def kill_one(server: Server, kind: str, chance: random.Random) -> None:
    some = processes(server)[kind]
    if some:
        with contextlib.suppress(psutil.NoSuchProcess):
            chance.choice(some).kill()


def wait(ready: Callable[[], object], seconds: float, pause: float = 0.1) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(pause)


@contextmanager
def opened(data: Path, database_url: str) -> Iterator[Services]:
    """The toolbox over a server's data."""
    services = app.build(load({"data": data, "database_url": database_url, "threads": 2}, {}))
    try:
        yield services
    finally:
        services.database.close()


def unfinished(services: Services) -> int:
    with services.database.read() as tx:
        query = sa.select(sa.func.count()).select_from(scans).where(scans.c.completed_at.is_(None))
        found: int = tx.execute(query).scalar_one()
    return found


def heavy(number: int) -> Image:
    """An image with layers and packages of its own, whose scan takes long enough to be killed in the middle."""
    noise = {f"usr/share/{number}/{at}": b"x" * 300 for at in range(1_500)}
    return image([layer(noise), layer(python_packages(Jinja2="2.10", **{f"own{number}": "1.0"}))])


def test_scans_complete_once_whoever_is_killed(tmp_path: Path, database_url: str) -> None:
    """While images are pushed, workers, readers, the API and at last the whole server are killed again and again. Each
    acknowledged image is there in the end, with one scan, which is complete."""
    data = tmp_path / "data"
    chance = random.Random(5)
    with support.server(data, database_url=database_url, worker_processes="2") as first:
        pusher = Pusher(first)

        def push() -> None:
            for number in range(4):
                pusher.push(f"killed/app{number}", heavy(number))

        pushing = threading.Thread(target=push)
        pushing.start()
        # One worker, and everything at last: a scan that loses a third fails.
        for kind in ("reader", "worker", "api", "reader"):
            time.sleep(chance.uniform(0.1, 0.7))
            kill_one(first, kind, chance)
        pushing.join()
        assert len(pusher.acknowledged) == 4
        # One more is pushed, and before it can have been scanned everything is gone.
        pusher.push("killed/last", heavy(4))
        below = psutil.Process(first.process.pid).children(recursive=True)
        first.process.kill()
        _, alive = psutil.wait_procs(below, timeout=60)
        assert alive == []
    (data / "running.json").unlink()
    with (
        support.server(data, database_url=database_url, worker_processes="2") as second,
        opened(data, database_url) as services,
    ):
        wait(lambda: unfinished(services) == 0, seconds=240)
        check_acknowledged(second, pusher.acknowledged)
        with services.database.read() as tx:
            stored = list(tx.execute(sa.select(images.c.id)).scalars())
            scanned = tx.execute(sa.select(scans.c.image_id, scans.c.status)).all()
            assert sorted(scanned) == [(each, "COMPLETE") for each in sorted(stored)]
            assert len(stored) == len(tx.execute(sa.select(reports.c.id)).all()) == 5
            assert len(tx.execute(sa.select(image_scans.c.image_id)).all()) == 5
        for each in stored:
            assert FLAWED in check_report(services, each).names
        check_scans(services)
        check_matches(services)


def importing(server: Server, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hullwise", "advisories", "import", str(folder), "--data", str(server.data)]
    return subprocess.Popen(command, env=server.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def matched_ahead(services: Services) -> bool:
    """Whether an import has matched packages and not moved the head: it is in the middle, or died there."""
    with services.database.read() as tx:
        head = generations.head_number(tx)
        ahead = sa.select(packages.c.id).where(packages.c.matched_at > head).limit(1)
        return tx.execute(ahead).first() is not None


def wait_for_the_middle(services: Services, process: subprocess.Popen[bytes]) -> None:
    """Return once the import has taken back what a dead one left and has matched packages itself, or has ended."""

    def comes(ahead: bool) -> bool:
        return matched_ahead(services) is ahead or process.poll() is not None

    wait(lambda: comes(False), seconds=60, pause=0.002)
    wait(lambda: comes(True), seconds=60, pause=0.002)


@pytest.fixture
def wide(tmp_path: Path) -> list[str]:
    """Names of packages enough for several batches of matching."""
    return [f"p{number}" for number in range(700)]


def test_imports_that_are_killed_lose_nothing(tmp_path: Path, database_url: str, wide: list[str]) -> None:
    """Imports into a running server are killed at any moment, while images are pushed and scanned by its worker. The
    next one that lives leaves every package with what a fresh match says."""
    data = tmp_path / "data"
    chance = random.Random(9)
    with support.server(data, database_url=database_url) as server, opened(data, database_url) as services:
        pusher = Pusher(server)
        pusher.push("base/app", image([layer(python_packages(Jinja2="2.10", **dict.fromkeys(wide, "1.0")))]))
        wait(lambda: unfinished(services) == 0, seconds=60)
        first, second = (
            write(tmp_path / which, *(osv(f"CVE-{year}-{at:04}", name) for at, name in enumerate(wide)))
            for which, year in (("first", 2001), ("second", 2002))
        )
        begun = time.monotonic()
        assert importing(server, first).wait() == 0
        took = time.monotonic() - begun

        def push() -> None:
            for number in range(4):
                names = {wide[number]: "2.0", f"own{number}": "1.0", wide[-1 - number]: "1.0"}
                pusher.push(f"beside/app{number}", image([layer(python_packages(**names))]))

        pushing = threading.Thread(target=push)
        pushing.start()
        caught = 0
        for attempt in range(4):
            process = importing(server, second)
            if attempt % 2:
                time.sleep(chance.uniform(0.2, 1) * took)
            else:
                wait_for_the_middle(services, process)
            caught += process.poll() is None
            process.kill()
            process.wait()
        assert caught
        pushing.join()
        assert importing(server, second).wait() == 0
        wait(lambda: unfinished(services) == 0, seconds=60)
        head = check_matches(services)
        check_identities(services)
        check_scans(services)
        with services.database.read() as tx:
            stored = list(tx.execute(sa.select(images.c.id)).scalars())
        assert len(stored) == 5
        assert all(check_report(services, each).generation <= head for each in stored)
        pusher.push("after/app", image([layer(python_packages(**{wide[0]: "3.0", wide[-1]: "1.0", "own0": "1.0"}))]))
        found = server.wait_for_scan("after/app")["imageScanFindings"]["findings"]
        wanted = [f"CVE-{year}-{at}" for year in (2001, 2002) for at in ("0000", "0699")]
        assert sorted(finding["name"] for finding in found) == wanted
        check_acknowledged(server, pusher.acknowledged)
