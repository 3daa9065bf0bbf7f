"""RubyGems' order of versions, as keys of bytes (Gem::Version of RubyGems 3.3).

A version is cut into runs of digits and runs of letters; a hyphen counts as `.pre.`. Zeros are dropped at the end, and
in front of the first letters: `1.0.0.rc1` is 1, rc, 1. RubyGems reads an absent segment as 0 and puts letters below
every number, so a zero in the middle is above or below the end by what follows it.

    key       segments, END

    01        letters: they in ASCII, then 00
    02        0, and letters follow before the next other number
    03        END
    04        0, and another number follows
    21 … AC   a number

For `1.0.2-rc.10`: 21 04 22, 01 70 72 65 00, 01 72 63 00, 2A, 03.

A gem's platform is no part of its version: `1.15.4-x86_64-linux` of a file name has to lose it first. Most are refused
here for their `_`, but `1.15.4-java` reads as a pre-release.
"""

from __future__ import annotations

import re

from hullwise.versions import numbers
from hullwise.versions.invalid import LONGEST, InvalidVersion

_LETTERS = b"\x01"
_LETTERS_END = b"\x00"
_ZERO_BEFORE_LETTERS = b"\x02"
_END = b"\x03"
_ZERO = b"\x04"

_VERSION = re.compile(
    r"[ \t]*"
    r"(?P<text>[0-9]+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)"
    r"[ \t]*"
)
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+")


def key(version: str) -> bytes:
    """Bytes that sort as RubyGems sorts versions, and are equal where it calls two versions equal.

    Blanks around the version are ignored; letters count in their case. Raises `InvalidVersion` for what
    `Gem::Version.correct?` refuses, for the empty text (which RubyGems reads as 0), and for more than `LONGEST`
    characters.
    """
    match = _VERSION.fullmatch(version) if len(version) <= LONGEST else None
    if match is None:
        raise InvalidVersion("RubyGems", version)
    # From the end, for what follows a zero.
    zero = b""
    code = [_END]
    for segment in reversed(_segments(match["text"])):
        if not segment[0].isdigit():
            zero = _ZERO_BEFORE_LETTERS
            code.append(_LETTERS + segment.encode("ascii") + _LETTERS_END)
        elif segment.strip("0"):
            zero = _ZERO
            code.append(numbers.of_digits(segment))
        else:
            code.append(zero)
    return b"".join(reversed(code))


def _segments(text: str) -> list[str]:
    """Digits and letters by turns, without the zeros in front of the first letters."""
    segments: list[str] = _SEGMENT.findall(text.replace("-", ".pre."))
    first = next((at for at, segment in enumerate(segments) if segment[0].isalpha()), len(segments))
    end = first
    while end and not segments[end - 1].strip("0"):
        end -= 1
    return segments[:end] + segments[first:]
