"""Garbage collection: what goes, when, and what never does."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hullwise import app
from hullwise.blobs import keys
from hullwise.blobs.errors import StorageUnavailable, StorageUnsynced
from hullwise.blobs.folder import FolderStorage
from hullwise.domain.errors import (
    BlobUploadUnknown,
    DeletionNotFound,
    LayersNotFound,
    RangeNotContiguous,
    ReferencedImagesNotFound,
)
from hullwise.domain.manifests import OCI_INDEX, OCI_MANIFEST
from hullwise.domain.names import ImageId
from hullwise.registry import deletions as undelete
from hullwise.registry import garbage, uploads
from hullwise.registry import images as rules
from hullwise.registry import repositories as repository_rules
from hullwise.registry.garbage import Collected, TooMuchUnknown
from hullwise.store import deletions, images, layers
from hullwise.store import garbage as store
from hullwise.store.clock import to_micros
from hullwise.store.repositories import Repository
from hullwise.store.tables import accounts, condemned_objects, manifests
from tests.support import registry as support
from tests.support.clocked import clocked
from tests.support.images import Image, image, layer, python_packages, sha256
from tests.support.registry import ACCOUNT, START, Registry
from tests.support.shortage import no_file_to_open

BASE = layer(python_packages(flask="1.0"))
ONE = image([BASE])
TWO = image([BASE, layer(python_packages(jinja2="2.10"))])
HOURS = 24
"""Of the grace time, as it is by default."""


def collect(registry: Registry) -> Collected:
    """What a run takes away; what it says that it would is that."""
    foreseen = garbage.preview(registry.services)
    found = garbage.collect(registry.services)
    assert (foreseen.images, foreseen.links, foreseen.blobs, foreseen.bytes, foreseen.manifests, foreseen.uploads) == (
        found.images,
        found.links,
        found.blobs,
        found.bytes,
        found.manifests,
        found.uploads,
    )
    return found


def delete(registry: Registry, repository: Repository, digest: str) -> None:
    def remove(tx: sa.Connection) -> None:
        found = rules.get(tx, repository, ImageId(digest=digest))
        rules.delete(tx, registry.services, repository, found, "arn:tests")

    registry.services.database.run(remove)


def readable(registry: Registry, repository: Repository, pushed: Image) -> bool:
    """Whether the image is there with every byte of it."""
    with registry.services.database.read() as tx:
        found = images.by_digest(tx, repository.id, pushed.digest)
        if found is None:
            return False
        assert images.body(tx, pushed.digest) == pushed.manifest
        blobs = [layers.find(tx, repository.id, sha256(blob)) for blob in pushed.blobs]
    for blob, data in zip(blobs, pushed.blobs, strict=True):
        assert blob is not None
        assert b"".join(registry.services.read_blob(blob)) == data
    return True


def objects(registry: Registry) -> int:
    return len(list(registry.services.blobs.list("segments")))


def test_a_deleted_image_goes_after_its_time(registry: Registry) -> None:
    """Its manifest, its own blobs, and after a pause their objects; what another image needs stays."""
    repository = registry.repository()
    registry.push(repository, ONE, "one")
    registry.push(repository, TWO, "two")
    own = [blob for blob in TWO.blobs if blob not in ONE.blobs]
    assert objects(registry) == len({*ONE.blobs, *TWO.blobs})
    delete(registry, repository, TWO.digest)
    registry.clock.advance(hours=HOURS, seconds=-1)
    assert collect(registry) == Collected()
    registry.clock.advance(seconds=1)
    assert collect(registry) == Collected(
        images=1, manifests=1, links=len(own), blobs=len(own), bytes=sum(map(len, own))
    )
    assert objects(registry) == len({*ONE.blobs, *TWO.blobs})
    registry.clock.advance(hours=1)
    assert collect(registry) == Collected(objects=len(own))
    assert objects(registry) == len(ONE.blobs)
    assert readable(registry, repository, ONE)
    assert collect(registry) == Collected()


def test_blobs_that_no_manifest_followed_go_too(registry: Registry) -> None:
    """After the grace time, which begins again when the blob is pushed or asked for again."""
    repository = registry.repository()
    registry.push_blob(repository, b"never used")
    registry.clock.advance(hours=20)
    uploads.keep(registry.services, repository, [sha256(b"never used")])
    registry.clock.advance(hours=HOURS - 1)
    assert collect(registry).links == 0
    registry.push_blob(repository, b"never used")
    registry.clock.advance(hours=HOURS - 1)
    assert collect(registry).links == 0
    registry.clock.advance(hours=1)
    assert collect(registry) == Collected(links=1, blobs=1, bytes=len(b"never used"))


def test_a_blob_stays_as_long_as_any_repository_has_it(registry: Registry) -> None:
    """Mounted elsewhere it outlives where it came from."""
    one, two = registry.repository("one"), registry.repository("two")
    registry.push(one, ONE)
    for blob in ONE.blobs:
        assert uploads.mount(registry.services, two, one, sha256(blob)) is not None
    registry.push(two, ONE)
    registry.services.database.run(lambda tx: repository_rules.delete(tx, registry.services, one, force=True))
    registry.clock.advance(days=30)
    assert collect(registry) == Collected()
    assert readable(registry, two, ONE)
    registry.services.database.run(lambda tx: repository_rules.delete(tx, registry.services, two, force=True))
    gone = collect(registry)
    assert (gone.blobs, gone.manifests, gone.bytes) == (len(ONE.blobs), 1, sum(map(len, ONE.blobs)))
    registry.clock.advance(hours=1)
    assert collect(registry).objects == len(ONE.blobs)
    assert objects(registry) == 0
    # Everything can be pushed again, and is there.
    again = registry.repository("one")
    registry.push(again, ONE)
    assert readable(registry, again, ONE)


def test_an_idle_upload_is_forgotten(registry: Registry) -> None:
    """With its bytes; one that bytes came for is not, however old it is."""
    repository = registry.repository()
    made = [uploads.begin(registry.services, repository, "AKIA") for _ in range(2)]
    for upload in made:
        send(registry, repository, upload, b"some bytes")
    registry.clock.advance(hours=HOURS - 1)
    send(registry, repository, made[0], b"more")
    registry.clock.advance(hours=1)
    assert collect(registry) == Collected(uploads=1)
    registry.clock.advance(hours=1)
    assert collect(registry).objects == 1
    digest = sha256(b"some bytesmore")
    assert uploads.complete(registry.services, repository, "AKIA", made[0], digest).size == 14


def send(registry: Registry, repository: Repository, upload: str, data: bytes) -> None:
    receiver = uploads.SegmentReceiver(registry.services)
    receiver.write(data)
    uploads.append(registry.services, repository, "AKIA", upload, receiver.finish())


def test_what_was_deleted_comes_back(registry: Registry) -> None:
    """With its tags, but for those that name another image by now; scanned as a push is."""
    repository = registry.repository()
    registry.push(repository, TWO, "one")
    registry.push(repository, TWO, "two")
    delete(registry, repository, TWO.digest)
    registry.push(repository, ONE, "two")
    registry.work()
    registry.clock.advance(hours=HOURS, seconds=-1)
    collect(registry)
    with registry.services.database.read() as tx:
        (found,) = deletions.page(tx, repository.id, registry.clock(), 1 << 60, 10)
    assert (found.digest, found.tags, found.whole, found.deleted_by) == (TWO.digest, ("one", "two"), True, "arn:tests")
    done = restore(registry, repository, found.id)
    assert (done.tags, done.taken) == (("one",), ("two",))
    assert readable(registry, repository, TWO)
    registry.clock.advance(days=30)
    assert collect(registry) == Collected()
    assert readable(registry, repository, TWO)
    with pytest.raises(DeletionNotFound):
        restore(registry, repository, found.id)


def restore(registry: Registry, repository: Repository, deletion: int) -> undelete.Restored:
    return registry.services.database.run(lambda tx: undelete.restore(tx, registry.services, repository, deletion))


def test_an_image_comes_back_whose_blobs_were_deleted_after_it(registry: Registry) -> None:
    """As some tools do it, manifest first: its bytes are kept as long as it may come back, and no longer."""
    repository = registry.repository()
    services = registry.services
    registry.push(repository, TWO)
    for comes_back in (True, False):
        delete(registry, repository, TWO.digest)
        for blob in TWO.blobs:
            uploads.unlink(services, repository, sha256(blob))
        with services.database.read() as tx:
            assert layers.sizes(tx, repository.id, map(sha256, TWO.blobs)) == {}
            (found,) = deletions.page(tx, repository.id, registry.clock(), 1 << 60, 10)
        assert collect(registry).blobs == 0
        if comes_back:
            restore(registry, repository, found.id)
            assert readable(registry, repository, TWO)
    registry.clock.advance(hours=HOURS)
    assert collect(registry).blobs == len(TWO.blobs)


def test_bytes_stay_for_the_last_deletion_that_may_be_undone(registry: Registry) -> None:
    """Deleted, restored and deleted again; and where another repository had them too and let go of them meanwhile."""
    repository, other = registry.repository(), registry.repository("other/app")

    def remove() -> int:
        delete(registry, repository, TWO.digest)
        for blob in TWO.blobs:
            uploads.unlink(registry.services, repository, sha256(blob))
        with registry.services.database.read() as tx:
            return deletions.page(tx, repository.id, registry.clock(), 1 << 60, 10)[0].id

    for blob in TWO.blobs:
        registry.push_blob(other, blob)
    registry.push(repository, TWO)
    restore(registry, repository, remove())
    registry.clock.advance(hours=HOURS - 1)
    number = remove()
    registry.clock.advance(hours=2)
    assert collect(registry).blobs == 0
    restore(registry, repository, number)
    assert readable(registry, repository, TWO)


def test_nothing_comes_back_after_its_time(registry: Registry) -> None:
    """Whether or not it was collected; nor by way of another repository."""
    repository, other = registry.repository("one"), registry.repository("two")
    registry.push(repository, ONE)
    delete(registry, repository, ONE.digest)
    with registry.services.database.read() as tx:
        (found,) = deletions.page(tx, repository.id, registry.clock(), 1 << 60, 10)
    with pytest.raises(DeletionNotFound):
        restore(registry, other, found.id)
    registry.clock.advance(hours=HOURS)
    with pytest.raises(DeletionNotFound):
        restore(registry, repository, found.id)


def test_an_index_comes_back_after_what_it_lists(registry: Registry) -> None:
    """Before that it would be incomplete."""
    repository = registry.repository()
    listed = [{"mediaType": OCI_MANIFEST, "digest": each.digest, "size": len(each.manifest)} for each in (ONE, TWO)]
    both = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
    for each in (ONE, TWO):
        registry.push(repository, each, None)
    prepared = rules.prepare(both, OCI_INDEX)
    registry.services.database.run(lambda tx: rules.put(tx, registry.services, repository, prepared, "both"))
    for digest in (sha256(both), ONE.digest):
        delete(registry, repository, digest)
    with registry.services.database.read() as tx:
        part, whole = deletions.page(tx, repository.id, registry.clock(), 1 << 60, 10)
    assert (part.digest, whole.digest) == (ONE.digest, sha256(both))
    with pytest.raises(ReferencedImagesNotFound):
        restore(registry, repository, whole.id)
    restore(registry, repository, part.id)
    assert restore(registry, repository, whole.id).tags == ("both",)


def test_a_tag_comes_back(registry: Registry) -> None:
    """Deleted over the registry API, which leaves the image."""
    api = clocked(registry)
    api.call("CreateRepository", repositoryName="app")
    api.push("app", ONE, "one")
    assert api.oci("DELETE", "/v2/app/manifests/one").status_code == 202
    (found,) = api.oci("GET", "/api/v1/deletions?repository=app").json()["deletions"]
    assert (found["digest"], found["tags"], found["image"]) == (ONE.digest, ["one"], False)
    assert found["deletedBy"] == f"arn:aws:iam::{ACCOUNT}:user/{api.key.access_key_id}"
    assert api.oci("POST", f"/api/v1/deletions/{found['id']}/restore").json() == {
        "digest": ONE.digest,
        "tags": ["one"],
        "taken": [],
    }
    assert api.oci("GET", "/v2/app/tags/list").json()["tags"] == ["one"]
    assert api.oci("POST", f"/api/v1/deletions/{found['id']}/restore").status_code == 404
    assert api.oci("GET", "/api/v1/deletions?repository=none").status_code == 404


def test_a_list_of_deletions_goes_on(registry: Registry) -> None:
    """Before an id, which is a number of 63 bits from 1; anything else is refused as the caller's fault."""
    api = clocked(registry)
    api.call("CreateRepository", repositoryName="app")
    api.push("app", ONE, "one")
    api.oci("DELETE", "/v2/app/manifests/one")
    shown: dict[str, Any] = {}
    for before in ("1", "2", str(2**63 - 1), "0", "-1", "", "x", "²", str(2**63), str(2**64), "9" * 5_000):
        answer = api.oci("GET", f"/api/v1/deletions?repository=app&before={before}")
        found = answer.json()
        shown[before[:20]] = [each["id"] for each in found["deletions"]] if "deletions" in found else found["error"]
        assert answer.status_code == (200 if "deletions" in found else 400), before[:20]
    good = {"1": [], "2": [1], "9223372036854775807": [1]}
    assert {before: ids for before, ids in shown.items() if before in good} == good
    assert {each["code"] for before, each in shown.items() if before not in good} == {"InvalidParameter"}


