"""From blobs to tars: gzip, zstd and none, whole, broken and hostile."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.inventory.decompression import uncompressed
from hullwise.inventory.errors import DamagedLayer, LayerTooLarge, LayerUnreadable, TruncatedLayer
from hullwise.inventory.limits import LayerLimits

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMITS = LayerLimits()
DATA = b"".join(b"%d bottles of beer\n" % n for n in range(20_000))
GZIP = gzip.compress(DATA, mtime=0)
ZSTD = zstd.compress(DATA)
SKIPPABLE = b"\x5a\x2a\x4d\x18\x05\x00\x00\x00hello"


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._step if size < 0 else min(size, self._step))


def unpacked(blob: bytes, limits: LayerLimits = LIMITS) -> bytes:
    return b"".join(uncompressed(io.BytesIO(blob), limits))


def size_of(stream: BinaryIO, limits: LayerLimits) -> int:
    return sum(len(chunk) for chunk in uncompressed(stream, limits))


@pytest.mark.parametrize(
    ("blob", "expected"),
    [
        (b"", b""),
        (b"abc", b"abc"),
        (DATA, DATA),
        (GZIP, DATA),
        (GZIP + GZIP, DATA + DATA),
        (gzip.compress(b""), b""),
        (gzip.compress(b"") * 3 + GZIP, DATA),
        (GZIP + b"\0", DATA),
        (GZIP + bytes(1_000_000), DATA),
        (GZIP + bytes(777) + GZIP + bytes(3), DATA + DATA),
        (ZSTD, DATA),
        (ZSTD + ZSTD, DATA + DATA),
        (SKIPPABLE + ZSTD + SKIPPABLE + ZSTD, DATA + DATA),
        (SKIPPABLE, b""),
        (zstd.compress(DATA, options={zstd.CompressionParameter.window_log: 27}), DATA),
    ],
)
def test_each_form_unpacks(blob: bytes, expected: bytes) -> None:
    """Plain, gzip of any number of members, padded or not, and zstd of any number of frames, give their bytes."""
    assert unpacked(blob) == expected


@pytest.mark.parametrize("blob", [DATA, GZIP + GZIP, ZSTD + SKIPPABLE + ZSTD], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("step", [1, 3, 4096])
def test_short_reads(blob: bytes, step: int) -> None:
    """A stream that gives less than was asked for is read to its end."""
    expected = len(DATA) if blob is DATA else 2 * len(DATA)
    assert size_of(Trickle(blob, step), LIMITS) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("blob", [GZIP, ZSTD], ids=["gzip", "zstd"])
def test_truncated(blob: bytes) -> None:
    """A stream cut anywhere after its first four bytes, its checksum included, is truncated."""
    for length in [*range(4, 40), len(blob) // 2, *range(len(blob) - 12, len(blob))]:
        with pytest.raises(TruncatedLayer, match=r"inside a (gzip member|zstd frame)"):
            unpacked(blob[:length])


@pytest.mark.parametrize("blob", [GZIP + GZIP[:100], ZSTD + ZSTD[:100]], ids=["gzip", "zstd"])
def test_truncated_in_a_later_part(blob: bytes) -> None:
    """A second member or frame must be whole too."""
    with pytest.raises(TruncatedLayer):
        unpacked(blob)


@pytest.mark.parametrize("at", [-8, -5, -4, -1], ids=["crc", "crc", "length", "length"])
def test_wrong_trailer_of_gzip(at: int) -> None:
    """The checksum and the length at the end of a member (RFC 1952) are compared."""
    blob = bytearray(GZIP)
    blob[at] ^= 1
    with pytest.raises(DamagedLayer, match="gzip"):
        unpacked(bytes(blob))


@pytest.mark.parametrize("tail", [b"x", b"\x1f", b"\x1f\x8b", b"garbage after the end", b"\0\0\0x", ZSTD])
def test_what_may_not_follow_gzip(tail: bytes) -> None:
    """After a member come members or zeros and nothing else."""
    with pytest.raises(DamagedLayer, match="begin no other"):
        unpacked(GZIP + tail)


@pytest.mark.parametrize("tail", [b"x", b"\0\0\0\0", b"\x28\xb5\x2f", GZIP])
def test_what_may_not_follow_zstd(tail: bytes) -> None:
    """After a frame come frames; zstd has no padding but skippable frames."""
    with pytest.raises(DamagedLayer, match="begin no other"):
        unpacked(ZSTD + tail)


def test_window_larger_than_allowed() -> None:
    """A frame that asks for a window of 256 MiB is refused before that is allocated."""
    parameters = zstd.CompressionParameter
    packer = zstd.ZstdCompressor(options={parameters.window_log: 28, parameters.content_size_flag: 0})
    blob = packer.compress(DATA) + packer.flush()
    with pytest.raises(DamagedLayer, match="zstd"):
        unpacked(blob)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([GZIP, ZSTD, GZIP + GZIP[:50], SKIPPABLE + ZSTD]), st.data())
def test_changed_streams(blob: bytes, data: st.DataObject) -> None:
    """A changed stream unpacks or raises LayerUnreadable; gzip, which has a checksum, never unpacks to other data."""
    changed = bytearray(blob)
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(4, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        result = unpacked(bytes(changed))
    except LayerUnreadable:
        return
    assert blob[:2] != GZIP[:2] or result == DATA


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([b"", GZIP[:3], GZIP[:10], ZSTD[:4], SKIPPABLE[:4]]), st.binary(max_size=600))
def test_random_streams(start: bytes, rest: bytes) -> None:
    """Noise behind any beginning ends, with data or with a LayerUnreadable."""
    try:
        unpacked(start + rest)
    except LayerUnreadable as error:
        assert str(error)


class Repeated(io.RawIOBase):
    """The same bytes again and again: a bomb of any size for the price of a small one."""

    def __init__(self, block: bytes, times: int) -> None:
        self._left = times
        self._block = block

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        return self._block if self._left >= 0 else b""


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_bomb_of_zeros(pack: object) -> None:
    """10 GiB of zeros in 10 MiB stop soon after 256 MiB, by their ratio of some 1,000."""
    assert callable(pack)
    bomb = Repeated(pack(bytes(64 << 20)), 160)
    with pytest.raises(LayerTooLarge) as caught:
        size_of(bomb, LIMITS)  # type: ignore[arg-type]
    assert caught.value.args == ("ratio", 200)
    assert bomb._left > 150


def test_ratio_of_small_layers() -> None:
    """What unpacks to less than `ratio_from` may have any ratio."""
    assert len(unpacked(gzip.compress(bytes(64 << 20)))) == 64 << 20


@pytest.mark.parametrize("blob", [DATA, GZIP, ZSTD], ids=["plain", "gzip", "zstd"])
def test_too_many_bytes(blob: bytes) -> None:
    """A layer may unpack to as many bytes as the limit says, and not one more."""
    assert unpacked(blob, LayerLimits(tar_bytes=len(DATA))) == DATA
    with pytest.raises(LayerTooLarge) as caught:
        unpacked(blob, LayerLimits(tar_bytes=len(DATA) - 1))
    assert caught.value.args == ("tar_bytes", len(DATA) - 1)


def test_many_small_members() -> None:
    """A layer with a gzip member for each file, as seekable ones have, unpacks in time linear in its size."""
    member = gzip.compress(b"x" * 100)
    assert len(unpacked(member * 50_000)) == 5_000_000


def test_header_fields_of_gzip() -> None:
    """Name, comment, extra field and header checksum are passed over (RFC 1952, 2.3)."""
    head = b"\x1f\x8b\x08\x1e\0\0\0\0\0\xff" + b"\x03\0abc" + b"name\0" + b"comment\0"
    blob = head + (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little") + GZIP[10:]
    assert unpacked(blob) == DATA


def test_what_reading_the_source_raises_is_passed_on() -> None:
    """A failing source is no damage of the layer."""

    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        size_of(Broken(), LIMITS)  # type: ignore[arg-type]
