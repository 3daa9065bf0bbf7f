"""Asking for documents: statuses, waits, redirects, limits and time."""

from __future__ import annotations

import gzip
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hullwise.remotes.errors import (
    BadRedirect,
    Forbidden,
    InvalidUrl,
    NotText,
    Refused,
    TimedOut,
    TooLarge,
    Truncated,
    Unreachable,
)
from hullwise.remotes.remote import Content, Remote, Timeouts, Unchanged
from hullwise.remotes.rules import OutboundRules
from hullwise.remotes.validators import Validators
from tests.unit.remotes.server import Asked, Document, Server, answer, dripping

RULES = OutboundRules(private=("127.0.0.1",))
SUNDAY = "Sun, 05 Jul 2026 08:00:00 GMT"


def test_nothing_is_asked_where_it_is_forbidden(server: Server) -> None:
    """Turned off means off, for hosts in the list too."""
    with Remote(OutboundRules(allowed=False, private=("127.0.0.1",))) as remote, pytest.raises(Forbidden):
        remote.get(server.url("/"), 100)
    assert server.asked == []


def test_a_document_in_memory(server: Server, remote: Remote) -> None:
    """Its bytes, its validators and its age; identity is asked for, and what comes is not unpacked."""
    packed = gzip.compress(b"words")
    server.replies("/", answer("200 OK", packed, ETag='W/"7"', Last_Modified=SUNDAY, Content_Encoding="gzip"))
    found = remote.get(server.url("/"), 100)
    assert found == Content(packed, Validators('W/"7"', SUNDAY), datetime(2026, 7, 5, 8, tzinfo=UTC))
    assert server.asked[0].headers["accept-encoding"] == "identity"
    assert server.asked[0].headers["user-agent"].startswith("hullwise/")


def test_a_known_document_is_unchanged(server: Server, remote: Remote) -> None:
    """Both validators are sent; those that the answer does not repeat are kept."""
    server.replies("/", answer("304 Not Modified", ETag='"7"', Content_Length=""))
    known = Validators('W/"7"', SUNDAY)
    assert remote.get(server.url("/"), 100, known) == Unchanged(Validators('"7"', SUNDAY))
    headers = server.asked[0].headers
    assert (headers["if-none-match"], headers["if-modified-since"]) == ('W/"7"', SUNDAY)


def test_text_is_utf_8(server: Server, remote: Remote) -> None:
    """A byte order mark is no text; other encodings are an error."""
    server.replies("/a", answer("200 OK", b"\xef\xbb\xbfn\xc3\xa4mlich"))
    server.replies("/b", answer("200 OK", b"n\xe4mlich"))
    assert remote.text(server.url("/a"), 100) == "nämlich"
    with pytest.raises(NotText):
        remote.text(server.url("/b"), 100)


@pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 403, 404, 416])
def test_other_answers_are_refusals(server: Server, remote: Remote, waits: list[float], status: int) -> None:
    """What was not asked for and what will not change is told at once, by its number."""
    server.replies("/", answer(f"{status} Anything", Content_Length="" if status in {204, 304} else "0"))
    with pytest.raises(Refused) as told:
        remote.get(server.url("/"), 100)
    assert (told.value.status, len(server.asked), waits) == (status, 1, [])


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(server: Server, remote: Remote, waits: list[float], status: int) -> None:
    """Without Retry-After the wait doubles; the fourth failure in a row is the last."""
    server.replies("/", answer(f"{status} Later"))
    with pytest.raises(Refused) as told:
        remote.get(server.url("/"), 100)
    assert (told.value.status, len(server.asked), waits) == (status, 4, [1, 2, 4])


def test_retry_after_is_obeyed_and_capped(server: Server, waits: list[float]) -> None:
    """Seconds, or a date by the server's clock; nobody makes us wait longer than we want."""
    server.replies(
        "/",
        answer("429 Later", Retry_After="3"),
        answer("503 Later", Retry_After="Sun, 05 Jul 2026 08:00:05 GMT", Date=SUNDAY),
        answer("503 Later", Retry_After="86400"),
        answer("200 OK", b"fine"),
    )
    with Remote(RULES, sleep=waits.append, longest_wait=20) as remote:
        assert remote.text(server.url("/"), 100) == "fine"
    assert waits == [3, 5, 20]


