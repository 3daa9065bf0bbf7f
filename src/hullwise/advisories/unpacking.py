"""Compressed advisory files, and tar archives of documents: gzip, bzip2, xz and zstd, told by their first bytes.

    header  name 100 | mode 8 | uid 8 | gid 8 | size 12 | time 12 | checksum 8 | type 1 | link 100 |
            "ustar" 6 | … 82 | prefix 155 | …      512 bytes, numbers in octal (POSIX.1-2017, pax, "ustar Interchange
            Format")
    body    size bytes, filled up to a multiple of 512

A member of type `x` (pax: `LENGTH path=VALUE\\n`) or `L` (GNU) holds the name of the next one. Python's own reader
takes as much of such a member into memory as it states, and searches it in quadratic time.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from hullwise.advisories.records import Unparsable
from hullwise.zstd import zstd

BLOCK = 512
"""Bytes that a tar is made of, and all that `is_tar` has to see."""
HEADER_LIMIT = 64 << 10
"""Bytes of a member that only names the next one. The longest path that Linux takes is 4,096 bytes."""

_PIECE = 64 << 10
_LARGEST_WINDOW = 27
"""Power of two of the largest zstd window: 128 MiB, what `zstd -d` takes without being asked for more."""
_XZ_MEMORY = 128 << 20
"""Bytes that unpacking xz may take. `xz -9` asks for 65 MiB."""

_GZIP = b"\x1f\x8b"
_BZIP2 = b"BZh"
_XZ = b"\xfd7zXZ\0"
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
"""RFC 8878, 3.1: a frame of data, or one to be skipped."""

_PAX_PATH = re.compile(rb"[0-9]{1,20} path=([^\0\n]{1,8192})\n")


class Stream(Protocol):
    """A buffered file, a member of a zip, or what `unpacked` returns."""

    def peek(self, size: int, /) -> bytes: ...

    def read(self, size: int, /) -> bytes: ...


class _Decompressor(Protocol):
    """What the decompressors of bzip2, xz and zstd share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def _bzip2() -> _Decompressor:
    # Imported here, and the next too: of all feeds only SUSE's comes so, and only Ubuntu's as xz.
    import bz2

    return bz2.BZ2Decompressor()


def _xz() -> _Decompressor:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def _zstd() -> _Decompressor:
    return zstd.ZstdDecompressor(options={int(zstd.DecompressionParameter.window_log_max): _LARGEST_WINDOW})


class _Unpacked(io.RawIOBase):
    """What a stream of one or more compressed parts unpacks to, in pieces. Reading raises Unparsable for a damaged or
    cut one."""

    def __init__(self, source: Stream, decompressor: Callable[[], _Decompressor]) -> None:
        self._source = source
        self._new = decompressor
        self._decompressor = decompressor()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        taken = 0
        # Filled, so that a peek shows a whole header.
        while taken < len(buffer) and (data := self._next(len(buffer) - taken)):
            buffer[taken : taken + len(data)] = data
            taken += len(data)
        return taken

    def _next(self, size: int) -> bytes:
        while True:
            rest = b""
            if self._decompressor.eof:
                # xz streams may be followed by zeros, and both forms by another part.
                rest = self._decompressor.unused_data.lstrip(b"\0")
                while not rest:
                    if not (piece := self._source.read(_PIECE)):
                        return b""
                    rest = piece.lstrip(b"\0")
                self._decompressor = self._new()
            elif self._decompressor.needs_input and not (rest := self._source.read(_PIECE)):
                raise Unparsable("compressed data end early")
            if data := self._unpack(rest, size):
                return data

    def _unpack(self, data: bytes, size: int) -> bytes:
        try:
            return self._decompressor.decompress(data, size)
        except MemoryError:
            raise
        except Exception as error:
            # bz2's OSError, lzma.LZMAError and zstd.ZstdError have nothing closer in common.
            raise Unparsable(f"compressed data are damaged: {error}") from error


