"""Zip archives under limits: what is legal and rare, and what is made to cost much."""

from __future__ import annotations

import contextlib
import io
import struct
import time
import tracemalloc
import zipfile
import zlib

import pytest

from hullwise.ecosystems import archives, java
from hullwise.ecosystems.archives import Archive, Work
from hullwise.ecosystems.ecosystem import Unreadable
from hullwise.ecosystems.java import MAVEN

PROPERTIES = b"groupId=g\nartifactId=a\nversion=1.0\n"
POM = "META-INF/maven/g/a/pom.properties"


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def opened(data: bytes) -> Archive:
    return Archive(memoryview(data), Work(len(data)))


def contents(data: bytes) -> dict[bytes, bytes]:
    archive = opened(data)
    return {member.name: bytes(archive.content(member, 1 << 30)) for member in archive.members((b".jar",))}


def local(name: bytes, content: bytes, method: int = 0, packed: bytes | None = None) -> bytes:
    """A member as APPNOTE 4.3.7 has it."""
    packed = content if packed is None else packed
    checksum = zlib.crc32(content)
    head = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, method, 0, 0, checksum, len(packed), len(content), len(name), 0)
    return head + name + packed


def entry(name: bytes, content: bytes, offset: int, method: int = 0, packed: bytes | None = None) -> bytes:
    """Its entry in the list, 4.3.12."""
    packed = content if packed is None else packed
    numbers = (zlib.crc32(content), len(packed), len(content), len(name), 0, 0, 0, 0, 0, offset)
    return struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, method, 0, 0, *numbers) + name


def end(entries: bytes, offset: int, comment: bytes = b"") -> bytes:
    """The end of the archive, 4.3.16."""
    return struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0, 0, len(entries), offset, len(comment)) + comment


def overlapping(content: bytes, count: int, name: bytes) -> bytes:
    """An archive of one stored member that its list has many times."""
    member = local(name, content)
    entries = entry(name, content, 0) * count
    return member + entries + end(entries, len(member))


class Cost:
    """Bytes that a block takes at its most."""

    peak = 0

    def __enter__(self) -> Cost:
        tracemalloc.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def test_zip64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that no longer fit their field, as `zipfile` writes them when it takes little to be much."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 50)
    members = {"a.jar": b"a" * 100, "b.jar": b"b" * 10, "c.jar": b"c" * 200}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        data = zipped(members, method)
        assert b"PK\6\6" in data
        assert b"\xff\xff\xff\xff" in data[data.index(b"PK\1\2") :]
        for start in (b"", b"#!/bin/sh\n"):
            assert contents(start + data) == {name.encode(): content for name, content in members.items()}


def test_more_members_than_the_end_can_count() -> None:
    """A list is read to its end, whatever number of members is written there."""
    members = [(f"{number}.class".encode(), b"") for number in range(100_000)] + [(POM.encode(), PROPERTIES)]
    body = b"".join(local(name, content) for name, content in members[-1:])
    entries = b"".join(entry(name, content, 0) for name, content in members)
    (package,) = MAVEN.read("a.jar", body + entries + end(entries, len(body))).packages
    assert (package.name, package.version) == ("g:a", "1.0")


def test_comments() -> None:
    """A comment may be long, and look like the end of an archive."""
    plain = zipped({"a.jar": b"a"})
    for comment in (b"x" * 65535, b"PK\5\6", end(b"x" * 10, 7), end(b"x" * 10, 10**9) * 10):
        data = plain[:-2] + struct.pack("<H", len(comment)) + comment
        assert contents(data) == {b"a.jar": b"a"}
    comment = b"PK\5\6" * 1000
    with pytest.raises(Unreadable, match="no zip archive"):
        opened(plain[:-2] + struct.pack("<H", len(comment)) + comment)


def test_what_follows_is_passed_over() -> None:
    """Java takes an archive with bytes behind it for damaged, other tools read it; so is it here."""
    assert contents(zipped({"a.jar": b"a"}) + b"\0" * 100) == {b"a.jar": b"a"}


def test_empty_archives() -> None:
    """An archive of no members is one; an end alone that claims some is not."""
    assert contents(zipped({})) == {}
    with pytest.raises(Unreadable):
        opened(end(b"x" * 46, 0))


@pytest.mark.parametrize(
    "entries",
    [
        entry(b"a.jar", b"a", 0)[:-1],
        entry(b"a.jar", b"a", 0) + b"PK\1\2",
        entry(b"a.jar", b"a", 0) + b"\0" * 46,
        entry(b"a.jar", b"a", 0)[:28] + b"\xff\xff" + entry(b"a.jar", b"a", 0)[30:],
    ],
)
def test_damaged_lists(entries: bytes) -> None:
    """A list that is cut off, or has something else in it, is unreadable as a whole."""
    member = local(b"a.jar", b"a")
    with pytest.raises(Unreadable, match="the list of members is"):
        contents(member + entries + end(entries, len(member)))


def test_stored_archives_take_no_memory() -> None:
    """A jar that is stored in another is read where it is."""
    library = zipped({POM: PROPERTIES, "data": b"x" * 30_000_000}, zipfile.ZIP_STORED)
    data = zipped({"BOOT-INF/lib/a.jar": library}, zipfile.ZIP_STORED)
    with Cost() as cost:
        (package,) = MAVEN.read("a.jar", data).packages
    assert package.place == "BOOT-INF/lib/a.jar"
    assert cost.peak < 2_000_000


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_head(method: int) -> None:
    """Of a large member only the beginning is unpacked, of a small one all there is."""
    archive = opened(zipped({"a.jar": b"ab" * 5_000_000, "b.jar": b"b"}, method))
    large, small = archive.members((b".jar",))
    with Cost() as cost:
        assert archive.head(large, 1000) == b"ab" * 500
        assert archive.head(small, 1000) == b"b"
    assert cost.peak < 100_000


