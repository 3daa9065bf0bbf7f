"""Images on disk, made of hand-made images: OCI layouts, and what `docker save` writes."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hullwise.domain import manifests
from tests.support.images import Image, sha256


def descriptor(image: Image, **members: Any) -> dict[str, Any]:
    """What an index says of the image."""
    return {"mediaType": manifests.OCI_MANIFEST, "digest": image.digest, "size": len(image.manifest), **members}


def index(*children: dict[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": manifests.OCI_INDEX, "manifests": children}).encode()


def add_blobs(folder: Path, *blobs: bytes) -> None:
    (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    for blob in blobs:
        blob_path(folder, sha256(blob)).write_bytes(blob)


def blob_path(folder: Path, digest: str) -> Path:
    """Where a layout keeps a blob."""
    return folder / "blobs" / digest.replace(":", "/")


def write_layout(folder: Path, image: Image, tag: str = "latest") -> Path:
    """An OCI layout that holds the image under the tag."""
    add_blobs(folder, *image.blobs, image.manifest)
    return write_index(folder, index(descriptor(image, annotations={"org.opencontainers.image.ref.name": tag})))


def write_index(folder: Path, body: bytes) -> Path:
    """A layout, its blobs apart."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_bytes(body)
    return folder


def write_platforms(folder: Path, images: Mapping[str, Image]) -> Path:
    """An OCI layout of one index, with an image for each platform (`linux/arm64`), as buildx writes it."""
    children = []
    for platform, image in images.items():
        add_blobs(folder, *image.blobs, image.manifest)
        names = ("os", "architecture", "variant")
        children.append(descriptor(image, platform=dict(zip(names, platform.split("/"), strict=False))))
    inner = index(*children)
    add_blobs(folder, inner)
    return write_index(folder, index({"mediaType": manifests.OCI_INDEX, "digest": sha256(inner), "size": len(inner)}))


def pack(folder: Path, path: Path) -> Path:
    """An uncompressed tar of the folder's files, as `tar -C folder -cf path .` makes it."""
    with tarfile.open(path, "w") as archive:
        archive.add(folder, ".")
    return path


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def saved_old(path: Path, image: Image, tag: str = "app:latest") -> Path:
    """What `docker save` wrote before version 25: layers as tars, a folder each, one that comes again as a link."""
    config = f"{sha256(image.config).removeprefix('sha256:')}.json"
    places: dict[str, str] = {}
    names = []
    with tarfile.open(path, "w") as archive:
        for number, layer in enumerate(image.layers):
            identity = sha256(f"{number} {layer.diff_id}".encode()).removeprefix("sha256:")
            name = f"{identity}/layer.tar"
            names.append(name)
            _add(archive, f"{identity}/VERSION", b"1.0")
            if layer.diff_id in places:
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, f"../{places[layer.diff_id]}"
                archive.addfile(link)
            else:
                _add(archive, name, gzip.decompress(layer.blob))
                places[layer.diff_id] = name
        _add(archive, config, image.config)
        entry = {"Config": config, "RepoTags": [tag], "Layers": names}
        _add(archive, "manifest.json", json.dumps([entry]).encode())
        _add(archive, "repositories", json.dumps({"app": {"latest": identity}}).encode())
    return path


def saved_new(path: Path, image: Image, tag: str = "app:latest") -> Path:
    """What `docker save` writes since version 25: an OCI layout whose layers are plain tars, and manifest.json too."""
    layers = [gzip.decompress(layer.blob) for layer in image.layers]
    described = [
        {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": sha256(layer), "size": len(layer)}
        for layer in layers
    ]
    config = {"mediaType": manifests.OCI_CONFIG, "digest": sha256(image.config), "size": len(image.config)}
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": manifests.OCI_MANIFEST, "config": config, "layers": described}
    ).encode()
    blobs = {sha256(blob): blob for blob in [*layers, image.config, manifest]}
    entry = {
        "Config": f"blobs/{sha256(image.config).replace(':', '/')}",
        "RepoTags": [tag],
        "Layers": [f"blobs/{sha256(layer).replace(':', '/')}" for layer in layers],
    }
    top = {"mediaType": manifests.OCI_MANIFEST, "digest": sha256(manifest), "size": len(manifest)}
    with tarfile.open(path, "w") as archive:
        for digest, blob in blobs.items():
            _add(archive, f"blobs/{digest.replace(':', '/')}", blob)
        _add(archive, "index.json", index(top))
        _add(archive, "manifest.json", json.dumps([entry]).encode())
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    return path
