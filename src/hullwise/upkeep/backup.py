"""Making a backup of an installation that may be serving meanwhile.

    no collection of garbage ┌ no publication ┌ one read transaction: rows of every table
                             │                └ generation files, which a publication may drop
                             │ blobs that those rows name, unless they are in the folder already
                             │ those that the storage has lost, from the objects of the backup before
                             │ keys, and then the manifest: now it is the folder's backup
                             └ what only earlier backups needed goes, unless something is lacking

A push beside it is in the backup whole or not at all, as its transaction is. Blobs never change, and nothing but the
collector removes one, so that they can be read long after the rows.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import hullwise
from hullwise import durable
from hullwise.blobs.errors import ObjectMissing
from hullwise.blobs.folder import FolderStorage
from hullwise.blobs.storage import ObjectStorage
from hullwise.services import Services
from hullwise.settings import Settings
from hullwise.store import garbage, layers, publications, schema
from hullwise.store.layers import Blob
from hullwise.store.locks import Lock
from hullwise.store.tables import metadata, upload_segments, uploads
from hullwise.upkeep import content, contents, manifest, rows
from hullwise.upkeep.content import Finding, Patience
from hullwise.upkeep.errors import BrokenBackup, FolderInUse, ForeignFolder, NoBackup
from hullwise.upkeep.keyset import KeySet
from hullwise.upkeep.manifest import KEYS, LOCK, OBJECTS, SECRET_FILE, Manifest

LEFT_OUT = frozenset({uploads.name, upload_segments.name})
"""Uploads in progress: no client goes on with one on another installation."""

Progress = Callable[[int, int], None]
"""Called with bytes of objects that are done, and how many there are in all."""


@dataclass(frozen=True, slots=True)
class Made:
    manifest: Manifest
    copied: int
    """Objects that were not in the folder before."""
    copied_bytes: int
    kept: tuple[str, ...]
    """Contents that the storage has lost, and the backup before had."""
    mended: tuple[str, ...]
    """Contents that were damaged in the folder, and are written again."""


def make(services: Services, folder: Path, progress: Progress = lambda *_: None, *, verify: bool = False) -> Made:
    """Make a backup in the folder. On return it is whole and durable there; what it replaced was usable until then.
    With `verify` what is in the folder already is read: what is damaged there is written again.

    Contents that are damaged or missing both in the storage and in the folder are left out and listed in the manifest;
    no object goes from the folder then. Raises ForeignFolder, FolderInUse, StorageSilent where blob storage as a whole
    does not answer, LockLost where something may have been collected meanwhile, and OSError or StorageUnavailable, with
    a path in the folder, where its disk is full: what the folder held it holds.
    """
    exclusive, locks = services.database.exclusive, services.settings.locks
    with (
        durable.named(folder),
        _held(services, folder) as before,
        exclusive(garbage.LOCK, locks) as collector,
        KeySet() as named,
    ):
        made = _Making(services, folder, named, progress, verify, collector)
        rows_folder = folder / f"rows-{secrets.token_hex(8)}"
        rows_folder.mkdir()
        try:
            with exclusive("publication", locks) as publisher:
                found = made.rows(rows_folder)
                made.generations(found)
                publisher.check()
            made.blobs(found)
            made.keep(before)
            # Whoever collected meanwhile may have taken what these rows name.
            collector.check()
            written = made.finish(found)
        except BaseException:
            shutil.rmtree(rows_folder, ignore_errors=True)
            raise
        _tidy(folder, written, made.target, named)
    return Made(written, made.copied, made.copied_bytes, tuple(made.kept), tuple(made.mended))


@contextmanager
def _held(services: Services, folder: Path) -> Iterator[Manifest | None]:
    """The folder is ours alone, and holds this backup of this installation or nothing."""
    import fcntl

    _check_place(services.settings, folder)
    durable.make(folder, 0o700)
    if not (folder / manifest.NAME).exists() and not (folder / LOCK).exists() and any(folder.iterdir()):
        raise ForeignFolder(folder, "holds something else than a backup")
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(folder) from error
        try:
            before = manifest.read(folder)
        except NoBackup:
            before = None
        if before is not None and before.fingerprint != manifest.known_by(services.secret):
            raise ForeignFolder(folder, "holds the backup of another installation")
        yield before


def _check_place(settings: Settings, folder: Path) -> None:
    """A backup is not mixed up with what it is of."""
    here, data = folder.resolve(), settings.data.resolve()
    own = [settings.advisories.resolve(), settings.locks.resolve()]
    if not settings.blobs.startswith("s3://"):
        own.append(Path(settings.blobs.removeprefix("file://")).resolve())
    if here == data or any(here == place or place in here.parents for place in own):
        raise ForeignFolder(folder, "is where the installation itself keeps its data")


@dataclass(slots=True)
class _Making:
    services: Services
    folder: Path
    named: KeySet
    """Keys of the objects that belong to the backup."""
    progress: Progress
    verify: bool
    collector: Lock
    """Held, nothing is collected."""
    target: ObjectStorage = field(init=False)
    lacking: dict[str, Blob | None] = field(default_factory=dict)
    """By name; None: nobody knows its size."""
    kept: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    patience: Patience = field(default_factory=Patience)
    objects: int = 0
    bytes: int = 0
    copied: int = 0
    copied_bytes: int = 0
    done: int = 0
    total: int = 0

    def __post_init__(self) -> None:
        self.target = FolderStorage(self.folder / OBJECTS, durability="full")

    def rows(self, folder: Path) -> Manifest:
        """The rows of one moment, and a manifest that says nothing of objects yet."""
        with self.services.database.read() as tx:
            revision = schema.current(tx)
            assert revision is not None
            made_at = self.services.clock()
            _, self.total = layers.total(tx)
            keys = publications.kept_files(tx)
            written = [rows.write(tx, table, folder) for table in metadata.sorted_tables if table.name not in LEFT_OUT]
        durable.sync(folder)
        return Manifest(
            format=manifest.FORMAT,
            version=hullwise.__version__,
            schema=revision,
            made_at=made_at,
            folder=folder.name,
            tables=tuple(written),
            generations=tuple(sorted(keys)),
            objects=0,
            bytes=0,
            lacking=(),
            keys=(),
            fingerprint=manifest.known_by(self.services.secret),
        )

    def generations(self, found: Manifest) -> None:
        for key in found.generations:
            try:
                self._take(contents.generation(key, self.services.blobs), key)
            except ObjectMissing:
                self.lacking[key] = None

    def blobs(self, found: Manifest) -> None:
        for blob in contents.blobs(self.folder / found.folder, found):
            self._take(blob, blob.digest)

    def _take(self, blob: Blob, name: str) -> None:
        start = self.done
        there = content.is_there(self.target, blob)
        rotten = there and self.verify and content.examine(self.target, blob, self._tell) is not None
        if rotten or not there:
            self.done = start
            finding = self._copy(blob, rotten)
            self.patience.note(finding)
            if finding is not None:
                self.lacking[name] = blob
                return
            if rotten:
                self.mended.append(name)
            self.copied += len(blob.segments)
            self.copied_bytes += blob.size
        self.done = start
        self._tell(blob.size)
        self._belongs(blob)

    def _copy(self, blob: Blob, rotten: bool) -> Finding | None:
        self.collector.check()
        source = self.services.blobs
        # What is left of a damaged copy stays until there is a better one.
        finding = content.examine(source, blob) if rotten else None
        return finding or content.copy(blob, source, self.target, verify=True, told=self._tell)

    def _belongs(self, blob: Blob) -> None:
        self.objects += len(blob.segments)
        self.bytes += blob.size
        self.named.add((segment.object_key, segment.size) for segment in blob.segments)

    def keep(self, before: Manifest | None) -> None:
        """What is lacking and was in the backup before, whose objects may be cut otherwise, is in this one too."""
        for key in [key for key in self.lacking if key.startswith("generations/")]:
            with suppress(ObjectMissing):
                file = contents.generation(key, self.target)
                if content.examine(self.target, file) is None:
                    self._keep(key, file)
        if before is None or not self.lacking:
            return
        # Rows that cannot be read tell nothing.
        with suppress(BrokenBackup):
            for old in contents.blobs(self.folder / before.folder, before):
                blob = self.lacking.get(old.digest)
                if blob is not None and content.recut(old, blob, self.target) is None:
                    self._keep(old.digest, blob)

    def _keep(self, name: str, blob: Blob) -> None:
        del self.lacking[name]
        self.kept.append(name)
        self._belongs(blob)

    def _tell(self, size: int) -> None:
        self.done += size
        self.progress(self.done, max(self.total, self.done))

    def finish(self, found: Manifest) -> Manifest:
        """The backup is whole when this returns."""
        written = msgspec.structs.replace(
            found,
            objects=self.objects,
            bytes=self.bytes,
            lacking=tuple(self.lacking),
            keys=tuple(self._keys()),
        )
        manifest.write(self.folder, written, self.services.secret)
        return manifest.read(self.folder)

    def _keys(self) -> Iterator[str]:
        settings = self.services.settings
        for name in KEYS:
            source = settings.data / name
            if source.exists() and not (name == SECRET_FILE and settings.secret_key):
                copy_key(source, self.folder / name)
                yield name


def copy_key(source: Path, target: Path) -> None:
    """A durable copy that its owner alone may read, in place of what was there."""
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    with durable.named(target):
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(source.read_bytes())
        durable.put(partial, target)


def _tidy(folder: Path, written: Manifest, target: ObjectStorage, named: KeySet) -> None:
    """Remove what is not part of the backup: rows of earlier ones, and objects that only those had, unless something is
    lacking: they may be what is left of it."""
    for left in folder.glob("rows-*"):
        if left.name != written.folder:
            shutil.rmtree(left)
    if not written.lacking:
        for stored in target.list():
            if stored.key not in named:
                target.delete(stored.key)
    for name in KEYS:
        if name not in written.keys:
            (folder / name).unlink(missing_ok=True)
