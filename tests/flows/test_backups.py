"""A backup holds an installation whole, and restores it on another engine and another storage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from hullwise import app
from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.auth import keys
from hullwise.blobs.keys import generation as generation_key
from hullwise.cli.opening import prepare
from hullwise.domain.scan_rules import ScanRule
from hullwise.domain.scans import Frequency, ScanStatus, ScanType
from hullwise.jobs.queue import FOLLOW_CONFIGURATION, PUBLISH, SCAN_IMAGE, SYNC
from hullwise.registry import garbage, uploads
from hullwise.registry import repositories as repository_rules
from hullwise.scanning import configuration, publication
from hullwise.sealing import SecretUnusable
from hullwise.store import accounts, assessments, configurations, feeds, layers, publications, repositories, scans
from hullwise.store.needs import ImageNeed, RepositoryNeed
from hullwise.store.repositories import Repository
from hullwise.store.tables import blob_segments, image_scans, receivers
from hullwise.store.tables import scans as scans_table
from hullwise.upkeep import backup, manifest, restoration
from hullwise.upkeep.content import Damage
from hullwise.upkeep.errors import (
    BackupTooNew,
    BrokenBackup,
    DamagedContents,
    FolderInUse,
    ForeignFolder,
    NoBackup,
    NotEmpty,
    WrongSecret,
)
from tests.support.advisories import osv, write
from tests.support.backups import (
    KINDS,
    Places,
    everything,
    objects,
    restored,
    rewrite,
    rewrite_rows,
    table_of,
)
from tests.support.continuous import begin, check_current, finding_names
from tests.support.images import image, layer, python_packages, sha256
from tests.support.registry import ACCOUNT, REGION, Registry
from tests.support.truth import check_matches, check_report

SOME = image([layer({"etc/motd": b"hello\n"}), layer(python_packages(flask="1.0"))])
OTHER = image([layer({"etc/motd": b"hello\n"}), layer(python_packages(mako="1.0"))])


@pytest.fixture
def places(tmp_path: Path, request: pytest.FixtureRequest) -> Places:
    return Places(tmp_path, request)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the backup goes."""
    return tmp_path / "backup"


def fill(registry: Registry) -> None:
    """Something in many tables: keys, images, scans, findings that opened and closed, events."""
    with registry.services.database.write() as tx:
        keys.create(tx, registry.services, ACCOUNT)
    registry.publish(osv("CVE-2024-0001", "flask", fixed="2.0", severity=_CRITICAL))
    repository = registry.repository()
    registry.push(repository, SOME)
    registry.work()
    continuous = registry.push(registry.repository("team/watched", scan_on_push=False), OTHER, "v1")
    begin(registry, continuous)
    with registry.services.database.write() as tx:
        current = configurations.current(tx, ACCOUNT, REGION)
        configurations.applied(tx, current.id, registry.clock())
    registry.work()
    registry.publish(osv("CVE-2024-0002", "mako"))
    registry.work()


_CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]


