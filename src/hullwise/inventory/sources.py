"""Images on disk: an OCI layout, a `docker save` tar, an unpacked root file system.

Whatever the form, an image is a config (none for a root file system) and layers, lowest first, each of which can be
read any number of times.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform as machine
import stat
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from hullwise.domain import configs, digests, manifests
from hullwise.domain.configs import ImageConfig
from hullwise.domain.errors import HullwiseError
from hullwise.domain.manifests import MANIFEST_LIMIT, Kind, Manifest
from hullwise.ecosystems import ECOSYSTEMS

_CHUNK = 1 << 20
_DEPTH = 4
"""Indexes within indexes that are followed."""


class NoImage(Exception):
    """There is no image of a known form at the path. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class SourceLayer:
    digest: str
    """Of the layer as it is stored; empty for a root file system."""
    read: Callable[[], Iterator[bytes]]
    """The stored bytes, from the start, each time it is called."""
    path: Path | None = None
    """The plain file that holds them, where there is one."""

    def __iter__(self) -> Iterator[bytes]:
        return self.read()


@dataclass(frozen=True, slots=True)
class SourceImage:
    digest: str
    """Of the manifest; empty where there is none."""
    config: ImageConfig | None
    layers: tuple[SourceLayer, ...]


def open_image(path: Path, platform: str | None = None) -> SourceImage:
    """The image at the path. Of several, `platform` (`linux/arm64`) says which; without it this machine's.

    Raises NoImage, and UnreadableConfig.
    """
    try:
        if path.is_file():
            return _tar_image(path, platform)
        if (path / "index.json").is_file():
            return _layout_image(_Folder(path), platform)
        if path.is_dir():
            return SourceImage("", None, (SourceLayer("", lambda: _claimed_files(path)),))
    except (OSError, tarfile.TarError, EOFError, HullwiseError, msgspec.DecodeError, RecursionError) as error:
        raise NoImage(f"{path}: {error}") from error
    raise NoImage(f"{path}: no such file or folder")


class _Folder:
    """The files of a layout in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, name: str) -> Path | None:
        return self._root / name

    def stream(self, name: str) -> Iterator[bytes]:
        with (self._root / name).open("rb") as file:
            while piece := file.read(_CHUNK):
                yield piece


class _Archive:
    """The files of a layout in an uncompressed tar, found once and read where they lie."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with tarfile.open(path, "r:") as archive:
            members = [member for member in archive if member.isreg() or member.islnk() or member.issym()]
        self._places = {_plain(m.name): (m.offset_data, m.size) for m in members if m.isreg()}
        for member in members:
            target = _plain(member.linkname if member.islnk() else f"{member.name}/../{member.linkname}")
            if not member.isreg() and target in self._places:
                # `docker save` links a layer that an image has twice.
                self._places[_plain(member.name)] = self._places[target]

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def path(self, name: str) -> Path | None:
        return None

    def stream(self, name: str) -> Iterator[bytes]:
        if name not in self._places:
            raise NoImage(f"{self._path}: {name} is missing")
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
    index = manifests.parse(_bytes(files, "index.json", MANIFEST_LIMIT), manifests.OCI_INDEX)
    digest, manifest = _choose(files, index, platform, _DEPTH)
    if not manifest.scannable or manifest.config is None:
        raise NoImage(f"an artifact with media type '{manifest.artifact_type}' is no container image")
    config = configs.parse(_verified(files, manifest.config.digest, configs.CONFIG_LIMIT))
    return SourceImage(digest, config, tuple(_layer(files, layer.digest) for layer in manifest.layers))


def _layer(files: _Files, digest: str) -> SourceLayer:
    name = _blob_name(digest)
    return SourceLayer(digest, lambda: files.stream(name), files.path(name))


def _choose(files: _Files, index: Manifest, platform: str | None, depth: int) -> tuple[str, Manifest]:
    """The one image of an index, or the one for the platform."""
    if not index.children or depth == 0:
        raise NoImage("the index names no image")
    wanted = platform or f"linux/{_ARCHITECTURES.get(machine.machine(), machine.machine())}"
    fitting = [child for child in index.children if child.platform.startswith(wanted)]
    chosen = index.children[0] if len(index.children) == 1 and platform is None else next(iter(fitting), None)
    if chosen is None:
        offered = ", ".join(sorted({child.platform or "unnamed" for child in index.children}))
        raise NoImage(f"there is no image for {wanted}; there are: {offered}")
    found = manifests.parse(_verified(files, chosen.digest, MANIFEST_LIMIT), chosen.media_type)
    return _choose(files, found, platform, depth - 1) if found.kind is Kind.INDEX else (chosen.digest, found)


# What Go, and so the image spec, calls the architectures of `uname -m`.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


class _Saved(msgspec.Struct):
    """One entry of manifest.json in a `docker save` tar."""

    Config: str
    Layers: list[str]


def _tar_image(path: Path, platform: str | None) -> SourceImage:
    files = _Archive(path)
    if "manifest.json" in files:
        saved = msgspec.json.decode(_bytes(files, "manifest.json", MANIFEST_LIMIT), type=list[_Saved])
        if len(saved) != 1:
            raise NoImage(f"{path}: holds {len(saved)} images, not one")
        config = configs.parse(_bytes(files, _plain(saved[0].Config), configs.CONFIG_LIMIT))
        return SourceImage("", config, tuple(_saved_layer(files, _plain(name)) for name in saved[0].Layers))
    if "index.json" in files:
        return _layout_image(files, platform)
    raise NoImage(f"{path}: neither a `docker save` tar nor a tar of an OCI layout")


def _saved_layer(files: _Archive, name: str) -> SourceLayer:
    """A layer of `docker save`: its name may say anything, so its digest is taken from its bytes."""
    found = hashlib.sha256()
    for piece in files.stream(name):
        found.update(piece)
    return SourceLayer(f"sha256:{found.hexdigest()}", lambda: files.stream(name))


def _claimed_files(root: Path) -> Iterator[bytes]:
    """A tar of the links and of those files that some reader claims: all that matters of a root file system."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in _entries(root):
            info = tarfile.TarInfo(path)
            if stat.S_ISLNK(entry.lstat().st_mode):
                info.type, info.linkname = tarfile.SYMTYPE, str(entry.readlink())
                archive.addfile(info)
            elif any(ecosystem.claims(path) for ecosystem in ECOSYSTEMS):
                info.size = entry.stat().st_size
                with entry.open("rb") as file:
                    archive.addfile(info, file)
            yield _drained(buffer)
    yield _drained(buffer)


def _drained(buffer: io.BytesIO) -> bytes:
    data = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return data


def _entries(root: Path) -> Iterator[tuple[str, Path]]:
    """(path relative to the root, path) of all links and regular files. Links are never followed, so none leads out."""

    def ignore(_: Any) -> None:
        """A folder that may not be read is passed by, as its files would be."""

    for folder, names, files in os.walk(root, onerror=ignore):
        names.sort()
        here: Sequence[str] = sorted([*files, *(n for n in names if Path(folder, n).is_symlink())])
        for name in here:
            entry = Path(folder, name)
            mode = entry.lstat().st_mode
            if stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and os.access(entry, os.R_OK)):
                yield entry.relative_to(root).as_posix(), entry
