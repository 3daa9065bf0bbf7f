"""What an import asks of a source, whatever its kind.

Everything that a source says is a stranger's claim: digests are proven and names are checked by who imports.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class ManifestBytes(NamedTuple):
    body: bytes
    media_type: str | None
    """As declared beside the body; None where nothing is."""


class Source(Protocol):
    """Each method raises SourceError, an iterator also on its way. `digest` and `repository` are well-formed."""

    def repositories(self) -> Iterator[str]:
        """Their names, each once."""

    def tags(self, repository: str) -> Iterator[str]: ...

    def resolve(self, repository: str, tag: str) -> str:
        """The digest that the tag names."""

    def untagged(self, repository: str) -> Iterator[str]:
        """Digests of further manifests; some may have tags too."""

    def manifest(self, repository: str, digest: str) -> ManifestBytes:
        """Of at most MANIFEST_BYTES (domain/limits.py) and one more."""

    def blob(self, repository: str, digest: str, size: int) -> Iterator[bytes]:
        """The bytes, in pieces of some megabytes at most; where there are more than `size`, not necessarily all."""

    def referrers(self, repository: str, digest: str) -> Iterator[str]:
        """Digests of manifests that refer to it, beside those that the other methods name."""
