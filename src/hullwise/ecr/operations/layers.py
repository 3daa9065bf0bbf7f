"""Layers as ECR's own API moves them: in parts of base64, completed by digest, downloaded by a signed URL."""

from __future__ import annotations

from typing import Any

from hullwise.auth import downloads
from hullwise.domain import digests
from hullwise.domain.errors import InvalidParameter, LayerNotFound
from hullwise.ecr import inputs
from hullwise.ecr.calls import DIGEST, Call, is_well_formed
from hullwise.registry import parts, uploads
from hullwise.store import images, layers

PART_SIZE = 10 << 20
"""Bytes of a part, as we advise; up to twice that is taken (service model, LayerPartBlob)."""

# LayerFailureCode of the service model, and a sentence with it.
_MISSING = ("MissingLayerDigest", "Invalid request parameters: layer digest cannot be empty")
_INVALID = ("InvalidLayerDigest", f"Invalid request parameters: layer digest should satisfy the regex '{DIGEST}'")


def batch_check_layer_availability(call: Call, params: inputs.BatchCheckLayerAvailabilityRequest) -> dict[str, Any]:
    """Which layers the repository has. One that it does not have is UNAVAILABLE: no failure, for which pushers give
    up (containerd's ECR resolver)."""
    repository = call.repository
    asked = list(dict.fromkeys(params["layerDigests"]))
    good = [digest for digest in asked if is_well_formed(digest)]
    sizes = layers.sizes(call.tx, repository.id, good)
    uses = images.uses_of_blobs(call.tx, repository.id, sizes)
    uploads.keep(call.services, repository, sizes.keys() - uses.keys())
    found = []
    for digest in good:
        use = uses.get(digest)
        archived = use is not None and use.archived
        found.append(
            {
                "layerDigest": digest,
                "layerAvailability": "UNAVAILABLE" if digest not in sizes else "ARCHIVED" if archived else "AVAILABLE",
                "layerSize": sizes.get(digest),
                "mediaType": None if use is None else use.media_type,
            }
        )
    failures = [
        {"layerDigest": digest, "failureCode": code, "failureReason": reason}
        for digest in asked
        if digest not in good
        for code, reason in [_INVALID if digest else _MISSING]
    ]
    return {"layers": found, "failures": failures}


def initiate_layer_upload(call: Call, params: inputs.InitiateLayerUploadRequest) -> dict[str, Any]:
    """Begin an upload."""
    repository = call.repository
    upload = parts.begin(call.services, repository, call.caller.access_key_id)
    return {"uploadId": upload, "partSize": PART_SIZE}


def upload_layer_part(call: Call, params: inputs.UploadLayerPartRequest) -> dict[str, Any]:
    """Add a part; parts follow each other without a gap. `lastByteReceived` is of the request (service model), also
    where the part is there already."""
    repository = call.repository
    parts.add(
        call.services,
        repository,
        call.caller.access_key_id,
        params["uploadId"],
        parts.Part(params["partFirstByte"], params["partLastByte"]),
        params["layerPartBlob"],
    )
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "uploadId": params["uploadId"],
        "lastByteReceived": params["partLastByte"],
    }


def complete_layer_upload(call: Call, params: inputs.CompleteLayerUploadRequest) -> dict[str, Any]:
    """Prove the digest, and make the layer visible in the repository."""
    repository = call.repository
    stated = set(params["layerDigests"])
    if len(stated) != 1 or not all(digests.is_digest(each) for each in stated):
        raise InvalidParameter("LayerDigests", "must hold one digest, of sha256 or sha512 in lower case")
    digest = parts.complete(call.services, repository, call.caller.access_key_id, params["uploadId"], *stated)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "uploadId": params["uploadId"],
        "layerDigest": digest,
    }


def get_download_url_for_layer(call: Call, params: inputs.GetDownloadUrlForLayerRequest) -> dict[str, Any]:
    """Where the layer may be fetched for the next hour, by whoever has the URL. Only what an image uses may be."""
    repository, digest = call.repository, params["layerDigest"]
    blob = layers.find(call.tx, repository.id, digest) if digests.is_digest(digest) else None
    if blob is None:
        raise LayerNotFound(digest, repository.name, repository.account)
    path = downloads.path(call.tx, call.services, repository, digest)
    return {"downloadUrl": f"{call.endpoint}{path}", "layerDigest": digest}
