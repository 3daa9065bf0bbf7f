"""A session's clients of the running server, a repository for each test, and both APIs on either engine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.edges import Edges, edges
from tests.support.registry import Registry, Server


@pytest.fixture(scope="session")
def ecr(server: Server) -> Any:
    """boto3's client."""
    return server.client()


@pytest.fixture(scope="session")
def http(server: Server) -> Iterator[httpx.Client]:
    """A client of the registry API, logged in."""
    with server.http() as client:
        yield client


@pytest.fixture
def repository(ecr: Any, request: pytest.FixtureRequest) -> str:
    """The name of a repository of the test's own, which is not scanned on push."""
    name = "api/" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    ecr.create_repository(repositoryName=name)
    return name


@pytest.fixture
def edge(registry: Registry) -> Edges:
    """Both APIs of an empty registry, on each engine in turn."""
    return edges(registry)
