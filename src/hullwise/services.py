"""The toolbox that `app.py` builds once and hands to the rules."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from hullwise.advisories.copies import Copies
from hullwise.advisories.generation import Generation, UnusableGeneration
from hullwise.blobs.errors import ObjectMissing
from hullwise.blobs.storage import ObjectStorage
from hullwise.jobs.queue import JobQueue
from hullwise.outages import Outages
from hullwise.settings import Settings
from hullwise.store import publications
from hullwise.store.engine import Database
from hullwise.store.generations import Generation as GenerationRow
from hullwise.store.images import Image
from hullwise.store.layers import Blob
from hullwise.store.locks import Lock
from hullwise.store.repositories import Repository

UNREADABLE = (UnusableGeneration, ObjectMissing)
"""What `open_generation` raises where the file is gone, or cannot be read by this version."""

Clock = Callable[[], datetime]
"""The moment now, with its time zone."""

OnPush = Callable[[sa.Connection, "Services", Repository, Image, bool], None]
"""Called inside the transaction of each push, with whether the repository did not have the image before."""

OnPull = Callable[[sa.Connection, "Services", Image], None]
"""Called inside the transaction that records a pull."""


class Pull(NamedTuple):
    image: Image
    at: datetime


class PullNotes:
    """Pulls that this process has seen and not written. Used by many threads at once."""

    def __init__(self) -> None:
        self._pulls: dict[int, Pull] = {}
        self._lock = threading.Lock()

    def note(self, pull: Pull) -> None:
        """Of several of an image the first is kept."""
        with self._lock:
            self._pulls.setdefault(pull.image.id, pull)

    def take(self) -> list[Pull]:
        """All of them, which are then no longer here; in the order of images' ids."""
        with self._lock:
            taken, self._pulls = self._pulls, {}
        return [taken[image] for image in sorted(taken)]


@dataclass(frozen=True, slots=True)
class BlobBytes:
    """The bytes of a blob. Each iteration reads them from the start."""

    storage: ObjectStorage
    blob: Blob

    def __iter__(self) -> Iterator[bytes]:
        for segment in self.blob.segments:
            yield from self.storage.stream(segment.object_key)

    @property
    def path(self) -> Path | None:
        """The one plain file that holds them all, where there is one."""
        if len(self.blob.segments) != 1:
            return None
        return self.storage.local_path(self.blob.segments[0].object_key)


@dataclass(frozen=True, kw_only=True)
class Services:
    settings: Settings
    database: Database
    blobs: ObjectStorage
    jobs: JobQueue
    clock: Clock
    secret: bytes = field(repr=False)
    """32 bytes that seal access keys and sign tokens."""
    on_push: tuple[OnPush, ...] = ()
    on_pull: tuple[OnPull, ...] = ()
    pulls: PullNotes = field(default_factory=PullNotes)
    outages: Outages = field(default_factory=Outages)

    def under(self, lock: Lock) -> Services:
        """The same toolbox, for what is done only as long as the lock is held: each transaction that writes after it is
        lost rolls back and raises LockLost."""
        return replace(self, database=self.database.under(lock))

    @property
    def generation_folder(self) -> Path:
        """Where this machine keeps its copies of generation files."""
        return self.settings.advisories

    def generation_path(self, row: GenerationRow) -> Path:
        """The generation's file on this machine, fetched from blob storage where it is not here yet. Raises one of
        UNREADABLE.

        A file is used by its digest, never for being the latest that lies here.
        """
        local = self._stored(row)
        return local if local is not None else self._copies.path(row.object_key)

    def open_generation(self, row: GenerationRow) -> Generation:
        """The generation, open. Raises one of UNREADABLE; where it is a copy that turns out damaged as it is read, the
        context manager raises CopyDamaged, and the next call has another."""
        local = self._stored(row)
        return Generation(local) if local is not None else self._copies.open(row.object_key)

    def drop_generation(self, row: GenerationRow) -> None:
        """Remove the generation's file, here and from blob storage; scans that have it open read on."""
        self.blobs.delete(row.object_key)
        self._copies.drop(row.object_key)

    def sweep_generations(self) -> None:
        """Remove this machine's copies of generation files that are kept no more, and what is left of fetches whose
        process was killed; beside others that fetch and read."""
        self._copies.sweep()

    @property
    def _copies(self) -> Copies:
        return Copies(self.generation_folder, self.blobs, self._kept_generations)

    def _stored(self, row: GenerationRow) -> Path | None:
        if not row.object_key:
            raise ObjectMissing(f"generation {row.number}")
        return self.blobs.local_path(row.object_key)

    def _kept_generations(self) -> set[str]:
        with self.database.read() as tx:
            return publications.kept_files(tx)

    def read_blob(self, blob: Blob) -> BlobBytes:
        """The blob's bytes, in pieces."""
        return BlobBytes(self.blobs, blob)
