"""Zip archives in memory: which members one has, and the bytes of one, under limits (PKWARE APPNOTE.TXT 6.3.10).

    [anything: a script that starts the jar]
    PK34  member      flags @6, method @8, length of name @26 and of extra @28; name, extra, data
    ...
    PK12  entry       of each member, see _ENTRY; name, extra, comment
    ...
    PK66  end, zip64  size of all entries @40, offset of the first @48
    PK67  locator     20 bytes
    PK56  end         size of all entries @12, offset of the first @16, length of comment @20; comment

All is little endian. An archive is found from its end and its offsets count from the first member, so what stands in
front moves them all. Where a number is all ones, the extra field 0001 of the entry or the end of zip64 has it.

The list is read here, as `zipfile` makes an object of every entry before anybody can count them (80 ms for a jar of
8,600 members, and 6 here), and reads a jar that is stored in another only after it has been copied.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from hullwise.ecosystems.ecosystem import Unreadable

MIB = 1 << 20

MOST_WANTED = 20_000
"""Members that are looked at in an archive and all those inside it."""

LIST_BYTES = 64 * MIB
"""Bytes of all lists of members. A member has 46 and its name, so that there are a million at most."""

UNPACKED_BYTES = 512 * MIB
"""Bytes that members may unpack to, in an archive and all those inside it."""

UNPACKED_RATIO = 100
"""How many times its own size an archive may unpack to, beyond `UNPACKED_FREE`. What is unpacked are archives and
small texts, of which the former hardly shrink again."""

UNPACKED_FREE = 8 * MIB

TEXT_BYTES = 16 * MIB
"""Bytes of all texts: manifests of 5 KB, of more than a thousand jars, and SBOMs."""

_END = struct.Struct("<4s8xII2x")
_END_64 = struct.Struct("<4s36xQQ")
_ENTRY = struct.Struct("<4s4xHH4xIIIHHH8xI")
"""Flags, method, checksum, packed size, size; lengths of name, extra and comment; offset."""
_ENTRY_LENGTHS = struct.Struct("<4s24xHHH12x")
_MEMBER = struct.Struct("<4s22xHH")
_EXTRA = struct.Struct("<HH")

_LONGEST_COMMENT = 0xFFFF
_LOCATOR_SIZE = 20
_FALSE_ENDS = 16
"""Ends tried: a comment, or a stored archive in it, may look like another one."""

_TAIL = 3

_ONES_32 = 0xFFFFFFFF
_ZIP64 = 1

_ENCRYPTED = 1
_STORED = 0
_DEFLATED = 8


class Member(NamedTuple):
    """A member as its archive's list has it. Nothing of it is checked yet."""

    name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    offset: int
    """Where it begins in the archive."""

    @property
    def stored(self) -> bool:
        """Whether its bytes are not packed."""
        return self.method == _STORED


class Exhausted(Unreadable):
    """Reading on would cost too much; nothing more of the file is to be read."""


class Work:
    """What reading an archive of `size` bytes, and all those inside it, may still cost.

    Not seconds: what is found in a file must not depend on how busy a machine is. Every method raises `Exhausted`."""

    def __init__(self, size: int) -> None:
        self._lists = LIST_BYTES
        self._wanted = MOST_WANTED
        self._texts = TEXT_BYTES
        self._unpacked = min(UNPACKED_BYTES, UNPACKED_FREE + UNPACKED_RATIO * size)

    def list(self, size: int) -> None:
        """Count bytes of a list of members."""
        self._lists -= size
        if self._lists < 0:
            raise Exhausted(f"more than {LIST_BYTES:,} bytes of lists of members in all")

    def wanted(self) -> None:
        """Count a member that is looked at."""
        self._wanted -= 1
        if self._wanted < 0:
            raise Exhausted(f"more than {MOST_WANTED:,} archives and descriptions in all")

    def bytes(self, size: int) -> None:
        """Count bytes that are unpacked or copied."""
        self._unpacked -= size
        if self._unpacked < 0:
            raise Exhausted("unpacks to too many bytes in all")

    def text(self, size: int) -> None:
        """Count bytes of a text."""
        self._texts -= size
        if self._texts < 0:
            raise Exhausted(f"more than {TEXT_BYTES:,} bytes of manifests and SBOMs in all")


