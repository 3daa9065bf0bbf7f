"""Conditions of a request: what the client has already (RFC 9110, 13). Content never changes under its digest, which is
its entity tag."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from hullwise.oci.errors import Refused

_TAGS = re.compile(r'(?:W/)?"[^"]*"|\*')


def tag(digest: str) -> str:
    """The ETag of what has the digest."""
    return f'"{digest}"'


def known(request: Request, digest: str) -> Response | None:
    """304 where If-None-Match names what has the digest, or anything; None where it is to be sent."""
    if not _is_among(digest, _stated(request, "if-none-match")):
        return None
    return Response(status_code=304, headers={"etag": tag(digest), "docker-content-digest": digest})


def check_write(request: Request, digest: str | None) -> None:
    """Before something is put in the place of what has the digest (None: of nothing), or that is taken away. Raises
    Refused, 412, where If-Match or If-None-Match says otherwise of it (RFC 9110, 13.1)."""
    unmet = "if-match" in request.headers and not _is_exactly(digest, _stated(request, "if-match"))
    if unmet or _is_among(digest, _stated(request, "if-none-match")):
        raise Refused(412, "PRECONDITION_FAILED", f"There is {digest or 'nothing'} by now")


def is_conditional(request: Request) -> bool:
    return "if-match" in request.headers or "if-none-match" in request.headers


def _stated(request: Request, name: str) -> list[str]:
    """The tags that the header's lines name together (RFC 9110, 5.3), and `*`, which is that of whatever is there."""
    return _TAGS.findall(", ".join(request.headers.getlist(name)))


def _is_exactly(digest: str | None, stated: list[str]) -> bool:
    """By the strong comparison of If-Match (RFC 9110, 13.1.1): no weak tag is that of what has the digest."""
    return digest is not None and (stated == ["*"] or tag(digest) in stated)


def _is_among(digest: str | None, stated: list[str]) -> bool:
    """By the weak comparison of If-None-Match (RFC 9110, 13.1.2). `*` beside tags, which the grammar does not have,
    counts: who sends it wants nothing overwritten."""
    return digest is not None and ("*" in stated or tag(digest) in [each.removeprefix("W/") for each in stated])


def same_state(request: Request, digest: str) -> bool:
    """Whether a part may be sent: unless If-Range names something else, as any date does, since none is sent."""
    stated = request.headers.get("if-range")
    return stated is None or stated.strip() == tag(digest)
