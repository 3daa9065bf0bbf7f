"""A scan configuration is followed, whatever becomes of its job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from hullwise.domain.scan_rules import ScanRule
from hullwise.domain.scans import Frequency, ScanStatus, ScanType
from hullwise.jobs.queue import FOLLOW_CONFIGURATION
from hullwise.scanning import configuration, following
from hullwise.scanning.unfinished import Unfinished
from hullwise.services import Services
from hullwise.settings import load
from hullwise.store import configurations, scans
from hullwise.store.engine import Database
from tests.support import registry as support
from tests.support.images import image, layer, python_packages
from tests.support.postgres import new_database
from tests.support.registry import ACCOUNT, REGION, Registry

SOME = image([layer(python_packages(flask="1.0"))])


def enhance(registry: Registry, frequency: Frequency = Frequency.CONTINUOUS_SCAN) -> int:
    """Put a configuration, whose job is queued."""
    services, rules = registry.services, [ScanRule(frequency, ("*",))]
    return services.database.run(
        lambda tx: configuration.put(tx, services, ACCOUNT, REGION, ScanType.ENHANCED, rules)
    ).id


def unapplied(services: Services) -> list[int]:
    with services.database.read() as tx:
        return configurations.unapplied(tx)


@pytest.fixture
def on_postgresql(tmp_path: Path) -> Iterator[Registry]:
    with support.registry(tmp_path, new_database(support.migrated_url())) as found:
        yield found


def test_a_configuration_is_followed_though_the_database_was_away(on_postgresql: Registry) -> None:
    """Its connections break in the middle: the job goes on, and each image is scanned as the configuration says."""
    registry, services = on_postgresql, on_postgresql.services
    stored = registry.push(registry.repository(scan_on_push=False), SOME)
    wanted = enhance(registry)
    registry.queue.jobs.clear()
    breaks = 1

    def clock() -> datetime:
        nonlocal breaks
        if breaks:
            breaks -= 1
            end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
            with closing(Database(str(services.settings.database))) as database, database.read() as tx:
                tx.execute(sa.text(f"{end} AND pid <> pg_backend_pid()"))
        return registry.clock()

    following.follow(replace(services, clock=clock), wanted)
    assert breaks == 0
    assert unapplied(services) == []
    with services.database.read() as tx:
        assert scans.of_images(tx, [stored.id], ScanType.ENHANCED)[stored.id].latest.status is ScanStatus.PENDING


def test_a_configuration_whose_job_is_lost_is_queued_again(registry: Registry) -> None:
    """Once a minute, where it is in force and not followed, and where its job does not wait."""
    services, look = registry.services, Unfinished(registry.services)
    look()
    earlier, wanted = enhance(registry), enhance(registry)
    assert registry.queue.jobs == [(FOLLOW_CONFIGURATION, earlier), (FOLLOW_CONFIGURATION, wanted)]
    registry.queue.jobs.clear()
    registry.clock.advance(seconds=59)
    look()
    assert registry.queue.jobs == []
    for _ in range(2):
        registry.clock.advance(minutes=1)
        look()
        assert registry.queue.jobs == [(FOLLOW_CONFIGURATION, wanted)]
    registry.work()
    assert unapplied(services) == []
    registry.clock.advance(minutes=1)
    look()
    assert registry.queue.jobs == []


def test_a_server_follows_what_has_no_job(tmp_path: Path, database_url: str) -> None:
    """One of its workers queues it."""
    with support.registry(tmp_path, database_url) as registry:
        enhance(registry)
    with (
        support.server(tmp_path / "data", database_url=database_url),
        closing(Database(load({"data": tmp_path / "data", "database_url": database_url}, {}).database)) as database,
    ):
        deadline = time.monotonic() + 60
        while True:
            with database.read() as tx:
                if not configurations.unapplied(tx):
                    break
            assert time.monotonic() < deadline
            time.sleep(0.1)
