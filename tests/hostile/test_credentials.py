"""Who gets in, by what, and what is open to everybody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from pathlib import Path

import itsdangerous
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.routing import Route

from hullwise.api.routes import ROUTES as API
from hullwise.application import Edge
from hullwise.auth import tokens
from hullwise.auth.callers import Caller
from hullwise.ecr import model
from hullwise.ecr.operations import NOT_OFFERED, READS, WRITES
from hullwise.jobs import durable
from hullwise.oci.routes import ROUTES as OCI
from hullwise.sealing import derive
from hullwise.store import accounts
from tests.hostile.conftest import with_key
from tests.support import registry as support
from tests.support.edges import JSON_1_1, Edges, edges, login, signed_headers
from tests.support.images import sha256
from tests.support.registry import ACCOUNT, REGION

DIGEST = sha256(b"")
PARTS = {"name": "a/b", "upload": "0" * 32, "digest": DIGEST, "reference": "latest", "id": "1"}
"""Something for each part of a path that a pattern takes."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def paths() -> list[str]:
    """One path of every route, made of its own pattern."""
    found = []
    for pattern, _ in (*OCI, *API):
        path = re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda part: PARTS[part[1]], pattern).replace("?", "")
        assert re.compile(pattern, re.DOTALL).fullmatch(path), (pattern, path)
        found.append(path)
    return found


def test_no_route_without_a_login(edge: Edges) -> None:
    """(row 5) Every route of the registry API and of our own refuses every method to who has no token, a wrong one, or
    that of a key that was revoked, whether it offers the method or not."""
    revoked = with_key(edge)
    caller = Caller(revoked.key.access_key_id, ACCOUNT, REGION)
    gone = login(tokens.issue(edge.registry.services, caller).password)
    with edge.registry.services.database.write() as tx:
        accounts.revoke_key(tx, revoked.key.access_key_id, edge.registry.clock())
    found = paths()
    assert len(found) > 15
    for path in found:
        for method in METHODS:
            for headers in ({}, login("x"), gone, {"authorization": "Bearer x"}):
                assert edge.send(method, path, b"", headers).status_code == 401, (method, path, headers)


def forged(edge: Edges) -> dict[str, str]:
    """Tokens of one's own making, for the account's own key."""
    services, now = edge.registry.services, int(edge.registry.clock().timestamp())
    content = [edge.key.access_key_id, ACCOUNT, REGION, now + 3_600]
    claims = {"sub": edge.key.access_key_id, "account": ACCOUNT, "region": REGION, "exp": now + 3_600}

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    def jwt(header: dict[str, object], key: bytes) -> str:
        signed = f"{part(header)}.{part(claims)}"
        mac = hmac.digest(key, signed.encode(), "sha256")
        return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    def ours(key: bytes, digest: str = "sha256", salt: str = "itsdangerous", value: object = content) -> str:
        options = {"digest_method": getattr(hashlib, digest)}
        return str(itsdangerous.URLSafeSerializer(key, salt=salt, signer_kwargs=options).dumps(value))

    key = derive(services.secret, "authorization token")
    good = tokens.issue(services, Caller(edge.key.access_key_id, ACCOUNT, REGION)).password
    return {
        "no algorithm": f"{part({'alg': 'none'})}.{part(claims)}.",
        "its own key": jwt({"alg": "HS256", "jwk": {"kty": "oct", "k": "YQ"}}, b"a"),
        "its own certificate": jwt({"alg": "RS256", "x5c": ["MIIB"]}, b"a"),
        "an empty key": ours(b""),
        "the id of the key": ours(edge.key.access_key_id.encode()),
        "the secret of the key": ours(edge.key.secret_access_key.encode()),
        "a key of another purpose": ours(derive(services.secret, "layer download")),
        "the secret itself": ours(services.secret),
        "another digest": ours(key, "sha1"),
        "a longer digest": ours(key, "sha512"),
        "another salt": ours(key, salt="x"),
        "no signature": good.rpartition(".")[0],
        "an empty signature": good.rpartition(".")[0] + ".",
        "another account": ours(key, value=[edge.key.access_key_id, "314159265358", REGION, now + 3_600]),
        "what it is made of": json.dumps(content),
        "the secret": edge.key.secret_access_key,
    }