@pytest.mark.parametrize("grace", ["0", "24"])
def test_a_push_has_an_hour_at_least(tmp_path: Path, database_url: str, grace: str) -> None:
    """Whatever the grace time is: blobs whose manifest is still to come, mounted ones, those that the client was told
    of before the image that needed them was deleted, and bytes that are not named yet."""
    with support.registry(tmp_path, database_url, grace_hours=grace) as registry:
        # Objects are dated by the machine.
        registry.clock.moment = app.now()
        one, two = registry.repository("one"), registry.repository("two")
        registry.push(one, ONE)
        receiver = uploads.SegmentReceiver(registry.services)
        receiver.write(b"sent")
        registry.push_blob(one, b"never used")
        for blob in ONE.blobs:
            uploads.mount(registry.services, two, one, sha256(blob))
        delete(registry, one, ONE.digest)
        segment = receiver.finish()
        registry.clock.advance(minutes=59)
        assert collect(registry) == Collected(images=grace == "0", manifests=grace == "0")
        registry.push(two, ONE)
        registry.services.database.run(lambda tx: rules.put(tx, registry.services, one, _prepared(ONE), "again"))
        upload = uploads.begin(registry.services, one, "AKIA")
        uploads.append(registry.services, one, "AKIA", upload, segment)
        assert readable(registry, one, ONE) and readable(registry, two, ONE)
        registry.clock.advance(minutes=2)
        # Where it was put again, the deleted image's blobs are needed again.
        found = collect(registry)
        assert found.links == (1 if grace == "0" else 0)
        assert readable(registry, one, ONE) and readable(registry, two, ONE)


