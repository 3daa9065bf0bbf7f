"""What nothing needs any more: links, blobs, manifests, objects.

Every question and its answer are one transaction, and hold what they are about against those who would use it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

import sqlalchemy as sa

from hullwise.store.clock import maybe, to_micros
from hullwise.store.engine import Prepared, among, insert_missing, insert_missing_from, serialise
from hullwise.store.layers import Segment
from hullwise.store.tables import (
    MANY_SEGMENTS,
    blob_segments,
    blobs,
    collections,
    condemned_objects,
    content_reviews,
    deletions,
    image_blobs,
    images,
    layer_analyses,
    manifests,
    repository_blobs,
    upload_segments,
    uploads,
)

LOCK = "garbage"
"""Held by whoever collects, and by whoever needs that nothing is collected."""

Kind = Literal["blob", "manifest"]


class Link(NamedTuple):
    repository_id: int
    digest: str


def due_links(tx: sa.Connection, now: datetime, limit: int) -> list[Link]:
    """Blobs in repositories that are to be looked at, those first that wait longest."""
    query = (
        sa.select(repository_blobs.c.repository_id, repository_blobs.c.digest)
        .where(repository_blobs.c.review_at <= to_micros(now))
        .order_by(repository_blobs.c.review_at, repository_blobs.c.repository_id, repository_blobs.c.digest)
        .limit(limit)
    )
    return [Link(*row) for row in tx.execute(query)]


_NEEDED = Prepared(
    sa.select(image_blobs.c.digest)
    .join(images, images.c.id == image_blobs.c.image_id)
    .where(images.c.repository_id == sa.bindparam("repository"), among(image_blobs.c.digest, "digests"))
    .distinct()
)
_STILL_DUE = Prepared(
    sa.select(repository_blobs.c.digest)
    .where(
        repository_blobs.c.repository_id == sa.bindparam("repository"),
        among(repository_blobs.c.digest, "digests"),
        repository_blobs.c.review_at <= sa.bindparam("now"),
    )
    .order_by(repository_blobs.c.digest)
)
_OF_LINKS = (
    repository_blobs.c.repository_id == sa.bindparam("repository"),
    among(repository_blobs.c.digest, "digests"),
)
_REVIEWED = Prepared(repository_blobs.update().where(*_OF_LINKS).values(review_at=None))
_UNLINK = Prepared(repository_blobs.delete().where(*_OF_LINKS))


def unneeded_links(tx: sa.Connection, repository_id: int, digests: Iterable[str], now: datetime) -> list[str]:
    """Those of the due links that no image of the repository needs, sorted."""
    return _unneeded(tx, repository_id, _still_due(tx, repository_id, digests, now))


def _still_due(tx: sa.Connection, repository_id: int, digests: Iterable[str], now: datetime) -> list[str]:
    asked = {"repository": repository_id, "digests": list(digests), "now": to_micros(now)}
    return [digest for (digest,) in _STILL_DUE.rows(tx, **asked)]


def _unneeded(tx: sa.Connection, repository_id: int, due: list[str]) -> list[str]:
    needed = {digest for (digest,) in _NEEDED.rows(tx, repository=repository_id, digests=due)}
    return [digest for digest in due if digest not in needed]


def review_links(tx: sa.Connection, repository_id: int, digests: Sequence[str], now: datetime) -> list[str]:
    """Take away those that no image needs, and return them, sorted; the others that are due are not looked at again
    until an image that needs them goes. The caller holds the repository's lock, which whoever stores an image takes
    too."""
    due = _still_due(tx, repository_id, digests, now)
    unneeded = _unneeded(tx, repository_id, due)
    # Those that were promised to somebody meanwhile keep their date.
    needed = sorted(set(due) - set(unneeded))
    _REVIEWED.write(tx, repository=repository_id, digests=needed)
    _UNLINK.write(tx, repository=repository_id, digests=unneeded)
    return unneeded


_LOCK_BLOB = Prepared(sa.select(blobs.c.size).where(blobs.c.digest == sa.bindparam("digest")).with_for_update())
_HELD = Prepared(
    sa.select(repository_blobs.c.digest).where(repository_blobs.c.digest == sa.bindparam("digest")).limit(1)
)
_KEYS = Prepared(sa.select(blob_segments.c.object_key).where(blob_segments.c.digest == sa.bindparam("digest")))


_LATER = Prepared(
    sa.select(content_reviews.c.due_at).where(
        content_reviews.c.kind == "blob",
        content_reviews.c.digest == sa.bindparam("digest"),
        content_reviews.c.due_at > sa.bindparam("now"),
    )
)


def drop_blob(tx: sa.Connection, digest: str, now: datetime) -> int | None:
    """Where no repository has the blob, and it is not to be looked at later, it is gone and its objects are condemned:
    returns its bytes. None: one has it, or it was gone before."""
    size = _LOCK_BLOB.value(tx, digest=digest)
    if size is None or _HELD.row(tx, digest=digest) is not None:
        return None
    if _LATER.row(tx, digest=digest, now=to_micros(now)) is not None:
        return None
    condemn(tx, [key for (key,) in _KEYS.rows(tx, digest=digest)], now)
    tx.execute(layer_analyses.delete().where(layer_analyses.c.digest == digest))
    tx.execute(blobs.delete().where(blobs.c.digest == digest))
    return int(size)


_LOCK_MANIFEST = Prepared(
    sa.select(manifests.c.digest).where(manifests.c.digest == sa.bindparam("digest")).with_for_update()
)
_NAMED = Prepared(
    sa.union_all(
        sa.select(images.c.digest).where(images.c.digest == sa.bindparam("digest")),
        sa.select(deletions.c.digest).where(deletions.c.digest == sa.bindparam("digest")),
    ).limit(1)
)


def drop_manifest(tx: sa.Connection, digest: str) -> bool:
    """Where no image has the manifest and none could be restored with it, it is gone: returns whether it is."""
    if _LOCK_MANIFEST.row(tx, digest=digest) is None or _NAMED.row(tx, digest=digest) is not None:
        return False
    tx.execute(manifests.delete().where(manifests.c.digest == digest))
    return True


def review_all_of(tx: sa.Connection, repository_id: int, now: datetime) -> None:
    """The repository is about to go: all that it has is looked at, and the bytes of its uploads are nobody's."""
    for kind, content in (("blob", repository_blobs), ("manifest", images), ("manifest", deletions)):
        found = sa.select(sa.literal(kind), content.c.digest, sa.literal(to_micros(now)))
        found = found.where(content.c.repository_id == repository_id).distinct()
        insert_missing_from(tx, content_reviews, ["kind", "digest", "due_at"], found)
    keys = sa.select(upload_segments.c.object_key).join(uploads, uploads.c.id == upload_segments.c.upload_id)
    condemn(tx, list(tx.execute(keys.where(uploads.c.repository_id == repository_id)).scalars()), now)


