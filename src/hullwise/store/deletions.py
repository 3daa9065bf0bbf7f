"""Images and tags that were deleted, as long as they may be restored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from hullwise.store.clock import from_micros, to_micros
from hullwise.store.tables import deletions


@dataclass(frozen=True, slots=True)
class Deletion:
    id: int
    repository_id: int
    digest: str
    media_type: str
    tags: tuple[str, ...]
    whole: bool
    """Whether the image went, and not tags of it alone."""
    deleted_by: str
    deleted_at: datetime
    purge_at: datetime
    """Until when it may be restored."""


def _deletion(row: Any) -> Deletion:
    id_, repository_id, digest, media_type, tags, whole, by, at, purge_at = row
    return Deletion(
        id_,
        repository_id,
        digest,
        media_type,
        tuple(msgspec.json.decode(tags)),
        bool(whole),
        by,
        from_micros(at),
        from_micros(purge_at),
    )


def add(
    tx: sa.Connection,
    repository_id: int,
    digest: str,
    media_type: str,
    tags: Sequence[str],
    *,
    whole: bool,
    by: str,
    now: datetime,
    purge_at: datetime,
) -> None:
    """Remember what was deleted."""
    tx.execute(
        deletions.insert().values(
            repository_id=repository_id,
            digest=digest,
            media_type=media_type,
            tags=msgspec.json.encode(list(tags)).decode(),
            whole=int(whole),
            deleted_by=by,
            deleted_at=to_micros(now),
            purge_at=to_micros(purge_at),
        )
    )


def page(tx: sa.Connection, repository_id: int, now: datetime, before: int, limit: int) -> list[Deletion]:
    """What may still be restored, the latest first, of those with a smaller id than `before`."""
    query = (
        sa.select(deletions)
        .where(deletions.c.repository_id == repository_id, deletions.c.purge_at > to_micros(now))
        .where(deletions.c.id < before)
        .order_by(deletions.c.id.desc())
        .limit(limit)
    )
    return [_deletion(row) for row in tx.execute(query)]


def find(tx: sa.Connection, deletion_id: int) -> Deletion | None:
    row = tx.execute(sa.select(deletions).where(deletions.c.id == deletion_id)).first()
    return None if row is None else _deletion(row)


def due(tx: sa.Connection, now: datetime, limit: int) -> list[tuple[int, str]]:
    """Id and digest of those that can be restored no more, the oldest first."""
    query = (
        sa.select(deletions.c.id, deletions.c.digest)
        .where(deletions.c.purge_at <= to_micros(now))
        .order_by(deletions.c.purge_at, deletions.c.id)
        .limit(limit)
    )
    return [(deletion_id, digest) for deletion_id, digest in tx.execute(query)]


def remove(tx: sa.Connection, deletion_ids: Sequence[int]) -> None:
    tx.execute(deletions.delete().where(deletions.c.id.in_(deletion_ids)))