def unpacked(source: Stream) -> Stream:
    """The stream itself, or what it unpacks to where it is gzip, bzip2, xz or zstd. Reading raises Unparsable, or what
    GzipFile does (`EOFError`, `BadGzipFile`, `zlib.error`), where it is damaged."""
    head = source.peek(len(_XZ))
    if head.startswith(_GZIP):
        raw: Any = source
        return gzip.GzipFile(fileobj=raw)
    if head.startswith(_BZIP2):
        return io.BufferedReader(_Unpacked(source, _bzip2), _PIECE)
    if head.startswith(_XZ):
        return io.BufferedReader(_Unpacked(source, _xz), _PIECE)
    return io.BufferedReader(_Unpacked(source, _zstd), _PIECE) if _ZSTD.match(head) else source


def is_tar(head: bytes) -> bool:
    """Whether the first block of a file is the header of a tar's member."""
    return len(head) >= BLOCK and head[257:262] == b"ustar" and _sum(head[:BLOCK]) == _number(head[148:156])


class Member(NamedTuple):
    """One regular file of a tar."""

    path: str
    changed: datetime
    size: int
    """Bytes; as many as `body` holds."""
    body: Stream
    """To be read before the next member is asked for; the rest of it is skipped."""


def members(source: Stream, limit: int) -> Iterator[Member]:
    """Each regular file of an unpacked tar. Raises Unparsable where it is damaged or ends early, and at a member of
    over `limit` bytes: what is behind it is reached only through all of it."""
    named = ""
    while header := _header(source):
        size, kind = _number(header[124:136]), header[156:157]
        if not 0 <= size <= limit:
            raise Unparsable(f"a member of over {limit} bytes" if size > 0 else "tar header without a size")
        if kind in b"xL" and size <= HEADER_LIMIT:
            named = _name(kind, _exactly(source, size)) or named
            _skip(source, -size % BLOCK)
            continue
        body = _Body(source, size)
        if kind in b"0\0":
            prefix = header[345:500] if header[257:263] == b"ustar\0" else b""
            path = named or "/".join(filter(None, (_text(prefix), _text(header[:100]))))
            yield Member(path, _moment(_number(header[136:148])), size, io.BufferedReader(body))
        named = "" if kind not in b"xgL" else named
        _skip(source, body.left + -size % BLOCK)


class _Body(io.RawIOBase):
    """The bytes of one member."""

    def __init__(self, source: Stream, size: int) -> None:
        self._source = source
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._source.read(min(self.left, len(buffer)))
        if self.left and not data:
            raise Unparsable("tar ends early")
        self.left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def _header(source: Stream) -> bytes:
    """The next header; empty at the end of the archive: a block of zeros, or no block at all."""
    block = _exactly(source, BLOCK) if source.peek(1) else b""
    if not block.strip(b"\0"):
        return b""
    if _sum(block) != _number(block[148:156]):
        raise Unparsable("tar header with a wrong checksum")
    return block


def _sum(block: bytes) -> int:
    """The checksum of a header, in whose place blanks are counted."""
    return sum(block) - sum(block[148:156]) + 8 * ord(" ")


def _number(field: bytes) -> int:
    """Octal, or GNU's binary form for what is larger; -1 for anything else."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0", 1)[0].strip() or b"0"
    return int(digits, 8) if re.fullmatch(rb"[0-7]{1,12}", digits) else -1


def _name(kind: bytes, body: bytes) -> str:
    if kind == b"L":
        return _text(body)
    found = _PAX_PATH.search(body)
    return _text(found[1]) if found else ""


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime(1980, 1, 1, tzinfo=UTC)


def _exactly(source: Stream, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = source.read(size)
        if not part:
            raise Unparsable("tar ends early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _skip(source: Stream, size: int) -> None:
    while size:
        size -= len(_exactly(source, min(size, _PIECE)))
