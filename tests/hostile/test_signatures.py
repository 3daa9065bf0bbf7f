"""Signed requests on their whole way in: changed anywhere they are refused, spelled otherwise they are the same."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hullwise.ecr.model import TARGET_PREFIX
from tests.support.edges import JSON_1_1, Edges
from tests.support.registry import REGION

BODY = json.dumps({"maxResults": 7}).encode()
QUERY = "b=2&a=%20x&a=1"
TOKEN = r"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
"""Characters of a header's name, as servers pass it on (RFC 9110, 5.6.2; in lower case)."""


@dataclasses.dataclass(frozen=True)
class Wire:
    """A request as it is sent."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def signed(edge: Edges) -> Wire:
    """Made by botocore, with all that its client signs and one header more."""
    headers = {"content-type": JSON_1_1, "x-amz-target": f"{TARGET_PREFIX}.DescribeRepositories", "x-note": "a  b, c"}
    request = AWSRequest("POST", f"http://registry.test/?{QUERY}", headers=headers, data=BODY)
    request.context["timestamp"] = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    SigV4Auth(Credentials(edge.key.access_key_id, edge.key.secret_access_key), "ecr", REGION).add_auth(request)
    received = [("host", "registry.test"), *((name.lower(), value) for name, value in request.headers.items())]
    return Wire("POST", "/", QUERY, tuple(dict(received).items()), BODY)


def status(edge: Edges, wire: Wire) -> int:
    """What the whole application says; a body that it does not ask for is not sent."""
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": wire.body, "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
        "method": wire.method,
        "path": wire.path,
        "raw_path": wire.path.encode("latin-1"),
        "query_string": wire.query.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in wire.headers],
        "server": ("registry.test", 80),
    }
    anyio.run(edge.application, scope, receive, send)
    found: int = said[0]["status"]
    return found


def other_byte(data: st.DataObject, text: str, alphabet: st.SearchStrategy[str]) -> str:
    """The text with one character replaced, put in or taken out."""
    at = data.draw(st.integers(0, len(text) - 1), label="at")
    kind = data.draw(st.sampled_from(["replace", "insert", "remove"]), label="kind")
    if kind == "remove":
        return text[:at] + text[at + 1 :]
    new = data.draw(alphabet, label="character")
    return text[:at] + new + text[at + (kind == "replace") :]


ANY = st.characters(max_codepoint=255)


def seen(wire: Wire) -> tuple[tuple[str, str], ...]:
    """Headers without the spaces that a signature does not see, nor the parts of an Authorization."""
    return tuple(
        (name, re.sub(" *, *", ",", value) if name == "authorization" else re.sub(" +", " ", value.strip(" \t")))
        for name, value in wire.headers
    )


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_of_a_request(edge: Edges, data: st.DataObject) -> None:
    """(row 30) One byte other, more or less: in the method, the path, the query, the name or value of any header that
    is signed, the signature, or the body. None of them is answered as the request that was signed."""
    good = signed(edge)
    names = [name for name, _ in good.headers]
    part = data.draw(st.sampled_from(["method", "path", "query", "body", *names, *(f"{name}:" for name in names)]))
    if part == "method":
        changed = dataclasses.replace(good, method=other_byte(data, good.method, st.characters(codec="ascii")))
    elif part == "path":
        changed = dataclasses.replace(good, path=other_byte(data, good.path, st.characters(codec="ascii")))
    elif part == "query":
        changed = dataclasses.replace(good, query=other_byte(data, QUERY, st.characters(codec="ascii")))
    elif part == "body":
        changed = dataclasses.replace(good, body=other_byte(data, BODY.decode(), ANY).encode("latin-1"))
    else:
        at = names.index(part.rstrip(":"))
        name, value = good.headers[at]
        if part.endswith(":"):
            pair = (other_byte(data, name, st.sampled_from(TOKEN)), value)
        else:
            pair = (name, other_byte(data, value, ANY))
        changed = dataclasses.replace(good, headers=(*good.headers[:at], pair, *good.headers[at + 1 :]))
    if dataclasses.replace(changed, headers=seen(changed)) != dataclasses.replace(good, headers=seen(good)):
        assert status(edge, changed) != 200, changed


@pytest.mark.parametrize(
    "kind", ["sent twice", "left out", "values swapped", "two for one", "in another's place", "signed name added"]
)
def test_headers_that_were_moved(edge: Edges, kind: str) -> None:
    """Signed headers that are there twice, not there, each other's, split, or signed under a name that is not there."""
    good = signed(edge)
    for name in ("content-type", "host", "x-amz-date", "x-amz-target", "x-note"):
        headers = dict(good.headers)
        pairs = list(good.headers)
        if kind == "sent twice":
            pairs.append((name, headers[name]))
        elif kind == "left out":
            pairs = [pair for pair in pairs if pair[0] != name]
        elif kind == "values swapped":
            other = "x-note" if name != "x-note" else "content-type"
            swapped = headers | {name: headers[other], other: headers[name]}
            pairs = list(swapped.items())
        elif kind == "two for one":
            half = len(headers[name]) // 2
            pairs = [pair for pair in pairs if pair[0] != name]
            pairs += [(name, headers[name][:half]), (name, headers[name][half:])]
        elif kind == "in another's place":
            pairs = [(f"x-{pair[0]}" if pair[0] == name else pair[0], pair[1]) for pair in pairs]
        else:
            listed = headers["authorization"].replace("SignedHeaders=", "SignedHeaders=accept;")
            pairs = list((headers | {"authorization": listed, "accept": "*/*"}).items())
        assert status(edge, dataclasses.replace(good, headers=tuple(pairs))) == 400, name


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spellings_of_the_same_request(edge: Edges, data: st.DataObject) -> None:
    """Headers in any order, spaces around and more of them within a value, headers beside those that are signed, the
    parts of the signature and of the query in any order: what is the same to the signature is answered the same."""
    good = signed(edge)
    headers = dict(good.headers)
    algorithm, _, rest = headers["authorization"].partition(" ")
    parts = data.draw(st.permutations([part.strip() for part in rest.split(",")]))
    joint = data.draw(st.sampled_from([",", ", ", ",  "]))
    headers["authorization"] = f"{algorithm} {joint.join(parts)}"
    headers["x-note"] = headers["x-note"].replace("  ", " " * data.draw(st.integers(1, 4)))
    space = st.text(" \t", max_size=3)
    # As a server passes them on where its parser does not take the space away; what is read without it is.
    spaced = {
        name: data.draw(space) + value + data.draw(space) if name in {"host", "x-amz-date", "x-note"} else value
        for name, value in headers.items()
    }
    spaced["x-unsigned"] = data.draw(st.text(st.characters(codec="ascii", min_codepoint=32), max_size=9))
    order = data.draw(st.permutations(list(spaced.items())))
    query = "&".join(data.draw(st.permutations(QUERY.split("&"))))
    assert status(edge, dataclasses.replace(good, headers=tuple(order), query=query)) == 200
