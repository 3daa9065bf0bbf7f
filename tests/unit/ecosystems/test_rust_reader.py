"""The reader of Rust programs. Expected values: cargo-auditable's PARSING.md and schema, and what a real one holds."""

from __future__ import annotations

import json
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.rust import CRATES, LARGEST_JSON
from tests.support.programs import BASE, Maker, Piece, elf, macho, pe

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"


def program(section: bytes, make: Maker = elf) -> bytes:
    pieces = [Piece(BASE + 0x1000, b"code" * 8, writable=False), Piece(BASE + 0x2000, section, writable=False)]
    return make(pieces, {".dep-v0": 1})


def built_from(*crates: dict[str, Any]) -> bytes:
    return program(zlib.compress(json.dumps({"packages": crates, "format": 1}).encode()))


def crate(name: str = "time", version: str = "0.1.44", source: str = "crates.io", **more: object) -> dict[str, Any]:
    return {"name": name, "version": version, "source": source, **more}


def test_a_real_section() -> None:
    """uv 0.13.9: 446 crates of crates.io and 86 of its own; the 35 that only its build needed are left out."""
    packages = CRATES.read("bin/uv", (ASSETS / "rust-uv").read_bytes()).packages
    assert len(packages) == 532
    assert {FoundPackage("adler2", "2.0.1"), FoundPackage("zlib-rs", "0.6.3")} < set(packages)
    assert FoundPackage("uv", "0.13.9", unmatched=True) in packages
    assert sum(package.unmatched for package in packages) == 86
    assert "cc" not in {package.name for package in packages}


@pytest.mark.parametrize("make", [elf, pe, macho])
def test_every_format(make: Maker) -> None:
    """The section has one name in all of them; what the linker put behind the stream does not count."""
    data = program(
        zlib.compress(b'{"packages":[{"name":"a","version":"1.0.0","source":"crates.io"}]}') + bytes(9), make
    )
    assert CRATES.read("a", data).packages == (FoundPackage("a", "1.0.0"),)


def test_kinds_of_crates() -> None:
    """What is in the program is listed: two versions of a crate, its own crates, forks; that of the build is not. Only
    crates.io's are matched."""
    data = built_from(
        crate("app", "0.1.0", "local", root=True, dependencies=[1, 2]),
        crate(version="0.1.44"),
        crate(version="0.2.22", kind="runtime"),
        crate("cc", "1.0.0", kind="build"),
        crate("quickcheck", "1.0.0", kind="dev"),
        crate("rand_core", "0.6.0-pre", "git"),
        crate("inner", "1.2.3", "registry"),
        crate(version="0.1.44"),
    )
    assert CRATES.read("app", data).packages == (
        FoundPackage("app", "0.1.0", unmatched=True),
        FoundPackage("time", "0.1.44"),
        FoundPackage("time", "0.2.22"),
        FoundPackage("rand_core", "0.6.0-pre", unmatched=True),
        FoundPackage("inner", "1.2.3", unmatched=True),
    )


def test_no_crates() -> None:
    """A program of another kind, and one of no crates, say nothing."""
    assert CRATES.read("a", built_from()) == Reading()
    assert CRATES.read("a", elf([Piece(BASE, b"x" * 64)], {".dep-v1": 0})) == Reading()
    assert CRATES.read("a", elf([Piece(BASE, b"")], {".dep-v0": 0})) == Reading()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (program(b"\0" * 20), "not zlib"),
        (program(zlib.compress(b'{"packages":[]}')[:-3]), "ends early"),
        (program(zlib.compress(b"x")), "not JSON"),
        (program(zlib.compress(b"\xff")), "not JSON"),
        (program(zlib.compress(b"{}")), "packages"),
        (program(zlib.compress(b'{"packages":' + b"[" * 9_000)), "dep-v0"),
        (program(zlib.compress(b'{"x":' + b"[" * 9_000)), "nested too deeply"),
        (built_from({"name": "a"}), "version"),
        (built_from(crate(name="")), "no name of a crate"),
        (built_from(crate(name="a" * 257)), "no name of a crate"),
        (built_from(crate(name="a\nb")), "no name of a crate"),
        (built_from(crate(version="1" * 257)), "no plain text"),
        (built_from(crate(version="1\0")), "no plain text"),
        (program(zlib.compress(bytes(LARGEST_JSON + 1))), "more than 8,388,608 bytes"),
        (program(zlib.compress(b" " * LARGEST_JSON * 100, 9)), "more than 8,388,608 bytes"),
        (program(b"x" * (LARGEST_JSON + 1)), "larger than 8,388,608 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_sections(data: bytes, message: str) -> None:
    """A section that is there and cannot be read is said to be so, at no cost."""
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match=message):
            CRATES.read("a", data)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_the_largest_section() -> None:
    """As many crates as fit take two seconds and 200 MB at most."""
    count = LARGEST_JSON // 45
    listed = ",".join(f'{{"name":"a{number}","version":"1"}}' for number in range(count))
    data = program(zlib.compress(f'{{"packages":[{listed}]}}'.encode(), 1))
    started = time.process_time()
    assert len(CRATES.read("a", data).packages) == count
    assert time.process_time() - started < 2
    tracemalloc.start()
    try:
        CRATES.read("a", data)
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()


@given(
    make=st.sampled_from([elf, pe, macho]),
    edits=st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=8),
    cut=st.none() | st.integers(0, 2_000),
)
@settings(max_examples=300, deadline=2_000)
def test_changed_bytes(make: Maker, edits: list[tuple[int, int]], cut: int | None) -> None:
    """A program with changed bytes, or cut anywhere, is read or unreadable, nothing else."""
    data = bytearray(program(zlib.compress(json.dumps({"packages": [crate()] * 9}).encode()), make))
    for place, value in edits:
        data[place % len(data)] = value
    try:
        CRATES.read("a", bytes(data[:cut]))
    except Unreadable as error:
        assert 0 < len(str(error)) < 300
