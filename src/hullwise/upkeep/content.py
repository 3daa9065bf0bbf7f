"""Reading a blob whole, as everything here does that must know whether it is what it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from hullwise.blobs.errors import ObjectMissing, StorageUnavailable
from hullwise.blobs.storage import ObjectStorage
from hullwise.domain import digests
from hullwise.store.layers import Blob, Segment
from hullwise.upkeep.errors import StorageSilent

_PIECE = 1 << 20
_SILENT = 5
"""Objects in a row that cannot be read, after which it is not the objects."""

Told = Callable[[int], None]
"""Called with the bytes of each piece that was read."""


class Damage(StrEnum):
    MISSING = "missing"
    SIZE = "size"
    DIGEST = "digest"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a content."""

    damage: Damage
    why: str


class Damaged(Exception):
    """Inside this subject only: a blob is not what it should be."""

    def __init__(self, damage: Damage, why: str) -> None:
        super().__init__(why)
        self.finding = Finding(damage, why)


class Reader:
    """One pass over a blob: each of its segments in turn, then `check`."""

    def __init__(self, storage: ObjectStorage, blob: Blob, told: Told = lambda _: None) -> None:
        self._storage = storage
        self._blob = blob
        self._hash = digests.new_hash(digests.algorithm(blob.digest))
        self._told = told

    def pieces(self, segment: Segment) -> Iterator[bytes]:
        """Raises Damaged where it is missing, unreadable, or of another size."""
        size = 0
        try:
            for piece in self._storage.stream(segment.object_key, chunk=_PIECE):
                size += len(piece)
                self._hash.update(piece)
                self._told(len(piece))
                yield piece
        except ObjectMissing as error:
            raise Damaged(Damage.MISSING, f"{segment.object_key} is missing") from error
        except StorageUnavailable as error:
            raise Damaged(Damage.UNREADABLE, str(error)) from error
        if size != segment.size:
            raise Damaged(Damage.SIZE, f"{segment.object_key} has {size} bytes, not {segment.size}")

    def check(self) -> None:
        """Raises Damaged unless the bytes of all segments have the blob's digest."""
        found = f"{digests.algorithm(self._blob.digest)}:{self._hash.hexdigest()}"
        if found != self._blob.digest:
            raise Damaged(Damage.DIGEST, f"its bytes have digest {found}")


def examine(storage: ObjectStorage, blob: Blob, told: Told = lambda _: None) -> Finding | None:
    """What is wrong with the blob; None: nothing."""
    reader = Reader(storage, blob, told)
    try:
        for segment in blob.segments:
            for _ in reader.pieces(segment):
                pass
        reader.check()
    except Damaged as damaged:
        return damaged.finding
    return None


def is_there(storage: ObjectStorage, blob: Blob) -> bool:
    """Whether each of its segments is there, in its size."""
    try:
        return all(storage.size(segment.object_key) == segment.size for segment in blob.segments)
    except ObjectMissing:
        return False


def copy(blob: Blob, source: ObjectStorage, target: ObjectStorage, *, verify: bool, told: Told) -> Finding | None:
    """Copy the blob. Returns what is wrong with the source's; its last segment is then not in the target, so that the
    blob never seems to be there.

    Errors of the target are those of its writer.
    """
    reader = Reader(source, blob, told)
    last = blob.segments[-1] if blob.segments else None
    if last is not None and len(blob.segments) > 1:
        target.delete(last.object_key)
    try:
        for segment in blob.segments:
            with target.writer(segment.object_key) as writer:
                for piece in reader.pieces(segment):
                    writer.write(piece)
                if verify and segment is last:
                    reader.check()
    except Damaged as damaged:
        return damaged.finding
    return None


def recut(old: Blob, new: Blob, storage: ObjectStorage) -> Finding | None:
    """Write the bytes of `old` into the segments of `new`, which has the same digest and lies in the same storage.
    Returns what is wrong with `old`: nothing is written then."""
    finding = examine(storage, old)
    if finding is not None:
        return finding
    pieces = (piece for segment in old.segments for piece in storage.stream(segment.object_key, chunk=_PIECE))
    rest = b""
    for segment in new.segments:
        with storage.writer(segment.object_key) as writer:
            wanted = segment.size
            while wanted:
                rest = rest or next(pieces)
                writer.write(rest[:wanted])
                wanted, rest = wanted - len(rest[:wanted]), rest[wanted:]
    return None


class Patience:
    """Tells a storage that fails from single objects that cannot be read."""

    def __init__(self) -> None:
        self._unreadable = 0

    def note(self, finding: Finding | None) -> None:
        """Raises StorageSilent after too many in a row."""
        if finding is None or finding.damage is not Damage.UNREADABLE:
            self._unreadable = 0
            return
        self._unreadable += 1
        if self._unreadable == _SILENT:
            raise StorageSilent(_SILENT, finding.why)
