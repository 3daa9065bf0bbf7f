"""The reader of Go programs. Expected values: `go version -m` of Go 1.24 on real programs, Go's module reference."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.go import GO, LARGEST_MODULES, SEARCHED
from tests.support.programs import (
    BASE,
    Maker,
    Piece,
    elf,
    framed,
    info_by_address,
    inline_info,
    macho,
    pe,
    varint,
)

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"

# esbuild 0.14.1's: Go 1.17, before settings of the build were written.
ESBUILD = (
    "path\tgithub.com/evanw/esbuild/cmd/esbuild\n"
    "mod\tgithub.com/evanw/esbuild\t(devel)\t\n"
    "dep\tgolang.org/x/sys\tv0.0.0-20210908233432-aa78b53d3365\th1:6wSTsvPddg9gc/mVEEyk9oOAoxn+bT4Z9q1zx+4RwA4=\n"
)
IN_ESBUILD = (
    FoundPackage("stdlib", "1.17.2"),
    FoundPackage("github.com/evanw/esbuild", ""),
    FoundPackage("golang.org/x/sys", "v0.0.0-20210908233432-aa78b53d3365"),
)


def found(modules: str, go: str = "go1.24.11") -> tuple[FoundPackage, ...]:
    """What a program with this build information holds."""
    piece = Piece(BASE, inline_info(go, modules))
    return GO.read("bin/app", elf([piece], {".go.buildinfo": 0})).packages


def main_version(version: str, linker: str = "") -> str:
    """The version that the module of a program is given."""
    modules = f"path\texample.com/app\nmod\texample.com/app\t{version}\t\n"
    if linker:
        modules += f"build\t-ldflags={linker}\n"
    packages = found(modules)
    assert [package.name for package in packages] == ["stdlib", "example.com/app"]
    return packages[1].version


def test_a_real_program() -> None:
    """Go 1.24, stripped: the modules, of which one is replaced by another version and one by a folder."""
    assert GO.read("bin/app", (ASSETS / "go-1.24-app").read_bytes()).packages == (
        FoundPackage("stdlib", "1.24.11"),
        FoundPackage("example.com/Fixture/app", "v1.6.0"),
        FoundPackage("example.com/local", ""),
        FoundPackage("github.com/docker/distribution", "v2.8.1+incompatible"),
        FoundPackage("github.com/pkg/errors", "v0.9.1"),
        FoundPackage("golang.org/x/xerrors", "v0.0.0-20200804184101-5ec99f83aff1"),
    )


def test_a_large_real_program() -> None:
    """syft 1.18.1, whose version only the linker's flags tell, and its 185 modules."""
    packages = GO.read("bin/syft", (ASSETS / "go-1.23-syft").read_bytes()).packages
    assert len(packages) == 187
    assert packages[:3] == (
        FoundPackage("stdlib", "1.23.4"),
        FoundPackage("github.com/anchore/syft", "v1.18.1"),
        FoundPackage("dario.cat/mergo", "v1.0.1"),
    )
    assert FoundPackage("github.com/docker/docker", "v27.4.0+incompatible") in packages


def test_a_text_of_old_modules() -> None:
    """Lines end where they end: the checksum is no part of the version, an empty one no line of its own."""
    assert found(ESBUILD, "go1.17.2") == IN_ESBUILD


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("named", [True, False])
def test_addresses_in_elf(bits: int, order: str, named: bool) -> None:
    """Before Go 1.18 the texts are found through addresses, of either width and order."""
    info = info_by_address("go1.17.2", ESBUILD, BASE + 0x2000, bits=bits, order=order)
    pieces = [Piece(BASE, b"code" * 8, writable=False), Piece(BASE + 0x2000, info)]
    data = elf(pieces, {".go.buildinfo": 1} if named else {}, bits=bits, order=order)
    assert GO.read("bin/app", data).packages == IN_ESBUILD


