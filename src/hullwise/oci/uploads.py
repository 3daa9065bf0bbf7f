"""Uploads: begin, append, finish, cancel, mount."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable

import sqlalchemy as sa
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hullwise.domain import digests
from hullwise.domain.errors import HullwiseError, SizeMismatch
from hullwise.domain.limits import CHUNKS
from hullwise.flows import INFLOW, Inflow, Pieces
from hullwise.oci.calls import Call, stated_length
from hullwise.oci.errors import Refused
from hullwise.registry import settings, uploads
from hullwise.store import layers, repositories
from hullwise.store.layers import Blob
from hullwise.store.repositories import Repository
from hullwise.store.uploads import Upload, UploadSegment

_BATCH = 1 << 19
"""Bytes that are gathered before a thread hashes and writes them, while the next ones arrive."""

MOST_HOLDERS = 32
"""Repositories that are looked at for a blob to mount, where the client names none."""

CHUNK = 5 << 20
"""Bytes that chunks are asked to have at least, as ECR's own parts have: each becomes an object of its own."""

_CONTENT_RANGE = re.compile(r"(?:bytes )?([0-9]{1,18})-([0-9]{1,18})(?:/.*)?")


def begin_upload(call: Call) -> Response | Awaitable[Response]:
    """POST: begin an upload; with `mount` take a blob from another repository; with `digest` and a body be done."""
    repository, query = call.repository(), call.request.query_params
    if "mount" in query:
        blob = _mount(call, repository, query["mount"], query.get("from"))
        if blob is not None:
            return _created(repository, blob)
    digest = query.get("digest")
    if digest is not None:
        digests.check(digest)
        return _whole(call, digest)
    return _begun(repository, uploads.begin(call.services, repository, call.principal))


def _whole(call: Call, digest: str) -> Response | Awaitable[Response]:
    """An upload of one request, which nobody is told the id of."""

    def store(part: UploadSegment | None) -> Response:
        return _created(call.repository(), uploads.store(call.services, call.repository(), part, digest))

    return _receive(call, None, store)


def _mount(call: Call, repository: Repository, digest: str, source: str | None) -> Blob | None:
    """The mounted blob; None where the client must upload it instead, for whatever reason."""
    if not digests.is_digest(digest):
        return None
    try:
        with call.services.database.read() as tx:
            if not settings.mounts(tx, repository.account, repository.region):
                return None
            found = call.source(tx, source) if source is not None else _anywhere(call, tx, digest)
    except HullwiseError:
        return None
    return None if found is None else uploads.mount(call.services, repository, found, digest)


def _anywhere(call: Call, tx: sa.Connection, digest: str) -> Repository | None:
    """A repository of the registry that has the blob, and from which the caller may pull."""
    for found in repositories.many(tx, layers.holders(tx, call.account, call.region, digest, MOST_HOLDERS)):
        with contextlib.suppress(HullwiseError):
            return call.source(tx, found.name)
    return None


def append_to_upload(call: Call) -> Response | Awaitable[Response]:
    """PATCH: add bytes. With Content-Range they must continue where the upload ends. Where the connection is cut, what
    came until then is added, so that GET says where to go on."""
    repository, upload_id = call.repository(), call.parts["upload"]

    def append(part: UploadSegment | None) -> Response:
        upload = uploads.append(call.services, repository, call.principal, upload_id, part, _stated_start(call))
        return _accepted(repository, upload_id, upload.received)

    def keep(part: UploadSegment | None, begun: int) -> None:
        # What came meanwhile may be the same bytes: the client notices a cut before we do, and goes on.
        start = _stated_start(call)
        uploads.append(call.services, repository, call.principal, upload_id, part, begun if start is None else start)

    return _receive(call, upload_id, append, lasting=False, keep=keep)


def finish_upload(call: Call) -> Response | Awaitable[Response]:
    """PUT: add the last bytes, if any, and prove the digest."""
    stated = call.request.query_params.get("digest")
    if stated is None:
        raise Refused(400, "DIGEST_INVALID", "The digest parameter is missing")
    digest, repository, upload_id = digests.check(stated), call.repository(), call.parts["upload"]
    if call.threads.here and call.body == b"" and "content-range" not in call.request.headers:
        return _finish_here(call, upload_id, digest)

    def finish(part: UploadSegment | None) -> Response:
        start = _stated_start(call)
        blob = uploads.finish(call.services, repository, call.principal, upload_id, part, digest, start)
        return _created(repository, blob)

    return _receive(call, upload_id, finish)