def _prepared(pushed: Image) -> rules.Prepared:
    return rules.prepare(pushed.manifest, OCI_MANIFEST)


@pytest.fixture
def now(tmp_path: Path, database_url: str) -> Iterator[Registry]:
    """Its clock is the machine's, which objects are dated by; and nothing is left more than an hour."""
    with support.registry(tmp_path, database_url, grace_hours="0", upload_hours="1") as registry:
        registry.clock.moment = app.now()
        yield registry


def an_hour_later(registry: Registry) -> None:
    """All that is in the storage is older than an hour."""
    registry.clock.moment = app.now() + timedelta(hours=1, seconds=1)


def test_objects_that_nothing_names_go(now: Registry) -> None:
    """Bytes of a request that was killed before it could name them. Those who name them too late are told."""
    repository = now.repository()
    now.push(repository, ONE)
    receiver = uploads.SegmentReceiver(now.services)
    receiver.write(b"left behind")
    segment = receiver.finish()
    an_hour_later(now)
    found = garbage.collect(now.services)
    assert (found.unknown, found.objects) == (1, 0)
    now.clock.advance(hours=1)
    assert garbage.collect(now.services).objects == 1
    upload = uploads.begin(now.services, repository, "AKIA")
    with pytest.raises(RangeNotContiguous):
        uploads.append(now.services, repository, "AKIA", upload, segment)
    assert readable(now, repository, ONE)
    # A day later nobody can come any more.
    now.clock.advance(days=1)
    garbage.collect(now.services)
    with now.services.database.read() as tx:
        assert tx.execute(sa.select(condemned_objects)).all() == []


