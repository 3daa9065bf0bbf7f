"""How bodies are kept in the database: zstd, with a cap on what comes out again."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from hullwise.zstd import zstd

LIMIT = 256 << 20
"""Bytes that a stored body may unpack to."""


class StoredBodyDamaged(Exception):
    pass


def pack(body: bytes) -> bytes:
    return zstd.compress(body, level=3)


def unpack(packed: bytes) -> bytes:
    """Raises StoredBodyDamaged for what `pack` did not make, or for more than LIMIT bytes."""
    decompressor = zstd.ZstdDecompressor()
    try:
        body = decompressor.decompress(packed, max_length=LIMIT)
    except zstd.ZstdError as error:
        raise StoredBodyDamaged(str(error)) from error
    if not decompressor.eof:
        raise StoredBodyDamaged("the stored body is cut off or too large")
    return body


def pack_stream(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What is not to be held whole, packed."""
    compressor = zstd.ZstdCompressor(level=3)
    for piece in pieces:
        if packed := compressor.compress(piece):
            yield packed
    yield compressor.flush()


def unpacked_lines(path: Path, limit: int) -> Iterator[bytes]:
    """The lines of a packed file, each with its end.

    Raises StoredBodyDamaged, also for a line of more than `limit` bytes and for a last one without an end; OSError.
    """
    with path.open("rb") as raw, zstd.ZstdFile(raw) as unpacked:
        lines = io.BufferedReader(unpacked, 1 << 20)
        while True:
            try:
                line = lines.readline(limit + 1)
            except (zstd.ZstdError, EOFError) as error:
                raise StoredBodyDamaged(str(error)) from error
            if not line:
                return
            if not line.endswith(b"\n"):
                raise StoredBodyDamaged("a line is cut off or too long")
            yield line
