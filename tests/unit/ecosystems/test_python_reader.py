"""The reader of Python metadata. Expected values: the core metadata specification, PEP 503, real files."""

from __future__ import annotations

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


def test_empty_file() -> None:
    """An empty file names nothing."""
    assert PYPI.read(METADATA, b"\n") == Reading()
