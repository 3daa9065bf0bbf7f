"""Manifests: get, put, delete; and the tags that name them."""

from __future__ import annotations

from collections.abc import Awaitable
from urllib.parse import quote

import sqlalchemy as sa
from starlette.responses import JSONResponse, Response

from hullwise.domain import digests, limits, names
from hullwise.domain.errors import ManifestTooLarge, ManifestUnknown
from hullwise.domain.names import ImageId
from hullwise.oci import conditions, lists, warnings
from hullwise.oci.calls import Call
from hullwise.oci.errors import Refused
from hullwise.registry import images as rules
from hullwise.registry import pulls
from hullwise.registry.images import Stored
from hullwise.store import images, repositories


def _reference(call: Call) -> ImageId:
    """The path's reference as an image id. What is neither a digest nor a tag names nothing."""
    reference = call.parts["reference"]
    if ":" in reference:
        return ImageId(digest=digests.check(reference))
    if not names.is_tag(reference):
        raise ManifestUnknown
    return ImageId(tag=reference)


def get_manifest(call: Call) -> Response:
    """GET and HEAD: the exact bytes, with the media type that they were pushed under; nothing to who has them."""
    with call.services.database.read() as tx:
        image = images.find(tx, call.repository().id, _reference(call))
        if image is None or image.archived:
            raise ManifestUnknown
        body = images.body(tx, image.digest)
    if call.request.method == "GET":
        pulls.record(call.services, [image])
    unchanged = conditions.known(call.request, image.digest)
    if unchanged is not None:
        return unchanged
    headers = {
        "content-type": image.media_type,
        "content-length": str(len(body)),
        "docker-content-digest": image.digest,
        "etag": conditions.tag(image.digest),
    }
    return Response(b"" if call.request.method == "HEAD" else body, headers=headers)


def put_manifest(call: Call) -> Response | Awaitable[Response]:
    """PUT: store a manifest under its digest or a tag. The same again is fine.

    Under its digest with `tag` parameters (draft of the distribution spec 1.2) it gets all these tags, or it is not
    stored: as if it were pushed under one after the other.
    """
    return _put(call, call.body) if call.body is not None else _put_once_read(call)


async def _put_once_read(call: Call) -> Response:
    body = await _body(call)
    return await call.run(_put_late, call, body)


def _put_late(call: Call, body: bytes) -> Response:
    return _put(call.again(), body)


def _put(call: Call, body: bytes) -> Response:
    tags = _tags_to_put(call)
    # Of any case (RFC 9110, 8.3.1); `mediaType` is read as it is written.
    declared = call.request.headers.get("content-type", "").partition(";")[0].strip().lower() or None
    repository, reference, services = call.repository(), _reference_to_put(call), call.services
    prepared = rules.prepare(body, declared, reference.digest)
    named: list[str | None] = [*tags] or [reference.tag]

    def store(tx: sa.Connection) -> Stored:
        if conditions.is_conditional(call.request):
            repositories.lock(tx, repository.id)
            known = images.find(tx, repository.id, reference)
            conditions.check_write(call.request, None if known is None else known.digest)
        return [rules.put(tx, services, repository, prepared, tag) for tag in named][-1]

    stored = services.database.run(store)
    digest = stored.image.digest
    headers = {"location": f"/v2/{call.parts['name']}/manifests/{digest}", "docker-content-digest": digest}
    if stored.image.subject_digest:
        headers["oci-subject"] = stored.image.subject_digest
    answer = Response(status_code=201, headers=headers)
    for tag in tags:
        answer.headers.append("oci-tag", tag)
    answer.raw_headers += [(b"warning", value) for value in warnings.of_push(call, stored)]
    return answer


def _tags_to_put(call: Call) -> list[str]:
    """The `tag` parameters, each once. Raises InvalidParameter for one that is no tag, and Refused for too many, or
    beside a tag in the path, which leaves open what is wanted."""
    tags = list(dict.fromkeys(call.request.query_params.getlist("tag")))
    if tags and ":" not in call.parts["reference"]:
        raise Refused(400, "UNSUPPORTED", "tag parameters are for pushes by digest")
    if len(tags) > limits.TAGS_PER_PUSH:
        raise Refused(414, "UNSUPPORTED", f"A push gives at most {limits.TAGS_PER_PUSH} tags")
    return [names.check_tag(tag) for tag in tags]


def _reference_to_put(call: Call) -> ImageId:
    reference = call.parts["reference"]
    return ImageId(digest=digests.check(reference)) if ":" in reference else ImageId(tag=names.check_tag(reference))


async def _body(call: Call) -> bytes:
    """Raises ManifestTooLarge. As much again is read and dropped first: a client that is still sending when the
    connection closes does not see the answer."""
    body, size = bytearray(), 0
    async for chunk in call.request.stream():
        size += len(chunk)
        if size <= limits.MANIFEST_BYTES:
            body += chunk
        elif size > 2 * limits.MANIFEST_BYTES:
            break
    if size > limits.MANIFEST_BYTES:
        raise ManifestTooLarge(limits.MANIFEST_BYTES)
    return bytes(body)


def delete_manifest(call: Call) -> Response:
    """DELETE: an image by digest with all its tags, or one tag."""
    repository, reference = call.repository(), _reference(call)

    def delete(tx: sa.Connection) -> None:
        repositories.lock(tx, repository.id)
        image = images.find(tx, repository.id, reference)
        if image is None:
            raise ManifestUnknown
        conditions.check_write(call.request, image.digest)
        if reference.tag is not None:
            # Of the tag alone (spec, "Deleting tags"): unlike ECR's own call, the image stays.
            rules.delete_tag(tx, call.services, repository, image, reference.tag, call.caller.arn)
        else:
            rules.delete(tx, call.services, repository, image, call.caller.arn)

    call.services.database.run(delete)
    return Response(status_code=202)


def list_tags(call: Call) -> Response:
    """GET: tags in lexical order, `n` at a time after `last`."""
    size, last, name = lists.size_asked(call, limits.TAGS_PAGE), lists.after_asked(call), call.parts["name"]
    with call.services.database.read() as tx:
        found = images.tag_names(tx, call.repository().id, last, size + 1)
    more = len(found) > size > 0
    headers = lists.link(f"/v2/{name}/tags/list", f"n={size}&last={quote(found[size - 1], safe='')}") if more else {}
    return JSONResponse({"name": name, "tags": found[:size]}, headers=headers)
