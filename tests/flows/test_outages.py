"""What becomes of requests while the storage or the database does not answer, or has no room."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.blobs.backend import PATIENCE, open_storage
from hullwise.blobs.errors import StorageUnavailable
from hullwise.blobs.storage import ObjectStorage
from hullwise.domain.errors import Unavailable
from hullwise.domain.scans import ScanStatus
from hullwise.jobs import durable
from hullwise.outages import Outages
from hullwise.scanning import publication, run
from hullwise.scanning.unfinished import Unfinished
from hullwise.store import generations, publications
from tests.support import registry as support
from tests.support.advisories import osv, write
from tests.support.edges import Edges, edges
from tests.support.faults import Fault, Faults, faults
from tests.support.images import image, layer, python_packages, sha256
from tests.support.postgres import new_database
from tests.support.s3 import S3Server
from tests.support.shortage import no_file_to_open
from tests.support.wire import Wire, wired

BLOB = layer(python_packages(flask="1.0"))
NAME = "CVE-2024-0001"


@pytest.fixture
def between(s3_moto: S3Server) -> Iterator[Faults]:
    with faults(s3_moto) as found:
        yield found


def storage(faults: Faults, place: Path, patience: timedelta = PATIENCE) -> ObjectStorage:
    options = {**faults.server.options, "capabilities": "moto"}
    return open_storage(f"{faults.server.url}/{place.name}", durability="full", options=options, patience=patience)


def _written(storage: ObjectStorage, size: int) -> None:
    with storage.writer("a") as writer:
        writer.write(bytes(size))


CALLS: dict[str, Callable[[ObjectStorage], object]] = {
    "put": lambda storage: storage.put("a", b"x"),
    "write": lambda storage: _written(storage, 10),
    "begin parts": lambda storage: _written(storage, 20 << 20),
    "stream": lambda storage: b"".join(storage.stream("a")),
    "stream a range": lambda storage: b"".join(storage.stream("a", 1, 2)),
    "size": lambda storage: storage.size("a"),
}


@pytest.mark.parametrize("call", ["put", "write", "stream", "size"])
def test_a_throttled_request_is_made_again(between: Faults, tmp_path: Path, call: str) -> None:
    """For longer than a moment: the storage answers late, and as if nothing had been."""
    opened = storage(between, tmp_path, timedelta(seconds=10))
    opened.put("a", b"xyz")
    asked = itertools.count()
    between.choose(lambda method, path: Fault.SLOW_DOWN if next(asked) < 6 else None)
    CALLS[call](opened)
    assert next(asked) == 7


@pytest.mark.parametrize("call", CALLS)
def test_patience_has_an_end(between: Faults, tmp_path: Path, call: str) -> None:
    """A server that throttles for ever is unavailable once the time is over, and not much before or after; nothing else
    is asked then."""
    patience = timedelta(seconds=1.5)
    opened = storage(between, tmp_path, patience)
    methods = set()

    def throttled(method: str, path: str) -> Fault:
        methods.add(method)
        return Fault.SLOW_DOWN

    between.choose(throttled)
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable):
        CALLS[call](opened)
    spent = time.monotonic() - begun
    assert len(methods) == 1
    assert 0.9 * patience.total_seconds() < spent < 10


def test_an_end_of_a_range_is_still_found(between: Faults, tmp_path: Path) -> None:
    """A range that begins at the object's end, or behind it, is empty."""
    opened = storage(between, tmp_path)
    opened.put("a", b"xyz")
    for start in (3, 4):
        assert b"".join(opened.stream("a", start, 10)) == b""


@pytest.fixture
def on_bucket(tmp_path: Path, between: Faults) -> Iterator[Edges]:
    """A registry that has pushed an image and scanned it, whose bucket may fail."""
    place = f"{between.server.url}/{tmp_path.name}"
    with support.registry(tmp_path, blobs_url=place, blobs_options=dict(between.server.options)) as found:
        asked = edges(found)
        found.publish(osv(NAME, "flask"))
        found.repository("team/app")
        asked.push("team/app", image([BLOB]))
        found.work()
        yield asked


def unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1


