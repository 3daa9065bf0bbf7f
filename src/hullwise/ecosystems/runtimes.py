"""Runtimes of languages that were unpacked or built where no package manager knows of them, as the official images of
Node.js, Ruby, Python, PHP and the JDKs have theirs.

    node       the program itself: `node.js/v20.11.1` between two NULs, with which its inspector answers for itself;
               Node.js 4 to 7 has but the address of its source
    ruby       lib/ruby/3.3.0/x86_64-linux/rbconfig.rb          CONFIG["MAJOR"] = "3", MINOR, TEENY, PATCHLEVEL
    python     include/python3.12/patchlevel.h                  #define PY_VERSION "3.12.1"
    openjdk    release, in the folder of a JDK or JRE           JAVA_VERSION="17.0.9"
    php        include/php/main/php_version.h, of Debian include/php/20220829/main/php_version.h
                                                                #define PHP_VERSION "8.2.1"

Sources: src/inspector_socket_server.cc and src/node_metadata.cc of Node.js, tool/mkconfig.rb of Ruby,
Include/patchlevel.h of Python, make/ReleaseFile.gmk of OpenJDK, main/php_version.h of PHP.

A program counts for Node.js, and not its headers: stages of a build copy the one alone, and node-gyp keeps the others
of versions that are nowhere. A virtual environment has no headers, and is no runtime of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import executables, namespaces
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable

TEXT = 1 << 20
"""Bytes of a text that are looked at. rbconfig.rb, the longest, has 15 thousand."""

_VERSION = rb"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}(?:-[0-9A-Za-z.-]{1,64})?"
_MARKS = (
    (b"\0node.js/v", re.compile(rb"\0node\.js/v(" + _VERSION + rb")\0")),
    (
        b"\0https://nodejs.org/download/",
        re.compile(rb"\0https://nodejs\.org/download/[a-z0-9-]{1,16}/v(" + _VERSION + rb")/node-v"),
    ),
)
"""Each with what is looked for, which `find` does in 5 ms of a program of 100 MB. Builds of whoever else, such as those
for musl, have the first and another address, or none."""

_CONFIG = re.compile(
    rb'^ *CONFIG\["(MAJOR|MINOR|TEENY|PATCHLEVEL|ruby_install_name)"\] = "([^"\n]{0,64})"', re.MULTILINE
)
_INSTALL_NAME = re.compile(rb"(?:\$\(RUBY_BASE_NAME\)|ruby)[0-9.]{0,8}")
_NUMBER = re.compile(rb"[0-9]{1,9}")
_NAMED_BY_PATCH = (2, 0)
"""The last release whose versions are told apart by patch levels (Ruby's news of 2.1.0, "semantic versioning")."""

_PY_VERSION = re.compile(rb'^#define[ \t]+PY_VERSION[ \t]+"([0-9][0-9A-Za-z.+]{0,31})"', re.MULTILINE)
_JAVA_VERSION = re.compile(rb'^JAVA_VERSION="?([0-9][0-9A-Za-z._+-]{0,63})"?[ \t\r]*$', re.MULTILINE)
_ORACLE = re.compile(rb'^BUILD_TYPE="?commercial"?[ \t\r]*$', re.MULTILINE)
_PHP_VERSION = re.compile(rb'^#define[ \t]+PHP_VERSION[ \t]+"([0-9][0-9A-Za-z.+-]{0,31})"', re.MULTILINE)


def _node(data: bytes) -> str:
    if not data.startswith(b"\x7fELF"):
        return ""
    program = executables.opened(data)
    # Constants are there; what a program was packed with is not.
    span = program.section(b".rodata") if program else None
    start, end = (span.start, span.end) if span else (0, len(data))
    for mark, pattern in _MARKS:
        place = data.find(mark, start, end)
        found = pattern.match(data, place, end) if place >= 0 else None
        if found:
            return found[1].decode()
    return ""


def _ruby(data: bytes) -> str:
    said = dict(_CONFIG.findall(data))
    if not _INSTALL_NAME.fullmatch(said.get(b"ruby_install_name", b"")):
        return ""
    numbers = [said.get(name, b"") for name in (b"MAJOR", b"MINOR", b"TEENY")]
    if not all(map(_NUMBER.fullmatch, numbers)):
        raise Unreadable("no version of Ruby")
    patch, release = said.get(b"PATCHLEVEL", b""), b".".join(numbers).decode()
    if patch.startswith(b"-"):
        return f"{release}.dev"
    by_patch = (int(numbers[0]), int(numbers[1])) <= _NAMED_BY_PATCH and _NUMBER.fullmatch(patch)
    return f"{release}.{patch.decode()}" if by_patch else release


def _python(data: bytes) -> str:
    if b"PYPY_VERSION" in data:
        return ""
    return _stated(_PY_VERSION, data, "Python")


def _openjdk(data: bytes) -> str:
    found = _JAVA_VERSION.search(data)
    return "" if found is None or _ORACLE.search(data) else found[1].decode()


def _php(data: bytes) -> str:
    return _stated(_PHP_VERSION, data, "PHP")


def _stated(pattern: re.Pattern[bytes], data: bytes, whose: str) -> str:
    found = pattern.search(data)
    if found is None:
        raise Unreadable(f"no version of {whose}")
    return found[1].decode()


class _Runtime(NamedTuple):
    """One that is found by one kind of file."""

    name: str
    place: re.Pattern[str]
    """Expression for the whole path of the file."""
    version: Callable[[bytes], str]
    """What the file says; empty where it is of another kind. Raises Unreadable."""
    text: bool = True


_RUNTIMES = {
    "node": _Runtime("node", re.compile(r"(?:.*/)?node"), _node, text=False),
    "rbconfig.rb": _Runtime("ruby", re.compile(r"(?:.*/)?ruby/[0-9][0-9.+]*/(?:[^/]+/)?rbconfig\.rb"), _ruby),
    "patchlevel.h": _Runtime(
        "python",
        re.compile(r"(?:.*/)?include/python[0-9]\.[0-9]{1,2}[a-z]*/patchlevel\.h"),
        _python,
    ),
    "release": _Runtime("openjdk", re.compile(r"(?:.*/)?release"), _openjdk),
    "php_version.h": _Runtime(
        "php", re.compile(r"(?:.*/)?include/php[0-9.]*/(?:[0-9]{8}[^/]*/)?main/php_version\.h"), _php
    ),
}
"""By the name of the file."""

_KEPT = re.compile(r"(?:^|/)pkgs/[^/]+-[^/-]+-[^/-]+/")
"""What conda keeps to install from (`pkgs/NAME-VERSION-BUILD/`)."""

OF_CONDA = {
    "node": ("nodejs", "bin/node"),
    "ruby": ("ruby", "lib/ruby/"),
    "python": ("python", "include/python"),
    "openjdk": ("openjdk", "lib/jvm/release"),
    "php": ("php", "include/php/"),
}
"""How conda calls each, and how the path of its file begins in an environment: what conda installed there is its own
build, and has a record of its own."""


def claims(path: str) -> bool:
    """Whether a runtime may have such a file at the path."""
    runtime = _RUNTIMES.get(path.rpartition("/")[2])
    return runtime is not None and runtime.place.fullmatch(path) is not None and _KEPT.search(path) is None


def read(path: str, data: bytes) -> Reading:
    """The runtime that the file is of; nothing where it is of something else: a script called `node`, the configuration
    of JRuby, headers of PyPy, a `release` of Oracle's own JDK (`BUILD_TYPE="commercial"`).

    Versions are as upstream writes them, of prereleases of Node.js with their suffix (`22.0.0-rc.1`). Ruby's are as
    RubySec writes them: up to 2.0 the patch level is the fourth number (`1.9.3.448`). What comes before a release is
    `3.4.0.dev`, below all previews in RubyGems' order: which one it is the file does not say."""
    runtime = _RUNTIMES[path.rpartition("/")[2]]
    version = runtime.version(data[:TEXT] if runtime.text else data)
    return Reading(packages=(FoundPackage(runtime.name, version),)) if version else Reading()


RUNTIME = Ecosystem(
    name="runtime",
    version=1,
    basenames=frozenset(_RUNTIMES),
    claims=claims,
    read=read,
    file_limit=512 << 20,
    version_key=namespaces.PUBLISHERS["runtime"].version_key,
    purl_type="generic",
)
