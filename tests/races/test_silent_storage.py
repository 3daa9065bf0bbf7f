"""A bucket that does not answer, and blobs that change while it is asked for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from hullwise.blobs import keys
from hullwise.blobs.folder import FolderStorage
from hullwise.domain.errors import Busy
from hullwise.registry import garbage, uploads
from hullwise.services import Services
from hullwise.store import garbage as garbage_store
from hullwise.store import layers
from hullwise.store.engine import Database
from hullwise.store.layers import Blob, Segment
from hullwise.store.repositories import Repository
from hullwise.store.uploads import UploadSegment
from tests.support import registry as support
from tests.support.images import image, sha256
from tests.support.postgres import new_database
from tests.support.registry import Registry
from tests.support.relay import Relay, relay
from tests.support.s3 import S3Server

KEY = "AKIATEST"
DATA = b"data"
DIGEST = sha256(DATA)
CONTENT = image([])
PATIENCE = 30.0

Push = Callable[[Registry, Repository, Repository], Blob | None]


@pytest.fixture
def wire(s3_moto: S3Server) -> Iterator[Relay]:
    """Between the registry and its bucket."""
    with relay(s3_moto.endpoint.removeprefix("http://")) as made:
        yield made


@pytest.fixture
def registry(tmp_path: Path, database_url: str, s3_moto: S3Server, wire: Relay) -> Iterator[Registry]:
    """On each engine in turn, with a bucket."""
    options = {**s3_moto.options, "endpoint": f"http://{wire.host}", "capabilities": "moto"}
    bucket = {"blobs_url": f"{s3_moto.url}/{tmp_path.name}", "blobs_options": options}
    with support.registry(tmp_path, database_url, grace_hours=0, **bucket) as found:
        yield found


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def store(registry: Registry, repository: Repository, source: Repository) -> Blob | None:
    return uploads.store(registry.services, repository, received(registry.services), DIGEST)


def finish(registry: Registry, repository: Repository, source: Repository) -> Blob | None:
    upload, part = uploads.begin(registry.services, repository, KEY), received(registry.services)
    return uploads.finish(registry.services, repository, KEY, upload, part, DIGEST)


def place(registry: Registry, repository: Repository, source: Repository) -> Blob | None:
    upload = uploads.begin(registry.services, repository, KEY)
    uploads.append(registry.services, repository, KEY, upload, received(registry.services))
    return uploads.complete(registry.services, repository, KEY, upload, DIGEST)


def mount(registry: Registry, repository: Repository, source: Repository) -> Blob | None:
    return uploads.mount(registry.services, repository, source, DIGEST)


def received(services: Services) -> UploadSegment | None:
    receiver = uploads.SegmentReceiver(services)
    receiver.write(DATA)
    return receiver.finish()


def stored(services: Services) -> Blob:
    with services.database.read() as tx:
        found = layers.load(tx, DIGEST)
    assert found is not None
    return found


def objects(services: Services) -> set[str]:
    return {each.key for each in services.blobs.list("segments")}


def collect(registry: Registry, services: Services) -> None:
    """Everything that no image needs goes, with its objects."""
    for _ in range(2):
        registry.clock.advance(hours=1)
        garbage.collect(services)


def move(services: Services, blob: Blob) -> Blob:
    """The blob's bytes lie in another object, as garbage collection puts them together."""
    after = Segment(keys.segment(sha256(blob.segments[0].object_key.encode())[7:39], 0), blob.size)
    services.blobs.put(after.object_key, DATA)
    now, database = services.clock(), services.database
    assert database.run(lambda tx: garbage_store.replace_segments(tx, DIGEST, blob.segments, [after], now))
    services.blobs.delete(blob.segments[0].object_key)
    return replace(blob, segments=(after,))


@pytest.mark.parametrize("push", [store, finish, place, mount])
def test_a_bucket_that_hangs_holds_up_nobody_else(
    registry: Registry, wire: Relay, beside: ThreadPoolExecutor, push: Push
) -> None:
    """Whoever pushes or mounts a blob that is known waits for the bucket; others write in the repository meanwhile."""
    services, source = registry.services, registry.repository("team/source", scan_on_push=False)
    repository = registry.repository(scan_on_push=False)
    registry.push_blob(source, DATA)
    before = stored(services)
    with wire.holding("HEAD"):
        pushing = beside.submit(push, registry, repository, source)
        wire.wait_until_held(PATIENCE)
        registry.push(repository, CONTENT)
        uploads.begin(services, source, KEY)
        assert not pushing.done()
    assert pushing.result(PATIENCE) == before
    assert before.segments[0].object_key in objects(services)
    assert len(objects(services)) == 1 + len(CONTENT.blobs)


