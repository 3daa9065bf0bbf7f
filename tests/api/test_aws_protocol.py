"""The AWS protocol over the wire: envelope, signatures and clock, and inputs of every kind on both engines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hullwise.auth.sigv4 import CLOCK_WINDOW
from hullwise.ecr import model
from hullwise.ecr.operations import READS, WRITES
from tests.support import registry as support
from tests.support.edges import Edges, edges, signed_headers
from tests.support.images import image, layer, python_packages
from tests.support.postgres import new_database
from tests.support.pushing import index
from tests.support.registry import ACCOUNT, REGION, Server

PUSHED = image([layer(python_packages(Jinja2="2.10"))])
OFFERED = sorted([*READS, *WRITES])
REQUEST_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def key_of(server: Server) -> tuple[str, str]:
    return server.access_key_id, server.secret_access_key


def post(server: Server, operation: str, body: bytes, **options: Any) -> httpx.Response:
    """A signed request with this body."""
    headers = signed_headers(server.url, operation, body, options.pop("key", key_of(server)), **options)
    return httpx.post(f"{server.url}/", content=body, headers=headers, timeout=30)


def test_the_envelope_of_an_answer(server: Server) -> None:
    """Success and failure are JSON 1.1 with a request id of their own; a failure names its code twice."""
    good, bad = post(server, "DescribeRegistry", b"{}"), post(server, "ListImages", b"{}")
    assert (good.status_code, bad.status_code) == (200, 400)
    for answer in (good, bad):
        assert answer.headers["content-type"] == "application/x-amz-json-1.1"
        assert re.fullmatch(REQUEST_ID, answer.headers["x-amzn-requestid"])
        assert "date" in answer.headers
    assert good.headers["x-amzn-requestid"] != bad.headers["x-amzn-requestid"]
    assert "x-amzn-errortype" not in good.headers
    assert bad.headers["x-amzn-errortype"] == bad.json()["__type"] == "InvalidParameterException"
    assert sorted(bad.json()) == ["__type", "message"]


@pytest.mark.parametrize(
    "target",
    [
        "",
        "DescribeRegistry",
        "AmazonEC2ContainerRegistry_V20150921",
        "AmazonEC2ContainerRegistry_V20150921.",
        "AmazonEC2ContainerRegistry_V20150921.describeRegistry",
        "AmazonEC2ContainerRegistry_V20150921.DescribeRegistry.x",
        "amazonec2containerregistry_v20150921.DescribeRegistry",
        "SpencerFrontendService.DescribeRegistry",
        "\xff",
    ],
)
def test_a_target_that_is_no_operation(server: Server, target: str) -> None:
    """One code, whoever asks."""
    headers = {b"x-amz-target": target.encode("latin-1")}
    answer = httpx.post(f"{server.url}/", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["__type"]) == (400, "UnknownOperationException")
    assert re.fullmatch(REQUEST_ID, answer.headers["x-amzn-requestid"])


def test_a_target_is_sent(server: Server) -> None:
    """Without one there is no operation to be known."""
    assert httpx.post(f"{server.url}/", content=b"{}").json()["__type"] == "UnknownOperationException"


def test_nothing_is_read_of_a_body_that_nobody_signed(server: Server) -> None:
    """The signature is checked before the body is parsed: a stranger learns nothing about what it would have meant."""
    for headers in ({}, {"authorization": "Basic QVdTOng="}, {"authorization": "AWS4-HMAC-SHA256 junk"}):
        target = {"x-amz-target": f"{model.TARGET_PREFIX}.DescribeRegistry", **headers}
        answer = httpx.post(f"{server.url}/", content=b"{no JSON", headers=target)
        expected = "IncompleteSignatureException" if headers else "MissingAuthenticationTokenException"
        assert answer.json()["__type"] == expected


def test_members_that_are_null_or_unknown(server: Server) -> None:
    """Null is absent, and what a newer client sends is ignored; no member of an answer is ever null."""
    body = {"maxResults": None, "repositoryNames": None, "nextToken": None, "fromTheFuture": {"a": [1]}}
    answer = post(server, "DescribeRepositories", json.dumps(body).encode())
    assert answer.status_code == 200
    assert "null" not in answer.text


def test_a_body_of_another_kind(server: Server) -> None:
    """Whatever its content type says, a body is JSON; an empty one is an empty input."""
    for body, headers in ((b"", {}), (b"{}", {"content-type": "application/json"}), (b" {} \n", {})):
        assert post(server, "DescribeRegistry", body, headers=headers).status_code == 200
    cbor = post(server, "DescribeRegistry", b"\xa0", headers={"content-type": "application/cbor"})
    assert cbor.json()["__type"] == "SerializationException"


def test_the_sentences_of_signatures_that_do_not_hold(server: Server) -> None:
    """AWS's own, which people search for."""

    def refusal(**options: Any) -> tuple[str, str]:
        answer = post(server, "DescribeRegistry", b"{}", **options)
        assert answer.status_code == 400
        return answer.json()["__type"], answer.json()["message"]

    assert refusal(key=(server.access_key_id, "wrong")) == (
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.",
    )
    invalid_token = ("UnrecognizedClientException", "The security token included in the request is invalid.")
    assert refusal(key=("AKIAABCDEFGHIJKLMNOP", server.secret_access_key)) == invalid_token
    assert refusal(headers={"x-amz-security-token": "session"}) == invalid_token
    region = ("InvalidSignatureException", "Credential should be scoped to a valid region.")
    assert refusal(region="eu-west-1") == region
    service = ("InvalidSignatureException", "Credential should be scoped to correct service: 'ecr'.")
    assert refusal(service="s3") == service


