"""Where things lie in a program's file: sections and segments of ELF, PE and Mach-O, from their headers alone.

    ELF     \\x7fELF, class (1: 32 bits, 2: 64), byte order (1: little, 2: big) … places of the two tables
            program headers: what is loaded, where          section headers: what is called what
    PE      MZ … at 3C the place of  PE 00 00, COFF header, optional header, section headers
    Mach-O  CF FA ED FE, header, load commands: LC_SEGMENT_64 with the sections of the segment behind it

Sources: System V gABI (ELF header, sections, program header), Microsoft's PE format, Apple's mach-o/loader.h.

Nearly every file of an image that comes here is an ordinary program or library. It is answered with a few look-ups in
its headers, and nothing of it is copied.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from hullwise.ecosystems.ecosystem import Unreadable

LARGEST_NAMES = 1 << 20
"""Bytes of ELF's section names. Programs have a few hundred; object files, which are not read, have more."""

LARGEST_COMMANDS = 1 << 18
"""Bytes of Mach-O's load commands that are looked at; programs have a few thousand."""

MOST_PE_SECTIONS = 96
"""As many as Windows loads (PE format, COFF file header)."""

_LINKED = frozenset({2, 3})
"""ELF's `e_type` of programs and libraries; object files, kernel modules and core dumps are neither."""

_NOBITS = 8
_LOAD = 1
_ELF_EXECUTE, _ELF_WRITE = 1, 2

_PE_SECTION = struct.Struct("<8s4I12xI")
_PE_HEADERS = struct.Struct("<4s2xH12xH2xH")
_PE_BASES = {0x10B: ("<I", 52), 0x20B: ("<Q", 48)}
"""Layout and place, from the mark on, of the image's base in the two kinds of optional header."""
_PE_DATA = 0x40 | 0x40000000 | 0x80000000
"""Flags of initialised data that can be read and written."""
_PE_ALIGNMENT = 0x00F00000

_MACHO_HEADER = struct.Struct("<16xII8x")
_MACHO_COMMAND = struct.Struct("<II")
_MACHO_SEGMENT = struct.Struct("<24xQ8xQQIII4x")
_MACHO_SECTION = struct.Struct("<16s16xQQI28x")
_SEGMENT_64 = 0x19
_READ_WRITE = 3


class Span(NamedTuple):
    """Bytes of the file, and the address of the first when the program is loaded."""

    address: int
    start: int
    end: int


class Program(Protocol):
    """The two tables of a program's file."""

    def section(self, name: bytes) -> Span | None:
        """The first section of this name; None where there is none, or none with bytes in the file.

        Raises `Unreadable` where there is one that is not within the file."""

    def data_segment(self) -> Span | None:
        """The first segment that is loaded, can be written and not executed; what of it is in the file."""

    def segments(self) -> Iterator[Span]:
        """All that is loaded, as far as it is in the file."""


def opened(data: bytes) -> Program | None:
    """The program that `data` is; None for what is none, or whose first header is damaged."""
    try:
        if data.startswith(b"\x7fELF"):
            return _Elf.opened(data)
        if data.startswith(b"MZ"):
            return _Pe.opened(data)
        if data.startswith(b"\xcf\xfa\xed\xfe"):
            return _MachO(data)
    except struct.error:
        pass
    return None


def loaded(program: Program, address: int, size: int) -> Span | None:
    """The `size` bytes at an address; None where they are not all in one segment of the file."""
    for span in program.segments():
        start = span.start + address - span.address
        if span.start <= start and start + size <= span.end:
            return Span(address, start, start + size)
    return None


def _within(data: bytes, address: int, start: int, size: int) -> Span | None:
    """The part of a segment that is in the file, if any."""
    end = min(start + size, len(data))
    return Span(address, start, end) if start < end else None


def _whole(data: bytes, name: bytes, address: int, start: int, size: int) -> Span:
    if start + size > len(data):
        raise Unreadable(f"section {name.decode()} reaches beyond the end of the file")
    return Span(address, start, start + size)


