"""Modules that a Go program was built from: the build information that its linker leaves in it, stripped or not.

It begins at a multiple of 16 in section `.go.buildinfo` (Mach-O: `__go_buildinfo`), else near the start of the first
data segment:

    FF " Go buildinf:"    14 bytes
    pointer size          1 byte: 4 or 8
    flags                 1 byte: 1 = addresses are big-endian, 2 = Go 1.18 and later

    Go 1.18 and later     up to byte 32 nothing, then two texts: length as varint (7 bits a byte, lowest first), bytes
    before                two addresses, of the pairs (address, length) that are the texts

The texts are Go's own version and the modules. The latter has 16 bytes of noise at each end, and between them lines of
columns divided by tabs:

    path   PACKAGE                      the package that the program is
    mod    MODULE  VERSION  CHECKSUM    its module
    dep    MODULE  VERSION  CHECKSUM    a module that it was built from
    =>     MODULE  VERSION  CHECKSUM    what was taken in the place of the one in the line above
    build  KEY=VALUE                    a setting of the build, in quotes where it has blanks

Sources: package debug/buildinfo of Go (the places and the layout), runtime/debug (the lines), Go's module reference.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import executables, namespaces
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.ecosystems.executables import Program, Span

SEARCHED = 1 << 20
"""Bytes at the start of a data segment. The linker puts the build information near it."""

LARGEST_MODULES = 1 << 20
"""Bytes of the text of modules. syft 1.18, with 186 of them, has 18 thousand."""

LONGEST_NAME = 256
"""Characters of a module's path."""

LONGEST_VERSION = 256
"""Characters."""

STDLIB = "stdlib"
TOOLCHAIN = "toolchain"
"""What Go's vulnerability database calls the standard library, and the command `go`."""

_MAGIC = b"\xff Go buildinf:"
_HEADER_SIZE = 32
_ALIGNMENT = 16
_BIG_ENDIAN, _INLINE = 1, 2
_NOISE = 16

_NAME = re.compile(r"[^\s\\]+")
_LOCAL = re.compile(r"\.{0,2}/|\.{1,2}$|[A-Za-z]:|.*\\")
"""How the path of a folder begins that stands in for a module."""

_RELEASE = re.compile(r"go([0-9]+(?:\.[0-9]+){0,2}(?:(?:alpha|beta|rc)[0-9]+)?)(?:b[0-9]+)?(?:[-+ ].*)?")

_SEMVER = r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_TAGGED = re.compile(rf"v(?![0-9]+\.0\.0-[0-9]{{14}}-[0-9a-f]{{12}}(?:\+|$)){_SEMVER}")
"""A version, but not the pseudo-version of a commit with no tag before it."""
_STATED = re.compile(rf"v?(?!0+\.0+\.0+(?:[-+]|$))({_SEMVER})")
"""A version in the builder's words; 0.0.0 is what stands there before a release."""
_SINCE = re.compile(r"(?:-[0-9]+-g[0-9a-f]{4,40})?(?:-dirty)?$")
"""What `git describe` adds to the last tag."""

_ARGUMENT = re.compile(r"""'[^']*'|"[^"]*"|[^\s'"]\S*""")
_ESCAPE = re.compile(r"\\(.)")
_BLANKS = {"n": "\n", "r": "\r", "t": "\t"}
_VARIABLES = frozenset(
    {"version", "gitversion", "appversion", "buildversion", "releaseversion", "productversion", "programversion",
     "cliversion", "currentversion", "fullversion", "pkgversion", "semver", "versionstring"}
)  # fmt: skip
"""Names, in lower case and without `_`, of variables in which programs keep their own version."""

_FOR_OTHERS = frozenset(
    {"github.com/prometheus/common/version", "k8s.io/client-go/pkg/version", "k8s.io/component-base/version",
     "sigs.k8s.io/release-utils/version"}
)  # fmt: skip
"""Packages of modules that are made to hold the version of whichever program they are in."""


class _Module(NamedTuple):
    path: str
    version: str


class _Build(NamedTuple):
    program: str = ""
    """Path of the package that the program is."""
    main: _Module | None = None
    modules: tuple[_Module, ...] = ()
    linker: str = ""
    """`-ldflags` as they were given."""