def test_what_a_signature_must_cover(server: Server) -> None:
    """The target is signed, and so is the body; another operation under the same signature is another request."""
    headers = signed_headers(server.url, "DescribeRegistry", b"{}", key_of(server))
    url = f"{server.url}/"
    assert httpx.post(url, content=b"{}", headers=headers).status_code == 200
    elsewhere = headers | {"x-amz-target": f"{model.TARGET_PREFIX}.DescribeRepositories"}
    assert httpx.post(url, content=b"{}", headers=elsewhere).json()["__type"] == "InvalidSignatureException"
    assert httpx.post(url, content=b"{ }", headers=headers).json()["__type"] == "InvalidSignatureException"
    added = httpx.post(f"{url}?X-Amz-Signature=0", content=b"{}", headers=headers)
    assert added.json()["__type"] == "IncompleteSignatureException"
    unsigned = headers["authorization"].replace(";x-amz-target", "")
    uncovered = httpx.post(url, content=b"{}", headers=headers | {"authorization": unsigned})
    assert (uncovered.json()["__type"], uncovered.json()["message"]) == (
        "IncompleteSignatureException",
        "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization.",
    )


def test_the_window_of_fifteen_minutes(tmp_path: Path) -> None:
    """A request is good for fifteen minutes to the second, both ways; ECR's sentence says what was compared."""
    with support.registry(tmp_path) as registry:
        edge = edges(registry)
        headers = signed_headers(
            edge.url, "DescribeRegistry", b"{}", (edge.key.access_key_id, edge.key.secret_access_key)
        )
        stamp = headers["x-amz-date"]
        signed = registry.clock.moment.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=registry.clock.moment.tzinfo)
        second = timedelta(seconds=1)
        for offset, good in ((0 * second, True), (CLOCK_WINDOW, True), (-CLOCK_WINDOW, True)):
            registry.clock.moment = signed + offset
            assert (edge.send("POST", "/", b"{}", headers).status_code == 200) is good
        now = registry.clock.moment = signed + CLOCK_WINDOW + second
        late = edge.send("POST", "/", b"{}", headers).json()
        written = "%Y%m%dT%H%M%SZ"
        assert late == {
            "__type": "InvalidSignatureException",
            "message": f"Signature expired: {stamp} is now earlier than {now - CLOCK_WINDOW:{written}} "
            f"({now:{written}} - 15 min.)",
        }
        now = registry.clock.moment = signed - CLOCK_WINDOW - second
        early = edge.send("POST", "/", b"{}", headers).json()
        assert early["message"] == (
            f"Signature not yet current: {stamp} is still later than {now + CLOCK_WINDOW:{written}} "
            f"({now:{written}} + 15 min.)"
        )


def test_regions_are_registries_of_their_own(tmp_path: Path) -> None:
    """Where two regions are served, the one in the signature decides what is there; a token keeps its region."""
    with support.registry(tmp_path, regions=(REGION, "eu-west-1")) as registry:
        edge = edges(registry)
        key = (edge.key.access_key_id, edge.key.secret_access_key)

        def call(region: str, operation: str, **params: Any) -> Any:
            body = json.dumps(params).encode()
            return edge.send("POST", "/", body, signed_headers(edge.url, operation, body, key, region=region)).json()

        made = call("eu-west-1", "CreateRepository", repositoryName="here/only")["repository"]
        assert made["repositoryArn"] == f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/here/only"
        assert call(REGION, "DescribeRepositories")["repositories"] == []
        assert call("eu-west-1", "DescribeRepositories")["repositories"] == [made]
        for region, status in ((REGION, 404), ("eu-west-1", 200)):
            token = call(region, "GetAuthorizationToken")["authorizationData"][0]["authorizationToken"]
            answer = edge.send("GET", "/v2/here/only/tags/list", headers={"authorization": f"Basic {token}"})
            assert answer.status_code == status


# No database keeps every text that JSON can hold: PostgreSQL knows no NUL, and neither knows half a surrogate pair.
ODD_TEXTS = {"NUL": "\0", "half a pair": "\ud800"}


