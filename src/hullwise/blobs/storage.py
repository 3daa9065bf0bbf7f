"""The contract of a blob storage: bytes under opaque keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from hullwise.blobs.capabilities import Capabilities


class StoredObject(NamedTuple):
    """One line of a listing."""

    key: str

    size: int
    """Bytes."""

    modified: datetime
    """When it was written, in UTC; to the second where the backend says no more."""


class SegmentWriter(ABC):
    """An object in the making, for one thread at a time.

    As a context manager it finishes on a clean exit and aborts on an exception. Driven by hand it is finished once,
    or aborted; nothing is written afterwards."""

    @abstractmethod
    def write(self, *pieces: bytes | bytearray) -> None:
        """Append the pieces, which the caller may change afterwards. Raises `StorageUnavailable`."""

    @abstractmethod
    def finish(self) -> None:
        """On return the object is whole and visible under its key, and outlives a crash where durability is full.

        Raises `StorageUnavailable`; the object is then not there."""

    @abstractmethod
    def abort(self) -> None:
        """Nothing of what was written is ever visible. Never raises; after `finish` it does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abort()


class ObjectStorage(ABC):
    """Objects in one place, for use by many threads at once.

    Every method blocks until it is done. It raises `InvalidKey` for what is no key, `StorageUnavailable` where the
    backend fails, and otherwise only what it says."""

    capabilities: Capabilities

    waits: bool = True
    """Whether what is written and deleted is waited for: a network, or a disk that syncs."""

    @abstractmethod
    def writer(self, key: str, *, lasting: bool = True) -> SegmentWriter:
        """Begin an object of any size. It is visible as a whole once the writer has finished, and not before. One that
        is not `lasting` need not survive a power loss before `sync`.

        What was under the key is replaced at that moment."""

    @abstractmethod
    def sync(self, keys: Iterable[str]) -> None:
        """What was written under the keys without `lasting` lasts from here on. Raises `ObjectMissing`."""

    @abstractmethod
    def put(self, key: str, data: bytes) -> None:
        """On return `data` is under `key`, in place of whatever was there, as durable as a writer's."""

    @abstractmethod
    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store `data` unless something is under `key`; returns whether it was stored.

        With the capability `put_if_absent`, exactly one of several concurrent callers gets true. Without it each
        looks first and then writes: callers that come at the same moment may all get true, and the last one's
        bytes stay. That is harmless where a key decides its content, as with generations."""

    @abstractmethod
    def read(self, key: str, *, limit: int) -> bytes:
        """All bytes of a small object.

        Raises `ObjectMissing`, and `ObjectTooLarge` before reading any where there are more than `limit` bytes."""

    @abstractmethod
    def stream(self, key: str, start: int = 0, end: int | None = None, chunk: int = 262144) -> Iterator[bytes]:
        """The bytes from offset `start` up to and without `end` (or the last), in pieces of about `chunk` bytes.

        An object that ends before gives fewer. Raises `ObjectMissing` at once, and not only when the first piece is
        taken. Without the capability `ranged_read` everything before `start` is read and dropped."""

    @abstractmethod
    def size(self, key: str) -> int:
        """Bytes under `key`. Raises `ObjectMissing`."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """On return nothing is under `key`, whether or not there was before."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Every object below `prefix`, which is whole parts of keys (`segments/3f`) or empty for all; in no order.

        What comes and goes meanwhile may or may not be in it. What is no key is left out."""

    @abstractmethod
    def local_path(self, key: str) -> Path | None:
        """The plain file that is or would be the object, for callers that open it themselves; None for a bucket."""

    @abstractmethod
    def presigned_url(self, key: str, *, valid_for: timedelta) -> str | None:
        """An address from which anyone may GET the object for this time; None without the capability `presign`.

        Whether the object is there is not looked up."""


def check_range(start: int, end: int | None) -> None:
    """Raises `ValueError` unless the offsets are in order."""
    if start < 0 or (end is not None and end < start):
        raise ValueError(f"no range of bytes: {start} to {end}")
