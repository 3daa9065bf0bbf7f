"""Installations on different engines and storages, filled, backed up and restored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from hullwise import app
from hullwise.cli.opening import prepare
from hullwise.scanning import unfinished
from hullwise.services import Services
from hullwise.settings import Settings, load
from hullwise.store import compression
from hullwise.store.tables import metadata
from hullwise.upkeep import manifest, restoration, rows
from hullwise.upkeep.backup import LEFT_OUT
from hullwise.upkeep.manifest import Manifest
from tests.support import registry as support
from tests.support.postgres import new_database
from tests.support.queues import ListQueue
from tests.support.registry import Clock, Registry

KINDS = ("sqlite and folder", "postgresql and s3")


@dataclass(frozen=True)
class Places:
    """Makes places for installations, each empty and of its own."""

    folder: Path
    request: pytest.FixtureRequest

    def settings(self, name: str, kind: str) -> dict[str, Any]:
        """Of an installation whose data folder is `name`."""
        if kind == "sqlite and folder":
            return {}
        s3 = self.request.getfixturevalue("s3_moto")
        return {
            "database_url": new_database(),
            "blobs_url": f"{s3.url}/{self.folder.name}-{name}",
            "blobs_options": dict(s3.options),
        }

    @contextmanager
    def registry(self, name: str, kind: str = KINDS[0]) -> Iterator[Registry]:
        """One that is in use: it has an account."""
        with support.registry(self.folder / name, **self.settings(name, kind)) as found:
            yield found

    def empty(self, name: str, kind: str = KINDS[0], **more: Any) -> Settings:
        """The settings of one that is not there yet."""
        given = {"data": self.folder / name / "data", "threads": 8, "generations_kept": 1_000}
        return load(given | self.settings(name, kind) | more, {})


@contextmanager
def restored(
    backup: Path, settings: Settings, *, rehash: bool = True, skip_damaged: bool = False
) -> Iterator[Registry]:
    """The backup in an empty installation; the queue has what was queued again."""
    found = restoration.admit(backup, settings, skip_damaged=skip_damaged)
    prepare(settings)
    clock, queue = Clock(), ListQueue()
    services = app.build(settings, clock=clock, jobs=queue)
    try:
        resume = partial(queue_again, services)
        restoration.restore(services, found, resume, rehash=rehash, skip_damaged=skip_damaged)
        yield Registry(services, clock, queue, settings.data.parent)
    finally:
        services.database.close()


def queue_again(services: Services, tx: sa.Connection) -> None:
    unfinished.queue_again(tx, services)


def everything(services: Services) -> dict[str, list[tuple[Any, ...]]]:
    """All rows that a backup holds, by table."""
    with services.database.read() as tx:
        return {
            table.name: [tuple(row) for row in tx.execute(sa.select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
            if table.name not in LEFT_OUT
        }


def objects(services: Services) -> dict[str, bytes]:
    """All that lies in blob storage, by key."""
    storage = services.blobs
    return {
        stored.key: b"".join(storage.stream(stored.key))
        for stored in storage.list()
        if not stored.key.startswith("probes/")
    }


def table_of(backup: Path, name: str) -> Path:
    """The file of a table's rows."""
    return rows.path(backup / manifest.read(backup).folder, name)


def rewrite(backup: Path, secret: bytes, change: Callable[[Manifest], Manifest]) -> None:
    """Another manifest, signed as the installation does."""
    manifest.write(backup, change(manifest.read(backup)), secret)


def rewrite_rows(backup: Path, found: Manifest, name: str, dropped: set[str]) -> Manifest:
    """The backup with a table that lacks these columns, as an older schema has it."""
    old = found.table(name)
    kept = [place for place, column in enumerate(old.columns) if column.name not in dropped]
    lines = [[row[place] for place in kept] for row in rows.read(backup / found.folder, old)]
    packed = b"".join(compression.pack_stream([b"".join(msgspec.json.encode(line) + b"\n" for line in lines)]))
    rows.path(backup / found.folder, name).write_bytes(packed)
    new = msgspec.structs.replace(
        old,
        columns=tuple(old.columns[place] for place in kept),
        size=len(packed),
        sha256=hashlib.sha256(packed).hexdigest(),
    )
    return msgspec.structs.replace(found, tables=tuple(new if each is old else each for each in found.tables))