@pytest.mark.parametrize("odd", ODD_TEXTS)
def test_texts_that_cannot_be_kept(edge: Edges, odd: str) -> None:
    """They are refused wherever a member takes text, by one code, on both engines."""
    edge.registry.repository("odd/text")
    edge.push("odd/text", PUSHED)
    text = f"a{ODD_TEXTS[odd]}b"
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/odd/text"
    manifest = PUSHED.manifest.decode()
    calls: list[tuple[str, dict[str, Any]]] = [
        ("BatchGetImage", {"imageIds": [{"imageTag": text}]}),
        ("BatchGetImage", {"imageIds": [{"imageDigest": text}]}),
        ("BatchDeleteImage", {"imageIds": [{"imageTag": text}]}),
        ("DescribeImages", {"imageIds": [{"imageDigest": text}]}),
        ("StartImageScan", {"imageId": {"imageTag": text}}),
        ("DescribeImageScanFindings", {"imageId": {"imageDigest": text}}),
        ("ListImages", {"nextToken": text}),
        ("PutImage", {"imageManifest": manifest, "imageTag": text}),
        ("PutImage", {"imageManifest": text}),
        ("PutImage", {"imageManifest": manifest, "imageManifestMediaType": text}),
        ("TagResource", {"resourceArn": arn, "tags": [{"Key": text, "Value": ""}]}),
        ("TagResource", {"resourceArn": arn, "tags": [{"Key": "k", "Value": text}]}),
        ("UntagResource", {"resourceArn": arn, "tagKeys": [text]}),
        ("ListTagsForResource", {"resourceArn": arn + text}),
        ("CreateRepository", {"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": text}}),
    ]
    for operation, params in calls:
        named = {} if "resourceArn" in params else {"repositoryName": "odd/text"}
        answer = edge.aws(operation, **named, **params)
        assert (answer.status_code, answer.json()["__type"]) == (400, "SerializationException"), (operation, params)


def test_more_keys_than_a_statement_takes(edge: Edges) -> None:
    """The model sets no limit to lists of tags: 70,000 keys are more parameters than either engine has."""
    edge.registry.repository("odd/tags", tags={"kept": "1", "k7": "2"})
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/odd/tags"
    keys = [f"k{number}" for number in range(70_000)]
    assert edge.aws("UntagResource", resourceArn=arn, tagKeys=keys).json() == {}
    tags = [{"Key": name, "Value": ""} for name in keys]
    assert edge.aws("TagResource", resourceArn=arn, tags=tags).json()["__type"] == "TooManyTagsException"
    assert edge.aws("ListTagsForResource", resourceArn=arn).json() == {"tags": [{"Key": "kept", "Value": "1"}]}


# Texts by the shape that they would fit: some are there, some are not, some are nothing at all.
FITTING = {
    "RepositoryName": ["fuzz/a", "fuzz/b", "fuzz/none"],
    "RegistryId": [ACCOUNT, "210987654321"],
    "ImageTag": ["latest", "index", "none", "-"],
    "ImageDigest": [PUSHED.digest, "sha256:" + "0" * 64, "sha256:"],
    "ImageManifest": [PUSHED.manifest.decode(), index(PUSHED.manifest).decode(), index().decode(), "{}"],
    "Arn": [f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/fuzz/{name}" for name in ("a", "none")],
}


def anything(shape: Shape) -> st.SearchStrategy[Any]:
    """Values that fit a shape of the model, and some that do not."""
    return st.one_of(fitting(shape), fitting(shape), fitting(shape), st.sampled_from([None, 0, -1, "", [], {}, True]))


def fitting(shape: Shape) -> st.SearchStrategy[Any]:
    if isinstance(shape, StructureShape):
        required = {name: anything(shape.members[name]) for name in shape.required_members}
        optional = {name: anything(member) for name, member in shape.members.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)
    if isinstance(shape, ListShape):
        return st.lists(anything(shape.member), max_size=3)
    if isinstance(shape, StringShape):
        known = shape.enum or FITTING.get(shape.name, [])
        return st.one_of(st.sampled_from(known), st.text(max_size=20)) if known else st.text(max_size=300)
    if isinstance(shape, MapShape):
        return st.dictionaries(st.text(), anything(shape.value), max_size=2)
    return {"boolean": st.booleans(), "blob": st.just("eA==")}.get(shape.type_name, st.integers(-5, 2000))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def used(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edges]:
    """A registry with two repositories and an image, on each engine."""
    url = new_database() if request.param == "postgresql" else ""
    with support.registry(tmp_path_factory.mktemp("fuzz"), url) as registry:
        found = edges(registry)
        for name in ("fuzz/a", "fuzz/b"):
            registry.repository(name)
        found.push("fuzz/a", PUSHED)
        yield found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_no_input_is_a_failure_of_the_server(used: Edges, data: st.DataObject) -> None:
    """Every offered operation answers any input, whatever others did before, with success or a code of its own."""
    operation = model.operation(data.draw(st.sampled_from(OFFERED)))
    params = data.draw(fitting(operation.input))
    answer = used.aws(operation.name, **params)
    if answer.status_code != 200:
        assert answer.status_code == 400
        general = {"SerializationException", "AccessDeniedException"}
        assert answer.json()["__type"] in general | set(operation.errors) - {"ServerException"}, params
