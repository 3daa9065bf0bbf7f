"""An OCI image layout: a folder or a tar of one (image spec, image-layout.md).

index.json                  what there is; an annotation of an entry is its tag
oci-layout                  that it is a layout
blobs/<algorithm>/<hex>     manifests, configs, layers
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from hullwise.domain import limits, names
from hullwise.imports.errors import PartMissing, PartRefused, UnusableSource
from hullwise.imports.folder import Folder
from hullwise.imports.source import ManifestBytes
from hullwise.imports.tar import Tar

REF_NAME = "org.opencontainers.image.ref.name"

_INDEX_LIMIT = 32 << 20
"""Bytes of index.json: some 100,000 tags."""


class _Entry(msgspec.Struct, gc=False):
    digest: str
    annotations: dict[str, str] | None = None


class _Index(msgspec.Struct):
    manifests: list[_Entry]


class Layout:
    """What a layout holds, all under the name of one repository.

    Raises UnusableSource where there is no layout at the path, or its index cannot be read. Referrers are entries of
    the index like others.
    """

    def __init__(self, path: Path, repository: str) -> None:
        self._repository = repository
        self._files: Folder | Tar = Folder(path) if path.is_dir() else Tar(path)
        index = _index(self._files, path)
        self._tags: dict[str, set[str]] = {}
        self._untagged: dict[str, None] = {}
        for entry in index.manifests:
            tag = _tag((entry.annotations or {}).get(REF_NAME, ""))
            if tag:
                self._tags.setdefault(tag, set()).add(entry.digest)
            else:
                self._untagged[entry.digest] = None

    def repositories(self) -> Iterator[str]:
        yield self._repository

    def tags(self, repository: str) -> Iterator[str]:
        yield from self._tags

    def resolve(self, repository: str, tag: str) -> str:
        """Also raises PartRefused where entries of one tag name different manifests."""
        found = self._tags[tag]
        if len(found) > 1:
            raise PartRefused(f"the layout has {len(found)} manifests of that tag")
        return next(iter(found))

    def untagged(self, repository: str) -> Iterator[str]:
        yield from self._untagged

    def manifest(self, repository: str, digest: str) -> ManifestBytes:
        return ManifestBytes(self._files.read(_place(digest), limits.MANIFEST_BYTES + 1), None)

    def blob(self, repository: str, digest: str, size: int) -> Iterator[bytes]:
        return self._files.stream(_place(digest), size + 1)

    def referrers(self, repository: str, digest: str) -> Iterator[str]:
        return iter(())


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/', 1)}"


def _index(files: Folder | Tar, path: Path) -> _Index:
    try:
        body = files.read("index.json", _INDEX_LIMIT + 1)
    except PartMissing as error:
        raise UnusableSource(f"{path}: no OCI image layout: it has no index.json") from error
    except PartRefused as error:
        raise UnusableSource(f"{path}: {error}") from error
    if len(body) > _INDEX_LIMIT:
        raise UnusableSource(f"{path}: its index.json has more than {_INDEX_LIMIT:,} bytes")
    try:
        return msgspec.json.decode(body, type=_Index)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UnusableSource(f"{path}: its index.json is no index: {str(error)[:200]}") from error


def _tag(name: str) -> str:
    """The tag of an annotation: that itself, or the end of a whole reference (`docker.io/library/alpine:3`), which is
    what podman and others write. Empty for none, and for a reference without one."""
    if not name or names.is_tag(name):
        return name
    last = name.rpartition("/")[2]
    if "@" in last:
        return ""
    before, colon, tag = last.partition(":")
    # What is neither is kept as it is, and told of as a tag that is none.
    return tag if colon and before else name
