"""Another registry as a source: what is asked of it, what it may send us to, and who may see the password."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hullwise.domain.manifests import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from hullwise.imports.errors import PartMissing, PartRefused, Unanswered, UnusableSource
from hullwise.imports.registry import Login, OtherRegistry
from hullwise.remotes.network import trusted
from hullwise.remotes.remote import Remote
from hullwise.remotes.rules import OutboundRules
from tests.support import pushing
from tests.support.certificates import Certify
from tests.support.images import image, layer, sha256
from tests.unit.remotes.server import QUICK, Asked, Server, answer

PLAIN = image([layer({"etc/motd": b"hello\n"})])
HOME, EVIL, TOKENS = "registry.example", "evil.example", "tokens.example"
LOGIN = Login("user", "pass:word")
BASIC = "Basic " + base64.b64encode(b"user:pass:word").decode()
NAME = "team/app"

Ask = Callable[..., OtherRegistry]


def quick(trust: Any = None, private: Sequence[str] = (HOME, EVIL, TOKENS)) -> Remote:
    """Asks this machine for every name, and waits for nobody."""
    rules = OutboundRules(private=tuple(private))
    return Remote(
        rules, timeouts=QUICK, attempts=2, resolve=lambda host, port: ["127.0.0.1"], sleep=lambda _: None, trust=trust
    )


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as opened:
        yield opened


@pytest.fixture
def evil() -> Iterator[Server]:
    """A server of somebody else."""
    with Server() as opened:
        yield opened


@pytest.fixture
def registry(server: Server) -> Iterator[Ask]:
    """The server as a source, under the name of HOME."""
    with quick() as remote:
        yield lambda **options: OtherRegistry(remote, server.url("", HOME), **options)


def document(found: object, **headers: str) -> bytes:
    return answer("200 OK", json.dumps(found).encode(), **headers)


def challenge(text: str) -> bytes:
    return answer("401 Unauthorized", WWW_Authenticate=text)


def authorizations(server: Server) -> list[tuple[str, str]]:
    """What was asked, and with which authorization."""
    return [(asked.target, asked.headers.get("authorization", "")) for asked in server.asked]


def asks_for(kind: str, then: bytes) -> Callable[[Asked], bytes]:
    """An answer for those who bring any authorization, the challenge for others."""
    return lambda asked: then if "authorization" in asked.headers else challenge(kind)


def test_lists_are_read_page_by_page(server: Server, registry: Ask) -> None:
    """Repositories and tags, as the links say; what is named is not asked for."""
    pages = {
        "n=1000": document({"repositories": ["a", "b"]}, Link='</v2/_catalog?last=b&n=2>; rel="next"'),
        "last=b&n=2": document({"repositories": ["c"]}),
    }
    server.answers["/v2/_catalog"] = lambda asked: pages[asked.target.partition("?")[2]]
    server.replies(f"/v2/{NAME}/tags/list", document({"name": NAME, "tags": ["1", "2"]}))
    server.replies("/v2/empty/tags/list", document({"name": "empty", "tags": None}))
    found = registry()
    assert list(found.repositories()) == ["a", "b", "c"]
    assert list(found.tags(NAME)) == ["1", "2"]
    assert list(found.tags("empty")) == []
    asked = len(server.asked)
    named = registry(repositories=["x", "y", "x"], tags=["1"])
    assert (list(named.repositories()), list(named.tags(NAME))) == (["x", "y"], ["1"])
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    "link",
    [
        f"<http://{EVIL}/v2/_catalog?n=1>; rel=next",
        "</v2/other/tags/list?n=1>; rel=next",
        "</v2/_catalog?n=1000>; rel=next",
        "<http://[>; rel=next",
        "<file:///v2/_catalog>; rel=next",
    ],
)
def test_a_list_goes_on_in_itself_only(server: Server, registry: Ask, link: str) -> None:
    """Not on another host, not in another list, not in a circle."""
    server.replies("/v2/_catalog", document({"repositories": ["a"]}, Link=link))
    with pytest.raises(PartRefused, match="the catalogue"):
        list(registry().repositories())
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b'{"tags":"x"}', b'{"tags":[1]}', b"\xff", b'{"x":' + b"[" * 100_000])
def test_a_list_that_is_none_is_refused(server: Server, registry: Ask, body: bytes) -> None:
    """In a sentence."""
    server.replies(f"/v2/{NAME}/tags/list", answer("200 OK", body))
    with pytest.raises(PartRefused, match="the list of tags of team/app is not what it should be"):
        list(registry().tags(NAME))


def test_a_list_without_end_is_refused(server: Server, registry: Ask) -> None:
    """No more than the limit is taken into memory."""

    def endless(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield bytes(1 << 20)

    server.answers["/v2/_catalog"] = endless
    with pytest.raises(PartRefused, match="the catalogue has more than 16,777,216 bytes"):
        list(registry().repositories())


def test_a_tag_is_resolved_by_its_header_or_its_body(server: Server, registry: Ask) -> None:
    """A registry need not state the digest; a header that is no digest counts as none."""
    path = f"/v2/{NAME}/manifests/1"
    server.replies(path, answer("200 OK", b"", Docker_Content_Digest=PLAIN.digest))
    assert registry().resolve(NAME, "1") == PLAIN.digest
    assert [asked.method for asked in server.asked] == ["HEAD"]

    def plain(asked: Asked) -> bytes:
        body = b"" if asked.method == "HEAD" else PLAIN.manifest
        return answer("200 OK", body, Docker_Content_Digest="sha256:junk")

    server.answers[path] = plain
    assert registry().resolve(NAME, "1") == PLAIN.digest
    with pytest.raises(PartMissing, match="team/app:2 is missing"):
        registry().resolve(NAME, "2")


@pytest.mark.parametrize(
    ("declared", "known"),
    [
        (OCI_MANIFEST, OCI_MANIFEST),
        (f"{DOCKER_MANIFEST}; charset=utf-8", DOCKER_MANIFEST),
        ("application/json", None),
        ("text/html", None),
        ("", None),
    ],
)
def test_a_manifest_has_the_type_that_is_declared(
    server: Server, registry: Ask, declared: str, known: str | None
) -> None:
    """Where it is the type of a manifest; what some servers say of everything says nothing."""
    server.replies(f"/v2/{NAME}/manifests/{PLAIN.digest}", answer("200 OK", PLAIN.manifest, Content_Type=declared))
    assert registry().manifest(NAME, PLAIN.digest) == (PLAIN.manifest, known)
    assert OCI_INDEX in server.asked[0].headers["accept"]


def test_schema_1_is_refused_by_its_name(server: Server, registry: Ask) -> None:
    """A registry may send it whatever is asked for, under a digest that is not that of the bytes."""
    declared = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    server.replies(f"/v2/{NAME}/manifests/{PLAIN.digest}", answer("200 OK", b"{}", Content_Type=declared))
    with pytest.raises(PartRefused, match="schema 1 manifests are not supported"):
        registry().manifest(NAME, PLAIN.digest)


def test_a_manifest_over_the_limit_is_refused(server: Server, registry: Ask) -> None:
    """4 MiB, as for a push."""
    server.replies(f"/v2/{NAME}/manifests/{PLAIN.digest}", answer("200 OK", bytes((4 << 20) + 1)))
    with pytest.raises(PartRefused, match="has more than 4,194,304 bytes"):
        registry().manifest(NAME, PLAIN.digest)


def test_names_that_are_none_are_not_asked_for(server: Server, registry: Ask) -> None:
    """A catalogue may hold anything; no other path of the server is reached through it."""
    for name in ("../admin", "a b", "a/../../b", "A", "a?x=", "", "a%2f", "http://x"):
        with pytest.raises(PartRefused, match="it is no name of a repository"):
            list(registry().tags(name))
        with pytest.raises(PartRefused):
            registry().resolve(name, "1")
    for tag in ("../x", "a/b", "?", ""):
        with pytest.raises(PartRefused, match="it is no tag"):
            registry().resolve(NAME, tag)
    assert server.asked == []


@pytest.mark.parametrize("url", ["ftp://x", "registry.example", "https://x/path", "https://u:p@x", "https://x?q=1", ""])
def test_an_address_is_a_host_and_a_port_alone(url: str) -> None:
    """A password in it is not taken either, nor shown."""
    with quick() as remote, pytest.raises(UnusableSource) as refused:
        OtherRegistry(remote, url)
    assert "u:p" not in str(refused.value)


def test_private_addresses_are_asked_only_where_the_rules_allow(server: Server) -> None:
    """As for every request of ours."""
    with quick(private=()) as remote, pytest.raises(PartRefused, match=r"has the address 127\.0\.0\.1, which is not"):
        list(OtherRegistry(remote, server.url("", HOME)).repositories())
    assert server.asked == []


# Blobs


DATA = bytes(range(256)) * 40
BLOB = sha256(DATA)
BLOB_PATH = f"/v2/{NAME}/blobs/{BLOB}"


def blob(source: OtherRegistry, size: int = len(DATA)) -> bytes:
    return b"".join(source.blob(NAME, BLOB, size))


def cut(*cuts: int, ranges: bool = True) -> Callable[[Asked], bytes]:
    """DATA, from where it is asked for; each answer breaks off after so many bytes, those after them are whole."""
    rest = list(cuts)

    def say(asked: Asked) -> bytes:
        start = int(asked.headers.get("range", "bytes=0-")[6:-1]) if ranges else 0
        body = DATA[start:]
        place = {"Content_Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"} if start else {}
        said = answer("206 Partial Content" if start else "200 OK", body, **place)
        return said[: len(said) - len(body) + rest.pop(0)] if rest else said

    return say


@pytest.mark.parametrize("ranges", [True, False])
def test_a_blob_that_breaks_off_is_continued(server: Server, registry: Ask, ranges: bool) -> None:
    """From where it broke; from a server without ranges what is had already is passed over."""
    server.answers[BLOB_PATH] = cut(1_000, 500 if ranges else 1_500, ranges=ranges)
    assert blob(registry()) == DATA
    assert [asked.headers.get("range") for asked in server.asked] == [None, "bytes=1000-", "bytes=1500-"]


def test_a_blob_that_never_comes_ends(server: Server, registry: Ask) -> None:
    """After five breaks without progress worth the name."""
    server.answers[BLOB_PATH] = cut(*[10] * 100)
    with pytest.raises(Unanswered, match="ended after"):
        blob(registry())
    assert len(server.asked) == 5


def test_a_blob_without_a_length_is_continued_too(server: Server, registry: Ask) -> None:
    """Its end cannot be told from a broken connection, but its size is known."""
    whole = cut()
    server.answers[BLOB_PATH] = lambda asked: (
        whole(asked) if "range" in asked.headers else b"HTTP/1.1 200 OK\r\n\r\n" + DATA[:700]
    )
    assert blob(registry()) == DATA


def test_a_part_from_another_place_is_refused(server: Server, registry: Ask) -> None:
    """Nothing is joined that does not belong together."""
    first = cut(1_000)
    wrong = answer("206 Partial Content", DATA[2_000:], Content_Range=f"bytes 2000-{len(DATA) - 1}/{len(DATA)}")
    server.answers[BLOB_PATH] = lambda asked: wrong if "range" in asked.headers else first(asked)
    with pytest.raises(PartRefused, match="comes from another place"):
        blob(registry())


def test_no_more_than_a_piece_too_much_is_taken(server: Server, registry: Ask) -> None:
    """A server that never stops is left."""

    def endless(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield bytes(1 << 20)

    server.answers[BLOB_PATH] = endless
    assert len(blob(registry(), 5_000)) < 10 << 20


# Who may see the password


def bearer(realm: str) -> str:
    return f'Bearer realm="{realm}",service="of.example",scope="repository:any/thing:pull"'


def test_a_token_is_had_from_the_registry_s_own_host(server: Server, registry: Ask) -> None:
    """With the password, for the one repository; the registry itself sees the token alone, and no password."""
    realm = server.url("/token", HOME)
    server.answers[f"/v2/{NAME}/tags/list"] = asks_for(bearer(realm), document({"tags": ["1"]}))
    server.replies("/token", document({"token": "abc.def"}))
    assert list(registry(login=LOGIN).tags(NAME)) == ["1"]
    assert authorizations(server) == [
        (f"/v2/{NAME}/tags/list?n=1000", ""),
        ("/token?scope=repository%3Ateam%2Fapp%3Apull&service=of.example", BASIC),
        (f"/v2/{NAME}/tags/list?n=1000", "Bearer abc.def"),
    ]


def test_a_token_serves_until_it_is_refused(server: Server, registry: Ask) -> None:
    """It is asked for once for many requests, and anew when the registry wants another."""
    tokens = iter(["one", "two"])
    server.answers["/token"] = lambda asked: document({"access_token": next(tokens)})
    valid = "Bearer one"

    def manifest(asked: Asked) -> bytes:
        right = asked.headers.get("authorization") == valid
        return answer("200 OK", PLAIN.manifest) if right else challenge(bearer(server.url("/token", HOME)))

    server.answers[f"/v2/{NAME}/manifests/{PLAIN.digest}"] = manifest
    found = registry()
    for _ in range(3):
        assert found.manifest(NAME, PLAIN.digest).body == PLAIN.manifest
    valid = "Bearer two"
    assert found.manifest(NAME, PLAIN.digest).body == PLAIN.manifest
    assert len([path for path, _ in authorizations(server) if path.startswith("/token")]) == 2


@pytest.mark.parametrize("login", [LOGIN, None])
def test_a_realm_on_another_host_gets_nothing(server: Server, evil: Server, registry: Ask, login: Login | None) -> None:
    """CVE-2026-33540: the registry names it, not the caller. It is not even asked without a password: what it would
    say would be told to the registry."""
    evil.replies("/token", document({"token": "abc"}))
    for realm in (
        evil.url("/token", EVIL),
        evil.url("/token", f"{HOME}.{EVIL}"),
        evil.url("/token", "127.0.0.1"),
        f"http://{HOME}@{EVIL}:{evil.port}/token",
        f"http://{HOME}%2eevil.example/token",
        "//evil.example/token",
        "token",
    ):
        server.replies(f"/v2/{NAME}/tags/list", challenge(bearer(realm)))
        with pytest.raises(PartRefused, match="sends for a token to"):
            list(registry(login=login).tags(NAME))
    assert evil.asked == []
    assert {authorization for _, authorization in authorizations(server)} == {""}


def test_a_host_that_the_caller_names_gets_the_password(server: Server, evil: Server, registry: Ask) -> None:
    """As with registries whose tokens come from a sibling; redirects of it do not get it."""
    server.answers[f"/v2/{NAME}/tags/list"] = asks_for(bearer(evil.url("/token", TOKENS)), document({"tags": ["1"]}))
    evil.replies("/token", document({"token": "abc"}))
    assert list(registry(login=LOGIN, token_hosts=[TOKENS]).tags(NAME)) == ["1"]
    assert [authorization for _, authorization in authorizations(evil)] == [BASIC]
    evil.asked.clear()
    evil.replies("/token", answer("302 Found", Location=evil.url("/stolen", EVIL)))
    evil.replies("/stolen", document({"token": "abc"}))
    list(registry(login=LOGIN, token_hosts=[TOKENS]).tags(NAME))
    assert [(path.partition("?")[0], sent) for path, sent in authorizations(evil)] == [
        ("/token", BASIC),
        ("/stolen", ""),
    ]


def test_a_realm_is_not_less_safe_than_the_registry(authority: tuple[Path, Certify]) -> None:
    """From https nobody is sent to http with a password, on the same host neither."""
    pem, certified = authority
    with (
        Server(tls=certified(HOME)) as server,
        Server() as plain,
        quick(trusted(pem)) as remote,
    ):
        server.replies(f"/v2/{NAME}/tags/list", challenge(bearer(plain.url("/token", HOME))))
        with pytest.raises(PartRefused, match="which is not safe"):
            list(OtherRegistry(remote, server.url("", HOME), login=LOGIN).tags(NAME))
        assert plain.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"token":""}',
        b'{"token":"a\\r\\nX-Injected: b"}',
        b'{"token":"a b"}',
        b'{"token":7}',
        '{"token":"é"}'.encode(),
        b'{"token":"' + b"a" * (1 << 20) + b'"}',
    ],
)
def test_a_token_that_is_none_is_not_sent(server: Server, registry: Ask, body: bytes) -> None:
    """Nothing that would be another header, nothing without end."""
    server.replies(f"/v2/{NAME}/tags/list", challenge(bearer(server.url("/token", HOME))))
    server.replies("/token", answer("200 OK", body))
    with pytest.raises(PartRefused, match="token"):
        list(registry().tags(NAME))
    assert len(server.asked) == 2


def test_basic_is_sent_when_it_is_asked_for(server: Server, registry: Ask) -> None:
    """To the registry itself; once more only, where it is refused; without a password nothing is sent."""
    path = f"/v2/{NAME}/tags/list"
    server.answers[path] = asks_for('Basic realm="x"', document({"tags": ["1"]}))
    assert list(registry(login=LOGIN).tags(NAME)) == ["1"]
    assert [authorization for _, authorization in authorizations(server)] == ["", BASIC]
    with pytest.raises(PartRefused, match="asks for a user name and a password"):
        list(registry().tags(NAME))
    server.asked.clear()
    server.replies(path, challenge('Basic realm="x"'))
    with pytest.raises(PartRefused, match="the registry answers 401"):
        list(registry(login=LOGIN).tags(NAME))
    assert len(server.asked) == 2


@pytest.mark.parametrize("header", ["", "Negotiate", 'Bearer service="x"', "\x00\x01", "Digest realm=x"])
def test_a_challenge_that_nobody_can_answer_is_refused(server: Server, registry: Ask, header: str) -> None:
    """With the password kept."""
    server.replies(f"/v2/{NAME}/tags/list", challenge(header))
    with (
        pytest.raises(PartRefused, match="does not say what it wants")
        if "\0" not in header
        else pytest.raises((PartRefused, Unanswered))
    ):
        list(registry(login=LOGIN).tags(NAME))
    assert {authorization for _, authorization in authorizations(server)} == {""}


def test_a_redirect_takes_no_authorization_along(server: Server, evil: Server, registry: Ask) -> None:
    """A blob may lie elsewhere; neither password nor token goes there, nor again once it leads back."""
    server.answers[BLOB_PATH] = asks_for(
        'Basic realm="x"', answer("307 Temporary Redirect", Location=evil.url("/elsewhere", EVIL))
    )
    evil.replies("/elsewhere", answer("307 Temporary Redirect", Location=server.url("/back", HOME)))
    server.replies("/back", answer("200 OK", DATA))
    assert blob(registry(login=LOGIN)) == DATA
    assert authorizations(evil) == [("/elsewhere", "")]
    assert authorizations(server) == [(BLOB_PATH, ""), (BLOB_PATH, BASIC), ("/back", "")]


@pytest.mark.parametrize("kind", ["Basic realm=x", "Bearer realm={realm}"])
def test_a_stranger_that_a_redirect_leads_to_gets_no_answer(
    server: Server, evil: Server, registry: Ask, kind: str
) -> None:
    """It may ask for a password; that is no challenge of the registry's."""
    server.replies(BLOB_PATH, answer("307 Temporary Redirect", Location=evil.url("/login", EVIL)))
    evil.replies("/login", challenge(kind.format(realm=f'"{server.url("/token", HOME)}"')))
    with pytest.raises(PartRefused, match="answers 401"):
        blob(registry(login=LOGIN))
    assert [authorization for _, authorization in authorizations(evil) + authorizations(server)] == ["", ""]


