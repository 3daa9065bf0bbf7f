"""Images: manifests in repositories, their tags, and what they are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from hullwise.domain.manifests import Descriptor
from hullwise.domain.names import ImageId
from hullwise.store.clock import from_micros, maybe, to_micros
from hullwise.store.engine import Prepared, among, insert_all, insert_missing, insert_new
from hullwise.store.tables import image_blobs, image_children, image_tags, images, manifests, repositories

TagStatus = Literal["TAGGED", "UNTAGGED", "ANY"]
ImageStatus = Literal["ACTIVE", "ARCHIVED", "ACTIVATING", "ANY"]
"""ImageStatusFilter of the service model. Restoring takes no time here: nothing is ever ACTIVATING."""

ARCHIVED = "ARCHIVED"


class Image(msgspec.Struct, frozen=True):
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


_COLUMNS = tuple(images.c["status" if name == "archived" else name] for name in Image.__struct_fields__)


def _image(row: Any) -> Image:
    """Of a row of _COLUMNS."""
    id_, repository, digest, media, artifact, size, config, subject, scannable, pushed, again, pulled, *rest = row
    status, archived, activated, architecture, author = rest
    return Image(
        id_,
        repository,
        digest,
        media,
        artifact,
        size,
        config,
        subject,
        bool(scannable),
        from_micros(pushed),
        maybe(again),
        maybe(pulled),
        status == ARCHIVED,
        maybe(archived),
        maybe(activated),
        architecture or "",
        author or "",
    )


_BY_ID = Prepared(sa.select(*_COLUMNS).where(images.c.id == sa.bindparam("id")))
_BY_IDS = Prepared(sa.select(*_COLUMNS).where(among(images.c.id, "ids")))
_IN_REPOSITORY = sa.select(*_COLUMNS).where(images.c.repository_id == sa.bindparam("repository"))
_BY_DIGEST = Prepared(_IN_REPOSITORY.where(images.c.digest == sa.bindparam("digest")))
_BY_TAG = Prepared(
    sa.select(*_COLUMNS)
    .join(image_tags, image_tags.c.image_id == images.c.id)
    .where(image_tags.c.repository_id == sa.bindparam("repository"), image_tags.c.tag == sa.bindparam("tag"))
)
_BODY = Prepared(sa.select(manifests.c.body).where(manifests.c.digest == sa.bindparam("digest")))
_HOLD_BODY = Prepared(
    sa.select(manifests.c.digest)
    .where(manifests.c.digest == sa.bindparam("digest"))
    .with_for_update(read=True, key_share=True)
)
_SIZES = Prepared(
    _IN_REPOSITORY.with_only_columns(images.c.digest, images.c.size).where(among(images.c.digest, "digests"))
)
_STILL_THERE = Prepared(
    sa.select(images.c.id)
    .where(among(images.c.id, "ids"))
    .order_by(images.c.id)
    .with_for_update(read=True, key_share=True)
)
_BLOBS = Prepared(
    sa.select(image_blobs.c.media_type, image_blobs.c.digest, image_blobs.c.size)
    .where(image_blobs.c.image_id == sa.bindparam("image"))
    .order_by(image_blobs.c.ordinal)
)
_TAGS = Prepared(
    sa.select(image_tags.c.image_id, image_tags.c.tag)
    .where(among(image_tags.c.image_id, "ids"))
    .order_by(image_tags.c.tag)
)
_ALL_TAG_NAMES = (
    sa.select(image_tags.c.tag)
    .where(image_tags.c.repository_id == sa.bindparam("repository"), image_tags.c.folded >= sa.bindparam("folded"))
    .where(sa.or_(image_tags.c.folded > sa.bindparam("folded"), image_tags.c.tag > sa.bindparam("after")))
    .order_by(image_tags.c.folded, image_tags.c.tag)
    .limit(sa.bindparam("limit"))
)
_TAG_NAMES = Prepared(_ALL_TAG_NAMES)
_TAG_NAMES_BESIDE_ARCHIVE = Prepared(
    _ALL_TAG_NAMES.join(images, images.c.id == image_tags.c.image_id).where(images.c.status != ARCHIVED)
)
_ANY_ARCHIVED = Prepared(
    sa.select(images.c.id)
    # Not as a parameter: the index of the few that are archived is chosen for the word itself.
    .where(images.c.repository_id == sa.bindparam("repository"), images.c.status == sa.literal_column("'ARCHIVED'"))
    .limit(1)
)
_MOVE_TAG = Prepared(
    image_tags.update()
    .where(image_tags.c.repository_id == sa.bindparam("repository"), image_tags.c.tag == sa.bindparam("name"))
    .values(image_id=sa.bindparam("image"), tagged_at=sa.bindparam("now"), folded=sa.bindparam("folded_name"))
)
_PULLED = Prepared(
    images.update()
    .where(images.c.id == sa.bindparam("image"))
    .where(sa.or_(images.c.last_pull_at.is_(None), images.c.last_pull_at < sa.bindparam("at")))
    .values(last_pull_at=sa.bindparam("at"))
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
    # Whoever collects garbage may be taking the manifest away: then it is there no more once that has committed.
    while insert_missing(tx, manifests, [{"digest": digest, "body": body}]) == 0:
        if _HOLD_BODY.row(tx, digest=digest) is not None:
            break
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
    new = insert_new(tx, images, row, _COLUMNS)
    image = by_digest(tx, repository_id, digest) if new is None else _image(new)
    assert image is not None
    if new is not None:
        parts = [
            {"image_id": image.id, "ordinal": at, "digest": b.digest, "media_type": b.media_type, "size": b.size}
            for at, b in enumerate(blobs)
        ]
        insert_missing(tx, image_blobs, parts)
        rows = [{"image_id": image.id, "child_digest": child} for child in dict.fromkeys(children)]
        insert_missing(tx, image_children, rows)
    return image, new is not None


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


def set_chain(tx: sa.Connection, image_id: int, chain: Sequence[str]) -> None:
    """The chain ids of its layers, lowest first, checked against what they hold."""
    packed = b"".join(bytes.fromhex(each.removeprefix("sha256:")) for each in chain)
    tx.execute(images.update().where(images.c.id == image_id).values(chain_id=chain[-1], chain_ids=packed))


def chain_of(tx: sa.Connection, image_id: int) -> tuple[str, ...]:
    """Its chain ids, lowest first; empty where it was not scanned yet."""
    packed = tx.execute(sa.select(images.c.chain_ids).where(images.c.id == image_id)).scalar() or b""
    return tuple(f"sha256:{packed[at : at + 32].hex()}" for at in range(0, len(packed), 32))


def with_chain(
    tx: sa.Connection, account: str, region: str, chain: Sequence[str], limit: int
) -> list[tuple[str, Image]]:
    """(chain id, image) of images in the account's registry whose layers are all of one of these chains, the latest
    first; `limit` at most of each."""
    found: list[tuple[str, Image]] = []
    for each in chain:
        query = (
            sa.select(*_COLUMNS)
            .join(repositories, repositories.c.id == images.c.repository_id)
            .where(images.c.chain_id == each, repositories.c.account_id == account, repositories.c.region == region)
            .order_by(images.c.id.desc())
            .limit(limit)
        )
        found += [(each, _image(row)) for row in tx.execute(query)]
    return found


def by_digest(tx: sa.Connection, repository_id: int, digest: str) -> Image | None:
    row = _BY_DIGEST.row(tx, repository=repository_id, digest=digest)
    return None if row is None else _image(row)


def by_tag(tx: sa.Connection, repository_id: int, tag: str) -> Image | None:
    row = _BY_TAG.row(tx, repository=repository_id, tag=tag)
    return None if row is None else _image(row)


def by_id(tx: sa.Connection, image_id: int) -> Image | None:
    row = _BY_ID.row(tx, id=image_id)
    return None if row is None else _image(row)


def many(tx: sa.Connection, image_ids: Sequence[int]) -> dict[int, Image]:
    """By id; those that are gone are left out."""
    return {row[0]: _image(row) for row in _BY_IDS.rows(tx, ids=image_ids)}


def still_there(tx: sa.Connection, image_ids: Sequence[int]) -> list[int]:
    """Those of the images that are there, and stay until the transaction ends."""
    return [image_id for (image_id,) in _STILL_THERE.rows(tx, ids=image_ids)]


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
    found: bytes = _BODY.value(tx, digest=digest)
    return found


def bodies(tx: sa.Connection, after: str, limit: int) -> list[tuple[str, bytes]]:
    """Digest and bytes of manifests in the order of digests, from the first behind `after`: for the server's own
    reading."""
    query = sa.select(manifests.c.digest, manifests.c.body).where(manifests.c.digest > after)
    return [(row.digest, row.body) for row in tx.execute(query.order_by(manifests.c.digest).limit(limit))]


def blobs_of(tx: sa.Connection, image_id: int) -> list[Descriptor]:
    """Config first, then the layers, lowest first; empty for an index."""
    return [Descriptor(*row) for row in _BLOBS.rows(tx, image=image_id)]


@dataclass(frozen=True, slots=True)
class BlobUse:
    """How a repository's images use a blob."""

    media_type: str
    archived: bool
    """Only images of the archive do."""


