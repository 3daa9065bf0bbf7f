"""What refers to a manifest: signatures, attestations, SBOMs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from hullwise.domain import manifests
from hullwise.store import images
from hullwise.store.images import Image, ImageStatus
from hullwise.store.repositories import Repository


@dataclass(frozen=True, slots=True)
class Referrer:
    image: Image
    size: int
    """Bytes of its manifest."""
    annotations: dict[str, str]


def page(
    tx: sa.Connection,
    repository: Repository,
    subject: str,
    after: int,
    limit: int,
    *,
    artifact_types: Collection[str] = (),
    status: ImageStatus = "ACTIVE",
) -> list[Referrer]:
    """Those pushed after the one with id `after`, oldest first; of these artifact types, or of any. The subject need
    not be there (distribution spec, "Listing Referrers")."""
    found = []
    for image in images.referring(tx, repository.id, subject, after, limit, artifact_types, status):
        body = images.body(tx, image.digest)
        found.append(Referrer(image, len(body), manifests.parse(body, image.media_type).annotations))
    return found
