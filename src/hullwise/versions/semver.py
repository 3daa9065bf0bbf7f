"""npm's order of versions, as keys of bytes (Semantic Versioning 2.0.0, part 11).

    key       numbers without zeros at their end, then RELEASE, or PRE and its identifiers

    01        PRE
    02        RELEASE
    20 … AC   a number: major, minor, patch and the fourth, or an identifier of digits
    AD        an identifier that is not all digits: it in ASCII, then 00

Both marks are below every number, so `1.0.0` sorts before the longer `1.0.0.1`, and `1.0.0.1-a` between them.
Identifiers run to the end of the key: a key that is a prefix of another sorts before it, as the version does
(`1.0.0-a` < `1.0.0-a.1`). For `1.20.0-rc.1`: 21 34, 01, AD 72 63 00, 21.
"""

from __future__ import annotations

import re

from hullwise.versions import numbers
from hullwise.versions.invalid import LONGEST, InvalidVersion

_PRE = b"\x01"
_RELEASE = b"\x02"
_TEXT = bytes([numbers.ABOVE])
_TEXT_END = b"\x00"
_ZERO = numbers.of_int(0)

_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    r"[=vV \t]*"
    r"(?P<numbers>[0-9]+(?:\.[0-9]+){0,3})"
    rf"(?:-(?P<pre>{_IDENTIFIERS}))?"
    rf"(?:\+{_IDENTIFIERS})?"
    r"[ \t]*"
)


def key(version: str) -> bytes:
    """Bytes that sort by semantic versioning, and are equal for versions of equal precedence.

    More is accepted than the specification allows, for it is found in packages and advisories: `v` and `=` in
    front, blanks around, leading zeros, one to four numbers (those left out are 0; the fourth counts, as NuGet has
    it), numbers of any length. Build metadata does not count. Raises `InvalidVersion` for anything else, ranges such
    as `1.x` included, and for more than `LONGEST` characters.
    """
    match = _VERSION.fullmatch(version) if len(version) <= LONGEST else None
    if match is None:
        raise InvalidVersion("semver", version)
    written, pre = match.groups()
    release = [numbers.of_digits(digits) for digits in written.split(".")]
    while release and release[-1] == _ZERO:
        release.pop()
    return b"".join(release) + (_RELEASE if pre is None else _PRE + _identifiers(pre))


def _identifiers(pre: str) -> bytes:
    code = bytearray()
    for identifier in pre.split("."):
        if identifier.isdigit():
            code += numbers.of_digits(identifier)
        else:
            code += _TEXT + identifier.encode("ascii") + _TEXT_END
    return bytes(code)
