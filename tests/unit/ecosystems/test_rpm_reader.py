"""The reader of rpm's databases. Expected values: the spec files beside them, rpm's own answers, its formats."""

from __future__ import annotations

import hashlib
import lzma
import random
import shutil
import sqlite3
import struct
import subprocess
import time
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from hullwise.domain.packages import FoundPackage, OwnedFile
from hullwise.ecosystems import rpm
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.rpm import RPM
from tests.support.rpms import INT32, STRING, STRINGS, Tag, header, ndb, numbers, text, texts

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
PATH = "var/lib/rpm/Packages"
LIST = "var/lib/rpmmanifest/container-manifest-2"

REAL = {
    "sqlite": lzma.decompress((ASSETS / "rpm-4.18.rpmdb.sqlite.xz").read_bytes()),
    "sqlite of small pages": (ASSETS / "rpm.rpmdb.sqlite").read_bytes(),
    "ndb": (ASSETS / "rpm.Packages.db").read_bytes(),
    "berkeley": (ASSETS / "rpm.Packages").read_bytes(),
    "big-endian berkeley": (ASSETS / "rpm-big-endian.Packages").read_bytes(),
}
every_form = pytest.mark.parametrize("form", REAL)

# What fleet.spec and moor.spec say.
PACKAGES = {
    FoundPackage("fleet", "1:2.0~rc1-3.el9", architecture="x86_64", scope="fleet:2.x", vendor="Fixture Works"),
    FoundPackage("fleet-libs", "5.1^git7-1.el9", "fleet", "2.0~rc1-3.el9", "x86_64", "fleet:2.x", "Fixture Works"),
    FoundPackage("python3-fleet", "1:2.0~rc1-3.el9", "fleet", "", "noarch", "fleet:2.x", "Fixture Works"),
    FoundPackage("moor", "1.0-1", architecture="noarch"),
}
INFORMATION = "usr/lib/python3.9/site-packages/fleet-2.0rc1.dist-info"
FILES = {
    ("fleet", "usr/bin/fleet", b"#!/bin/sh\n"),
    ("fleet", "etc/fleet.conf", b"a=1\n"),
    ("fleet-libs", "usr/lib64/libfleet.so.5.1", b"library\n"),
    ("python3-fleet", f"{INFORMATION}/METADATA", b"Metadata-Version: 2.1\nName: fleet\nVersion: 2.0rc1\n"),
    ("python3-fleet", f"{INFORMATION}/größe", b""),
}


def read(*tags: Tag) -> Reading:
    """What is read of an NDB of one package."""
    return RPM.read(PATH, ndb(header(text(1000, "a"), text(1001, "1"), text(1002, "2"), *tags)))


@every_form
def test_real_packages(form: str) -> None:
    """Each form of a real database gives its packages, without the imported key and what was erased."""
    packages = RPM.read(PATH, REAL[form]).packages
    assert len(packages) == len(PACKAGES)
    assert set(packages) == PACKAGES


def test_a_real_list() -> None:
    """Of an image without a database: the same packages, but for the module, which is not in it."""
    reading = RPM.read(LIST, (ASSETS / "container-manifest-2").read_bytes())
    assert len(reading.packages) == len(PACKAGES)
    assert set(reading.packages) == {msgspec.structs.replace(package, scope="") for package in PACKAGES}
    assert reading.owned == ()


