"""Transactions on PostgreSQL that want the same rows: they wait in one order; where they do not, one begins anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from hullwise.domain import limits
from hullwise.domain.errors import InvalidParameter, RepositoryNotFound
from hullwise.domain.scans import ScanStatus
from hullwise.registry import artifacts, garbage, uploads
from hullwise.registry import repositories as repository_rules
from hullwise.scanning import overlay_changes, run
from hullwise.services import Services
from hullwise.store import garbage as garbage_store
from hullwise.store import images as image_store
from hullwise.store import repositories, scans
from hullwise.store import uploads as upload_store
from hullwise.store.engine import Database
from hullwise.store.images import Image
from hullwise.store.repositories import Repository
from hullwise.store.tables import (
    blobs,
    ignore_rules,
    images,
    manifests,
    repository_blobs,
    upload_segments,
    vex_documents,
)
from hullwise.store.tables import scans as scans_table
from hullwise.store.uploads import UploadSegment
from tests.support import registry as support
from tests.support.edges import Edges, edges
from tests.support.images import image, layer, python_packages, sha256
from tests.support.postgres import new_database
from tests.support.registry import ACCOUNT, Registry

KEY = "AKIATEST"
VEX = b"""{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "%s", "author": "Vendor", "version": 1, "statements": [{
    "vulnerability": {"name": "CVE-2024-0001"}, "products": [{"@id": "pkg:pypi/flask"}], "status": "fixed"}]}"""
PATIENCE = 30.0
CONTENT = image([layer(python_packages(flask="1.0"))])


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with support.registry(tmp_path, new_database(support.migrated_url())) as found:
        yield found


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """A thread in which something is done beside the test's transaction."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.005)


def somebody_waits(database: Database) -> bool:
    """Whether a transaction waits for a lock of another."""
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with database.read() as tx:
        return tx.execute(sa.text(query)).first() is not None


def received(registry: Registry, data: bytes) -> UploadSegment:
    receiver = uploads.SegmentReceiver(registry.services)
    receiver.write(data)
    part = receiver.finish()
    assert part is not None
    return part


def test_a_scan_begins_while_its_image_is_deleted(registry: Registry, beside: ThreadPoolExecutor) -> None:
    """It waits for nobody who holds the image and will come to the scan: both get to their end."""
    services, repository = registry.services, registry.repository()
    pushed = registry.push(repository, CONTENT)
    with services.database.read() as tx:
        (scan_id,) = scans.in_states(tx, [ScanStatus.PENDING])

    def begun() -> bool:
        with services.database.read() as tx:
            return scans.in_states(tx, [ScanStatus.IN_PROGRESS]) == [scan_id]

    with services.database.write() as tx:
        tx.execute(sa.select(images.c.id).where(images.c.id == pushed.id).with_for_update())
        scanning = beside.submit(run.scan_image, services, scan_id)
        until(begun)
        image_store.delete(tx, pushed.id)
    scanning.result(PATIENCE)
    with services.database.read() as tx:
        assert scans.get(tx, scan_id) is None


def complete(registry: Registry, repository: Repository, upload_id: str) -> object:
    return uploads.complete(registry.services, repository, KEY, upload_id, sha256(b"first"))


def finish(registry: Registry, repository: Repository, upload_id: str) -> object:
    last = received(registry, b"last")
    return uploads.finish(registry.services, repository, KEY, upload_id, last, last.sha256)


def collect(registry: Registry, repository: Repository, upload_id: str) -> object:
    registry.clock.advance(hours=registry.services.settings.upload_hours)
    return garbage.collect(registry.services)


@pytest.mark.parametrize("act", [complete, finish, collect])
def test_a_repository_is_deleted_beside_its_uploads(
    registry: Registry, beside: ThreadPoolExecutor, act: Callable[[Registry, Repository, str], object]
) -> None:
    """Whoever needs the repository's lock for an upload holds nothing that the deletion comes to."""
    services, repository = registry.services, registry.repository()
    upload_id = uploads.begin(services, repository, KEY)
    uploads.append(services, repository, KEY, upload_id, received(registry, b"first"))
    with services.database.write() as tx:
        # Less than PostgreSQL takes to break a deadlock, after which the deletion would get through all the same.
        tx.execute(sa.text("SET LOCAL lock_timeout = '500ms'"))
        repositories.lock(tx, repository.id)
        acting = beside.submit(act, registry, repository, upload_id)
        until(lambda: somebody_waits(services.database))
        repository_rules.delete(tx, services, repository, force=True)
    if act is collect:
        acting.result(PATIENCE)
    else:
        with pytest.raises(RepositoryNotFound):
            acting.result(PATIENCE)


@dataclass(frozen=True)
class Scene:
    """What is wanted by two at once: an image and a blob that none needs in one repository, uploads of another."""

    edges: Edges
    repository: Repository
    image: Image
    other: Repository
    begun: str
    """An upload that has the bytes of a blob that is known."""
    empty: str
    """One without bytes."""
    part: UploadSegment
    """The same bytes, and nobody's yet."""

    @property
    def services(self) -> Services:
        return self.edges.registry.services


KNOWN, UNNEEDED, DOCUMENT = CONTENT.blobs[0], b"unneeded", b"document"


@pytest.fixture
def scene(registry: Registry) -> Scene:
    edge, services = edges(registry), registry.services
    repository, other = registry.repository(), registry.repository("team/other")
    pushed = registry.push(repository, CONTENT)
    registry.push_blob(repository, UNNEEDED)
    begun, empty = (uploads.begin(services, other, KEY) for _ in range(2))
    uploads.append(services, other, KEY, begun, received(registry, KNOWN))
    found = Scene(edge, repository, pushed, other, begun, empty, received(registry, KNOWN))
    attach(found)
    return found


