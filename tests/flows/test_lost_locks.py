"""Who loses a lock on the way does nothing more that another, who has it by then, must not see."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.blobs.backend import open_storage
from hullwise.cli.opening import prepare
from hullwise.domain.enrichment import Enrichment, KnownExploited
from hullwise.jobs.queue import PUBLISH, SYNC
from hullwise.registry import garbage
from hullwise.registry import images as rules
from hullwise.scanning import publication, synchronisation
from hullwise.services import Services
from hullwise.settings import load
from hullwise.store import enrichment, generations, publications
from hullwise.store import feeds as feed_store
from hullwise.store import garbage as store
from hullwise.store.engine import Database
from hullwise.store.locks import LockLost
from hullwise.store.tables import images as images_table
from hullwise.store.tables import scans
from hullwise.upkeep import backup, manifest, restoration
from tests.support import registry as support
from tests.support.advisories import osv, write
from tests.support.feeds import PRIVATE, Feeds, remote
from tests.support.images import image, layer, python_packages
from tests.support.postgres import cut, held, new_database, own_server
from tests.support.registry import Registry, Server
from tests.support.truth import check_matches

SOME = image([layer({"etc/motd": b"hello\n"}), layer(python_packages(flask="1.0"))])


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry on PostgreSQL: a file's lock is not lost."""
    with support.registry(tmp_path, new_database(support.migrated_url())) as found:
        yield found


def lose(services: Services, name: str) -> None:
    cut(services.database.url.render_as_string(hide_password=False), name)


class Losing:
    """Ends the session of a lock at its first call, of whatever form."""

    def __init__(self, services: Services, name: str) -> None:
        self._services, self._name = services, name
        self.lost = False

    def __call__(self, *_: object) -> None:
        if not self.lost:
            self.lost = True
            lose(self._services, self._name)


def test_a_backup_beside_which_something_may_be_collected_is_none(registry: Registry, tmp_path: Path) -> None:
    """It ends with what happened; the folder holds the backup that it held before, and no other rows."""
    services, folder, repository = registry.services, tmp_path / "backup", registry.repository()
    registry.push(repository, SOME)
    before = backup.make(services, folder).manifest
    kept = sorted(folder.glob("rows-*"))
    registry.push(repository, image([layer({"etc/motd": b"again\n"})]), "later")
    with pytest.raises(LockLost, match="the lock garbage was lost"):
        backup.make(services, folder, Losing(services, store.LOCK))
    assert sorted(folder.glob("rows-*")) == kept
    assert manifest.read(folder) == before


def test_a_collector_that_others_may_run_beside_deletes_nothing_more(registry: Registry) -> None:
    """What was due stays, and goes with the next collection."""
    services, repository = registry.services, registry.repository()
    stored = registry.push(repository, SOME)

    def delete(tx: sa.Connection) -> None:
        rules.delete(tx, services, repository, stored, "arn:tests")

    services.database.run(delete)
    registry.clock.advance(days=2)
    garbage.collect(services)
    registry.clock.advance(hours=1)

    def lose_it(step: str) -> None:
        if step == "objects":
            lose(services, store.LOCK)

    with services.database.exclusive(store.LOCK, services.settings.locks) as lock, pytest.raises(LockLost):
        garbage.collect(services.under(lock), progress=lose_it)
    assert len(list(services.blobs.list("segments"))) == len(SOME.blobs)
    assert garbage.collect(services).objects == len(SOME.blobs)


def head(services: Services) -> int:
    with services.database.read() as tx:
        return generations.head_number(tx)


def test_a_publication_that_lost_its_lock_moves_no_head(registry: Registry) -> None:
    """Its job brings it to its end, as where its process was killed."""
    services = registry.services
    registry.publish(osv("CVE-2024-0001", "flask"))
    stored = registry.push(registry.repository(), SOME)
    registry.work()
    folder = write(registry.folder / "more", osv("CVE-2024-0002", "flask"))

    def fill(builder: GenerationBuilder) -> None:
        documents.load([folder], builder)

    with pytest.raises(LockLost):
        publication.publish(services, fill, Losing(services, "publication"))
    assert head(services) == 1
    registry.work()
    assert head(services) == 2
    assert registry.finding_names(stored) == ["CVE-2024-0001"]
    assert check_matches(services) == 2


