"""A scrub finds what is damaged, says who needs it, and takes nothing for damage that is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hullwise.registry import garbage, uploads
from hullwise.registry import repositories as rules
from hullwise.store import garbage as store
from hullwise.store import layers, repositories
from hullwise.store.needs import ImageNeed, RepositoryNeed
from hullwise.store.tables import condemned_objects
from hullwise.upkeep.content import Damage
from hullwise.upkeep.errors import StorageSilent
from hullwise.upkeep.scrub import DamagedContent, Pace, Scrub, Scrubbed
from tests.support import registry as support
from tests.support.advisories import osv
from tests.support.backups import KINDS, Places
from tests.support.images import image, layer, python_packages, sha256
from tests.support.registry import ACCOUNT, REGION, START, Registry

BASE = layer({"etc/motd": b"hello\n"})
ONE = image([BASE, layer(python_packages(flask="1.0"))])
TWO = image([BASE, layer(python_packages(mako="1.0"))])


@pytest.fixture(params=KINDS)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Two images with one base, the first under two tags, and a generation, on each engine and storage."""
    with Places(tmp_path, request).registry("scrubbed", request.param) as found:
        first = found.repository("team/one")
        found.push(first, ONE, "v1")
        found.push(first, ONE, "latest")
        found.push(found.repository("team/two"), TWO, None)
        found.publish(osv("CVE-2024-0001", "flask"))
        found.work()
        yield found


def scrub(registry: Registry, **options: Any) -> Scrubbed:
    return Scrub(registry.services, Pace(None), **options).run()


def key_of(registry: Registry, data: bytes) -> str:
    with registry.services.database.read() as tx:
        blob = layers.load(tx, sha256(data))
    assert blob is not None
    return blob.segments[0].object_key


def test_nothing_is_wrong(stored: Registry) -> None:
    """All is read and counted, once, however often it is used."""
    blobs = {*ONE.blobs, *TWO.blobs}
    assert scrub(stored) == Scrubbed(
        blobs=5,
        bytes=sum(map(len, blobs)),
        manifests=2,
        generations=1,
        damaged=(),
        unnamed_objects=0,
        unnamed_bytes=0,
    )


FIRST = RepositoryNeed(ACCOUNT, REGION, "team/one", (ImageNeed(ONE.digest, ("latest", "v1")),))
SECOND = RepositoryNeed(ACCOUNT, REGION, "team/two", (ImageNeed(TWO.digest, ()),))


def test_damaged_blobs_are_named(stored: Registry) -> None:
    """A byte that changed, bytes that are missing at the end, and an object that is gone: each with the repositories
    and tags that need it."""
    storage = stored.services.blobs
    upper, other = ONE.layers[1].blob, TWO.layers[1].blob
    storage.put(key_of(stored, upper), bytes([upper[0] ^ 1]) + upper[1:])
    storage.put(key_of(stored, other), other[:-1])
    storage.delete(key_of(stored, BASE.blob))
    found = {damaged.name: damaged for damaged in scrub(stored).damaged}
    assert {name: (each.kind, each.damage, each.repositories) for name, each in found.items()} == {
        sha256(upper): ("blob", Damage.DIGEST, (FIRST,)),
        sha256(other): ("blob", Damage.SIZE, (SECOND,)),
        sha256(BASE.blob): ("blob", Damage.MISSING, (FIRST, SECOND)),
    }
    assert list(found) == sorted(found)


def test_what_has_other_bytes_is_taken_away_where_that_is_asked_for(stored: Registry) -> None:
    """A client is told that a blob of the right size is here. Taken away it is told that it is not, and brings it."""
    services, upper = stored.services, ONE.layers[1].blob
    with services.database.read() as tx:
        repository = repositories.find(tx, ACCOUNT, REGION, "team/one")
    assert repository is not None
    key = key_of(stored, upper)
    services.blobs.put(key, bytes([upper[0] ^ 1]) + upper[1:])
    stored.push_blob(repository, upper)
    assert [each.dropped for each in scrub(stored).damaged] == [False], "pushing it changes nothing"
    assert [(each.name, each.dropped) for each in scrub(stored, drop=True).damaged] == [(sha256(upper), True)]
    assert [(each.damage, each.dropped) for each in scrub(stored, drop=True).damaged] == [(Damage.MISSING, False)]
    stored.push_blob(repository, upper)
    assert scrub(stored).damaged == ()


def test_damaged_manifests_and_generations_are_named(stored: Registry) -> None:
    """A manifest whose bytes are not those of its digest; a file of advisories that is gone."""
    storage = stored.services.blobs
    (key,) = [each.key for each in storage.list("generations")]
    storage.delete(key)
    with stored.services.database.write() as tx:
        tx.execute(
            sa.text("UPDATE hw_manifests SET body = :body WHERE digest = :digest"),
            {"body": ONE.manifest + b" ", "digest": ONE.digest},
        )
    manifest, generation = scrub(stored).damaged
    assert manifest == DamagedContent(
        kind="manifest",
        name=ONE.digest,
        damage=Damage.DIGEST,
        why=f"its bytes have digest {sha256(ONE.manifest + b' ')}",
        repositories=(FIRST,),
    )
    assert (generation.kind, generation.name, generation.damage) == ("generation", key, Damage.MISSING)


def test_a_blob_in_no_image(stored: Registry) -> None:
    """A repository that has a blob which no image names is told all the same."""
    stored.push_blob(stored.repository("team/three"), b"on its own")
    stored.services.blobs.delete(key_of(stored, b"on its own"))
    (damaged,) = scrub(stored).damaged
    assert damaged.repositories == (RepositoryNeed(ACCOUNT, REGION, "team/three", ()),)


