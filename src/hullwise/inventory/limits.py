"""How much one layer may ask of us, and the layers of one image together."""

from __future__ import annotations

import msgspec

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

READERS = 4
"""Layers that are read at once, at most: what each reader answers is held by who asked it."""


class LayerLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Caps on reading one layer. Passing one ends the reading with `LayerTooLarge`, unless its field says otherwise."""

    tar_bytes: int = 24 * GIB
    """Bytes that the layer may unpack to."""

    ratio: int = 200
    """Bytes that may come out for each byte that went in. Packages and binaries stay below 20; zeros reach 1,000."""

    ratio_from: int = 256 * MIB
    """Bytes that come out before `ratio` is judged: an empty disk image or a log of one line is no attack."""

    entries: int = 2_000_000
    """Headers in the tar, those that only extend the next one included."""

    name_bytes: int = 4096
    """Bytes of one path or link target; Linux itself takes no longer path."""

    names_bytes: int = 256 * MIB
    """Characters of all paths and link targets together: they are the part of a layer that is held."""

    extension_bytes: int = 1 * MIB
    """Bytes of one extended header (PAX, GNU long name); Go's archive/tar, and so each runtime, takes no more."""

    replaced_directories: int = 100
    """Directories with content that a later entry of the same layer replaces by a file; no builder writes even one."""

    held_bytes: int = 512 * MIB
    """Bytes of one claimed file. A larger one is not read and its reading says so, as with `Ecosystem.file_limit`."""

    packages: int = 200_000
    """Packages in all readings of the layer together."""

    answer_bytes: int = 64 * MIB
    """Bytes of the encoded inventory that a child process may answer with."""

    inventory_bytes: int = 400 * MIB
    """Bytes of memory that the inventory may take once it is decoded, as `ImageLimits.held_bytes`."""

    cpu_seconds: int = 900
    """Seconds of CPU that a child process may use."""

    wall_seconds: float = 3600.0
    """Seconds that a child process may take, slow delivery of the layer included."""

    memory_bytes: int = 1 * GIB
    """Bytes of address space of a child process."""


class ImageLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Caps on what the layers of one image hold together. Passing one ends the merging with `ImageTooLarge`."""

    entries: int = 4_000_000
    """Headers in the tars of all layers. The largest images that people build have a million files."""

    held_bytes: int = 400 * MIB
    """Bytes of memory that their inventories may take while they are merged, as `room.py` weighs them. A hundred
    thousand packages of npm in a million files take 300 MiB, and so do 128 layers that each write a dpkg database of
    3,000 packages anew."""
