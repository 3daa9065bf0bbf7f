"""Streaming one object into the storage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self

import obstore
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import LocalStore, S3Store

from hullwise.blobs.translation import translated

# S3 takes at most 10,000 parts, so 8 MiB parts allow 78 GiB in one object, above ECR's largest layer (52,000 MB).
# With one part being filled and two under way, a writer holds 24 MiB.
_PART_SIZE = 8 << 20
_PARTS_UNDER_WAY = 2


class SegmentWriter(ABC):
    """An object in the making, for one thread at a time.

    As a context manager it finishes on a clean exit and aborts on an exception."""

    @abstractmethod
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data`, which the caller may change afterwards. Raises `StorageUnavailable`."""

    @abstractmethod
    def finish(self) -> None:
        """On return the object is whole and visible under its key, and outlives a crash where durability is full.

        Raises `StorageUnavailable`; the object is then not there."""

    @abstractmethod
    def abort(self) -> None:
        """Nothing of what was written is visible. Never raises; after `finish` it does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abort()


class MultipartWriter(SegmentWriter):
    """Uploads in parts, in bounded memory; an object below one part is a single request.

    A process killed meanwhile, or a server out of reach in `abort`, leaves parts that no listing shows: a bucket
    needs a lifecycle rule that aborts incomplete multipart uploads."""

    def __init__(self, store: S3Store | LocalStore, key: str) -> None:
        self._key = key
        with translated(key):
            self._upload = obstore.open_writer(store, key, buffer_size=_PART_SIZE, max_concurrency=_PARTS_UNDER_WAY)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        with translated(self._key):
            # obstore 0.12 keeps a reference until the part is sent: a reused buffer would be stored as it is then.
            self._upload.write(bytes(data))

    def finish(self) -> None:
        with translated(self._key):
            self._upload.close()

    def abort(self) -> None:
        if not self._upload.closed():
            # obstore has no other way to abort than to leave its context manager with an exception.
            with suppress(ObstoreError, OSError):
                self._upload.__exit__(InterruptedError, None, None)
