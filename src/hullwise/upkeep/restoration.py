"""Restoring a backup into an empty installation.

    the manifest is as the secret signed it; each file of rows as the manifest says; each object there
        ─▶ objects, verified as they are copied
        ─▶ one transaction: tables of the backup's revision, rows, the steps to this version's, unfinished work queued

Until that transaction commits the installation is empty, and the same restore can be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError

from hullwise import sealing
from hullwise.blobs.errors import ObjectMissing
from hullwise.blobs.folder import FolderStorage
from hullwise.blobs.storage import ObjectStorage
from hullwise.sealing import SecretUnusable
from hullwise.services import Services
from hullwise.settings import Settings
from hullwise.store import engine, garbage, schema
from hullwise.store.engine import Database
from hullwise.store.layers import Blob
from hullwise.store.tables import head, metadata
from hullwise.upkeep import content, contents, manifest, rows
from hullwise.upkeep.backup import Progress, copy_key
from hullwise.upkeep.errors import BackupTooNew, BrokenBackup, NotEmpty, WrongSecret
from hullwise.upkeep.manifest import KEYS, OBJECTS, SECRET_FILE, Manifest, Table

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

    def blobs(self) -> Iterator[Blob]:
        """Generation files and blobs that are in it. Raises BrokenBackup and ObjectMissing."""
        lacking = {*self.manifest.lacking}
        for key in self.manifest.generations:
            if key not in lacking:
                yield contents.generation(key, self.objects)
        for blob in contents.blobs(self.rows, self.manifest):
            if blob.digest not in lacking:
                yield blob


def admit(folder: Path, settings: Settings) -> Backup:
    """The folder's backup, once all that can be known beforehand is as it should be; its keys are then in the data
    folder. Raises what the functions below do."""
    found = open_backup(folder)
    check_secret(found, settings)
    if not settings.database.startswith("sqlite:///") or Path(settings.database.removeprefix("sqlite:///")).exists():
        database = Database(settings.database, settings.durability, pool_size=2)
        try:
            check_empty(database)
        finally:
            database.close()
    verify(found)
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


def verify(backup: Backup) -> int:
    """Read all rows, and look for every object in its size. Returns the bytes of objects. Raises BrokenBackup."""
    for table in backup.manifest.tables:
        rows.verify(backup.rows, table)
    count = size = 0
    try:
        for blob in backup.blobs():
            if not content.is_there(backup.objects, blob):
                raise BrokenBackup(f"bytes of {blob.digest} are missing")
            count += len(blob.segments)
            size += blob.size
    except ObjectMissing as error:
        raise BrokenBackup(str(error)) from error
    if (count, size) != (backup.manifest.objects, backup.manifest.bytes):
        raise BrokenBackup(
            f"{count} objects with {size} bytes are not the {backup.manifest.objects} that it was made of"
        )
    return size


def place_keys(backup: Backup, settings: Settings) -> None:
    """Put the keys into the data folder where it has none. The secret was checked."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
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
    progress: Progress = lambda *_: None,
) -> None:
    """Restore a backup that was verified. With `rehash` each blob's digest is computed on the way.

    Raises BrokenBackup and NotEmpty: no row was written then.
    """
    locks = services.settings.locks
    # Until the rows are there, the objects are what a collector is looking for.
    with services.database.exclusive(garbage.LOCK, locks):
        _copy(services, backup, rehash, progress)
        with schema.alone(services.database, locks), services.database.write() as tx:
            engine.lock_tables(tx, schema.tables(tx))
            _check_empty(tx)
            _load(tx, backup)
            resume(tx)


def _copy(services: Services, backup: Backup, rehash: bool, progress: Progress) -> None:
    done, total = 0, backup.manifest.bytes

    def tell(size: int) -> None:
        nonlocal done
        done += size
        progress(min(done, total), total)

    for blob in backup.blobs():
        start = done
        # Left by an earlier try, or where a database alone was lost.
        if content.is_there(services.blobs, blob) and not (rehash and content.examine(services.blobs, blob, tell)):
            done = start
            tell(blob.size)
            continue
        done = start
        finding = content.copy(blob, backup.objects, services.blobs, verify=rehash, told=tell)
        if finding is not None:
            raise BrokenBackup(f"{blob.digest}: {finding.why}")


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
