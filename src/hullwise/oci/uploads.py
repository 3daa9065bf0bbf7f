"""Uploads: begin, append, finish, cancel, mount."""

from __future__ import annotations

import contextlib
import re

import sqlalchemy as sa
from starlette.responses import Response

from hullwise.domain import digests, names
from hullwise.domain.errors import BlobUploadUnknown, HullwiseError, SizeMismatch
from hullwise.oci.calls import Call
from hullwise.oci.errors import Refused
from hullwise.registry import settings, uploads
from hullwise.store import layers, repositories
from hullwise.store.layers import Blob
from hullwise.store.repositories import Repository
from hullwise.store.uploads import UploadSegment

_BATCH = 1 << 20
"""Bytes that are gathered before a thread hashes and writes them, while the next ones arrive."""

MOST_HOLDERS = 32
"""Repositories that are looked at for a blob to mount, where the client names none."""

_CONTENT_RANGE = re.compile(r"(?:bytes )?([0-9]{1,18})-([0-9]{1,18})(?:/.*)?")


async def begin_upload(call: Call) -> Response:
    """POST: begin an upload; with `mount` take a blob from another repository; with `digest` and a body be done."""
    repository = await call.run(call.repository)
    query = call.request.query_params
    if "mount" in query:
        blob = await call.run(_mount, call, repository, query["mount"], query.get("from"))
        if blob is not None:
            return _created(repository, blob)
    if "digest" in query:
        digests.check(query["digest"])
    upload_id = await call.run(uploads.begin, call.services, repository, call.principal)
    if "digest" not in query:
        return _accepted(repository, upload_id, 0)
    try:
        await _receive(call, repository, upload_id)
        return await _complete(call, repository, upload_id, query["digest"])
    except Exception:
        # Nobody was told its id, so that nobody can end it.
        with contextlib.suppress(BlobUploadUnknown):
            await call.run(uploads.cancel, call.services, repository, call.principal, upload_id)
        raise


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


async def append_to_upload(call: Call) -> Response:
    """PATCH: add bytes. With Content-Range they must continue where the upload ends."""
    repository = await call.run(call.repository)
    received = await _receive(call, repository, call.parts["upload"])
    return _accepted(repository, call.parts["upload"], received)


async def finish_upload(call: Call) -> Response:
    """PUT: add the last bytes, if any, and prove the digest."""
    digest = call.request.query_params.get("digest")
    if digest is None:
        raise Refused(400, "DIGEST_INVALID", "The digest parameter is missing")
    digests.check(digest)
    repository = await call.run(call.repository)
    await _receive(call, repository, call.parts["upload"])
    return await _complete(call, repository, call.parts["upload"], digest)


async def upload_status(call: Call) -> Response:
    """GET: how many bytes have arrived."""

    def received() -> tuple[Repository, int]:
        repository = call.repository()
        with call.services.database.read() as tx:
            upload = uploads.find(tx, repository, call.principal, call.parts["upload"])
            return repository, upload.received

    repository, size = await call.run(received)
    return _accepted(repository, call.parts["upload"], size, status=204)


async def cancel_upload(call: Call) -> Response:
    """DELETE: forget the upload."""
    repository = await call.run(call.repository)
    await call.run(uploads.cancel, call.services, repository, call.principal, call.parts["upload"])
    return Response(status_code=204)


async def _receive(call: Call, repository: Repository, upload_id: str) -> int:
    """Store the request's body as a segment of the upload. Returns how many bytes the upload holds now."""

    def check() -> None:
        with call.services.database.read() as tx:
            uploads.find(tx, repository, call.principal, upload_id)

    await call.run(check)
    start = _stated_start(call)
    receiver = await call.run(uploads.SegmentReceiver, call.services)
    try:
        part = await _stream(call, receiver)
        _check_length(call, receiver.size)
    except BaseException:
        receiver.abort()
        raise
    upload = await call.run(uploads.append, call.services, repository, call.principal, upload_id, part, start)
    return upload.received


async def _stream(call: Call, receiver: uploads.SegmentReceiver) -> UploadSegment | None:
    batch = bytearray()
    async for chunk in call.request.stream():
        batch += chunk
        if len(batch) >= _BATCH:
            await call.run(receiver.write, batch)
            batch = bytearray()
    if batch:
        await call.run(receiver.write, batch)
    return await call.run(receiver.finish)


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
    stated = call.request.headers.get("content-range")
    match = _CONTENT_RANGE.fullmatch(stated) if stated is not None else None
    if match is not None and int(match[2]) - int(match[1]) + 1 != received:
        raise SizeMismatch(int(match[2]) - int(match[1]) + 1, received)


async def _complete(call: Call, repository: Repository, upload_id: str, digest: str) -> Response:
    names.check_repository(repository.name)
    blob = await call.run(uploads.complete, call.services, repository, call.principal, upload_id, digest)
    return _created(repository, blob)


def _created(repository: Repository, blob: Blob) -> Response:
    headers = {"location": f"/v2/{repository.name}/blobs/{blob.digest}", "docker-content-digest": blob.digest}
    return Response(status_code=201, headers=headers)


def _accepted(repository: Repository, upload_id: str, received: int, status: int = 202) -> Response:
    headers = {
        "location": f"/v2/{repository.name}/blobs/uploads/{upload_id}",
        # "0-0" for an upload without bytes, as every registry says it: a range cannot be empty.
        "range": f"0-{max(received - 1, 0)}",
        "docker-upload-uuid": upload_id,
    }
    return Response(status_code=status, headers=headers)