def test_a_token_of_ones_own_making(edge: Edges) -> None:
    """(row 10) Whatever it says of its algorithm and key: what is not signed by our key, in our way and for this is
    no token; nor is one for something else, the other way round."""
    for kind, token in forged(edge).items():
        assert edge.send("GET", "/v2/_catalog", headers=login(token)).status_code == 401, kind
        assert edge.send("GET", f"/layers/{token}").status_code in {403, 404}, kind
    good = tokens.issue(edge.registry.services, Caller(edge.key.access_key_id, ACCOUNT, REGION)).password
    assert edge.send("GET", f"/layers/{good}").status_code == 403
    assert edge.send("GET", "/v2/_catalog", headers=login(good)).status_code == 200


def test_no_default_secret(tmp_path: Path) -> None:
    """(row 12) Two installations have no secret in common, and what is known of others opens neither."""
    opened = []
    for name in ("one", "two"):
        with support.registry(tmp_path / name) as registry:
            edge = edges(registry)
            opened.append((registry.services.secret, edge.key.access_key_id, edge.key.secret_access_key))
            for user, password in (
                ("AWS", ""),
                ("AWS", "password"),
                ("admin", "Harbor12345"),
                ("minioadmin", "minioadmin"),
                ("AWS", "test"),
                ("test", "test"),
            ):
                sent = base64.b64encode(f"{user}:{password}".encode()).decode()
                assert edge.send("GET", "/v2/", headers={"authorization": f"Basic {sent}"}).status_code == 401
            for pair in (("test", "test"), ("AKIAIOSFODNN7EXAMPLE", "x"), ("minioadmin", "minioadmin")):
                headers = signed_headers(edge.url, "DescribeRepositories", b"{}", pair)
                answer = edge.send("POST", "/", b"{}", headers)
                assert answer.json()["__type"] == "UnrecognizedClientException"
    assert all(len({pair[part] for pair in opened}) == 2 for part in range(3))


TARGET = f"{model.TARGET_PREFIX}.CreateRepository"