def uses_of_blobs(tx: sa.Connection, repository_id: int, digests: Iterable[str]) -> dict[str, BlobUse]:
    """By digest; blobs that no image uses are left out."""
    found: dict[str, BlobUse] = {}
    rows = _USES.rows(tx, repository=repository_id, digests=sorted(set(digests)))
    for digest, media_type, status in rows:
        before = found.get(digest)
        found[digest] = BlobUse(media_type, status == ARCHIVED and (before is None or before.archived))
    return found


_USES = Prepared(
    sa.select(image_blobs.c.digest, image_blobs.c.media_type, images.c.status)
    .join(images, images.c.id == image_blobs.c.image_id)
    .where(images.c.repository_id == sa.bindparam("repository"), among(image_blobs.c.digest, "digests"))
    .distinct()
)


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
    query = sa.select(*_COLUMNS).where(
        images.c.repository_id == repository_id, images.c.subject_digest == subject, images.c.id > after
    )
    if artifact_types:
        query = query.where(images.c.artifact_media_type.in_(sorted(artifact_types)))
    query = in_status(query, status)
    return [_image(row) for row in tx.execute(query.order_by(images.c.id).limit(limit))]


def present(tx: sa.Connection, repository_id: int, digests: Iterable[str]) -> dict[str, int]:
    """Image size by digest of the manifests that the repository has."""
    return dict(_SIZES.rows(tx, repository=repository_id, digests=sorted(set(digests))))


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
    for listed, *row in _INDEXES.rows(tx, ids=image_ids):
        found.setdefault(listed, []).append(_image(row))
    return found