@every_form
def test_real_files(form: str) -> None:
    """Regular files have the digests that rpmbuild took; directories, the symbolic link and the ghost are left out."""
    expected = {OwnedFile(name, path, f"sha256:{hashlib.sha256(content).hexdigest()}") for name, path, content in FILES}
    expected.add(OwnedFile("moor", "opt/moor/moor", "md5:" + hashlib.md5(b"moor\n").hexdigest()))
    owned = RPM.read(PATH, REAL[form]).owned
    assert len(owned) == len(expected)
    assert set(owned) == expected


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("var/lib/rpm/Packages", True),
        ("var/lib/rpm/Packages.db", True),
        ("var/lib/rpm/rpmdb.sqlite", True),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", True),
        ("usr/share/rpm/rpmdb.sqlite", True),
        ("var/lib/rpmmanifest/container-manifest-2", True),
        ("var/lib/rpmmanifest/container-manifest-1", False),
        ("opt/var/lib/rpmmanifest/container-manifest-2", False),
        ("var/lib/rpm/rpmdb.sqlite-wal", False),
        ("var/lib/rpm/Index.db", False),
        ("var/lib/rpm/Basenames", False),
        ("srv/chroot/var/lib/rpm/Packages", False),
        ("usr/lib/rpm/Packages", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """The database or the list of the image itself is wanted, not its indexes, or another tree's."""
    assert RPM.claims(path) is claimed


@pytest.mark.parametrize(
    ("tags", "version"),
    [
        ((text(1001, "1"), text(1002, "2")), "1-2"),
        ((text(1001, "1"), text(1002, "2"), numbers(1003, 0)), "1-2"),
        ((text(1001, "1"), text(1002, "2"), numbers(1003, 4294967295)), "4294967295:1-2"),
        ((text(1001, "1"),), "1"),
        # What stands behind replaces what stands before.
        ((text(1001, "1"), text(1001, "3"), text(1002, "2")), "3-2"),
    ],
)
def test_versions(tags: tuple[Tag, ...], version: str) -> None:
    """Epoch, version and release are one text; an epoch of 0 is as none."""
    packages = RPM.read(PATH, ndb(header(text(1000, "a"), *tags))).packages
    assert [package.version for package in packages] == [version]


@pytest.mark.parametrize(
    ("file", "name", "version"),
    [
        ("perl-5.32.1-481.el9.src.rpm", "perl", "5.32.1-481.el9"),
        ("b-1-2.nosrc.rpm", "b", ""),
        ("a-1-2.src.rpm", "", ""),
        ("a-b-c-1-3.src.rpm", "a-b-c", "1-3"),
        ("perl-5.src.rpm", "", ""),
        ("b-1-2.x86_64.rpm", "", ""),
        ("(none)", "", ""),
        ("b c-1-2.src.rpm", "", ""),
        ("", "", ""),
    ],
)
def test_source_packages(file: str, name: str, version: str) -> None:
    """Name and version of the source package are those of its file, where they differ from the package's own."""
    (package,) = read(text(1044, file), numbers(1003, 7)).packages
    assert (package.source_name, package.source_version) == (name, version)


@pytest.mark.parametrize(
    ("label", "scope"),
    [
        ("nodejs:18:9040020240101:rhel9", "nodejs:18"),
        ("a:b", "a:b"),
        ("perl-DBD-SQLite:1.58:1", "perl-DBD-SQLite:1.58"),
        ("a", ""),
        ("a:", ""),
        (":b:1", ""),
        ("a b:c", ""),
        ("", ""),
    ],
)
def test_modules(label: str, scope: str) -> None:
    """Name and stream of the module decide which advisories apply."""
    assert read(text(5096, label)).packages[0].scope == scope


@pytest.mark.parametrize(
    ("written", "vendor"),
    [
        ("Red Hat, Inc.", "Red Hat, Inc."),
        ("  openSUSE ", "openSUSE"),
        ("x" * 2_000, "x" * 64),
        ("", ""),
    ],
)
def test_vendors(written: str, vendor: str) -> None:
    """Who built it, as far as that tells one from another."""
    assert read(text(1011, written)).packages[0].vendor == vendor


@pytest.mark.parametrize(
    ("algorithm", "prefix", "length"), [(1, "md5:", 32), (2, "sha1:", 40), (8, "sha256:", 64), (None, "md5:", 32)]
)
def test_digest_algorithms(algorithm: int | None, prefix: str, length: int) -> None:
    """The tag of the algorithm says what the digests are; without it they are MD5."""
    tags = [texts(1117, "f", "g"), texts(1118, "/d/"), numbers(1116, 0, 0), texts(1035, "0" * length, "")]
    if algorithm:
        tags.append(numbers(5011, algorithm))
    assert read(*tags).owned == (OwnedFile("a", "d/f", prefix + "0" * length),)


def test_whole_file_names() -> None:
    """Packages of rpm 3 name each file with its folder."""
    reading = read(texts(1027, "/usr/bin/f", "/etc/g"), texts(1035, "1" * 32, "2" * 32))
    assert reading.owned == (
        OwnedFile("a", "usr/bin/f", "md5:" + "1" * 32),
        OwnedFile("a", "etc/g", "md5:" + "2" * 32),
    )


DIGEST = texts(1035, "1" * 32)


@pytest.mark.parametrize(
    "tags",
    [
        (texts(1117, "f"), texts(1118, "/d/"), numbers(1116, 1), DIGEST),
        (texts(1117, "f"), texts(1118, "/d/"), numbers(1116, 0, 0), DIGEST),
        (texts(1117, "f", "g"), texts(1118, "/d/"), numbers(1116, 0, 0), DIGEST),
        (texts(1117, "f"), numbers(1116, 0), DIGEST),
        (texts(1117, "f"), texts(1118, "/d/"), (1116, INT32, 2**32 - 1, b"\0\0\0\0"), DIGEST),
        (texts(1117, "f"), texts(1118, "/d/"), (1116, STRING, 1, b"\0\0\0\0"), DIGEST),
        (texts(1117, "f"), texts(1118, "/d/"), numbers(1116, 0), texts(1035, "g" * 32)),
        (texts(1117, "f"), texts(1118, "/d/"), numbers(1116, 0), texts(1035, "1" * 31)),
        (texts(1117, "f"), texts(1118, "/d/"), numbers(1116, 0), DIGEST, numbers(5011, 10)),
        (texts(1117, "f"), texts(1118, "/d/"), numbers(1116, 0), (1035, STRINGS, 1, b"1" * 32)),
    ],
)
def test_damaged_file_lists(tags: tuple[Tag, ...]) -> None:
    """Lists of files that do not fit together, or of unknown digests, cost the files, not the package."""
    reading = read(*tags)
    assert len(reading.packages) == 1
    assert reading.owned == ()


def test_paths_in_another_encoding() -> None:
    """Bytes that are no UTF-8 are replaced, and cost no other file."""
    names = (1117, STRINGS, 2, b"\xff\0\xc3\xb6\0")
    owned = read(names, texts(1118, "/d/"), numbers(1116, 0, 0), texts(1035, "1" * 32, "1" * 32)).owned
    assert [file.path for file in owned] == ["d/\ufffd", "d/ö"]


GOOD = header(text(1000, "good"), text(1001, "1"), text(1002, "2"))
BAD = {
    "no name": header(text(1001, "1"), text(1002, "2")),
    "name with a blank": header(text(1000, "b d"), text(1001, "1")),
    "name of another type": header(numbers(1000, 1), text(1001, "1")),
    "name outside the data": GOOD[:16] + b"\xff\xff\xff\xff" + GOOD[20:],
    "cut off": GOOD[:-1],
    "too long": GOOD + b"\0",
    "too many entries": b"\0\1\0\0" + GOOD[4:],
    "empty": b"",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_damaged_headers_are_passed_over(bad: bytes) -> None:
    """A header without a usable name does not cost the others, but a file of nothing else is unreadable."""
    assert [package.name for package in RPM.read(PATH, ndb(bad, GOOD, bad)).packages] == ["good"]
    with pytest.raises(Unreadable, match="no header"):
        RPM.read(PATH, ndb(bad))


@pytest.mark.parametrize(
    "tags",
    [
        (text(1002, "2"),),
        (text(1001, "1 2"),),
        ((1001, STRING, 1, b"1\xff\0"),),
        (text(1001, "1" * 300), text(1002, "1" * 300)),
    ],
    ids=["none", "a blank", "another encoding", "too long"],
)
def test_a_package_without_a_usable_version_is_listed(tags: tuple[Tag, ...]) -> None:
    """What is installed is shown, also where nothing can be compared; its source's version stands for nothing."""
    packages = RPM.read(PATH, ndb(header(text(1000, "a"), *tags, text(1044, "b-1-2.src.rpm")))).packages
    assert packages == (FoundPackage("a", "", "b"),)


def test_databases_without_packages(tmp_path: Path) -> None:
    """An empty file, a database just made, and one of imported keys alone are empty readings."""
    key = header(text(1000, "gpg-pubkey"), text(1001, "0966e813"), text(1002, "6b096cf3"))
    assert RPM.read(PATH, b"") == RPM.read(PATH, ndb()) == RPM.read(PATH, ndb(key)) == Reading()
    connection = sqlite3.connect(tmp_path / "rpmdb.sqlite")
    connection.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)")
    connection.close()
    assert RPM.read(PATH, (tmp_path / "rpmdb.sqlite").read_bytes()) == Reading()


@every_form
def test_cut_files_are_unreadable(form: str) -> None:
    """A database of which the end is missing is no shorter database."""
    with pytest.raises(Unreadable):
        RPM.read(PATH, REAL[form][: len(REAL[form]) * 2 // 3])


@every_form
def test_flipped_bytes(form: str) -> None:
    """Whatever bytes are changed, the file is read or unreadable, and soon."""
    dice = random.Random(f"flips of {form}")
    for _ in range(150):
        data = bytearray(REAL[form])
        for _ in range(dice.choice([1, 2, 8, 64])):
            data[dice.randrange(dice.choice([200, len(data)]))] = dice.choice([0, 1, 127, 255, dice.randrange(256)])
        start = time.process_time()
        try:
            packages = RPM.read(PATH, bytes(data)).packages
        except Unreadable as error:
            assert str(error)
        else:
            assert all(package.name for package in packages)
        assert time.process_time() - start < 2


def berkeley(order: str, *values: bytes) -> bytes:
    """A Berkeley DB of two pages, the second of one bucket: the counter under key 0, and values in place."""
    first, page = bytearray(4096), bytearray(4096)
    struct.pack_into(f"{order}12xIIIBBB5xI", first, 0, 0x061561, 9, 4096, 0, 8, 0, 1)
    struct.pack_into(f"{order}I", first, 96, 1)
    places: list[int] = []
    end = len(page)
    for key, value in enumerate([b"\0\0\0\1", *values]):
        for item in (struct.pack(f"{order}I", key), value):
            end -= 1 + len(item)
            page[end : end + 1 + len(item)] = b"\1" + item
            places.append(end)
    struct.pack_into(f"{order}8xIIIHHBB{len(places)}H", page, 0, 1, 0, 0, len(places), end, 0, 13, *places)
    return bytes(first + page)


@pytest.mark.parametrize("order", ["<", ">"])
def test_berkeley_values_in_place(order: str) -> None:
    """Short headers lie on the bucket's page itself; the counter is no header."""
    packages = RPM.read(PATH, berkeley(order, GOOD, GOOD.replace(b"good", b"fine"))).packages
    assert [package.name for package in packages] == ["good", "fine"]
    assert RPM.read(PATH, berkeley(order)) == Reading()


@pytest.mark.parametrize(
    ("place", "bytes_there", "problem"),
    [
        (16, b"\7", "version"),
        (20, b"\0\3", "pages of"),
        (24, b"\1", "encrypted"),
        (26, b"\1", "checksums"),
        (72, b"\1", "used twice"),
        (96, b"\0", "not in the file"),
        (4096 + 8, b"\2", "says that it is page 2"),
        (4096 + 20, b"\3", "items"),
        (4096 + 25, b"\5", "type 5"),
        (4096 + 28, b"\0\0", "outside its page"),
        (4096 + 26, b"\xff\xff", "outside its page"),
    ],
)
def test_damaged_berkeley_pages(place: int, bytes_there: bytes, problem: str) -> None:
    """What Berkeley DB would not have written is told by name."""
    data = bytearray(berkeley("<", GOOD))
    data[place : place + len(bytes_there)] = bytes_there
    with pytest.raises(Unreadable, match=problem):
        RPM.read(PATH, bytes(data))


def test_buckets_never_written() -> None:
    """A page that Berkeley DB set aside and never wrote is an empty bucket."""
    data = bytearray(berkeley("<", GOOD))
    data[72] = 1
    struct.pack_into("<I", data, 100, 1)
    assert len(RPM.read(PATH, bytes(data) + bytes(4096)).packages) == 1


@pytest.mark.parametrize(
    ("place", "bytes_there", "problem"),
    [
        (4, b"\1", "version 1"),
        (12, b"\0", "pages of slots"),
        (12, b"\xff\xff\xff\xff", "pages of slots"),
        (4080, b"s", "mark"),
        (40, b"\1\0", "out of the file"),
        (44, b"\xff", "out of the file"),
        (44, b"\1", "shorter than its frame"),
        (36, b"\2", "not where its slot says"),
        (4096 + 12, b"\xff", "not where its slot says"),
    ],
)
def test_damaged_ndb(place: int, bytes_there: bytes, problem: str) -> None:
    """What rpm would refuse is told by name."""
    data = bytearray(ndb(GOOD))
    data[place : place + len(bytes_there)] = bytes_there
    with pytest.raises(Unreadable, match=problem):
        RPM.read(PATH, bytes(data))


def overflow_pages(data: bytearray) -> list[int]:
    """Offsets of a Berkeley DB's overflow pages, of 512 bytes each."""
    return [at for at in range(512, len(data), 512) if data[at + 25] == 7]


@pytest.mark.parametrize("form", ["berkeley", "big-endian berkeley"])
def test_loops_of_berkeley_pages(form: str) -> None:
    """A page that is its own next one, of a bucket or of a long value, ends in the declared error."""
    looped = bytearray(REAL[form])
    first = overflow_pages(looped)[0]
    looped[first + 16 : first + 20] = looped[first + 8 : first + 12]
    with pytest.raises(Unreadable, match="used twice"):
        RPM.read(PATH, bytes(looped))
    looped = bytearray(REAL[form])
    bucket = next(at for at in range(512, len(looped), 512) if looped[at + 25] in {2, 13})
    looped[bucket + 16 : bucket + 20] = looped[bucket + 8 : bucket + 12]
    with pytest.raises(Unreadable, match="used twice"):
        RPM.read(PATH, bytes(looped))


def test_many_slots_of_one_header() -> None:
    """Slots that share one header's bytes do not multiply them."""
    data = bytearray(ndb(header(text(1000, "a"), text(1001, "1"), text(0, "x" * 5000))))
    for slot in range(48, 4096, 16):
        data[slot : slot + 16] = data[32:48]
    with pytest.raises(Unreadable, match="share"):
        RPM.read(PATH, bytes(data))


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE VIEW Packages AS WITH RECURSIVE n(blob) AS (SELECT 1 UNION ALL SELECT blob FROM n) SELECT blob FROM n",
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob AS (zeroblob(1000000000)))",
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, other BLOB)",
        "CREATE TABLE Other (blob BLOB)",
        "CREATE VIRTUAL TABLE Packages USING fts4(blob)",
        "CREATE VIRTUAL TABLE Packages USING rtree(blob, low, high)",
    ],
)
def test_hostile_schemas(tmp_path: Path, schema: str) -> None:
    """What computes rows instead of storing them is not asked."""
    connection = sqlite3.connect(tmp_path / "rpmdb.sqlite")
    connection.execute(schema)
    connection.close()
    with pytest.raises(Unreadable, match="no table of packages"):
        RPM.read(PATH, (tmp_path / "rpmdb.sqlite").read_bytes())