def variants(edge: Edges, body: bytes) -> dict[str, tuple[str, dict[str, str]]]:
    """Query and headers of requests that claim to be good in some other way than the one there is."""
    key = (edge.key.access_key_id, edge.key.secret_access_key)
    good = signed_headers(edge.url, "CreateRepository", body, key)
    plain = {"content-type": JSON_1_1, "x-amz-target": TARGET}
    caller = Caller(edge.key.access_key_id, ACCOUNT, REGION)
    basic = login(tokens.issue(edge.registry.services, caller).password)
    presigned = AWSRequest("POST", f"{edge.url}/", headers=plain, data=body)
    SigV4QueryAuth(Credentials(*key), "ecr", REGION).add_auth(presigned)
    query = str(presigned.url).partition("?")[2]
    unsigned = {**plain, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    streamed = {**plain, "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
    authorization = good["authorization"]
    return {
        "nothing": ("", plain),
        "a token": ("", plain | basic),
        "a presigned URL": (query, plain),
        "a presigned URL and a header": (query, good),
        "a credential in the query": (f"X-Amz-Credential={key[0]}", good),
        "a body that is not signed": ("", signed_headers(edge.url, "CreateRepository", body, key, headers=unsigned)),
        "a body with a trailer": ("", signed_headers(edge.url, "CreateRepository", body, key, headers=streamed)),
        "a session token": ("", good | {"x-amz-security-token": "x"}),
        "version 2": ("", plain | {"authorization": f"AWS {key[0]}:{'A' * 27}="}),
        "version 4a": ("", good | {"authorization": authorization.replace("HMAC-SHA256", "ECDSA-P256-SHA256")}),
        "no signature": ("", good | {"authorization": authorization.rpartition(",")[0]}),
        "an empty signature": ("", good | {"authorization": authorization.rpartition("=")[0] + "="}),
        "a signature of zeros": ("", good | {"authorization": authorization[:-64] + "0" * 64}),
        "no signed headers": ("", good | {"authorization": authorization.replace("content-type;host;", "")}),
        "the secret": ("", plain | {"authorization": f"Bearer {key[1]}"}),
        "another service's": ("", signed_headers(edge.url, "CreateRepository", body, key, service="s3")),
        "another region's": ("", signed_headers(edge.url, "CreateRepository", body, key, region="eu-west-1")),
    }


def test_every_other_way_to_sign(edge: Edges) -> None:
    """(row 30) There is one way to be let in to each API, and what comes in any other way is refused and does nothing,
    also where it would be good elsewhere."""
    body = json.dumps({"repositoryName": "hostile/variant"}).encode()
    found = variants(edge, body)
    for kind, (query, headers) in found.items():
        answer = edge.send("POST", f"/?{query}" if query else "/", body, headers)
        assert answer.status_code == 400, kind
        assert answer.json()["__type"] != "UnknownOperationException", kind
    assert "hostile/variant" not in edge.oci("GET", "/v2/_catalog").text
    key = (edge.key.access_key_id, edge.key.secret_access_key)
    signed = signed_headers(edge.url, "CreateRepository", b"", key)
    caller = Caller(edge.key.access_key_id, ACCOUNT, REGION)
    password = tokens.issue(edge.registry.services, caller).password
    for path, headers in (
        ("/v2/", signed),
        (f"/v2/?token={password}", {}),
        (f"/v2/?access_token={password}&account=AWS", {}),
        ("/v2/", {"x-authorization": login(password)["authorization"]}),
        ("/v2/", {"cookie": f"token={password}"}),
        ("/v2/", {"authorization": f"Bearer {password}"}),
    ):
        assert edge.send("GET", path, headers=headers).status_code == 401, path
    # The other way round it is good.
    assert edge.send("POST", "/", body, signed_headers(edge.url, "CreateRepository", body, key)).status_code == 200


def test_what_is_open_to_everybody(edge: Edges) -> None:
    """(row 31) Health, metrics, and layers by a signed URL: no other path says anything without a login, and these say
    nothing of who is here or how it is set up."""
    assert isinstance(edge.application, Edge)
    durable.prepare(edge.registry.services.database, edge.registry.services.settings.locks)
    routes = {route.path for route in edge.application.others.routes if isinstance(route, Route)}
    assert routes == {"/healthz", "/metrics", "/layers/{token}", "/api/v1{rest:path}"}
    secrets = (edge.key.access_key_id, edge.key.secret_access_key, ACCOUNT, str(edge.registry.folder), "hostile/")
    for path in ("/healthz", "/metrics", "/layers/x", "/layers/..%2f..%2fsecret.key"):
        answer = edge.send("GET", path)
        # Health is 503 here: there is no advisory data.
        assert answer.status_code in {200, 403, 404} or path == "/healthz"
        assert [secret for secret in secrets if secret in answer.text] == []
    for path in (
        "/env",
        "/debug/pprof",
        "/debug/vars",
        "/.env",
        "/config",
        "/minio/bootstrap/v1/verify",
        "/admin",
        "/docs",
        "/openapi.json",
        "/layers/",
        "/layers/../secret.key",
        "/%2e%2e/secret.key",
        "/secret.key",
    ):
        for method in ("GET", "POST"):
            assert edge.send(method, path).status_code in {404, 405}, path


def test_no_hidden_operations(edge: Edges) -> None:
    """(row 32) What is not in the model is no operation to a signed caller either: names of our own functions, of other
    services and of Python; what the model has and is not offered says so."""
    assert {*READS, *WRITES}.isdisjoint(NOT_OFFERED)
    assert {*READS, *WRITES, *NOT_OFFERED} == set(model.operation_names())
    key = (edge.key.access_key_id, edge.key.secret_access_key)
    for name in ("__init__", "create_repository", "keys.create", "DeleteAccount", "GetCallerIdentity", "Ping", ""):
        answer = edge.send("POST", "/", b"{}", signed_headers(edge.url, name, b"{}", key))
        assert (answer.status_code, answer.json()["__type"]) == (400, "UnknownOperationException"), name


@pytest.mark.parametrize("operation", sorted(NOT_OFFERED)[:3])
def test_what_is_not_offered_does_nothing(edge: Edges, operation: str) -> None:
    """(row 32) A signed call of it is refused by a modelled error, whatever it says."""
    key = (edge.key.access_key_id, edge.key.secret_access_key)
    answer = edge.send("POST", "/", b"{}", signed_headers(edge.url, operation, b"{}", key))
    assert answer.status_code == 400