def review_blob(tx: sa.Connection, digest: str, due_at: datetime) -> None:
    """Look then, and no sooner, whether any repository has the blob."""
    at = to_micros(due_at)
    if not insert_missing(tx, content_reviews, [{"kind": "blob", "digest": digest, "due_at": at}]):
        mine = sa.and_(content_reviews.c.kind == "blob", content_reviews.c.digest == digest)
        tx.execute(content_reviews.update().where(mine, content_reviews.c.due_at < at).values(due_at=at))


def due_contents(tx: sa.Connection, now: datetime, limit: int) -> list[tuple[Kind, str]]:
    query = (
        sa.select(content_reviews.c.kind, content_reviews.c.digest)
        .where(content_reviews.c.due_at <= to_micros(now))
        .order_by(content_reviews.c.due_at, content_reviews.c.kind, content_reviews.c.digest)
        .limit(limit)
    )
    return [(kind, digest) for kind, digest in tx.execute(query)]


def reviewed(tx: sa.Connection, kind: Kind, digest: str) -> None:
    tx.execute(content_reviews.delete().where(content_reviews.c.kind == kind, content_reviews.c.digest == digest))


def count_unheld(tx: sa.Connection, leaving: Collection[Link], now: datetime) -> tuple[int, int]:
    """How many blobs no repository would have, and their bytes, once these links were gone and what is due reviewed."""
    count = size = 0
    gone = Counter(link.digest for link in leaving)
    due = [digest for kind, digest in due_contents(tx, now, 1 << 40) if kind == "blob"]
    for digest in sorted({*gone, *due}):
        held = sa.select(sa.func.count()).where(repository_blobs.c.digest == digest)
        later = _LATER.row(tx, digest=digest, now=to_micros(now))
        if later is None and tx.execute(held).scalar() == gone[digest]:
            bytes_ = tx.execute(sa.select(blobs.c.size).where(blobs.c.digest == digest)).scalar()
            if bytes_ is not None:
                count, size = count + 1, size + bytes_
    return count, size


