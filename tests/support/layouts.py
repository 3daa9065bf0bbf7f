"""OCI image layouts on disk, made of hand-made images."""

from __future__ import annotations

import json
from pathlib import Path

from hullwise.domain import manifests
from tests.support.images import Image, sha256


def write_layout(folder: Path, image: Image, tag: str = "latest") -> Path:
    """An OCI layout that holds the image under the tag."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for blob in [*image.blobs, image.manifest]:
        (blobs / sha256(blob).removeprefix("sha256:")).write_bytes(blob)
    descriptor = {
        "mediaType": manifests.OCI_MANIFEST,
        "digest": image.digest,
        "size": len(image.manifest),
        "annotations": {"org.opencontainers.image.ref.name": tag},
    }
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "mediaType": manifests.OCI_INDEX, "manifests": [descriptor]})
    )
    return folder