@pytest.mark.parametrize("push", [store, finish, place, mount])
def test_a_blob_whose_bytes_are_put_elsewhere_meanwhile(
    registry: Registry, wire: Relay, beside: ThreadPoolExecutor, push: Push
) -> None:
    """What the bucket said of the old objects does not count: the blob is where it is by now."""
    services, source = registry.services, registry.repository("team/source")
    repository = registry.repository()
    registry.push_blob(source, DATA)
    with wire.holding("HEAD"):
        pushing = beside.submit(push, registry, repository, source)
        wire.wait_until_held(PATIENCE)
        after = move(services, stored(services))
    assert pushing.result(PATIENCE) == stored(services) == after
    assert objects(services) == {after.segments[0].object_key}
    assert b"".join(services.read_blob(after)) == DATA


@pytest.mark.parametrize("push", [store, finish, place, mount])
def test_a_blob_that_is_collected_meanwhile(
    registry: Registry, wire: Relay, beside: ThreadPoolExecutor, push: Push
) -> None:
    """A push brings it back with its own bytes; a mount says that there is none."""
    services, source = registry.services, registry.repository("team/source")
    repository = registry.repository()
    registry.push_blob(source, DATA)
    with wire.holding("HEAD"):
        pushing = beside.submit(push, registry, repository, source)
        wire.wait_until_held(PATIENCE)
        uploads.unlink(services, source, DIGEST)
        collect(registry, services)
    found = pushing.result(PATIENCE)
    if push is mount:
        assert found is None
        return
    assert found == stored(services)
    assert b"".join(services.read_blob(found)) == DATA
    assert objects(services) == {found.segments[0].object_key}


class Looked(FolderStorage):
    """Something happens whenever somebody has looked at an object."""

    looks = 0

    def __init__(self, folder: Path, then: Callable[[], object]) -> None:
        super().__init__(folder, durability="full")
        self._then = then

    def size(self, key: str) -> int:
        self.looks += 1
        found = super().size(key)
        self._then()
        return found


@pytest.fixture
def on_postgresql(tmp_path: Path) -> Iterator[tuple[Registry, Services]]:
    """A registry with a folder, and what others do with it, who do not wait for ever."""
    url = new_database(support.migrated_url())
    with support.registry(tmp_path, url, grace_hours=0) as found, closing(Database(url, lock_seconds=5)) as database:
        yield found, replace(found.services, database=database)


def looked(registry: Registry, then: Callable[[], object]) -> tuple[Registry, Looked]:
    storage = Looked(registry.services.settings.data / "blobs", then)
    return replace(registry, services=replace(registry.services, blobs=storage)), storage


@pytest.mark.parametrize("push", [store, mount])
def test_a_blob_that_is_collected_once_it_was_looked_at(on_postgresql: tuple[Registry, Services], push: Push) -> None:
    """That it was whole counts only as long as it is there."""
    registry, others = on_postgresql
    source, repository = registry.repository("team/source"), registry.repository()
    registry.push_blob(source, DATA)

    def take_away() -> None:
        uploads.unlink(others, source, DIGEST)
        collect(registry, others)

    pushing, storage = looked(registry, take_away)
    found = push(pushing, repository, source)
    assert storage.looks == 1
    if push is mount:
        assert (found, objects(others)) == (None, set())
        return
    assert found == stored(others)
    assert objects(others) == {found.segments[0].object_key}


def test_a_blob_that_does_not_stay_where_it_is(on_postgresql: tuple[Registry, Services]) -> None:
    """A push gives up after a few looks, its client is told to come again, and its bytes are nobody's."""
    registry, others = on_postgresql
    repository = registry.repository()
    registry.push_blob(repository, DATA)
    pushing, storage = looked(registry, lambda: move(others, stored(others)))
    with pytest.raises(Busy):
        store(pushing, repository, repository)
    assert storage.looks == 4
    assert objects(others) == {stored(others).segments[0].object_key}
