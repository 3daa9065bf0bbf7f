"""Images: put, get, delete, list, describe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hullwise.domain.errors import (
    ImageAlreadyExists,
    ImageNotFound,
    ImageStillReferenced,
    InvalidManifest,
)
from hullwise.domain.names import ImageId
from hullwise.ecr import inputs, paging, shapes
from hullwise.ecr.calls import DIGEST, Call, Params, image_id, is_well_formed, one_image_id
from hullwise.registry import images as rules
from hullwise.registry import pulls, referrers
from hullwise.scanning import reading
from hullwise.store import descriptions, repositories
from hullwise.store import images as store
from hullwise.store.descriptions import Line, Manner
from hullwise.store.images import Image
from hullwise.store.repositories import Repository


def put_image(call: Call, params: inputs.PutImageRequest) -> dict[str, Any]:
    """Store a manifest and tag it. The same manifest under the same tag once more is an error here."""
    repository = call.repository
    try:
        body = params["imageManifest"].encode()
    except UnicodeEncodeError as error:
        raise InvalidManifest("Invalid JSON syntax") from error
    prepared = rules.prepare(body, params.get("imageManifestMediaType"), params.get("imageDigest"))
    tag = params.get("imageTag")
    stored = rules.put(call.tx, call.services, repository, prepared, tag)
    if not stored.changed:
        raise ImageAlreadyExists(prepared.digest, tag, repository.name, repository.account)
    return {"image": _image(repository, stored.image, tag, body)}


def _image(repository: Repository, image: Image, tag: str | None, body: bytes) -> dict[str, Any]:
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageId": {"imageDigest": image.digest, "imageTag": tag},
        "imageManifest": body.decode(),
        "imageManifestMediaType": image.media_type,
    }


# ImageFailureCode of the service model, and ECR's sentence with it.
_NOT_FOUND = ("ImageNotFound", "Requested image not found")
_MISSING = ("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
_BAD_DIGEST = ("InvalidImageDigest", f"Invalid request parameters: image digest should satisfy the regex '{DIGEST}'")
_ARCHIVED = ("ImageInaccessible", "Requested image is archived")
_DISAGREE = ("ImageTagDoesNotMatchDigest", "Requested image tag does not match the requested image digest")


def _failure(asked: inputs.ImageIdentifier, failure: tuple[str, str]) -> dict[str, Any]:
    return {"imageId": dict(asked), "failureCode": failure[0], "failureReason": failure[1]}


def _find(call: Call, repository: Repository, asked: ImageId) -> Image | tuple[str, str]:
    """The image, or why the id names none that may be had."""
    if asked.digest is None and asked.tag is None:
        return _MISSING
    if asked.digest is not None and not is_well_formed(asked.digest):
        return _BAD_DIGEST
    image = store.find(call.tx, repository.id, asked)
    if image is None and asked.digest is not None and asked.tag is not None:
        by_tag = store.by_tag(call.tx, repository.id, asked.tag)
        return _NOT_FOUND if by_tag is None else _DISAGREE
    return image or _NOT_FOUND


def _find_to_pull(call: Call, repository: Repository, asked: ImageId) -> Image | tuple[str, str]:
    found = _find(call, repository, asked)
    return _ARCHIVED if isinstance(found, Image) and found.archived else found


def batch_get_image(call: Call, params: inputs.BatchGetImageRequest) -> dict[str, Any]:
    """Manifests, exactly as they were pushed. This is a pull: it is recorded."""
    repository = call.repository
    images: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    pulled: list[Image] = []
    for asked in params["imageIds"]:
        found = _find_to_pull(call, repository, image_id(asked))
        if isinstance(found, Image):
            body = store.body(call.tx, found.digest)
            images.append(_image(repository, found, asked.get("imageTag"), body))
            pulled.append(found)
        else:
            failures.append(_failure(asked, found))
    pulls.record(call.services, pulled)
    return {"images": images, "failures": failures}


def batch_delete_image(call: Call, params: inputs.BatchDeleteImageRequest) -> dict[str, Any]:
    """Delete by tag (with its last tag an image goes) or by digest (with all tags).

    One request may name indexes and what they list, in whatever order.
    """
    repository = call.repository
    repositories.lock(call.tx, repository.id)
    deleted: list[dict[str, str]] = []
    failures: list[dict[str, Any]] = []
    waiting = params["imageIds"]
    while True:
        held: list[dict[str, Any]] = []
        for asked in waiting:
            found = _find(call, repository, image_id(asked))
            if not isinstance(found, Image):
                failures.append(_failure(asked, found))
                continue
            try:
                deleted += _delete(call, repository, found, asked.get("imageTag"))
            except ImageStillReferenced as error:
                held.append(_failure(asked, ("ImageReferencedByManifestList", str(error))))
        if len(held) in {0, len(waiting)}:
            return {"imageIds": deleted, "failures": failures + held}
        # Something went: what is still listed may be free now.
        waiting = [failure["imageId"] for failure in held]


def _delete(call: Call, repository: Repository, image: Image, tag: str | None) -> list[dict[str, str]]:
    if tag is not None:
        rules.untag(call.tx, call.services, repository, image, tag, call.caller.arn)
        return [{"imageDigest": image.digest, "imageTag": tag}]
    tags = rules.delete(call.tx, call.services, repository, image, call.caller.arn)
    return [{"imageDigest": image.digest, "imageTag": name} for name in tags] or [{"imageDigest": image.digest}]


def _tag_status(params: Params) -> Any:
    return params.get("filter", {}).get("tagStatus", "ANY")


def _status(params: Params) -> Any:
    """Archived images are listed where they are asked for only."""
    return params.get("filter", {}).get("imageStatus", "ACTIVE")


def list_images(call: Call, params: inputs.ListImagesRequest) -> dict[str, Any]:
    """Image ids in the order of pushes: one for each tag, and one for each image without any."""
    repository = call.repository
    after, size = paging.position(call, params, (0, "")), paging.size(params)
    page = store.tag_page(call.tx, repository.id, after, size + 1, _tag_status(params), _status(params))
    ids = [{"imageDigest": digest, "imageTag": tag} for _, digest, tag in page[:size]]
    last = page[size - 1] if len(page) > size else None
    return {
        "imageIds": [{key: value for key, value in found.items() if value} for found in ids],
        "nextToken": paging.token(call, params, (last[0], last[2] or "")) if last is not None else None,
    }


def describe_images(call: Call, params: inputs.DescribeImagesRequest) -> dict[str, Any]:
    """Images with status and summary of their scans: the named ones, of which none may be missing, or a page."""
    paging.refuse_with_ids(params, "imageIds")
    repository = call.repository
    manner, more = descriptions.manner(call.tx, repository.account, repository.region), None
    if "imageIds" in params:
        asked = [image_id(each) for each in params["imageIds"]]
        digests = [_digest(call, repository, each) for each in asked]
        found = descriptions.named(call.tx, repository.id, digests, manner.scan_type)
        for each, digest in zip(asked, digests, strict=True):
            if digest not in found:
                raise ImageNotFound(each.digest, each.tag, repository.name, repository.account)
        page = [found[digest] for digest in dict.fromkeys(digests) if digest is not None]
    else:
        after, size = paging.position(call, params, 0), paging.size(params)
        tags, status = _tag_status(params), _status(params)
        page = descriptions.page(call.tx, repository.id, after, size + 1, manner.scan_type, tags, status)
        if len(page) > size:
            more = paging.token(call, params, page[size - 1][0])
            page = page[:size]
    return {"imageDetails": _details(call, repository, manner, page), "nextToken": more}


def _digest(call: Call, repository: Repository, asked: ImageId) -> str | None:
    """Of the image that a tag names; otherwise the one that is given, whose image may be missing; None: none is."""
    if asked.tag is None:
        return asked.digest
    image = store.find(call.tx, repository.id, asked)
    return None if image is None else image.digest


def _details(call: Call, repository: Repository, manner: Manner, page: Sequence[Line]) -> msgspec.Raw:
    tags = store.tags_of(call.tx, [image_id for image_id, _ in page])
    under = reading.suppressing(call.tx, call.services, repository, page) if manner.overlaid else {}
    return shapes.image_details(repository, manner.scan_type, page, tags, under)


def update_image_storage_class(call: Call, params: inputs.UpdateImageStorageClassRequest) -> dict[str, Any]:
    """Put an image into the archive, or take it out again, which takes no time here."""
    repository, asked = call.repository, one_image_id(params)
    target: rules.StorageClass = "ARCHIVE" if params["targetStorageClass"] == "ARCHIVE" else "STANDARD"
    image = rules.set_storage_class(call.tx, call.services, repository, asked, target)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageId": {"imageDigest": image.digest, "imageTag": asked.tag},
        "imageStatus": "ARCHIVED" if image.archived else "ACTIVE",
    }


_REFERRERS = 20
"""Of a page that does not say how many (API reference, ListImageReferrers)."""


def list_image_referrers(call: Call, params: inputs.ListImageReferrersRequest) -> dict[str, Any]:
    """What refers to a digest, oldest first; nothing, where nobody knows that digest."""
    repository = call.repository
    after, size = paging.position(call, params, 0), params.get("maxResults", _REFERRERS)
    wanted = params.get("filter", {})
    status: Any = wanted.get("artifactStatus", "ACTIVE")
    subject = params["subjectId"]["imageDigest"]
    types = wanted.get("artifactTypes", ())
    page, more = referrers.some(call.tx, repository, subject, after, size, artifact_types=types, status=status)
    listed = [
        {
            "digest": each.image.digest,
            "mediaType": each.image.media_type,
            "artifactType": each.image.artifact_media_type or None,
            "size": each.size,
            "annotations": each.annotations or None,
            "artifactStatus": "ARCHIVED" if each.image.archived else "ACTIVE",
        }
        for each in page
    ]
    token = paging.token(call, params, page[-1].image.id) if more else None
    return {"referrers": listed, "nextToken": token}