async def _finish_here(call: Call, upload_id: str, digest: str) -> Response:
    """In the loop, but for bytes that are still to be read and synced."""
    upload = await call.short(_check, call, upload_id)
    if uploads.is_known(upload, digest):
        uploads.prove(call.services, upload, digest)
    else:
        await call.run(uploads.prove, call.services, upload, digest)
    repository = call.repository()
    return _created(
        repository, await call.short(uploads.place, call.services, repository, call.principal, upload, digest)
    )


def upload_status(call: Call) -> Response:
    """GET: how many bytes have arrived."""
    upload = _check(call, call.parts["upload"])
    return _accepted(call.repository(), upload.id, upload.received, status=204)


def cancel_upload(call: Call) -> Response:
    """DELETE: forget the upload."""
    uploads.cancel(call.services, call.repository(), call.principal, call.parts["upload"])
    return Response(status_code=204)


_Then = Callable[[UploadSegment | None], Response]
"""What is done, in the same thread, once all bytes of a request are in: given the segment that they are, if any."""


_Keep = Callable[[UploadSegment | None, int], None]
"""What is done, likewise, with the bytes of a request that was cut: given the segment, and where the upload ended when
the request began."""


def _receive(
    call: Call, upload_id: str | None, then: _Then, *, lasting: bool = True, keep: _Keep | None = None
) -> Response | Awaitable[Response]:
    """Store the request's body as a segment, of the upload if it has an id. `lasting`: that of a small body survives a
    power loss at once, and not only when the upload is finished. Without `keep` nothing is left of one that is cut."""
    if call.body is None:
        return _read(call, upload_id, then, keep)
    if not call.body:
        _check_length(call, 0)
        return then(None)
    if call.threads.here:
        return _store_here(call, upload_id, call.body, then, lasting or not call.services.blobs.waits)
    return _store(call, upload_id, [call.body], then)


async def _store_here(call: Call, upload_id: str | None, body: bytes, then: _Then, lasting: bool) -> Response:
    """In the loop, but for what waits for the storage."""
    storing = call.run if lasting and call.services.blobs.waits else call.short
    return await call.short(then, await storing(_segment, call, upload_id, [body], lasting))


async def _read(call: Call, upload_id: str | None, then: _Then, keep: _Keep | None) -> Response:
    """A thread is asked for as seldom as can be: for a body of one batch once."""
    body = _Body(call.request)
    if body.is_long and upload_id is not None:
        await call.run(_check, call, upload_id)
    batch = await body.batch()
    if body.ended:
        return await call.run(_store_late, call, upload_id, batch, then)
    receiver, begun = await call.run(_open, call, upload_id)
    try:
        await _write(call, body, batch, receiver)
    except ClientDisconnect:
        await call.run(_cut, call, receiver, begun, keep)
        raise
    except BaseException:
        receiver.abort()
        raise
    return await call.run(_end, call, receiver, then)


async def _write(call: Call, body: _Body, batch: Pieces, receiver: uploads.SegmentReceiver) -> None:
    """Write what comes, each batch while the next one arrives."""
    writing: asyncio.Future[None] | None = None
    try:
        while batch:
            if writing is not None:
                await writing
            writing = asyncio.ensure_future(call.run(receiver.write, *batch))
            batch = await body.batch()
    finally:
        # Nobody else may touch the receiver before its thread has ended.
        if writing is not None:
            await writing


class _Body:
    """A request's body, by batches: from its connection, or through ASGI where that does not offer it."""

    def __init__(self, request: Request) -> None:
        self.is_long = (stated_length(request) or 0) > _BATCH
        """Whether it is known to be of more than one batch."""
        self.ended = False
        offered = request.scope.get("extensions", {}).get(INFLOW)
        self._inflow: Inflow | None = None if offered is None else offered["begin"]()
        self._chunks = request.stream()

    async def batch(self) -> Pieces:
        """The next bytes, at least _BATCH of them but for the last ones. Raises ClientDisconnect."""
        if self._inflow is not None:
            found = await self._inflow.batch(_BATCH)
            self.ended = self._inflow.ended
            return found
        gathered = bytearray()
        async for chunk in self._chunks:
            gathered += chunk
            if len(gathered) >= _BATCH:
                return [gathered]
        self.ended = True
        return [gathered] if gathered else []


