"""Databases of rpm made by hand: headers of tags (rpmtag.h), in the form NDB."""

from __future__ import annotations

import struct
import zlib

INT32, STRING, STRINGS = 4, 6, 8
Tag = tuple[int, int, int, bytes]
"""Number, type, count and bytes of a tag."""


def text(tag: int, value: str) -> Tag:
    return tag, STRING, 1, value.encode() + b"\0"


def texts(tag: int, *values: str) -> Tag:
    return tag, STRINGS, len(values), "".join(f"{value}\0" for value in values).encode()


def numbers(tag: int, *values: int) -> Tag:
    return tag, INT32, len(values), struct.pack(f">{len(values)}I", *values)


def header(*tags: Tag) -> bytes:
    """A header of these tags, as a database keeps it."""
    entries = data = b""
    for tag, kind, count, value in tags:
        entries += struct.pack(">IIII", tag, kind, len(data), count)
        data += value
    return struct.pack(">II", len(tags), len(data)) + entries + data


def ndb(*headers: bytes) -> bytes:
    """An NDB of these headers."""
    slots, blobs = b"", b""
    for number, each in enumerate(headers, 1):
        blocks = (16 + len(each) + 12 + 15) // 16
        slots += struct.pack("<4sIII", b"Slot", number, 256 + len(blobs) // 16, blocks)
        body = struct.pack("<4sIII", b"BlbS", number, 0, len(each)) + each
        body += bytes(blocks * 16 - 12 - len(body))
        blobs += body + struct.pack("<II4s", zlib.adler32(body), len(each), b"BlbE")
    first = struct.pack("<4sIIIIIII", b"RpmP", 0, 1, 1, len(headers) + 1, 0, 0, 0) + slots
    return first + b"Slot".ljust(16, b"\0") * ((4096 - len(first)) // 16) + blobs


def built(name: str, version: str, vendor: str = "", source: str = "") -> bytes:
    """A header of an installed package; `version` is version and release."""
    upstream, _, release = version.partition("-")
    tags = [text(1000, name), text(1001, upstream), text(1002, release), text(1022, "x86_64")]
    tags += [text(1011, vendor)] if vendor else []
    tags += [text(1044, f"{source or name}-{version}.src.rpm")]
    return header(*tags)