@pytest.mark.parametrize(
    ("limit", "value", "problem"),
    [
        ("MOST_WANTED", 3, "more than 3 archives and descriptions"),
        ("LIST_BYTES", 300, "more than 300 bytes of lists of members"),
        ("UNPACKED_BYTES", 1000, "unpacks to too many bytes in all"),
        ("TEXT_BYTES", 100, "more than 100 bytes of manifests and SBOMs in all"),
    ],
)
def test_limits(monkeypatch: pytest.MonkeyPatch, limit: str, value: int, problem: str) -> None:
    """Each limit holds for an archive and all inside it together; what was certain before it is kept."""
    inner = zipped({"b.class": b"", "c.jar": b""})
    versioned = zipped({"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n" + b"X: y\n" * 10})
    data = zipped({"a.jar": inner, "b.jar": versioned, "c.jar": versioned, "d.jar": b"d" * 1000})
    described = zipped({POM: PROPERTIES, "a.jar": data})
    MAVEN.read("a.jar", zipped({"a.jar": inner}))
    monkeypatch.setattr(archives, limit, value)
    with pytest.raises(Unreadable, match=problem):
        MAVEN.read("a.jar", data)
    assert [package.name for package in MAVEN.read("a.jar", described).packages] == ["g:a"]


def test_what_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives unpacked inside each other count together, those beside each other and stored ones do not."""
    filler = {"x": bytes(range(256)) * 12}
    library = zipped({POM: PROPERTIES, **filler}, zipfile.ZIP_STORED)
    monkeypatch.setattr(java, "HELD_BYTES", 2 * len(library))
    stored = zipped({"a.jar": library, **filler}, zipfile.ZIP_STORED)
    beside = zipped({"a.jar": library, "b.jar": library, "c.jar": library, "d.jar": stored}, zipfile.ZIP_STORED)
    assert len(MAVEN.read("a.jar", zipped({"a.jar": library, "b.jar": library, "c.jar": library})).packages) == 3
    assert len(MAVEN.read("a.jar", beside).packages) == 4
    with pytest.raises(Unreadable, match="unpacks to more than"):
        MAVEN.read("a.jar", zipped({"a.jar": zipped({"b.jar": zipped({"c.jar": library} | filler, 0)} | filler, 8)}))


def packed_zeros(count: int) -> bytes:
    """A member of zeros, packed as well as deflate can, that the list has so many times."""
    zeros = b"\0" * 60_000_000
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(zeros) + packer.flush()
    member = local(b"a.jar", zeros, 8, packed)
    entries = entry(b"a.jar", zeros, 0, 8, packed) * count
    return member + entries + end(entries, len(member))


def nested_bomb() -> bytes:
    """Sixteen archives in each of sixteen, five times over, with zeros at the bottom: 60 TB."""
    data = packed_zeros(1)
    for _ in range(5):
        data = zipped({f"{number}.jar": data for number in range(16)})
    return data


def nested_overlaps() -> bytes:
    """Stored archives in each other, each a hundred times: a hundred to the seventh."""
    data = zipped({POM: PROPERTIES})
    for _ in range(7):
        data = overlapping(data, 100, b"a.jar")
    return data


def manifests() -> bytes:
    """Archives with a long manifest that says nothing."""
    manifest = b"Manifest-Version: 1.0\n" + b"Short-Name:\n" * 9_000
    return overlapping(zipped({"META-INF/MANIFEST.MF": manifest}), 19_000, b"a.jar")


def descriptions() -> bytes:
    """Texts of no library, line by line."""
    return overlapping(b"version x\n" * 400, 19_000, POM.encode())


def long_names() -> bytes:
    return overlapping(b"a", 900, b"x" * 65_000 + b".jar")


def ends() -> bytes:
    """Archives that look like nothing but ends."""
    return overlapping(end(b"x" * 46, 0) * 2900, 19_000, b"a.jar")


def entries() -> bytes:
    return overlapping(b"", archives.LIST_BYTES // 53, b"a.class")


EXPENSIVE = {
    "packed_zeros": lambda: packed_zeros(10_000),
    "nested_bomb": nested_bomb,
    "nested_overlaps": nested_overlaps,
    "manifests": manifests,
    "descriptions": descriptions,
    "long_names": long_names,
    "ends": ends,
    "entries": entries,
}


@pytest.mark.parametrize("kind", EXPENSIVE)
def test_expensive_archives(kind: str) -> None:
    """What is made to cost much is given up in two seconds."""
    data = EXPENSIVE[kind]()
    started = time.process_time()
    with contextlib.suppress(Unreadable):
        assert len(MAVEN.read("a.jar", data).packages) < 2
    assert time.process_time() - started < 2


# Where little is made and thrown away again, for counting it takes minutes.
@pytest.mark.parametrize("kind", sorted(EXPENSIVE.keys() - {"entries", "descriptions", "manifests"}))
def test_large_archives(kind: str) -> None:
    """What is made to fill memory takes 150 MB at most."""
    data = EXPENSIVE[kind]()
    with Cost() as cost, contextlib.suppress(Unreadable):
        MAVEN.read("a.jar", data)
    assert cost.peak < 150_000_000
