"""Since when findings of a report have been known, and in their present words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from hullwise.store.clock import from_micros
from hullwise.store.engine import Prepared, among
from hullwise.store.reports import FindingKey
from hullwise.store.tables import assessments, generations, matches

_since = sa.func.coalesce(matches.c.since_generation, matches.c.from_generation)
_FIRST = Prepared(
    sa.select(matches.c.package_id, matches.c.assessment_id, _since).where(among(matches.c.package_id, "packages"))
)
_ABOUT = Prepared(sa.select(assessments.c.id, assessments.c.vulnerability_id).where(among(assessments.c.id, "ids")))
_HOLDING = Prepared(
    sa.select(
        matches.c.package_id,
        matches.c.assessment_id,
        assessments.c.vulnerability_id,
        _since,
        matches.c.from_generation,
    )
    .join(assessments, assessments.c.id == matches.c.assessment_id)
    .where(
        among(matches.c.package_id, "packages"),
        matches.c.from_generation <= sa.bindparam("generation"),
        sa.or_(matches.c.to_generation.is_(None), matches.c.to_generation > sa.bindparam("generation")),
    )
)
_PUBLISHED = Prepared(
    sa.select(generations.c.number, generations.c.published_at).where(among(generations.c.number, "numbers"))
)


@dataclass(frozen=True, slots=True)
class Observation:
    vulnerability: int
    """Its surrogate: with package and image it makes the finding the same one for ever."""
    known_since: datetime | None
    """When the first generation that says so was published; None: that is no longer known."""
    changed_at: datetime | None
    """When the first that says so in these words was."""
    assessed: Mapping[int, int]
    """By package id: its own assessment. The finding's is the most severe of them."""


def of(tx: sa.Connection, generation: int, keys: Sequence[FindingKey]) -> list[Observation]:
    """One for each key of a report of that generation, in order."""
    about = _vulnerabilities(tx, {key.assessment for key in keys})
    rows = _matches(tx, generation, {package for key in keys for package in key.packages}, set(about.values()))
    hits_of = [hit for by_package in rows.values() for hit in by_package.values()]
    published = _published(tx, {number for _, *numbers in hits_of for number in numbers})
    found = []
    for key in keys:
        vulnerability = about[key.assessment]
        hits = rows.get(vulnerability, {})
        mine = {package: hits[package] for package in key.packages if package in hits}
        since = [published[first] for _, first, _ in mine.values() if first in published]
        changed = [published[last] for _, _, last in mine.values() if last in published]
        assessed = {package: assessment for package, (assessment, _, _) in mine.items()}
        found.append(Observation(vulnerability, min(since, default=None), max(changed, default=None), assessed))
    return found


def known_since(tx: sa.Connection, hits: Sequence[tuple[int, int]]) -> dict[tuple[int, int], datetime]:
    """By (package, assessment), also of what no longer holds: when the first generation that said so was published.

    Matches that ended long ago are not kept: those are left out."""
    rows = _FIRST.rows(tx, packages=sorted({package for package, _ in hits}))
    found = {(package, assessment): first for package, assessment, first in rows}
    published = _published(tx, {found[hit] for hit in hits if hit in found})
    return {hit: published[found[hit]] for hit in hits if hit in found and found[hit] in published}


def _vulnerabilities(tx: sa.Connection, assessment_ids: set[int]) -> dict[int, int]:
    return dict(_ABOUT.rows(tx, ids=sorted(assessment_ids)))


def _matches(
    tx: sa.Connection, generation: int, package_ids: set[int], vulnerabilities: set[int]
) -> dict[int, dict[int, tuple[int, int, int]]]:
    """By vulnerability and package: (assessment, first generation in any words, first in these words)."""
    found: dict[int, dict[int, tuple[int, int, int]]] = {}
    rows = _HOLDING.rows(tx, packages=sorted(package_ids), generation=generation)
    for package, assessment, vulnerability, since, said in rows:
        if vulnerability in vulnerabilities:
            found.setdefault(vulnerability, {})[package] = (assessment, since, said)
    return found


def _published(tx: sa.Connection, numbers: set[int]) -> dict[int, datetime]:
    return {number: from_micros(at) for number, at in _PUBLISHED.rows(tx, numbers=sorted(numbers))}