def test_another_installations_storage_is_left_alone(now: Registry) -> None:
    """Where most objects are unknown the database is wrong, not the storage."""
    for number in range(101):
        now.services.blobs.put(keys.segment(f"{number:032x}", 0), b"theirs")
    an_hour_later(now)
    with pytest.raises(TooMuchUnknown, match="101 of 101 objects"):
        garbage.collect(now.services)
    with pytest.raises(TooMuchUnknown):
        garbage.preview(now.services)
    assert objects(now) == 101


def put_theirs(registry: Registry, number: int, days: float) -> None:
    """An object that no row names, written so long ago."""
    key = keys.segment(f"{number:032x}", 0)
    registry.services.blobs.put(key, b"theirs")
    path = registry.services.blobs.local_path(key)
    assert path is not None
    at = (app.now() - timedelta(days=days)).timestamp()
    os.utime(path, (at, at))


def test_a_small_storage_of_another_installation_is_left_alone(now: Registry) -> None:
    """Objects from before there was this installation are another's, however few."""
    since = app.now() - timedelta(days=10)
    with now.services.database.write() as tx:
        tx.execute(accounts.update().values(created_at=to_micros(since)))
    put_theirs(now, 1, days=9)
    an_hour_later(now)
    assert garbage.collect(now.services).unknown == 1
    now.clock.advance(hours=1)
    assert garbage.collect(now.services).objects == 1
    put_theirs(now, 2, days=12)
    with pytest.raises(TooMuchUnknown, match="1 of 1 objects"):
        garbage.collect(now.services)


