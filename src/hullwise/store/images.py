"""Images: manifests in repositories, their tags, and what they are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from hullwise.domain.manifests import Descriptor
from hullwise.domain.names import ImageId
from hullwise.store.clock import from_micros, maybe, to_micros
from hullwise.store.engine import chunks, insert_missing
from hullwise.store.tables import image_blobs, image_children, image_tags, images, manifests

TagStatus = Literal["TAGGED", "UNTAGGED", "ANY"]
ImageStatus = Literal["ACTIVE", "ARCHIVED", "ACTIVATING", "ANY"]
"""ImageStatusFilter of the service model. Restoring takes no time here: nothing is ever ACTIVATING."""

ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True)
class Image:
    id: int
    repository_id: int
    digest: str
    media_type: str
    artifact_media_type: str
    size: int
    """Bytes, as DescribeImages gives it."""
    config_digest: str
    subject_digest: str
    scannable: bool
    pushed_at: datetime
    last_pushed_at: datetime | None
    """Where it was pushed more than once."""
    last_pull_at: datetime | None
    archived: bool
    archived_at: datetime | None
    """When it last went to the archive."""
    activated_at: datetime | None
    """When it last came back."""
    architecture: str
    author: str
    """Both as the config says; empty before the first scan."""


def _image(row: sa.Row[Any]) -> Image:
    return Image(
        id=row.id,
        repository_id=row.repository_id,
        digest=row.digest,
        media_type=row.media_type,
        artifact_media_type=row.artifact_media_type,
        size=row.size,
        config_digest=row.config_digest,
        subject_digest=row.subject_digest,
        scannable=bool(row.scannable),
        pushed_at=from_micros(row.pushed_at),
        last_pushed_at=maybe(row.last_pushed_at),
        last_pull_at=maybe(row.last_pull_at),
        archived=row.status == ARCHIVED,
        archived_at=maybe(row.archived_at),
        activated_at=maybe(row.activated_at),
        architecture=row.architecture or "",
        author=row.author or "",
    )


def put(
    tx: sa.Connection,
    *,
    repository_id: int,
    digest: str,
    body: bytes,
    media_type: str,
    artifact_media_type: str,
    size: int,
    config_digest: str,
    subject_digest: str,
    scannable: bool,
    blobs: Sequence[Descriptor],
    children: Sequence[str],
    now: datetime,
) -> tuple[Image, bool]:
    """Store a manifest in a repository. Returns the image and whether it is new there; an old one stays as it is."""
    insert_missing(tx, manifests, [{"digest": digest, "body": body}])
    row = {
        "repository_id": repository_id,
        "digest": digest,
        "media_type": media_type,
        "artifact_media_type": artifact_media_type,
        "size": size,
        "config_digest": config_digest,
        "subject_digest": subject_digest,
        "scannable": int(scannable),
        "pushed_at": to_micros(now),
    }
    new = insert_missing(tx, images, [row]) == 1
    image = by_digest(tx, repository_id, digest)
    assert image is not None
    if new:
        parts = [
            {"image_id": image.id, "ordinal": at, "digest": b.digest, "media_type": b.media_type, "size": b.size}
            for at, b in enumerate(blobs)
        ]
        insert_missing(tx, image_blobs, parts)
        rows = [{"image_id": image.id, "child_digest": child} for child in dict.fromkeys(children)]
        insert_missing(tx, image_children, rows)
    return image, new


def pushed_again(tx: sa.Connection, image: Image, now: datetime) -> None:
    """The repository had the image already. A push takes it out of the archive."""
    values: dict[str, Any] = {"last_pushed_at": to_micros(now)}
    if image.archived:
        values |= {"status": "ACTIVE", "activated_at": to_micros(now)}
    tx.execute(images.update().where(images.c.id == image.id).values(**values))


def set_archived(tx: sa.Connection, image_id: int, archived: bool, now: datetime) -> None:
    values: dict[str, Any] = {"status": ARCHIVED, "archived_at": to_micros(now)}
    if not archived:
        values = {"status": "ACTIVE", "activated_at": to_micros(now)}
    tx.execute(images.update().where(images.c.id == image_id).values(**values))


def set_config(tx: sa.Connection, image_id: int, architecture: str, author: str) -> None:
    """What the config says of the image."""
    tx.execute(images.update().where(images.c.id == image_id).values(architecture=architecture, author=author))


def by_digest(tx: sa.Connection, repository_id: int, digest: str) -> Image | None:
    query = sa.select(images).where(images.c.repository_id == repository_id, images.c.digest == digest)
    row = tx.execute(query).first()
    return None if row is None else _image(row)


def by_tag(tx: sa.Connection, repository_id: int, tag: str) -> Image | None:
    query = (
        sa.select(images)
        .join(image_tags, image_tags.c.image_id == images.c.id)
        .where(image_tags.c.repository_id == repository_id, image_tags.c.tag == tag)
    )
    row = tx.execute(query).first()
    return None if row is None else _image(row)


def by_id(tx: sa.Connection, image_id: int) -> Image | None:
    row = tx.execute(sa.select(images).where(images.c.id == image_id)).first()
    return None if row is None else _image(row)


def many(tx: sa.Connection, image_ids: Sequence[int]) -> dict[int, Image]:
    """By id; those that are gone are left out."""
    found: dict[int, Image] = {}
    for chunk in chunks(list(image_ids)):
        found |= {row.id: _image(row) for row in tx.execute(sa.select(images).where(images.c.id.in_(chunk)))}
    return found


def still_there(tx: sa.Connection, image_ids: Sequence[int]) -> list[int]:
    """Those of the images that are there, and stay until the transaction ends."""
    found: list[int] = []
    for chunk in chunks(list(image_ids)):
        query = sa.select(images.c.id).where(images.c.id.in_(chunk)).order_by(images.c.id)
        found += tx.execute(query.with_for_update(read=True, key_share=True)).scalars()
    return found


def find(tx: sa.Connection, repository_id: int, image_id: ImageId) -> Image | None:
    """The image that the id names. Digest and tag, where both are given, must agree; else it names none."""
    if image_id.tag is None:
        return None if image_id.digest is None else by_digest(tx, repository_id, image_id.digest)
    image = by_tag(tx, repository_id, image_id.tag)
    if image is None or (image_id.digest is not None and image.digest != image_id.digest):
        return None
    return image


def body(tx: sa.Connection, digest: str) -> bytes:
    """The manifest's exact bytes. The caller has found the image in a repository first."""
    found: bytes = tx.execute(sa.select(manifests.c.body).where(manifests.c.digest == digest)).scalar_one()
    return found