def read(path: str, data: bytes) -> Reading:
    """The modules of a Go program, its own and the standard library among them; nothing for any other file.

    Versions are as Go writes them, `v1.2.3`, and the standard library's is that of Go without `go` and what builders
    add: `go1.22rc1 X:loopvar` is `1.22rc1`. A replaced module is the one that was taken in its place; where that is a
    folder, the version is empty, as it is for what was built from no release: a development version of Go, and a main
    module for which neither Go nor the linker's flags name one."""
    program = executables.opened(data)
    span = _build_info(program, data) if program else None
    if program is None or span is None:
        return Reading()
    read_texts = _inline_texts if data[span.start + 15] & _INLINE else _texts_at_addresses
    version, modules = read_texts(program, data, span)
    return Reading(packages=tuple(dict.fromkeys(_packages(_text(version), _build(_text(_unframed(modules)))))))


def _build_info(program: Program, data: bytes) -> Span | None:
    """Where the build information is, up to the end of what may be of it."""
    named = program.section(b".go.buildinfo") or program.section(b"__go_buildinfo")
    span = named or program.data_segment()
    if span is None:
        return None
    end = min(span.end, span.start + SEARCHED)
    place = data.find(_MAGIC, span.start, end)
    while place >= 0 and (span.address + place - span.start) % _ALIGNMENT:
        place = data.find(_MAGIC, place + 1, end)
    if place < 0 and named is None:
        return None
    if place < 0:
        raise Unreadable("the section of Go's build information holds none")
    if place + _HEADER_SIZE > span.end:
        raise Unreadable("Go's build information ends early")
    return Span(span.address + place - span.start, place, span.end)


def _inline_texts(program: Program, data: bytes, span: Span) -> tuple[bytes, bytes]:
    version, place = _counted(data, span.start + _HEADER_SIZE, span.end)
    modules, _ = _counted(data, place, span.end)
    return version, modules


def _counted(data: bytes, place: int, end: int) -> tuple[bytes, int]:
    """The text whose length is at `place`, and where it ends."""
    length = shift = 0
    for at in range(place, min(place + 5, end)):
        length |= (data[at] & 0x7F) << shift
        shift += 7
        if data[at] < 0x80:
            return _cut(data, at + 1, length, end), at + 1 + length
    raise Unreadable("Go's build information has a text of no length")


def _texts_at_addresses(program: Program, data: bytes, span: Span) -> tuple[bytes, bytes]:
    size, flags = data[span.start + 14], data[span.start + 15]
    if size not in {4, 8}:
        raise Unreadable(f"Go's build information has addresses of {size} bytes")
    pair = struct.Struct((">" if flags & _BIG_ENDIAN else "<") + ("2I" if size == 4 else "2Q"))
    first, second = pair.unpack_from(data, span.start + _ALIGNMENT)
    return _text_at(program, data, first, pair), _text_at(program, data, second, pair)


def _text_at(program: Program, data: bytes, address: int, pair: struct.Struct) -> bytes:
    header = executables.loaded(program, address, pair.size)
    if header is None:
        raise Unreadable("Go's build information has an address that is not in the file")
    place, length = pair.unpack_from(data, header.start)
    if not length:
        return b""
    text = executables.loaded(program, place, length)
    if text is None:
        raise Unreadable("Go's build information has an address that is not in the file")
    return _cut(data, text.start, length, text.end)


def _cut(data: bytes, start: int, length: int, end: int) -> bytes:
    if length > LARGEST_MODULES:
        raise Unreadable(f"Go's build information has a text of more than {LARGEST_MODULES:,} bytes")
    if start + length > end:
        raise Unreadable("Go's build information ends early")
    return data[start : start + length]


def _unframed(modules: bytes) -> bytes:
    """The lines without the noise around them; none for a program that was built without modules."""
    framed = len(modules) > 2 * _NOISE and modules[-_NOISE - 1] == ord("\n")
    return modules[_NOISE:-_NOISE] if framed else b""


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable("Go's build information is not UTF-8") from error