def test_a_schema_in_another_encoding() -> None:
    """Where SQLite quotes bytes that are no UTF-8, that is an unreadable file too."""
    data = REAL["sqlite of small pages"].replace(b"PackagesPackages", b"\xff" * 16)
    with pytest.raises(Unreadable, match="UnicodeDecodeError"):
        RPM.read(PATH, data.replace(b"CREATE TABLE 'Packages'", b"CREATE TABLX 'Packages'"))


def test_rows_of_a_long_default(tmp_path: Path) -> None:
    """Rows that hold nothing of their own do not multiply a default of the schema."""
    connection = sqlite3.connect(tmp_path / "rpmdb.sqlite")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO Packages VALUES (?)", [(number,) for number in range(5000)])
    connection.execute(f"ALTER TABLE Packages ADD COLUMN blob BLOB DEFAULT x'{'00' * 10_000}'")
    connection.commit()
    connection.close()
    with pytest.raises(Unreadable, match="share"):
        RPM.read(PATH, (tmp_path / "rpmdb.sqlite").read_bytes())


def test_more_headers_than_any_image_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file made to fill memory is unreadable."""
    monkeypatch.setattr(rpm, "MOST_PACKAGES", 2)
    assert len(RPM.read(PATH, ndb(GOOD, GOOD)).packages) == 2
    with pytest.raises(Unreadable, match="more than 2"):
        RPM.read(PATH, ndb(GOOD, GOOD, GOOD))


MICROSOFT = b"Microsoft Corporation"
# As in Azure Linux 3.0; `EPOCH` is `(none)` where there is none, and its number 0.
OPENSSL = b"openssl-libs\t3.3.5-4.azl3\t1762500000\t1762400000\tMicrosoft Corporation\t(none)\t8001\tx86_64\t0\topenssl-3.3.5-4.azl3.src.rpm"  # noqa: E501


def line(
    version: bytes = b"1-2", vendor: bytes = MICROSOFT, architecture: bytes = b"noarch", epoch: bytes = b"0"
) -> bytes:
    return b"\t".join([b"a", version, b"1", b"1", vendor, b"(none)", b"9", architecture, epoch, b"a-1-2.src.rpm"])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n \r\n", []),
        (
            OPENSSL,
            [FoundPackage("openssl-libs", "3.3.5-4.azl3", "openssl", "", "x86_64", "", "Microsoft Corporation")],
        ),
        (line(epoch=b"2"), [FoundPackage("a", "2:1-2", architecture="noarch", vendor="Microsoft Corporation")]),
        (line(epoch=b"(none)"), [FoundPackage("a", "1-2", architecture="noarch", vendor="Microsoft Corporation")]),
        (line(epoch=b"9" * 5_000), [FoundPackage("a", "1-2", architecture="noarch", vendor="Microsoft Corporation")]),
        (line(vendor=b"(none)", architecture=b"(none)"), [FoundPackage("a", "1-2")]),
        (line(version=b""), [FoundPackage("a", "", architecture="noarch", vendor="Microsoft Corporation")]),
        (line(version=b"1" * 5_000), [FoundPackage("a", "", architecture="noarch", vendor="Microsoft Corporation")]),
        (b"short\t1-1\n" + line(vendor=b"(none)") + b"\textra\n" + line(vendor=b"(none)") + b"\r\n",
         [FoundPackage("a", "1-2", architecture="noarch")]),
        (line().replace(b"a\t", b"gpg-pubkey\t", 1), []),
    ],
)  # fmt: skip
def test_lines_of_a_list(data: bytes, expected: list[FoundPackage]) -> None:
    """What a line does not say is not made up; one with other columns is passed over."""
    assert list(RPM.read(LIST, data).packages) == expected


def test_a_list_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that names a package, or a file made to fill memory."""
    for data in (b"SQLite format 3\0", b"<html>\n" * 9, line().replace(b"a\t", b"\t", 1)):
        with pytest.raises(Unreadable, match="no line names a package"):
            RPM.read(LIST, data)
    monkeypatch.setattr(rpm, "MOST_PACKAGES", 2)
    assert len(RPM.read(LIST, b"\n".join([line()] * 2)).packages) == 2
    with pytest.raises(Unreadable, match="more than 2 lines"):
        RPM.read(LIST, b"\n".join([line()] * 3))


