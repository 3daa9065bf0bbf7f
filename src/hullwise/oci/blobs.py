"""Blobs: read them, whole or in part."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hullwise.blobs.errors import ObjectMissing
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
    if not blob.size:
        return Response(status_code=status, headers=headers)
    wanted = _Wanted(services, blob, start, end)
    if OUTFLOW in request.scope.get("extensions", {}) and wanted.path() is not None:
        return _Files(wanted, status, headers)
    return StreamingResponse(_pieces(wanted, wanted.stream()), status_code=status, headers=headers)


class _Open(NamedTuple):
    """A file, and what is wanted of it: from which byte up to which, that one not included."""

    file: BinaryIO
    start: int
    end: int


@dataclass(slots=True)
class _Wanted:
    """What is still to be sent of a blob, at least a byte. Garbage collection puts one of many objects together, and
    the old ones go while somebody reads them: what is left is in the new one then."""

    services: Services
    blob: Blob
    start: int
    end: int

    def next(self) -> tuple[str, int, int]:
        """The object that has the next byte, and from which byte of it up to which."""
        offset = 0
        for segment in self.blob.segments:
            if self.start < offset + segment.size:
                return segment.object_key, self.start - offset, min(self.end - offset, segment.size)
            offset += segment.size
        raise BlobUnknown(self.blob.digest)

    def path(self) -> Path | None:
        """The file that has the next byte; None where the storage is no folder."""
        return self.services.blobs.local_path(self.next()[0])

    def open(self) -> _Open:
        """The same, open. Raises BlobUnknown where it is gone, and the blob is nowhere else."""
        while True:
            path = self.path()
            assert path is not None, "the storage is a folder"
            _, start, end = self.next()
            try:
                return _Open(path.open("rb", buffering=0), start, end)
            except FileNotFoundError:
                self._look_again()

    def stream(self) -> Iterator[bytes]:
        """The next object's bytes. Raises as `open`, before the first is asked for."""
        if self.path() is not None:
            return _read(self.open())
        while True:
            key, start, end = self.next()
            try:
                return self.services.blobs.stream(key, start=start, end=end, chunk=_PIECE)
            except ObjectMissing:
                self._look_again()

    def _look_again(self) -> None:
        with self.services.database.read() as tx:
            found = layers.load(tx, self.blob.digest)
        if found is None or found.segments == self.blob.segments:
            raise BlobUnknown(self.blob.digest)
        self.blob = found


class _Files(Response):
    """Files, which the kernel sends by itself: at a half of the CPU of handing it the bytes."""

    def __init__(self, wanted: _Wanted, status: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status, headers=headers)
        self._wanted = wanted
        # Whether there are bytes is known before the head says so.
        self._first = wanted.open()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = self._wanted
        outflow: Outflow | None = None
        opened: _Open | None = self._first
        while opened is not None:
            with opened.file:
                if outflow is None:
                    await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                    outflow = scope["extensions"][OUTFLOW]["begin"]()
                if not await outflow.send(opened.file.fileno(), opened.start, opened.end):
                    return
            wanted.start += opened.end - opened.start
            opened = wanted.open() if wanted.start < wanted.end else None
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


def _pieces(wanted: _Wanted, found: Iterator[bytes]) -> Iterator[bytes]:
    """All that is wanted; `found` are the first object's bytes."""
    while True:
        before = wanted.start
        for piece in found:
            wanted.start += len(piece)
            yield piece
        # One that ends too early ends the answer: there is no more of it.
        if wanted.start >= wanted.end or wanted.start == before:
            return
        found = wanted.stream()


def _read(opened: _Open) -> Iterator[bytes]:
    """Large pieces, at half of the CPU, for who has proven to take them: two are in memory while a client is waited
    for."""
    at, quick = opened.start, 0
    with opened.file as file:
        file.seek(at)
        while piece := file.read(min(_LARGE_PIECE if quick >= _PROOF else _PIECE, opened.end - at)):
            at += len(piece)
            begun = time.monotonic()
            yield piece
            quick = quick + len(piece) if time.monotonic() - begun < _QUICK_SECONDS else 0