def test_the_password_is_in_no_message() -> None:
    """Not where a login is shown either."""
    assert "word" not in repr(LOGIN)


# Referrers


def test_referrers_are_had_from_the_api(server: Server, registry: Ask) -> None:
    """From page to page."""
    path = f"/v2/{NAME}/referrers/{PLAIN.digest}"
    pages = {
        "": answer("200 OK", pushing.index(PLAIN.manifest), Link=f"<{path}?n=1>; rel=next"),
        "n=1": answer("200 OK", pushing.index(b'{"mediaType":"application/x"}')),
    }
    server.answers[path] = lambda asked: pages[asked.target.partition("?")[2]]
    expected = [PLAIN.digest, sha256(b'{"mediaType":"application/x"}')]
    assert list(registry().referrers(NAME, PLAIN.digest)) == expected


def test_without_the_api_a_tag_lists_them(server: Server, registry: Ask) -> None:
    """`sha256-<hex>` (distribution spec, "Referrers tag schema"); the API is then not asked again."""
    tag = PLAIN.digest.replace(":", "-")
    server.replies(f"/v2/{NAME}/manifests/{tag}", answer("200 OK", pushing.index(b'{"mediaType":"a/b"}')))
    found = registry()
    assert list(found.referrers(NAME, PLAIN.digest)) == [sha256(b'{"mediaType":"a/b"}')]
    assert list(found.referrers(NAME, BLOB)) == []
    assert [asked.target.split("/")[4] for asked in server.asked] == ["referrers", "manifests", "manifests"]


@pytest.mark.parametrize("body", [b"", b"{}", PLAIN.manifest, b'{"schemaVersion":2,"manifests":[{"digest":"x"}]}'])
def test_a_list_of_referrers_that_is_none_is_refused(server: Server, registry: Ask, body: bytes) -> None:
    """Also where it is a manifest and no index."""
    server.replies(f"/v2/{NAME}/referrers/{PLAIN.digest}", answer("200 OK", body))
    with pytest.raises(PartRefused, match="the list of referrers"):
        list(registry().referrers(NAME, PLAIN.digest))


def test_a_registry_that_is_gone_or_broken_is_told(server: Server, registry: Ask) -> None:
    """5xx after as many attempts as the remote makes; a refused request by its status; nobody there as such."""
    server.replies("/v2/_catalog", answer("503 Service Unavailable"))
    with pytest.raises(Unanswered, match="answered 503"):
        list(registry().repositories())
    assert len(server.asked) == 2
    server.replies("/v2/_catalog", answer("403 Forbidden"))
    with pytest.raises(PartRefused, match="the catalogue: the registry answers 403"):
        list(registry().repositories())
    server.replies("/v2/_catalog", b"")
    with pytest.raises(Unanswered, match="cannot be reached"):
        list(registry().repositories())
