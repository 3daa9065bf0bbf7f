"""Processes that are killed at any moment: scans complete, once, and nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from hullwise.store import generations
from hullwise.store import publications as publication_store
from hullwise.store.engine import Database
from hullwise.store.tables import publications, reports, scans
from tests.support import registry as support
from tests.support.advisories import osv, write
from tests.support.images import Image, image, layer, python_packages, sha256
from tests.support.registry import Server

SCANNED = {"scanOnPush": True}
IMAGES = 4


def children(server: Server, *words: str) -> list[psutil.Process]:
    """The server's processes whose command line has all the words."""
    found = []
    for process in psutil.Process(server.process.pid).children(recursive=True):
        try:
            if set(words) <= set(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def heavy(number: int, files: int = 3_000) -> Image:
    """An image of its own whose scan takes a while: some thousand files, and packages that no other has."""
    noise = {f"usr/share/{number}/{at}": b"x" * 400 for at in range(files)}
    return image([layer(noise | python_packages(Jinja2="2.10", **{f"own{number}": "1.0"}))])


@pytest.fixture
def running(tmp_path: Path, database_url: str) -> Iterator[Server]:
    """A server of the test's own, on each engine in turn."""
    with support.server(tmp_path / "data", database_url=database_url, scan_quota_per_image="0") as found:
        yield found


@pytest.fixture
def database(running: Server, database_url: str) -> Iterator[Database]:
    """The running server's database."""
    opened = Database(database_url or f"sqlite:///{running.data / 'hullwise.sqlite'}")
    yield opened
    opened.close()


def test_a_scan_whose_worker_is_killed_completes_once(running: Server, database: Database) -> None:
    """Workers and the processes that read layers are killed again and again; each image ends with one complete scan."""
    chance = random.Random(7)
    for number in range(IMAGES):
        name = f"killed/app{number}"
        running.client().create_repository(repositoryName=name, imageScanningConfiguration=SCANNED)
        running.push(name, heavy(number))
        time.sleep(chance.uniform(0, 0.6))
        victims = children(running, "worker") if number % 2 else children(running, "hullwise.inventory.child")
        for process in victims:
            kill(process)
    for number in range(IMAGES):
        found = running.wait_for_scan(f"killed/app{number}", seconds=90)
        assert found["imageScanStatus"]["status"] == "COMPLETE", found["imageScanStatus"]
        names = [finding["name"] for finding in found["imageScanFindings"]["findings"]]
        assert "CVE-2019-10906" in names
    with database.read() as tx:
        rows = tx.execute(sa.select(scans.c.image_id, scans.c.status)).all()
        assert len(rows) == len({row.image_id for row in rows}) == IMAGES
        assert len(tx.execute(sa.select(reports.c.id)).all()) == IMAGES


def test_a_scan_that_takes_its_worker_down_fails_and_holds_up_no_other(running: Server, database: Database) -> None:
    """A scan whose worker is killed each time that it is begun is given up after three; what waits behind it is
    scanned."""
    for name in ("hostile", "innocent"):
        running.client().create_repository(repositoryName=f"down/{name}", imageScanningConfiguration=SCANNED)
    running.push("down/hostile", heavy(0, files=60_000))
    running.push("down/innocent", image([layer(python_packages(Jinja2="2.10"))]))
    for times in (1, 2, 3):
        _wait(lambda times=times: _beginnings(database) == times)  # type: ignore[misc]
        for process in children(running, "worker"):
            kill(process)
    found = running.wait_for_scan("down/hostile", seconds=90)["imageScanStatus"]
    assert found["status"] == "FAILED"
    assert "died each of the 3 times that it was begun" in found["description"]
    assert running.wait_for_scan("down/innocent", seconds=90)["imageScanStatus"]["status"] == "COMPLETE"


def test_a_worker_that_is_told_to_stop_uses_up_no_beginning(running: Server, database: Database) -> None:
    """However often an operator starts it again."""
    running.client().create_repository(repositoryName="stopped/app", imageScanningConfiguration=SCANNED)
    running.push("stopped/app", heavy(0, files=60_000))
    for _ in range(4):
        _wait(lambda: _beginnings(database) == 1 or _ended(database))
        for process in children(running, "worker"):
            process.terminate()
            process.wait(30)
        assert _beginnings(database) == 0 or _ended(database)
    assert running.wait_for_scan("stopped/app", seconds=90)["imageScanStatus"]["status"] == "COMPLETE"


def _beginnings(database: Database) -> int:
    """Of the first scan."""
    with database.read() as tx:
        return tx.execute(sa.select(scans.c.begun).order_by(scans.c.id).limit(1)).scalar() or 0


def _ended(database: Database) -> bool:
    with database.read() as tx:
        return tx.execute(sa.select(scans.c.completed_at)).scalar() is not None


def test_the_supervisor_starts_again_what_dies(running: Server) -> None:
    """After the API's and the worker's processes were killed, requests are answered and scans completed."""
    for process in [*children(running, "hullwise.server"), *children(running, "worker")]:
        kill(process)
    deadline = time.monotonic() + 90
    while True:
        try:
            running.client().create_repository(repositoryName="again/app", imageScanningConfiguration=SCANNED)
            break
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    running.push("again/app", image([layer(python_packages(Jinja2="2.10"))]))
    assert running.wait_for_scan("again/app")["imageScanStatus"]["status"] == "COMPLETE"


def test_who_connects_while_no_api_process_is_there_is_answered(running: Server) -> None:
    """The port is the supervisor's: nobody is turned away while a process that died is started again."""
    (api,) = children(running, "hullwise.server")
    kill(api)
    with urllib.request.urlopen(f"{running.url}/healthz", timeout=30) as answer:
        assert answer.status == 200
    assert children(running, "hullwise.server") != [api]


def test_a_killed_server_leaves_its_work_to_the_next(tmp_path: Path, database_url: str) -> None:
    """What was pushed before the whole server was killed is there, and is scanned, after the next start."""
    data = tmp_path / "data"
    pushed = heavy(0)
    with support.server(data, database_url=database_url) as first:
        first.client().create_repository(repositoryName="next/app", imageScanningConfiguration=SCANNED)
        below = psutil.Process(first.process.pid).children(recursive=True)
        first.push("next/app", pushed)
        first.process.kill()
        _, alive = psutil.wait_procs(below, timeout=60)
        assert alive == []
    (data / "running.json").unlink()
    with support.server(data, database_url=database_url) as second:
        assert second.wait_for_scan("next/app")["imageScanStatus"]["status"] == "COMPLETE"
        with second.http() as client:
            assert client.get(f"/v2/next/app/manifests/{pushed.digest}").content == pushed.manifest
            for blob in pushed.blobs:
                assert client.get(f"/v2/next/app/blobs/{sha256(blob)}").content == blob


def test_a_publication_whose_command_is_killed_is_finished_by_the_server(
    running: Server, database: Database, tmp_path: Path
) -> None:
    """An import that is killed once its generation is on its way is brought to its end by the worker; so is one whose
    worker is killed then."""
    names = [f"p{number}" for number in range(1_500)]
    running.client().create_repository(repositoryName="many/app", imageScanningConfiguration=SCANNED)
    running.push("many/app", image([layer(python_packages(**dict.fromkeys(names, "1.0")))]))
    assert running.wait_for_scan("many/app")["imageScanStatus"]["status"] == "COMPLETE"
    for attempt in range(3):
        records = (osv(f"CVE-{2001 + attempt}-{at:04}", name) for at, name in enumerate(names))
        folder = write(tmp_path / f"import-{attempt}", *records)
        command = [sys.executable, "-m", "hullwise", "advisories", "import", str(folder), "--data", str(running.data)]
        importing = subprocess.Popen(
            command, env=running.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait(lambda importing=importing: _begun(database) or importing.poll() is not None)  # type: ignore[misc]
        kill(psutil.Process(importing.pid))
        importing.wait()
        if attempt == 1:
            for process in children(running, "worker"):
                kill(process)
        _wait(lambda: not _begun(database))
    with database.read() as tx:
        rows = tx.execute(sa.select(publications.c.state)).scalars().all()
        assert set(rows) == {"done"}
        assert generations.head_number(tx) == len(rows) == 4
    again = running.client().start_image_scan(repositoryName="many/app", imageId={"imageTag": "latest"})
    assert again["imageScanStatus"]["status"] in {"PENDING", "IN_PROGRESS", "COMPLETE"}
    found = running.wait_for_scan("many/app")
    assert sum(found["imageScanFindings"]["findingSeverityCounts"].values()) == 3 * len(names)


def _begun(database: Database) -> bool:
    """Whether a generation is on its way to its readers."""
    with database.read() as tx:
        return publication_store.unfinished(tx) is not None


def _wait(ready: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.005)