def test_addresses_in_another_segment() -> None:
    """The pairs and the texts need not be where the build information is."""
    info = info_by_address("go1.17.2", ESBUILD, BASE)
    moved = info_by_address("go1.17.2", ESBUILD, BASE + 0x8000)
    pieces = [Piece(BASE + 0x8000, b"x" * len(info[:32]) + moved[32:], writable=False), Piece(BASE, moved[:32])]
    assert GO.read("bin/app", elf(pieces, {".go.buildinfo": 1})).packages == IN_ESBUILD
    assert GO.read("bin/app", macho(pieces, {"__go_buildinfo": 1})).packages == IN_ESBUILD
    assert GO.read("bin/app", pe(pieces)).packages == IN_ESBUILD


@pytest.mark.parametrize(("make", "bits"), [(pe, 32), (pe, 64), (macho, 64)])
def test_addresses_in_other_formats(make: Maker, bits: int) -> None:
    """PE's addresses count from the base of its image, Mach-O's do not."""
    info = info_by_address("go1.17.2", ESBUILD, BASE + 0x2000, bits=bits)
    pieces = [Piece(BASE + 0x1000, b"code" * 8, writable=False), Piece(BASE + 0x2000, info)]
    assert GO.read("app.exe", make(pieces, bits=bits)).packages == IN_ESBUILD


@pytest.mark.parametrize(
    ("make", "sections"),
    [
        (elf, {".go.buildinfo": 1}),
        (elf, {}),
        (elf, {".data": 1}),
        (pe, {}),
        (macho, {}),
        (macho, {"__go_buildinfo": 1}),
    ],
)
@pytest.mark.parametrize("before", [0, 16, 4096, SEARCHED - 64])
def test_places_of_the_build_information(make: Maker, sections: dict[str, int], before: int) -> None:
    """It is in its section, or near the start of the first data segment, at a multiple of 16."""
    data = b"\1" * before + inline_info("go1.17.2", ESBUILD)
    pieces = [Piece(BASE + 0x1000, b"code" * 8, writable=False), Piece(BASE + 0x2000, data)]
    assert GO.read("bin/app", make(pieces, sections)).packages == IN_ESBUILD


def test_it_counts_by_addresses() -> None:
    """Where the segment is loaded decides what a multiple of 16 is; what looks the same elsewhere is passed over."""
    data = b"\xff Go buildinf:\x08\x02" + b"\1" * 8 + inline_info("go1.17.2", ESBUILD)
    assert GO.read("bin/app", elf([Piece(BASE + 8, data)])).packages == IN_ESBUILD


@pytest.mark.parametrize(
    "pieces",
    [
        [Piece(BASE, inline_info("go1.17.2", ESBUILD), writable=False)],
        [Piece(BASE, bytes(64)), Piece(BASE + 0x2000, inline_info("go1.17.2", ESBUILD))],
        [Piece(BASE + 1, inline_info("go1.17.2", ESBUILD))],
        [Piece(BASE, bytes(SEARCHED) + inline_info("go1.17.2", ESBUILD))],
    ],
    ids=["not writable", "second segment", "not aligned", "too far"],
)
@pytest.mark.parametrize("make", [elf, pe, macho])
def test_what_is_elsewhere_is_nothing(make: Maker, pieces: list[Piece]) -> None:
    """A program that merely holds the mark, such as a reader of build information, is not taken for Go's."""
    shifted = [piece._replace(address=piece.address + 0x1000) for piece in pieces]
    assert GO.read("bin/app", make(shifted)) == Reading()


@pytest.mark.parametrize(
    ("go", "version"),
    [
        ("go1.22.1", "1.22.1"),
        ("go1.20", "1.20"),
        ("go1.22rc1", "1.22rc1"),
        ("go1.21beta1", "1.21beta1"),
        ("go1.22.1 X:boringcrypto,loopvar", "1.22.1"),
        ("go1.22rc1 X:loopvar", "1.22rc1"),
        ("go1.21.13 (Red Hat 1.21.13-3.el9_4)", "1.21.13"),
        ("go1.22.1-bigcorp", "1.22.1"),
        ("go1.24.4+auto", "1.24.4"),
        ("go1.18.5b7", "1.18.5"),
        ("devel go1.23-1a2b3c4d Mon Jan 1 00:00:00 2024 +0000", ""),
        ("devel +1a2b3c", ""),
        ("go1.22.1.1", ""),
        ("", ""),
        ("go1.22.1 X:" + "x" * 300, ""),
    ],
)
def test_versions_of_go(go: str, version: str) -> None:
    """The standard library's version is Go's, in its own form; a development version is none."""
    assert found("", go) == (FoundPackage("stdlib", version),)


