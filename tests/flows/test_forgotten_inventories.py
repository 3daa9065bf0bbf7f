"""What was in images goes some time after the images went, and is found again where they come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from hullwise.domain.names import ImageId
from hullwise.domain.scans import ScanStatus
from hullwise.registry import garbage
from hullwise.registry import images as rules
from hullwise.scanning import publication, run
from hullwise.store import inventories as store
from hullwise.store import reports
from hullwise.store.engine import Database
from hullwise.store.repositories import Repository
from hullwise.store.tables import inventories, inventory_parts, merges, part_occurrences
from tests.support.advisories import osv
from tests.support.images import image, layer, python_packages
from tests.support.registry import Registry

FLASK = osv("GHSA-aaaa-bbbb-cccc", "flask", fixed="2.0")
BASE = layer(python_packages(flask="1.0"))
ONE = image([BASE])
TWO = image([BASE, layer(python_packages(jinja2="2.10"))])


def rows(registry: Registry) -> list[int]:
    """How many inventories, parts, occurrences and merges there are."""
    with registry.services.database.read() as tx:
        tables = (inventories, inventory_parts, part_occurrences, merges)
        return [tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in tables]


def delete(registry: Registry, repository: Repository, digest: str) -> None:
    def remove(tx: sa.Connection) -> None:
        rules.delete(tx, registry.services, repository, rules.get(tx, repository, ImageId(digest)), "arn:tests")

    registry.services.database.run(remove)


def forget(registry: Registry, **time: Any) -> None:
    registry.clock.advance(**time)
    garbage.collect(registry.services)
    publication.forget(registry.services)


def test_what_was_in_a_deleted_image_goes(registry: Registry) -> None:
    """A day after its report was left, with the parts of its own; an image that comes back is scanned as before."""
    registry.publish(FLASK)
    repository = registry.repository()
    one, two = registry.push(repository, ONE, "one"), registry.push(repository, TWO, "two")
    registry.work()
    assert rows(registry) == [2, 2, 2, 2]
    delete(registry, repository, two.digest)
    forget(registry, days=2)
    assert rows(registry) == [2, 2, 2, 2]
    forget(registry, days=1)
    assert rows(registry) == [1, 1, 1, 1]
    assert registry.finding_names(one) == ["GHSA-aaaa-bbbb-cccc"]
    again = registry.push(repository, TWO, "two")
    registry.work()
    assert rows(registry) == [2, 2, 2, 2]
    assert registry.finding_names(again) == ["GHSA-aaaa-bbbb-cccc"]


class Beside:
    """The database, where somebody drops every inventory before the first scan that would name one does."""

    def __init__(self, within: Database) -> None:
        self._within = within
        self.dropped = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        if not self.dropped and "_complete" in work.__qualname__:
            with self._within.read() as tx:
                found = list(tx.execute(sa.select(inventories.c.id)).scalars())
            self.dropped = self._within.run(lambda tx: store.drop(tx, found))
        return self._within.run(work)


def test_what_goes_while_an_image_is_scanned(registry: Registry) -> None:
    """The scan that was about to name it begins anew, and says what there is."""
    registry.publish(FLASK)
    repository = registry.repository()
    first = registry.push(repository, ONE, "one")
    registry.work()
    delete(registry, repository, first.digest)
    for _ in range(2):
        registry.services.database.run(lambda tx: reports.forget(tx, registry.clock.moment, timedelta()))
    stored = registry.push(repository, ONE, "one")
    database: Any = Beside(registry.services.database)
    run.scan_image(replace(registry.services, database=database), registry.scans_of(stored).latest.id)
    assert database.dropped == 1
    assert registry.scans_of(stored).latest.status is ScanStatus.COMPLETE
    assert registry.finding_names(stored) == ["GHSA-aaaa-bbbb-cccc"]
    assert rows(registry) == [1, 1, 1, 1]