def _check(call: Call, upload_id: str) -> Upload:
    """Raises BlobUploadUnknown."""
    with call.services.database.read() as tx:
        return uploads.find(tx, call.repository(), call.principal, upload_id)


def _open(call: Call, upload_id: str | None, lasting: bool = True) -> tuple[uploads.SegmentReceiver, int]:
    """What takes a body, and the bytes that its upload has before it."""
    begun = 0
    if upload_id is not None:
        upload = _check(call, upload_id)
        begun = upload.received
        uploads.leave_if_large(upload)
        if len(upload.segments) >= CHUNKS:
            raise Refused(400, "BLOB_UPLOAD_INVALID", f"An upload has at most {CHUNKS} chunks")
    _stated_start(call)
    return uploads.SegmentReceiver(call.services, lasting=lasting), begun


def _store(call: Call, upload_id: str | None, body: Pieces, then: _Then) -> Response:
    if not body:
        _check_length(call, 0)
        return then(None)
    return then(_segment(call, upload_id, body))


def _store_late(call: Call, upload_id: str | None, body: Pieces, then: _Then) -> Response:
    call.again()
    return _store(call, upload_id, body, then)


def _segment(call: Call, upload_id: str | None, body: Pieces, lasting: bool = True) -> UploadSegment | None:
    receiver, _ = _open(call, upload_id, lasting)
    try:
        receiver.write(*body)
    except BaseException:
        receiver.abort()
        raise
    return _finished(call, receiver)


def _end(call: Call, receiver: uploads.SegmentReceiver, then: _Then) -> Response:
    try:
        call.again()
    except BaseException:
        receiver.abort()
        raise
    return then(_finished(call, receiver))


def _cut(call: Call, receiver: uploads.SegmentReceiver, begun: int, keep: _Keep | None) -> None:
    """The client is gone, and cannot be told why nothing is kept."""
    stated = _stated_length(call)
    if keep is None or (stated is not None and receiver.size > stated):
        receiver.abort()
        return
    try:
        call.again()
        part = receiver.finish()
    except BaseException as error:
        receiver.abort()
        if isinstance(error, HullwiseError):
            return
        raise
    with contextlib.suppress(HullwiseError):
        keep(part, begun)


def _finished(call: Call, receiver: uploads.SegmentReceiver) -> UploadSegment | None:
    try:
        _check_length(call, receiver.size)
        return receiver.finish()
    except BaseException:
        receiver.abort()
        raise


def _stated_start(call: Call) -> int | None:
    stated = call.request.headers.get("content-range")
    if stated is None:
        return None
    match = _CONTENT_RANGE.fullmatch(stated)
    if match is None or int(match[2]) < int(match[1]):
        raise Refused(416, "BLOB_UPLOAD_INVALID", "Content-Range must be <first byte>-<last byte>")
    return int(match[1])


def _check_length(call: Call, received: int) -> None:
    """A body that is not as long as Content-Range says was cut off on the way."""
    stated = _stated_length(call)
    if stated is not None and stated != received:
        raise SizeMismatch(stated, received)


def _stated_length(call: Call) -> int | None:
    """Bytes of the body, as Content-Range has them."""
    stated = call.request.headers.get("content-range")
    match = _CONTENT_RANGE.fullmatch(stated) if stated is not None else None
    return None if match is None else int(match[2]) - int(match[1]) + 1


def _created(repository: Repository, blob: Blob) -> Response:
    headers = {"location": f"/v2/{repository.name}/blobs/{blob.digest}", "docker-content-digest": blob.digest}
    return Response(status_code=201, headers=headers)


def _begun(repository: Repository, upload_id: str) -> Response:
    response = _accepted(repository, upload_id, 0)
    response.headers["oci-chunk-min-length"] = str(CHUNK)
    return response


def _accepted(repository: Repository, upload_id: str, received: int, status: int = 202) -> Response:
    headers = {
        "location": f"/v2/{repository.name}/blobs/uploads/{upload_id}",
        # "0-0" for an upload without bytes, as every registry says it: a range cannot be empty.
        "range": f"0-{max(received - 1, 0)}",
        "docker-upload-uuid": upload_id,
    }
    return Response(status_code=status, headers=headers)
