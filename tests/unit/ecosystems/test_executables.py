"""Look-ups in headers of programs. Layouts are from the System V gABI, Microsoft's PE format and mach-o/loader.h."""

from __future__ import annotations

import struct
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.executables import Span, loaded, opened
from hullwise.ecosystems.go import GO
from hullwise.ecosystems.rust import CRATES
from tests.support.programs import BASE, Maker, Piece, elf, macho, pe

PIECES = [Piece(BASE + 0x1000, b"code" * 8, writable=False), Piece(BASE + 0x2000, b"data" * 16)]
FORMATS = [
    *(pytest.param(elf, bits, order, id=f"elf{bits}{order}") for bits in (32, 64) for order in "<>"),
    *(pytest.param(pe, bits, "<", id=f"pe{bits}") for bits in (32, 64)),
    pytest.param(macho, 64, "<", id="macho"),
]


@pytest.mark.parametrize(("make", "bits", "order"), FORMATS)
def test_what_headers_say(make: Maker, bits: int, order: str) -> None:
    """Sections by name, the data segment, and addresses, in each format."""
    data = make(PIECES, {".named": 1}, bits=bits, order=order)
    program = opened(data)
    assert program is not None
    start = data.index(b"data" * 16)
    whole = Span(BASE + 0x2000, start, start + 64)
    assert program.section(b".named") == whole
    assert program.section(b".name") is None
    assert program.section(b"named") is None
    assert program.data_segment() == whole
    assert list(program.segments())[-1] == whole
    assert loaded(program, BASE + 0x1000, 32) == Span(BASE + 0x1000, data.index(b"code"), data.index(b"code") + 32)
    assert loaded(program, BASE + 0x2010, 48) == Span(BASE + 0x2010, start + 16, start + 64)
    for address, size in ((BASE + 0x2010, 49), (BASE + 0x1FFF, 2), (0, 8), (2**64 - 4, 8), (BASE + 0x2000, 2**64 - 1)):
        assert loaded(program, address, size) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs an ELF program")
def test_a_real_program_of_another_language() -> None:
    """Python's own program has a data segment, and neither Go's nor Rust's sections."""
    data = Path(sys.executable).read_bytes()
    program = opened(data)
    assert program is not None
    assert program.section(b".text") is not None
    assert program.data_segment() is not None
    assert GO.read("bin/python", data) == CRATES.read("bin/python", data) == Reading()


@pytest.mark.parametrize(("make", "bits", "order"), FORMATS)
def test_a_section_beyond_the_end_is_damage(make: Maker, bits: int, order: str) -> None:
    """A section that is named and not there is told of, a segment is cut to what there is."""
    data = bytearray(make(PIECES, {".named": 1}, bits=bits, order=order))
    if make is elf:
        # The rows are at the end: this one is the second, behind the empty one.
        row = {32: 40, 64: 64}[bits]
        struct.pack_into(
            f"{order}{'I' if bits == 32 else 'Q'}", data, len(data) - 2 * row + (20, 32)[bits == 64], 99_999
        )
    else:
        data = data[: data.index(b"data" * 16) + 8]
    program = opened(bytes(data))
    assert program is not None
    with pytest.raises(Unreadable, match=r"section \.named reaches beyond the end of the file"):
        program.section(b".named")
    segment = program.data_segment()
    assert segment is not None
    assert segment.end <= len(data)


@pytest.mark.parametrize("kind", [0, 1, 4])
def test_only_linked_elf_is_a_program(kind: int) -> None:
    """Object files, kernel modules and core dumps are none."""
    assert opened(elf(PIECES, {".named": 1}, kind=kind)) is None


def test_debug_files_have_names_without_bytes() -> None:
    """What `objcopy --only-keep-debug` leaves of a section is its row, with type NOBITS."""
    data = bytearray(elf(PIECES, {".named": 1}))
    struct.pack_into("<I", data, len(data) - 2 * 64 + 4, 8)
    program = opened(bytes(data))
    assert program is not None
    assert program.section(b".named") is None


@pytest.mark.parametrize(
    "data",
    [b"", b"MZ", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"#!/bin/sh\n", b"MZ" + bytes(5_000), b"\x7fELF" + bytes(5_000)],
)
def test_what_is_no_program(data: bytes) -> None:
    """Nothing, a script, and the mark alone."""
    assert GO.read("a", data) == CRATES.read("a", data) == Reading()


def _many_sections() -> bytes:
    data = bytearray(elf([Piece(BASE, b"x" * 64)], {"..dep-v0": 0, "..go.buildinfo": 0}))
    struct.pack_into("<HH", data, 60, 65_535, 3)
    return bytes(data) + bytes(65_535 * 64)


def _long_names() -> bytes:
    data = bytearray(elf([Piece(BASE, b".go.buildinfo\0" * (5 << 16))], {"x": 0}))
    struct.pack_into("<QQ", data, len(data) - 64 + 24, 120, 5 << 16)
    return bytes(data)


def _many_commands() -> bytes:
    segment = struct.pack("<II16s4Q4I", *(0x19, 72, b"__DATA", 1, 1, 0, 0, 3, 3, 2**32 - 1, 0))
    return b"\xcf\xfa\xed\xfe" + struct.pack("<7I", 0, 0, 2, 2**32 - 1, 2**32 - 1, 0, 0) + segment * 100_000


def _many_pe_sections() -> bytes:
    data = bytearray(pe([Piece(BASE + 0x1000, b"x" * (3 << 20))]))
    struct.pack_into("<H", data, 0x40 + 6, 65_535)
    return bytes(data)


@pytest.mark.parametrize("make", [_many_sections, _long_names, _many_commands, _many_pe_sections])
def test_counts_that_lie(make: Maker) -> None:
    """Tables that claim to be as large as fields allow cost little, and no memory."""
    data = make()
    tracemalloc.start()
    try:
        started = time.process_time()
        for reader in (GO, CRATES):
            try:
                assert reader.read("a", data) == Reading()
            except Unreadable:
                continue
        assert time.process_time() - started < 2
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@given(
    make=st.sampled_from([elf, pe, macho]),
    edits=st.lists(st.tuples(st.integers(0, 450), st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))),
)
@settings(max_examples=300, deadline=2_000)
def test_changed_headers(make: Maker, edits: list[tuple[int, int]]) -> None:
    """Whatever headers say, every span is within the file, and nothing but `Unreadable` is raised."""
    data = bytearray(make(PIECES, {".named": 1}))
    for place, value in edits:
        data[place % len(data)] = value
    program = opened(bytes(data))
    if program is None:
        return
    try:
        spans = [program.section(b".named"), program.data_segment(), loaded(program, BASE + 0x2000, 16)]
    except Unreadable:
        spans = []
    spans += program.segments()
    assert all(0 <= span.start < span.end <= len(data) for span in spans if span)
