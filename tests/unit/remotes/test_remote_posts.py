"""Posting: once, every status is an answer, and nothing that comes back holds anybody up."""

from __future__ import annotations

import time

import pytest

from hullwise.remotes.errors import Forbidden, InvalidUrl, PrivateAddress, TimedOut, Unreachable
from hullwise.remotes.remote import Answer, Remote, Timeouts
from hullwise.remotes.rules import OutboundRules
from tests.unit.remotes.server import Server, answer, dripping

RULES = OutboundRules(private=("127.0.0.1",))


def test_a_body_is_posted(server: Server, remote: Remote) -> None:
    """With its length and the given headers, beside those of every request."""
    server.replies("/hook", answer("202 Accepted", b"thanks"))
    found = remote.post(server.url("/hook?of=us"), b'{"a":1}', {"content-type": "application/json", "x-id": "7"}, 100)
    assert found == Answer(202, b"thanks", True, None)
    (asked,) = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/hook?of=us", b'{"a":1}')
    assert asked.headers["content-length"] == "7"
    assert (asked.headers["content-type"], asked.headers["x-id"]) == ("application/json", "7")
    assert asked.headers["user-agent"].startswith("hullwise/")


@pytest.mark.parametrize("status", [200, 204, 301, 307, 308, 400, 404, 410, 429, 500, 503])
def test_every_status_is_an_answer(server: Server, remote: Remote, waits: list[float], status: int) -> None:
    """Nothing is asked a second time, and a redirect leads nowhere."""
    length = "" if status == 204 else "0"
    server.replies("/", answer(f"{status} Any", Location=server.url("/other"), Retry_After="7", Content_Length=length))
    assert remote.post(server.url("/"), b"", {}, 100) == Answer(status, b"", True, 7.0)
    assert ([asked.target for asked in server.asked], waits) == (["/"], [])


def test_a_long_answer_is_cut(server: Server, remote: Remote) -> None:
    """Of what is sent for ever the beginning is kept, and the status counts."""
    server.answers["/"] = lambda _: (b"HTTP/1.1 200 OK\r\n\r\n" if not at else b"x" * 65536 for at in range(10_000))
    assert remote.post(server.url("/"), b"", {}, 1_000) == Answer(200, b"x" * 1_000, False, None)


def test_an_answer_that_breaks_off_keeps_its_status(server: Server, remote: Remote) -> None:
    """The other side had said what it thinks."""
    server.replies("/", answer("200 OK", b"abc", Content_Length="10"))
    assert remote.post(server.url("/"), b"", {}, 100) == Answer(200, b"abc", False, None)


def test_time_is_bounded(server: Server) -> None:
    """Who never answers, or drips headers, is given up; who drips a body has answered."""
    silent = b"HTTP/1.1 200 OK\r\nX: "
    server.answers["/headers"] = lambda _: dripping(silent, 0.05)
    server.answers["/body"] = lambda _: dripping(b"HTTP/1.1 200 OK\r\n\r\n", 0.05)
    began = time.monotonic()
    with Remote(RULES, timeouts=Timeouts(post=0.5)) as remote:
        with pytest.raises(TimedOut):
            remote.post(server.url("/headers"), b"", {}, 100)
        found = remote.post(server.url("/body"), b"", {}, 1_000_000)
    assert (found.status, found.whole) == (200, False)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000])
def test_what_is_no_http_is_unreachable(server: Server, remote: Remote, said: bytes) -> None:
    """Asked once."""
    server.replies("/", said)
    with pytest.raises(Unreachable):
        remote.post(server.url("/"), b"", {}, 100)
    assert len(server.asked) == 1


def test_a_connection_that_was_closed_meanwhile_is_no_failure(server: Server, remote: Remote) -> None:
    """A server that keeps a connection only in words, and closes it when the next request comes, is asked on a new one;
    who closes each is unreachable."""
    server.replies("/once", answer("200 OK", b"a"))
    server.replies("/never", b"")
    server.lingers = True
    for _ in range(5):
        assert remote.post(server.url("/once"), b"body", {}, 100).status == 200
    with pytest.raises(Unreachable):
        remote.post(server.url("/never"), b"body", {}, 100)
    asked = len(server.asked)
    with pytest.raises(Unreachable):
        remote.post(server.url("/never"), b"body", {}, 100)
    assert len(server.asked) == asked + 1


def test_the_rules_hold(server: Server) -> None:
    """Turned off, private and malformed: nothing is sent."""
    with Remote(OutboundRules(allowed=False)) as remote, pytest.raises(Forbidden):
        remote.post("https://hooks.example/", b"", {}, 1)
    with Remote(OutboundRules(), resolve=lambda *_: ["127.0.0.1"]) as remote:
        for url in (server.url("/"), server.url("/", host="localhost"), server.url("/", host="hooks.example")):
            with pytest.raises(PrivateAddress):
                remote.post(url, b"", {}, 1)
        with pytest.raises(InvalidUrl):
            remote.post("ftp://hooks.example/", b"", {}, 1)
    assert server.asked == []


def test_what_can_be_known_is_checked_before(server: Server) -> None:
    """A URL that spells a private address, that is malformed or that nothing may ask is refused without a request; a
    name is not resolved."""
    for url in ("http://127.1/", "http://[::1]/", "http://localhost/", "http://0x7f.1/", "http://169.254.169.254/"):
        with pytest.raises(PrivateAddress):
            OutboundRules().check(url)
    with pytest.raises(Forbidden):
        OutboundRules(allowed=False).check("https://hooks.example/")
    with pytest.raises(InvalidUrl):
        OutboundRules().check("https://")
    assert OutboundRules().check("https://hooks.example/a").host == "hooks.example"
    assert RULES.check(server.url("/")).host == "127.0.0.1"
