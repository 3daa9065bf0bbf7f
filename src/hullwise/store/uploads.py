"""Blob uploads in progress."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from hullwise.store.clock import from_micros, to_micros
from hullwise.store.engine import Prepared, insert_all
from hullwise.store.layers import Segment
from hullwise.store.tables import upload_segments, uploads


@dataclass(frozen=True, slots=True)
class UploadSegment:
    segment: Segment
    sha256: str
    """Digest of this segment alone; empty: not known, and the bytes may not survive a power loss yet."""


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


_FIND = Prepared(sa.select(uploads).where(uploads.c.id == sa.bindparam("id")))
_LOCK = Prepared(sa.select(uploads).where(uploads.c.id == sa.bindparam("id")).with_for_update())
_SEGMENTS = Prepared(
    sa.select(upload_segments.c.object_key, upload_segments.c.size, upload_segments.c.sha256)
    .where(upload_segments.c.upload_id == sa.bindparam("id"))
    .order_by(upload_segments.c.ordinal)
)
_RECEIVED = Prepared(
    uploads.update()
    .where(uploads.c.id == sa.bindparam("upload"))
    .values(received=sa.bindparam("size"), active_at=sa.bindparam("at"))
)
_DELETE = Prepared(uploads.delete().where(uploads.c.id == sa.bindparam("id")))


def begin(tx: sa.Connection, upload: Upload) -> None:
    at = to_micros(upload.started_at)
    row = {
        "id": upload.id,
        "repository_id": upload.repository_id,
        "principal": upload.principal,
        "started_at": at,
        "active_at": at,
        "received": 0,
    }
    insert_all(tx, uploads, [row])


def find(tx: sa.Connection, upload_id: str, *, lock: bool = False) -> Upload | None:
    """`lock` holds the upload's row until the transaction ends, so that parts are added one after the other."""
    row = (_LOCK if lock else _FIND).row(tx, id=upload_id)
    if row is None:
        return None
    id_, repository_id, principal, started_at, received, active_at = row
    return Upload(
        id=id_,
        repository_id=repository_id,
        principal=principal,
        started_at=from_micros(started_at),
        received=received,
        segments=tuple(
            UploadSegment(Segment(key, size), sha256) for key, size, sha256 in _SEGMENTS.rows(tx, id=upload_id)
        ),
        active_at=from_micros(active_at),
    )


def append(tx: sa.Connection, upload: Upload, part: UploadSegment, now: datetime) -> Upload:
    """Add a segment behind those that `upload`, read under its lock, has."""
    row = {
        "upload_id": upload.id,
        "ordinal": len(upload.segments),
        "object_key": part.segment.object_key,
        "size": part.segment.size,
        "sha256": part.sha256,
    }
    insert_all(tx, upload_segments, [row])
    received = upload.received + part.segment.size
    _RECEIVED.write(tx, upload=upload.id, size=received, at=to_micros(now))
    return replace(upload, received=received, segments=(*upload.segments, part), active_at=now)


def idle(tx: sa.Connection, before: datetime, limit: int) -> list[str]:
    """Uploads that no bytes came for since then, by id."""
    query = sa.select(uploads.c.id).where(uploads.c.active_at <= to_micros(before)).order_by(uploads.c.active_at)
    return list(tx.execute(query.limit(limit)).scalars())


def delete(tx: sa.Connection, upload_id: str) -> None:
    _DELETE.write(tx, id=upload_id)