def _rows(layout: struct.Struct, data: bytes, start: int, count: int) -> Iterator[tuple[Any, ...]]:
    """The rows of a table, as many as are in the file."""
    count = min(count, max(0, len(data) - start) // layout.size)
    return layout.iter_unpack(memoryview(data)[start : start + count * layout.size])


class _ElfLayout(NamedTuple):
    header: struct.Struct
    section: struct.Struct
    segment: struct.Struct
    flags: int
    """Which field of a program header has the flags."""


def _elf_layout(order: str, header: str, section: str, segment: str, flags: int) -> _ElfLayout:
    return _ElfLayout(
        struct.Struct(order + header), struct.Struct(order + section), struct.Struct(order + segment), flags
    )


# Of the header: type, places of the program and section headers, size and count of each, and which section has the
# names. Of a section: place of its name, type, address, place, size. Of a segment: type, place, address, size, and
# flags, which are second where there are 64 bits and last where there are 32.
_ELF_32 = ("16xH10xII6x5H", "II4xIII16x", "III4xI4xI4x", 4)
_ELF_64 = ("16xH14xQQ6x5H", "II8xQQQ24x", "IIQQ8xQ16x", 1)
_ELF_LAYOUTS = {
    b"\x01\x01": _elf_layout("<", *_ELF_32),
    b"\x01\x02": _elf_layout(">", *_ELF_32),
    b"\x02\x01": _elf_layout("<", *_ELF_64),
    b"\x02\x02": _elf_layout(">", *_ELF_64),
}
"""By class and byte order."""


class _Elf:
    def __init__(self, data: bytes, layout: _ElfLayout, segments: tuple[int, int], sections: tuple[int, int, int]):
        self._data = data
        self._layout = layout
        self._segments = segments
        self._sections = sections

    @classmethod
    def opened(cls, data: bytes) -> _Elf | None:
        layout = _ELF_LAYOUTS.get(data[4:6])
        if layout is None:
            return None
        kind, segments, sections, segment_size, segment_count, section_size, count, names = layout.header.unpack_from(
            data
        )
        if kind not in _LINKED:
            return None
        if segment_size != layout.segment.size:
            segment_count = 0
        if section_size != layout.section.size or not sections:
            count = names = 0
        return cls(data, layout, (segments, segment_count), (sections, count, names))

    def section(self, name: bytes) -> Span | None:
        start, count, names = self._sections
        layout = self._layout.section
        place = start + names * layout.size
        if names >= count or place + layout.size > len(self._data):
            return None
        _, kind, _, names_start, names_size = layout.unpack_from(self._data, place)
        if kind == _NOBITS or names_size > LARGEST_NAMES:
            return None
        text = name + b"\0"
        if self._data.find(text, names_start, names_start + names_size) < 0:
            return None
        for name_at, kind, address, offset, size in _rows(layout, self._data, start, count):
            if self._data.startswith(text, names_start + name_at) and kind != _NOBITS and size:
                return _whole(self._data, name, address, offset, size)
        return None

    def data_segment(self) -> Span | None:
        for flags, span in self._loaded():
            if flags & (_ELF_EXECUTE | _ELF_WRITE) == _ELF_WRITE:
                return span
        return None

    def segments(self) -> Iterator[Span]:
        return (span for _, span in self._loaded() if span)

    def _loaded(self) -> Iterator[tuple[int, Span | None]]:
        flags_at = self._layout.flags
        for row in _rows(self._layout.segment, self._data, *self._segments):
            if row[0] == _LOAD:
                offset, address, size = row[2:5] if flags_at == 1 else row[1:4]
                yield row[flags_at], _within(self._data, address, offset, size)


class _PeSection(NamedTuple):
    name: bytes
    loaded: int
    """Bytes when it is loaded."""
    address: int
    """Without the base of the image."""
    stored: int
    """Bytes in the file, filled up to whole blocks."""
    offset: int
    flags: int

    @property
    def size(self) -> int:
        return min(self.loaded or self.stored, self.stored)


class _Pe:
    def __init__(self, data: bytes, base: int, sections: tuple[int, int]):
        self._data = data
        self._base = base
        self._sections = sections

    @classmethod
    def opened(cls, data: bytes) -> _Pe | None:
        (place,) = struct.unpack_from("<I", data, 0x3C)
        mark, count, size, magic = _PE_HEADERS.unpack_from(data, place)
        if mark != b"PE\0\0" or magic not in _PE_BASES:
            return None
        layout, offset = _PE_BASES[magic]
        (base,) = struct.unpack_from(layout, data, place + offset)
        return cls(data, base, (place + 24 + size, min(count, MOST_PE_SECTIONS)))

    def section(self, name: bytes) -> Span | None:
        for row in self._rows():
            if row.name == name.ljust(8, b"\0") and row.size:
                return _whole(self._data, name, self._base + row.address, row.offset, row.size)
        return None

    def data_segment(self) -> Span | None:
        for row in self._rows():
            if row.flags & ~_PE_ALIGNMENT == _PE_DATA and row.size:
                return self._span(row)
        return None

    def segments(self) -> Iterator[Span]:
        return (span for row in self._rows() if (span := self._span(row)))

    def _rows(self) -> Iterator[_PeSection]:
        return (_PeSection(*row) for row in _rows(_PE_SECTION, self._data, *self._sections))

    def _span(self, row: _PeSection) -> Span | None:
        return _within(self._data, self._base + row.address, row.offset, row.size)


class _MachOSegment(NamedTuple):
    address: int
    offset: int
    size: int
    most: int
    """The protection that it may have."""
    first: int
    """The protection that it has when it is loaded."""
    sections: int


class _MachO:
    def __init__(self, data: bytes):
        self._data = data

    def section(self, name: bytes) -> Span | None:
        for place, size, segment in self._segments():
            count = min(segment.sections, (size - _MACHO_SEGMENT.size) // _MACHO_SECTION.size)
            for own_name, address, stored, offset in _rows(
                _MACHO_SECTION, self._data, place + _MACHO_SEGMENT.size, max(0, count)
            ):
                if own_name == name.ljust(16, b"\0") and stored and offset:
                    return _whole(self._data, name, address, offset, stored)
        return None

    def data_segment(self) -> Span | None:
        for _, _, segment in self._segments():
            if segment.address and segment.size and segment.most == segment.first == _READ_WRITE:
                return _within(self._data, segment.address, segment.offset, segment.size)
        return None

    def segments(self) -> Iterator[Span]:
        for _, _, segment in self._segments():
            if span := _within(self._data, segment.address, segment.offset, segment.size):
                yield span

    def _segments(self) -> Iterator[tuple[int, int, _MachOSegment]]:
        """Place and size of each command that loads a segment, and what it says."""
        data = self._data
        place = _MACHO_HEADER.size
        if len(data) < place:
            return
        count, size = _MACHO_HEADER.unpack_from(data)
        end = min(len(data), place + min(size, LARGEST_COMMANDS))
        for _ in range(count):
            if place + _MACHO_COMMAND.size > end:
                return
            command, size = _MACHO_COMMAND.unpack_from(data, place)
            if size < _MACHO_COMMAND.size:
                return
            if command == _SEGMENT_64 and place + _MACHO_SEGMENT.size <= end:
                yield place, size, _MachOSegment(*_MACHO_SEGMENT.unpack_from(data, place))
            place += size
