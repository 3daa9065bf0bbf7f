"""Plug'n'Play, Yarn's default since its version 2: a table of packages in one file, of which most stay in zip files.

    .pnp.cjs          Yarn 3 and 4: a program, with the table as JSON in a string;
                      without `pnpEnableInlining` it is in .pnp.data.json
    .pnp.js           Yarn 2: a program, with the table as an object; Yarn 1: with Maps

The table (PnP specification, "Manifest reference") has for each package, by name and reference, where it lies:

    "packageRegistryData": [["lodash", [["npm:4.17.20", {
      "packageLocation": "./.yarn/cache/lodash-npm-4.17.20-c0db62021c-b31afa0973.zip/node_modules/lodash/", …}]]], …]

Programs are not run: Yarn writes its string with three escapes and its object with nothing but commas beyond JSON.
"""

from __future__ import annotations

import re

import msgspec

from hullwise.ecosystems import caches, json_files
from hullwise.ecosystems.ecosystem import Unreadable

BASENAMES = frozenset({".pnp.cjs", ".pnp.js", ".pnp.data.json"})

MOST_LISTS = 1_000_000
"""Brackets in a table: `[]` is two bytes there and 56 or more in memory."""

_DATA = ".pnp.data.json"
_STRING = re.compile(rb"(?:RAW_RUNTIME_STATE\s*=|hydrateRuntimeState\(JSON\.parse\()\s*'((?:[^'\\]++|\\[\s\S])*+)'")
_OBJECT = re.compile(rb"hydrateRuntimeState\(\s*(?=\{)")
_OBJECT_ENDS = re.compile(rb",\s*\{\s*basePath\b")
_OF_YARN_1 = b"let packageInformationStores = new Map(["
_ELSEWHERE = b'__dirname, ".pnp.data.json"', b'__dirname, "./.pnp.data.json"'

_ESCAPE = re.compile(rb"\\(\r\n|[\s\S])")
_ESCAPED = {b"\\": b"\\", b"'": b"'", b"\n": b"", b"\r\n": b""}
_STRING_OR_COMMA = re.compile(rb'("(?:[^"\\]++|\\[\s\S])*+")|,(?=\s*[\]}])')
_STORE = re.compile(
    rb'\["([^"\s]{1,512})", (?:new Map\(\[|\{\s{0,64}packageLocation: path\.resolve\(__dirname, "([^"\n]{1,4096})"\))'
)

_VIRTUAL = re.compile(r"virtual:[^#]*#")
_OF_REGISTRY = re.compile(r"npm:([^:]+)(?:::.*)?")
_PATCHED = re.compile(r"patch:.*::(?:.*&)?version=([^&]+)(?:&.*)?")


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A package that is loaded from where no reader finds a file of its own."""

    name: str
    version: str
    """Empty where the reference names none: it is from git, a folder or an address."""


class _Place(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    package_location: str


class _Table(msgspec.Struct, frozen=True, rename="camel"):
    package_registry_data: list[tuple[str | None, list[tuple[str | None, _Place]]]]


def kept(path: str, data: bytes) -> list[Kept]:
    """The packages of a table that lie in zip files or, of Yarn 1, in its cache; each once.

    Workspaces, and whatever lies unpacked, have a package.json of their own. Empty where the table is in another file.
    Raises Unreadable."""
    if path.endswith(_DATA):
        return _of_table(data)
    if string := _STRING.search(data):
        return _of_table(_ESCAPE.sub(_unescaped, string[1]))
    if begin := _OBJECT.search(data):
        end = _OBJECT_ENDS.search(data, begin.end())
        if end is None:
            raise Unreadable("the table of packages has no end")
        return _of_table(_STRING_OR_COMMA.sub(_without_comma, data[begin.end() : end.start()]))
    if (start := data.find(_OF_YARN_1)) >= 0:
        return _of_stores(data, start)
    if any(elsewhere in data for elsewhere in _ELSEWHERE):
        return []
    raise Unreadable("no table of packages")


def _unescaped(match: re.Match[bytes]) -> bytes:
    try:
        return _ESCAPED[match[1]]
    except KeyError:
        raise Unreadable("an escape in the table of packages that Yarn does not write") from None


def _without_comma(match: re.Match[bytes]) -> bytes:
    return match[1] or b""


def _of_table(data: bytes) -> list[Kept]:
    if data.count(b"[") > MOST_LISTS:
        raise Unreadable(f"more than {MOST_LISTS} lists")
    table = json_files.decode(data, _Table)
    found: dict[Kept, None] = {}
    for name, references in table.package_registry_data:
        for reference, place in references:
            if name is not None and reference is not None and ".zip/" in place.package_location:
                found[Kept(name, _version(reference))] = None
    return list(found)


def _version(reference: str) -> str:
    """The version in a reference of Yarn's: `npm:1.0.0`, `npm:1.0.0::__archiveUrl=…`, `virtual:<hash>#npm:1.0.0`,
    `patch:a@npm%3A1.0.0#a.patch::version=1.0.0&hash=…`."""
    reference = _VIRTUAL.sub("", reference, count=1)
    match = _OF_REGISTRY.fullmatch(reference)
    if match:
        return match[1]
    match = _PATCHED.fullmatch(reference)
    if not match:
        return ""
    # Imported here: few tables have a patch.
    from urllib.parse import unquote

    return unquote(match[1])


def _of_stores(data: bytes, start: int) -> list[Kept]:
    """`["lodash", new Map([["4.17.20", {packageLocation: path.resolve(__dirname, "…"), …`, as Yarn 1 writes it.

    Modules with peers are links to its cache (`pnp:<hash>`), which count where images are merged."""
    found: dict[Kept, None] = {}
    name = ""
    for match in _STORE.finditer(data, start):
        text, location = match[1].decode("utf-8", "replace"), match[2]
        if location is None:
            name = text
        elif caches.holds(location.decode("utf-8", "replace")):
            found[Kept(name, text)] = None
    return list(found)