_listed = images.alias("listed")
_INDEXES = Prepared(
    sa.select(_listed.c.id, *_COLUMNS)
    .select_from(_listed)
    .join(image_children, image_children.c.child_digest == _listed.c.digest)
    .join(images, images.c.id == image_children.c.image_id)
    .where(among(_listed.c.id, "ids"), images.c.repository_id == _listed.c.repository_id)
    .order_by(images.c.id)
)


def children(tx: sa.Connection, image: Image) -> list[Image]:
    """What an index lists, of what the repository has; in the order of pushes."""
    query = (
        sa.select(*_COLUMNS)
        .join(image_children, image_children.c.child_digest == images.c.digest)
        .where(image_children.c.image_id == image.id, images.c.repository_id == image.repository_id)
        .order_by(images.c.id)
    )
    return [_image(row) for row in tx.execute(query)]


def delete(tx: sa.Connection, image_id: int) -> None:
    """Remove the image with its tags and scans. Its manifest and its blobs stay until they are collected."""
    tx.execute(images.delete().where(images.c.id == image_id))


def any_image(tx: sa.Connection, repository_id: int) -> bool:
    return (
        tx.execute(sa.select(images.c.id).where(images.c.repository_id == repository_id).limit(1)).first() is not None
    )


def in_status(query: sa.Select[Any], status: ImageStatus) -> sa.Select[Any]:
    """The query's images in that status."""
    return query if status == "ANY" else query.where(images.c.status == status)


def page(tx: sa.Connection, repository_id: int, after: int, limit: int) -> list[Image]:
    """Images pushed after the one with id `after`, oldest first."""
    return [_image(row) for row in _PAGE.rows(tx, repository=repository_id, after=after, limit=limit)]


_PAGE = Prepared(
    _IN_REPOSITORY.where(images.c.id > sa.bindparam("after")).order_by(images.c.id).limit(sa.bindparam("limit"))
)


def with_tags(query: sa.Select[Any], tag_status: TagStatus) -> sa.Select[Any]:
    """The query's images that have a tag, have none, or all."""
    tagged = sa.exists().where(image_tags.c.image_id == images.c.id)
    if tag_status == "ANY":
        return query
    return query.where(tagged if tag_status == "TAGGED" else ~tagged)


def tag_page(
    tx: sa.Connection,
    repository_id: int,
    after: tuple[int, str],
    limit: int,
    tag_status: TagStatus = "ANY",
    status: ImageStatus = "ANY",
) -> list[tuple[int, str, str | None]]:
    """(image id, digest, tag) in the order of (image id, tag), one for each tag and one for an image without any."""
    page = _tag_page(tag_status, status)
    rows = page.rows(tx, repository=repository_id, image=after[0], after=after[1], limit=limit)
    return [(image_id, digest, tag) for image_id, digest, tag in rows]


@cache
def _tag_page(tag_status: TagStatus, status: ImageStatus) -> Prepared:
    tag: sa.ColumnElement[str] = sa.func.coalesce(image_tags.c.tag, "")
    image: sa.BindParameter[int] = sa.bindparam("image")
    query = (
        sa.select(images.c.id, images.c.digest, image_tags.c.tag)
        .join(image_tags, image_tags.c.image_id == images.c.id, isouter=tag_status != "TAGGED")
        .where(images.c.repository_id == sa.bindparam("repository"), images.c.id >= image)
        .where(sa.or_(images.c.id > image, tag > sa.bindparam("after")))
        .order_by(images.c.id, tag)
        .limit(sa.bindparam("limit"))
    )
    if tag_status == "UNTAGGED":
        query = query.where(image_tags.c.tag.is_(None))
    return Prepared(in_status(query, status))


