"""Restoring a backup into an empty installation.

    the manifest is as the secret signed it; each file of rows as the manifest says; each object there
        ─▶ objects, verified as they are copied; those that are damaged are skipped where that is wanted
        ─▶ one transaction: tables of the backup's revision, rows, the steps to this version's, unfinished work queued

Until that transaction commits the installation is empty, and the same restore can be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError

from hullwise import durable, sealing
from hullwise.blobs.errors import ObjectMissing
from hullwise.blobs.folder import FolderStorage
from hullwise.blobs.storage import ObjectStorage
from hullwise.domain import digests
from hullwise.sealing import SecretUnusable
from hullwise.services import Services
from hullwise.settings import Settings
from hullwise.store import engine, garbage, needs, schema
from hullwise.store.engine import Database
from hullwise.store.layers import Blob
from hullwise.store.tables import head, metadata
from hullwise.upkeep import content, contents, manifest, rows
from hullwise.upkeep.backup import Progress, copy_key
from hullwise.upkeep.content import Damage, Finding, Patience
from hullwise.upkeep.errors import BackupTooNew, BrokenBackup, DamagedContents, NotEmpty, WrongSecret
from hullwise.upkeep.manifest import KEYS, OBJECTS, SECRET_FILE, Manifest, Table
from hullwise.upkeep.scrub import DamagedContent, damaged_content

Resume = Callable[[sa.Connection], None]
"""Queues what the restored rows say is unfinished, in the transaction that restores them."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that lies in a folder, which may be read only."""

    folder: Path
    manifest: Manifest
    objects: ObjectStorage

    @property
    def rows(self) -> Path:
        return self.folder / self.manifest.folder

    def named(self, *also: ObjectStorage) -> Iterator[tuple[str, Blob | None]]:
        """Generation files and blobs that belong to it, by name; None for a file that is neither in it nor in the other
        storages. Raises BrokenBackup."""
        lacking = {*self.manifest.lacking}
        for key in self.manifest.generations:
            if key not in lacking:
                yield key, _file(key, self.objects, *also)
        for blob in contents.blobs(self.rows, self.manifest):
            if blob.digest not in lacking:
                yield blob.digest, blob


def _file(key: str, *storages: ObjectStorage) -> Blob | None:
    for storage in storages:
        with suppress(ObjectMissing):
            return contents.generation(key, storage)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    made_at: datetime
    """The moment of the backup's rows."""
    rows: int
    objects: int
    bytes: int
    """Of these objects."""
    lacking: tuple[DamagedContent, ...]
    """What is not there: those that the backup never had, and those that were skipped."""
    skipped: int


def admit(folder: Path, settings: Settings, *, skip_damaged: bool = False) -> Backup:
    """The folder's backup, once all that can be known beforehand is as it should be, but for objects where damaged ones
    are skipped; its keys are then in the data folder. Raises what the functions below do."""
    found = open_backup(folder)
    check_secret(found, settings)
    if not settings.database.startswith("sqlite:///") or Path(settings.database.removeprefix("sqlite:///")).exists():
        database = Database(settings.database, settings.durability, pool_size=2)
        try:
            check_empty(database)
        finally:
            database.close()
    verify_rows(found)
    if not skip_damaged:
        verify_objects(found)
    place_keys(found, settings)
    return found


def open_backup(folder: Path) -> Backup:
    """The folder's backup. Raises NoBackup, BrokenBackup, and BackupTooNew where a later version made it."""
    found = manifest.read(folder)
    if not schema.is_known(found.schema):
        raise BackupTooNew(f"schema {found.schema}")
    return Backup(folder, found, FolderStorage(folder / OBJECTS, durability="fast", read_only=True))


def check_secret(backup: Backup, settings: Settings) -> None:
    """The installation has the secret that the backup was made with, or none yet and the backup has it; and the
    manifest is as that secret signed it. Raises WrongSecret, BrokenBackup and SecretUnusable."""
    here, there = settings.data / SECRET_FILE, backup.folder / SECRET_FILE
    if settings.secret_key:
        secret, where = sealing.load(settings.secret_key, here), "HULLWISE_SECRET_KEY is set"
    elif here.exists():
        secret, where = sealing.load("", here), f"{here} is there already"
    elif SECRET_FILE in backup.manifest.keys:
        if not there.exists():
            raise BrokenBackup(f"{SECRET_FILE} is missing")
        try:
            secret, where = sealing.load("", there), f"{there} was changed"
        except SecretUnusable as error:
            raise BrokenBackup(str(error)) from error
    else:
        raise SecretUnusable(
            f"The backup has no {SECRET_FILE}: set HULLWISE_SECRET_KEY to what it was where it was made"
        )
    if manifest.known_by(secret) != backup.manifest.fingerprint:
        raise WrongSecret(where)
    manifest.check(backup.manifest, secret)


def check_empty(database: Database) -> None:
    """Raises NotEmpty where the database has any row of ours but those that a fresh schema has."""
    with database.read() as tx:
        _check_empty(tx)


def _check_empty(tx: sa.Connection) -> None:
    for name in schema.tables(tx):
        # The head's row comes with the schema; where it names a generation there are others.
        if name != head.name and tx.execute(sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)).first():
            raise NotEmpty(f"rows in {name}")


def verify_rows(backup: Backup) -> None:
    """Read all rows. Raises BrokenBackup."""
    for table in backup.manifest.tables:
        rows.verify(backup.rows, table)


