"""Blobs, where their bytes lie, and in which repositories they may be seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from hullwise.store.clock import to_micros
from hullwise.store.engine import chunks, insert_missing
from hullwise.store.tables import blob_segments, blobs, repositories, repository_blobs


@dataclass(frozen=True, slots=True)
class Segment:
    object_key: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Blob:
    digest: str
    size: int
    segments: tuple[Segment, ...]
    """In the order of the bytes; empty for a blob of no bytes."""


def _segments(tx: sa.Connection, digest: str) -> tuple[Segment, ...]:
    query = (
        sa.select(blob_segments.c.object_key, blob_segments.c.size)
        .where(blob_segments.c.digest == digest)
        .order_by(blob_segments.c.ordinal)
    )
    return tuple(Segment(row.object_key, row.size) for row in tx.execute(query))


def find(tx: sa.Connection, repository_id: int, digest: str) -> Blob | None:
    """The blob, where it is visible in the repository; None otherwise, whoever else may have it."""
    query = (
        sa.select(blobs.c.size)
        .join(repository_blobs, repository_blobs.c.digest == blobs.c.digest)
        .where(repository_blobs.c.repository_id == repository_id, blobs.c.digest == digest)
    )
    size = tx.execute(query).scalar()
    return None if size is None else Blob(digest, size, _segments(tx, digest))


def load(tx: sa.Connection, digest: str) -> Blob | None:
    """The blob by digest alone: for the server's own reading, never for a caller's."""
    size = tx.execute(sa.select(blobs.c.size).where(blobs.c.digest == digest)).scalar()
    return None if size is None else Blob(digest, size, _segments(tx, digest))


def sizes(tx: sa.Connection, repository_id: int, digests: Iterable[str]) -> dict[str, int]:
    """Size by digest of those that are visible in the repository."""
    found: dict[str, int] = {}
    for chunk in chunks(sorted(set(digests))):
        query = (
            sa.select(blobs.c.digest, blobs.c.size)
            .join(repository_blobs, repository_blobs.c.digest == blobs.c.digest)
            .where(repository_blobs.c.repository_id == repository_id, blobs.c.digest.in_(chunk))
        )
        found |= {row.digest: row.size for row in tx.execute(query)}
    return found


def commit(tx: sa.Connection, digest: str, segments: Sequence[Segment], now: datetime) -> bool:
    """Make the segments the bytes of the digest. The caller has verified that they are.

    Returns False where the blob was there already: the segments given are then nobody's.
    """
    row = {"digest": digest, "size": sum(segment.size for segment in segments), "created_at": to_micros(now)}
    if insert_missing(tx, blobs, [row]) == 0:
        return False
    rows = [
        {"digest": digest, "ordinal": ordinal, "object_key": segment.object_key, "size": segment.size}
        for ordinal, segment in enumerate(segments)
    ]
    insert_missing(tx, blob_segments, rows)
    return True


def unlink(tx: sa.Connection, repository_id: int, digest: str) -> bool:
    """The blob is not visible in the repository any more. Returns whether it was."""
    gone = repository_blobs.delete().where(
        repository_blobs.c.repository_id == repository_id, repository_blobs.c.digest == digest
    )
    return tx.execute(gone).rowcount > 0


def visible(tx: sa.Connection, account: str, region: str, digest: str) -> int | None:
    """A repository of the registry that has the blob, by id; None: none has."""
    query = (
        sa.select(repository_blobs.c.repository_id)
        .join(repositories, repositories.c.id == repository_blobs.c.repository_id)
        .where(repository_blobs.c.digest == digest)
        .where(repositories.c.account_id == account, repositories.c.region == region)
        .order_by(repository_blobs.c.repository_id)
        .limit(1)
    )
    found: int | None = tx.execute(query).scalar()
    return found


def link(tx: sa.Connection, repository_id: int, digest: str, now: datetime) -> None:
    """Make a committed blob visible in the repository."""
    insert_missing(
        tx, repository_blobs, [{"repository_id": repository_id, "digest": digest, "linked_at": to_micros(now)}]
    )
