"""The tar walker, with Python's tarfile as the oracle where programs agree, and headers made by hand where not."""

from __future__ import annotations

import contextlib
import io
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.inventory.archive import Archive, Kind, Member, normalised
from hullwise.inventory.errors import DamagedLayer, LayerTooLarge, LayerUnreadable, TruncatedLayer
from hullwise.inventory.limits import LayerLimits

LIMITS = LayerLimits()
TRAILER = bytes(1024)


def members(tar: bytes, limits: LayerLimits = LIMITS) -> list[Member]:
    return list(Archive(iter([tar] if tar else []), limits))


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def contents(tar: bytes, chunk_size: int) -> list[tuple[Member, bytes]]:
    archive = Archive(pieces(tar, chunk_size), LIMITS)
    return [(member, archive.data()) for member in archive]


def header(
    name: bytes = b"f",
    *,
    size: bytes = b"%011o\0" % 0,
    flag: bytes = b"0",
    target: bytes = b"",
    magic: bytes = b"ustar\00000",
    prefix: bytes = b"",
    trailer: bytes = b"",
    checksum: Callable[[bytes], bytes] = lambda block: b"%06o\0 " % sum(block),
) -> bytes:
    """A tar header, field by field; the checksum is taken of the block with spaces in its place."""
    block = b"".join(
        (
            name.ljust(100, b"\0") + b"%07o\0" % 0o644 + b"%07o\0" % 0 * 2 + size + b"%011o\0" % 0,
            b" " * 8 + flag + target.ljust(100, b"\0") + magic + bytes(80) + prefix.ljust(155, b"\0"),
            trailer.rjust(12, b"\0"),
        )
    )
    assert len(block) == 512
    return block[:148] + checksum(block) + block[156:]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def extension(flag: bytes, data: bytes) -> bytes:
    return header(b"extension", size=b"%011o\0" % len(data), flag=flag) + padded(data)


def record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body)
    while length != len(str(length)) + len(body):
        length = len(str(length)) + len(body)
    return str(length).encode() + body


part = st.text(st.characters(codec="utf-8", exclude_characters="/\0\n"), min_size=1, max_size=40).filter(
    lambda text: text not in {".", ".."}
)
path = st.lists(part, min_size=1, max_size=9).map("/".join)
long_path = st.lists(st.just("deeply-nested-folder"), min_size=5, max_size=40).map("/".join)
kind = st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
entry = st.tuples(path | long_path, kind, path | long_path, st.binary(max_size=1500))
format_ = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])

KINDS = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.SYMTYPE: Kind.SYMBOLIC_LINK,
    tarfile.LNKTYPE: Kind.HARD_LINK,
    tarfile.DIRTYPE: Kind.DIRECTORY,
    tarfile.FIFOTYPE: Kind.OTHER,
}


