"""rpm's order of versions, as keys of bytes (rpm-version(7); rpmvercmp of rpm 4.18).

A text is `[epoch:]version[-release]`, the last hyphen begins the release. Without an epoch it is 0.

    key       epoch number, part of the version, [part of the release]
    part      segments, END

    01        ~
    02        END
    03        ^
    04        letters: they in ASCII, then 00
    20 … AC   digits, a number

All other characters only divide segments. A text without a release is a prefix of those with one and sorts before each
of them, as rpm has it: a bound `fixed: 1.2` leaves out every build of 1.2, and `introduced: 1.2` takes all of them in,
as `Requires: foo >= 1.2` of a spec file does. (`last_affected: 1.2` ends below `1.2-1`: one key cannot stand below the
builds and above them. The feeds that order by rpm write `fixed`, with a release.) For `1:2.0~rc1-3.el9`: 21,
22 20 01 04 72 63 00 21 02, 23 04 65 6C 00 29 02.
"""

from __future__ import annotations

import re

from hullwise.versions import numbers
from hullwise.versions.invalid import LONGEST, InvalidVersion

_END = b"\x02"
_SIGNS = {"~": b"\x01", "^": b"\x03"}
_LETTERS = b"\x04"
_LETTERS_END = b"\x00"

# Printable ASCII but `<`, `>` and `:`, so that the `(none)` that rpm prints for an absent epoch is refused. Whatever is
# no letter, digit, `~` or `^` divides, and a part of nothing else is no version.
_VERSION = re.compile(r"(?:(?P<epoch>[0-9]*):)?(?P<rest>[!-9;=?-~]+)")
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_CONTENT = re.compile(r"[0-9A-Za-z]")


def key(version: str) -> bytes:
    """Bytes that sort as rpm sorts versions, and are equal where rpm calls two versions equal.

    Numbers may be of any length. Raises `InvalidVersion` for an epoch that is no number, a version or release without
    a letter or digit, blanks, `<`, `>`, further colons, control and non-ASCII characters, and more than `LONGEST`
    characters.
    """
    match = _VERSION.fullmatch(version) if len(version) <= LONGEST else None
    if match is None:
        raise InvalidVersion("rpm", version)
    epoch, rest = match.groups()
    parts = rest.rsplit("-", 1)
    if not all(map(_CONTENT.search, parts)):
        raise InvalidVersion("rpm", version)
    return numbers.of_digits(epoch or "0") + b"".join(map(_part, parts))


def _part(text: str) -> bytes:
    code = bytearray()
    for segment in _SEGMENT.findall(text):
        if segment in _SIGNS:
            code += _SIGNS[segment]
        elif segment[0].isdigit():
            code += numbers.of_digits(segment)
        else:
            code += _LETTERS + segment.encode("ascii") + _LETTERS_END
    return bytes(code) + _END
