"""The report of an inventory under a generation: the same whoever makes it."""

from __future__ import annotations

import sqlalchemy as sa

from hullwise.domain.reports import counts, findings
from hullwise.store import assessments, inventories, packages
from hullwise.store.reports import Draft, FindingKey


def draft(tx: sa.Connection, inventory_id: int, generation: int) -> Draft:
    """Every package of the inventory is matched through the generation already."""
    placed = inventories.occurrences(tx, inventory_id)
    ids = {occurrence.package: package_id for package_id, occurrence in placed}
    matched = packages.matches_of(tx, sorted(ids.values()), generation)
    known = assessments.load(tx, [assessment for hits in matched.values() for assessment in hits])
    numbers = {assessment: number for number, assessment in known.items()}
    hits = {package: [known[hit] for hit in matched.get(package_id, ())] for package, package_id in ids.items()}
    found = findings([occurrence for _, occurrence in placed], hits)
    keys = [
        FindingKey(
            numbers[finding.assessment],
            tuple(dict.fromkeys(ids[o.package] for o in finding.occurrences)),
            finding.suppression.by if finding.suppression else "",
        )
        for finding in found
    ]
    live = counts(finding.assessment.severity for finding in found if finding.suppression is None)
    return Draft(inventory_id, generation, 0, live, tuple(keys))