def written(entries: list[tuple[str, bytes, str, bytes]], format_: int) -> bytes:
    """A tar made by tarfile, without those entries that the format has no room for."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as tar:
        for name, type_, target, data in entries:
            info = tarfile.TarInfo(name)
            info.type = type_
            info.linkname = target if type_ in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
            info.size = len(data) if type_ == tarfile.REGTYPE else 0
            try:
                tar.addfile(info, io.BytesIO(data))
            except ValueError:
                continue
    return out.getvalue()


def oracle(tar: bytes) -> list[tuple[Member, bytes]]:
    found = []
    with tarfile.open(fileobj=io.BytesIO(tar)) as read:
        for info in read:
            target = info.linkname if info.type in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
            file = read.extractfile(info) if info.isreg() else None
            data = file.read() if file else b""
            found.append((Member(info.name, KINDS[info.type], info.size, target), data))
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(entry, max_size=8), format_, st.integers(1, 3000))
def test_members_are_those_that_tarfile_lists(
    entries: list[tuple[str, bytes, str, bytes]], format_: int, chunk_size: int
) -> None:
    """Names, kinds, sizes, targets and data agree with tarfile in all three formats, however the stream is cut."""
    tar = written(entries, format_)
    assert contents(tar, chunk_size) == oracle(tar)


@settings(max_examples=60, deadline=None)
@given(st.lists(entry, min_size=1, max_size=4), format_, st.data())
def test_a_cut_tar_ends_at_a_boundary_or_is_truncated(
    entries: list[tuple[str, bytes, str, bytes]], format_: int, data: st.DataObject
) -> None:
    """Whatever is left of a tar, its whole members come first, and then an error or the end."""
    tar = written(entries, format_)
    whole = oracle(tar)
    archive = Archive(iter([tar[: data.draw(st.integers(1, len(tar)))]]), LIMITS)
    seen = []
    try:
        for member in archive:
            seen.append((member, archive.data()))
    except TruncatedLayer:
        pass
    assert seen == whole[: len(seen)]


@settings(max_examples=150, deadline=None)
@given(st.lists(entry, min_size=1, max_size=4), format_, st.data())
def test_a_changed_tar_is_listed_or_unreadable(
    entries: list[tuple[str, bytes, str, bytes]], format_: int, data: st.DataObject
) -> None:
    """Bytes changed at random, with checksums made right again or not, never raise anything but LayerUnreadable."""
    tar = bytearray(written(entries, format_))
    for _ in range(data.draw(st.integers(1, 6))):
        tar[data.draw(st.integers(0, len(tar) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        for at in range(0, len(tar) - 511, 512):
            block = tar[at : at + 148] + b" " * 8 + tar[at + 156 : at + 512]
            if tar[at : at + 1] != b"\0":
                tar[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    with contextlib.suppress(LayerUnreadable):
        contents(bytes(tar), 700)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000))
def test_random_bytes_are_no_tar(data: bytes) -> None:
    """Only nothing, or zeros, are a tar without members; other noise is unreadable."""
    try:
        assert members(data) == []
    except LayerUnreadable:
        return
    assert not data[:1024].strip(b"\0")


def test_size_in_base_256() -> None:
    """A size whose first byte is 0x80 is a big-endian number (GNU tar manual, "Basic Tar Format")."""
    tar = header(b"a", size=b"\x80" + bytes(10) + b"\x05") + padded(b"12345") + header(b"b")
    assert [(m.path, m.size) for m in members(tar)] == [("a", 5), ("b", 0)]


def test_size_beyond_octal() -> None:
    """tarfile writes 9 GiB in base 256; that the data is not there shows only after the member."""
    info = tarfile.TarInfo("huge")
    info.size = 9 << 30
    archive = iter(Archive(iter([info.tobuf(tarfile.GNU_FORMAT)]), LIMITS))
    assert next(archive).size == 9 << 30
    with pytest.raises(TruncatedLayer, match="inside a file"):
        next(archive)


@pytest.mark.parametrize(
    "size",
    [
        b"\xff" * 12,
        b"\xc0" + bytes(11),
        b"\x80\x00\x00\x00\x80" + bytes(7),
        b"0000000008\0 ",
        b"-0000000005\0",
        b"0_000000005\0",
        b"0o000000005\0",
        b"1 000000005\0",
        b"garbage  \0\0\0",
    ],
)
def test_size_that_is_no_number(size: bytes) -> None:
    """Sizes below zero, beyond 63 bits or with anything but octal digits are damage, not a guess."""
    with pytest.raises(DamagedLayer, match="size"):
        members(header(size=size))


@pytest.mark.parametrize("size", [b"          5\0", b"5          \0", b"\0" * 11 + b"5", b"5\0 garbage  "])
def test_size_padded_in_other_ways(size: bytes) -> None:
    """Spaces and NULs around the digits are padding, and what follows a NUL is nothing."""
    assert members(header(size=size) + padded(b"12345"))[0].size == 5


def test_checksum_of_signed_bytes() -> None:
    """Old tars of Sun summed signed bytes; with a name of 0xFF bytes that is 256 less for each."""
    name = b"\xc3\xa9" * 3
    signed = header(name, checksum=lambda block: b"%06o\0 " % (sum(block) - 256 * len(name)))
    assert members(signed)[0].path == "ééé"


@pytest.mark.parametrize("checksum", [b"%06o\0 " % 1, b"        ", b"zzzzzz\0 ", b"-00001\0 "])
def test_wrong_checksum(checksum: bytes) -> None:
    """A header after the first with a checksum that is wrong, absent or no number is damage."""
    with pytest.raises(DamagedLayer, match="checksum"):
        members(header() + header(checksum=lambda _: checksum))


def test_one_flipped_bit() -> None:
    """A single changed bit anywhere in a header shows."""
    good = header(b"etc/passwd")
    for at in [*range(11), 100, 124, 157, 257, 345, 500]:
        with pytest.raises(DamagedLayer):
            members(header() + good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])


def test_no_tar_at_all() -> None:
    """A blob that begins with no header is told from a tar that breaks later."""
    with pytest.raises(DamagedLayer, match="no tar, nor gzip or zstd"):
        members(b"BZh91AY&SY" * 100)


@pytest.mark.parametrize(
    ("magic", "trailer", "expected"),
    [
        (b"ustar\00000", b"", "above/" + "p" * 128 + "/f"),
        (b"ustar\0zz", b"", "above/" + "p" * 128 + "/f"),
        (b"ustar\00000", b"tar\0", "above/" + "p" * 125 + "/f"),
        (b"ustar  \0", b"", "above/" + "p" * 128 + "/f"),
        (b"\0" * 8, b"", "f"),
    ],
    ids=["ustar", "ustar of any version", "star", "gnu as Go once wrote it", "v7"],
)
def test_prefix(magic: bytes, trailer: bytes, expected: str) -> None:
    """The prefix goes before the name: 155 bytes in ustar, 131 in star; v7 has none."""
    tar = header(b"f", magic=magic, prefix=b"above/" + b"p" * 128, trailer=trailer)
    assert members(tar)[0].path == expected


def test_times_of_gnu_headers_are_no_prefix() -> None:
    """GNU tar writes access and change times where ustar has its prefix."""
    tar = header(b"f", magic=b"ustar  \0", prefix=b"14470000000\00014470000000\0")
    assert members(tar)[0].path == "f"


def test_v7_directories_are_files_with_a_slash() -> None:
    """Type NUL and a name that ends in a slash is a directory, without data whatever its size says."""
    tar = header(b"d/", flag=b"\0", size=b"%011o\0" % 512) + header(b"f", flag=b"\0")
    assert [(m.path, m.kind) for m in members(tar)] == [("d", Kind.DIRECTORY), ("f", Kind.FILE)]


def test_links_and_directories_have_no_data() -> None:
    """The size of what has no data is passed over, even where PAX says it."""
    size = b"%011o\0" % 512
    tar = b"".join(header(b"x%c" % flag, flag=b"%c" % flag, target=b"t", size=size) for flag in b"123456")
    tar += extension(b"x", record("size", "512")) + header(b"last", flag=b"1", target=b"t")
    assert [(m.path, m.size) for m in members(tar)] == [(f"x{n}", 0) for n in "123456"] + [("last", 0)]


def test_unknown_types_have_data() -> None:
    """The data of a type that is not known is passed over by its size."""
    tar = header(b"v", flag=b"V", size=b"%011o\0" % 3) + padded(b"abc") + header(b"f")
    assert [(m.path, m.kind) for m in members(tar)] == [("v", Kind.OTHER), ("f", Kind.FILE)]


def test_contiguous_files_are_files() -> None:
    """Type 7 is a file like another."""
    assert members(header(flag=b"7"))[0].kind is Kind.FILE


def test_pax_replaces_path_target_and_size() -> None:
    """An extended header goes for the next member only; its last record of a key counts."""
    tar = extension(b"x", record("path", "old") + record("path", "long/ä") + record("size", "3") + record("mtime", "1"))
    tar += header(b"short") + padded(b"abc")
    tar += extension(b"x", record("linkpath", "to")) + header(b"l", flag=b"2", target=b"t") + header(b"next")
    assert members(tar) == [
        Member("long/ä", Kind.FILE, 3),
        Member("l", Kind.SYMBOLIC_LINK, 0, "to"),
        Member("next", Kind.FILE, 0),
    ]


def test_empty_pax_value_leaves_the_header() -> None:
    """A record without a value takes nothing away from the plain header (POSIX pax)."""
    tar = extension(b"x", record("path", "") + record("size", "")) + header(b"f", size=b"%011o\0" % 2) + padded(b"ab")
    assert members(tar) == [Member("f", Kind.FILE, 2)]


def test_global_pax_headers_are_ignored() -> None:
    """Container runtimes ignore them, so a path there must not rename, and thus hide, every file."""
    tar = extension(b"g", record("path", "elsewhere") + record("size", "9")) + header(b"a") + header(b"b")
    assert [m.path for m in members(tar)] == ["a", "b"]


@pytest.mark.parametrize("value", ["-1", "+5", "5.0", "0x5", "1e3", "9" * 19, "9" * 5000, "five", " 5"])
def test_pax_size_that_is_no_number(value: str) -> None:
    """A size that is negative, garbage or beyond 63 bits is damage."""
    with pytest.raises(DamagedLayer, match="size"):
        members(extension(b"x", record("size", value)) + header())


@pytest.mark.parametrize(
    "data",
    [
        b"garbage",
        b"5 a\n",
        b"0 a=b\n",
        b"-6 a=b\n",
        b"99 path=b\n",
        b"8 path=b\n",
        b"6 a=bc",
        b"5 =b\n",
        b"9" * 5000 + b" a=b\n",
        b"6\0a=b\n",
        b"11 path=a\0b\n",
        b"6 a=b\n\0",
    ],
)
def test_pax_records_that_are_none(data: bytes) -> None:
    """Each record has its own length, a key, an equals sign and a line feed; a path has no NUL."""
    with pytest.raises(DamagedLayer, match="PAX"):
        members(extension(b"x", data) + header())


def test_gnu_long_names() -> None:
    """L and K give the next member its name and target, up to their NUL, and win over PAX as in Go."""
    name, target = b"n" * 300, b"t" * 300
    tar = extension(b"K", target + b"\0") + extension(b"x", record("path", "pax")) + extension(b"L", name + b"\0junk")
    tar += header(b"cut", flag=b"2", target=b"cut") + header(b"next")
    assert members(tar) == [
        Member("n" * 300, Kind.SYMBOLIC_LINK, 0, "t" * 300),
        Member("next", Kind.FILE, 0),
    ]


def test_long_names_of_long_names() -> None:
    """Extensions that follow each other are read once each: the last name counts, and each counts as an entry."""
    tar = b"".join(extension(b"L", b"name%d" % n) for n in range(50)) + header()
    assert [m.path for m in members(tar)] == ["name49"]
    with pytest.raises(LayerTooLarge) as caught:
        members(tar, LayerLimits(entries=50))
    assert caught.value.args == ("entries", 50)


def test_extension_without_a_member() -> None:
    """A tar may end after an extension, as in Go."""
    assert members(extension(b"L", b"name")) == []


@pytest.mark.parametrize("flag", [b"x", b"L", b"K"])
def test_extension_larger_than_allowed(flag: bytes) -> None:
    """An extension is refused by its size before its data is taken."""
    with pytest.raises(LayerTooLarge) as caught:
        members(header(flag=flag, size=b"%011o\0" % (1 << 20 | 1)))
    assert caught.value.args == ("extension_bytes", 1 << 20)


def test_sparse_file_of_gnu() -> None:
    """The blocks that continue the map of a type S file are passed over, and its stored data after them."""
    maps = header(b"s", flag=b"S", size=b"%011o\0" % 700, magic=b"ustar  \0", trailer=b"")
    assert maps[482] == 0
    sparse = bytearray(maps)
    sparse[482] = 1
    sparse[148:156] = b" " * 8
    sparse[148:156] = b"%06o\0 " % sum(sparse)
    more, last = bytes(504) + b"\1" + bytes(7), bytes(512)
    tar = bytes(sparse) + more + last + padded(b"d" * 700) + header(b"next")
    assert members(tar) == [Member("s", Kind.FILE, 700, sparse=True), Member("next", Kind.FILE, 0)]
    with pytest.raises(TruncatedLayer, match="sparse"):
        members(bytes(sparse) + more)


@pytest.mark.parametrize(
    "records",
    [
        record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0"),
        record("GNU.sparse.major", "0") + record("GNU.sparse.minor", "1") + record("GNU.sparse.map", "0,2"),
        record("GNU.sparse.map", "0,2"),
        record("GNU.sparse.numblocks", "1") + record("GNU.sparse.offset", "0") + record("GNU.sparse.numbytes", "2"),
    ],
    ids=["1.0", "0.1", "0.1 without its number", "0.0"],
)
def test_sparse_file_of_pax(records: bytes) -> None:
    """All three versions are told, and have the name that GNU.sparse.name gives."""
    tar = extension(b"x", record("GNU.sparse.name", "real/name") + records)
    tar += header(b"GNUSparseFile.0/name", size=b"%011o\0" % 2) + padded(b"ab")
    assert members(tar) == [Member("real/name", Kind.FILE, 2, sparse=True)]


def test_unknown_sparse_version() -> None:
    """A version that Go does not know makes no sparse file, and its name does not count."""
    records = record("GNU.sparse.major", "2") + record("GNU.sparse.minor", "0") + record("GNU.sparse.name", "other")
    assert members(extension(b"x", records) + header(b"f")) == [Member("f", Kind.FILE, 0)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("usr/bin/x", "usr/bin/x"),
        ("./usr/bin/", "usr/bin"),
        ("/etc/passwd", "etc/passwd"),
        ("//etc//passwd", "etc/passwd"),
        ("../../etc/passwd", "etc/passwd"),
        ("a/../../b", "b"),
        ("a/b/../c", "a/c"),
        ("a/./b/.", "a/b"),
        ("a/..", ""),
        ("./", ""),
        (".", ""),
        ("..", ""),
        ("/", ""),
        ("", ""),
        ("./../a", "a"),
        (".//a", "a"),
        (".hidden/..data/...", ".hidden/..data/..."),
        ("a/.b/..c", "a/.b/..c"),
        ("a ", "a "),
    ],
)
def test_paths_stay_inside_the_root(name: str, expected: str) -> None:
    """Absolute paths and `..` end inside the root, as a runtime resolves them."""
    assert normalised(name) == expected
    assert members(header(name.encode()))[0].path == expected
    assert members(header(b"l", flag=b"1", target=name.encode()))[0].target == expected


def test_target_of_a_symbolic_link_is_as_written() -> None:
    """A symbolic link may point anywhere; that is judged when it is followed."""
    assert members(header(b"l", flag=b"2", target=b"../../x/./y/"))[0].target == "../../x/./y/"


def test_names_that_are_no_text() -> None:
    """Bytes that are not UTF-8, and line feeds, are written out, so that each path is one line of storable text."""
    found = members(header(b"caf\xe9/\xff") + header(b"two\nlines") + header(b"l", flag=b"2", target=b"\xed\xa0\x80\n"))
    assert [m.path for m in found] == ["caf\\xe9/\\xff", "two\\x0alines", "l"]
    assert found[2].target == "\\xed\\xa0\\x80\\x0a"


@pytest.mark.parametrize("flag", [b"L", b"K"])
def test_name_longer_than_allowed(flag: bytes) -> None:
    """A path or target may have as many bytes as the limit says, and not one more."""
    limits = LayerLimits(name_bytes=4096)
    members(extension(flag, b"n" * 4096) + header(), limits)
    with pytest.raises(LayerTooLarge) as caught:
        members(extension(flag, b"n" * 4097) + header(), limits)
    assert caught.value.args == ("name_bytes", 4096)


@pytest.mark.parametrize(
    "trailer", [b"", TRAILER, TRAILER + b"junk after the end", bytes(512), bytes(600), bytes(10240)]
)
def test_ends(trailer: bytes) -> None:
    """Two blocks of zeros end a tar and what follows is nothing; so does the end of the stream between members."""
    assert [m.path for m in members(header(b"a") + trailer)] == ["a"]


def test_missing_padding() -> None:
    """A tar may end with the data of its last file, unpadded."""
    assert contents(header(b"a", size=b"%011o\0" % 3) + b"abc", 100)[0][1] == b"abc"


def test_block_of_zeros_in_the_middle() -> None:
    """One block of zeros and then a member is damage: Go refuses it, other programs stop there or go on."""
    with pytest.raises(DamagedLayer, match="goes on"):
        members(header(b"a") + bytes(512) + header(b"b"))


def test_all_of_the_stream_is_taken() -> None:
    """What follows the end of the tar is taken too, for the diff id is of every byte."""
    chunks = iter([header(b"a"), TRAILER, b"more", b"and more"])
    list(Archive(chunks, LIMITS))
    assert next(chunks, None) is None


@pytest.mark.parametrize("left", [1, 511])
def test_truncated_header(left: int) -> None:
    """A part of a header at the end is a truncation, of an extension's data too."""
    with pytest.raises(TruncatedLayer, match="header"):
        members(header(b"a") + header(b"b")[:left])
    with pytest.raises(TruncatedLayer, match="file"):
        members(extension(b"L", b"n" * 512)[: 512 + left])


