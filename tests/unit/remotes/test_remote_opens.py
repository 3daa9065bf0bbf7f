"""Opening: the first answer that is no redirect and not for later, its body read by the caller."""

from __future__ import annotations

import pytest

from hullwise.remotes.errors import BadRedirect, Forbidden, Refused, Truncated
from hullwise.remotes.remote import Remote
from hullwise.remotes.rules import OutboundRules
from tests.unit.remotes.server import Server, answer


@pytest.mark.parametrize("status", [200, 206, 401, 403, 404, 416])
def test_a_status_is_an_answer(server: Server, remote: Remote, status: int) -> None:
    """With its headers and its body, for the headers that were given."""
    server.replies("/a", answer(f"{status} Any", b"body", X_Id="7"))
    with remote.open(server.url("/a?b=c"), {"accept": "x/y"}, seconds=10) as found:
        assert (found.status, found.headers["x-id"], found.at_home) == (status, "7", True)
        assert b"".join(found.pieces) == b"body"
    (asked,) = server.asked
    assert (asked.method, asked.target, asked.headers["accept"]) == ("GET", "/a?b=c", "x/y")
    assert "authorization" not in asked.headers


def test_a_head_has_no_body(server: Server, remote: Remote) -> None:
    """Whatever length it announces."""
    server.replies("/", answer("200 OK", b"", Content_Length="5000"))
    with remote.open(server.url("/"), {}, method="HEAD", seconds=10) as found:
        assert b"".join(found.pieces) == b""
    assert server.asked[0].method == "HEAD"


def test_what_is_for_later_is_asked_again(server: Server, remote: Remote, waits: list[float]) -> None:
    """As Retry-After says; after the last attempt it is refused."""
    server.replies("/", answer("429 Too Many", Retry_After="7"), answer("503 Later"), answer("200 OK", b"now"))
    with remote.open(server.url("/"), {}, seconds=60) as found:
        assert b"".join(found.pieces) == b"now"
    assert waits == [7.0, 2.0]
    server.replies("/never", answer("503 Later"))
    with pytest.raises(Refused) as told, remote.open(server.url("/never"), {}, seconds=60):
        pass
    assert told.value.status == 503


def test_authorization_stays_with_its_origin(server: Server, remote: Remote) -> None:
    """It goes along a redirect on the same origin; to another one it does not, nor back from there."""
    with Server() as other:
        server.replies("/a", answer("302 Found", Location="/b"))
        server.replies("/b", answer("302 Found", Location=other.url("/c")))
        other.replies("/c", answer("302 Found", Location=server.url("/d")))
        server.replies("/d", answer("200 OK"))
        with remote.open(server.url("/a"), {}, authorization="Bearer x", seconds=10) as found:
            assert not found.at_home
        sent = {asked.target: asked.headers.get("authorization") for asked in server.asked + other.asked}
    assert sent == {"/a": "Bearer x", "/b": "Bearer x", "/c": None, "/d": None}


def test_a_body_that_breaks_off_says_so(server: Server, remote: Remote) -> None:
    """After the pieces that came."""
    server.replies("/", answer("200 OK", b"half", Content_Length="8"))
    with remote.open(server.url("/"), {}, seconds=10) as found:
        assert next(found.pieces) == b"half"
        with pytest.raises(Truncated, match="after 4 bytes"):
            next(found.pieces)
    assert len(server.asked) == 1


def test_the_rules_hold(server: Server, remote: Remote) -> None:
    """Turned off nothing is asked, and a circle of redirects ends."""
    server.replies("/", answer("302 Found", Location="/"))
    with pytest.raises(BadRedirect), remote.open(server.url("/"), {}, seconds=10):
        pass
    asked = len(server.asked)
    with (
        Remote(OutboundRules(allowed=False)) as closed,
        pytest.raises(Forbidden),
        closed.open(server.url("/"), {}, seconds=10),
    ):
        pass
    assert len(server.asked) == asked