def test_the_go_command() -> None:
    """An image with Go in it holds what the database calls toolchain; Go's other commands are no module."""
    assert found("path\tcmd/go\nbuild\t-compiler=gc\n", "go1.19.8") == (
        FoundPackage("stdlib", "1.19.8"),
        FoundPackage("toolchain", "1.19.8"),
    )
    assert found("path\tcmd/gofmt\nbuild\t-compiler=gc\n", "go1.19.8") == (FoundPackage("stdlib", "1.19.8"),)


def test_a_program_of_single_files() -> None:
    """`go build main.go` names no module."""
    modules = "path\tcommand-line-arguments\nmod\tcommand-line-arguments\t(devel)\t\ndep\ta.example/b\tv1.0.0\th1:x=\n"
    assert found(modules) == (FoundPackage("stdlib", "1.24.11"), FoundPackage("a.example/b", "v1.0.0"))


@pytest.mark.parametrize(
    "folder", ["../local", "./local", "..", ".", "/src/local", "C:\\src\\local", "C:/src/local", "..\\local"]
)
@pytest.mark.parametrize("version", ["", "(devel)"])
def test_folders_in_the_place_of_modules(folder: str, version: str) -> None:
    """Of a folder nothing is known but for which module it stands: that is listed without a version."""
    modules = f"dep\ta.example/b\tv1.0.0\n=>\t{folder}\t{version}\t\ndep\ta.example/c\tv1.1.0\th1:x=\n"
    assert found(modules)[1:] == (FoundPackage("a.example/b", ""), FoundPackage("a.example/c", "v1.1.0"))


def test_modules_in_the_place_of_modules() -> None:
    """A replacement counts for the line above it only, the program's own included."""
    modules = (
        "mod\ta.example/app\tv1.0.0\th1:x=\n=>\ta.example/fork\tv1.0.1\th1:x=\n"
        "dep\ta.example/b\tv1.0.0\n=>\tb.example/b\tv1.0.1-fix.1\th1:x=\ndep\ta.example/c\t(devel)\t\n"
    )
    assert found(modules)[1:] == (
        FoundPackage("a.example/fork", "v1.0.1"),
        FoundPackage("b.example/b", "v1.0.1-fix.1"),
        FoundPackage("a.example/c", ""),
    )


@pytest.mark.parametrize(
    ("written", "version"),
    [
        ("v1.4.0", "v1.4.0"),
        ("v2.0.0+incompatible", "v2.0.0+incompatible"),
        ("v1.4.0-rc.1", "v1.4.0-rc.1"),
        ("v1.4.0+dirty", "v1.4.0+dirty"),
        ("v1.4.1-0.20261127114336-d2a71dae2864", "v1.4.1-0.20261127114336-d2a71dae2864"),
        ("v1.4.0-rc.1.0.20261127114336-d2a71dae2864", "v1.4.0-rc.1.0.20261127114336-d2a71dae2864"),
        ("v0.0.0-20261127114303-89ca01105a53", ""),
        ("v0.0.0-20261127114303-89ca01105a53+dirty", ""),
        ("v2.0.0-20261127114303-89ca01105a53", ""),
        ("(devel)", ""),
        ("", ""),
    ],
)
def test_versions_of_the_programs_own_module(written: str, version: str) -> None:
    """What Go 1.24 took from a tag is one; a commit with no tag before it has none, and is not the oldest of all."""
    assert main_version(written) == version


