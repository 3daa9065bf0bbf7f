"""What one layer holds: the result of reading its tar once."""

from __future__ import annotations

import msgspec

from hullwise.domain.packages import Distribution, FoundPackage, OwnedFile

TREE_VERSION = 3
"""Raise it when `LayerTree` or the walk that fills it changes."""


class FileReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one reader found in one file of a layer. Empty readings are kept: they hide what lower layers had there."""

    path: str
    ecosystem: str
    packages: tuple[FoundPackage, ...] = ()
    distribution: Distribution | None = None
    problem: str = ""
    """Why the file could not be read; empty where it could."""
    owned: tuple[OwnedFile, ...] = ()
    """Files that packages of the distribution installed: of all that the file names, those that some reader wants."""
    digests: tuple[str, ...] = ()
    """Of the file itself, as in `OwnedFile.digest`; empty where it names no package or is no installed file."""


class LayerTree(msgspec.Struct, frozen=True, omit_defaults=True):
    """The shape of a layer, independent of any reader."""

    diff_id: str
    """sha256 of the uncompressed tar, as `sha256:<hex>`."""

    tar_size: int
    """Bytes of the uncompressed tar."""

    entries: int
    paths: bytes
    """Every path that is no directory, and with a slash at its end each directory that has a member of its own:
    normalised, sorted, joined by newlines, zstd-compressed."""

    whiteouts: tuple[str, ...] = ()
    """Paths that this layer removes from the layers below it."""

    opaque: tuple[str, ...] = ()
    """Directories whose content in lower layers is hidden; the empty text is the root."""

    links: dict[str, str] = {}
    """Symbolic links, path to target as written."""

    hardlinks: dict[str, str] = {}
    """Hard links to a path that some reader claims or that claims by its own name, to programs that were read, and to
    what is in no layer but a lower one: path to target path, normalised."""


class LayerInventory(msgspec.Struct, frozen=True, omit_defaults=True):
    """A layer's tree, and what each reader that was asked for found."""

    tree: LayerTree
    readings: tuple[FileReading, ...] = ()
