"""Whole answers, past ASGI, which tells of a head and a body one after the other: uvicorn sends each by itself, and
looks at the head's fields one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.types import Scope, Send

WHOLE = "hullwise.whole"
"""The extension of ASGI's scope by which a connection offers to send an answer at once, as an `Answering`."""

Fields = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values."""

Answering = Callable[[int, Fields, bytes], bool]
"""Status, fields with the body's length, body. Returns whether it was taken: it is not while the client is waited for.
Called once, instead of `send`."""


async def send_whole(scope: Scope, send: Send, status: int, fields: Fields, body: bytes) -> None:
    """Answer a request with what is all there. `fields` say how long the body is."""
    offered: Answering | None = scope.get("extensions", {}).get(WHOLE)
    if offered is not None and offered(status, fields, body):
        return
    await send({"type": "http.response.start", "status": status, "headers": [*fields]})
    await send({"type": "http.response.body", "body": body})
