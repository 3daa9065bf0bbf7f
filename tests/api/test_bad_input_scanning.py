"""Inputs of the scanning operations that break the model in every way: a modelled refusal each, and life goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import ListShape, Shape, StringShape

from hullwise.ecr import model
from tests.support import registry as support
from tests.support.advisories import osv
from tests.support.clocked import Clocked, clocked
from tests.support.images import image, layer, python_packages
from tests.support.inputs import FITTING, broken_members, minimal, mistyped, replaced
from tests.support.postgres import new_database

OPERATIONS = [
    "BatchGetRepositoryScanningConfiguration",
    "DescribeImageScanFindings",
    "DescribeImages",
    "GetAccountSetting",
    "GetRegistryScanningConfiguration",
    "ListImages",
    "PutAccountSetting",
    "PutImageScanningConfiguration",
    "PutRegistryScanningConfiguration",
    "StartImageScan",
    "UpdateImageStorageClass",
]
CONTENT = image([layer(python_packages(flask="1.0"))])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clocked]:
    """A registry with one repository, of the name that inputs have, and one image in it, on each engine."""
    url = new_database() if request.param == "postgresql" else ""
    with support.registry(tmp_path_factory.mktemp("bad"), url) as registry:
        registry.publish(osv("CVE-2024-0001", "flask"))
        registry.repository(FITTING["RepositoryName"])
        found = clocked(registry)
        found.push(FITTING["RepositoryName"], CONTENT)
        registry.work()
        yield found


@pytest.fixture
def unchanged(api: Clocked) -> Iterator[Clocked]:
    """Whatever is sent, the registry is as before afterwards, and answers."""
    before = state(api)
    yield api
    assert state(api) == before


def state(api: Clocked) -> Any:
    name = FITTING["RepositoryName"]
    return (
        api.call("DescribeRepositories"),
        api.call("DescribeImages", repositoryName=name, filter={"imageStatus": "ANY"}),
        api.call("DescribeImageScanFindings", repositoryName=name, imageId={"imageTag": "latest"}),
        api.call("GetRegistryScanningConfiguration"),
        api.call("GetAccountSetting", name="BLOB_MOUNTING"),
    )


def refused(api: Clocked, operation: str, body: bytes) -> str:
    """The code of a refusal, which has a message and tells nothing of the inside."""
    answer = api.post(operation, body)
    assert answer.status_code == 400, (operation, body[:500], answer.text[:500])
    found = answer.json()
    assert sorted(found) == ["__type", "message"]
    assert "Traceback" not in found["message"]
    return str(found["__type"])


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_past_each_limit(unchanged: Clocked, operation: str) -> None:
    """Too short, too long, too small, too large, out of pattern or enumeration, missing or null, at any depth."""
    for value, _, _ in broken_members(model.operation(operation).input):
        assert refused(unchanged, operation, encoded(value)) == "InvalidParameterException", value


@pytest.mark.parametrize("operation", OPERATIONS)
def test_values_of_another_type(unchanged: Clocked, operation: str) -> None:
    """Every other JSON type in every place."""
    for value in mistyped(model.operation(operation).input):
        assert refused(unchanged, operation, encoded(value)) == "SerializationException", value


MARK = "mark-of-what-is-put-here"
# JSON texts that no text of an input may be: half a pair of UTF-16, NUL, bytes that are no UTF-8, nesting without end.
UNREADABLE = {
    "high half": rb'"a\ud800b"',
    "low half": rb'"\udc00"',
    "NUL": rb'"a\u0000"',
    "raw NUL": b'"a\0"',
    "lone continuation": b'"\x80"',
    "overlong": b'"\xc0\xaf"',
    "half a pair in UTF-8": b'"\xed\xa0\x80"',
    "Latin-1": b'"\xe9"',
    "nested lists": b"[" * 100_000 + b"]" * 100_000,
    "nested structures": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_texts_that_are_none(unchanged: Clocked, operation: str) -> None:
    """In the place of every text, at any depth."""
    for value in replaced(model.operation(operation).input, lambda s: MARK if s.type_name == "string" else None):
        for name, text in UNREADABLE.items():
            body = encoded(value).replace(encoded(MARK), text)
            assert refused(unchanged, operation, body) == "SerializationException", (name, value)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_bodies_that_are_none(unchanged: Clocked, operation: str) -> None:
    """Cut off, of another encoding, nested without end outside what is looked at, or no object at all."""
    whole = encoded(minimal(model.operation(operation).input) | {"fromTheFuture": 1})
    deep = whole.replace(b": 1}", b": " + UNREADABLE["nested lists"] + b"}")
    for body in (whole[:-1], whole + b"}", whole.decode().encode("utf-16"), b"null", b"[]", b'"x"', b"\xff", deep):
        assert refused(unchanged, operation, body) == "SerializationException", body[:100]


def largest(shape: Shape) -> Any | None:
    """The largest value that the model lets through."""
    high = shape.metadata.get("max")
    if isinstance(shape, ListShape):
        return [minimal(shape.member)] * (high or 1_000)
    if isinstance(shape, StringShape) and not shape.enum and "pattern" not in shape.metadata:
        return "x" * (high or 1_000_000)
    return high if shape.type_name == "integer" else None


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_largest_that_the_model_allows(api: Clocked, operation: str) -> None:
    """It is answered with success or a code of the operation's own."""
    codes = set(model.operation(operation).errors) - {"ServerException"}
    for value in replaced(model.operation(operation).input, largest):
        answer = api.post(operation, encoded(value))
        assert answer.status_code in {200, 400}, answer.text
        assert answer.status_code == 200 or answer.json()["__type"] in codes, answer.text
    assert state(api)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_members_that_nobody_knows(api: Clocked, operation: str) -> None:
    """A newer client's members change nothing, at any depth."""
    plain = minimal(model.operation(operation).input)
    expected = api.post(operation, encoded(plain))
    odd = {"fromTheFuture": {"a": [1, None, {"b": 1e300}]}, "": None, "x" * 10_000: MARK}

    def with_odd(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: with_odd(member) for name, member in value.items()} | odd
        return [with_odd(each) for each in value] if isinstance(value, list) else value

    answer = api.post(operation, encoded(with_odd(plain)))
    assert (answer.status_code, answer.json()) == (expected.status_code, expected.json())
    assert state(api)