def test_a_storage_without_any_of_our_blobs_is_another_ones(now: Registry) -> None:
    """The database has blobs, and of the few objects that there are it knows none."""
    repository = now.repository()
    now.push(repository, ONE)
    for stored in list(now.services.blobs.list("segments")):
        now.services.blobs.delete(stored.key)
    for number in range(3):
        put_theirs(now, number, days=0)
    an_hour_later(now)
    with pytest.raises(TooMuchUnknown, match="3 of 3 objects"):
        garbage.collect(now.services)


def test_a_failure_ends_the_run_and_nothing_else(registry: Registry, tmp_path: Path) -> None:
    """The job says why; the next run goes on."""
    repository = registry.repository()
    registry.push(repository, ONE)
    delete(registry, repository, ONE.digest)
    registry.clock.advance(days=2)
    folder = registry.services.settings.data / "blobs" / "segments"
    hidden = folder.with_name("hidden")
    garbage.collect(registry.services)
    folder.rename(hidden)
    folder.write_text("in the way")
    registry.clock.advance(hours=1)
    garbage.request_due(registry.services)
    registry.work()
    with registry.services.database.read() as tx:
        run = store.latest(tx)
    assert run is not None and run.ended_at is not None
    assert json.loads(run.summary)["failure"].startswith("StorageUnavailable")
    folder.unlink()
    hidden.rename(folder)
    assert garbage.collect(registry.services).objects == len(ONE.blobs)


def test_a_collection_is_due_once_in_its_time(registry: Registry) -> None:
    """Asked for every hour, by whoever looks first; not while another holds the lock."""
    services = registry.services
    garbage.request_due(services)
    garbage.request_due(services)
    assert len(registry.queue.jobs) == 1
    with services.database.exclusive(store.LOCK, services.settings.locks):
        registry.work()
    with services.database.read() as tx:
        run = store.latest(tx)
    assert run is not None and "goes on" in run.summary
    registry.clock.advance(minutes=59)
    garbage.request_due(services)
    assert registry.queue.jobs == []
    registry.clock.advance(minutes=1)
    garbage.request_due(services)
    assert len(registry.queue.jobs) == 1


@pytest.mark.parametrize("ahead", [{"days": 400}, {"minutes": 15, "microseconds": 1}])
def test_a_clock_that_was_ahead_holds_up_no_collection(registry: Registry, ahead: dict[str, float]) -> None:
    """Those of nodes may be 15 minutes apart; one that was asked for later than that is no reason to wait."""
    registry.clock.advance(**ahead)
    garbage.request_due(registry.services)
    registry.work()
    registry.clock.moment = START + timedelta(microseconds=1)
    garbage.request_due(registry.services)
    assert len(registry.queue.jobs) == ("days" in ahead)
    registry.clock.moment = START
    garbage.request_due(registry.services)
    garbage.request_due(registry.services)
    assert len(registry.queue.jobs) == 1


