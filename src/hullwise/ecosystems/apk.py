"""Packages of Alpine, Wolfi and Chainguard: the installed database of apk, apk-package(5) and apk-v2(5).

Each package is a stanza of lines `X:value`, and its files follow in the same stanza. The letters used here: P name,
V version, A architecture, o origin (the name of the source package, which advisories speak of); F a folder, R a file
in it, and Z the checksum of that file, `Q1` and SHA-1 in base 64.
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
        elif name and value.startswith(b"Q1"):
            # What names no file of SHA-1's length fits no digest, and then the file is not this package's.
            yield OwnedFile(package, name, f"sha1:{_hex(value[2:])}")
            name = ""


def _hex(encoded: bytes) -> str:
    try:
        return binascii.a2b_base64(encoded).hex()
    except binascii.Error:
        return ""


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
    version=3,
    basenames=frozenset({"installed"}),
    claims=PATHS.__contains__,
    read=read,
    shared=True,
    version_key=versions.key,
    purl_type="apk",
    osv_names=("Alpine", "Wolfi", "Chainguard", "MinimOS", "Alpaquita", "BellSoft Hardened Containers"),
)
