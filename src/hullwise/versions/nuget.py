"""NuGet's order of versions, as keys of bytes (NuGet.Versioning 6; learn.microsoft.com, Package versioning).

Semantic Versioning 2.0.0 with a fourth number, and labels without regard to case.

    key       numbers without zeros at their end, then RELEASE, or PRE and its labels

    01        PRE
    02        RELEASE
    20 … AB   a number: major, minor, patch, revision
    20        a label that is a number: it plus 2**31, in 4 bytes
    AD        any other label: it in upper case ASCII, then 00

Labels run to the end of the key: a key that is a prefix of another sorts before it, as the version does (`1.0.0-a` <
`1.0.0-a.1`). A label is a number where .NET reads it as an Int32, so `-5` is one, below 0, and `20240131235959` is
none: it sorts as text. For `1.20.0-RC.1`: 21 34, 01, AD 52 43 00, 20 80 00 00 01.
"""

from __future__ import annotations

import re

from hullwise.versions import numbers
from hullwise.versions.invalid import LONGEST, InvalidVersion

_PRE = b"\x01"
_RELEASE = b"\x02"
_NUMBER = b"\x20"
_TEXT = bytes([numbers.ABOVE])
_TEXT_END = b"\x00"
_BIAS = 2**31

_LABEL = r"[0-9A-Za-z-]+"
_VERSION = re.compile(
    r"[ \t]*"
    r"(?P<numbers>[0-9]+(?:\.[0-9]+){0,3})"
    rf"(?:-(?P<pre>{_LABEL}(?:\.{_LABEL})*))?"
    rf"(?:\+{_LABEL}(?:\.{_LABEL})*)?"
    r"[ \t]*"
)
_INTEGER = re.compile(r"-?[0-9]+")
_PADDED = re.compile(r"0[0-9]+")


def key(version: str) -> bytes:
    """Bytes that sort as NuGet sorts versions, and are equal for versions of equal precedence.

    One to four numbers, those left out are 0, leading zeros do not count; build metadata does not count; blanks around
    are ignored. Raises `InvalidVersion` for what `NuGetVersion.TryParse` refuses (a number above 2147483647, a label
    of digits with a leading zero, a `v` in front), and for more than `LONGEST` characters.
    """
    match = _VERSION.fullmatch(version) if len(version) <= LONGEST else None
    if match is None:
        raise InvalidVersion("NuGet", version)
    release = [int(digits) for digits in match["numbers"].split(".")]
    labels = match["pre"].split(".") if match["pre"] is not None else []
    if max(release) >= _BIAS or any(map(_PADDED.fullmatch, labels)):
        raise InvalidVersion("NuGet", version)
    while release and not release[-1]:
        release.pop()
    mark = _PRE if labels else _RELEASE
    return b"".join([*map(numbers.of_int, release), mark, *map(_label, labels)])


def _label(label: str) -> bytes:
    if _INTEGER.fullmatch(label) and -_BIAS <= int(label) < _BIAS:
        return _NUMBER + (int(label) + _BIAS).to_bytes(4, "big")
    return _TEXT + label.upper().encode("ascii") + _TEXT_END