@pytest.mark.parametrize(
    ("linker", "version"),
    [
        ("-X main.version=1.2.3", "v1.2.3"),
        ("-X=main.version=v1.2.3", "v1.2.3"),
        ('"-s -w -X main.version=1.2.3"', "v1.2.3"),
        ("\"-s -w -X 'example.com/app/internal/build.Version=v1.2.3'\"", "v1.2.3"),
        ('"-X \\"example.com/app/build.Version=v1.2.3\\" -X main.commit=4711"', "v1.2.3"),
        ('"-X main.gitVersion=v1.28.2+k3s1\\n-X main.major=1"', "v1.28.2+k3s1"),
        ('"-X main.version=1.2.3-rc.1 -X main.Version=v1.2.3-rc.1"', "v1.2.3-rc.1"),
        ("-X main.version=v1.2.3-14-gabcdef0", "v1.2.3"),
        ("-X main.version=v1.2.3-rc.1-14-gabcdef0-dirty", "v1.2.3-rc.1"),
        ("-X main.version=v1.2.3-dirty", "v1.2.3"),
        # Prometheus and Kubernetes keep their versions in modules that others use too.
        ('"-X github.com/prometheus/common/version.Version=2.45.0"', "v2.45.0"),
        # k3s tells containerd, which it holds, another.
        ('"-X github.com/containerd/containerd/version.Version=v1.7.3 -X main.Version=v1.28.2"', "v1.28.2"),
        (
            '"-X k8s.io/client-go/pkg/version.gitVersion=v1.28.2 -X k8s.io/component-base/version.gitVersion=v1.28.2"',
            "v1.28.2",
        ),
        ('"-X k8s.io/component-base/version.gitVersion=v1.28.2 -X main.version=v0.4.0"', "v0.4.0"),
        ('"-X github.com/containerd/containerd/version.Version=v1.7.3"', ""),
        ('"-X example.com/apple/version.Version=v1.7.3"', ""),
        ('"-X main.version=1.2.3 -X main.appVersion=1.2.4"', ""),
        ("-X main.goVersion=1.22.1", ""),
        ("-X main.apiVersion=1.22.1", ""),
        ("-X main.version=dev", ""),
        ("-X main.version=1.2", ""),
        ("-X main.version=0.0.0-dev", ""),
        ("-X main.version=v0.0.0", ""),
        ("-X main.version=", ""),
        ("-X main.version", ""),
        ("-X", ""),
        ('"', ""),
        ("\"-extldflags '-X main.version=1.2.3'\"", ""),
        ("main.version=1.2.3", ""),
        ("-X main.version=1.2.3" + "4" * 300, ""),
    ],
)
def test_versions_in_the_linkers_flags(linker: str, version: str) -> None:
    """A variable named for a version, of the program's packages or else of those made for it, and only if all agree."""
    assert main_version("(devel)", linker) == version


def test_a_known_version_beats_the_flags() -> None:
    """What Go knows from the module counts before what a builder says."""
    assert main_version("v1.4.0", "-X main.version=9.9.9") == "v1.4.0"
    assert main_version("v0.0.0-20261127114303-89ca01105a53", "-X main.version=9.9.9") == "v9.9.9"


def test_each_module_is_listed_once() -> None:
    """The same line twice is one package."""
    assert len(found("dep\ta.example/b\tv1.0.0\th1:x=\n" * 2)) == 2


def damaged(info: bytes) -> bytes:
    return elf([Piece(BASE, info)], {".go.buildinfo": 0})