def count_droppable(tx: sa.Connection, purged: Sequence[int], now: datetime) -> int:
    """How many manifests nothing would name, once these deletions were gone and what is due reviewed."""
    rows = tx.execute(sa.select(deletions.c.id, deletions.c.digest)).all()
    gone = set(purged)
    kept = {digest for deletion_id, digest in rows if deletion_id not in gone}
    due = {digest for deletion_id, digest in rows if deletion_id in gone}
    due |= {digest for kind, digest in due_contents(tx, now, 1 << 40) if kind == "manifest"}
    used = sa.exists().where(images.c.digest == manifests.c.digest)
    droppable = sa.select(manifests.c.digest).where(manifests.c.digest == sa.bindparam("digest"), ~used)
    return sum(tx.execute(droppable, {"digest": digest}).first() is not None for digest in due - kept)


def condemn(tx: sa.Connection, keys: Iterable[str], now: datetime) -> None:
    """These objects are deleted soon, and no row will name them again."""
    rows = [{"object_key": key, "condemned_at": to_micros(now), "deleted_at": None} for key in sorted(set(keys))]
    insert_missing(tx, condemned_objects, rows)


def _lock_name(key: str) -> str:
    return f"object {key}"


_CONDEMNED = Prepared(
    sa.select(condemned_objects.c.object_key).where(condemned_objects.c.object_key == sa.bindparam("key"))
)


def claim(tx: sa.Connection, key: str) -> bool:
    """The transaction may make a row that names the object: whoever would condemn it waits. False: it is condemned."""
    serialise(tx, _lock_name(key))
    return _CONDEMNED.row(tx, key=key) is None


NAMING = (blob_segments.c.object_key, upload_segments.c.object_key, condemned_objects.c.object_key)
"""Columns that name objects, but for files of generations."""
_KNOWN = [Prepared(sa.select(column).where(among(column, "keys"))) for column in NAMING]


def unknown(tx: sa.Connection, keys: Sequence[str]) -> list[str]:
    """Those of the objects that no row names, in the order given."""
    known = {key for each in _KNOWN for (key,) in each.rows(tx, keys=list(keys))}
    return [key for key in keys if key not in known]


_SOME = 5
"""Of each end of the list of keys, whose order is random (`blobs/keys.py`)."""
_FIRST, _LAST = (
    Prepared(sa.select(blob_segments.c.object_key).order_by(order).limit(_SOME))
    for order in (blob_segments.c.object_key, blob_segments.c.object_key.desc())
)


def some_named(tx: sa.Connection) -> list[str]:
    """Keys of a few objects that blobs are made of; empty where there is no blob."""
    return list(dict.fromkeys(key for each in (_FIRST, _LAST) for (key,) in each.rows(tx)))


