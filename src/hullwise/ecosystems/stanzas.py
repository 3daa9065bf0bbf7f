"""Text databases of stanzas: one field a line, an empty line after each stanza (dpkg, apk, Python metadata).

Readers work on the bytes and look only for the fields they need: these are ASCII, while descriptions, file names and
people's names may be in any encoding.
"""

from __future__ import annotations

import re

from hullwise.ecosystems.ecosystem import Unreadable
from hullwise.versions.invalid import LONGEST

MOST_STANZAS = 100_000
"""Stanzas of one database: more than Debian has packages, few enough to hold in memory."""

# deb822(5): a line of blanks alone may part stanzas too.
_BREAK = re.compile(rb"\n[ \t]*\n")
_NAME = re.compile(rb"[A-Za-z0-9_.][A-Za-z0-9_.+-]{0,%d}" % (LONGEST - 1))
_WORD = re.compile(rb"[!-~]{1,%d}" % LONGEST)


def split(data: bytes) -> list[bytes]:
    """The stanzas of `data`, each with a newline in front, so that every field name follows one.

    Line ends may be LF or CRLF. A file of nothing but empty lines has no stanzas.
    Raises `Unreadable` for more than `MOST_STANZAS`, empty ones counted."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    parts = _BREAK.split(data, maxsplit=MOST_STANZAS + 1)
    if len(parts) > MOST_STANZAS:
        raise Unreadable(f"more than {MOST_STANZAS} stanzas")
    return [b"\n" + part for part in parts if part and not part.isspace()]


def fields(pattern: re.Pattern[bytes], stanza: bytes) -> dict[bytes, bytes]:
    """What `pattern` finds in a stanza: its first group, the field's name, to its second; the last of a name counts."""
    # Not findall: a stanza of a million fields would become a million tuples.
    return {match[1]: match[2] for match in pattern.finditer(stanza)}


def _fitting(pattern: re.Pattern[bytes], value: bytes) -> str:
    value = value.strip(b" \t")
    return value.decode("ascii") if pattern.fullmatch(value) else ""


def name(value: bytes) -> str:
    """The package name that `value` holds between blanks; empty where it is none of dpkg or apk."""
    return _fitting(_NAME, value)


def word(value: bytes) -> str:
    """The one word of printable ASCII that `value` holds between blanks, such as a version; empty where it is none."""
    return _fitting(_WORD, value)
