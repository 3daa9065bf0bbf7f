"""Blobs: read them, whole or in part."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hullwise.domain import digests
from hullwise.domain.errors import BlobUnknown
from hullwise.flows import OUTFLOW, Outflow
from hullwise.oci import conditions, errors
from hullwise.oci.calls import Call
from hullwise.oci.errors import Problem
from hullwise.registry import uploads
from hullwise.services import Services
from hullwise.store import layers
from hullwise.store.layers import Blob

_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))", re.IGNORECASE)


_PIECE, _LARGE_PIECE = 1 << 17, 1 << 20
_PROOF = 4 << 20
"""Bytes that a client takes without a pause before it gets large pieces: more than the kernel takes in its place."""
_QUICK_SECONDS = 0.05
"""In which a piece is taken without a pause."""

REDIRECT_LIFETIME = timedelta(minutes=15)
"""For as long a presigned address is good: a pull begins at once."""


@dataclass(frozen=True, slots=True)
class Located:
    blob: Blob
    address: str | None
    """Where a client gets it from the storage itself; None: from here."""


def locate(services: Services, method: str, blob: Blob) -> Located:
    """Where a request for the blob is answered. One in several objects has no address of its own."""
    redirected = services.settings.blob_redirects and method == "GET" and len(blob.segments) == 1
    if not redirected:
        return Located(blob, None)
    return Located(blob, services.blobs.presigned_url(blob.segments[0].object_key, valid_for=REDIRECT_LIFETIME))


def _located(call: Call) -> Located:
    digest = digests.check(call.parts["digest"])
    with call.services.database.read() as tx:
        blob = layers.find(tx, call.repository().id, digest)
    if blob is None:
        raise BlobUnknown(digest)
    if call.request.method == "HEAD":
        # Asked by clients that will not send what is here. What was lost they may bring.
        if not uploads.is_whole(call.services, blob):
            raise BlobUnknown(digest)
        uploads.keep(call.services, call.repository(), [digest])
    return locate(call.services, call.request.method, blob)


def get_blob(call: Call) -> Response:
    """GET and HEAD: the blob's bytes, or one range of them."""
    return answer(call.services, call.request, _located(call))


def delete_blob(call: Call) -> Response:
    """DELETE: take the blob out of the repository, unless an image there needs it."""
    uploads.unlink(call.services, call.repository(), digests.check(call.parts["digest"]))
    return Response(status_code=202)


def answer(services: Services, request: Request, located: Located) -> Response:
    """The blob's bytes, or the one part of them that a GET asks for, or where they are; nothing to who has them
    already. A part that is not there is refused with the blob's size."""
    blob = located.blob
    unchanged = conditions.known(request, blob.digest)
    if unchanged is not None:
        return unchanged
    if located.address is not None:
        headers = {"location": located.address, "docker-content-digest": blob.digest, "cache-control": "no-store"}
        return Response(status_code=307, headers=headers)
    headers = {
        "docker-content-digest": blob.digest,
        "accept-ranges": "bytes",
        "etag": conditions.tag(blob.digest),
        "content-type": "application/octet-stream",
    }
    start, end, status = 0, blob.size, 200
    part = _part(request, blob)
    if part is not None:
        start, end, status = *part, 206
        if start >= end:
            return _outside(blob)
        headers["content-range"] = f"bytes {start}-{end - 1}/{blob.size}"
    headers["content-length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    if OUTFLOW in request.scope.get("extensions", {}):
        files = _files(services, blob, start, end)
        if files is not None:
            return _Files(files, status, headers)
    return StreamingResponse(_bytes(services, blob, start, end), status_code=status, headers=headers)


class _Part(NamedTuple):
    """Of a file: from which byte up to which, that one not included."""

    path: Path
    start: int
    end: int


class _Files(Response):
    """Parts of files, which the kernel sends by itself: at a half of the CPU of handing it the bytes."""

    def __init__(self, parts: list[_Part], status: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status, headers=headers)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        outflow: Outflow = scope["extensions"][OUTFLOW]["begin"]()
        for part in self._parts:
            with part.path.open("rb", buffering=0) as file:
                if not await outflow.send(file.fileno(), part.start, part.end):
                    return
        await send({"type": "http.response.body", "body": b""})


def _part(request: Request, blob: Blob) -> tuple[int, int] | None:
    """From which byte up to which, that one not included; None for the whole blob, as for whatever is no single range
    of bytes (RFC 9110, 14.2). A part outside of the blob is empty."""
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    # Only GET has ranges.
    if match is None or request.method != "GET" or not conditions.same_state(request, blob.digest):
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return None if int(suffix) and not blob.size else (max(blob.size - int(suffix), 0), blob.size)
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last or blob.size) + 1, blob.size)


def _outside(blob: Blob) -> Response:
    found = Problem(416, "SIZE_INVALID", f"The blob has {blob.size} bytes")
    headers = {"content-range": f"bytes */{blob.size}"}
    return JSONResponse(errors.body(found), status_code=found.status, headers=headers)


def _parts(blob: Blob, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Of the bytes from `start` up to `end`, which is not included: in which objects they are, and where there."""
    offset = 0
    for segment in blob.segments:
        low, high = max(start - offset, 0), min(end - offset, segment.size)
        if low < high:
            yield segment.object_key, low, high
        offset += segment.size


def _files(services: Services, blob: Blob, start: int, end: int) -> list[_Part] | None:
    """The same as parts of files; None where the storage is no folder."""
    found = []
    for key, low, high in _parts(blob, start, end):
        path = services.blobs.local_path(key)
        if path is None:
            return None
        found.append(_Part(path, low, high))
    return found


def _bytes(services: Services, blob: Blob, start: int, end: int) -> Iterator[bytes]:
    for key, low, high in _parts(blob, start, end):
        yield from _pieces(services, key, low, high)


def _pieces(services: Services, key: str, start: int, end: int) -> Iterator[bytes]:
    """Large ones, at half of the CPU, for who has proven to take them: two are in memory while a client is waited
    for."""
    path = services.blobs.local_path(key)
    if path is None:
        yield from services.blobs.stream(key, start=start, end=end, chunk=_PIECE)
        return
    quick = 0
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while piece := file.read(min(_LARGE_PIECE if quick >= _PROOF else _PIECE, end - start)):
            start += len(piece)
            begun = time.monotonic()
            yield piece
            quick = quick + len(piece) if time.monotonic() - begun < _QUICK_SECONDS else 0
