"""Requests on PostgreSQL that wait for a lock, and not for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hullwise.domain.errors import Busy
from hullwise.store import repositories
from hullwise.store.engine import BUSY_SECONDS, Database, lock_tables
from tests.support import registry as support
from tests.support.postgres import new_database
from tests.support.registry import Registry


@pytest.fixture
def url() -> str:
    return new_database(support.migrated_url())


@pytest.fixture
def registry(tmp_path: Path, url: str) -> Iterator[Registry]:
    with support.registry(tmp_path, url) as found:
        yield found


@pytest.fixture
def impatient(url: str) -> Iterator[Database]:
    """The same database, whose transactions wait a second."""
    database = Database(url, lock_seconds=1)
    yield database
    database.close()


def test_a_lock_that_does_not_come(registry: Registry, impatient: Database) -> None:
    """Whatever kind of transaction waits for it says so, and has done nothing; the next one is as good as ever."""
    repository = registry.repository()

    def label(tx: sa.Connection) -> None:
        repositories.set_labels(tx, repository.id, {"a": "b"})
        repositories.lock(tx, repository.id)

    with registry.services.database.write() as held:
        repositories.lock(held, repository.id)
        with pytest.raises(Busy):
            impatient.run(label)
        with pytest.raises(Busy), impatient.write() as tx:
            label(tx)
        lock_tables(held, ["hw_repositories"])
        with pytest.raises(Busy), impatient.read() as tx:
            repositories.by_id(tx, repository.id)
    with impatient.read() as tx:
        assert repositories.labels(tx, repository.id) == {}
    impatient.run(label)


def test_an_api_process_waits_as_long_as_it_says(registry: Registry, url: str) -> None:
    """The process that answers requests is the one whose transactions do not wait for ever."""
    asked = "from hullwise.application import create\nwith create()._services.database.read() as tx: "
    asked += "print(tx.exec_driver_sql('SHOW lock_timeout').scalar())"
    settings = {"HULLWISE_DATA": str(registry.services.settings.data), "HULLWISE_DATABASE_URL": url}
    found = subprocess.run(
        [sys.executable, "-c", asked], env={**os.environ, **settings}, capture_output=True, text=True
    )
    assert found.stdout == f"{BUSY_SECONDS}s\n", found.stderr
    with registry.services.database.read() as tx:
        assert tx.exec_driver_sql("SHOW lock_timeout").scalar() == "0"
