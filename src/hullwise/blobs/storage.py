"""Bytes under opaque keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import obstore
from obstore.store import LocalStore, S3Store

from hullwise.blobs import keys
from hullwise.blobs.capabilities import Capabilities
from hullwise.blobs.errors import ObjectExists, ObjectMissing, ObjectTooLarge, StorageUnavailable
from hullwise.blobs.folder import FileWriter, Folder
from hullwise.blobs.translation import translated
from hullwise.blobs.writers import MultipartWriter, SegmentWriter

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta

_Item = TypeVar("_Item")


class StoredObject(NamedTuple):
    """One line of a listing."""

    key: str

    size: int
    """Bytes."""

    modified: datetime
    """When it became visible, with its time zone, to the second where the backend says no more."""


class ObjectStorage:
    """Objects in one local folder or one bucket, for use by many threads at once.

    Every method blocks until it is done. It raises `InvalidKey` for what is no key, `StorageUnavailable` where the
    backend fails, and otherwise only what it says."""

    def __init__(self, store: LocalStore | S3Store, capabilities: Capabilities, folder: Folder | None = None) -> None:
        self.capabilities = capabilities
        self._store = store
        self._folder = folder

    def writer(self, key: str) -> SegmentWriter:
        """Begin an object of any size. It is visible as a whole once the writer has finished, and not before.

        What was under the key is replaced at that moment."""
        keys.checked(key)
        if self._folder:
            return FileWriter(self._folder, key, replace=True)
        return MultipartWriter(self._store, key)

    def put(self, key: str, data: bytes) -> None:
        """On return `data` is under `key`, in place of whatever was there, as durable as a writer's."""
        if self._folder:
            with self.writer(key) as writer:
                writer.write(data)
            return
        keys.checked(key)
        with translated(key):
            obstore.put(self._store, key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store `data` unless something is under `key`; returns whether it was stored.

        With the capability `put_if_absent`, exactly one of several concurrent callers gets true. Without it each
        looks first and then writes: callers that come at the same moment may all get true, and the last one's
        bytes stay. That is harmless where a key decides its content, as with generations."""
        keys.checked(key)
        try:
            if self._folder:
                with FileWriter(self._folder, key, replace=False) as writer:
                    writer.write(data)
            elif self.capabilities.put_if_absent:
                with translated(key):
                    obstore.put(self._store, key, data, mode="create")
            elif self._is_there(key):
                return False
            else:
                self.put(key, data)
        except ObjectExists:
            return False
        return True

    def read(self, key: str, *, limit: int) -> bytes:
        """All bytes of a small object.

        Raises `ObjectMissing`, and `ObjectTooLarge` before reading any where there are more than `limit` bytes."""
        keys.checked(key)
        with translated(key):
            found = obstore.get(self._store, key)
            if (size := found.meta["size"]) > limit:
                raise ObjectTooLarge(key, size, limit)
            return found.bytes().to_bytes()

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """The `length` bytes from offset `start`: fewer where the object ends before, none where it ends at `start`.

        Raises `ObjectMissing`."""
        return b"".join(self.stream(key, start, start + length))

    def stream(self, key: str, start: int = 0, end: int | None = None, chunk: int = 262144) -> Iterator[bytes]:
        """The bytes from offset `start` up to and without `end` (or the last), in pieces of about `chunk` bytes.

        An object that ends before gives fewer. Raises `ObjectMissing` at once, and not only when the first piece is
        taken. Without the capability `ranged_read` everything before `start` is read and dropped."""
        keys.checked(key)
        if start < 0 or (end is not None and end < start):
            raise ValueError(f"no range of bytes: {start} to {end}")
        if start == end:
            self.size(key)
            return iter(())
        ranged = self.capabilities.ranged_read
        try:
            with translated(key):
                found = obstore.get(self._store, key, options=_range(start, end) if ranged else None)
        except StorageUnavailable:
            # Backends refuse a range that begins at the end of the object or behind it, each in its own words.
            if ranged and self.size(key) <= start:
                return iter(())
            raise
        pieces = _taken(found.stream(min_chunk_size=chunk), key)
        return pieces if ranged else _window(pieces, start, end)

    def size(self, key: str) -> int:
        """Bytes under `key`. Raises `ObjectMissing`."""
        keys.checked(key)
        with translated(key):
            return obstore.head(self._store, key)["size"]

    def delete(self, key: str) -> None:
        """On return nothing is under `key`, whether or not there was before."""
        keys.checked(key)
        try:
            with translated(key):
                obstore.delete(self._store, key)
        except ObjectMissing:
            return

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Every object below `prefix`, which is whole parts of keys (`segments/3f`) or empty for all; in no order.

        What comes and goes meanwhile may or may not be in it. Foreign names are left out."""
        if prefix:
            keys.checked(prefix)
        pages = obstore.list(self._store, prefix or None, chunk_size=1000)
        return _objects(_taken(pages, prefix or "listing"))

    def local_path(self, key: str) -> Path | None:
        """The plain file that is or would be the object, for callers that open it themselves; None for a bucket."""
        keys.checked(key)
        return self._folder.path(key) if self._folder else None

    def presigned_url(self, key: str, *, valid_for: timedelta) -> str | None:
        """An address from which anyone may GET the object for this time; None without the capability `presign`.

        Whether the object is there is not looked up."""
        keys.checked(key)
        if not self.capabilities.presign or isinstance(self._store, LocalStore):
            return None
        with translated(key):
            return obstore.sign(self._store, "GET", key, valid_for)

    def _is_there(self, key: str) -> bool:
        try:
            self.size(key)
        except ObjectMissing:
            return False
        return True


def _range(start: int, end: int | None) -> GetOptions | None:
    if end is not None:
        return {"range": (start, end)}
    return {"range": {"offset": start}} if start else None


def _taken(items: Iterator[_Item], key: str) -> Iterator[_Item]:
    while True:
        with translated(key):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def _window(pieces: Iterable[bytes], start: int, end: int | None) -> Iterator[bytes]:
    """What lies between the two offsets in a stream that begins at zero."""
    offset = 0
    for piece in pieces:
        if wanted := piece[max(start - offset, 0) : None if end is None else end - offset]:
            yield wanted
        offset += len(piece)
        if end is not None and offset >= end:
            return


def _objects(pages: Iterable[Sequence[ObjectMeta]]) -> Iterator[StoredObject]:
    for page in pages:
        for entry in page:
            if keys.is_valid(entry["path"]):
                yield StoredObject(entry["path"], entry["size"], entry["last_modified"])
