"""Images: putting, tagging and deleting them. Both protocols come here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from hullwise.domain import digests, manifests
from hullwise.domain.errors import (
    ImageNotFound,
    ImageStillReferenced,
    ImageTagAlreadyExists,
    InvalidManifest,
    LayersNotFound,
    LimitReached,
    ReferencedImagesNotFound,
    RepositoryNotFound,
    StorageClassNotSupported,
)
from hullwise.domain.limits import NESTING, REFERRERS, TAGS_PER_IMAGE
from hullwise.domain.manifests import Kind, Manifest
from hullwise.domain.names import ImageId, check_tag
from hullwise.events import kinds, outbox
from hullwise.registry import mutability, uploads
from hullwise.services import Services
from hullwise.store import deletions, images, layers, repositories
from hullwise.store.images import Image
from hullwise.store.repositories import Repository

StorageClass = Literal["STANDARD", "ARCHIVE"]
"""TargetStorageClass of the service model."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A manifest that was parsed and whose digest was checked, before any transaction began."""

    body: bytes
    digest: str
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Stored:
    image: Image
    manifest: Manifest
    changed: bool
    """False where the repository already had exactly this: the same manifest under the same tag, not in the archive."""


def prepare(body: bytes, media_type: str | None, stated_digest: str | None = None) -> Prepared:
    """Parse a manifest. Raises what `manifests.parse` does, and DigestMismatch where the stated digest is wrong."""
    algorithm = "sha256" if stated_digest is None else digests.algorithm(digests.check(stated_digest))
    digest = digests.of(body, algorithm)
    if stated_digest is not None:
        digests.verify(stated_digest, digest)
    return Prepared(body, digest, manifests.parse(body, media_type))


def put(tx: sa.Connection, services: Services, repository: Repository, prepared: Prepared, tag: str | None) -> Stored:
    """Store a manifest, and let the tag name it, in the repository as it is by now.

    Once this commits, everything that the manifest needs is in the repository, and whether it is scanned is decided.
    Raises LayersNotFound, ReferencedImagesNotFound, InvalidManifest for sizes that are not those of the blobs, and
    ImageTagAlreadyExists for a tag that is fixed to another image.
    """
    if tag is not None:
        check_tag(tag)
    current = repositories.lock(tx, repository.id)
    if current is None:
        raise RepositoryNotFound(repository.name, repository.account)
    repository, manifest = current, prepared.manifest
    tagged = None if tag is None else images.by_tag(tx, repository.id, tag)
    moved = tag is not None and tagged is not None and tagged.digest != prepared.digest
    if tag is not None and moved and mutability.is_fixed(repository, tag):
        raise ImageTagAlreadyExists(tag, repository.name)
    size = _check_parts(tx, repository, manifest)
    now = services.clock()
    image, new = images.put(
        tx,
        repository_id=repository.id,
        digest=prepared.digest,
        body=prepared.body,
        media_type=manifest.media_type,
        artifact_media_type=manifest.artifact_type,
        size=size,
        config_digest=manifest.config.digest if manifest.config is not None else "",
        subject_digest=manifest.subject.digest if manifest.subject is not None else "",
        scannable=manifest.scannable,
        blobs=() if manifest.config is None else (manifest.config, *manifest.layers),
        children=[child.digest for child in manifest.children],
        now=now,
    )
    retagged = tag is not None and (tagged is None or tagged.id != image.id)
    if tag is not None and retagged:
        images.tag(tx, repository.id, tag, image.id, now)
    _check_limits(tx, repository, image, manifest, new=new, retagged=retagged)
    if manifest.children:
        _restore_listed(tx, services, repository, image)
    restored = image.archived
    if not new:
        images.pushed_again(tx, image, now)
        image = images.by_digest(tx, repository.id, image.digest) or image
    if restored:
        outbox.put(tx, [kinds.storage_class(repository, image, "STANDARD")], now)
    if new or retagged:
        outbox.put(tx, [kinds.image_action(repository, image, "PUSH", tag)], now)
    for subscriber in services.on_push:
        subscriber(tx, services, repository, image, new)
    return Stored(image, manifest, new or retagged or restored)


def _restore_listed(tx: sa.Connection, services: Services, repository: Repository, index: Image) -> None:
    """Take out of the archive what an index lists: else a pull of it would fail half way."""
    level, seen = [index.digest], {index.digest}
    while level and images.any_archived(tx, repository.id):
        for each in images.archived_listed(tx, repository.id, level):
            _move(tx, services, repository, each, "STANDARD")
        level = [digest for digest in images.indexes_listed(tx, repository.id, level) if digest not in seen]
        seen.update(level)


def _move(tx: sa.Connection, services: Services, repository: Repository, image: Image, target: StorageClass) -> Image:
    now, archive = services.clock(), target == "ARCHIVE"
    images.set_archived(tx, image.id, archive, now)
    changed = get(tx, repository, ImageId(digest=image.digest))
    outbox.put(tx, [kinds.storage_class(repository, changed, target)], now)
    for subscriber in () if archive else services.on_push:
        subscriber(tx, services, repository, changed, False)
    return changed


