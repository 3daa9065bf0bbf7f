"""What was deleted, and how it comes back within the grace time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from hullwise.domain import manifests
from hullwise.domain.errors import DeletionNotFound, RepositoryNotFound
from hullwise.domain.names import ImageId
from hullwise.registry import images as rules
from hullwise.registry import uploads
from hullwise.services import Services
from hullwise.store import deletions, images, layers, repositories
from hullwise.store.images import Image
from hullwise.store.repositories import Repository


@dataclass(frozen=True, slots=True)
class Restored:
    image: Image
    tags: tuple[str, ...]
    """That name it again."""
    taken: tuple[str, ...]
    """That name another image meanwhile, and go on doing so."""


def restore(tx: sa.Connection, services: Services, repository: Repository, deletion_id: int) -> Restored:
    """Bring an image back with its tags, or tags alone, as if pushed now: it is scanned as a push is.

    Raises DeletionNotFound, and what `images.put` does where a part of it is gone: an index needs what it lists, which
    is restored first.
    """
    if not repositories.lock(tx, repository.id):
        raise RepositoryNotFound(repository.name, repository.account)
    found = deletions.find(tx, deletion_id)
    if found is None or found.repository_id != repository.id or found.purge_at <= services.clock():
        raise DeletionNotFound
    body = images.body(tx, found.digest)
    prepared = rules.Prepared(body, found.digest, manifests.stored(body, found.media_type))
    image = images.by_digest(tx, repository.id, found.digest)
    if image is None and not found.whole:
        # Its tag went first, then the image: that is another deletion.
        raise DeletionNotFound
    naming = {tag: images.by_tag(tx, repository.id, tag) for tag in found.tags}
    taken = tuple(tag for tag, other in naming.items() if other is not None and other.digest != found.digest)
    named = tuple(tag for tag in found.tags if tag not in taken)
    if image is None:
        _link(tx, services, repository, {blob.digest for blob in prepared.manifest.blobs})
    for tag in named or ((None,) if image is None else ()):
        rules.put(tx, services, repository, prepared, tag)
    deletions.remove(tx, [deletion_id])
    return Restored(rules.get(tx, repository, ImageId(digest=found.digest)), named, taken)


def _link(tx: sa.Connection, services: Services, repository: Repository, digests: Collection[str]) -> None:
    """Blobs of the image that were deleted after it, and whose bytes are still here."""
    now = services.clock()
    for digest in sorted(set(digests) - layers.sizes(tx, repository.id, digests).keys()):
        if layers.hold(tx, digest):
            layers.link(tx, repository.id, digest, now, now + uploads.kept(services))
