"""Matching packages through a generation, and writing down what hits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from hullwise.advisories.generation import Generation
from hullwise.domain.packages import Package
from hullwise.domain.vulnerabilities import Assessment
from hullwise.scanning.identities import keep
from hullwise.store import packages

Verdicts = Mapping[int, tuple[Assessment, ...]]
"""What hits each package, by its id."""


def judge(generation: Generation, wanted: Mapping[int, Package]) -> Verdicts:
    """Match packages by id. Reads the generation's file only."""
    return {package_id: generation.match(package) for package_id, package in wanted.items()}


def _ids(tx: sa.Connection, generation: Generation, number: int, verdicts: Verdicts) -> dict[int, set[int]]:
    stored = keep(tx, generation, number, (hit for hits in verdicts.values() for hit in hits))
    return {package_id: {stored[hit] for hit in hits} for package_id, hits in verdicts.items()}


def begin(tx: sa.Connection, generation: Generation, head: int, verdicts: Verdicts) -> None:
    """Write the verdicts of packages not matched before. The caller holds the head, and `generation` is the head's."""
    missing = set(packages.unmatched(tx, sorted(verdicts), head))
    ids = _ids(tx, generation, head, {key: hits for key, hits in verdicts.items() if key in missing})
    packages.begin_matches(tx, ids, head)


def move(tx: sa.Connection, generation: Generation, head: int, verdicts: Verdicts) -> None:
    """Write ahead the verdicts of the generation after the head's, for packages whose name changed."""
    ids: Sequence[int] = sorted(verdicts)
    new = _ids(tx, generation, head + 1, verdicts)
    packages.move_matches(tx, ids, packages.open_matches(tx, ids, head), new, head + 1)