HEAD = inline_info("", "")[:32]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (damaged(b"\1" * 64), "holds none"),
        (damaged(HEAD[:31]), "ends early"),
        (damaged(HEAD), "no length"),
        (damaged(HEAD + b"\xff" * 20), "no length"),
        (damaged(HEAD + varint(9) + b"go1.22.1"), "ends early"),
        (damaged(HEAD + varint(2**34) + b"go1.22.1"), "more than 1,048,576 bytes"),
        (damaged(HEAD + varint(8) + b"go1.22.1" + varint(64) + b"short"), "ends early"),
        (damaged(HEAD + varint(8) + b"go1.22.\xff" + varint(0)), "not UTF-8"),
        (damaged(inline_info("go1.22.1", "dep\t\tv1.0.0\n")), "no name of a Go module"),
        (damaged(inline_info("go1.22.1", "dep\ta b\tv1.0.0\n")), "no name of a Go module"),
        (damaged(inline_info("go1.22.1", f"dep\t{'a' * 257}\tv1.0.0\n")), "no name of a Go module"),
        (damaged(inline_info("go1.22.1", f"dep\ta\tv1.0.0-{'a' * 257}\n")), "no plain text"),
        (damaged(inline_info("go1.22.1", "dep\ta\tv1.0.0\x07\n")), "no plain text"),
        (damaged(b"\xff Go buildinf:\x05\x00" + bytes(16)), "addresses of 5 bytes"),
        (damaged(b"\xff Go buildinf:\x08\x00" + bytes(16)), "not in the file"),
        (damaged(info_by_address("go1.17", ESBUILD, BASE)[:-1]), "not in the file"),
        (damaged(info_by_address("go1.17", ESBUILD, BASE + 1)), "not in the file"),
        (damaged(info_by_address("go1.17", ESBUILD, 2**63)), "not in the file"),
        (elf([Piece(BASE, inline_info("go1.22.1", ""))], {".go.buildinfo": 0})[:100], ""),
    ],
)
def test_damaged_build_information(data: bytes, message: str) -> None:
    """What is there and cannot be read is said to be so; a file cut before its tables is no program of Go's."""
    if not message:
        assert GO.read("bin/app", data) == Reading()
        return
    with pytest.raises(Unreadable, match=message):
        GO.read("bin/app", data)


def test_a_text_without_its_frame() -> None:
    """A program that was built without modules has a standard library."""
    for modules in (b"", b"x" * 40, framed("path\tx\n")[1:]):
        info = HEAD + varint(8) + b"go1.22.1" + varint(len(modules)) + modules
        assert GO.read("bin/app", damaged(info)).packages == (FoundPackage("stdlib", "1.22.1"),)


@pytest.mark.parametrize(
    "line",
    ["dep\ta\tv1\n", "=>\tb\tv1\n", "build\t-ldflags=" + "'\"" * 100_000 + "\n", "\n", "build\t-ldflags=-X\\ a\n"],
    ids=["dep", "replacement", "quotes", "empty", "flags"],
)
def test_the_largest_text(line: str) -> None:
    """As many modules as fit take a second and some ten megabytes, whatever they are."""
    lines = line * ((LARGEST_MODULES - 64) // len(line))
    numbered = "".join(f"dep\ta{number}\tv1.{number}.0\n" for number in range(45_000)) if line[0] == "d" else lines
    data = damaged(inline_info("go1.22.1", numbered))
    tracemalloc.start()
    try:
        started = time.process_time()
        GO.read("bin/app", data)
        assert time.process_time() - started < 2
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


INFOS = [inline_info("go1.22.1", ESBUILD), info_by_address("go1.17.2", ESBUILD, BASE + 0x2000)]


@given(
    make=st.sampled_from([elf, pe, macho]),
    info=st.sampled_from(INFOS),
    edits=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=8),
    cut=st.none() | st.integers(0, 700),
)
@settings(max_examples=300, deadline=2_000)
def test_changed_bytes(make: Maker, info: bytes, edits: list[tuple[int, int]], cut: int | None) -> None:
    """Headers and build information with changed bytes, or cut anywhere, are read or unreadable, nothing else."""
    pieces = [Piece(BASE + 0x1000, b"code", writable=False), Piece(BASE + 0x2000, info)]
    data = bytearray(
        make(pieces, {"__go_buildinfo" if make is macho else ".go.buildinfo"[: 8 if make is pe else 20]: 1})
    )
    for place, value in edits:
        data[place % len(data)] = value
    try:
        packages = GO.read("bin/app", bytes(data[:cut])).packages
    except Unreadable as error:
        assert 0 < len(str(error)) < 200
    else:
        assert all(package.name.isprintable() and package.version.isprintable() for package in packages)
