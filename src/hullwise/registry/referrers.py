"""What refers to a manifest: signatures, attestations, SBOMs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from hullwise.domain import manifests
from hullwise.domain.limits import MANIFEST_BYTES
from hullwise.store import images
from hullwise.store.images import Image, ImageStatus
from hullwise.store.repositories import Repository

_STEP = 16
"""Manifests that are in memory at a time."""


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
        found.append(Referrer(image, len(body), manifests.stored(body, image.media_type).annotations))
    return found


def some(
    tx: sa.Connection,
    repository: Repository,
    subject: str,
    after: int,
    most: int,
    *,
    artifact_types: Collection[str] = (),
    status: ImageStatus = "ACTIVE",
) -> tuple[list[Referrer], bool]:
    """As many as one answer holds, at least one where there is one; and whether there are more."""
    found: list[Referrer] = []
    size = 0
    while True:
        step = page(tx, repository, subject, after, _STEP, artifact_types=artifact_types, status=status)
        for each in step:
            size += each.size
            if found and (len(found) == most or size > MANIFEST_BYTES):
                return found, True
            found.append(each)
        if len(step) < _STEP:
            return found, False
        after = step[-1].image.id
