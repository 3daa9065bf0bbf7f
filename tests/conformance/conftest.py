"""A server on each of two grounds, and a client that looks at every answer."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support import registry as support
from tests.support.postgres import new_database
from tests.support.registry import Server
from tests.support.s3 import S3Server

CODES = frozenset(
    {
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_INVALID",
        "BLOB_UPLOAD_UNKNOWN",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "SIZE_INVALID",
        "UNAUTHORIZED",
        "DENIED",
        "UNSUPPORTED",
        "TOOMANYREQUESTS",
    }
)
"""Distribution spec 1.1, "Error Codes"."""
LEGACY_CODES = frozenset({"TAG_INVALID", "UNAVAILABLE"})
"""Docker's, before the spec. ECR says the first of a tag that may not be moved, and docker prints it; the second is of
an outage."""

WARNING = re.compile(r'299 - "(?:[^"\\]|\\.)*"')


def look_at(answer: httpx.Response) -> None:
    """What holds of every answer: no failure of the server, errors and warnings in their forms."""
    assert answer.status_code < 500, answer.request.url
    warnings = answer.headers.get_list("warning")
    assert all(WARNING.fullmatch(warning) for warning in warnings)
    assert sum(len(warning) for warning in warnings) <= 4096
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        answer.read()
        found = answer.json()
        assert list(found) == ["errors"]
        assert found["errors"]
        for error in found["errors"]:
            assert error["code"] in CODES | LEGACY_CODES
            assert isinstance(error["message"], str)


@pytest.fixture(scope="session", params=["sqlite+folder", "postgresql+s3"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server: on SQLite and a local folder, and on PostgreSQL and S3."""
    if request.param == "sqlite+folder":
        yield request.getfixturevalue("server")
        return
    s3: S3Server = request.getfixturevalue("s3_moto")
    folder = tmp_path_factory.mktemp("conformance")
    settings = {
        "database_url": new_database(),
        "blobs_url": f"{s3.url}/{folder.name}",
        "blobs_options": json.dumps(dict(s3.options)),
        "starter_advisories": "false",
    }
    with support.server(folder / "data", **settings) as found:
        yield found


@pytest.fixture(scope="session")
def ecr(target: Server) -> Any:
    """boto3's client: repositories are made by it."""
    return target.client()


@pytest.fixture(scope="session")
def http(target: Server) -> Iterator[httpx.Client]:
    """A client of the registry API, logged in, for which every answer is looked at."""
    with target.http() as client:
        client.event_hooks = {"response": [look_at]}
        yield client


@pytest.fixture
def repository(ecr: Any, request: pytest.FixtureRequest) -> str:
    """The name of an empty repository of the test's own."""
    name = "conformance/" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    ecr.create_repository(repositoryName=name)
    return name


@pytest.fixture
def other(ecr: Any, repository: str) -> str:
    """Another one."""
    ecr.create_repository(repositoryName=f"{repository}/other")
    return f"{repository}/other"
