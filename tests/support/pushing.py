"""Pushing over the registry API, part by part."""

from __future__ import annotations

import json
from collections.abc import Sequence

import httpx

from hullwise.domain.manifests import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from tests.support.images import Image, sha256


def push_blob(http: httpx.Client, repository: str, data: bytes) -> str:
    """In one request; returns its digest."""
    answer = http.post(f"/v2/{repository}/blobs/uploads/?digest={sha256(data)}", content=data)
    assert answer.status_code == 201, answer.text
    return sha256(data)


def put_manifest(
    http: httpx.Client, repository: str, reference: str, body: bytes, media_type: str = OCI_MANIFEST
) -> httpx.Response:
    headers = {"content-type": media_type}
    return http.put(f"/v2/{repository}/manifests/{reference}", content=body, headers=headers)


def push(http: httpx.Client, repository: str, image: Image, *references: str) -> str:
    """Blobs, then the manifest under each reference, or under its digest alone; returns the digest."""
    for blob in image.blobs:
        push_blob(http, repository, blob)
    for reference in references or (image.digest,):
        answer = put_manifest(http, repository, reference, image.manifest)
        assert answer.status_code == 201, answer.text
    return image.digest


def descriptor(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


def manifest(config: bytes, layers: Sequence[bytes], *, config_type: str = OCI_CONFIG, **members: object) -> bytes:
    """An OCI manifest of any config and layers, with further members."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(config, config_type),
            "layers": [descriptor(data, "application/vnd.oci.image.layer.v1.tar") for data in layers],
            **members,
        }
    ).encode()


def index(*children: bytes, media_type: str = OCI_INDEX) -> bytes:
    """An index or manifest list of these manifests."""
    listed = [descriptor(child, json.loads(child)["mediaType"]) for child in children]
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": listed}).encode()
