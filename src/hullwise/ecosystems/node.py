"""Packages of Node: package.json, of what npm, yarn and pnpm installed and of what only lies there.

    node_modules/NAME/package.json           installed, also nested: node_modules/A/node_modules/B/package.json
    node_modules/@SCOPE/NAME/package.json
    node_modules/.store/SLUG/package/package.json
                                             installed by yarn, which links to it
    usr/share/nodejs/NAME/package.json       installed by Debian's packages
    npm/REGISTRY/NAME/VERSION/package.json   in Deno's folder, from which it runs modules; a second copy of one is in
                                             VERSION_1, and a name with capitals is in base32 behind a `_`
    .pnp.cjs, .pnp.data.json, .pnp.js        installed by Yarn's Plug'n'Play, in zip files: see `plug_and_play.py`
    …/package.json                           an application, or a fixture of some package's tests

What lies elsewhere than where Node looks for modules is listed with its name and version and never matched: nobody
depends on it, and applications are often called as some package is. Examples of a module are not even listed.
"""

from __future__ import annotations

import base64
import re

import msgspec

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import json_files, plug_and_play
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.versions import semver as versions

DEBIAN = "usr/share/nodejs"
_EXAMPLES = frozenset({"example", "examples"})
_STORED = re.compile(r"\.store/[^/]+/package")
"""A module where yarn keeps it, whose `nodeLinker: pnpm` puts links to it where Node looks."""

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
    """Each package.json but those of a module's examples, and of what npm calls with a dot: `.bin`, and copies that it
    is about to remove. Each table of Plug'n'Play but those of a module's tests."""
    folder, _, base = path.rpartition("/")
    if base in plug_and_play.BASENAMES:
        return "/node_modules/" not in f"/{path}"
    if base != "package.json":
        return False
    _, inside, module = f"/{folder}".rpartition("/node_modules/")
    if not inside:
        return True
    if module.startswith("."):
        return _STORED.fullmatch(module) is not None
    of_name = 2 if module.startswith("@") else 1
    return _EXAMPLES.isdisjoint(module.split("/")[of_name:])


def _is_installed(path: str) -> bool:
    """Whether the file lies directly in the folder of a module where Node looks for modules."""
    above, _, module = path.rpartition("/")[0].rpartition("/")
    if not module or module.startswith("@"):
        return False
    upper, _, scope = above.rpartition("/")
    if scope.startswith("@"):
        above = upper
    if above == DEBIAN or above == "node_modules" or above.endswith("/node_modules"):
        return True
    _, _, stored = f"/{path.rpartition('/')[0]}".rpartition("/node_modules/")
    return _STORED.fullmatch(stored) is not None


def _is_of_deno(path: str, package: FoundPackage) -> bool:
    """Whether the folder is that of this package in this version, below a registry's (Deno's `NpmCacheDir`)."""
    *above, name, folder, _ = ("", "", "", *path.split("/"))
    if above[-1].startswith("@"):
        name = f"{above.pop()}/{name}"
    expected = package.name
    if expected != expected.lower():
        expected = "_" + base64.b32encode(expected.encode()).decode().rstrip("=").lower()
    return name == expected and folder.partition("_")[0] == package.version and "npm" in above[:-1]


def read(path: str, data: bytes) -> Reading:
    """The package that a package.json names: its own name, even where an alias gave its folder another. Of a table of
    Plug'n'Play, those that are loaded from zip files.

    One without name or version is an application or a part of a package, not a package: the reading is empty. So it is
    of a damaged one where nothing is installed: packages test themselves with such files."""
    if path.rpartition("/")[2] in plug_and_play.BASENAMES:
        return _table(path, data)
    if _is_installed(path):
        return _package(data, installed=True)
    try:
        reading = _package(data, installed=False)
    except Unreadable:
        return Reading()
    if any(_is_of_deno(path, package) for package in reading.packages):
        return _package(data, installed=True)
    return reading


def _table(path: str, data: bytes) -> Reading:
    if not data.strip():
        return Reading()
    packages = [_found(each.name, each.version, installed=True) for each in plug_and_play.kept(path, data)]
    return Reading(packages=tuple(dict.fromkeys(packages)))


def _package(data: bytes, *, installed: bool) -> Reading:
    manifest = json_files.decode(data, _Manifest)
    if not manifest.name or not manifest.version:
        return Reading()
    return Reading(packages=(_found(manifest.name, manifest.version, installed=installed),))


def _found(name: str, version: str, *, installed: bool) -> FoundPackage:
    if len(name) > LONGEST_NAME or not name.isprintable() or not _NAME.fullmatch(name):
        raise Unreadable("name is no name of an npm package")
    version = _clean(version)
    if len(version) > LONGEST_VERSION or not version.isprintable():
        raise Unreadable("version is no plain text")
    return FoundPackage(name, version, unmatched=not installed)


def _clean(version: str) -> str:
    """Without what npm takes off where it reads a version: `v1.2.3`, `=1.2.4` (node-semver, `clean`)."""
    plain = version.strip().lstrip("=v ")
    return plain if plain[:1].isdigit() else version


NPM = Ecosystem(
    name="npm",
    version=7,
    basenames=frozenset({"package.json"}) | plug_and_play.BASENAMES,
    claims=claims,
    read=read,
    file_limit=16 << 20,
    version_key=versions.key,
    purl_type="npm",
    osv_names=("npm",),
)