def test_objects_that_wait_to_be_deleted(stored: Registry) -> None:
    """Garbage collection has them: they belong to something until they are gone."""
    services, repository = stored.services, stored.repository("team/three")
    stored.push(repository, image([layer({"etc/motd": b"its own\n"})]))
    stored.clock.moment = _modified(stored)
    services.database.run(lambda tx: rules.delete(tx, services, repository, force=True))
    stored.clock.advance(minutes=61)
    with services.database.exclusive(store.LOCK, services.settings.locks) as lock:
        garbage.collect(services.under(lock))
    with services.database.read() as tx:
        assert len(tx.execute(sa.select(condemned_objects)).all()) == 2
    assert scrub(stored).unnamed_objects == 0


def test_objects_that_no_row_names(stored: Registry) -> None:
    """They are counted and left where they are; uploads in progress have theirs, and what is younger than an hour may
    be getting its row just now."""
    services = stored.services
    repository = stored.repository("team/three")
    upload = uploads.begin(services, repository, "AKIATEST")
    receiver = uploads.SegmentReceiver(services)
    receiver.write(b"on its way")
    uploads.append(services, repository, "AKIATEST", upload, receiver.finish())
    services.blobs.put("segments/00/00/left-000000", b"left")
    services.blobs.put("generations/left.sqlite", b"left too")
    stored.clock.moment = _modified(stored)
    assert scrub(stored).unnamed_objects == 0
    stored.clock.advance(minutes=61)
    found = scrub(stored)
    assert (found.unnamed_objects, found.unnamed_bytes, found.damaged) == (2, 12, ())
    assert services.blobs.read("segments/00/00/left-000000", limit=9) == b"left"


def _modified(registry: Registry) -> Any:
    return max(stored.modified for stored in registry.services.blobs.list())


def _during(change: Callable[[], None]) -> Callable[[int, int], None]:
    """A progress that changes something once, at the first piece."""
    calls: list[int] = []

    def told(done: int, total: int) -> None:
        if not calls:
            change()
        calls.append(done)

    return told


def test_what_is_collected_meanwhile_is_not_damage(stored: Registry) -> None:
    """A blob of an image that goes while the scrub runs, and is collected: first the row, then the object. One that is
    collected and pushed again lies in another object."""
    services = stored.services
    repository = stored.repository("team/three")
    names = sorted(["one", "two", "three"], key=lambda name: sha256(name.encode()))
    for name in names:
        stored.push_blob(repository, name.encode())
    lost, anew = sorted((names[1], names[2]))

    def collect() -> None:
        for name in (lost, anew):
            key = key_of(stored, name.encode())
            with services.database.write() as tx:
                for table in ("hw_repository_blobs", "hw_blobs"):
                    tx.execute(sa.text(f"DELETE FROM {table} WHERE digest = :it"), {"it": sha256(name.encode())})
            services.blobs.delete(key)
        stored.push_blob(repository, anew.encode())

    assert scrub(stored, progress=_during(collect)).damaged == ()


def test_going_on_behind_a_digest(stored: Registry) -> None:
    """Blobs up to the digest are not read again; all the rest is."""
    digests = sorted(sha256(blob) for blob in {*ONE.blobs, *TWO.blobs})
    for blob in (ONE.config, TWO.config):
        stored.services.blobs.delete(key_of(stored, blob))
    broken = sorted([sha256(ONE.config), sha256(TWO.config)])
    found = scrub(stored, reached=broken[0])
    assert found.blobs == 4 - digests.index(broken[0])
    assert (found.manifests, found.generations) == (2, 1)
    assert [damaged.name for damaged in found.damaged] == [broken[1]]
    assert scrub(stored, reached=digests[-1]).blobs == 0


def test_an_interrupted_scrub_says_how_far_it_came(stored: Registry) -> None:
    """Whoever goes on from there reads the rest, and nothing twice."""
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == 3:
            raise KeyboardInterrupt

    begun = Scrub(stored.services, Pace(None), stop)
    with pytest.raises(KeyboardInterrupt):
        begun.run()
    digests = sorted(sha256(blob) for blob in {*ONE.blobs, *TWO.blobs})
    assert begun.reached == digests[1]
    assert scrub(stored, reached=begun.reached).blobs == 3


def test_a_storage_that_fails_is_not_damage(tmp_path: Path) -> None:
    """One object that cannot be read is damaged; five in a row are a storage that is away, and nothing is said of
    them."""
    with support.registry(tmp_path) as found:
        repository = found.repository()
        names = sorted((b"one", b"two", b"three", b"four", b"five", b"six"), key=sha256)
        for name in names:
            found.push_blob(repository, name)
        path = found.services.blobs.local_path(key_of(found, names[2]))
        assert path is not None
        path.unlink()
        path.symlink_to("/proc/self/mem")  # opens, and every read of its beginning fails
        (damaged,) = scrub(found).damaged
        assert (damaged.name, damaged.damage) == (sha256(names[2]), Damage.UNREADABLE)
        for name in names:
            path = found.services.blobs.local_path(key_of(found, name))
            assert path is not None
            path.unlink()
            path.symlink_to("/proc/self/mem")
        with pytest.raises(StorageSilent, match="5 objects in a row"):
            scrub(found)


def test_a_pace_is_kept() -> None:
    """At 100 bytes a second 50 bytes take half a second; time that was idle is not made up for."""
    moment, slept = [START.timestamp()], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        moment[0] += seconds

    pace = Pace(100, lambda: moment[0], sleep)
    pace(50)
    pace(100)
    assert slept == pytest.approx([0.5, 1.0])
    moment[0] += 60
    pace(25)
    assert slept[2] == pytest.approx(0.25)