def test_an_outage_of_the_storage_is_told(on_bucket: Edges, between: Faults) -> None:
    """On every API with 503 and when to come again; in the log with one line that says why, and no traceback."""
    # Nothing is known here by heart: whoever explains needs the bucket.
    for copy in on_bucket.registry.services.generation_folder.glob("*.sqlite"):
        copy.unlink()
    between.choose(lambda method, path: Fault.DENIED)
    part = base64.b64encode(b"x").decode()
    with structlog.testing.capture_logs() as logs:
        pulled = on_bucket.oci("GET", f"/v2/team/app/blobs/{BLOB.digest}")
        pushed = on_bucket.oci("POST", f"/v2/team/app/blobs/uploads/?digest={sha256(b'new')}", b"new")
        for answer in (pulled, pushed):
            unavailable(answer)
            assert answer.json()["errors"][0]["code"] == "UNAVAILABLE"
        upload = on_bucket.aws("InitiateLayerUpload", repositoryName="team/app").json()["uploadId"]
        sent = {"repositoryName": "team/app", "uploadId": upload, "partFirstByte": 0, "partLastByte": 0}
        layered = on_bucket.aws("UploadLayerPart", **sent, layerPartBlob=part)
        assert (layered.status_code, layered.json()["__type"]) == (503, "ServiceUnavailable")
        explained = on_bucket.oci("GET", f"/api/v1/explanation?repository=team/app&image=latest&vulnerability={NAME}")
        unavailable(explained)
        assert explained.json()["error"]["code"] == "Unavailable"
    (line,) = [each for each in logs if each["log_level"] not in {"info", "debug"}]
    assert (line["event"], line["log_level"], line["of"]) == ("outage", "warning", "blob storage")
    assert "403" in line["why"]
    between.choose(lambda method, path: None)
    assert on_bucket.oci("GET", f"/v2/team/app/blobs/{BLOB.digest}").content == BLOB.blob


@pytest.fixture
def wire() -> Iterator[Wire]:
    with wired(new_database(support.migrated_url())) as found:
        yield found


def test_an_outage_of_the_database_is_told(tmp_path: Path, wire: Wire) -> None:
    """As one of the storage is, also by health and metrics; it is over for the registry when it is over."""
    with support.registry(tmp_path, wire.url) as registry:
        asked = edges(registry)
        durable.prepare(registry.services.database, registry.services.settings.locks)
        registry.publish(osv(NAME, "flask"))
        registry.repository("team/app")
        calls: dict[str, Callable[[], httpx.Response]] = {
            "oci": lambda: asked.oci("GET", "/v2/team/app/tags/list"),
            "api": lambda: asked.oci("GET", "/api/v1/advisories"),
            "aws": lambda: asked.aws("DescribeRepositories"),
            "aws, large": lambda: asked.aws("DescribeRepositories", nextToken="x" * 100_000),
            "health": lambda: asked.send("GET", "/healthz"),
            "metrics": lambda: asked.send("GET", "/metrics"),
        }
        before = {name: call().status_code for name, call in calls.items()}
        wire.cut()
        with structlog.testing.capture_logs() as logs:
            found = {name: call() for name, call in calls.items()}
        assert {name: answer.status_code for name, answer in found.items()} == dict.fromkeys(calls, 503)
        unavailable(found["oci"])
        unavailable(found["api"])
        assert found["aws"].json()["__type"] == found["aws, large"].json()["__type"] == "ServiceUnavailable"
        (line,) = [each for each in logs if each["log_level"] not in {"info", "debug"}]
        assert (line["event"], line["log_level"], line["of"]) == ("outage", "warning", "database")
        wire.mend()
        assert {name: call().status_code for name, call in calls.items()} == before


def test_a_scan_ends_though_the_outage_of_the_database_outlasts_it(tmp_path: Path, wire: Wire) -> None:
    """It met the outage four times and is FAILED, as soon as the database can be told so."""
    with support.registry(tmp_path, wire.url) as registry:
        registry.publish(osv(NAME, "flask"))
        stored = registry.push(registry.repository(), image([BLOB]))
        scan = registry.scans_of(stored).latest.id
        wire.cut()
        with structlog.testing.capture_logs() as logs, ThreadPoolExecutor() as pool:
            scanned = pool.submit(run.scan_image, registry.services, scan)
            while not any(each["event"] == "scan ends once the database takes it" for each in logs):
                assert not scanned.done(), scanned.exception()
                time.sleep(0.05)
            wire.mend()
            scanned.result(60)
        assert [each["event"] for each in logs].count("scan interrupted") == 4
        latest = registry.scans_of(stored).latest
        failed = (ScanStatus.FAILED, "The scan failed: storage did not answer.")
        assert (latest.status, latest.description) == failed


