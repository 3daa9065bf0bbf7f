"""Files of JSON that name packages: a few of their fields are read, and what that may cost is bounded."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from hullwise.ecosystems.ecosystem import Unreadable

LONGEST_TEXT = 256
"""Characters of a name or a version."""

MOST_OBJECTS = 200_000
"""Braces in a file: `{}` is two bytes there and 64 or more in memory, so the file's size is no bound by itself."""

T = TypeVar("T")


def decode(data: bytes, type_: type[T]) -> T:
    """The file's fields. A byte order mark does no harm; of a repeated key the last counts, as in JavaScript.

    Raises `Unreadable` for what is no JSON, has other types where fields are due, nests deeper than Python recurses or
    has more than `MOST_OBJECTS`."""
    if data.count(b"{") > MOST_OBJECTS:
        raise Unreadable(f"more than {MOST_OBJECTS} objects")
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=type_)
    except msgspec.ValidationError as error:
        raise Unreadable(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable("not JSON") from error
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error


def plain(text: str) -> str:
    """The text without blanks around it; empty where it is too long, or not all printable, for a name or a version."""
    text = text.strip()
    return text if len(text) <= LONGEST_TEXT and text.isprintable() else ""
