"""A header of rpm: what its database keeps of one package (rpm's file format, "Header Structure"; tags: rpmtag.h).

All numbers are big-endian. In a database a header has neither the magic nor the padding that it has in a .rpm file.

    4   count of entries
    4   bytes of data
    16  each entry: tag, type, offset in the data, count of values
    …   data: texts end with a NUL, lists of texts follow one another, numbers are 4 bytes
"""

from __future__ import annotations

import re
import struct

from hullwise.ecosystems.ecosystem import Unreadable

NAME = 1000
VERSION = 1001
RELEASE = 1002
EPOCH = 1003
VENDOR = 1011
ARCHITECTURE = 1022
OLD_FILENAMES = 1027
FILE_DIGESTS = 1035
SOURCE_RPM = 1044
DIRECTORY_INDEXES = 1116
BASENAMES = 1117
DIRECTORY_NAMES = 1118
FILE_DIGEST_ALGORITHM = 5011
MODULARITY_LABEL = 5096

_WANTED = frozenset(
    {
        NAME, VERSION, RELEASE, EPOCH, VENDOR, ARCHITECTURE, OLD_FILENAMES, FILE_DIGESTS, SOURCE_RPM,
        DIRECTORY_INDEXES, BASENAMES, DIRECTORY_NAMES, FILE_DIGEST_ALGORITHM, MODULARITY_LABEL,
    }
)  # fmt: skip

_INT32 = 4
_STRING = 6
_STRINGS = 8
_INTRODUCTION = struct.Struct(">II")
_ENTRY = 16

_MOST_ENTRIES = 0xFFFF
"""As rpm has it (HEADER_TAGS_MAX)."""

_LONGEST_TEXT = 1024
"""Bytes of a single text that are looked at: more than any name or version may have."""

_LONGEST_LIST = 16 << 20
"""Bytes of a list of texts that are looked at: the digests of a quarter million files."""

_NO_HEX = re.compile(rb"[^0-9a-f\0]")


class Header:
    """One header. Tags that are missing, of another type or outside the data have no values."""

    def __init__(self, blob: bytes) -> None:
        """Raises `Unreadable` where the sizes are not those of `blob`."""
        if len(blob) < _INTRODUCTION.size:
            raise Unreadable("a header is cut off")
        entries, size = _INTRODUCTION.unpack_from(blob)
        start = _INTRODUCTION.size + entries * _ENTRY
        if entries > _MOST_ENTRIES or start + size != len(blob):
            raise Unreadable("a header's sizes are not its own")
        said = struct.unpack_from(f">{4 * entries}I", blob, _INTRODUCTION.size)
        # The last of a tag counts: what rpm adds to a package's own header stands behind it.
        places = dict(zip(said[::4], range(0, len(said), 4), strict=True))
        self._entries: dict[int, tuple[int, int, int]] = {
            tag: (said[place + 1], start + said[place + 2], said[place + 3])
            for tag in _WANTED
            if (place := places.get(tag)) is not None
        }
        """Type, place in the blob and count of values, by tag."""
        self._blob = blob

    def text(self, tag: int) -> bytes:
        """The text of a tag; empty where there is none."""
        kind, start, _ = self._entries.get(tag, (0, 0, 0))
        return self._blob[start : start + _LONGEST_TEXT].partition(b"\0")[0] if kind == _STRING else b""

    def count(self, tag: int) -> int:
        """How many values a tag says that it has."""
        _, _, count = self._entries.get(tag, (0, 0, 0))
        return count

    def texts(self, tag: int, most: int) -> list[str]:
        """The list of texts of a tag; empty for more than `most`. Bytes that are no UTF-8 are replaced by U+FFFD."""
        return self._list(tag, most).decode("utf-8", "replace").split("\0")[:-1]

    def hexadecimals(self, tag: int, most: int) -> list[str]:
        """The list of texts of a tag; empty where one is not of lower-case hex digits, and for more than `most`."""
        raw = self._list(tag, most)
        return [] if _NO_HEX.search(raw) else raw.decode("ascii").split("\0")[:-1]

    def numbers(self, tag: int, most: int) -> tuple[int, ...]:
        """The numbers of a tag; empty for more than `most`."""
        kind, start, count = self._entries.get(tag, (0, 0, 0))
        if kind != _INT32 or count > most or start + 4 * count > len(self._blob):
            return ()
        return struct.unpack_from(f">{count}I", self._blob, start)

    def _list(self, tag: int, most: int) -> bytes:
        """The bytes of a list of texts, each of which ends with a NUL."""
        kind, start, count = self._entries.get(tag, (0, 0, 0))
        if kind != _STRINGS or not 0 < count <= most:
            return b""
        raw = self._blob[start : start + _LONGEST_LIST]
        rest = raw.split(b"\0", count)[-1]
        return raw[: len(raw) - len(rest)]
