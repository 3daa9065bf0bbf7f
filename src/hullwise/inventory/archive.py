"""The members of a tar that comes as a stream of chunks: names, kinds and links of all, data of those wanted.

Where tar programs differ, Go's archive/tar is followed: the runtimes that unpack images are written with it, so what
a container sees is what is listed here. It reads v7, ustar, star, GNU and PAX headers, and so does this.

A header is a block of 512 bytes (POSIX pax, "ustar Interchange Format"; GNU tar, "Basic Tar Format"):

      0 name 100      116 gid       8     156 type    1     265 user and group    64
    100 mode   8      124 size     12     157 link  100     329 device numbers    16
    108 uid    8      136 mtime    12     257 magic   8     345 prefix           155
                      148 checksum  8                       508 star's trailer     4
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from io import BytesIO
from zlib import adler32

import msgspec

from hullwise.inventory.errors import DamagedLayer, LayerTooLarge, TruncatedLayer
from hullwise.inventory.limits import MIB, LayerLimits

BLOCK = 512


class Kind(Enum):
    FILE = "file"
    HARD_LINK = "hard link"
    SYMBOLIC_LINK = "symbolic link"
    DIRECTORY = "directory"
    OTHER = "other"
    """Devices, FIFOs, and types that runtimes refuse."""


class Member(msgspec.Struct, frozen=True, gc=False):
    """One entry of the tar."""

    path: str
    """Relative to the root and never outside it: no leading slash, no empty, `.` or `..` parts; empty is the root.
    A line feed and what is not UTF-8 stand as `\\xNN`, so that every path is one line of storable text."""

    kind: Kind
    size: int
    """Bytes of data that follow in the tar; where `sparse`, not the size of the file."""

    target: str = ""
    """Of a symbolic link as written; of a hard link as `path` is."""

    sparse: bool = False
    """Whether the data is not the file's own but what is left of it without its holes, and perhaps their map."""


_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,  # contiguous
    b"S": Kind.FILE,  # GNU sparse
    b"1": Kind.HARD_LINK,
    b"2": Kind.SYMBOLIC_LINK,
    b"5": Kind.DIRECTORY,
}
_WITHOUT_DATA = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
"""Links, devices, directories and FIFOs: no data follows, whatever their size says."""

_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_TARGET, _GNU_SPARSE = b"x", b"g", b"L", b"K", b"S"
_EXTENSIONS = frozenset({_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_TARGET})

_ZEROS = bytes(BLOCK)
_USTAR_MAGIC = b"ustar\0"
_GNU_MAGIC = b"ustar  \0"
_STAR_TRAILER = b"tar\0"
_STAR_PREFIX_BYTES = 131
_GNU_EXTENDED_AT = 482
_GNU_MAP_EXTENDED_AT = 504
"""Where a GNU sparse header, and a block that continues its map, say whether another such block follows."""

_LARGEST = (1 << 63) - 1
_FIRST_ROOM = 64 * MIB
"""For a large file; what its header says is worth no more until that much has come."""
_ADLER_BASE = 65521


class _Extension(msgspec.Struct):
    """What headers of extension said about the next member."""

    name: bytes = b""
    target: bytes = b""
    records: dict[bytes, bytes] = {}


def normalised(path: str) -> str:
    """`path` from the root, as a runtime resolves it: `..` goes up, and stops at the root."""
    path = path.removeprefix("./").rstrip("/")
    if not ("//" in path or "/." in path or path.startswith(("/", "."))):
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _text(name: bytes) -> str:
    text = name.decode("utf-8", "backslashreplace")
    return text.replace("\n", "\\x0a") if "\n" in text else text