def _build(text: str) -> _Build:
    program = linker = ""
    main: _Module | None = None
    modules: list[_Module] = []
    after_main = False
    for line in text.split("\n"):
        word, _, rest = line.partition("\t")
        if word == "path":
            program = rest
        elif word == "mod":
            main, after_main = _module(rest), True
        elif word == "dep":
            modules.append(_module(rest))
            after_main = False
        elif word == "=>" and after_main and main:
            main = _replaced(main, rest)
        elif word == "=>" and modules:
            modules[-1] = _replaced(modules[-1], rest)
        elif word == "build" and rest.startswith("-ldflags="):
            linker = _unquoted(rest.removeprefix("-ldflags="))
    return _Build(program, main, tuple(modules), linker)


def _module(columns: str) -> _Module:
    path, _, rest = columns.partition("\t")
    return _Module(path, rest.partition("\t")[0])


def _replaced(module: _Module, columns: str) -> _Module:
    """What was taken for a module: another, or a folder of the builder's, of which nothing is known but for whom."""
    taken = _module(columns)
    return _Module(module.path, "") if _LOCAL.match(taken.path) else taken


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return _ESCAPE.sub(lambda match: _BLANKS.get(match[1], match[1]), value.strip('"'))


def _packages(go: str, build: _Build) -> Iterator[FoundPackage]:
    release = _RELEASE.fullmatch(go)
    version = release[1] if release and len(go) <= LONGEST_VERSION else ""
    yield FoundPackage(STDLIB, version)
    if build.program == "cmd/go":
        yield FoundPackage(TOOLCHAIN, version)
    if build.main is not None and build.main.path != "command-line-arguments":
        yield _package(build.main.path, _main_version(build.main, build.linker))
    for module in build.modules:
        yield _package(module.path, "" if module.version == "(devel)" else module.version)


def _package(name: str, version: str) -> FoundPackage:
    if len(name) > LONGEST_NAME or not name.isprintable() or not _NAME.fullmatch(name):
        raise Unreadable("a module's path is no name of a Go module")
    if len(version) > LONGEST_VERSION or not version.isprintable():
        raise Unreadable("a module's version is no plain text")
    return FoundPackage(name, version)


def _main_version(main: _Module, linker: str) -> str:
    """The version of the program's own module, as Go knows it or as the builder had the linker write it.

    Go knows none for a build in a working copy before Go 1.24, and counts from v0.0.0 where it sees no tags, as in a
    shallow clone. `+dirty` stays: it is what `go version -m` shows, and the order of versions passes over it."""
    return main.version if _TAGGED.fullmatch(main.version) else _stated_version(main.path, linker)


def _stated_version(module: str, linker: str) -> str:
    """The one version that `-X` gives to a variable for it, as `v1.2.3`; empty for none, or for more than one.

    Variables of the program's own packages count before those of packages that keep other programs' versions; any
    other package is of a dependency, and was told its own."""
    own: set[str] = set()
    kept: set[str] = set()
    for variable, value in _definitions(linker):
        package, _, name = variable.rpartition(".")
        if len(value) >= LONGEST_VERSION or name.lower().replace("_", "") not in _VARIABLES:
            continue
        if stated := _STATED.fullmatch(_SINCE.sub("", value)):
            if package == "main" or f"{package}/".startswith(f"{module}/"):
                own.add(f"v{stated[1]}")
            elif package in _FOR_OTHERS:
                kept.add(f"v{stated[1]}")
    found = own or kept
    return found.pop() if len(found) == 1 else ""


def _definitions(linker: str) -> Iterator[tuple[str, str]]:
    """Each variable that the linker is told to set with -X, and its value."""
    expected = False
    for argument in _ARGUMENT.findall(linker):
        text = argument[1:-1] if argument[0] in "'\"" else argument
        flag, equals, rest = text.partition("=")
        if expected:
            yield flag, rest
        elif equals and flag in {"-X", "--X"}:
            name, _, value = rest.strip("'\"").partition("=")
            yield name, value
        expected = not expected and text in {"-X", "--X"}


GO = Ecosystem(
    name="go",
    version=1,
    executables=True,
    read=read,
    file_limit=512 << 20,
    version_key=namespaces.PUBLISHERS["go"].version_key,
    purl_type="golang",
    osv_names=("Go",),
)
