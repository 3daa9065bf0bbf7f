"""A bucket of an S3 server as blob storage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import S3Store

from hullwise.blobs import keys
from hullwise.blobs.capabilities import Capabilities
from hullwise.blobs.errors import ObjectExists, ObjectMissing, ObjectTooLarge, StorageUnavailable
from hullwise.blobs.storage import ObjectStorage, SegmentWriter, StoredObject, check_range
from hullwise.blobs.translation import translated, was_tried_again

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta

_Item = TypeVar("_Item")

# S3 takes at most 10,000 parts, so 8 MiB parts allow 78 GiB in one object, above ECR's largest layer (52,000 MiB).
# With one part being filled and two under way, a writer holds 24 MiB.
_PART_SIZE = 8 << 20
_PARTS_UNDER_WAY = 2


class BucketStorage(ObjectStorage):
    """Objects of a bucket, below the store's prefix; as durable as the server."""

    def __init__(self, store: S3Store, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._store = store

    def writer(self, key: str, *, lasting: bool = True) -> SegmentWriter:
        return MultipartWriter(self._store, keys.checked(key))

    def sync(self, keys: Iterable[str]) -> None:
        pass  # a bucket's objects last

    def put(self, key: str, data: bytes) -> None:
        with translated(keys.checked(key)):
            obstore.put(self._store, key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if not self.capabilities.put_if_absent:
            return self._look_then_put(key, data)
        try:
            with translated(keys.checked(key)):
                obstore.put(self._store, key, data, mode="create")
        except ObjectExists:
            return False
        return True

    def read(self, key: str, *, limit: int) -> bytes:
        with translated(keys.checked(key)):
            found = obstore.get(self._store, key)
            if (size := found.meta["size"]) > limit:
                raise ObjectTooLarge(key, size, limit)
            return found.bytes().to_bytes()

    def stream(self, key: str, start: int = 0, end: int | None = None, chunk: int = 262144) -> Iterator[bytes]:
        check_range(start, end)
        if start == end:
            self.size(key)
            return iter(())
        ranged = self.capabilities.ranged_read
        try:
            with translated(keys.checked(key)):
                found = obstore.get(self._store, key, options=_range(start, end) if ranged else None)
        except StorageUnavailable as error:
            # Servers refuse a range that begins at the end of the object or behind it, each in its own words.
            if ranged and (start or end is not None) and not was_tried_again(error) and self.size(key) <= start:
                return iter(())
            raise
        pieces = _taken(found.stream(min_chunk_size=chunk), key)
        return pieces if ranged else _window(pieces, start, end)

    def size(self, key: str) -> int:
        with translated(keys.checked(key)):
            return obstore.head(self._store, key)["size"]

    def delete(self, key: str) -> None:
        with suppress(ObjectMissing), translated(keys.checked(key)):
            obstore.delete(self._store, key)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        below = keys.checked(prefix) if prefix else None
        return _objects(_taken(obstore.list(self._store, below, chunk_size=1000), prefix or "listing"))

    def local_path(self, key: str) -> None:
        keys.checked(key)

    def presigned_url(self, key: str, *, valid_for: timedelta) -> str | None:
        keys.checked(key)
        if not self.capabilities.presign:
            return None
        with translated(key):
            return obstore.sign(self._store, "GET", key, valid_for)

    def _look_then_put(self, key: str, data: bytes) -> bool:
        try:
            self.size(key)
        except ObjectMissing:
            self.put(key, data)
            return True
        return False


class MultipartWriter(SegmentWriter):
    """Uploads in parts, in bounded memory; an object below one part is a single request.

    A process killed meanwhile, or a server out of reach in `abort`, leaves parts that no listing shows: a bucket
    needs a lifecycle rule that aborts incomplete multipart uploads."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._key = key
        with translated(key):
            self._upload = obstore.open_writer(store, key, buffer_size=_PART_SIZE, max_concurrency=_PARTS_UNDER_WAY)

    def write(self, *pieces: bytes | bytearray) -> None:
        with translated(self._key):
            # obstore 0.12 keeps a reference until the part is sent: a reused buffer would be stored as it is then.
            self._upload.write(b"".join(pieces) if len(pieces) > 1 else bytes(pieces[0]))

    def finish(self) -> None:
        with translated(self._key):
            self._upload.close()

    def abort(self) -> None:
        if not self._upload.closed():
            # obstore has no other way to abort than to leave its context manager with an exception.
            with suppress(ObstoreError, OSError):
                self._upload.__exit__(InterruptedError, None, None)


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
