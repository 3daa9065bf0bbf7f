"""How bodies are kept in the database: zstd, with a cap on what comes out again."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

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
