"""Image parts made by hand: layers, configs, manifests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hullwise.domain import manifests

DEBIAN_12 = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(files: Mapping[str, bytes]) -> bytes:
    """A tar of regular files, in the order given."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def metadata(name: str, version: str) -> tuple[str, bytes]:
    """Path and content of what pip leaves behind for a package."""
    path = f"usr/lib/python3/dist-packages/{name}-{version}.dist-info/METADATA"
    return path, f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nText\n".encode()


def python_packages(**versions: str) -> dict[str, bytes]:
    return dict(metadata(name, version) for name, version in versions.items())


@dataclass(frozen=True)
class Layer:
    blob: bytes
    """As pushed."""
    diff_id: str

    @property
    def digest(self) -> str:
        return sha256(self.blob)


def layer(files: Mapping[str, bytes]) -> Layer:
    unpacked = tar(files)
    return Layer(gzip.compress(unpacked, mtime=0), sha256(unpacked))


@dataclass(frozen=True)
class Image:
    layers: tuple[Layer, ...]
    config: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        return sha256(self.manifest)

    @property
    def blobs(self) -> list[bytes]:
        return [self.config, *(layer.blob for layer in self.layers)]


def image(layers: Sequence[Layer], *, diff_ids: Sequence[str] | None = None, author: str = "") -> Image:
    """An OCI image. `diff_ids`: what the config claims in place of the truth; `author` sets configs apart."""
    named = [layer.diff_id for layer in layers] if diff_ids is None else list(diff_ids)
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": named}}
        | ({"author": author} if author else {})
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": manifests.OCI_MANIFEST,
        "config": {"mediaType": manifests.OCI_CONFIG, "digest": sha256(config), "size": len(config)},
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": layer.digest,
                "size": len(layer.blob),
            }
            for layer in layers
        ],
    }
    return Image(tuple(layers), config, json.dumps(manifest).encode())
