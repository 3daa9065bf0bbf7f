"""Images on disk: an OCI layout, a `docker save` tar, an unpacked root file system.

Whatever the form, an image is a config (none for a root file system) and layers, lowest first, each of which can be
read any number of times.
"""

from __future__ import annotations

import hashlib
import os
import platform as machine
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from hullwise.domain import configs, digests, limits, manifests
from hullwise.domain.configs import ImageConfig
from hullwise.domain.errors import HullwiseError, InvalidParameter
from hullwise.domain.manifests import Kind, Manifest

_CHUNK = 1 << 20
_OF_LAYOUT = frozenset({"index.json", "oci-layout"})
_DEPTH = 4
"""Indexes within indexes that are followed."""


class NoImage(Exception):
    """There is no image of a known form at the path. The message says what is wrong."""


class SourceLayer(msgspec.Struct, frozen=True):
    digest: str
    """Of the layer as it is stored; empty for a root file system."""
    read: Callable[[], Iterator[bytes]]
    """The stored bytes, from the start, each time it is called."""
    path: Path | None = None
    """The plain file that holds them, where there is one."""

    def __iter__(self) -> Iterator[bytes]:
        return self.read()


class SourceImage(msgspec.Struct, frozen=True):
    digest: str
    """Of the manifest; empty where there is none."""
    config: ImageConfig | None
    layers: tuple[SourceLayer, ...]
    unreadable: Sequence[tuple[str, str]] = ()
    """Path and reason of what was not read; known once the layers have been read."""


def open_image(path: Path, platform: str | None = None) -> SourceImage:
    """The image at the path. Of several, `platform` (`linux/arm64`) says which; without it this machine's.

    Raises NoImage, and UnreadableConfig.
    """
    try:
        if path.name in _OF_LAYOUT and (path.parent / "index.json").is_file():
            raise NoImage("one file of an OCI layout; the image is the folder that it is in")
        if path.is_file():
            return _tar_image(path, platform)
        if (path / "index.json").is_file():
            return _layout_image(_Folder(path), platform)
        if path.is_dir():
            from hullwise.inventory.root_file_system import RootFileSystem

            tree = RootFileSystem(path)
            return SourceImage("", None, (SourceLayer("", tree.stream),), tree.unreadable)
    except InvalidParameter as error:
        raise NoImage(f"{path}: {error.constraint}") from error
    # A tar may be anything, and `tarfile` tells of it in many ways, ValueError among them.
    except (NoImage, HullwiseError, OSError, ValueError, OverflowError, RecursionError) as error:
        raise NoImage(f"{path}: {error}") from error
    raise NoImage(f"{path}: neither a file nor a folder")


