"""The reader of Python metadata. Expected values: the core metadata specification, PEP 503, real files."""

from __future__ import annotations

import io
import tracemalloc
import warnings
import zipfile
from email.parser import BytesHeaderParser
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.python import PYPI

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
METADATA = "usr/lib/python3/dist-packages/a-1.dist-info/METADATA"


def read(data: bytes) -> FoundPackage:
    (package,) = PYPI.read(METADATA, data).packages
    return package


@pytest.mark.parametrize(
    ("asset", "expected"),
    [("click-6.7.METADATA", FoundPackage("click", "6.7")), ("wsgiref.egg-info", FoundPackage("wsgiref", "0.1.2"))],
)
def test_real_files(asset: str, expected: FoundPackage) -> None:
    """A wheel's METADATA and a distutils egg-info file name their package."""
    assert read((ASSETS / asset).read_bytes()) == expected


def test_standard_library_agrees_on_what_is_installed_here() -> None:
    """Every distribution of this environment is read as importlib.metadata reads it."""
    seen = 0
    for distribution in distributions():
        text = distribution.read_text("METADATA")
        if text is not None:
            expected = FoundPackage(canonicalize_name(distribution.metadata["Name"]), distribution.version)
            assert read(text.encode()) == expected
            seen += 1
    assert seen > 5


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA", True),
        ("usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO", True),
        ("usr/lib/python3/dist-packages/PyYAML-5.4.egg-info", True),
        ("opt/a.egg/EGG-INFO/PKG-INFO", True),
        ("a-1.dist-info/METADATA", True),
        ("lib/site-packages/pip/_vendor/x-1.dist-info/METADATA", True),
        ("lib/site-packages/~umpy-1.0.dist-info/METADATA", False),
        ("lib/site-packages/~umpy-1.0.egg-info/PKG-INFO", False),
        ("lib/site-packages/~umpy-1.0.egg-info", False),
        ("lib/site-packages/six-1.16.0.dist-info/RECORD", False),
        ("lib/site-packages/six-1.16.0.dist-info/sub/METADATA", False),
        ("src/app/PKG-INFO", False),
        ("METADATA", False),
        ("lib/site-packages/Hull.Egg-1.2.post3-py3.11.egg", True),
        ("lib/site-packages/Hull.Egg.egg-link", False),
        ("lib/site-packages/~ull.Egg-1.2.post3-py3.11.egg", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """Each of the four forms of installed metadata is wanted, and what pip moved away is not."""
    assert PYPI.claims(path) is claimed


def test_body_is_not_read() -> None:
    """After the first empty line comes prose, whatever it looks like."""
    assert read(b"Name: a\n\nName: b\nVersion: 2\n") == FoundPackage("a", "")
    with pytest.raises(Unreadable):
        PYPI.read(METADATA, b"Metadata-Version: 2.1\n\nName: b\nVersion: 2\n")


def test_continuation_lines_are_no_fields() -> None:
    """A folded Description, whose empty lines are eight blanks, hides no fields and ends no header."""
    data = b"Description: x\n        Name: b\n        \n\tVersion: 2\nName: a\nVersion: 1\n"
    assert read(data) == FoundPackage("a", "1")
    header = BytesHeaderParser().parsebytes(data)
    assert (header["Name"], header["Version"]) == ("a", "1")


@pytest.mark.parametrize(
    "data",
    [
        b"Name: a\r\nVersion: 1\r\n\r\nVersion: 2\r\n",
        b"\xef\xbb\xbfName: a\nVersion: 1\n",
        b"name: a\nVERSION: 1",
        b"Name:a\nVersion:\t1  \n",
        b"Name: a\nName: b\nVersion: 1\nVersion: 2\n",
        b"Author: J\xf6rg\nName: a\nVersion: 1\n",
    ],
)
def test_tolerated_spellings(data: bytes) -> None:
    """Line ends, a byte order mark, letter case, blanks, repeats (the first counts) and foreign bytes do no harm."""
    assert read(data) == FoundPackage("a", "1")


@pytest.mark.parametrize(
    ("written", "name"),
    [("Flask_SQLAlchemy", "flask-sqlalchemy"), ("zope.interface", "zope-interface"), ("a--_..B", "a-b")],
)
def test_names_are_normalised(written: str, name: str) -> None:
    """PEP 503: lower case, and runs of `-`, `_` and `.` are one `-`."""
    assert read(f"Name: {written}\nVersion: 1\n".encode()).name == name


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02",
        b"Version: 1\n",
        b"Name:\nVersion: 1\n",
        b"Name: a b\nVersion: 1\n",
        b"Name: -a\nVersion: 1\n",
        "Name: naïve\nVersion: 1\n".encode(),
        b"Name: " + b"a" * 600 + b"\nVersion: 1\n",
        b"Name: a\nVersion: 1\x002\n",
        b"Name: a\nVersion: \xff\n",
        b"Name: a\nVersion: " + b"1" * 600 + b"\n",
    ],
)
def test_damaged(data: bytes) -> None:
    """No name, a name that PEP 508 forbids, or a version that is no text: unreadable."""
    with pytest.raises(Unreadable):
        PYPI.read(METADATA, data)