def test_the_job_of_a_publication_takes_its_lock_again(registry: Registry) -> None:
    """What it lost on the way it goes on with, once it has it again."""
    services = registry.services
    folder = write(registry.folder / "some", osv("CVE-2024-0001", "flask"))
    losing = Losing(services, "publication")

    def fill(builder: GenerationBuilder) -> None:
        documents.load([folder], builder)

    def clock() -> datetime:
        losing()
        return registry.clock()

    with pytest.raises(LockLost):
        publication.publish(services, fill, losing)
    ((job, publication_id),) = registry.queue.jobs
    assert job == PUBLISH
    losing.lost = False
    publication.resume(replace(services, clock=clock), publication_id)
    assert losing.lost
    assert head(services) == 1
    with services.database.read() as tx:
        assert publications.unfinished(tx) is None


def test_what_is_joined_on_reading_is_loaded_by_one(registry: Registry) -> None:
    """Who lost the lock of it leaves all of it as it is."""
    services = registry.services
    losing = Losing(services, "enrichment")

    def clock() -> datetime:
        losing()
        return registry.clock()

    entry = KnownExploited("CVE-2024-0001", "name", "2026-01-01", "", False, "", "")
    found = Enrichment(exploited_as_of="2026-01-01", exploited=(entry,))
    with pytest.raises(LockLost):
        synchronisation.load_enrichment(replace(services, clock=clock), found)
    with services.database.read() as tx:
        assert set(enrichment.counts(tx).values()) == {0}


def test_a_sync_that_lost_its_lock_takes_it_again(tmp_path: Path) -> None:
    """Its job ends, and what the feeds said is loaded as if nothing had happened."""
    with Feeds() as feeds:
        feeds.kev("CVE-2025-1000")
        given = {"feed_addresses": feeds.addresses, "outbound_private": PRIVATE, "feeds": ("kev",), "sync_minutes": 60}
        with support.registry(tmp_path, new_database(support.migrated_url()), **given) as registry:
            services = registry.services
            synchronisation.request_due(services)
            ((job, sync_id),) = registry.queue.jobs
            assert job == SYNC
            losing = Losing(services, "sync")

            def clock() -> datetime:
                losing()
                return registry.clock()

            synchronisation.run_sync(replace(services, clock=clock), lambda: remote(services.settings), sync_id)
            assert losing.lost
            with services.database.read() as tx:
                sync = feed_store.get_sync(tx, sync_id)
                assert sync is not None and sync.ended_at is not None
                assert enrichment.counts(tx)["exploited"] == 1


def test_a_restoration_that_lost_its_lock_writes_no_row(registry: Registry, tmp_path: Path) -> None:
    """What it copied others may have collected; begun again it restores everything."""
    registry.push(registry.repository(), SOME)
    backup.make(registry.services, tmp_path / "backup")
    settings = load({"data": tmp_path / "there", "database_url": new_database()}, {})
    prepare(settings)
    blobs = open_storage(settings.blobs, durability="fast")
    with closing(Database(settings.database)) as database:
        services = replace(registry.services, settings=settings, database=database, blobs=blobs)
        found = restoration.admit(tmp_path / "backup", settings)
        with pytest.raises(LockLost):
            restoration.restore(services, found, lambda _: None, progress=Losing(services, store.LOCK))
        with database.read() as tx:
            assert tx.execute(sa.select(images_table.c.id)).all() == []
        assert restoration.restore(services, found, lambda _: None).rows == sum(
            table.rows for table in found.manifest.tables
        )


def workers(server: Server) -> set[int]:
    """Process ids of its workers."""
    found = set()
    for process in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):
            if "worker" in process.cmdline():
                found.add(process.pid)
    return found


def wait(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_server_goes_on_after_a_restart_of_its_database(tmp_path: Path) -> None:
    """Its workers, whose slots are lost, end and are started again; a scan that was in hand ends complete, and is
    not counted as one whose process died."""
    with (
        own_server() as postgres,
        support.server(tmp_path / "data", database_url=postgres.url, worker_processes="2") as server,
        closing(Database(postgres.url)) as database,
    ):
        noise = {f"usr/share/{at}": b"x" * 300 for at in range(3_000)}
        client = server.client()
        client.create_repository(repositoryName="team/app", imageScanningConfiguration={"scanOnPush": True})
        server.push("team/app", image([layer(noise), layer(python_packages(Jinja2="2.10"))]))
        before = workers(server)

        def state() -> tuple[str, int]:
            with database.read() as tx:
                status, begun = tx.execute(sa.select(scans.c.status, scans.c.begun)).one()
            return status, begun

        wait(lambda: state()[0] != "PENDING")
        postgres.restart()
        wait(lambda: not before & workers(server) and len(workers(server)) == 2)
        wait(lambda: state()[0] == "COMPLETE")
        # A process that was told to end counts for nothing, whatever becomes of what it had in hand.
        assert state()[1] <= 1
        wait(lambda: all(held(postgres.url, f"worker-{socket.gethostname()}-{slot}") for slot in (0, 1)))