def _check_parts(tx: sa.Connection, repository: Repository, manifest: Manifest) -> int:
    """Every blob and child is here. Returns the image's size: of config and layers, or of the largest child."""
    blobs = manifest.blobs
    sizes = layers.sizes(tx, repository.id, (blob.digest for blob in blobs))
    missing = list(dict.fromkeys(blob.digest for blob in blobs if blob.digest not in sizes))
    if missing:
        raise LayersNotFound(missing, repository.name, repository.account)
    wrong = next((blob for blob in blobs if blob.size != sizes[blob.digest]), None)
    if wrong is not None:
        raise InvalidManifest(f"{wrong.digest} has {sizes[wrong.digest]} bytes, not {wrong.size}")
    children = [child.digest for child in manifest.children]
    present = images.present(tx, repository.id, children) if children else {}
    absent = list(dict.fromkeys(digest for digest in children if digest not in present))
    if absent:
        raise ReferencedImagesNotFound(absent, repository.name, repository.account)
    return max(present.values(), default=0) if manifest.children else sum(blob.size for blob in blobs)


def _check_limits(
    tx: sa.Connection, repository: Repository, image: Image, manifest: Manifest, *, new: bool, retagged: bool
) -> None:
    """Of what was stored just now. Raises LimitReached where the image has too many tags, its subject too many
    referrers, or too many indexes are in each other: the caller's transaction rolls back."""
    if not new:
        if retagged and images.count_tags(tx, image.id) > TAGS_PER_IMAGE:
            raise LimitReached("tags of an image", TAGS_PER_IMAGE)
        return
    subject = manifest.subject
    if subject is not None and images.count_referring(tx, repository.id, subject.digest, REFERRERS + 1) > REFERRERS:
        raise LimitReached("referrers of a manifest", REFERRERS)
    listed = [child.digest for child in manifest.children if manifests.KINDS.get(child.media_type) is Kind.INDEX]
    level = 1
    while listed:
        level += 1
        if level > NESTING:
            raise LimitReached("indexes in each other", NESTING)
        listed = images.indexes_listed(tx, repository.id, listed)


def get(tx: sa.Connection, repository: Repository, image_id: ImageId) -> Image:
    """Raises ImageNotFound."""
    image = images.find(tx, repository.id, image_id)
    if image is None:
        raise ImageNotFound(image_id.digest, image_id.tag, repository.name, repository.account)
    return image


def delete(tx: sa.Connection, services: Services, repository: Repository, image: Image, by: str) -> list[str]:
    """Remove the image and its tags, which are returned; within the grace time it may be restored. `by` says who does.
    Raises ImageStillReferenced while an index lists it.

    The caller holds the repository's lock.
    """
    parents = images.parents(tx, repository.id, image.digest)
    if parents:
        raise ImageStillReferenced(parents)
    tags = images.tags_of(tx, [image.id]).get(image.id, [])
    _remember(tx, services, repository, image, tags, whole=True, by=by)
    needed = (blob.digest for blob in images.blobs_of(tx, image.id))
    layers.release(tx, repository.id, needed, services.clock() + uploads.kept(services))
    images.delete(tx, image.id)
    gone = [kinds.image_action(repository, image, "DELETE", tag) for tag in tags or (None,)]
    outbox.put(tx, gone, services.clock())
    return tags


def _remember(
    tx: sa.Connection,
    services: Services,
    repository: Repository,
    image: Image,
    tags: Sequence[str],
    *,
    whole: bool,
    by: str,
) -> None:
    """It may be restored until the grace time is over."""
    now = services.clock()
    purge_at = now + uploads.grace(services)
    deletions.add(
        tx, repository.id, image.digest, image.media_type, tags, whole=whole, by=by, now=now, purge_at=purge_at
    )


def delete_tag(tx: sa.Connection, services: Services, repository: Repository, image: Image, tag: str, by: str) -> None:
    """Remove one tag; the image stays. The caller holds the repository's lock."""
    _remember(tx, services, repository, image, [tag], whole=False, by=by)
    images.untag(tx, repository.id, tag)
    outbox.put(tx, [kinds.image_action(repository, image, "DELETE", tag)], services.clock())


def untag(tx: sa.Connection, services: Services, repository: Repository, image: Image, tag: str, by: str) -> None:
    """Remove one tag; with its last tag the image goes too, as in ECR. Raises ImageStillReferenced."""
    if images.tags_of(tx, [image.id]).get(image.id, []) == [tag]:
        delete(tx, services, repository, image, by)
    else:
        delete_tag(tx, services, repository, image, tag, by)


def set_storage_class(
    tx: sa.Connection, services: Services, repository: Repository, image_id: ImageId, target: StorageClass
) -> Image:
    """Put the image into the archive, where it is neither pulled nor scanned, or take it out again, as if pushed again,
    with all that it lists.

    Raises ImageNotFound, and StorageClassNotSupported to archive what an index that is not archived lists: a pull
    of that index would fail half way.
    """
    if not repositories.lock(tx, repository.id):
        raise RepositoryNotFound(repository.name, repository.account)
    image = get(tx, repository, image_id)
    archive = target == "ARCHIVE"
    if archive == image.archived:
        return image
    if archive and (parents := images.parents(tx, repository.id, image.digest, active=True)):
        raise StorageClassNotSupported(
            f"The image is listed by {', '.join(parents)}, which would no longer be complete: archive that first"
        )
    if not archive:
        _restore_listed(tx, services, repository, image)
    return _move(tx, services, repository, image, target)
