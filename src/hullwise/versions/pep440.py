"""PyPI's order of versions, as keys of bytes (PEP 440, now the version specifiers specification of PyPA).

    key       epoch number, release numbers without zeros at their end, [PRE number,] tail, local segments
    tail      DEV number  |  END  |  POST number, then DEV number or END

    01        DEV
    02 … 04   PRE: a, b, rc
    05        END
    06        POST
    07        a local segment of letters: it in ASCII, then 00
    20 … AC   a number: epoch, release, that of a mark above, or a local segment of digits

Each mark is below every number, so a release sorts before the longer ones that begin with it. Local segments run to
the end of the key: a key that is a prefix of another sorts before it, as the version does (`1.0` < `1.0+a` <
`1.0+a.1`). For `1.0.0rc2.post3+ubuntu.1`: 20, 21, 04 22, 06 23 05, 07 75 62 75 6E 74 75 00, 21.
"""

from __future__ import annotations

from hullwise.versions import numbers
from hullwise.versions.invalid import LONGEST, InvalidVersion

_DEV = b"\x01"
_PRE = {"a": b"\x02", "b": b"\x03", "rc": b"\x04"}
_END = b"\x05"
_POST = b"\x06"
_TEXT = b"\x07"
_TEXT_END = b"\x00"
_ZERO = numbers.of_int(0)


def key(version: str) -> bytes:
    """Bytes that sort as PEP 440 sorts versions, and are equal where it calls two versions equal.

    Every spelling that PEP 440 normalises is accepted (`v1.0-Alpha.1`). Raises `InvalidVersion` for all others,
    such as PyPI's older `2.0.0-final` or `0.9.0.dev-r123`, and for more than `LONGEST` characters.
    """
    # The ASCII check keeps out letters that only case-folding turns into ASCII (the Kelvin sign, the long s).
    if len(version) > LONGEST or not version.isascii():
        raise InvalidVersion("PEP 440", version)
    plain = version.split(".")
    if all(map(str.isdigit, plain)):
        return _ZERO + _release([numbers.of_digits(digits) for digits in plain]) + _END
    # Imported here: most versions are plain, and packaging.version takes longer to import than many of them to read.
    from packaging.version import InvalidVersion as NotPep440
    from packaging.version import Version

    try:
        parsed = Version(version)
    except NotPep440 as error:
        raise InvalidVersion("PEP 440", version) from error
    code = numbers.of_int(parsed.epoch) + _release([numbers.of_int(number) for number in parsed.release])
    if parsed.pre is not None:
        phase, number = parsed.pre
        code += _PRE[phase] + numbers.of_int(number)
    code += _tail(parsed.post, parsed.dev)
    return code if parsed.local is None else code + _local(parsed.local)


def _release(release: list[bytes]) -> bytes:
    while release and release[-1] == _ZERO:
        release.pop()
    return b"".join(release)


def _tail(post: int | None, dev: int | None) -> bytes:
    if post is None and dev is None:
        return _END
    start = b"" if post is None else _POST + numbers.of_int(post)
    return start + (_END if dev is None else _DEV + numbers.of_int(dev))


def _local(local: str) -> bytes:
    code = bytearray()
    for segment in local.split("."):
        if segment.isdigit():
            code += numbers.of_digits(segment)
        else:
            code += _TEXT + segment.encode("ascii") + _TEXT_END
    return bytes(code)
