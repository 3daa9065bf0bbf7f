"""Installed Python distributions: wheels (dist-info), setuptools and distutils (egg-info), eggs.

    NAME-VERSION.dist-info/METADATA     core metadata of an installed wheel
    NAME-VERSION.egg-info/PKG-INFO      setuptools
    NAME-VERSION.egg-info               distutils: the file itself is the PKG-INFO
    NAME-VERSION.egg/EGG-INFO/PKG-INFO  an egg installed as a folder
    NAME-VERSION.egg                    an egg installed as a zip file, with EGG-INFO/PKG-INFO in it

The core metadata specification gives them an RFC 822 header; everything after the first empty line is prose.

Of a zip file only the one member is looked for, by its record in the central directory (APPNOTE.TXT 4.3.12; numbers are
little-endian), whatever else the file holds:

    0   'PK' 1 2
    10  how it is packed: 0 stored, 8 deflate
    20  size as packed, size unpacked          4 bytes each
    28  length of the name, of what follows it 2 bytes each
    42  where its local header is              4 bytes
    46  EGG-INFO/PKG-INFO

The local header has its own lengths of the name and of what follows it at 26 and 28; the data comes after 30 bytes and
both.
"""

from __future__ import annotations

import re
import struct

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import python_names, stanzas
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.versions import pep440 as versions
from hullwise.versions.invalid import LONGEST

_HEADER_END = re.compile(rb"\r?\n\r?\n")
_NAME = re.compile(rb"\nName[ \t]*:([^\r\n]*)", re.IGNORECASE)
_VERSION = re.compile(rb"\nVersion[ \t]*:([^\r\n]*)", re.IGNORECASE)

_EGG_MEMBER = b"EGG-INFO/PKG-INFO"
_EGG_MEMBERS = 1000
"""Places in an egg that may be the member's record: each costs a look."""
_METADATA = 16 << 20
"""Bytes of metadata that are read, and unpacked: the header is at their beginning."""


def claims(path: str) -> bool:
    """The one file of each installed distribution that names it.

    A folder such as `~umpy-1.0.dist-info` is what pip moved aside to replace a distribution and could not delete;
    what it names is gone, and pip ignores it."""
    folder, _, name = path.rpartition("/")
    folder = folder.rpartition("/")[2]
    if name == "METADATA":
        return folder.endswith(".dist-info") and not folder.startswith("~")
    if name == "PKG-INFO":
        return folder == "EGG-INFO" or (folder.endswith(".egg-info") and not folder.startswith("~"))
    return name.endswith((".egg-info", ".egg")) and not name.startswith("~")


def _name(raw: bytes) -> str:
    name = stanzas.word(raw)
    if not python_names.is_name(name):
        raise Unreadable("Name is no name of a Python distribution")
    return python_names.canonical(name)


def _version(raw: bytes) -> str:
    try:
        version = raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise Unreadable("Version is not UTF-8") from error
    if len(version) > LONGEST or not version.isprintable():
        raise Unreadable("Version is no plain text")
    return version


def _of_egg(data: bytes) -> bytes:
    """What an egg's metadata file says; empty where it has none. Of two the last counts, as to all readers of zips."""
    if not data.startswith(b"PK\3\4"):
        return b""  # Others call their files so too: Panda3D its models.
    if b"PK\5\6" not in data:
        raise Unreadable("the egg has no end")
    at = len(data)
    for _ in range(_EGG_MEMBERS):
        at = data.rfind(_EGG_MEMBER, 0, at)
        if at < 0:
            return b""
        start = at - 46
        if start >= 0 and data.startswith(b"PK\1\2", start):
            method, packed, length, header = struct.unpack_from("<10xH8xI4xH12xI", data, start)
            if length == len(_EGG_MEMBER):
                return _unpacked(data, method, packed, header)
    raise Unreadable("the egg names its metadata too often")


def _unpacked(data: bytes, method: int, packed: int, header: int) -> bytes:
    import zlib

    if not data.startswith(b"PK\3\4", header) or header + 30 > len(data):
        raise Unreadable("the egg's metadata is not where it should be")
    start = header + 30 + sum(struct.unpack_from("<HH", data, header + 26))
    raw = data[start : start + packed]
    if len(raw) != packed:
        raise Unreadable("the egg's metadata is cut off")
    if method == 0:
        return raw
    if method != 8:
        raise Unreadable("the egg is packed in an unknown way")
    unpacker = zlib.decompressobj(-15)
    try:
        metadata = unpacker.decompress(raw, _METADATA)
    except zlib.error as error:
        raise Unreadable("the egg is damaged") from error
    if not unpacker.eof and len(metadata) < _METADATA:
        raise Unreadable("the egg's metadata is cut off")
    return metadata


def read(path: str, data: bytes) -> Reading:
    """The distribution that a metadata file names, under its PEP 503 name. Only the header is read."""
    data = (_of_egg(data) if path.endswith(".egg") else data)[:_METADATA]
    if not data.strip():
        return Reading()
    end = _HEADER_END.search(data)
    header = b"\n" + data[: end.start() if end else len(data)].removeprefix(b"\xef\xbb\xbf")
    name = _NAME.search(header)
    if name is None:
        raise Unreadable("the header has no Name")
    version = _VERSION.search(header)
    return Reading(packages=(FoundPackage(_name(name[1]), _version(version[1]) if version else ""),))


PYPI = Ecosystem(
    name="pypi",
    version=2,
    basenames=frozenset({"METADATA", "PKG-INFO"}),
    suffixes=(".egg-info", ".egg"),
    claims=claims,
    read=read,
    # Eggs hold all of a distribution's code.
    file_limit=64 << 20,
    version_key=versions.key,
    purl_type="pypi",
    osv_names=("PyPI",),
)