@pytest.mark.parametrize("there", KINDS)
@pytest.mark.parametrize("here", KINDS)
def test_everything_comes_back(places: Places, folder: Path, here: str, there: str) -> None:
    """Every row and every byte is as it was, on the same engine and storage and on others; access keys open, findings
    are those of a fresh match, and what happens next happens as it would have there."""
    with places.registry("source", here) as source:
        fill(source)
        backup.make(source.services, folder)
        rows, stored = everything(source.services), objects(source.services)
        assert sum(map(len, rows.values())) > 50
        with restored(folder, places.empty("target", there)) as target:
            assert everything(target.services) == rows
            assert objects(target.services) == stored
            assert target.queue.jobs == []
            with target.services.database.read() as tx:
                (key,) = accounts.list_keys(tx)
                first = repositories.find(tx, ACCOUNT, REGION, "team/app")
                watched = repositories.find(tx, ACCOUNT, REGION, "team/watched")
            assert first is not None and watched is not None
            assert keys.opened(target.services, key) == keys.opened(source.services, key)
            check_matches(target.services)
            check_current(target.services, target.image(watched, OTHER.digest).id)
            target.publish(osv("CVE-2024-0003", "mako"))
            again = target.push(target.repository("team/new"), SOME)
            begin(target, again)
            target.work()
            assert check_matches(target.services) == 3
            assert check_current(target.services, again.id) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_no_id_is_given_twice(places: Places, folder: Path, kind: str) -> None:
    """An id whose row was gone before the backup is not given to another row after it; tables that never had a row
    begin with 1."""
    with places.registry("source", kind) as source:
        with source.services.database.write() as tx:
            gone = repository_rules.create(tx, source.services, account=ACCOUNT, region=REGION, name="gone")
            repositories.delete(tx, gone.id)
        backup.make(source.services, folder)
        for there in KINDS:
            with restored(folder, places.empty(f"target {KINDS.index(there)}", there)) as target:
                assert target.repository().id == gone.id + 1
                with target.services.database.write() as tx:
                    assert assessments.new_vulnerability(tx, 1) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_unfinished_is_finished(places: Places, folder: Path, kind: str) -> None:
    """Scans that waited or ran, a publication on its way, a sync and a configuration that nobody had followed yet are
    queued again, and end."""
    with places.registry("source", kind) as source:
        services = source.services
        source.publish(osv("CVE-2024-0001", "flask"))
        waiting = source.push(source.repository("waiting"), SOME)
        running = source.push(source.repository("running"), OTHER)
        with services.database.write() as tx:
            scan = scans.get(tx, source.scans_of(running).latest.id)
            assert scan is not None
            scans.move(tx, scan, ScanStatus.IN_PROGRESS, "", now=services.clock(), final=False)
            every = [ScanRule(Frequency.CONTINUOUS_SCAN, ("*",))]
            followed = configuration.put(tx, services, ACCOUNT, REGION, ScanType.ENHANCED, every)
            sync = feeds.request_sync(tx, services.clock())
        _begin_publication(source, osv("CVE-2024-0002", "mako"))
        backup.make(services, folder)
    with restored(folder, places.empty("target", kind)) as target:
        services = target.services
        with services.database.read() as tx:
            begun = publications.unfinished(tx)
        assert begun is not None
        assert [job for job in target.queue.jobs if job[0] != SCAN_IMAGE] == [
            (PUBLISH, begun.id),
            (FOLLOW_CONFIGURATION, followed.id),
            (SYNC, sync),
        ]
        assert len([job for job in target.queue.jobs if job[0] == SCAN_IMAGE]) == 2
        # Feeds are another suite's.
        target.queue.jobs.remove((SYNC, sync))
        target.work()
        assert check_matches(services) == 2
        assert check_report(services, waiting.id).names == ("CVE-2024-0001",)
        # The basic ones ended before the head moved, and stay as they were.
        assert check_report(services, running.id).names == ()
        assert [check_current(services, found.id) for found in (waiting, running)] == [2, 2]
        assert finding_names(services, running.id) == ["CVE-2024-0002"]


def _begin_publication(registry: Registry, *records: dict[str, Any]) -> None:
    """One whose process dies before the head moves."""
    path = write(registry.folder / "begun", *records)

    def die(what: str, done: int, total: int) -> None:
        if done == total:
            raise RuntimeError

    def load(builder: GenerationBuilder) -> None:
        documents.load([path], builder)

    with pytest.raises(RuntimeError):
        publication.publish(registry.services, load, die)


def test_uploads_in_progress_are_left_out(places: Places, folder: Path) -> None:
    """Neither their rows nor their bytes are in the backup."""
    with places.registry("source") as source:
        repository = source.repository()
        source.push_blob(repository, b"done")
        upload = uploads.begin(source.services, repository, "AKIATEST")
        receiver = uploads.SegmentReceiver(source.services)
        receiver.write(b"on its way")
        uploads.append(source.services, repository, "AKIATEST", upload, receiver.finish())
        made = backup.make(source.services, folder)
        assert (made.manifest.objects, made.manifest.bytes) == (1, 4)
        with restored(folder, places.empty("target")) as target:
            assert list(objects(target.services).values()) == [b"done"]
            with target.services.database.read() as tx:
                assert tx.execute(sa.text("SELECT count(*) FROM hw_uploads")).scalar() == 0


