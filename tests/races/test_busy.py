"""Requests on PostgreSQL that wait for a lock: not for ever, and clients are told to come again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from hullwise.application import application
from hullwise.domain.errors import Busy
from hullwise.store import repositories
from hullwise.store.engine import BUSY_SECONDS, Database, lock_tables
from hullwise.store.repositories import Repository
from tests.support import registry as support
from tests.support.edges import Edges, edges
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


def test_clients_are_told_to_come_again(registry: Registry, impatient: Database) -> None:
    """By 503, on each API."""
    edge, repository = edges(registry), registry.repository()
    services = replace(registry.services, database=impatient)
    asked = replace(edge, application=application(services))
    with registry.services.database.write() as tx:
        repositories.lock(tx, repository.id)
        assert begun(asked, repository) == (503, "UNAVAILABLE")
        answer = asked.aws("PutImageTagMutability", repositoryName=repository.name, imageTagMutability="IMMUTABLE")
        assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (503, "ServiceUnavailable")
        lock_tables(tx, ["hw_repositories"])
        answer = asked.oci("GET", "/api/v1/findings?repository=team/app&image=latest")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "Unavailable")
    assert begun(asked, repository) == (202, "")


def begun(asked: Edges, repository: Repository) -> tuple[int, str]:
    """How an upload begins: the status, and the code of an error."""
    answer = asked.oci("POST", f"/v2/{repository.name}/blobs/uploads/")
    return answer.status_code, answer.json()["errors"][0]["code"] if answer.content else ""


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
