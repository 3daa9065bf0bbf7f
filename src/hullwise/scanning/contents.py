"""Everything that is known of what an image holds, as its latest report has it: for documents and explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from hullwise.domain.errors import ImageNotFound, ScanNotFound
from hullwise.domain.names import ImageId
from hullwise.domain.packages import Distribution, Occurrence
from hullwise.domain.reports import Finding
from hullwise.scanning import covering, reading
from hullwise.scanning.coverage import Coverage
from hullwise.services import Services
from hullwise.store import images, inventories
from hullwise.store.generations import Generation
from hullwise.store.images import Image
from hullwise.store.repositories import Repository


@dataclass(frozen=True, slots=True)
class Contents:
    repository: Repository
    image: Image
    tags: Sequence[str]
    distribution: Distribution | None
    occurrences: tuple[Occurrence, ...]
    findings: tuple[Finding, ...]
    """All of them, those that are suppressed last."""
    coverage: Coverage
    completed_at: datetime
    """When its report was made."""
    generation: Generation
    """The advisories that its report is made with."""


def of_image(tx: sa.Connection, services: Services, repository: Repository, asked: ImageId) -> Contents:
    """Raises ImageNotFound; ScanNotFound where no scan of the image has come to a report."""
    image = images.find(tx, repository.id, asked)
    if image is None:
        raise ImageNotFound(asked.digest, asked.tag, repository.name, repository.account)
    latest = reading.latest(tx, repository, image, asked)
    result = reading.current(tx, services, repository, {image.id: image}, {image.id: latest}).get(image.id)
    if result is None:
        raise ScanNotFound(image.digest, asked.tag, repository.name, repository.account)
    stored = inventories.get(tx, result.report.inventory_id)
    placed = inventories.occurrences(tx, result.report.inventory_id)
    return Contents(
        repository,
        image,
        images.tags_of(tx, [image.id]).get(image.id, []),
        stored.distribution,
        tuple(occurrence for _, occurrence in placed),
        tuple(reading.page(tx, result.report, 0, result.report.findings)),
        covering.of_result(tx, services, result),
        result.completed_at,
        result.generation,
    )