class Archive:
    """One zip archive. Its bytes are only ever looked at, so an archive stored in another takes no memory."""

    def __init__(self, data: memoryview, work: Work) -> None:
        """Raises `Unreadable` where `data` has no end of a zip archive, or one that points nowhere."""
        self._data = data
        self._work = work
        self._entries, self._entries_end, self._start = _found(data, work)

    def members(self, endings: tuple[bytes, ...]) -> Iterator[Member]:
        """The members whose names end in one of `endings`, each of three bytes or more, in the order of the list.

        Raises `Unreadable` where the list is damaged."""
        size = self._entries_end - self._entries
        self._work.list(size)
        entries = bytes(self._data[self._entries : self._entries_end])
        lengths = _ENTRY_LENGTHS.unpack_from
        # Nearly all members are classes: one look-up for each.
        tails = frozenset(ending[-_TAIL:] for ending in endings)
        last = size - _ENTRY.size
        at = 0
        while at < size:
            if at > last:
                raise Unreadable("the list of members is cut off")
            magic, name_size, extra_size, comment_size = lengths(entries, at)
            extra = at + _ENTRY.size + name_size
            following = extra + extra_size + comment_size
            if magic != b"PK\1\2" or following > size:
                raise Unreadable("the list of members is damaged")
            if entries[extra - _TAIL : extra] in tails:
                name = entries[at + _ENTRY.size : extra]
                if name.endswith(endings):
                    self._work.wanted()
                    yield self._member(entries, at, name, entries[extra : extra + extra_size])
            at = following

    def content(self, member: Member, largest: int) -> memoryview:
        """All bytes of a member that is an archive.

        Raises `Unreadable` where there are more than `largest` (unless they are stored: these are only looked at), and
        where it is encrypted, packed in another way than deflate, or damaged. The checksum of what is stored is not
        looked at: an archive has others inside."""
        packed = self._packed(member)
        if member.stored:
            return _checked(packed, member.size)
        if member.size > largest:
            raise Unreadable(f"a member that unpacks to more than {largest:,} bytes")
        self._work.bytes(member.size)
        return _checked(_inflated(packed, member.size + 1), member.size, member.checksum)

    def text(self, member: Member, largest: int) -> bytes:
        """All bytes of a member that is a small text. Raises `Unreadable` as `content` does."""
        if member.size > largest:
            raise Unreadable(f"a text of more than {largest:,} bytes")
        self._work.text(member.size)
        return bytes(_checked(self._begin(member, member.size + 1), member.size, member.checksum))

    def head(self, member: Member, size: int) -> bytes:
        """The first bytes of a member, up to `size`. Raises `Unreadable` as `content` does, but checks no checksum."""
        size = min(size, member.size)
        self._work.text(size)
        return bytes(self._begin(member, size))

    def _begin(self, member: Member, size: int) -> bytes | memoryview:
        packed = self._packed(member)
        return packed[:size] if member.stored else _inflated(packed, size)

    def _member(self, entries: bytes, at: int, name: bytes, extra: bytes) -> Member:
        _, flags, method, checksum, packed, size, _, _, _, offset = _ENTRY.unpack_from(entries, at)
        if _ONES_32 in (packed, size, offset):
            wide = _zip64(extra)
            size, packed, offset = (
                next(wide, number) if number == _ONES_32 else number for number in (size, packed, offset)
            )
        return Member(name, flags, method, checksum, packed, size, self._start + offset)

    def _packed(self, member: Member) -> memoryview:
        """The bytes of a member as they are stored."""
        if member.flags & _ENCRYPTED:
            raise Unreadable("an encrypted member")
        if member.method not in (_STORED, _DEFLATED):
            raise Unreadable(f"a member packed by method {member.method}")
        if member.offset + _MEMBER.size > len(self._data):
            raise Unreadable("a member beyond the end")
        magic, name_size, extra_size = _MEMBER.unpack_from(self._data, member.offset)
        begin = member.offset + _MEMBER.size + name_size + extra_size
        if magic != b"PK\3\4" or begin + member.packed > len(self._data):
            raise Unreadable("a member is not where the list has it")
        return self._data[begin : begin + member.packed]


def _checked(content: bytes | memoryview, size: int, checksum: int | None = None) -> memoryview:
    if len(content) != size:
        raise Unreadable("a member of another size than the list has")
    if checksum is not None and zlib.crc32(content) != checksum:
        raise Unreadable("a member with a wrong checksum")
    return memoryview(content)


def _inflated(packed: memoryview, size: int) -> bytes:
    """What deflated bytes begin with, up to `size`."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size)
    except zlib.error as error:
        raise Unreadable("a member that is damaged") from error


def _zip64(extra: bytes) -> Iterator[int]:
    """The wide numbers of an entry, in the order of those that are all ones."""
    at = 0
    while at + _EXTRA.size <= len(extra):
        kind, size = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        if kind == _ZIP64:
            wide = extra[at : at + size]
            return (number for (number,) in struct.iter_unpack("<Q", wide[: len(wide) // 8 * 8]))
        at += size
    return iter(())


def _found(data: memoryview, work: Work) -> tuple[int, int, int]:
    """Where the list of entries begins and ends, and what offsets count from."""
    tail_at = max(0, len(data) - _LONGEST_COMMENT - _END.size)
    work.bytes(len(data) - tail_at)
    tail = bytes(data[tail_at:])
    at = len(tail)
    for _ in range(_FALSE_ENDS):
        at = tail.rfind(b"PK\5\6", 0, at)
        if at < 0:
            break
        if len(tail) - at >= _END.size and (place := _place(data, tail_at + at)):
            return place
    raise Unreadable("no zip archive")


def _place(data: memoryview, end: int) -> tuple[int, int, int] | None:
    """As `_found` returns it, for an end at this place; None where it is none."""
    _, size, offset = _END.unpack_from(data, end)
    entries_end = end
    if locator := _end_64(data, end):
        entries_end, size, offset = locator
    entries = entries_end - size
    start = entries - offset
    if start < 0 or (size and bytes(data[entries : entries + 4]) != b"PK\1\2"):
        return None
    return entries, entries_end, start


def _end_64(data: memoryview, end: int) -> tuple[int, int, int] | None:
    """Where the end of zip64 begins, size of the entries and offset of the first; None where there is none.

    It stands right before its locator, wherever what precedes the archive has moved it."""
    locator = end - _LOCATOR_SIZE
    at = locator - _END_64.size
    if at < 0 or bytes(data[locator : locator + 4]) != b"PK\6\7":
        return None
    magic, size, offset = _END_64.unpack_from(data, at)
    return (at, size, offset) if magic == b"PK\6\6" else None