def test_a_long_folder_of_many_files() -> None:
    """A folder's name, stored once, is not repeated for more files than are held."""
    count = 100_000
    names, digests = texts(1117, *["f"] * count), texts(1035, *["1" * 32] * count)
    lists = (names, texts(1118, "d" * 4000), numbers(1116, *[0] * count), digests)
    data = ndb(header(text(1000, "a"), text(1001, "1"), *lists))
    tracemalloc.start()
    try:
        reading = RPM.read(PATH, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(reading.packages) == 1
    assert reading.owned == ()
    assert peak < 100_000_000


def test_files_past_the_limit_are_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages are all told of, however many files there are."""
    monkeypatch.setattr(rpm, "MOST_FILES", 5)
    lists = (texts(1117, "f", "g"), texts(1118, "/d/"), numbers(1116, 0, 0), texts(1035, "1" * 32, "2" * 32))
    reading = RPM.read(PATH, ndb(*[header(text(1000, name), text(1001, "1"), *lists) for name in "abc"]))
    assert [package.name for package in reading.packages] == ["a", "b", "c"]
    assert [file.package for file in reading.owned] == ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    "data",
    [b"\0", b"\x7fELF\x02\x01\x01", b"SQLite format 3\0", b"RpmP", bytes(12) + b"\x61\x15\x06\0", b"<html>" * 99],
)
def test_not_a_database(data: bytes) -> None:
    """A file of another kind, or nothing but a beginning, is unreadable."""
    with pytest.raises(Unreadable):
        RPM.read(PATH, data)


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is not installed")
@pytest.mark.parametrize(
    ("form", "backend", "name"), [("sqlite", "sqlite", "rpmdb.sqlite"), ("berkeley", "bdb_ro", "Packages")]
)
def test_rpm_itself_agrees(tmp_path: Path, form: str, backend: str, name: str) -> None:
    """rpm lists the same packages and digests of the same files."""
    (tmp_path / name).write_bytes(REAL[form])
    rpm_query = ["rpm", "--dbpath", str(tmp_path), "--define", f"_db_backend {backend}", "-qa", "--qf"]

    def answer(form: str) -> set[str]:
        run = subprocess.run([*rpm_query, form], capture_output=True, text=True, check=True)
        return set(run.stdout.splitlines())

    reading = RPM.read(PATH, REAL[form])
    packages = {line for line in answer("%{NAME} %{EVR} %{ARCH} %{MODULARITYLABEL}\\n") if not line.startswith("gpg-")}
    assert {line.split(" ")[0] for line in packages} == {package.name for package in reading.packages}
    assert {tuple(line.replace(" 0:", " ").split(" ")[:3]) for line in packages} == {
        (package.name, package.version, package.architecture) for package in reading.packages
    }
    files = answer("[%{=NAME} %{FILEDIGESTS} %{FILENAMES}\\n]")
    assert {line for line in files if "  " not in line} == {
        f"{file.package} {file.digest.partition(':')[2]} /{file.path}" for file in reading.owned
    }


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is not installed")
def test_rpm_itself_writes_the_list(tmp_path: Path) -> None:
    """With the query of those who build such images."""
    (tmp_path / "rpmdb.sqlite").write_bytes(REAL["sqlite"])
    columns = ("NAME", "VERSION}-%{RELEASE", "INSTALLTIME", "BUILDTIME", "VENDOR", "EPOCH", "SIZE", "ARCH", "EPOCHNUM")
    query = "\\t".join(f"%{{{column}}}" for column in (*columns, "SOURCERPM")) + "\\n"
    command = ["rpm", "--dbpath", str(tmp_path), "--define", "_db_backend sqlite", "-qa", "--qf", query]
    written = subprocess.run(command, capture_output=True, check=True).stdout
    assert sorted(written.splitlines()) == sorted((ASSETS / "container-manifest-2").read_bytes().splitlines())