def test_a_blob_in_many_pieces_is_put_together(registry: Registry) -> None:
    """Nine pieces or more; its bytes are the same, before and after the old objects go."""
    repository = registry.repository()
    pieces = [bytes([number]) * 1_000 for number in range(9)]
    upload = uploads.begin(registry.services, repository, "AKIA")
    for piece in pieces:
        send(registry, repository, upload, piece)
    digest = sha256(b"".join(pieces))
    uploads.complete(registry.services, repository, "AKIA", upload, digest)
    with registry.services.database.read() as tx:
        before = layers.load(tx, digest)
    assert before is not None and len(before.segments) == 9
    assert garbage.preview(registry.services).compacted == 1
    assert garbage.collect(registry.services) == Collected(compacted=1)
    with registry.services.database.read() as tx:
        after = layers.load(tx, digest)
    assert after is not None and len(after.segments) == 1
    for blob in (before, after):
        assert b"".join(registry.services.read_blob(blob)) == b"".join(pieces)
    registry.clock.advance(hours=1)
    assert garbage.collect(registry.services) == Collected(objects=9)
    assert b"".join(registry.services.read_blob(after)) == b"".join(pieces)


def test_a_damaged_blob_is_not_put_together(registry: Registry) -> None:
    """It stays as it is, for somebody to look at."""
    repository = registry.repository()
    upload = uploads.begin(registry.services, repository, "AKIA")
    for number in range(9):
        send(registry, repository, upload, bytes([number]) * 10)
    digest = sha256(b"".join(bytes([number]) * 10 for number in range(9)))
    blob = uploads.complete(registry.services, repository, "AKIA", upload, digest)
    registry.services.blobs.put(blob.segments[4].object_key, b"0123456789")
    assert garbage.collect(registry.services) == Collected()
    with registry.services.database.read() as tx:
        assert layers.load(tx, digest) == blob


def test_an_image_is_not_stored_on_what_was_collected(registry: Registry) -> None:
    """Its push is told which layers are missing, and a push of all of it succeeds."""
    repository = registry.repository()
    for blob in ONE.blobs:
        registry.push_blob(repository, blob)
    registry.clock.advance(days=2)
    garbage.collect(registry.services)
    prepared = rules.prepare(ONE.manifest, OCI_MANIFEST)
    with pytest.raises(LayersNotFound):
        registry.services.database.run(lambda tx: rules.put(tx, registry.services, repository, prepared, "latest"))
    registry.push(repository, ONE)
    assert readable(registry, repository, ONE)


def test_manifests_that_repositories_share(registry: Registry) -> None:
    """One is kept as long as any image has it, or could come back with it."""
    one, two = registry.repository("one"), registry.repository("two")
    registry.push(one, ONE)
    registry.push(two, ONE)
    delete(registry, one, ONE.digest)
    registry.clock.advance(hours=12)
    delete(registry, two, ONE.digest)

    def kept() -> Any:
        with registry.services.database.read() as tx:
            return tx.execute(sa.select(sa.func.count()).select_from(manifests)).scalar()

    registry.clock.advance(hours=12)
    assert collect(registry).manifests == 0
    assert kept() == 1
    registry.clock.advance(hours=12)
    assert collect(registry).manifests == 1
    assert kept() == 0


def test_a_head_keeps_what_a_client_will_not_send(registry: Registry) -> None:
    """Told that the layer is there, a client may take most of a day to send its manifest."""
    api = clocked(registry)
    api.call("CreateRepository", repositoryName="app")
    for blob in ONE.blobs:
        api.oci("POST", f"/v2/app/blobs/uploads/?digest={sha256(blob)}", blob)
    registry.clock.advance(hours=HOURS - 1)
    for blob in ONE.blobs[:-1]:
        assert api.oci("HEAD", f"/v2/app/blobs/{sha256(blob)}").status_code == 200
    last = sha256(ONE.blobs[-1])
    checked = api.call("BatchCheckLayerAvailability", repositoryName="app", layerDigests=[last])
    assert checked["layers"][0]["layerAvailability"] == "AVAILABLE"
    registry.clock.advance(hours=HOURS - 1)
    assert collect(registry) == Collected()
    assert api.oci("PUT", "/v2/app/manifests/1", ONE.manifest, content_type=OCI_MANIFEST).status_code == 201


def test_a_date_that_was_moved_meanwhile_stays(registry: Registry) -> None:
    """A client is told that the layer is there just as its time is over: it is looked at again after that promise."""
    repository = registry.repository()
    registry.push_blob(repository, ONE.blobs[-1])
    digest, due = sha256(ONE.blobs[-1]), registry.clock() + timedelta(hours=HOURS)
    with registry.services.database.write() as tx:
        layers.postpone(tx, repository.id, [digest], due + timedelta(hours=HOURS))
        assert store.review_links(tx, repository.id, [digest], due) == []
    registry.clock.advance(hours=2 * HOURS)
    assert collect(registry).blobs == 1


