"""Conditions of a request: what the client has already (RFC 9110, 13). Content never changes under its digest, which is
its entity tag."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from hullwise.oci.errors import Refused

_TAGS = re.compile(r'(?:W/)?("[^"]*")')


def tag(digest: str) -> str:
    """The ETag of what has the digest."""
    return f'"{digest}"'


def known(request: Request, digest: str) -> Response | None:
    """304 where If-None-Match names what has the digest, or anything; None where it is to be sent."""
    stated = request.headers.get("if-none-match")
    if stated is None or not _names(stated, digest):
        return None
    return Response(status_code=304, headers={"etag": tag(digest), "docker-content-digest": digest})


def check_write(request: Request, digest: str | None) -> None:
    """Before something is put in the place of what has the digest (None: of nothing), or that is taken away. Raises
    Refused, 412, where If-Match or If-None-Match says otherwise of it (RFC 9110, 13.1)."""
    match, none_match = (request.headers.get(name) for name in ("if-match", "if-none-match"))
    unmet = match is not None and not _names(match, digest)
    if unmet or (none_match is not None and _names(none_match, digest)):
        raise Refused(412, "PRECONDITION_FAILED", f"There is {digest or 'nothing'} by now")


def is_conditional(request: Request) -> bool:
    return "if-match" in request.headers or "if-none-match" in request.headers


def _names(stated: str, digest: str | None) -> bool:
    """Whether the tags that are stated are that of what has the digest; `*` is that of whatever is there."""
    return digest is not None and (stated.strip() == "*" or tag(digest) in _TAGS.findall(stated))


def same_state(request: Request, digest: str) -> bool:
    """Whether a part may be sent: unless If-Range names something else, as any date does, since none is sent."""
    stated = request.headers.get("if-range")
    return stated is None or stated.strip() == tag(digest)
