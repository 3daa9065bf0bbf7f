"""The storage tree of Distribution's registry (`registry/storage/paths.go` there), as its file system driver writes it.

docker/registry/v2/
├── repositories/<name>/
│   ├── _manifests/tags/<tag>/current/link              digest that the tag names
│   ├── _manifests/revisions/<algorithm>/<hex>/link     a manifest of the repository
│   └── _layers/<algorithm>/<hex>/link                  a blob of the repository
└── blobs/<algorithm>/<first two>/<hex>/data            the bytes of either
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hullwise.domain import digests, limits
from hullwise.imports.errors import PartMissing, PartRefused, SourceError, UnusableSource
from hullwise.imports.folder import Folder
from hullwise.imports.source import ManifestBytes

_ROOT = "docker/registry/v2"
_LONGEST_LINK = 256


class DistributionTree:
    """All repositories, or those named. Raises UnusableSource where the folder has no such tree."""

    def __init__(self, path: Path, repositories: Sequence[str] = ()) -> None:
        self._folder = Folder(path)
        self._named = tuple(dict.fromkeys(repositories))
        try:
            self._folder.folders(f"{_ROOT}/repositories")
        except SourceError as error:
            raise UnusableSource(f"{path}: no storage of a Distribution registry: {error}") from error

    def repositories(self) -> Iterator[str]:
        """In the order of their names' parts. A folder is one where it has manifests; it may have others below it."""
        if self._named:
            yield from self._named
            return
        waiting = [""]
        while waiting:
            name = waiting.pop()
            below = self._folder.folders(_repository(name))
            if name and "_manifests" in below:
                yield name
            found = [f"{name}/{part}".removeprefix("/") for part in below if not part.startswith("_")]
            waiting += [deeper for deeper in reversed(found) if len(deeper) <= limits.REPOSITORY_NAME]

    def tags(self, repository: str) -> Iterator[str]:
        if not self._folder.is_folder(f"{_repository(repository)}/_manifests"):
            raise PartMissing(f"the repository {repository}")
        yield from self._below(f"{_repository(repository)}/_manifests/tags")

    def resolve(self, repository: str, tag: str) -> str:
        return self._link(f"{_repository(repository)}/_manifests/tags/{tag}/current/link")

    def untagged(self, repository: str) -> Iterator[str]:
        """All revisions; of one that was deleted there is no link any more."""
        revisions = f"{_repository(repository)}/_manifests/revisions"
        for algorithm in self._below(revisions):
            for number in self._below(f"{revisions}/{algorithm}"):
                if self._folder.is_file(f"{revisions}/{algorithm}/{number}/link"):
                    yield f"{algorithm}:{number}"

    def manifest(self, repository: str, digest: str) -> ManifestBytes:
        self._check_link(repository, "_manifests/revisions", digest)
        return ManifestBytes(self._folder.read(_place(digest), limits.MANIFEST_BYTES + 1), None)

    def blob(self, repository: str, digest: str, size: int) -> Iterator[bytes]:
        self._check_link(repository, "_layers", digest)
        return self._folder.stream(_place(digest), size + 1)

    def referrers(self, repository: str, digest: str) -> Iterator[str]:
        """None: each is a revision like others."""
        return iter(())

    def _below(self, path: str) -> list[str]:
        try:
            return self._folder.folders(path)
        except PartMissing:
            return []

    def _check_link(self, repository: str, kind: str, digest: str) -> None:
        """The repository has it: bytes are shared by all repositories, and others' are not to be had through it."""
        path = f"{_repository(repository)}/{kind}/{digest.replace(':', '/')}/link"
        if self._link(path) != digest:
            raise PartRefused(f"{path} names something else")

    def _link(self, path: str) -> str:
        text = self._folder.read(path, _LONGEST_LINK).decode("ascii", "replace").strip()
        if not digests.is_digest(text):
            raise PartRefused(f"{path} holds no digest")
        return text


def _repository(name: str) -> str:
    return f"{_ROOT}/repositories/{name}".rstrip("/")


def _place(digest: str) -> str:
    algorithm, _, number = digest.partition(":")
    return f"{_ROOT}/blobs/{algorithm}/{number[:2]}/{number}/data"
