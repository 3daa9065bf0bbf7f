"""A member of a bundle: its header in the tar, its bytes, and what they unpack to.

A header is one block that is read alone: an open `tarfile` would follow what extended headers and long names ask for.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from hullwise.advisories.bundle.failures import BrokenBundle
from hullwise.advisories.bundle.layout import PACKED_LIMIT, UNPACKED_LIMITS
from hullwise.advisories.bundle.manifest import Member
from hullwise.zstd import zstd

BLOCK = tarfile.BLOCKSIZE
PIECE = 1 << 20
"""Bytes that are packed or unpacked at a time."""
_READ = 256 * 1024
_LEVEL = 6
_LARGEST_WINDOW = 27
"""Power of two of the largest zstd window: 128 MiB, what `zstd -d` takes without being asked for more."""


def padded(size: int) -> int:
    """Bytes that this many take in a tar."""
    return -(-size // BLOCK) * BLOCK


def begin(file: BinaryIO, name: str, limit: int) -> int:
    """Read the header of that member. Returns its size, `limit` at most. Raises BrokenBundle where there is
    none, or it is of another member."""
    block = file.read(BLOCK)
    try:
        # Of the one block alone: extended headers, which may ask for much memory, are members of another type here.
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise BrokenBundle(f"it is no bundle, or cut off: {error} where {name} should begin") from error
    if info.name != name or info.type != tarfile.REGTYPE:
        raise BrokenBundle(f"it is no bundle: {info.name[:128]!r} is where the file {name} should be")
    if not 0 <= info.size <= limit:
        raise BrokenBundle(f"{name} says that it has {info.size} bytes, of {limit} at most")
    return info.size


def end(file: BinaryIO, size: int) -> None:
    """Read the padding behind a member of that size. Raises BrokenBundle where it is not zeros."""
    padding = padded(size) - size
    if file.read(padding) != bytes(padding):
        raise BrokenBundle("a member is not followed by zeros")


def small(file: BinaryIO, name: str, limit: int) -> bytes:
    """All of that member, header to padding. Raises BrokenBundle where it is not there or over `limit` bytes."""
    size = begin(file, name, limit)
    body = file.read(size)
    if len(body) < size:
        raise BrokenBundle(f"{name} is cut off")
    end(file, size)
    return body


def stored(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The bytes of a member from here on. Raises BrokenBundle after the last where they are not the manifest's."""
    found, left = hashlib.sha256(), member.size
    while left:
        data = file.read(min(_READ, left))
        if not data:
            raise BrokenBundle(f"{member.name} is cut off")
        found.update(data)
        left -= len(data)
        yield data
    if found.hexdigest() != member.sha256:
        raise BrokenBundle(f"{member.name} is not the one that was signed: its SHA-256 is {found.hexdigest()}")


def unpack(packed: Iterable[bytes], member: Member) -> Iterator[bytes]:
    """What they unpack to: as much as is stated, in pieces. Raises BrokenBundle where it is more, less or not zstd."""
    decompressor = zstd.ZstdDecompressor(options={int(zstd.DecompressionParameter.window_log_max): _LARGEST_WINDOW})
    left = member.unpacked
    for data in packed:
        waiting = data
        while not decompressor.eof and (waiting or not decompressor.needs_input):
            try:
                piece: bytes = decompressor.decompress(waiting, max_length=PIECE)
            except zstd.ZstdError as error:
                raise BrokenBundle(f"{member.name} is no whole zstd frame: {error}") from error
            waiting = b""
            left -= len(piece)
            if left < 0:
                raise BrokenBundle(f"{member.name} unpacks to more than the {member.unpacked} bytes that are stated")
            if piece:
                yield piece
        if decompressor.eof and (waiting or decompressor.unused_data):
            raise BrokenBundle(f"{member.name} goes on after its end")
    if left or not decompressor.eof:
        raise BrokenBundle(f"{member.name} unpacks to less than the {member.unpacked} bytes that are stated")


def pack(name: str, pieces: Iterable[bytes], body: BinaryIO) -> Member:
    """Compress into the file. Raises BrokenBundle where it is over the limits of that member, OSError."""
    compressor = zstd.ZstdCompressor(level=_LEVEL)
    found, size, unpacked = hashlib.sha256(), 0, 0

    def store(data: bytes) -> None:
        nonlocal size
        found.update(data)
        size += body.write(data)

    for piece in pieces:
        unpacked += len(piece)
        store(compressor.compress(piece))
    store(compressor.flush())
    if size > PACKED_LIMIT or unpacked > UNPACKED_LIMITS[name]:
        raise BrokenBundle(f"{name} is too large for a bundle ({size} bytes, {unpacked} unpacked)")
    return Member(name, size, unpacked, found.hexdigest())
