"""Hash databases of Berkeley DB (`Packages` of rpm before 4.16; db_page.h of Berkeley DB 4 and 5): their values.

Numbers have the byte order of the machine that wrote the file. A page's number times the page size is its offset.

    first page   12  magic 061561           72  last bucket
                 16  version, 8 to 10       96  32 spare counts: bucket b is page b + spare[bits of b]
                 20  page size
                 24  encryption, 1 byte     26  flags, 1 byte
    other pages   8  own number             20  items, or references to an overflow page, 2 bytes
                 12  page before            22  length on an overflow page, 2 bytes
                 16  page behind            25  type, 1 byte: 2 and 13 hash, 7 overflow, 0 never written
                 26  hash: offset of each item, 2 bytes; overflow: data
    item          0  type, 1 byte: 1 in place, 3 on overflow pages
                  1  in place: the data     4  overflow: first page, length

Items are stored from the end of the page down, key and value in turn, so that each ends where the one before begins.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hullwise.ecosystems.ecosystem import Unreadable

_MAGIC = 0x061561
ORDERS = {_MAGIC.to_bytes(4, "little"): "<", _MAGIC.to_bytes(4, "big"): ">"}
"""What stands at byte 12, with the order of bytes that it tells."""

_VERSIONS = range(8, 11)
_SMALLEST_PAGE = 512
_LARGEST_PAGE = 65536
_META = 96 + 32 * 4
_CHECKSUMS = 1
_HEAD = 26
_HASH = (2, 13)
_OVERFLOW = 7
_UNWRITTEN = 0
_IN_PLACE = 1
_OFF_PAGE = 3

# Under this key rpm keeps the last number that it gave.
_COUNTER = bytes(4)


class _Pages:
    """The pages of a file, each of which may be asked for once: so no loop ends nowhere and no page counts twice."""

    def __init__(self, data: bytes) -> None:
        self.order = ORDERS[data[12:16]]
        if len(data) < _META:
            raise Unreadable("shorter than its first page")
        version, self.size, encryption, flags = struct.unpack_from(f"{self.order}IIBxB", data, 16)
        if version not in _VERSIONS:
            raise Unreadable(f"version {version} of hash databases")
        if encryption or flags & _CHECKSUMS:
            raise Unreadable("encrypted or with checksums, which rpm does not write")
        if not _SMALLEST_PAGE <= self.size <= _LARGEST_PAGE or self.size & (self.size - 1):
            raise Unreadable(f"pages of {self.size} bytes")
        self._data = data
        self._asked = bytearray(len(data) // self.size)
        self._numbers = struct.Struct(f"{self.order}IIIHHxB")

    def page(self, number: int) -> tuple[bytes, int, int, int, int]:
        """Bytes of a page, its next one, how many items, their length, and its type."""
        if not 0 < number < len(self._asked):
            raise Unreadable(f"page {number} is not in the file")
        if self._asked[number]:
            raise Unreadable(f"page {number} is used twice")
        self._asked[number] = 1
        page = self._data[number * self.size : (number + 1) * self.size]
        own_number, _, behind, items, length, kind = self._numbers.unpack_from(page, 8)
        if own_number != number and kind != _UNWRITTEN:
            raise Unreadable(f"page {number} says that it is page {own_number}")
        return page, behind, items, length, kind


def values(data: bytes) -> Iterator[bytes]:
    """The value of each item but the counter. Raises `Unreadable` for whatever Berkeley DB would not have written.

    `data` has one of `ORDERS` at byte 12."""
    pages = _Pages(data)
    (last,) = struct.unpack_from(f"{pages.order}I", data, 72)
    spares = struct.unpack_from(f"{pages.order}32I", data, 96)
    for bucket in range(last + 1):
        bits = bucket.bit_length()
        behind = bucket + spares[bits] if bits < len(spares) else 0
        while True:
            page, behind, items, _, kind = pages.page(behind)
            if kind in _HASH:
                yield from _values(pages, page, items)
            elif kind != _UNWRITTEN:
                raise Unreadable(f"a bucket's page of type {kind}")
            if not behind:
                break


def _values(pages: _Pages, page: bytes, items: int) -> Iterator[bytes]:
    """The values of one page."""
    if _HEAD + 2 * items > len(page) or items % 2:
        raise Unreadable(f"a page of {items} items")
    starts = (len(page), *struct.unpack_from(f"{pages.order}{items}H", page, _HEAD))
    for end, key, value in zip(starts[::2], starts[1::2], starts[2::2], strict=False):
        if not _HEAD + 2 * items <= value < key < end <= len(page):
            raise Unreadable("an item outside its page")
        if page[key + 1 : end] == _COUNTER:
            continue
        if page[value] == _IN_PLACE:
            yield page[value + 1 : key]
        elif page[value] == _OFF_PAGE and key - value == 12:
            yield _overflow(pages, *struct.unpack_from(f"{pages.order}II", page, value + 4))
        else:
            raise Unreadable(f"an item of type {page[value]}")


def _overflow(pages: _Pages, number: int, length: int) -> bytes:
    """The value of `length` bytes that begins on an overflow page."""
    parts = []
    while length > 0:
        page, behind, _, part, kind = pages.page(number)
        if kind != _OVERFLOW or not 0 < part <= min(length, len(page) - _HEAD):
            raise Unreadable("an overflow page of another type or length")
        parts.append(page[_HEAD : _HEAD + part])
        length -= part
        number = behind
    return b"".join(parts)
