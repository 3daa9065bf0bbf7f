"""Why an image of the registry has a vulnerability, or has not: its report, and the advisories that made it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from hullwise.advisories import explanation
from hullwise.advisories.explanation import Explanation
from hullwise.advisories.records import spellings_of
from hullwise.domain.errors import NoAdvisories
from hullwise.domain.names import ImageId
from hullwise.domain.reports import Finding
from hullwise.scanning import contents
from hullwise.scanning.contents import Contents
from hullwise.services import UNREADABLE, Services
from hullwise.store import generations
from hullwise.store.repositories import Repository


@dataclass(frozen=True, slots=True)
class Explained:
    contents: Contents
    explanation: Explanation
    findings: tuple[Finding, ...]
    """Those of the report that are about the vulnerability, with what suppresses them."""
    generation: int
    """The advisories that it was explained with: the report's own or, where their file is not kept any more, the
    head's."""


def explain(
    tx: sa.Connection, services: Services, repository: Repository, asked: ImageId, vulnerability: str
) -> Explained:
    """Raises ImageNotFound; ScanNotFound where no scan of the image has come to a report; NoAdvisories where no file of
    advisories is left to explain with."""
    found = contents.of_image(tx, services, repository, asked)
    about = frozenset(spellings_of(vulnerability))
    for row in (found.generation, generations.get(tx, generations.head_number(tx))):
        if row is None:
            continue
        try:
            with services.open_generation(row) as generation:
                said = explanation.explain(generation, found.occurrences, vulnerability)
        except UNREADABLE:
            continue
        names = about | set(said.names)
        findings = tuple(
            each for each in found.findings if not names.isdisjoint((*each.assessment.ids, *each.assessment.upstream))
        )
        return Explained(found, said, findings, row.number)
    raise NoAdvisories
