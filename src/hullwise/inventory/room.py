"""How much memory the inventories of an image's layers may take together, counted before there is anything to take it.

What a layer holds is small as it is kept and large once decoded: 700,000 links are 1 MB in the database and 300 MB in
the process that merges them. So it is weighed as it is kept, by what takes the memory, and what merging makes of it is
counted as it is made. The weights are those of CPython on 64 bits; nothing is given back, for an image of which much
is replaced again and again takes as long as one that holds it all.
"""

from __future__ import annotations

import re
from sys import getsizeof

import msgspec

from hullwise.inventory.errors import ImageTooLarge
from hullwise.inventory.limits import ImageLimits

_NAME = 160
"""Bytes of a folder beside its text: its place in a set, and in the tree."""
_LINK = 450
"""Bytes of a link, a hard link or a whiteout beside its text: two texts, its place in the layer's table, the image's,
and the tree."""
_READING = 800
"""Bytes of a claimed file beside its text: the same, and a table of its readings."""
_PACKAGE, _OWNED = 300, 180
"""Bytes of a package and of an owned file as they are found, beside their text …"""
_SEEN_PACKAGE, _SEEN_OWNED = 600, 250
"""… and of what is made of each that is visible in the end."""

_NARROW, _WIDE = 2, 4
"""Bytes of memory for each of a text in UTF-8: one far letter makes a text wide, one beyond the first 65,536 wider."""
_FAR = re.compile(rb"[\xf0-\xf4][\x80-\xbf]{3}")
_FAR_BEGINS = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")

_NONE = msgspec.Raw(b"\x90")


class _Shape(msgspec.Struct):
    """Of a LayerTree, how much there is of what."""

    links: msgspec.Raw = _NONE
    hardlinks: msgspec.Raw = _NONE
    whiteouts: msgspec.Raw = _NONE
    opaque: msgspec.Raw = _NONE
    paths: msgspec.Raw = _NONE
    """Stays compressed, and is no text."""


_shape = msgspec.msgpack.Decoder(_Shape)


def _members(encoded: bytes) -> int:
    """Of an array or a map of MessagePack, by its first bytes; 0 for anything else."""
    kind = encoded[0] if encoded else 0
    if 0x80 <= kind <= 0x9F:
        return kind & 0x0F
    width = {0xDC: 2, 0xDE: 2, 0xDD: 4, 0xDF: 4}.get(kind, 0)
    return int.from_bytes(encoded[1 : 1 + width], "big")


def _text(encoded: bytes) -> int:
    far = any(begin in encoded for begin in _FAR_BEGINS) and _FAR.search(encoded)
    return len(encoded) * (_WIDE if far else _NARROW)


class Room:
    """What is left for the layers of one image. Each method raises ImageTooLarge where there is none left."""

    def __init__(self, limits: ImageLimits) -> None:
        self._limits = limits
        self._entries = 0
        self._bytes = 0

    @property
    def taken(self) -> int:
        """Bytes that were counted."""
        return self._bytes

    def take(self, size: int) -> None:
        """Count so many bytes."""
        self._bytes += size
        if self._bytes > self._limits.held_bytes:
            raise ImageTooLarge("held_bytes", self._limits.held_bytes)

    def entries(self, number: int) -> None:
        """Count entries of a tar that are gone through."""
        self._entries += number
        if self._entries > self._limits.entries:
            raise ImageTooLarge("entries", self._limits.entries)

    def tree(self, encoded: bytes) -> None:
        """Count a LayerTree in MessagePack, before it is decoded. Raises msgspec.DecodeError where it is none."""
        shape = _shape.decode(encoded)
        held = (shape.links, shape.hardlinks, shape.whiteouts, shape.opaque)
        self.take(_LINK * sum(_members(bytes(each)) for each in held))
        paths = bytes(shape.paths)
        self.take(len(paths) + _text(encoded.replace(paths, b"", 1)))

    def readings(self, encoded: bytes) -> None:
        """Count a sequence of FileReading in MessagePack, before it is decoded."""
        self.take(_text(encoded) + _READING * _members(encoded))

    def found(self, packages: int, owned: int) -> None:
        """Count what readings that were decoded name."""
        self.take(_PACKAGE * packages + _OWNED * owned)

    def seen(self, packages: int, owned: int) -> None:
        """Count what is made of what the image's visible files name, before it is made."""
        self.take(_SEEN_PACKAGE * packages + _SEEN_OWNED * owned)

    def name(self, name: str) -> None:
        """Count a path that merging makes."""
        self.take(getsizeof(name))

    def folder(self, name: str) -> None:
        """Count a folder's name that merging makes, and its place."""
        self.take(getsizeof(name) + _NAME)
