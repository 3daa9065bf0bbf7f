"""Blob uploads in progress."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from hullwise.store.clock import from_micros, to_micros
from hullwise.store.layers import Segment
from hullwise.store.tables import upload_segments, uploads


@dataclass(frozen=True, slots=True)
class UploadSegment:
    segment: Segment
    sha256: str
    """Digest of this segment alone."""


@dataclass(frozen=True, slots=True)
class Upload:
    id: str
    repository_id: int
    principal: str
    started_at: datetime
    received: int
    """Bytes in all segments."""
    segments: tuple[UploadSegment, ...]
    active_at: datetime
    """When bytes last came."""


def begin(tx: sa.Connection, upload: Upload) -> None:
    tx.execute(
        uploads.insert().values(
            id=upload.id,
            repository_id=upload.repository_id,
            principal=upload.principal,
            started_at=to_micros(upload.started_at),
            active_at=to_micros(upload.started_at),
            received=0,
        )
    )


def find(tx: sa.Connection, upload_id: str, *, lock: bool = False) -> Upload | None:
    """`lock` holds the upload's row until the transaction ends, so that parts are added one after the other."""
    query = sa.select(uploads).where(uploads.c.id == upload_id)
    row = tx.execute(query.with_for_update() if lock else query).first()
    if row is None:
        return None
    parts = tx.execute(
        sa.select(upload_segments).where(upload_segments.c.upload_id == upload_id).order_by(upload_segments.c.ordinal)
    )
    return Upload(
        id=row.id,
        repository_id=row.repository_id,
        principal=row.principal,
        started_at=from_micros(row.started_at),
        received=row.received,
        segments=tuple(UploadSegment(Segment(part.object_key, part.size), part.sha256) for part in parts),
        active_at=from_micros(row.active_at),
    )


def append(tx: sa.Connection, upload: Upload, part: UploadSegment, now: datetime) -> Upload:
    """Add a segment behind those that `upload`, read under its lock, has."""
    tx.execute(
        upload_segments.insert().values(
            upload_id=upload.id,
            ordinal=len(upload.segments),
            object_key=part.segment.object_key,
            size=part.segment.size,
            sha256=part.sha256,
        )
    )
    received = upload.received + part.segment.size
    tx.execute(uploads.update().where(uploads.c.id == upload.id).values(received=received, active_at=to_micros(now)))
    return replace(upload, received=received, segments=(*upload.segments, part), active_at=now)


def idle(tx: sa.Connection, before: datetime, limit: int) -> list[str]:
    """Uploads that no bytes came for since then, by id."""
    query = sa.select(uploads.c.id).where(uploads.c.active_at <= to_micros(before)).order_by(uploads.c.active_at)
    return list(tx.execute(query.limit(limit)).scalars())


def delete(tx: sa.Connection, upload_id: str) -> None:
    tx.execute(uploads.delete().where(uploads.c.id == upload_id))
