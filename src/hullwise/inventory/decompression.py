"""From the bytes of a layer blob to the bytes of its tar, in chunks, under caps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, Protocol, cast

from isal import igzip_lib

from hullwise.inventory.errors import DamagedLayer, LayerTooLarge, TruncatedLayer
from hullwise.inventory.limits import KIB, MIB, LayerLimits
from hullwise.zstd import zstd

READ_BYTES = 256 * KIB
CHUNK_BYTES = 1 * MIB
"""Sizes at which gzip streams fastest: larger buffers leave the processor's cache, smaller ones cost calls."""

FIRST_PIECE = 16 * KIB
"""What a new gzip member or zstd frame is fed first. What it leaves unused is copied, and seekable layers have one
member for each file: whole buffers would be copied once for each."""

LARGEST_WINDOW = 27
"""Power of two of the largest zstd window: 128 MiB, what `zstd -d` takes without being asked for more."""


class _Decompressor(Protocol):
    """What the decompressors of isal and of zstd share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes: ...


class _Form(NamedTuple):
    """A form of compression that a layer comes in."""

    name: str
    part: str
    """What it calls its parts, each of which is whole in itself; a stream is one or more."""

    begins: Callable[[bytes], bool]
    """Whether a part begins with these four bytes."""

    decompressor: Callable[[], _Decompressor]
    failure: type[Exception]
    padded: bool
    """Whether zeros may follow a part."""


def _gzip_decompressor() -> _Decompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _zstd_decompressor() -> _Decompressor:
    return zstd.ZstdDecompressor(options={int(zstd.DecompressionParameter.window_log_max): LARGEST_WINDOW})


def _begins_zstd(magic: bytes) -> bool:
    """RFC 8878, 3.1: a frame of data, or one to be skipped."""
    return magic == b"\x28\xb5\x2f\xfd" or (0x50 <= magic[0] <= 0x5F and magic[1:] == b"\x2a\x4d\x18")


_FORMS = (
    _Form(
        name="gzip",
        part="member",
        # RFC 1952, 2.3.1: two bytes of magic, then the method, which can only be deflate.
        begins=lambda magic: magic.startswith(b"\x1f\x8b\x08"),
        decompressor=_gzip_decompressor,
        failure=cast(type[Exception], igzip_lib.IsalError),  # its stub takes the class for an instance
        padded=True,
    ),
    _Form(
        name="zstd",
        part="frame",
        begins=_begins_zstd,
        decompressor=_zstd_decompressor,
        failure=zstd.ZstdError,
        padded=False,
    ),
)

_MAGIC_BYTES = 4


class _Input:
    """A source with one buffer and a place in it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._buffer = b""
        self._at = 0
        self.taken = 0
        """Bytes taken from the source so far."""

    def _read(self) -> bytes:
        data = self._source.read(READ_BYTES)
        self.taken += len(data)
        return data

    def piece(self, size: int) -> memoryview:
        """Up to `size` of the next bytes; empty only at the end of the source."""
        if self._at == len(self._buffer):
            self._buffer = self._read()
            self._at = 0
        piece = memoryview(self._buffer)[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def give_back(self, size: int) -> None:
        """Step back over the last bytes of the latest piece."""
        self._at -= size

    def magic(self) -> bytes:
        """The next four bytes, or what there is of them, left in place."""
        magic = self._buffer[self._at : self._at + _MAGIC_BYTES]
        while len(magic) < _MAGIC_BYTES and (more := self._read()):
            self._buffer, self._at = magic + more, 0
            magic = self._buffer[:_MAGIC_BYTES]
        return magic

    def skip_zeros(self) -> None:
        while (piece := self.piece(READ_BYTES)) and not (rest := bytes(piece).lstrip(b"\0")):
            continue
        if piece:
            self.give_back(len(rest))


def _plain(source: _Input) -> Iterator[bytes]:
    while piece := source.piece(READ_BYTES):
        yield bytes(piece)


def _part(source: _Input, form: _Form) -> Iterator[bytes]:
    """Unpack one part, and leave the source right after it."""
    decompressor = form.decompressor()
    size = FIRST_PIECE
    while not decompressor.eof:
        piece: bytes | memoryview = b""
        if decompressor.needs_input:
            piece = source.piece(size)
            if not piece:
                raise TruncatedLayer(f"inside a {form.name} {form.part}")
            size = min(4 * size, READ_BYTES)
        try:
            chunk = decompressor.decompress(piece, CHUNK_BYTES)
        except form.failure as error:
            if "not enough memory" in str(error):  # how zstd says what is no fault of the layer
                raise MemoryError from error
            raise DamagedLayer(f"{form.name}: {error}") from error
        if chunk:
            yield chunk
    source.give_back(len(decompressor.unused_data))


def _parts(source: _Input, form: _Form) -> Iterator[bytes]:
    magic = source.magic()
    while magic:
        if not form.begins(magic.ljust(_MAGIC_BYTES, b"\0")):
            raise DamagedLayer(f"after a {form.name} {form.part} come bytes that begin no other")
        yield from _part(source, form)
        magic = source.magic()
        if form.padded and magic.startswith(b"\0"):
            source.skip_zeros()
            magic = source.magic()


def uncompressed(source: BinaryIO, limits: LayerLimits) -> Iterator[bytes]:
    """The bytes of the tar in a layer blob, as chunks that are never empty.

    The form is told by the first bytes, not by a media type: gzip, zstd, else taken for a plain tar. Several gzip
    members or zstd frames are one stream; zeros may follow a gzip member, as tape tools pad. Checksums are verified.

    Raises TruncatedLayer, DamagedLayer, LayerTooLarge (`tar_bytes`, `ratio`), and whatever reading `source` raises.
    """
    counted = _Input(source)
    magic = counted.magic().ljust(_MAGIC_BYTES, b"\0")
    form = next((form for form in _FORMS if form.begins(magic)), None)
    given = 0
    for chunk in _parts(counted, form) if form else _plain(counted):
        given += len(chunk)
        if given > limits.tar_bytes:
            raise LayerTooLarge("tar_bytes", limits.tar_bytes)
        if given > limits.ratio_from and given > limits.ratio * counted.taken:
            raise LayerTooLarge("ratio", limits.ratio)
        yield chunk
