"""Packages that npm, yarn and pnpm installed: package.json directly inside a package's folder of node_modules.

    node_modules/NAME/package.json           also nested: node_modules/A/node_modules/B/package.json
    node_modules/@SCOPE/NAME/package.json

A package.json elsewhere (an application, `dist/`, examples, tests) describes no installed package.
"""

from __future__ import annotations

import re

import msgspec

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import json_files
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.versions import semver as versions

LONGEST_NAME = 214
"""Characters, as the registry limits names (package.json documentation, `name`)."""

LONGEST_VERSION = 256
"""Characters, as node-semver limits versions."""

_NAME = re.compile(r"(?:@[^\s/@]+/)?[^\s/@][^\s/]*")


class _Manifest(msgspec.Struct, frozen=True):
    """The two fields of package.json that name a package; empty where they are absent."""

    name: str = ""
    version: str = ""


def claims(path: str) -> bool:
    """Whether the file lies directly in an installed package's folder.

    Names that begin with a dot are no packages but npm's own folders (`.bin`, and copies it is about to remove)."""
    *above, base = path.rsplit("/", 4)
    if base != "package.json" or len(above) < 2:
        return False
    if len(above) > 2 and above[-2].startswith("@"):
        above.pop(-2)
    return above[-2] == "node_modules" and not above[-1].startswith((".", "@"))


def read(path: str, data: bytes) -> Reading:
    """The package that a package.json names: its own name, even where an alias gave its folder another.

    One without name or version is an application or a part of a package, not a package: the reading is empty."""
    manifest = json_files.decode(data, _Manifest)
    if not manifest.name or not manifest.version:
        return Reading()
    if len(manifest.name) > LONGEST_NAME or not manifest.name.isprintable() or not _NAME.fullmatch(manifest.name):
        raise Unreadable("name is no name of an npm package")
    if len(manifest.version) > LONGEST_VERSION or not manifest.version.isprintable():
        raise Unreadable("version is no plain text")
    return Reading(packages=(FoundPackage(manifest.name, manifest.version),))


NPM = Ecosystem(
    name="npm",
    version=1,
    basenames=frozenset({"package.json"}),
    claims=claims,
    read=read,
    file_limit=16 << 20,
    version_key=versions.key,
    purl_type="npm",
    osv_names=("npm",),
)