def attach(scene: Scene) -> object:
    return artifacts.attach(scene.services, scene.repository, scene.image, "text/plain", DOCUMENT, {})


def append(scene: Scene) -> object:
    return uploads.append(scene.services, scene.other, KEY, scene.begun, scene.part)


def store(scene: Scene) -> object:
    return uploads.store(scene.services, scene.other, scene.part, sha256(KNOWN))


def finish_at_once(scene: Scene) -> object:
    return uploads.finish(scene.services, scene.other, KEY, scene.empty, scene.part, sha256(KNOWN))


def place(scene: Scene) -> object:
    return uploads.complete(scene.services, scene.other, KEY, scene.begun, sha256(KNOWN))


def mount(scene: Scene) -> object:
    return uploads.mount(scene.services, scene.other, scene.repository, sha256(KNOWN))


def cancel(scene: Scene) -> None:
    uploads.cancel(scene.services, scene.other, KEY, scene.begun)


def unlink(scene: Scene) -> None:
    uploads.unlink(scene.services, scene.repository, sha256(UNNEEDED))


def delete(scene: Scene) -> object:
    answer = scene.edges.oci("DELETE", f"/v2/{scene.repository.name}/manifests/{scene.image.digest}")
    assert answer.status_code == 202, answer.text
    return answer


def the_repository(tx: sa.Connection, scene: Scene) -> object:
    return repositories.lock(tx, scene.repository.id)


def the_other(tx: sa.Connection, scene: Scene) -> object:
    return repositories.lock(tx, scene.other.id)


def the_upload(tx: sa.Connection, scene: Scene) -> object:
    return upload_store.find(tx, scene.begun, lock=True)


def the_segments(tx: sa.Connection, scene: Scene) -> object:
    return tx.execute(sa.select(upload_segments).with_for_update())


def the_object(tx: sa.Connection, scene: Scene) -> object:
    return garbage_store.claim(tx, scene.part.segment.object_key)


def the_blob(tx: sa.Connection, scene: Scene) -> object:
    return tx.execute(sa.select(blobs).where(blobs.c.digest == sha256(KNOWN)).with_for_update())


def the_links(tx: sa.Connection, scene: Scene) -> object:
    return tx.execute(sa.select(repository_blobs).with_for_update())


def the_manifests(tx: sa.Connection, scene: Scene) -> object:
    return tx.execute(sa.select(manifests).with_for_update())


def the_scans(tx: sa.Connection, scene: Scene) -> object:
    return tx.execute(sa.select(scans_table).with_for_update())


Ask = Callable[[sa.Connection, Scene], object]


@pytest.mark.parametrize(
    ("act", "held", "asked"),
    [
        (append, the_object, the_upload),
        (store, the_blob, the_other),
        (finish_at_once, the_blob, the_other),
        (place, the_blob, the_other),
        (mount, the_blob, the_other),
        (cancel, the_segments, the_upload),
        (unlink, the_links, the_repository),
        (attach, the_manifests, the_repository),
        (delete, the_scans, the_repository),
    ],
)
def test_what_a_deadlock_ended_is_begun_anew(
    scene: Scene, beside: ThreadPoolExecutor, act: Callable[[Scene], object], held: Ask, asked: Ask
) -> None:
    """Nobody is told that PostgreSQL ended a request's transaction for another's: it succeeds once that is over."""
    database = scene.services.database
    with database.write() as tx:
        # Whoever has waited for a second looks for deadlocks, and ends itself: that is not to be this one.
        tx.execute(sa.text("SET LOCAL deadlock_timeout = '20s'"))
        held(tx, scene)
        acting = beside.submit(act, scene)
        until(lambda: somebody_waits(database))
        asked(tx, scene)
    acting.result(PATIENCE)


def add_rule(tx: sa.Connection, services: Services, number: int) -> object:
    name = f"CVE-2024-{number:04}"
    return overlay_changes.add_rule(tx, services, ACCOUNT, vulnerability=name, reason="not reachable", author="Ada")


def add_document(tx: sa.Connection, services: Services, number: int) -> object:
    given = overlay_changes.read(VEX % str(number).encode())
    return overlay_changes.add_document(tx, services, ACCOUNT, given, added_by="Ada")


@pytest.mark.parametrize(
    ("add", "table", "limit"),
    [
        (add_rule, ignore_rules, limits.IGNORE_RULES),
        (add_document, vex_documents, limits.VEX_DOCUMENTS),
    ],
)
def test_the_last_rule_or_document_of_an_account_is_added_once(
    registry: Registry,
    beside: ThreadPoolExecutor,
    add: Callable[[sa.Connection, Services, int], object],
    table: sa.Table,
    limit: int,
) -> None:
    """Of two that are added at once where there is room for one, the second is refused: the limit holds."""
    services, database = registry.services, registry.services.database
    database.run(lambda tx: add(tx, services, 0))
    with database.write() as tx:
        row = dict(tx.execute(sa.select(*(column for column in table.c if column.name != "id"))).mappings().one())
        named = "name" in row
        tx.execute(table.insert(), [row | ({"name": f"n{number}"} if named else {}) for number in range(limit - 2)])
    with database.write() as tx:
        add(tx, services, 1)
        second = beside.submit(database.run, lambda tx: add(tx, services, 2))
        until(lambda: somebody_waits(database))
    with pytest.raises(InvalidParameter, match=f"at most {limit}"):
        second.result(PATIENCE)
    with database.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == limit