def test_a_second_backup_copies_what_is_new(places: Places, folder: Path) -> None:
    """Objects that are in the folder are not copied again; those that nothing needs any more go, and so do the rows of
    the backup before."""
    with places.registry("source") as source:
        repository = source.repository(scan_on_push=False)
        source.push_blob(repository, b"one")
        source.push_blob(repository, b"two!")
        first = backup.make(source.services, folder)
        assert (first.copied, first.copied_bytes) == (2, 7)
        source.push_blob(repository, b"three")
        with source.services.database.write() as tx:
            # As the collector of garbage does.
            tx.execute(sa.text("DELETE FROM hw_repository_blobs WHERE digest = :it"), {"it": sha256(b"one")})
            tx.execute(sa.text("DELETE FROM hw_blobs WHERE digest = :it"), {"it": sha256(b"one")})
        second = backup.make(source.services, folder)
        assert (second.copied, second.copied_bytes) == (1, 5)
        assert (second.manifest.objects, second.manifest.bytes) == (2, 9)
        kept = [path for path in (folder / "objects").rglob("*") if path.is_file()]
        assert sorted(path.read_bytes() for path in kept) == [b"three", b"two!"]
        assert [path.name for path in folder.glob("rows-*")] == [second.manifest.folder]
        with restored(folder, places.empty("target")) as target:
            assert everything(target.services) == everything(source.services)


def test_an_interrupted_backup_never_looks_whole(places: Places, folder: Path) -> None:
    """The first leaves no backup; a later one leaves that which was there before, and the next one goes on."""
    with places.registry("source") as source:
        repository = source.repository(scan_on_push=False)
        source.push_blob(repository, b"one")

        def die(done: int, total: int) -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            backup.make(source.services, folder, die)
        with pytest.raises(NoBackup):
            restoration.open_backup(folder)
        before = everything(source.services)
        backup.make(source.services, folder)
        source.push_blob(repository, b"two")
        with pytest.raises(RuntimeError):
            backup.make(source.services, folder, die)
        with restored(folder, places.empty("target")) as target:
            assert everything(target.services) == before
        backup.make(source.services, folder)
        with restored(folder, places.empty("later")) as target:
            assert everything(target.services) == everything(source.services)
    assert len(list(folder.glob("rows-*"))) == 1


def test_blobs_of_several_segments(places: Places, folder: Path) -> None:
    """A blob that came in parts is verified as a whole; one without any bytes comes back too."""
    parts = [b"one", b"two", b"three"]
    with places.registry("source") as source:
        repository = source.repository()
        upload = uploads.begin(source.services, repository, "AKIATEST")
        for part in parts:
            receiver = uploads.SegmentReceiver(source.services)
            receiver.write(part)
            uploads.append(source.services, repository, "AKIATEST", upload, receiver.finish())
        uploads.complete(source.services, repository, "AKIATEST", upload, sha256(b"".join(parts)))
        empty = uploads.begin(source.services, repository, "AKIATEST")
        uploads.complete(source.services, repository, "AKIATEST", empty, sha256(b""))
        assert backup.make(source.services, folder).manifest.objects == 3
        stored = objects(source.services)
        with restored(folder, places.empty("target")) as target:
            assert objects(target.services) == stored
        # Two parts change places: each is whole, in its size, and the blob is another.
        one, two = (next(key for key, data in stored.items() if data == part) for part in parts[:2])
        (folder / "objects" / one).write_bytes(b"two")
        (folder / "objects" / two).write_bytes(b"one")
        with pytest.raises(BrokenBackup, match=sha256(b"onetwothree")), restored(folder, places.empty("other")):
            pass


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _truncate(path: Path, lost: int = 1) -> None:
    path.write_bytes(path.read_bytes()[:-lost])


def _object(folder: Path) -> Path:
    return next(path for path in sorted((folder / "objects" / "segments").rglob("*")) if path.is_file())