def test_a_sync_that_fails_beside_one_that_succeeds_takes_nothing(registry: Registry) -> None:
    """A client tries again while its first request hangs: what was acknowledged to the second stays."""
    services = registry.services
    working = FolderStorage(services.settings.data / "blobs", durability="full")
    repository = registry.repository()
    digest = sha256(b"data")

    class Hanging(FolderStorage):
        def sync(self, keys: Iterable[str]) -> None:
            uploads.complete(replace(services, blobs=working), repository, "AKIA", upload, digest)
            raise StorageUnsynced("the disk")

    hanging = replace(services, blobs=Hanging(services.settings.data / "blobs", durability="full"))
    upload = uploads.begin(services, repository, "AKIA")
    receiver = uploads.SegmentReceiver(services, lasting=False)
    receiver.write(b"data")
    uploads.append(services, repository, "AKIA", upload, receiver.finish())
    with pytest.raises(StorageUnavailable):
        uploads.complete(hanging, repository, "AKIA", upload, digest)
    with services.database.read() as tx:
        blob = layers.find(tx, repository.id, digest)
    assert blob is not None
    assert b"".join(services.read_blob(blob)) == b"data"


@pytest.mark.parametrize("left", [None, b"", b"dat"], ids=["gone", "empty", "short"])
def test_what_was_lost_comes_back_by_a_push(registry: Registry, left: bytes | None) -> None:
    """Of a blob whose object is gone or cut, the bytes that are pushed again take the place."""
    services, repository = registry.services, registry.repository()
    registry.push_blob(repository, b"data")
    with services.database.read() as tx:
        before = layers.find(tx, repository.id, sha256(b"data"))
    assert before is not None
    services.blobs.delete(before.segments[0].object_key)
    if left is not None:
        services.blobs.put(before.segments[0].object_key, left)
    other = registry.repository("team/other")
    # Whoever asks first, as clients do, is told to send it.
    assert clocked(registry).oci("HEAD", f"/v2/{repository.name}/blobs/{before.digest}").status_code == 404
    assert uploads.mount(services, other, repository, before.digest) is None
    registry.push_blob(other, b"data")
    with services.database.read() as tx:
        after = layers.find(tx, repository.id, sha256(b"data"))
    assert after is not None
    assert b"".join(services.read_blob(after)) == b"data"
    registry.clock.advance(hours=2)
    collect(registry)
    assert objects(registry) == 1


def test_a_sync_that_does_not_begin_takes_nothing(registry: Registry) -> None:
    """Where no file can be opened the upload stays as it is: its end is tried again."""
    services = registry.services
    lasting = replace(services, blobs=FolderStorage(services.settings.data / "blobs", durability="full"))
    repository = registry.repository()
    upload = uploads.begin(lasting, repository, "AKIA")
    receiver = uploads.SegmentReceiver(lasting, lasting=False)
    receiver.write(b"data")
    uploads.append(lasting, repository, "AKIA", upload, receiver.finish())
    with no_file_to_open(), pytest.raises(StorageUnavailable):
        uploads.complete(lasting, repository, "AKIA", upload, sha256(b"data"))
    uploads.complete(lasting, repository, "AKIA", upload, sha256(b"data"))


def test_a_sync_that_fails_takes_its_bytes_away(registry: Registry) -> None:
    """The kernel forgets what it could not write: the next sync would succeed, and the bytes be lost with the power. So
    they have to come again."""

    class Failing(FolderStorage):
        def sync(self, keys: Iterable[str]) -> None:
            raise StorageUnsynced("the disk")

    services = registry.services
    failing = replace(services, blobs=Failing(services.settings.data / "blobs", durability="full"))
    working = replace(services, blobs=FolderStorage(services.settings.data / "blobs", durability="full"))
    repository = registry.repository()
    upload = uploads.begin(failing, repository, "AKIA")
    receiver = uploads.SegmentReceiver(failing, lasting=False)
    receiver.write(b"data")
    uploads.append(failing, repository, "AKIA", upload, receiver.finish())
    last = uploads.received(working, [b" and more"])
    with pytest.raises(StorageUnavailable):
        uploads.finish(failing, repository, "AKIA", upload, last, sha256(b"data and more"))
    with pytest.raises(BlobUploadUnknown):
        uploads.complete(working, repository, "AKIA", upload, sha256(b"data"))
    assert objects(registry) == 0