def test_a_scan_that_no_worker_began_counts_as_begun_by_none(tmp_path: Path, wire: Wire) -> None:
    """The database was away as it was to be begun; then the process is told to stop."""
    with support.registry(tmp_path, wire.url) as registry:
        registry.publish(osv(NAME, "flask"))
        stored = registry.push(registry.repository(), image([BLOB]))
        in_hand, scan = run.InHand(registry.services), registry.scans_of(stored).latest.id
        wire.cut()
        with structlog.testing.capture_logs() as logs, ThreadPoolExecutor() as pool:
            scanned = pool.submit(run.scan_image, registry.services, scan, in_hand=in_hand)
            while not any(each["event"] == "scan interrupted" for each in logs):
                time.sleep(0.01)
            wire.mend()
            with in_hand:
                pass
            scanned.result(60)
        assert registry.scans_of(stored).latest.begun == 0


def test_a_publication_goes_on_though_the_outage_of_the_database_outlasts_its_job(tmp_path: Path, wire: Wire) -> None:
    """Its driver is gone, and its job gave up: once the database is back, a worker queues it again, once, and it comes
    to its end."""
    with support.registry(tmp_path, wire.url) as registry:
        services, look = registry.services, Unfinished(registry.services)
        registry.publish(osv("CVE-2024-0002", "jinja2"))
        registry.push(registry.repository(), image([BLOB]))
        registry.work()

        def fill(builder: GenerationBuilder) -> None:
            documents.load([write(tmp_path / "second", osv(NAME, "flask"))], builder)

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        look()
        with pytest.raises(KeyboardInterrupt):
            publication.publish(services, fill, killed)
        ((job, row_id),) = registry.queue.jobs
        wire.cut()
        with pytest.raises(OperationalError):
            registry.work()
        wire.mend()
        assert registry.queue.jobs == []
        for _ in range(2):
            registry.clock.advance(minutes=1)
            look()
            assert registry.queue.jobs == [(job, row_id)]
        registry.work()
        with services.database.read() as tx:
            assert (generations.head_number(tx), publications.unfinished(tx)) == (2, None)


def test_a_shortage_of_files_is_an_outage() -> None:
    """The same request may succeed once others are answered; any other error of a file is none."""
    with no_file_to_open(), pytest.raises(OSError) as raised:
        Path("/dev/null").open("rb").close()
    assert isinstance(Outages().told(raised.value), Unavailable)
    assert Outages().told(missing := FileNotFoundError()) is missing


def test_a_database_without_room_is_told(tmp_path: Path) -> None:
    """As an outage, in words that are true of it too; why is in the log."""
    with support.registry(tmp_path) as registry:
        asked, database = edges(registry), registry.services.database
        database.close()  # the next connections are new ones

        @sa.event.listens_for(database.engine, "connect")
        def _full(connection: Any, _record: Any) -> None:
            # No page more than there are: SQLITE_FULL, as on a disk that is full.
            connection.execute("PRAGMA max_page_count = 1")

        with structlog.testing.capture_logs() as logs:
            for number in range(500):
                answer = asked.aws("CreateRepository", repositoryName=f"team/app-{number}")
                if answer.status_code != 200:
                    break
        assert answer.status_code == 503
        assert answer.json() == {
            "__type": "ServiceUnavailable",
            "message": "The registry's database cannot do this at the moment; try again",
        }
        (line,) = [each for each in logs if each["event"] == "outage"]
        assert line["of"] == "database"
        assert "database or disk is full" in line["why"]
        assert asked.aws("DescribeRepositories").status_code == 200


def test_an_outage_is_logged_once_a_minute() -> None:
    """Each by itself, and again where it lasts."""
    moments = iter((0.0, 0.0, 1.0, 59.0, 60.0, 61.0, 300.0))
    outages = Outages(lambda: next(moments))
    with structlog.testing.capture_logs() as logs:
        outages.told(NoConnectionFree())
        for expected in (2, 2, 2, 3, 3, 4):
            outages.told(StorageUnavailable("a"))
            assert len(logs) == expected
        assert outages.told(error := ValueError()) is error
    assert len(logs) == 4
