"""NDB, rpm's own database (`Packages.db` of SUSE; rpm, lib/backend/ndb/rpmpkg.c): the headers that it keeps.

All numbers are little-endian, offsets and sizes of headers are in blocks of 16 bytes.

    file    32 bytes: "RpmP", version (0), generation, pages of slots, next number, unused
            slots, the pages of 4096 bytes full (the first less those 32 bytes): "Slot", number of the package,
                offset, size; an offset of 0: unused
            headers, each at its slot's offset
    header  "BlbS", number of the package, time, length, the header itself, padding
            at the end of the last block: Adler-32, length, "BlbE"
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hullwise.ecosystems.ecosystem import Unreadable

MAGIC = b"RpmP"

_BLOCK = 16
_PAGE = 4096
_FILE = struct.Struct("<4sIIII12x")
_SLOT = struct.Struct("<4sIII")
_HEAD = struct.Struct("<4sIII")
_TAIL = struct.Struct("<4xI4s")


def headers(data: bytes) -> Iterator[bytes]:
    """The header of each slot. Raises `Unreadable` for a file that rpm would refuse."""
    if len(data) < _PAGE:
        raise Unreadable("shorter than its page of slots")
    _, version, _, pages, _ = _FILE.unpack_from(data)
    if version != 0:
        raise Unreadable(f"version {version} of NDB")
    if not _PAGE <= pages * _PAGE <= len(data):
        raise Unreadable(f"{pages} pages of slots, which it has not")
    for magic, number, offset, size in _SLOT.iter_unpack(memoryview(data)[_FILE.size : pages * _PAGE]):
        if magic != b"Slot":
            raise Unreadable("a slot without its mark")
        if offset:
            if offset * _BLOCK < pages * _PAGE or (offset + size) * _BLOCK > len(data):
                raise Unreadable("a slot leads out of the file")
            yield _header(data, number, offset * _BLOCK, size * _BLOCK)


def _header(data: bytes, number: int, start: int, size: int) -> bytes:
    if size < _HEAD.size + _TAIL.size:
        raise Unreadable("a header is shorter than its frame")
    magic, own_number, _, length = _HEAD.unpack_from(data, start)
    end_length, end_magic = _TAIL.unpack_from(data, start + size - _TAIL.size)
    framed = (magic, own_number, end_length, end_magic) == (b"BlbS", number, length, b"BlbE")
    if not framed or not 0 <= size - _HEAD.size - length - _TAIL.size < _BLOCK:
        raise Unreadable("a header is not where its slot says")
    return data[start + _HEAD.size : start + _HEAD.size + length]