def _until_nul(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """A number of a header: octal digits amid spaces and NULs or, where its top bit is set, base 256.

    Raises ValueError for anything else; `int` alone would take signs, underscores and `0o`."""
    digits = field.strip(b" \0")
    if digits.isdigit():
        return int(digits, 8)
    if field[0] & 0x80:
        number = int.from_bytes(field, "big") & ~(0x80 << 8 * (len(field) - 1))
        if field[0] & 0x40 or number > _LARGEST:
            raise ValueError("below zero or beyond 63 bits")
        return number
    digits = _until_nul(digits)
    if digits and not digits.isdigit():
        raise ValueError("no octal number")
    return int(digits or b"0", 8)


def _size(field: bytes) -> int:
    try:
        return _number(field)
    except ValueError as error:
        raise DamagedLayer("a tar header whose size is no number") from error


def _sums_up(header: bytes, checksum: bytes) -> bool:
    """Whether the header's checksum is the sum of its bytes, its own field taken as spaces."""
    try:
        expected = _number(checksum)
    except ValueError:
        return False
    # Half of an Adler-32 is one more than the sum of all bytes, modulo 65521, and comes ten times sooner than `sum`.
    # The sum is at most twice that, so what goes unnoticed is an error of exactly 65521.
    plain = expected - 8 * ord(" ") + sum(checksum)
    if (plain + 1) % _ADLER_BASE == adler32(header) & 0xFFFF:
        return True
    # Old tars of Sun summed the bytes as signed ones.
    return plain == sum(header) - 256 * sum(byte > 0x7F for byte in header[:148] + header[156:])


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    """The records of a PAX header, `LENGTH KEY=VALUE\\n` each (POSIX pax, "pax Extended Header"). The last one counts;
    one without a value leaves what the plain header says."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        digits, _, _ = data[at : at + 20].partition(b" ")
        end = at + int(digits) if digits.isdigit() else 0
        key, equals, value = data[at + len(digits) + 1 : end].partition(b"=")
        if not (key and equals and end <= len(data) and value.endswith(b"\n")):
            raise DamagedLayer("a PAX header with a record that is none")
        records[key] = value[:-1]
        at = end
    for key in (b"path", b"linkpath", b"GNU.sparse.name"):
        if b"\0" in records.get(key, b""):
            raise DamagedLayer("a PAX header whose path has a NUL in it")
    return records


def _pax_size(record: bytes) -> int:
    if not record.isdigit() or len(record) > 19 or int(record) > _LARGEST:
        raise DamagedLayer("a PAX header whose size is no number")
    return int(record)


def _is_sparse(records: dict[bytes, bytes]) -> bool:
    """Whether records make a sparse file of their member (GNU tar manual, "Storing Sparse Files", 0.0 to 1.0)."""
    version = records.get(b"GNU.sparse.major", b""), records.get(b"GNU.sparse.minor", b"")
    mapped = records.get(b"GNU.sparse.map") or records.get(b"GNU.sparse.offset")
    return version in {(b"0", b"0"), (b"0", b"1"), (b"1", b"0")} or (version == (b"", b"") and bool(mapped))


def _make_room(buffer: BytesIO, size: int) -> None:
    """Have it hold `size` bytes without growing again: by itself it grows by eighths, and moves what it has."""
    at = buffer.tell()
    buffer.seek(size - 1)
    buffer.write(b"\0")
    buffer.seek(at)


def _prefix(header: bytes) -> bytes:
    """What stands before the header's name, if this kind of header has such a field."""
    magic, field = header[257:265], header[345:500]
    if magic.startswith(_USTAR_MAGIC):
        return _until_nul(field[:_STAR_PREFIX_BYTES] if header[508:] == _STAR_TRAILER else field)
    if magic != _GNU_MAGIC:
        return b""
    # GNU headers have two times here. Go once wrote a prefix all the same, and therefore still reads what is no time
    # and ASCII as one.
    try:
        for time in (field[:12], field[12:24]):
            _number(time)
    except ValueError:
        prefix = _until_nul(field)
        return prefix if prefix.isascii() else b""
    return b""


class Archive:
    """Iterate over it once for its members; `data` gives the bytes of the one that the iteration stands at.

    The iteration ends at two blocks of zeros, or where the stream ends between members, and has then taken all of
    the stream. It raises TruncatedLayer, DamagedLayer, LayerTooLarge (`entries`, `name_bytes`, `extension_bytes`),
    and whatever `chunks` raises.
    """

    def __init__(self, chunks: Iterator[bytes], limits: LayerLimits) -> None:
        self._chunks = chunks
        self._limits = limits
        self._chunk = b""
        self._at = 0
        self._left = 0
        self._padding = 0
        self._headers_read = 0

    def __iter__(self) -> Iterator[Member]:
        extension: _Extension | None = None
        for header in self._headers():
            flag = header[156:157]
            if flag in _EXTENSIONS:
                extension = self._extended(extension or _Extension(), flag, _size(header[124:136]))
                continue
            member = self._member(header, extension)
            if flag == _GNU_SPARSE:
                self._skip_sparse_map(header)
            self._left = member.size
            self._padding = -member.size % BLOCK
            extension = None
            yield member
        for _ in self._chunks:
            pass

    def data(self) -> bytes:
        """The bytes of the member that was given last. Ask once, and before the next."""
        data = self._take(self._left)
        if len(data) < self._left:
            raise TruncatedLayer("inside a file")
        self._left = 0
        return data

    def begins(self, size: int) -> bytes:
        """The first `size` bytes of the member that was given last, or all of them. They are not taken."""
        size = min(size, self._left)
        while len(self._chunk) - self._at < size and (more := next(self._chunks, b"")):
            self._chunk = self._chunk[self._at :] + more
            self._at = 0
        return self._chunk[self._at : self._at + size]

    def _headers(self) -> Iterator[bytes]:
        limit = self._limits.entries
        while header := self._next_block():
            if not header[0] and header == _ZEROS:
                if self._take(BLOCK).strip(b"\0"):
                    raise DamagedLayer("a tar that goes on after a block of zeros")
                return
            if not _sums_up(header, header[148:156]):
                raise DamagedLayer(
                    "a tar header with a wrong checksum" if self._headers_read else "no tar, nor gzip or zstd"
                )
            self._headers_read += 1
            if self._headers_read > limit:
                raise LayerTooLarge("entries", limit)
            yield header

    def _next_block(self) -> bytes:
        """The block after the data of the current member; empty at the end of the stream."""
        start = self._at + self._left + self._padding
        end = start + BLOCK
        if end <= len(self._chunk):
            self._at = end
            self._left = self._padding = 0
            return self._chunk[start:end]
        if self._skip(self._left) < self._left:
            raise TruncatedLayer("inside a file")
        self._skip(self._padding)
        self._left = self._padding = 0
        block = self._take(BLOCK)
        if 0 < len(block) < BLOCK:
            raise TruncatedLayer("inside a tar header")
        return block

    def _advance(self) -> bool:
        """Go to the next chunk, if there is one."""
        self._chunk = next(self._chunks, b"")
        self._at = 0
        return bool(self._chunk)

    def _skip(self, size: int) -> int:
        """Pass over the next bytes; how many there were."""
        left = size
        while left > len(self._chunk) - self._at:
            left -= len(self._chunk) - self._at
            if not self._advance():
                return size - left
        self._at += left
        return size

    def _take(self, size: int) -> bytes:
        """The next bytes, fewer only at the end of the stream."""
        end = self._at + size
        if end <= len(self._chunk):
            piece = self._chunk[self._at : end]
            self._at = end
            return piece
        # Unlike a list of pieces to be joined, this holds a large file once.
        taken, room = BytesIO(), 0
        while left := size - taken.tell():
            if self._at == len(self._chunk) and not self._advance():
                break
            if room < size and taken.tell() + len(self._chunk) > room:
                room = min(size, max(2 * room, _FIRST_ROOM))
                _make_room(taken, room)
            self._at += taken.write(memoryview(self._chunk)[self._at : self._at + left])
        taken.truncate()
        return taken.getvalue()

    def _extended(self, extension: _Extension, flag: bytes, size: int) -> _Extension:
        """Take in a header of extension, whose data comes next."""
        self._left = size
        self._padding = -size % BLOCK
        # Runtimes ignore global PAX headers. To follow one would let a `path` in it hide every file of the layer.
        if flag == _PAX_GLOBAL:
            return extension
        if size > self._limits.extension_bytes:
            raise LayerTooLarge("extension_bytes", self._limits.extension_bytes)
        data = self.data()
        if flag == _PAX:
            extension.records = _pax_records(data)
        elif flag == _GNU_NAME:
            extension.name = _until_nul(data)
        else:
            extension.target = _until_nul(data)
        return extension

    def _skip_sparse_map(self, header: bytes) -> None:
        more = header[_GNU_EXTENDED_AT]
        while more:
            block = self._take(BLOCK)
            if len(block) < BLOCK:
                raise TruncatedLayer("inside the map of a sparse file")
            more = block[_GNU_MAP_EXTENDED_AT]

    def _member(self, header: bytes, extension: _Extension | None) -> Member:
        flag = header[156:157]
        kind = _KINDS.get(flag, Kind.OTHER)
        size = 0 if flag in _WITHOUT_DATA else _size(header[124:136])
        sparse = flag == _GNU_SPARSE
        name = _until_nul(header[:100])
        if header[345] and (prefix := _prefix(header)):
            name = prefix + b"/" + name
        target = _until_nul(header[157:257]) if header[157] else b""
        if extension:
            records = extension.records
            name = extension.name or records.get(b"path") or name
            target = extension.target or records.get(b"linkpath") or target
            if size_record := records.get(b"size"):
                size = 0 if flag in _WITHOUT_DATA else _pax_size(size_record)
            if sparse := sparse or _is_sparse(records):
                name = records.get(b"GNU.sparse.name") or name
        if flag == b"\0" and name.endswith(b"/"):
            kind, size = Kind.DIRECTORY, 0  # as v7 wrote directories
        if max(len(name), len(target)) > self._limits.name_bytes:
            raise LayerTooLarge("name_bytes", self._limits.name_bytes)
        if kind is Kind.HARD_LINK:
            return Member(normalised(_text(name)), kind, size, normalised(_text(target)))
        return Member(normalised(_text(name)), kind, size, _text(target) if target else "", sparse)
