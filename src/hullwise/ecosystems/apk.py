"""Packages of Alpine, Wolfi and Chainguard: the installed database of apk, apk-package(5) and apk-v2(5).

Each package is a stanza of lines `X:value`, and its files follow in the same stanza. The letters used here: P name,
V version, A architecture, o origin (the name of the source package, which advisories speak of); F a folder, R a file
in it, and Z the checksum of that file, as `apk_blob_pull_digest` of apk-tools reads it.

    Q1…   SHA-1 in base 64              X1…   in hexadecimal digits
    Q2…   SHA-256, apk 3                X2…
    Q1…   and 16 characters more        X1…   and 24 more: SHA-256, the first 20 bytes and the other 12
    …     MD5 in hexadecimal digits, apk 1
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from hullwise.domain.packages import FoundPackage, OwnedFile
from hullwise.ecosystems import stanzas
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.versions import apk as versions

# apk 2 keeps its database under lib, images with a merged /usr under usr/lib.
PATHS = frozenset({"lib/apk/db/installed", "usr/lib/apk/db/installed"})

_FILE_LINE = re.compile(rb"\n([FRZ]):([^\n]*)")
_FIELD = re.compile(rb"\n([PVAo]):([^\n]*)")


def _package(fields: dict[bytes, bytes]) -> FoundPackage | None:
    """The package of one stanza; None where it has no usable name, or is virtual. Its version may be unknown.

    `apk add --virtual .build-deps` records a package without content, whose name begins with a dot."""
    name = stanzas.name(fields.get(b"P", b""))
    version = stanzas.word(fields.get(b"V", b""))
    if not name or name.startswith("."):
        return None
    origin = stanzas.word(fields.get(b"o", b""))
    return FoundPackage(
        name=name,
        version=version,
        source_name=origin if origin != name else "",
        architecture=stanzas.word(fields.get(b"A", b"")),
    )


def _files(package: str, stanza: bytes) -> Iterator[OwnedFile]:
    folder = name = ""
    for letter, value in _FILE_LINE.findall(stanza):
        text = value.decode("utf-8", "replace")
        if letter == b"F":
            folder = text
        elif letter == b"R":
            name = f"{folder}/{text}" if folder else text
        elif name:
            yield OwnedFile(package, name, _digest(value))
            name = ""


_ALGORITHMS = {16: "md5", 20: "sha1", 32: "sha256"}
"""By their bytes."""


def _digest(stated: bytes) -> str:
    """As digests of files are written. What is none is that of no file, which then is not the package's."""
    beginning, rest = stated[:2], stated[2:]
    try:
        if beginning in {b"Q1", b"Q2"}:
            # Base 64 of 20 bytes ends within its 28 characters.
            parts = (rest[:28], rest[28:]) if beginning == b"Q1" else (rest,)
            found = b"".join(map(binascii.a2b_base64, parts))
        else:
            found = binascii.a2b_hex(rest if beginning in {b"X1", b"X2"} else stated)
    except binascii.Error:
        found = b""
    return f"{_ALGORITHMS.get(len(found), 'sha1')}:{found.hex()}"


def read(path: str, data: bytes) -> Reading:
    """The packages that an installed database names, and the files of each that have a checksum.

    Stanzas without a usable name are passed over; a file in which no stanza has a name is `Unreadable`."""
    split = stanzas.split(data)
    found = [stanzas.fields(_FIELD, stanza) for stanza in split]
    if found and not any(b"P" in fields for fields in found):
        raise Unreadable("no stanza has a P line")
    packages = [_package(fields) for fields in found]
    return Reading(
        packages=tuple(package for package in packages if package),
        owned=tuple(
            file
            for package, stanza in zip(packages, split, strict=True)
            if package
            for file in _files(package.name, stanza)
        ),
    )


APK = Ecosystem(
    name="apk",
    version=4,
    basenames=frozenset({"installed"}),
    claims=PATHS.__contains__,
    read=read,
    shared=True,
    version_key=versions.key,
    purl_type="apk",
    osv_names=("Alpine", "Wolfi", "Chainguard", "MinimOS", "Alpaquita", "BellSoft Hardened Containers"),
)