def blobs_of(tx: sa.Connection, image_id: int) -> list[Descriptor]:
    """Config first, then the layers, lowest first; empty for an index."""
    query = sa.select(image_blobs).where(image_blobs.c.image_id == image_id).order_by(image_blobs.c.ordinal)
    return [Descriptor(row.media_type, row.digest, row.size) for row in tx.execute(query)]


@dataclass(frozen=True, slots=True)
class BlobUse:
    """How a repository's images use a blob."""

    media_type: str
    archived: bool
    """Only images of the archive do."""


def uses_of_blobs(tx: sa.Connection, repository_id: int, digests: Iterable[str]) -> dict[str, BlobUse]:
    """By digest; blobs that no image uses are left out."""
    found: dict[str, BlobUse] = {}
    for chunk in chunks(sorted(set(digests))):
        query = (
            sa.select(image_blobs.c.digest, image_blobs.c.media_type, images.c.status)
            .join(images, images.c.id == image_blobs.c.image_id)
            .where(images.c.repository_id == repository_id, image_blobs.c.digest.in_(chunk))
            .distinct()
        )
        for row in tx.execute(query):
            archived = row.status == ARCHIVED
            before = found.get(row.digest)
            found[row.digest] = BlobUse(row.media_type, archived and (before is None or before.archived))
    return found


def referring(
    tx: sa.Connection,
    repository_id: int,
    subject: str,
    after: int,
    limit: int,
    artifact_types: Collection[str],
    status: ImageStatus,
) -> list[Image]:
    """Images whose subject is that digest, pushed after the one with id `after`, oldest first."""
    query = sa.select(images).where(
        images.c.repository_id == repository_id, images.c.subject_digest == subject, images.c.id > after
    )
    if artifact_types:
        query = query.where(images.c.artifact_media_type.in_(sorted(artifact_types)))
    query = _in_status(query, status)
    return [_image(row) for row in tx.execute(query.order_by(images.c.id).limit(limit))]


def present(tx: sa.Connection, repository_id: int, digests: Iterable[str]) -> dict[str, int]:
    """Image size by digest of the manifests that the repository has."""
    found: dict[str, int] = {}
    for chunk in chunks(sorted(set(digests))):
        query = sa.select(images.c.digest, images.c.size).where(
            images.c.repository_id == repository_id, images.c.digest.in_(chunk)
        )
        found |= {row.digest: row.size for row in tx.execute(query)}
    return found


def parents(tx: sa.Connection, repository_id: int, digest: str, *, active: bool = False) -> list[str]:
    """Digests of the repository's indexes that list the manifest; `active`: of those outside the archive."""
    query = (
        sa.select(images.c.digest)
        .join(image_children, image_children.c.image_id == images.c.id)
        .where(images.c.repository_id == repository_id, image_children.c.child_digest == digest)
        .order_by(images.c.id)
    )
    if active:
        query = query.where(images.c.status != ARCHIVED)
    return list(tx.execute(query).scalars())


def indexes_of(tx: sa.Connection, image_ids: Sequence[int]) -> dict[int, list[Image]]:
    """By image id, the indexes of its repository that list it, oldest first; an image that none lists is left out."""
    found: dict[int, list[Image]] = {}
    listed = images.alias("listed")
    for chunk in chunks(list(image_ids)):
        query = (
            sa.select(listed.c.id.label("listed_id"), images)
            .select_from(listed)
            .join(image_children, image_children.c.child_digest == listed.c.digest)
            .join(images, images.c.id == image_children.c.image_id)
            .where(listed.c.id.in_(chunk), images.c.repository_id == listed.c.repository_id)
            .order_by(images.c.id)
        )
        for row in tx.execute(query):
            found.setdefault(row.listed_id, []).append(_image(row))
    return found


