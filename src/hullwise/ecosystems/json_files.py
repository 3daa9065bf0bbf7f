"""Files of JSON that name packages: a few of their fields are read, and what that may cost is bounded."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from hullwise.ecosystems.ecosystem import Unreadable

LONGEST_TEXT = 256
"""Characters of a name or a version."""

MOST_OBJECTS = 200_000
"""Braces in a file: `{}` is two bytes there and 64 or more in memory, so the file's size is no bound by itself."""

MOST_HALVES = 100_000
"""Halves of characters in a file, each of which is looked for by itself."""

T = TypeVar("T")


def decode(data: bytes, type_: type[T]) -> T:
    """The file's fields. A byte order mark does no harm; of a repeated key the last counts, and half of a character is
    none, as in JavaScript.

    Raises `Unreadable` for what is no JSON, has other types where fields are due, nests deeper than Python recurses or
    has more than `MOST_OBJECTS` or `MOST_HALVES`."""
    if data.count(b"{") > MOST_OBJECTS:
        raise Unreadable(f"more than {MOST_OBJECTS} objects")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        try:
            return msgspec.json.decode(data, type=type_)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            whole = _whole(data)
            if whole == data:
                raise
            return msgspec.json.decode(whole, type=type_)
    except msgspec.ValidationError as error:
        raise Unreadable(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable("not JSON") from error
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error


_HALF = re.compile(
    rb"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+"
    rb"(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""The next escape that is half of a character, behind whatever else there is."""


def _whole(data: bytes) -> bytearray:
    """The same, with U+FFFD for each half of a character, which is written in as many bytes. Raises Unreadable."""
    whole, at = bytearray(data), 0
    for _ in range(MOST_HALVES):
        half = _HALF.match(data, at)
        if half is None:
            return whole
        at = half.end()
        whole[half.start(1) : at] = rb"\ufffd"
    raise Unreadable(f"more than {MOST_HALVES} halves of characters")


def plain(text: str) -> str:
    """The text without blanks around it; empty where it is too long, or not all printable, for a name or a version."""
    text = text.strip()
    return text if len(text) <= LONGEST_TEXT and text.isprintable() else ""