def verify_objects(backup: Backup) -> None:
    """Look for every object in its size. Raises DamagedContents, and BrokenBackup where there are others."""
    count = size = 0
    missing: list[str] = []
    files: list[Blob] = []
    for name, blob in backup.named():
        if blob is None or not content.is_there(backup.objects, blob):
            missing.append(name)
            continue
        count += len(blob.segments)
        size += blob.size
        if name != blob.digest:
            files.append(blob)
    sound = (count, size) == (backup.manifest.objects, backup.manifest.bytes)
    if missing or not sound:
        # A generation file's size is in no row.
        missing += [file.segments[0].object_key for file in files if content.examine(backup.objects, file)]
    if missing:
        raise DamagedContents(sorted(missing), "missing or damaged")
    if not sound:
        raise BrokenBackup(
            f"{count} objects with {size} bytes are not the {backup.manifest.objects} that it was made of"
        )


def place_keys(backup: Backup, settings: Settings) -> None:
    """Put the keys into the data folder where it has none. The secret was checked."""
    durable.make(settings.data, 0o700)
    for name in KEYS:
        target = settings.data / name
        if name in backup.manifest.keys and not target.exists() and not (name == SECRET_FILE and settings.secret_key):
            copy_key(backup.folder / name, target)


def restore(
    services: Services,
    backup: Backup,
    resume: Resume,
    *,
    rehash: bool = True,
    skip_damaged: bool = False,
    progress: Progress = lambda *_: None,
) -> Restored:
    """Restore a backup that was admitted. With `rehash` each blob's digest is computed on the way; with `skip_damaged`
    blobs and generation files that are damaged or missing are left out, though their rows are there.

    Raises BrokenBackup and NotEmpty, and with `skip_damaged` StorageSilent where the backup as a whole cannot be read,
    and LockLost where others may have collected what was copied: no row was written then.
    """
    locks = services.settings.locks
    # Until the rows are there, the objects are what a collector is looking for.
    with services.database.exclusive(garbage.LOCK, locks) as nothing_collected:
        copied = _Copying(services, backup, rehash, skip_damaged, progress)
        copied.run()
        database = services.database.under(nothing_collected)
        with schema.alone(database, locks) as alone, database.under(alone).write() as tx:
            engine.lock_tables(tx, schema.tables(tx))
            _check_empty(tx)
            _load(tx, backup)
            resume(tx)
    left_out = [(name, _LEFT_OUT) for name in backup.manifest.lacking]
    return Restored(
        made_at=backup.manifest.made_at,
        rows=sum(table.rows for table in backup.manifest.tables),
        objects=copied.objects,
        bytes=copied.bytes,
        lacking=tuple(_lacking(services, [*left_out, *copied.skipped])),
        skipped=len(copied.skipped),
    )


_LEFT_OUT = Finding(Damage.MISSING, "it was damaged or missing when the backup was made")


def _lacking(services: Services, findings: Iterable[tuple[str, Finding]]) -> Iterator[DamagedContent]:
    with services.database.read() as tx:
        for name, finding in findings:
            if digests.is_digest(name):
                yield damaged_content("blob", name, finding, tuple(needs.of_blob(tx, name)))
            else:
                yield damaged_content("generation", name, finding)


@dataclass(slots=True)
class _Copying:
    services: Services
    backup: Backup
    rehash: bool
    skip_damaged: bool
    progress: Progress
    objects: int = 0
    bytes: int = 0
    skipped: list[tuple[str, Finding]] = field(default_factory=list)
    done: int = 0
    patience: Patience = field(default_factory=Patience)

    def run(self) -> None:
        for name, blob in self.backup.named(self.services.blobs):
            start = self.done
            finding = Finding(Damage.MISSING, f"{name} is missing") if blob is None else self._take(name, blob)
            self.patience.note(finding)
            if finding is None and blob is not None:
                self.done = start
                self._tell(blob.size)
                self.objects += len(blob.segments)
                self.bytes += blob.size
            elif finding is not None and self.skip_damaged:
                self.skipped.append((name, finding))
            elif finding is not None:
                raise DamagedContents([name], finding.why)

    def _take(self, name: str, blob: Blob) -> Finding | None:
        here, start = self.services.blobs, self.done
        # Nothing but its digest tells whether a generation file is whole.
        rehash = self.rehash or name != blob.digest
        # Left by an earlier try, or where a database alone was lost.
        if content.is_there(here, blob) and not (rehash and content.examine(here, blob, self._tell)):
            return None
        self.done = start
        return content.copy(blob, self.backup.objects, here, verify=rehash, told=self._tell)

    def _tell(self, size: int) -> None:
        self.done += size
        total = self.backup.manifest.bytes
        self.progress(min(self.done, total), total)


def _load(tx: sa.Connection, backup: Backup) -> None:
    """The rows, at the backup's revision of the tables, and the steps from there."""
    tables = backup.manifest.tables
    if schema.current(tx) != backup.manifest.schema:
        schema.drop(tx)
        schema.upgrade(tx, backup.manifest.schema)
    if strange := {table.name for table in tables} - {*schema.tables(tx)}:
        raise BrokenBackup(f"its schema has no {min(strange)}")
    for table in reversed(tables):
        tx.execute(sa.delete(sa.table(table.name)))
    for table in tables:
        _insert(tx, backup.rows, table)
    schema.upgrade(tx)
    given = {table.name: table.last_id or 0 for table in tables}
    for each in metadata.sorted_tables:
        if engine.counted(each):
            engine.continue_ids(tx, each, given.get(each.name, 0))


def _insert(tx: sa.Connection, folder: Path, table: Table) -> None:
    try:
        engine.load(tx, table.name, [column.name for column in table.columns], rows.read(folder, table))
    except (DataError, IntegrityError) as error:
        raise BrokenBackup(f"the rows of {table.name} do not fit: {error.orig}") from error
