"""Documents about an image, kept beside it as OCI artifacts that refer to it (image spec 1.1, "Guidelines for Artifact
Usage": the config is the empty JSON object)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hullwise.domain import digests
from hullwise.domain.manifests import OCI_EMPTY, OCI_MANIFEST
from hullwise.registry import images, uploads
from hullwise.registry.images import Stored
from hullwise.services import Services
from hullwise.store import images as image_store
from hullwise.store import layers
from hullwise.store.images import Image
from hullwise.store.repositories import Repository

_EMPTY = b"{}"


def attach(
    services: Services,
    repository: Repository,
    subject: Image,
    artifact_type: str,
    body: bytes,
    annotations: Mapping[str, str],
) -> Stored:
    """Keep the document as a referrer of the image; the same one a second time changes nothing.

    Raises what `images.put` does, LimitReached for one referrer too many among it.
    """
    for blob in (_EMPTY, body):
        _store(services, repository, blob)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": _descriptor(OCI_EMPTY, _EMPTY),
        "layers": [_descriptor(artifact_type, body)],
        "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": _size(services, subject)},
        "annotations": dict(annotations),
    }
    prepared = images.prepare(msgspec.json.encode(manifest), OCI_MANIFEST)
    return services.database.run(lambda tx: images.put(tx, services, repository, prepared, None))


def _descriptor(media_type: str, blob: bytes) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": digests.of(blob), "size": len(blob)}


def _size(services: Services, subject: Image) -> int:
    with services.database.read() as tx:
        return len(image_store.body(tx, subject.digest))


def _store(services: Services, repository: Repository, blob: bytes) -> None:
    digest = digests.of(blob)
    with services.database.read() as tx:
        if digest in layers.sizes(tx, repository.id, [digest]):
            return
    uploads.receive(services, repository, digest, [blob])
