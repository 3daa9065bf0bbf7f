"""One registry in this process for a file's tests, and somebody of another account beside it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import pytest

from hullwise.auth import keys
from tests.support import registry as support
from tests.support.edges import Edges, edges
from tests.support.registry import ACCOUNT

STRANGER = "314159265358"

_numbers = itertools.count()


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edges]:
    """Both APIs on SQLite: what is tried here is decided above the database."""
    with support.registry(tmp_path_factory.mktemp("hostile")) as registry:
        yield edges(registry)


def with_key(edge: Edges, account: str = ACCOUNT) -> Edges:
    """The same registry, called with another key."""
    with edge.registry.services.database.write() as tx:
        return dataclasses.replace(edge, key=keys.create(tx, edge.registry.services, account))


@pytest.fixture(scope="module")
def stranger(edge: Edges) -> Edges:
    """The same registry as somebody of another account calls it."""
    return with_key(edge, STRANGER)


@pytest.fixture
def name(edge: Edges) -> str:
    """A new repository of the edge's account."""
    found = f"hostile/n{next(_numbers)}"
    assert edge.aws("CreateRepository", repositoryName=found).status_code == 200
    return found
