"""Signature Version 4: what botocore and AWS's vectors sign is believed, and nothing else is."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from types import FrameType
from typing import Any

import botocore.session
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from hullwise.auth.errors import (
    AuthenticationFailed,
    IncompleteSignature,
    InvalidSignature,
    MissingAuthentication,
    PayloadHashMismatch,
    SignatureExpired,
    SignatureMismatch,
    SignatureNotYetValid,
    UnknownAccessKey,
    WrongDate,
    WrongRegion,
    WrongService,
    WrongTerminator,
)
from hullwise.auth.sigv4 import Credential, SignedRequest, SigningKeys, verify

KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"
BODY = b'{"repositoryName":"team/app"}'
HEADERS = {
    "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.DescribeImages",
    "Content-Type": "application/x-amz-json-1.1; charset=utf-8",
    "User-Agent": "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux lang/python#3.11.7",
    "Accept-Encoding": "identity",
    "Host": "registry.example:5050",
}


def find(access_key_id: str) -> str | None:
    return {KEY: SECRET}.get(access_key_id)


def sign(
    method: str = "POST",
    path: str = "/",
    query: str = "",
    body: bytes = BODY,
    *,
    headers: dict[str, str] = HEADERS,
    service: str = "ecr",
    token: str | None = None,
) -> SignedRequest:
    """A request as a server receives it from a client that signs with botocore."""
    url = f"http://registry.example:5050{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method, url, headers=headers, data=body)
    SigV4Auth(Credentials(KEY, SECRET, token), service, REGION).add_auth(request)
    received = tuple((name.lower(), value) for name, value in request.headers.items())
    return SignedRequest(method, path, query, received, body)


def value_of(request: SignedRequest, name: str) -> str:
    [value] = [value for header, value in request.headers if header == name]
    return value


def signed_at(request: SignedRequest) -> datetime:
    return datetime.strptime(value_of(request, "x-amz-date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def with_header(request: SignedRequest, name: str, value: str) -> SignedRequest:
    """The same request, with the value of the one header `name` replaced."""
    value_of(request, name)
    headers = tuple((header, value if header == name else old) for header, old in request.headers)
    return dataclasses.replace(request, headers=headers)


def with_part(request: SignedRequest, part: str, text: Any) -> SignedRequest:
    return dataclasses.replace(request, **{part: text})


def and_header(request: SignedRequest, name: str, value: str) -> SignedRequest:
    return dataclasses.replace(request, headers=(*request.headers, (name, value)))


def without_header(request: SignedRequest, name: str) -> SignedRequest:
    return dataclasses.replace(request, headers=tuple(pair for pair in request.headers if pair[0] != name))


def check(request: SignedRequest, now: datetime, find_secret: Callable[[str], str | None] = find) -> Credential:
    return verify(request, find_secret=find_secret, regions={REGION}, now=now)


PLAIN = sign()
RICH = sign("PUT", "/v2/team/app", "max=10&list=all%20tags", headers={**HEADERS, "X-Note": "two  words, or three"})
NOW = signed_at(PLAIN)


@pytest.mark.parametrize(
    "request_",
    [
        PLAIN,
        RICH,
        sign("GET", body=b""),
        sign(path="/a%20b/%2F/~x/", query="k=v%2Fw&empty=&bare&k=a"),
        sign(body=bytes(range(256)) * 5_000),
        sign(headers={**HEADERS, "X-Amz-Content-SHA256": sha256(BODY).hexdigest()}),
        sign(headers={"Host": "registry.example:5050"}),
    ],
)
def test_what_botocore_signs_is_believed(request_: SignedRequest) -> None:
    """The server's reading of a request is the one botocore signed, whatever the method, path, query, headers, body."""
    now = signed_at(request_)
    assert check(request_, now) == Credential(KEY, f"{now:%Y%m%d}", REGION, "ecr")