def test_too_many_entries() -> None:
    """A million tiny entries stop at the cap."""
    tar = header(b"a") * 1001
    assert len(members(tar, LayerLimits(entries=1001))) == 1001
    with pytest.raises(LayerTooLarge) as caught:
        members(tar, LayerLimits(entries=1000))
    assert caught.value.args == ("entries", 1000)


def test_a_large_file_is_whole_and_held_once() -> None:
    """One beyond the room that is made at first, which has to grow while it comes."""
    piece = bytes(range(256)) * 1000
    size = 300 * len(piece)
    tar = chain([header(b"large", size=b"%011o\0" % size)], repeat(piece, 300), [TRAILER])
    archive = Archive(iter(tar), LIMITS)
    tracemalloc.start()
    try:
        assert next(iter(archive)).size == size
        data = archive.data()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(data) == size
    assert data == piece * 300
    # While it grows, where the old room and the new one are both there.
    assert peak < (64 << 20) + 1.1 * size


def test_what_a_header_says_takes_no_memory() -> None:
    """A layer of a few bytes that names a file of 8 GiB."""
    archive = Archive(iter([header(size=b"%011o\0" % 0o77777777777), b"x" * 1000]), LIMITS)
    next(iter(archive))
    tracemalloc.start()
    try:
        with pytest.raises(TruncatedLayer):
            archive.data()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 65 << 20
