"""Uploads in ECR's own way: the same uploads as the registry API's, with ECR's rules about their parts.

begin ──▶ add (from the byte where the last part ended) … ──▶ complete: parts of 5 MiB at least, but for the last
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hullwise.domain import digests
from hullwise.domain.errors import (
    BlobUploadUnknown,
    DigestMismatch,
    EmptyUpload,
    InvalidLayer,
    InvalidLayerPart,
    InvalidParameter,
    LayerAlreadyExists,
    LayerPartTooSmall,
    RangeNotContiguous,
    TooManyParts,
    UploadNotFound,
)
from hullwise.domain.limits import PART_FLOOR, PARTS
from hullwise.registry import uploads
from hullwise.services import Services
from hullwise.store import layers
from hullwise.store.repositories import Repository
from hullwise.store.uploads import Upload


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `first` to `last`, both included."""

    first: int
    last: int


def begin(services: Services, repository: Repository, principal: str) -> str:
    """A new upload's id, as ECR writes them."""
    return str(UUID(hex=uploads.begin(services, repository, principal)))


def _find(services: Services, repository: Repository, principal: str, upload_id: str) -> Upload:
    with services.database.read() as tx:
        try:
            return uploads.find(tx, repository, principal, UUID(upload_id).hex)
        except BlobUploadUnknown:
            raise UploadNotFound(upload_id, repository.name, repository.account) from None


def add(services: Services, repository: Repository, principal: str, upload_id: str, part: Part, data: bytes) -> None:
    """The upload has the part, once, however often it is sent: SDKs send one again whose answer was lost.

    Raises UploadNotFound, TooManyParts, and InvalidLayerPart, which says where to go on, for a part that does not begin
    where the last one ended or is not as long as it says."""
    upload = _find(services, repository, principal, upload_id)
    if _has(upload, part, data):
        return
    if len(upload.segments) >= PARTS:
        raise TooManyParts(PARTS)
    if part.last - part.first + 1 != len(data) or not data:
        raise InvalidLayerPart(upload_id, repository.name, repository.account, upload.received)
    segment = uploads.received(services, [data])
    try:
        uploads.append(services, repository, principal, upload.id, segment, part.first)
    except RangeNotContiguous:
        upload = _find(services, repository, principal, upload_id)
        if not _has(upload, part, data):  # else the same part came beside this one
            raise InvalidLayerPart(upload_id, repository.name, repository.account, upload.received) from None


def _has(upload: Upload, part: Part, data: bytes) -> bool:
    """Whether these bytes are one of the upload's parts, at this place. One whose digest was not taken as it came, by
    the registry API, is none."""
    first = 0
    for known in upload.segments:
        if first == part.first:
            size = part.last - part.first + 1
            return size == len(data) == known.segment.size and digests.of(data) == known.sha256
        first += known.segment.size
    return False


def complete(services: Services, repository: Repository, principal: str, upload_id: str, digest: str) -> str:
    """The layer's digest. Raises UploadNotFound, EmptyUpload, LayerPartTooSmall, InvalidLayer where the bytes have
    another digest, and LayerAlreadyExists, after which the upload is gone."""
    upload = _find(services, repository, principal, upload_id)
    if not digests.is_digest(digest):
        raise InvalidParameter("layerDigests", "must hold a digest")
    if not upload.segments:
        raise EmptyUpload(upload_id, repository.name, repository.account)
    if any(part.segment.size < PART_FLOOR for part in upload.segments[:-1]):
        raise LayerPartTooSmall
    with services.database.read() as tx:
        known = layers.find(tx, repository.id, digest)
    try:
        blob = uploads.complete(services, repository, principal, upload.id, digest)
    except DigestMismatch as error:
        raise InvalidLayer(str(error)) from error
    except BlobUploadUnknown:
        raise UploadNotFound(upload_id, repository.name, repository.account) from None
    if known is not None:
        raise LayerAlreadyExists(digest, repository.name, repository.account)
    return blob.digest
