"""Programs made of parts: the headers of ELF, PE and Mach-O around given bytes, and Go's build information."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

BASE = 0x400000
NOISE = b"0123456789abcdef"


class Piece(NamedTuple):
    """Bytes that are loaded at an address."""

    address: int
    data: bytes
    writable: bool = True


def elf(
    pieces: list[Piece], sections: Mapping[str, int] = {}, *, bits: int = 64, order: str = "<", kind: int = 2
) -> bytes:
    """A program of loaded pieces, some of which (by their index) are sections. Without any, it has no section table."""
    word = "Q" if bits == 64 else "I"
    sizes = (64, 56, 64) if bits == 64 else (52, 32, 40)
    place = sizes[0] + sizes[1] * len(pieces)
    segments, places = b"", []
    for piece in pieces:
        flags, size = (6 if piece.writable else 5), len(piece.data)
        if bits == 64:
            fields = (1, flags, place, piece.address, piece.address, size, size, 16)
            segments += struct.pack(f"{order}2I6Q", *fields)
        else:
            segments += struct.pack(f"{order}8I", 1, place, piece.address, piece.address, size, size, flags, 16)
        places.append(place)
        place += size
    body = b"".join(piece.data for piece in pieces)
    names, table, count = b"\0", b"", 0
    if sections:
        rows = [(0, 0, 0, 0, 0)]
        for name, index in sections.items():
            rows.append((len(names), 1, pieces[index].address, places[index], len(pieces[index].data)))
            names += name.encode() + b"\0"
        rows.append((len(names), 3, 0, place, len(names) + 10))
        names += b".shstrtab\0"
        count = len(rows)
        for at, type_, address, offset, size in rows:
            table += struct.pack(f"{order}2I4{word}2I2{word}", at, type_, 0, address, offset, size, 0, 0, 1, 0)
    header = b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2, 1]) + bytes(9)
    header += struct.pack(
        f"{order}2HI3{word}I6H",
        *(kind, 0x3E, 1, BASE, sizes[0], place + len(names) if sections else 0, 0),
        *sizes[:2],
        *(len(pieces), sizes[2], count, max(0, count - 1)),
    )
    return header + segments + body + (names + table if sections else b"")


def pe(pieces: list[Piece], sections: Mapping[str, int] = {}, *, bits: int = 64, order: str = "<") -> bytes:
    """A program for Windows. Each piece is a section, filled up to whole blocks, and must lie above `BASE`."""
    named = {index: name for name, index in sections.items()}
    optional = struct.pack("<H26xI208x" if bits == 32 else "<H22xQ208x", 0x10B if bits == 32 else 0x20B, BASE)
    start = 0x40 + 24 + len(optional)
    place = start + 40 * len(pieces)
    table = b"".join(
        struct.pack(
            "<8s4I12xI",
            named.get(index, ".data" if piece.writable else ".text").encode(),
            len(piece.data),
            piece.address - BASE,
            len(piece.data) + 32,
            place + sum(len(before.data) + 32 for before in pieces[:index]),
            0xC0000040 if piece.writable else 0x60000020,
        )
        for index, piece in enumerate(pieces)
    )
    headers = b"PE\0\0" + struct.pack("<HH12xHH", 0x8664, len(pieces), len(optional), 0x22) + optional
    return (
        b"MZ"
        + bytes(58)
        + struct.pack("<I", 0x40)
        + headers
        + table
        + b"".join(piece.data + bytes(32) for piece in pieces)
    )


def macho(pieces: list[Piece], sections: Mapping[str, int] = {}, *, bits: int = 64, order: str = "<") -> bytes:
    """A program for macOS. Each piece is a segment of one section."""
    named = {index: name for name, index in sections.items()}
    commands_size = 24 + (72 + 80) * len(pieces)
    place = 32 + commands_size
    commands = struct.pack("<II16x", 0x1B, 24)
    for index, piece in enumerate(pieces):
        size, rights = len(piece.data), (3 if piece.writable else 5)
        commands += struct.pack(
            "<II16s4Q4I", *(0x19, 152, b"__DATA", piece.address, size, place, size, rights, rights, 1, 0)
        )
        name = named.get(index, "__data").encode()
        commands += struct.pack("<16s16sQQ8I", name, b"__DATA", piece.address, size, place, *[0] * 7)
        place += size
    header = b"\xcf\xfa\xed\xfe" + struct.pack("<7I", 0x1000007, 3, 2, len(pieces) + 1, commands_size, 0, 0)
    return header + commands + b"".join(piece.data for piece in pieces)


Maker = Callable[..., bytes]


def varint(number: int) -> bytes:
    """7 bits a byte, lowest first; the last has no high bit."""
    head = b""
    while number > 0x7F:
        head += bytes([number & 0x7F | 0x80])
        number >>= 7
    return head + bytes([number])


def framed(modules: str) -> bytes:
    """The text of modules, with 16 bytes of noise at both ends."""
    return NOISE + modules.encode() + NOISE if modules else b""


def inline_info(version: str, modules: str) -> bytes:
    """Build information of Go 1.18 and later."""
    texts = (version.encode(), framed(modules))
    return b"\xff Go buildinf:\x08\x02" + bytes(16) + b"".join(varint(len(text)) + text for text in texts)


def info_by_address(version: str, modules: str, address: int, *, bits: int = 64, order: str = "<") -> bytes:
    """Build information of Go before 1.18, to be loaded at `address`: both texts and their pairs lie behind it."""
    word, size = ("Q", 8) if bits == 64 else ("I", 4)
    first, second = address + 32, address + 32 + 2 * size
    text, more = version.encode(), framed(modules)
    at = second + 2 * size
    head = b"\xff Go buildinf:" + bytes([size, 0 if order == "<" else 1])
    head = (head + struct.pack(f"{order}2{word}", first, second)).ljust(32, b"\0")
    return head + struct.pack(f"{order}4{word}", at, len(text), at + len(text), len(more)) + text + more