def children(tx: sa.Connection, image: Image) -> list[Image]:
    """What an index lists, of what the repository has; in the order of pushes."""
    query = (
        sa.select(images)
        .join(image_children, image_children.c.child_digest == images.c.digest)
        .where(image_children.c.image_id == image.id, images.c.repository_id == image.repository_id)
        .order_by(images.c.id)
    )
    return [_image(row) for row in tx.execute(query)]


def delete(tx: sa.Connection, image_id: int) -> None:
    """Remove the image with its tags and scans. Its blobs stay until nothing needs them."""
    tx.execute(images.delete().where(images.c.id == image_id))


def any_image(tx: sa.Connection, repository_id: int) -> bool:
    return (
        tx.execute(sa.select(images.c.id).where(images.c.repository_id == repository_id).limit(1)).first() is not None
    )


def _in_status(query: sa.Select[Any], status: ImageStatus) -> sa.Select[Any]:
    return query if status == "ANY" else query.where(images.c.status == status)


def page(
    tx: sa.Connection,
    repository_id: int,
    after: int,
    limit: int,
    tag_status: TagStatus = "ANY",
    status: ImageStatus = "ANY",
) -> list[Image]:
    """Images pushed after the one with id `after`, oldest first."""
    query = sa.select(images).where(images.c.repository_id == repository_id, images.c.id > after)
    query = _in_status(query, status)
    tagged = sa.exists().where(image_tags.c.image_id == images.c.id)
    if tag_status != "ANY":
        query = query.where(tagged if tag_status == "TAGGED" else ~tagged)
    return [_image(row) for row in tx.execute(query.order_by(images.c.id).limit(limit))]


def tag_page(
    tx: sa.Connection,
    repository_id: int,
    after: tuple[int, str],
    limit: int,
    tag_status: TagStatus = "ANY",
    status: ImageStatus = "ANY",
) -> list[tuple[int, str, str | None]]:
    """(image id, digest, tag) in the order of (image id, tag), one for each tag and one for an image without any."""
    tag = sa.func.coalesce(image_tags.c.tag, "")
    query = (
        sa.select(images.c.id, images.c.digest, image_tags.c.tag)
        .join(image_tags, image_tags.c.image_id == images.c.id, isouter=tag_status != "TAGGED")
        .where(images.c.repository_id == repository_id, images.c.id >= after[0])
        .where(sa.or_(images.c.id > after[0], tag > after[1]))
        .order_by(images.c.id, tag)
        .limit(limit)
    )
    if tag_status == "UNTAGGED":
        query = query.where(image_tags.c.tag.is_(None))
    query = _in_status(query, status)
    return [(row[0], row[1], row[2]) for row in tx.execute(query)]


def tags_of(tx: sa.Connection, image_ids: Sequence[int]) -> dict[int, list[str]]:
    """Tags by image id, sorted; images without any are left out."""
    found: dict[int, list[str]] = {}
    for chunk in chunks(list(image_ids)):
        query = (
            sa.select(image_tags.c.image_id, image_tags.c.tag)
            .where(image_tags.c.image_id.in_(chunk))
            .order_by(image_tags.c.tag)
        )
        for row in tx.execute(query):
            found.setdefault(row.image_id, []).append(row.tag)
    return found


def tag_names(tx: sa.Connection, repository_id: int, after: str, limit: int) -> list[str]:
    """Tags of the repository that sort after `after`, in the order of their bytes; without those of the archive."""
    query = (
        sa.select(image_tags.c.tag)
        .join(images, images.c.id == image_tags.c.image_id)
        .where(image_tags.c.repository_id == repository_id, image_tags.c.tag > after, images.c.status != ARCHIVED)
        .order_by(image_tags.c.tag)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def tag(tx: sa.Connection, repository_id: int, name: str, image_id: int, now: datetime) -> None:
    """Make the tag name the image, whatever it named before. The caller holds the repository's lock."""
    values: Mapping[str, Any] = {"image_id": image_id, "tagged_at": to_micros(now)}
    where = sa.and_(image_tags.c.repository_id == repository_id, image_tags.c.tag == name)
    if tx.execute(image_tags.update().where(where).values(**values)).rowcount == 0:
        tx.execute(image_tags.insert().values(repository_id=repository_id, tag=name, **values))


def untag(tx: sa.Connection, repository_id: int, name: str) -> None:
    tx.execute(image_tags.delete().where(image_tags.c.repository_id == repository_id, image_tags.c.tag == name))


def record_pull(tx: sa.Connection, image_ids: Iterable[int], now: datetime) -> None:
    for chunk in chunks(list(image_ids)):
        tx.execute(images.update().where(images.c.id.in_(chunk)).values(last_pull_at=to_micros(now)))