EGG = "lib/site-packages/a-1-py3.11.egg"


def egg(*members: tuple[str, str], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, text in members:
            archive.writestr(name, text)
    return buffer.getvalue()


def test_real_egg() -> None:
    """An egg that setuptools wrote as a zip file."""
    data = (ASSETS / "hull-egg-1.2.post3.egg").read_bytes()
    assert PYPI.read(EGG, data).packages == (FoundPackage("hull-egg", "1.2.post3"),)


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_eggs(packed: int) -> None:
    """Stored or deflated; the name elsewhere, in a text or deeper, is not the member; the last of two counts."""
    metadata = "EGG-INFO/PKG-INFO"
    data = egg(
        (metadata, "Name: old\nVersion: 1\n"),
        ("EGG-INFO/SOURCES.txt", f"{metadata}\n"),
        (metadata, "Name: new\nVersion: 2\n"),
        (f"deeper/{metadata}", "Name: deeper\nVersion: 3\n"),
        (f"{metadata}.orig", "Name: orig\nVersion: 4\n"),
        packed=packed,
    )
    assert PYPI.read(EGG, data).packages == (FoundPackage("new", "2"),)


@pytest.mark.parametrize("data", [b"", b"<CoordinateSystem> { Z-Up }", egg(("a.py", "")), egg()])
def test_no_egg(data: bytes) -> None:
    """Models of Panda3D end in .egg too, and a zip file without metadata is no distribution."""
    assert PYPI.read(EGG, data) == Reading()


WHOLE = egg(("EGG-INFO/PKG-INFO", "Name: a\nVersion: 1\n" + "Classifier: x\n" * 100))


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[:-30],
        WHOLE.replace(b"PK\3\4", b"PK\3\4" + b"x" * 40, 1),
        WHOLE[:50] + b"\xff\xff\xff\xff" + WHOLE[54:],
        egg(("EGG-INFO/PKG-INFO", "Name: a\n"), packed=zipfile.ZIP_BZIP2),
        b"PK\3\4" + b"EGG-INFO/PKG-INFO" * 2000 + b"PK\5\6",
    ],
    ids=["cut", "moved", "spoilt", "bzip2", "often"],
)
def test_damaged_eggs(data: bytes) -> None:
    """A directory or data that is not where it should be, or packed as no tool packs eggs: unreadable."""
    with pytest.raises(Unreadable):
        PYPI.read(EGG, data)


def test_large_metadata_is_unpacked_in_part() -> None:
    """A member of a hundred megabytes costs a part of that, and names its package."""
    data = egg(("EGG-INFO/PKG-INFO", "Name: a\nVersion: 1\n\n" + " " * 100_000_000))
    tracemalloc.start()
    try:
        assert PYPI.read(EGG, data).packages == (FoundPackage("a", "1"),)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_empty_file() -> None:
    """An empty file names nothing."""
    assert PYPI.read(METADATA, b"\n") == Reading()
