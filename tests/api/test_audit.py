"""The audit trail: what the log says of changes, and of who was refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from hullwise.auth import keys
from hullwise.domain.names import repository_arn
from tests.support.edges import Edges, edges, login, signed_headers
from tests.support.images import image, layer, python_packages, sha256
from tests.support.registry import ACCOUNT, REGION, Registry

ADDRESS = "192.0.2.7"
IMAGE = image([layer(python_packages(flask="1.0"))])
APP = repository_arn(ACCOUNT, REGION, "app")
PULL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["ecr:BatchGetImage"], "Resource": "*"}]}

Lines = list[MutableMapping[str, Any]]


@pytest.fixture
def api(registry: Registry) -> Edges:
    return replace(edges(registry), address=ADDRESS)


@pytest.fixture
def lines() -> Iterator[Lines]:
    structlog.reset_defaults()
    with capture_logs() as found:
        yield found


def told(api: Edges, lines: Lines) -> list[tuple[Any, ...]]:
    """Event, operation and repository of each line, which must all be of the caller; they are then gone."""
    arn = f"arn:aws:iam::{ACCOUNT}:user/{api.key.access_key_id}"
    for line in lines:
        assert (line["key"], line["arn"], line["address"]) == (api.key.access_key_id, arn, ADDRESS)
    found = [(line["event"], line["operation"], line.get("repository")) for line in lines]
    lines.clear()
    return found


def test_each_change_is_a_line(api: Edges, lines: Lines) -> None:
    """On each API: who, from where, what, in which repository. What is only read is none, nor is half an upload."""
    assert api.aws("CreateRepository", repositoryName="app").status_code == 200
    api.push("app", IMAGE)
    assert [line.get("what") for line in lines[1:]] == [*map(sha256, IMAGE.blobs), "latest"]
    uploaded = [("changed", "InitiateLayerUpload", APP)] * len(IMAGE.blobs)
    assert told(api, lines) == [("changed", "CreateRepository", APP), *uploaded, ("changed", "PutImage", APP)]
    begun = api.oci("POST", "/v2/app/blobs/uploads/").headers["location"]
    assert api.oci("PATCH", begun, b"more").status_code == 202
    assert api.oci("GET", "/v2/app/manifests/latest").status_code == 200
    assert api.oci("HEAD", f"/v2/app/blobs/{sha256(b'none')}").status_code == 404
    assert api.aws("DescribeImages", repositoryName="app").status_code == 200
    assert told(api, lines) == []
    assert api.oci("PUT", f"{begun}?digest={sha256(b'more')}").status_code == 201
    assert api.oci("DELETE", f"/v2/app/blobs/{sha256(b'more')}").status_code == 202
    assert api.oci("DELETE", "/v2/app/manifests/latest").status_code == 202
    assert api.aws("DeleteRepository", repositoryName="app", force=True).status_code == 200
    assert told(api, lines) == [
        ("changed", "CompleteLayerUpload", APP),
        ("changed", "BatchDeleteImage", APP),
        ("changed", "BatchDeleteImage", APP),
        ("changed", "DeleteRepository", APP),
    ]
    rule = {"vulnerability": "CVE-2024-0001", "reason": "r", "author": "a"}
    made = api.oci("POST", "/api/v1/ignore-rules", json.dumps(rule).encode())
    assert made.status_code < 300, made.text
    assert api.oci("DELETE", f"/api/v1/ignore-rules/{made.json()['id']}").status_code < 300
    assert api.oci("GET", "/api/v1/ignore-rules").status_code == 200
    assert told(api, lines) == [("changed", "AddIgnoreRule", None), ("changed", "RemoveIgnoreRule", None)]


def test_a_change_that_is_refused_is_a_line(api: Edges, lines: Lines) -> None:
    """With the code that its caller was told. The name of a repository that is not there is not repeated."""
    assert api.aws("CreateRepository", repositoryName="app").status_code == 200
    lines.clear()
    assert api.aws("DeleteRepository", repositoryName="none").status_code == 400
    assert api.oci("PUT", "/v2/app/manifests/a", b"{}").status_code == 400
    assert api.oci("DELETE", "/v2/none/manifests/a").status_code == 404
    assert api.oci("DELETE", "/api/v1/ignore-rules/7").status_code == 404
    assert [line["code"] for line in lines] == [
        *("RepositoryNotFoundException", "MANIFEST_INVALID", "NAME_UNKNOWN", "NotFound"),
    ]
    assert told(api, lines) == [
        ("request refused", "DeleteRepository", None),
        ("request refused", "PutImage", APP),
        ("request refused", "BatchDeleteImage", None),
        ("request refused", "RemoveIgnoreRule", None),
    ]


def test_what_a_policy_refuses_is_a_line(api: Edges, lines: Lines) -> None:
    """With the user, the action and what it was about, on each API."""
    assert api.aws("CreateRepository", repositoryName="app").status_code == 200
    with api.registry.services.database.write() as tx:
        key = keys.create(tx, api.registry.services, ACCOUNT, user="bob", policy=json.dumps(PULL))
    bob = replace(api, key=key)
    lines.clear()
    assert bob.aws("DeleteRepository", repositoryName="app").status_code == 400
    assert bob.oci("GET", "/v2/app/tags/list").status_code == 403
    assert bob.oci("DELETE", "/v2/app/manifests/a").status_code == 403
    assert bob.oci("GET", "/api/v1/ignore-rules").status_code == 403
    assert {(line["key"], line["arn"], line["address"]) for line in lines} == {
        (key.access_key_id, f"arn:aws:iam::{ACCOUNT}:user/bob", ADDRESS)
    }
    assert [(line["code"], line["action"], line["resource"]) for line in lines] == [
        ("AccessDeniedException", "ecr:DeleteRepository", APP),
        ("DENIED", "ecr:ListImages", APP),
        ("DENIED", "ecr:BatchDeleteImage", APP),
        ("AccessDenied", "hullwise:ListIgnoreRules", "*"),
    ]


def _wrong_secret(api: Edges) -> httpx.Response:
    return _signed(api, api.key.access_key_id, "wrong" * 8)


def _unknown_key(api: Edges) -> httpx.Response:
    return _signed(api, "AKIAAAAAAAAAAAAAAAAA", api.key.secret_access_key)


def _secret_for_key(api: Edges) -> httpx.Response:
    return _signed(api, api.key.secret_access_key, api.key.access_key_id)


def _signed(api: Edges, key: str, secret: str) -> httpx.Response:
    return api.send("POST", "/", b"{}", signed_headers(api.url, "DescribeRepositories", b"{}", (key, secret)))


def _wrong_token(path: str) -> Callable[[Edges], httpx.Response]:
    return lambda api: api.send("GET", path, headers=login("wrong"))


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (_wrong_secret, {"operation": "DescribeRepositories", "code": "InvalidSignatureException", "key": "own"}),
        (
            _unknown_key,
            {
                "operation": "DescribeRepositories",
                "code": "UnrecognizedClientException",
                "key": "AKIAAAAAAAAAAAAAAAAA",
            },
        ),
        (_secret_for_key, {"operation": "DescribeRepositories", "code": "UnrecognizedClientException"}),
        (_wrong_token("/v2/"), {"operation": "GET /v2/", "code": "UNAUTHORIZED"}),
        (_wrong_token("/v2/app/manifests/a"), {"operation": "BatchGetImage", "code": "UNAUTHORIZED"}),
        (_wrong_token("/v2/secret"), {"operation": "GET", "code": "UNAUTHORIZED"}),
        (_wrong_token("/api/v1/ignore-rules"), {"operation": "GET", "code": "Unauthorized"}),
    ],
)
def test_a_failed_login_is_a_line(
    api: Edges, lines: Lines, ask: Callable[[Edges], httpx.Response], expected: dict[str, str]
) -> None:
    """With the address, and the key that it names where there may be such a one; nothing else of what was sent."""
    assert ask(api).status_code in {400, 401, 403}
    (line,) = lines
    line.pop("request_id", None)
    key = {"key": api.key.access_key_id} if expected.get("key") == "own" else {}
    assert line == {"event": "request refused", "log_level": "info", "address": ADDRESS, **expected, **key}


def test_the_question_how_to_log_in_is_no_line(api: Edges, lines: Lines) -> None:
    """Clients begin with a request without credentials."""
    assert api.send("GET", "/v2/").status_code == 401
    assert lines == []
