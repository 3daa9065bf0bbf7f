"""Which objects belong to a backup, as its rows say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from hullwise.blobs import keys
from hullwise.blobs.storage import ObjectStorage
from hullwise.domain import digests
from hullwise.store.layers import Blob, Segment
from hullwise.store.tables import blob_segments
from hullwise.store.tables import blobs as blobs_table
from hullwise.upkeep import rows
from hullwise.upkeep.errors import BrokenBackup
from hullwise.upkeep.manifest import Manifest


def blobs(folder: Path, manifest: Manifest) -> Iterator[Blob]:
    """Every blob, in the order of digests, from the files of rows in the folder. Raises BrokenBackup."""
    table, parts = manifest.table(blobs_table.name), manifest.table(blob_segments.name)
    digest, size = table.index("digest"), table.index("size")
    of, key, length = parts.index("digest"), parts.index("object_key"), parts.index("size")
    grouped = groupby(rows.read(folder, parts), itemgetter(of))
    following, segments = next(grouped, (None, iter(())))
    for row in rows.read(folder, table):
        found: list[Segment] = []
        if following == row[digest]:
            found = [Segment(part[key], part[length]) for part in segments]
            following, segments = next(grouped, (None, iter(())))
        blob = Blob(row[digest], row[size], tuple(found))
        if not _sound(blob):
            raise BrokenBackup(f"the segments of {row[digest]} are not its own")
        yield blob
    if following is not None:
        raise BrokenBackup(f"there are segments of {following}, and no such blob")


def _sound(blob: Blob) -> bool:
    named = all(keys.is_valid(segment.object_key) for segment in blob.segments)
    return named and digests.is_digest(blob.digest) and sum(each.size for each in blob.segments) == blob.size


def generation(key: str, storage: ObjectStorage) -> Blob:
    """A generation file as a blob of the storage: it is named by its digest. Raises ObjectMissing, and BrokenBackup
    where the key is no generation's."""
    digest = "sha256:" + key.removeprefix("generations/").removesuffix(".sqlite")
    if not digests.is_digest(digest) or keys.generation(digest) != key:
        raise BrokenBackup(f"{key[:100]!r} names no generation")
    size = storage.size(key)
    return Blob(digest, size, (Segment(key, size),))
