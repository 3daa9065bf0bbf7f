"""Who needs a blob or a manifest: repositories, their images, and the tags of these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from hullwise.store.tables import image_blobs, image_tags, images, repositories, repository_blobs


@dataclass(frozen=True, slots=True)
class ImageNeed:
    digest: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RepositoryNeed:
    account: str
    region: str
    name: str
    images: tuple[ImageNeed, ...]
    """Empty: the blob was pushed here, and no image names it."""


_COLUMNS = (repositories.c.account_id, repositories.c.region, repositories.c.name, images.c.digest, image_tags.c.tag)
_IMAGES = sa.join(repositories, images, images.c.repository_id == repositories.c.id).outerjoin(
    image_tags, image_tags.c.image_id == images.c.id
)


def of_blob(tx: sa.Connection, digest: str) -> list[RepositoryNeed]:
    """Repositories where the blob may be read, and their images that name it, in the order of names."""
    named = sa.select(image_blobs.c.image_id).where(image_blobs.c.digest == digest)
    found = tx.execute(sa.select(*_COLUMNS).select_from(_IMAGES).where(images.c.id.in_(named)))
    linked = (
        sa.select(*_COLUMNS[:3])
        .join(repository_blobs, repository_blobs.c.repository_id == repositories.c.id)
        .where(repository_blobs.c.digest == digest)
    )
    return _grouped([*found, *((*row, None, None) for row in tx.execute(linked))])


def of_manifest(tx: sa.Connection, digest: str) -> list[RepositoryNeed]:
    """Repositories with an image of this manifest, in the order of names."""
    return _grouped(tx.execute(sa.select(*_COLUMNS).select_from(_IMAGES).where(images.c.digest == digest)))


def _grouped(rows: Iterable[Any]) -> list[RepositoryNeed]:
    found: dict[tuple[str, str, str], dict[str, set[str]]] = {}
    for account, region, name, digest, tag in rows:
        of_repository = found.setdefault((account, region, name), {})
        if digest is not None:
            of_repository.setdefault(digest, set()).update([] if tag is None else [tag])
    return [
        RepositoryNeed(*place, tuple(ImageNeed(digest, tuple(sorted(tags))) for digest, tags in sorted(of.items())))
        for place, of in sorted(found.items())
    ]