def test_a_wait_past_the_whole_time_is_not_begun(server: Server, waits: list[float]) -> None:
    """Who would be asked after the end is not waited for."""
    server.replies("/", answer("503 Later", Retry_After="50"))
    with Remote(RULES, sleep=waits.append, timeouts=Timeouts(document=40)) as remote, pytest.raises(Refused):
        remote.get(server.url("/"), 100)
    assert waits == []


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 O",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
    ],
)
def test_what_is_no_http_is_unreachable(server: Server, remote: Remote, waits: list[float], said: bytes) -> None:
    """Silence, other protocols, contradictions and endless headers are failures of the line."""
    server.replies("/", said)
    with pytest.raises(Unreachable):
        remote.get(server.url("/"), 100)
    assert waits == [1, 2, 4]


def test_a_closed_port_is_unreachable(server: Server, waits: list[float]) -> None:
    """The reason is in the message; the secrets of the URL are not, nor in any log line."""
    with Server() as gone:
        port = gone.port
    with Remote(RULES, attempts=1) as remote, pytest.raises(Unreachable, match="refused") as told:
        remote.get(f"http://user:hidden@127.0.0.1:{port}/x?token=hidden", 100)
    assert "hidden" not in str(told.value)


def test_urls_are_not_logged(server: Server, remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    """The client's own lines would show passwords and queries."""
    server.replies("/", answer("200 OK", b"fine"))
    with caplog.at_level(logging.DEBUG):
        remote.get(f"http://user:hidden@127.0.0.1:{server.port}/?token=hidden", 100)
    assert "hidden" not in caplog.text


def test_passwords_go_to_their_origin_only(server: Server, remote: Remote) -> None:
    """They are sent as Basic authentication, along a redirect to the same origin and to no other."""
    with Server() as other:
        server.replies("/", answer("302 Found", Location="/next"))
        server.replies("/next", answer("302 Found", Location=other.url("/")))
        other.replies("/", answer("200 OK", b"fine"))
        assert remote.text(f"http://user:word@127.0.0.1:{server.port}/", 100) == "fine"
        assert [asked.headers.get("authorization") for asked in server.asked] == ["Basic dXNlcjp3b3Jk"] * 2
        assert "authorization" not in other.asked[0].headers


def test_cookies_are_not_kept(server: Server, remote: Remote) -> None:
    """Nothing that one answer sets is in the next request."""
    server.replies("/", answer("200 OK", b"fine", Set_Cookie="a=b; Path=/"))
    for _ in range(2):
        remote.get(server.url("/"), 100)
    assert all("cookie" not in asked.headers for asked in server.asked)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
def test_five_redirects_are_followed(server: Server, remote: Remote, status: str) -> None:
    """Each is the same request again; a sixth is too many."""
    for step in range(6):
        server.replies(f"/{step}", answer(status, Location=f"/{step + 1}"))
    server.replies("/6", answer("304 Not Modified", Content_Length=""))
    assert isinstance(remote.get(server.url("/1"), 100, Validators('"a"')), Unchanged)
    assert [asked.headers["if-none-match"] for asked in server.asked] == ['"a"'] * 6
    with pytest.raises(BadRedirect, match="more than 5 times"):
        remote.get(server.url("/0"), 100)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://[", "http://\x7f/"])
def test_bad_redirects(server: Server, remote: Remote, location: str) -> None:
    """A redirect to no URL that can be asked is told and not repeated."""
    server.replies("/", answer("302 Found", Location=location))
    with pytest.raises(BadRedirect):
        remote.get(server.url("/"), 100)
    assert len(server.asked) == 1


def test_a_redirect_to_nowhere(server: Server, remote: Remote) -> None:
    """Without a Location it is an error of its own."""
    server.replies("/", answer("302 Found"))
    with pytest.raises(BadRedirect, match="without saying where"):
        remote.get(server.url("/"), 100)


def test_an_announced_size_over_the_limit_is_not_read(server: Server, remote: Remote) -> None:
    """The limit itself is fine; a byte more is refused by its announcement alone."""
    server.replies("/", answer("200 OK", b"x" * 100))
    assert isinstance(remote.get(server.url("/"), 100), Content)
    with pytest.raises(TooLarge) as told:
        remote.get(server.url("/"), 99)
    assert (told.value.size, told.value.limit) == (100, 99)


@pytest.mark.parametrize("framing", ["", "chunked"])
def test_an_endless_body_ends_at_the_limit(server: Server, remote: Remote, framing: str) -> None:
    """Without an announced length bytes are counted as they come."""
    piece = b"8000\r\n" + b"x" * 32768 + b"\r\n" if framing else b"x" * 32768

    def endless(asked: Asked) -> Iterator[bytes]:
        yield answer("200 OK", Content_Length="", Transfer_Encoding=framing)
        while True:
            yield piece

    server.answers["/"] = endless
    with pytest.raises(TooLarge) as told:
        remote.get(server.url("/"), 1_000_000)
    assert told.value.size is None


def test_a_short_body_is_truncated(server: Server, remote: Remote, waits: list[float]) -> None:
    """Fewer bytes than announced are never taken for the whole."""
    server.replies("/", answer("200 OK", b"x" * 10, Content_Length="11"))
    with pytest.raises(Truncated) as told:
        remote.get(server.url("/"), 100)
    assert (told.value.received, told.value.expected, waits) == (10, 11, [1, 2, 4])


def test_chunks_without_an_end_are_truncated(server: Server, remote: Remote) -> None:
    """A chunked body ends with its last chunk, not with the connection."""
    server.replies("/", answer("200 OK", b"3\r\nabc\r\n", Content_Length="", Transfer_Encoding="chunked"))
    with pytest.raises(Truncated) as told:
        remote.get(server.url("/"), 100)
    assert (told.value.received, told.value.expected) == (3, None)


def test_bytes_past_the_announced_length_are_not_the_document(server: Server, remote: Remote) -> None:
    """Content-Length frames the answer (RFC 9112, 6.3)."""
    server.replies("/", answer("200 OK", b"document, and more", Content_Length="8"))
    assert remote.text(server.url("/"), 100) == "document"


def test_a_cut_document_is_asked_for_again(server: Server, remote: Remote, waits: list[float]) -> None:
    """In memory too the rest is asked for."""
    server.answers["/"] = Document(b"0123456789", cuts=[4])
    assert remote.text(server.url("/"), 100) == "0123456789"
    assert waits == [1]
    assert [asked.headers.get("range") for asked in server.asked] == [None, "bytes=4-"]


@pytest.mark.parametrize("head", [answer("200 OK", Content_Length="1000"), b"HTTP/1.1 200 OK\r\nX: "])
def test_dripping_bytes_do_not_hold_us(server: Server, head: bytes) -> None:
    """A byte now and again satisfies the timeout of a read, and not that of the whole, in body and head alike."""
    server.answers["/"] = lambda asked: dripping(head, 0.05)
    began = time.monotonic()
    with (
        Remote(RULES, timeouts=Timeouts(read=5, document=0.5)) as remote,
        pytest.raises(TimedOut, match=r"0\.5 seconds"),
    ):
        remote.get(server.url("/"), 10_000)
    assert time.monotonic() - began < 20


def test_a_silent_server_is_left(server: Server, waits: list[float]) -> None:
    """No byte within the timeout of a read is a failed attempt."""
    server.answers["/"] = lambda asked: dripping(b"", 0.8)
    with (
        Remote(RULES, timeouts=Timeouts(read=0.2), attempts=2, sleep=waits.append) as remote,
        pytest.raises(Unreachable, match="timed out"),
    ):
        remote.get(server.url("/"), 100)
    assert waits == [1]


def test_urls_that_cannot_be_asked(remote: Remote) -> None:
    """They are told before the rules are looked at."""
    with pytest.raises(InvalidUrl):
        remote.text("file:///etc/passwd", 100)