def test_a_whole_client_is_believed() -> None:
    """A request as botocore's ECR client puts it on the wire passes: all its headers, the unsigned ones too."""
    sent: list[Any] = []

    def capture(request: Any, **_: Any) -> Any:
        sent.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), Wire())

    client: Any = botocore.session.Session().create_client(
        "ecr",
        REGION,
        endpoint_url="http://registry.example:5050",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    client.meta.events.register("before-send.ecr.DescribeImages", capture)
    client.describe_images(repositoryName="team/app", maxResults=10)
    [wire] = sent
    # http.client adds Host while sending; botocore signs what it will be.
    headers = [("host", "registry.example:5050")]
    for name, value in wire.headers.items():
        headers.append((name.lower(), value if isinstance(value, str) else value.decode("latin-1")))
    received = SignedRequest(wire.method, "/", "", tuple(headers), wire.body)
    assert "amz-sdk-invocation-id" in dict(headers)
    assert check(received, signed_at(received)).access_key_id == KEY


class Wire:
    """The body of a response, as botocore reads it."""

    def stream(self) -> Iterable[bytes]:
        yield b'{"imageDetails":[]}'


# AWS's published test suite (aws-sig-v4-test-suite, 2015), signatures as published.
SUITE_DATE = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
SUITE = [
    (
        "get-vanilla",
        ("GET", "/", "", [], b""),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "get-vanilla-query-order-key-case",
        ("GET", "/", "Param2=value2&Param1=value1", [], b""),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "post-vanilla",
        ("POST", "/", "", [], b""),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    (
        "post-header-key-sort",
        ("POST", "/", "", [("my-header1", "value1")], b""),
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
    (
        "post-header-value-case",
        ("POST", "/", "", [("my-header1", "VALUE1")], b""),
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    ),
    (
        "get-header-value-order",
        ("GET", "/", "", [("my-header1", f"value{n}") for n in (4, 1, 3, 2)], b""),
        "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
    ),
    (
        "get-header-value-trim",
        ("GET", "/", "", [("my-header1", " value1"), ("my-header2", ' "a   b   c"')], b""),
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    (
        "post-x-www-form-urlencoded",
        ("POST", "/", "", [("content-type", "application/x-www-form-urlencoded")], b"Param1=value1"),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
]


def suite_request(
    parts: tuple[str, str, str, list[tuple[str, str]], bytes], signature: str, *, scope: str = "service"
) -> SignedRequest:
    method, path, query, headers, body = parts
    headers = [("host", "example.amazonaws.com"), *headers, ("x-amz-date", "20150830T123600Z")]
    names = ";".join(sorted({name for name, _ in headers}))
    authorization = (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{scope}/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return SignedRequest(method, path, query, (*headers, ("authorization", authorization)), body)


@pytest.mark.parametrize(("parts", "signature"), [row[1:] for row in SUITE], ids=[row[0] for row in SUITE])
def test_aws_published_vectors(parts: tuple[str, str, str, list[tuple[str, str]], bytes], signature: str) -> None:
    """Requests of AWS's own test suite pass with the signatures AWS printed, and not with one digit changed."""
    request = suite_request(parts, signature)
    credential = verify(request, find_secret=find, regions=["us-east-1"], service="service", now=SUITE_DATE)
    assert credential == Credential("AKIDEXAMPLE", "20150830", "us-east-1", "service")
    digit = "0" if signature[-1] != "0" else "1"
    with pytest.raises(SignatureMismatch):
        verify(
            suite_request(parts, signature[:-1] + digit),
            find_secret=find,
            regions=["us-east-1"],
            service="service",
            now=SUITE_DATE,
        )


@pytest.mark.parametrize("path", ["//", "/./", "/example/..", "/example1/example2/../.."])
def test_a_path_that_has_a_shorter_spelling_is_refused(path: str) -> None:
    """AWS's suite lets these share a signature with `/`; here no two paths do, as routes see the longer spelling."""
    shared = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    request = suite_request(("GET", path, "", [], b""), shared)
    with pytest.raises(SignatureMismatch):
        verify(request, find_secret=find, regions=["us-east-1"], service="service", now=SUITE_DATE)


def test_signing_key_of_the_aws_manual() -> None:
    """The derived key is the one printed in AWS's worked example for `iam`."""
    key = SigningKeys(1).get(SECRET, "20150830", "us-east-1", "iam")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


def test_signing_keys_are_bounded() -> None:
    """The oldest unused key goes first, a key that is asked for stays, and the answer is the same either way."""
    keys = SigningKeys(2)
    first = keys.get(SECRET, "20150830", REGION, "ecr")
    for day in range(1, 30):
        keys.get(SECRET, f"201509{day:02}", REGION, "ecr")
        assert keys.get(SECRET, "20150830", REGION, "ecr") is first
        assert len(keys) == 2
    keys.get("another", "20150830", REGION, "ecr")
    keys.get("a third", "20150830", REGION, "ecr")
    again = keys.get(SECRET, "20150830", REGION, "ecr")
    assert again == first
    assert again is not first


def test_signing_keys_differ_by_every_part() -> None:
    """Secret, date, region and service each make another key, cached or not."""
    keys = SigningKeys(10)
    parts = [
        (SECRET, "20150830", "us-east-1", "ecr"),
        ("other", "20150830", "us-east-1", "ecr"),
        (SECRET, "20150831", "us-east-1", "ecr"),
        (SECRET, "20150830", "us-east-2", "ecr"),
        (SECRET, "20150830", "us-east-1", "iam"),
    ]
    assert len({keys.get(*part) for part in parts * 2}) == len(parts) == len(keys)


def test_threads_share_the_signing_keys() -> None:
    """Many threads verifying at once agree, and never overfill the cache."""
    keys = SigningKeys(3)
    alone = [SigningKeys(1).get(SECRET, f"201509{day:02}", REGION, "ecr") for day in range(10, 20)]
    with ThreadPoolExecutor(8) as pool:
        days = [f"201509{day:02}" for day in range(10, 20)] * 50
        together = list(pool.map(lambda day: keys.get(SECRET, day, REGION, "ecr"), days))
    assert together == alone * 50
    assert len(keys) == 3


@given(data=st.data())
def test_spaces_and_header_order_do_not_matter(data: st.DataObject) -> None:
    """Headers in another order, more spaces around a value or within a run of them, and unsigned headers all pass."""
    headers = data.draw(st.permutations(RICH.headers))
    spaces = st.text(" ", max_size=3)
    spaced = []
    for name, value in headers:
        inner = value.replace("  ", " " + data.draw(spaces)) if name == "x-note" else value
        spaced.append((name, data.draw(spaces) + inner + data.draw(spaces)))
    unsigned = ("x-forwarded-for", data.draw(st.text(max_size=10)))
    spaced.insert(data.draw(st.integers(0, len(spaced))), unsigned)
    request = dataclasses.replace(RICH, headers=tuple(spaced))
    assert check(request, signed_at(RICH)).access_key_id == KEY


def test_a_repeated_header_is_its_values_joined() -> None:
    """Two lines `a` and `b` are the one line `a,b`; the other way round they are not."""
    request = sign(headers={**HEADERS, "X-Note": "a,b"})
    bare = without_header(request, "x-note")
    now = signed_at(request)
    assert check(and_header(and_header(bare, "x-note", "a"), "x-note", "b"), now).access_key_id == KEY
    with pytest.raises(SignatureMismatch):
        check(and_header(and_header(bare, "x-note", "b"), "x-note", "a"), now)


def test_query_order_does_not_matter_but_its_bytes_do() -> None:
    """Parameters may come in any order; a decoded or lower-case escape is another query."""
    now = signed_at(RICH)
    assert check(dataclasses.replace(RICH, query="list=all%20tags&max=10"), now).access_key_id == KEY
    request = sign(query="key=a%2Fb")
    for query in ("key=a/b", "key=a%2fb", "key=a%2Fb&", "key=a%2Fb&x", "", "key"):
        with pytest.raises(SignatureMismatch):
            check(dataclasses.replace(request, query=query), signed_at(request))


def test_parameters_of_the_header_come_in_any_order() -> None:
    """Clients differ in the order of Credential, SignedHeaders and Signature, and in the space after a comma."""
    algorithm, _, rest = value_of(PLAIN, "authorization").partition(" ")
    credential, names, signature = rest.split(", ")
    for text in (f"{signature},{names},{credential}", f"{names} , {credential},  {signature}"):
        assert check(with_header(PLAIN, "authorization", f"{algorithm} {text}"), NOW).access_key_id == KEY


# What some code takes for white space, drops from a URL, or gives a meaning of its own.
SPECIAL = "\t\n\v\f\r\x1c\x1f \x85\xa0\0,;:=/.?#%&+"


def mutate(data: st.DataObject, text: str) -> tuple[int, str, str]:
    """Where, with what, and what became of it, for one character replaced by another that a byte can be."""
    position = data.draw(st.integers(0, len(text) - 1), label="position")
    old = text[position]
    likely = sorted({*text, *SPECIAL, old.swapcase()} - {old})
    character = data.draw(
        st.sampled_from(likely) | st.characters(max_codepoint=255, exclude_characters=old), label="character"
    )
    return position, character, text[:position] + character + text[position + 1 :]


@pytest.mark.parametrize("part", ["method", "path", "query"])
@given(data=st.data())
def test_one_byte_of_the_request_line(part: str, data: st.DataObject) -> None:
    """Any other byte anywhere in the method, path or query is another request."""
    _, _, text = mutate(data, getattr(RICH, part))
    with pytest.raises(SignatureMismatch):
        check(with_part(RICH, part, text), signed_at(RICH))


@pytest.mark.parametrize("name", ["host", "content-type", "x-amz-target", "x-note"])
@given(data=st.data())
def test_one_byte_of_a_signed_header(name: str, data: st.DataObject) -> None:
    """Any other byte in a signed value is another request, a tab for a space included."""
    _, _, text = mutate(data, value_of(RICH, name))
    with pytest.raises(SignatureMismatch):
        check(with_header(RICH, name, text), signed_at(RICH))


@given(data=st.data())
def test_one_byte_of_the_timestamp(data: st.DataObject) -> None:
    """Another time is a malformed one, another day than the scope's, outside the window, or not what was signed."""
    _, _, text = mutate(data, value_of(RICH, "x-amz-date"))
    with pytest.raises((IncompleteSignature, WrongDate, SignatureExpired, SignatureNotYetValid, SignatureMismatch)):
        check(with_header(RICH, "x-amz-date", text), signed_at(RICH))


@given(data=st.data())
def test_one_byte_of_the_body(data: st.DataObject) -> None:
    """Any other byte in the body, one more or one less is another request."""
    position = data.draw(st.integers(0, len(BODY) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != BODY[position]))
    changed = BODY[:position] + bytes([byte]) + BODY[position + 1 :]
    for body in (changed, BODY + bytes([byte]), BODY[:position] + BODY[position + 1 :]):
        with pytest.raises(SignatureMismatch):
            check(dataclasses.replace(PLAIN, body=body), NOW)


@given(data=st.data())
def test_one_byte_of_the_signature(data: st.DataObject) -> None:
    """Another digit does not match; anything that is not a lower-case hex digit is malformed."""
    head, _, signature = value_of(PLAIN, "authorization").rpartition("=")
    _, character, text = mutate(data, signature)
    expected = SignatureMismatch if character in "0123456789abcdef" else IncompleteSignature
    with pytest.raises(expected):
        check(with_header(PLAIN, "authorization", f"{head}={text}"), NOW)


CREDENTIAL = f"{KEY}/{NOW:%Y%m%d}/{REGION}/ecr/aws4_request"
SCOPE_ERRORS = [UnknownAccessKey, WrongDate, WrongRegion, WrongService, WrongTerminator]


@given(data=st.data())
def test_one_byte_of_the_credential(data: st.DataObject) -> None:
    """Each part of the credential has its own error; what breaks its five parts apart is malformed."""
    position, character, text = mutate(data, CREDENTIAL)
    header = value_of(PLAIN, "authorization").replace(CREDENTIAL, text)
    expected: type[AuthenticationFailed] = SCOPE_ERRORS[CREDENTIAL[:position].count("/")]
    trimmed = character == " " and position == len(CREDENTIAL) - 1
    if not trimmed and (CREDENTIAL[position] == "/" or character in "/," or not "!" <= character <= "~"):
        expected = IncompleteSignature
    with pytest.raises(expected):
        check(with_header(PLAIN, "authorization", header), NOW)


@given(data=st.data())
def test_one_byte_of_the_authorization_header(data: st.DataObject) -> None:
    """No byte of the header is decoration: changing any of them is refused."""
    _, _, text = mutate(data, value_of(PLAIN, "authorization"))
    with pytest.raises(AuthenticationFailed):
        check(with_header(PLAIN, "authorization", text), NOW)


@pytest.mark.parametrize("method", ["post", "Post", "POST ", "P\u00d6ST", ""])
def test_a_method_has_one_spelling(method: str) -> None:
    """Methods differ by case in HTTP, although a client's signature holds the upper-case one."""
    with pytest.raises(SignatureMismatch):
        check(dataclasses.replace(PLAIN, method=method), NOW)


@pytest.mark.parametrize("extra", ["\t", "\n", "\r", "\r\n", "#", "#top", " "])
def test_nothing_is_dropped_from_a_target(extra: str) -> None:
    """Characters that URL parsers drop in silence, and what follows a `#`, are not."""
    for part in ("path", "query"):
        with pytest.raises(SignatureMismatch):
            check(with_part(RICH, part, getattr(RICH, part) + extra), signed_at(RICH))
    with pytest.raises(SignatureMismatch):
        check(dataclasses.replace(RICH, path=f"{RICH.path}?{RICH.query}", query=""), signed_at(RICH))


@pytest.mark.parametrize("space", ["\t", "\v", "\f", "\x1c", "\x85", "\xa0", "\r\n "])
def test_only_spaces_are_folded(space: str) -> None:
    """What some code takes for white space is not a space inside a signed value."""
    value = value_of(RICH, "x-note")
    with pytest.raises(SignatureMismatch):
        check(with_header(RICH, "x-note", value.replace("  ", space)), signed_at(RICH))


def test_a_value_beyond_ascii_is_refused() -> None:
    """A byte and a character are not the same there: botocore signs two bytes of UTF-8 where one was sent."""
    request = sign(headers={**HEADERS, "X-Note": "caf\u00e9"})
    for received in ("caf\u00e9", "caf\u00c3\u00a9"):
        with pytest.raises(SignatureMismatch):
            check(with_header(request, "x-note", received), signed_at(request))


def test_a_line_break_cannot_move_the_lines_below_it() -> None:
    """The canonical request is lines: no method, query or value may bring lines of its own."""
    for part, text in {"method": "POST\n/", "path": "/\n", "query": "\nhost:x"}.items():
        with pytest.raises(SignatureMismatch):
            check(with_part(PLAIN, part, text), NOW)
    with pytest.raises(SignatureMismatch):
        check(with_header(PLAIN, "content-type", "text/plain\nhost:x"), NOW)


def test_another_secret_does_not_match() -> None:
    """The key exists and its secret is not the one that signed."""
    with pytest.raises(SignatureMismatch, match="The request signature we calculated does not match"):
        check(PLAIN, NOW, lambda _: SECRET + "x")


@pytest.mark.parametrize("secret", [None, ""])
def test_an_unknown_key(secret: str | None) -> None:
    """A key without a secret is unknown, and an empty secret is no secret, even if the client signed with it."""
    with pytest.raises(UnknownAccessKey, match=r"The security token included in the request is invalid\."):
        check(PLAIN, NOW, lambda _: secret)


def test_an_unknown_key_costs_the_same_work() -> None:
    """Hashes, HMACs and comparisons made for an unknown key are those made for a known key with a wrong secret."""

    def work(find_secret: Callable[[str], str | None]) -> Counter[str]:
        done: Counter[str] = Counter()

        def note(_: FrameType, event: str, function: Any) -> None:
            if event == "c_call" and (function.__module__ or "") in {"_hashlib", "_operator", "_sha256", "_hmac"}:
                done[function.__name__] += 1

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            with pytest.raises((UnknownAccessKey, SignatureMismatch)):
                check(PLAIN, NOW, find_secret)
        finally:
            sys.setprofile(before)
        return done

    known, unknown = (lambda _: "wrong"), (lambda _: None)
    work(known), work(unknown)  # both derive their signing key
    assert work(unknown) == work(known)
    assert work(known)["compare_digest"] == 1
    assert work(known)["hmac_digest"] == 1


def test_the_key_is_looked_up_once() -> None:
    """The lookup sees the key as signed, once, and never for a request that is refused for its own facts."""
    asked: list[str] = []

    def lookup(access_key_id: str) -> str:
        asked.append(access_key_id)
        return SECRET

    check(PLAIN, NOW, lookup)
    assert asked == [KEY]
    with pytest.raises(SignatureExpired):
        check(PLAIN, NOW + timedelta(hours=1), lookup)
    assert asked == [KEY]


def test_a_failing_lookup_is_not_hidden() -> None:
    """What the lookup raises is the caller's own, not a failed authentication."""

    def lookup(_: str) -> str:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        check(PLAIN, NOW, lookup)


@pytest.mark.parametrize("token", ["FwoGZXIvYXdzEXAMPLE", "x"])
def test_a_session_token_makes_the_key_unknown(token: str) -> None:
    """No key here has a session token, signed or not."""
    request = sign(token=token)
    assert value_of(request, "x-amz-security-token") == token
    for with_token in (request, and_header(PLAIN, "x-amz-security-token", token)):
        with pytest.raises(UnknownAccessKey):
            check(with_token, signed_at(with_token))


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (timedelta(), None),
        (timedelta(minutes=15), None),
        (timedelta(minutes=15, microseconds=1), SignatureExpired),
        (timedelta(minutes=15, seconds=1), SignatureExpired),
        (timedelta(days=365), SignatureExpired),
        (timedelta(minutes=-15), None),
        (timedelta(minutes=-15, seconds=-1), SignatureNotYetValid),
        (timedelta(days=-365), SignatureNotYetValid),
    ],
)
def test_the_clock_window(offset: timedelta, expected: type[InvalidSignature] | None) -> None:
    """Fifteen minutes on either side are good, to the second, and nothing beyond is."""
    if expected is None:
        assert check(PLAIN, NOW + offset).access_key_id == KEY
    else:
        with pytest.raises(expected):
            check(PLAIN, NOW + offset)


def test_the_clock_is_compared_across_time_zones() -> None:
    """A clock that shows another zone is the same clock."""
    assert check(PLAIN, NOW.astimezone(timezone(timedelta(hours=9)))).access_key_id == KEY


def test_messages_of_the_clock() -> None:
    """Both texts name what was signed, the edge of the window and our clock, in AWS's order and form."""
    request = suite_request(("GET", "/", "", [], b""), "0" * 64, scope="ecr")
    with pytest.raises(SignatureExpired) as late:
        check(request, datetime(2015, 8, 30, 13, 0, tzinfo=UTC))
    assert str(late.value) == (
        "Signature expired: 20150830T123600Z is now earlier than 20150830T124500Z (20150830T130000Z - 15 min.)"
    )
    with pytest.raises(SignatureNotYetValid) as early:
        check(request, datetime(2015, 8, 30, 12, 0, tzinfo=UTC))
    assert str(early.value) == (
        "Signature not yet current: 20150830T123600Z is still later than 20150830T121500Z (20150830T120000Z + 15 min.)"
    )


@pytest.mark.parametrize(
    ("scope", "expected", "message"),
    [
        ("20150830/eu-west-1/ecr/aws4_request", WrongRegion, "Credential should be scoped to a valid region."),
        ("20150830/US-EAST-1/ecr/aws4_request", WrongRegion, "Credential should be scoped to a valid region."),
        (
            "20150830/us-east-1/ecr-public/aws4_request",
            WrongService,
            "Credential should be scoped to correct service: 'ecr'.",
        ),
        (
            "20150830/us-east-1/api.ecr/aws4_request",
            WrongService,
            "Credential should be scoped to correct service: 'ecr'.",
        ),
        (
            "20150830/us-east-1/ecr/aws5_request",
            WrongTerminator,
            "Credential should be scoped with a valid terminator: 'aws4_request'.",
        ),
        (
            "20150831/us-east-1/ecr/aws4_request",
            WrongDate,
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            "'20150831' != '20150830', from '20150830T123600Z'.",
        ),
    ],
)
def test_the_scope(scope: str, expected: type[InvalidSignature], message: str) -> None:
    """Each part of the scope that is not ours is refused in AWS's words."""
    request = suite_request(("GET", "/", "", [], b""), "0" * 64)
    header = f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    with pytest.raises(expected) as refusal:
        check(with_header(request, "authorization", header), SUITE_DATE)
    assert str(refusal.value) == message


def test_only_the_listed_regions_may_sign() -> None:
    """The list of regions is the whole of them: none is served by default, and each listed one is."""
    with pytest.raises(WrongRegion):
        verify(PLAIN, find_secret=find, regions=[], now=NOW)
    assert verify(PLAIN, find_secret=find, regions=["eu-west-1", REGION], now=NOW).region == REGION


def test_a_signature_for_another_service_is_not_borrowed() -> None:
    """A request signed for another service fails under its own scope and under a forged one."""
    request = sign(service="sts")
    with pytest.raises(WrongService):
        check(request, signed_at(request))
    forged = value_of(request, "authorization").replace("/sts/", "/ecr/")
    with pytest.raises(SignatureMismatch):
        check(with_header(request, "authorization", forged), signed_at(request))


@pytest.mark.parametrize(
    "claim",
    [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        sha256(BODY).hexdigest().upper(),
    ],
)
def test_the_body_cannot_be_left_unsigned(claim: str) -> None:
    """A claimed hash that is not the body's is refused, although the client signed the claim."""
    request = sign(headers={**HEADERS, "X-Amz-Content-SHA256": claim})
    with pytest.raises(PayloadHashMismatch):
        check(request, signed_at(request))


def test_a_true_hash_is_said_once() -> None:
    """An unsigned but true hash does no harm; two of them are refused, and so is another body."""
    true = sha256(BODY).hexdigest()
    request = and_header(PLAIN, "x-amz-content-sha256", true)
    assert check(request, NOW).access_key_id == KEY
    assert check(and_header(PLAIN, "x-amz-content-sha256", f" {true} "), NOW).access_key_id == KEY
    for wrong in (and_header(request, "x-amz-content-sha256", true), dataclasses.replace(request, body=BODY + b" ")):
        with pytest.raises(PayloadHashMismatch):
            check(wrong, NOW)


GOOD = {
    "Credential": "AKIDEXAMPLE/20150830/us-east-1/ecr/aws4_request",
    "SignedHeaders": "host;x-amz-date",
    "Signature": "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
}


def header(**changes: str) -> str:
    return "AWS4-HMAC-SHA256 " + ", ".join(f"{name}={value}" for name, value in {**GOOD, **changes}.items())


MALFORMED = {
    "empty": "",
    "blank": "  ",
    "comma": ",",
    "algorithm alone": "AWS4-HMAC-SHA256",
    "algorithm and space": "AWS4-HMAC-SHA256 ",
    "no algorithm": header().partition(" ")[2],
    "lower-case algorithm": header().replace("AWS4-HMAC-SHA256", "aws4-hmac-sha256"),
    "sha1": header().replace("SHA256 ", "SHA1 "),
    "signature version 4a": header().replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
    "version 2": "AWS AKIDEXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=",
    "basic": "Basic QVdTOnRva2Vu",
    "bearer": "Bearer eyJhbGciOiJub25lIn0.e30.",
    "no credential": header().replace(f"Credential={GOOD['Credential']}, ", ""),
    "no signed headers": header().replace("SignedHeaders=host;x-amz-date, ", ""),
    "no signature": header().partition(", Signature")[0],
    "trailing comma": header() + ",",
    "a fourth parameter": header() + ", Extra=1",
    "a repeated parameter": header() + f", Signature={GOOD['Signature']}",
    "two credentials": header().replace("SignedHeaders=host;x-amz-date", f"Credential={GOOD['Credential']}"),
    "lower-case parameter": header().replace("Signature=", "signature="),
    "no equal-sign": header().replace("Signature=", "Signature"),
    "space in a value": header().replace("Credential=", "Credential= "),
    "semicolons between": header().replace(", ", "; "),
    "no commas": header().replace(",", ""),
    "tab between": header().replace(", ", ",\t"),
    "credential: empty": header(Credential=""),
    "credential: no slash": header(Credential=KEY),
    "credential: four parts": header(Credential="AKIDEXAMPLE/20150830/us-east-1/ecr"),
    "credential: six parts": header(Credential=f"x/{GOOD['Credential']}"),
    "credential: no key": header(Credential="/20150830/us-east-1/ecr/aws4_request"),
    "credential: no date": header(Credential="AKIDEXAMPLE//us-east-1/ecr/aws4_request"),
    "credential: ends in a slash": header(Credential=GOOD["Credential"] + "/"),
    "credential: too long": header(Credential="A" * 300 + GOOD["Credential"]),
    "credential: not ASCII": header(Credential=GOOD["Credential"].replace("AKID", "ÄKID")),
    "credential: NUL": header(Credential="\0" + GOOD["Credential"]),
    "signed headers: empty": header(SignedHeaders=""),
    "signed headers: semicolon": header(SignedHeaders=";"),
    "signed headers: ends in one": header(SignedHeaders="host;x-amz-date;"),
    "signed headers: upper case": header(SignedHeaders="Host;X-Amz-Date"),
    "signed headers: not sorted": header(SignedHeaders="x-amz-date;host"),
    "signed headers: repeated": header(SignedHeaders="host;host;x-amz-date"),
    "signed headers: colon": header(SignedHeaders="host;x-amz-date:"),
    "signed headers: absent": header(SignedHeaders="host;x-absent;x-amz-date"),
    "signed headers: no host": header(SignedHeaders="x-amz-date"),
    "signed headers: no date": header(SignedHeaders="host"),
    "signature: empty": header(Signature=""),
    "signature: short": header(Signature=GOOD["Signature"][:-1]),
    "signature: long": header(Signature=GOOD["Signature"] + "0"),
    "signature: upper case": header(Signature=GOOD["Signature"].upper()),
    "signature: base64": header(Signature="frJIUN8DYpKDtOLCwo//yllqDzg="),
    "signature: other digits": header(Signature="٣" * 64),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_authorization(text: str) -> None:
    """A header that cannot be read in exactly one way is incomplete, whatever else is right."""
    request = suite_request(("GET", "/", "", [], b""), GOOD["Signature"], scope="ecr")
    with pytest.raises(IncompleteSignature):
        check(with_header(request, "authorization", text), SUITE_DATE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            MALFORMED["no signature"],
            "Authorization header requires 'Signature' parameter.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e",
            "Authorization header requires 'SignedHeaders' parameter. "
            "Authorization header requires 'Signature' parameter.",
        ),
        (
            MALFORMED["signed headers: absent"],
            "'x-absent' is named as a SignedHeader, but it does not exist in the HTTP request.",
        ),
        (
            MALFORMED["signed headers: no host"],
            "'host' must be a 'SignedHeader' in the AWS Authorization.",
        ),
    ],
)
def test_messages_of_the_incomplete(text: str, message: str) -> None:
    """Where AWS has a sentence for the defect, ours is that sentence."""
    request = suite_request(("GET", "/", "", [], b""), GOOD["Signature"], scope="ecr")
    with pytest.raises(IncompleteSignature) as refusal:
        check(with_header(request, "authorization", text), SUITE_DATE)
    assert str(refusal.value) == message


def test_a_refusal_is_short() -> None:
    """What the client sent is repeated only so far."""
    request = suite_request(("GET", "/", "", [], b""), GOOD["Signature"], scope="ecr")
    with pytest.raises(IncompleteSignature) as refusal:
        check(with_header(request, "authorization", header(SignedHeaders="a" * 50_000)), SUITE_DATE)
    assert len(str(refusal.value)) < 200
    with pytest.raises(WrongDate) as refusal_of_date:
        long = f"{KEY}/{'2' * 200}/us-east-1/ecr/aws4_request"
        check(with_header(request, "authorization", header(Credential=long)), SUITE_DATE)
    assert len(str(refusal_of_date.value)) < 500


@pytest.mark.parametrize(
    "time",
    [
        "",
        "20150830",
        "20150830T123600",
        "20150830T123600+0000",
        "2015-08-30T12:36:00Z",
        "20150830T123600.5Z",
        "20150830t123600z",
        "20150830T126000Z",
        "20150830T250000Z",
        "20151330T123600Z",
        "20150832T123600Z",
        "٢٠١٥٠٨٣٠T123600Z",
        "Sun, 30 Aug 2015 12:36:00 GMT",
    ],
)
def test_malformed_timestamps(time: str) -> None:
    """`x-amz-date` has one form, and has to be a time that exists."""
    scope = f"{time[:8]}/us-east-1/ecr/aws4_request"
    request = suite_request(("GET", "/", "", [], b""), GOOD["Signature"], scope="ecr")
    text = header(Credential=f"AKIDEXAMPLE/{scope}")
    with pytest.raises(IncompleteSignature):
        check(with_header(with_header(request, "x-amz-date", time), "authorization", text), SUITE_DATE)


def without_signing(name: str) -> SignedRequest:
    return sign(headers={key: value for key, value in HEADERS.items() if key.lower() != name})


def test_what_chooses_the_operation_must_be_signed() -> None:
    """A client that does not sign it may not send it: someone on the way could have added it."""
    unsigned = without_signing("x-amz-target")
    now = signed_at(unsigned)
    assert check(unsigned, now).access_key_id == KEY
    with pytest.raises(IncompleteSignature, match="'x-amz-target' must be a 'SignedHeader'"):
        check(and_header(unsigned, "x-amz-target", "anything"), now)


def test_the_content_type_may_be_left_out_of_the_signature() -> None:
    """As the SDK for JavaScript 2 does, whose signer lists it among what is not signed."""
    unsigned = without_signing("content-type")
    assert check(and_header(unsigned, "content-type", "application/x-amz-json-1.1"), signed_at(unsigned))


@pytest.mark.parametrize("name", ["host", "x-amz-date"])
def test_host_and_date_are_sent_once(name: str) -> None:
    """A second host or date, even the same one, leaves open which of them counts."""
    with pytest.raises(IncompleteSignature, match=f"'{name}' must be sent once"):
        check(and_header(PLAIN, name, value_of(PLAIN, name)), NOW)
    with pytest.raises(IncompleteSignature, match=f"'{name}' is named as a SignedHeader"):
        check(without_header(PLAIN, name), NOW)


def test_no_signature_at_all() -> None:
    """Without a signature anywhere the answer says so, and an empty header is not nothing."""
    with pytest.raises(MissingAuthentication, match="Missing Authentication Token"):
        check(without_header(PLAIN, "authorization"), NOW)
    with pytest.raises(IncompleteSignature):
        check(with_header(PLAIN, "authorization", ""), NOW)


def test_two_authorization_headers() -> None:
    """Two headers are refused, even where both are good."""
    for text in (value_of(PLAIN, "authorization"), "Basic QVdTOnRva2Vu", ""):
        with pytest.raises(IncompleteSignature, match="Only one"):
            check(and_header(PLAIN, "authorization", text), NOW)


TARGET = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"


def presign(seconds: int = 60, method: str = "POST", body: bytes = b"", **headers: str) -> SignedRequest:
    """As botocore signs it in the query."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(method, "http://registry.example:5050/", headers=sent, data=body)
    SigV4QueryAuth(Credentials(KEY, SECRET), "ecr", REGION, seconds).add_auth(request)
    received = (*((name.lower(), value) for name, value in request.headers.items()), ("host", "registry.example:5050"))
    return SignedRequest(method, "/", str(request.url).partition("?")[2], received, body)


def presigned_at(request: SignedRequest) -> datetime:
    found = re.search(r"X-Amz-Date=(\w+)", request.query)
    assert found is not None
    return datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def test_a_presigned_request() -> None:
    """Is good from when it was signed for as long as it says, for what it names, and nowhere beside a header."""
    request = presign(60, x_amz_target=TARGET)
    signed = presigned_at(request)
    for seconds in (-15 * 60, 0, 60):
        assert check(request, signed + timedelta(seconds=seconds)).access_key_id == KEY
    with pytest.raises(SignatureExpired):
        check(request, signed + timedelta(seconds=61))
    with pytest.raises(SignatureNotYetValid):
        check(request, signed - timedelta(minutes=15, seconds=1))
    with pytest.raises(IncompleteSignature, match="Only one"):
        check(dataclasses.replace(PLAIN, query=request.query), NOW)
    with pytest.raises(IncompleteSignature, match="sent once"):
        check(and_header(request, "x-amz-date", f"{signed:%Y%m%dT%H%M%SZ}"), signed)
    with pytest.raises(SignatureMismatch):
        check(with_header(request, "x-amz-target", "other"), signed)
    with pytest.raises(SignatureMismatch):
        check(dataclasses.replace(request, body=b"{}"), signed)
    week = presign(604_800)
    assert check(week, presigned_at(week) + timedelta(days=7)).access_key_id == KEY
    # A target that was not signed is no target.
    with pytest.raises(IncompleteSignature, match="'x-amz-target' must be a 'SignedHeader'"):
        check(and_header(presign(), "x-amz-target", TARGET), NOW)


def test_any_other_byte_of_a_presigned_query_is_another_request() -> None:
    """Each byte of it replaced by each of a few others, and each left out."""
    request = presign(x_amz_target=TARGET)
    signed, query = presigned_at(request), request.query
    for at in range(len(query)):
        for other in ("", "0", "A", "%", "&"):
            if other != query[at]:
                changed = query[:at] + other + query[at + 1 :]
                with pytest.raises(AuthenticationFailed):
                    check(dataclasses.replace(request, query=changed), signed)


def test_the_order_of_a_presigned_query_does_not_matter() -> None:
    """Its signature is of the sorted parameters."""
    request = presign(x_amz_target=TARGET)
    mixed = "&".join(reversed(request.query.split("&")))
    assert check(dataclasses.replace(request, query=mixed), presigned_at(request)).access_key_id == KEY


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("X-Amz-Expires", "0", "1 to 604800"),
        ("X-Amz-Expires", "604801", "1 to 604800"),
        ("X-Amz-Expires", "-1", "1 to 604800"),
        ("X-Amz-Expires", "1e3", "1 to 604800"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA1", "Unsupported"),
        ("X-Amz-Signature", "0", "64 hexadecimal"),
        ("X-Amz-SignedHeaders", "host;host", "sorted"),
        ("X-Amz-SignedHeaders", "x-amz-target", "'host' must be"),
        ("X-Amz-Credential", KEY, "5 slash-delimited"),
        ("X-Amz-Date", "yesterday", "UTC time"),
    ],
)
def test_presigned_parameters_that_are_none(name: str, value: str, why: str) -> None:
    """Are refused by name, each alone; so is one that is there twice, in another case or not at all."""
    request = presign(x_amz_target=TARGET)
    signed = presigned_at(request)
    pairs = [pair for pair in request.query.split("&") if not pair.startswith(f"{name}=")]
    with pytest.raises(AuthenticationFailed, match=why):
        check(dataclasses.replace(request, query="&".join([*pairs, f"{name}={value}"])), signed)
    with pytest.raises(IncompleteSignature, match="must include"):
        check(dataclasses.replace(request, query="&".join(pairs)), signed)
    for again in (f"{name}=x", f"{name.lower()}=x", f"{name.replace('-', '%2D')}=x"):
        with pytest.raises(IncompleteSignature, match="each of them once"):
            check(dataclasses.replace(request, query=f"{request.query}&{again}"), signed)


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature=0",
        "X-Amz-Signature",
        "x-amz-signature=0",
        "a=b&X%2DAmz%2dSignature=0",
        "X-Amz-Credential=AKIDEXAMPLE",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Security-Token=x",
    ],
)
def test_any_spelling_of_a_query_signature_counts(query: str) -> None:
    """Any one of its parameters, in any case or escape, makes a second place of authentication."""
    request = sign(query=query)
    with pytest.raises(IncompleteSignature, match="Only one"):
        check(request, signed_at(request))


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
NAMES = st.sampled_from(
    [
        "authorization",
        "host",
        "x-amz-date",
        "content-type",
        "x-amz-target",
        "x-amz-content-sha256",
        "x-amz-security-token",
    ]
)
VALUES = st.one_of(
    ANY_TEXT,
    st.sampled_from(["20150830T123600Z", "00010101T000000Z", "99991231T235959Z", header()]),
    st.builds(
        lambda credential, names, signature: (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        ),
        st.lists(st.sampled_from([KEY, "20150830", REGION, "ecr", "aws4_request"]) | ANY_TEXT, max_size=6).map(
            "/".join
        ),
        st.lists(NAMES | ANY_TEXT, max_size=4).map(";".join),
        st.sampled_from([GOOD["Signature"], ""]) | ANY_TEXT,
    ),
)


@given(headers=st.lists(st.tuples(NAMES | ANY_TEXT, VALUES), max_size=8), body=st.binary(max_size=20))
def test_garbage_headers_raise_only_the_declared_error(headers: list[tuple[str, str]], body: bytes) -> None:
    """Whatever the headers are, the only failure is `AuthenticationFailed`."""
    with pytest.raises(AuthenticationFailed):
        check(SignedRequest("POST", "/", "", tuple(headers), body), SUITE_DATE, lambda _: SECRET)


@given(
    method=st.just("GET") | ANY_TEXT,
    path=st.just("/") | ANY_TEXT | ANY_TEXT.map("/".__add__),
    query=st.just("") | ANY_TEXT,
    value=st.just("x") | VALUES,
)
def test_garbage_behind_a_good_header(method: str, path: str, query: str, value: str) -> None:
    """Whatever the request line and a signed value are, the only failure is `AuthenticationFailed`."""
    request = SignedRequest(
        method,
        path,
        query,
        (
            ("authorization", header(SignedHeaders="host;x-amz-date;x-any")),
            ("host", value),
            ("x-any", value),
            ("x-amz-date", "20150830T123600Z"),
        ),
        b"",
    )
    with pytest.raises(AuthenticationFailed):
        check(request, SUITE_DATE)


def test_nothing_secret_is_shown() -> None:
    """The text of a request and of a refusal holds neither headers, body nor secret."""
    for shown in (repr(PLAIN), str(SignatureMismatch()), str(UnknownAccessKey())):
        assert SECRET not in shown
        assert "Signature=" not in shown
        assert "team/app" not in shown