def _edit(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"lacking": []', f'"lacking": ["{sha256(b"x")}"]'))
    assert sha256(b"x") in path.read_text()


TAMPERING: dict[str, Callable[[Path], object]] = {
    "a byte of rows": lambda folder: _flip(table_of(folder, "hw_images")),
    "rows cut off": lambda folder: _truncate(table_of(folder, "hw_images")),
    "rows gone": lambda folder: table_of(folder, "hw_images").unlink(),
    "rows of another table": lambda folder: shutil.copy(
        table_of(folder, "hw_image_tags"), table_of(folder, "hw_images")
    ),
    "a byte of an object": lambda folder: _flip(_object(folder)),
    "an object cut off": lambda folder: _truncate(_object(folder)),
    "an object gone": lambda folder: _object(folder).unlink(),
    "the manifest": _edit,
    "the manifest cut off": lambda folder: _truncate(folder / "manifest.json", 9),
    "the secret gone": lambda folder: (folder / "secret.key").unlink(),
    "the secret cut off": lambda folder: (folder / "secret.key").write_text("00\n"),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_a_tampered_backup_is_refused(places: Places, folder: Path, how: str) -> None:
    """Whatever was changed: no row is restored, and the installation can still take a sound backup."""
    with places.registry("source") as source:
        source.push(source.repository(), SOME)
        backup.make(source.services, folder)
        sound = folder.with_name("sound")
        shutil.copytree(folder, sound)
        TAMPERING[how](folder)
        settings = places.empty("target")
        with pytest.raises(BrokenBackup), restored(folder, settings):
            pass
        with restored(sound, settings) as target:
            assert everything(target.services) == everything(source.services)


def test_another_secret_is_refused(places: Places, folder: Path) -> None:
    """A backup's keys can be opened with its own secret only; a folder's own secret is never written over."""
    with places.registry("source") as source:
        backup.make(source.services, folder)
        secret = source.services.secret
    (folder / "secret.key").write_text("00" * 32 + "\n")
    with pytest.raises(WrongSecret, match="was changed"), restored(folder, places.empty("changed")):
        pass
    with pytest.raises(WrongSecret, match="HULLWISE_SECRET_KEY"):
        restoration.admit(folder, places.empty("set", secret_key="11" * 32))
    taken = places.empty("taken")
    taken.data.mkdir(parents=True)
    (taken.data / "secret.key").write_text("22" * 32 + "\n")
    with pytest.raises(WrongSecret, match="is there already"):
        restoration.admit(folder, taken)
    assert (taken.data / "secret.key").read_text() == "22" * 32 + "\n"
    with restored(folder, places.empty("right", secret_key=secret.hex())) as target:
        assert target.services.secret == secret
    assert not (target.services.settings.data / "secret.key").exists()


def test_a_secret_of_the_environment_is_not_in_it(places: Places, folder: Path, tmp_path: Path) -> None:
    """Then it must be given where the backup is restored."""
    settings = places.empty("source", secret_key="11" * 32)
    prepare(settings)
    services = app.build(settings)
    backup.make(services, folder)
    services.database.close()
    assert not (folder / "secret.key").exists()
    with pytest.raises(SecretUnusable, match="HULLWISE_SECRET_KEY"):
        restoration.admit(folder, places.empty("target"))
    with restored(folder, places.empty("target", secret_key="11" * 32)) as target:
        assert everything(target.services)["hw_head"] == [(1, 0)]


def test_without_rehashing(places: Places, folder: Path) -> None:
    """Sizes are compared all the same; only a byte that changed goes unseen, as was asked for."""
    with places.registry("source") as source:
        source.push_blob(source.repository(), b"some bytes")
        backup.make(source.services, folder)
        _flip(_object(folder))
        with restored(folder, places.empty("target"), rehash=False) as target:
            (found,) = objects(target.services).values()
            assert found != b"some bytes" and len(found) == 10
        _truncate(_object(folder))
        with pytest.raises(BrokenBackup), restored(folder, places.empty("other"), rehash=False):
            pass


@pytest.mark.parametrize("kind", KINDS)
def test_only_an_empty_installation_takes_a_backup(places: Places, folder: Path, kind: str) -> None:
    """One that has so much as an account is left as it is; a fresh schema is empty."""
    with places.registry("source") as source:
        backup.make(source.services, folder)
    with places.registry("used", kind) as used:
        before = everything(used.services)
        settings = used.services.settings
        (settings.data / "secret.key").write_text((folder / "secret.key").read_text())
        with pytest.raises(NotEmpty, match="hw_accounts"):
            restoration.admit(folder, settings)
        with pytest.raises(NotEmpty, match="hw_accounts"):
            restoration.restore(used.services, restoration.open_backup(folder), lambda tx: None)
        assert everything(used.services) == before
    fresh = places.empty("fresh", kind)
    prepare(fresh)
    with restored(folder, fresh) as target:
        assert everything(target.services)["hw_accounts"] == everything(source.services)["hw_accounts"]


# What 0004 to 0007 added.
LATER_COLUMNS = {
    "hw_receivers": {"region", "leased_until"},
    "hw_access_keys": {"user_name", "policy"},
    "hw_repositories": {"policy"},
    "hw_repository_blobs": {"review_at"},
    "hw_images": {"chain_id", "chain_ids"},
    "hw_scans": {"begun"},
    "hw_reports": {"unused_since"},
    "hw_image_tags": {"folded"},
}
LATER_TABLES = {
    *("hw_collections", "hw_condemned_objects", "hw_content_reviews", "hw_deletions", "hw_registry_policies"),
    "hw_merges",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_of_an_older_schema(places: Places, folder: Path, kind: str) -> None:
    """Its rows are loaded into the tables that they were in, and then brought to this version's: columns that came
    later have their defaults."""
    with places.registry("source", kind) as source:
        fill(source)
        with source.services.database.write() as tx:
            row = {"account_id": ACCOUNT, "kind": "webhook", "url": "https://example.org", "bus": "", "kinds": "[]"}
            tx.execute(receivers.insert().values(key_id="", sealed_secret=b"\0\1", created_at=1, **row))
        backup.make(source.services, folder)
        rows = everything(source.services)

        def older(found: manifest.Manifest) -> manifest.Manifest:
            for table, columns in LATER_COLUMNS.items():
                found = rewrite_rows(folder, found, table, columns)
            tables = [each for each in found.tables if each.name not in LATER_TABLES]
            return msgspec.structs.replace(found, schema="0003", tables=type(found.tables)(tables))

        rewrite(folder, source.services.secret, older)
        with restored(folder, places.empty("target", kind)) as target:
            # What a scan wrote into a column that came later is written by the next.
            images = [(*row[:-2], "", None) for row in rows["hw_images"]]
            begun = [(*row[:-1], 0) for row in rows["hw_scans"]]
            made = [(*row[:-1], None) for row in rows["hw_reports"]]
            later = {"hw_images": images, "hw_scans": begun, "hw_reports": made, "hw_merges": []}
            assert everything(target.services) == rows | later
            assert [row[5] for row in rows["hw_receivers"]] == [""]


def test_a_backup_of_a_later_version_is_refused(places: Places, folder: Path) -> None:
    """Of a later schema, and of a later form."""
    with places.registry("source") as source:
        backup.make(source.services, folder)
        secret = source.services.secret
    rewrite(folder, secret, lambda found: msgspec.structs.replace(found, schema="9999"))
    with pytest.raises(BackupTooNew, match="schema 9999"):
        restoration.open_backup(folder)
    rewrite(folder, secret, lambda found: msgspec.structs.replace(found, schema="0004"))
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(BackupTooNew, match="format 2"):
        restoration.open_backup(folder)


def test_what_is_damaged_is_left_out_and_named(places: Places, folder: Path) -> None:
    """The rest is backed up and comes back; an object that an earlier backup has is kept although the original is
    damaged since."""
    with places.registry("source") as source:
        fill(source)
        (upper,) = [part for part in SOME.blobs if part == SOME.layers[1].blob]
        with source.services.database.read() as tx:
            query = sa.select(blob_segments.c.object_key).where(blob_segments.c.digest == sha256(upper))
            key = tx.execute(query).scalar_one()
        path = source.services.blobs.local_path(key)
        assert path is not None
        sound = folder.with_name("sound")
        backup.make(source.services, sound)
        _flip(path)
        made = backup.make(source.services, folder)
        assert made.manifest.lacking == (sha256(upper),)
        stored = objects(source.services)
        with restored(folder, places.empty("target")) as target:
            assert everything(target.services) == everything(source.services)
            assert objects(target.services) == {name: data for name, data in stored.items() if name != key}
        assert backup.make(source.services, sound).manifest.lacking == ()
        with restored(sound, places.empty("whole")) as target:
            assert objects(target.services) == stored | {key: upper}


def test_a_lost_database_beside_its_storage(places: Places, folder: Path, tmp_path: Path) -> None:
    """Objects that the storage has are not written again; one of them that is damaged is."""
    with places.registry("source") as source:
        source.push_blob(source.repository(), b"some bytes")
        source.push_blob(source.repository("other"), b"others")
        backup.make(source.services, folder)
        stored = objects(source.services)
        blobs = source.services.settings.data / "blobs"
    damaged = next(blobs / key for key, data in stored.items() if data == b"others")
    damaged.write_bytes(b"others"[::-1])
    times = {path: path.stat().st_mtime_ns for path in blobs.rglob("*") if path.is_file()}
    with restored(folder, places.empty("target", blobs_url=str(blobs))) as target:
        assert objects(target.services) == stored
    assert [path for path, time in times.items() if path.stat().st_mtime_ns != time] == [damaged]


def test_a_backup_goes_where_nothing_else_is(places: Places, folder: Path, tmp_path: Path) -> None:
    """Not among other files, not into another installation's backup, not into the data itself, nor beside another
    backup that is being made."""
    with places.registry("source") as source, places.registry("other") as other:
        (tmp_path / "documents").mkdir()
        (tmp_path / "documents" / "letter").write_text("dear")
        with pytest.raises(ForeignFolder, match="something else"):
            backup.make(source.services, tmp_path / "documents")
        assert [path.name for path in (tmp_path / "documents").iterdir()] == ["letter"]
        for own in ("", "blobs", "blobs/below", "advisories"):
            with pytest.raises(ForeignFolder, match="its data"):
                backup.make(source.services, source.services.settings.data / own)
        backup.make(source.services, folder)
        with pytest.raises(ForeignFolder, match="another installation"):
            backup.make(other.services, folder)

        def meanwhile(done: int, total: int) -> None:
            with pytest.raises(FolderInUse):
                backup.make(source.services, folder)

        source.push_blob(source.repository(), b"some bytes")
        assert backup.make(source.services, folder, meanwhile).copied == 1


@pytest.mark.parametrize("kind", KINDS)
def test_pushes_beside_a_backup(places: Places, folder: Path, kind: str) -> None:
    """An image that comes while a backup is made is in it whole, with its scan, or not at all."""
    with places.registry("source", kind) as source:
        repository = source.repository()
        source.publish(osv("CVE-2024-0001", "flask"))
        source.push(repository, SOME, "before")
        pushed: list[str] = []

        def push(done: int, total: int) -> None:
            if len(pushed) < 3:
                content = image([layer(python_packages(flask=f"1.{len(pushed)}.1"))])
                source.push(repository, content, f"meanwhile-{len(pushed)}")
                pushed.append(content.digest)

        backup.make(source.services, folder, push)
        assert len(pushed) == 3
    with restored(folder, places.empty("target", kind)) as target:
        assert [row[2] for row in everything(target.services)["hw_images"]] == [SOME.digest]
        target.work()
        with target.services.database.read() as tx:
            states = tx.execute(sa.select(scans_table.c.status)).scalars().all()
            speaking = tx.execute(sa.select(image_scans.c.image_id)).scalars().all()
        assert states == ["COMPLETE"]
        assert speaking == [target.image(repository, SOME.digest).id]


def test_generation_files_are_named_by_their_digest(places: Places, folder: Path) -> None:
    """A file of advisories that is not what its name says is refused as a blob is."""
    with places.registry("source") as source:
        source.publish(osv("CVE-2024-0001", "flask"))
        made = backup.make(source.services, folder)
        (key,) = made.manifest.generations
        assert key == generation_key(sha256((folder / "objects" / key).read_bytes()))
    _flip(folder / "objects" / key)
    with pytest.raises(BrokenBackup), restored(folder, places.empty("target")):
        pass


def key_of(registry: Registry, data: bytes) -> str:
    """The object that has all of a blob's bytes."""
    with registry.services.database.read() as tx:
        blob = layers.load(tx, sha256(data))
    assert blob is not None
    (segment,) = blob.segments
    return segment.object_key


def push_in_parts(registry: Registry, repository: Repository, parts: list[bytes]) -> bytes:
    """A blob that came in so many requests."""
    upload = uploads.begin(registry.services, repository, "AKIATEST")
    for part in parts:
        receiver = uploads.SegmentReceiver(registry.services)
        receiver.write(part)
        uploads.append(registry.services, repository, "AKIATEST", upload, receiver.finish())
    uploads.complete(registry.services, repository, "AKIATEST", upload, sha256(b"".join(parts)))
    return b"".join(parts)


def objects_in(folder: Path) -> dict[str, bytes]:
    """What lies in a backup's folder, by key."""
    found = folder / "objects"
    paths = [path for path in found.rglob("*") if path.is_file()]
    return {str(path.relative_to(found)): path.read_bytes() for path in paths}


PARTS = [b"%04d" % number for number in range(80)]
"""More than a collection leaves as they are."""

LOSSES: dict[str, Callable[[Path], object]] = {"a byte changed": _flip, "cut off": _truncate, "gone": Path.unlink}


@pytest.mark.parametrize("how", LOSSES)
def test_the_last_good_copy_is_kept(places: Places, folder: Path, how: str) -> None:
    """A blob that the collector wrote into one object, which was damaged before it was ever backed up: the next backup
    has it out of the many objects of the one before, and so has each after it."""
    with places.registry("source") as source:
        repository = source.repository(scan_on_push=False)
        body = push_in_parts(source, repository, PARTS)
        source.push_blob(repository, b"another")
        assert backup.make(source.services, folder).manifest.objects == 81
        assert garbage.collect(source.services).compacted == 1
        key = key_of(source, body)
        path = source.services.blobs.local_path(key)
        assert path is not None
        LOSSES[how](path)
        second = backup.make(source.services, folder)
        assert (second.kept, second.manifest.lacking) == ((sha256(body),), ())
        assert (second.manifest.objects, second.manifest.bytes) == (2, 327)
        assert objects_in(folder) == {key: body, key_of(source, b"another"): b"another"}
        third = backup.make(source.services, folder)
        assert (third.kept, third.manifest.lacking, third.copied) == ((), (), 0)
        with restored(folder, places.empty("target")) as target:
            assert everything(target.services) == everything(source.services)
            assert objects(target.services)[key] == body


def test_nothing_goes_while_something_is_lacking(places: Places, folder: Path) -> None:
    """Where the copy of the backup before is damaged as well, its objects stay until the blob is whole again."""
    with places.registry("source") as source:
        repository = source.repository(scan_on_push=False)
        body = push_in_parts(source, repository, PARTS)
        backup.make(source.services, folder)
        garbage.collect(source.services)
        path = source.services.blobs.local_path(key_of(source, body))
        assert path is not None
        _flip(path)
        _flip(_object(folder))
        left = objects_in(folder)
        for _ in range(2):
            made = backup.make(source.services, folder)
            assert (made.kept, made.manifest.lacking) == ((), (sha256(body),))
            assert objects_in(folder) == left
        _flip(path)
        assert backup.make(source.services, folder).manifest.lacking == ()
        assert objects_in(folder) == {key_of(source, body): body}


def test_a_generation_of_an_earlier_backup(places: Places, folder: Path) -> None:
    """A file of advisories that the storage has lost stays in the backup, as long as it has its digest there."""
    with places.registry("source") as source:
        source.publish(osv("CVE-2024-0001", "flask"))
        backup.make(source.services, folder)
        (key,) = [key for key in objects_in(folder) if key.startswith("generations/")]
        source.services.blobs.delete(key)
        made = backup.make(source.services, folder)
        assert (made.kept, made.manifest.lacking) == ((key,), ())
        with restored(folder, places.empty("target")) as target:
            assert objects(target.services) == objects_in(folder)
        _flip(folder / "objects" / key)
        made = backup.make(source.services, folder)
        assert (made.kept, made.manifest.lacking) == ((), (key,))


def test_what_is_in_the_folder_is_read_where_that_is_wanted(places: Places, folder: Path) -> None:
    """A byte that changed there goes unseen by its size, and is found by its digest: it is written again from the
    storage. Where that has it damaged too, what is left stays, and it is lacking."""
    with places.registry("source") as source:
        repository = source.repository(scan_on_push=False)
        source.push_blob(repository, b"some bytes")
        two = push_in_parts(source, repository, [b"in ", b"parts"])
        source.push_blob(repository, b"sound")
        backup.make(source.services, folder)
        sound = objects_in(folder)
        for key, data in sound.items():
            if data in {b"some bytes", b"in "}:
                _flip(folder / "objects" / key)
        rotten = objects_in(folder)
        unseen = backup.make(source.services, folder)
        assert (unseen.copied, unseen.mended, objects_in(folder)) == (0, (), rotten)
        told: list[tuple[int, int]] = []
        made = backup.make(source.services, folder, lambda done, total: told.append((done, total)), verify=True)
        assert {*made.mended} == {sha256(b"some bytes"), sha256(two)}
        assert (made.copied, made.copied_bytes, made.manifest.lacking) == (3, 18, ())
        assert objects_in(folder) == sound
        assert told[-1] == (23, 23)
        again = backup.make(source.services, folder, verify=True)
        assert (again.copied, again.mended) == (0, ())
        for key, data in sound.items():
            if data == b"in ":
                _flip(folder / "objects" / key)
            if data == b"parts":
                path = source.services.blobs.local_path(key)
                assert path is not None
                _flip(path)
        left = objects_in(folder)
        lost = backup.make(source.services, folder, verify=True)
        assert (lost.mended, lost.kept, lost.manifest.lacking) == ((), (), (sha256(two),))
        assert objects_in(folder) == left


@pytest.mark.parametrize("rehash", [True, False])
@pytest.mark.parametrize("how", ["cut off", "gone"])
def test_all_but_the_damaged_is_restored(places: Places, folder: Path, how: str, rehash: bool) -> None:
    """A blob and a file of advisories of a backup are damaged: it is refused with their names, and then restored
    without them. Every row is there, and every other object."""
    with places.registry("source") as source:
        fill(source)
        backup.make(source.services, folder)
        upper, generation = key_of(source, SOME.layers[1].blob), _generations(folder)[0]
        for key in (upper, generation):
            LOSSES[how](folder / "objects" / key)
        settings = places.empty("target")
        names = f"{generation}, {sha256(SOME.layers[1].blob)}"
        with (
            pytest.raises(DamagedContents, match=rf"{names}: missing or damaged\. --skip-damaged"),
            restored(folder, settings, rehash=rehash),
        ):
            pass
        with restored(folder, settings, rehash=rehash, skip_damaged=True) as target:
            assert everything(target.services) == everything(source.services)
            stored = objects(source.services)
            assert objects(target.services) == {
                key: data for key, data in stored.items() if key not in {upper, generation}
            }


def _generations(folder: Path) -> list[str]:
    return sorted(key for key in objects_in(folder) if key.startswith("generations/"))


def test_what_is_skipped_is_told(places: Places, folder: Path) -> None:
    """With its damage and who needs it, after what the backup never had; what the storage has already is not
    lacking."""
    with places.registry("source") as source:
        repository = source.repository(scan_on_push=False)
        source.push(repository, SOME, "v1")
        source.push_blob(repository, b"never had")
        source.push_blob(repository, b"there already")
        source.services.blobs.delete(key_of(source, b"never had"))
        made = backup.make(source.services, folder)
        assert made.manifest.lacking == (sha256(b"never had"),)
        _flip(folder / "objects" / key_of(source, SOME.layers[1].blob))
        (folder / "objects" / key_of(source, b"there already")).unlink()
        settings = places.empty("target")
        found = restoration.admit(folder, settings, skip_damaged=True)
        prepare(settings)
        services = app.build(settings)
        services.blobs.put(key_of(source, b"there already"), b"there already")
        with pytest.raises(DamagedContents, match=sha256(SOME.layers[1].blob)):
            restoration.restore(services, found, lambda tx: None)
        done = restoration.restore(services, found, lambda tx: None, skip_damaged=True)
        first, second = done.lacking
        team = RepositoryNeed(ACCOUNT, REGION, "team/app", ())
        assert (first.name, first.damage, first.repositories) == (sha256(b"never had"), Damage.MISSING, (team,))
        assert first.why == "it was damaged or missing when the backup was made"
        tagged = RepositoryNeed(ACCOUNT, REGION, "team/app", (ImageNeed(SOME.digest, ("v1",)),))
        assert (second.name, second.damage, second.repositories) == (
            sha256(SOME.layers[1].blob),
            Damage.DIGEST,
            (tagged,),
        )
        assert (done.skipped, done.objects) == (1, 3)
        assert done.bytes == len(SOME.layers[0].blob) + len(SOME.config) + len(b"there already")
        services.database.close()


@pytest.mark.parametrize("how", [name for name in TAMPERING if "object" not in name])
def test_skipping_is_for_objects_alone(places: Places, folder: Path, how: str) -> None:
    """Rows, manifest and secret are whole, or nothing is restored."""
    with places.registry("source") as source:
        source.push(source.repository(), SOME)
        backup.make(source.services, folder)
    TAMPERING[how](folder)
    with pytest.raises(BrokenBackup), restored(folder, places.empty("target"), skip_damaged=True):
        pass