def tags_of(tx: sa.Connection, image_ids: Sequence[int]) -> dict[int, list[str]]:
    """Tags by image id, sorted; images without any are left out."""
    found: dict[int, list[str]] = {}
    for image_id, name in _TAGS.rows(tx, ids=image_ids):
        found.setdefault(image_id, []).append(name)
    return found


_COUNT_TAGS = Prepared(
    sa.select(sa.func.count()).select_from(image_tags).where(image_tags.c.image_id == sa.bindparam("image"))
)


def count_tags(tx: sa.Connection, image_id: int) -> int:
    return int(_COUNT_TAGS.value(tx, image=image_id))


def count_referring(tx: sa.Connection, repository_id: int, subject: str, most: int) -> int:
    """How many images have that subject, counted up to `most`."""
    found = sa.select(images.c.id).where(images.c.repository_id == repository_id, images.c.subject_digest == subject)
    return int(tx.execute(sa.select(sa.func.count()).select_from(found.limit(most).subquery())).scalar() or 0)


def any_archived(tx: sa.Connection, repository_id: int) -> bool:
    """Whether any image of the repository is in the archive."""
    return _ANY_ARCHIVED.row(tx, repository=repository_id) is not None


def archived_listed(tx: sa.Connection, repository_id: int, digests: Collection[str]) -> list[Image]:
    """What these indexes of the repository list and is in the archive, in the order of pushes."""
    listing = images.alias()
    query = (
        sa.select(*_COLUMNS)
        .join(image_children, image_children.c.child_digest == images.c.digest)
        .join(listing, listing.c.id == image_children.c.image_id)
        .where(images.c.repository_id == repository_id, images.c.status == ARCHIVED)
        .where(listing.c.repository_id == repository_id, among(listing.c.digest, "digests"))
        .distinct()
        .order_by(images.c.id)
    )
    return [_image(row) for row in tx.execute(query, {"digests": sorted(set(digests))})]


def indexes_listed(tx: sa.Connection, repository_id: int, digests: Collection[str]) -> list[str]:
    """Digests of the indexes that these indexes of the repository list."""
    return [digest for (digest,) in _LISTED_INDEXES.rows(tx, repository=repository_id, digests=sorted(set(digests)))]


_listing = images.alias("listing")
_LISTED_INDEXES = Prepared(
    sa.select(images.c.digest)
    .select_from(_listing)
    .join(image_children, image_children.c.image_id == _listing.c.id)
    .join(
        images,
        sa.and_(images.c.digest == image_children.c.child_digest, images.c.repository_id == _listing.c.repository_id),
    )
    .where(
        _listing.c.repository_id == sa.bindparam("repository"),
        among(_listing.c.digest, "digests"),
        images.c.config_digest == sa.literal_column("''"),
    )
    .distinct()
)


def tag_names(tx: sa.Connection, repository_id: int, after: str, limit: int) -> list[str]:
    """Tags of the repository that sort after `after`, in an order in which case does not matter, those that differ in
    nothing else by their bytes; without those of the archive."""
    # Most repositories have no archive: half the time goes into the join that leaves it out.
    names = _TAG_NAMES_BESIDE_ARCHIVE if any_archived(tx, repository_id) else _TAG_NAMES
    asked = {"repository": repository_id, "after": after, "folded": after.lower(), "limit": limit}
    return [name for (name,) in names.rows(tx, **asked)]


def tag(tx: sa.Connection, repository_id: int, name: str, image_id: int, now: datetime) -> None:
    """Make the tag name the image, whatever it named before. The caller holds the repository's lock."""
    at = to_micros(now)
    if _MOVE_TAG.write(tx, repository=repository_id, name=name, folded_name=name.lower(), image=image_id, now=at) == 0:
        row = {"repository_id": repository_id, "tag": name, "folded": name.lower(), "image_id": image_id}
        insert_all(tx, image_tags, [{**row, "tagged_at": at}])


def untag(tx: sa.Connection, repository_id: int, name: str) -> None:
    tx.execute(image_tags.delete().where(image_tags.c.repository_id == repository_id, image_tags.c.tag == name))


def record_pulls(tx: sa.Connection, pulled: Iterable[tuple[int, datetime]]) -> None:
    """When images (by id) were last pulled, unless a later pull is recorded. In the order of ids, so that two who
    record the same do not wait for each other."""
    _PULLED.write_all(tx, [{"image": image_id, "at": to_micros(at)} for image_id, at in sorted(pulled)])
