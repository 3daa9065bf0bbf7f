"""A tar gives its plain files; one that lies or leads astray is refused for the whole."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hullwise.imports.errors import PartMissing, UnusableSource
from hullwise.imports.tar import Tar


def member(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    found = tarfile.TarInfo(name)
    found.type, found.size, found.linkname = kind, len(data), link
    return found, data


def write(path: Path, *members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as archive:
        for found, data in members:
            archive.addfile(found, io.BytesIO(data))
    return path


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_plain_files_are_found_in_each_format(tmp_path: Path, form: int) -> None:
    """Short names and names of more than 100 characters, with `./` and without; empty files; parts of files."""
    long = f"{'a' * 99}/{'b' * 99}"
    found = Tar(
        write(
            tmp_path / "tar",
            member("./index.json", b"0123456789"),
            member("./", kind=tarfile.DIRTYPE),
            member("empty"),
            member(long, bytes(1_000)),
            member("after", b"after"),
            form=form,
        )
    )
    assert found.read("index.json", 100) == b"0123456789"
    assert found.read("index.json", 4) == b"0123"
    assert found.read("empty", 100) == b""
    assert found.read(long, 5_000) == bytes(1_000)
    assert found.read("after", 100) == b"after"
    assert not found.is_file("./index.json")


def test_links_and_devices_hold_nothing(tmp_path: Path) -> None:
    """A link to a file of the machine, to one of the tar, a device: none of them is there."""
    path = write(
        tmp_path / "tar",
        member("index.json", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        member("up", kind=tarfile.LNKTYPE, link="../../etc/passwd"),
        member("device", kind=tarfile.CHRTYPE),
        member("after", b"after"),
    )
    found = Tar(path)
    for name in ("index.json", "up", "device"):
        with pytest.raises(PartMissing):
            found.read(name, 100)
    assert found.read("after", 100) == b"after"


def lying(path: Path) -> None:
    """A header of one file whose size is beyond the end."""
    header = member("index.json", bytes(100))[0]
    header.size = 1 << 40
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(512))


def negative(path: Path) -> None:
    header = bytearray(member("index.json")[0].tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path.write_bytes(header + bytes(1024))


def big_name(path: Path) -> None:
    header = member("x", kind=tarfile.XHDTYPE)[0]
    header.size = 1 << 30
    with path.open("wb") as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        file.truncate((1 << 30) + 2_048)


def bad_record(path: Path) -> None:
    data = b"99 path=x\n"
    header = member("x", data, tarfile.XHDTYPE)[0]
    path.write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + data.ljust(512, b"\0") + bytes(1024))


def torn(path: Path) -> None:
    write(path, member("one", b"1"), member("two", b"2"))
    data = bytearray(path.read_bytes())
    data[1024 + 10] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: write(path, member("/etc/passwd", b"x")), "its member '/etc/passwd' leads out of a folder"),
        (lambda path: write(path, member("blobs/../../x", b"x")), "its member 'blobs/../../x' leads out of a folder"),
        (lambda path: write(path, member("..", kind=tarfile.DIRTYPE)), "its member '..' leads out of a folder"),
        (lambda path: write(path, member("a", b"1"), member("./a", b"2")), "it has 'a' twice"),
        (lambda path: path.write_bytes(gzip.compress(bytes(5_000))), "it is compressed; unpack it first"),
        (lambda path: path.write_bytes(b"text " * 500), "it is no tar"),
        (lambda path: path.write_bytes(b""), "it is no tar"),
        (lying, "it ends before the 1,099,511,627,776 bytes that a member is said to have"),
        (negative, "bytes that a member is said to have"),
        (big_name, "it has a name of more than 65,536 bytes"),
        (bad_record, "it is damaged: a PAX header has a record that is none"),
        (torn, "it is damaged: a header is none"),
    ],
)
def test_what_is_not_to_be_trusted_is_refused(tmp_path: Path, make: Callable[[Path], object], why: str) -> None:
    """For the whole, in a sentence that says what is wrong."""
    make(tmp_path / "tar")
    with pytest.raises(UnusableSource) as refused:
        Tar(tmp_path / "tar")
    assert str(refused.value).startswith(f"{tmp_path / 'tar'}: ")
    assert str(refused.value).endswith(why)


def test_a_tar_cut_off_in_a_header_ends_there(tmp_path: Path) -> None:
    """What came before is there."""
    path = write(tmp_path / "tar", member("one", b"1"), member("two", b"2"))
    path.write_bytes(path.read_bytes()[:1_100])
    found = Tar(path)
    assert (found.is_file("one"), found.is_file("two")) == (True, False)
