"""Sources to import from: one in memory, and the storage tree that Distribution's registry writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hullwise.imports.errors import PartMissing
from hullwise.imports.source import ManifestBytes
from tests.support.images import sha256


@dataclass
class MemorySource:
    """`content` by digest, manifests and blobs alike. What is read is noted in `read`."""

    content: dict[str, bytes] = field(default_factory=dict)
    named: dict[str, dict[str, str]] = field(default_factory=dict)
    """Digest by tag by repository."""
    loose: dict[str, list[str]] = field(default_factory=dict)
    refers: dict[str, list[str]] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    def add(self, *content: bytes) -> None:
        self.content |= {sha256(data): data for data in content}

    def repositories(self) -> Iterator[str]:
        yield from dict.fromkeys([*self.named, *self.loose])

    def tags(self, repository: str) -> Iterator[str]:
        yield from self.named.get(repository, {})

    def resolve(self, repository: str, tag: str) -> str:
        return self.named[repository][tag]

    def untagged(self, repository: str) -> Iterator[str]:
        yield from self.loose.get(repository, [])

    def manifest(self, repository: str, digest: str) -> ManifestBytes:
        return ManifestBytes(self._content(digest), None)

    def blob(self, repository: str, digest: str, size: int) -> Iterator[bytes]:
        yield self._content(digest)

    def referrers(self, repository: str, digest: str) -> Iterator[str]:
        yield from self.refers.get(digest, [])

    def _content(self, digest: str) -> bytes:
        if digest not in self.content:
            raise PartMissing(digest)
        self.read.append(digest)
        return self.content[digest]


def write_tree(
    folder: Path, repository: str, tags: Mapping[str, bytes], *, manifests: Sequence[bytes] = (), blobs: Sequence[bytes]
) -> Path:
    """Distribution's storage of one repository (its registry/storage/paths.go), as its file system driver lays it out.

    `tags`: manifest by tag; `manifests`: those without a tag.
    """
    root = folder / "docker/registry/v2"
    here = root / "repositories" / repository
    for data in blobs:
        _link(here / "_layers", data)
    for body in (*tags.values(), *manifests):
        _link(here / "_manifests/revisions", body)
    for tag, body in tags.items():
        current = here / "_manifests/tags" / tag / "current"
        current.mkdir(parents=True, exist_ok=True)
        (current / "link").write_text(sha256(body))
        _link(here / "_manifests/tags" / tag / "index", body)
    for data in (*blobs, *tags.values(), *manifests):
        path = tree_blob(folder, sha256(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def tree_blob(folder: Path, digest: str) -> Path:
    """Where such a tree keeps bytes."""
    number = digest.removeprefix("sha256:")
    return folder / "docker/registry/v2/blobs/sha256" / number[:2] / number / "data"


def _link(folder: Path, data: bytes) -> None:
    place = folder / sha256(data).replace(":", "/")
    place.mkdir(parents=True, exist_ok=True)
    (place / "link").write_text(sha256(data))