def condemn_unknown(tx: sa.Connection, keys: Sequence[str], now: datetime) -> list[str]:
    """Condemn those that no row names, and return them. None of them can come to be named meanwhile."""
    for key in sorted(keys):
        serialise(tx, _lock_name(key))
    found = unknown(tx, keys)
    condemn(tx, found, now)
    return found


def to_delete(tx: sa.Connection, before: datetime, limit: int) -> list[str]:
    """Condemned objects that are not deleted yet: those condemned until then, the longest first."""
    query = (
        sa.select(condemned_objects.c.object_key)
        .where(condemned_objects.c.deleted_at.is_(None), condemned_objects.c.condemned_at <= to_micros(before))
        .order_by(condemned_objects.c.condemned_at, condemned_objects.c.object_key)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def deleted(tx: sa.Connection, keys: Sequence[str], now: datetime) -> None:
    """These objects are gone."""
    statement = condemned_objects.update().where(condemned_objects.c.object_key.in_(keys))
    tx.execute(statement.values(deleted_at=to_micros(now)))


def forget_deleted(tx: sa.Connection, before: datetime) -> None:
    """Nobody can name any more what was deleted before then."""
    tx.execute(condemned_objects.delete().where(condemned_objects.c.deleted_at <= to_micros(before)))


def in_many_segments(tx: sa.Connection, after: str, limit: int) -> list[str]:
    """Blobs of more than MANY_SEGMENTS segments that sort after `after`, by digest."""
    columns = blob_segments.c
    # Not as a parameter: the index of the few that have so many is chosen for the number itself.
    many = columns.ordinal == sa.literal_column(str(MANY_SEGMENTS))
    query = sa.select(columns.digest).where(columns.digest > after, many).order_by(columns.digest).limit(limit)
    return list(tx.execute(query).scalars())


def replace_segments(
    tx: sa.Connection, digest: str, before: Sequence[Segment], after: Sequence[Segment], now: datetime
) -> bool:
    """The blob's bytes lie in these objects now, and those before are condemned. False: the blob is gone or its
    segments are not those any more, and nothing was changed."""
    if _LOCK_BLOB.row(tx, digest=digest) is None:
        return False
    columns = blob_segments.c
    query = sa.select(columns.object_key, columns.size).where(columns.digest == digest).order_by(columns.ordinal)
    if [Segment(*row) for row in tx.execute(query)] != list(before):
        return False
    if not all(claim(tx, segment.object_key) for segment in after):
        return False
    tx.execute(blob_segments.delete().where(columns.digest == digest))
    rows = [
        {"digest": digest, "ordinal": ordinal, "object_key": segment.object_key, "size": segment.size}
        for ordinal, segment in enumerate(after)
    ]
    insert_missing(tx, blob_segments, rows)
    condemn(tx, [segment.object_key for segment in before], now)
    return True


@dataclass(frozen=True, slots=True)
class Run:
    """One collection."""

    id: int
    requested_at: datetime
    ended_at: datetime | None
    summary: str
    """JSON; empty: not ended."""


def latest(tx: sa.Connection) -> Run | None:
    row = tx.execute(sa.select(collections).order_by(collections.c.id.desc()).limit(1)).first()
    if row is None:
        return None
    requested = maybe(row.requested_at)
    assert requested is not None
    return Run(row.id, requested, maybe(row.ended_at), row.summary)


def request(tx: sa.Connection, now: datetime) -> int:
    """A collection that somebody will run. Returns its id."""
    key = tx.execute(collections.insert().values(requested_at=to_micros(now), summary="")).inserted_primary_key
    assert key is not None
    return int(key[0])


def end(tx: sa.Connection, collection_id: int, summary: str, now: datetime) -> None:
    statement = collections.update().where(collections.c.id == collection_id)
    tx.execute(statement.values(ended_at=to_micros(now), summary=summary))
