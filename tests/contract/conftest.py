"""The databases that the store's and the jobs' suites run on, of each engine in turn."""

from __future__ import annotations

import atexit
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from hullwise.jobs import durable
from hullwise.store import schema
from hullwise.store.engine import Database
from tests.support.postgres import new_database


def _migrated(database: Database, locks: Path) -> None:
    schema.migrate(database, locks)


def _prepared(database: Database, locks: Path) -> None:
    schema.migrate(database, locks)
    durable.prepare(database, locks)


@cache
def _template(engine: str, make: Callable[[Database, Path], None]) -> str:
    """The address of a database that `make` has been over, once a test process: copying it takes less time."""
    folder = Path(mkdtemp(prefix="hwtemplate-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = f"sqlite:///{folder / 'template.sqlite'}" if engine == "sqlite" else new_database()
    database = Database(address)
    make(database, folder)
    database.close()
    return address


def _copy(engine: str, make: Callable[[Database, Path], None], folder: Path) -> str:
    template = _template(engine, make)
    if engine == "postgresql":
        return new_database(template)
    path = folder / "hullwise.sqlite"
    shutil.copyfile(template.removeprefix("sqlite:///"), path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def empty_address(engine: str, tmp_path: Path) -> str:
    """The address of a database without any table."""
    return f"sqlite:///{tmp_path / 'hullwise.sqlite'}" if engine == "sqlite" else new_database()


@pytest.fixture
def address(engine: str, tmp_path: Path) -> str:
    """The address of a database with the schema and nothing in it."""
    return _copy(engine, _migrated, tmp_path)


@pytest.fixture
def job_address(engine: str, tmp_path: Path) -> str:
    """The address of a database with the schema and the job engine's tables."""
    return _copy(engine, _prepared, tmp_path)


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    """The folder of the locks of processes on this machine; it is made by whoever locks first."""
    return tmp_path / "locks"


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    """A database with the schema and nothing in it."""
    opened = Database(address)
    yield opened
    opened.close()