class _Folder:
    """The files of a layout in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, name: str) -> Path:
        """Raises NoImage where there is no such file; opening a pipe would wait for ever."""
        path = self._root / name
        if not path.is_file():
            raise NoImage(f"{name} is missing")
        return path

    def stream(self, name: str) -> Iterator[bytes]:
        with self.path(name).open("rb") as file:
            while piece := file.read(_CHUNK):
                yield piece


_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")
"""How gzip, zstd, bzip2 and xz begin."""


class _Archive:
    """The files of a layout in an uncompressed tar, found once and read where they lie."""

    def __init__(self, path: Path) -> None:
        # Imported here, as the reader of root file systems is: most images are folders, which need no part of it.
        import tarfile

        self._path = path
        try:
            with tarfile.open(path, "r:") as archive:
                members = [member for member in archive if member.isreg() or member.islnk() or member.issym()]
        except tarfile.ReadError as error:
            with path.open("rb") as file:
                compressed = file.read(6).startswith(_COMPRESSED)
            raise NoImage("compressed; unpack it first" if compressed else "not a whole tar") from error
        except tarfile.TarError as error:
            raise NoImage(str(error)) from error
        self._places = {_plain(m.name): (m.offset_data, m.size) for m in members if m.isreg()}
        for member in members:
            target = _plain(member.linkname if member.islnk() else f"{member.name}/../{member.linkname}")
            if not member.isreg() and target in self._places:
                # `docker save` links a layer that an image has twice.
                self._places[_plain(member.name)] = self._places[target]

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def path(self, name: str) -> None:
        """None: it has no file of its own. Raises NoImage where it is missing."""
        if name not in self._places:
            raise NoImage(f"{name} is missing")

    def stream(self, name: str) -> Iterator[bytes]:
        self.path(name)
        offset, left = self._places[name]
        with self._path.open("rb") as file:
            file.seek(offset)
            while left and (piece := file.read(min(_CHUNK, left))):
                left -= len(piece)
                yield piece


_Files = _Folder | _Archive


def _plain(name: str) -> str:
    return os.path.normpath(name).lstrip("/")


def _bytes(files: _Files, name: str, limit: int) -> bytes:
    found = bytearray()
    for piece in files.stream(name):
        found += piece
        if len(found) > limit:
            raise NoImage(f"{name} is over {limit} bytes")
    return bytes(found)


def _blob_name(digest: str) -> str:
    return f"blobs/{digests.check(digest).replace(':', '/')}"


def _verified(files: _Files, digest: str, limit: int) -> bytes:
    body = _bytes(files, _blob_name(digest), limit)
    digests.verify(digest, digests.of(body, digests.algorithm(digest)))
    return body


def _layout_image(files: _Files, platform: str | None) -> SourceImage:
    """OCI image layout (image spec, image-layout.md)."""
    index = manifests.parse(_bytes(files, "index.json", limits.MANIFEST_BYTES), manifests.OCI_INDEX)
    digest, manifest = _choose(files, index, platform, _DEPTH)
    if not manifest.scannable or manifest.config is None:
        raise NoImage(f"an artifact of type '{manifest.artifact_type}' is no container image")
    config = _config(_verified(files, manifest.config.digest, configs.CONFIG_LIMIT), platform)
    return SourceImage(digest, config, tuple(_layer(files, layer.digest) for layer in manifest.layers))


def _config(body: bytes, platform: str | None) -> ImageConfig:
    """Raises NoImage where it is of an image for another platform; a config does not tell variants apart."""
    config = configs.parse(body)
    stated = f"{config.os}/{config.architecture}"
    if platform is not None and not _fits(platform, stated):
        raise NoImage(f"there is no image for {platform}; there is one for {stated}")
    return config


def _layer(files: _Files, digest: str) -> SourceLayer:
    name = _blob_name(digest)
    return SourceLayer(digest, lambda: files.stream(name), files.path(name))


def _choose(files: _Files, index: Manifest, platform: str | None, depth: int) -> tuple[str, Manifest]:
    """The one image of an index, or the one for the platform."""
    # buildx lists attestations beside images, for a platform that there is not.
    children = {child.digest: child for child in index.children if child.platform != "unknown/unknown"}
    if not children or depth == 0:
        raise NoImage("the index names no image")
    offered = list(children.values())
    child = offered[chosen([each.platform for each in offered], platform)]
    found = manifests.parse(_verified(files, child.digest, limits.MANIFEST_BYTES), child.media_type)
    return _choose(files, found, platform, depth - 1) if found.kind is Kind.INDEX else (child.digest, found)


def chosen(platforms: Sequence[str], platform: str | None) -> int:
    """Which of the images for these platforms, by its place: the one for `platform`, without it this machine's, or the
    only one. Raises NoImage where there is none."""
    if len(platforms) == 1 and (platform is None or not platforms[0]):
        return 0
    if not any(platforms):
        raise NoImage(f"holds {len(platforms)} images, not one")
    wanted = platform or f"linux/{_ARCHITECTURES.get(machine.machine(), machine.machine())}"
    for place, each in enumerate(platforms):
        if _fits(each, wanted):
            return place
    offered = ", ".join(sorted({each for each in platforms if each}))
    raise NoImage(f"there is no image for {wanted}; --platform takes one of: {offered}")


def _fits(platform: str, wanted: str) -> bool:
    """`linux/arm/v7` is what `linux/arm` asks for; `linux/arm64` is not."""
    return platform == wanted or platform.startswith(f"{wanted}/")


# What Go, and so the image spec, calls the architectures of `uname -m`.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


class _Saved(msgspec.Struct):
    """One entry of manifest.json in a `docker save` tar."""

    Config: str
    Layers: list[str]


def _tar_image(path: Path, platform: str | None) -> SourceImage:
    files = _Archive(path)
    if "manifest.json" in files:
        saved = msgspec.json.decode(_bytes(files, "manifest.json", limits.MANIFEST_BYTES), type=list[_Saved])
        if len(saved) != 1:
            raise NoImage(f"holds {len(saved)} images, not one")
        config = _config(_bytes(files, _plain(saved[0].Config), configs.CONFIG_LIMIT), platform)
        return SourceImage("", config, tuple(_saved_layer(files, _plain(name)) for name in saved[0].Layers))
    if "index.json" in files:
        return _layout_image(files, platform)
    raise NoImage("neither a `docker save` tar nor a tar of an OCI layout")


def _saved_layer(files: _Archive, name: str) -> SourceLayer:
    """A layer of `docker save`: a blob of a layout, or in the older form under a name that may say anything."""
    digest = name.removeprefix("blobs/").replace("/", ":")
    if digests.is_digest(digest):
        return _layer(files, digest)
    found = hashlib.sha256()
    for piece in files.stream(name):
        found.update(piece)
    return SourceLayer(f"sha256:{found.hexdigest()}", lambda: files.stream(name))
