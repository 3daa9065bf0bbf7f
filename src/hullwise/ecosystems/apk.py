"""Packages of Alpine, Wolfi and Chainguard: the installed database of apk, apk-package(5) and apk-v2(5).

Each package is a stanza of lines `X:value`, and its files follow in the same stanza. The letters used here: P name,
V version, A architecture, o origin (the name of the source package, which advisories speak of).
"""

from __future__ import annotations

import re

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import stanzas
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.versions import apk as versions

# apk 2 keeps its database under lib, images with a merged /usr under usr/lib.
PATHS = frozenset({"lib/apk/db/installed", "usr/lib/apk/db/installed"})

_FIELD = re.compile(rb"\n([PVAo]):([^\n]*)")


def _package(fields: dict[bytes, bytes]) -> FoundPackage | None:
    """The package of one stanza; None where it has no usable name or version, or is virtual.

    `apk add --virtual .build-deps` records a package without content, whose name begins with a dot."""
    name = stanzas.name(fields.get(b"P", b""))
    version = stanzas.word(fields.get(b"V", b""))
    if not name or not version or name.startswith("."):
        return None
    origin = stanzas.word(fields.get(b"o", b""))
    return FoundPackage(
        name=name,
        version=version,
        source_name=origin if origin != name else "",
        architecture=stanzas.word(fields.get(b"A", b"")),
    )


def read(path: str, data: bytes) -> Reading:
    """The packages that an installed database names.

    Stanzas without a usable name or version are passed over; a file in which no stanza has a name is `Unreadable`."""
    found = [stanzas.fields(_FIELD, stanza) for stanza in stanzas.split(data)]
    if found and not any(b"P" in fields for fields in found):
        raise Unreadable("no stanza has a P line")
    return Reading(packages=tuple(package for fields in found if (package := _package(fields))))


APK = Ecosystem(
    name="apk",
    version=1,
    basenames=frozenset({"installed"}),
    claims=PATHS.__contains__,
    read=read,
    shared=True,
    version_key=versions.key,
    purl_type="apk",
    osv_names=("Alpine", "Wolfi", "Chainguard"),
)
