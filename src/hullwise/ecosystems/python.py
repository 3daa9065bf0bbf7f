"""Installed Python distributions: wheels (dist-info), setuptools and distutils (egg-info), unpacked eggs.

    NAME-VERSION.dist-info/METADATA     core metadata of an installed wheel
    NAME-VERSION.egg-info/PKG-INFO      setuptools
    NAME-VERSION.egg-info               distutils: the file itself is the PKG-INFO
    NAME-VERSION.egg/EGG-INFO/PKG-INFO  an egg installed as a folder

The core metadata specification gives them an RFC 822 header; everything after the first empty line is prose.
"""

from __future__ import annotations

import re

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import stanzas
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.versions import pep440 as versions
from hullwise.versions.invalid import LONGEST

_HEADER_END = re.compile(rb"\r?\n\r?\n")
_NAME = re.compile(rb"\nName[ \t]*:([^\r\n]*)", re.IGNORECASE)
_VERSION = re.compile(rb"\nVersion[ \t]*:([^\r\n]*)", re.IGNORECASE)


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
    return name.endswith(".egg-info") and not name.startswith("~")


def _name(raw: bytes) -> str:
    # Imported here: packaging.utils takes as long to import as all readers together, and most layers hold no Python.
    from packaging.utils import InvalidName, canonicalize_name

    try:
        return canonicalize_name(stanzas.word(raw), validate=True)
    except InvalidName as error:
        raise Unreadable("Name is no name of a Python distribution") from error


def _version(raw: bytes) -> str:
    try:
        version = raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise Unreadable("Version is not UTF-8") from error
    if len(version) > LONGEST or not version.isprintable():
        raise Unreadable("Version is no plain text")
    return version


def read(path: str, data: bytes) -> Reading:
    """The distribution that a metadata file names, under its PEP 503 name. Only the header is read."""
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
    version=1,
    basenames=frozenset({"METADATA", "PKG-INFO"}),
    suffixes=(".egg-info",),
    claims=claims,
    read=read,
    file_limit=16 << 20,
    version_key=versions.key,
    purl_type="pypi",
    osv_names=("PyPI",),
)
