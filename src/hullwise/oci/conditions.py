"""Conditions of a request: what the client has already (RFC 9110, 13). Content never changes under its digest, which is
its entity tag."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

_TAGS = re.compile(r'(?:W/)?("[^"]*")')


def tag(digest: str) -> str:
    """The ETag of what has the digest."""
    return f'"{digest}"'


def known(request: Request, digest: str) -> Response | None:
    """304 where If-None-Match names what has the digest, or anything; None where it is to be sent."""
    stated = request.headers.get("if-none-match")
    if stated is None or (stated.strip() != "*" and tag(digest) not in _TAGS.findall(stated)):
        return None
    return Response(status_code=304, headers={"etag": tag(digest), "docker-content-digest": digest})


def same_state(request: Request, digest: str) -> bool:
    """Whether a part may be sent: unless If-Range names something else, as any date does, since none is sent."""
    stated = request.headers.get("if-range")
    return stated is None or stated.strip() == tag(digest)
