"""Blobs, where their bytes lie, and in which repositories they may be seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from hullwise.store.clock import to_micros
from hullwise.store.engine import Prepared, among, insert_missing
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


_SEGMENTS = Prepared(
    sa.select(blob_segments.c.object_key, blob_segments.c.size)
    .where(blob_segments.c.digest == sa.bindparam("digest"))
    .order_by(blob_segments.c.ordinal)
)
_SEGMENTS_OF = Prepared(
    sa.select(blob_segments.c.digest, blob_segments.c.object_key, blob_segments.c.size)
    .where(among(blob_segments.c.digest, "digests"))
    .order_by(blob_segments.c.digest, blob_segments.c.ordinal)
)
_SIZE_OF = Prepared(sa.select(blobs.c.size).where(blobs.c.digest == sa.bindparam("digest")))
_PAGE = Prepared(
    sa.select(blobs.c.digest, blobs.c.size)
    .where(blobs.c.digest > sa.bindparam("after"))
    .order_by(blobs.c.digest)
    .limit(sa.bindparam("limit"))
)
_HERE = (
    sa.select(blobs.c.digest, blobs.c.size)
    .join(repository_blobs, repository_blobs.c.digest == blobs.c.digest)
    .where(repository_blobs.c.repository_id == sa.bindparam("repository"))
)
_SIZE = Prepared(_HERE.with_only_columns(blobs.c.size).where(blobs.c.digest == sa.bindparam("digest")))
_SIZES = Prepared(_HERE.where(among(repository_blobs.c.digest, "digests")))
_HOLDERS = Prepared(
    sa.select(repository_blobs.c.repository_id)
    .join(repositories, repositories.c.id == repository_blobs.c.repository_id)
    .where(
        repository_blobs.c.digest == sa.bindparam("digest"),
        repositories.c.account_id == sa.bindparam("account"),
        repositories.c.region == sa.bindparam("region"),
    )
    .order_by(repository_blobs.c.repository_id)
    .limit(sa.bindparam("limit"))
)


def _segments(tx: sa.Connection, digest: str) -> tuple[Segment, ...]:
    return tuple(Segment(key, size) for key, size in _SEGMENTS.rows(tx, digest=digest))


def find(tx: sa.Connection, repository_id: int, digest: str) -> Blob | None:
    """The blob, where it is visible in the repository; None otherwise, whoever else may have it."""
    size = _SIZE.value(tx, repository=repository_id, digest=digest)
    return None if size is None else Blob(digest, size, _segments(tx, digest))


def load(tx: sa.Connection, digest: str) -> Blob | None:
    """The blob by digest alone: for the server's own use, never for a caller's."""
    size = _SIZE_OF.value(tx, digest=digest)
    return None if size is None else Blob(digest, size, _segments(tx, digest))


def page(tx: sa.Connection, after: str, limit: int) -> list[Blob]:
    """Blobs in the order of digests, from the first behind `after`."""
    found = dict(_PAGE.rows(tx, after=after, limit=limit))
    parts: dict[str, list[Segment]] = {digest: [] for digest in found}
    for digest, key, size in _SEGMENTS_OF.rows(tx, digests=list(found)):
        parts[digest].append(Segment(key, size))
    return [Blob(digest, size, tuple(parts[digest])) for digest, size in found.items()]


def total(tx: sa.Connection, after: str = "") -> tuple[int, int]:
    """How many blobs are behind that digest, and how many bytes they have."""
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(blobs.c.size), 0)).where(blobs.c.digest > after)
    count, size = tx.execute(query).one()
    return int(count), int(size)


def sizes(tx: sa.Connection, repository_id: int, digests: Iterable[str]) -> dict[str, int]:
    """Size by digest of those that are visible in the repository."""
    return dict(_SIZES.rows(tx, repository=repository_id, digests=sorted(set(digests))))


def commit(tx: sa.Connection, digest: str, segments: Sequence[Segment], now: datetime) -> bool:
    """Make the segments the bytes of the digest. The caller has verified that they are.

    Returns False where the blob was there already: the segments given are then nobody's.
    """
    row = {"digest": digest, "size": sum(segment.size for segment in segments), "created_at": to_micros(now)}
    # Whoever collects garbage may be taking the blob away: then it is there no more once that has committed.
    while insert_missing(tx, blobs, [row]) == 0:
        if hold(tx, digest):
            return False
    rows = [
        {"digest": digest, "ordinal": ordinal, "object_key": segment.object_key, "size": segment.size}
        for ordinal, segment in enumerate(segments)
    ]
    insert_missing(tx, blob_segments, rows)
    return True


_HOLD = Prepared(
    sa.select(blobs.c.digest).where(blobs.c.digest == sa.bindparam("digest")).with_for_update(read=True, key_share=True)
)


def hold(tx: sa.Connection, digest: str) -> bool:
    """The blob stays until the transaction ends. False: it is gone."""
    return _HOLD.row(tx, digest=digest) is not None


def unlink(tx: sa.Connection, repository_id: int, digest: str) -> bool:
    """The blob is not visible in the repository any more. Returns whether it was."""
    gone = repository_blobs.delete().where(
        repository_blobs.c.repository_id == repository_id, repository_blobs.c.digest == digest
    )
    return tx.execute(gone).rowcount > 0


def holders(tx: sa.Connection, account: str, region: str, digest: str, limit: int) -> list[int]:
    """Repositories of the registry that have the blob, by id."""
    return [found for (found,) in _HOLDERS.rows(tx, account=account, region=region, digest=digest, limit=limit)]


_POSTPONE = Prepared(
    repository_blobs.update()
    .where(
        repository_blobs.c.repository_id == sa.bindparam("repository"),
        repository_blobs.c.digest == sa.bindparam("digest"),
        repository_blobs.c.review_at < sa.bindparam("at"),
    )
    .values(review_at=sa.bindparam("at"))
)


def link(tx: sa.Connection, repository_id: int, digest: str, now: datetime, review_at: datetime) -> None:
    """Make a committed blob visible in the repository: at least until `review_at`, and as long as an image needs it."""
    at = to_micros(review_at)
    row = {"repository_id": repository_id, "digest": digest, "linked_at": to_micros(now), "review_at": at}
    if insert_missing(tx, repository_blobs, [row]) == 0:
        _POSTPONE.write(tx, repository=repository_id, digest=digest, at=at)


def postpone(tx: sa.Connection, repository_id: int, digests: Iterable[str], review_at: datetime) -> None:
    """They stay visible in the repository at least until then."""
    at = to_micros(review_at)
    rows = [{"repository": repository_id, "digest": digest, "at": at} for digest in sorted(set(digests))]
    if rows:
        _POSTPONE.write_all(tx, rows)


def due_before(tx: sa.Connection, repository_id: int, digests: Iterable[str], moment: datetime) -> list[str]:
    """Those of the repository's that are looked at before then, to be taken away where no image needs them."""
    return [
        found
        for (found,) in _DUE.rows(tx, repository=repository_id, digests=sorted(set(digests)), at=to_micros(moment))
    ]


_DUE = Prepared(
    sa.select(repository_blobs.c.digest).where(
        repository_blobs.c.repository_id == sa.bindparam("repository"),
        among(repository_blobs.c.digest, "digests"),
        repository_blobs.c.review_at < sa.bindparam("at"),
    )
)
_RELEASE = Prepared(
    repository_blobs.update()
    .where(
        repository_blobs.c.repository_id == sa.bindparam("repository"),
        repository_blobs.c.digest == sa.bindparam("digest"),
        sa.func.coalesce(repository_blobs.c.review_at, sa.literal_column("0")) < sa.bindparam("at"),
    )
    .values(review_at=sa.bindparam("at"))
)


def release(tx: sa.Connection, repository_id: int, digests: Iterable[str], review_at: datetime) -> None:
    """An image that needed them is gone: they are looked at then, and stay until then."""
    at = to_micros(review_at)
    rows = [{"repository": repository_id, "digest": digest, "at": at} for digest in sorted(set(digests))]
    if rows:
        _RELEASE.write_all(tx, rows)
